/**
 * The chat of a room: one order for everybody, whichever way the messages travel.
 *
 * Messages leave on the `chat` data channel when it is open, else on the socket, and come back (one's own too) with the id and `seq`
 * the server gave them. The same message may come twice after a reconnection: ids are unique, `seq` orders. What was under way when a
 * connection broke is sent again (`outbox.js`). What was said before one came is asked for in pages, and what was said while one was
 * away is caught up with.
 */
import { ChatLog } from './chat-log.js';
import { Emitter } from './emitter.js';
import { ParlorError } from './errors.js';
import { nextRequestId } from './ids.js';
import * as messages from './messages.js';
import { Outbox } from './outbox.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./types.js').ChatMessage} ChatMessage */
/** @typedef {import('./types.js').FileInfo} FileInfo */
/**
 * @typedef {Pick<import('./types.js').RoomEvents, 'message' | 'history' | 'outgoing' | 'message-edited' | 'message-deleted' | 'message-reacted' | 'messages-saved'
 *   | 'messages-lost' | 'file-removed'>} ChatEvents
 */
/** @typedef {{ replyTo?: string | null, to?: string | null, file?: FileInfo | null }} SendOptions */
/** @typedef {{ wire: Message, matches: (news: Message) => boolean, resolve: () => void, reject: (e: ParlorError) => void, timer: any }} Change */

/** The server forgets after 6 s that somebody types. */
const TYPING_REPEAT_MS = 3000;
const CHANGE_TIMEOUT_MS = 15000;
/** Edits, deletions and reactions that wait for their answer. */
const MAX_CHANGES = 32;
const PAGE = 50;
/** Pages fetched to catch up with what was missed; beyond it, `history` loads on. */
const MAX_CATCH_UP_PAGES = 10;

/** What the chat does with each of its messages. @type {Record<string, (chat: Chat, message: Message) => void>} */
const HANDLERS = {
  'message-received': (chat, message) => chat.onMessage(message),
  'message-edited': (chat, message) => chat.onChanged('message-edited', message, chat.log.edit(message.id, String(message.text), message.editedAt)),
  'message-deleted': (chat, message) => chat.onChanged('message-deleted', message, chat.log.remove(message.id, message.deletedAt)),
  'message-reacted': (chat, message) => chat.onChanged('message-reacted', message, chat.log.react(message.id, /** @type {any} */ (message), message.on === true)),
  'messages-saved': (chat, { upTo }) => chat.onSaved(upTo),
  'messages-lost': (chat, { count, fromSeq, toSeq }) => chat.emit('messages-lost', { count, fromSeq, toSeq }),
  'file-removed': (chat, { fileId }) => chat.onFileRemoved(fileId),
};

/** The message types this module consumes. */
export const CHAT_MESSAGE_TYPES = [...Object.keys(HANDLERS), 'messages'];

/** @extends {Emitter<ChatEvents>} */
export class Chat extends Emitter {
  log = new ChatLog();
  /** Whether the room may hold messages older than those of the log. */
  hasEarlier = false;
  /** @type {Map<string, Change>} by request id */ #changes = new Map();
  /** Every participant id this client has had here. @type {Set<string>} */ #ownIds = new Set();
  #typing = false;
  #typingSentAt = 0;

  /**
   * @param {object} wire
   * @param {string} wire.roomId
   * @param {(message: Message) => boolean} wire.sendOnChannel
   * @param {(message: Message) => boolean} wire.sendOnSocket
   * @param {(message: Message) => Promise<Message>} wire.request over the socket, with its reply
   * @param {() => string} wire.ownId participant id
   * @param {() => string | null} wire.ownIdentity
   * @param {() => boolean} [wire.isUp] whether there is somebody to answer
   */
  constructor({ roomId, sendOnChannel, sendOnSocket, request, ownId, ownIdentity, isUp = () => true }) {
    super();
    this.roomId = roomId;
    this.sendOnChannel = sendOnChannel;
    this.sendOnSocket = sendOnSocket;
    this.request = request;
    this.ownId = ownId;
    this.ownIdentity = ownIdentity;
    // A message with a file waits for the store, which the channel does not.
    const byChannel = (/** @type {Message} */ message) => message.fileId === undefined && sendOnChannel(message);
    this.outbox = new Outbox({ transmit: (message) => byChannel(message) || sendOnSocket(message), isUp });
    this.outbox.on('changed', (detail) => this.emit('outgoing', detail));
  }

