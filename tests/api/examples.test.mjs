/**
 * What the pages under `docs/` tell people to type does what they say: every `sh` block that uses `$PARLOR` runs against a real
 * server, page by page in one shell, so that a block may use what an earlier one has set. What docs/webhooks.md gives people to
 * verify deliveries with is given deliveries.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import assert from 'node:assert/strict';
import { ROOT } from '../e2e/harness/paths.mjs';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { createRoom } from './client.mjs';

/** The key that docs/access.md shows. */
const KEYS = 'app:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';
const MEMORY = { PARLOR_STORE__URL: 'memory:', PARLOR_FILES__URL: 'memory:' };
/** @type {Record<string, Record<string, string>>} */
const PAGES = {
  'rooms.md': MEMORY,
  'operations.md': MEMORY,
  'storage.md': MEMORY,
  'files.md': MEMORY,
  'admin.md': MEMORY,
  'tls.md': MEMORY,
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

test('what docs/webhooks.md verifies deliveries with takes those of the server and no others', { timeout: 120_000 }, async () => {
  const text = await readFile(join(ROOT, 'docs', 'webhooks.md'), 'utf8');
  const block = (/** @type {string} */ language) => text.match(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm'))?.[1] ?? '';
  const secret = text.match(/secret = "(whsec_[^"]+)"/)?.[1] ?? '';
  const folder = await mkdtemp(join(tmpdir(), 'parlor-docs-'));
  /** @type {{ headers: import('node:http').IncomingHttpHeaders, body: Buffer }[]} */ const deliveries = [];
  const receiver = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    deliveries.push({ headers: request.headers, body: Buffer.concat(chunks) });
    response.end();
  });
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (receiver.address());
  const server = await Server.start({ ...MEMORY, PARLOR_WEBHOOKS__URLS: `http://127.0.0.1:${port}/parlor`, PARLOR_WEBHOOKS__SECRET: secret });
  try {
    const { room } = await createRoom(server.url, { name: 'Täglich' });
    await eventually('the delivery comes', () => deliveries.length > 0);
    const { headers, body } = deliveries[0];
    const late = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 600) };
    const cases = [[headers, body, true], [headers, Buffer.concat([body, Buffer.from(' ')]), false], [late, body, false], [{ ...headers, 'webhook-signature': 'v1,' }, body, false]]
      .map(([headers, body, isRight]) => ({ headers, body: body.toString('base64'), roomId: isRight ? room.roomId : null }));
    await writeFile(join(folder, 'cases.json'), JSON.stringify(cases));
    await writeFile(join(folder, 'verify.mjs'), `${block('js')}
import { readFileSync } from "node:fs";
for (const { headers, body, roomId } of JSON.parse(readFileSync("cases.json", "utf8"))) {
  let event = null;
  try { event = verify(headers, Buffer.from(body, "base64")); } catch (error) { if (roomId) throw error; }
  if ((event?.data.roomId ?? null) !== roomId) throw new Error(JSON.stringify({ headers, event }));
}`);
    await writeFile(join(folder, 'verify.py'), `${block('python')}
for case in json.load(open("cases.json")):
    event = None
    try:
        event = verify(case["headers"], base64.b64decode(case["body"]))
    except ValueError:
        pass
    assert (event and event["data"]["roomId"]) == case["roomId"], (case, event)
`);
    await shell('set -e; node verify.mjs; python3 verify.py', folder, { PARLOR_WEBHOOKS__SECRET: secret });
  } finally {
    await server.stop();
    receiver.close();
    await rm(folder, { recursive: true, force: true });
  }
});

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
