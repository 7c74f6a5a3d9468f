/** Before the call: who am I, do my camera and microphone work, and is the room there? */
import { createRoom, getRoom } from '../parlor-client.js';
import { deviceSelects } from './device-select.js';
import { h } from './dom.js';
import { showLevel } from './meter.js';
import { remember } from './prefs.js';
import { showSwitch } from './switches.js';
import { explain, explainDevice, hueOf, initials } from './texts.js';

/** @typedef {import('./local-media.js').LocalMedia} LocalMedia */
/** @typedef {import('./local-media.js').Device} Device */

/**
 * @param {object} options
 * @param {string} options.roomId
 * @param {string} options.name suggested
 * @param {LocalMedia} options.media
 * @param {(name: string) => Promise<void>} options.join rejects with a `ParlorError`
 * @param {() => void} options.home
 * @returns {{ element: HTMLElement, stop: () => void }}
 */
export function prejoinPage({ roomId, name, media, join, home }) {
  const preview = createPreview(media);
  const selects = deviceSelects(media);
  const title = h('h1', {}, 'Ready to join?');
  const subtitle = h('p', { class: 'lead', 'data-room-status': true }, roomId);
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const input = h('input', { type: 'text', maxlength: '64', autocomplete: 'name', value: name, placeholder: 'How others see you', 'data-display-name': true });
  input.addEventListener('input', () => preview.setName(input.value));
  const button = h('button', { class: 'primary', type: 'submit', 'data-join': true }, 'Join');
  const createButton = h('button', { class: 'primary', type: 'button', hidden: true, 'data-create-missing': true }, 'Create this room');

  const complain = (/** @type {any} */ error) => {
    problem.textContent = error ? explain(error) : '';
    problem.hidden = !error;
    createButton.hidden = error?.code !== 'room-not-found';
    button.hidden = !createButton.hidden;
  };
  const look = async () => {
    try {
      const room = await getRoom(roomId);
      if (room.name) title.textContent = room.name;
      const count = room.participantCount;
      subtitle.textContent = count === 0 ? 'Nobody is here yet.' : count === 1 ? 'One person is here.' : `${count} people are here.`;
      complain(null);
    } catch (error) {
      complain(error);
    }
  };
  createButton.addEventListener('click', async () => {
    await createRoom({ roomId }).catch(() => {}); // somebody else may have been faster: looking tells
    await look();
  });
  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    complain(null);
    button.disabled = true;
    button.textContent = 'Joining…';
    remember('name', input.value.trim());
    try {
      await join(input.value.trim());
    } catch (error) {
      complain(error);
      button.disabled = false;
      button.textContent = 'Join';
    }
  };

  look();
  preview.setName(name);
  const element = h(
    'main',
    { class: 'page prejoin' },
    h('a', { class: 'brand small', href: '/', onclick: (/** @type {Event} */ event) => { event.preventDefault(); home(); } },
      h('img', { src: '/favicon.svg', alt: '', width: '28', height: '28' }), h('span', {}, 'Parlor')),
    h('div', { class: 'prejoin-columns' },
      preview.element,
      h('form', { class: 'card', onsubmit: onSubmit },
        title, subtitle,
        h('label', { class: 'field' }, h('span', {}, 'Your name'), input),
        selects.element,
        problem,
        createButton,
        button)),
  );
  queueMicrotask(() => input.value === '' && input.focus());
  return {
    element,
    stop: () => {
      preview.stop();
      selects.stop();
    },
  };
}

/** The own picture with the switches for microphone and camera. @param {LocalMedia} media */
function createPreview(media) {
  const video = h('video', { autoplay: true, playsinline: true, muted: true, 'aria-label': 'Your camera' });
  video.muted = true;
  const initialsText = h('span', {});
  const avatar = h('div', { class: 'avatar', 'aria-hidden': 'true' }, initialsText);
  const hint = h('p', { class: 'preview-hint', role: 'status' });
  const meter = h('div', { class: 'meter', 'aria-hidden': 'true' }, h('span', {}), h('span', {}), h('span', {}), h('span', {}), h('span', {}));
  const toggle = (/** @type {Device} */ device) => h('button', {
    class: 'round', type: 'button', [`data-toggle-${device}`]: true, onclick: () => media.setOn(device, !media[device].on),
  });
  const microphone = toggle('microphone');
  const camera = toggle('camera');
  const element = h('div', { class: 'preview' }, h('div', { class: 'preview-picture' }, video, avatar, h('div', { class: 'preview-bar' }, meter, microphone, camera)), hint);

  let metered = /** @type {MediaStreamTrack | null} */ (null);
  let stopMeter = () => {};
  const update = () => {
    const picture = media.camera.on ? media.camera.track : null;
    const shown = /** @type {MediaStream | null} */ (video.srcObject)?.getVideoTracks()[0] ?? null;
    if (shown !== picture) video.srcObject = picture ? new MediaStream([picture]) : null;
    element.classList.toggle('has-video', picture !== null);
    const sound = media.microphone.on ? media.microphone.track : null;
    element.classList.toggle('has-sound', sound !== null);
    if (metered !== sound) {
      stopMeter();
      metered = sound;
      stopMeter = sound ? showLevel(sound, meter) : () => {};
    }
    showSwitch(microphone, 'microphone', media.microphone.on);
    showSwitch(camera, 'camera', media.camera.on);
    const errors = /** @type {Device[]} */ (['camera', 'microphone']).flatMap((device) => {
      const { error } = media[device];
      return error ? [explainDevice(error, device)] : [];
    });
    const both = media.camera.error === 'permission-denied' && media.microphone.error === 'permission-denied';
    const text = both ? explainDevice('permission-denied', 'camera and microphone') : errors.join(' ');
    hint.textContent = text && `${text} You can join without.`;
  };
  update();
  const stopListening = media.on('changed', update);
  return {
    element,
    setName: (/** @type {string} */ name) => {
      initialsText.textContent = initials(name);
      avatar.style.setProperty('--hue', String(hueOf(name || 'Guest')));
    },
    stop: () => {
      stopListening();
      stopMeter();
      video.srcObject = null;
    },
  };
}
