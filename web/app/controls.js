/** The bar of buttons under a call, and their keyboard shortcuts (M, V, C). */
import { h, icon } from './dom.js';
import { showSwitch } from './switches.js';

/** @typedef {import('./local-media.js').LocalMedia} LocalMedia */

/**
 * @typedef {object} Actions
 * @property {() => void} screen
 * @property {() => void} chat
 * @property {() => void} settings
 * @property {() => void} copyLink
 * @property {() => void} leave
 */

export class Controls {
  #unread = 0;

  /** @param {LocalMedia} media @param {Actions} actions */
  constructor(media, actions) {
    this.media = media;
    const button = (/** @type {string} */ name, /** @type {string} */ title, /** @type {() => void} */ onclick, /** @type {Node[]} */ ...content) =>
      h('button', { class: `round ${name}`, type: 'button', title, 'aria-label': title, onclick, [`data-${name}`]: true }, ...content);
    this.microphone = button('toggle-microphone', '', () => this.toggle('microphone'));
    this.camera = button('toggle-camera', '', () => this.toggle('camera'));
    this.screen = button('toggle-screen', 'Share your screen', actions.screen, icon('screen'));
    this.screen.hidden = !navigator.mediaDevices?.getDisplayMedia; // phones cannot
    this.badge = h('span', { class: 'badge', hidden: true });
    this.chat = button('toggle-chat', 'Chat (C)', actions.chat, icon('chat'), this.badge);
    this.element = h(
      'div',
      { class: 'controls', role: 'toolbar', 'aria-label': 'Call' },
      this.microphone, this.camera, this.screen, this.chat,
      button('settings', 'Devices', actions.settings, icon('settings')),
      button('copy-link', 'Copy the link to this room', actions.copyLink, icon('link')),
      button('leave', 'Leave', actions.leave, icon('leave')),
    );
    const onKey = (/** @type {KeyboardEvent} */ event) => this.#onKey(event);
    document.addEventListener('keydown', onKey);
    const stopListening = media.on('changed', () => this.#update());
    this.stop = () => {
      document.removeEventListener('keydown', onKey);
      stopListening();
    };
    this.#update();
  }

  /** @param {import('./local-media.js').Device} device */
  toggle(device) {
    this.media.setOn(device, !this.media[device].on);
  }

  /** @param {boolean} open */
  setChatOpen(open) {
    this.chat.setAttribute('aria-expanded', String(open));
    this.chat.classList.toggle('active', open);
    if (open) this.#setUnread(0);
  }

  countUnread() {
    this.#setUnread(this.#unread + 1);
  }

  /** @param {number} unread */
  #setUnread(unread) {
    this.#unread = unread;
    this.badge.hidden = unread === 0;
    this.badge.textContent = unread > 9 ? '9+' : String(unread);
    this.chat.setAttribute('aria-label', unread === 0 ? 'Chat' : `Chat, ${unread} unread`);
  }

  #update() {
    showSwitch(this.microphone, 'microphone', this.media.microphone.on);
    showSwitch(this.camera, 'camera', this.media.camera.on);
    const sharing = this.media.screen !== null;
    this.screen.classList.toggle('active', sharing);
    this.screen.title = sharing ? 'Stop sharing your screen' : 'Share your screen';
    this.screen.setAttribute('aria-label', this.screen.title);
    this.screen.setAttribute('aria-pressed', String(sharing));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (target.closest('input, textarea, select, dialog')) return;
    const key = event.key.toLowerCase();
    if (key === 'm') this.toggle('microphone');
    else if (key === 'v') this.toggle('camera');
    else if (key === 'c') this.chat.click();
    else return;
    event.preventDefault();
  }
}
