/**
 * Shows how loud a microphone is, so that a person sees that it works before anybody has to tell them.
 */

/**
 * Sets `--level` (0…1) of `element` while `track` lives.
 *
 * @param {MediaStreamTrack} track
 * @param {HTMLElement} element
 * @returns {() => void} stops
 */
export function showLevel(track, element) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  context.resume().catch(() => {});
  const samples = new Float32Array(analyser.fftSize);
  let level = 0;
  let frame = 0;
  const draw = () => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const decibels = 10 * Math.log10(power + 1e-10);
    // -60 dB is a quiet room, -15 dB loud speech; rises at once and falls slowly, as the eye expects.
    const target = Math.min(1, Math.max(0, (decibels + 60) / 45));
    level = Math.max(target, level * 0.9);
    element.style.setProperty('--level', level.toFixed(3));
    frame = requestAnimationFrame(draw);
  };
  draw();
  return () => {
    cancelAnimationFrame(frame);
    source.disconnect();
    element.style.setProperty('--level', '0');
    context.close().catch(() => {});
  };
}
