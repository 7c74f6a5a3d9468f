/** Room ids, links to rooms, and the client's own identifiers. */

const ROOM_ID = /^[a-z0-9_-]{3,64}$/;

/**
 * The canonical (lower-case) form of a room id, or `null` if the text is none.
 *
 * @param {string} text
 * @returns {string | null}
 */
export function normalizeRoomId(text) {
  const id = text.trim().toLowerCase();
  return ROOM_ID.test(id) ? id : null;
}

/**
 * Reads what a person pastes to get into a room: the id itself, or any link whose path is `/r/<id>`.
 *
 * @param {string} text
 * @returns {string | null} the room id, or `null`
 */
export function parseRoomInput(text) {
  const direct = normalizeRoomId(text);
  if (direct) return direct;
  const match = /(?:^|\/)r\/([^/?#\s]+)\/?(?:[?#].*)?$/.exec(text.trim());
  if (!match) return null;
  try {
    return normalizeRoomId(decodeURIComponent(match[1]));
  } catch {
    return null; // a stray percent sign
  }
}

/** @param {string} roomId */
export function roomPath(roomId) {
  return `/r/${encodeURIComponent(roomId)}`;
}

/**
 * The link that is handed to others: without the query, which holds personal settings.
 *
 * @param {string} roomId
 * @param {string} origin
 */
export function roomLink(roomId, origin) {
  return origin + roomPath(roomId);
}

/** The WebSocket address that belongs to a page's or server's address. @param {string} base */
export function socketUrl(base) {
  const url = new URL('/ws', base);
  url.protocol = url.protocol === 'https:' || url.protocol === 'wss:' ? 'wss:' : 'ws:';
  return url.href;
}

let lastRequest = 0;

/** A request id; unique among all sockets of this page, so that an answer that arrives after a resume still finds its question. */
export function nextRequestId() {
  lastRequest += 1;
  return `r${lastRequest}`;
}

/** 96 random bits in hexadecimal: marks one chat message until the server has given it an id. */
export function randomNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
