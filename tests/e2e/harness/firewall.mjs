/** Blocks UDP to some ports of the loopback interface, for tests that run as root. */
import { execFileSync } from 'node:child_process';

/** Why the firewall cannot be used here, or `false`. */
export const noFirewall = (() => {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    execFileSync('iptables', ['--list-rules', 'OUTPUT'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs a working iptables';
  }
})();

/** @param {number[]} ports @param {() => Promise<void>} body */
export async function withoutUdp(ports, body) {
  const rules = ports.map((port) => ['OUTPUT', '--out-interface', 'lo', '--protocol', 'udp', '--dport', String(port), '--jump', 'DROP']);
  const lift = () => {
    for (const rule of rules.splice(0)) execFileSync('iptables', ['--delete', ...rule]);
  };
  process.once('exit', lift);
  for (const rule of rules) execFileSync('iptables', ['--insert', ...rule]);
  try {
    await body();
  } finally {
    lift();
    process.removeListener('exit', lift);
  }
}
