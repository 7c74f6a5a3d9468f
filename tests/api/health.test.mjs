/** What the server says of itself: alive whatever the database does, ready only with it. */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { Mongod } from '../e2e/harness/mongod.mjs';
import { Server } from '../e2e/harness/server.mjs';
import { always, eventually } from '../e2e/harness/wait.mjs';

/** The driver's patience, the server's looks at the database, and a busy machine. */
const NOTICED_WITHIN_MS = 60_000;

const mongod = await Mongod.start();
after(() => mongod?.close());

test('a database that is away is a matter of readiness, not of life', { timeout: 150_000, skip: mongod === null }, async () => {
  const database = /** @type {Mongod} */ (mongod);
  const server = await Server.start({ PARLOR_STORE__URL: `${database.url}?serverSelectionTimeoutMS=500` });
  const isReady = () => server.readiness().then(({ status, reasons }) => status === 200 && reasons.length === 0);
  try {
    await eventually('it is ready', isReady);
    assert.equal(await server.metric('parlor_store_available{store="mongodb"}'), 1);
    await always('it is alive', () => isAlive(server), async () => {
      await database.kill();
      await eventually('it says that the store is away', async () => (await server.readiness()).reasons.join() === 'store', { within: NOTICED_WITHIN_MS });
      assert.equal((await fetch(`${server.url}/readyz`, { method: 'HEAD' })).status, 503);
      await eventually('the metrics say so', async () => (await server.metric('parlor_store_available{store="mongodb"}')) === 0, { within: NOTICED_WITHIN_MS });
      await database.start();
      await eventually('it is ready again', isReady, { within: NOTICED_WITHIN_MS });
    });
    await eventually('the metrics say so', async () => (await server.metric('parlor_store_available{store="mongodb"}')) === 1, { within: NOTICED_WITHIN_MS });
  } finally {
    await server.stop();
  }
});

test('every shard is told of, and HEAD answers like GET', async () => {
  const server = await Server.start();
  try {
    const { status, version, uptimeSeconds, shards, reasons } = await (await fetch(`${server.url}/healthz`)).json();
    assert.equal(status, 'ok');
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.ok(Number.isInteger(uptimeSeconds));
    assert.deepEqual(shards.map((/** @type {{ index: number }} */ { index }) => index), [0, 1]);
    for (const { heartbeatAgeMs } of shards) assert.ok(heartbeatAgeMs >= 0 && heartbeatAgeMs <= 5000, `${heartbeatAgeMs} ms`);
    assert.deepEqual(reasons, []);
    for (const path of ['/healthz', '/readyz']) {
      const response = await fetch(server.url + path, { method: 'HEAD' });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'application/json');
      assert.equal(await response.text(), '');
    }
  } finally {
    await server.stop();
  }
});

/** @param {Server} server */
async function isAlive(server) {
  return (await fetch(`${server.url}/healthz`)).status === 200;
}
