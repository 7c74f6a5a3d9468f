/**
 * How long somebody waits for the pictures of a room with twenty people, alone and behind another newcomer, and how many key frames that
 * costs the others. It prints a table; docs/benchmarks.md has one.
 */
import { installFirstPictures } from './harness/in-page/first-pictures.mjs';
import { encoded, joinCrowd } from './harness/crowd.mjs';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const LARGE = 3;
const CROWD = 17;
/** Of everybody in the crowd, whose cameras take 8 frames a second: two seconds. */
const OLD_FRAMES = 16 * CROWD;
const ROUNDS = Number(process.env.FIRST_PICTURE_ROUNDS ?? 5);
/** What is told of the way into the call. */
const STEPS = ['room-joined', 'answer-received', 'connected', 'offer-received', 'first track'];

/** @typedef {import('./harness/participant.mjs').Participant} Participant */
/** @typedef {import('./harness/scenario.mjs').Scene} Scene */

scenario('the first pictures of a room of twenty', async (scene) => {
  const large = [];
  for (let number = 0; number < LARGE; number += 1) large.push(await scene.join(['Ada', 'Ben', 'Cleo'][number], { query: { mic: '0' } }));
  const browser = large[0].page.browser();
  const page = await (await browser.createBrowserContext()).newPage();
  await page.goto(scene.server.url, { waitUntil: 'domcontentloaded' });
  await joinCrowd(page, scene.roomId, CROWD);
  const pages = [page, ...large.map((person) => person.page)];
  const keyFrames = async () => (await Promise.all(pages.map(encoded))).reduce((sum, counts) => sum + counts.keyFrames, 0);

  for (const together of [1, 2]) {
    for (let round = 1; round <= ROUNDS; round += 1) {
      await keyFramesAreOld(pages);
      const before = { encoded: await keyFrames(), asked: await asked(scene) };
      const names = Array.from({ length: together }, (_, number) => `Newcomer ${together}.${round}.${number}`);
      const newcomers = await Promise.all(names.map((name) => enter(scene, name)));
      for (const newcomer of newcomers) {
        await eventually(`${newcomer.name} sees everybody`, async () => (await times(newcomer)).length >= LARGE + CROWD, { within: 20_000 });
      }
      await metricsOfNow(scene);
      const costs = `${(await keyFrames()) - before.encoded} key frames, ${(await asked(scene)) - before.asked} asked for`;
      for (const newcomer of newcomers) console.log(`${newcomer.name}: ${await describe(newcomer)}; ${costs}`);
      for (const newcomer of newcomers) await scene.remove(newcomer);
    }
  }
}, { server: { PARLOR_MEDIA__SHARDS: process.env.FIRST_PICTURE_SHARDS ?? '1' } });

/** Waits until no key frame was encoded for so long that one would be of no use any more. @param {import('puppeteer-core').Page[]} pages the crowd's first */
async function keyFramesAreOld(pages) {
  const count = async () => {
    const counts = await Promise.all(pages.map(encoded));
    return { frames: counts[0].frames, keyFrames: counts.reduce((sum, { keyFrames }) => sum + keyFrames, 0) };
  };
  let since = await count();
  await eventually('key frames of before are old', async () => {
    const now = await count();
    if (now.keyFrames > since.keyFrames) since = now;
    return now.frames >= since.frames + OLD_FRAMES;
  }, { within: 20_000 });
}

/** Waits until metrics were taken anew twice: the first time may have begun before. @param {Scene} scene */
async function metricsOfNow({ server }) {
  const received = () => server.metric('parlor_rtp_packets_total{direction="in",kind="video"}');
  for (let times = 0; times < 2; times += 1) {
    const before = await received();
    await eventually('metrics are taken', async () => (await received()) > before);
  }
}

/** @param {Scene} scene @param {string} name */
function enter(scene, name) {
  return scene.join(name, { query: { cam: '0', mic: '0' }, prepare: (page) => page.evaluateOnNewDocument(installFirstPictures).then(() => {}) });
}

/** @param {Participant} person @returns {Promise<number[]>} */
function times(person) {
  return person.ask(() => /** @type {any} */ (window).firstPictures.times());
}

/** @param {Participant} person */
async function describe(person) {
  const steps = await person.ask(() => /** @type {any} */ (window).firstPictures.steps);
  const seen = (await times(person)).sort((a, b) => a - b);
  const way = STEPS.map((step) => `${step} ${Math.round(steps[step])}`).join(', ');
  const buffered = await person.ask(async () => {
    const stats = [...(await /** @type {any} */ (window).parlor.room.media.pc.getStats()).values()].filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
    const sum = (/** @type {string} */ name) => stats.reduce((total, report) => total + (report[name] ?? 0), 0);
    return (sum('jitterBufferDelay') * 1000) / sum('jitterBufferEmittedCount');
  });
  const picture = (/** @type {number} */ share) => Math.round(seen[Math.min(seen.length - 1, Math.floor(seen.length * share))]);
  return `${way}; pictures: first ${picture(0)}, half ${picture(0.5)}, all ${picture(1)} ms; ${Math.round(buffered)} ms in the jitter buffer`;
}

/** Key frames that the server has asked for. @param {Scene} scene */
async function asked(scene) {
  return scene.server.metric('parlor_keyframe_requests_total{direction="out",type="pli"}');
}
