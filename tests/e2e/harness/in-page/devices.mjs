/**
 * Runs in the page, before its own scripts: a camera that shows a plain colour over a running counter, and a microphone that sounds a
 * pure tone. Whoever sees and hears them knows whose they are, and that the picture moves.
 *
 * @param {object} options
 * @param {[number, number, number]} options.color red, green, blue of 0..255
 * @param {number | null} options.hz the tone; `null` leaves the browser's own fake microphone
 * @param {number} options.width of the camera
 * @param {number} options.height
 * @param {number} options.fps
 * @param {boolean} [options.busy] a texture that moves covers the colour: as much to encode as a lively picture
 */
export function installDevices({ color, hz, width, height, fps, busy = false }) {
  // `readPicture` of the probe reads what is drawn here.
  const COUNTER_BITS = 10;
  const COUNTER_SHARE = 0.25;
  /** These two make 720p at 15 fps worth some 2 Mbit/s. */
  const TEXTURE_CONTRAST = 0.06;
  const JUMPING_SHARE = 0.2;
  const VOLUME = 0.4;
  let frozen = false;
  /** @type {Set<GainNode>} of the microphones that are open */ const volumes = new Set();

  function openCamera() {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
    const texture = busy ? drawTexture() : null;
    let count = 0;
    const draw = () => {
      if (frozen) return;
      context.fillStyle = `rgb(${color.join(',')})`;
      context.fillRect(0, 0, width, height);
      if (texture) drawBusily(context, texture, count);
      for (let bit = 0; bit < COUNTER_BITS; bit += 1) {
        context.fillStyle = count & (1 << bit) ? '#fff' : '#000';
        context.fillRect((bit * width) / COUNTER_BITS, height * (1 - COUNTER_SHARE), width / COUNTER_BITS, height * COUNTER_SHARE);
      }
      count = (count + 1) % (1 << COUNTER_BITS);
    };
    draw();
    const timer = setInterval(draw, 1000 / fps);
    return withStop(canvas.captureStream(fps).getVideoTracks()[0], () => clearInterval(timer));
  }

  /** Twice the size of the picture, in shades around the colour. */
  function drawTexture() {
    const canvas = new OffscreenCanvas(width * 2, height * 2);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const image = context.createImageData(canvas.width, canvas.height);
    let state = 1;
    for (let y = 0; y < canvas.height; y += 1) {
      for (let x = 0; x < canvas.width; x += 1) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const shade = 30 * Math.sin(x / 17) * Math.sin(y / 23) + ((state >>> 24) - 128) * TEXTURE_CONTRAST;
        const at = (y * canvas.width + x) * 4;
        for (let channel = 0; channel < 3; channel += 1) image.data[at + channel] = color[channel] + shade;
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /**
   * The texture drifts, and a part of it jumps; the middle stays plain.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {OffscreenCanvas} texture
   * @param {number} count
   */
  function drawBusily(context, texture, count) {
    context.drawImage(texture, (count * 3) % width, (count * 2) % height, width, height, 0, 0, width, height);
    const [left, top] = [(count * 131) % width, (count * 89) % height];
    const size = /** @type {const} */ ([width * JUMPING_SHARE, height / 2]);
    context.drawImage(texture, left, top, ...size, width * 0.1, height * 0.1, ...size);
    context.fillRect(width * 0.4, height * 0.2, width * 0.2, height * 0.3);
  }

  function openMicrophone() {
    const audio = new AudioContext();
    const oscillator = new OscillatorNode(audio, { frequency: /** @type {number} */ (hz) });
    const volume = new GainNode(audio, { gain: VOLUME });
    const out = audio.createMediaStreamDestination();
    oscillator.connect(volume).connect(out);
    oscillator.start();
    volumes.add(volume);
    return withStop(out.stream.getAudioTracks()[0], () => {
      volumes.delete(volume);
      audio.close();
    });
  }

  /** @param {MediaStreamTrack} track @param {() => void} onStop */
  function withStop(track, onStop) {
    const stop = track.stop.bind(track);
    track.stop = () => {
      stop();
      onStop();
    };
    return track;
  }

  const devices = navigator.mediaDevices;
  // The blank document that Firefox shows before a page that isolates itself (COOP) has none.
  if (!devices) return;
  const browsersOwn = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async ({ audio, video } = {}) => {
    const tracks = [];
    if (audio) tracks.push(hz === null ? (await browsersOwn({ audio: true })).getAudioTracks()[0] : openMicrophone());
    if (video) tracks.push(openCamera());
    return new MediaStream(tracks);
  };
  /** More of the same for tests that publish by themselves; `freeze` stops every camera's picture, `speak` the tone of every microphone, or lets it sound again. */
  Object.assign(window, { testDevices: {
    openCamera,
    openMicrophone,
    freeze: () => { frozen = true; },
    speak: (/** @type {boolean} */ speaks) => volumes.forEach(({ gain }) => { gain.value = speaks ? VOLUME : 0; }),
  } });
}
