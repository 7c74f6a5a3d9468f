/**
 * What this client is in the room: identity, role and rights, the room's settings, and, for hosts, who waits to be let in.
 */
import { Emitter } from './emitter.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./types.js').Rights} Rights */
/** @typedef {import('./types.js').Role} Role */
/** @typedef {import('./types.js').Source} Source */
/** @typedef {import('./types.js').WaitingPerson} WaitingPerson */
/**
 * @typedef {Pick<import('./types.js').RoomEvents, 'role-changed' | 'rights-changed' | 'room-updated' | 'lobby-joined' | 'lobby-left'>} StandingEvents
 */

/** Everything, for a server that does not speak of rights. @type {Rights} */
const ALL_RIGHTS = { audio: true, video: true, screen: true, chat: true };

/** @type {Record<Source, 'audio' | 'video' | 'screen'>} */
const RIGHT_OF = { microphone: 'audio', camera: 'video', screen: 'screen', 'screen-audio': 'screen' };

/** @type {Record<string, (standing: Standing, message: Message) => void>} */
const HANDLERS = {
  'rights-changed': (standing, { rights }) => standing.setRights(rights),
  'room-updated': (standing, { room }) => standing.setSettings(room),
  'lobby-joined': (standing, message) => standing.waits(/** @type {any} */ (message)),
  'lobby-left': (standing, { participantId }) => standing.waitsNoMore(participantId),
};

/** The message types this module consumes. */
export const STANDING_MESSAGE_TYPES = Object.keys(HANDLERS);

/** @extends {Emitter<StandingEvents>} */
export class Standing extends Emitter {
  /** @type {string | null} */ identity = null;
  /** @type {Role} */ role = 'speaker';
  /** @type {Rights} */ rights = ALL_RIGHTS;
  /** The room as REST tells it. @type {import('./rest.js').RoomInfo | null} */ settings = null;
  /** The credential for REST while in the room. @type {string | null} */ accessToken = null;
  /** Those who wait, by participant id; for hosts. @type {Map<string, WaitingPerson>} */ lobby = new Map();

  /** @param {import('./types.js').Welcome} welcome @param {boolean} resumed */
  enter({ identity, role, rights, accessToken, room }, resumed) {
    this.identity = identity ?? null;
    this.accessToken = accessToken ?? null;
    if (room) this.settings = room;
    this.rights = rights ?? ALL_RIGHTS;
    this.role = role ?? 'speaker';
    if (!resumed || this.role !== 'host') this.lobby.clear();
  }

  /** @param {Message} message @returns {boolean} whether it was for this */
  handle(message) {
    if (!Object.hasOwn(HANDLERS, message.type)) return false;
    HANDLERS[message.type](this, message);
    return true;
  }

  /** @param {Source} source @returns {boolean} */
  mayPublish(source) {
    return this.rights[RIGHT_OF[source]] !== false;
  }

  /** @param {Role} role one's own, from now on */
  setRole(role) {
    this.role = role;
    if (role !== 'host') for (const participantId of [...this.lobby.keys()]) this.waitsNoMore(participantId);
  }

  /** @param {Rights} rights */
  setRights(rights) {
    this.rights = rights;
    this.emit('rights-changed', { rights });
  }

  /** @param {import('./rest.js').RoomInfo} settings */
  setSettings(settings) {
    this.settings = settings;
    this.emit('room-updated', { room: settings });
  }

  /** @param {{ participantId: string, identity: string, displayName: string | null }} wire */
  waits({ participantId, identity, displayName }) {
    if (this.lobby.has(participantId)) return;
    const person = { participantId, identity, displayName: displayName ?? '' };
    this.lobby.set(participantId, person);
    this.emit('lobby-joined', { person });
  }

  /** @param {string} participantId */
  waitsNoMore(participantId) {
    const person = this.lobby.get(participantId);
    if (!person) return;
    this.lobby.delete(participantId);
    this.emit('lobby-left', { person });
  }
}
