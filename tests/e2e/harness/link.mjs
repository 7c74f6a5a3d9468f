/**
 * One direction of a bad network as a machine without sockets and clocks: datagrams and the time go in, those that
 * have arrived come out.
 *
 * A datagram waits in a queue, is serialised at the link's rate, may be lost, and then flies. Whatever changes applies
 * at once to what waits, and not to what flies already. The same seed and the same input give the same output.
 */

/** What a datagram takes beside its payload: the headers of IPv4 and UDP. */
const HEADER_BYTES = 28;
/** Enough for some hours; an experiment that goes on for longer keeps no more. */
const MAX_SECONDS = 10_000;

/**
 * @typedef {object} Conditions
 * @property {number} rateBps of everything, headers included; `Infinity` for no limit
 * @property {number} queueMs what finds more than this waiting before it is dropped
 * @property {number} delayMs one way, beside queueing and serialisation
 * @property {number} jitterMs the delay is spread evenly over `delayMs` ± this, and never negative
 * @property {boolean} reorders whether jitter lets datagrams overtake one another
 * @property {Loss} loss after the queue: what is lost has used the link
 * @property {boolean} down nothing gets through, and what waits is lost
 */

/**
 * The model of Gilbert and Elliott: in the good state datagrams are lost with one probability, in the bad one with
 * another. All are probabilities of 0..1, for each datagram.
 *
 * @typedef {{ good: number, bad: number, toBad: number, toGood: number }} Loss
 */

/** @typedef {'queue' | 'loss' | 'outage'} DropReason */
/**
 * What a second has seen.
 *
 * @typedef {object} Second
 * @property {number} datagrams that got through
 * @property {number} bytes of those, without headers
 * @property {Record<DropReason, number>} dropped
 * @property {number[]} queueingMs of each that was serialised, its own serialisation included
 */

/** @type {Loss} */
export const NO_LOSS = { good: 0, bad: 0, toBad: 0, toGood: 1 };

/** Each datagram alone. @param {number} share of 0..1 @returns {Loss} */
export const randomLoss = (share) => ({ ...NO_LOSS, good: share });

/**
 * Runs of lost datagrams.
 *
 * @param {number} share of all, 0..1
 * @param {number} length of a run on average
 * @returns {Loss}
 */
export const burstyLoss = (share, length) => ({
  good: 0,
  bad: 1,
  toBad: share / (1 - share) / length,
  toGood: 1 / length,
});

/** @type {Conditions} */
export const PERFECT = {
  rateBps: Infinity,
  queueMs: 300,
  delayMs: 0,
  jitterMs: 0,
  reorders: false,
  loss: NO_LOSS,
  down: false,
};

/** @template T what is carried */
export class Link {
  /** @type {Second[]} */ seconds = [];
  /** `bits` are still to be serialised. @type {{ item: T, bytes: number, bits: number, since: number }[]} */
  #waiting = [];
  /** @type {{ item: T, at: number }[]} by time of arrival */ #flying = [];
  #now = 0;
  #bad = false;
  #lastArrival = 0;

  /** @param {{ now: number, seed?: number, conditions?: Partial<Conditions> }} options all times are in ms */
  constructor({ now, seed = 1, conditions = {} }) {
    this.startedAt = now;
    this.#now = now;
    this.random = randomFrom(seed);
    this.conditions = { ...PERFECT, ...conditions };
  }

  /** @param {Partial<Conditions>} changes what is not named stays @param {number} now */
  change(changes, now) {
    this.#serialise(now);
    this.conditions = { ...this.conditions, ...changes };
    if (this.conditions.down) {
      for (const _ of this.#waiting.splice(0)) this.#second(now).dropped.outage += 1;
    }
  }

  /** Starts to count anew. @param {number} now */
  forget(now) {
    this.startedAt = now;
    this.seconds = [];
  }

  /** @param {T} item @param {number} bytes its payload @param {number} now */
  handle(item, bytes, now) {
    this.#serialise(now);
    const { down, queueMs } = this.conditions;
    if (down) this.#second(now).dropped.outage += 1;
    else if (this.waitMs() > queueMs) this.#second(now).dropped.queue += 1;
    else this.#waiting.push({ item, bytes, bits: (bytes + HEADER_BYTES) * 8, since: now });
    this.#serialise(now);
  }

  /** What has arrived by now, in its order. @param {number} now @returns {T[]} */
  poll(now) {
    this.#serialise(now);
    const later = this.#flying.findIndex(({ at }) => at > now);
    return this.#flying.splice(0, later < 0 ? this.#flying.length : later).map(({ item }) => item);
  }

  /** When to poll next; `null` as long as there is nothing under way. */
  pollAt() {
    const served = this.#waiting.length > 0 ? this.#now + this.#serviceMs(this.#waiting[0].bits) : Infinity;
    const next = Math.min(this.#flying[0]?.at ?? Infinity, served);
    return next === Infinity ? null : next;
  }

  /** How long what comes now would wait for its turn. */
  waitMs() {
    return this.#serviceMs(this.#waiting.reduce((sum, { bits }) => sum + bits, 0));
  }

  /** @param {number} bits */
  #serviceMs(bits) {
    return (bits * 1000) / this.conditions.rateBps;
  }

  /** @param {number} now */
  #serialise(now) {
    while (this.#waiting.length > 0) {
      const [first] = this.#waiting;
      const done = this.#now + this.#serviceMs(first.bits);
      if (done > now) {
        first.bits -= ((now - this.#now) * this.conditions.rateBps) / 1000;
        break;
      }
      this.#now = done;
      this.#waiting.shift();
      this.#depart(first, done);
    }
    this.#now = Math.max(this.#now, now);
  }

  /** @param {{ item: T, bytes: number, since: number }} datagram @param {number} at its last bit is sent */
  #depart({ item, bytes, since }, at) {
    const second = this.#second(at);
    second.queueingMs.push(at - since);
    if (this.#loses()) {
      second.dropped.loss += 1;
      return;
    }
    second.datagrams += 1;
    second.bytes += bytes;
    const { delayMs, jitterMs, reorders } = this.conditions;
    const soonest = at + Math.max(0, delayMs + (jitterMs > 0 ? (this.random() * 2 - 1) * jitterMs : 0));
    const arrival = reorders ? soonest : Math.max(soonest, this.#lastArrival);
    this.#lastArrival = arrival;
    const before = this.#flying.findLastIndex((flying) => flying.at <= arrival);
    this.#flying.splice(before + 1, 0, { item, at: arrival });
  }

  #loses() {
    const { good, bad, toBad, toGood } = this.conditions.loss;
    if (this.random() < (this.#bad ? toGood : toBad)) this.#bad = !this.#bad;
    return this.random() < (this.#bad ? bad : good);
  }

  /** @param {number} at */
  #second(at) {
    const index = Math.min(MAX_SECONDS, Math.max(0, Math.floor((at - this.startedAt) / 1000)));
    while (this.seconds.length <= index) {
      this.seconds.push({ datagrams: 0, bytes: 0, dropped: { queue: 0, loss: 0, outage: 0 }, queueingMs: [] });
    }
    return this.seconds[index];
  }
}

/** Mulberry32: numbers of 0..1 that depend on the seed alone. @param {number} seed @returns {() => number} */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
