import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('a shared screen appears beside the camera, moves, and goes', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await ben.sees(ada);

  await ada.page.click('[data-toggle-screen]');
  const shown = await eventually('Ben sees the screen', () => ben.picture(ada, 'screen'));
  await eventually('the screen moves', async () => (await ben.picture(ada, 'screen'))?.checksum !== shown.checksum);
  const { frameWidth, frameHeight } = await ben.inbound(ada, 'screen');
  const sent = await ada.ask(() => [.../** @type {any} */ (window).parlor.room.publications].find(({ source }) => source === 'screen').track.getSettings());
  assert.deepEqual([frameWidth, frameHeight], [sent.width, sent.height], 'a screen is not scaled down');
  await ben.sees(ada); // the camera goes on, in its own tile

  const late = await scene.join('Cleo');
  await eventually('who comes later sees the screen too', () => late.picture(ada, 'screen'));

  await ada.page.click('[data-toggle-screen]');
  await eventually('the tile of the screen goes', () => ben.ask(() => !document.querySelector('.tile[data-source="screen"]')));
  await ben.seesMoving(ada);
});
