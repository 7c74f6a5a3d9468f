import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** Messages of the clients take so long: offers of both sides are bound to cross. */
const LATENCY_MS = 120;
/** So many offers have to cross before the test shows anything; each round of growth makes some, up to so many rounds. */
const CROSSINGS = 3;
const MAX_ROUNDS = 8;
const CHURN_ROUNDS = 6;

scenario('offers that cross again and again leave everybody with the same room', async (scene) => {
  const people = [await scene.join('Ada'), await scene.join('Ben'), await scene.join('Cleo')];
  for (const person of people) await person.ask((ms) => { /** @type {any} */ (window).wiretap.latencyMs = ms; }, LATENCY_MS);

  // More and more tracks: the server has to offer new m-lines to those who are just offering new ones themselves.
  for (let round = 0; round < MAX_ROUNDS && (await crossings(people)) < CROSSINGS; round += 1) {
    await Promise.all(people.map(publishExtra));
    await Promise.all(people.map((person) => eventually(`${person.name}'s tracks are published`, () => areAllPublished(person))));
  }
  assert.ok((await crossings(people)) >= CROSSINGS, 'hardly any offers have crossed: the test shows nothing');

  // Back and forth without waiting for anything, and a single extra track of each in the end.
  for (let round = 0; round < CHURN_ROUNDS; round += 1) {
    await Promise.all(people.map(unpublishExtras));
    await Promise.all(people.map(publishExtra));
  }
  await Promise.all(people.map((person) => eventually(`${person.name}'s tracks are published`, () => areAllPublished(person))));

  for (const person of people) {
    for (const other of people.filter((candidate) => candidate !== person)) {
      await person.sees(other);
      await person.hears(other);
      await eventually(`${person.name} sees the second picture of ${other.name}`, async () => {
        const picture = await person.picture(other, 'screen');
        return picture?.color.every((channel, index) => Math.abs(channel - other.devices.color[index]) <= 20);
      });
    }
  }
  const agree = async () => new Set((await Promise.all(people.map(tracksOfRoom))).map(String)).size === 1;
  await eventually('all know the same tracks', agree);
  assert.equal((await tracksOfRoom(people[0])).length, 3 * 3, 'a microphone, a camera and an extra track of each');
  for (const person of people) {
    assert.equal(await person.ask(() => /** @type {any} */ (window).parlor.room.media.pc.signalingState), 'stable');
  }
});

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

/** Own offers that the server refused because they crossed its own. @param {Participant[]} people */
async function crossings(people) {
  const counts = await Promise.all(people.map((person) => person.received('error:glare')));
  return counts.reduce((sum, count) => sum + count);
}

/** Without waiting for the server: that is the point. @param {Participant} person */
function publishExtra(person) {
  return person.ask(async () => {
    const { parlor, testDevices } = /** @type {any} */ (window);
    await parlor.room.publish(testDevices.openCamera(), { source: 'screen' });
  });
}

/** @param {Participant} person */
function unpublishExtras(person) {
  return person.ask(() => {
    const { room } = /** @type {any} */ (window).parlor;
    for (const publication of [...room.publications].filter(({ source }) => source === 'screen')) room.unpublish(publication);
  });
}

/** @param {Participant} person */
function areAllPublished(person) {
  return person.ask(() => [.../** @type {any} */ (window).parlor.room.publications].every(({ trackId }) => trackId !== null));
}

/** Every track of the room, own ones included, as this participant knows them. @param {Participant} person @returns {Promise<string[]>} */
function tracksOfRoom(person) {
  return person.ask(() => {
    const { room } = /** @type {any} */ (window).parlor;
    const others = [...room.participants.values()].flatMap(({ tracks }) => [...tracks.keys()]);
    return [...others, ...[...room.publications].map(({ trackId }) => trackId)].sort();
  });
}
