/**
 * What this client has written and the room has not yet: kept until its own `message-received` is back.
 *
 * A message is sent again, with the same nonce, as often as a connection breaks; the server says a nonce once. Only what the server
 * refuses, or does not answer over a connection that lives, has failed: it stays here, for `retry` or `discard`.
 */
import { Emitter } from './emitter.js';
import { ParlorError } from './errors.js';
import { nextRequestId, randomNonce } from './ids.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./types.js').ChatMessage} ChatMessage */
/** @typedef {import('./types.js').OutgoingMessage} OutgoingMessage */
/** @typedef {{ outgoing: OutgoingMessage, id: string, wire: Message, resolve: (m: ChatMessage) => void, reject: (e: ParlorError) => void, timer: any }} Entry */

/** Messages under way; a person cannot have more, a script gets `rate-limited`. */
export const MAX_PENDING = 32;
/** Failed messages that are kept; the oldest is forgotten first, its sender was told. */
export const MAX_FAILED = 32;
const ECHO_TIMEOUT_MS = 30000;
/** After this the server has an allowance again. */
const RESEND_MS = 1000;

/** @extends {Emitter<{ changed: { message: OutgoingMessage } }>} */
export class Outbox extends Emitter {
  /** @type {Map<string, Entry>} by nonce, in the order of writing */ #entries = new Map();
  #closed = false;
  /** @type {any} */ #resending = null;

  /** @param {{ transmit: (wire: Message) => boolean, isUp: () => boolean }} wire */
  constructor({ transmit, isUp }) {
    super();
    this.transmit = transmit;
    this.isUp = isUp;
  }

  /** What is not yet in the room, in the order of writing. */
  get messages() {
    return [...this.#entries.values()].map(({ outgoing }) => outgoing);
  }

  /**
   * @param {{ text: string, replyTo: string | null, to: string | null, file: import('./types.js').FileInfo | null }} content
   * @param {(ids: { id: string, nonce: string }) => Message} build
   * @returns {Promise<ChatMessage>}
   */
  send(content, build) {
    const under = this.messages.filter(({ state }) => state === 'sending');
    if (under.length >= MAX_PENDING) return Promise.reject(new ParlorError('rate-limited'));
    const id = nextRequestId();
    const nonce = randomNonce();
    /** @type {OutgoingMessage} */
    const outgoing = { ...content, nonce, state: 'sending', error: null, timestamp: new Date().toISOString() };
    return this.#start({ outgoing, id, wire: build({ id, nonce }) });
  }

  /** Tries a failed message again, as the same message. @param {string} nonce @returns {Promise<ChatMessage>} */
  retry(nonce) {
    const entry = this.#entries.get(nonce);
    if (!entry || entry.outgoing.state !== 'failed' || this.#closed) return Promise.reject(new ParlorError('closed'));
    Object.assign(entry.outgoing, { state: 'sending', error: null });
    return this.#start(entry);
  }

  /** Gives a failed message up. @param {string} nonce */
  discard(nonce) {
    const entry = this.#entries.get(nonce);
    if (entry?.outgoing.state === 'failed') this.#forget(entry);
  }

  /** Sends again what has not come back. */
  resend() {
    for (const { outgoing, wire } of this.#entries.values()) {
      if (outgoing.state === 'sending') this.transmit(wire);
    }
  }

  /** The same in a while, once however often it is asked for. */
  resendSoon() {
    this.#resending ??= setTimeout(() => {
      this.#resending = null;
      if (!this.#closed) this.resend();
    }, RESEND_MS);
  }

  /** The room has it. @param {string} nonce @param {ChatMessage} message */
  settle(nonce, message) {
    const entry = this.#entries.get(nonce);
    if (!entry) return;
    this.#forget(entry);
    entry.resolve(message);
  }

  /** @param {string} requestId @param {ParlorError} error @returns {boolean} whether it was about one of these */
  refuse(requestId, error) {
    const entry = [...this.#entries.values()].find(({ id, outgoing }) => id === requestId && outgoing.state === 'sending');
    if (entry) this.#fail(entry, error);
    return entry !== undefined;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#resending);
    for (const entry of this.#entries.values()) {
      if (entry.outgoing.state === 'sending') this.#fail(entry, new ParlorError('closed'));
    }
  }

  /** @param {Pick<Entry, 'outgoing' | 'id' | 'wire'>} begun @returns {Promise<ChatMessage>} */
  #start({ outgoing, id, wire }) {
    return new Promise((resolve, reject) => {
      /** @type {Entry} */
      const entry = { outgoing, id, wire, resolve, reject, timer: null };
      this.#entries.set(outgoing.nonce, entry);
      this.#watch(entry);
      this.transmit(wire);
      this.emit('changed', { message: outgoing });
    });
  }

  /** Silence counts only while there is somebody to answer. @param {Entry} entry */
  #watch(entry) {
    entry.timer = setTimeout(() => {
      if (this.isUp()) this.#fail(entry, new ParlorError('timeout'));
      else this.#watch(entry);
    }, ECHO_TIMEOUT_MS);
  }

  /** @param {Entry} entry @param {ParlorError} error */
  #fail(entry, error) {
    clearTimeout(entry.timer);
    Object.assign(entry.outgoing, { state: 'failed', error });
    this.emit('changed', { message: entry.outgoing });
    const failed = [...this.#entries.values()].filter(({ outgoing }) => outgoing.state === 'failed');
    if (failed.length > MAX_FAILED) this.#forget(failed[0]);
    entry.reject(error);
  }

  /** @param {Entry} entry */
  #forget(entry) {
    clearTimeout(entry.timer);
    this.#entries.delete(entry.outgoing.nonce);
    this.emit('changed', { message: entry.outgoing });
  }
}
