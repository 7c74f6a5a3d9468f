#!/usr/bin/env node
/**
 * Proves docker/Dockerfile without a container engine: runs its steps in directories that debootstrap made, then starts what came out as the
 * engine would, with the options that docs/deployment.md gives to `docker run`, and asks it by the image's own health check.
 *
 * Needs Linux, root and debootstrap; says so and does nothing without them, or fails with REQUIRE_IMAGE=1. What it writes is in
 * `target/image`, where only the base images are kept.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../tests/e2e/harness/wait.mjs';
import { base } from './image/base.mjs';
import { expand, ignored, pairs, parseDockerfile } from './image/dockerfile.mjs';
import { CACHE, TARGET, assert, inNamespaces } from './image/namespace.mjs';
import { Stage } from './image/stage.mjs';

const SCRIPT = fileURLToPath(import.meta.url);
const ROOT = dirname(dirname(SCRIPT));
/** With nothing compiled yet, on a slow machine. */
const WITHIN_MS = 40 * 60_000;
const START_MS = 30_000;
/** Longer than any drain. */
const STOP_MS = 40_000;
const MAX_BYTES_BESIDE_BASE = 60_000_000;

await inNamespaces({
  script: SCRIPT,
  tests: 'docker/Dockerfile',
  tools: ['rustc'],
  withinMs: WITHIN_MS,
  async body(work) {
    const image = build(work);
    const bytes = image.bytesAdded();
    console.log(`beside its base the image has ${(bytes / 1e6).toFixed(1)} MB`);
    assert(bytes <= MAX_BYTES_BESIDE_BASE, `that is more than ${MAX_BYTES_BESIDE_BASE / 1e6} MB`);
    await prove(image);
    console.log('The image builds, starts, is healthy and stops.');
  },
});

/** Runs the steps. @param {string} work @returns {Stage} the last stage */
function build(work) {
  const { args, stages } = parseDockerfile(readFileSync(join(ROOT, 'docker', 'Dockerfile'), 'utf8'));
  const values = Object.fromEntries(args.flatMap(({ text }) => pairs(text)).map(([name, value]) => [name, value ?? '']));
  const surroundings = {
    context: ROOT,
    isIgnored: ignored(readFileSync(join(ROOT, '.dockerignore'), 'utf8')),
    stages: /** @type {Map<string, Stage>} */ (new Map()),
    args: values,
    cache: hostCache,
    work,
  };
  let stage;
  for (const { name, base: from, instructions } of stages) {
    const root = join(work, `stage-${name}`);
    mkdirSync(root);
    const image = expand(from, values);
    console.log(`FROM ${image}`);
    stage = new Stage(root, base(image, CACHE, work), surroundings);
    for (const step of instructions) {
      console.log(`${step.name} ${step.text}`);
      stage.run(step);
    }
    surroundings.stages.set(name, stage);
  }
  if (!stage) throw new Error('there is no stage');
  return stage;
}

/** What was compiled here for the same Debian serves the image's build too; cargo sees by itself what of it is out of date. @param {string} target @param {string} suite */
function hostCache(target, suite) {
  const isSame = readFileSync('/etc/os-release', 'utf8').includes(`VERSION_CODENAME=${suite}\n`);
  const folder = join(TARGET, 'release');
  return target.endsWith('/target') && isSame && existsSync(folder) ? { below: 'release', folder } : null;
}

/** Starts the image as the documentation says. @param {Stage} image */
async function prove(image) {
  const [uid, gid] = image.user.split(':').map(Number);
  assert(uid > 0 && gid > 0, `USER ${image.user} is not the number of a user that is not root`);
  assert(image.healthcheck.length > 0, 'there is no HEALTHCHECK');
  assert(image.stopSignal === 'SIGTERM', 'Parlor drains at SIGTERM');
  image.freeze();
  const { env, args } = documentedRun();
  Object.assign(image.env, env);
  // In a network of its own, which has loopback only: the ports are the default ones and nobody else's.
  const server = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', 'chroot', ...image.chrootArguments(), ...image.entrypoint, ...(args.length > 0 ? args : image.cmd)], { env: image.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk) => { log += chunk; });
  const ended = new Promise((resolve) => server.on('close', (code) => resolve(code)));
  const ask = (/** @type {string[]} */ command) => spawnSync('nsenter', [`--net=/proc/${server.pid}/ns/net`, 'chroot', ...image.chrootArguments(), ...command], { env: image.env, encoding: 'utf8' });
  try {
    await eventually('the health check passes', () => {
      if (server.exitCode !== null) return true;
      const { status, stdout, stderr } = ask(image.healthcheck);
      if (status !== 0) throw new Error(stderr);
      console.log(`${image.healthcheck.join(' ')}: ${stdout.trim()}`);
      return true;
    }, { within: START_MS });
    assert(server.exitCode === null, 'the server ended');
    const ready = ask([...image.entrypoint, 'health', 'http://127.0.0.1:8080/readyz']);
    assert(ready.status === 0, `it is not ready: ${ready.stderr}`);
    assert(ask([...image.entrypoint, 'health', 'http://127.0.0.1:9/healthz']).status === 1, 'the health check cannot fail');
    const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
    assert(new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, 'm').test(status), `it does not run as ${uid}`);
    assert(/^CapEff:\s+0+$/m.test(status), 'it has capabilities');
    await eventually('it says that it advertises what was set', () => log.includes(env.PARLOR_MEDIA__ANNOUNCE));
    const database = statSync(image.path('/parlor/parlor-data/parlor.db'));
    assert(database.uid === uid, 'the database is not in the volume');
    server.kill(/** @type {NodeJS.Signals} */ (image.stopSignal));
    const timer = setTimeout(() => server.kill('SIGKILL'), STOP_MS);
    const code = await ended;
    clearTimeout(timer);
    assert(code === 0, `it ended with ${code} after ${image.stopSignal}`);
  } catch (error) {
    console.error(log);
    throw error;
  } finally {
    server.kill('SIGKILL');
  }
}

/** What docs/deployment.md tells people to give to `docker run`. @returns {{ env: Record<string, string>, args: string[] }} */
function documentedRun() {
  const text = readFileSync(join(ROOT, 'docs', 'deployment.md'), 'utf8').replaceAll('\\\n', ' ');
  const words = text.match(/^docker run (.*)$/m)?.[1].trim().split(/\s+/) ?? [];
  const env = Object.fromEntries(words.flatMap((word, i) => (word === '--env' ? [words[i + 1].split('=', 2)] : [])));
  assert(words.includes('--read-only') && env.PARLOR_MEDIA__ANNOUNCE !== undefined, 'docs/deployment.md has no `docker run` with --read-only and an address to advertise');
  return { env: /** @type {Record<string, string>} */ (env), args: words.slice(words.findLastIndex((word) => /^parlor(:|$)/.test(word)) + 1) };
}
