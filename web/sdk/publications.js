/**
 * What this client sends: one `Publication` per track, which outlives PeerConnections (it is attached to each new one), and the
 * choice of encodings and codecs for it.
 */
import { Emitter } from './emitter.js';

/** @typedef {import('./types.js').Source} Source */
/** @typedef {import('./types.js').PublishOptions} PublishOptions */

/** The long side from which on a picture is sent in three sizes, and in two: browsers drop simulcast streams of smaller pictures. */
const THREE_SIZES_FROM = 960;
const TWO_SIZES_FROM = 640;
/**
 * Bits per second for 1280x720 at 30 fps; other sizes follow with the power 0.75 of their area. With sound and headers it fits into 2 Mbit/s
 * with a fifth to spare, without which a server does not dare to begin with it.
 */
const BITRATE_720P = 1_500_000;
const BITRATE_SCREEN = 2_500_000;
/** Text does not move, and what scrolls may jump: bits are better spent on sharpness. */
const FRAMERATE_SCREEN = 15;

/**
 * Three sizes and three frame rates in one stream, of which the server sends everybody what fits. Sizes refer to one another in key
 * pictures alone: what Chromium encodes best, and the server needs.
 */
const CAMERA_LAYERS = 'L3T3_KEY';
/** Text must be sharp: one size, three frame rates. */
const SCREEN_RATES = 'L1T3';

/** How m-lines may be reused: a transceiver's set of encodings and their layers are fixed when it is made. @typedef {'audio' | 'video' | 'layers' | 'rates' | 'two-sizes' | 'three-sizes'} Profile */

/** @extends {Emitter<{ changed: {} }>} */
export class Publication extends Emitter {
  /** The id others know this track by; `null` until the server has accepted it. @type {string | null} */
  trackId = null;
  /** @type {RTCRtpTransceiver | null} */
  transceiver = null;

  /**
   * @param {MediaStreamTrack} track
   * @param {PublishOptions} options
   * @param {(publication: Publication) => void} onMuted tells the server about `muted`
   */
  constructor(track, options, onMuted) {
    super();
    /** What is sent; `null` while a muted publication has given its device back. @type {MediaStreamTrack | null} */
    this.track = track;
    this.kind = /** @type {import('./types.js').Kind} */ (track.kind);
    this.source = options.source;
    this.muted = options.muted ?? false;
    this.options = options;
    this.onMuted = onMuted;
    const settings = track.getSettings?.() ?? {};
    this.size = { width: settings.width ?? 0, height: settings.height ?? 0 };
    this.profile = profileOf(this.kind, options, this.size);
    if (options.source === 'screen' && 'contentHint' in track) track.contentHint = 'detail';
    track.enabled = !this.muted;
  }

  /** @param {string} trackId given by the server */
  identify(trackId) {
    if (this.trackId === trackId) return;
    this.trackId = trackId;
    this.emit('changed', {});
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    if (this.track) this.track.enabled = !muted;
    if (this.muted === muted) return;
    this.muted = muted;
    this.onMuted(this);
    this.emit('changed', {});
  }

  /** A host has muted it: the server knows. Unmuting it stays one's own choice. */
  mutedByOther() {
    if (this.track) this.track.enabled = false;
    this.muted = true;
    this.emit('changed', {});
  }

  /**
   * Sends another track of the same kind instead, without negotiation. `null` sends nothing, so that a camera can be switched off.
   *
   * @param {MediaStreamTrack | null} track
   */
  async replaceTrack(track) {
    if (track && track.kind !== this.kind) throw new TypeError(`a publication of ${this.kind} cannot send ${track.kind}`);
    this.track = track;
    if (track) track.enabled = !this.muted;
    await this.transceiver?.sender.replaceTrack(track);
    this.emit('changed', {});
  }
}

/** Whether the preferred codec carries its sizes in one stream. @param {Pick<PublishOptions, 'codec'>} options */
function isLayered({ codec }) {
  return codec === 'vp9' || codec === 'av1';
}

/**
 * The same encodings for a browser that refuses scalability modes.
 *
 * @param {RTCRtpEncodingParameters[]} encodings
 * @returns {RTCRtpEncodingParameters[]}
 */
export function withoutLayers(encodings) {
  return encodings.map(({ scalabilityMode, ...rest }) => rest);
}

/**
 * @param {import('./types.js').Kind} kind
 * @param {PublishOptions} options
 * @param {{ width: number, height: number }} size
 * @returns {Profile}
 */
export function profileOf(kind, { source, simulcast, codec }, { width, height }) {
  if (kind === 'audio') return 'audio';
  const longSide = Math.max(width, height);
  const byDefault = !isLayered({ codec }) && longSide >= TWO_SIZES_FROM;
  if (source === 'camera' && (simulcast ?? byDefault)) return simulcast || longSide >= THREE_SIZES_FROM ? 'three-sizes' : 'two-sizes';
  if (!isLayered({ codec })) return 'video';
  return source === 'screen' ? 'rates' : 'layers';
}

/**
 * The encodings of a publication, the smallest first.
 *
 * @param {Publication} publication
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodingsOf({ kind, profile, source, options, size }) {
  if (kind === 'audio') return options.maxBitrate ? [{ maxBitrate: options.maxBitrate }] : [{}];
  if (source === 'screen') {
    const mode = profile === 'rates' ? { scalabilityMode: SCREEN_RATES } : {};
    return [{ maxBitrate: options.maxBitrate ?? BITRATE_SCREEN, maxFramerate: FRAMERATE_SCREEN, ...mode }];
  }
  const area = size.width * size.height || 1280 * 720;
  const full = options.maxBitrate ?? Math.round(BITRATE_720P * (area / (1280 * 720)) ** 0.75);
  if (profile === 'video') return [{ maxBitrate: full }];
  if (profile === 'layers') return [{ maxBitrate: full, scalabilityMode: CAMERA_LAYERS }];
  // Without a scalability mode browsers take several VP9 or AV1 encodings for layers of one stream.
  const mode = isLayered(options) ? { scalabilityMode: 'L1T1' } : {};
  const sizes = [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: Math.round(full / 10), ...mode },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: Math.round(full / 3), ...mode },
    { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: full, ...mode },
  ];
  return profile === 'two-sizes' ? sizes.slice(1) : sizes;
}

/**
 * All codecs with the preferred one in front: the others stay, since the server learns from an offer what this browser can decode.
 *
 * @template {{ mimeType: string }} C
 * @param {C[]} codecs
 * @param {string} preferred
 * @returns {C[]}
 */
export function preferCodec(codecs, preferred) {
  const mimeType = `video/${preferred}`.toLowerCase();
  const isPreferred = (/** @type {C} */ codec) => codec.mimeType.toLowerCase() === mimeType;
  return [...codecs.filter(isPreferred), ...codecs.filter((codec) => !isPreferred(codec))];
}
