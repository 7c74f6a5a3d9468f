/** Certificates for tests, and what servers show of theirs. */
import { execFileSync } from 'node:child_process';
import { connect } from 'node:tls';

/** Writes a certificate for localhost and its key. @param {string} certificate @param {string} key paths */
export function issue(certificate, key) {
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '90',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate,
  ], { stdio: 'ignore' });
}

/** The SHA-256 fingerprint of what a new connection is shown. @param {number} port @returns {Promise<string>} */
export function fingerprint(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
