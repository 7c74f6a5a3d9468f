/**
 * What a link carries that must not be seen: `#token=…`, `#invite=…`, `#host=…`.
 *
 * The fragment never reaches a server; it is taken out of the address bar, and so out of the history and of what is copied from there, at
 * once. A reload of the same tab still knows it.
 */
import { keepHostSecret } from '../parlor-client.js';

/** @typedef {{ token?: string, invite?: string }} Secrets */

const KEY = 'parlor.link.';
/** Longer ones are none. */
const MAX_LENGTH = 8192;

/** @param {string} hash of an address @returns {{ token?: string, invite?: string, host?: string }} */
export function parseFragment(hash) {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  /** @type {Record<string, string>} */
  const found = {};
  for (const name of ['token', 'invite', 'host']) {
    const value = values.get(name);
    if (value && value.length <= MAX_LENGTH) found[name] = value;
  }
  return found;
}

/** Takes the secrets of the present address. @param {string} roomId @returns {Secrets} */
export function takeSecrets(roomId) {
  const { host, ...fresh } = parseFragment(location.hash);
  if (location.hash !== '') history.replaceState(null, '', location.pathname + location.search);
  if (host) keepHostSecret(roomId, host);
  if (Object.keys(fresh).length === 0) return recallSecrets(roomId);
  try {
    sessionStorage.setItem(KEY + roomId, JSON.stringify(fresh));
  } catch {
    // known until the page is reloaded
  }
  return fresh;
}

/** An invitation is good once: when it has been used, or turns out to be, the link is like any other. @param {string} roomId */
export function forgetInvite(roomId) {
  const { token } = recallSecrets(roomId);
  try {
    if (token) sessionStorage.setItem(KEY + roomId, JSON.stringify({ token }));
    else sessionStorage.removeItem(KEY + roomId);
  } catch {
    // there was nothing
  }
}

/** @param {string} roomId @returns {Secrets} */
function recallSecrets(roomId) {
  try {
    return JSON.parse(sessionStorage.getItem(KEY + roomId) ?? '{}');
  } catch {
    return {};
  }
}
