/** The networks that calls are tried on. What is said of both directions holds for each by itself. */
import { burstyLoss, randomLoss } from '../../tests/e2e/harness/link.mjs';

const MBIT = 1_000_000;
/** Every path is this long, so that queues are seen beside something. */
const DELAY_MS = 20;
const QUEUE_MS = 300;
const SECONDS = 30;

/** @typedef {import('../../tests/e2e/harness/link.mjs').Conditions} Conditions */
/**
 * `at` is in seconds since the receiver came in; the first is in force before.
 *
 * @typedef {{ at: number } & Partial<Conditions>} Stage
 */
/** @typedef {{ title: string, seconds: number, stages: Stage[] }} Profile */

/** @param {string} title @param {Partial<Conditions>} conditions @returns {Profile} */
const steady = (title, conditions) => ({
  title,
  seconds: SECONDS,
  stages: [{ at: 0, delayMs: DELAY_MS, queueMs: QUEUE_MS, ...conditions }],
});

/** @type {Record<string, Profile>} */
export const PROFILES = {
  unlimited: steady('unlimited', {}),
  '2-mbit': steady('2 Mbit/s', { rateBps: 2 * MBIT }),
  '1-mbit': steady('1 Mbit/s', { rateBps: MBIT }),
  '400-kbit': steady('400 kbit/s', { rateBps: 0.4 * MBIT }),
  '150-kbit': steady('150 kbit/s', { rateBps: 0.15 * MBIT }),
  '1-mbit-5-loss': steady('1 Mbit/s, 5 % loss', { rateBps: MBIT, loss: randomLoss(0.05) }),
  'bursty-loss': steady('10 % loss in bursts of 5', { loss: burstyLoss(0.1, 5) }),
  jitter: steady('100 ± 50 ms', { delayMs: 100, jitterMs: 50 }),
  steps: {
    title: '2, 0.4, 2 Mbit/s',
    seconds: 60,
    stages: [
      { at: 0, delayMs: DELAY_MS, queueMs: QUEUE_MS, rateBps: 2 * MBIT },
      { at: 20, rateBps: 0.4 * MBIT },
      { at: 40, rateBps: 2 * MBIT },
    ],
  },
  outage: {
    title: '2 Mbit/s, 3 s outage',
    seconds: SECONDS,
    stages: [
      { at: 0, delayMs: DELAY_MS, queueMs: QUEUE_MS, rateBps: 2 * MBIT },
      { at: 12, down: true },
      { at: 15, down: false },
    ],
  },
};

/** The same profile in another time. @param {Profile} profile @param {number} seconds @returns {Profile} */
export function stretched(profile, seconds) {
  const factor = seconds / profile.seconds;
  return { ...profile, seconds, stages: profile.stages.map((stage) => ({ ...stage, at: stage.at * factor })) };
}

/** What the link can carry in each second, in bits. @param {Profile} profile @returns {number[]} */
export function capacityBps({ seconds, stages }) {
  let [rateBps, down] = [Infinity, false];
  return Array.from({ length: Math.round(seconds) }, (_, second) => {
    for (const stage of stages.filter(({ at }) => at <= second && at > second - 1)) {
      rateBps = stage.rateBps ?? rateBps;
      down = stage.down ?? down;
    }
    return down ? 0 : rateBps;
  });
}
