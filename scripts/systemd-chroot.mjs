#!/usr/bin/env node
/**
 * Proves docker/parlor.service and the commands for systemd in docs/deployment.md: boots a small Debian with systemd as its first process, and types
 * them as they are. Building is left out: the binary of `make build` is there already.
 *
 * Needs Linux, root, debootstrap and systemd-nspawn; says so and does nothing without them, or fails with REQUIRE_IMAGE=1.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { base, run } from './image/base.mjs';
import { CACHE, TARGET, assert, inNamespaces } from './image/namespace.mjs';

const SCRIPT = fileURLToPath(import.meta.url);
const ROOT = dirname(dirname(SCRIPT));
const BINARY = join(TARGET, 'release', 'parlor');
const SUITE = 'bookworm';
const WITHIN_MS = 10 * 60_000;

const OPERATOR = `[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
ExecStart=/operator
Type=oneshot
StandardOutput=file:/operator.log
StandardError=file:/operator.log
TimeoutStartSec=240
[Install]
WantedBy=multi-user.target
`;

/** What the page promises beside its commands. */
const CHECKS = `
pid="$(systemctl show --value --property MainPID parlor)"
grep -E '^Uid:\\s+6[0-9]{4}\\s' "/proc/$pid/status"
grep -E '^CapEff:\\s+0+$' "/proc/$pid/status"
grep -E '^NoNewPrivs:\\s+1$' "/proc/$pid/status"
test -s /var/lib/parlor/parlor-data/parlor.db
test "$(stat -c %a /etc/parlor/parlor.env)" = 600
sudo systemctl reload parlor
parlor health --config /etc/parlor/parlor.toml
test "$(systemctl show --value --property MainPID parlor)" = "$pid"
`;

const AFTER = `
systemctl stop parlor
test "$(systemctl show --value --property Result parlor)" = success
if parlor health --config /etc/parlor/parlor.toml; then exit 1; fi
`;

await inNamespaces({
  script: SCRIPT,
  tests: 'docker/parlor.service',
  tools: ['systemd-nspawn'],
  withinMs: WITHIN_MS,
  async body(work) {
    assert(existsSync(BINARY), `${BINARY} is not there: run make build`);
    const machine = join(work, 'machine');
    mkdirSync(machine);
    run('tar', ['-xf', base(`systemd:${SUITE}`, CACHE, work).archive, '-C', machine]);
    furnish(machine);
    await boot(machine);
    const log = readFileSync(join(machine, 'operator.log'), 'utf8');
    console.log(log);
    assert(log.endsWith('\nThe operator is content.\n'), 'the commands of docs/deployment.md failed');
  },
});

/** Puts an operator into the machine who starts to type once it has booted, and who switches it off. @param {string} machine */
function furnish(machine) {
  const text = readFileSync(join(ROOT, 'docs', 'deployment.md'), 'utf8');
  const section = text.split('\n## ').find((part) => part.startsWith('On a machine with systemd')) ?? '';
  const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block);
  assert(blocks.length === 2, 'docs/deployment.md has not the two blocks that are expected');
  program(machine, 'usr/local/bin/sudo', '#!/bin/sh\nexec "$@"\n');
  program(machine, 'usr/local/bin/cargo', '#!/bin/sh\n[ "$*" = "build --release --locked" ]\n');
  program(machine, 'operator', `#!/bin/bash\nset -euxo pipefail\ncd /src\n${blocks[0]}\n${CHECKS}\n${blocks[1]}\n${AFTER}\necho\necho The operator is content.\n`);
  writeFileSync(join(machine, 'etc/systemd/system/operator.service'), OPERATOR);
  run('chroot', [machine, 'systemctl', 'enable', 'operator.service']);
}

/** @param {string} machine @param {string} path @param {string} text */
function program(machine, path, text) {
  writeFileSync(join(machine, path), text, { mode: 0o755 });
}

/** @param {string} machine @returns {Promise<void>} when it is off */
async function boot(machine) {
  const binds = [`--bind-ro=${ROOT}:/src`, ...(BINARY.startsWith(`${ROOT}/target/`) ? [] : [`--bind-ro=${TARGET}:/src/target`])];
  const child = spawn('systemd-nspawn', ['--quiet', '--register=no', '--keep-unit', '--private-network', '--console=pipe', ...binds, `--directory=${machine}`, '--boot'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { output += chunk; });
  await new Promise((resolve) => child.on('close', resolve));
  if (!existsSync(join(machine, 'operator.log'))) throw new Error(`the machine did not boot:\n${output.slice(-4_000)}`);
}
