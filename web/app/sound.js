/**
 * The sound of a call: an `<audio>` for each m-line on which sound may arrive, which plays for as long as the connection is there.
 *
 * Whose sound it is may change at any time: in a large room the lines go from voice to voice. Sound is there before the message that says
 * whose it is; an element that were made then would miss the first syllable.
 *
 * For tests and extensions an element carries `data-participant-id`, `data-source` and `data-track-id` while it is somebody's.
 */
import { h } from './dom.js';
import { recall } from './prefs.js';

/** @typedef {import('../sdk/types.js').RemoteTrack} RemoteTrack */

const LABELS = ['data-track-id', 'data-participant-id', 'data-source'];

export class Sound {
  element = h('div', { hidden: true });
  /** @type {Map<MediaStreamTrack, HTMLAudioElement>} */ #audio = new Map();

  /** @param {{ onBlocked: () => void }} options sound may not start without a click */
  constructor({ onBlocked }) {
    this.onBlocked = onBlocked;
  }

  /** Plays what arrives on an m-line from now on. @param {MediaStreamTrack} line @returns {HTMLAudioElement} */
  listen(line) {
    let audio = this.#audio.get(line);
    if (!audio) {
      for (const [known, old] of this.#audio) if (known.readyState === 'ended') this.#drop(known, old);
      audio = h('audio', { autoplay: true });
      audio.srcObject = new MediaStream([line]);
      this.#audio.set(line, audio);
      this.element.append(audio);
      this.#direct(audio, recall('speaker'));
      this.#start(audio);
    }
    return audio;
  }

  /** It is this track's sound. @param {MediaStreamTrack} line @param {Pick<RemoteTrack, 'trackId' | 'participantId' | 'source'>} track */
  label(line, { trackId, participantId, source }) {
    this.unlabel(trackId);
    const audio = this.listen(line);
    [trackId, participantId, source].forEach((value, index) => audio.setAttribute(LABELS[index], value));
  }

  /** It is that track's no longer; whatever comes next is played. @param {string} trackId */
  unlabel(trackId) {
    for (const audio of this.#audio.values()) {
      if (audio.getAttribute('data-track-id') === trackId) LABELS.forEach((label) => audio.removeAttribute(label));
    }
  }

  /** Called again from a click if the browser refused to play before. */
  play() {
    for (const audio of this.#audio.values()) this.#start(audio);
  }

  /** @param {string} deviceId empty: the system's choice */
  setSpeaker(deviceId) {
    for (const audio of this.#audio.values()) this.#direct(audio, deviceId);
  }

  stop() {
    for (const [line, audio] of this.#audio) this.#drop(line, audio);
  }

  /** @param {HTMLAudioElement} audio */
  #start(audio) {
    audio.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.onBlocked();
    });
  }

  /** @param {HTMLAudioElement} audio @param {string} deviceId */
  #direct(audio, deviceId) {
    if ('setSinkId' in audio) audio.setSinkId(deviceId).catch(() => {}); // a device that is gone: stay with the present one
  }

  /** @param {MediaStreamTrack} line @param {HTMLAudioElement} audio */
  #drop(line, audio) {
    audio.srcObject = null;
    audio.remove();
    this.#audio.delete(line);
  }
}
