/** One person in a room: a page of the real app in a browser, in a context of its own, with a colour and a tone of its own. */
import assert from 'node:assert/strict';
import { installDevices } from './in-page/devices.mjs';
import { installProbe } from './in-page/probe.mjs';
import { installWiretap } from './in-page/wiretap.mjs';
import { eventually } from './wait.mjs';

/** Colours shift a little on their way through a codec. */
const COLOR_TOLERANCE = 20;
const TONE_TOLERANCE_HZ = 15;
/** So many different frames have to be seen before a picture counts as moving. */
const MOVING_FRAMES = 5;

/** @typedef {{ width: number, height: number, fps: number, busy?: boolean }} Camera */
/** @typedef {Camera & { color: [number, number, number], hz: number | null }} Devices */
/** @typedef {import('puppeteer-core').Page} Page */

export class Participant {
  /** Errors and warnings of the page's console, and exceptions nobody caught. @type {string[]} */ console = [];

  /**
   * @param {object} options
   * @param {string} options.name unique in the room
   * @param {Page} options.page
   * @param {Devices} options.devices
   * @param {string} options.url of the room's page
   */
  constructor({ name, page, devices, url }) {
    this.name = name;
    this.page = page;
    this.devices = devices;
    this.url = url;
    page.on('console', (message) => {
      if (['error', 'warn', 'warning'].includes(message.type())) this.console.push(message.text());
    });
    page.on('pageerror', (error) => this.console.push(String(error)));
  }

  /** Prepares the page: camera, microphone and instruments are there before the app's first line runs. */
  async equip() {
    await this.page.evaluateOnNewDocument(installDevices, this.devices);
    await this.page.evaluateOnNewDocument(installProbe);
    await this.page.evaluateOnNewDocument(installWiretap);
  }

  /** Opens the room's page; with `auto=1` in its address that joins. */
  async open() {
    await this.page.goto(this.url, { waitUntil: 'domcontentloaded' });
  }

  /** Runs `fn` in the page. @template T @template {unknown[]} A @param {(...args: A) => T} fn @param {A} args */
  ask(fn, ...args) {
    return this.page.evaluate(fn, ...args);
  }

  /** Waits until signalling and media are up, and the call is shown. @param {{ within?: number }} [options] */
  async isIn(options) {
    await eventually(`${this.name} is in the call`, () => this.ask(() => {
      const { room } = /** @type {any} */ (window).parlor ?? {};
      return room?.state === 'connected' && room.mediaConnected && document.querySelector('.call') !== null;
    }), options);
  }

  async leave() {
    await this.page.click('[data-leave]');
    await eventually(`${this.name} has left`, () => this.ask(() => /** @type {any} */ (window).parlor.room === null));
  }

  async reload() {
    await this.page.reload({ waitUntil: 'domcontentloaded' });
  }

  /** The display names of the others, in joining order. */
  others() {
    return this.ask(() => [.../** @type {any} */ (window).parlor.room.participants.values()].map(({ displayName }) => displayName));
  }

  /** @param {Participant} other @param {string} [source] */
  picture(other, source) {
    return this.ask((name, from) => /** @type {any} */ (window).probe.picture(name, from), other.name, source);
  }

  /** Waits until the tile of `other` shows the colour of `other`, moving. @param {Participant} other @param {{ within?: number }} [options] */
  async sees(other, options) {
    const { color } = other.devices;
    await eventually(`${this.name} sees ${other.name} in rgb(${color})`, async () => {
      const picture = await this.picture(other);
      if (picture && isNear(picture.color, color)) return true;
      throw new Error(picture ? `it is rgb(${picture.color})` : 'there is no picture');
    }, options);
    await this.seesMoving(other, options);
  }

  /** Waits until several different frames of the picture of `other` were seen. @param {Participant} other @param {{ within?: number }} [options] */
  async seesMoving(other, options) {
    const counters = new Set();
    await eventually(`${this.name} sees ${other.name} move`, async () => {
      const picture = await this.picture(other);
      if (picture) counters.add(picture.counter);
      return counters.size >= MOVING_FRAMES;
    }, options);
  }

