import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('an invitation lets one person in, once, past the lock; no secret stays in an address', async (scene) => {
  const ada = await scene.host('Ada', { locked: true });
  assert.equal(await ada.ask(() => location.hash), '', 'the host’s secret is out of sight');
  const fragment = await ada.ask(async () => `#invite=${(await /** @type {any} */ (window).parlor.room.api.createInvites({ count: 1 }))[0].invite}`);

  const ben = await scene.join('Ben', { fragment });
  await ben.sees(ada);
  assert.equal(await ben.ask(() => location.hash), '');
  const cleo = await scene.knock('Cleo', { fragment });
  await cleo.shows('[data-gate="invite-invalid"]');
  await cleo.press('[data-without-invite]');
  await cleo.shows('[data-gate="room-locked"]');

  const addresses = await ben.ask(() => performance.getEntriesByType('resource').map(({ name }) => name).join('\n'));
  assert.doesNotMatch(addresses, /invite_/, 'fragments are not sent to servers');
  assert.doesNotMatch(scene.server.logTail(), /invite_[0-9a-f]{8}|host_[0-9a-f]{8}|access_[0-9a-f]{8}/);
});

scenario('the creator of a room is its host when she comes back', async (scene) => {
  const ada = await scene.join('Ada', { auto: false });
  await ada.page.goto(scene.server.url);
  await ada.page.click('[data-more-options]');
  await ada.page.click('[data-option="lobby"]');
  await ada.page.click('[data-create-room]');
  await ada.page.waitForSelector('[data-display-name]');
  await ada.page.type('[data-display-name]', 'Ada');
  await ada.page.keyboard.press('Enter');
  await ada.isIn();
  const role = () => ada.ask(() => /** @type {any} */ (window).parlor.room.role);
  assert.equal(await role(), 'host');
  await ada.reload();
  await ada.press('[data-join]');
  await ada.isIn();
  assert.equal(await role(), 'host', 'past her own lobby');
  await eventually('the tools are there', async () => {
    if (!(await ada.ask(() => document.querySelector('.people-panel')?.checkVisibility()))) await ada.page.keyboard.press('p');
    return ada.ask(() => document.querySelector('[data-lock]')?.checkVisibility());
  });
});
