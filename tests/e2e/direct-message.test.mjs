import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const SECRET = 'only between us';

scenario('a direct message is seen by two, marked as such, and by nobody else, later either', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  const cleo = await scene.join('Cleo');
  await ada.page.keyboard.press('c');
  await ada.ask(() => {
    const select = /** @type {HTMLSelectElement} */ (document.querySelector('[data-recipient]'));
    select.value = /** @type {any} */ (window).probe.participant('Ben').participantId;
    select.dispatchEvent(new Event('change'));
  });
  await ada.page.focus('[data-chat-input]');
  await ada.page.keyboard.type(SECRET);
  await ada.page.keyboard.press('Enter');
  await ben.page.keyboard.press('c');
  for (const [person, mark] of /** @type {const} */ ([[ada, ' Private, to Ben'], [ben, ' Private, to you']])) {
    await eventually(`${person.name} reads it`, async () => (await person.shownTexts()).join() === SECRET);
    assert.equal(await person.textOf('.message.direct .private'), mark);
  }
  await ada.ask(() => /** @type {any} */ (window).parlor.room.sendMessage('for all'));
  await eventually('Cleo reads the rest', async () => (await cleo.heardTexts()).join() === 'for all');
  await cleo.reload();
  await cleo.isIn();
  await eventually('Cleo has the history', async () => (await cleo.heardTexts()).join() === 'for all');
  assert.ok(!(await cleo.ask(() => /** @type {any} */ (window).wiretap.tail.join())).includes(SECRET));
});
