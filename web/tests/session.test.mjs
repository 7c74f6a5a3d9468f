import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Emitter } from '../sdk/emitter.js';
import { ParlorError } from '../sdk/errors.js';
import { Session } from '../sdk/session.js';

/** A socket to a scripted server: `world.reply(message)` decides each answer; an `Error` is a refusal. */
class FakeSocket extends Emitter {
  onReceived = () => {};
  sent = [];
  isDown = false;

  constructor(world) {
    super();
    this.world = world;
    world.sockets.push(this);
  }

  async open() {
    if (!this.world.serverId) {
      this.close();
      throw new ParlorError('unreachable');
    }
    return { type: 'hello', serverId: this.world.serverId };
  }

  async request(message) {
    this.sent.push(message);
    const reply = this.world.reply(message);
    if (reply instanceof Error) throw reply;
    this.onReceived(reply);
    return reply;
  }

  send(message) {
    this.sent.push(message);
    return !this.isDown;
  }

  receive(message) {
    this.onReceived(message);
    this.emit('message', message);
  }

  close() {
    if (this.isDown) return;
    this.isDown = true;
    this.emit('down', { reason: 'closed' });
  }
}

let participants = 0;

function setUp(options = {}) {
  const world = { sockets: [], serverId: 'server-1', rooms: new Set(['room']), tokens: new Set(), recreated: [], events: [] };
  const welcome = (type) => {
    const resumeToken = `token-${++participants}`;
    world.tokens.add(resumeToken);
    return { type, roomId: 'room', participantId: `p${participants}`, participants: [], resumeToken, serverId: world.serverId };
  };
  world.reply = ({ type, resumeToken }) => {
    if (type === 'resume') return world.tokens.has(resumeToken) ? welcome('resumed') : new ParlorError('resume-failed');
    if (type === 'join-room') return world.rooms.has('room') ? welcome('room-joined') : new ParlorError('room-not-found');
    return { type: type === 'ping' ? 'pong' : 'room-left' };
  };
  world.session = new Session({
    url: 'ws://test',
    roomId: 'room',
    displayName: 'Ada',
    recreateRoom: async ({ roomId }) => {
      world.recreated.push(roomId);
      world.rooms.add(roomId);
    },
    createSocket: () => new FakeSocket(world),
    ...options,
  });
  for (const type of ['joined', 'replayed', 'down', 'closed']) {
    world.session.on(type, (detail) => world.events.push(type === 'joined' ? `joined ${detail.resumed ? 'again' : 'anew'}` : detail.reason ? `${type} ${detail.reason}` : type));
  }
  world.socket = () => world.sockets[world.sockets.length - 1];
  world.restartServer = () => {
    world.serverId = `server-${world.sockets.length + 1}`;
    world.rooms.clear();
    world.tokens.clear();
  };
  return world;
}

/** Passes virtual time in small steps and lets promises run in between. */
async function pass(ms) {
  for (let at = 0; at <= ms; at += 50) {
    mock.timers.tick(50);
    for (let step = 0; step < 6; step += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }));
afterEach(() => mock.timers.reset());

test('a lost socket is replaced and the session resumed with the count of what was received', async () => {
  const world = setUp();
  await world.session.start();
  const first = world.socket();
  first.receive({ type: 'user-joined' });
  first.receive({ type: 'typing' });
  first.close();
  await pass(300);
  assert.deepEqual(world.events, ['joined anew', 'down', 'joined again', 'replayed']);
  assert.equal(world.socket().sent[0].received, 3); // room-joined and two more
  world.socket().close();
  await pass(300);
  assert.equal(world.socket().sent[0].received, 4); // the pong; `resumed` does not count
});

test('a refused resume joins anew', async () => {
  const world = setUp();
  await world.session.start();
  world.tokens.clear();
  world.socket().close();
  await pass(300);
  assert.deepEqual(world.events, ['joined anew', 'down', 'joined anew']);
  assert.deepEqual(world.recreated, []);
});

