import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { answer, offer } from '../sdk/messages.js';
import { Negotiator } from '../sdk/negotiation.js';
import { FakePeerConnection, FakeServer, tick } from './fakes.mjs';

function setUp() {
  const pc = new FakePeerConnection();
  const server = new FakeServer();
  const negotiator = new Negotiator(pc, {
    buildOffer: (id) => offer({ roomId: 'room', id, sdp: pc.localDescription.sdp, tracks: [] }),
    buildAnswer: (id, negotiationId) => answer({ roomId: 'room', id, sdp: pc.localDescription.sdp, negotiationId }),
    send: server.send,
  });
  const failures = [];
  const rejections = [];
  negotiator.on('failed', ({ error }) => failures.push(error));
  negotiator.on('rejected', ({ error }) => rejections.push(error.code));
  const unhandled = [];
  const deliver = () => {
    const message = server.toClient.shift();
    if (!negotiator.handle(message)) unhandled.push(message);
  };
  /** Delivers everything both ways until nothing moves. */
  const settle = async () => {
    for (let round = 0; round < 50; round += 1) {
      for (let step = 0; step < 8; step += 1) await tick();
      if (server.toServer.length > 0) server.read();
      else if (server.toClient.length > 0) deliver();
      else return;
    }
    assert.fail('the two sides do not come to rest');
  };
  return { pc, server, negotiator, failures, rejections, unhandled, deliver, settle };
}

/** After any course of events: both sides at rest, and the client's last wish known to the server. */
function assertSettled({ pc, server, failures, unhandled }, { offers }) {
  assert.deepEqual(failures, []);
  assert.deepEqual(unhandled, []);
  assert.equal(pc.signalingState, 'stable');
  assert.equal(server.outstanding, null);
  assert.equal(server.accepted.length, offers);
}

const ready = async () => {
  for (let step = 0; step < 12; step += 1) await tick();
};

test('an offer is made, answered and done', async () => {
  const world = setUp();
  world.negotiator.request();
  await world.settle();
  assertSettled(world, { offers: 1 });
  assert.deepEqual(world.pc.log, ['local offer', 'remote answer']);
});

test('requests during an exchange are joined into one further offer', async () => {
  const world = setUp();
  world.negotiator.request();
  await ready();
  for (let wish = 0; wish < 5; wish += 1) world.negotiator.request();
  await world.settle();
  assertSettled(world, { offers: 2 });
});

test('the server offers, the client answers', async () => {
  const world = setUp();
  world.server.offer();
  await world.settle();
  assertSettled(world, { offers: 0 });
  assert.deepEqual(world.server.answered, ['answer to server offer 1']);
});

test('glare, the server’s offer first: the client yields, answers and offers again', async () => {
  const world = setUp();
  world.server.offer(); // under way…
  world.negotiator.request(); // …when the client offers
  await ready();
  assert.equal(world.pc.signalingState, 'have-local-offer');
  world.deliver(); // the offer arrives before its refusal has even been written
  await ready();
  assert.deepEqual(world.pc.log, ['local offer', 'rollback', 'remote offer', 'local answer', 'local offer']);
  await world.settle(); // the refusal of the first offer comes late, and touches the second one not at all
  assertSettled(world, { offers: 1 });
  assert.deepEqual(world.server.accepted, ['client offer 2']);
});

test('glare, the refusal first: the client waits for the server’s offer and then offers again', async () => {
  const world = setUp();
  world.negotiator.request();
  await ready();
  world.server.offer();
  world.server.read(); // the crossing offer is refused…
  world.server.toClient.reverse(); // …and the refusal overtakes the server's offer
  world.deliver();
  await ready();
  assert.deepEqual(world.pc.log, ['local offer', 'rollback']);
  await world.settle();
  assertSettled(world, { offers: 1 });
  assert.deepEqual(world.server.answered, ['answer to server offer 1']);
  assert.deepEqual(world.server.accepted, ['client offer 2']);
  world.negotiator.close();
});

test('a refusal without an offer that follows is retried', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const world = setUp();
  world.negotiator.request();
  await ready();
  const { id } = world.server.toServer.shift();
  world.server.toClient.push({ type: 'error', code: 'glare', message: '', id });
  await world.settle();
  assert.equal(world.server.accepted.length, 0);
  mock.timers.tick(1000);
  await world.settle();
  mock.timers.reset();
  assertSettled(world, { offers: 1 });
});

test('an offer that the server cannot accept is reported and not repeated', async () => {
  const world = setUp();
  world.negotiator.request();
  await ready();
  const { id } = world.server.toServer.shift();
  world.server.toClient.push({ type: 'error', code: 'bad-sdp', message: 'no fingerprint', id });
  await world.settle();
  assertSettled(world, { offers: 0 });
  assert.deepEqual(world.rejections, ['bad-sdp']);
});

test('many offers of both sides at once come to rest', async () => {
  const world = setUp();
  for (let round = 0; round < 20; round += 1) {
    if (world.server.outstanding === null) world.server.offer();
    world.negotiator.request();
    if (round % 3 === 0) await ready();
    if (round % 2 === 0 && world.server.toServer.length > 0) world.server.read();
    if (round % 4 === 1 && world.server.toClient.length > 0) world.deliver();
  }
  await world.settle();
  assert.deepEqual(world.failures, []);
  assert.deepEqual(world.unhandled, []);
  assert.equal(world.pc.signalingState, 'stable');
  assert.equal(world.server.outstanding, null);
  assert.ok(world.server.accepted.length > 0);
});

test('an offer that was lost with the socket is sent again, with the same id', async () => {
  const world = setUp();
  world.negotiator.request();
  await ready();
  const [lost] = world.server.toServer.splice(0);
  world.negotiator.resend();
  await ready();
  assert.deepEqual(world.server.toServer, [lost]);
  await world.settle();
  assertSettled(world, { offers: 1 });
});

test('an answer of the server that comes twice is applied once', async () => {
  const world = setUp();
  world.negotiator.request();
  await ready();
  world.server.read();
  world.negotiator.resend();
  await ready();
  await world.settle();
  assert.deepEqual(world.pc.log, ['local offer', 'remote answer']);
  assertSettled(world, { offers: 2 });
});

test('an answer that was lost with the socket is sent again; a second copy does no harm', async () => {
  const world = setUp();
  world.server.offer();
  world.deliver();
  await ready();
  world.server.toServer.splice(0); // lost
  world.negotiator.resend();
  world.negotiator.resend();
  await world.settle();
  assertSettled(world, { offers: 0 });
  assert.equal(world.server.answered.length, 1);
});

test('a repeated offer of the server gets the same answer again', async () => {
  const world = setUp();
  world.server.offer();
  const [repeated] = world.server.toClient;
  world.deliver();
  await ready();
  world.server.toServer.splice(0); // lost
  world.server.toClient.push(repeated);
  await world.settle();
  assertSettled(world, { offers: 0 });
  assert.deepEqual(world.pc.log, ['remote offer', 'local answer']);
});

test('what the connection cannot apply is a failure, and errors of others are left alone', async () => {
  const world = setUp();
  world.negotiator.request();
  await ready();
  const { id } = world.server.toServer.shift();
  assert.equal(world.negotiator.handle({ type: 'error', code: 'rate-limited', message: '', id: 'other' }), false);
  world.negotiator.handle({ type: 'answer-received', answer: { type: 'answer', sdp: 'nonsense' }, id });
  await ready();
  assert.equal(world.failures.length, 1);
  assert.equal(world.failures[0].code, 'media-failed');
});
