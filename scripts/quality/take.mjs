/** Takes one call's figures: a sample for each second, and what they come to. */
import { loadavg } from 'node:os';
import { capacityBps } from './profiles.mjs';

/** What the link carries beside the payload of a datagram. */
const HEADER_BYTES = 28;
/** A pause that people notice. */
const PAUSE_MS = 500;

/** @typedef {import('./profiles.mjs').Profile} Profile */
/** @typedef {import('../../tests/e2e/harness/in-page/probe.mjs').Reception} Reception */

/**
 * @typedef {object} Sample what a second has seen
 * @property {number} bps payload that got through
 * @property {number} width of the last frame
 * @property {number} fps
 * @property {number} frozenMs
 * @property {number} bufferMs a frame's time in the jitter buffer on average
 * @property {number} concealed share of the sound
 * @property {number | null} roundTripMs
 * @property {number} queueMs 95th percentile of the datagrams' time in the queue
 * @property {number} dropped datagrams, for whatever reason
 */

/**
 * @param {import('./calls.mjs').Call} call
 * @param {Profile} profile whose first stage is in force already
 * @param {(second: number) => void} onSecond
 */
export async function take({ path, reception, frames }, profile, onSecond) {
  const load = loadavg()[0];
  path.forget();
  const later = profile.stages.slice(1);
  path.follow(later.map(({ at, ...conditions }) => ({ atMs: at * 1000, up: conditions, down: conditions })));
  const [startedAt, start] = [Date.now(), performance.now()];
  const receptions = [await reception()];
  for (let second = 1; second <= profile.seconds; second += 1) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, start + second * 1000 - performance.now())));
    receptions.push(await reception());
    onSecond(second);
  }
  const link = path.records().down;
  const endedAt = startedAt + profile.seconds * 1000;
  const shown = (await frames()).filter(({ at }) => at >= startedAt && at <= endedAt);
  const samples = receptions.slice(1).map((after, second) => sample(receptions[second], after, link[second]));
  return {
    samples,
    summary: summary({ profile, samples, receptions, link: link.slice(0, samples.length), shown, span: [startedAt, endedAt] }),
    load: [load, loadavg()[0]],
  };
}

/**
 * @param {Reception} before
 * @param {Reception} after
 * @param {import('../../tests/e2e/harness/link.mjs').Second} [link]
 * @returns {Sample}
 */
function sample(before, after, link) {
  const more = difference(before, after);
  return {
    bps: (link?.bytes ?? 0) * 8,
    width: after.frameWidth,
    fps: (more('framesDecoded') * 1000) / more('at'),
    frozenMs: more('frozenMs'),
    bufferMs: more('bufferedMs') / (more('framesBuffered') || 1),
    concealed: more('audioConcealed') / (more('audioSamples') || 1),
    roundTripMs: after.roundTripMs,
    queueMs: percentile(link?.queueingMs ?? [], 0.95),
    dropped: Object.values(link?.dropped ?? {}).reduce((sum, count) => sum + count, 0),
  };
}

/**
 * @param {object} taken
 * @param {Profile} taken.profile
 * @param {Sample[]} taken.samples
 * @param {Reception[]} taken.receptions
 * @param {import('../../tests/e2e/harness/link.mjs').Second[]} taken.link
 * @param {{ at: number, width: number }[]} taken.shown
 * @param {[number, number]} taken.span
 */
function summary({ profile, samples, receptions, link, shown, span: [startedAt, endedAt] }) {
  const more = difference(receptions[0], receptions[receptions.length - 1]);
  const sizes = link.map(({ bytes, datagrams }) => (bytes + datagrams * HEADER_BYTES) * 8);
  const carried = sizes.reduce((sum, bits) => sum + bits, 0);
  const capacity = capacityBps(profile).reduce((sum, bps) => sum + bps, 0);
  // A picture that has not moved on at the end stands still too, and no frame that comes would tell.
  const times = [startedAt, ...shown.map(({ at }) => at), endedAt];
  const gaps = times.slice(1).map((at, index) => at - times[index]);
  const top = Math.max(...samples.map(({ width }) => width));
  return {
    bps: mean(samples.map(({ bps }) => bps)),
    linkShare: capacity === Infinity ? null : carried / capacity,
    fps: (more('framesDecoded') * 1000) / more('at'),
    width: percentile(samples.map(({ width }) => width), 0.5),
    topWidth: top,
    topAfterS: samples.findIndex(({ width }) => width === top) + 1,
    frozenShare: more('frozenMs') / more('at'),
    freezes: more('freezes'),
    longestPauseMs: Math.max(0, ...gaps),
    pauses: gaps.filter((gap) => gap > PAUSE_MS).length,
    switches: shown.filter(({ width }, index) => index > 0 && width !== shown[index - 1].width).length,
    queueMs: percentile(link.flatMap(({ queueingMs }) => queueingMs), 0.95),
    bufferMs: more('bufferedMs') / (more('framesBuffered') || 1),
    concealed: more('audioConcealed') / (more('audioSamples') || 1),
  };
}

/**
 * @param {Reception} before
 * @param {Reception} after
 * @returns {(what: Exclude<keyof Reception, 'roundTripMs'>) => number}
 */
const difference = (before, after) => (what) => after[what] - before[what];

/** @param {number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / (values.length || 1);

/** @param {number[]} values @param {number} share */
function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
