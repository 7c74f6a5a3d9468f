import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

scenario('a room is made, joined, used and left with the keyboard alone', async (scene) => {
  const ada = await scene.join('Ada', { auto: false });
  await ada.page.goto(scene.server.url);
  await ada.page.focus('[data-room-name]');
  await ada.page.keyboard.type('Monday meeting');
  await ada.page.keyboard.press('Enter');
  await ada.page.waitForSelector('[data-display-name]');
  const roomId = await ada.ask(() => location.pathname.replace('/r/', ''));
  assert.match(roomId, /^[a-z0-9]{4}(-[a-z0-9]{4}){3}$/);
  await eventually('the page tells about the room', () => ada.ask(() => document.querySelector('h1')?.textContent === 'Monday meeting'
    && document.querySelector('[data-room-status]')?.textContent === 'Nobody is here yet.'));
  await eventually('the preview shows the camera', () => ada.ask(() => (document.querySelector('video')?.videoWidth ?? 0) > 0));
  await ada.page.focus('[data-display-name]');
  await ada.page.keyboard.type('Ada');
  await ada.page.keyboard.press('Enter');
  await ada.isIn();

  const ben = await scene.join('Ben', { roomId });
  await ben.sees(ada);
  await ben.hears(ada);
  await togglesMicrophone(ada, ben);
  await togglesCamera(ada, ben);
  await chats(ada, ben);

  await ada.page.focus('[data-leave]');
  await ada.page.keyboard.press('Enter');
  await ben.missesTileOf(ada);
  await eventually('Ada may come back', () => ada.ask(() => document.body.innerText.includes('See you again.')));
});

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

/** @param {Participant} ada @param {Participant} ben */
async function togglesMicrophone(ada, ben) {
  const isMarked = () => ben.ask(() => {
    const tile = /** @type {any} */ (window).probe.tile('Ada');
    return tile.getAttribute('aria-label') === 'Ada, microphone off' && tile.querySelector('.mic-mark').checkVisibility();
  });
  assert.equal(await isMarked(), false);
  await ada.page.keyboard.press('m');
  await eventually('Ben sees that Ada is muted', isMarked);
  await eventually('Ben hears nothing', async () => (await ben.ask(() => /** @type {any} */ (window).probe.tone('Ada'))) === null);
  await ada.page.keyboard.press('m');
  await eventually('Ben sees that Ada is not muted', async () => !(await isMarked()));
  await ben.hears(ada);
}

/** @param {Participant} ada @param {Participant} ben */
async function togglesCamera(ada, ben) {
  await ada.page.keyboard.press('v');
  await eventually('Ben sees initials instead', () => ben.ask(() => {
    const tile = /** @type {any} */ (window).probe.tile('Ada');
    return !tile.querySelector('video') && tile.querySelector('.avatar').checkVisibility();
  }));
  await ada.page.keyboard.press('v');
  await ben.sees(ada);
}

/** @param {Participant} ada @param {Participant} ben */
async function chats(ada, ben) {
  const badge = () => ben.ask(() => {
    const element = /** @type {HTMLElement} */ (document.querySelector('[data-toggle-chat] .badge'));
    return element.checkVisibility() ? element.textContent : '';
  });
  assert.equal(await badge(), '');
  await ada.page.keyboard.press('c');
  await ada.page.keyboard.type('Hello');
  await eventually('the typing is shown', () => ben.ask(() => document.querySelector('.typing')?.textContent === 'Ada is typing…'));
  await ada.page.keyboard.press('Enter');
  await eventually('one unread message', async () => (await badge()) === '1');
  await ben.page.keyboard.press('c');
  assert.equal(await badge(), '', 'opening the chat reads it');
  assert.deepEqual(await ben.shownTexts(), ['Hello']);
  await ada.page.keyboard.press('Escape');
  await eventually('the chat is closed', () => ada.ask(() => !document.querySelector('aside.chat')?.checkVisibility()));
}
