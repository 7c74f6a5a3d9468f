/** Numbers as people read them. What is not known is a dash. */

const NONE = '–';
const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

/** @param {number | null | undefined} bps bits a second */
export function bitrate(bps) {
  if (bps === null || bps === undefined) return NONE;
  if (bps < 1_000) return `${Math.round(bps)} bit/s`;
  if (bps < 1_000_000) return `${Math.round(bps / 1_000)} kbit/s`;
  const mbps = bps / 1_000_000;
  return `${mbps < 10 ? mbps.toFixed(1) : Math.round(mbps)} Mbit/s`;
}

/** @param {number | null | undefined} fraction 0 to 1 */
export function percent(fraction) {
  if (fraction === null || fraction === undefined) return NONE;
  const value = fraction * 100;
  return `${value === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} %`;
}

/** @param {number | null | undefined} ms */
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return NONE;
  return `${ms > 0 && ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** The two largest units. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const s = Math.max(0, Math.floor(seconds));
  if (s < MINUTE_S) return `${s} s`;
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} min ${s % MINUTE_S} s`;
  if (s < DAY_S) return `${Math.floor(s / HOUR_S)} h ${Math.floor((s % HOUR_S) / MINUTE_S)} min`;
  return `${Math.floor(s / DAY_S)} d ${Math.floor((s % DAY_S) / HOUR_S)} h`;
}

/** How long ago. @param {string} time ISO-8601 @param {number} now milliseconds since 1970 */
export function age(time, now) {
  return duration((now - Date.parse(time)) / 1_000);
}

/** @param {number | null | undefined} count */
export function number(count) {
  return count === null || count === undefined ? NONE : count.toLocaleString('en');
}

/** @param {number} count @param {string} one @param {string} [many] */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
