/**
 * The signalling session: stays in the room across lost sockets and server restarts.
 *
 * - A lost socket is replaced (`Backoff`) and the session resumed with its token; media is not touched.
 * - If resuming is refused, or `hello.serverId` shows another server process, the room is joined anew; if that process does not know
 *   the room (rooms lived in the memory of the old one), it is created again first.
 * - What cannot pass by itself (room gone, displaced by another tab, …) closes the session with a reason.
 *
 * - Where a host has to let people in, joining takes as long as the host does: `waiting` tells so.
 *
 * `joined` is emitted for every entry; `resumed` tells whether it continues the former participant, and `replayed` follows as soon as
 * everything the old socket had lost has been delivered. `closed` is emitted once.
 *
 * A resumed session names the number of messages it has got, so that the server repeats what was lost and nothing else.
 */
import { Backoff } from './backoff.js';
import { Emitter } from './emitter.js';
import { isTransient, ParlorError } from './errors.js';
import { joinRoom, leaveRoom, ping, resume } from './messages.js';
import { SignalingSocket } from './socket.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./types.js').Welcome} Welcome */
/**
 * @typedef {object} SessionEvents
 * @property {Message} message
 * @property {{ welcome: Welcome, resumed: boolean }} joined
 * @property {{ participantId: string }} waiting in the lobby
 * @property {{}} replayed
 * @property {{}} down
 * @property {{ reason: string }} closed
 */

/** How often the very first connection is tried before `start` gives up. */
const START_ATTEMPTS = 3;
const LEAVE_TIMEOUT_MS = 500;

/** The message types this module consumes itself (replies are consumed by `SignalingSocket`). */
export const SESSION_MESSAGE_TYPES = ['hello', 'lobby-waiting', 'room-joined', 'resumed', 'room-left', 'room-closed', 'token-renewed', 'pong'];

/** @extends {Emitter<SessionEvents>} */
export class Session extends Emitter {
  /** The socket that is inside the room, if any. @type {SignalingSocket | null} */ #live = null;
  /** The socket that is being opened, if any. @type {SignalingSocket | null} */ #opening = null;
  /** @type {Welcome | null} */ #welcome = null;
  /** @type {string | null} */ #resumeToken = null;
  /** @type {(() => void) | null} */ #wake = null;
  /** Messages this participant's session has got, from its `room-joined` on, over all its sockets. */ #received = 0;
  /** The entry that a host has to allow. @type {{ socket: SignalingSocket, admit: (w: Welcome) => void, refuse: (e: ParlorError) => void } | null} */ #lobby = null;
  #rejoining = false;
  #closed = false;
  #reconnects = new Backoff();
  #rejoins = new Backoff();

  /**
   * @param {object} options
   * @param {string} options.url WebSocket address
   * @param {string} options.roomId
   * @param {string} options.displayName
   * @param {boolean} [options.autoSubscribe]
   * @param {import('./messages.js').Credentials} [options.credentials]
   * @param {() => void} [options.onHostSecretRefused] the one of `credentials` is not this room's; it is tried without
   * @param {(welcome: Welcome) => Promise<void>} options.recreateRoom makes the room of `welcome` exist again
   * @param {(url: string) => SignalingSocket} [options.createSocket] for tests
   */
  constructor({ url, roomId, displayName, autoSubscribe = true, credentials = {}, onHostSecretRefused = () => {}, recreateRoom, createSocket = (at) => new SignalingSocket(at) }) {
    super();
    this.url = url;
    this.roomId = roomId;
    this.displayName = displayName;
    this.autoSubscribe = autoSubscribe;
    this.credentials = credentials;
    this.onHostSecretRefused = onHostSecretRefused;
    this.recreateRoom = recreateRoom;
    this.createSocket = createSocket;
    /** @type {import('./types.js').Limits} */
    this.limits = { maxTextBytes: 8192, maxNameBytes: 256, maxFrameBytes: 65536 };
  }

  get connected() {
    return this.#live !== null;
  }

