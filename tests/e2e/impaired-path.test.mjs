/** The bad network that other tests use, on a clock of their own; and once with real sockets. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { ImpairedPath } from './harness/impaired-path.mjs';
import { burstyLoss, Link, randomLoss } from './harness/link.mjs';

/** 1,000 bytes with their headers. */
const PAYLOAD = 972;

/**
 * Polls whenever the link asks to be polled.
 *
 * @param {Link<any>} link
 * @param {number} until
 * @returns {[unknown, number][]} what arrived, and when
 */
function arrivals(link, until) {
  /** @type {[unknown, number][]} */ const all = [];
  for (let at = link.pollAt(); at !== null && at <= until; at = link.pollAt()) {
    for (const item of link.poll(at)) all.push([item, Math.round(at * 1000) / 1000]);
  }
  return all;
}

test('datagrams are serialised one after another, headers included', () => {
  const link = new Link({ now: 0, conditions: { rateBps: 800_000, delayMs: 20 } });
  for (const item of ['a', 'b', 'c']) link.handle(item, PAYLOAD, 0);
  assert.deepEqual(arrivals(link, 100), [['a', 30], ['b', 40], ['c', 50]]);
  assert.deepEqual(link.seconds[0].queueingMs, [10, 20, 30]);
});

test('what would wait for too long is dropped at the tail', () => {
  const link = new Link({ now: 0, conditions: { rateBps: 800_000, queueMs: 25 } });
  for (const item of ['a', 'b', 'c', 'd', 'e']) link.handle(item, PAYLOAD, 0);
  assert.deepEqual(arrivals(link, 100).map(([item]) => item), ['a', 'b', 'c']);
  assert.equal(link.seconds[0].dropped.queue, 2);
  link.handle('f', PAYLOAD, 200);
  assert.deepEqual(arrivals(link, 300), [['f', 210]]);
});

test('another rate applies to what waits already', () => {
  const link = new Link({ now: 0, conditions: { rateBps: 800_000 } });
  link.handle('a', PAYLOAD, 0);
  link.change({ rateBps: 80_000 }, 5);
  assert.deepEqual(arrivals(link, 100), [['a', 55]]);
});

test('an outage loses what waits and what comes, but not what flies', () => {
  const link = new Link({ now: 0, conditions: { rateBps: 800_000, delayMs: 50 } });
  link.handle('a', PAYLOAD, 0);
  link.handle('b', PAYLOAD, 0);
  link.change({ down: true }, 15);
  link.handle('c', PAYLOAD, 20);
  link.change({ down: false }, 30);
  link.handle('d', PAYLOAD, 30);
  assert.deepEqual(arrivals(link, 200), [['a', 60], ['d', 90]]);
  assert.equal(link.seconds[0].dropped.outage, 2);
});

test('jitter spreads the delay, and reorders only where it may', () => {
  for (const reorders of [false, true]) {
    const link = new Link({ now: 0, conditions: { delayMs: 100, jitterMs: 50, reorders } });
    for (let item = 0; item < 200; item += 1) link.handle(item, PAYLOAD, item * 5);
    const came = arrivals(link, 2000);
    const flights = came.map(([item, at]) => at - /** @type {number} */ (item) * 5);
    assert.equal(came.length, 200);
    const [least, most] = [Math.min(...flights), Math.max(...flights)];
    assert.ok(least >= 50 && most <= 150 && most - least > 60, `${least} to ${most} ms`);
    assert.equal(came.every(([item], index) => item === index), !reorders);
  }
});

test('losses come as often, and in runs as long, as was asked for', () => {
  for (const { loss, share, run } of [
    { loss: randomLoss(0.05), share: 0.05, run: 1 / 0.95 },
    { loss: burstyLoss(0.1, 5), share: 0.1, run: 5 },
  ]) {
    const link = new Link({ now: 0, conditions: { loss } });
    const total = 100_000;
    const came = new Set();
    for (let item = 0; item < total; item += 1) {
      link.handle(item, PAYLOAD, item);
      for (const arrived of link.poll(item)) came.add(arrived);
    }
    const items = Array.from({ length: total }, (_, item) => item);
    const runs = items.filter((item) => !came.has(item) && (item === 0 || came.has(item - 1))).length;
    const lost = total - came.size;
    assert.ok(Math.abs(lost / total / share - 1) < 0.1, `${lost} of ${total} are lost`);
    assert.ok(Math.abs(lost / runs / run - 1) < 0.1, `runs of ${lost / runs} are lost`);
  }
});

test('the same seed gives the same network', () => {
  const [one, two, other] = [3, 3, 4].map((seed) => {
    const link = new Link({ now: 0, seed, conditions: { loss: randomLoss(0.5), jitterMs: 9, delayMs: 9 } });
    for (let item = 0; item < 100; item += 1) link.handle(item, PAYLOAD, item);
    return arrivals(link, 200);
  });
  assert.deepEqual(one, two);
  assert.notDeepEqual(one, other);
});

test('a path changes as planned, each direction by itself', () => {
  /** @type {{ at: number, action: () => void }[]} */ let timers = [];
  let now = 0;
  const clock = {
    now: () => now,
    after: (/** @type {number} */ ms, /** @type {() => void} */ action) => {
      const timer = { at: now + ms, action };
      timers.push(timer);
      return () => { timers = timers.filter((other) => other !== timer); };
    },
  };
  const path = new ImpairedPath({ clock, down: { rateBps: 800_000 } });
  path.follow([{ atMs: 1000, down: { rateBps: 80_000 } }, { atMs: 2000, up: { delayMs: 7 } }]);
  /** @type {[string, number][]} */ const came = [];
  const runUntil = (/** @type {number} */ end) => {
    for (;;) {
      const [next] = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      timers = timers.filter((other) => other !== next);
      now = next.at;
      next.action();
    }
    now = end;
  };
  const carry = () => {
    for (const direction of /** @type {const} */ (['up', 'down'])) {
      path[direction].carry(new Uint8Array(PAYLOAD), () => came.push([direction, now]));
    }
  };
  carry();
  runUntil(1500);
  carry();
  runUntil(2500);
  carry();
  runUntil(3000);
  assert.deepEqual(came, [['up', 0], ['down', 10], ['up', 1500], ['down', 1600], ['up', 2507], ['down', 2600]]);
  path.close();
  assert.deepEqual(timers, []);
});

test('a server behind a path is reached and answers, and the path keeps count', async () => {
  const [server, client] = [createSocket('udp4'), createSocket('udp4')];
  server.bind(0, '127.0.0.1');
  client.bind(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(client, 'listening')]);
  server.on('message', (payload, from) => server.send(`${payload}, indeed`, from.port, from.address));
  const { port } = server.address();
  const path = await ImpairedPath.to([{ address: '127.0.0.1', port }], { up: { delayMs: 5 } });
  try {
    client.send('hello', /** @type {number} */ (path.ports.get(port)), '127.0.0.1');
    const [answer] = await once(client, 'message');
    assert.equal(String(answer), 'hello, indeed');
    const { up, down } = path.records();
    assert.deepEqual([up[0].bytes, down[0].bytes], ['hello'.length, 'hello, indeed'.length]);
  } finally {
    path.close();
    server.close();
    client.close();
  }
});
