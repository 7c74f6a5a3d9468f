/**
 * A room as an application sees it: the session, the present media connection, the roster, one's own standing, the publications and the
 * chat, held together.
 *
 * Publications, chat and the `Room` object outlive reconnections; each fresh entry gets a new `MediaConnection` to which everything
 * published is attached again. What one has no right to send waits until the right is given.
 */
import { Chat, CHAT_MESSAGE_TYPES } from './chat.js';
import { Emitter } from './emitter.js';
import { ParlorError } from './errors.js';
import { MediaConnection } from './media-connection.js';
import * as messages from './messages.js';
import { NEGOTIATION_MESSAGE_TYPES } from './negotiation.js';
import { Publication } from './publications.js';
import { RoomApi } from './room-api.js';
import { Roster } from './roster.js';
import { SESSION_MESSAGE_TYPES } from './session.js';
import { Standing, STANDING_MESSAGE_TYPES } from './standing.js';
import { ViewObserver } from './view-observer.js';
import { Views } from './views.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./types.js').RoomEvents} RoomEvents */
/** @typedef {import('./types.js').RoomState} RoomState */
/** @typedef {import('./types.js').Welcome} Welcome */

/** @typedef {{ track: MediaStreamTrack } & import('./types.js').PublishOptions} InitialTrack */

const ROSTER_EVENTS = /** @type {const} */ ([
  'participant-joined', 'participant-left', 'role-changed', 'track-published', 'track-unpublished', 'track-subscribed', 'track-unsubscribed', 'track-muted',
  'track-paused', 'quality',
]);
const STANDING_EVENTS = /** @type {const} */ (['rights-changed', 'room-updated', 'lobby-joined', 'lobby-left']);
const CHAT_EVENTS = /** @type {const} */ ([
  'message', 'history', 'outgoing', 'message-edited', 'message-deleted', 'message-reacted', 'messages-saved', 'messages-lost', 'file-removed',
]);

/** What the room does with each message that neither the session nor the negotiation consumes. @type {Record<string, (room: Room, message: Message) => void>} */
const HANDLERS = {
  'user-joined': (room, { participant }) => room.roster.join(participant),
  'user-left': (room, { participantId, reason }) => room.roster.leave(participantId, reason ?? 'left'),
  'track-published': (room, message) => room.onTrackPublished(message),
  'track-unpublished': (room, { participantId, trackId }) => room.roster.unpublish(participantId, trackId),
  'track-state': (room, message) => room.onTrackState(message),
  'role-changed': (room, { participantId, role }) => room.onRoleChanged(participantId, role),
  'publish-refused': (room, { mid, source }) => room.emit('publish-refused', { mid, source }),
  'subscription-bound': (room, message) => room.media?.subscriptions.bind(/** @type {any} */ (message)),
  'subscription-unbound': (room, message) => room.media?.subscriptions.unbind(/** @type {any} */ (message)),
  'subscription-failed': (room, { trackId, reason }) => room.emit('subscription-failed', { trackId, reason }),
  'subscription-paused': (room, { trackId, reason }) => room.roster.pause(trackId, reason),
  'subscription-resumed': (room, { trackId }) => room.roster.pause(trackId, null),
  'encodings-wanted': (room, message) => room.media?.setWanted(/** @type {any} */ (message)),
  'layer-changed': (room, { trackId, rid }) => room.emit('layer-changed', { trackId, rid }),
  typing: (room, { participantId, typing }) => room.emit('typing', { participantId, typing }),
  'active-speakers': (room, { speakers }) => room.emit('speakers', { speakers }),
  quality: (room, { participants }) => room.onQuality(participants),
  'media-state': (room, message) => room.onMediaState(message),
  'server-draining': (room, { secondsLeft }) => room.emit('server-draining', { secondsLeft }),
  error: (room, message) => room.onError(message),
};