test('a restarted server gets its room back and the client is in within 10 s of its return', async () => {
  const world = setUp();
  await world.session.start();
  world.serverId = null;
  world.socket().close();
  await pass(60000); // a long outage: the delays are at their longest
  assert.deepEqual(world.events, ['joined anew', 'down']);
  world.restartServer();
  await pass(6000);
  assert.deepEqual(world.events, ['joined anew', 'down', 'joined anew']);
  assert.deepEqual(world.recreated, ['room']);
  assert.ok(!world.socket().sent.some(({ type }) => type === 'resume'));
});

test('the same server without the room is the end', async () => {
  const world = setUp();
  await world.session.start();
  world.tokens.clear();
  world.rooms.clear();
  world.socket().close();
  await pass(300);
  assert.deepEqual(world.events, ['joined anew', 'down', 'closed room-not-found']);
  assert.deepEqual(world.recreated, []);
});

test('the return of the network ends a wait at once', async () => {
  const world = setUp();
  await world.session.start();
  world.serverId = null;
  world.socket().close();
  await pass(60000);
  world.serverId = 'server-1';
  world.session.retryNow();
  await pass(0);
  assert.equal(world.events.at(-1), 'replayed');
});

test('lost media: the participant enters anew over the same socket', async () => {
  const world = setUp();
  await world.session.start();
  world.socket().receive({ type: 'room-left', roomId: 'room', reason: 'media-failed' });
  await pass(300);
  assert.deepEqual(world.events, ['joined anew', 'joined anew']);
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(world.socket().sent.map(({ type }) => type), ['join-room', 'join-room']);

  const left = world.session.rejoin({ removed: false });
  await pass(600);
  await left;
  assert.deepEqual(world.socket().sent.map(({ type }) => type), ['join-room', 'join-room', 'leave-room', 'join-room']);
});

test('a room that ends, and a second window, end the session with their reason', async () => {
  const endings = [
    [{ type: 'room-closed', roomId: 'room', reason: 'room-expired' }, 'closed room-expired'],
    [{ type: 'room-left', roomId: 'room', reason: 'room-closed' }, 'closed room-closed'],
    [{ type: 'error', code: 'displaced', message: '' }, 'closed displaced'],
  ];
  for (const [message, event] of endings) {
    const world = setUp();
    await world.session.start();
    world.socket().receive(message);
    await pass(6000);
    assert.deepEqual(world.events, ['joined anew', event]);
    assert.equal(world.sockets.length, 1);
  }
});

test('an orderly shutdown is survived like a crash', async () => {
  const world = setUp();
  await world.session.start();
  world.socket().receive({ type: 'room-left', roomId: 'room', reason: 'server-shutdown' });
  world.restartServer();
  world.socket().close();
  await pass(300);
  assert.deepEqual(world.events, ['joined anew', 'down', 'joined anew']);
});

test('a draining server lets nobody back into an empty room: the session waits for its restart', async () => {
  const world = setUp();
  await world.session.start();
  const { reply } = world;
  world.tokens.clear();
  world.reply = ({ type }) => new ParlorError(type === 'resume' ? 'resume-failed' : 'draining');
  world.socket().close();
  await pass(3000);
  assert.deepEqual(world.events, ['joined anew', 'down']);
  world.reply = reply;
  world.restartServer();
  await pass(10_000);
  assert.deepEqual(world.events, ['joined anew', 'down', 'joined anew']);
});

test('a draining server refuses the first entry at once', async () => {
  const world = setUp();
  world.reply = () => new ParlorError('draining');
  await assert.rejects(world.session.start(), { code: 'draining' });
  assert.equal(world.sockets.length, 1);
});

test('leaving says so, and nothing comes after it', async () => {
  const world = setUp();
  await world.session.start();
  await world.session.leave();
  await pass(10000);
  assert.deepEqual(world.socket().sent.map(({ type }) => type), ['join-room', 'leave-room']);
  assert.deepEqual(world.events, ['joined anew', 'closed left']);
  assert.equal(world.sockets.length, 1);
});

