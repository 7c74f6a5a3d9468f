/**
 * Tells people who use a screen reader which pictures are paused. A connection that wavers pauses and resumes often: it
 * is told once a change has lasted, not sooner than a while after the last word, and never what is as it was said to
 * be.
 */
import { describePauses } from './texts.js';

const SETTLE_MS = 2000;
const QUIET_MS = 8000;

export class PauseNews {
  /** @type {Map<string, string>} track id → what is paused */ #paused = new Map();
  #said = '';
  /** @type {any} */ #timer = null;

  /** @param {(text: string) => void} say */
  constructor(say) {
    this.say = say;
  }

  /** @param {string} trackId @param {string | null} what `null`: it goes on, or is gone */
  set(trackId, what) {
    if ((this.#paused.get(trackId) ?? null) === what) return;
    if (what === null) this.#paused.delete(trackId);
    else this.#paused.set(trackId, what);
    this.#timer ??= setTimeout(() => this.#tell(), SETTLE_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#paused.clear();
  }

  #tell() {
    this.#timer = null;
    const text = describePauses([...this.#paused.values()]);
    if (text === this.#said || (this.#said === '' && this.#paused.size === 0)) return;
    this.#said = this.#paused.size === 0 ? '' : text;
    this.say(text);
    this.#timer = setTimeout(() => this.#tell(), QUIET_MS);
  }
}
