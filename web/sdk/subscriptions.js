/**
 * Which remote track arrives on which m-line.
 *
 * The server announces bindings (`subscription-bound`, `-unbound`) and reuses m-lines for other tracks without negotiating again;
 * the transceiver of a mid may show up before or after its binding. A subscription is live when both are there, and `bound` and
 * `unbound` alternate strictly per mid.
 *
 * Sound may arrive on an audio m-line before the server's word says whose it is: `sound` tells of the line itself, once.
 */
import { Emitter } from './emitter.js';

/** @typedef {{ mid: string, trackId: string, participantId: string }} Binding */
/** @typedef {{ bound: { binding: Binding, mediaTrack: MediaStreamTrack }, unbound: { binding: Binding }, sound: { mediaTrack: MediaStreamTrack } }} SubscriptionEvents */

/** @extends {Emitter<SubscriptionEvents>} */
export class SubscriptionTable extends Emitter {
  /** @type {Map<string, Binding>} */ #bindings = new Map();
  /** @type {Map<string, RTCRtpTransceiver>} */ #transceivers = new Map();
  /** @type {Map<string, Binding>} */ #live = new Map();

  /** @param {Binding} binding */
  bind({ mid, trackId, participantId }) {
    this.#bindings.set(mid, { mid, trackId, participantId });
    this.#settle(mid);
  }

  /** Ends a binding; one that has been replaced meanwhile is left alone. @param {{ mid: string, trackId: string }} ended */
  unbind({ mid, trackId }) {
    if (this.#bindings.get(mid)?.trackId !== trackId) return;
    this.#bindings.delete(mid);
    this.#settle(mid);
  }

  /** Learns the m-lines that the server has added. @param {Iterable<RTCRtpTransceiver>} transceivers */
  learn(transceivers) {
    for (const transceiver of transceivers) {
      if (transceiver.mid === null || this.#transceivers.get(transceiver.mid) === transceiver) continue;
      this.#transceivers.set(transceiver.mid, transceiver);
      if (transceiver.receiver.track.kind === 'audio') this.emit('sound', { mediaTrack: transceiver.receiver.track });
      this.#settle(transceiver.mid);
    }
  }

  /** What sound arrives on, of all m-lines. @returns {MediaStreamTrack[]} */
  get soundTracks() {
    return [...this.#transceivers.values()].map(({ receiver }) => receiver.track).filter(({ kind }) => kind === 'audio');
  }

  /** Ends everything, e.g. because the connection is gone. */
  clear() {
    this.#bindings.clear();
    for (const mid of [...this.#live.keys()]) this.#settle(mid);
    this.#transceivers.clear();
  }

  /** @param {string} mid */
  #settle(mid) {
    const transceiver = this.#transceivers.get(mid);
    const wanted = transceiver ? this.#bindings.get(mid) : undefined;
    const live = this.#live.get(mid);
    if (wanted?.trackId === live?.trackId) return;
    if (live) {
      this.#live.delete(mid);
      this.emit('unbound', { binding: live });
    }
    if (wanted && transceiver) {
      this.#live.set(mid, wanted);
      this.emit('bound', { binding: wanted, mediaTrack: transceiver.receiver.track });
    }
  }
}
