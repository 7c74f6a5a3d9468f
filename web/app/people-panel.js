/**
 * Who is in the room and who waits to be let in; for hosts, what can be done about it.
 *
 * Names are only ever text, and never tell who somebody is: where two are alike, a part of the identity is shown beside them.
 */
import { roomLink } from '../parlor-client.js';
import { copyText } from './clipboard.js';
import { ask } from './confirm.js';
import { announce, h, icon } from './dom.js';
import { menuButton } from './menu.js';
import { explain, nameOrGuest } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('../sdk/types.js').RemoteParticipant} RemoteParticipant */
/** @typedef {import('../sdk/types.js').Role} Role */
/** @typedef {import('../sdk/types.js').WaitingPerson} WaitingPerson */
/** @typedef {{ onClose: () => void, onDirect: (participantId: string) => void, onWaiting: (count: number) => void }} PanelActions */

/** @type {Record<Role, string>} */
const ROLES = { host: 'Host', speaker: '', listener: 'Listener' };
/** @type {Record<string, string>} */
const MUTE_LABELS = { microphone: 'Mute microphone', camera: 'Turn camera off', screen: 'Stop the shared screen', 'screen-audio': 'Mute the sound of the screen' };
const EVENTS = /** @type {const} */ ([
  'participant-joined', 'participant-left', 'role-changed', 'track-published', 'track-unpublished', 'track-muted', 'room-updated', 'state',
]);

export class PeoplePanel {
  /** @type {(() => void)[]} */ #stops = [];
  #drawn = 0;
  /** Takes the last word about the lobby away, which is not to cover the lobby itself. */
  #hideNews = () => {};

  /** @param {Room} room @param {PanelActions} actions */
  constructor(room, actions) {
    this.room = room;
    this.actions = actions;
    this.title = h('h2', {}, 'People');
    this.lobby = h('section', { class: 'lobby', 'aria-label': 'Waiting to be let in', hidden: true });
    this.list = h('ul', { class: 'people-list', 'aria-label': 'In the room' });
    this.tools = h('div', { class: 'host-tools' });
    this.element = h('aside', { class: 'side people-panel', 'aria-label': 'People', hidden: true },
      h('header', { class: 'side-head' }, this.title,
        h('button', { class: 'plain', type: 'button', 'aria-label': 'Close people', title: 'Close people (P)', onclick: actions.onClose }, icon('close'))),
      h('div', { class: 'side-body' }, this.lobby, this.list), this.tools);
    for (const type of EVENTS) this.#stops.push(room.on(type, () => this.#redraw()));
    this.#stops.push(
      room.on('lobby-joined', ({ person }) => {
        announce(`${nameOrGuest(person.displayName)} is waiting to be let in.`);
        if (!this.open) this.#sayWaiting();
        this.#redraw();
      }),
      room.on('lobby-left', () => this.#redraw()),
    );
    this.#draw();
  }

  get open() {
    return !this.element.hidden;
  }

  /** @param {boolean} open */
  setOpen(open) {
    this.element.hidden = !open;
    if (!open) return;
    this.#hideNews();
    this.#draw();
    // Whoever opens this while somebody waits has come to answer.
    const first = this.element.querySelector('.lobby:not([hidden]) button') ?? this.element.querySelector('.side-head button');
    /** @type {HTMLElement | null} */ (first)?.focus();
  }

  stop() {
    cancelAnimationFrame(this.#drawn);
    this.#stops.forEach((stop) => stop());
  }

  #sayWaiting() {
    this.#hideNews();
    const names = [...this.room.lobby.values()].map(({ displayName }) => nameOrGuest(displayName));
    this.#hideNews = toast(names.length === 1 ? `${names[0]} is waiting to be let in.` : `${names.length} people are waiting to be let in.`);
  }

