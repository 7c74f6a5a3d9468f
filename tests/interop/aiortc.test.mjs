/** A stack that is not libwebrtc in a room: with its like, and with a browser. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../e2e/harness/paths.mjs';
import { scenario } from '../e2e/harness/scenario.mjs';
import { eventually } from '../e2e/harness/wait.mjs';

const PYTHON = join(ROOT, 'target', 'interop-venv', 'bin', 'python');
const CLIENT = join(ROOT, 'tests', 'interop', 'aiortc_client.py');
const PIA = { name: 'Pia', color: [90, 150, 100], hz: 700, text: 'hello, this is Pia' };
const RON = { name: 'Ron', color: [100, 110, 180], hz: 900, text: 'hello, this is Ron' };
const STARTUP_MS = 30_000;

scenario('two aiortc clients see, hear and read each other', async (scene) => {
  await withClients(scene, [[PIA, RON], [RON, PIA]], async ([pia, ron]) => {
    for (const event of ['sees', 'hears', 'reads']) {
      await pia.reports(event);
      await ron.reports(event);
    }
  });
});

scenario('an aiortc client and Chromium see, hear and read each other', async (scene) => {
  const ada = await scene.join('Ada');
  const adasLook = { name: 'Ada', color: ada.devices.color, hz: ada.devices.hz, text: 'hello from a browser' };
  await withClients(scene, [[PIA, adasLook]], async ([pia]) => {
    await eventually('Ada reads Pia', async () => (await ada.heardTexts()).includes(PIA.text), { within: STARTUP_MS });
    await ada.say(adasLook.text);
    for (const event of ['sees', 'hears', 'reads']) await pia.reports(event);
    // It shows nothing that moves: only the colour is to be seen.
    await eventually('Ada sees Pia', async () => (await ada.ask((name) => /** @type {any} */ (window).probe.picture(name)?.color, 'Pia'))
      ?.every((/** @type {number} */ channel, /** @type {number} */ index) => Math.abs(channel - PIA.color[index]) <= 20));
    await ada.hears(/** @type {any} */ ({ name: 'Pia', devices: PIA }));
    await ada.decodesMore(/** @type {any} */ ({ name: 'Pia' }), 15);
  });
  await ada.missesTileOf(/** @type {any} */ ({ name: 'Pia' }));
});

/** @typedef {typeof PIA} Look */

/** @param {import('../e2e/harness/scenario.mjs').Scene} scene @param {[Look, Look][]} pairs who, and whom they wait for @param {(clients: Client[]) => Promise<void>} body */
async function withClients(scene, pairs, body) {
  const clients = pairs.map(([self, other]) => new Client(scene, self, other));
  try {
    await Promise.all(clients.map((client) => client.reports('joined')));
    await body(clients);
  } finally {
    for (const client of clients) await client.end();
  }
}

class Client {
  /** @type {Set<string>} */ #events = new Set();
  #errors = '';

  /** @param {import('../e2e/harness/scenario.mjs').Scene} scene @param {Look} self @param {Look} other */
  constructor({ server, roomId }, self, other) {
    this.name = self.name;
    this.process = spawn(PYTHON, [
      CLIENT, '--url', server.url, '--room', roomId,
      '--name', self.name, '--color', self.color.join(), '--hz', String(self.hz), '--say', self.text,
      '--expect-name', other.name, '--expect-color', other.color.join(), '--expect-hz', String(other.hz), '--expect-text', other.text,
    ]);
    createInterface(this.process.stdout).on('line', (line) => this.#events.add(JSON.parse(line).event));
    this.process.stderr.on('data', (chunk) => { this.#errors += chunk; });
    process.once('exit', () => this.process.kill('SIGKILL'));
  }

  /** @param {string} event */
  async reports(event) {
    await eventually(`${this.name} ${event}`, () => {
      if (this.#events.has(event)) return true;
      throw new Error(`it has reported ${[...this.#events].join(', ') || 'nothing'}; ${this.#errors.slice(-2_000)}`);
    }, { within: STARTUP_MS });
  }

  /** Leaves the room and ends. */
  async end() {
    this.process.stdin.end();
    await eventually(`${this.name} ends`, () => this.process.exitCode !== null || this.process.signalCode !== null).finally(() => this.process.kill('SIGKILL'));
  }
}
