/** The chat beside (or, on a phone, over) the call: the messages of the room, those that are not there yet, and the composer. */
import { Composer } from './chat-composer.js';
import { MessageView, outgoingView } from './chat-message.js';
import { ask } from './confirm.js';
import { h, icon } from './dom.js';
import { explain, nameOrGuest } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('../sdk/types.js').ChatMessage} ChatMessage */

/** Distance from the end (pixels) within which new messages keep the list scrolled down. */
const NEAR_END = 80;
/** Distance from the beginning within which earlier messages are loaded. */
const NEAR_START = 40;
/** Messages of one person within this time (ms) are one group. */
const GROUP_MS = 120000;

export class ChatPanel {
  /** @type {Map<string, string>} participant id → name */ #typing = new Map();
  /** @type {Map<string, MessageView>} */ #views = new Map();
  /** @type {(() => void)[]} */ #stops = [];
  #lost = 0;
  #loading = false;

  /** @param {Room} room @param {{ onClose: () => void }} options */
  constructor(room, { onClose }) {
    this.room = room;
    this.composer = new Composer(room);
    this.earlier = h('button', { class: 'earlier', type: 'button', hidden: true, 'data-earlier': true, onclick: () => this.#loadEarlier() }, 'Load earlier messages');
    this.items = h('div', { class: 'message-items' });
    this.lost = h('p', { class: 'messages-lost', role: 'alert', hidden: true, 'data-messages-lost': true });
    this.outgoing = h('div', { class: 'message-items' });
    this.list = h('div', { class: 'messages', role: 'log', 'aria-live': 'polite', 'aria-label': 'Messages', tabindex: '0', onscroll: () => this.#onScroll() },
      this.earlier, this.items, this.outgoing, this.lost);
    this.empty = h('p', { class: 'chat-empty' }, 'No messages yet. What is written here is seen by everyone in the room.');
    this.typingLine = h('p', { class: 'typing', 'aria-live': 'off' });
    this.element = h(
      'aside',
      { class: 'side chat', 'aria-label': 'Chat', hidden: true },
      h('header', { class: 'side-head' }, h('h2', {}, 'Chat'),
        h('button', { class: 'plain', type: 'button', 'aria-label': 'Close chat', title: 'Close chat (C)', onclick: onClose }, icon('close'))),
      this.empty, this.list, this.typingLine, this.composer.element,
    );
    this.actions = {
      reply: (/** @type {ChatMessage} */ message) => this.composer.reply(message),
      edit: (/** @type {ChatMessage} */ message) => this.composer.edit(message),
      remove: (/** @type {ChatMessage} */ message) => this.#remove(message),
      react: (/** @type {ChatMessage} */ message, /** @type {string} */ emoji, /** @type {boolean} */ on) => this.#try(room.react(message.id, emoji, on)),
      direct: (/** @type {string} */ participantId) => this.writeTo(participantId),
    };
    for (const message of room.messages) this.add(message);
    this.#showOutgoing();
    this.#showEarlier();
    this.#follow();
    this.#acceptDrops();
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
    if (!matchMedia('(pointer: coarse)').matches) this.composer.focus();
  }

  /** @param {string} participantId */
  writeTo(participantId) {
    this.composer.writeTo(participantId);
  }

  stop() {
    this.#stops.forEach((stop) => stop());
    this.composer.stop();
  }

  /** @param {ChatMessage} message */
  add(message) {
    const { list, room } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END;
    const at = room.messages.indexOf(message);
    if (at < 0 || this.#views.has(message.id)) return;
    const next = room.messages.slice(at + 1).find(({ id }) => this.#views.has(id));
    const view = new MessageView(room, message, this.actions);
    this.#views.set(message.id, view);
    this.items.insertBefore(view.element, next ? this.#views.get(next.id)?.element ?? null : null);
    this.#forgetOldest();
    this.#group(at);
    this.empty.hidden = true;
    if (!message.own) this.setTyping(message.sender, '', false);
    if (atEnd) list.scrollTop = list.scrollHeight;
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

  #follow() {
    const { room } = this;
    const update = (/** @type {{ message: ChatMessage }} */ { message }) => this.#views.get(message.id)?.update();
    const updateAll = (/** @type {{ messages: ChatMessage[] }} */ { messages }) => messages.forEach((message) => update({ message }));
    this.#stops.push(
      room.on('message', ({ message }) => this.add(message)),
      room.on('history', ({ messages }) => this.#addHistory(messages)),
      room.on('outgoing', () => this.#showOutgoing()),
      room.on('message-edited', update),
      room.on('message-deleted', update),
      room.on('message-reacted', update),
      room.on('messages-saved', updateAll),
      room.on('file-removed', updateAll),
      room.on('messages-lost', ({ count }) => this.#showLost(count)),
      room.on('participant-joined', () => this.composer.updatePeople()),
      room.on('participant-left', () => this.composer.updatePeople()),
      room.on('rights-changed', () => this.composer.updateRights()),
      room.on('state', () => this.composer.updateRights()),
    );
  }

  #acceptDrops() {
    const { element } = this;
    const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
    element.addEventListener('dragover', (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      element.classList.add('dropping');
    });
    element.addEventListener('dragleave', (event) => {
      if (!element.contains(/** @type {Node | null} */ (event.relatedTarget))) element.classList.remove('dropping');
    });
    element.addEventListener('drop', (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault(); // the browser would leave the call to show the file
      element.classList.remove('dropping');
      this.composer.attach([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** What is above stays where the eye is. @param {ChatMessage[]} messages */
  #addHistory(messages) {
    const { list } = this;
    const fromEnd = list.scrollHeight - list.scrollTop;
    for (const message of messages) this.add(message);
    this.#showEarlier();
    list.scrollTop = list.scrollHeight - fromEnd;
  }

  #showEarlier() {
    this.earlier.hidden = !this.room.hasEarlier;
  }

  #onScroll() {
    if (this.open && this.list.scrollTop < NEAR_START && !this.earlier.hidden) this.#loadEarlier();
  }

  async #loadEarlier() {
    if (this.#loading) return;
    this.#loading = true;
    this.earlier.disabled = true;
    await this.#try(this.room.history());
    this.earlier.disabled = false;
    this.#loading = false;
    this.#showEarlier();
  }

  #showOutgoing() {
    const { list, room } = this;
    const before = this.outgoing.childElementCount;
    this.outgoing.replaceChildren(...room.outgoing.map((message) => outgoingView(message, {
      retry: () => void room.retryMessage(message.nonce).catch(() => {}),
      discard: () => room.discardMessage(message.nonce),
    })));
    if (room.outgoing.length > 0) this.empty.hidden = true;
    if (this.outgoing.childElementCount > before) list.scrollTop = list.scrollHeight;
  }

  /** @param {number} count */
  #showLost(count) {
    this.#lost += count;
    this.lost.hidden = false;
    this.lost.textContent = `The server could not save ${this.#lost === 1 ? 'a message' : `${this.#lost} messages`}. People who come later will not see ${this.#lost === 1 ? 'it' : 'them'}.`;
  }

  /** Messages of one person in a row show the name once. @param {number} at index of the new message */
  #group(at) {
    const { messages } = this.room;
    for (const index of [at, at + 1]) {
      const message = messages[index];
      const before = messages[index - 1];
      if (!message) continue;
      const close = before && before.sender === message.sender && before.to === message.to && Date.parse(message.timestamp) - Date.parse(before.timestamp) < GROUP_MS;
      this.#views.get(message.id)?.element.classList.toggle('continued', Boolean(close));
    }
  }

  /** The log forgets the oldest messages of a long talk; so does the list. */
  #forgetOldest() {
    while (this.#views.size > this.room.messages.length) {
      const first = /** @type {HTMLElement | null} */ (this.items.firstElementChild);
      if (!first) return;
      this.#views.delete(first.dataset.messageId ?? '');
      first.remove();
    }
  }

  /** @param {ChatMessage} message */
  async #remove(message) {
    const sure = await ask({ title: 'Delete this message?', text: 'It disappears for everyone.', confirm: 'Delete' });
    if (sure) await this.#try(this.room.deleteMessage(message.id));
  }

  /** @param {Promise<unknown>} request */
  async #try(request) {
    try {
      await request;
    } catch (error) {
      toast(explain(error), 'error');
    }
  }
}
