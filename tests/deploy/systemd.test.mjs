/** The unit file: systemd understands all of it, and little is left to a service that has been taken over. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { DOCKER, STOP_SECONDS, read, run } from './files.mjs';

const UNIT = join(DOCKER, 'parlor.service');
const SYSTEM_UNITS = '/usr/lib/systemd/system';
/** `systemd-analyze security`: 0 is a service that can do nothing, 10 one that can do everything. */
const MAX_EXPOSURE = 1.5;
const skip = existsSync('/usr/bin/systemd-analyze') && existsSync(SYSTEM_UNITS) ? false : 'there is no systemd here';

test('systemd-analyze verify has nothing to say', { skip }, () => {
  const root = mkdtempSync(join(tmpdir(), 'parlor-unit-'));
  try {
    // A system on which Parlor is installed, as far as the unit refers to it.
    cpSync(SYSTEM_UNITS, join(root, SYSTEM_UNITS), { recursive: true, verbatimSymlinks: true });
    for (const folder of ['bin', 'usr/local/bin', 'etc/systemd/system']) mkdirSync(join(root, folder), { recursive: true });
    for (const program of ['bin/kill', 'usr/local/bin/parlor']) writeFileSync(join(root, program), '#!/bin/sh\n', { mode: 0o755 });
    const verify = () => run('systemd-analyze', ['verify', `--root=${root}`, 'parlor.service']);
    cpSync(UNIT, join(root, 'etc/systemd/system/parlor.service'));
    assert.deepEqual(verify(), { status: 0, stdout: '', stderr: '', output: '' });
    writeFileSync(join(root, 'etc/systemd/system/parlor.service'), read('docker/parlor.service').replace('LimitNOFILE', 'LimitNOFILES'));
    assert.match(verify().output, /Unknown key 'LimitNOFILES'/);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('the service is exposed to little', { skip }, () => {
  const { status, output } = run('systemd-analyze', ['security', '--offline=yes', `--threshold=${MAX_EXPOSURE * 10}`, UNIT]);
  assert.equal(status, 0, output);
});

test('the drain has its time', () => {
  const seconds = Number(read('docker/parlor.service').match(/^TimeoutStopSec=(\d+)$/m)?.[1]);
  assert.ok(seconds > STOP_SECONDS, `${seconds}`);
});
