/** A phone on the same network: the page by HTTPS with the server's own certificate, at an address that is not this host's. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { connect } from 'node:tls';
import { scenario } from './harness/scenario.mjs';
import { Server } from './harness/server.mjs';

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // the certificate is the server's own

const ADDRESS = Object.values(networkInterfaces()).flat().find((address) => address?.family === 'IPv4' && !address.internal)?.address;
const CWD = mkdtempSync(join(tmpdir(), 'parlor-tls-'));
after(() => rmSync(CWD, { recursive: true, force: true }));
const SELF_SIGNED = { PARLOR_HTTP__TLS: 'self-signed', PARLOR_MEDIA__ANNOUNCE: ADDRESS };

scenario('two people call by HTTPS with a self-signed certificate', async (scene) => {
  const origin = `https://${ADDRESS}:${scene.server.httpPort}`;
  const ada = await scene.join('Ada', { origin });
  const ben = await scene.join('Ben', { origin });
  await ada.sees(ben);
  await ben.sees(ada);
  await ada.hears(ben);
  // Only a secure context has cameras, and this address is none by its name.
  const seen = await ada.ask(() => ({ isSecure: window.isSecureContext, page: location.origin, hasCameras: 'mediaDevices' in navigator }));
  assert.deepEqual(seen, { isSecure: true, page: origin, hasCameras: true });

  const page = await fetch(origin);
  assert.equal(page.headers.get('strict-transport-security'), null, 'nobody vouches for this certificate');
  const plain = await fetch(`http://${ADDRESS}:${scene.server.httpPort}/r/x`, { redirect: 'manual' });
  assert.deepEqual([plain.status, plain.headers.get('location')], [308, `${origin}/r/x`]);
}, {
  server: SELF_SIGNED,
  place: { cwd: CWD, host: '0.0.0.0' },
  chromiumFlags: ['--ignore-certificate-errors'],
  skip: ADDRESS ? false : 'this host has no address but loopback',
});

scenario('the certificate is told, and stays the same over restarts', async (scene) => {
  const first = await certificate(scene.server);
  assert.match(first.subjectaltname ?? '', new RegExp(`DNS:localhost.*IP Address:127\\.0\\.0\\.1.*IP Address:${ADDRESS?.replaceAll('.', '\\.')}`));
  const told = scene.server.logTail();
  assert.ok(told.includes(`On this network: https://${ADDRESS}:${scene.server.httpPort}`), told);
  assert.ok(told.includes(first.fingerprint256), told);
  assert.equal(statSync(join(CWD, 'parlor-data', 'self-signed.pem')).mode & 0o777, 0o600);
  await scene.server.stop();
  await scene.server.start();
  assert.equal((await certificate(scene.server)).fingerprint256, first.fingerprint256);
}, { server: SELF_SIGNED, place: { cwd: CWD, host: '0.0.0.0' }, skip: ADDRESS ? false : 'this host has no address but loopback' });

/** What the server shows. @param {Server} server @returns {Promise<import('node:tls').PeerCertificate>} */
function certificate(server) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: server.httpPort, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
