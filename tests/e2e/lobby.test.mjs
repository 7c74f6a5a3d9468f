import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('a host lets one person in from the lobby and turns another away', async (scene) => {
  const ada = await scene.host('Ada', { lobby: true, name: 'Ada’s room' });
  const ben = await scene.knock('Ben');
  await ben.shows('[data-waiting]');
  await ada.say('not for those outside');
  await eventually('Ada is told', async () => (await ada.textOf('[data-toggle-people] .badge')) === '1');
  const heard = await ben.ask(() => Object.keys(/** @type {any} */ (window).wiretap.received));
  assert.deepEqual(heard.filter((type) => !['hello', 'lobby-waiting', 'pong'].includes(type)), [], 'nothing of the room is told in the lobby');

  await ada.page.keyboard.press('p');
  assert.equal(await ada.ask(() => document.activeElement?.textContent), 'Deny', 'the keyboard is where the question is');
  await ada.press('[data-admit]');
  await ben.isIn();
  await ben.sees(ada);
  await ada.sees(ben);

  const cleo = await scene.knock('Cleo');
  await cleo.shows('[data-waiting]');
  await ada.press('[data-deny]');
  await cleo.shows('[data-gate="lobby-denied"]');
  assert.deepEqual(await ada.others(), ['Ben']);

  const dora = await scene.knock('Dora');
  await dora.shows('[data-waiting]');
  await dora.press('[data-cancel-waiting]');
  await dora.shows('[data-join]');
  await eventually('nobody waits any more', () => ada.ask(() => !document.querySelector('.lobby')?.checkVisibility()));
});
