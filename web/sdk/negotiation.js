/**
 * Offer and answer over one PeerConnection, both ways, one step at a time.
 *
 * The client is the polite side: when offers cross, it rolls its own back, answers the server's and offers again. The server refuses
 * a crossing offer with `glare`. That refusal and the server's offer may arrive in either order; both orders end the same way.
 *
 * Invariants: all work on the connection runs in one queue; at most one own offer is unanswered; an answer is applied only if it
 * carries the id of that offer. After a resumed session the unanswered offer and the last answer are sent again unchanged, since either
 * may have been lost with the old socket.
 */
import { Emitter } from './emitter.js';
import { isTransient, ParlorError } from './errors.js';
import { nextRequestId } from './ids.js';

/** @typedef {import('./messages.js').Message} Message */
/** `settled`: a description pair was applied. `failed`: the connection can no longer be negotiated. `rejected`: the server refused an offer. */
/** @typedef {{ settled: {}, failed: { error: ParlorError }, rejected: { error: ParlorError } }} NegotiatorEvents */

/** When the server's own offer does not turn up after a `glare`, or a transient refusal is retried. */
const RETRY_MS = 1000;

/** The message types this module consumes. */
export const NEGOTIATION_MESSAGE_TYPES = ['offer-received', 'answer-received', 'ice-candidate-received'];

/** @extends {Emitter<NegotiatorEvents>} */
export class Negotiator extends Emitter {
  /** @type {Promise<void>} */ #queue = Promise.resolve();
  /** @type {{ id: string, message: Message } | null} */ #pending = null;
  /** @type {{ negotiationId: unknown, message: Message } | null} */ #lastAnswer = null;
  /** Ids of messages whose refusal no longer matters. @type {Set<string>} */ #superseded = new Set();
  /** @type {any} */ #retryTimer = null;
  #wanted = false;
  #closed = false;

  /**
   * @param {RTCPeerConnection} pc
   * @param {object} wire
   * @param {(id: string) => Message} wire.buildOffer from the local description
   * @param {(id: string, negotiationId: any) => Message} wire.buildAnswer from the local description
   * @param {(message: Message) => boolean} wire.send
   */
  constructor(pc, { buildOffer, buildAnswer, send }) {
    super();
    this.pc = pc;
    this.buildOffer = buildOffer;
    this.buildAnswer = buildAnswer;
    this.sendMessage = send;
  }

  /** Something to negotiate has changed: offers now, or as soon as it is possible. */
  request() {
    this.#wanted = true;
    this.#enqueue(() => this.#offer());
  }

  /** @param {Message} message @returns {boolean} whether the message belongs to this negotiation */
  handle(message) {
    if (message.type === 'offer-received') this.#enqueue(() => this.#onOffer(message));
    else if (message.type === 'answer-received') this.#enqueue(() => this.#onAnswer(message));
    else if (message.type === 'ice-candidate-received') this.#enqueue(() => this.#onCandidate(message));
    else if (message.type === 'error') return this.#onError(message);
    else return false;
    return true;
  }

  /** Sends again what may have been lost with the former socket. */
  resend() {
    this.#enqueue(async () => {
      if (this.#lastAnswer) this.sendMessage(this.#lastAnswer.message);
      if (this.#pending) this.sendMessage(this.#pending.message);
      else await this.#offer();
    });
  }

  /** Resolves when everything that has been asked for so far is done. */
  idle() {
    return this.#queue;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
  }

  /** @param {() => Promise<void>} step */
  #enqueue(step) {
    this.#queue = this.#queue.then(async () => {
      if (this.#closed) return;
      try {
        await step();
      } catch (error) {
        if (!this.#closed) this.emit('failed', { error: ParlorError.from(error, 'media-failed') });
      }
    });
  }

  async #offer() {
    if (!this.#wanted || this.#pending || this.pc.signalingState !== 'stable') return;
    this.#wanted = false;
    await this.pc.setLocalDescription();
    const id = nextRequestId();
    this.#pending = { id, message: this.buildOffer(id) };
    this.sendMessage(this.#pending.message); // if the socket is down, `resend` follows
  }

  /** @param {Message} message */
  async #onOffer({ offer, negotiationId }) {
    if (this.#lastAnswer && negotiationId !== undefined && this.#lastAnswer.negotiationId === negotiationId) {
      this.sendMessage(this.#lastAnswer.message); // the server did not get our answer
      return;
    }
    await this.#yield();
    await this.pc.setRemoteDescription(offer);
    await this.pc.setLocalDescription();
    const id = nextRequestId();
    this.#lastAnswer = { negotiationId, message: this.buildAnswer(id, negotiationId) };
    this.#supersede(id);
    this.sendMessage(this.#lastAnswer.message);
    this.emit('settled', {});
    await this.#offer();
  }

  /** Gives up the own offer, to be made again. */
  async #yield() {
    if (this.#pending) {
      this.#supersede(this.#pending.id);
      this.#pending = null;
      this.#wanted = true;
    }
    if (this.pc.signalingState === 'have-local-offer') await this.pc.setLocalDescription({ type: 'rollback' });
  }

  /** @param {Message} message */
  async #onAnswer({ id, answer }) {
    if (!this.#pending || id !== this.#pending.id) return;
    this.#pending = null;
    this.#supersede(id); // it may have been sent twice
    await this.pc.setRemoteDescription(answer);
    this.emit('settled', {});
    await this.#offer();
  }

  /** @param {Message} message */
  async #onCandidate({ candidate }) {
    if (!candidate?.candidate) return;
    // Candidates are in the descriptions too: one that comes too early or too late is no loss.
    await this.pc.addIceCandidate(candidate).catch(() => {});
  }

  /** @param {Message} refusal @returns {boolean} */
  #onError(refusal) {
    const { id, code } = refusal;
    if (this.#superseded.delete(id)) return true;
    if (!this.#pending || id !== this.#pending.id) return false;
    this.#enqueue(async () => {
      if (this.#pending?.id !== id) return;
      await this.#yield();
      this.#superseded.delete(id); // this was the refusal
      if (code === 'glare' || isTransient(code)) {
        this.#retryLater();
      } else {
        this.#wanted = false;
        this.emit('rejected', { error: ParlorError.ofWire(refusal) });
      }
    });
    return true;
  }

  #retryLater() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#enqueue(() => this.#offer()), RETRY_MS);
  }

  /** @param {string} id */
  #supersede(id) {
    this.#superseded.add(id);
    if (this.#superseded.size > 16) this.#superseded.delete(/** @type {string} */ (this.#superseded.values().next().value));
  }
}