/** Every server message this client understands. */
export const HANDLED_MESSAGE_TYPES = [
  ...SESSION_MESSAGE_TYPES, ...NEGOTIATION_MESSAGE_TYPES, ...CHAT_MESSAGE_TYPES, ...STANDING_MESSAGE_TYPES, ...Object.keys(HANDLERS),
];

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  roster = new Roster();
  standing = new Standing();
  /** @type {MediaConnection | null} */ media = null;
  /** @type {RoomState} */ state = 'connecting';
  /** @type {string | null} */ name = null;
  /** @type {Date | null} */ expiresAt = null;
  /** @type {{ participantId: string, displayName: string }} */ localParticipant;
  /** @type {Set<Publication>} */ publications = new Set();
  #serverId = '';
  #mediaUp = false;
  /** @type {(() => void)[]} */ #cleanups = [];

  /**
   * @param {object} options
   * @param {Session} options.session
   * @param {string} [options.baseUrl] of REST
   * @param {RTCIceTransportPolicy} [options.iceTransportPolicy]
   * @param {InitialTrack[]} [options.tracks] published with the very first offer
   * @param {(configuration: RTCConfiguration) => RTCPeerConnection} [options.createPeerConnection] for tests
   */
  constructor({ session, baseUrl = '', iceTransportPolicy, tracks = [], createPeerConnection }) {
    super();
    this.session = session;
    this.roomId = session.roomId;
    this.iceTransportPolicy = iceTransportPolicy;
    this.createPeerConnection = createPeerConnection;
    this.localParticipant = { participantId: '', displayName: session.displayName };
    for (const { track, ...options } of tracks) this.publications.add(this.#createPublication(track, options));
    this.chat = new Chat({
      roomId: this.roomId,
      sendOnChannel: (message) => this.media?.sendChat(message) ?? false,
      sendOnSocket: (message) => session.send(message),
      request: (message) => session.request(message),
      ownId: () => this.localParticipant.participantId,
      ownIdentity: () => this.standing.identity,
      isUp: () => session.connected,
    });
    /** Moderation, settings, invites and files of this room. */
    this.api = new RoomApi({ base: baseUrl, roomId: this.roomId, credential: () => this.standing.accessToken });
    for (const type of CHAT_EVENTS) this.chat.on(type, (detail) => this.emit(type, /** @type {any} */ (detail)));
    for (const type of STANDING_EVENTS) this.standing.on(type, (detail) => this.emit(type, /** @type {any} */ (detail)));
    this.standing.on('rights-changed', () => this.#attachAllowed());
    this.standing.on('room-updated', ({ room }) => this.#learnSettings(room));
    this.views = new Views((views) => this.#send(messages.setView({ roomId: this.roomId, views })));
    this.viewObserver = new ViewObserver(this.views);
    this.roster.on('track-subscribed', ({ track }) => this.views.renew(track.trackId));
    this.roster.on('track-unpublished', ({ track }) => this.views.drop(track.trackId));
    for (const type of ROSTER_EVENTS) this.roster.on(type, (detail) => this.emit(type, /** @type {any} */ (detail)));
    session.on('joined', (detail) => this.#onJoined(detail));
    session.on('waiting', (detail) => this.#onWaiting(detail));
    session.on('replayed', () => this.#onReplayed());
    session.on('message', (message) => this.#onMessage(message));
    session.on('down', () => this.#setState('reconnecting'));
    session.on('closed', ({ reason }) => this.#onClosed(reason));
    this.#listenToPage();
  }

  /** The others in the room, by participant id. */
  get participants() {
    return this.roster.participants;
  }

  /** All chat messages so far, in the room's order. */
  get messages() {
    return this.chat.log.messages;
  }

  /** Whether `history` can load messages older than those of `messages`. */
  get hasEarlier() {
    return this.chat.hasEarlier;
  }

  /** What this client has written and the room does not have yet, in the order of writing. */
  get outgoing() {
    return this.chat.outbox.messages;
  }

  /** Who one is, whatever the display name says; `null` before the entry. */
  get identity() {
    return this.standing.identity;
  }

  /** One's own role. */
  get role() {
    return this.standing.role;
  }

  /** How good one's own connection is; `null` while that is not known. */
  get quality() {
    return this.roster.ownQuality;
  }

  /** What one may publish, and whether one may write. */
  get rights() {
    return this.standing.rights;
  }

  /** The room's settings as REST tells them; `null` before the entry. */
  get settings() {
    return this.standing.settings;
  }

  /** Those who wait to be let in, by participant id; hosts alone are told. */
  get lobby() {
    return this.standing.lobby;
  }

  /** Whether media flows between this client and the server. */
  get mediaConnected() {
    return this.#mediaUp;
  }

  /** Settles when the first offer of the present entry is on its way: what is done before then holds up all that is to be seen and heard. */
  async offered() {
    await this.media?.negotiator.idle();
  }

  /**
   * Settles when the descriptions of what is sent and received have been exchanged, or soon where the server is far away. Browsers work at
   * those beside the page, as long as the page leaves them time: who builds a view of many people before then makes them wait for each other.
   */
  async negotiated() {
    await this.media?.negotiated();
  }

  /**
   * Sends a track to the room.
   *
   * @param {MediaStreamTrack} track
   * @param {import('./types.js').PublishOptions} options
   * @returns {Promise<Publication>} its `trackId` is set as soon as the server has accepted it
   */
  async publish(track, options) {
    if (this.state === 'closed') throw new ParlorError('closed');
    const publication = this.#createPublication(track, options);
    this.publications.add(publication);
    if (this.standing.mayPublish(publication.source)) this.media?.publish(publication);
    return publication;
  }

  /** Stops sending a publication; its track is not stopped. @param {Publication} publication */
  async unpublish(publication) {
    if (!this.publications.delete(publication)) return;
    this.media?.unpublish(publication);
  }

  /** Asks for tracks that were unsubscribed, or for any track if the room was joined with `autoSubscribe: false`. @param {string[]} trackIds */
  subscribe(trackIds) {
    for (const some of chunks(trackIds)) this.#send(messages.subscribe({ roomId: this.roomId, trackIds: some }));
  }

  /** @param {string[]} trackIds */
  unsubscribe(trackIds) {
    for (const some of chunks(trackIds)) this.#send(messages.unsubscribe({ roomId: this.roomId, trackIds: some }));
  }

  /** Asks for one simulcast stream of a track; `null` leaves the choice to the server. @param {string} trackId @param {string | null} rid */
  setLayer(trackId, rid) {
    this.#send(messages.setLayer({ roomId: this.roomId, trackId, rid }));
  }

  /**
   * Where sound arrives at present, whoever's it is. `sound-track` tells of what is added. Play all of it all the time: in a large room
   * only the loudest voices come, on a few m-lines that go from one to the other, and a voice may be there before its `track-subscribed`.
   *
   * @returns {MediaStreamTrack[]}
   */
  get soundTracks() {
    return this.media?.subscriptions.soundTracks ?? [];
  }

  /**
   * Shows a video track in an element whenever there is something to show, and tells the server how large it is and
   * whether it can be seen, so that no better picture is sent than that.
   *
   * @param {string} trackId
   * @param {HTMLVideoElement} video
   * @returns {() => void} ends it
   */
  attach(trackId, video) {
    const show = (/** @type {MediaStreamTrack | null} */ track) => {
      video.srcObject = track ? new MediaStream([track]) : null;
    };
    const known = [...this.participants.values()].map(({ tracks }) => tracks.get(trackId)).find((track) => track);
    if (known?.mediaTrack) show(known.mediaTrack);
    const stops = [
      this.on('track-subscribed', ({ track, mediaTrack }) => track.trackId === trackId && show(mediaTrack)),
      this.on('track-unsubscribed', ({ track }) => track.trackId === trackId && show(null)),
      this.observe(video, trackId),
    ];
    return () => {
      stops.forEach((stop) => stop());
      show(null);
    };
  }

  /**
   * Tells the server how large an element is in which a video track is shown, and whether it can be seen, from now on.
   * Several elements may show one track; when the last one has ended, nobody sees the track, and nothing of it is sent.
   * Of tracks that were never observed everything is sent.
   *
   * @param {Element} element the `<video>`, or what it lies in
   * @param {string} trackId
   * @returns {() => void} ends it
   */
  observe(element, trackId) {
    return this.viewObserver.observe(element, trackId);
  }

  /**
   * The same for who draws pictures without an element of their own. `null` takes it back.
   *
   * @param {string} trackId
   * @param {import('./views.js').View | null} view `width` and `height` in device pixels, or neither: as large as it comes
   */
  setView(trackId, view) {
    const { width, height } = view ?? {};
    if ((width !== undefined || height !== undefined) && !(Number(width) > 0 && Number(height) > 0)) {
      throw new TypeError('a view has a `width` and a `height` above 0, or neither');
    }
    this.views.set(trackId, view);
  }

  /** A track that its viewer has singled out gets bandwidth before others. @param {string} trackId @param {boolean} pinned */
  setPinned(trackId, pinned) {
    this.views.pin(trackId, pinned);
  }

  /**
   * @param {string} text
   * @param {import('./chat.js').SendOptions} [options] `to`: the one participant who is to see it; `file`: one that was uploaded
   * @returns {Promise<import('./types.js').ChatMessage>} settles when the room has the message
   */
  async sendMessage(text, options) {
    this.#checkText(text);
    return this.chat.send(text, options);
  }

  /** Sends a message that has failed again. @param {string} nonce @returns {Promise<import('./types.js').ChatMessage>} */
  retryMessage(nonce) {
    return this.chat.outbox.retry(nonce);
  }

  /** Gives up a message that has failed. @param {string} nonce */
  discardMessage(nonce) {
    this.chat.outbox.discard(nonce);
  }

  /** @param {string} messageId one's own @param {string} text @returns {Promise<void>} */
  async editMessage(messageId, text) {
    this.#checkText(text);
    return this.chat.edit(messageId, text);
  }

  /** @param {string} messageId one's own; a host's anybody's @returns {Promise<void>} */
  deleteMessage(messageId) {
    return this.chat.delete(messageId);
  }

  /** @param {string} messageId @param {string} emoji @param {boolean} [on] @returns {Promise<void>} */
  react(messageId, emoji, on = true) {
    return this.chat.react(messageId, emoji, on);
  }

  /**
   * Loads older messages into `messages`.
   *
   * @param {{ before?: number, limit?: number }} [options] `before`: a `seq`; default: the oldest of `messages`
   * @returns {Promise<{ messages: import('./types.js').ChatMessage[], more: boolean }>} the oldest first
   */
  history(options) {
    return this.chat.history(options);
  }

  /** May be called on every key press. @param {boolean} typing */
  setTyping(typing) {
    this.chat.setTyping(typing);
  }

  /** Leaves for good. Published tracks are not stopped: they belong to the application. */
  async leave() {
    await this.session.leave();
  }

  /** @param {Message} message */
  onTrackPublished({ participantId, track }) {
    if (participantId === this.localParticipant.participantId) this.#learnOwnTracks([track]);
    else this.roster.publish(participantId, track);
  }

  /** @param {import('./types.js').WireQuality[]} participants */
  onQuality(participants) {
    for (const quality of participants) this.roster.judge(quality, this.localParticipant.participantId);
  }

  /** @param {Message} message */
  onTrackState({ participantId, trackId, muted }) {
    if (participantId !== this.localParticipant.participantId) {
      this.roster.mute(participantId, trackId, muted);
      return;
    }
    const publication = [...this.publications].find((own) => own.trackId === trackId);
    if (!publication || !muted || publication.muted) return;
    publication.mutedByOther();
    this.emit('muted-by-host', { publication });
  }

  /** @param {string} participantId @param {import('./types.js').Role} role */
  onRoleChanged(participantId, role) {
    if (participantId !== this.localParticipant.participantId) {
      this.roster.setRole(participantId, role);
      return;
    }
    this.standing.setRole(role);
    this.emit('role-changed', { participantId, role });
  }

  /** @param {Message} message */
  onMediaState({ state, protocol, reason }) {
    this.emit('media', { connected: state === 'connected', protocol: protocol ?? null });
    // After `failed` the server removes us and says so; the session then joins anew.
    if (state === 'failed') this.emit('error', { error: new ParlorError('media-failed', reason) });
  }

  /** @param {Message} message */
  onError(message) {
    if (message.code === 'rate-limited' && message.id === undefined) this.views.resendLater();
    if (this.media?.negotiator.handle(message) || this.chat.handle(message)) return;
    this.emit('error', { error: ParlorError.ofWire(message) });
  }

  /** @param {{ welcome: Welcome, resumed: boolean }} detail */
  #onJoined({ welcome, resumed }) {
    const restarted = this.#serverId !== '' && this.#serverId !== welcome.serverId;
    this.#serverId = welcome.serverId;
    this.name = welcome.name;
    this.expiresAt = welcome.expiresAt ? new Date(welcome.expiresAt) : null;
    const continued = resumed && this.media !== null && welcome.participantId === this.localParticipant.participantId;
    if (!continued) this.#dropMedia();
    const self = welcome.participants.find(({ participantId }) => participantId === welcome.participantId);
    if (welcome.participantId !== this.localParticipant.participantId) this.roster.ownQuality = null;
    this.localParticipant = { participantId: welcome.participantId, displayName: self?.displayName ?? this.session.displayName };
    this.standing.enter(welcome, resumed);
    this.roster.replace(welcome.participants, welcome.participantId);
    if (!continued) this.#createMedia(welcome.iceServers);
    else this.#attachAllowed();
    if (continued && self) this.#learnOwnTracks(self.tracks);
    const { lastSeq, room } = welcome;
    this.chat.onJoined({ resumed, restarted, lastSeq, remembers: room?.history !== undefined && room.history !== 'none' });
    this.#setState('connected');
  }

  /** @param {{ participantId: string }} detail */
  #onWaiting(detail) {
    this.#setState('waiting');
    this.emit('lobby-waiting', detail);
  }

  #onReplayed() {
    this.media?.onSignalingUp();
    this.chat.resend();
    this.views.resend();
  }

  /** @param {Message} message */
  #onMessage(message) {
    if (message.type !== 'error' && this.media?.negotiator.handle(message)) return;
    // Own property only: the type is the server's text.
    if (Object.hasOwn(HANDLERS, message.type)) HANDLERS[message.type](this, message);
    else if (!this.standing.handle(message)) this.chat.handle(message);
  }

  /** @param {string} reason */
  #onClosed(reason) {
    this.#cleanups.forEach((cleanup) => cleanup());
    this.#dropMedia();
    this.chat.close();
    this.viewObserver.close();
    this.views.close();
    this.#setState('closed', reason);
  }

  /** @param {RTCIceServer[]} iceServers */
  #createMedia(iceServers) {
    const media = new MediaConnection({
      roomId: this.roomId,
      configuration: { iceServers, iceTransportPolicy: this.iceTransportPolicy, bundlePolicy: 'max-bundle' },
      send: (message) => this.session.send(message),
      isSignalingUp: () => this.session.connected,
      createPeerConnection: this.createPeerConnection,
    });
    this.media = media;
    media.on('chat', (message) => this.#onMessage(message));
    media.on('channel-closed', () => this.chat.resend()); // over the socket now
    media.on('error', (detail) => this.emit('error', detail));
    media.on('state', ({ connected }) => this.#onMediaPath(connected));
    media.on('failed', () => {
      if (this.media !== media) return;
      this.#dropMedia();
      this.#setState('reconnecting');
      this.session.rejoin({ removed: false });
    });
    media.subscriptions.on('sound', ({ mediaTrack }) => this.emit('sound-track', { mediaTrack }));
    media.subscriptions.on('bound', ({ binding: { participantId, trackId }, mediaTrack }) =>
      this.roster.subscribed(participantId, trackId, mediaTrack));
    media.subscriptions.on('unbound', ({ binding: { participantId, trackId } }) => this.roster.unsubscribed(participantId, trackId));
    media.start([...this.publications].filter(({ source }) => this.standing.mayPublish(source)));
  }

  #dropMedia() {
    const media = this.media;
    this.media = null;
    media?.close();
    this.roster.resumeAll();
    this.#mediaUp = false;
    for (const publication of this.publications) publication.trackId = null;
  }

  /** @param {boolean} connected */
  #onMediaPath(connected) {
    this.#mediaUp = connected;
    if (connected) this.session.confirmMedia();
    else this.chat.resend(); // what went over the path that broke goes over the socket too: a nonce is said once
    if (this.session.connected) this.#setState(connected ? 'connected' : 'reconnecting');
  }

  /** Sends what one may send, and nothing else. */
  #attachAllowed() {
    for (const publication of this.publications) {
      const allowed = this.standing.mayPublish(publication.source);
      if (allowed && !publication.transceiver) this.media?.publish(publication);
      if (allowed || !publication.transceiver) continue;
      this.media?.unpublish(publication);
      publication.trackId = null;
    }
  }

  /** @param {import('./rest.js').RoomInfo} room */
  #learnSettings(room) {
    this.name = room.name;
    this.expiresAt = room.expiresAt ? new Date(room.expiresAt) : null;
  }

  /** @param {string} text */
  #checkText(text) {
    if (this.state === 'closed') throw new ParlorError('closed');
    if (new TextEncoder().encode(text.trim()).length > this.session.limits.maxTextBytes) throw new ParlorError('text-too-large');
  }

  /** @param {MediaStreamTrack} track @param {import('./types.js').PublishOptions} options */
  #createPublication(track, options) {
    return new Publication(track, options, ({ trackId, muted }) => {
      if (trackId) this.#send(messages.trackState({ roomId: this.roomId, trackId, muted }));
    });
  }

  /** The server's view of what this client publishes. @param {import('./types.js').WireTrack[]} tracks */
  #learnOwnTracks(tracks) {
    for (const { mid, trackId, muted } of tracks) {
      const publication = mid === undefined ? undefined : this.media?.publicationAt(mid);
      if (!publication) continue;
      publication.identify(trackId);
      // Muted or unmuted while the id was unknown or the socket was down.
      if (publication.muted !== muted) publication.onMuted(publication);
    }
  }

  /** @param {Message} message */
  #send(message) {
    return this.session.send(message);
  }

  /** @param {RoomState} state @param {string} [reason] */
  #setState(state, reason) {
    if (this.state === state || this.state === 'closed') return;
    this.state = state;
    this.emit('state', { state, reason });
  }

  #listenToPage() {
    if (typeof window === 'undefined') return;
    const onOnline = () => this.session.retryNow();
    const onPageHide = () => this.session.abandon();
    window.addEventListener('online', onOnline);
    window.addEventListener('pagehide', onPageHide);
    this.#cleanups.push(
      () => window.removeEventListener('online', onOnline),
      () => window.removeEventListener('pagehide', onPageHide),
    );
  }
}

/** @param {string[]} trackIds */
function* chunks(trackIds) {
  for (let at = 0; at < trackIds.length; at += messages.MAX_TRACK_IDS) yield trackIds.slice(at, at + messages.MAX_TRACK_IDS);
}