test('the first entry fails with the server’s reason, or as unreachable after three attempts', async () => {
  const missing = setUp();
  missing.rooms.clear();
  await assert.rejects(missing.session.start(), { code: 'room-not-found' });
  assert.equal(missing.sockets.length, 1);

  const silent = setUp();
  silent.serverId = null;
  const failed = assert.rejects(silent.session.start(), { code: 'unreachable' });
  await pass(2000);
  await failed;
  assert.equal(silent.sockets.length, 3);
});

/** From now on joining ends in the lobby. */
function openLobby(world) {
  const enter = world.reply;
  world.reply = (message) => (message.type === 'join-room' ? { type: 'lobby-waiting', roomId: 'room', participantId: 'p-waiting' } : enter(message));
  return () => world.socket().receive(enter({ type: 'join-room' }));
}

test('in the lobby nothing is heard of the room until a host admits', async () => {
  const world = setUp();
  const admit = openLobby(world);
  const waiting = [];
  world.session.on('waiting', (detail) => waiting.push(detail));
  world.session.on('message', () => assert.fail('a message from the room'));
  const entered = world.session.start();
  await pass(60000);
  assert.deepEqual([waiting, world.session.connected], [[{ participantId: 'p-waiting' }], false]);
  world.socket().receive({ type: 'message-received' });
  admit();
  await entered;
  assert.deepEqual([world.events, world.sockets.length], [['joined anew'], 1]);
});

test('a refusal in the lobby ends it; a lost socket waits again, however often', async () => {
  const denied = setUp();
  openLobby(denied);
  const refusal = assert.rejects(denied.session.start(), { code: 'lobby-denied' });
  await pass(0);
  denied.socket().receive({ type: 'room-left', roomId: 'room', reason: 'denied' });
  await refusal;
  assert.deepEqual([denied.sockets.length, denied.events], [1, ['closed lobby-denied']]);

  const patient = setUp();
  const admit = openLobby(patient);
  const entered = patient.session.start();
  for (let loss = 0; loss < 5; loss += 1) {
    await pass(1000);
    patient.socket().close();
  }
  await pass(1000);
  admit();
  await entered;
  assert.deepEqual([patient.sockets.length, patient.events], [6, ['joined anew']]);
});

test('who leaves the lobby is not let in any more', async () => {
  const world = setUp();
  openLobby(world);
  const cancelled = assert.rejects(world.session.start(), { code: 'cancelled' });
  await pass(0);
  await world.session.leave();
  await cancelled;
  assert.deepEqual([world.socket().isDown, world.events], [true, ['closed left']]);
});

test('credentials go with every entry; those worth nothing any more are given up', async () => {
  let refused = 0;
  const world = setUp({ credentials: { hostSecret: 'host_0', invite: 'invite_0', guestKey: 'k'.repeat(16) }, onHostSecretRefused: () => (refused += 1) });
  const enter = world.reply;
  let inviteUsed = false;
  world.reply = (message) => {
    if (message.type !== 'join-room') return enter(message);
    if (message.hostSecret) return new ParlorError('token-invalid');
    if (message.invite && inviteUsed) return new ParlorError('invite-invalid');
    inviteUsed = true;
    return enter(message);
  };
  await world.session.start();
  assert.equal(refused, 1);
  world.socket().receive({ type: 'room-left', roomId: 'room', reason: 'media-failed' });
  await pass(3000);
  const joins = world.socket().sent.filter(({ type }) => type === 'join-room').map(({ hostSecret, invite, guestKey }) => [hostSecret, invite, guestKey.length]);
  assert.deepEqual(joins, [['host_0', 'invite_0', 16], [undefined, 'invite_0', 16], [undefined, 'invite_0', 16], [undefined, undefined, 16]]);

  const late = setUp({ credentials: { invite: 'invite_0' } });
  late.reply = () => new ParlorError('invite-invalid');
  await assert.rejects(late.session.start(), { code: 'invite-invalid' });
});
