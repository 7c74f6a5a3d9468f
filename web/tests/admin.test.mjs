import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdminApi, isRefusal } from '../admin/api.js';
import { pathOf, scaleTop } from '../admin/chart.js';
import { age, bitrate, duration, milliseconds, number, percent, plural } from '../admin/format.js';
import { GAP_MS, MAX_POINTS, RoomHistory, SPAN_MS, measure } from '../admin/history.js';

const encoding = (more = {}) => ({ rid: null, codec: 'VP8', alive: true, packets: 9, bytes: 900, bitrateBps: 1_000, framesPerSecond: 30, lossFraction: 0, jitterMs: 1, nackedPackets: 0, keyframeRequests: 0, ...more });
const subscription = (more = {}) => ({ trackId: 't1', participantId: 'p2', state: 'forwarding', codec: 'VP8', rid: null, packets: 9, bytes: 900, bitrateBps: 500, framesPerSecond: 30, lossFraction: null, jitterMs: null, nackedPackets: 0, resentPackets: 0, ...more });
const person = (/** @type {string} */ participantId, more = {}) => /** @type {any} */ ({
  participantId, identity: `guest-${participantId}`, displayName: participantId, role: 'speaker', joinedAt: '2026-11-22T18:44:22.000Z',
  connection: { connectedSeconds: 5, protocol: 'udp', rttMs: 20, estimateBps: 2e6 }, publications: [{ trackId: 't1', kind: 'video', source: 'camera', muted: false, subscriberCount: 1, encodings: [encoding()] }],
  subscriptions: [subscription()], subscriptionsLeftOut: 0, ...more,
});

test('numbers are readable, and what is not known is a dash', () => {
  assert.deepEqual([0, 999, 1_000, 64_400, 1_250_000, 25_000_000, null, undefined].map(bitrate), ['0 bit/s', '999 bit/s', '1 kbit/s', '64 kbit/s', '1.3 Mbit/s', '25 Mbit/s', '–', '–']);
  assert.deepEqual([0, 0.004, 0.25, 1, null].map(percent), ['0 %', '0.4 %', '25 %', '100 %', '–']);
  assert.deepEqual([0, 0.42, 9.96, 12.6, null].map(milliseconds), ['0 ms', '0.4 ms', '10.0 ms', '13 ms', '–']);
  assert.deepEqual([0, 59.9, 61, 3_600, 90_061, -3, null].map(duration), ['0 s', '59 s', '1 min 1 s', '1 h 0 min', '1 d 1 h', '0 s', '–']);
  assert.equal(age('2026-11-22T18:44:22.000Z', Date.parse('2026-11-22T18:46:22.000Z')), '2 min 0 s');
  assert.deepEqual([number(12_345), plural(1, 'track'), plural(2, 'person', 'people')], ['12,345', '1 track', '2 people']);
});

test('a person in a few numbers: rates add up, the worst stream counts, dead layers do not', () => {
  const encodings = [encoding({ bitrateBps: 100, lossFraction: 0.1, jitterMs: null }), encoding({ bitrateBps: 900, jitterMs: 7 }), encoding({ alive: false, bitrateBps: 5, lossFraction: 1 })];
  const values = measure(person('a', { publications: [{ encodings }], subscriptions: [subscription({ lossFraction: 0.02, jitterMs: 3 }), subscription()] }));
  assert.deepEqual(values, { sent: 1_000, received: 1_000, lossUp: 0.1, lossDown: 0.02, jitterUp: 7, jitterDown: 3, rtt: 20 });
  const silent = measure(person('b', { publications: [], subscriptions: [], connection: { connectedSeconds: null, protocol: null, rttMs: null, estimateBps: null } }));
  assert.deepEqual(silent, { sent: 0, received: 0, lossUp: null, lossDown: null, jitterUp: null, jitterDown: null, rtt: null });
});

