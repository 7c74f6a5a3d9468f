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
 */
export function installDevices({ color, hz, width, height, fps }) {
  // `readPicture` of the probe reads what is drawn here.
  const COUNTER_BITS = 10;
  const COUNTER_SHARE = 0.25;
  let frozen = false;

  function openCamera() {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
    let count = 0;
    const draw = () => {
      if (frozen) return;
      context.fillStyle = `rgb(${color.join(',')})`;
      context.fillRect(0, 0, width, height);
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

  function openMicrophone() {
    const audio = new AudioContext();
    const oscillator = new OscillatorNode(audio, { frequency: /** @type {number} */ (hz) });
    const volume = new GainNode(audio, { gain: 0.4 });
    const out = audio.createMediaStreamDestination();
    oscillator.connect(volume).connect(out);
    oscillator.start();
    return withStop(out.stream.getAudioTracks()[0], () => audio.close());
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
  /** More of the same for tests that publish by themselves; `freeze` stops every camera's picture. */
  Object.assign(window, { testDevices: { openCamera, openMicrophone, freeze: () => { frozen = true; } } });
}
