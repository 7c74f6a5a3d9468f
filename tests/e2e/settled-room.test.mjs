import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';

scenario('coming and going in a settled room costs the others no negotiation', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  const cleo = await scene.join('Cleo');
  for (const bystander of [ada, ben]) await bystander.sees(cleo);
  await ada.sees(ben);
  await ben.sees(ada);

  const before = await Promise.all([ada, ben].map(negotiations));
  await cleo.leave();
  for (const bystander of [ada, ben]) await bystander.missesTileOf(cleo);
  await scene.remove(cleo);
  const dora = await scene.join('Dora', { devices: { color: [150, 90, 160], hz: 1300 } });
  for (const bystander of [ada, ben]) {
    await bystander.sees(dora);
    await bystander.hears(dora);
    await dora.sees(bystander);
  }
  assert.deepEqual(await Promise.all([ada, ben].map(negotiations)), before);
});

/** Offers of the server and answers to own ones, so far. @param {import('./harness/participant.mjs').Participant} person */
async function negotiations(person) {
  return { offers: await person.received('offer-received'), answers: await person.received('answer-received') };
}
