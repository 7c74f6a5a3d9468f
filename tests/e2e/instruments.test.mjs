import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';

const SOON = { within: 1_500 };

scenario('the instruments of these tests notice a wrong colour, a wrong tone, silence and a frozen picture', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await ada.sees(ben);
  await ada.hears(ben);

  await assert.rejects(ada.sees(as(ben, { color: ada.devices.color }), SOON), /Ben in rgb\(180,100,100\) \(last answer: it is rgb/);
  await assert.rejects(ada.hears(as(ben, { hz: ada.devices.hz }), SOON), /Ben at 500 Hz \(last answer: it is 70\d Hz/);
  await assert.rejects(ada.hears(as(ada, {}), SOON), /it is silent/);
  await ben.ask(() => /** @type {any} */ (window).testDevices.freeze());
  await ada.sees(ben, SOON).catch(() => {}); // what was under way arrives
  await assert.rejects(ada.seesMoving(ben, SOON), /Ada sees Ben move/);
});

/** The same person, of whom something else is expected. @param {import('./harness/participant.mjs').Participant} person @param {object} look */
function as(person, look) {
  return /** @type {any} */ ({ name: person.name, devices: { ...person.devices, ...look } });
}
