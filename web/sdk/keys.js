/**
 * The secrets this browser keeps for itself, per origin: who it is as a guest, and which rooms it may host.
 *
 * Where storage is switched off or full, a guest is somebody new on each page and a host only as long as the page lives.
 */

const GUEST_KEY = 'parlor.guest-key';
const HOST_SECRETS = 'parlor.host-secrets';
/** Rooms whose secret is kept; the oldest are forgotten first. */
export const MAX_HOST_SECRETS = 200;

/** What could not be stored, for as long as the page lives. @type {Map<string, string>} */
const memory = new Map();

/** The secret from which the server derives who this browser is: the same person on the next visit, without an account. */
export function guestKey() {
  const known = read(GUEST_KEY);
  if (known && known.length >= 16 && known.length <= 128) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const fresh = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  write(GUEST_KEY, fresh);
  return fresh;
}

/** @param {string} roomId @param {string} secret given to the room's creator */
export function keepHostSecret(roomId, secret) {
  const others = hostSecrets().filter(([id]) => id !== roomId);
  write(HOST_SECRETS, JSON.stringify([...others, [roomId, secret]].slice(-MAX_HOST_SECRETS)));
}

/** @param {string} roomId @returns {string | null} */
export function hostSecretOf(roomId) {
  return hostSecrets().find(([id]) => id === roomId)?.[1] ?? null;
}

/** @param {string} roomId */
export function forgetHostSecret(roomId) {
  write(HOST_SECRETS, JSON.stringify(hostSecrets().filter(([id]) => id !== roomId)));
}

/** @returns {[string, string][]} the oldest first */
function hostSecrets() {
  try {
    const list = JSON.parse(read(HOST_SECRETS) ?? '[]');
    return list.filter((/** @type {any} */ entry) => typeof entry?.[0] === 'string' && typeof entry?.[1] === 'string');
  } catch {
    return []; // somebody else wrote there
  }
}

/** @param {string} key @returns {string | null} */
function read(key) {
  if (memory.has(key)) return memory.get(key) ?? null;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value */
function write(key, value) {
  try {
    localStorage.setItem(key, value);
    memory.delete(key);
  } catch {
    memory.set(key, value);
  }
}
