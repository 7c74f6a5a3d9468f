/**
 * Where messages are written: to everyone or to one person, as a reply or as another wording of one's own, with files.
 */
import { excerpt } from './chat-message.js';
import { h, icon } from './dom.js';
import { explain, explainRight, nameOrGuest } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('../sdk/types.js').ChatMessage} ChatMessage */

/** Files that are uploaded at a time; more are refused until one is there. */
const MAX_UPLOADS = 5;
const MAX_HEIGHT = 140;

export class Composer {
  /** @type {{ kind: 'reply' | 'edit', message: ChatMessage } | null} */ #context = null;
  /** @type {Set<AbortController>} */ #uploads = new Set();

  /** @param {Room} room */
  constructor(room) {
    this.room = room;
    this.quote = h('div', { class: 'quote', hidden: true });
    this.uploads = h('div', { class: 'uploads', 'aria-label': 'Files on their way' });
    this.recipient = h('select', { class: 'recipient', 'aria-label': 'Who sees it', 'data-recipient': true, onchange: () => this.#showRecipient() });
    this.input = h('textarea', {
      rows: '1', placeholder: 'Write a message', 'aria-label': 'Message', maxlength: '8192', enterkeyhint: 'send', 'data-chat-input': true,
      oninput: () => this.#onInput(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(event),
      onblur: () => room.setTyping(false),
    });
    const picker = h('input', { type: 'file', multiple: true, hidden: true, 'data-file-input': true, onchange: () => {
      this.attach([...(picker.files ?? [])]);
      picker.value = '';
    } });
    this.attachButton = h('button', { class: 'plain attach', type: 'button', 'aria-label': 'Send a file', title: 'Send a file', onclick: () => picker.click() }, icon('attach'));
    this.refusal = h('p', { class: 'chat-refusal', hidden: true }, explainRight('chat'));
    this.row = h('div', { class: 'composer-row' }, this.attachButton, picker, this.input,
      h('button', { class: 'send', type: 'submit', 'aria-label': 'Send', title: 'Send (Enter)' }, icon('send')));
    this.element = h('form', { class: 'composer', onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.#submit(); } },
      this.quote, this.uploads, this.recipient, this.row, this.refusal);
    this.updatePeople();
    this.updateRights();
  }

  focus() {
    if (!this.row.hidden) this.input.focus();
  }

  /** @param {ChatMessage} message */
  reply(message) {
    this.#setContext({ kind: 'reply', message });
    // The answer to what was said in private is private.
    if (message.to === null) return;
    const people = [...this.room.participants.values()];
    const other = people.find(({ participantId, identity }) => (message.own ? identity === message.to || participantId === message.to : participantId === message.sender))
      ?? people.find(({ identity }) => !message.own && identity === message.identity);
    if (other) this.writeTo(other.participantId);
  }

  /** @param {ChatMessage} message one's own */
  edit(message) {
    this.input.value = message.text;
    this.#setContext({ kind: 'edit', message });
    this.#resize();
  }

  /** @param {string} participantId empty: everyone */
  writeTo(participantId) {
    this.recipient.value = participantId;
    if (this.recipient.selectedIndex < 0) this.recipient.value = '';
    this.#showRecipient();
    this.focus();
  }

  /** People come and go; whom one was writing to stays, or writing stops being sent to anybody else. */
  updatePeople() {
    const chosen = this.recipient.value;
    const people = [...this.room.participants.values()];
    const gone = chosen !== '' && !people.some(({ participantId }) => participantId === chosen);
    this.recipient.replaceChildren(h('option', { value: '' }, 'To everyone'),
      ...people.map(({ participantId, displayName }) => h('option', { value: participantId }, `Private: ${nameOrGuest(displayName)}`)));
    this.recipient.hidden = people.length === 0;
    if (gone && this.input.value.trim() !== '') {
      this.input.value = ''; // what was meant for one is not sent to all by the next Enter
      toast('The person you were writing to has left.');
    }
    this.recipient.value = gone ? '' : chosen;
    this.#showRecipient();
  }

  updateRights() {
    const { chat } = this.room.rights;
    this.row.hidden = !chat;
    this.refusal.hidden = chat;
    if (!chat) this.recipient.hidden = true;
    else this.updatePeople();
  }

  /** Uploads files and sends each as a message. @param {File[]} files */
  attach(files) {
    if (!this.room.rights.chat) return toast(explainRight('chat'));
    for (const file of files) {
      if (this.#uploads.size >= MAX_UPLOADS) return toast(`At most ${MAX_UPLOADS} files at a time.`, 'error');
      this.#upload(file);
    }
  }

  stop() {
    for (const upload of this.#uploads) upload.abort();
  }

  /** @param {File} file */
  async #upload(file) {
    const { room } = this;
    const to = this.#to();
    const abort = new AbortController();
    const progress = h('progress', { max: '1', value: '0', 'aria-label': `Uploading ${file.name}` });
    const row = h('div', { class: 'upload', 'data-upload': true }, h('bdi', { class: 'file-name' }, file.name), progress,
      h('button', { class: 'plain', type: 'button', 'aria-label': `Cancel ${file.name}`, onclick: () => abort.abort() }, icon('close')));
    this.#uploads.add(abort);
    this.uploads.append(row);
    try {
      const sent = await room.api.uploadFile(file, { signal: abort.signal, onProgress: (fraction) => { progress.value = fraction; } });
      room.sendMessage('', { to, file: sent }).catch(() => {}); // a failure is shown in the list
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'cancelled') toast(`${file.name}: ${explain(error)}`, 'error');
    } finally {
      this.#uploads.delete(abort);
      row.remove();
    }
  }

  async #submit() {
    const text = this.input.value.trim();
    if (text === '') return;
    const context = this.#context;
    const options = { replyTo: context?.kind === 'reply' ? context.message.id : null, to: this.#to() };
    this.input.value = '';
    this.#setContext(null);
    this.#resize();
    this.room.setTyping(false);
    try {
      if (context?.kind === 'edit') await this.room.editMessage(context.message.id, text);
      else await this.room.sendMessage(text, options);
    } catch (error) {
      const kept = this.room.outgoing.some((message) => message.text === text && message.state === 'failed');
      if (kept) return; // it is in the list, to be tried again
      toast(`Not sent: ${explain(error)}`, 'error');
      if (this.input.value === '') this.input.value = text; // nothing that was written is lost
      this.#resize();
    }
  }

  #to() {
    return this.recipient.value === '' ? null : this.recipient.value;
  }

  #showRecipient() {
    const isPrivate = this.#to() !== null;
    this.element.classList.toggle('private', isPrivate);
    this.input.placeholder = isPrivate ? 'Write a private message' : 'Write a message';
  }

  /** @param {{ kind: 'reply' | 'edit', message: ChatMessage } | null} context */
  #setContext(context) {
    if (this.#context?.kind === 'edit' && context?.kind !== 'edit') this.input.value = '';
    this.#context = context;
    this.quote.hidden = context === null;
    this.quote.replaceChildren();
    this.recipient.disabled = context?.kind === 'edit';
    if (!context) return;
    const { kind, message } = context;
    const about = kind === 'edit' ? 'Edit' : `Reply to ${message.own ? 'yourself' : nameOrGuest(message.displayName)}`;
    this.quote.append(
      h('span', {}, `${about}: ${excerpt(message)}`),
      h('button', { class: 'plain', type: 'button', 'aria-label': `Cancel ${kind}`, onclick: () => this.#cancel() }, icon('close')),
    );
    this.focus();
  }

  #cancel() {
    this.#setContext(null);
    this.#resize();
    this.focus();
  }

  #onInput() {
    this.#resize();
    // What is meant for one person is nobody else's business, not even that it is being written.
    this.room.setTyping(this.input.value.trim() !== '' && this.#to() === null);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === 'Escape' && this.#context) {
      event.stopPropagation();
      this.#cancel();
    }
    // While a word is being composed, Enter belongs to the input method.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #resize() {
    this.input.style.height = 'auto';
    this.input.style.height = `${Math.min(this.input.scrollHeight, MAX_HEIGHT)}px`;
  }
}
