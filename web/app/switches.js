/** The look and the words of the switches for microphone and camera. */
import { setIcon } from './dom.js';

/** @param {HTMLButtonElement} button @param {import('./local-media.js').Device} device @param {boolean} on */
export function showSwitch(button, device, on) {
  const key = device === 'microphone' ? 'M' : 'V';
  const text = `Turn ${device} ${on ? 'off' : 'on'}`;
  setIcon(button, device === 'microphone' ? (on ? 'mic' : 'mic-off') : on ? 'camera' : 'camera-off');
  button.classList.toggle('off', !on);
  button.setAttribute('aria-pressed', String(on));
  button.setAttribute('aria-label', text);
  button.title = button.closest('.controls') ? `${text} (${key})` : text;
}
