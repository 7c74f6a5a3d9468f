import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('people come, go and come back', async (scene) => {
  const ada = await scene.join('Ada');
  assert.deepEqual(await ada.others(), []);

  const ben = await scene.join('Ben');
  await ada.sees(ben);
  await ben.sees(ada);

  const cleo = await scene.join('Cleo');
  await ada.sees(cleo);
  await cleo.sees(ben);

  await ben.leave();
  await ada.missesTileOf(ben);
  await cleo.missesTileOf(ben);
  await ada.seesMoving(cleo);

  await cleo.reload();
  await cleo.isIn();
  await cleo.sees(ada);
  await ada.sees(cleo);
  await ada.hears(cleo);
  assert.deepEqual(await ada.others(), ['Cleo'], 'nothing of the page before the reload is left');

  await scene.remove(cleo); // the window is closed without a word
  await ada.missesTileOf(cleo);
  await eventually('Ada is invited to bring others', () => ada.ask(() => document.querySelector('.invite')?.checkVisibility()));
});
