/** Before the call: who am I, do my camera and microphone work, and is the room there? */
import { createRoom, getRoom, hostSecretOf, ParlorError } from '../parlor-client.js';
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
 * @param {import('./secrets.js').Secrets} options.secrets of the link
 * @param {(name: string, password: string | undefined) => Promise<void>} options.join rejects with a `ParlorError`
 * @param {(error: ParlorError) => boolean} options.turnAway shows a page of its own for what cannot be mended here
 * @param {() => void} options.home
 * @returns {{ element: HTMLElement, stop: () => void }}
 */
export function prejoinPage({ roomId, name, media, secrets, join, turnAway, home }) {
  const preview = createPreview(media);
  const selects = deviceSelects(media);
  const title = h('h1', {}, 'Ready to join?');
  const subtitle = h('p', { class: 'lead', 'data-room-status': true }, roomId);
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const input = h('input', { type: 'text', maxlength: '64', autocomplete: 'name', value: name, placeholder: 'How others see you', 'data-display-name': true });
  input.addEventListener('input', () => preview.setName(input.value));
  const password = h('input', { type: 'password', maxlength: '128', autocomplete: 'off', 'data-password': true });
  const passwordField = h('label', { class: 'field', hidden: true }, h('span', {}, 'Password of the room'), password);
  const isHost = hostSecretOf(roomId) !== null && !secrets.token;
  const button = h('button', { class: 'primary', type: 'submit', 'data-join': true }, 'Join');
  const createButton = h('button', { class: 'primary', type: 'button', hidden: true, 'data-create-missing': true }, 'Create this room');

  const complain = (/** @type {any} */ error) => {
    problem.textContent = error ? explain(error) : '';
    problem.hidden = !error;
    createButton.hidden = error?.code !== 'room-not-found';
    button.hidden = !createButton.hidden;
    if (error?.code !== 'password-required' && error?.code !== 'password-wrong') return;
    passwordField.hidden = false;
    password.select();
    password.focus();
  };
  /** @param {import('../sdk/rest.js').RoomInfo} room */
  const describe = (room) => {
    if (room.name) title.textContent = room.name;
    const count = room.participantCount;
    subtitle.textContent = count === 0 ? 'Nobody is here yet.' : count === 1 ? 'One person is here.' : `${count} people are here.`;
    passwordField.hidden = !room.passwordRequired || isHost || Boolean(secrets.invite);
    const early = room.notBefore && Date.parse(room.notBefore) > Date.now();
    if (early && !isHost && !secrets.token) turnAway(new ParlorError('room-not-open', room.notBefore ?? undefined));
  };
  const look = async () => {
    try {
      describe(await getRoom(roomId, undefined, { token: secrets.token }));
      complain(null);
    } catch (cause) {
      const error = ParlorError.from(cause);
      // A server with keys tells strangers nothing, not even those who come with an invitation.
      if (error.code === 'unauthorized' && secrets.invite) complain(null);
      else if (!turnAway(error)) complain(error);
    }
  };
  createButton.addEventListener('click', async () => {
    try {
      await createRoom({ roomId });
    } catch (error) {
      // Somebody else may have been faster: looking tells.
      if (/** @type {ParlorError} */ (error).code !== 'room-exists') return complain(error);
    }
    await look();
  });
  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    complain(null);
    button.disabled = true;
    button.textContent = 'Joining…';
    remember('name', input.value.trim());
    try {
      await join(input.value.trim(), passwordField.hidden ? undefined : password.value);
    } catch (cause) {
      const error = ParlorError.from(cause);
      if (turnAway(error)) return;
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
        passwordField,
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
