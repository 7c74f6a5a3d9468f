/**
 * Runs a script as root in mount and process namespaces of its own: every mount and every process ends with it, however it ends.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Where the host compiles to. */
export const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
/** What is kept from run to run, and a directory for each run. */
export const CACHE = join(TARGET, 'image');
const ALWAYS_NEEDED = ['debootstrap', 'unshare', 'nsenter', 'chroot', 'ip', 'apt-get'];

/**
 * Calls `body` in the namespaces with an empty directory, in a process of its own that starts from the script again. Where that cannot be done
 * says so; that is a failure with REQUIRE_IMAGE=1 only.
 *
 * @param {{ script: string, tests: string, tools?: string[], withinMs: number, body: (work: string) => Promise<void> }} options
 */
export async function inNamespaces({ script, tests, tools = [], withinMs, body }) {
  if (process.argv[2] === '--inside') {
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
    await body(process.argv[3]);
    // Nobody waits for what may still run here: it ends with this process.
    process.exit(0);
  }
  const why = obstacle([...ALWAYS_NEEDED, ...tools]);
  if (why !== null) {
    console.error(`SKIPPED: ${tests} is not tested: ${why}`);
    process.exit(process.env.REQUIRE_IMAGE === '1' ? 1 : 0);
  }
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'run-'));
  const child = spawn('unshare', ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc', process.execPath, script, '--inside', work], { stdio: ['ignore', 'inherit', 'inherit'] });
  const end = () => child.kill('SIGKILL');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);
  const timer = setTimeout(() => {
    console.error(`${tests} takes too long`);
    end();
  }, withinMs);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  // None of the mounts was ever seen here: there are plain files only.
  rmSync(work, { recursive: true, force: true });
  process.exit(code ?? 1);
}

/** @param {string[]} tools @returns {string | null} why it cannot be done here */
function obstacle(tools) {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'it needs root';
  const missing = tools.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  if (missing.length > 0) return `there is no ${missing.join(', no ')}`;
  if (!spawnSync('apt-get', ['indextargets', '--format', '$(LABEL)'], { encoding: 'utf8' }).stdout.split('\n').includes('Debian')) return 'apt of this machine knows no Debian mirror';
  if (spawnSync('unshare', ['--mount', '--pid', '--net', '--fork', 'true']).status !== 0) return 'namespaces cannot be made here';
  return null;
}

/** @param {boolean} condition @param {string} otherwise @returns {asserts condition} */
export function assert(condition, otherwise) {
  if (!condition) throw new Error(otherwise);
}
