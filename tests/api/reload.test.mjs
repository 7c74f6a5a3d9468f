/** SIGHUP: a running server takes what has changed in its file, names what it cannot take, and keeps everything when the file is wrong. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { fingerprint, issue } from './certificates.mjs';
import { Client } from './client.mjs';

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // the certificates are the test's own

const OLD = `old:${'o'.repeat(32)}`;
const NEW = `new:${'n'.repeat(32)}`;

test('a running server takes a changed file on SIGHUP', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-reload-'));
  // Of the file, so that the file can change it.
  const server = await Server.unstarted({ PARLOR_HTTP__LISTEN: undefined, PARLOR_HTTP__TLS: 'files', PARLOR_LOG__FORMAT: 'json' }, { cwd: folder });
  const certificates = ['first', 'second'].map((name) => ({ certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }));
  for (const { certificate, key } of certificates) issue(certificate, key);
  const settings = { port: server.httpPort, files: certificates[0], keys: [OLD], creations: 1, level: 'warn' };
  const write = (changes = {}) => writeFile(join(folder, 'parlor.toml'), toml({ ...settings, ...changes }));
  const create = async (/** @type {string} */ token) => (await fetch(`${server.url}/api/rooms`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })).status;
  try {
    await write();
    await server.start();
    const [old, fresh] = [OLD, NEW].map((key) => token(server, key, '--create-rooms'));
    assert.deepEqual([await create(old), await create(old), await create(fresh)], [201, 429, 401]);
    assert.equal(await linesOfDeparture(server, OLD), 0);
    const shown = await fingerprint(server.httpPort);

    // A key is added, the rate rises, the log tells more, and there is another certificate; the port would be another.
    Object.assign(settings, { keys: [OLD, NEW], creations: 3, level: 'info', files: certificates[1] });
    await write({ port: server.httpPort + 1 });
    const told = await reload(server, 'the configuration was reloaded');
    assert.equal(told.fields.changed, 'http.tls_certificate, http.tls_key, auth.keys, limits.room_creations_per_minute, log.level');
    const left = await line(server, 'what has changed here needs a restart');
    assert.deepEqual([left.level, left.fields.changed], ['WARN', 'http.listen']);
    assert.deepEqual([await create(old), await create(old), await create(old), await create(fresh)], [201, 201, 429, 201]);
    assert.notEqual(await fingerprint(server.httpPort), shown);
    assert.equal(await linesOfDeparture(server, OLD), 1);

    // A key is taken away.
    Object.assign(settings, { keys: [NEW] });
    await write();
    assert.equal((await reload(server, 'the configuration was reloaded')).fields.changed, 'auth.keys');
    assert.deepEqual([await create(old), await create(fresh)], [401, 201]);

    // What is wrong changes nothing.
    await writeFile(join(folder, 'parlor.toml'), `${toml({ ...settings, keys: [OLD] })}[limits]\nmax_roms = 1\n`);
    assert.match((await reload(server, 'nothing was reloaded')).fields.message, /parlor\.toml, line \d+: /);
    await writeFile(certificates[1].certificate, 'nonsense');
    await write({ keys: [OLD] });
    assert.match((await reload(server, 'nothing was reloaded')).fields.message, /second\.pem \(http\.tls_certificate\) has no certificate in it$/);
    assert.deepEqual([await create(old), await create(fresh)], [401, 201]);
  } catch (error) {
    console.log(server.logTail(30));
    throw error;
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

/** @param {{ port: number, files: { certificate: string, key: string }, keys: string[], creations: number, level: string }} settings */
function toml({ port, files, keys, creations, level }) {
  return `[http]
listen = "127.0.0.1:${port}"
tls_certificate = "${files.certificate}"
tls_key = "${files.key}"
[auth]
keys = ${JSON.stringify(keys)}
[log]
level = "${level}"
[limits]
room_creations_per_minute = ${creations}
`;
}

/** A token of a key, in whose name it is. @param {Server} server @param {string} key @param {string[]} grants flags */
function token(server, key, ...grants) {
  const identity = key.split(':')[0];
  return execFileSync(server.binary, ['token', 'create', '--identity', identity, ...grants], { cwd: tmpdir(), env: { PARLOR_AUTH__KEYS: key } }).toString().trim();
}

/** How many lines there are of somebody who has left a room, once somebody has. @param {Server} server @param {string} key */
async function linesOfDeparture(server, key) {
  const response = await fetch(`${server.url}/api/rooms`, { headers: { authorization: `Bearer ${token(server, key, '--admin')}` } });
  const { roomId } = (await response.json()).rooms[0];
  const client = await Client.join(server.url, { roomId, displayName: 'Ana', token: token(server, key, '--room', roomId) });
  client.send({ type: 'leave-room', roomId: client.roomId });
  await client.receives('room-left');
  client.close();
  return lines(server).filter(({ fields }) => fields.message === 'participant left').length;
}

/** Asks for a reload. @param {Server} server @param {string} message what it says then @returns {Promise<any>} that line */
async function reload(server, message) {
  const seen = lines(server).length;
  server.signal('SIGHUP');
  return line(server, message, seen);
}

/** @param {Server} server @param {string} message its beginning @param {number} [from] lines to leave out @returns {Promise<any>} */
function line(server, message, from = 0) {
  return eventually(`the log says: ${message}`, () => lines(server).slice(from).find(({ fields }) => fields.message.startsWith(message)));
}

/** The log. @param {Server} server @returns {{ level: string, fields: any }[]} */
function lines(server) {
  return server.logTail(2_000).split('\n').filter((text) => text.startsWith('{')).map((text) => JSON.parse(text));
}
