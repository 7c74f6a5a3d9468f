/** Somebody who comes when a key frame has just been made begins with that one: nobody is asked for another. */
import assert from 'node:assert/strict';
import { installFirstPictures } from './harness/in-page/first-pictures.mjs';
import { encoded, joinCrowd } from './harness/crowd.mjs';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const CROWD = 5;
const TRIES = 10;

scenario('a picture begins with a key frame that is there already', async (scene) => {
  const ada = await scene.join('Ada', { query: { mic: '0' } });
  const page = await (await ada.page.browser().createBrowserContext()).newPage();
  await page.goto(scene.server.url, { waitUntil: 'domcontentloaded' });
  await joinCrowd(page, scene.roomId, CROWD);
  const ben = await scene.join('Ben', {
    query: { cam: '0', mic: '0' },
    prepare: (empty) => empty.evaluateOnNewDocument(installFirstPictures).then(() => {}),
  });
  await ben.sees(ada);
  await eventually('Ben sees all the others', async () => {
    const times = await ben.ask(() => /** @type {any} */ (window).firstPictures.times());
    return times.length === CROWD + 1;
  });

  // Whether a key frame is still young when the pictures come again is the machine's to decide: one of several times will do.
  const keyFrames = async () => (await encoded(page)).keyFrames + (await encoded(ada.page)).keyFrames;
  let spared = false;
  for (let tried = 0; tried < TRIES && !spared; tried += 1) {
    const before = await keyFrames();
    await beginAnew(ben);
    const replayed = await replays(scene);
    await beginAnew(ben);
    await ben.decodesMore(ada);
    await ben.sees(ada);
    // Twice six pictures began anew, with fewer key frames than that.
    spared = (await keyFrames()) - before < 2 * (CROWD + 1) && await eventually('metrics tell of it', async () => (await replays(scene)) > replayed, { within: 3_000 }).catch(() => false);
  }
  assert.ok(spared, 'no picture ever began without a key frame of its own');
});

/** Has somebody give all pictures up and take them again, until as many are decoded. @param {import('./harness/participant.mjs').Participant} person */
async function beginAnew(person) {
  const count = await person.ask(resubscribe);
  const before = await person.ask(decoded);
  await eventually(`${person.name}'s pictures begin anew`, async () => (await person.ask(decoded)) >= before + count);
}

/** Runs in the page: how many pictures that was. */
function resubscribe() {
  const { room } = /** @type {any} */ (window).parlor;
  const tracks = [...room.participants.values()].flatMap((participant) => [...participant.tracks.values()]);
  const ids = tracks.filter(({ kind }) => kind === 'video').map(({ trackId }) => trackId);
  room.unsubscribe(ids);
  room.subscribe(ids);
  return ids.length;
}

/** Runs in the page: frames of all pictures. */
async function decoded() {
  const stats = [...(await /** @type {any} */ (window).parlor.room.media.pc.getStats()).values()];
  const pictures = stats.filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
  return pictures.reduce((sum, { framesDecoded }) => sum + (framesDecoded ?? 0), 0);
}

/** @param {import('./harness/scenario.mjs').Scene} scene */
function replays(scene) {
  return scene.server.metric('parlor_pictures_replayed_total');
}
