import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const NAME = '<img src=x onerror="window.hacked=1">';
const TEXTS = [
  '<img src=x onerror="window.hacked=2">',
  '<script>window.hacked=3</script>',
  '<svg onload="window.hacked=4"><a href="javascript:window.hacked=5">click</a></svg>',
  '"><iframe srcdoc="<script>parent.hacked=6</script>"></iframe>',
  '{{constructor.constructor("window.hacked=7")()}} ${window.hacked=8}',
  'multi\nline & <b>bold</b> &lt;entity&gt; \u{1F469}\u{200D}\u{1F680}',
];

scenario('names and texts of others are shown as what they are: text', async (scene) => {
  const ada = await scene.join('Ada');
  const mallory = await scene.join(NAME);
  for (const text of TEXTS) await mallory.say(text);
  await eventually('Ada has all texts', async () => (await ada.heardTexts()).length === TEXTS.length);
  await ada.page.keyboard.press('c');

  assert.deepEqual(await ada.shownTexts(), TEXTS);
  assert.equal(await ada.ask(() => document.querySelector('.messages .author')?.textContent), NAME);
  assert.deepEqual(await ada.ask(() => [...document.querySelectorAll('.tile:not(.own) .tile-name')].map(({ textContent }) => textContent)), [NAME]);
  for (const person of [ada, mallory]) {
    const intruders = await person.ask(() => document.querySelectorAll('#app :is(script, iframe, b, [onerror], [onload], [src="x"], [href^="javascript"])').length);
    assert.equal(intruders, 0, 'elements made from text');
    assert.equal(await person.ask(() => /** @type {any} */ (window).hacked), undefined);
  }
});
