/**
 * The REST interface against its own description: requests made up from `/api/openapi.json`, good and bad, must never fail inside
 * the server, nor be answered in a way that the description does not know.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ROOT } from '../e2e/harness/paths.mjs';
import { Server } from '../e2e/harness/server.mjs';
import { Client, createRoom } from './client.mjs';

const SCHEMATHESIS = join(ROOT, 'target', 'api-venv', 'bin', 'schemathesis');
/** Not among them: what needs credentials that are refused (they are optional), or a resource that lives on (`use_after_free`). */
const CHECKS = ['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance', 'response_schema_conformance',
  'negative_data_rejection', 'positive_data_acceptance', 'unsupported_method', 'allow_header_conformance'].join(',');
/** What the description cannot say, in Python. */
const HOOKS = join(ROOT, 'tests', 'api', 'fuzz_hooks.py');
/** Good requests may also find a thing known, taken, changed or not there; never a fault of their own form. */
const GOOD = ['2xx', '304', '401', '403', '404', '409', '410', '412', '416', '422'];
const BAD = ['400', '401', '403', '404', '405', '409', '410', '412', '413', '415', '422'];
/** Requests of one operation and phase. More find more: FUZZ_EXAMPLES=1000 make api-test */
const EXAMPLES = process.env.FUZZ_EXAMPLES ?? '20';
const KEY = 'fuzz:a-secret-of-at-least-thirty-two-bytes';

/** Without limits that would answer everything by 429 or 507. */
const ENVIRONMENT = {
  PARLOR_STORE__URL: 'memory:', PARLOR_FILES__URL: 'memory:', PARLOR_FILES__MAX_PER_ROOM: '10000', PARLOR_LIMITS__MAX_ROOMS: '100000',
  PARLOR_LIMITS__ROOM_CREATIONS_PER_MINUTE: '1000000', PARLOR_LIMITS__UPLOADS_PER_MINUTE: '1000000',
};

test('an open server, as anybody', { timeout: 600_000 }, () => served(ENVIRONMENT, async (server) => {
  await fuzz(server, { room: await server.createRoom() });
}));

test('an open server, as the host of a room with people in it', { timeout: 600_000 }, () => served(ENVIRONMENT, async (server) => {
  const { room, hostSecret } = await createRoom(server.url);
  const guest = await Client.join(server.url, { roomId: room.roomId });
  await fuzz(server, { room: room.roomId, participant: guest.joined.participantId, bearer: hostSecret });
  guest.close();
}));

test('a server with keys, as an administrator', { timeout: 600_000 }, () => served({ ...ENVIRONMENT, PARLOR_AUTH__KEYS: KEY }, async (server) => {
  const bearer = await token(server, ['--admin', '--identity', 'root']);
  const { room } = await createRoom(server.url, {}, bearer);
  await fuzz(server, { room: room.roomId, bearer });
}));

/** @param {Record<string, string>} env @param {(server: Server) => Promise<void>} body */
async function served(env, body) {
  const server = await Server.start(env);
  try {
    await body(server);
    const health = await fetch(`${server.url}/healthz`);
    if (!health.ok) throw new Error(`/healthz answers ${health.status} afterwards`);
  } catch (error) {
    console.log(server.logTail(50));
    throw error;
  } finally {
    await server.stop();
  }
}

/** @param {Server} server @param {{ room: string, participant?: string, bearer?: string }} known what paths are filled with, and the credential */
async function fuzz(server, { room, participant, bearer }) {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-fuzz-'));
  const config = join(folder, 'schemathesis.toml');
  const known = { room_id: room, ...(participant ? { participant_id: participant } : {}) };
  const lines = Object.entries(known).map(([name, value]) => `"path.${name}" = ${JSON.stringify(value)}`);
  const expect = (/** @type {string} */ check, /** @type {string[]} */ statuses) => `checks.${check}.expected-statuses = ${JSON.stringify(statuses)}`;
  const general = [`hooks = ${JSON.stringify(HOOKS)}`, expect('positive_data_acceptance', GOOD), expect('negative_data_rejection', BAD)];
  // Said in words only: `before` and `after` exclude each other, a track must be one of the participant's, a cursor one that was given.
  const words = ['[[operations]]', 'include-operation-id = ["list_messages", "mute_participant", "list_rooms"]', expect('positive_data_acceptance', [...GOOD, '400'])];
  const made = join(folder, 'made-up.toml');
  await writeFile(made, [...general, ...words, ''].join('\n'));
  await writeFile(config, [...general, '[parameters]', ...lines, ...words, ''].join('\n'));
  const credential = bearer ? ['-H', `Authorization: Bearer ${bearer}`] : [];
  const common = [
    'run', `${server.url}/api/openapi.json`, '--checks', CHECKS, '--max-examples', EXAMPLES, '--seed', '1', '--no-shrink', '--warnings', 'off',
    '--continue-on-failure', '--suppress-health-check', 'all', ...credential,
  ];
  try {
    // The room of the paths would be gone with the first DELETE, or its guest with the first kick: what ends them is tried on made-up ones.
    const ends = ['delete_room', 'end_call', ...(participant ? ['kick_participant', 'ban_participant'] : [])].flatMap((id) => ['--exclude-operation-id', id]);
    await run(folder, ['--config-file', config, ...common, ...ends, '--phases', 'examples,coverage,fuzzing']);
    await run(folder, ['--config-file', made, ...common, '--phases', 'coverage,fuzzing,stateful']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param {string} cwd @param {string[]} arguments_ @returns {Promise<void>} */
function run(cwd, arguments_) {
  return new Promise((resolve, reject) => {
    const child = spawn(SCHEMATHESIS, arguments_, { cwd, env: { ...process.env, NO_COLOR: '1' } });
    let output = '';
    child.stdout.on('data', (chunk) => { output += chunk; });
    child.stderr.on('data', (chunk) => { output += chunk; });
    child.on('error', reject);
    child.on('close', (code) => {
      console.log(output.slice(-1_500));
      if (code === 0) resolve();
      else reject(new Error(`schemathesis ended with ${code}:\n${output.slice(0, 20_000)}`));
    });
  });
}

/** @param {Server} server @param {string[]} grants @returns {Promise<string>} */
function token(server, grants) {
  return new Promise((resolve, reject) => {
    const child = spawn(server.binary, ['token', 'create', ...grants], { env: { ...process.env, PARLOR_AUTH__KEYS: KEY } });
    let output = '';
    child.stdout.on('data', (chunk) => { output += chunk; });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(output.trim()) : reject(new Error(`parlor token create ended with ${code}`))));
  });
}
