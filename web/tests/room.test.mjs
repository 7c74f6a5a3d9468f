import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Emitter } from '../sdk/emitter.js';
import { Room } from '../sdk/room.js';
import { FakePeerConnection, tick } from './fakes.mjs';

/** Adds m-lines and a data channel to the signalling states. */
class FakeMediaPeer extends FakePeerConnection {
  transceivers = [];
  restarts = 0;
  isClosed = false;
  channel = { readyState: 'connecting', sent: [], send: (text) => this.channel.sent.push(text) };

  addTransceiver(trackOrKind, { direction, sendEncodings }) {
    const sender = {
      track: typeof trackOrKind === 'string' ? null : trackOrKind,
      encodings: sendEncodings ?? [{}],
      replaceTrack: async (track) => void (sender.track = track),
      getParameters: () => ({ ...sender.more, encodings: sender.encodings.map((encoding) => ({ ...encoding })) }),
      setParameters: async ({ encodings, ...more }) => void Object.assign(sender, { encodings, more }),
    };
    const transceiver = { mid: null, direction, currentDirection: null, sender, receiver: { track: {} } };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  async setLocalDescription(description) {
    await super.setLocalDescription(description);
    if (description?.type !== 'rollback') this.transceivers.forEach((transceiver, index) => (transceiver.mid ??= String(index)));
  }

  async setRemoteDescription(description) {
    await super.setRemoteDescription(description);
    if (description.type === 'answer') this.transceivers.forEach((transceiver) => (transceiver.currentDirection = transceiver.direction));
  }

  getTransceivers() {
    return this.transceivers;
  }

  createDataChannel() {
    return this.channel;
  }

  restartIce() {
    this.restarts += 1;
  }

  become(connectionState) {
    this.connectionState = connectionState;
    this.onconnectionstatechange?.();
  }

  close() {
    this.isClosed = true;
  }
}

class FakeSession extends Emitter {
  roomId = 'room';
  displayName = 'Ada';
  connected = true;
  requests = [];
  request = async (message) => (this.requests.push(message), { type: 'messages', messages: [], more: false });
  limits = { maxTextBytes: 100 };
  sent = [];
  rejoins = [];
  confirmed = 0;
  send = (message) => this.connected && this.sent.push(message) > 0;
  rejoin = (how) => this.rejoins.push(how);
  confirmMedia = () => (this.confirmed += 1);
  offers = () => this.sent.filter(({ type }) => type === 'offer');
}

const welcome = (participantId, serverId = 'server-1', participants = [], more = {}) =>
  ({ ...more, roomId: 'room', name: null, participantId, participants, iceServers: [], expiresAt: null, serverId });
const track = (kind, width) => ({ kind, enabled: true, getSettings: () => ({ width, height: width }) });

async function settle() {
  for (let step = 0; step < 12; step += 1) await tick();
}

async function setUp(tracks = [], more = {}) {
  const session = new FakeSession();
  const peers = [];
  const room = new Room({
    session,
    tracks,
    createPeerConnection: () => {
      peers.push(new FakeMediaPeer());
      return peers.at(-1);
    },
  });
  const states = [];
  room.on('state', ({ state, reason }) => states.push(reason ? `${state} ${reason}` : state));
  session.emit('joined', { welcome: welcome('p1', 'server-1', [], more), resumed: false });
  await settle();
  let answered = 0;
  /** Answers all offers, also those that an answer brings about. */
  const answerAll = async () => {
    await settle();
    while (answered < session.offers().length) {
      const { id, offer } = session.offers()[answered++];
      session.emit('message', { type: 'answer-received', id, answer: { type: 'answer', sdp: `answer to ${offer.sdp}` } });
      await settle();
    }
  };
  return { session, room, peers, states, answerAll };
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

test('an application can wait until the first offer is on its way', async () => {
  const session = new FakeSession();
  const room = new Room({ session, createPeerConnection: () => new FakeMediaPeer() });
  await room.offered(); // before the entry there is nothing to wait for
  session.emit('joined', { welcome: welcome('me'), resumed: false });
  assert.equal(session.offers().length, 0);
  await room.offered();
  assert.equal(session.offers().length, 1);
});

test('an application can wait until descriptions were exchanged with a server that is near', async () => {
  const { room, session } = await setUp();
  let settled = false;
  const waiting = room.negotiated().then(() => { settled = true; });
  await settle();
  assert.equal(settled, false, 'the server has not answered yet');
  const [{ id, offer }] = session.offers();
  session.emit('message', { type: 'answer-received', id, answer: { type: 'answer', sdp: `answer to ${offer.sdp}` } });
  session.emit('message', { type: 'offer-received', negotiationId: 1, offer: { type: 'offer', sdp: 'what others send' } });
  await waiting;
  assert.equal(session.sent.at(-1)?.type, 'answer', 'what others send was answered');
});

test('no application waits long for a server that is far away, nor before the entry', async () => {
  await new Room({ session: new FakeSession(), createPeerConnection: () => new FakeMediaPeer() }).negotiated();
  const { room } = await setUp();
  let settled = false;
  room.negotiated().then(() => { settled = true; });
  await settle();
  assert.equal(settled, false);
  mock.timers.tick(100);
  await settle();
  assert.equal(settled, true);
});

test('the first offer has audio, video and what is published; nothing twice', async () => {
  const empty = await setUp();
  assert.deepEqual(empty.peers[0].transceivers.map(({ direction }) => direction), ['inactive', 'inactive']);
  assert.deepEqual(empty.session.offers()[0].tracks, []);

  const full = await setUp([{ track: track('audio'), source: 'microphone', muted: true }, { track: track('video', 320), source: 'camera' }]);
  assert.deepEqual(full.peers[0].transceivers.map(({ direction }) => direction), ['sendonly', 'sendonly']);
  assert.deepEqual(full.session.offers()[0].tracks, [{ mid: '0', source: 'microphone', muted: true }, { mid: '1', source: 'camera', muted: false }]);
});

test('publishing uses an idle m-line of the same shape, and unpublishing frees it', async () => {
  const { room, session, peers, answerAll } = await setUp();
  await answerAll();
  const microphone = await room.publish(track('audio'), { source: 'microphone' });
  const camera = await room.publish(track('video', 1280), { source: 'camera' }); // three encodings need a line of their own
  await settle();
  assert.deepEqual([microphone.transceiver.mid, camera.transceiver.mid, peers[0].transceivers.length], ['0', '2', 3]);
  await answerAll();
  await room.unpublish(camera);
  await settle();
  await answerAll();
  assert.equal(peers[0].transceivers[2].direction, 'inactive');
  const again = await room.publish(track('video', 1280), { source: 'camera' });
  assert.equal(again.transceiver.mid, '2');
  assert.equal(peers[0].transceivers.length, 3);
  await answerAll();
  assert.deepEqual(session.offers().at(-1).tracks.map(({ mid }) => mid), ['0', '2']);
});

test('an m-line is not used again before the server knows that its publication has ended', async () => {
  const { room, peers, answerAll } = await setUp();
  await answerAll();
  const first = await room.publish(track('audio'), { source: 'microphone' });
  await answerAll();
  await room.unpublish(first);
  const second = await room.publish(track('audio'), { source: 'microphone' });
  await settle();
  assert.deepEqual(peers[0].transceivers.map(({ mid }) => mid), ['0', '1', '2']);
  assert.equal(second.transceiver.mid, '2');
  await answerAll();
  const third = await room.publish(track('audio'), { source: 'screen-audio' });
  assert.equal(third.transceiver.mid, '0');
});

test('a publication that ends while its offer is being made is still described in that offer', async () => {
  const { room, session, answerAll } = await setUp();
  await answerAll();
  const screen = await room.publish(track('video', 320), { source: 'screen' });
  await Promise.resolve(); // the offer is being made
  await room.unpublish(screen);
  await settle();
  assert.deepEqual(session.offers()[1].tracks, [{ mid: '1', source: 'screen', muted: false }]);
  await answerAll();
  await room.publish(track('audio'), { source: 'microphone' });
  await settle();
  assert.deepEqual(session.offers().at(-1).tracks, [{ mid: '0', source: 'microphone', muted: false }]);
});

test('a publication learns its id from the server, which then hears of a mute that came before', async () => {
  const { room, session } = await setUp([{ track: track('audio'), source: 'microphone' }]);
  const [microphone] = room.publications;
  microphone.setMuted(true);
  assert.equal(session.sent.filter(({ type }) => type === 'track-state').length, 0);
  const own = { trackId: 't1', mid: '0', kind: 'audio', source: 'microphone', muted: false, rids: [] };
  session.emit('message', { type: 'track-published', participantId: 'p1', track: own });
  assert.equal(microphone.trackId, 't1');
  assert.deepEqual(session.sent.at(-1), { type: 'track-state', roomId: 'room', trackId: 't1', muted: true });
});

test('a resumed session touches no media; what may be lost is sent again after the replay', async () => {
  const { room, session, peers, states } = await setUp();
  peers[0].become('connected');
  session.connected = false;
  session.emit('down', {});
  assert.equal(room.mediaConnected, true);
  session.connected = true;
  session.emit('joined', { welcome: welcome('p1'), resumed: true });
  assert.equal(peers.length, 1);
  assert.equal(session.offers().length, 1);
  session.emit('replayed', {});
  await settle();
  assert.equal(session.offers().length, 2);
  assert.deepEqual(session.offers()[1], session.offers()[0]);
  assert.deepEqual(states, ['connected', 'reconnecting', 'connected']);
});

test('a fresh entry gets a new connection with everything that is published', async () => {
  const { room, session, peers } = await setUp([{ track: track('audio'), source: 'microphone' }]);
  await room.publish(track('video', 320), { source: 'screen' });
  session.emit('joined', { welcome: welcome('p2', 'server-2', [{ participantId: 'p9', displayName: null, joinedAt: '', tracks: [] }]), resumed: false });
  await settle();
  assert.deepEqual(peers.map(({ isClosed }) => isClosed), [true, false]);
  assert.deepEqual(session.offers().at(-1).tracks.map(({ source }) => source), ['microphone', 'screen']);
  assert.deepEqual([...room.participants.keys()], ['p9']);
  assert.equal(room.localParticipant.participantId, 'p2');
});

test('a broken path restarts ICE after 3 s, and joins anew if that does not help', async () => {
  const { session, peers, states, answerAll } = await setUp();
  await answerAll();
  peers[0].become('connected');
  peers[0].become('disconnected');
  mock.timers.tick(2999);
  assert.equal(peers[0].restarts, 0);
  mock.timers.tick(1);
  await settle();
  assert.equal(peers[0].restarts, 1);
  assert.equal(session.offers().length, 2);
  assert.deepEqual(session.rejoins, []);
  mock.timers.tick(8000);
  assert.deepEqual(session.rejoins, [{ removed: false }]);
  assert.equal(peers[0].isClosed, true);
  assert.deepEqual(states, ['connected', 'reconnecting']);
});

test('a path that comes back by itself is left alone', async () => {
  const { room, session, peers } = await setUp();
  peers[0].become('connected');
  peers[0].become('disconnected');
  mock.timers.tick(2000);
  peers[0].become('connected');
  mock.timers.tick(60000);
  assert.equal(peers[0].restarts, 0);
  assert.deepEqual(session.rejoins, []);
  assert.equal(room.state, 'connected');
  assert.equal(session.confirmed, 2);
});

test('without signalling nothing is tried; its return looks at the media again', async () => {
  const { session, peers, answerAll } = await setUp();
  await answerAll();
  peers[0].become('connected');
  session.connected = false;
  session.emit('down', {});
  peers[0].become('failed');
  mock.timers.tick(10000);
  assert.equal(peers[0].restarts, 0);
  session.connected = true;
  session.emit('joined', { welcome: welcome('p1'), resumed: true });
  session.emit('replayed', {});
  mock.timers.tick(0);
  assert.equal(peers[0].restarts, 1);
});

test('chat takes the data channel while media flows, else the socket', async () => {
  const { room, session, peers } = await setUp();
  const waiting = [room.sendMessage('by socket').catch(() => {})];
  peers[0].channel.readyState = 'open';
  peers[0].become('connected');
  waiting.push(room.sendMessage('by channel').catch(() => {}));
  await settle();
  assert.deepEqual(session.sent.filter(({ type }) => type === 'send-message').map(({ text }) => text), ['by socket']);
  assert.deepEqual(peers[0].channel.sent.map((text) => JSON.parse(text).text), ['by channel']);
  await assert.rejects(room.sendMessage('x'.repeat(101)), { code: 'text-too-large' });
  session.emit('closed', { reason: 'left' });
  await Promise.all(waiting);
  assert.equal(room.state, 'closed');
  assert.equal(peers[0].isClosed, true);
  await assert.rejects(room.publish(track('audio'), { source: 'microphone' }), { code: 'closed' });
});

test('messages of unknown or inherited names are ignored', async () => {
  const { room, session } = await setUp();
  for (const type of ['toString', '__proto__', 'constructor', 'something-new']) session.emit('message', { type });
  assert.equal(room.state, 'connected');
});

const RIGHTS = { audio: true, video: true, screen: true, chat: true };

test('what one has no right to is not sent; it is as soon as the right is given, and no longer when it is taken', async () => {
  const tracks = [{ track: track('audio'), source: 'microphone' }, { track: track('video', 320), source: 'camera' }];
  const { room, session, answerAll } = await setUp(tracks, { role: 'listener', rights: { ...RIGHTS, audio: false, video: false } });
  const sources = () => session.offers().at(-1).tracks.map(({ source }) => source);
  await answerAll();
  assert.deepEqual([sources(), room.role], [[], 'listener']);
  session.emit('message', { type: 'rights-changed', rights: { ...RIGHTS, video: false } });
  await answerAll();
  assert.deepEqual(sources(), ['microphone']);
  session.emit('message', { type: 'rights-changed', rights: { ...RIGHTS, audio: false } });
  await answerAll();
  assert.deepEqual([...room.publications].map(({ transceiver }) => transceiver !== null), [false, true]);
});

test('a host mutes one: it is told once, and unmuting is told to the server', async () => {
  const { room, session } = await setUp([{ track: track('audio'), source: 'microphone' }]);
  const [microphone] = room.publications;
  session.emit('message', { type: 'track-published', participantId: 'p1', track: { trackId: 't1', mid: '0', kind: 'audio', source: 'microphone', muted: false, rids: [] } });
  let told = 0;
  room.on('muted-by-host', () => (told += 1));
  for (let time = 0; time < 2; time += 1) session.emit('message', { type: 'track-state', participantId: 'p1', trackId: 't1', muted: true, by: 'host' });
  assert.deepEqual([told, microphone.muted, microphone.track.enabled], [1, true, false]);
  assert.equal(session.sent.filter(({ type }) => type === 'track-state').length, 0);
  microphone.setMuted(false);
  assert.deepEqual(session.sent.at(-1), { type: 'track-state', roomId: 'room', trackId: 't1', muted: false });
});

test('roles, settings and the lobby are as the server tells them', async () => {
  const { room, session } = await setUp([], { identity: 'guest-a', role: 'host', rights: RIGHTS, room: { name: 'One', locked: false, lobby: false } });
  const events = [];
  for (const type of ['role-changed', 'room-updated', 'lobby-joined', 'lobby-left']) room.on(type, () => events.push(type));
  session.emit('message', { type: 'user-joined', participant: { participantId: 'p2', displayName: 'Ben', identity: 'guest-b', role: 'speaker', joinedAt: '', tracks: [] } });
  session.emit('message', { type: 'role-changed', participantId: 'p2', role: 'listener' });
  assert.deepEqual([room.participants.get('p2').role, room.participants.get('p2').identity], ['listener', 'guest-b']);
  session.emit('message', { type: 'room-updated', room: { name: 'Two', locked: true, lobby: false } });
  assert.deepEqual([room.name, room.settings.locked], ['Two', true]);
  session.emit('message', { type: 'lobby-joined', participantId: 'p3', identity: 'guest-c', displayName: null });
  assert.equal(room.lobby.get('p3').displayName, '');
  session.emit('message', { type: 'role-changed', participantId: 'p1', role: 'speaker' });
  assert.deepEqual([room.role, room.lobby.size], ['speaker', 0]);
  assert.deepEqual(events, ['role-changed', 'room-updated', 'lobby-joined', 'lobby-left', 'role-changed']);
});

test('frames of the channel are acknowledged every 32, or after a second', async () => {
  const { peers: [peer] } = await setUp();
  const { channel } = peer;
  channel.readyState = 'open';
  peer.become('connected');
  const counts = () => channel.sent.map((text) => JSON.parse(text)).filter(({ type }) => type === 'chat-received').map(({ count }) => count);
  channel.onmessage({ data: '{"type":"typing"}' });
  mock.timers.tick(999);
  assert.deepEqual(counts(), []);
  mock.timers.tick(1);
  assert.deepEqual(counts(), [1]);
  for (let frame = 0; frame < 33; frame += 1) channel.onmessage({ data: 'not even JSON' });
  assert.deepEqual(counts(), [1, 33]);
  mock.timers.tick(1000);
  assert.deepEqual(counts(), [1, 33, 34]);
  mock.timers.tick(60000);
  assert.equal(counts().length, 3);
});

test('what went over a channel that closes is repeated over the socket', async () => {
  const { room, session, peers: [peer] } = await setUp();
  peer.channel.readyState = 'open';
  peer.become('connected');
  const sending = room.sendMessage('hello').catch(() => {});
  await settle();
  peer.channel.readyState = 'closed';
  peer.channel.onclose();
  const [repeated] = session.sent.filter(({ type }) => type === 'send-message');
  assert.deepEqual(JSON.parse(peer.channel.sent[0]), JSON.parse(JSON.stringify(repeated)));
  session.emit('closed', { reason: 'left' });
  await sending;
});

const CAMERA = { trackId: 't1', kind: 'video', source: 'camera', muted: false, rids: [] };
const ADA = { participantId: 'p9', displayName: 'Ada', joinedAt: '', tracks: [CAMERA] };

test('views are told, again to a new subscription and after a resumed session, and forgotten with their track', async () => {
  const { room, session } = await setUp();
  const told = () => {
    mock.timers.tick(150);
    return session.sent.filter(({ type }) => type === 'set-view').map(({ views }) => JSON.parse(JSON.stringify(views)));
  };
  session.emit('message', { type: 'user-joined', participant: ADA });
  room.setView('t1', { visible: true, width: 640, height: 360 });
  room.setPinned('t1', true);
  const view = { trackId: 't1', visible: true, width: 640, height: 360, pinned: true };
  assert.deepEqual(told(), [[view]]);
  room.roster.subscribed('p9', 't1', {});
  assert.deepEqual(told(), [[view], [view]]);
  session.emit('joined', { welcome: welcome('p1', 'server-1', [ADA]), resumed: true });
  session.emit('replayed', {});
  assert.deepEqual(told(), [[view], [view], [view]]);
  session.emit('message', { type: 'track-unpublished', participantId: 'p9', trackId: 't1' });
  session.emit('replayed', {});
  assert.equal(told().length, 3);
  for (const size of [{ width: 640 }, { width: 0, height: 360 }, { width: 'x', height: 1 }]) {
    assert.throws(() => room.setView('t1', { visible: true, ...size }), TypeError);
  }
});

test('a track is paused until the server goes on, or its subscription ends', async () => {
  const { room, session } = await setUp();
  session.emit('message', { type: 'user-joined', participant: ADA });
  const events = [];
  room.on('track-paused', ({ track }) => events.push(track.paused));
  const pause = () => session.emit('message', { type: 'subscription-paused', trackId: 't1', reason: 'bandwidth' });
  pause();
  pause();
  session.emit('message', { type: 'subscription-paused', trackId: 't7', reason: 'bandwidth' });
  session.emit('message', { type: 'subscription-resumed', trackId: 't1' });
  pause();
  room.roster.unsubscribed('p9', 't1');
  pause();
  session.emit('joined', { welcome: welcome('p2', 'server-1', [ADA]), resumed: false });
  assert.deepEqual(events, ['bandwidth', null, 'bandwidth', null, 'bandwidth', null]);
});

test('encodings follow the word about their track, and a reused m-line starts with all of them', async () => {
  const { room, session, peers: [peer], answerAll } = await setUp();
  await answerAll();
  const wants = async (trackId, ...active) => {
    const encodings = ['q', 'h', 'f'].map((rid, index) => ({ rid, active: active[index] }));
    session.emit('message', { type: 'encodings-wanted', mid: '2', trackId, encodings });
    await settle();
  };
  const active = () => peer.transceivers[2].sender.encodings.map((encoding) => encoding.active ?? true);
  const first = await room.publish(track('video', 1280), { source: 'camera' });
  await answerAll();
  first.identify('t1');
  await wants('t1', true, false, false);
  assert.deepEqual(active(), [true, false, false]);
  await first.replaceTrack(track('video', 1280));
  assert.deepEqual(active(), [true, false, false]);
  await room.unpublish(first);
  await answerAll();
  const second = await room.publish(track('video', 1280), { source: 'camera' });
  second.identify('t2');
  await answerAll();
  assert.deepEqual(active(), [true, true, true]);
  await wants('t1', false, false, false); // late
  assert.deepEqual(active(), [true, true, true]);
  await wants('t2', true, true, false);
  const { sender } = second.transceiver;
  sender.encodings = sender.encodings.map(({ rid }) => ({ rid })); // as a negotiation may leave it
  await room.publish(track('audio'), { source: 'microphone' });
  await answerAll();
  assert.deepEqual(active(), [true, true, false]);
});

test('an m-line that carried a screen keeps nothing of it', async () => {
  const { room, peers: [peer], answerAll } = await setUp();
  await answerAll();
  const screen = await room.publish(track('video', 1920), { source: 'screen' });
  await answerAll();
  const { sender } = peer.transceivers[1];
  assert.equal(sender.more.degradationPreference, 'maintain-resolution');
  assert.deepEqual(sender.encodings, [{ maxBitrate: 2500000, maxFramerate: 15, active: true }]);
  await room.unpublish(screen);
  await answerAll();
  await room.publish(track('video', 320), { source: 'camera', maxBitrate: 300000 });
  await answerAll();
  assert.equal(sender.more.degradationPreference, undefined);
  assert.deepEqual(sender.encodings, [{ maxBitrate: 300000, active: true }]);
});

test('the quality of connections is told and kept, one’s own apart, and forgotten with who leaves', async () => {
  const { room, session } = await setUp();
  session.emit('message', { type: 'user-joined', participant: ADA });
  assert.deepEqual([room.participants.get('p9').quality, room.quality], [null, null]);
  const events = [];
  room.on('quality', ({ participantId, quality }) => events.push([participantId, quality?.level ?? null]));
  const poor = { level: 'poor', score: 2.6, up: 4.4, down: 2.6 };
  const tell = (...participants) => session.emit('message', { type: 'quality', participants });
  tell({ participantId: 'p9', ...poor }, { participantId: 'p1', ...poor, level: 'good' }, { participantId: 'p404', ...poor });
  assert.deepEqual(room.participants.get('p9').quality, poor);
  assert.equal(room.quality.level, 'good');
  tell({ participantId: 'p9', level: 'unknown', score: null, up: null, down: null });
  assert.equal(room.participants.get('p9').quality, null);
  assert.deepEqual(events, [['p9', 'poor'], ['p1', 'good'], ['p9', null]]);
  session.emit('joined', { welcome: welcome('p2', 'server-1', [ADA]), resumed: false });
  assert.equal(room.quality, null, 'another participant');
});