  /** Waits until the tone of `other` comes out of the tile of `other`. @param {Participant} other @param {{ within?: number }} [options] */
  async hears(other, options) {
    const wanted = /** @type {number} */ (other.devices.hz);
    await eventually(`${this.name} hears ${other.name} at ${wanted} Hz`, async () => {
      const hz = await this.ask((name) => /** @type {any} */ (window).probe.tone(name), other.name);
      if (hz !== null && Math.abs(hz - wanted) <= TONE_TOLERANCE_HZ) return true;
      throw new Error(hz === null ? 'it is silent' : `it is ${Math.round(hz)} Hz`);
    }, options);
  }

  /** Lets the microphone's tone sound, or not. It is open and not muted either way. @param {boolean} speaks */
  async speak(speaks) {
    await this.ask((on) => /** @type {any} */ (window).testDevices.speak(on), speaks);
  }

  /** Waits until nothing is heard of `other`. @param {Participant} other */
  async hearsNothingOf(other) {
    await eventually(`${this.name} hears nothing of ${other.name}`, async () => (
      await this.ask((name) => /** @type {any} */ (window).probe.tone(name), other.name)) === null);
  }

  /** Waits until `other` is gone, and the tile too. @param {Participant} other */
  async missesTileOf(other) {
    await eventually(`${this.name} has no tile of ${other.name}`, () => this.ask((name) => {
      const labels = [...document.querySelectorAll('.tile .tile-name')].map(({ textContent }) => textContent);
      return !labels.includes(name) && !/** @type {any} */ (window).probe.participant(name);
    }, other.name));
  }

  /** `inbound-rtp` of what arrives from `other`, with the codec's name. @param {Participant} other @param {string} [source] */
  inbound(other, source = 'camera') {
    return this.ask((name, from) => /** @type {any} */ (window).probe.inbound(name, from), other.name, source);
  }

  /** Waits until frames of `other` were decoded beyond those decoded by now. @param {Participant} other @param {number} [frames] */
  async decodesMore(other, frames = 5) {
    const before = (await this.inbound(other))?.framesDecoded ?? 0;
    await eventually(`${this.name} decodes ${frames} more frames of ${other.name}`, async () => (await this.inbound(other))?.framesDecoded >= before + frames);
  }

  /** Shows `other` large. @param {Participant} other */
  async pin(other) {
    const id = await this.ask((name) => /** @type {any} */ (window).probe.participant(name).participantId, other.name);
    await this.press(`[data-pin="${id}"]`);
  }

  /** From now on `frames` knows when each frame of `other` was shown. @param {Participant} other */
  watchFrames(other) {
    return this.ask((name) => /** @type {any} */ (window).probe.watchFrames(name), other.name);
  }

  /**
   * Frames that were shown since `watchFrames`, by the clock that all pages share.
   *
   * @returns {Promise<{ at: number, width: number }[]>}
   */
  frames() {
    return this.ask(() => /** @type {any} */ (window).probe.frames());
  }

  /**
   * How what comes from `other` arrives, since the beginning.
   *
   * @param {Participant} other
   * @returns {Promise<import('./in-page/probe.mjs').Reception>}
   */
  reception(other) {
    return this.ask((name) => /** @type {any} */ (window).probe.reception(name), other.name);
  }

  /** The candidate pair in use. */
  path() {
    return this.ask(() => /** @type {any} */ (window).probe.path());
  }

