/** `parlor doctor` on hosts of every kind, and what a start does there: network namespaces, so only for root. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Server } from '../e2e/harness/server.mjs';
import { noNamespaces, withNamespaces } from './namespaces.mjs';

const TEST = { timeout: 120_000 };
const NETWORK_TEST = { ...TEST, skip: noNamespaces };
const MEMORY = { PARLOR_STORE__URL: 'memory:', PARLOR_FILES__URL: 'memory:', PARLOR_MEDIA__SHARDS: '2' };
const STUN_RESPONDER = join(import.meta.dirname, 'stun-responder.mjs');
const { binary: PARLOR } = await Server.unstarted();
if (noNamespaces) console.error(`SKIPPED: parlor doctor in network namespaces (${noNamespaces})`);

/** What the doctor says in a namespace. @param {import('./namespaces.mjs').Namespace} namespace @param {string} [announce] @param {Record<string, string>} [env] */
async function doctor(namespace, announce, env = {}) {
  const all = { PATH: process.env.PATH ?? '', ...MEMORY, ...(announce ? { PARLOR_MEDIA__ANNOUNCE: announce } : {}), ...env };
  const { code, stdout, stderr } = await namespace.run(PARLOR, ['doctor', '--json'], all);
  assert.equal(stderr, '');
  const report = JSON.parse(stdout);
  assert.equal(report.good, code === 0, 'the exit code is the conclusion');
  const { stdout: text, code: textCode } = await namespace.run(PARLOR, ['doctor'], all);
  assert.equal(textCode, code);
  for (const finding of report.findings) assert.ok(text.includes(finding.text), `people are told too: ${finding.text}`);
  return { code, report, text };
}

/** The finding of a mark whose text matches. @param {any} report @param {string} mark @param {RegExp} pattern */
function finding(report, mark, pattern) {
  const found = report.findings.find((/** @type {any} */ entry) => entry.mark === mark && pattern.test(entry.text));
  assert.ok(found, `no ${mark} says ${pattern}: ${JSON.stringify(report.findings, null, 1)}`);
  return found;
}

/** @param {any} report */
function failures(report) {
  return report.findings.filter((/** @type {any} */ entry) => entry.mark === 'failure').map((/** @type {any} */ entry) => entry.text);
}

test('a private address alone works nearby, and the doctor says what to set for others', NETWORK_TEST, () =>
  withNamespaces(1, async (host) => {
    host.interface('lan0', '10.77.0.5/24');
    const { code, report, text } = await doctor(host);
    assert.equal(code, 0, text);
    assert.deepEqual(report.advertised, [{ address: '10.77.0.5', origin: 'lan0', reach: 'private' }]);
    const { advice } = finding(report, 'warning', /only private addresses are advertised/);
    assert.match(advice, /UDP and TCP 7900 to 7901/);
    assert.match(advice, /media\.announce = \["10\.77\.0\.5=PUBLIC-ADDRESS", "10\.77\.0\.5"\]/);
    finding(report, 'good', /datagrams to 10\.77\.0\.5 arrive/);
  }));

test('a mapping for a 1:1 NAT is advertised in place of the interface\'s address', NETWORK_TEST, () =>
  withNamespaces(1, async (host) => {
    host.interface('lan0', '10.77.0.5/24');
    const { code, report, text } = await doctor(host, '10.77.0.5=203.0.113.7,auto');
    assert.equal(code, 0, text);
    assert.deepEqual(report.advertised, [{ address: '203.0.113.7', origin: 'media.announce for 10.77.0.5', reach: 'internet' }]);
    assert.ok(!text.includes('only private'));
    const { advice } = finding(report, 'good', /clients are told 203\.0\.113\.7/);
    assert.match(advice, /must forward UDP and TCP 7900 to 7901/);
    finding(report, 'good', /datagrams to 10\.77\.0\.5 arrive/);

    const elsewhere = await doctor(host, '10.88.0.5=203.0.113.7');
    assert.equal(elsewhere.code, 1);
    finding(elsewhere.report, 'warning', /no interface has 10\.88\.0\.5/);
    finding(elsewhere.report, 'failure', /the server does not start/);
  }));

