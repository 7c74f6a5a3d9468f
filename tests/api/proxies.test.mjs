/**
 * Parlor behind the proxies of docs/tls.md, with what the page tells people to write: nothing is changed but ports, names and the
 * paths of the certificate. A proxy that is not installed is skipped, and says so.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ROOT } from '../e2e/harness/paths.mjs';
import { Server, freePort } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { issue } from './certificates.mjs';
import { Client, createRoom } from './client.mjs';

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // the certificate is the test's own

/** More than nginx takes unless it is told to, and less than Parlor does. */
const FILE_BYTES = 5 << 20;
const NAME = 'parlor.example.org';

/** @typedef {{ folder: string, snippet: string, port: number, upstream: number, certificate: string, key: string }} Setting */
/** @type {Record<string, { language: string, program: string, start: (setting: Setting) => Promise<string[]> }>} */
const PROXIES = {
  nginx: {
    language: 'nginx',
    program: 'nginx',
    start: async ({ folder, snippet, port, upstream, certificate, key }) => {
      const site = snippet.replace('listen 443', `listen 127.0.0.1:${port}`).replace('127.0.0.1:8080', `127.0.0.1:${upstream}`)
        .replace(/ssl_certificate .*;/, `ssl_certificate ${certificate};`).replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${key};`);
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n');
      await writeFile(join(folder, 'nginx.conf'), `pid ${folder}/pid;\ndaemon off;\nevents {}\nhttp {\naccess_log off;\n${temporary}\n${site}}\n`);
      return ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'];
    },
  },
  Caddy: {
    language: 'caddy',
    program: 'caddy',
    start: async ({ folder, snippet, port, upstream, certificate, key }) => {
      const site = snippet.replace(`${NAME} {`, `https://localhost:${port}, https://127.0.0.1:${port} {\n    tls ${certificate} ${key}`).replace('127.0.0.1:8080', `127.0.0.1:${upstream}`);
      await writeFile(join(folder, 'Caddyfile'), `{\n    admin off\n    auto_https disable_redirects\n    storage file_system ${folder}\n}\n${site}`);
      return ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'];
    },
  },
};

for (const [name, { language, program, start }] of Object.entries(PROXIES)) {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin`, HOME: tmpdir() };
  const skip = spawnSync(program, [program === 'nginx' ? '-v' : 'version'], { env }).error ? `${program} is not installed: run scripts/test-deps.sh` : false;
  test(`Parlor behind ${name}`, { timeout: 120_000, skip }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parlor-proxy-'));
    const server = await Server.start({ PARLOR_HTTP__TRUSTED_PROXIES: '127.0.0.1,::1', PARLOR_LIMITS__ROOM_CREATIONS_PER_MINUTE: '3' });
    const [certificate, key, port] = [join(folder, 'certificate.pem'), join(folder, 'key.pem'), await freePort()];
    issue(certificate, key);
    const page = await readFile(join(ROOT, 'docs', 'tls.md'), 'utf8');
    const snippet = page.match(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm'))?.[1] ?? '';
    const proxy = spawn(program, await start({ folder, snippet, port, upstream: server.httpPort, certificate, key }), { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', () => proxy.kill());
    const ended = once(proxy, 'close');
    let said = '';
    for (const stream of [proxy.stdout, proxy.stderr]) stream.on('data', (chunk) => { said += chunk; });
    try {
      const url = `https://127.0.0.1:${port}`;
      await eventually(`${name} answers`, async () => (await fetch(`${url}/healthz`)).ok);
      await serves(url);
    } catch (error) {
      console.log(said, server.logTail(20));
      throw error;
    } finally {
      // Asked, it ends its workers too, and its output is over once they have ended.
      proxy.kill();
      await ended;
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/** @param {string} url */
async function serves(url) {
  const page = await fetch(url);
  assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'self'/);
  assert.match(page.headers.get('strict-transport-security') ?? '', /^max-age=/);

  const { room, hostSecret } = await createRoom(url);
  const ana = await Client.join(url, { roomId: room.roomId, displayName: 'Ana' });
  ana.say('hello');
  await ana.receives('message-received', ({ text }) => text === 'hello');
  ana.close();

  // A page's own changes and sockets, and those of a page that somebody on the way could have written.
  const create = (/** @type {Record<string, string>} */ headers) => fetch(`${url}/api/rooms`, { method: 'POST', headers });
  assert.equal((await create({ origin: url })).status, 201);
  assert.equal((await create({ origin: url.replace('https', 'http') })).status, 403);

  const bytes = randomBytes(FILE_BYTES);
  const uploaded = await fetch(`${url}/api/rooms/${room.roomId}/files?name=large.bin`, { method: 'POST', body: bytes, headers: { authorization: `Bearer ${hostSecret}` } });
  assert.equal(uploaded.status, 201, await uploaded.clone().text());
  const { file } = await uploaded.json();
  const downloaded = await fetch(`${url}/api/rooms/${room.roomId}/files/${file.fileId}`, { headers: { authorization: `Bearer ${hostSecret}` } });
  assert.ok(bytes.equals(Buffer.from(await downloaded.arrayBuffer())), 'it comes back as it was');

  // The third of who comes through the proxy from this host, and the fourth under another's name.
  assert.equal((await create({})).status, 201);
  assert.equal(await createAs(url, '203.0.113.9'), 429);
}

/** The status of creating a room, with a header that says to come from elsewhere. @param {string} url @param {string} claimed @returns {Promise<number>} */
function createAs(url, claimed) {
  return new Promise((resolve, reject) => {
    // From an address that is no trusted proxy's.
    const options = { method: 'POST', localAddress: '127.0.0.2', headers: { 'x-forwarded-for': claimed } };
    const sent = request(`${url}/api/rooms`, options, (response) => resolve(response.resume().statusCode ?? 0));
    sent.on('error', reject);
    sent.end();
  });
}
