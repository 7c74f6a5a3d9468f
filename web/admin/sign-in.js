/** The page for whoever has no credential that does: what is needed here, and a field for it. */
import { serverInfo } from '../parlor-client.js';
import { h, icon } from '../app/dom.js';

/** @typedef {{ code?: string, message?: string }} Refusal */

const COMMAND = 'parlor token create --identity me --admin --ttl 1h';

/**
 * @param {{ refusal: Refusal, hadToken: boolean, signIn: (token: string) => void }} page
 * @returns {import('./main.js').Page}
 */
export function signInPage({ refusal, hadToken, signIn }) {
  const problem = h('p', { class: 'problem', role: 'alert', hidden: !hadToken, 'data-problem': refusal.code }, hadToken && whyNot(refusal));
  const token = h('input', { type: 'password', autocomplete: 'off', required: true, spellcheck: 'false', 'data-token': true });
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (token.value.trim()) signIn(token.value.trim());
  };
  const form = h('form', { onsubmit: onSubmit },
    h('label', { class: 'field' }, h('span', {}, 'Administrator’s token'), token), problem,
    h('button', { class: 'primary', type: 'submit', 'data-sign-in': true }, 'Sign in'),
    h('p', { class: 'muted' }, 'Make one where the server is configured:'), h('pre', { tabindex: '0' }, COMMAND),
    h('p', { class: 'notice' }, icon('lock'), h('span', {}, 'The token stays in this tab and is forgotten with it.')));
  const open = h('div', { hidden: true, 'data-open-server': true },
    h('p', {}, 'This server is open: it has no keys, and so no administrators. It can be administered in two ways.'),
    h('ul', {},
      h('li', {}, 'From the host it runs on, without a proxy: ', h('code', {}, 'http://localhost:8080/admin'), '. From elsewhere ', h('code', {}, 'ssh -L 8080:localhost:8080'), ' leads there.'),
      h('li', {}, 'From anywhere, with a token, once it has keys (', h('code', {}, 'auth.keys'), ').')),
    refusal.message && h('p', { class: 'muted' }, `The server says: “${refusal.message}”.`));
  serverInfo().then(({ access }) => {
    form.hidden = access === 'open';
    open.hidden = access !== 'open';
  }, () => {}); // the form is there, and tells what is wrong when it is used
  const element = h('main', { class: 'page admin-sign-in' },
    h('div', { class: 'card' }, h('h1', { tabindex: '-1' }, 'Administration'), form, open));
  return { element, title: 'Sign in', stop: () => {} };
}

/** Why a token does not do. @param {Refusal} refusal */
export function whyNot({ code }) {
  if (code === 'forbidden') return 'This token is good, but not an administrator’s: its claim “admin” must be true.';
  if (code === 'token-invalid') return 'This token is not good, or not any more. Make a new one.';
  return 'The server asks for an administrator’s token.';
}
