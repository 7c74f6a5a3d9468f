/** The first page: make a room, or enter one by its link. */
import { createRoom, parseRoomInput, serverInfo } from '../parlor-client.js';
import { h, icon } from './dom.js';
import { roomOptions } from './room-options.js';
import { explain, explainCode } from './texts.js';

/** Who may do what on this server, in words. */
const ACCESS = {
  open: 'This server is open: whoever has a room’s link can join. Share links only with people you want to meet.',
  keys: 'This server admits people by invitation: you need a link that was made for you.',
};

/** @param {{ open: (roomId: string) => void }} actions @returns {{ element: HTMLElement, stop: () => void }} */
export function homePage({ open }) {
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const complain = (/** @type {string} */ text) => {
    problem.textContent = text;
    problem.hidden = text === '';
  };

  const name = h('input', { type: 'text', maxlength: '64', autocomplete: 'off', placeholder: 'e.g. Monday meeting', 'data-room-name': true });
  const options = roomOptions();
  const create = h('button', { class: 'primary', type: 'submit', 'data-create-room': true }, icon('plus'), 'Create a room');
  const onCreate = async (/** @type {Event} */ event) => {
    event.preventDefault();
    complain('');
    create.disabled = true;
    try {
      const room = await createRoom({ ...options.read(), name: name.value.trim() || undefined });
      open(room.roomId);
    } catch (error) {
      complain(explain(error));
      create.disabled = false;
    }
  };

  const link = h('input', { type: 'text', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', placeholder: 'Link or room id', 'aria-label': 'Link or room id', 'data-room-input': true });
  const onEnter = (/** @type {Event} */ event) => {
    event.preventDefault();
    const roomId = parseRoomInput(link.value);
    complain(roomId ? '' : explainCode('bad-room-id'));
    if (roomId) open(roomId);
    else link.focus();
  };

  const noticeText = h('span', {});
  const notice = h('p', { class: 'notice', hidden: true, 'data-access': true }, icon('info'), noticeText);
  serverInfo().then(({ access }) => {
    noticeText.textContent = ACCESS[access ?? 'open'];
    notice.hidden = false;
    notice.dataset.access = access ?? 'open';
  }, () => {}); // whoever cannot reach the server learns it from the first thing they try

  const element = h(
    'main',
    { class: 'page home' },
    h('div', { class: 'brand' }, h('img', { src: '/favicon.svg', alt: '', width: '44', height: '44' }), h('span', {}, 'Parlor')),
    h('h1', {}, 'Meet in a room of your own'),
    h('p', { class: 'lead' }, 'Video, voice, screen and chat in the browser. Share the link, and you are together. No account, nothing to install.'),
    h('div', { class: 'card' },
      h('form', { onsubmit: onCreate },
        h('label', { class: 'field' }, h('span', {}, 'Name of the room ', h('small', {}, '(optional)')), name),
        options.element,
        create),
      h('div', { class: 'divider' }, h('span', {}, 'or enter a room')),
      h('form', { class: 'inline', onsubmit: onEnter }, link, h('button', { type: 'submit', 'data-open-room': true }, 'Enter')),
      problem),
    notice,
  );
  return { element, stop: () => {} };
}