  /** Many changes at once are one picture. */
  #redraw() {
    cancelAnimationFrame(this.#drawn);
    this.#drawn = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const { room } = this;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest('[data-focus]'))?.dataset.focus;
    this.actions.onWaiting(room.lobby.size);
    if (!this.open) return;
    this.title.textContent = `People (${room.participants.size + 1})`;
    this.lobby.hidden = room.lobby.size === 0;
    this.lobby.replaceChildren(h('h3', {}, 'Waiting to be let in'), h('ul', {}, ...[...room.lobby.values()].map((person) => this.#waitingRow(person))));
    this.list.replaceChildren(this.#ownRow(), ...[...room.participants.values()].map((person) => this.#row(person)));
    this.tools.replaceChildren(...this.#tools());
    if (focused) /** @type {HTMLElement | null} */ (this.element.querySelector(`[data-focus="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {WaitingPerson} person */
  #waitingRow({ participantId, displayName, identity }) {
    const name = nameOrGuest(displayName);
    const button = (/** @type {'admit' | 'deny'} */ verb, /** @type {string} */ text, /** @type {string} */ look) => h('button', {
      class: look, type: 'button', 'aria-label': `${text} ${name}`, [`data-${verb}`]: participantId, 'data-focus': `${verb}-${participantId}`,
      onclick: () => this.#try(this.room.api[verb](participantId)),
    }, text);
    return h('li', { class: 'person', title: identity }, h('span', { class: 'person-name' }, name), button('deny', 'Deny', ''), button('admit', 'Admit', 'primary'));
  }

  #ownRow() {
    const { localParticipant, role } = this.room;
    return h('li', { class: 'person', 'data-person': localParticipant.participantId },
      h('span', { class: 'person-name' }, `${nameOrGuest(localParticipant.displayName)} (you)`), roleMark(role));
  }

  /** @param {RemoteParticipant} person */
  #row(person) {
    const { participantId, displayName, identity, role, tracks } = person;
    const name = nameOrGuest(displayName);
    const alike = [...this.room.participants.values(), this.room.localParticipant].filter((other) => nameOrGuest(other.displayName) === name).length > 1;
    const muted = ![...tracks.values()].some((track) => track.source === 'microphone' && !track.muted);
    const menu = menuButton({ label: `Actions for ${name}`, class: 'plain', items: () => this.#items(person) }, icon('more'));
    menu.setAttribute('data-person-menu', participantId);
    menu.dataset.focus = `menu-${participantId}`;
    return h('li', { class: 'person', 'data-person': participantId, title: identity ?? undefined },
      h('span', { class: 'person-name' }, name, alike && identity && h('small', {}, ` · ${identity.slice(-5)}`)),
      roleMark(role),
      muted && h('span', { class: 'person-muted', title: 'Microphone off' }, icon('mic-off'), h('span', { class: 'visually-hidden' }, 'Microphone off')),
      menu);
  }

  /** @param {RemoteParticipant} person @returns {import('./menu.js').MenuItem[]} */
  #items({ participantId, displayName, role, tracks }) {
    const { api, role: own } = this.room;
    /** @type {import('./menu.js').MenuItem[]} */
    const items = [{ label: 'Write privately', action: () => this.actions.onDirect(participantId) }];
    if (own !== 'host') return items;
    for (const { trackId, source, muted } of tracks.values()) {
      if (!muted) items.push({ label: MUTE_LABELS[source] ?? 'Mute', action: () => this.#try(api.mute(participantId, trackId)) });
    }
    for (const [other, label] of /** @type {[Role, string][]} */ ([['listener', 'Make listener'], ['speaker', 'Make speaker'], ['host', 'Make host']])) {
      if (other !== role) items.push({ label, action: () => this.#try(api.promote(participantId, other)) });
    }
    const name = nameOrGuest(displayName);
    items.push(
      { label: 'Remove', danger: true, action: () => this.#try(api.kick(participantId)) },
      { label: 'Remove and block', danger: true, action: () => this.#ban(participantId, name) },
    );
    return items;
  }

  #tools() {
    const { room } = this;
    const link = h('button', { type: 'button', 'data-focus': 'link', onclick: () => copyText(roomLink(room.roomId, location.origin), 'The link is copied.') }, icon('link'), 'Copy the link');
    if (room.role !== 'host') return [link];
    const locked = room.settings?.locked === true;
    return [
      h('button', { type: 'button', role: 'switch', 'aria-checked': String(locked), class: locked ? 'active' : '', 'data-lock': true, 'data-focus': 'lock', onclick: () => this.#try(room.api.update({ locked: !locked })) },
        icon('lock'), locked ? 'Locked: nobody new gets in' : 'Lock the room'),
      link,
      h('button', { type: 'button', 'data-invite': true, 'data-focus': 'invite', onclick: () => this.#invite() }, icon('plus'), 'Invite one person'),
      h('button', { type: 'button', class: 'danger', 'data-end': true, 'data-focus': 'end', onclick: () => this.#end() }, icon('leave'), 'End for everyone'),
    ];
  }

  async #invite() {
    try {
      const [{ invite }] = await this.room.api.createInvites({ count: 1 });
      await copyText(`${roomLink(this.room.roomId, location.origin)}#invite=${encodeURIComponent(invite)}`, 'A link for one person, good once, is copied.');
    } catch (error) {
      toast(explain(error), 'error');
    }
  }

  async #end() {
    const sure = await ask({ title: 'End the call for everyone?', text: 'Everybody is put out of the room, you too.', confirm: 'End the call' });
    if (sure) await this.#try(this.room.api.end());
  }

  /** @param {string} participantId @param {string} name */
  async #ban(participantId, name) {
    const sure = await ask({ title: `Remove and block ${name}?`, text: 'They are put out, and cannot come back to this room from this browser or account.', confirm: 'Remove and block' });
    if (sure) await this.#try(this.room.api.ban(participantId));
  }

  /** @param {Promise<unknown>} request */
  async #try(request) {
    try {
      await request;
    } catch (error) {
      toast(explain(error), 'error');
    }
  }
}

/** @param {Role} role */
function roleMark(role) {
  return ROLES[role] ? h('span', { class: `role ${role}` }, ROLES[role]) : null;
}
