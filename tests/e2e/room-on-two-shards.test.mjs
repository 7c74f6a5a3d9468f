import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

scenario('three people on two shards are in one room', async (scene) => {
  const { server } = scene;
  const people = [await scene.join('Ada'), await scene.join('Ben'), await scene.join('Cleo')];
  const [ada, ben, cleo] = /** @type {[Participant, Participant, Participant]} */ (people);
  // Metrics are a second old.
  const placed = (/** @type {number} */ first, /** @type {number} */ second) => eventually(`${first} are on one shard, ${second} on the other`,
    async () => (await on(server, 0)) === first && (await on(server, 1)) === second);
  await placed(2, 1);
  await everybodySeesAndHears(people);

  // A speaker is told to all, whichever shard hears it.
  for (const person of people) {
    await eventually(`${person.name} learns who speaks`, async () => (await person.received('active-speakers')) > 0);
  }

  await Promise.all(people.map((person) => person.say(`hello from ${person.name}`)));
  for (const person of people) {
    await eventually(`${person.name} has read everything`, async () => (await person.heardTexts()).length === people.length);
  }
  const orders = await Promise.all(people.map((person) => person.heardTexts()));
  for (const order of orders) assert.deepEqual(order, orders[0]);

  assert.ok((await server.metric('parlor_relayed_packets_total{shard="0",direction="in"}')) > 100);
  assert.ok((await server.metric('parlor_relayed_packets_total{shard="1",direction="in"}')) > 100);
  assert.equal(await server.metric('parlor_relay_dropped_packets_total{shard="0"}'), 0);

  // Cleo is alone on her shard.
  await cleo.leave();
  await Promise.all([ada.missesTileOf(cleo), ben.missesTileOf(cleo)]);
  await eventually('her shard keeps nothing of the room', async () => (await server.metric('parlor_shard_rooms{shard="1"}')) === 0);
  await Promise.all([ada.decodesMore(ben, 30), ben.decodesMore(ada, 30)]);

  const dan = await scene.join('Dan');
  await placed(2, 1);
  await everybodySeesAndHears([ada, ben, dan]);
}, { server: { PARLOR_MEDIA__SPREAD_PARTICIPANTS: '2' } });

/** @param {Participant[]} people */
async function everybodySeesAndHears(people) {
  for (const person of people) {
    for (const other of people.filter((candidate) => candidate !== person)) {
      await person.sees(other);
      await person.hears(other);
    }
  }
  for (const person of people) {
    for (const other of people.filter((candidate) => candidate !== person)) await person.seesMoving(other, { within: 3_000 });
  }
}

/** @param {import('./harness/server.mjs').Server} server @param {number} shard */
function on(server, shard) {
  return server.metric(`parlor_shard_participants{shard="${shard}"}`);
}
