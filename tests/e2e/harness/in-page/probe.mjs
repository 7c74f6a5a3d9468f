/**
 * Runs in the page, before its own scripts: reads what the participant sees and hears from the tiles of the app, and what the browser
 * reports about it. Others are named by their display names, which every test keeps unique: ids change when somebody comes back.
 */

/**
 * Totals since the beginning, but for `frameWidth`, and milliseconds in `at` and `roundTripMs`.
 *
 * @typedef {object} Reception
 * @property {number} at by the clock of `Date.now()`
 * @property {number} bytes of everything on the connection
 * @property {number} frameWidth 0 before the first frame
 * @property {number} framesDecoded
 * @property {number} freezes
 * @property {number} frozenMs
 * @property {number} videoLost packets
 * @property {number} keyFramesAskedFor
 * @property {number} bufferedMs what all frames together spent in the jitter buffer
 * @property {number} framesBuffered
 * @property {number} audioPackets
 * @property {number} audioLost
 * @property {number} audioSamples
 * @property {number} audioConcealed samples made up for what did not come in time, silence not counted
 * @property {number | null} roundTripMs the last that was measured
 */

export function installProbe() {
  // As drawn by the camera of `installDevices`.
  const COUNTER_BITS = 10;
  const COUNTER_SHARE = 0.25;
  const WIDTH = 80;
  const HEIGHT = 48;
  /** 48 kHz / 8192: tones are told apart to 6 Hz. */
  const FFT_SIZE = 8192;
  const SILENCE_DB = -60;

  const room = () => /** @type {any} */ (window).parlor?.room ?? null;
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  /** @type {AudioContext | null} */ let audio = null;
  /** @type {WeakMap<MediaStreamTrack, AnalyserNode>} */ const analysers = new WeakMap();

  /** @param {string} name */
  function participant(name) {
    return [...(room()?.participants.values() ?? [])].findLast(({ displayName }) => displayName === name) ?? null;
  }

  /** @param {string} name @param {string} [source] */
  function track(name, source = 'camera') {
    return [...(participant(name)?.tracks.values() ?? [])].find((candidate) => candidate.source === source) ?? null;
  }

  /** @param {string} name @param {string} [source] `camera` or `screen` @returns {HTMLElement | null} */
  function tile(name, source = 'camera') {
    const { participantId } = participant(name) ?? {};
    return document.querySelector(`.tile[data-participant-id="${participantId}"][data-source="${source}"]`);
  }

  /** What a tile shows, or `null` as long as it shows nothing. @param {string} name @param {string} [source] */
  function picture(name, source) {
    const video = tile(name, source)?.querySelector('video');
    if (!video || video.videoWidth === 0 || video.readyState < 2) return null;
    context.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
    const pixel = (/** @type {number} */ x, /** @type {number} */ y) => [...data.slice((y * WIDTH + x) * 4, (y * WIDTH + x) * 4 + 3)];
    let counter = 0;
    for (let bit = 0; bit < COUNTER_BITS; bit += 1) {
      const [red] = pixel(Math.floor(((bit + 0.5) * WIDTH) / COUNTER_BITS), Math.floor(HEIGHT * (1 - COUNTER_SHARE / 2)));
      if (red > 127) counter |= 1 << bit;
    }
    let checksum = 0;
    data.forEach((value, index) => { checksum = (checksum * 31 + value * (index % 251)) >>> 0; });
    return { color: pixel(WIDTH / 2, Math.floor(HEIGHT / 3)), counter, checksum, width: video.videoWidth, height: video.videoHeight };
  }

  /** The loudest frequency of somebody's microphone in Hz, or `null` for silence. @param {string} name */
  function tone(name) {
    const { participantId } = participant(name) ?? {};
    return toneOf(document.querySelector(`audio[data-participant-id="${participantId}"][data-source="microphone"]`));
  }

  /** The same of all that plays, whoever's it is said to be. */
  function tones() {
    return [...document.querySelectorAll('audio')].map(toneOf).filter((hz) => hz !== null);
  }

  /** @param {HTMLAudioElement | null} element */
  function toneOf(element) {
    const sound = /** @type {MediaStream | null} */ (element?.srcObject)?.getAudioTracks()[0];
    if (!element || !sound || element.paused || element.muted) return null;
    audio ??= new AudioContext();
    let analyser = analysers.get(sound);
    if (!analyser) {
      analyser = new AnalyserNode(audio, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
      audio.createMediaStreamSource(new MediaStream([sound])).connect(analyser);
      analysers.set(sound, analyser);
    }
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    const loudest = levels.indexOf(Math.max(...levels));
    return levels[loudest] > SILENCE_DB ? (loudest * audio.sampleRate) / FFT_SIZE : null;
  }

  /** What the browser reports about a track that arrives. @param {string} name @param {string} [source] */
  async function inbound(name, source) {
    const { mediaTrack } = track(name, source) ?? {};
    const receiver = room()?.media?.pc.getReceivers().find((/** @type {RTCRtpReceiver} */ candidate) => candidate.track === mediaTrack);
    if (!receiver) return null;
    const stats = await receiver.getStats();
    const inbounds = [...stats.values()].filter(({ type }) => type === 'inbound-rtp');
    const report = inbounds.sort((a, b) => (a.lastPacketReceivedTimestamp ?? 0) - (b.lastPacketReceivedTimestamp ?? 0)).at(-1);
    return report ? { ...report, codec: stats.get(report.codecId)?.mimeType ?? null } : null;
  }

  /** The candidate pair that carries the media. */
  async function path() {
    const stats = await room()?.media?.pc.getStats();
    const all = [...(stats?.values() ?? [])];
    const selected = all.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId)?.selectedCandidatePairId;
    const pair = stats?.get(selected) ?? all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
    return pair ? { protocol: stats.get(pair.localCandidateId)?.protocol ?? null, state: pair.state } : null;
  }

  /** @param {RTCPeerConnection} pc @param {MediaStreamTrack} video @param {MediaStreamTrack} sound */
  async function receptionOf(pc, video, sound) {
    const stats = [...(await pc.getStats()).values()];
    const inbounds = stats.filter(({ type }) => type === 'inbound-rtp');
    const of = (/** @type {string} */ track) => inbounds.find(({ trackIdentifier }) => trackIdentifier === track) ?? {};
    const [picture, audio] = [of(video.id), of(sound.id)];
    const transport = stats.find(({ type }) => type === 'transport') ?? {};
    const pair = stats.find(({ id }) => id === transport.selectedCandidatePairId) ?? {};
    return {
      at: Date.now(),
      bytes: transport.bytesReceived ?? 0,
      frameWidth: picture.frameWidth ?? 0,
      framesDecoded: picture.framesDecoded ?? 0,
      freezes: picture.freezeCount ?? 0,
      frozenMs: (picture.totalFreezesDuration ?? 0) * 1000,
      videoLost: picture.packetsLost ?? 0,
      keyFramesAskedFor: picture.pliCount ?? 0,
      bufferedMs: (picture.jitterBufferDelay ?? 0) * 1000,
      framesBuffered: picture.jitterBufferEmittedCount ?? 0,
      audioPackets: audio.packetsReceived ?? 0,
      audioLost: audio.packetsLost ?? 0,
      audioSamples: audio.totalSamplesReceived ?? 0,
      audioConcealed: (audio.concealedSamples ?? 0) - (audio.silentConcealedSamples ?? 0),
      roundTripMs: pair.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    };
  }

  /** @param {string} name */
  function reception(name) {
    const [video, sound] = [track(name), track(name, 'microphone')];
    return receptionOf(room().media.pc, video.mediaTrack, sound.mediaTrack);
  }

  /** @type {{ at: number, width: number }[]} */ const shown = [];
  const MAX_SHOWN = 100_000;

  /** @param {HTMLVideoElement} video */
  function watchVideo(video) {
    shown.length = 0;
    /** @type {VideoFrameRequestCallback} */
    const onFrame = (_, { presentationTime, width }) => {
      if (shown.length < MAX_SHOWN) shown.push({ at: performance.timeOrigin + presentationTime, width });
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }

  /** @param {string} name */
  const watchFrames = (name) => watchVideo(/** @type {HTMLVideoElement} */ (tile(name)?.querySelector('video')));
  const frames = () => shown;

  Object.assign(window, {
    probe: {
      participant, track, tile, picture, tone, tones, inbound, path, receptionOf, reception, watchVideo, watchFrames, frames,
    },
  });
}
