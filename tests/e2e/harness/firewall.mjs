/** Blocks UDP to some ports of the loopback interface, for tests that run as root. */
import { execFileSync } from 'node:child_process';

/** Pages on the loopback interface are offered media over IPv6 too. */
const PROGRAMS = ['iptables', 'ip6tables'];

/** Why the firewall cannot be used here, or `false`. */
export const noFirewall = (() => {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    for (const program of PROGRAMS) execFileSync(program, ['--list-rules', 'OUTPUT'], { stdio: 'ignore' });
    return false;
  } catch {
    return `needs working ${PROGRAMS.join(' and ')}`;
  }
})();

/** @param {number[]} ports @param {() => Promise<void>} body */
export async function withoutUdp(ports, body) {
  const rules = PROGRAMS.flatMap((program) =>
    ports.map((port) => ({ program, rule: ['OUTPUT', '--out-interface', 'lo', '--protocol', 'udp', '--dport', String(port), '--jump', 'DROP'] })));
  /** @type {typeof rules} */ const set = [];
  const lift = () => {
    for (const { program, rule } of set.splice(0)) execFileSync(program, ['--delete', ...rule]);
  };
  process.once('exit', lift);
  try {
    for (const entry of rules) {
      execFileSync(entry.program, ['--insert', ...entry.rule]);
      set.push(entry);
    }
    await body();
  } finally {
    lift();
    process.removeListener('exit', lift);
  }
}
