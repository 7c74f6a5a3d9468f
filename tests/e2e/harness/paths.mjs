/** Where things are. */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Records of failed tests: a screenshot of each participant and the end of the server's log. */
export const RECORDS = join(ROOT, 'target', 'e2e');
