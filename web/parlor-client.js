/**
 * Parlor's browser SDK.
 *
 * ```js
 * import { connect } from '/parlor-client.js';
 *
 * const room = await connect({ roomId: 'k7qd-m2xv-9hta-w3pc', displayName: 'Ada' });
 * room.on('track-subscribed', ({ track }) => {
 *   if (track.kind === 'video') room.attach(track.trackId, videoOf(track.participantId)); // and is told how good a picture is of use
 * });
 * room.soundTracks.forEach(play); // everybody's voice: in a large room these few go from one person to the other
 * room.on('sound-track', ({ mediaTrack }) => play(mediaTrack));
 * room.on('message', ({ message }) => console.log(message.displayName, message.text));
 * await room.publish(cameraTrack, { source: 'camera' });
 * await room.sendMessage('hello');
 * if (room.role === 'host') await room.api.update({ locked: true });
 * await room.leave();
 * ```
 *
 * Lost sockets, changed networks and restarted servers are survived without help: `state` events tell what is going on. Everything
 * that comes from other people (names, texts, files) is to be shown as plain text, and never trusted.
 */
import { ParlorError } from './sdk/errors.js';
import { normalizeRoomId, socketUrl } from './sdk/ids.js';
import { forgetHostSecret, guestKey as ownGuestKey, hostSecretOf } from './sdk/keys.js';
import { createRoom } from './sdk/rest.js';
import { Room } from './sdk/room.js';
import { Session } from './sdk/session.js';
import { SignalingSocket } from './sdk/socket.js';
import { keepTokenFresh } from './sdk/token.js';

export { ParlorError } from './sdk/errors.js';
export { listDevices, openCamera, openMicrophone, openScreen, watchDevices } from './sdk/devices.js';
export { imageTypeOf } from './sdk/files.js';
export { normalizeRoomId, parseRoomInput, roomLink, roomPath } from './sdk/ids.js';
export { forgetHostSecret, hostSecretOf, keepHostSecret } from './sdk/keys.js';
export { createRoom, getRoom } from './sdk/rest.js';
export { Publication } from './sdk/publications.js';
export { Room } from './sdk/room.js';
export { RoomApi } from './sdk/room-api.js';

/**
 * @typedef {object} ConnectOptions
 * @property {string} roomId
 * @property {string} [displayName] what others see; may be empty
 * @property {string} [url] address of the server, e.g. `https://meet.example.org`; default: the page's
 * @property {string} [token] a JSON Web Token from the application's own server
 * @property {() => Promise<string>} [onTokenExpiring] asked for a fresh token a minute before the present one ends
 * @property {string} [hostSecret] default: the one this browser keeps, if it has made the room
 * @property {string} [invite] admits one person once
 * @property {string} [password]
 * @property {string | null} [guestKey] makes this the same guest at the next visit; default: a secret kept in this browser. `null`: somebody new
 * @property {import('./sdk/room.js').InitialTrack[]} [tracks] published with the first offer, which saves a round trip
 * @property {boolean} [autoSubscribe] default true: receive every track of the room
 * @property {RTCIceTransportPolicy} [iceTransportPolicy] `relay` uses TURN servers only
 * @property {(room: Room) => void} [onRoom] gets the room before the first event, to add listeners that must miss nothing. `room.leave()`
 *   ends also the waiting in a lobby: `connect` then rejects with `cancelled`
 */

/**
 * Enters a room: settles when that has happened and the first offer is on its way. Where a host has to let people in, this takes as long as
 * the host does: see `onRoom` and the event `lobby-waiting`.
 *
 * @param {ConnectOptions} options
 * @returns {Promise<Room>} rejects with a `ParlorError` (`room-not-found`, `room-full`, `password-required`, `lobby-denied`, `unreachable`, …)
 */
export async function connect({ url = location.origin, roomId, displayName = '', tracks, autoSubscribe = true, iceTransportPolicy, onRoom, ...access }) {
  const id = normalizeRoomId(roomId);
  if (!id) throw new ParlorError('bad-room-id');
  const { token, onTokenExpiring, invite, password, guestKey = ownGuestKey() } = access;
  // A token says by itself what somebody is.
  const hostSecret = access.hostSecret ?? (token ? null : hostSecretOf(id)) ?? undefined;
  const session = new Session({
    url: socketUrl(url),
    roomId: id,
    displayName,
    autoSubscribe,
    credentials: { token, hostSecret, invite, password, guestKey: guestKey ?? undefined },
    onHostSecretRefused: () => forgetHostSecret(id),
    recreateRoom: (welcome) => recreateRoom(welcome, session, url),
  });
  const room = new Room({ session, baseUrl: url, tracks, iceTransportPolicy });
  if (token && onTokenExpiring) keepTokenFresh(room, token, onTokenExpiring);
  onRoom?.(room);
  /** @type {string | null} */
  let ended = null;
  const stop = room.on('state', ({ state, reason = 'closed' }) => { if (state === 'closed') ended = reason; });
  await session.start();
  await room.offered(); // before the application is busy with showing the room
  stop();
  if (ended) throw new ParlorError(ended === 'left' ? 'cancelled' : ended);
  return room;
}

/**
 * What a server says of itself before anybody has joined: `access` is `open` (whoever knows a room's id may join it) or `keys`.
 *
 * @param {string} [url]
 * @returns {Promise<{ access: 'open' | 'keys' | null, limits: import('./sdk/types.js').Limits }>}
 */
export async function serverInfo(url = location.origin) {
  const socket = new SignalingSocket(socketUrl(url));
  try {
    const { access = null, limits } = await socket.open();
    return { access, limits };
  } finally {
    socket.close();
  }
}

/**
 * A server that keeps its rooms in memory alone has forgotten them after a restart: the first of us who comes back makes the room
 * again as it was, the others find it there. A room with a password is made only by somebody who knows it.
 *
 * @param {import('./sdk/types.js').Welcome} welcome
 * @param {Session} session
 * @param {string} url
 */
async function recreateRoom({ roomId, name, expiresAt, room }, session, url) {
  const remaining = expiresAt ? Math.floor((Date.parse(expiresAt) - Date.now()) / 1000) : undefined;
  if (remaining !== undefined && remaining <= 0) throw new ParlorError('room-expired');
  const { password } = session.credentials;
  if (room?.passwordRequired && !password) throw new ParlorError('room-not-found');
  const { maxParticipants, history, locked, lobby, joinAs, publish, chat } = room ?? {};
  const settings = { maxParticipants, history, locked, lobby, joinAs: joinAs === 'host' ? undefined : joinAs, publish, chat };
  const secret = room?.passwordRequired ? password : undefined;
  try {
    const { hostSecret } = await createRoom({ roomId, name: name ?? undefined, expiresInSeconds: remaining, password: secret, ...settings }, url);
    if (hostSecret) session.credentials = { ...session.credentials, hostSecret };
  } catch (error) {
    const { code } = /** @type {ParlorError} */ (error);
    if (code === 'unauthorized' || code === 'forbidden') throw new ParlorError('room-not-found');
    if (code !== 'room-exists') throw error;
  }
}
