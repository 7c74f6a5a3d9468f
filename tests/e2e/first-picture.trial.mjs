/**
 * How long somebody waits for the pictures of a room with twenty people, alone and with another newcomer, and how many key frames that
 * costs the others. It prints a table; docs/benchmarks.md has one.
 *
 * The twenty are the load tester's, with gray pictures that were encoded beforehand: browsers that encode for so many, or show so many,
 * keep a small machine busier than the newcomer does, of whom this is.
 */
import { installFirstPictures } from './harness/in-page/first-pictures.mjs';
import { fillRoom } from './harness/load.mjs';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const CROWD = 20;
/** What comes from all of them in two seconds. */
const OLD_PACKETS = CROWD * 30;
const ROUNDS = Number(process.env.FIRST_PICTURE_ROUNDS ?? 5);
/** What is told of the way into the call. */
const STEPS = ['room-joined', 'offer sent', 'answer-received', 'connected', 'offer-received', 'first track', 'answer sent'];

/** @typedef {import('./harness/participant.mjs').Participant} Participant */
/** @typedef {import('./harness/scenario.mjs').Scene} Scene */

scenario('the first pictures of a room of twenty', async (scene) => {
  const stop = fillRoom(scene.server, scene.roomId, CROWD);
  try {
    await eventually('all are there', async () => (await scene.server.metric('parlor_participants')) > CROWD, { within: 20_000 });
    for (const together of [1, 2]) {
      for (let round = 1; round <= ROUNDS; round += 1) {
        await keyFramesAreOld(scene);
        const before = await asked(scene);
        const names = Array.from({ length: together }, (_, number) => `Newcomer ${together}.${round}.${number}`);
        const newcomers = await Promise.all(names.map((name) => enter(scene, name)));
        for (const newcomer of newcomers) {
          await eventually(`${newcomer.name} sees everybody`, async () => (await times(newcomer)).length >= CROWD, { within: 20_000 });
        }
        await metricsOfNow(scene);
        const costs = `${(await asked(scene)) - before} key frames`;
        for (const newcomer of newcomers) console.log(`${newcomer.name}: ${await describe(newcomer)}; ${costs}`);
        for (const newcomer of newcomers) await scene.remove(newcomer);
      }
    }
  } finally {
    stop();
  }
}, { server: { PARLOR_MEDIA__SHARDS: process.env.FIRST_PICTURE_SHARDS ?? '1' } });

/** Waits until no key frame was asked for so long that one would be of no use any more. @param {Scene} scene */
async function keyFramesAreOld(scene) {
  const count = async () => ({ received: await received(scene), asked: await asked(scene) });
  let since = await count();
  await eventually('key frames of before are old', async () => {
    const now = await count();
    if (now.asked > since.asked) since = now;
    return now.received >= since.received + OLD_PACKETS;
  }, { within: 20_000 });
}

/** Waits until metrics were taken anew twice: the first time may have begun before. @param {Scene} scene */
async function metricsOfNow(scene) {
  for (let times = 0; times < 2; times += 1) {
    const before = await received(scene);
    await eventually('metrics are taken', async () => (await received(scene)) > before);
  }
}

/** Packets of pictures that have come. @param {Scene} scene */
async function received(scene) {
  return scene.server.metric('parlor_rtp_packets_total{direction="in",kind="video"}');
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
