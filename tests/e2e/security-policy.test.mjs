import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('every page is served with a strict policy, and a whole call keeps it', async (scene) => {
  for (const path of ['/', `/r/${scene.roomId}`]) {
    const { headers } = await fetch(scene.server.url + path);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src '(none|self)'/, path);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|\*/, path);
    assert.match(policy, /frame-ancestors '(none|self)'/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
  }

  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await ada.sees(ben);
  await ada.page.keyboard.press('c');
  await ada.say('hello');
  await ben.page.click('[data-settings]');
  await ben.page.keyboard.press('Escape');
  await ben.page.click('[data-toggle-screen]');
  await eventually('the screen is shared', () => ada.picture(ben, 'screen'));
  for (const person of [ada, ben]) await person.behavedWell();

  // The policy is in force, and the instrument that would have told of a breach works.
  await ada.ask(() => {
    const script = document.createElement('script');
    script.textContent = 'window.inline = true';
    document.head.append(script);
  });
  await eventually('an inline script is refused', () => ada.ask(() => /** @type {any} */ (window).wiretap.violations.length === 1));
  assert.equal(await ada.ask(() => /** @type {any} */ (window).inline), undefined);
  await scene.remove(ada);
});
