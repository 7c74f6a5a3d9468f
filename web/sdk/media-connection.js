/**
 * One RTCPeerConnection with the server, for as long as one entry into the room lasts.
 *
 * It owns the connection, its negotiation, the `chat` data channel and the m-lines of both directions. The first offer always holds
 * the channel, an audio and a video m-line, so that the server knows every payload type of this browser from then on.
 * It watches its own health: a connection that stays broken for 3 s restarts ICE, and if that does not help within 8 s `failed` is
 * emitted. While signalling is down nothing is attempted, since nobody would hear it.
 */
import { WantedEncodings } from './encodings.js';
import { Emitter } from './emitter.js';
import { ParlorError } from './errors.js';
import * as messages from './messages.js';
import { Negotiator } from './negotiation.js';
import { encodingsOf, preferCodec, withoutLayers } from './publications.js';
import { updateParameters } from './sender-parameters.js';
import { SubscriptionTable } from './subscriptions.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./publications.js').Publication} Publication */
/** @typedef {import('./publications.js').Profile} Profile */
/** @typedef {{ chat: Message, 'channel-closed': {}, state: { connected: boolean }, failed: { reason: string }, error: { error: ParlorError } }} MediaEvents */

const BROKEN_MS = 3000;
const RESTART_MS = 8000;
/** ICE, DTLS and SCTP together take well under a second on a good network; this allows for lost handshakes and for ICE-TCP. */
const CONNECT_MS = 20000;
/** A server that answers the first offer within this is near, and worth waiting for until its own offer has been answered: at most for so long. */
const NEAR_MS = 100;
const EXCHANGE_MS = 400;

/** The server repeats over the socket what was not acknowledged: at the latest after so many frames, or so long. */
const ACKNOWLEDGE_FRAMES = 32;
const ACKNOWLEDGE_MS = 1000;

/** @extends {Emitter<MediaEvents>} */
export class MediaConnection extends Emitter {
  subscriptions = new SubscriptionTable();
  #wanted = new WantedEncodings((mid) => this.publicationAt(mid)?.transceiver?.sender);
  /** @type {WeakSet<RTCRtpTransceiver>} */ #own = new WeakSet();
  /** M-lines that another publication may use. @type {{ profile: Profile, transceiver: RTCRtpTransceiver }[]} */ #idle = [];
  /**
   * M-lines whose publications have ended, which the server may not know yet: an offer that is just being made may still send on them.
   *
   * @type {{ profile: Profile, transceiver: RTCRtpTransceiver, source: import('./types.js').Source, muted: boolean }[]}
   */
  #retiring = [];
  /** @type {Set<Publication>} */ #publications = new Set();
  /** @type {any} */ #watchdog = null;
  /** Frames that came on the channel, and how many of them the server knows about. */
  #channelFrames = 0;
  #acknowledged = 0;
  /** @type {any} */ #acknowledgeTimer = null;
  /** The server has answered. @type {Promise<void>} */ #answered;
  #closed = false;

