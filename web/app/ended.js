/** The pages around a call that only say something. */
import { h, icon } from './dom.js';

/** Reasons after which coming back is no use. */
const FINAL = new Set(['banned', 'ended', 'room-closed', 'room-expired', 'token-expired']);
/** @type {Record<string, string>} */
const TITLES = { left: 'You have left the room', kicked: 'You were removed', banned: 'You were removed' };

/** The page after the call. @param {{ reason: string, text: string, rejoin: () => void, home: () => void }} options */
export function endedPage({ reason, text, rejoin, home }) {
  const again = !FINAL.has(reason);
  return wordPage({ 'data-ended': reason }, TITLES[reason] ?? 'The call has ended', text, [
    again && h('button', { class: 'primary', type: 'button', onclick: rejoin, 'data-rejoin': true }, 'Join again'),
    h('button', { class: again ? '' : 'primary', type: 'button', onclick: home }, 'Back to start'),
  ]);
}

/** @type {Record<string, string>} */
const GATES = {
  'room-not-found': 'There is no such room',
  'room-expired': 'This room is over',
  'room-full': 'This room is full',
  'room-locked': 'This room is locked',
  'room-not-open': 'Not open yet',
  'lobby-denied': 'You were not let in',
  banned: 'You cannot join this room',
  'invite-invalid': 'This invitation is used up',
  unauthorized: 'You need an invitation',
  'token-invalid': 'You need a new link',
  'server-full': 'The server is full',
  draining: 'Back in a minute',
};
/** What may be different a minute later. */
const WORTH_ANOTHER_TRY = new Set(['room-full', 'room-locked', 'room-not-open', 'server-full', 'draining', 'lobby-denied']);

/** Whether a refusal has a page of its own. @param {string} code */
export function isGate(code) {
  return Object.hasOwn(GATES, code) && code !== 'room-not-found';
}

/**
 * The page of a room that does not let one in.
 *
 * @param {{ code: string, text: string, retry: () => void, home: () => void, withoutInvite?: () => void }} options
 */
export function gatePage({ code, text, retry, home, withoutInvite }) {
  return wordPage({ 'data-gate': code }, GATES[code] ?? 'This did not work', text, [
    (WORTH_ANOTHER_TRY.has(code) || !Object.hasOwn(GATES, code)) && h('button', { class: 'primary', type: 'button', onclick: retry, 'data-retry': true }, 'Try again'),
    withoutInvite && code === 'invite-invalid' && h('button', { class: 'primary', type: 'button', onclick: withoutInvite, 'data-without-invite': true }, 'Join without it'),
    h('button', { type: 'button', onclick: home }, 'Back to start'),
  ]);
}

/** In the lobby. @param {{ cancel: () => void }} options */
export function waitingPage({ cancel }) {
  return wordPage({ 'data-waiting': true }, 'Almost there', '', [
    h('button', { type: 'button', onclick: cancel, 'data-cancel-waiting': true }, 'Cancel'),
  ], h('p', { class: 'lead waiting', role: 'status' }, h('span', { class: 'spinner' }), 'Waiting for a host to let you in.'));
}

/** Shown while `auto=1` opens devices and joins. */
export function joiningPage() {
  return { element: h('main', { class: 'page ended' }, h('p', { class: 'lead', role: 'status' }, icon('people'), ' Joining…')), stop: () => {} };
}

/**
 * @param {Record<string, any>} marks @param {string} title @param {string} text
 * @param {import('./dom.js').Child[]} buttons @param {HTMLElement} [more]
 */
function wordPage(marks, title, text, buttons, more) {
  const heading = h('h1', { tabindex: '-1' }, title);
  const element = h('main', { class: 'page ended', ...marks },
    h('div', { class: 'card' }, heading, text !== '' && h('p', { class: 'lead' }, text), more, h('div', { class: 'buttons' }, ...buttons)));
  queueMicrotask(() => heading.focus()); // read out, and Tab goes on from here
  return { element, stop: () => {} };
}
