/**
 * The messages of a room, sorted, each once, as they are now: with what was edited, deleted and said to them by reactions.
 *
 * Bounded: of a long talk the oldest are forgotten. Numbering may begin again when a room is made anew; what follows then is later than
 * everything before (an epoch).
 */

/** @typedef {import('./types.js').ChatMessage} ChatMessage */

/** Oldest messages are forgotten beyond this: hours of talk, a few megabytes at most. */
const MAX_MESSAGES = 2000;
/** Reactions kept per message; the server allows fewer. */
const MAX_REACTIONS = 2000;

export class ChatLog {
  /** @type {ChatMessage[]} */ messages = [];
  /** @type {Map<string, { message: ChatMessage, epoch: number }>} */ #known = new Map();
  #epoch = 0;
  #lastSeq = 0;

  /** @param {{ maxMessages?: number }} [options] */
  constructor({ maxMessages = MAX_MESSAGES } = {}) {
    this.maxMessages = maxMessages;
  }

  /** The highest number seen since the room was made; 0 without any. */
  get lastSeq() {
    return this.#lastSeq;
  }

  /** The lowest number that is kept; `null` without any. */
  get firstSeq() {
    return this.messages.find(({ id }) => this.#known.get(id)?.epoch === this.#epoch)?.seq ?? null;
  }

  get isFull() {
    return this.messages.length >= this.maxMessages;
  }

  /** The room was made anew and counts from the start again: what follows is later than everything so far. */
  restart() {
    this.#epoch += 1;
    this.#lastSeq = 0;
  }

  /** @param {string} id @returns {ChatMessage | undefined} */
  get(id) {
    return this.#known.get(id)?.message;
  }

  /**
   * @param {ChatMessage} message
   * @returns {boolean} false if it was there already, or is older than all that is kept of a full log
   */
  insert(message) {
    if (this.#known.has(message.id)) return false;
    let at = this.messages.length;
    while (at > 0 && this.#isBefore(message, this.messages[at - 1])) at -= 1;
    const full = this.isFull;
    if (full && at === 0) return false;
    this.messages.splice(at, 0, message);
    this.#known.set(message.id, { message, epoch: this.#epoch });
    this.#lastSeq = Math.max(this.#lastSeq, message.seq);
    if (full) this.#known.delete(/** @type {ChatMessage} */ (this.messages.shift()).id);
    return true;
  }

  /** Makes a message that is known already like a newer account of it. @param {ChatMessage} newer @returns {boolean} whether it was known */
  update(newer) {
    const message = this.get(newer.id);
    if (!message) return false;
    const { text, editedAt, deletedAt, file, reactions } = newer;
    Object.assign(message, { text, editedAt, deletedAt, file, reactions });
    if (newer.state === 'saved') message.state = 'saved';
    return true;
  }

  /** @param {string} id @param {string} text @param {string} editedAt @returns {ChatMessage | undefined} the changed message */
  edit(id, text, editedAt) {
    const message = this.get(id);
    if (!message || message.deletedAt) return undefined;
    return Object.assign(message, { text, editedAt });
  }

  /** @param {string} id @param {string} deletedAt @returns {ChatMessage | undefined} */
  remove(id, deletedAt) {
    const message = this.get(id);
    if (!message) return undefined;
    return Object.assign(message, { text: '', file: null, reactions: [], deletedAt });
  }

  /** @param {string} id @param {{ emoji: string, identity: string }} reaction @param {boolean} on @returns {ChatMessage | undefined} */
  react(id, { emoji, identity }, on) {
    const message = this.get(id);
    if (!message || message.deletedAt) return undefined;
    message.reactions = message.reactions.filter((other) => other.emoji !== emoji || other.identity !== identity);
    if (on && message.reactions.length < MAX_REACTIONS) message.reactions.push({ emoji, identity });
    return message;
  }

  /** A file is gone; what was said with it stays. @param {string} fileId @returns {ChatMessage[]} the changed messages */
  removeFile(fileId) {
    const changed = this.messages.filter(({ file }) => file?.fileId === fileId);
    for (const message of changed) message.file = null;
    return changed;
  }

  /** Everything up to a number is durable. @param {number} upTo @returns {ChatMessage[]} own messages that were not yet */
  markSaved(upTo) {
    const changed = this.messages.filter(({ id, seq, own, state }) => own && state === 'sent' && seq <= upTo && this.#known.get(id)?.epoch === this.#epoch);
    for (const message of changed) message.state = 'saved';
    return changed;
  }

  /** @param {ChatMessage} message a new one @param {ChatMessage} other one of the log */
  #isBefore(message, other) {
    return this.#known.get(other.id)?.epoch === this.#epoch && message.seq < other.seq;
  }
}
