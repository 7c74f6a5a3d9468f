/** Menus to choose a microphone, a camera and a loudspeaker, kept in step with what is plugged in. */
import { listDevices, watchDevices } from '../parlor-client.js';
import { h } from './dom.js';
import { recall, remember } from './prefs.js';

/** @typedef {import('./local-media.js').LocalMedia} LocalMedia */

const KINDS = /** @type {const} */ ([
  ['microphone', 'microphones', 'Microphone'],
  ['camera', 'cameras', 'Camera'],
  ['speaker', 'speakers', 'Loudspeaker'],
]);

/**
 * @param {LocalMedia} media
 * @param {{ onSpeaker?: (deviceId: string) => void }} [options] without `onSpeaker` there is no choice of a loudspeaker
 * @returns {{ element: HTMLElement, stop: () => void }}
 */
export function deviceSelects(media, { onSpeaker } = {}) {
  const element = h('div', { class: 'device-selects' });

  const choose = (/** @type {'microphone' | 'camera' | 'speaker'} */ kind, /** @type {string} */ deviceId) => {
    if (kind !== 'speaker') {
      media.choose(kind, deviceId);
      return;
    }
    remember('speaker', deviceId);
    onSpeaker?.(deviceId);
  };

  const render = async () => {
    const devices = await listDevices();
    const rows = KINDS.flatMap(([kind, list, title]) => {
      if (kind === 'speaker' && (!onSpeaker || !('setSinkId' in HTMLMediaElement.prototype))) return [];
      if (devices[list].length === 0) return [];
      const current = kind === 'speaker' ? recall('speaker') : media[kind].track?.getSettings().deviceId ?? recall(kind);
      const options = devices[list].map(({ deviceId, label }, index) =>
        h('option', { value: deviceId, selected: deviceId === current }, label || `${title} ${index + 1}`));
      const onchange = (/** @type {Event} */ event) => choose(kind, /** @type {HTMLSelectElement} */ (event.target).value);
      return [h('label', { class: 'field' }, h('span', {}, title), h('select', { onchange, 'data-device': kind }, ...options))];
    });
    // A menu that is open must not be replaced under the pointer.
    if (!element.contains(document.activeElement)) element.replaceChildren(...rows);
  };

  render();
  const stops = [watchDevices(render), media.on('changed', render)];
  return { element, stop: () => stops.forEach((stop) => stop()) };
}
