/**
 * A typed event source on top of `EventTarget`.
 *
 * Listeners get the detail object itself, not the DOM event. A listener that throws is reported by the platform like any other
 * uncaught error and never keeps the remaining listeners from running.
 */

/** @template {Record<string, any>} Events */
export class Emitter extends EventTarget {
  /**
   * Calls `listener` with the detail of every `type` event until the returned function is called.
   *
   * @template {keyof Events & string} K
   * @param {K} type
   * @param {(detail: Events[K]) => void} listener
   * @returns {() => void} removes the listener
   */
  on(type, listener) {
    const wrapped = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(type, wrapped);
    return () => this.removeEventListener(type, wrapped);
  }

  /**
   * @template {keyof Events & string} K
   * @param {K} type
   * @param {Events[K]} detail
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