  /**
   * @param {object} options
   * @param {string} options.roomId
   * @param {RTCConfiguration} options.configuration
   * @param {(message: Message) => boolean} options.send over the socket
   * @param {() => boolean} options.isSignalingUp
   * @param {(configuration: RTCConfiguration) => RTCPeerConnection} [options.createPeerConnection] for tests
   */
  constructor({ roomId, configuration, send, isSignalingUp, createPeerConnection = (c) => new RTCPeerConnection(c) }) {
    super();
    this.roomId = roomId;
    this.isSignalingUp = isSignalingUp;
    this.pc = createPeerConnection(configuration);
    this.negotiator = new Negotiator(this.pc, {
      send,
      buildOffer: (id) => messages.offer({ roomId, id, sdp: this.#localSdp(), tracks: this.#describeTracks() }),
      buildAnswer: (id, negotiationId) => messages.answer({ roomId, id, sdp: this.#localSdp(), negotiationId }),
    });
    this.negotiator.on('settled', () => this.#onSettled());
    this.#answered = new Promise((resolve) => { this.negotiator.on('settled', () => resolve()); });
    this.negotiator.on('failed', ({ error }) => this.#fail(error.message));
    this.negotiator.on('rejected', ({ error }) => this.emit('error', { error }));
    this.pc.onconnectionstatechange = () => this.#onConnectionState();
    this.channel = this.pc.createDataChannel('chat', { ordered: true });
    this.channel.onmessage = (event) => this.#onChannelMessage(event.data);
    this.channel.onclose = () => this.emit('channel-closed', {});
  }

  /** Makes the first offer, with everything that is published by now. @param {Iterable<Publication>} publications */
  start(publications) {
    for (const publication of publications) this.#attach(publication);
    for (const kind of /** @type {('audio' | 'video')[]} */ (['audio', 'video'])) {
      if ([...this.#publications].some((publication) => publication.profile === kind)) continue;
      const transceiver = this.pc.addTransceiver(kind, { direction: 'inactive' });
      this.#own.add(transceiver);
      this.#idle.push({ profile: kind, transceiver });
    }
    this.negotiator.request();
    this.#watch(CONNECT_MS, () => this.#fail('no connection'));
  }

  /** See `Room.negotiated`. */
  async negotiated() {
    await within(NEAR_MS, this.#answered);
    // The server's offer of what others send follows on its answer.
    await within(EXCHANGE_MS, this.negotiator.idle());
  }

  /** @param {Publication} publication */
  publish(publication) {
    this.#attach(publication);
    this.negotiator.request();
  }

  /** @param {Publication} publication */
  unpublish(publication) {
    const { transceiver, profile, source, muted } = publication;
    if (!this.#publications.delete(publication) || !transceiver) return;
    this.#wanted.forget(transceiver.mid);
    transceiver.direction = 'inactive';
    transceiver.sender.replaceTrack(null).catch(() => {});
    this.#retiring.push({ profile, transceiver, source, muted });
    publication.transceiver = null;
    this.negotiator.request();
  }

  /** @param {string} mid @returns {Publication | undefined} */
  publicationAt(mid) {
    return [...this.#publications].find(({ transceiver }) => transceiver?.mid === mid);
  }

  /**
   * Which encodings of a publication anybody watches.
   *
   * @param {{ mid: string, trackId: string, encodings: import('./encodings.js').WantedEncoding[] }} word of the server
   */
  setWanted({ mid, trackId, encodings }) {
    const publication = this.publicationAt(mid);
    // A word about what was sent on this m-line before is late.
    if (publication && (publication.trackId ?? trackId) === trackId) this.#wanted.take(mid, encodings);
  }

  /** @param {Message} message @returns {boolean} whether it went out on the data channel */
  sendChat(message) {
    // An open channel over a broken path would only collect the message.
    if (this.channel.readyState !== 'open' || this.pc.connectionState !== 'connected') return false;
    try {
      this.channel.send(JSON.stringify(message));
      return true;
    } catch {
      return false; // closed at this very moment, or its buffer is full: the socket takes it
    }
  }

  /** Signalling is back: what may be lost is sent again, and the media is looked at anew. */
  onSignalingUp() {
    this.negotiator.resend();
    this.#onConnectionState();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#acknowledgeTimer);
    this.negotiator.close();
    this.subscriptions.clear();
    for (const publication of this.#publications) publication.transceiver = null;
    this.channel.onmessage = null;
    this.channel.onclose = null;
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }

  /** @param {Publication} publication */
  #attach(publication) {
    this.#publications.add(publication);
    const at = this.#idle.findIndex(({ profile }) => profile === publication.profile);
    const transceiver = at >= 0 ? this.#reuse(this.#idle.splice(at, 1)[0].transceiver, publication) : this.#create(publication);
    publication.transceiver = transceiver;
    this.#preferCodec(transceiver, publication);
  }

  /** @param {Publication} publication */
  #create(publication) {
    const encodings = encodingsOf(publication);
    const add = (/** @type {RTCRtpEncodingParameters[]} */ sendEncodings) =>
      this.pc.addTransceiver(publication.track ?? publication.kind, { direction: 'sendonly', sendEncodings });
    let transceiver;
    try {
      transceiver = add(encodings);
    } catch (error) {
      // Browsers refuse a scalability mode that none of their codecs has. Those that know none at all ignore it.
      if (!encodings.some(({ scalabilityMode }) => scalabilityMode)) throw error;
      transceiver = add(withoutLayers(encodings));
    }
    this.#own.add(transceiver);
    if (publication.source === 'screen') {
      updateParameters(transceiver.sender, (parameters) => keepResolution(parameters, true));
    }
    return transceiver;
  }

  /** @param {RTCRtpTransceiver} transceiver @param {Publication} publication */
  #reuse(transceiver, publication) {
    transceiver.direction = 'sendonly';
    transceiver.sender.replaceTrack(publication.track).catch(() => {});
    const fresh = encodingsOf(publication);
    updateParameters(transceiver.sender, (parameters) => {
      parameters.encodings.forEach((encoding, index) => {
        const { rid, scalabilityMode, ...limits } = /** @type {any} */ (fresh[index] ?? {});
        delete encoding.maxBitrate;
        delete encoding.maxFramerate;
        Object.assign(encoding, limits, { active: true }); // nobody watched the former publication, perhaps
      });
      keepResolution(parameters, publication.source === 'screen');
    });
    return transceiver;
  }

  /** @param {RTCRtpTransceiver} transceiver @param {Publication} publication */
  #preferCodec(transceiver, { kind, options }) {
    if (kind !== 'video' || !transceiver.setCodecPreferences) return;
    // Receiver capabilities: also the codecs that can only be decoded have to be in the offer.
    const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
    // An empty list goes back to the browser's own order: a reused m-line forgets what an earlier publication preferred.
    transceiver.setCodecPreferences(options.codec ? preferCodec(codecs, options.codec) : []);
  }

  #localSdp() {
    return this.pc.localDescription?.sdp ?? '';
  }

  #describeTracks() {
    return [...this.#publications, ...this.#retiring].flatMap(({ transceiver, source, muted }) =>
      transceiver?.mid ? [{ mid: transceiver.mid, source, muted }] : [],
    );
  }

  #onSettled() {
    this.#idle.push(...this.#retiring.filter(isInactive));
    this.#retiring = this.#retiring.filter((line) => !isInactive(line));
    this.#wanted.applyAll();
    this.subscriptions.learn(this.pc.getTransceivers().filter((transceiver) => !this.#own.has(transceiver)));
  }

  /** @param {unknown} data */
  #onChannelMessage(data) {
    this.#channelFrames += 1;
    this.#acknowledgeSoon();
    if (typeof data !== 'string') return;
    try {
      this.emit('chat', JSON.parse(data));
    } catch {
      // Not JSON: nothing this version understands.
    }
  }

  #acknowledgeSoon() {
    if (this.#channelFrames - this.#acknowledged >= ACKNOWLEDGE_FRAMES) this.#acknowledge();
    else this.#acknowledgeTimer ??= setTimeout(() => this.#acknowledge(), ACKNOWLEDGE_MS);
  }

  #acknowledge() {
    clearTimeout(this.#acknowledgeTimer);
    this.#acknowledgeTimer = null;
    if (this.sendChat(messages.chatReceived({ count: this.#channelFrames }))) this.#acknowledged = this.#channelFrames;
  }

  #onConnectionState() {
    const state = this.pc.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#watchdog);
      this.emit('state', { connected: true });
    } else if (state === 'failed' || state === 'disconnected') {
      this.emit('state', { connected: false });
      this.#watch(state === 'failed' ? 0 : BROKEN_MS, () => this.#restartIce());
    }
  }

  #restartIce() {
    if (!this.isSignalingUp()) return; // `onSignalingUp` comes back to this
    this.pc.restartIce();
    this.negotiator.request();
    this.#watch(RESTART_MS, () => this.#fail('no connection after an ICE restart'));
  }

  /** One timer at a time: each stage replaces the former. @param {number} ms @param {() => void} action */
  #watch(ms, action) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      if (!this.#closed && this.pc.connectionState !== 'connected') action();
    }, ms);
  }

  /** @param {string} reason */
  #fail(reason) {
    if (!this.#closed) this.emit('failed', { reason });
  }
}

/** Settles with `done`, or after so many milliseconds. @param {number} ms @param {Promise<void>} done */
async function within(ms, done) {
  /** @type {any} */ let timer;
  await Promise.race([done, new Promise((resolve) => { timer = setTimeout(resolve, ms); })]);
  clearTimeout(timer);
}

/** @param {{ transceiver: RTCRtpTransceiver }} line */
function isInactive({ transceiver }) {
  return transceiver.currentDirection === 'inactive';
}

/**
 * Text must stay readable: rather fewer pictures than smaller ones.
 *
 * @param {RTCRtpSendParameters} parameters
 * @param {boolean} keep
 */
function keepResolution(parameters, keep) {
  if (keep) /** @type {any} */ (parameters).degradationPreference = 'maintain-resolution';
  else delete (/** @type {any} */ (parameters).degradationPreference);
}
