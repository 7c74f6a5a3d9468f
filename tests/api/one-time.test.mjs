/** What was said and shared in a room is in no file of the server any more once the room has ended, whichever way it did. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { Client, api, createRoom } from './client.mjs';

/** What is promised. */
const PURGED_WITHIN = 60_000;

const NAME = 'Quarterly whisper xq71';
const PERSON = 'Marmaduke Zephyrine';
const TEXT = 'the treasure is under the seventh oak';
const EDITED = 'the treasure has been moved to the mill';
const FILE_NAME = 'map-of-the-oaks.txt';
const FILE = 'seven paces north, then dig, zq44';
const METADATA = 'ticket-of-the-heirs';
const TRACES = [NAME, PERSON, TEXT, EDITED, FILE_NAME, FILE, METADATA];

/** @type {Record<string, { settings: object, end: (url: string, roomId: string, secret: string) => Promise<unknown> }>} */
const ENDS = {
  'deleted': { settings: { history: 'keep' }, end: (url, roomId, bearer) => api(url, 'DELETE', `/api/rooms/${roomId}`, { bearer }) },
  'ended by its host': { settings: {}, end: (url, roomId, bearer) => api(url, 'POST', `/api/rooms/${roomId}/end`, { bearer }) },
  // Long enough for the room to be filled before.
  'expired': { settings: { history: 'keep', expiresInSeconds: 4 }, end: async () => {} },
  'empty for its time': { settings: { emptyTimeoutSeconds: 1 }, end: async () => {} },
};

for (const [how, { settings, end }] of Object.entries(ENDS)) {
  test(`a room that is ${how} leaves no byte of what was in it`, { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parlor-one-time-'));
    const server = await Server.start({ PARLOR_STORE__URL: `sqlite:${folder}/parlor.db`, PARLOR_FILES__URL: `file:${folder}/files` });
    try {
      // Another room stays, so that what is looked for is known to be stored where it is looked for.
      const other = await createRoom(server.url, { history: 'keep', name: 'The one that stays' });
      const { room, hostSecret } = await createRoom(server.url, { ...settings, name: NAME, metadata: { of: METADATA } });
      const people = await fill(server.url, room.roomId, hostSecret);
      // More than once: between the looks into one file and another what is there may move from SQLite's log into its database.
      await eventually('all of it is stored', async () => {
        const stored = await traces(folder);
        const missing = TRACES.filter((trace) => !stored.has(trace));
        if (missing.length > 0) throw new Error(`"${missing.join('", "')}" was not found`);
        return true;
      }, { within: 3_000 });
      for (const person of people) person.close();
      await end(server.url, room.roomId, hostSecret);
      // First the end itself, of which a lost socket is forgiven for a while; from then on the promise counts.
      await eventually('the room is gone', async () => [404, 410].includes((await fetch(`${server.url}/api/rooms/${room.roomId}`)).status), { within: 60_000 });
      await eventually('nothing is left of it', async () => [...(await traces(folder)), ...(await filesIn(join(folder, 'files')))].join(', ') === '', { within: PURGED_WITHIN });
      assert.ok((await everything(folder)).includes('The one that stays'));
      await api(server.url, 'GET', `/api/rooms/${other.room.roomId}`);
      // Nor does it come back.
      await server.kill();
      await server.start();
      assert.deepEqual([...(await traces(folder))], []);
    } catch (error) {
      console.log(server.logTail(40));
      throw error;
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/** Says, changes, shares and invites. @param {string} url @param {string} roomId @param {string} hostSecret @returns {Promise<Client[]>} who is in the room */
async function fill(url, roomId, hostSecret) {
  const person = await Client.join(url, { roomId, displayName: PERSON });
  const host = await Client.join(url, { roomId, displayName: `${PERSON} the elder`, hostSecret });
  const bearer = person.joined.accessToken;
  const answer = await fetch(`${url}/api/rooms/${roomId}/files?name=${FILE_NAME}`, { method: 'POST', headers: { authorization: `Bearer ${bearer}` }, body: FILE });
  assert.equal(answer.status, 201);
  await api(url, 'POST', `/api/rooms/${roomId}/invites`, { body: { count: 3 }, bearer: hostSecret });
  person.say(TEXT);
  person.say(`${TEXT}, I say`);
  host.say('is that so?', { to: person.joined.participantId });
  const { id } = await person.receives('message-received', (message) => message.text === `${TEXT}, I say`);
  person.send({ type: 'edit-message', roomId, messageId: id, text: EDITED });
  person.send({ type: 'react', roomId, messageId: id, emoji: '👍', on: true });
  await host.receives('message-reacted');
  await person.receives('messages-saved', (message) => message.upTo >= 2);
  await eventually('the edit is stored', async () => (await api(url, 'GET', `/api/rooms/${roomId}/messages`, { bearer })).messages.some((/** @type {any} */ message) => message.text === EDITED));
  return [person, host];
}

/** @param {string} folder @returns {Promise<Set<string>>} what of the room is in any file */
async function traces(folder) {
  const bytes = await everything(folder);
  return new Set(TRACES.filter((trace) => bytes.includes(trace)));
}

/** @param {string} folder @returns {Promise<string>} the bytes and names of all files */
async function everything(folder) {
  const files = await filesIn(folder);
  // A file may go while it is looked for.
  const contents = await Promise.all(files.map((file) => readFile(file, 'latin1').catch(() => '')));
  return [...files, ...contents].join('\n');
}

/** @param {string} folder @returns {Promise<string[]>} */
async function filesIn(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