  /** Enters the room for the first time; rejects with a `ParlorError` if that is impossible. */
  async start() {
    for (;;) {
      try {
        await this.#attach();
        return;
      } catch (cause) {
        const error = ParlorError.from(cause);
        if (this.#closed) throw new ParlorError('cancelled');
        if (!isTransient(error.code) || this.#reconnects.attempts + 1 >= START_ATTEMPTS) {
          this.#finish(error.code);
          throw error;
        }
        await this.#pause(this.#reconnects.nextDelayMs());
      }
    }
  }

  /** @param {Message} message @returns {boolean} whether a live socket took it */
  send(message) {
    return this.#live?.send(message) ?? false;
  }

  /** @param {Message} message @returns {Promise<Message>} its reply; rejects with a `ParlorError` */
  request(message) {
    return this.#live?.request(message) ?? Promise.reject(new ParlorError('closed', 'not connected'));
  }

  /** Tells the session that media flows: the next failure starts from a short delay again. */
  confirmMedia() {
    this.#rejoins.reset();
  }

  /** Ends a wait between two attempts, e.g. because the network is back. */
  retryNow() {
    this.#wake?.();
  }

  /**
   * Enters the room anew as another participant, because the media of the present one is lost.
   *
   * @param {{ removed: boolean }} options `removed`: the server has already removed this participant
   */
  async rejoin({ removed }) {
    this.#resumeToken = null; // whatever happens next, the old participant is given up
    const socket = this.#live;
    if (!socket || this.#rejoining || this.#closed) return;
    this.#rejoining = true;
    try {
      await this.#pause(this.#rejoins.nextDelayMs());
      if (!removed) await socket.request(leaveRoom({ roomId: this.roomId })).catch(() => {});
      this.#accept(socket, await this.#join(socket, false), false);
    } catch (cause) {
      const error = ParlorError.from(cause);
      if (this.#isRetryable(error.code)) socket.close(error.code);
      else this.#finish(error.code);
    } finally {
      this.#rejoining = false;
    }
  }

  /** Leaves the room and ends the session. */
  async leave() {
    if (this.#closed) return;
    this.#closed = true;
    const socket = this.#live;
    if (socket) await socket.request(leaveRoom({ roomId: this.roomId }), LEAVE_TIMEOUT_MS).catch(() => {});
    this.#release('left');
  }

  /** The same for a page that is going away: nothing is awaited. */
  abandon() {
    if (this.#closed) return;
    this.#closed = true;
    this.#live?.send(leaveRoom({ roomId: this.roomId }));
    this.#release('left');
  }

  async #attach() {
    const socket = this.createSocket(this.url);
    this.#opening = socket;
    socket.onReceived = (message) => this.#count(socket, message);
    socket.on('message', (message) => this.#receive(socket, message));
    socket.on('down', () => this.#onDown(socket));
    try {
      const hello = await socket.open();
      if (hello.limits) this.limits = hello.limits;
      const restarted = this.#welcome !== null && hello.serverId !== this.#welcome.serverId;
      const resumed = restarted ? null : await this.#resume(socket);
      this.#accept(socket, resumed ?? (await this.#join(socket, restarted)), resumed !== null);
    } catch (error) {
      socket.close();
      throw error;
    } finally {
      if (this.#opening === socket) this.#opening = null;
    }
  }

  /** @param {SignalingSocket} socket @returns {Promise<Welcome | null>} `null` if the room has to be joined anew */
  async #resume(socket) {
    if (this.#resumeToken === null) return null;
    try {
      return /** @type {any} */ (await socket.request(resume({ resumeToken: this.#resumeToken, received: this.#received })));
    } catch (error) {
      if (/** @type {ParlorError} */ (error).code !== 'resume-failed') throw error;
      this.#resumeToken = null;
      return null;
    }
  }

  /** @param {SignalingSocket} socket @param {boolean} restarted @returns {Promise<Welcome>} */
  async #join(socket, restarted) {
    try {
      return await this.#enter(socket);
    } catch (cause) {
      const error = ParlorError.from(cause);
      if (error.code === 'room-not-found' && restarted && this.#welcome) await this.recreateRoom(this.#welcome);
      else if (!this.#drop(error.code)) throw error;
    }
    return this.#enter(socket);
  }

  /** Gives up a credential that is no longer worth anything. @param {string} code of the refusal @returns {boolean} whether to try without */
  #drop(code) {
    const { hostSecret, invite } = this.credentials;
    if (hostSecret && (code === 'token-invalid' || code === 'unauthorized' || code === 'forbidden')) {
      this.credentials = { ...this.credentials, hostSecret: undefined };
      this.onHostSecretRefused();
      return true;
    }
    if (invite && code === 'invite-invalid' && this.#welcome) {
      this.credentials = { ...this.credentials, invite: undefined }; // it has let us in before: once
      return true;
    }
    return false;
  }

  /** @param {SignalingSocket} socket @returns {Promise<Welcome>} */
  async #enter(socket) {
    const { roomId, displayName, autoSubscribe, credentials } = this;
    const reply = await socket.request(joinRoom({ roomId, displayName, autoSubscribe, ...credentials }));
    return /** @type {any} */ (reply.type === 'lobby-waiting' ? await this.#waitInLobby(socket, reply) : reply);
  }

  /** @param {SignalingSocket} socket @param {Message} waiting @returns {Promise<Welcome>} */
  async #waitInLobby(socket, { participantId }) {
    this.#reconnects.reset();
    try {
      return await new Promise((admit, refuse) => {
        this.#lobby = { socket, admit, refuse };
        this.emit('waiting', { participantId });
      });
    } finally {
      this.#lobby = null;
    }
  }

  /** @param {Message} message */
  #receiveInLobby(message) {
    const { type, reason, code } = message;
    if (type === 'room-joined') this.#lobby?.admit(/** @type {any} */ (message));
    else if (type === 'room-left' || type === 'room-closed') this.#lobby?.refuse(new ParlorError(reason === 'denied' ? 'lobby-denied' : reason ?? 'room-closed'));
    else if (type === 'error' && code !== 'rate-limited') this.#lobby?.refuse(ParlorError.ofWire(message));
  }

  /** @param {SignalingSocket} socket @param {Welcome} welcome @param {boolean} resumed */
  #accept(socket, welcome, resumed) {
    if (this.#closed) {
      socket.close();
      throw new ParlorError('cancelled');
    }
    this.#live = socket;
    this.#welcome = welcome;
    this.#resumeToken = welcome.resumeToken;
    this.#reconnects.reset();
    this.emit('joined', { welcome, resumed });
    // The answer comes after all that was waiting for us, and tells the server that we are really there.
    if (resumed) socket.request(ping()).then(() => this.emit('replayed', {}), () => {});
  }

  /** @param {SignalingSocket} socket @param {Message} message */
  #count(socket, message) {
    if (message.type === 'room-joined') this.#received = 1;
    else if (socket === this.#live) this.#received += 1; // before that there are only replies to `resume`
  }

  /** @param {SignalingSocket} socket @param {Message} message */
  #receive(socket, message) {
    if (this.#lobby?.socket === socket) {
      this.#receiveInLobby(message);
      return;
    }
    if (socket !== this.#live) return;
    if (message.type === 'room-closed') this.#finish(message.reason ?? 'room-closed');
    else if (message.type === 'room-left') this.#onRemoved(message.reason);
    else if (message.type === 'error' && message.code === 'displaced') this.#finish('displaced');
    else this.emit('message', message);
  }

  /** @param {string} reason */
  #onRemoved(reason) {
    if (this.#rejoining) return; // the answer to our own leave-room
    if (reason === 'media-failed' || reason === 'disconnected') this.rejoin({ removed: true });
    else if (reason === 'server-shutdown') this.#resumeToken = null; // the socket closes next, and we come back
    else this.#finish(reason);
  }

  /** @param {SignalingSocket} socket */
  #onDown(socket) {
    if (this.#lobby?.socket === socket) this.#lobby.refuse(new ParlorError('closed'));
    if (socket !== this.#live) return;
    this.#live = null;
    if (this.#closed) return;
    this.emit('down', {});
    this.#reconnect();
  }

  async #reconnect() {
    while (!this.#closed && !this.#live) {
      await this.#pause(this.#reconnects.nextDelayMs());
      if (this.#closed) return;
      try {
        await this.#attach();
      } catch (cause) {
        const { code } = ParlorError.from(cause);
        if (!this.#closed && !this.#isRetryable(code)) this.#finish(code);
      }
    }
  }

  /**
   * `room-full` and `already-joined` pass once the server has noticed that our former self is gone, `draining` with the restart of the
   * server. @param {string} code
   */
  #isRetryable(code) {
    return isTransient(code) || ['room-full', 'already-joined', 'draining'].includes(code);
  }

  /** @param {number} ms @returns {Promise<void>} */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** @param {string} reason */
  #finish(reason) {
    if (this.#closed) return;
    this.#closed = true;
    this.#release(reason);
  }

  /** @param {string} reason */
  #release(reason) {
    this.#wake?.();
    this.#opening?.close();
    this.#live?.close();
    this.#live = null;
    this.emit('closed', { reason });
  }
}
