/** kubernetes.yaml: it follows the schemas of Kubernetes, and what it says fits the image, the server and itself. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { DOCKER, STOP_SECONDS, VENV, documents, read, run, variables } from './files.mjs';

const MANIFEST = join(DOCKER, 'kubernetes.yaml');
/** The oldest version that is still looked after, and the newest that the schemas are there for. */
const VERSIONS = ['1.33', '1.37'];

const resources = documents(read('docker/kubernetes.yaml'));
const one = (/** @type {string} */ kind) => resources.find((resource) => resource.kind === kind);
const pod = one('Deployment').spec.template;
const [container] = pod.spec.containers;

test('every resource follows its schema', () => {
  for (const version of VERSIONS) {
    const { status, output } = run(join(VENV, 'kubernetes-validate'), ['--strict', '--no-warn', '--kubernetes-version', version, MANIFEST]);
    assert.equal(status, 0, output);
    assert.equal(output.match(/ passed /g)?.length, resources.length, output);
  }
});

test('labels and names lead to each other', () => {
  const { labels } = pod.metadata;
  for (const selector of [one('Deployment').spec.selector.matchLabels, one('Service').spec.selector, one('PodDisruptionBudget').spec.selector.matchLabels]) assert.deepEqual(selector, labels);
  for (const { metadata, kind } of resources) assert.equal(kind === 'Namespace' ? metadata.name : metadata.namespace, 'parlor');
  assert.equal(container.envFrom[0].secretRef.name, one('Secret').metadata.name);
  assert.equal(pod.spec.volumes[0].persistentVolumeClaim.claimName, one('PersistentVolumeClaim').metadata.name);
  const names = container.ports.map((/** @type {any} */ port) => port.name);
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) assert.ok(names.includes(container[probe].httpGet.port), probe);
  assert.ok(names.includes(one('Service').spec.ports[0].targetPort));
});

test('each shard has its port of the node', () => {
  const shards = Number(container.env.find((/** @type {any} */ variable) => variable.name === 'PARLOR_MEDIA__SHARDS').value);
  for (const protocol of ['UDP', 'TCP']) {
    const ports = container.ports.filter((/** @type {any} */ port) => port.protocol === protocol && port.name.startsWith('media-'));
    assert.deepEqual(ports.map((/** @type {any} */ port) => port.hostPort), Array.from({ length: shards }, (_, shard) => 7900 + shard));
    for (const { containerPort, hostPort } of ports) assert.equal(containerPort, hostPort, 'clients are told this number');
  }
  assert.equal(pod.spec.hostNetwork, true);
  assert.ok(pod.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.length > 0);
});

test('the server knows every variable that it is given, and gets no others', () => {
  const given = [...container.env.map((/** @type {any} */ variable) => variable.name), ...Object.keys(one('Secret').stringData)];
  for (const name of given) assert.ok(variables().has(name), name);
  assert.equal(pod.spec.enableServiceLinks, false, 'the Service would make PARLOR_PORT');
});

test('the metrics are where Prometheus is sent', () => {
  const port = pod.metadata.annotations['prometheus.io/port'];
  assert.equal(container.env.find((/** @type {any} */ variable) => variable.name === 'PARLOR_METRICS__LISTEN').value, `0.0.0.0:${port}`);
  assert.ok(container.ports.some((/** @type {any} */ { name, containerPort }) => name === 'metrics' && containerPort === Number(port)));
});

test('a call may end before its pod does, and one server follows the other', () => {
  const pause = Number(container.lifecycle.preStop.exec.command[1]);
  assert.ok(pod.spec.terminationGracePeriodSeconds > pause + STOP_SECONDS);
  assert.deepEqual([one('Deployment').spec.replicas, one('Deployment').spec.strategy.type], [1, 'Recreate']);
  assert.equal(container.livenessProbe.httpGet.path, '/healthz', 'a database that is away ends no call');
});

test('the pod is the user of the image and can do nothing else', () => {
  const user = Number(read('docker/Dockerfile').match(/^USER (\d+):\d+$/m)?.[1]);
  assert.equal(pod.spec.securityContext.runAsUser, user);
  assert.equal(pod.spec.securityContext.runAsNonRoot, true);
  assert.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
  assert.ok(read('docker/Dockerfile').includes(`VOLUME ${container.volumeMounts[0].mountPath}\n`));
});
