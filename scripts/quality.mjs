#!/usr/bin/env node
/**
 * Takes the figures of docs/call-quality.md: calls between real browsers over networks that are bad in many ways,
 * through Parlor and, beside it, from browser to browser, and through Janus where it is installed. Writes the page and its pictures; what was taken before and
 * is not taken now stays in them.
 *
 *   node scripts/quality.mjs [--profile NAME ...] [--way NAME ...] [--seconds N]
 *
 * Needs `cargo build --release` and `scripts/test-deps.sh`. Everything goes over the loopback interface, and stops by
 * itself.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launchChromium } from '../tests/e2e/harness/browsers.mjs';
import { ROOT } from '../tests/e2e/harness/paths.mjs';
import { Server } from '../tests/e2e/harness/server.mjs';
import { WAYS } from './quality/calls.mjs';
import { version as versionOfJanus } from './quality/janus.mjs';
import { heading, page, picture, row } from './quality/page.mjs';
import { PROFILES, stretched } from './quality/profiles.mjs';
import { take } from './quality/take.mjs';

const FIGURES = join(ROOT, 'target', 'quality');
const DOCS = join(ROOT, 'docs');
const SEED = 7;

const janus = versionOfJanus();
const { values } = parseArgs({
  options: {
    profile: { type: 'string', multiple: true, default: Object.keys(PROFILES) },
    way: { type: 'string', multiple: true, default: Object.keys(WAYS).filter((way) => way !== 'janus' || janus !== null) },
    seconds: { type: 'string' },
  },
});
refuseUnknown('profile', values.profile, PROFILES);
refuseUnknown('way', values.way, WAYS);
if (values.way.includes('janus') && janus === null) fail('there is no janus: `apt-get install --no-install-recommends janus` installs it');
const seconds = values.seconds === undefined ? null : Number(values.seconds);
if (seconds !== null && !(Number.isInteger(seconds) && seconds >= 5 && seconds <= 3600)) {
  fail(`--seconds is ${values.seconds}, allowed is 5 to 3600`);
}

mkdirSync(FIGURES, { recursive: true });
mkdirSync(join(DOCS, 'call-quality'), { recursive: true });
const versions = await describeVersions();
console.log(`network, way | ${heading}`);
for (const name of values.profile) {
  const profile = seconds === null ? PROFILES[name] : stretched(PROFILES[name], seconds);
  for (const way of values.way) await call(name, profile, way);
}
write();

/** @param {string} name @param {import('./quality/profiles.mjs').Profile} profile @param {string} way */
async function call(name, profile, way) {
  const label = `${profile.title}, ${WAYS[way].title}`;
  const { at, ...first } = profile.stages[0];
  progress(`${label}: connecting`);
  const call = await WAYS[way].begin({ up: first, down: first }, SEED);
  try {
    const figures = await take(call, profile, (second) => progress(`${label}: ${second} of ${profile.seconds} s`));
    const takenOn = new Date().toISOString().slice(0, 10);
    const all = way === 'janus' ? `${versions}, Janus ${janus}` : versions;
    writeFileSync(file(name, way), JSON.stringify({ profile, takenOn, versions: all, ...figures }, replaceInfinity, 1));
    progress('');
    const load = figures.load.map((average) => average.toFixed(1)).join(' to ');
    console.log(`${label} | ${row(figures.summary)} (load ${load})`);
  } finally {
    await call.close();
  }
}

/** Writes the page and the pictures of all that was ever taken. */
function write() {
  /** @type {import('./quality/page.mjs').Taken} */ const taken = {};
  for (const name of Object.keys(PROFILES)) {
    const ways = Object.keys(WAYS).filter((way) => existsSync(file(name, way)));
    if (ways.length === 0) continue;
    taken[name] = Object.fromEntries(ways.map((way) => [way, JSON.parse(readFileSync(file(name, way), 'utf8'))]));
    writeFileSync(join(DOCS, 'call-quality', `${name}.svg`), picture(taken[name]));
  }
  writeFileSync(join(DOCS, 'call-quality.md'), page(taken));
}

/** Which programs take part. */
async function describeVersions() {
  const browser = await launchChromium();
  const chromium = (await browser.version()).replace(/^(Headless)?Chrome\//, 'Chromium ');
  await browser.close();
  const parlor = execFileSync((await Server.unstarted()).binary, ['--version'], { encoding: 'utf8' }).trim();
  return `${parlor.replace('parlor', 'Parlor')}, ${chromium}, Node.js ${process.versions.node}`;
}

/** @param {string} name @param {string} way */
function file(name, way) {
  return join(FIGURES, `${name}.${way}.json`);
}

/** JSON has no infinity; a rate that is missing is none. @param {string} _ @param {unknown} value */
function replaceInfinity(_, value) {
  return value === Infinity ? undefined : value;
}

/** Shows one line on a terminal, which the next one replaces. @param {string} line */
function progress(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${line}`);
}

/** @param {string} option @param {string[]} names @param {object} known by name */
function refuseUnknown(option, names, known) {
  const unknown = names.filter((name) => !Object.hasOwn(known, name));
  const list = Object.keys(known).join(', ');
  if (unknown.length > 0) fail(`there is no ${option} ${unknown.join(', ')}; there are ${list}`);
}

/** @param {string} text @returns {never} */
function fail(text) {
  console.error(text);
  process.exit(1);
}
