/**
 * One scenario: a server of its own, browsers that are launched when somebody needs them, and the participants. Whatever happens,
 * everything is closed at the end; of a failure a record is kept (see `RECORDS`).
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchChromium, launchFirefox } from './browsers.mjs';
import { Participant } from './participant.mjs';
import { RECORDS } from './paths.mjs';
import { Server } from './server.mjs';

const TIMEOUT_MS = 120_000;
/**
 * The colours and tones of the participants in joining order. The colours are pale, because browsers do not agree on how a saturated one is
 * to be coded; no tone is a multiple of another.
 */
const LOOKS = /** @type {{ color: [number, number, number], hz: number }[]} */ ([
  { color: [180, 100, 100], hz: 500 },
  { color: [90, 150, 100], hz: 700 },
  { color: [100, 110, 180], hz: 900 },
  { color: [170, 160, 90], hz: 1100 },
]);
/** Small enough to be sent as a single stream. */
const CAMERA = { width: 320, height: 180, fps: 15 };
const VIEWPORT = { width: 1000, height: 700 };

/** @typedef {import('puppeteer-core').Browser} Browser */
/** @typedef {'chromium' | 'firefox'} BrowserKind */

/**
 * @typedef {object} JoinOptions
 * @property {BrowserKind} [browser] one Firefox in a scene: its pages hide one another, and a hidden one is sent no pictures
 * @property {Partial<import('./participant.mjs').Devices>} [devices]
 * @property {Record<string, string>} [query] of the page's address
 * @property {string} [fragment] of the page's address, with its `#`
 * @property {boolean} [auto] default true: joins without the pre-join page, and is in the call when `join` returns
 * @property {string} [origin] where the page is loaded from; default: the server
 * @property {string} [roomId] default: the scene's room
 * @property {(page: import('puppeteer-core').Page) => Promise<void>} [prepare] before the page is opened
 */

/**
 * @param {string} name
 * @param {(scene: Scene) => Promise<void>} body
 * @param {{ server?: import('./server.mjs').Environment, place?: import('./server.mjs').Place, chromiumFlags?: string[], skip?: string | false }} [options] `server`: configuration by environment variables
 */
export function scenario(name, body, { server = {}, place = {}, chromiumFlags = [], skip = false } = {}) {
  test(name, { timeout: TIMEOUT_MS, skip }, async () => {
    const scene = new Scene(await Server.start(server, place), chromiumFlags);
    try {
      scene.roomId = await scene.server.createRoom();
      await body(scene);
      for (const participant of scene.participants) await participant.behavedWell();
    } catch (error) {
      await scene.record(name, error);
      throw error;
    } finally {
      await scene.close();
    }
  });
}

export class Scene {
  /** @type {Participant[]} */ participants = [];
  roomId = '';
  /** @type {Map<BrowserKind, Promise<Browser>>} */ #browsers = new Map();

  /** @param {Server} server @param {string[]} chromiumFlags */
  constructor(server, chromiumFlags) {
    this.server = server;
    this.chromiumFlags = chromiumFlags;
  }

  /** @param {string} name @param {JoinOptions} [options] @returns {Promise<Participant>} */
  async join(name, { browser = 'chromium', devices = {}, query = {}, fragment = '', auto = true, origin = this.server.url, roomId = this.roomId, prepare } = {}) {
    const context = await (await this.#browser(browser)).createBrowserContext();
    const page = await context.newPage();
    await page.setViewport(VIEWPORT);
    const look = { ...LOOKS[this.participants.length % LOOKS.length], ...CAMERA, ...devices };
    const parameters = new URLSearchParams({ ...(auto ? { name, auto: '1' } : {}), ...query });
    const participant = new Participant({ name, page, devices: look, url: `${origin}/r/${roomId}?${parameters}${fragment}` });
    this.participants.push(participant);
    await participant.equip();
    await prepare?.(page);
    await participant.open();
    if (auto) await participant.isIn();
    return participant;
  }

  /**
   * Joins a room of one's own settings as its host.
   *
   * @param {string} name @param {object} [room] settings @param {JoinOptions} [options]
   * @returns {Promise<Participant>} the scene's room is the new one from then on
   */
  async host(name, room = {}, options = {}) {
    const { roomId, hostSecret } = await this.server.createHostedRoom(room);
    this.roomId = roomId;
    return this.join(name, { fragment: `#host=${hostSecret}`, ...options });
  }

  /** Opens the page and joins, without waiting until that is done: a host may have to allow it. @param {string} name @param {JoinOptions} [options] */
  knock(name, options = {}) {
    return this.join(name, { ...options, auto: false, query: { name, auto: '1', ...options.query } });
  }

  /** Closes the participant's page without a goodbye. @param {Participant} participant */
  async remove(participant) {
    this.participants.splice(this.participants.indexOf(participant), 1);
    await participant.page.browserContext().close();
  }

  /** @param {string} name @param {unknown} error */
  async record(name, error) {
    const folder = join(RECORDS, name.replace(/\W+/g, '-'));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'server.log'), this.server.logTail());
    await writeFile(join(folder, 'error.txt'), error instanceof Error ? `${error.stack}\n` : String(error));
    for (const participant of this.participants) {
      const { name: who, page, console } = participant;
      await writeFile(join(folder, `${who}.console.log`), console.join('\n'));
      await participant.situation().then((situation) => writeFile(join(folder, `${who}.json`), JSON.stringify(situation, null, 1))).catch(() => {});
      await page.screenshot({ path: /** @type {`${string}.png`} */ (join(folder, `${who}.png`)) }).catch(() => {}); // the page may be what broke
    }
  }

  async close() {
    for (const browser of this.#browsers.values()) await browser.then((open) => open.close()).catch(() => {});
    await this.server.stop();
  }

  /** @param {BrowserKind} kind */
  #browser(kind) {
    let browser = this.#browsers.get(kind);
    if (!browser) {
      browser = kind === 'firefox' ? launchFirefox() : launchChromium({ flags: this.chromiumFlags });
      this.#browsers.set(kind, browser);
    }
    return browser;
  }
}