  /** Everything about the room and the connection that tells why somebody is not seen; for the record of a failure. */
  situation() {
    return this.ask(async () => {
      const { room } = /** @type {any} */ (window).parlor ?? {};
      if (!room) return null;
      const { pc } = room.media ?? {};
      const transceivers = (pc?.getTransceivers() ?? []).map((/** @type {RTCRtpTransceiver} */ { mid, direction, currentDirection, sender, receiver }) =>
        ({ mid, direction, currentDirection, sends: sender.track?.id, receives: receiver.track.id, muted: receiver.track.muted }));
      const stats = [...((await pc?.getStats())?.values() ?? [])].filter(({ type }) => /^(inbound|outbound)-rtp$/.test(type)).map(
        ({ type, mid, kind, ssrc, rid, trackIdentifier, framesDecoded, framesEncoded, packetsReceived, packetsSent, pliCount, nackCount, keyFramesDecoded, frameWidth }) =>
          ({ type, mid, kind, ssrc, rid, trackIdentifier, framesDecoded, framesEncoded, packetsReceived, packetsSent, pliCount, nackCount, keyFramesDecoded, frameWidth }));
      return {
        self: room.localParticipant, state: room.state, mediaConnected: room.mediaConnected,
        participants: [...room.participants.values()].map(({ participantId, displayName, tracks }) => ({
          participantId, displayName, tracks: [...tracks.values()].map((track) => ({ ...track, mediaTrack: track.mediaTrack?.id })),
        })),
        publications: [...room.publications].map(({ trackId, source, muted, transceiver }) => ({ trackId, source, muted, mid: transceiver?.mid })),
        signalingState: pc?.signalingState, connectionState: pc?.connectionState, transceivers, stats,
        received: /** @type {any} */ (window).wiretap.received, sent: /** @type {any} */ (window).wiretap.sent,
        tail: /** @type {any} */ (window).wiretap.tail,
      };
    });
  }

  /** How many signalling messages of a type have come. @param {string} type @returns {Promise<number>} */
  received(type) {
    return this.ask((wanted) => /** @type {any} */ (window).wiretap.count(wanted), type);
  }

  /** Sends through the SDK; resolves when the room has it. @param {string} text */
  say(text) {
    return this.ask((words) => /** @type {any} */ (window).parlor.room.sendMessage(words).then(() => {}), text);
  }

  /** Waits until an element is there and to be seen. @param {string} selector @param {{ within?: number }} [options] */
  async shows(selector, options) {
    await eventually(`${this.name} is shown ${selector}`, () => this.ask((wanted) => document.querySelector(wanted)?.checkVisibility() === true, selector), options);
  }

  /** Clicks what is shown by then. @param {string} selector */
  async press(selector) {
    await this.shows(selector);
    await this.ask((wanted) => /** @type {HTMLElement} */ (document.querySelector(wanted)).click(), selector);
  }

  /** Opens a menu and chooses the item with this text. @param {string} button selector @param {string} item */
  async choose(button, item) {
    await this.press(button);
    await eventually(`${this.name} finds “${item}” in the menu`, () => this.ask((text) => {
      const found = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.menu [role^="menuitem"]')]).find(({ textContent }) => textContent === text);
      found?.click();
      return found !== undefined;
    }, item));
  }

  /** The text of an element; `null` without it. @param {string} selector @returns {Promise<string | null>} */
  textOf(selector) {
    return this.ask((wanted) => document.querySelector(wanted)?.textContent ?? null, selector);
  }

  /** All texts so far, as the SDK has them. @returns {Promise<string[]>} */
  heardTexts() {
    return this.ask(() => /** @type {any} */ (window).parlor.room.messages.map((/** @type {{ text: string }} */ { text }) => text));
  }

  /** The same as the chat panel shows them. @returns {Promise<string[]>} */
  shownTexts() {
    return this.ask(() => [...document.querySelectorAll('.messages .message .text')].map(({ textContent }) => textContent ?? ''));
  }

  /** Fails if the page broke its own security policy, or threw. */
  async behavedWell() {
    assert.deepEqual(await this.ask(() => /** @type {any} */ (window).wiretap.violations), [], `${this.name}: breaches of the security policy`);
    const serious = this.console.filter((text) => /Content.Security.Policy|Uncaught|Error:/i.test(text));
    assert.deepEqual(serious, [], `${this.name}: errors on the console`);
  }
}

/** @param {number[]} color @param {number[]} wanted */
function isNear(color, wanted) {
  return color.every((channel, index) => Math.abs(channel - wanted[index]) <= COLOR_TOLERANCE);
}
