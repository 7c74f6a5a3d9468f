/** What may be chosen for a new room, behind a small fold. */
import { h } from './dom.js';

/** @typedef {import('../sdk/rest.js').RoomOptions} RoomOptions */

const HOUR = 3600;
const DAY = 24 * HOUR;
/** Seconds a room lives. */
const LIVES = { '': 'Until everybody has left', [HOUR]: '1 hour', [DAY]: '1 day', [7 * DAY]: '7 days' };
const HISTORIES = {
  'while-open': 'Kept while the room is open',
  none: 'Not kept: who comes later sees nothing of it',
  keep: 'Kept until the room’s time is over',
};
const VIDEO = { everyone: 'Everyone', hosts: 'Hosts only', nobody: 'Nobody: a call by voice' };
/** `keep` needs an end; the longest that is offered. */
const LONGEST = 7 * DAY;

/** @returns {{ element: HTMLElement, read: () => RoomOptions }} */
export function roomOptions() {
  const password = h('input', { type: 'password', maxlength: '128', autocomplete: 'new-password', 'data-option': 'password' });
  const lobby = h('input', { type: 'checkbox', 'data-option': 'lobby' });
  const life = select('life', LIVES);
  const history = select('history', HISTORIES);
  const video = select('video', VIDEO);
  const element = h('details', { class: 'more-options' },
    h('summary', { 'data-more-options': true }, 'More options'),
    h('div', { class: 'fields' },
      field('Password', password),
      h('label', { class: 'check' }, lobby, h('span', {}, 'Lobby: I let people in one by one')),
      field('The room lasts', life),
      field('Messages are', history),
      field('Who may show video', video)));
  return { element, read: () => toOptions({ password: password.value, lobby: lobby.checked, life: life.value, history: history.value, video: video.value }) };
}

/**
 * Only what differs from a plain room is said, so that the server's own defaults hold.
 *
 * @param {{ password: string, lobby: boolean, life: string, history: string, video: string }} chosen
 * @returns {RoomOptions}
 */
export function toOptions({ password, lobby, life, history, video }) {
  /** @type {RoomOptions} */
  const options = {};
  if (password !== '') options.password = password;
  if (lobby) options.lobby = true;
  if (life !== '') options.expiresInSeconds = Number(life);
  if (history !== 'while-open') options.history = /** @type {'none' | 'keep'} */ (history);
  if (history === 'keep' && life === '') options.expiresInSeconds = LONGEST;
  if (video !== 'everyone') options.publish = { video: /** @type {'hosts' | 'nobody'} */ (video), screen: /** @type {'hosts' | 'nobody'} */ (video) };
  return options;
}

/** @param {string} name @param {Record<string, string>} choices */
function select(name, choices) {
  const first = Object.keys(choices).includes('') ? ['', ...Object.keys(choices).filter((key) => key !== '')] : Object.keys(choices);
  return h('select', { 'data-option': name }, ...first.map((value) => h('option', { value }, choices[value])));
}

/** @param {string} label @param {HTMLElement} control */
function field(label, control) {
  return h('label', { class: 'field' }, h('span', {}, label), control);
}
