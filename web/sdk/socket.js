/**
 * One WebSocket to the server, from opening to its end; it never reconnects (that is `session.js`).
 *
 * A message that answers a request settles that request and goes nowhere else; everything else is a `message` event. `down` fires
 * exactly once, after which nothing is sent or received. A silent connection is found by pings.
 */
import { Emitter } from './emitter.js';
import { ParlorError } from './errors.js';
import { nextRequestId } from './ids.js';
import { ping } from './messages.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {{ message: Message, down: { reason: string } }} SocketEvents */

const OPEN_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 8000;
const PING_INTERVAL_MS = 10000;
const PONG_TIMEOUT_MS = 5000;

/** @extends {Emitter<SocketEvents>} */
export class SignalingSocket extends Emitter {
  /** @type {WebSocket} */ #ws;
  /** @type {Map<string, { resolve: (m: Message) => void, reject: (e: ParlorError) => void, timer: any }>} */ #requests = new Map();
  /** @type {any} */ #pingTimer = null;
  #down = false;
  /** Sees every message after `hello`, replies too, before anything is done with it. @type {(message: Message) => void} */
  onReceived = () => {};

  /**
   * @param {string} url
   * @param {typeof WebSocket} [WebSocketClass] for tests
   */
  constructor(url, WebSocketClass = WebSocket) {
    super();
    this.#ws = new WebSocketClass(url);
  }

  /**
   * Resolves with the server's `hello`, the first message of every connection.
   *
   * @returns {Promise<Message>}
   */
  open() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.close('timeout'), OPEN_TIMEOUT_MS);
      let greeted = false;
      this.on('down', ({ reason }) => {
        clearTimeout(timer);
        if (!greeted) reject(new ParlorError('unreachable', reason));
      });
      this.#ws.onmessage = (event) => {
        const message = parse(event.data);
        if (!message) return;
        if (greeted) {
          this.onReceived(message);
          this.#receive(message);
        } else if (message.type === 'hello') {
          greeted = true;
          clearTimeout(timer);
          this.#pingTimer = setInterval(() => this.#ping(), PING_INTERVAL_MS);
          resolve(message);
        } else if (message.type === 'error') {
          reject(ParlorError.ofWire(message));
          this.close('refused');
        }
      };
      this.#ws.onclose = (event) => this.#end(event.reason || `closed (${event.code})`);
      this.#ws.onerror = () => {}; // a close event always follows and carries what is known
    });
  }

  /**
   * @param {Message} message
   * @returns {boolean} whether it was handed to a live connection
   */
  send(message) {
    if (this.#down || this.#ws.readyState !== 1) return false;
    this.#ws.send(JSON.stringify(message));
    return true;
  }

  /**
   * Sends `message` with a fresh id and waits for the reply that echoes it.
   *
   * @param {Message} message
   * @param {number} [timeoutMs]
   * @returns {Promise<Message>} rejects with the server's error, `timeout` or `closed`
   */
  request(message, timeoutMs = REQUEST_TIMEOUT_MS) {
    const id = nextRequestId();
    return new Promise((resolve, reject) => {
      if (!this.send({ ...message, id })) {
        reject(new ParlorError('closed', 'not connected'));
        return;
      }
      const timer = setTimeout(() => {
        this.#requests.delete(id);
        reject(new ParlorError('timeout', `no reply to ${message.type}`));
      }, timeoutMs);
      this.#requests.set(id, { resolve, reject, timer });
    });
  }

  /** @param {string} [reason] */
  close(reason = 'closed') {
    this.#ws.close();
    this.#end(reason);
  }

  /** @param {Message} message */
  #receive(message) {
    const waiting = typeof message.id === 'string' ? this.#requests.get(message.id) : undefined;
    if (!waiting) {
      if (message.type !== 'pong') this.emit('message', message);
      return;
    }
    this.#requests.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.type === 'error') waiting.reject(ParlorError.ofWire(message));
    else waiting.resolve(message);
  }

  async #ping() {
    try {
      await this.request(ping(), PONG_TIMEOUT_MS);
    } catch (error) {
      // Any reply, even a refusal, proves that the connection lives.
      if (/** @type {ParlorError} */ (error).code === 'timeout') this.close('no answer to ping');
    }
  }

  /** @param {string} reason */
  #end(reason) {
    if (this.#down) return;
    this.#down = true;
    clearInterval(this.#pingTimer);
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer);
      reject(new ParlorError('closed', reason));
    }
    this.#requests.clear();
    this.emit('down', { reason });
  }
}

/** @param {unknown} data @returns {Message | null} */
function parse(data) {
  if (typeof data !== 'string') return null;
  try {
    const message = JSON.parse(data);
    return message && typeof message.type === 'string' ? message : null;
  } catch {
    return null;
  }
}
