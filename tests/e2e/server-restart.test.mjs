import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const BACK_WITHIN_MS = 10_000;
/** So long an outage that the pauses between the attempts have become long. */
const FAILED_ATTEMPTS = 4;

/** @typedef {import('./harness/scenario.mjs').Scene} Scene */
/** @typedef {import('./harness/participant.mjs').Participant} Participant */

scenario('after a crash of the server all are back in the call by themselves', (scene) => outlive(scene, () => scene.server.kill()));

scenario('after a restart by the operator all are back in the call by themselves', (scene) => outlive(scene, () => scene.server.stop()));

/** @param {Scene} scene @param {() => Promise<void>} end of the server */
async function outlive(scene, end) {
  const people = [await scene.join('Ada'), await scene.join('Ben'), await scene.join('Cleo')];
  const [ada, ben, cleo] = people;
  await ada.sees(ben);
  await ada.say('before');
  const attempts = await Promise.all(people.map(countSockets));

  await end();
  await Promise.all(people.map((person, index) =>
    eventually(`${person.name} tries to come back`, async () => (await countSockets(person)) >= attempts[index] + FAILED_ATTEMPTS, { within: 30_000 })));
  assert.equal(await ada.ask(() => /** @type {any} */ (window).parlor.room.state), 'reconnecting');

  await scene.server.start();
  const deadline = performance.now() + BACK_WITHIN_MS;
  const left = () => ({ within: Math.max(0, deadline - performance.now()) });
  await Promise.all(people.map((person) => person.isIn(left())));
  await Promise.all([[ada, ben], [ada, cleo], [ben, ada], [ben, cleo], [cleo, ada], [cleo, ben]].map(([person, other]) => person.sees(other, left())));
  assert.ok(performance.now() < deadline, `back within ${BACK_WITHIN_MS} ms`);

  await ben.hears(cleo);
  for (const person of people) assert.equal((await person.others()).length, 2, `${person.name} meets nobody twice`);
  await cleo.say('after');
  await eventually('the chat goes on', async () => (await ada.heardTexts()).join() === 'before,after');
}

/** @param {Participant} person @returns {Promise<number>} */
function countSockets(person) {
  return person.ask(() => /** @type {any} */ (window).wiretap.sockets.length);
}
