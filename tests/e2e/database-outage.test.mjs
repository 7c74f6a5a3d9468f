import assert from 'node:assert/strict';
import { after } from 'node:test';
import { Mongod } from './harness/mongod.mjs';
import { scenario } from './harness/scenario.mjs';
import { always, eventually } from './harness/wait.mjs';

/** Messages that two people write while there is no database. */
const ROUNDS = 6;
/** Until the driver has seen that the server is gone, or back, and the queue has been written. */
const NOTICED_WITHIN_MS = 30_000;

const mongod = await Mongod.start();
after(() => mongod?.close());

/** @typedef {import('./harness/scenario.mjs').Scene} Scene */

scenario('a call with chat outlives kill -9 of its database, and nothing of what was said is lost', async (scene) => {
  const database = /** @type {Mongod} */ (mongod);
  const { server } = scene;
  const { roomId, hostSecret } = await createRoom(scene);
  scene.roomId = roomId;
  const history = () => readHistory(scene, hostSecret);
  const people = [await scene.join('Ada'), await scene.join('Ben')];
  const [ada, ben] = people;
  await ada.sees(ben);
  /** @type {string[]} */ const said = [];
  const talk = async (/** @type {string} */ when) => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const person = people[round % 2];
      said.push(`${person.name} ${round} ${when}`);
      await person.say(/** @type {string} */ (said.at(-1)));
    }
    for (const person of people) {
      await eventually(`${person.name} has read what was said ${when}`, async () => (await person.heardTexts()).length >= said.length);
      assert.deepEqual(await person.heardTexts(), said);
    }
  };

  await talk('before');
  await eventually('what was said before is saved', async () => (await history()).length === said.length);
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);

  await always('the server is alive', async () => (await fetch(`${server.url}/healthz`)).status === 200, async () => {
    await database.kill();
    await talk('during');
    await eventually('/readyz says that the database is away', async () => (await server.readiness()).reasons.join() === 'store', { within: NOTICED_WITHIN_MS });
    await Promise.all([ada.decodesMore(ben), ben.decodesMore(ada), ada.hears(ben), ben.hears(ada)]);
    assert.deepEqual((await history()).map(({ text }) => text), said, 'what was said lately is read from memory');
    const refused = await post(scene, {});
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers.get('retry-after')) > 0, 'it says when to try again');
    assert.equal((await refused.json()).code, 'store-unavailable');
    await talk('without a database');
    await database.start();
    await eventually('the server is ready again', async () => (await fetch(`${server.url}/readyz`)).status === 200, { within: NOTICED_WITHIN_MS });
  });

  await talk('after');
  await eventually('everything is saved', async () => (await history()).length >= said.length, { within: NOTICED_WITHIN_MS });
  await assertWhole(history, said);
  for (const person of people) assert.equal(await person.received('messages-lost'), 0);
  await ada.sees(ben);

  // What was acknowledged is in the database, not only in memory.
  await server.kill();
  await server.start();
  // Connections of the time before, kept for the next request, end with the first try.
  await eventually('the history is read again', history);
  await assertWhole(history, said);
}, { server: { PARLOR_STORE__URL: mongod?.url ?? '' }, skip: mongod === null });

/** @param {() => Promise<{ id: string, seq: number, text: string }[]>} history @param {string[]} said */
async function assertWhole(history, said) {
  const messages = await history();
  assert.deepEqual(messages.map(({ text }) => text), said, 'nothing lost, nothing twice, nothing out of order');
  const seqs = messages.map(({ seq }) => seq);
  assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b));
  assert.equal(new Set(messages.map(({ id }) => id)).size, messages.length);
}

/** Every message of the room, by pages. @param {Scene} scene @param {string} hostSecret */
async function readHistory(scene, hostSecret) {
  /** @type {{ id: string, seq: number, text: string }[]} */ const all = [];
  for (;;) {
    const response = await getMessages(scene, hostSecret, `?after=${all.at(-1)?.seq ?? 0}&limit=7`);
    if (response.status !== 200) throw new Error(`GET messages: ${response.status} ${await response.text()}`);
    const { messages, more } = await response.json();
    all.push(...messages);
    if (!more) return all;
  }
}

/** @param {Scene} scene @param {string} hostSecret @param {string} [query] */
function getMessages(scene, hostSecret, query = '') {
  return fetch(`${scene.server.url}/api/rooms/${scene.roomId}/messages${query}`, { headers: { authorization: `Bearer ${hostSecret}` } });
}

/** A room that outlives a restart. @param {Scene} scene @returns {Promise<{ roomId: string, hostSecret: string }>} */
async function createRoom(scene) {
  const response = await post(scene, { history: 'keep' });
  assert.equal(response.status, 201);
  const { room, hostSecret } = await response.json();
  return { roomId: room.roomId, hostSecret };
}

/** @param {Scene} scene @param {object} room */
function post(scene, room) {
  return fetch(`${scene.server.url}/api/rooms`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(room) });
}
