/**
 * The server, as an administrator asks it. The credential is kept for this tab only: a token that somebody entered, or none, and
 * then the word for "I sit at the server itself", which an open server believes where it is so (docs/admin.md).
 */
import { callJson, roomApiPath } from '../sdk/rest.js';

/** @typedef {import('./types.js').PersonStats} PersonStats */

const KEPT_AS = 'parlor.admin.token';
const LOOPBACK = 'loopback';
/** As many as the server gives at once. */
export const PAGE = 200;

export class AdminApi {
  /** @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} storage of the tab @param {string} [base] the server's address */
  constructor(storage, base = location.origin) {
    this.storage = storage;
    this.base = base;
  }

  get hasToken() {
    return this.storage.getItem(KEPT_AS) !== null;
  }

  /** @param {string} token */
  signIn(token) {
    this.storage.setItem(KEPT_AS, token);
  }

  signOut() {
    this.storage.removeItem(KEPT_AS);
  }

  /** @param {AbortSignal} [signal] @returns {Promise<import('./types.js').ServerOverview>} */
  server(signal) {
    return this.#call('/api/server', { signal });
  }

  /**
   * Rooms with somebody in them, the oldest first.
   *
   * @param {string} wanted part of an id or name @param {AbortSignal} [signal] @returns {Promise<import('./types.js').RoomPage>}
   */
  rooms(wanted, signal) {
    const query = new URLSearchParams({ live: 'true', limit: String(PAGE), ...(wanted ? { q: wanted } : {}) });
    return this.#call(`/api/rooms?${query}`, { signal });
  }

  /** @param {string} roomId @param {AbortSignal} [signal] @returns {Promise<import('../sdk/rest.js').RoomInfo>} */
  async room(roomId, signal) {
    return (await this.#call(roomApiPath(roomId), { signal })).room;
  }

  /** @param {string} roomId @param {AbortSignal} [signal] @returns {Promise<PersonStats[]>} */
  async stats(roomId, signal) {
    return (await this.#call(`${roomApiPath(roomId)}/stats`, { signal })).participants;
  }

  /** @param {string} roomId @param {string} participantId @returns {Promise<unknown>} */
  kick(roomId, participantId) {
    return this.#call(`${roomApiPath(roomId)}/users/${encodeURIComponent(participantId)}/kick`, { method: 'POST' });
  }

  /** @param {string} roomId @returns {Promise<unknown>} */
  end(roomId) {
    return this.#call(`${roomApiPath(roomId)}/end`, { method: 'POST' });
  }

  /** @param {string} path @param {import('../sdk/rest.js').CallOptions} options */
  #call(path, options) {
    return callJson(this.base, path, { ...options, credential: this.storage.getItem(KEPT_AS) ?? LOOPBACK });
  }
}

/** Whether an error says that the credential does not do. @param {any} error */
export function isRefusal(error) {
  return ['unauthorized', 'token-invalid', 'forbidden'].includes(error?.code);
}
