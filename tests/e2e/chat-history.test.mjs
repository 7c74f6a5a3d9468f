import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const DELETED = 'This message was deleted.';

scenario('who comes late reads what was said, as it is now', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  for (const text of ['one', 'two', 'three']) await ada.say(text);
  for (const person of [ada, ben]) await person.page.keyboard.press('c');
  await eventually('Ben reads it', async () => (await ben.shownTexts()).join() === 'one,two,three');

  await ada.choose(await menuOf(ada, 'two'), 'Edit');
  await ada.page.keyboard.down('Control');
  await ada.page.keyboard.press('a');
  await ada.page.keyboard.up('Control');
  await ada.page.keyboard.type('zwei');
  await ada.page.keyboard.press('Enter');
  await ada.choose(await menuOf(ada, 'three'), 'Delete');
  await ada.press('[data-confirm]');
  await ben.press(await menuOf(ben, 'one'));
  await ben.press('[data-react="👍"]');
  await eventually('Ada sees the reaction', async () => (await ada.textOf('[data-reaction]')) === '👍 1');
  await eventually('all is saved', () => ada.ask(() => document.querySelector('.tick[data-state="saved"]') !== null));

  const cleo = await scene.join('Cleo');
  await cleo.page.keyboard.press('c');
  for (const person of [ada, ben, cleo]) {
    await eventually(`${person.name} reads the same`, async () => (await person.shownTexts()).join() === `one,zwei,${DELETED}`);
    assert.equal(await person.textOf('[data-reaction]'), '👍 1');
    assert.match((await person.textOf('.messages')) ?? '', /edited/);
  }
  const refused = await ben.ask(() => {
    const { room } = /** @type {any} */ (window).parlor;
    return room.editMessage(room.messages[0].id, 'not mine').then(() => 'edited', (/** @type {any} */ { code }) => code);
  });
  assert.equal(refused, 'forbidden');
});

scenario('a long talk is loaded page by page, each message once', async (scene) => {
  const ada = await scene.join('Ada');
  const texts = Array.from({ length: 120 }, (_, index) => `message ${index}`);
  for (const text of texts) await patiently(() => ada.say(text));
  const ben = await scene.join('Ben');
  await ben.page.keyboard.press('c');
  await eventually('Ben has the last page', async () => (await ben.shownTexts()).length === 50);
  assert.equal((await ben.shownTexts()).at(-1), texts.at(-1));
  await ben.ask(() => void (/** @type {Element} */ (document.querySelector('.messages')).scrollTop = 0));
  await eventually('scrolling up loads more', async () => (await ben.shownTexts()).length >= 100);
  await ben.ask(() => void (/** @type {Element} */ (document.querySelector('.messages')).scrollTop = 0));
  await eventually('until all is there', async () => (await ben.shownTexts()).length === texts.length);
  assert.deepEqual(await ben.shownTexts(), texts);
  assert.equal(await ben.ask(() => document.querySelector('[data-earlier]')?.checkVisibility()), false);
});

scenario('a room that keeps nothing shows latecomers nothing', async (scene) => {
  const ada = await scene.host('Ada', { history: 'none' });
  await ada.say('only for those here');
  const ben = await scene.join('Ben');
  await ada.say('for both');
  await eventually('Ben reads what is said from now on', async () => (await ben.heardTexts()).join() === 'for both');
});

/** @param {import('./harness/participant.mjs').Participant} person @param {string} text @returns {Promise<string>} selector */
async function menuOf(person, text) {
  const id = await person.ask((wanted) => /** @type {any} */ (window).parlor.room.messages.find((/** @type {{ text: string }} */ message) => message.text === wanted).id, text);
  return `[data-message-menu="${id}"]`;
}

/** A script writes faster than a person may. @param {() => Promise<void>} say */
async function patiently(say) {
  await eventually('the server takes it', () => say().then(() => true));
}
