/** How the server ends: what each signal does, what clients are told, and what the exit code says of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { Client, api, createRoom } from './client.mjs';

/** Longer than any of these tests may take. */
const LONG = { PARLOR_SHUTDOWN__DRAIN_SECONDS: '600' };
const OK = 0;
const CUT_BY_BOUND = 3;
const CUT_BY_SIGNAL = 4;

/** @param {string} name @param {Record<string, string>} env @param {(server: Server) => Promise<void>} body */
function drainTest(name, env, body) {
  test(name, { timeout: 60_000 }, async () => {
    const server = await Server.start(env);
    try {
      await body(server);
    } finally {
      await server.stop(); // has ended, unless something went wrong
    }
  });
}

/** Two people in a room. @param {Server} server */
async function call(server) {
  const { room: { roomId } } = await createRoom(server.url);
  return [await Client.join(server.url, { roomId, displayName: 'Ada' }), await Client.join(server.url, { roomId, displayName: 'Ben' })];
}

/** @param {Server} server */
async function drain(server) {
  server.signal('SIGTERM');
  await eventually('it drains', async () => (await server.readiness()).reasons.join() === 'draining');
}

drainTest('a server without a call ends at once', LONG, async (server) => {
  await createRoom(server.url);
  server.signal('SIGTERM');
  assert.equal(await server.ended(), OK);
});

drainTest('a drain ends with the last call, and nothing was cut', LONG, async (server) => {
  const { room: { roomId: empty } } = await createRoom(server.url);
  const [ada, ben] = await call(server);
  await drain(server);
  const { secondsLeft } = await ada.receives('server-draining');
  assert.ok(secondsLeft > 500 && secondsLeft <= 600, `${secondsLeft} s`);
  assert.equal(await server.metric('parlor_draining'), 1);
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);

  const refused = await fetch(`${server.url}/api/rooms`, { method: 'POST' });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('content-type'), 'application/problem+json');
  assert.ok(Number(refused.headers.get('retry-after')) > 500, 'it says when to try again');
  assert.equal((await refused.json()).code, 'draining');
  const late = new Client(server.url);
  await late.receives('hello');
  late.send({ type: 'join-room', roomId: empty });
  const error = await late.receives('error');
  assert.equal(error.code, 'draining');
  assert.ok(error.retryAfterSeconds > 500, 'it says when to try again');
  late.close();
  const cleo = await Client.join(server.url, { roomId: ada.roomId, displayName: 'Cleo' });
  await cleo.receives('server-draining');

  for (const person of [ada, ben, cleo]) person.send({ type: 'leave-room', roomId: person.roomId });
  assert.equal(await server.ended(), OK);
  assert.match(server.logTail(), /no call is on: stopping/);
});

drainTest('after its time a drain cuts the calls, and says how many', { PARLOR_SHUTDOWN__DRAIN_SECONDS: '1' }, async (server) => {
  const people = await call(server);
  server.signal('SIGTERM');
  assert.equal(await server.ended({ within: 10_000 }), CUT_BY_BOUND);
  for (const person of people) {
    assert.equal((await person.receives('room-left')).reason, 'server-shutdown');
    await eventually('the socket is closed', () => person.closed);
  }
  assert.match(server.logTail(), /"participants":2.*are cut|are cut.*"participants":2/);
});

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) {
  drainTest(`${signal} ends a drain at once`, LONG, async (server) => {
    const [ada] = await call(server);
    await drain(server);
    server.signal(signal);
    assert.equal(await server.ended(), CUT_BY_SIGNAL);
    assert.equal((await ada.receives('room-left')).reason, 'server-shutdown');
  });
}

drainTest('SIGINT does not wait for calls', LONG, async (server) => {
  const [ada] = await call(server);
  server.signal('SIGINT');
  assert.equal(await server.ended(), CUT_BY_SIGNAL);
  assert.equal((await ada.receives('room-left')).reason, 'server-shutdown');
});

drainTest('a bound of nothing cuts calls at once', { PARLOR_SHUTDOWN__DRAIN_SECONDS: '0' }, async (server) => {
  const [ada] = await call(server);
  assert.equal((await api(server.url, 'GET', `/api/rooms/${ada.roomId}`)).room.participantCount, 2);
  server.signal('SIGTERM');
  assert.equal(await server.ended(), CUT_BY_BOUND);
  assert.ok(!ada.received.some(({ type }) => type === 'server-draining'));
});

drainTest('a shard cannot be made to panic unless the server was started for that', {}, async (server) => {
  server.signal('SIGUSR2');
  assert.equal(await server.ended(), null, 'the signal ends the process, as it does with any program');
  assert.doesNotMatch(server.logTail(), /panicked/);
});