test('behind a NAT a STUN server tells the public address; without an answer the rest stands', NETWORK_TEST, () =>
  withNamespaces(3, async (host, router, internet) => {
    host.cable('lan0', '10.77.0.5/24', router, 'lan0', '10.77.0.1/24');
    router.cable('wan0', '198.51.100.1/24', internet, 'wan0', '198.51.100.9/24');
    host.ip('route add default via 10.77.0.1');
    router.execute('sysctl -q -w net.ipv4.ip_forward=1');
    router.execute('iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE');
    const responder = await internet.node(STUN_RESPONDER, ['198.51.100.9', '3478']);
    try {
      const { code, report, text } = await doctor(host, 'stun:198.51.100.9:3478,auto');
      assert.equal(code, 0, text);
      assert.deepEqual(report.advertised[0], { address: '198.51.100.1', origin: 'stun:198.51.100.9:3478', reach: 'internet' });
      assert.equal(report.advertised[1].address, '10.77.0.5');
    } finally {
      responder.kill('SIGKILL');
    }
    const silent = await doctor(host, 'stun:198.51.100.9:3478,auto');
    assert.equal(silent.report.advertised.length, 1);
    finding(silent.report, 'warning', /stun:198\.51\.100\.9:3478 gives no address/);
    const alone = await doctor(host, 'stun:198.51.100.9:3478');
    assert.equal(alone.code, 1);
    finding(alone.report, 'failure', /media\.announce comes to nothing/);

    const env = { PATH: process.env.PATH ?? '', ...MEMORY, PARLOR_MEDIA__ANNOUNCE: 'stun:198.51.100.9:3478', PARLOR_LOG__LEVEL: 'error' };
    const start = await host.run(PARLOR, [], env);
    assert.equal(start.code, 1);
    assert.match(start.stderr, /^parlor: there is no address to advertise \(media\.announce\): stun:198\.51\.100\.9:3478 gives no address: .*\n$/);
  }));

test('where a firewall drops UDP the doctor fails and names the ports', NETWORK_TEST, () =>
  withNamespaces(1, async (host) => {
    host.interface('lan0', '10.77.0.5/24');
    host.execute('iptables -A INPUT -p udp -j DROP');
    const { code, report, text } = await doctor(host);
    assert.equal(code, 1, text);
    const { advice } = finding(report, 'failure', /10\.77\.0\.5 gets nothing of what this host sends to it/);
    assert.match(advice, /let in UDP and TCP 7900 to 7901/);
    assert.equal(failures(report).length, 1);
  }));

test('with nothing but loopback calls stay on the host', NETWORK_TEST, () =>
  withNamespaces(1, async (host) => {
    const { code, report } = await doctor(host);
    assert.equal(code, 1);
    assert.deepEqual(report.advertised, []);
    assert.deepEqual(failures(report), ['only clients on this host have media: nothing but loopback is advertised']);
  }));

test('in a container on a network of its own the doctor asks for the address of the host', NETWORK_TEST, () =>
  withNamespaces(2, async (container, host) => {
    container.cable('eth0', '172.17.0.2/16', host, 'veth0', '172.17.0.1/16');
    const { code, report } = await doctor(container, undefined, { container: 'test' });
    assert.equal(code, 1);
    assert.equal(report.advertised[0].reach, 'containers');
    const { advice } = finding(report, 'failure', /only addresses of a container network/);
    assert.match(advice, /publish UDP and TCP 7900 to 7901, and set media\.announce = \["ADDRESS-OF-THE-HOST"\]/);
    const told = await doctor(container, '203.0.113.7', { container: 'test' });
    assert.equal(told.code, 0, told.text);
  }));

test('beside a running server the doctor disturbs nothing and says that it runs', TEST, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-doctor-'));
  const server = await Server.start({ PARLOR_STORE__URL: `sqlite:${folder}/parlor.db`, PARLOR_FILES__URL: `file:${folder}/files` });
  try {
    const before = await readdir(folder);
    const env = {
      PATH: process.env.PATH ?? '',
      PARLOR_HTTP__LISTEN: `127.0.0.1:${server.httpPort}`,
      PARLOR_MEDIA__UDP_PORT: String(server.udpPort),
      PARLOR_MEDIA__SHARDS: String(server.mediaPorts.length),
      PARLOR_MEDIA__ANNOUNCE: '203.0.113.7',
      PARLOR_STORE__URL: `sqlite:${folder}/parlor.db`,
      PARLOR_FILES__URL: `file:${folder}/files`,
      PARLOR_AUTH__KEYS: `app:${'geheim-'.repeat(6)}`,
    };
    const { status, stdout, stderr } = spawnSync(PARLOR, ['doctor', '--json'], { env, encoding: 'utf8', timeout: 60_000 });
    assert.equal(stderr, '');
    const report = JSON.parse(stdout);
    assert.equal(status, 0, stdout);
    for (const port of server.mediaPorts) {
      finding(report, 'good', new RegExp(`^UDP ${port} is in use by a running parlor`));
      finding(report, 'good', new RegExp(`^TCP ${port} is in use by a running parlor`));
    }
    finding(report, 'good', /in use by parlor \(process \d+\), which alone may use it/);
    assert.ok(!stdout.includes('geheim'));
    assert.deepEqual(await readdir(folder), before, 'it leaves nothing behind');
    assert.ok((await fetch(`${server.url}/healthz`)).ok);
    assert.ok(await server.createRoom());
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test('the doctor makes no database, and says that a start will', TEST, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-doctor-'));
  try {
    const env = { PATH: process.env.PATH ?? '', PARLOR_MEDIA__UDP_PORT: '0', PARLOR_HTTP__LISTEN: '127.0.0.1:0', PARLOR_MEDIA__ANNOUNCE: '203.0.113.7' };
    const child = spawn(PARLOR, ['doctor'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => { text += chunk; });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0, text);
    assert.match(text, /sqlite:parlor-data\/parlor\.db will be made at the start; its directory can be written to/);
    assert.deepEqual(await readdir(folder), []);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
