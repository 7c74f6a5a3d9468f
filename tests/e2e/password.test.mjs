import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('a password is asked for, and only the right one opens', async (scene) => {
  const ada = await scene.host('Ada', { password: 'open sesame' });
  const ben = await scene.join('Ben', { auto: false, query: { name: 'Ben' } });
  await ben.shows('[data-password]');
  await ben.page.type('[data-password]', 'open barley');
  await ben.page.click('[data-join]');
  await eventually('the wrong one is refused', async () => (await ben.textOf('.problem')) === 'That is not the password of this room.');
  assert.equal(await ben.ask(() => document.activeElement?.hasAttribute('data-password')), true, 'it can be typed again at once');
  await ben.page.type('[data-password]', 'open sesame');
  await ben.page.keyboard.press('Enter');
  await ben.isIn();
  await ben.sees(ada);

  const cleo = await scene.knock('Cleo');
  await cleo.shows('[data-password]');
  const addresses = await ben.ask(() => performance.getEntriesByType('resource').map(({ name }) => name).join('\n'));
  assert.doesNotMatch(addresses + ben.page.url(), /sesame/);
});
