/**
 * Three people, one of whom has a bad network: the picture that this one gets follows what the network carries, and
 * nobody else notices. One scenario, since a call has to be built up for each; everything that is wrong is told at the
 * end.
 */
import assert from 'node:assert/strict';
import { ImpairedPath } from './harness/impaired-path.mjs';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** With fewer frames a second each is so large that one of them fills the queue of the narrow network: docs/congestion.md, known limits. */
const CAMERA = { width: 1280, height: 720, fps: 20, busy: true };
const [LOW, TOP] = [320, 1280];
/** With a large tile for the camera, or the top layer would be more than can be seen. */
const VIEWPORT = { width: 1280, height: 800 };
const NARROW = { up: { delayMs: 20 }, down: { delayMs: 20, rateBps: 400_000 } };
const WIDE = { down: { rateBps: 3_000_000 } };

/** A publisher's own estimate has to grow before it sends the top layer. */
const RAMP_UP_MS = 30_000;
const STEADY_MS = 8_000;
const RISE_MS = 10_000;
const FALL_MS = 5_000;
const MIN_FPS = 10;
const MAX_GAP_MS = 500;
const SHORT_QUEUE_MS = 100;
const MAX_CONCEALED = 0.02;
/** Two packets of a window of 4 s. */
const MAX_AUDIO_LOSS = 0.01;

/** @typedef {import('./harness/participant.mjs').Participant} Participant */
/** @typedef {import('./harness/in-page/probe.mjs').Reception} Reception */

scenario('a bad network costs its owner picture size only, and the others nothing', async (scene) => {
  const path = await ImpairedPath.toServer(scene.server, NARROW);
  try {
    const watch = { query: { cam: '0' } };
    const ada = await scene.join('Ada', { devices: CAMERA });
    const ben = await scene.join('Ben', { ...watch, prepare: (page) => page.setViewport(VIEWPORT) });
    const cleo = await scene.join('Cleo', {
      ...watch,
      prepare: async (page) => {
        await page.setViewport(VIEWPORT);
        await path.lead(page);
      },
    });
    for (const person of [ben, cleo]) {
      await person.pin(ada);
      await person.sees(ada);
      await person.hears(ada);
      await person.watchFrames(ada);
    }
    /** @type {string[]} */ const wrong = [];
    /** @param {Participant} person @param {number} width @param {string} when @param {number} within */
    const reaches = async (person, width, when, within) => {
      await eventually('', async () => (await person.reception(ada)).frameWidth === width, { within })
        .catch(() => wrong.push(`${person.name} does not get ${width} pixels within ${within} ms ${when}`));
    };
    /** @param {number} width @param {string} when @param {number} ms */
    const lasts = async (width, when, ms) => {
      const span = await during(ms, cleo, ada);
      const { frameWidth } = span.after;
      if (frameWidth !== width) wrong.push(`Cleo has ${frameWidth} pixels ${when}, and not ${width}`);
      wrong.push(...flaws(span).map((flaw) => `${when}, ${flaw}`));
    };

    await reaches(ben, TOP, 'on a good network', RAMP_UP_MS);
    const topOfBen = Date.now();
    await reaches(cleo, LOW, 'at 400 kbit/s', FALL_MS);
    await lasts(LOW, 'at 400 kbit/s', STEADY_MS);

    path.change(WIDE);
    await reaches(cleo, TOP, 'at 3 Mbit/s', RISE_MS);
    await lasts(TOP, 'at 3 Mbit/s', STEADY_MS / 2);

    path.change(NARROW);
    await reaches(cleo, LOW, 'back at 400 kbit/s', FALL_MS);
    await eventually('', () => path.down.link.waitMs() < SHORT_QUEUE_MS, { within: FALL_MS })
      .catch(() => wrong.push('the queue stays full'));
    await lasts(LOW, 'back at 400 kbit/s', STEADY_MS / 2);

    const [shownToBen, shownToCleo] = [await ben.frames(), await cleo.frames()];
    const smaller = shownToBen.filter(({ at, width }) => at > topOfBen && width < TOP);
    if (smaller.length > 0) wrong.push(`Ben was shown ${smaller.length} smaller pictures`);
    // What stops the pictures of both is the machine, which others may use too.
    const [pausesOfBen, pausesOfCleo] = [pauses(shownToBen), pauses(shownToCleo)];
    const own = pausesOfCleo.filter(({ from, to }) => !pausesOfBen.some((pause) => pause.from < to && from < pause.to));
    wrong.push(...own.map(({ from, to, widths }) =>
      `Cleo's picture stands still for ${to - from} ms, ${widths.join(' to ')} pixels wide`));
    assert.deepEqual(wrong, []);
  } finally {
    path.close();
  }
});

/** What has arrived meanwhile. @param {number} ms @param {Participant} person @param {Participant} other */
async function during(ms, person, other) {
  const before = await person.reception(other);
  let after = before;
  await eventually('time goes by', async () => {
    after = await person.reception(other);
    return after.at - before.at >= ms;
  }, { within: ms + 10_000 });
  return { before, after };
}

/**
 * What keeps the picture from moving and the sound from being whole.
 *
 * @param {{ before: Reception, after: Reception }} span
 */
function flaws({ before, after }) {
  const more = (/** @type {Exclude<keyof Reception, 'roundTripMs'>} */ what) => after[what] - before[what];
  const percent = (/** @type {number} */ share) => `${(share * 100).toFixed(1)} %`;
  const fps = (more('framesDecoded') * 1000) / more('at');
  const concealed = more('audioConcealed') / more('audioSamples');
  const lost = more('audioLost') / (more('audioPackets') + more('audioLost'));
  return [
    fps < MIN_FPS && `${fps.toFixed(1)} frames per second`,
    concealed > MAX_CONCEALED && `${percent(concealed)} of the sound is made up`,
    lost > MAX_AUDIO_LOSS && `${percent(lost)} of the sound's packets are lost`,
  ].filter((flaw) => flaw !== false);
}

/** @param {{ at: number, width: number }[]} frames */
function pauses(frames) {
  return frames.slice(1).flatMap(({ at, width }, index) => {
    const { at: from, width: before } = frames[index];
    return at - from > MAX_GAP_MS ? [{ from: Math.round(from), to: Math.round(at), widths: [before, width] }] : [];
  });
}
