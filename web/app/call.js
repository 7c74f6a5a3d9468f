/** The call itself: stage, controls, chat, people, and what happens to the connection. */
import { roomLink } from '../parlor-client.js';
import { ChatPanel } from './chat-panel.js';
import { copyText } from './clipboard.js';
import { Controls } from './controls.js';
import { deviceSelects } from './device-select.js';
import { announce, h, icon } from './dom.js';
import { PeoplePanel } from './people-panel.js';
import { Stage } from './stage.js';
import { explain, explainCode, explainDevice, explainRight, nameOrGuest } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('./local-media.js').LocalMedia} LocalMedia */

/** Media that is not up by then deserves a word. */
const MEDIA_PATIENCE_MS = 4000;

/** Said when one's own role has changed. @type {Record<import('../sdk/types.js').Role, string>} */
const ROLE_NEWS = {
  host: 'You are a host now.',
  speaker: 'You may speak now, as far as the room allows it.',
  listener: 'You are a listener now.',
};

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
    this.title = h('span', { class: 'room-title' }, room.name ?? room.roomId);
    const copy = () => this.#copyLink();
    const invite = h('div', { class: 'invite' }, h('p', {}, 'You are the only one here.'), h('button', { type: 'button', onclick: copy }, icon('link'), 'Copy the invitation link'));
    this.stage = new Stage(room, media, { onBlocked: () => { this.unblock.hidden = false; }, invite });
    this.controls = new Controls(media, {
      screen: () => this.#toggleScreen(),
      chat: () => this.#setOpen(this.chat.open ? null : 'chat'),
      people: () => this.#setOpen(this.people.open ? null : 'people'),
      settings: () => this.dialog.showModal(),
      copyLink: copy,
      leave: () => room.leave(),
    }, () => room.rights);
    this.chat = new ChatPanel(room, { onClose: () => this.#close('chat') });
    this.people = new PeoplePanel(room, {
      onClose: () => this.#close('people'),
      onDirect: (participantId) => {
        this.#setOpen('chat');
        this.chat.writeTo(participantId);
      },
      onWaiting: (count) => this.controls.setWaiting(count),
    });
    const selects = deviceSelects(media, { onSpeaker: (deviceId) => this.stage.setSpeaker(deviceId) });
    this.dialog = h('dialog', { class: 'dialog', 'aria-label': 'Devices' },
      h('h2', {}, 'Devices'), selects.element,
      h('p', { class: 'hint' }, 'Keys: M microphone, V camera, C chat, P people.'),
      h('form', { method: 'dialog' }, h('button', { class: 'primary' }, 'Done')));
    this.element = h(
      'main',
      { class: 'call' },
      h('header', { class: 'call-head' }, this.title, h('span', { class: 'people' }, icon('people'), this.count)),
      this.banner, this.sharing,
      h('div', { class: 'call-body' }, this.stage.element, this.chat.element, this.people.element),
      this.unblock, this.controls.element, this.dialog,
    );
    this.#stops.push(selects.stop, this.controls.stop, () => this.stage.stop(), () => this.chat.stop(), () => this.people.stop());
    this.#follow();
    this.#applyRights();
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
      room.on('server-draining', () => toast('The server will restart soon. You will be reconnected by itself.')),
      room.on('error', ({ error }) => toast(explain(error), 'error')),
      room.on('rights-changed', () => this.#applyRights()),
      room.on('role-changed', ({ participantId, role }) => {
        if (participantId === room.localParticipant.participantId) toast(ROLE_NEWS[role]);
      }),
      room.on('room-updated', () => { this.title.textContent = room.name ?? room.roomId; }),
      room.on('publish-refused', ({ source }) => this.#switchOff(source)),
      room.on('muted-by-host', ({ publication }) => {
        toast(publication.source === 'microphone' ? 'A host has muted your microphone. You can turn it on again.' : 'A host has switched off what you were showing.');
        this.#switchOff(publication.source);
      }),
      media.on('changed', () => this.#onDevices()),
      media.on('lost', ({ device }) => toast(`Your ${device} has gone away.`, 'error')),
    );
    const onEscape = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Escape' || this.dialog.open) return;
      const inside = /** @type {const} */ (['chat', 'people']).find((panel) => this[panel].element.contains(/** @type {Node} */ (event.target)));
      if (inside) this.#close(inside);
      else this.#setOpen(null);
    };
    this.element.addEventListener('keydown', onEscape);
  }

  #onState() {
    const { state } = this.room;
    announce(state === 'reconnecting' ? 'Connection lost. Reconnecting.' : state === 'connected' ? 'Connected.' : '');
    this.#watchMedia();
    this.#showCount();
    this.#applyRights();
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
    const text = state === 'reconnecting' ? 'Reconnecting…' : state === 'waiting' ? 'Waiting for a host to let you in again…' : this.#mediaLate && !mediaConnected ? 'Connecting audio and video…' : '';
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

  /** One panel at a time: beside the stage there is room for one, on a phone it covers the call. @param {'chat' | 'people' | null} panel */
  #setOpen(panel) {
    this.people.setOpen(panel === 'people');
    this.chat.setOpen(panel === 'chat');
    this.controls.setPeopleOpen(panel === 'people');
    this.controls.setChatOpen(panel === 'chat');
    this.element.classList.toggle('panel-open', panel !== null);
  }

  /** @param {'chat' | 'people'} panel */
  #close(panel) {
    this.#setOpen(null);
    this.controls[panel].focus();
  }

  /** Gives back the devices whose pictures and sound nobody may get. */
  #applyRights() {
    const { rights } = this.room;
    /** @type {('audio' | 'video' | 'screen')[]} */ const lost = [];
    for (const [right, source] of /** @type {const} */ ([['audio', 'microphone'], ['video', 'camera'], ['screen', 'screen']])) {
      if (rights[right] || !(source === 'screen' ? this.media.screen : this.media[source].on)) continue;
      this.#switchOff(source);
      lost.push(right);
    }
    if (lost.length > 0) toast(explainRight(lost[0]));
    this.controls.update();
  }

  /** @param {import('../sdk/types.js').Source} source */
  #switchOff(source) {
    if (source === 'microphone' || source === 'camera') this.media.setOn(source, false, { wish: false });
    else this.media.stopScreen();
  }

  #unblock() {
    this.unblock.hidden = true;
    this.stage.play();
  }

  #copyLink() {
    return copyText(roomLink(this.room.roomId, location.origin), 'The link is copied. Send it to the people you want to meet.');
  }
}
