/**
 * The real server as a child process on free ports of the loopback interface: started, stopped, killed, started again on the same
 * ports. Its output is kept for the record of a failure.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './paths.mjs';
import { eventually } from './wait.mjs';

const BINARY = process.env.E2E_SERVER ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'release', 'parlor');
/** More than one, so that rooms on the second shard, with its own ports, are tested too. */
const SHARDS = 2;
const START_MS = 10_000;
const STOP_MS = 5_000;
const MAX_LOG_LINES = 2_000;
/** Below the range from which the system takes the ports of outgoing connections: a server that is restarted finds its ports free. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** @typedef {Record<string, string | undefined>} Environment what is `undefined` is not set */

/**
 * @typedef {object} Place
 * @property {string} [cwd] its working directory; default: that of the test
 * @property {string} [host] the address to listen on; default: 127.0.0.1
 */

export class Server {
  /** @type {import('node:child_process').ChildProcess | null} */ #process = null;
  /** @type {string[]} */ #log = [];

  /** @param {{ httpPort: number, udpPort: number, env: Environment } & Place} options */
  constructor({ httpPort, udpPort, env, cwd, host = '127.0.0.1' }) {
    this.binary = BINARY;
    this.httpPort = httpPort;
    this.udpPort = udpPort;
    this.env = env;
    this.cwd = cwd;
    this.host = host;
    const scheme = (env.PARLOR_HTTP__TLS ?? 'off') === 'off' ? 'http' : 'https';
    this.url = `${scheme}://127.0.0.1:${httpPort}`;
  }

  /** Starts one that is ready to serve. @param {Environment} [env] configuration beside ports and addresses @param {Place} [place] */
  static async start(env = {}, place = {}) {
    const server = await Server.unstarted(env, place);
    await server.start();
    return server;
  }

  /** One to be started later. @param {Environment} [env] configuration beside ports and addresses @param {Place} [place] */
  static async unstarted(env = {}, place = {}) {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} does not exist: run \`cargo build --release\` first`);
    // All at once: of two separate choices the second may hit upon the first.
    const httpPort = await freePorts(1 + SHARDS);
    return new Server({ httpPort, udpPort: httpPort + 1, env, ...place });
  }

  /** The ports that media may use. */
  get mediaPorts() {
    return Array.from({ length: SHARDS }, (_, shard) => this.udpPort + shard);
  }

  /** Resolves when it answers. @param {{ within?: number }} [options] milliseconds */
  async start({ within = START_MS } = {}) {
    const child = spawn(BINARY, [], {
      env: {
        ...inheritedEnvironment(),
        PARLOR_HTTP__LISTEN: `${this.host}:${this.httpPort}`,
        PARLOR_MEDIA__UDP_PORT: String(this.udpPort),
        PARLOR_MEDIA__SHARDS: String(SHARDS),
        PARLOR_MEDIA__ANNOUNCE: '127.0.0.1',
        PARLOR_STORE__URL: 'memory:',
        PARLOR_FILES__URL: 'memory:',
        PARLOR_SHUTDOWN__DRAIN_SECONDS: '0',
        ...this.env,
      },
      cwd: this.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    for (const input of [child.stdout, child.stderr]) if (input) createInterface({ input }).on('line', (line) => this.#keep(line));
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill); // also when the test run itself is cut short
    child.once('exit', () => process.off('exit', kill));
    await eventually('the server answers /healthz', async () => {
      if (child.exitCode !== null) return true;
      return (await fetch(`${this.url}/healthz`)).ok;
    }, { within });
    if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}:\n${this.logTail()}`);
  }

  /** Ends it as an operator would. */
  async stop() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    try {
      await eventually('the server ends after SIGTERM', () => child.exitCode !== null || child.signalCode !== null, { within: STOP_MS });
    } finally {
      child.kill('SIGKILL');
    }
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#process?.kill(signal);
  }

  /** Waits until it has ended by itself. @param {{ within?: number }} [options] milliseconds @returns {Promise<number | null>} its exit code; `null` if a signal ended it */
  async ended({ within = STOP_MS } = {}) {
    const child = this.#process;
    await eventually('the server ends', () => child === null || child.exitCode !== null || child.signalCode !== null, { within });
    return child?.exitCode ?? null;
  }

  /** Whether it takes on work, and why not. @returns {Promise<{ status: number, ready: boolean, reasons: string[] }>} */
  async readiness() {
    const response = await fetch(`${this.url}/readyz`);
    const { ready, reasons } = await response.json();
    return { status: response.status, ready, reasons: reasons.map((/** @type {{ reason: string }} */ { reason }) => reason) };
  }

  /** A number of `/metrics`. @param {string} name with its labels, as it is written there @returns {Promise<number>} */
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
    if (!line) throw new Error(`there is no ${name}`);
    return Number(line.slice(name.length + 1));
  }

  /** Ends it as a power cut would: it can say goodbye to nobody. */
  async kill() {
    const child = this.#process;
    child?.kill('SIGKILL');
    await eventually('the server is dead', () => child?.signalCode === 'SIGKILL');
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#process?.kill(signal);
  }

  /** @param {object} [room] @returns {Promise<string>} the id of a new room */
  async createRoom(room = {}) {
    return (await this.createHostedRoom(room)).roomId;
  }

  /** @param {object} [room] @returns {Promise<{ roomId: string, hostSecret: string }>} */
  async createHostedRoom(room = {}) {
    const response = await fetch(`${this.url}/api/rooms`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(room),
    });
    if (response.status !== 201) throw new Error(`POST /api/rooms: ${response.status} ${await response.text()}`);
    const { room: created, hostSecret } = await response.json();
    return { roomId: created.roomId, hostSecret };
  }

  /** @param {number} [lines] */
  logTail(lines = 200) {
    return this.#log.slice(-lines).join('\n');
  }

  /** @param {string} line */
  #keep(line) {
    this.#log.push(line);
    this.#log.splice(0, Math.max(0, this.#log.length - MAX_LOG_LINES));
  }
}

/** Without what would configure the server from outside the test. */
function inheritedEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !['PORT', 'MONGODB_URI'].includes(name) && !name.startsWith('PARLOR_')));
}

/** A TCP port that nobody listens on. */
export async function freePort() {
  return freePorts(1);
}

/** The first of `count` consecutive ports that are free for UDP and TCP. @param {number} count */
async function freePorts(count) {
  for (;;) {
    const first = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    const free = await Promise.all(Array.from({ length: count }, async (_, i) => (await isTcpFree(first + i)) && (await isUdpFree(first + i))));
    if (free.every(Boolean)) return first;
  }
}

/** @param {number} port @returns {Promise<boolean>} */
function isTcpFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** @param {number} port @returns {Promise<boolean>} */
function isUdpFree(port) {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
