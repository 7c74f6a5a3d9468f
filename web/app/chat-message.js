/** One message of the chat, and how it changes. Texts and names of others are only ever text nodes; links are not made clickable. */
import { attachment } from './attachments.js';
import { h, icon } from './dom.js';
import { menuButton } from './menu.js';
import { explain, nameOrGuest } from './texts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('../sdk/types.js').ChatMessage} ChatMessage */
/** @typedef {import('../sdk/types.js').OutgoingMessage} OutgoingMessage */

/**
 * @typedef {object} MessageActions
 * @property {(message: ChatMessage) => void} reply
 * @property {(message: ChatMessage) => void} edit
 * @property {(message: ChatMessage) => void} remove
 * @property {(message: ChatMessage, emoji: string, on: boolean) => void} react
 * @property {(participantId: string) => void} direct
 */

/** What can be said by a tap. */
export const REACTIONS = ['👍', '❤️', '😂', '🎉', '😮', '👏'];

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const TICKS = { sent: { mark: '✓', label: 'Sent' }, saved: { mark: '✓✓', label: 'Saved' } };

export class MessageView {
  /** @type {HTMLElement | null} */ #attachment = null;

  /** @param {Room} room @param {ChatMessage} message @param {MessageActions} actions */
  constructor(room, message, actions) {
    this.room = room;
    this.message = message;
    this.actions = actions;
    const { id, own, replyTo, to, timestamp } = message;
    const quoted = replyTo ? room.messages.find((other) => other.id === replyTo) : undefined;
    this.text = h('p', { class: 'text', dir: 'auto' });
    this.reactions = h('div', { class: 'reactions', hidden: true });
    this.meta = h('p', { class: 'meta', hidden: true });
    this.more = menuButton({ label: `Actions for ${own ? 'your message' : `the message of ${nameOrGuest(message.displayName)}`}`, class: 'more', items: () => this.#items(), head: () => this.#reactionBar() }, icon('more'));
    this.more.setAttribute('data-message-menu', id);
    this.bubble = h('div', { class: 'bubble' },
      to !== null && h('p', { class: 'private' }, icon('lock'), privateLabel(room, message)),
      replyTo && h('blockquote', {}, quoted ? `${nameOrGuest(quoted.displayName)}: ${excerpt(quoted)}` : 'An earlier message'),
      this.text, this.more);
    this.element = h(
      'article',
      { class: `message ${own ? 'own' : 'other'}${to === null ? '' : ' direct'}`, 'data-message-id': id, 'data-sender': message.sender },
      h('header', {}, h('bdi', { class: 'author' }, own ? 'You' : nameOrGuest(message.displayName)), ' ', h('time', { datetime: timestamp }, TIME.format(new Date(timestamp)))),
      this.bubble, this.reactions, this.meta,
    );
    this.update();
  }

  /** Shows the message as it is now. */
  update() {
    const { message } = this;
    const deleted = message.deletedAt !== null;
    this.element.classList.toggle('deleted', deleted);
    this.text.textContent = deleted ? 'This message was deleted.' : message.text;
    this.text.hidden = this.text.textContent === '';
    this.more.hidden = deleted;
    this.#showAttachment();
    this.#showReactions();
    this.#showMeta();
  }

  #showAttachment() {
    const { file } = this.message;
    if (Boolean(file) === Boolean(this.#attachment)) return;
    this.#attachment?.remove();
    this.#attachment = file ? attachment(this.room, file) : null;
    if (this.#attachment) this.text.after(this.#attachment);
  }

  #showReactions() {
    /** @type {Map<string, { count: number, own: boolean }>} */
    const counts = new Map();
    for (const { emoji, identity } of this.message.reactions) {
      const entry = counts.get(emoji) ?? { count: 0, own: false };
      counts.set(emoji, { count: entry.count + 1, own: entry.own || identity === this.room.identity });
    }
    this.reactions.hidden = counts.size === 0;
    this.reactions.replaceChildren(...[...counts].map(([emoji, { count, own }]) => h('button', {
      class: 'chip', type: 'button', 'aria-pressed': String(own), 'aria-label': `${emoji} ${count}`, 'data-reaction': emoji,
      onclick: () => this.actions.react(this.message, emoji, !own),
    }, `${emoji} ${count}`)));
  }

  #showMeta() {
    const { own, state, editedAt, deletedAt } = this.message;
    const tick = TICKS[state];
    this.meta.replaceChildren(...[
      editedAt !== null && deletedAt === null && h('span', {}, 'edited'),
      own && deletedAt === null && h('span', { class: 'tick', title: tick.label, role: 'img', 'aria-label': tick.label, 'data-state': state }, tick.mark),
    ].filter((part) => part !== false));
    this.meta.hidden = this.meta.childElementCount === 0;
  }

  /** @returns {import('./menu.js').MenuItem[]} */
  #items() {
    const { message, room, actions } = this;
    const { own, sender, file, text } = message;
    /** @type {import('./menu.js').MenuItem[]} */
    const items = [];
    if (room.rights.chat) items.push({ label: 'Reply', action: () => actions.reply(message) });
    if (room.rights.chat && !own && room.participants.has(sender)) items.push({ label: 'Write privately', action: () => actions.direct(sender) });
    if (text !== '') items.push({ label: 'Copy the text', action: () => navigator.clipboard?.writeText(text).catch(() => {}) });
    if (own && room.rights.chat && (text !== '' || !file)) items.push({ label: 'Edit', action: () => actions.edit(message) });
    if (own || room.role === 'host') items.push({ label: 'Delete', danger: true, action: () => actions.remove(message) });
    return items;
  }

  #reactionBar() {
    if (!this.room.rights.chat) return null;
    const mine = new Set(this.message.reactions.filter(({ identity }) => identity === this.room.identity).map(({ emoji }) => emoji));
    return h('div', { class: 'reaction-bar', role: 'group', 'aria-label': 'React' }, ...REACTIONS.map((emoji) => h('button', {
      type: 'button', tabindex: '-1', role: 'menuitemcheckbox', 'aria-checked': String(mine.has(emoji)), 'aria-label': `React with ${emoji}`, 'data-react': emoji,
      onclick: () => this.actions.react(this.message, emoji, !mine.has(emoji)),
    }, emoji)));
  }
}

