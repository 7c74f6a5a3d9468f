/**
 * Cameras, microphones and screens of this computer, with failures turned into `ParlorError`s that can be explained to a person.
 */
import { ParlorError } from './errors.js';

/** @type {Record<string, string>} */
const CODES = {
  NotAllowedError: 'permission-denied',
  SecurityError: 'permission-denied',
  NotFoundError: 'device-missing',
  OverconstrainedError: 'device-missing',
  NotReadableError: 'device-busy',
  AbortError: 'device-busy',
};

/** @param {string} [deviceId] @returns {Promise<MediaStreamTrack>} */
export function openMicrophone(deviceId) {
  const processing = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  return open({ audio: { ...choose(deviceId), ...processing } });
}

/** @param {string} [deviceId] @returns {Promise<MediaStreamTrack>} */
export function openCamera(deviceId) {
  const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  return open({ video: { ...choose(deviceId), ...size } });
}

/**
 * Lets the person choose a screen, window or tab; must be called from a click.
 *
 * @returns {Promise<{ video: MediaStreamTrack, audio: MediaStreamTrack | null }>} `cancelled` if nothing was chosen
 */
export async function openScreen() {
  if (!navigator.mediaDevices?.getDisplayMedia) throw new ParlorError('unsupported');
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true });
    return { video: stream.getVideoTracks()[0], audio: stream.getAudioTracks()[0] ?? null };
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : '';
    // Browsers report the dismissed picker as a refusal.
    throw new ParlorError(name === 'NotAllowedError' ? 'cancelled' : CODES[name] ?? 'internal', String(cause));
  }
}

/**
 * The devices by kind; labels are empty until a device has been allowed.
 *
 * @returns {Promise<{ microphones: MediaDeviceInfo[], cameras: MediaDeviceInfo[], speakers: MediaDeviceInfo[] }>}
 */
export async function listDevices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const of = (/** @type {MediaDeviceKind} */ kind) => all.filter((device) => device.kind === kind && device.deviceId !== '');
  return { microphones: of('audioinput'), cameras: of('videoinput'), speakers: of('audiooutput') };
}

/** @param {() => void} listener @returns {() => void} stops watching */
export function watchDevices(listener) {
  navigator.mediaDevices?.addEventListener?.('devicechange', listener);
  return () => navigator.mediaDevices?.removeEventListener?.('devicechange', listener);
}

/** A remembered device may be gone by now, so it is a wish, not a condition. @param {string} [deviceId] */
function choose(deviceId) {
  return deviceId ? { deviceId: { ideal: deviceId } } : {};
}

/** @param {MediaStreamConstraints} constraints @returns {Promise<MediaStreamTrack>} */
async function open(constraints) {
  if (!navigator.mediaDevices?.getUserMedia) throw new ParlorError(isSecureContext ? 'unsupported' : 'insecure-context');
  try {
    return (await navigator.mediaDevices.getUserMedia(constraints)).getTracks()[0];
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : '';
    throw new ParlorError(CODES[name] ?? 'internal', String(cause));
  }
}
