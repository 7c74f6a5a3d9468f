/**
 * What README.md and the pages under `docs/` tell people to type does what they say. Every `sh` block that uses `$PARLOR`, or that
 * needs the programs of this host alone, runs: page by page in one shell, so that a block may use what an earlier one has set, beside
 * a real server. Every other one needs something that is not here, and is listed with who runs the same. What docs/webhooks.md
 * gives people to verify deliveries with is given deliveries.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import assert from 'node:assert/strict';
import { ROOT } from '../e2e/harness/paths.mjs';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { Client, createRoom } from './client.mjs';
import { allPages, anchors, blocks, commandPages, links, read } from './docs.mjs';

/** The key that docs/access.md shows. */
const KEYS = 'app:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';
const MEMORY = { PARLOR_STORE__URL: 'memory:', PARLOR_FILES__URL: 'memory:' };
/** What the servers of pages are started with besides; `FOLDER` is where the page's shell runs. @type {Record<string, Record<string, string>>} */
const SETTINGS = {
  'docs/access.md': { PARLOR_AUTH__KEYS: KEYS },
  // As by default, in the working directory.
  'docs/storage.md': { PARLOR_STORE__URL: 'sqlite:FOLDER/parlor-data/parlor.db' },
};

/**
 * Blocks that do not run here: how they begin, what they need, and what runs the same instead.
 *
 * @type {{ page: string, begins: string, needs: string, by: string }[]}
 */
const ELSEWHERE = [
  { page: 'README.md', begins: 'cargo run --release', needs: 'a build', by: 'scripts/quickstart.sh' },
  { page: 'README.md', begins: 'make check', needs: 'everything', by: '.ci/run' },
  { page: 'docs/quickstart.md', begins: 'cargo run --release', needs: 'a build', by: 'scripts/quickstart.sh' },
  { page: 'docs/quickstart.md', begins: 'parlor --http-tls self-signed', needs: 'a server that stays', by: 'tests/e2e/tls.test.mjs' },
  { page: 'docs/access.md', begins: 'curl -X POST http://localhost:8080/api/rooms', needs: 'a server without keys', by: 'tests/api/one-time.test.mjs' },
  { page: 'docs/access.md', begins: 'export PARLOR_AUTH__KEYS="app:$(openssl rand -hex 32)"\nparlor\n', needs: 'a server that stays', by: 'tests/api/logs.test.mjs' },
  ...['cargo build --release', 'sudo systemctl restart parlor'].map((begins) => (
    { page: 'docs/deployment.md', begins, needs: 'a machine with systemd', by: 'scripts/systemd-chroot.mjs' })),
  ...['docker build', 'docker run --rm', 'export PARLOR_MEDIA__ANNOUNCE', 'kubectl apply'].map((begins) => (
    { page: 'docs/deployment.md', begins, needs: 'a container engine or a cluster', by: 'tests/deploy/docs.test.mjs' })),
  { page: 'docs/deployment.md', begins: 'promtool check', needs: 'a server at a certain address', by: 'tests/deploy/docs.test.mjs' },
  { page: 'docs/loadtest.md', begins: 'cargo build --release -p parlor-loadtest', needs: 'a build', by: 'Makefile' },
  { page: 'docs/loadtest.md', begins: 'parlor-loadtest run', needs: 'half a minute', by: 'loadtest/src/cli/tests.rs' },
  { page: 'docs/admin.md', begins: 'parlor token create', needs: 'a server with keys', by: 'tests/e2e/admin.test.mjs' },
  { page: 'docs/storage.md', begins: 'mongosh', needs: 'mongosh', by: 'signaling/src/store/mongo/tests/documents.rs' },
];

for (const page of await commandPages()) {
  const runnable = (await blocks(page)).filter(({ runs }) => runs);
  if (runnable.length === 0) continue;
  test(`the commands of ${page} work as they are`, { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parlor-docs-'));
    const env = { ...MEMORY, ...SETTINGS[page] };
    for (const [name, value] of Object.entries(env)) env[/** @type {keyof typeof env} */ (name)] = value.replace('FOLDER', folder);
    const server = await Server.start(env);
    try {
      const script = ['set -euo pipefail', ...runnable.map(({ text }) => text)].join('\n');
      await shell(script, folder, { ...env, PARLOR: server.url, PATH: `${dirname(server.binary)}:${process.env.PATH}` });
    } catch (error) {
      console.log(server.logTail(30));
      throw error;
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test('every command that the pages show runs, here or elsewhere', async () => {
  const all = (await Promise.all((await commandPages()).map(blocks))).flat();
  const covers = (/** @type {typeof ELSEWHERE[0]} */ { page, begins }, /** @type {import('./docs.mjs').Block} */ block) =>
    block.page === page && block.text.trimStart().startsWith(begins);
  for (const block of all.filter(({ runs }) => !runs)) {
    const covered = ELSEWHERE.some((entry) => covers(entry, block));
    assert.ok(covered, `a block of ${block.page} neither uses $PARLOR nor is listed in ELSEWHERE:\n${block.text}`);
  }
  for (const entry of ELSEWHERE) {
    const meant = all.filter((block) => covers(entry, block));
    assert.equal(meant.length, 1, `${entry.page} has one block that begins with “${entry.begins}”`);
    assert.ok(!meant[0].runs, `this block runs here, it needs no entry:\n${meant[0].text}`);
    assert.ok(existsSync(join(ROOT, entry.by)), `${entry.by} is there`);
  }
});

test('no link between pages is dead', async () => {
  const dead = [];
  for (const page of await allPages()) {
    for (const link of links(await read(page))) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path, anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, target))) dead.push(`${page}: ${link} is not there`);
      else if (anchor && target.endsWith('.md') && !anchors(await read(target)).has(anchor)) dead.push(`${page}: ${target} has no heading #${anchor}`);
    }
  }
  assert.deepEqual(dead, []);
});

test('the metrics that troubleshooting names are told', { timeout: 60_000 }, async () => {
  const named = new Set((await read('docs/troubleshooting.md')).match(/\bparlor_[a-z_]+\b/g));
  assert.ok(named.size > 5, 'it names some');
  const server = await Server.start();
  try {
    // A code that was never told is left out.
    const client = new Client(server.url);
    client.socket.on('open', () => client.send({ type: 'join-room', roomId: 'nowhere' }));
    await eventually('an error is told', () => client.received.some(({ type }) => type === 'error'));
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const told = new Set([...text.matchAll(/^# HELP (\S+)/gm)].map(([, name]) => name));
    assert.deepEqual([...named].filter((name) => !told.has(name)), []);
  } finally {
    await server.stop();
  }
});

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