/**
 * A message that the room does not have yet.
 *
 * @param {OutgoingMessage} message @param {{ retry: () => void, discard: () => void }} actions
 */
export function outgoingView({ nonce, text, file, to, state, error }, { retry, discard }) {
  const failed = state === 'failed';
  return h('article', { class: `message own outgoing${failed ? ' failed' : ''}${to === null ? '' : ' direct'}`, 'data-nonce': nonce, 'data-state': state },
    h('div', { class: 'bubble' }, file && h('p', { class: 'file-name' }, h('bdi', {}, file.name)), text !== '' && h('p', { class: 'text', dir: 'auto' }, text)),
    h('p', { class: 'meta', role: failed ? 'alert' : undefined }, failed ? `Not sent. ${explain(error)}` : 'Sending…',
      failed && h('button', { class: 'link', type: 'button', onclick: retry, 'data-retry-message': true }, 'Try again'),
      failed && h('button', { class: 'link', type: 'button', onclick: discard }, 'Discard')));
}

/** @param {{ text: string, file: import('../sdk/types.js').FileInfo | null, deletedAt?: string | null }} message */
export function excerpt({ text, file, deletedAt }) {
  if (deletedAt) return 'a deleted message';
  const line = (text || file?.name || '').replace(/\s+/gu, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

/** @param {Room} room @param {ChatMessage} message */
function privateLabel(room, { to, own }) {
  if (!own) return ' Private, to you';
  const person = [...room.participants.values()].find(({ participantId, identity }) => participantId === to || identity === to);
  return person ? ` Private, to ${nameOrGuest(person.displayName)}` : ' Private';
}
