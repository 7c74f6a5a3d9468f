/**
 * Exponential backoff with jitter: the n-th delay lies between one half and the whole of `min(maxMs, firstMs · 2ⁿ)`.
 *
 * Half of the delay is random, so that a roomful of clients does not come back in one instant; it never exceeds `maxMs`, so that
 * everybody is back soon after a server's return.
 */
export class Backoff {
  #attempt = 0;

  /** @param {{ firstMs?: number, maxMs?: number, random?: () => number }} [options] */
  constructor({ firstMs = 250, maxMs = 5000, random = Math.random } = {}) {
    this.firstMs = firstMs;
    this.maxMs = maxMs;
    this.random = random;
  }

  /** Attempts since the last `reset`. */
  get attempts() {
    return this.#attempt;
  }

  /** The delay before the next attempt, in milliseconds. */
  nextDelayMs() {
    // 2^30 · firstMs is far past any cap; the bound keeps the power finite however long an outage lasts.
    const ceiling = Math.min(this.maxMs, this.firstMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return ceiling / 2 + (this.random() * ceiling) / 2;
  }

  reset() {
    this.#attempt = 0;
  }
}
