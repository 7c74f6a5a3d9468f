/**
 * Parlor's browser SDK.
 *
 * ```js
 * import { connect } from '/parlor-client.js';
 *
 * const room = await connect({ roomId: 'k7qd-m2xv-9hta-w3pc', displayName: 'Ada' });
 * room.on('track-subscribed', ({ track, mediaTrack }) => show(track.participantId, mediaTrack));
 * room.on('message', ({ message }) => console.log(message.displayName, message.text));
 * await room.publish(cameraTrack, { source: 'camera' });
 * await room.sendMessage('hello');
 * await room.leave();
 * ```
 *
 * Lost sockets, changed networks and restarted servers are survived without help: `state` events tell what is going on. Everything
 * that comes from other people (names, texts) is plain text and has to be shown as such.
 */
import { ParlorError } from './sdk/errors.js';
import { normalizeRoomId, socketUrl } from './sdk/ids.js';
import { createRoom } from './sdk/rest.js';
import { Room } from './sdk/room.js';
import { Session } from './sdk/session.js';

export { ParlorError } from './sdk/errors.js';
export { listDevices, openCamera, openMicrophone, openScreen, watchDevices } from './sdk/devices.js';
export { normalizeRoomId, parseRoomInput, roomLink, roomPath } from './sdk/ids.js';
export { createRoom, getRoom } from './sdk/rest.js';
export { Publication } from './sdk/publications.js';
export { Room } from './sdk/room.js';

/**
 * @typedef {object} ConnectOptions
 * @property {string} roomId
 * @property {string} [displayName] what others see; may be empty
 * @property {string} [url] address of the server, e.g. `https://meet.example.org`; default: the page's
 * @property {import('./sdk/room.js').InitialTrack[]} [tracks] published with the first offer, which saves a round trip
 * @property {boolean} [autoSubscribe] default true: receive every track of the room
 * @property {RTCIceTransportPolicy} [iceTransportPolicy] `relay` uses TURN servers only
 * @property {(room: Room) => void} [onRoom] gets the room before the first event, to add listeners that must miss nothing
 */

/**
 * Enters a room.
 *
 * @param {ConnectOptions} options
 * @returns {Promise<Room>} rejects with a `ParlorError` (`room-not-found`, `room-full`, `unreachable`, …)
 */
export async function connect({ url = location.origin, roomId, displayName = '', tracks, autoSubscribe = true, iceTransportPolicy, onRoom }) {
  const id = normalizeRoomId(roomId);
  if (!id) throw new ParlorError('bad-room-id');
  const session = new Session({
    url: socketUrl(url),
    roomId: id,
    displayName,
    autoSubscribe,
    recreateRoom: (welcome) => recreateRoom(welcome, url),
  });
  const room = new Room({ session, tracks, iceTransportPolicy });
  onRoom?.(room);
  await session.start();
  return room;
}

/**
 * After a restart the server has forgotten its rooms: the first of us who comes back makes it again, the others find it there.
 *
 * @param {import('./sdk/types.js').Welcome} welcome
 * @param {string} url
 */
async function recreateRoom({ roomId, name, expiresAt }, url) {
  const remaining = expiresAt ? Math.floor((Date.parse(expiresAt) - Date.now()) / 1000) : undefined;
  if (remaining !== undefined && remaining <= 0) throw new ParlorError('room-expired');
  try {
    await createRoom({ roomId, name: name ?? undefined, expiresInSeconds: remaining }, url);
  } catch (error) {
    if (/** @type {ParlorError} */ (error).code !== 'room-exists') throw error;
  }
}
