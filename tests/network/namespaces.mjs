/** Network namespaces of a test's own, for tests that run as root. All of a test's are gone when its body is through. */
import { execFile, execFileSync, spawn } from 'node:child_process';

const COMMAND_MS = 60_000;

/** Why there can be no namespaces here, or `false`. */
export const noNamespaces = (() => {
  if (process.getuid?.() !== 0) return 'needs root';
  const probe = `parlor-${process.pid}-probe`;
  try {
    execFileSync('ip', ['netns', 'add', probe], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'exec', probe, 'iptables', '--list-rules'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs ip netns and iptables';
  } finally {
    try { execFileSync('ip', ['netns', 'del', probe], { stdio: 'ignore' }); } catch { /* there was none */ }
  }
})();

let made = 0;

export class Namespace {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** Runs `ip` in it. @param {string} words */
  ip(words) {
    execFileSync('ip', ['-n', this.name, ...words.split(' ')]);
  }

  /** Gives it an interface with an address that leads nowhere. @param {string} device @param {string} address with its prefix */
  interface(device, address) {
    this.ip(`tuntap add dev ${device} mode tap`);
    this.ip(`addr add ${address} dev ${device}`);
    this.ip(`link set ${device} up`);
  }

  /** Joins it to another by a cable. @param {string} device @param {string} address @param {Namespace} other @param {string} otherDevice @param {string} otherAddress */
  cable(device, address, other, otherDevice, otherAddress) {
    this.ip(`link add ${device} type veth peer name ${otherDevice} netns ${other.name}`);
    for (const [end, name, at] of /** @type {[Namespace, string, string][]} */ ([[this, device, address], [other, otherDevice, otherAddress]])) {
      end.ip(`addr add ${at} dev ${name}`);
      end.ip(`link set ${name} up`);
    }
  }

  /** @param {string} words of a command that must succeed */
  execute(words) {
    execFileSync('ip', ['netns', 'exec', this.name, ...words.split(' ')]);
  }

  /** Runs a program to its end. @param {string} program @param {string[]} args @param {Record<string, string>} env @returns {Promise<{ code: number, stdout: string, stderr: string }>} */
  run(program, args, env) {
    return new Promise((resolve, reject) => {
      execFile('ip', ['netns', 'exec', this.name, program, ...args], { env, timeout: COMMAND_MS }, (error, stdout, stderr) => {
        if (error && typeof error.code !== 'number') reject(error);
        else resolve({ code: Number(error?.code ?? 0), stdout, stderr });
      });
    });
  }

  /** Starts a program of Node.js; resolves when it has printed something. @param {string} script @param {string[]} args */
  async node(script, args) {
    const child = spawn('ip', ['netns', 'exec', this.name, process.execPath, script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    process.once('exit', () => child.kill('SIGKILL'));
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
    });
    return child;
  }
}

/** @template T @param {number} count @param {(...namespaces: Namespace[]) => Promise<T>} body */
export async function withNamespaces(count, body) {
  /** @type {Namespace[]} */ const all = [];
  const remove = () => { for (const { name } of all.splice(0)) execFileSync('ip', ['netns', 'del', name]); };
  process.once('exit', remove);
  try {
    for (let i = 0; i < count; i += 1) {
      const namespace = new Namespace(`parlor-${process.pid}-${made += 1}`);
      execFileSync('ip', ['netns', 'add', namespace.name]);
      all.push(namespace);
      namespace.ip('link set lo up');
    }
    return await body(...all);
  } finally {
    remove();
    process.removeListener('exit', remove);
  }
}
