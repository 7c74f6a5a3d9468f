/** A room that forwards one voice of three: who speaks is heard, on the m-line and by the element of who spoke before. */
import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

scenario('only the loudest voice of a large room is heard, and the next one at once', async (scene) => {
  const { server } = scene;
  const people = [await scene.join('Ada'), await scene.join('Ben'), await scene.join('Cleo')];
  const [ada, ben, cleo] = /** @type {[Participant, Participant, Participant]} */ (people);
  await eventually('the room is large', async () => (await choosingRooms(server)) === 1);
  await turnTo(ada, people);
  // A voice has an m-line while it is heard, and the tiles of the others do not say that they are muted.
  const tracks = (/** @type {Participant} */ listener) => listener.ask(() => [.../** @type {any} */ (window).parlor.room.participants.values()]
    .flatMap(({ displayName, tracks: all }) => [...all.values()].filter(({ source }) => source === 'microphone')
      .map(({ mediaTrack, muted }) => `${displayName}${mediaTrack ? ' heard' : ''}${muted ? ' muted' : ''}`)));
  assert.deepEqual(await tracks(cleo), ['Ada heard', 'Ben']);
  assert.equal(await cleo.ask(() => document.querySelectorAll('.tile:not(.own) .mic-mark:not([hidden])').length), 0);

  // Every line has carried a voice by now, or will go on from what it has been.
  await turnTo(ben, people);
  const before = await Promise.all(people.map((person) => situation(person)));
  for (const speaker of [cleo, ada, ben, cleo]) await turnTo(speaker, people);
  const after = await Promise.all(people.map((person) => situation(person)));
  assert.deepEqual(after.map(({ offers }) => offers), before.map(({ offers }) => offers), 'nothing was negotiated');
  for (const { kept, playing, elements } of after) assert.ok(kept && playing === elements && elements > 0, 'the elements play on');
  assert.deepEqual(await tracks(ada), ['Ben', 'Cleo heard']);
  assert.ok((await server.metric('parlor_voice_changes_total')) >= 4);

  // Sound does not wait for the word that says whose it is.
  await ada.ask(() => Object.assign(/** @type {any} */ (window).parlor.room.media.subscriptions, { bind: () => {}, unbind: () => {} }));
  for (const person of people) await person.speak(person === ben);
  await eventually('Ada hears Ben without knowing', () => ada.ask((wanted) => (
    /** @type {number[]} */ (/** @type {any} */ (window).probe.tones()).some((hz) => Math.abs(hz - wanted) < 20)), /** @type {number} */ (ben.devices.hz)));
  assert.deepEqual(await tracks(ada), ['Ben', 'Cleo heard']);

  // Two are few enough again.
  await ben.leave();
  await cleo.leave();
  await eventually('the room is small', async () => (await choosingRooms(server)) === 0);
  const dan = await scene.join('Dan');
  await ada.speak(true);
  await dan.hears(ada);
}, { server: { PARLOR_MEDIA__LOUDEST_ABOVE: '2', PARLOR_MEDIA__LOUDEST: '1' } });

/** Lets one speak and the others be silent; all hear that one and nobody else. @param {Participant} speaker @param {Participant[]} people */
async function turnTo(speaker, people) {
  for (const person of people) await person.speak(person === speaker);
  for (const listener of people.filter((person) => person !== speaker)) {
    await listener.hears(speaker);
    for (const other of people.filter((person) => person !== speaker && person !== listener)) await listener.hearsNothingOf(other);
  }
}

/** What must not change with the voices; the elements of the first call are compared. @param {Participant} person */
async function situation(person) {
  const elements = await person.ask(() => {
    const page = /** @type {any} */ (window);
    const all = [...document.querySelectorAll('audio')];
    page.soundBefore ??= all;
    return {
      elements: all.length,
      playing: all.filter(({ paused, srcObject }) => !paused && srcObject).length,
      kept: page.soundBefore.length === all.length && all.every((element, index) => page.soundBefore[index] === element),
    };
  });
  return { ...elements, offers: await person.received('offer-received') };
}

/** @param {import('./harness/server.mjs').Server} server */
async function choosingRooms(server) {
  const counts = await Promise.all([0, 1].map((shard) => server.metric(`parlor_shard_choosing_rooms{shard="${shard}"}`)));
  return counts.reduce((sum, count) => sum + count, 0);
}
