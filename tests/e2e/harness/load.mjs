/** People of the load tester's in a scene's room: their cameras are encoded beforehand, so that a full room leaves the machine to those who are looked at. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.mjs';

const BINARY = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'release', 'parlor-loadtest');
/** Longer than any scenario. */
const DURATION = '30m';

/**
 * Sends so many with cameras into a room, and one who watches them all.
 *
 * @param {import('./server.mjs').Server} server @param {string} roomId @param {number} publishers
 * @returns {() => void} ends it
 */
export function fillRoom(server, roomId, publishers) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} does not exist: run \`make loadtest\` first`);
  const camera = ['--video-bitrate', '150k', '--fps', '15', '--no-audio'];
  const run = ['--room', roomId, '--server', server.url, '--duration', DURATION, '--witnesses', '0', '--quiet'];
  const tester = spawn(BINARY, ['livestream', '--publishers', String(publishers), '--viewers', '1', ...camera, ...run], { stdio: ['ignore', 'ignore', 'inherit'] });
  return () => { tester.kill('SIGINT'); };
}
