/**
 * One rectangle of a call: a person (camera, name, mute state, speaking ring) or a shared screen.
 *
 * For tests and extensions an element carries `data-participant-id`, `data-source` and, while it shows something, `data-track-id`;
 * the `<video>` inside carries the same attributes. Sound is not its matter: see `sound.js`.
 */
import { h, icon } from './dom.js';
import { describeQuality, explainPause, hueOf, initials, nameOrGuest } from './texts.js';

export class Tile {
  /** @type {HTMLVideoElement | null} */ #video = null;
  #muted = true;
  #paused = false;

  /**
   * @param {object} options
   * @param {string} options.participantId
   * @param {string} options.name
   * @param {'camera' | 'screen'} options.source
   * @param {boolean} [options.own]
   * @param {() => void} [options.onPin] the person is to be shown large, or no longer
   */
  constructor({ participantId, name, source, own = false, onPin }) {
    this.participantId = participantId;
    this.name = nameOrGuest(name);
    this.source = source;
    this.own = own;
    this.micMark = h('span', { class: 'mic-mark', hidden: source === 'screen' }, icon('mic-off'));
    const label = source === 'screen' ? `${this.name} – screen` : own ? `${this.name} (you)` : this.name;
    const avatar = h('div', { class: 'avatar', 'aria-hidden': 'true' }, h('span', {}, initials(name)));
    avatar.style.setProperty('--hue', String(hueOf(this.name)));
    this.qualityMark = h('span', { class: 'quality-mark', role: 'img', hidden: true }, h('i'), h('i'), h('i'));
    this.pausedNote = h('p', { class: 'paused-note', hidden: true });
    this.pin = h('button', { class: 'pin plain', type: 'button', 'data-pin': participantId, onclick: onPin }, icon('pin'));
    this.element = h(
      'article',
      { class: `tile ${source}${own ? ' own' : ''}`, 'data-participant-id': participantId, 'data-source': source },
      source === 'camera' && avatar,
      this.pausedNote,
      h('div', { class: 'tile-label' }, this.micMark, h('span', { class: 'tile-name' }, label), this.qualityMark),
      onPin && this.pin,
    );
    this.label = label;
    this.setPinned(false);
    this.#describe();
  }

  /** Shows a picture, or the avatar for `null`. @param {MediaStreamTrack | null} track @param {string} [trackId] */
  setVideo(track, trackId = '') {
    const shown = /** @type {MediaStream | null} */ (this.#video?.srcObject ?? null)?.getVideoTracks()[0] ?? null;
    if (shown !== track) {
      this.#video?.remove();
      this.#video = track ? this.#createVideo(track) : null;
      if (this.#video) this.element.prepend(this.#video);
    }
    for (const element of [this.element, this.#video]) {
      if (track && trackId) element?.setAttribute('data-track-id', trackId);
      else element?.removeAttribute('data-track-id');
    }
    this.element.classList.toggle('has-video', track !== null);
  }

  /** Shows the avatar, unless another track than this one is shown. @param {string} trackId */
  hideVideo(trackId) {
    if (this.element.dataset.trackId === trackId) this.setVideo(null);
  }

  /** Starts the picture; called again from a click if the browser refused it before. */
  play() {
    this.#video?.play().catch(() => {});
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.#muted = muted;
    this.micMark.hidden = !muted || this.source === 'screen';
    this.#describe();
  }

  /** Shows why there is no picture for a while; it stays behind that and goes on by itself. @param {string | null} reason */
  setPaused(reason) {
    this.#paused = reason !== null;
    const why = reason === null ? '' : explainPause(reason);
    this.pausedNote.replaceChildren('Paused', h('span', { class: 'why' }, why && `: ${why}`));
    this.pausedNote.title = why;
    this.pausedNote.hidden = !this.#paused;
    this.element.classList.toggle('paused', this.#paused);
    this.#describe();
  }

  /** Shows how good the person's connection is, by the number of bars; `null` while that is not known. @param {string | null} level */
  setQuality(level) {
    const text = describeQuality(level);
    this.qualityMark.hidden = text === '';
    this.qualityMark.title = text;
    this.qualityMark.setAttribute('aria-label', text);
    if (text === '') this.qualityMark.removeAttribute('data-quality');
    else this.qualityMark.setAttribute('data-quality', /** @type {string} */ (level));
  }

  /** @param {boolean} pinned */
  setPinned(pinned) {
    this.pin.setAttribute('aria-pressed', String(pinned));
    this.pin.setAttribute('aria-label', `Show ${this.name} large`);
    this.pin.title = pinned ? 'Back to the others' : 'Show large';
  }

  /** @param {boolean} speaking */
  setSpeaking(speaking) {
    this.element.classList.toggle('speaking', speaking);
  }

  remove() {
    if (this.#video) this.#video.srcObject = null;
    this.element.remove();
  }

  /** @param {MediaStreamTrack} track */
  #createVideo(track) {
    // Muted: sound has its own elements, and a muted picture may always start by itself.
    const video = h('video', {
      autoplay: true, playsinline: true, muted: true, tabindex: '-1',
      'data-participant-id': this.participantId, 'data-source': this.source,
    });
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    video.play().catch(() => {});
    return video;
  }

  #describe() {
    const silent = this.#muted && this.source === 'camera' ? ', microphone off' : '';
    const paused = this.#paused ? ', video paused' : '';
    this.element.setAttribute('aria-label', this.label + silent + paused);
  }
}
