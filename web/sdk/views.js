/**
 * How this client shows the tracks that it receives, told to the server so that no better picture is sent than is seen.
 *
 * A track may be shown in several *places*, each of which says whether it can be seen and how large it is; the server
 * is told of the best of them. What changes is gathered for a moment and told in one message, but for what becomes
 * visible, which somebody waits for. Sizes are told in steps, so that a window that is being resized does not say
 * something with each pixel.
 *
 * What always holds: of a track that no place was ever made for, nothing is told (the server takes it for visible and
 * as large as it comes); a track whose last place is gone is not seen by anybody.
 */
import { MAX_VIEWS } from './messages.js';

/** In device pixels, both sides or none. @typedef {{ width?: number, height?: number }} Size */
/** @typedef {{ visible: boolean } & Size} Sight */
/** @typedef {Sight & { pinned?: boolean }} View */
/** @typedef {{ trackId: string } & View} TrackView */

/**
 * @typedef {object} Entry
 * @property {Map<object, Sight | null>} places `null`: not measured yet
 * @property {boolean} watched some place shows it or has shown it
 * @property {boolean} pinned
 * @property {View | null | undefined} told `null`: nothing on this subscription; `undefined`: what was told may be lost
 */

/** Long enough for a gesture's worth of changes, short beside the time until a picture follows. */
const GATHER_MS = 150;
/** The server gives back its allowance of messages within that time. */
const LATER_MS = 2000;
/** What the server takes a track for before it is told anything. @type {View} */
const UNKNOWN = { visible: true };
/** Cameras' sizes, their halves and quarters are among these steps, which are twice as wide for large pictures. */
const STEP = { width: 80, height: 45 };
const FINE_STEPS = 16;
/** The protocol's bound. */
const MAX_PIXELS = 16384;
/** The place of `set`. */
const SPOKEN = {};

export class Views {
  /** @type {Map<string, Entry>} by track id */ #entries = new Map();
  /** @type {Set<string>} */ #changed = new Set();
  /** @type {any} */ #timer = null;
  /** @type {any} */ #laterTimer = null;
  #urgent = false;
  #closed = false;

  /** @param {(views: TrackView[]) => boolean} send `false`: the socket is down, `resend` follows */
  constructor(send) {
    this.send = send;
  }

  /**
   * A place where the track is shown. It counts once it has been measured.
   *
   * @param {string} trackId
   * @returns {{ set: (sight: Sight) => void, remove: () => void }}
   */
  place(trackId) {
    const key = {};
    const entry = this.#entry(trackId);
    entry.watched = true;
    entry.places.set(key, null);
    return {
      set: (sight) => {
        if (!entry.places.has(key)) return;
        entry.places.set(key, sight);
        this.#onChange(trackId);
      },
      remove: () => {
        if (entry.places.delete(key)) this.#onChange(trackId);
      },
    };
  }

  /**
   * Says it without a place; `null` takes that back, and what is left is what places say.
   *
   * @param {string} trackId
   * @param {View | null} view
   */
  set(trackId, view) {
    const entry = this.#entry(trackId);
    if (view) {
      const { pinned, ...sight } = view;
      entry.places.set(SPOKEN, sight);
      if (pinned !== undefined) entry.pinned = pinned;
    } else {
      entry.places.delete(SPOKEN);
    }
    entry.watched = entry.places.size > 0;
    this.#onChange(trackId);
  }

  /** @param {string} trackId @param {boolean} pinned */
  pin(trackId, pinned) {
    this.#entry(trackId).pinned = pinned;
    this.#onChange(trackId);
  }

  /** The subscription is a new one, of which the server knows nothing. @param {string} trackId */
  renew(trackId) {
    const entry = this.#entries.get(trackId);
    if (!entry) return;
    entry.told = null;
    this.#onChange(trackId);
  }

  /** The server has dropped something for its rate, and does not say what. */
  resendLater() {
    this.#laterTimer ??= setTimeout(() => this.resend(), LATER_MS);
  }

  /** Tells everything again: some of it may have been lost. */
  resend() {
    clearTimeout(this.#laterTimer);
    this.#laterTimer = null;
    for (const entry of this.#entries.values()) entry.told = undefined;
    this.#changed = new Set(this.#entries.keys());
    this.#flush();
  }

  /** The track has ended. @param {string} trackId */
  drop(trackId) {
    this.#entries.delete(trackId);
    this.#changed.delete(trackId);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#laterTimer);
    this.#entries.clear();
  }

  /** @param {string} trackId @returns {Entry} */
  #entry(trackId) {
    let entry = this.#entries.get(trackId);
    if (!entry) {
      entry = { places: new Map(), watched: false, pinned: false, told: null };
      this.#entries.set(trackId, entry);
    }
    return entry;
  }

  /** @param {string} trackId */
  #onChange(trackId) {
    const entry = this.#entries.get(trackId);
    if (!entry || this.#closed) return;
    this.#changed.add(trackId);
    if (entry.told?.visible === false && viewOf(entry)?.visible) this.#flushNow();
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  /** When whoever is telling has told everything: one scroll shows several tiles. */
  #flushNow() {
    if (this.#urgent) return;
    this.#urgent = true;
    queueMicrotask(() => this.#flush());
  }

  #flush() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#urgent = false;
    if (this.#closed) return;
    const news = [...this.#changed].flatMap((trackId) => {
      const entry = /** @type {Entry} */ (this.#entries.get(trackId));
      const view = viewOf(entry);
      const isNews = view && (entry.told === undefined || !isSame(view, entry.told ?? UNKNOWN));
      return isNews ? [{ trackId, entry, view }] : [];
    });
    this.#changed.clear();
    for (let at = 0; at < news.length; at += MAX_VIEWS) {
      const some = news.slice(at, at + MAX_VIEWS);
      if (!this.send(some.map(({ trackId, view }) => ({ trackId, ...view })))) return;
      for (const { entry, view } of some) entry.told = view;
    }
  }
}

/** What is to be told; `null` while that is not known. @param {Entry} entry @returns {View | null} */
function viewOf({ places, watched, pinned }) {
  const extra = pinned ? { pinned } : {};
  if (places.size === 0) return { visible: !watched, ...extra };
  const sights = [...places.values()].filter((sight) => sight !== null);
  if (sights.length === 0) return null;
  const seen = sights.filter(({ visible }) => visible);
  if (seen.length === 0) return { visible: false, ...extra };
  // A place of unknown size may need all there is.
  if (seen.some(({ width, height }) => !width || !height)) return { visible: true, ...extra };
  const largest = (/** @type {'width' | 'height'} */ side) =>
    stepUp(side, Math.max(...seen.map((sight) => Number(sight[side]))));
  return { visible: true, width: largest('width'), height: largest('height'), ...extra };
}

/** @param {'width' | 'height'} side @param {number} pixels */
function stepUp(side, pixels) {
  const step = pixels > STEP[side] * FINE_STEPS ? STEP[side] * 2 : STEP[side];
  return Math.min(MAX_PIXELS, Math.ceil(pixels / step) * step);
}

/** @param {View} view @param {View} other */
function isSame(view, other) {
  const isSameSize = view.width === other.width && view.height === other.height;
  return view.visible === other.visible && isSameSize && Boolean(view.pinned) === Boolean(other.pinned);
}