  /**
   * @param {string} text may be empty with a file
   * @param {SendOptions} [options]
   * @returns {Promise<ChatMessage>} the message as the room has it; rejects with a `ParlorError`
   */
  send(text, { replyTo = null, to = null, file = null } = {}) {
    if (text.trim() === '' && !file) return Promise.reject(new ParlorError('text-empty'));
    const { roomId } = this;
    return this.outbox.send({ text, replyTo, to, file }, (ids) => messages.sendMessage({ roomId, text, replyTo, to, fileId: file?.fileId, ...ids }));
  }

  /** @param {string} messageId @param {string} text */
  edit(messageId, text) {
    const wire = messages.editMessage({ roomId: this.roomId, messageId, text, id: nextRequestId() });
    return this.#change(wire, (news) => news.type === 'message-edited' && news.id === messageId);
  }

  /** @param {string} messageId */
  async delete(messageId) {
    if (this.log.get(messageId)?.deletedAt) return;
    const wire = messages.deleteMessage({ roomId: this.roomId, messageId, id: nextRequestId() });
    await this.#change(wire, (news) => news.type === 'message-deleted' && news.id === messageId);
  }

  /** @param {string} messageId @param {string} emoji @param {boolean} on */
  async react(messageId, emoji, on) {
    const identity = this.ownIdentity();
    const reactions = this.log.get(messageId)?.reactions ?? [];
    // What changes nothing is not told to anybody.
    if (reactions.some((other) => other.emoji === emoji && other.identity === identity) === on) return;
    const wire = messages.react({ roomId: this.roomId, messageId, emoji, on, id: nextRequestId() });
    await this.#change(wire, (news) =>
      news.type === 'message-reacted' && news.id === messageId && news.emoji === emoji && news.on === on && news.identity === identity);
  }

  /**
   * Loads messages that are older than those of the log.
   *
   * @param {{ before?: number, limit?: number }} [options] `before`: a `seq`; default: the oldest of the log
   * @returns {Promise<{ messages: ChatMessage[], more: boolean }>} the oldest first
   */
  async history({ before = this.log.firstSeq ?? undefined, limit = PAGE } = {}) {
    const page = await this.#page({ before, limit });
    const fresh = page.messages.filter((message) => this.#learn(message));
    this.hasEarlier = page.more && !this.log.isFull;
    if (fresh.length > 0) this.emit('history', { messages: fresh });
    return page;
  }

  /** @param {boolean} active */
  setTyping(active) {
    const now = performance.now();
    if (active === this.#typing && (!active || now - this.#typingSentAt < TYPING_REPEAT_MS)) return;
    this.#typing = active;
    this.#typingSentAt = now;
    this.sendOnSocket(messages.typing({ roomId: this.roomId, typing: active }));
  }

  /** @param {Message} message from the channel or the socket @returns {boolean} whether it was for the chat */
  handle(message) {
    if (message.type === 'error') return this.#onError(message);
    if (!Object.hasOwn(HANDLERS, message.type)) return false;
    HANDLERS[message.type](this, message);
    return true;
  }

  /**
   * The client is in the room, again or for the first time.
   *
   * @param {object} how
   * @param {boolean} how.resumed as the same participant, who gets by itself what was missed
   * @param {boolean} how.restarted under another server process
   * @param {number} [how.lastSeq] the highest number given so far
   * @param {boolean} [how.remembers] whether the room keeps what is said
   */
  async onJoined({ resumed, restarted, lastSeq, remembers = false }) {
    this.#ownIds.add(this.ownId());
    if (restarted && (lastSeq ?? 0) < this.log.lastSeq) this.log.restart();
    this.#typing = false;
    if (resumed) return; // what was missed follows, and then `resend`
    if (remembers && lastSeq !== 0) await this.#catchUp().catch(() => {}); // it can be asked for again by `history`
    this.resend();
  }

  /** Sends again what has not come back, once everything that was on its way has arrived. */
  resend() {
    this.outbox.resend();
    for (const { wire } of this.#changes.values()) this.sendOnSocket(wire);
  }

  close() {
    this.outbox.close();
    for (const id of [...this.#changes.keys()]) this.#endChange(id, new ParlorError('closed'));
  }

  /** @param {Message} wire */
  onMessage(wire) {
    const message = this.#read(wire);
    if (!message) return;
    if (this.log.insert(message)) this.emit('message', { message });
    if (typeof wire.nonce === 'string') this.outbox.settle(wire.nonce, this.log.get(message.id) ?? message);
  }

  /** @param {'message-edited' | 'message-deleted' | 'message-reacted'} type @param {Message} news @param {ChatMessage | undefined} message */
  onChanged(type, news, message) {
    if (message) this.emit(type, { message });
    for (const [id, change] of this.#changes) {
      if (change.matches(news)) this.#endChange(id);
    }
  }

  /** @param {number} upTo */
  onSaved(upTo) {
    const saved = this.log.markSaved(upTo);
    if (saved.length > 0) this.emit('messages-saved', { messages: saved });
  }

  /** @param {string} fileId */
  onFileRemoved(fileId) {
    this.emit('file-removed', { fileId, messages: this.log.removeFile(fileId) });
  }

  /** Fetches from the newest back to what is known. Each page is taken in as it comes: what is said of its messages next applies to it. */
  async #catchUp() {
    const known = this.log.lastSeq;
    /** @type {number | undefined} */ let before;
    let more = true;
    for (let pages = 0; more && pages < (known === 0 ? 1 : MAX_CATCH_UP_PAGES); pages += 1) {
      const page = await this.#page({ before, limit: PAGE });
      if (known === 0) this.hasEarlier = page.more;
      const fresh = page.messages.filter((message) => this.#learn(message));
      for (const message of fresh) this.#settleByContent(message);
      if (known !== 0) fresh.forEach((message) => this.emit('message', { message }));
      else if (fresh.length > 0) this.emit('history', { messages: fresh });
      before = page.messages[0]?.seq;
      more = page.more && before !== undefined && before > known + 1;
    }
  }

  /** @param {{ before?: number, limit: number }} range */
  async #page({ before, limit }) {
    const reply = await this.request(messages.getMessages({ roomId: this.roomId, before, limit }));
    const rows = Array.isArray(reply.messages) ? reply.messages : [];
    const read = rows.flatMap((/** @type {Message} */ row) => this.#read(row) ?? []);
    for (const message of read) if (message.own) message.state = 'saved';
    return { messages: read.sort((/** @type {ChatMessage} */ a, /** @type {ChatMessage} */ b) => a.seq - b.seq), more: reply.more === true };
  }

  /** Takes a message of the history. @param {ChatMessage} message @returns {boolean} whether it is new */
  #learn(message) {
    if (!this.log.update(message)) return this.log.insert(message);
    this.emit('message-edited', { message: /** @type {ChatMessage} */ (this.log.get(message.id)) });
    return false;
  }

  /** A message of a former self whose echo was lost, so that it is not said again under the new one. @param {ChatMessage} message */
  #settleByContent(message) {
    if (!this.#ownIds.has(message.sender) || message.sender === this.ownId()) return;
    const same = this.outbox.messages.find(({ state, text, replyTo, to }) =>
      state === 'sending' && text.trim() === message.text && replyTo === message.replyTo && (to === null) === (message.to === null));
    if (same) this.outbox.settle(same.nonce, message);
  }

  /** @param {Message} wire @returns {ChatMessage | null} */
  #read(wire) {
    const { id, seq, text, sender, displayName, timestamp } = wire;
    if (typeof id !== 'string' || typeof seq !== 'number') return null;
    const identity = typeof wire.identity === 'string' ? wire.identity : null;
    const own = this.#ownIds.has(sender) || sender === this.ownId() || (identity !== null && identity === this.ownIdentity());
    return {
      id, seq, sender, identity, timestamp, own,
      text: typeof text === 'string' ? text : '',
      displayName: displayName ?? '',
      replyTo: wire.replyTo ?? null,
      to: wire.to ?? null,
      file: wire.file ?? null,
      editedAt: wire.editedAt ?? null,
      deletedAt: wire.deletedAt ?? null,
      reactions: Array.isArray(wire.reactions) ? wire.reactions : [],
      state: 'sent',
    };
  }

  /** @param {Message} wire @param {(news: Message) => boolean} matches @returns {Promise<void>} */
  #change(wire, matches) {
    if (this.#changes.size >= MAX_CHANGES) return Promise.reject(new ParlorError('rate-limited'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#endChange(wire.id, new ParlorError('timeout')), CHANGE_TIMEOUT_MS);
      this.#changes.set(wire.id, { wire, matches, resolve, reject, timer });
      this.sendOnSocket(wire); // if the socket is down, `resend` follows
    });
  }

  /** @param {string} id @param {ParlorError} [error] */
  #endChange(id, error) {
    const change = this.#changes.get(id);
    if (!change) return;
    clearTimeout(change.timer);
    this.#changes.delete(id);
    if (error) change.reject(error);
    else change.resolve();
  }

  /** @param {Message} wire @returns {boolean} */
  #onError(wire) {
    const error = ParlorError.ofWire(wire);
    // The server drops what is too fast without looking whose it is: what has not come back goes again in a while, as the same.
    if (error.code === 'rate-limited' && wire.id === undefined) this.outbox.resendSoon();
    if (!this.#changes.has(wire.id)) return this.outbox.refuse(wire.id, error);
    this.#endChange(wire.id, error);
    return true;
  }
}
