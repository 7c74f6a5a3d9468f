/**
 * What the pages under `docs/` tell people to type does what they say: every `sh` block that uses `$PARLOR` runs against a real
 * server, page by page in one shell, so that a block may use what an earlier one has set.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import assert from 'node:assert/strict';
import { ROOT } from '../e2e/harness/paths.mjs';
import { Server } from '../e2e/harness/server.mjs';

/** The key that docs/access.md shows. */
const KEYS = 'app:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';
const MEMORY = { PARLOR_STORE__URL: 'memory:', PARLOR_FILES__URL: 'memory:' };
/** @type {Record<string, Record<string, string>>} */
const PAGES = {
  'rooms.md': MEMORY,
  'storage.md': MEMORY,
  'access.md': { ...MEMORY, PARLOR_AUTH__KEYS: KEYS },
};

for (const [page, env] of Object.entries(PAGES)) {
  test(`the examples of docs/${page} work as they are`, { timeout: 120_000 }, async () => {
    const text = await readFile(join(ROOT, 'docs', page), 'utf8');
    const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map((match) => match[1]).filter((block) => block.includes('$PARLOR'));
    assert.ok(blocks.length > 0, 'the page has examples');
    const server = await Server.start(env);
    const folder = await mkdtemp(join(tmpdir(), 'parlor-docs-'));
    try {
      await shell(`set -euo pipefail\n${blocks.join('\n')}`, folder, { ...env, PARLOR: server.url, PATH: `${dirname(server.binary)}:${process.env.PATH}` });
    } catch (error) {
      console.log(server.logTail(30));
      throw error;
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/** @param {string} script @param {string} cwd @param {Record<string, string>} env @returns {Promise<void>} */
function shell(script, cwd, env) {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-x', '-c', script], { cwd, env: { ...process.env, ...env } });
    let output = '';
    child.stdout.on('data', (chunk) => { output += chunk; });
    child.stderr.on('data', (chunk) => { output += chunk; });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`ended with ${code}:\n${output.slice(-6_000)}`))));
  });
}
