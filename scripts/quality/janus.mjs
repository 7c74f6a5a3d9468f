/**
 * Janus, where it is installed, with one VideoRoom in which one person publishes and another one watches: its process, and as much of its
 * API as that takes (https://janus.conf.meetecho.com/docs/videoroom). The configuration is the load tester's.
 */
import { spawn, spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../tests/e2e/harness/paths.mjs';
import { eventually } from '../../tests/e2e/harness/wait.mjs';

const CONFIGURATION = join(ROOT, 'loadtest', 'janus');
/** As in the configuration. */
const API = 'ws://127.0.0.1:8188';
const START_MS = 10_000;
const STOP_MS = 5_000;

/** Which Janus there is, or `null`. */
export function version() {
  const { stdout, error } = spawnSync('janus', ['--version'], { encoding: 'utf8' });
  return error ? null : (/\((\d[\d.]*)\)/.exec(stdout)?.[1] ?? 'of unknown version');
}

export class Janus {
  /** @type {import('node:child_process').ChildProcess} */ #process;
  /** What `openApi` runs in. @type {import('puppeteer-core').Page} */ #desk;

  /**
   * @param {import('node:child_process').ChildProcess} child
   * @param {import('puppeteer-core').Page} desk
   */
  constructor(child, desk) {
    this.#process = child;
    this.#desk = desk;
  }

  /** Starts it; the browser lends it a page for its API. @param {import('puppeteer-core').Browser} browser */
  static async start(browser) {
    // Its ICE agent leaves loopback out.
    const address = Object.values(networkInterfaces()).flat().find((own) => own?.family === 'IPv4' && !own.internal)?.address;
    if (!address) throw new Error('Janus needs an address of IPv4 beside that of loopback');
    const child = spawn('janus', ['-F', CONFIGURATION, '-E', address], { stdio: 'ignore' });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill); // also when the measurement is cut short
    child.once('exit', () => process.off('exit', kill));
    const janus = new Janus(child, await browser.newPage());
    try {
      await eventually('Janus answers', () => janus.#desk.evaluate(openApi, API), { within: START_MS });
      if (child.exitCode !== null) throw new Error(`Janus ended with code ${child.exitCode}: does another one run?`);
      return janus;
    } catch (error) {
      await janus.stop();
      throw error;
    }
  }

  /** Ends it, and waits until its ports are free for the next one. */
  async stop() {
    const child = this.#process;
    child.kill('SIGTERM');
    await this.#desk.close().catch(() => {}); // with its browser
    try {
      await eventually('Janus ends', () => child.exitCode !== null || child.signalCode !== null, { within: STOP_MS });
    } finally {
      child.kill('SIGKILL');
    }
  }

  /** Makes a room for one publisher, without a limit of bitrate. @returns {Promise<number>} */
  async createRoom() {
    const body = { request: 'create', publishers: 1, bitrate: 0, videocodec: 'vp8', audiocodec: 'opus', is_private: true };
    return (await this.#message(await this.#attach(), body)).data.room;
  }

  /** Publishes; rids name encodings from the lowest to the best. @param {number} room @param {string} sdp the offer */
  async publish(room, sdp) {
    const handle = await this.#attach();
    const body = { request: 'joinandconfigure', ptype: 'publisher', room, display: 'Ada' };
    const { data, jsep } = await this.#message(handle, body, { type: 'offer', sdp, rid_order: 'lmh' });
    return { feed: /** @type {number} */ (data.id), answer: /** @type {string} */ (jsep.sdp) };
  }

  /** Subscribes to all of a publisher's. @param {number} room @param {number} feed */
  async subscribe(room, feed) {
    const handle = await this.#attach();
    const { jsep } = await this.#message(handle, { request: 'join', ptype: 'subscriber', room, streams: [{ feed }] });
    const start = (/** @type {string} */ sdp) => this.#message(handle, { request: 'start' }, { type: 'answer', sdp });
    return { offer: /** @type {string} */ (jsep.sdp), start };
  }

  async #attach() {
    return (await this.#ask({ janus: 'attach', plugin: 'janus.plugin.videoroom' })).data.id;
  }

  /** @param {number} handle_id @param {object} body @param {object} [jsep] */
  async #message(handle_id, body, jsep) {
    const { plugindata, jsep: described } = await this.#ask({ janus: 'message', handle_id, body, jsep });
    return { data: plugindata.data, jsep: described };
  }

  /** @param {object} message */
  async #ask(message) {
    const answer = await this.#desk.evaluate((asked) => /** @type {any} */ (window).ask(asked), message);
    const error = answer.error?.reason ?? answer.plugindata?.data.error;
    if (error) throw new Error(`Janus refuses ${JSON.stringify(message).slice(0, 200)}: ${error}`);
    return answer;
  }
}

/** In a page of its own: opens a session, after which `window.ask` asks something and gives the answer. @param {string} url */
async function openApi(url) {
  const KEEP_ALIVE_MS = 20_000;
  const socket = new WebSocket(url, 'janus-protocol');
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: () => reject(new Error('it does not listen')) }));
  /** @type {Map<string, (answer: any) => void>} */ const waiting = new Map();
  /** @type {number | undefined} */ let session_id;
  const ask = (/** @type {object} */ message) => new Promise((resolve) => {
    const transaction = String(Math.random());
    waiting.set(transaction, resolve);
    socket.send(JSON.stringify({ ...message, session_id, transaction }));
  });
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data);
    if (answer.janus === 'ack') return; // what was asked is looked at; an event follows
    waiting.get(answer.transaction)?.(answer);
    waiting.delete(answer.transaction);
  };
  session_id = (/** @type {any} */ (await ask({ janus: 'create' }))).data.id;
  setInterval(() => socket.send(JSON.stringify({ janus: 'keepalive', session_id, transaction: 'keepalive' })), KEEP_ALIVE_MS);
  Object.assign(window, { ask });
  return true;
}
