/**
 * Who is in the room and what they publish, as the server tells it; every change is one event.
 *
 * All operations may be repeated: after a resumed session the server's list and the messages queued meanwhile overlap.
 */
import { Emitter } from './emitter.js';

/** @typedef {import('./types.js').RemoteParticipant} RemoteParticipant */
/** @typedef {import('./types.js').RemoteTrack} RemoteTrack */
/** @typedef {import('./types.js').WireParticipant} WireParticipant */
/** @typedef {import('./types.js').WireTrack} WireTrack */
/**
 * @typedef {Pick<import('./types.js').RoomEvents,
 *   'participant-joined' | 'participant-left' | 'role-changed' | 'track-published' | 'track-unpublished' | 'track-subscribed' | 'track-unsubscribed' | 'track-muted' | 'track-paused' | 'quality'>
 * } RosterEvents
 */

/** @extends {Emitter<RosterEvents>} */
export class Roster extends Emitter {
  /** The others, by participant id. @type {Map<string, RemoteParticipant>} */
  participants = new Map();
  /** How good one's own connection is, as far as known. @type {import('./types.js').Quality | null} */
  ownQuality = null;
  /** Media of tracks that have not been announced yet, by track id. @type {Map<string, MediaStreamTrack>} */
  #early = new Map();

  /** Makes the roster equal to the server's list. @param {WireParticipant[]} list @param {string} ownId */
  replace(list, ownId) {
    const present = new Set(list.map(({ participantId }) => participantId));
    for (const participantId of [...this.participants.keys()]) {
      if (!present.has(participantId)) this.leave(participantId, 'left');
    }
    for (const participant of list) {
      if (participant.participantId !== ownId) this.join(participant);
    }
  }

  /** @param {WireParticipant} wire */
  join(wire) {
    let participant = this.participants.get(wire.participantId);
    if (!participant) {
      const { participantId, displayName, identity = null, role = 'speaker', joinedAt } = wire;
      participant = { participantId, displayName: displayName ?? '', identity, role, joinedAt: new Date(joinedAt), tracks: new Map(), quality: null };
      this.participants.set(participantId, participant);
      this.emit('participant-joined', { participant });
    }
    if (wire.role) this.setRole(wire.participantId, wire.role);
    const published = new Set(wire.tracks.map(({ trackId }) => trackId));
    for (const trackId of [...participant.tracks.keys()]) {
      if (!published.has(trackId)) this.unpublish(wire.participantId, trackId);
    }
    for (const track of wire.tracks) this.publish(wire.participantId, track);
  }

  /** @param {string} participantId @param {string} reason */
  leave(participantId, reason) {
    const participant = this.participants.get(participantId);
    if (!participant) return;
    for (const trackId of [...participant.tracks.keys()]) this.unpublish(participantId, trackId);
    this.participants.delete(participantId);
    this.emit('participant-left', { participant, reason });
  }

  /** @param {string} participantId @param {import('./types.js').Role} role */
  setRole(participantId, role) {
    const participant = this.participants.get(participantId);
    if (!participant || participant.role === role) return;
    participant.role = role;
    this.emit('role-changed', { participantId, role });
  }

  /** How good somebody's connection is, from now on. @param {import('./types.js').WireQuality} wire @param {string} ownId */
  judge({ participantId, level, score, up, down }, ownId) {
    const quality = level === 'unknown' ? null : { level, score, up, down };
    const participant = this.participants.get(participantId);
    if (participant) participant.quality = quality;
    else if (participantId === ownId) this.ownQuality = quality;
    else return;
    this.emit('quality', { participantId, quality });
  }

  /** @param {string} participantId @param {WireTrack} wire */
  publish(participantId, wire) {
    const participant = this.participants.get(participantId);
    if (!participant) return;
    const known = participant.tracks.get(wire.trackId);
    if (known) {
      known.rids = wire.rids ?? [];
      this.mute(participantId, wire.trackId, wire.muted);
      return;
    }
    const { trackId, kind, source, muted, rids = [] } = wire;
    /** @type {RemoteTrack} */
    const track = { trackId, participantId, kind, source, muted, rids, mediaTrack: null, paused: null };
    participant.tracks.set(trackId, track);
    this.emit('track-published', { track });
    const mediaTrack = this.#early.get(trackId);
    if (mediaTrack) this.subscribed(participantId, trackId, mediaTrack);
  }

  /** @param {string} participantId @param {string} trackId */
  unpublish(participantId, trackId) {
    const track = this.track(participantId, trackId);
    if (!track) return;
    this.unsubscribed(participantId, trackId);
    this.participants.get(participantId)?.tracks.delete(trackId);
    this.emit('track-unpublished', { track });
  }

  /** @param {string} participantId @param {string} trackId @param {boolean} muted */
  mute(participantId, trackId, muted) {
    const track = this.track(participantId, trackId);
    if (!track || track.muted === muted) return;
    track.muted = muted;
    this.emit('track-muted', { track });
  }

  /** Media of a track begins to arrive. @param {string} participantId @param {string} trackId @param {MediaStreamTrack} mediaTrack */
  subscribed(participantId, trackId, mediaTrack) {
    const track = this.track(participantId, trackId);
    if (!track) this.#early.set(trackId, mediaTrack);
    if (!track || track.mediaTrack === mediaTrack) return;
    this.#early.delete(trackId);
    track.mediaTrack = mediaTrack;
    this.emit('track-subscribed', { track, mediaTrack });
  }

  /** The server sends nothing of a track for a while, or goes on. @param {string} trackId @param {string | null} reason */
  pause(trackId, reason) {
    for (const { tracks } of this.participants.values()) {
      const track = tracks.get(trackId);
      if (!track || track.paused === reason) continue;
      track.paused = reason;
      this.emit('track-paused', { track });
    }
  }

  /** Nothing is paused any more: the subscriptions that were are over. */
  resumeAll() {
    for (const { tracks } of this.participants.values()) for (const trackId of tracks.keys()) this.pause(trackId, null);
  }

  /** @param {string} participantId @param {string} trackId */
  unsubscribed(participantId, trackId) {
    this.#early.delete(trackId);
    this.pause(trackId, null);
    const track = this.track(participantId, trackId);
    if (!track?.mediaTrack) return;
    track.mediaTrack = null;
    this.emit('track-unsubscribed', { track });
  }

  /** @param {string} participantId @param {string} trackId @returns {RemoteTrack | undefined} */
  track(participantId, trackId) {
    return this.participants.get(participantId)?.tracks.get(trackId);
  }
}
