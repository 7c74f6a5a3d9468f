/** render.yaml: it has the form of a blueprint, and what it says fits the image and the server. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ROOT } from '../e2e/harness/paths.mjs';
import { STOP_SECONDS, read, variables, yaml } from './files.mjs';

/** What a web service of a blueprint may have, as far as it is of use here. */
const FIELDS = {
  type: 'string', name: 'string', runtime: 'string', plan: 'string', dockerfilePath: 'string', dockerContext: 'string',
  numInstances: 'number', healthCheckPath: 'string', maxShutdownDelaySeconds: 'number', disk: 'object', envVars: 'object',
};

const blueprint = yaml(read('render.yaml'));
const [service] = blueprint.services;

test('it has the form of a blueprint', () => {
  assert.deepEqual(Object.keys(blueprint), ['services']);
  assert.equal(blueprint.services.length, 1);
  for (const [name, value] of Object.entries(service)) assert.equal(typeof value, FIELDS[/** @type {'type'} */ (name)], name);
  assert.deepEqual([service.type, service.runtime], ['web', 'docker']);
  assert.deepEqual(Object.keys(service.disk), ['name', 'mountPath', 'sizeGB']);
  for (const { key, ...source } of service.envVars) {
    assert.ok(variables().has(key), key);
    assert.equal(Object.keys(source).filter((field) => ['value', 'sync'].includes(field)).length, 1, key);
  }
});

test('it fits the image and the server', () => {
  assert.ok(existsSync(join(ROOT, service.dockerfilePath)));
  assert.ok(read('docker/Dockerfile').includes(`VOLUME ${service.disk.mountPath}\n`));
  assert.equal(service.healthCheckPath, '/healthz', 'a database that is away ends no call');
  assert.equal(service.numInstances, 1);
  assert.ok(service.maxShutdownDelaySeconds > STOP_SECONDS && service.maxShutdownDelaySeconds <= 300);
});
