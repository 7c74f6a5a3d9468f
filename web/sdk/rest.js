/**
 * The REST API: one way to call it, and what needs no room to be in.
 */
import { ParlorError } from './errors.js';
import { keepHostSecret } from './keys.js';

/** @typedef {'everyone' | 'hosts' | 'nobody'} Allowed */

/**
 * @typedef {object} RoomInfo
 * @property {string} roomId
 * @property {string | null} name
 * @property {string} createdAt ISO-8601
 * @property {string | null} expiresAt ISO-8601
 * @property {string | null} [notBefore] ISO-8601
 * @property {number} participantCount
 * @property {number} maxParticipants
 * @property {'none' | 'while-open' | 'keep'} [history]
 * @property {boolean} [locked]
 * @property {boolean} [lobby]
 * @property {boolean} [passwordRequired]
 * @property {import('./types.js').Role} [joinAs]
 * @property {{ audio: Allowed, video: Allowed, screen: Allowed }} [publish]
 * @property {Allowed} [chat]
 * @property {number | null} [emptyTimeoutSeconds]
 * @property {Record<string, unknown>} [metadata] told to members, hosts and administrators
 * @property {number} [version]
 */

/**
 * @typedef {object} RoomOptions
 * @property {string} [roomId]
 * @property {string | null} [name]
 * @property {number} [maxParticipants]
 * @property {number | null} [expiresInSeconds]
 * @property {string | null} [notBefore] ISO-8601
 * @property {number | null} [emptyTimeoutSeconds]
 * @property {'none' | 'while-open' | 'keep'} [history]
 * @property {boolean} [locked]
 * @property {string | null} [password]
 * @property {boolean} [lobby]
 * @property {'speaker' | 'listener'} [joinAs]
 * @property {{ audio?: Allowed, video?: Allowed, screen?: Allowed }} [publish]
 * @property {Allowed} [chat]
 * @property {Record<string, unknown>} [metadata]
 */

/** @typedef {{ method?: string, body?: object, credential?: string | null, headers?: Record<string, string>, signal?: AbortSignal }} CallOptions */

/**
 * Creates a room; without `roomId` the server makes up an id that cannot be guessed. The secret that makes its creator the host is
 * kept in this browser and used by `connect`.
 *
 * @param {RoomOptions} [options]
 * @param {string} [base] the server's address; default: the page's
 * @param {{ token?: string, idempotencyKey?: string }} [access] `token`: where the server asks for one
 * @returns {Promise<RoomInfo & { hostSecret?: string }>}
 */
export async function createRoom(options = {}, base = location.origin, { token, idempotencyKey } = {}) {
  const headers = idempotencyKey ? { 'idempotency-key': idempotencyKey } : undefined;
  const { room, hostSecret } = await callJson(base, '/api/rooms', { method: 'POST', body: options, credential: token, headers });
  if (typeof hostSecret === 'string') keepHostSecret(room.roomId, hostSecret);
  return typeof hostSecret === 'string' ? { ...room, hostSecret } : room;
}

/** @param {string} roomId @param {string} [base] @param {{ token?: string }} [access] @returns {Promise<RoomInfo>} */
export async function getRoom(roomId, base = location.origin, { token } = {}) {
  return (await callJson(base, roomApiPath(roomId), { credential: token })).room;
}

/** @param {string} roomId */
export function roomApiPath(roomId) {
  return `/api/rooms/${encodeURIComponent(roomId)}`;
}

/**
 * @param {string} base @param {string} path @param {CallOptions} [options]
 * @returns {Promise<any>} the body of a success; rejects with a `ParlorError`
 */
export async function callJson(base, path, options = {}) {
  const response = await call(base, path, options);
  const body = await response.json().catch(() => null);
  if (body?.success !== true) throw new ParlorError('internal', 'the answer is not the server’s');
  return body;
}

/** @param {string} base @param {string} path @param {CallOptions} [options] @returns {Promise<Response>} a success; rejects with a `ParlorError` */
export async function call(base, path, { method = 'GET', body, credential, headers, signal } = {}) {
  /** @type {Record<string, string>} */
  const sent = { ...headers };
  if (body !== undefined) sent['content-type'] = 'application/json';
  if (credential) sent.authorization = `Bearer ${credential}`;
  let response;
  try {
    response = await fetch(new URL(path, base), { method, headers: sent, body: body && JSON.stringify(body), signal, cache: 'no-store' });
  } catch (cause) {
    throw signal?.aborted ? new ParlorError('cancelled') : ParlorError.from(cause, 'unreachable');
  }
  if (response.ok) return response;
  throw problemOf(response.status, await response.json().catch(() => null), response.headers.get('retry-after'), response.statusText);
}

/**
 * @param {number} status @param {any} body a problem (RFC 9457), or `null` @param {string | null} retryAfter @param {string} [fallback]
 * @returns {ParlorError}
 */
export function problemOf(status, body, retryAfter, fallback) {
  const seconds = Number.parseInt(retryAfter ?? '', 10);
  return new ParlorError(body?.code ?? codeOfStatus(status), body?.detail ?? fallback, {
    field: body?.field,
    retryAfter: Number.isFinite(seconds) ? seconds : undefined,
  });
}

/** For answers that a proxy gave in the server's place. @param {number} status */
function codeOfStatus(status) {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'room-not-found';
  if (status === 413) return 'file-too-large';
  if (status === 429) return 'rate-limited';
  return status >= 502 ? 'unreachable' : 'internal';
}
