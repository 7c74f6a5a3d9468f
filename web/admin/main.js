/**
 * The page `/admin`: which part of it is shown, by what stands behind the `#` of the address. A room's id is the key to it; there it
 * reaches no server's log.
 */
import { h } from '../app/dom.js';
import { explain } from '../app/texts.js';
import { AdminApi, isRefusal } from './api.js';
import { overviewPage } from './overview.js';
import { roomPage } from './room.js';
import { signInPage } from './sign-in.js';

/** @typedef {{ element: HTMLElement, title: string, stop: () => void }} Page */

const api = new AdminApi(sessionStorage);
const signOut = h('button', { type: 'button', hidden: true, 'data-sign-out': true, onclick: () => { api.signOut(); show(); } }, 'Sign out');
const status = h('p', { class: 'status', role: 'status', 'data-status': 'loading' }, 'Loading…');
const holder = h('div', {});
/** @type {Page | null} */
let page = null;

/** Shows what the address names. @param {boolean} [moveFocus] */
function show(moveFocus = true) {
  const room = /^#\/rooms\/([^/]+)$/.exec(location.hash)?.[1];
  const common = { api, fail, done: () => say('fine', 'Live') };
  if (room) open(roomPage({ ...common, roomId: decoded(room), leave: () => { location.hash = '#/'; } }), moveFocus);
  else open(overviewPage(common), moveFocus);
}

/** @param {Page} next @param {boolean} moveFocus for who listens to the page: from the link that is gone to the new title */
function open(next, moveFocus) {
  page?.stop();
  page = next;
  signOut.hidden = !api.hasToken;
  document.title = `${next.title} · Parlor administration`;
  holder.replaceChildren(next.element);
  if (moveFocus) /** @type {HTMLElement | null} */ (next.element.querySelector('h1'))?.focus();
}

/** Of what goes wrong only refusals need another page: the rest may be right again in two seconds. @param {any} error */
function fail(error) {
  if (!isRefusal(error)) return say('broken', explain(error));
  say('refused', '');
  const hadToken = api.hasToken;
  api.signOut();
  const signIn = (/** @type {string} */ token) => {
    api.signIn(token);
    say('loading', 'Loading…');
    show();
  };
  open(signInPage({ refusal: error, hadToken, signIn }), hadToken);
}

/** @param {'loading' | 'fine' | 'broken' | 'refused'} state @param {string} text */
function say(state, text) {
  if (status.dataset.status === state && status.textContent === text) return;
  status.dataset.status = state;
  status.textContent = text;
}

/** @param {string} part of an address */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

document.getElementById('admin')?.append(
  h('header', { class: 'admin-head' },
    h('a', { class: 'brand small', href: '#/' }, h('img', { src: '/favicon.svg', alt: '', width: '26', height: '26' }), h('span', {}, 'Parlor'), h('span', { class: 'muted' }, 'Administration')),
    h('div', { class: 'admin-tools' }, status, signOut)),
  holder);
addEventListener('hashchange', () => show());
show(false);
