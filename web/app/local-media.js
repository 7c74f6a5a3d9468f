/**
 * This person's microphone, camera and screen: what is switched on, which device, and what the room gets of it.
 *
 * A camera that is off is given back (its light goes out); a microphone that is off stays open and sends silence, so that switching on
 * cuts no word. Each operation on a device waits for the former one: fast clicks cannot open a device twice.
 */
import { openCamera, openMicrophone, openScreen, ParlorError } from '../parlor-client.js';
import { Emitter } from '../sdk/emitter.js';
import { recall, remember } from './prefs.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('../parlor-client.js').Publication} Publication */
/** @typedef {'microphone' | 'camera'} Device */
/** @typedef {{ track: MediaStreamTrack | null, on: boolean, error: string | null, publication: Publication | null }} DeviceState */
/** @typedef {{ codec?: 'vp8' | 'vp9' | 'h264' | 'av1', simulcast?: boolean }} VideoOptions */

const OPEN = { microphone: openMicrophone, camera: openCamera };

/** @extends {Emitter<{ changed: {}, lost: { device: Device | 'screen' } }>} */
export class LocalMedia extends Emitter {
  /** @type {DeviceState} */ microphone = { track: null, on: false, error: null, publication: null };
  /** @type {DeviceState} */ camera = { track: null, on: false, error: null, publication: null };
  /** @type {{ track: MediaStreamTrack, publications: Publication[], tracks: MediaStreamTrack[] } | null} */ screen = null;
  /** @type {Room | null} */ #room = null;
  /** @type {Promise<void>} */ #queue = Promise.resolve();

  /** @param {VideoOptions} [videoOptions] */
  constructor(videoOptions = {}) {
    super();
    this.videoOptions = videoOptions;
  }

  /**
   * Switches a device on or off; failures are kept in its `error`.
   *
   * @param {Device} device @param {boolean} on @param {{ wish?: boolean }} [options] `wish`: the person wants it so, next time too
   */
  setOn(device, on, { wish = true } = {}) {
    return this.#enqueue(async () => {
      if (wish) remember(`${device}-off`, on ? '' : '1');
      if (on) await this.#switchOn(device);
      else await this.#switchOff(device);
    });
  }

  /** Uses another device of the kind from now on. @param {Device} device @param {string} deviceId */
  choose(device, deviceId) {
    return this.#enqueue(async () => {
      remember(device, deviceId);
      if (!this[device].track) return;
      this[device].track?.stop(); // many phones cannot open the second camera while the first is
      await this.#open(device);
    });
  }

  /** What is to be published with the first offer. @returns {import('../sdk/room.js').InitialTrack[]} */
  initialTracks() {
    /** @type {import('../sdk/room.js').InitialTrack[]} */
    const tracks = [];
    const { microphone, camera } = this;
    if (microphone.track) tracks.push({ track: microphone.track, source: 'microphone', muted: !microphone.on });
    if (camera.track) tracks.push({ track: camera.track, source: 'camera', ...this.videoOptions });
    return tracks;
  }

  /** From now on the room gets what is switched on. @param {Room} room one that was entered with `initialTracks` */
  attach(room) {
    this.#room = room;
    for (const publication of room.publications) {
      if (publication.source === 'microphone' || publication.source === 'camera') this.#follow(publication.source, publication);
    }
    this.emit('changed', {});
  }

  /** The person has been told what did not work. */
  forgetErrors() {
    this.microphone.error = null;
    this.camera.error = null;
  }

  /** The room is over; the devices stay as they are. */
  detach() {
    this.#room = null;
    this.microphone.publication = null;
    this.camera.publication = null;
    for (const track of this.screen?.tracks ?? []) track.stop();
    this.screen = null;
  }

  /** Gives all devices back. */
  stop() {
    this.detach();
    for (const state of [this.microphone, this.camera]) {
      state.track?.stop();
      state.track = null;
      state.on = false;
    }
  }

  /** Lets the person choose a screen and sends it; rejects with a `ParlorError`. */
  async shareScreen() {
    const room = this.#room;
    if (!room || this.screen) return;
    const { video, audio } = await openScreen();
    const tracks = audio ? [video, audio] : [video];
    if (this.#room !== room) {
      tracks.forEach((track) => track.stop());
      return;
    }
    const publications = [await room.publish(video, { source: 'screen', codec: this.videoOptions.codec })];
    if (audio) publications.push(await room.publish(audio, { source: 'screen-audio' }));
    this.screen = { track: video, publications, tracks };
    video.addEventListener('ended', () => this.stopScreen()); // the browser's own “stop sharing”
    this.emit('changed', {});
  }

  async stopScreen() {
    const screen = this.screen;
    if (!screen) return;
    this.screen = null;
    for (const track of screen.tracks) track.stop();
    for (const publication of screen.publications) await this.#room?.unpublish(publication);
    this.emit('changed', {});
  }

  /** @param {Device} device */
  async #switchOn(device) {
    const state = this[device];
    if (!state.track) await this.#open(device);
    if (!state.track) return;
    state.on = true;
    await this.#publish(device);
  }

  /** @param {Device} device */
  async #switchOff(device) {
    const state = this[device];
    state.on = false;
    state.publication?.setMuted(true);
    if (device === 'camera') {
      state.track?.stop();
      state.track = null;
      await state.publication?.replaceTrack(null);
    } else if (state.track) {
      state.track.enabled = false;
    }
  }

  /** @param {Device} device */
  async #open(device) {
    const state = this[device];
    state.error = null;
    try {
      const track = await OPEN[device](recall(device) || undefined);
      track.enabled = state.on;
      track.addEventListener('ended', () => this.#onEnded(device, track));
      state.track = track;
      await state.publication?.replaceTrack(track);
    } catch (cause) {
      state.track = null;
      state.on = false;
      state.error = ParlorError.from(cause).code;
    }
  }

  /** @param {Device} device */
  async #publish(device) {
    const state = this[device];
    if (!state.track) return;
    state.track.enabled = true;
    if (state.publication) {
      if (state.publication.track !== state.track) await state.publication.replaceTrack(state.track);
      state.publication.setMuted(false);
    } else if (this.#room) {
      const options = device === 'camera' ? this.videoOptions : {};
      this.#follow(device, await this.#room.publish(state.track, { source: device, ...options }));
    }
  }

  /** @param {Device} device @param {Publication} publication */
  #follow(device, publication) {
    this[device].publication = publication;
    publication.on('changed', () => this.emit('changed', {}));
  }

  /** The device was unplugged, or the permission withdrawn. @param {Device} device @param {MediaStreamTrack} track */
  #onEnded(device, track) {
    if (this[device].track !== track) return;
    this[device].track = null;
    this.#enqueue(() => this.#switchOff(device));
    this.emit('lost', { device });
  }

  /** @param {() => Promise<void>} step @returns {Promise<void>} */
  #enqueue(step) {
    const done = this.#queue.then(step).finally(() => this.emit('changed', {}));
    this.#queue = done.catch(() => {});
    return done;
  }
}

/** Opens what was on the last time; both at first. @param {LocalMedia} media @param {{ microphone?: boolean, camera?: boolean }} [wanted] */
export async function openDevices(media, { microphone = recall('microphone-off') === '', camera = recall('camera-off') === '' } = {}) {
  if (microphone) await media.setOn('microphone', true);
  if (camera) await media.setOn('camera', true);
}
