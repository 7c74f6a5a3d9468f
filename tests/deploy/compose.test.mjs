/** compose.yml: Compose takes it, and what it says fits the image, the server and itself. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DOCKER, STOP_SECONDS, read, run, seconds, variables, yaml } from './files.mjs';

const NEEDED = { PARLOR_MEDIA__ANNOUNCE: '203.0.113.7', GRAFANA_PASSWORD: 'grafana' };
/** The plugin of Docker where there is one, else the program of the same name. */
const COMPOSE = isThere('docker', ['compose', 'version']) ? ['docker', 'compose'] : ['docker-compose'];
const skip = isThere(COMPOSE[0], [...COMPOSE.slice(1), 'version']) ? false : 'there is no Compose here';

/** @param {string} program @param {string[]} args */
function isThere(program, args) {
  try {
    return run(program, args).status === 0;
  } catch {
    return false;
  }
}

/** @param {Record<string, string>} env */
function config(env) {
  const { PARLOR_MEDIA__ANNOUNCE = '', GRAFANA_PASSWORD = '', ...others } = env;
  return run(COMPOSE[0], [...COMPOSE.slice(1), '--file', 'docker/compose.yml', 'config'], { PARLOR_MEDIA__ANNOUNCE, GRAFANA_PASSWORD, ...others });
}

test('docker compose config is clean', { skip }, () => {
  const { status, stdout, stderr } = config(NEEDED);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.equal(yaml(stdout).services.parlor.environment.PARLOR_MEDIA__ANNOUNCE, '203.0.113.7');
});

test('what has to be set is asked for', { skip }, () => {
  for (const [name, hint] of [['PARLOR_MEDIA__ANNOUNCE', /the address at which clients reach this host/], ['GRAFANA_PASSWORD', /the password that admin gets/]]) {
    const { status, stderr } = config({ ...NEEDED, [/** @type {string} */ (name)]: '' });
    assert.notEqual(status, 0);
    assert.match(stderr, /** @type {RegExp} */ (hint));
  }
});

const compose = yaml(read('docker/compose.yml'));
const { parlor } = compose.services;

test('each shard has its port, for UDP and TCP, under the same number', () => {
  const shards = parlor.environment.PARLOR_MEDIA__SHARDS;
  const first = Number(read('parlor.toml').match(/^#udp_port = (\d+)$/m)?.[1]);
  const range = `${first}-${first + shards - 1}`;
  assert.deepEqual(parlor.ports, ['8080:8080/tcp', `${range}:${range}/udp`, `${range}:${range}/tcp`]);
});

test('the server knows every variable that it is given', () => {
  for (const name of Object.keys(parlor.environment)) assert.ok(variables().has(name), name);
});

test('the drain has its time', () => assert.ok(seconds(parlor.stop_grace_period) > STOP_SECONDS));

test('images have versions, services health checks, and what is mounted exists', () => {
  for (const [name, service] of Object.entries(/** @type {Record<string, any>} */ (compose.services))) {
    assert.match(service.image, /:v?\d+\.\d+/, name);
    // Parlor's is the image's own.
    if (name !== 'parlor') assert.ok(service.healthcheck.test.length > 1, name);
    for (const volume of service.volumes) {
      const [from] = volume.split(':');
      if (from.startsWith('.')) assert.ok(existsSync(join(DOCKER, from)), `${name}: ${from}`);
      else assert.ok(from in compose.volumes, `${name}: ${from}`);
    }
  }
  assert.match(read('docker/Dockerfile'), /^HEALTHCHECK .*CMD \["parlor", "health"\]$/m);
  assert.ok(read('docker/Dockerfile').includes(`VOLUME ${parlor.volumes[0].split(':')[1]}\n`));
});

test('the metrics are where Prometheus looks, and nowhere else', () => {
  const [target] = yaml(read('docker/prometheus/prometheus.yml')).scrape_configs[0].static_configs[0].targets;
  const [host, port] = target.split(':');
  assert.equal(compose.services[host].environment.PARLOR_METRICS__LISTEN, `0.0.0.0:${port}`);
  assert.ok(!compose.services[host].ports.some((/** @type {string} */ published) => published.includes(port)));
});

test('the database and the instruments are not open to strangers', () => {
  assert.equal(compose.services.mongo.ports, undefined);
  for (const name of ['prometheus', 'grafana']) for (const port of compose.services[name].ports) assert.match(port, /^127\.0\.0\.1:/);
});
