/**
 * A bad network between one participant and the server, without root: a UDP relay in this process, with a `Link` for
 * each direction.
 *
 * The browser of that participant is told that the server is where the relay is (`in-page/detour.mjs`); the server
 * sees the relay's addresses, one for each of the browser's, as it would see those of a NAT. TCP candidates are
 * hidden, or ICE would go round the relay. Everything goes over the loopback interface.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { installDetour } from './in-page/detour.mjs';
import { Link } from './link.mjs';

/** Browsers have a few addresses each: this is only so that nothing grows without end. */
const MAX_CLIENTS = 64;
const DIRECTIONS = /** @type {const} */ (['up', 'down']);

/** @typedef {import('node:dgram').Socket} Socket */
/** @typedef {import('./link.mjs').Conditions} Conditions */
/**
 * `up` is towards the server, `down` towards the participant.
 *
 * @typedef {{ up?: Partial<Conditions>, down?: Partial<Conditions> }} Changes
 */
/** @typedef {{ address: string, port: number }} Address */
/**
 * The clock of the relay; tests bring their own.
 *
 * @typedef {{ now: () => number, after: (ms: number, action: () => void) => () => void }} Clock
 */

/** @type {Clock} */
const REAL_CLOCK = {
  now: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

export class ImpairedPath {
  /** The relay's port for each of the server's. @type {Map<number, number>} */ ports = new Map();
  /** @type {Socket[]} */ #sockets = [];
  /** @type {Map<string, Promise<Socket | null>>} the server's side of each client address */ #outer = new Map();
  /** @type {(() => void)[]} */ #planned = [];
  #closed = false;

  /**
   * @param {Address[]} servers where the participant's datagrams may go to
   * @param {Changes & { seed?: number, clock?: Clock }} [options] the conditions at first
   */
  static async to(servers, options = {}) {
    const path = new ImpairedPath(options);
    for (const server of servers) await path.#listen(server);
    return path;
  }

  /**
   * To the media ports of a server.
   *
   * @param {import('./server.mjs').Server} server
   * @param {Changes & { seed?: number }} [options]
   */
  static toServer(server, options) {
    return ImpairedPath.to(server.mediaPorts.map((port) => ({ address: '127.0.0.1', port })), options);
  }

  /** @param {Changes & { seed?: number, clock?: Clock }} options */
  constructor({ up, down, seed = 1, clock = REAL_CLOCK }) {
    this.clock = clock;
    this.up = new Direction(new Link({ now: clock.now(), seed, conditions: up }), clock);
    this.down = new Direction(new Link({ now: clock.now(), seed: seed + 1, conditions: down }), clock);
  }

  /** Makes a page use this path: to be called before it is opened. @param {import('puppeteer-core').Page} page */
  async lead(page) {
    await page.evaluateOnNewDocument(installDetour, Object.fromEntries(this.ports));
  }

  /** From now on. @param {Changes} changes */
  change(changes) {
    for (const direction of DIRECTIONS) if (changes[direction]) this[direction].change(changes[direction]);
  }

  /** Plans changes. @param {(Changes & { atMs: number })[]} stages times from now */
  follow(stages) {
    for (const { atMs, ...changes } of stages) this.#planned.push(this.clock.after(atMs, () => this.change(changes)));
  }

  /** Starts the records anew: their first second is the one that begins now. */
  forget() {
    for (const direction of DIRECTIONS) this[direction].link.forget(this.clock.now());
  }

  /** What was carried, dropped and how long it waited, by second. */
  records() {
    return { up: this.up.link.seconds, down: this.down.link.seconds };
  }

  close() {
    this.#closed = true;
    for (const cancel of this.#planned.splice(0)) cancel();
    for (const direction of DIRECTIONS) this[direction].stop();
    for (const socket of this.#sockets.splice(0)) socket.close();
  }

  /** @param {Address} server */
  async #listen(server) {
    const inner = await bound('127.0.0.1');
    this.#keep(inner);
    this.ports.set(server.port, inner.address().port);
    inner.on('message', async (payload, client) => {
      const key = `${server.port} ${client.address} ${client.port}`;
      const isNew = !this.#outer.has(key);
      if (isNew && this.#outer.size < MAX_CLIENTS) this.#outer.set(key, this.#open(server, inner, client));
      const outer = await this.#outer.get(key);
      if (outer) this.up.carry(payload, () => send(outer, payload, server));
    });
  }

  /** @param {Address} server @param {Socket} inner @param {Address} client */
  async #open(server, inner, client) {
    const outer = await bound(server.address === '127.0.0.1' ? '127.0.0.1' : '0.0.0.0');
    if (!this.#keep(outer)) return null;
    outer.on('message', (payload) => this.down.carry(payload, () => send(inner, payload, client)));
    return outer;
  }

  /** @param {Socket} socket @returns {boolean} whether there is still a use for it */
  #keep(socket) {
    if (this.#closed) socket.close();
    else this.#sockets.push(socket);
    return !this.#closed;
  }
}

/** A link that is asked again whenever something arrives at its end. */
class Direction {
  /** @type {(() => void) | null} */ #cancel = null;

  /** @param {Link<() => void>} link carries what is to be done on arrival @param {Clock} clock */
  constructor(link, clock) {
    this.link = link;
    this.clock = clock;
  }

  /** @param {Uint8Array} payload @param {() => void} deliver */
  carry(payload, deliver) {
    this.link.handle(deliver, payload.length, this.clock.now());
    this.#run();
  }

  /** @param {Partial<Conditions>} changes */
  change(changes) {
    this.link.change(changes, this.clock.now());
    this.#run();
  }

  stop() {
    this.#cancel?.();
    this.#cancel = null;
    this.link.change({ down: true }, this.clock.now());
  }

  #run() {
    this.#cancel?.();
    this.#cancel = null;
    for (const deliver of this.link.poll(this.clock.now())) deliver();
    const at = this.link.pollAt();
    // Timers may fire up to 1 ms early: what is not due yet is then asked for again.
    if (at !== null) this.#cancel = this.clock.after(Math.max(0, at - this.clock.now()), () => this.#run());
  }
}

/** @param {string} address @returns {Promise<Socket>} */
async function bound(address) {
  const socket = createSocket('udp4');
  // A port that nobody listens on any more is reported here: for a network that is nothing special.
  socket.on('error', () => {});
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

/** @param {Socket} socket @param {Uint8Array} payload @param {Address} to */
function send(socket, payload, { port, address }) {
  try {
    socket.send(payload, port, address, () => {});
  } catch {
    // It was closed while this was under way.
  }
}
