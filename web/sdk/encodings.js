/**
 * Switches the encodings of what this client sends off when nobody watches them, and on again: the server tells by
 * m-line what is wanted.
 *
 * The last word for an m-line holds until its publication ends, and is said to its sender again after each negotiation,
 * since browsers may then have made its encodings anew. Before the first word everything is sent.
 */
import { updateParameters } from './sender-parameters.js';

/** @typedef {{ rid?: string, active: boolean }} WantedEncoding */

export class WantedEncodings {
  /** @type {Map<string, WantedEncoding[]>} by mid */ #words = new Map();

  /** @param {(mid: string) => RTCRtpSender | undefined} senderAt */
  constructor(senderAt) {
    this.senderAt = senderAt;
  }

  /** @param {string} mid @param {WantedEncoding[]} encodings every encoding of the track, as the server knows them */
  take(mid, encodings) {
    this.#words.set(mid, encodings);
    this.#apply(mid);
  }

  /** After a negotiation. */
  applyAll() {
    for (const mid of this.#words.keys()) this.#apply(mid);
  }

  /** The publication has ended. @param {string | null} mid */
  forget(mid) {
    if (mid !== null) this.#words.delete(mid);
  }

  /** @param {string} mid */
  #apply(mid) {
    const sender = this.senderAt(mid);
    if (!sender) return;
    // The word is looked up when it is this change's turn: of several that wait, each says the last one.
    updateParameters(sender, ({ encodings }) => activate(encodings ?? [], this.#words.get(mid) ?? []));
  }
}

/**
 * @param {RTCRtpEncodingParameters[]} encodings of the sender
 * @param {WantedEncoding[]} wanted
 * @returns {boolean} whether something has changed
 */
function activate(encodings, wanted) {
  let changed = false;
  for (const encoding of encodings) {
    // Without simulcast there is one encoding, and no rid; browsers keep the rid of one that is left of several.
    const word = wanted.find(({ rid }) => (rid === undefined ? encodings.length === 1 : rid === encoding.rid));
    if (!word || (encoding.active ?? true) === word.active) continue;
    encoding.active = word.active;
    changed = true;
  }
  return changed;
}
