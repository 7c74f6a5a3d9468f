/** The bar of buttons under a call, and their keyboard shortcuts (M, V, C, P). */
import { h, icon } from './dom.js';
import { showSwitch } from './switches.js';
import { explainRight } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('./local-media.js').LocalMedia} LocalMedia */
/** @typedef {import('../sdk/types.js').Rights} Rights */

/**
 * @typedef {object} Actions
 * @property {() => void} screen
 * @property {() => void} chat
 * @property {() => void} people
 * @property {() => void} settings
 * @property {() => void} copyLink
 * @property {() => void} leave
 */

export class Controls {
  #unread = 0;

  /** @param {LocalMedia} media @param {Actions} actions @param {() => Rights} rights */
  constructor(media, actions, rights) {
    this.media = media;
    this.rights = rights;
    const button = (/** @type {string} */ name, /** @type {string} */ title, /** @type {() => void} */ onclick, /** @type {Node[]} */ ...content) =>
      h('button', { class: `round ${name}`, type: 'button', title, 'aria-label': title, onclick, [`data-${name}`]: true }, ...content);
    this.microphone = button('toggle-microphone', '', () => this.toggle('microphone'));
    this.camera = button('toggle-camera', '', () => this.toggle('camera'));
    this.screen = button('toggle-screen', 'Share your screen', () => this.#allowed('screen') && actions.screen(), icon('screen'));
    this.screen.hidden = !navigator.mediaDevices?.getDisplayMedia; // phones cannot
    this.chatBadge = h('span', { class: 'badge', hidden: true });
    this.chat = button('toggle-chat', 'Chat (C)', actions.chat, icon('chat'), this.chatBadge);
    this.peopleBadge = h('span', { class: 'badge', hidden: true });
    this.people = button('toggle-people', 'People (P)', actions.people, icon('people'), this.peopleBadge);
    this.element = h(
      'div',
      { class: 'controls', role: 'toolbar', 'aria-label': 'Call' },
      this.microphone, this.camera, this.screen, this.chat, this.people,
      button('settings', 'Devices', actions.settings, icon('settings')),
      button('copy-link', 'Copy the link to this room', actions.copyLink, icon('link')),
      button('leave', 'Leave', actions.leave, icon('leave')),
    );
    const onKey = (/** @type {KeyboardEvent} */ event) => this.#onKey(event);
    document.addEventListener('keydown', onKey);
    const stopListening = media.on('changed', () => this.update());
    this.stop = () => {
      document.removeEventListener('keydown', onKey);
      stopListening();
    };
    this.update();
  }

  /** @param {import('./local-media.js').Device} device */
  toggle(device) {
    if (this.#allowed(device === 'microphone' ? 'audio' : 'video')) this.media.setOn(device, !this.media[device].on);
  }

  /** @param {boolean} open */
  setChatOpen(open) {
    showOpen(this.chat, open);
    if (open) this.#setUnread(0);
  }

  /** @param {boolean} open */
  setPeopleOpen(open) {
    showOpen(this.people, open);
  }

  countUnread() {
    this.#setUnread(this.#unread + 1);
  }

  /** @param {number} waiting people in the lobby */
  setWaiting(waiting) {
    showCount(this.peopleBadge, waiting);
    this.people.setAttribute('aria-label', waiting === 0 ? 'People' : `People, ${waiting} waiting to be let in`);
  }

  update() {
    showSwitch(this.microphone, 'microphone', this.media.microphone.on);
    showSwitch(this.camera, 'camera', this.media.camera.on);
    const sharing = this.media.screen !== null;
    this.screen.classList.toggle('active', sharing);
    this.screen.title = sharing ? 'Stop sharing your screen' : 'Share your screen';
    this.screen.setAttribute('aria-label', this.screen.title);
    this.screen.setAttribute('aria-pressed', String(sharing));
    const rights = this.rights();
    for (const [button, right] of /** @type {const} */ ([[this.microphone, 'audio'], [this.camera, 'video'], [this.screen, 'screen']])) {
      // Not `disabled`: what cannot be reached by the keyboard cannot explain itself.
      button.setAttribute('aria-disabled', String(!rights[right]));
      if (!rights[right]) button.title = explainRight(right);
    }
  }

  /** @param {'audio' | 'video' | 'screen'} right */
  #allowed(right) {
    const allowed = this.rights()[right];
    if (!allowed) toast(explainRight(right));
    return allowed;
  }

  /** @param {number} unread */
  #setUnread(unread) {
    this.#unread = unread;
    showCount(this.chatBadge, unread);
    this.chat.setAttribute('aria-label', unread === 0 ? 'Chat' : `Chat, ${unread} unread`);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (target.closest('input, textarea, select, dialog, [popover]')) return;
    const key = event.key.toLowerCase();
    if (key === 'm') this.toggle('microphone');
    else if (key === 'v') this.toggle('camera');
    else if (key === 'c') this.chat.click();
    else if (key === 'p') this.people.click();
    else return;
    event.preventDefault();
  }
}

/** @param {HTMLButtonElement} button @param {boolean} open */
function showOpen(button, open) {
  button.setAttribute('aria-expanded', String(open));
  button.classList.toggle('active', open);
}

/** @param {HTMLElement} badge @param {number} count */
function showCount(badge, count) {
  badge.hidden = count === 0;
  badge.textContent = count > 9 ? '9+' : String(count);
}
