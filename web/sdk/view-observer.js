/**
 * Measures the elements in which tracks are shown: whether they can be seen, and how large they are in device pixels.
 *
 * Nothing of a page that is hidden can be seen, but for pictures that the browser shows in a window of their own.
 * Somebody who looks something up in another tab and comes back shall not wait for pictures, so a page counts as hidden
 * only after a while.
 */

/** @typedef {import('./views.js').Views} Views */
/** @typedef {{ width: number, height: number }} Size */

/**
 * @typedef {object} Page what the browser offers; tests bring their own
 * @property {Document} document
 * @property {typeof IntersectionObserver} IntersectionObserver
 * @property {typeof ResizeObserver} ResizeObserver
 * @property {() => number} pixelRatio device pixels of a CSS pixel
 */

/**
 * @typedef {object} Watched
 * @property {Element} element
 * @property {ReturnType<Views['place']>} place
 * @property {boolean | null} onScreen `null`: not measured yet
 * @property {Size} size
 * @property {PictureInPictureWindow | null} ownWindow
 */

const HIDDEN_MS = 2000;
/**
 * Browsers without the Picture-in-Picture API, as older Firefoxes, may show pictures in windows of their own without
 * telling the page. There, pictures of a hidden page go on at a size that is good enough for such a window.
 */
const PERHAPS_IN_A_WINDOW = { width: 480, height: 270 };

/** @returns {Page | null} `null` where there is nothing to measure with */
function browserPage() {
  if (typeof document === 'undefined') return null;
  if (typeof IntersectionObserver === 'undefined' || typeof ResizeObserver === 'undefined') return null;
  return { document, IntersectionObserver, ResizeObserver, pixelRatio: () => devicePixelRatio };
}

export class ViewObserver {
  /** @type {Map<Element, Set<Watched>>} */ #watched = new Map();
  /** @type {IntersectionObserver | undefined} */ #intersections;
  /** @type {ResizeObserver | undefined} */ #sizes;
  /** @type {any} */ #hiddenTimer = null;
  #hidden = false;
  #onVisibility = () => this.#watchPage();

  /** @param {Views} views @param {Page | null} [page] */
  constructor(views, page = browserPage()) {
    this.views = views;
    this.page = page;
    if (!page) return;
    this.#intersections = new page.IntersectionObserver((records) => {
      for (const { target, isIntersecting } of records) this.#learn(target, { onScreen: isIntersecting });
    });
    this.#sizes = new page.ResizeObserver((records) => {
      for (const record of records) this.#learn(record.target, { size: this.#sizeOf(record) });
    });
    page.document.addEventListener('visibilitychange', this.#onVisibility);
    this.#watchPage();
  }

  /** @param {Element} element in which the track is shown @param {string} trackId @returns {() => void} ends it */
  observe(element, trackId) {
    if (!this.page) return () => {};
    /** @type {Watched} */
    const watched = {
      element, place: this.views.place(trackId), onScreen: null, size: { width: 0, height: 0 }, ownWindow: null,
    };
    const onEnter = (/** @type {any} */ event) => {
      watched.ownWindow = event.pictureInPictureWindow ?? null;
      watched.ownWindow?.addEventListener('resize', onChange);
      this.#report(watched);
    };
    const onChange = () => this.#report(watched);
    element.addEventListener('enterpictureinpicture', onEnter);
    element.addEventListener('leavepictureinpicture', onChange);
    const former = this.#watched.get(element);
    if (former) {
      const [{ onScreen, size }] = former;
      Object.assign(watched, { onScreen, size }); // observers speak of changes only
      former.add(watched);
      this.#report(watched);
    } else {
      this.#watched.set(element, new Set([watched]));
      this.#intersections?.observe(element);
      this.#observeSize(element);
    }
    return () => {
      element.removeEventListener('enterpictureinpicture', onEnter);
      element.removeEventListener('leavepictureinpicture', onChange);
      watched.ownWindow?.removeEventListener('resize', onChange);
      this.#forget(watched);
    };
  }

  close() {
    this.#intersections?.disconnect();
    this.#sizes?.disconnect();
    this.#watched.clear();
    clearTimeout(this.#hiddenTimer);
    this.page?.document.removeEventListener('visibilitychange', this.#onVisibility);
  }

  /** @param {Watched} watched */
  #forget(watched) {
    watched.place.remove();
    const others = this.#watched.get(watched.element);
    if (!others?.delete(watched) || others.size > 0) return;
    this.#watched.delete(watched.element);
    this.#intersections?.unobserve(watched.element);
    this.#sizes?.unobserve(watched.element);
  }

  /** @param {Element} element */
  #observeSize(element) {
    try {
      // Also tells when a window is moved to a screen with other pixels.
      this.#sizes?.observe(element, { box: 'device-pixel-content-box' });
    } catch {
      this.#sizes?.observe(element); // Safari does not know that box
    }
  }

  /** @param {ResizeObserverEntry} record @returns {Size} */
  #sizeOf({ devicePixelContentBoxSize, contentRect }) {
    const exact = devicePixelContentBoxSize?.[0];
    if (exact) return { width: exact.inlineSize, height: exact.blockSize };
    const ratio = this.page?.pixelRatio() ?? 1;
    return { width: contentRect.width * ratio, height: contentRect.height * ratio };
  }

  /** @param {Element} element @param {Partial<Watched>} news */
  #learn(element, news) {
    for (const watched of this.#watched.get(element) ?? []) {
      Object.assign(watched, news);
      this.#report(watched);
    }
  }

  /** @param {Watched} watched */
  #report({ element, place, onScreen, size, ownWindow }) {
    const page = /** @type {Page} */ (this.page);
    if (onScreen === null) return;
    const inWindow = page.document.pictureInPictureElement;
    if (inWindow && (element === inWindow || element.contains(inWindow))) {
      place.set({ visible: true, ...known(ownWindow ? scaled(ownWindow, page.pixelRatio()) : size) });
    } else if (element.ownerDocument !== page.document) {
      // It has been moved into a window of its own, where this page's observers and visibility say nothing.
      place.set({ visible: element.isConnected, ...known(size) });
    } else if (this.#hidden && onScreen && !('pictureInPictureEnabled' in page.document)) {
      place.set({ visible: true, ...smaller(size, PERHAPS_IN_A_WINDOW) });
    } else {
      place.set({ visible: onScreen && !this.#hidden, ...known(size) });
    }
  }

  #watchPage() {
    clearTimeout(this.#hiddenTimer);
    const page = /** @type {Page} */ (this.page);
    if (page.document.visibilityState !== 'hidden') this.#setHidden(false);
    else this.#hiddenTimer = setTimeout(() => this.#setHidden(true), HIDDEN_MS);
  }

  /** @param {boolean} hidden */
  #setHidden(hidden) {
    if (this.#hidden === hidden) return;
    this.#hidden = hidden;
    for (const some of this.#watched.values()) for (const watched of some) this.#report(watched);
  }
}

/** @param {Size} size @returns {Size | {}} nothing for an element without a size, which is about to get one */
function known(size) {
  return size.width >= 1 && size.height >= 1 ? size : {};
}

/** @param {Size} size @param {number} factor @returns {Size} */
function scaled({ width, height }, factor) {
  return { width: width * factor, height: height * factor };
}

/** @param {Size} size @param {Size} bound @returns {Size} */
function smaller({ width, height }, bound) {
  return { width: Math.min(width || bound.width, bound.width), height: Math.min(height || bound.height, bound.height) };
}
