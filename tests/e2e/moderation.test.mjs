import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('a host mutes, makes a listener, locks, removes and ends', async (scene) => {
  const ada = await scene.host('Ada');
  const ben = await scene.join('Ben');
  await ada.hears(ben);
  const menu = await menuOf(ada, 'Ben');

  await ada.choose(menu, 'Mute microphone');
  await eventually('Ben sees that he is muted', () => ben.ask(() => document.querySelector('[data-toggle-microphone]')?.getAttribute('aria-pressed') === 'false'));
  await eventually('Ada hears nothing', async () => (await ada.ask(() => /** @type {any} */ (window).probe.tone('Ben'))) === null);
  await ben.page.keyboard.press('m');
  await ada.hears(ben);

  await ada.choose(menu, 'Make listener');
  await eventually('Ben may not speak', () => ben.ask(() => document.querySelector('[data-toggle-microphone]')?.getAttribute('aria-disabled') === 'true'));
  await eventually('Ada has nothing of Ben', () => ada.ask(() => /** @type {any} */ (window).probe.participant('Ben').tracks.size === 0));
  await ben.page.keyboard.press('v');
  await eventually('Ben is told why', async () => (await ben.textOf('#toasts'))?.includes('You may not show video in this room.'));
  await ada.choose(menu, 'Make speaker');
  await eventually('Ben may speak again', () => ben.ask(() => document.querySelector('[data-toggle-camera]')?.getAttribute('aria-disabled') === 'false'));
  await ben.page.keyboard.press('v');
  await ada.sees(ben);

  await ada.press('[data-lock]');
  await eventually('it is locked', () => ada.ask(() => document.querySelector('[data-lock]')?.getAttribute('aria-checked') === 'true'));
  const cleo = await scene.knock('Cleo');
  await cleo.shows('[data-gate="room-locked"]');

  await ada.choose(menu, 'Remove');
  await ben.shows('[data-ended="kicked"]');
  await ada.missesTileOf(ben);
  await ada.press('[data-end]');
  await ada.press('[data-confirm]');
  await ada.shows('[data-ended="ended"]');
});

scenario('who is banned stays out; whoever is no host has no host’s tools', async (scene) => {
  const ada = await scene.host('Ada');
  const ben = await scene.join('Ben');
  await ben.page.keyboard.press('p');
  await ben.shows('[data-person]');
  assert.equal(await ben.ask(() => document.querySelector('[data-lock], [data-end], [data-invite]')), null);
  const refused = await ben.ask(() => /** @type {any} */ (window).parlor.room.api.end().then(() => 'ended', (/** @type {any} */ { code }) => code));
  assert.equal(refused, 'forbidden');

  await ada.choose(await menuOf(ada, 'Ben'), 'Remove and block');
  await ada.press('[data-confirm]');
  await ben.shows('[data-ended="banned"]');
  await ben.open();
  await ben.shows('[data-gate="banned"]');
});

/** @param {import('./harness/participant.mjs').Participant} host @param {string} name @returns {Promise<string>} selector */
async function menuOf(host, name) {
  await host.page.keyboard.press('p');
  const participantId = await eventually(`${name} is in the list`, () => host.ask((wanted) => /** @type {any} */ (window).probe.participant(wanted)?.participantId, name));
  return `[data-person-menu="${participantId}"]`;
}
