/**
 * The room REST API, as far as a client needs it.
 */
import { ParlorError } from './errors.js';

/**
 * @typedef {object} RoomInfo
 * @property {string} roomId
 * @property {string | null} name
 * @property {string} createdAt ISO-8601
 * @property {string | null} expiresAt ISO-8601
 * @property {number} participantCount
 * @property {number} maxParticipants
 */

/**
 * Creates a room; without `roomId` the server makes up an id that cannot be guessed.
 *
 * @param {{ roomId?: string, name?: string, maxParticipants?: number, expiresInSeconds?: number }} [options]
 * @param {string} [base] the server's address; default: the page's
 * @returns {Promise<RoomInfo>}
 */
export async function createRoom(options = {}, base = location.origin) {
  return call(new URL('/api/rooms', base), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(options),
  });
}

/** @param {string} roomId @param {string} [base] @returns {Promise<RoomInfo>} */
export async function getRoom(roomId, base = location.origin) {
  return call(new URL(`/api/rooms/${encodeURIComponent(roomId)}`, base), {});
}

/** @param {URL} url @param {RequestInit} init @returns {Promise<RoomInfo>} */
async function call(url, init) {
  let response;
  try {
    response = await fetch(url, { ...init, cache: 'no-store' });
  } catch (cause) {
    throw ParlorError.from(cause, 'unreachable');
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body?.room) return body.room;
  throw new ParlorError(body?.code ?? codeOfStatus(response.status), body?.detail ?? response.statusText);
}

/** For answers that a proxy gave in the server's place. @param {number} status */
function codeOfStatus(status) {
  if (status === 404) return 'room-not-found';
  if (status === 429) return 'rate-limited';
  return status >= 502 ? 'unreachable' : 'internal';
}
