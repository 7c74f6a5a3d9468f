/**
 * The tiles of a call: everybody in the room, and in front of them the screens that are shared and the person who is
 * pinned.
 *
 * It follows the room's events and the local devices; each track is shown in exactly one tile, whose size and
 * visibility the room is told.
 */
import { announce, h } from './dom.js';
import { fitTiles } from './grid.js';
import { PauseNews } from './pause-news.js';
import { Sound } from './sound.js';
import { Tile } from './tile.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('./local-media.js').LocalMedia} LocalMedia */
/** @typedef {import('../sdk/types.js').RemoteTrack} RemoteTrack */
/** @typedef {import('../sdk/types.js').RemoteParticipant} RemoteParticipant */

export class Stage {
  /** @type {Map<string, Tile>} participant id → tile */ #people = new Map();
  /** @type {Map<string, Tile>} track id → tile */ #screens = new Map();
  /** @type {Map<string, () => void>} track id → ends the watch on its tile */ #watches = new Map();
  /** The person shown in front. @type {string | null} */ #pinned = null;
  #pauses = new PauseNews(announce);
  /** @type {(() => void)[]} */ #stops = [];
  /** @type {Tile} */ #own;

  /**
   * @param {Room} room
   * @param {LocalMedia} media
   * @param {{ onBlocked: () => void, invite: HTMLElement }} options `invite` is shown while nobody else is here
   */
  constructor(room, media, { onBlocked, invite }) {
    this.room = room;
    this.media = media;
    this.invite = invite;
    this.screens = h('div', { class: 'screens' });
    this.grid = h('div', { class: 'grid' });
    this.sound = new Sound({ onBlocked });
    this.element = h('div', { class: 'stage' }, this.screens, this.grid, invite, this.sound.element);
    this.#own = this.#createOwnTile();
    this.grid.append(this.#own.element);
    for (const line of room.soundTracks) this.sound.listen(line);
    for (const participant of room.participants.values()) this.#addPerson(participant);
    const fit = fitTiles(this.grid);
    this.#stops.push(fit.stop, media.on('changed', () => this.#showOwn()));
    this.#follow();
    this.#showOwn();
    this.#arrange();
  }

  /** Starts what the browser has held back. */
  play() {
    this.sound.play();
    for (const tile of [...this.#people.values(), ...this.#screens.values()]) tile.play();
  }

  /** @param {string} deviceId */
  setSpeaker(deviceId) {
    this.sound.setSpeaker(deviceId);
  }

  stop() {
    this.#stops.forEach((stop) => stop());
    this.#watches.forEach((stop) => stop());
    this.#pauses.stop();
    this.sound.stop();
    for (const tile of [...this.#people.values(), ...this.#screens.values(), this.#own]) tile.remove();
  }

  #follow() {
    const { room } = this;
    this.#stops.push(
      room.on('participant-joined', ({ participant }) => this.#addPerson(participant)),
      room.on('participant-left', ({ participant }) => this.#removePerson(participant.participantId)),
      room.on('track-published', ({ track }) => this.#showTrack(track)),
      room.on('track-unpublished', ({ track }) => this.#endTrack(track)),
      room.on('sound-track', ({ mediaTrack }) => this.sound.listen(mediaTrack)),
      room.on('track-subscribed', ({ track }) => this.#showTrack(track)),
      room.on('track-unsubscribed', ({ track }) => this.#hideTrack(track)),
      room.on('track-muted', ({ track }) => this.#showTrack(track)),
      room.on('track-paused', ({ track }) => this.#showTrack(track)),
      room.on('speakers', ({ speakers }) => this.#showSpeakers(new Set(speakers.map(({ participantId }) => participantId)))),
      room.on('quality', ({ participantId, quality }) => this.#showQuality(participantId, quality?.level ?? null)),
      room.on('state', () => this.#refreshOwnId()),
    );
  }

  #createOwnTile() {
    const { participantId, displayName } = this.room.localParticipant;
    return new Tile({ participantId, name: displayName, source: 'camera', own: true });
  }

  /** After a fresh entry we are another participant. */
  #refreshOwnId() {
    const { participantId } = this.room.localParticipant;
    if (this.#own.participantId === participantId) return;
    const old = this.#own;
    this.#own = this.#createOwnTile();
    old.element.replaceWith(this.#own.element);
    old.remove();
    this.#showOwn();
  }

  #showOwn() {
    const { microphone, camera } = this.media;
    this.#own.setVideo(camera.on ? camera.track : null, camera.publication?.trackId ?? '');
    this.#own.setMuted(!microphone.on);
    this.#own.setQuality(this.room.quality?.level ?? null);
  }

  /** @param {RemoteParticipant} participant */
  #addPerson({ participantId, displayName, tracks, quality }) {
    const onPin = () => this.#togglePin(participantId);
    const tile = new Tile({ participantId, name: displayName, source: 'camera', onPin });
    this.#people.set(participantId, tile);
    this.grid.insertBefore(tile.element, this.#own.element);
    tile.setQuality(quality?.level ?? null);
    for (const track of tracks.values()) this.#showTrack(track);
    this.#arrange();
  }

  /** @param {string} participantId */
  #removePerson(participantId) {
    this.#people.get(participantId)?.remove();
    this.#people.delete(participantId);
    if (this.#pinned === participantId) this.#pinned = null;
    this.#arrange();
  }

  /** Shows a track as it is now: announced, arriving, muted or not. @param {RemoteTrack} track */
  #showTrack(track) {
    const { participantId, kind, source, muted, mediaTrack } = track;
    const person = this.#people.get(participantId);
    if (!person) return;
    if (source === 'screen') this.#showScreen(track);
    else if (kind === 'video') this.#showCamera(person, track);
    else if (mediaTrack) this.sound.label(mediaTrack, track);
    if (source === 'microphone') person.setMuted(muted);
  }

  /** @param {Tile} person @param {RemoteTrack} track */
  #showCamera(person, { trackId, participantId, muted, mediaTrack, paused }) {
    person.setVideo(muted ? null : mediaTrack, trackId);
    this.#showPause(person, trackId, muted ? null : paused);
    if (this.#watches.has(trackId)) return;
    this.#watch(person, trackId);
    if (this.#pinned === participantId) this.room.setPinned(trackId, true);
  }

  /** @param {Tile} tile @param {string} trackId */
  #watch(tile, trackId) {
    if (!this.#watches.has(trackId)) this.#watches.set(trackId, this.room.observe(tile.element, trackId));
  }

  /** @param {Tile} tile @param {string} trackId @param {string | null} reason */
  #showPause(tile, trackId, reason) {
    tile.setPaused(reason);
    const what = `${tile.name}’s ${tile.source === 'screen' ? 'screen' : 'video'}`;
    this.#pauses.set(trackId, reason === null ? null : what);
  }

  /** @param {RemoteTrack} track */
  #endTrack(track) {
    this.#hideTrack(track);
    if (track.source === 'microphone') this.#people.get(track.participantId)?.setMuted(true);
  }

  /** Nothing of a track arrives any more; in a large room that may be a voice which is only not heard. @param {RemoteTrack} track */
  #hideTrack({ trackId, participantId, kind, source }) {
    const person = this.#people.get(participantId);
    this.#watches.get(trackId)?.();
    this.#watches.delete(trackId);
    this.#pauses.set(trackId, null);
    if (source === 'screen') {
      this.#screens.get(trackId)?.remove();
      this.#screens.delete(trackId);
      this.#arrange();
    } else if (kind === 'video') {
      person?.hideVideo(trackId);
      person?.setPaused(null);
    } else {
      this.sound.unlabel(trackId);
    }
  }

  /** @param {RemoteTrack} track */
  #showScreen({ trackId, participantId, mediaTrack, paused }) {
    if (!mediaTrack) return;
    let tile = this.#screens.get(trackId);
    if (!tile) {
      const name = this.room.participants.get(participantId)?.displayName ?? '';
      tile = new Tile({ participantId, name, source: 'screen' });
      this.#screens.set(trackId, tile);
      this.screens.append(tile.element);
    }
    tile.setVideo(mediaTrack, trackId);
    this.#showPause(tile, trackId, paused);
    this.#watch(tile, trackId);
    this.#arrange();
  }

  /** Shows one person in front, or again among the others. @param {string} participantId */
  #togglePin(participantId) {
    const former = this.#pinned;
    this.#pinned = former === participantId ? null : participantId;
    for (const id of new Set([former, participantId])) {
      const tile = id === null ? undefined : this.#people.get(id);
      if (id === null || !tile) continue;
      const pinned = id === this.#pinned;
      const hadFocus = tile.element.contains(document.activeElement);
      if (pinned) this.screens.prepend(tile.element);
      else this.grid.insertBefore(tile.element, this.#nextInGrid(id));
      tile.setPinned(pinned);
      tile.play(); // some browsers stop what is moved
      if (hadFocus) tile.pin.focus();
      for (const { trackId, kind } of this.room.participants.get(id)?.tracks.values() ?? []) {
        if (kind === 'video' && this.#watches.has(trackId)) this.room.setPinned(trackId, pinned);
      }
    }
    this.#arrange();
  }

  /** What a person's tile comes before: people stay in the order of joining. @param {string} participantId */
  #nextInGrid(participantId) {
    const ids = [...this.#people.keys()];
    const next = ids.slice(ids.indexOf(participantId) + 1).find((id) => id !== this.#pinned);
    return (next !== undefined && this.#people.get(next) || this.#own).element;
  }

  /** @param {Set<string>} speaking participant ids */
  #showSpeakers(speaking) {
    for (const [participantId, tile] of this.#people) tile.setSpeaking(speaking.has(participantId));
    this.#own.setSpeaking(speaking.has(this.#own.participantId));
  }

  /** @param {string} participantId @param {string | null} level */
  #showQuality(participantId, level) {
    const tile = participantId === this.#own.participantId ? this.#own : this.#people.get(participantId);
    tile?.setQuality(level);
  }

  #arrange() {
    this.element.classList.toggle('has-screen', this.#screens.size > 0 || this.#pinned !== null);
    this.invite.hidden = this.#people.size > 0;
    this.element.classList.toggle('alone', this.#people.size === 0);
  }
}
