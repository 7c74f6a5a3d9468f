/**
 * The chat of a room: one order for everybody, whichever way the messages travel.
 *
 * Messages leave on the `chat` data channel when it is open, else on the socket, and come back (one's own too) with the id and `seq`
 * the server gave them. The same message may come twice after a reconnection: ids are unique, `seq` orders. `send` settles when the
 * message has come back; what was under way when a connection broke is sent again.
 */
import { Emitter } from './emitter.js';
import { ParlorError } from './errors.js';
import { nextRequestId, randomNonce } from './ids.js';
import { sendMessage, typing } from './messages.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./types.js').ChatMessage} ChatMessage */
/** @typedef {{ message: { message: ChatMessage } }} ChatEvents */
/** @typedef {{ id: string, message: Message, resolve: (m: ChatMessage) => void, reject: (e: ParlorError) => void, timer: any }} Pending */

/** Oldest messages are forgotten beyond this: hours of talk, a few megabytes at most. */
const MAX_MESSAGES = 2000;
/** Messages that wait for their echo; a person cannot have more under way, a script gets `rate-limited`. */
const MAX_PENDING = 32;
const ECHO_TIMEOUT_MS = 30000;
/** The server forgets after 6 s that somebody types. */
const TYPING_REPEAT_MS = 3000;

/** The messages of a room, sorted, each once. */
export class ChatLog {
  /** @type {ChatMessage[]} */ messages = [];
  /** @type {Map<string, number>} */ #epochs = new Map();
  #epoch = 0;

  /** @param {{ maxMessages?: number }} [options] */
  constructor({ maxMessages = MAX_MESSAGES } = {}) {
    this.maxMessages = maxMessages;
  }

  /** The room was made anew and counts from the start again: what follows is later than everything so far. */
  restart() {
    this.#epoch += 1;
  }

  /**
   * @param {ChatMessage} message
   * @returns {boolean} false if it was there already, or is older than all that is kept of a full log
   */
  insert(message) {
    if (this.#epochs.has(message.id)) return false;
    let at = this.messages.length;
    while (at > 0 && this.#isBefore(message, this.messages[at - 1])) at -= 1;
    const full = this.messages.length >= this.maxMessages;
    if (full && at === 0) return false;
    this.messages.splice(at, 0, message);
    this.#epochs.set(message.id, this.#epoch);
    if (full) this.#epochs.delete(/** @type {ChatMessage} */ (this.messages.shift()).id);
    return true;
  }

  /** @param {ChatMessage} message a new one @param {ChatMessage} other one of the log */
  #isBefore(message, other) {
    return this.#epochs.get(other.id) === this.#epoch && message.seq < other.seq;
  }
}

/** @extends {Emitter<ChatEvents>} */
export class Chat extends Emitter {
  log = new ChatLog();
  /** @type {Map<string, Pending>} by nonce */ #pending = new Map();
  #typing = false;
  #typingSentAt = 0;

  /**
   * @param {object} wire
   * @param {string} wire.roomId
   * @param {(message: Message) => boolean} wire.sendOnChannel
   * @param {(message: Message) => boolean} wire.sendOnSocket
   * @param {() => string} wire.ownId participant id
   */
  constructor({ roomId, sendOnChannel, sendOnSocket, ownId }) {
    super();
    this.roomId = roomId;
    this.sendOnChannel = sendOnChannel;
    this.sendOnSocket = sendOnSocket;
    this.ownId = ownId;
  }

  /**
   * @param {string} text
   * @param {string | null} [replyTo] message id
   * @returns {Promise<ChatMessage>} the message as the room has it; rejects with a `ParlorError`
   */
  send(text, replyTo = null) {
    if (text.trim() === '') return Promise.reject(new ParlorError('text-empty'));
    if (this.#pending.size >= MAX_PENDING) return Promise.reject(new ParlorError('rate-limited'));
    const id = nextRequestId();
    const nonce = randomNonce();
    const message = sendMessage({ roomId: this.roomId, text, replyTo, nonce, id });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#reject(nonce, new ParlorError('timeout')), ECHO_TIMEOUT_MS);
      this.#pending.set(nonce, { id, message, resolve, reject, timer });
      this.#transmit(message);
    });
  }

  /** @param {boolean} active */
  setTyping(active) {
    const now = performance.now();
    if (active === this.#typing && (!active || now - this.#typingSentAt < TYPING_REPEAT_MS)) return;
    this.#typing = active;
    this.#typingSentAt = now;
    this.sendOnSocket(typing({ roomId: this.roomId, typing: active }));
  }

  /** @param {Message} message from the channel or the socket @returns {boolean} whether it was for the chat */
  handle(message) {
    if (message.type === 'message-received') this.#onMessage(message);
    else if (message.type === 'error') return this.#onError(message);
    else return false;
    return true;
  }

  /** The client is in the room again. @param {{ restarted: boolean }} how `restarted`: in a room that was made anew */
  onJoined({ restarted }) {
    if (restarted) this.log.restart();
    this.#typing = false;
  }

  /** Sends again what has not come back, once everything that was on its way has arrived. */
  resend() {
    for (const { message } of this.#pending.values()) this.#transmit(message);
  }

  close() {
    for (const nonce of [...this.#pending.keys()]) this.#reject(nonce, new ParlorError('closed'));
  }

  /** @param {Message} message */
  #transmit(message) {
    return this.sendOnChannel(message) || this.sendOnSocket(message);
  }

  /** @param {Message} wire */
  #onMessage(wire) {
    const { id, seq, text, sender, displayName, timestamp, replyTo = null, nonce } = wire;
    if (typeof id !== 'string' || typeof text !== 'string') return;
    /** @type {ChatMessage} */
    const message = { id, seq, text, sender, displayName: displayName ?? '', timestamp, replyTo, own: sender === this.ownId() };
    if (this.log.insert(message)) this.emit('message', { message });
    const pending = nonce === undefined ? undefined : this.#pending.get(nonce);
    if (!pending) return;
    clearTimeout(pending.timer);
    this.#pending.delete(nonce);
    pending.resolve(message);
  }

  /** @param {Message} error @returns {boolean} */
  #onError({ id, code, message }) {
    for (const [nonce, pending] of this.#pending) {
      if (pending.id !== id) continue;
      this.#reject(nonce, new ParlorError(code, message));
      return true;
    }
    return false;
  }

  /** @param {string} nonce @param {ParlorError} error */
  #reject(nonce, error) {
    const pending = this.#pending.get(nonce);
    if (!pending) return;
    clearTimeout(pending.timer);
    this.#pending.delete(nonce);
    pending.reject(error);
  }
}
