/**
 * A real mongod over a folder of its own, which can be killed and started again over what it had written. `scripts/mongod.sh` watches
 * over it: it ends with this process whatever becomes of that.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './paths.mjs';
import { freePort } from './server.mjs';

export class Mongod {
  /** @type {import('node:child_process').ChildProcess | null} */ #shell = null;
  #pid = 0;

  /** One that has been started, or `null` (said aloud) where there is none and `REQUIRE_MONGO` does not ask for one. */
  static async start() {
    const mongod = new Mongod(await mkdtemp(join(tmpdir(), 'parlor-mongod-')), await freePort());
    if (await mongod.start()) return mongod;
    await mongod.close();
    if (process.env.REQUIRE_MONGO === '1') throw new Error('there is no mongod, and REQUIRE_MONGO is set');
    console.error('SKIPPED: tests of MongoDB, for want of a mongod: run scripts/mongod.sh path');
    return null;
  }

  /** @param {string} folder @param {number} port */
  constructor(folder, port) {
    this.folder = folder;
    this.port = port;
    this.url = `mongodb://127.0.0.1:${port}/`;
  }

  /** Whether there is a mongod to be started. That it answers is for its clients to see. @returns {Promise<boolean>} */
  async start() {
    const shell = spawn(join(ROOT, 'scripts', 'mongod.sh'), ['serve', this.folder, String(this.port)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#shell = shell;
    for await (const line of createInterface({ input: shell.stdout })) {
      this.#pid = Number(line);
      return true;
    }
    return false;
  }

  /** kill -9. */
  async kill() {
    process.kill(this.#pid, 'SIGKILL');
    await this.#end();
  }

  /** Ends it for good, and removes what it has written. */
  async close() {
    await this.#end();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end() {
    const shell = this.#shell;
    this.#shell = null;
    if (!shell) return;
    shell.stdin?.end();
    if (shell.exitCode === null) await once(shell, 'exit');
  }
}
