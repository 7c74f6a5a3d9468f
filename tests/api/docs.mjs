/** The project's pages of documentation: what is in them, for the tests of their commands and links. */
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ROOT } from '../e2e/harness/paths.mjs';

/** Whether a block is a command that can be run as it is: against a server, or with the programs of this host alone. */
const RUNS = /\$PARLOR\b|^(parlor (token|config|doctor) |sqlite3 )/m;

/** @typedef {{ page: string, text: string, runs: boolean }} Block one that is fenced as `sh` */

/** Pages whose commands people type, by their paths from the root. */
export async function commandPages() {
  return ['README.md', ...(await markdown('docs'))];
}

/** Every page of the project. */
export async function allPages() {
  const folders = ['', 'docs', 'web', 'docker', 'scripts', 'tests', '.ci'];
  return (await Promise.all(folders.map((folder) => markdown(folder)))).flat();
}

/** @param {string} page @returns {Promise<string>} */
export function read(page) {
  return readFile(join(ROOT, page), 'utf8');
}

/** @param {string} page @returns {Promise<Block[]>} */
export async function blocks(page) {
  const found = (await read(page)).matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm);
  return [...found].map(([, text]) => ({ page, text, runs: RUNS.test(text) }));
}

/** What a page links to, without what is in code. @param {string} text @returns {string[]} */
export function links(text) {
  const prose = text.replace(/^ *```[\s\S]*?^ *```/gm, '').replace(/`[^`\n]*`/g, '`code`');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
}

/** What the headings of a page can be linked to as, as GitHub makes it of them. @param {string} text @returns {Set<string>} */
export function anchors(text) {
  const seen = new Map();
  const prose = text.replace(/^ *```[\s\S]*?^ *```/gm, '');
  return new Set([...prose.matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading]) => {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}\p{M} _-]/gu, '').trim().replaceAll(' ', '-');
    const times = seen.get(words) ?? 0;
    seen.set(words, times + 1);
    return times === 0 ? words : `${words}-${times}`;
  }));
}

/** @param {string} folder @returns {Promise<string[]>} */
async function markdown(folder) {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.md'));
  return files.map((file) => relative(ROOT, join(ROOT, folder, file.name))).sort();
}
