/** The files that people deploy with, read for tests. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../e2e/harness/paths.mjs';

export const DOCKER = join(ROOT, 'docker');
export const VENV = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'deploy-venv', 'bin');

/** The longest that the server may take from SIGTERM to its end by default: the drain, and the goodbye after it. */
export const STOP_SECONDS = 25 + 8;

/** @param {string} path below the repository @returns {string} */
export function read(path) {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Every document of a YAML file. @param {string} text @returns {any[]} */
export function documents(text) {
  const code = 'import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)';
  return JSON.parse(execFileSync(join(VENV, 'python'), ['-c', code], { input: text, encoding: 'utf8' }));
}

/** The only document of a YAML file. @param {string} text @returns {any} */
export function yaml(text) {
  const [only, ...others] = documents(text);
  if (others.length > 0) throw new Error('there are several documents');
  return only;
}

/** What configures a server: the variable of each key in parlor.toml. @returns {Set<string>} */
export function variables() {
  const names = new Set();
  let section = '';
  for (const line of read('parlor.toml').split('\n')) {
    section = line.match(/^\[(\w+)\]$/)?.[1] ?? section;
    const key = line.match(/^#(\w+) = /)?.[1];
    if (key) names.add(`PARLOR_${section}__${key}`.toUpperCase());
  }
  return names;
}

/** Runs a program to its end. @param {string} program @param {string[]} args @param {Record<string, string>} [env] @param {string} [input] */
export function run(program, args, env = {}, input = '') {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8', input, env: { ...process.env, ...env } });
  if (error) throw error;
  return { status, stdout, stderr, output: `${stdout}${stderr}` };
}

/** Seconds of a duration such as 45s or 1m30s. @param {string} text */
export function seconds(text) {
  const parts = [...text.matchAll(/(\d+)([smh])/g)];
  if (parts.map(([part]) => part).join('') !== text) throw new Error(`${text} is no duration`);
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * { s: 1, m: 60, h: 3600 }[/** @type {'s'} */ (unit)], 0);
}
