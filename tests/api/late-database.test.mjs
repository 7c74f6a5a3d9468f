/** A server that is started before its database waits for it, and serves once it is there; its port is its own from the beginning. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { Mongod } from '../e2e/harness/mongod.mjs';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { api, createRoom } from './client.mjs';

/** The server's patience with a database that does not answer, between its attempts, and its start on a busy machine. */
const NOTICED_WITHIN_MS = 60_000;

const mongod = await Mongod.start();
after(() => mongod?.close());

test('a server that finds no database waits for it, and then serves', { timeout: 120_000, skip: mongod === null }, async () => {
  const database = /** @type {Mongod} */ (mongod);
  await database.kill();
  const server = await Server.unstarted({ PARLOR_STORE__URL: `${database.url}?serverSelectionTimeoutMS=500` });
  try {
    const started = server.start({ within: NOTICED_WITHIN_MS });
    started.catch(() => {}); // awaited below; until then a failure must not end the process
    await eventually('it says that it waits', () => server.logTail().includes('waiting for the database'), { within: NOTICED_WITHIN_MS });
    const early = fetch(`${server.url}/healthz`);
    early.catch(() => {});
    await database.start();
    await started;
    assert.equal((await early).status, 200, 'who asked early is answered late');
    await eventually('it is ready', async () => (await fetch(`${server.url}/readyz`)).status === 200, { within: NOTICED_WITHIN_MS });
    const { room } = await createRoom(server.url, { history: 'keep' });
    assert.equal((await api(server.url, 'GET', `/api/rooms/${room.roomId}`)).room.roomId, room.roomId);
  } finally {
    await server.stop();
  }
});