test('the history is bounded in time, in number, and to who is there', () => {
  const history = new RoomHistory();
  for (let i = 0; i < 1_000; i += 1) history.add([person('a'), person('b')], i * 2_000);
  assert.ok(history.of('a').length <= MAX_POINTS);
  assert.ok(history.of('a').every(({ at }) => at > 999 * 2_000 - SPAN_MS));
  for (let i = 0; i < 1_000; i += 1) history.add([person('a')], 2_000_000 + i);
  assert.equal(history.of('a').length, MAX_POINTS);
  assert.deepEqual([history.size, history.of('b').length, history.of('nobody').length], [1, 0, 0]);
  history.add([], 3_000_000);
  assert.equal(history.size, 0);
});

test('a line ends at the right edge, breaks where nothing is known, and stays inside', () => {
  const point = (/** @type {number} */ at, /** @type {number | null} */ sent) => /** @type {any} */ ({ at, values: { sent } });
  const scale = { now: 100_000, span: SPAN_MS, top: 100 };
  assert.equal(pathOf([], 'sent', scale), '');
  const path = pathOf([point(96_000, 0), point(98_000, 50), point(100_000, 100)], 'sent', scale);
  assert.match(path, /^M[\d.]+ 46.0L[\d.]+ 24.0L240.0 2.0$/);
  assert.equal(pathOf([point(10_000, 1), point(10_001 + GAP_MS, 1)], 'sent', scale).match(/M/g)?.length, 2, 'a silence is a gap');
  assert.equal(pathOf([point(96_000, 1), point(98_000, null), point(100_000, 1)], 'sent', scale).match(/M/g)?.length, 2);
  for (const [, x, y] of pathOf([point(-9e9, 1e9), point(100_000, 1e9)], 'sent', scale).matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)) {
    assert.ok(Number(x) >= 0 && Number(x) <= 240 && Number(y) >= 0 && Number(y) <= 48);
  }
  assert.deepEqual([scaleTop([], ['sent'], 50), scaleTop([point(0, 51)], ['sent'], 50), scaleTop([point(0, 1_200_000)], ['sent'], 100_000)], [50, 100, 2_000_000]);
  assert.equal(scaleTop([point(0, 0.2)], ['sent'], 0.05), 0.2);
});

test('a token stays in the tab and goes with every request; without one the page says where it is', async (t) => {
  /** @type {Map<string, string>} */ const kept = new Map();
  const storage = { getItem: (/** @type {string} */ key) => kept.get(key) ?? null, setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value), removeItem: (/** @type {string} */ key) => void kept.delete(key) };
  /** @type {{ url: string, method: string, authorization: string }[]} */ const asked = [];
  t.mock.method(globalThis, 'fetch', async (/** @type {URL} */ url, /** @type {any} */ { method, headers }) => {
    asked.push({ url: url.href, method, authorization: headers.authorization });
    return new Response(JSON.stringify({ success: true, participants: [] }), { status: 200 });
  });
  const api = new AdminApi(storage, 'http://localhost:8080');
  await api.server();
  api.signIn('a.b.c');
  await api.rooms('mon day&x');
  assert.deepEqual(await api.stats('a/b'), []);
  await api.kick('abc', 'p1');
  await api.end('abc');
  assert.equal(api.hasToken, true);
  api.signOut();
  assert.deepEqual([api.hasToken, kept.size], [false, 0]);
  const signed = { authorization: 'Bearer a.b.c' };
  assert.deepEqual(asked, [
    { url: 'http://localhost:8080/api/server', method: 'GET', authorization: 'Bearer loopback' },
    { url: 'http://localhost:8080/api/rooms?live=true&limit=200&q=mon+day%26x', method: 'GET', ...signed },
    { url: 'http://localhost:8080/api/rooms/a%2Fb/stats', method: 'GET', ...signed },
    { url: 'http://localhost:8080/api/rooms/abc/users/p1/kick', method: 'POST', ...signed },
    { url: 'http://localhost:8080/api/rooms/abc/end', method: 'POST', ...signed },
  ]);
  assert.deepEqual(['unauthorized', 'token-invalid', 'forbidden', 'server-busy', undefined].map((code) => isRefusal({ code })), [true, true, true, false, false]);
});
