#!/usr/bin/env node
/**
 * Takes the figures of docs/benchmarks.md that need a whole server: starts one for each measurement, puts it under load with
 * parlor-loadtest, and prints tables. Pictures go to docs/benchmarks/, the load tester's reports to target/figures/.
 *
 *   node scripts/figures.mjs [SERIES ...] [--seconds N]
 *
 * Needs `cargo build --release --workspace`. Everything goes over the loopback interface, and stops by itself.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { ROOT } from '../tests/e2e/harness/paths.mjs';
import { Server } from '../tests/e2e/harness/server.mjs';
import { curve } from './figures/curve.mjs';
import { SERIES } from './figures/series.mjs';

const TESTER = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'release', 'parlor-loadtest');
const REPORTS = join(ROOT, 'target', 'figures');
const PICTURES = join(ROOT, 'docs', 'benchmarks');

/** One shard, so that costs are those of one core, and no limits that a load test from one address would meet. */
const SERVER = {
  PARLOR_MEDIA__SHARDS: '1',
  PARLOR_LIMITS__MAX_PARTICIPANTS_PER_ROOM: '5000',
  PARLOR_LIMITS__MAX_CONNECTIONS_PER_ADDRESS: '10000',
  PARLOR_LIMITS__JOINS_PER_MINUTE: '1000000',
  PARLOR_LIMITS__ROOM_CREATIONS_PER_MINUTE: '1000000',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '20' } },
});
const seconds = Number(values.seconds);
if (!(seconds > 0 && seconds <= 3600)) fail(`--seconds is ${values.seconds}, allowed is more than 0 to 3600`);
const unknown = positionals.filter((name) => !Object.hasOwn(SERIES, name));
if (unknown.length > 0) fail(`there is no series ${unknown.join(', ')}; there are ${Object.keys(SERIES).join(', ')}`);

mkdirSync(REPORTS, { recursive: true });
mkdirSync(PICTURES, { recursive: true });
for (const name of positionals.length > 0 ? positionals : Object.keys(SERIES)) await take(name);

/** Takes one series and prints its table. @param {string} name */
async function take(name) {
  const series = SERIES[name];
  console.log(`\n${series.title}\n`);
  console.log(`| ${series.point} | ${series.columns.map(({ title }) => title).join(' | ')} |`);
  console.log(`|${'---|'.repeat(series.columns.length + 1)}`);
  const points = [];
  for (const point of series.points) {
    const report = await measure(`${name}-${point.label}`, series, point);
    const cells = series.columns.map(({ of }) => of(report));
    console.log(`| ${point.label} | ${cells.join(' | ')} |`);
    const { attempted, succeeded, failed } = report.total.joins;
    if (succeeded < attempted) fail(`${attempted - succeeded} of ${attempted} could not join: ${JSON.stringify(failed)}`);
    for (const complaint of report.tester.bottlenecks) console.log(`  the tester: ${complaint}`);
    points.push({ label: point.label, x: point.x, y: series.y?.(report) });
  }
  if (series.y && series.picture) {
    writeFileSync(join(PICTURES, `${name}.svg`), curve({ ...series.picture, points }));
  }
}

/** One run of the load tester against a server of its own. */
async function measure(name, series, point) {
  const server = await Server.start({ ...SERVER, ...series.server, ...point.server });
  try {
    const args = [...point.args, '--server', server.url, '--duration', `${point.seconds ?? seconds}s`, '--json', '--quiet'];
    // Not synchronously: the server's log must be read meanwhile.
    const { stdout } = await promisify(execFile)(TESTER, args, { maxBuffer: 1 << 28, timeout: 900_000 });
    writeFileSync(join(REPORTS, `${name.replaceAll(/[^a-z0-9-]+/gi, '-')}.json`), stdout);
    return JSON.parse(stdout);
  } finally {
    await server.stop();
  }
}

function fail(text) {
  console.error(text);
  process.exit(1);
}
