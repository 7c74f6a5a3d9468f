import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** Messages of the clients take so long: offers of both sides are bound to cross. */
const LATENCY_MS = 120;
const ROUNDS = 6;

scenario('offers that cross again and again leave everybody with the same room', async (scene) => {
  const people = [await scene.join('Ada'), await scene.join('Ben'), await scene.join('Cleo')];
  for (const person of people) await person.ask((ms) => { /** @type {any} */ (window).wiretap.latencyMs = ms; }, LATENCY_MS);

  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(people.map(publishExtra));
    // Taken back while the offers are still on their way.
    if (round < ROUNDS - 1) await Promise.all(people.map(unpublishExtra));
  }
  const crossings = await Promise.all(people.map((person) => person.received('error:glare')));
  assert.ok(crossings.reduce((sum, count) => sum + count) > 0, 'no offers have crossed: the test shows nothing');

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
  const rooms = await Promise.all(people.map(tracksOfRoom));
  for (const tracks of rooms) assert.deepEqual(tracks, rooms[0]);
  assert.equal(rooms[0].length, 3 * 3, 'a microphone, a camera and an extra track of each');
  for (const person of people) {
    assert.equal(await person.ask(() => /** @type {any} */ (window).parlor.room.media.pc.signalingState), 'stable');
  }
});

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

/** Without waiting for the server: that is the point. @param {Participant} person */
function publishExtra(person) {
  return person.ask(async () => {
    const { parlor, testDevices } = /** @type {any} */ (window);
    /** @type {any} */ (window).extra = await parlor.room.publish(testDevices.openCamera(), { source: 'screen' });
  });
}

/** @param {Participant} person */
function unpublishExtra(person) {
  return person.ask(() => /** @type {any} */ (window).parlor.room.unpublish(/** @type {any} */ (window).extra));
}

/** Every track of the room, own ones included, as this participant knows them. @param {Participant} person @returns {Promise<string[]>} */
function tracksOfRoom(person) {
  return person.ask(() => {
    const { room } = /** @type {any} */ (window).parlor;
    const others = [...room.participants.values()].flatMap(({ tracks }) => [...tracks.keys()]);
    return [...others, ...[...room.publications].map(({ trackId }) => trackId)].sort();
  });
}
