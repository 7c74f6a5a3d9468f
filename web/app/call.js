/** The call itself: stage, controls, chat, and what happens to the connection. */
import { roomLink } from '../parlor-client.js';
import { ChatPanel } from './chat-panel.js';
import { Controls } from './controls.js';
import { deviceSelects } from './device-select.js';
import { announce, h, icon } from './dom.js';
import { Stage } from './stage.js';
import { explain, explainCode, explainDevice, nameOrGuest } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('./local-media.js').LocalMedia} LocalMedia */

/** Media that is not up by then deserves a word. */
const MEDIA_PATIENCE_MS = 4000;

export class CallPage {
  /** @type {(() => void)[]} */ #stops = [];
  /** @type {any} */ #mediaTimer = null;
  #mediaLate = false;

  /**
   * @param {Room} room
   * @param {LocalMedia} media
   */
  constructor(room, media) {
    this.room = room;
    this.media = media;
    this.banner = h('div', { class: 'banner', role: 'status', hidden: true, 'data-connection': room.state }, h('span', { class: 'spinner' }), h('span', { class: 'banner-text' }));
    this.sharing = h('div', { class: 'sharing', hidden: true }, icon('screen'), h('span', {}, 'You are sharing your screen'),
      h('button', { type: 'button', onclick: () => media.stopScreen() }, 'Stop'));
    this.unblock = h('button', { class: 'unblock primary', type: 'button', hidden: true, 'data-unblock': true, onclick: () => this.#unblock() }, icon('sound'), 'Tap to hear the others');
    this.count = h('span', {});
    const copy = () => this.#copyLink();
    const invite = h('div', { class: 'invite' }, h('p', {}, 'You are the only one here.'), h('button', { type: 'button', onclick: copy }, icon('link'), 'Copy the invitation link'));
    this.stage = new Stage(room, media, { onBlocked: () => { this.unblock.hidden = false; }, invite });
    this.controls = new Controls(media, {
      screen: () => this.#toggleScreen(),
      chat: () => this.#setChatOpen(!this.chat.open),
      settings: () => this.dialog.showModal(),
      copyLink: copy,
      leave: () => room.leave(),
    });
    this.chat = new ChatPanel(room, { onClose: () => { this.#setChatOpen(false); this.controls.chat.focus(); } });
    const selects = deviceSelects(media, { onSpeaker: (deviceId) => this.stage.setSpeaker(deviceId) });
    this.dialog = h('dialog', { class: 'dialog', 'aria-label': 'Devices' },
      h('h2', {}, 'Devices'), selects.element,
      h('p', { class: 'hint' }, 'Keys: M microphone, V camera, C chat.'),
      h('form', { method: 'dialog' }, h('button', { class: 'primary' }, 'Done')));
    this.element = h(
      'main',
      { class: 'call' },
      h('header', { class: 'call-head' }, h('span', { class: 'room-title' }, room.name ?? room.roomId), h('span', { class: 'people' }, icon('people'), this.count)),
      this.banner, this.sharing,
      h('div', { class: 'call-body' }, this.stage.element, this.chat.element),
      this.unblock, this.controls.element, this.dialog,
    );
    this.#stops.push(selects.stop, this.controls.stop, () => this.stage.stop());
    this.#follow();
    this.#showCount();
    this.#watchMedia();
  }

  stop() {
    clearTimeout(this.#mediaTimer);
    this.#stops.forEach((stop) => stop());
    this.dialog.close();
  }

  #follow() {
    const { room, media } = this;
    this.#stops.push(
      room.on('state', () => this.#onState()),
      room.on('media', () => this.#watchMedia()),
      room.on('participant-joined', ({ participant }) => this.#onCrowd(`${nameOrGuest(participant.displayName)} has joined`)),
      room.on('participant-left', ({ participant }) => {
        this.chat.setTyping(participant.participantId, '', false);
        this.#onCrowd(`${nameOrGuest(participant.displayName)} has left`);
      }),
      room.on('message', ({ message }) => {
        this.chat.add(message);
        if (!this.chat.open && !message.own) this.controls.countUnread();
      }),
      room.on('typing', ({ participantId, typing }) => {
        const participant = room.participants.get(participantId);
        if (participant) this.chat.setTyping(participantId, participant.displayName, typing);
      }),
      room.on('subscription-failed', ({ reason }) => {
        // `no-track` is a track that ended in the same moment.
        if (reason !== 'no-track') toast(explainCode(`subscription-${reason}`), 'error');
      }),
      room.on('error', ({ error }) => toast(explain(error), 'error')),
      media.on('changed', () => this.#onDevices()),
      media.on('lost', ({ device }) => toast(`Your ${device} has gone away.`, 'error')),
    );
    const onEscape = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Escape' && this.chat.open && !this.dialog.open) this.#setChatOpen(false);
    };
    this.element.addEventListener('keydown', onEscape);
  }

  #onState() {
    const { state } = this.room;
    announce(state === 'reconnecting' ? 'Connection lost. Reconnecting.' : state === 'connected' ? 'Connected.' : '');
    this.#watchMedia();
    this.#showCount();
  }

  /** Shows the banner while signalling or media is missing. */
  #watchMedia() {
    clearTimeout(this.#mediaTimer);
    this.#mediaLate = false;
    this.#showBanner();
    this.#mediaTimer = setTimeout(() => {
      this.#mediaLate = !this.room.mediaConnected;
      this.#showBanner();
    }, MEDIA_PATIENCE_MS);
  }

  #showBanner() {
    const { state, mediaConnected } = this.room;
    const text = state === 'reconnecting' ? 'Reconnecting…' : this.#mediaLate && !mediaConnected ? 'Connecting audio and video…' : '';
    this.banner.hidden = text === '';
    this.banner.dataset.connection = state;
    /** @type {Element} */ (this.banner.querySelector('.banner-text')).textContent = text;
  }

  /** @param {string} news */
  #onCrowd(news) {
    announce(news);
    this.#showCount();
  }

  #showCount() {
    const count = this.room.participants.size + 1;
    this.count.textContent = String(count);
    this.count.parentElement?.setAttribute('aria-label', count === 1 ? 'Only you' : `${count} people`);
  }

  #onDevices() {
    this.sharing.hidden = this.media.screen === null;
    for (const device of /** @type {const} */ (['microphone', 'camera'])) {
      const state = this.media[device];
      if (!state.error) continue;
      toast(explainDevice(state.error, device), 'error');
    }
    this.media.forgetErrors(); // said once
  }

  async #toggleScreen() {
    try {
      if (this.media.screen) await this.media.stopScreen();
      else await this.media.shareScreen();
    } catch (cause) {
      const { code } = /** @type {import('../parlor-client.js').ParlorError} */ (cause);
      if (code !== 'cancelled') toast(explainDevice(code, 'screen'), 'error');
    }
  }

  /** @param {boolean} open */
  #setChatOpen(open) {
    this.chat.setOpen(open);
    this.controls.setChatOpen(open);
    this.element.classList.toggle('chat-open', open);
  }

  #unblock() {
    this.unblock.hidden = true;
    this.stage.play();
  }

  async #copyLink() {
    const link = roomLink(this.room.roomId, location.origin);
    try {
      await navigator.clipboard.writeText(link);
      toast('The link is copied. Send it to the people you want to meet.');
    } catch {
      toast(`The link to this room: ${link}`); // no permission, or an insecure page
    }
  }
}
