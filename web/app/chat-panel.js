/**
 * The chat beside (or, on a phone, over) the call. Texts and names of others are only ever text nodes; links are not made clickable.
 */
import { h, icon } from './dom.js';
import { explain, nameOrGuest } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('../sdk/types.js').ChatMessage} ChatMessage */

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
/** Distance from the end (pixels) within which new messages keep the list scrolled down. */
const NEAR_END = 80;

export class ChatPanel {
  /** @type {ChatMessage | null} */ #replyTo = null;
  /** @type {Map<string, string>} participant id → name */ #typing = new Map();
  /** @type {Map<string, HTMLElement>} */ #bubbles = new Map();

  /** @param {Room} room @param {{ onClose: () => void }} options */
  constructor(room, { onClose }) {
    this.room = room;
    this.list = h('div', { class: 'messages', role: 'log', 'aria-live': 'polite', 'aria-label': 'Messages', tabindex: '0' });
    this.empty = h('p', { class: 'chat-empty' }, 'No messages yet. What is written here is seen by everyone in the room.');
    this.typingLine = h('p', { class: 'typing', 'aria-live': 'off' });
    this.quote = h('div', { class: 'quote', hidden: true });
    this.input = h('textarea', {
      rows: '1', placeholder: 'Write a message', 'aria-label': 'Message', maxlength: '8192', enterkeyhint: 'send', 'data-chat-input': true,
      oninput: () => this.#onInput(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(event),
      onblur: () => room.setTyping(false),
    });
    const form = h(
      'form',
      { class: 'composer', onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.#send(); } },
      this.quote,
      h('div', { class: 'composer-row' }, this.input, h('button', { class: 'send', type: 'submit', 'aria-label': 'Send', title: 'Send (Enter)' }, icon('send'))),
    );
    this.element = h(
      'aside',
      { class: 'chat', 'aria-label': 'Chat', hidden: true },
      h('header', { class: 'chat-head' }, h('h2', {}, 'Chat'),
        h('button', { class: 'plain', type: 'button', 'aria-label': 'Close chat', title: 'Close chat (C)', onclick: onClose }, icon('close'))),
      this.empty,
      this.list,
      this.typingLine,
      form,
    );
    for (const message of room.messages) this.add(message);
  }

  get open() {
    return !this.element.hidden;
  }

  /** @param {boolean} open */
  setOpen(open) {
    this.element.hidden = !open;
    if (!open) return;
    this.list.scrollTop = this.list.scrollHeight;
    // On a phone the keyboard would cover what there is to read. A computer without a mouse has no pointer at all.
    if (!matchMedia('(pointer: coarse)').matches) this.input.focus();
  }

  /** @param {ChatMessage} message */
  add(message) {
    const { list, room } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END;
    const at = room.messages.indexOf(message);
    const next = at < 0 ? undefined : room.messages[at + 1];
    const bubble = this.#bubble(message);
    this.#bubbles.set(message.id, bubble);
    list.insertBefore(bubble, next ? this.#bubbles.get(next.id) ?? null : null);
    this.#forgetOldest();
    this.#group(at);
    this.empty.hidden = true;
    if (!message.own) this.setTyping(message.sender, '', false);
    if (atEnd || message.own) list.scrollTop = list.scrollHeight;
  }

  /** @param {string} participantId @param {string} name @param {boolean} typing */
  setTyping(participantId, name, typing) {
    if (typing) this.#typing.set(participantId, nameOrGuest(name));
    else this.#typing.delete(participantId);
    const names = [...this.#typing.values()];
    this.typingLine.textContent = names.length === 0 ? ''
      : names.length === 1 ? `${names[0]} is typing…`
      : names.length === 2 ? `${names[0]} and ${names[1]} are typing…`
      : 'Several people are typing…';
  }

  /** @param {ChatMessage} message */
  #bubble(message) {
    const { id, text, own, replyTo } = message;
    const name = nameOrGuest(message.displayName);
    const time = new Date(message.timestamp);
    const quoted = replyTo ? this.room.messages.find((other) => other.id === replyTo) : undefined;
    return h(
      'article',
      { class: `message ${own ? 'own' : 'other'}`, 'data-message-id': id, 'data-sender': message.sender },
      h('header', {}, h('span', { class: 'author' }, own ? 'You' : name), ' ', h('time', { datetime: message.timestamp }, TIME.format(time))),
      h('div', { class: 'bubble' },
        replyTo && h('blockquote', {}, quoted ? `${nameOrGuest(quoted.displayName)}: ${excerpt(quoted.text)}` : 'An earlier message'),
        h('p', { class: 'text', dir: 'auto' }, text),
        h('button', { class: 'reply', type: 'button', 'aria-label': `Reply to ${own ? 'your message' : name}`, title: 'Reply', onclick: () => this.#setReply(message) }, icon('reply'))),
    );
  }

  /** Messages of one person in a row show the name once. @param {number} at index of the new message */
  #group(at) {
    const { messages } = this.room;
    for (const index of [at, at + 1]) {
      const message = messages[index];
      const before = messages[index - 1];
      if (!message) continue;
      const close = before && before.sender === message.sender && Date.parse(message.timestamp) - Date.parse(before.timestamp) < 120000;
      this.#bubbles.get(message.id)?.classList.toggle('continued', Boolean(close));
    }
  }

  /** The log forgets the oldest messages of a long talk; so does the list. */
  #forgetOldest() {
    while (this.#bubbles.size > this.room.messages.length) {
      const first = /** @type {HTMLElement | null} */ (this.list.firstElementChild);
      if (!first) return;
      this.#bubbles.delete(first.dataset.messageId ?? '');
      first.remove();
    }
  }

  /** @param {ChatMessage | null} message */
  #setReply(message) {
    this.#replyTo = message;
    this.quote.hidden = message === null;
    this.quote.replaceChildren();
    if (!message) return;
    this.quote.append(
      h('span', {}, `Reply to ${message.own ? 'yourself' : nameOrGuest(message.displayName)}: ${excerpt(message.text)}`),
      h('button', { class: 'plain', type: 'button', 'aria-label': 'Cancel reply', onclick: () => this.#setReply(null) }, icon('close')),
    );
    this.input.focus();
  }

  #onInput() {
    this.#resize();
    this.room.setTyping(this.input.value.trim() !== '');
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === 'Escape' && this.#replyTo) {
      event.stopPropagation();
      this.#setReply(null);
    }
    // While a word is being composed, Enter belongs to the input method.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  async #send() {
    const text = this.input.value.trim();
    if (text === '') return;
    const replyTo = this.#replyTo?.id ?? null;
    this.input.value = '';
    this.#setReply(null);
    this.#resize();
    this.room.setTyping(false);
    try {
      await this.room.sendMessage(text, { replyTo });
    } catch (error) {
      toast(`Not sent: ${explain(error)}`, 'error');
      if (this.input.value === '') this.input.value = text; // nothing that was written is lost
      this.#resize();
    }
  }

  #resize() {
    this.input.style.height = 'auto';
    this.input.style.height = `${Math.min(this.input.scrollHeight, 140)}px`;
  }
}

/** @param {string} text */
function excerpt(text) {
  const line = text.replace(/\s+/gu, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
