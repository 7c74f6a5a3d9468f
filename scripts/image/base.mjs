/**
 * The base images, made by debootstrap from the mirror that this machine's apt uses: `debian:…` as it is; `rust:…` with a C compiler and with
 * the host's Rust toolchain, at the host's own paths; `systemd:…` as a machine that can be booted.
 *
 * Each is kept as an archive under `target/image` and made once.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What each has beside Debian's smallest system. @type {Record<string, string[]>} */
const PACKAGES = {
  debian: [],
  // What of the image of this name the build uses besides Rust.
  rust: ['binutils', 'ca-certificates', 'gcc', 'libc6-dev'],
  systemd: ['dbus', 'openssl', 'procps', 'systemd'],
};

/**
 * @typedef {object} Base
 * @property {string} archive a tar of the root directory
 * @property {[string, string][]} binds directories of the host, and where they are seen
 * @property {Record<string, string>} env
 * @property {string} suite the Debian release
 */

/** @param {string} image as FROM names it @param {string} cache @param {string} work @returns {Base} */
export function base(image, cache, work) {
  const [, repository, suite] = image.match(/^(debian|rust|systemd):(?:[\d.]+-)?([a-z]+)(?:-slim)?$/) ?? [];
  if (!suite) throw new Error(`no base image ${image} is known here: there are debian:SUITE-slim and rust:VERSION-SUITE`);
  mkdirSync(cache, { recursive: true });
  const debian = archive(join(cache, `debian-${suite}.tar`), work, (root) => debootstrap(suite, root));
  const packages = PACKAGES[repository];
  const own = packages.length === 0 ? debian : archive(join(cache, `${[repository, suite, ...packages].join('-')}.tar`), work, (root) => {
    run('tar', ['-xf', debian, '-C', root]);
    install(root, packages);
  });
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
  if (repository !== 'rust') return { archive: own, binds: [], env, suite };
  const toolchain = execFileSync('rustc', ['--print', 'sysroot'], { encoding: 'utf8' }).trim();
  const cargo = process.env.CARGO_HOME ?? join(homedir(), '.cargo');
  return { archive: own, binds: [[toolchain, toolchain], [cargo, cargo]], env: { PATH: `${toolchain}/bin:${env.PATH}`, CARGO_HOME: cargo }, suite };
}

/** @param {string} root @param {string[]} packages */
function install(root, packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  run('chroot', [root, 'apt-get', 'update', '-qq'], { env });
  run('chroot', [root, 'apt-get', 'install', '-qq', '--no-install-recommends', ...packages], { env });
  run('chroot', [root, 'apt-get', 'clean'], { env });
}

/** @param {string} path @param {string} work @param {(root: string) => void} make fills an empty directory @returns {string} the path */
function archive(path, work, make) {
  if (existsSync(path)) return path;
  const root = join(work, 'base');
  mkdirSync(root);
  try {
    make(root);
    // Whole or not at all.
    run('tar', ['-cf', `${path}.new`, '-C', root, '.']);
    renameSync(`${path}.new`, path);
  } finally {
    rmSync(root, { recursive: true, force: true });
    rmSync(`${path}.new`, { force: true });
  }
  return path;
}

/** @param {string} suite @param {string} root */
function debootstrap(suite, root) {
  run('debootstrap', ['--variant=minbase', suite, root, mirror()]);
}

/** Where this machine's own packages come from. @returns {string} */
function mirror() {
  const targets = execFileSync('apt-get', ['indextargets', '--format', '$(CREATED_BY) $(LABEL) $(COMPONENT) $(REPO_URI)'], { encoding: 'utf8' });
  const line = targets.split('\n').find((target) => target.startsWith('Packages Debian main '));
  if (!line) throw new Error('apt of this machine knows no Debian mirror');
  return line.split(' ')[3];
}

/** Runs a program and shows its output only if it fails. @param {string} program @param {string[]} args @param {object} [options] */
export function run(program, args, options = {}) {
  try {
    execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024, ...options });
  } catch (error) {
    const { stdout, stderr, message } = /** @type {any} */ (error);
    throw new Error(`${message.split('\n')[0]}\n${`${stdout ?? ''}${stderr ?? ''}`.slice(-6_000)}`);
  }
}
