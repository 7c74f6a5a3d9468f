import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const ROOM_NAME = '<img src=x onerror="hacked=1">';
const METADATA = { '<script>hacked=2</script>': '<svg onload="hacked=3">' };
const TEXT = '<img src=x onerror="hacked=4">';

scenario('what is stored in a room is shown as text to those who come later', async (scene) => {
  const mallory = await scene.host('<b onclick="hacked=5">M</b>', { name: ROOM_NAME, metadata: METADATA });
  await mallory.say(TEXT);
  await mallory.ask(() => {
    const { room } = /** @type {any} */ (window).parlor;
    return room.react(room.messages[0].id, '<img src=x onerror="hacked=6">').catch(() => {});
  });
  const ada = await scene.join('Ada');
  await ada.page.keyboard.press('c');
  await eventually('Ada reads it', async () => (await ada.shownTexts()).join() === TEXT);
  assert.equal(await ada.textOf('.room-title'), ROOM_NAME);
  assert.equal(await ada.page.title(), `${ROOM_NAME} · Parlor`);
  await ada.page.keyboard.press('Escape');
  await ada.page.keyboard.press('p');
  await eventually('the list has the name', async () => (await ada.textOf('.people-list'))?.includes('<b onclick="hacked=5">M</b>'));
  const ben = await scene.join('Ben', { auto: false });
  await eventually('the page before has the name', async () => (await ben.textOf('h1')) === ROOM_NAME);
  for (const person of [mallory, ada, ben]) {
    const intruders = await person.ask(() => document.querySelectorAll('#app :is(script, iframe, b, [onerror], [onload], [onclick], [src="x"])').length);
    assert.equal(intruders, 0, 'elements made from text');
    assert.equal(await person.ask(() => /** @type {any} */ (window).hacked), undefined);
  }
});

scenario('a name is no role: who calls himself as the host does is seen and treated as somebody else', async (scene) => {
  const ada = await scene.host('Ada');
  const mallory = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await ada.say('the real one');
  await eventually('all have it', async () => (await mallory.heardTexts()).length === 1 && (await ben.heardTexts()).length === 1);
  await ben.page.keyboard.press('p');
  const rows = await eventually('Ben sees three', () => ben.ask(() => {
    const found = [...document.querySelectorAll('.people-list .person')].map((row) => [row.querySelector('.person-name')?.textContent, row.querySelector('.role')?.textContent ?? '']);
    return found.length === 3 && found;
  }));
  const [real, false_] = rows.filter(([name]) => name?.startsWith('Ada'));
  assert.deepEqual([real[1], false_[1]].sort(), ['', 'Host']);
  assert.notEqual(real[0], false_[0], 'the two can be told apart');
  const outcome = await mallory.ask(async () => {
    const { room } = /** @type {any} */ (window).parlor;
    const code = (/** @type {Promise<unknown>} */ request) => request.then(() => 'done', (/** @type {any} */ error) => error.code);
    return [room.messages[0].own, await code(room.deleteMessage(room.messages[0].id)), await code(room.api.update({ locked: true }))];
  });
  assert.deepEqual(outcome, [false, 'forbidden', 'forbidden']);
});
