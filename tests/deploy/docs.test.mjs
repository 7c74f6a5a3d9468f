/**
 * The commands of docs/deployment.md for Docker, Compose, Prometheus and Kubernetes: they are typed as they are, with stand-ins for the clients
 * that write down what they are asked, and that is compared with the files. Those for systemd run for real in scripts/systemd-chroot.mjs.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ROOT } from '../e2e/harness/paths.mjs';
import { STOP_SECONDS, documents, read, run, variables } from './files.mjs';

/** The programs that are not here, or must not do what they are asked. */
const CLIENTS = ['curl', 'docker', 'kubectl'];
const STAND_IN = `#!/bin/bash
printf '%s\\n' "$(basename "$0") $*" >> "$STAND_IN_LOG"
env | grep -E '^(PARLOR_|GRAFANA_)' >> "$STAND_IN_ENV" || true
`;

const page = read('docs/deployment.md');
const sections = page.split('\n## ').slice(1).filter((section) => !section.startsWith('On a machine with systemd'));
const blocks = sections.flatMap((section) => [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block));
const { commands, env } = typed(blocks);
const dockerRun = words(commands.find((command) => command.startsWith('docker run --detach')) ?? '');

/** Types them. @param {string[]} blocks @returns {{ commands: string[], env: Record<string, string> }} what clients were asked, and the variables that were set */
function typed(blocks) {
  const folder = mkdtempSync(join(tmpdir(), 'parlor-docs-'));
  try {
    for (const client of CLIENTS) writeFileSync(join(folder, client), STAND_IN, { mode: 0o755 });
    const [log, env] = [join(folder, 'log'), join(folder, 'env')];
    const { status, output } = run('bash', ['-euxo', 'pipefail', '-c', blocks.join('\n')], { PATH: `${folder}:${process.env.PATH}`, STAND_IN_LOG: log, STAND_IN_ENV: env });
    assert.equal(status, 0, output);
    const set = readFileSync(env, 'utf8').trim().split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2));
    return { commands: readFileSync(log, 'utf8').trim().split('\n'), env: Object.fromEntries(set) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} command */
function words(command) {
  return command.split(' ');
}

/** The values of an option of `docker run`. @param {string} option */
function given(option) {
  return dockerRun.flatMap((word, i) => (word === option ? [dockerRun[i + 1]] : []));
}

test('no command is left to chance', () => {
  const known = [/^docker (build|run|exec|stop) /, /^docker compose --file docker\/compose\.yml (config|up|ps)\b/, /^kubectl (apply|--namespace parlor rollout status) /, /^curl -fsS http:\/\/localhost:8080\/metrics$/];
  for (const command of commands) assert.ok(known.some((form) => form.test(command)), command);
  for (const form of known) assert.ok(commands.some((command) => form.test(command)), String(form));
});

test('what is built is run, and what runs is asked and stopped', () => {
  const build = words(commands.find((command) => command.startsWith('docker build ')) ?? '');
  assert.ok(existsSync(join(ROOT, build[build.indexOf('--file') + 1])));
  assert.equal(dockerRun.at(-1), build[build.indexOf('--tag') + 1]);
  assert.equal(dockerRun.at(-1), read('docker/compose.yml').match(/^ {4}image: (parlor:.*)$/m)?.[1]);
  const [name] = given('--name');
  assert.ok(commands.includes(`docker exec ${name} parlor health`) && commands.includes(`docker stop ${name}`));
});

test('the options of docker run fit the image and the server', () => {
  const set = Object.fromEntries(given('--env').map((pair) => pair.split('=')));
  for (const variable of Object.keys(set)) assert.ok(variables().has(variable), variable);
  const range = `7900-${7899 + Number(set.PARLOR_MEDIA__SHARDS)}`;
  assert.deepEqual(given('--publish'), ['8080:8080', `${range}:${range}/udp`, `${range}:${range}/tcp`]);
  assert.ok(Number(given('--stop-timeout')[0]) > STOP_SECONDS);
  assert.ok(read('docker/Dockerfile').includes(`VOLUME ${given('--volume')[0].split(':')[1]}\n`));
});

test('Compose and Kubernetes get the files that are tested, and all that they ask for', () => {
  assert.deepEqual(Object.keys(env).sort(), ['GRAFANA_PASSWORD', 'PARLOR_AUTH__KEYS', 'PARLOR_MEDIA__ANNOUNCE']);
  for (const [, needed] of read('docker/compose.yml').matchAll(/\$\{(\w+):\?/g)) assert.ok(env[needed], needed);
  assert.ok(commands.includes('kubectl apply --filename docker/kubernetes.yaml'));
  const deployment = documents(read('docker/kubernetes.yaml')).find(({ kind }) => kind === 'Deployment').metadata;
  assert.ok(commands.includes(`kubectl --namespace ${deployment.namespace} rollout status deployment/${deployment.name}`));
});
