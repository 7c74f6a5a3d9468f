/**
 * The REST API of one room, with the credential of somebody who is in it. What one may do is decided by the server: a refusal is a
 * `ParlorError` with the code `forbidden`.
 */
import { downloadFile, uploadFile } from './files.js';
import { callJson, roomApiPath } from './rest.js';

/** @typedef {import('./types.js').FileInfo} FileInfo */
/** @typedef {import('./types.js').Role} Role */
/** @typedef {import('./types.js').WaitingPerson} WaitingPerson */

export class RoomApi {
  /** @param {{ base: string, roomId: string, credential: () => string | null }} options */
  constructor({ base, roomId, credential }) {
    this.base = base;
    this.path = roomApiPath(roomId);
    this.credential = credential;
  }

  /** @returns {Promise<import('./rest.js').RoomInfo>} */
  async get() {
    return (await this.#call('GET', '')).room;
  }

  /**
   * Changes settings; `null` takes a name, a password or a time away.
   *
   * @param {import('./rest.js').RoomOptions} changes
   * @param {{ version?: number }} [options] `version`: rejects with `version-conflict` if somebody else was faster
   * @returns {Promise<import('./rest.js').RoomInfo>}
   */
  async update(changes, { version } = {}) {
    const headers = version === undefined ? undefined : { 'if-match': `"${version}"` };
    return (await this.#call('PATCH', '', changes, headers)).room;
  }

  /** Ends the call for everyone. */
  async end() {
    await this.#call('POST', '/end');
  }

  /** Deletes the room with everything in it. */
  async delete() {
    await this.#call('DELETE', '');
  }

  /** Mutes one track, or all of somebody's; they may unmute themselves. @param {string} participantId @param {string} [trackId] */
  async mute(participantId, trackId) {
    await this.#person(participantId, 'mute', trackId === undefined ? {} : { trackId });
  }

  /** Puts somebody out; they may come back. @param {string} participantId */
  async kick(participantId) {
    await this.#person(participantId, 'kick');
  }

  /** Puts somebody out for good. @param {string} participantId */
  async ban(participantId) {
    await this.#person(participantId, 'ban');
  }

  /** @param {string} participantId @param {Role} role */
  async promote(participantId, role) {
    await this.#person(participantId, 'promote', { role });
  }

  /** @returns {Promise<any[]>} */
  async bans() {
    return (await this.#call('GET', '/bans')).bans;
  }

  /** @param {string} identity */
  async unban(identity) {
    await this.#call('DELETE', `/bans/${encodeURIComponent(identity)}`);
  }

  /** @returns {Promise<WaitingPerson[]>} who waits to be let in */
  async lobby() {
    return (await this.#call('GET', '/lobby')).waiting;
  }

  /** @param {string} participantId */
  async admit(participantId) {
    await this.#call('POST', `/lobby/${encodeURIComponent(participantId)}/admit`);
  }

  /** @param {string} participantId */
  async deny(participantId) {
    await this.#call('POST', `/lobby/${encodeURIComponent(participantId)}/deny`);
  }

  /**
   * One-time invites: each admits one person, past lock, password and lobby.
   *
   * @param {{ count?: number, role?: Role, expiresInSeconds?: number }} [options]
   * @returns {Promise<{ inviteId: string, invite: string, role: Role, expiresAt: string | null }[]>}
   */
  async createInvites(options = {}) {
    return (await this.#call('POST', '/invites', options)).invites;
  }

  /** @returns {Promise<any[]>} without the secrets */
  async invites() {
    return (await this.#call('GET', '/invites')).invites;
  }

  /** @param {string} inviteId */
  async revokeInvite(inviteId) {
    await this.#call('DELETE', `/invites/${encodeURIComponent(inviteId)}`);
  }

  /** Who was here, when, and why they left. @param {{ skip?: number, limit?: number }} [page] @returns {Promise<any[]>} */
  async sessions(page = {}) {
    return (await this.#call('GET', `/sessions${query(page)}`)).sessions;
  }

  /** @param {{ skip?: number, limit?: number }} [page] @returns {Promise<FileInfo[]>} */
  async files(page = {}) {
    return (await this.#call('GET', `/files${query(page)}`)).files;
  }

  /**
   * @param {File} file
   * @param {{ onProgress?: (fraction: number) => void, signal?: AbortSignal }} [options]
   * @returns {Promise<FileInfo>}
   */
  uploadFile(file, options = {}) {
    return uploadFile({ base: this.base, path: `${this.path}/files`, file, credential: this.credential(), ...options });
  }

  /** @param {string} fileId @param {{ maxBytes?: number, signal?: AbortSignal }} [options] @returns {Promise<Blob>} without a type: never trusted */
  downloadFile(fileId, options = {}) {
    return downloadFile({ base: this.base, path: `${this.path}/files/${encodeURIComponent(fileId)}`, credential: this.credential(), ...options });
  }

  /** @param {string} fileId */
  async deleteFile(fileId) {
    await this.#call('DELETE', `/files/${encodeURIComponent(fileId)}`);
  }

  /** @param {string} participantId @param {string} verb @param {object} [body] */
  #person(participantId, verb, body) {
    return this.#call('POST', `/users/${encodeURIComponent(participantId)}/${verb}`, body);
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {Record<string, string>} [headers] */
  #call(method, path, body, headers) {
    return callJson(this.base, this.path + path, { method, body, headers, credential: this.credential() });
  }
}

/** @param {Record<string, number | undefined>} values */
function query(values) {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)]))}`;
}
