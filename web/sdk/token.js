/**
 * Keeps the token of a session fresh: the application's server is asked for another before the present one ends.
 */
import { renewToken } from './messages.js';

/** @typedef {import('./room.js').Room} Room */

const AHEAD_MS = 60000;
/** After a failure, and at the least between two renewals. */
const RETRY_MS = 10000;
/** Timers of browsers hold 31 bits. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * @param {Room} room
 * @param {string} token
 * @param {() => Promise<string>} fetchToken
 */
export function keepTokenFresh(room, token, fetchToken) {
  /** @type {any} */
  let timer = null;
  const schedule = (/** @type {string} */ current) => {
    const expiry = expiryOf(current);
    clearTimeout(timer);
    if (expiry === null || room.state === 'closed') return;
    const wait = expiry - Date.now() - AHEAD_MS;
    timer = setTimeout(() => (wait > LONGEST_MS ? schedule(current) : renew(current)), Math.min(Math.max(wait, RETRY_MS), LONGEST_MS));
  };
  const renew = async (/** @type {string} */ current) => {
    try {
      const fresh = await fetchToken();
      room.session.credentials = { ...room.session.credentials, token: fresh }; // for the next entry
      await room.session.request(renewToken({ roomId: room.roomId, token: fresh }));
      schedule(fresh);
    } catch {
      schedule(current); // as long as it is good it is tried again; then the server ends the session and says why
    }
  };
  room.on('state', ({ state }) => {
    if (state === 'closed') clearTimeout(timer);
  });
  schedule(token);
}

/** When a JSON Web Token ends, in milliseconds since 1970; `null` if it does not say. @param {string} token @returns {number | null} */
export function expiryOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === 'number' ? exp * 1000 : null;
  } catch {
    return null;
  }
}
