/**
 * A stage of a Dockerfile in a directory: its steps change the directory, or the settings with which its programs run.
 *
 * Everything is mounted in the caller's mount namespace, which is one of its own: nothing is ever unmounted but by the end of it.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, join, posix, relative } from 'node:path';
import { run } from './base.mjs';
import { command, expand, pairs, refuse } from './dockerfile.mjs';

/** @typedef {import('./dockerfile.mjs').Instruction} Instruction */

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

/**
 * @typedef {object} Surroundings
 * @property {string} context the directory that COPY takes from
 * @property {(path: string) => boolean} isIgnored of the context
 * @property {Map<string, Stage>} stages those before
 * @property {Record<string, string>} args with which ARG is answered
 * @property {(target: string, suite: string) => { below: string, folder: string } | null} cache what a cache mount has in it at first: below a name of
 *   its own, what is in a folder of the host
 * @property {string} work a directory for what is thrown away
 */

export class Stage {
  /** ENV, as programs see it. @type {Record<string, string>} */ env;
  /** @type {Record<string, string>} */ #args = {};
  workdir = '/';
  user = '0:0';
  /** @type {string[]} */ entrypoint = [];
  /** @type {string[]} */ cmd = [];
  /** @type {string[]} */ healthcheck = [];
  stopSignal = 'SIGTERM';
  /** @type {string[]} */ volumes = [];
  /** @type {Record<string, string>} */ labels = {};
  /** @type {string[]} */ ports = [];

  /** @param {string} root an empty directory @param {import('./base.mjs').Base} base @param {Surroundings} surroundings */
  constructor(root, base, surroundings) {
    this.root = root;
    this.base = base;
    this.surroundings = surroundings;
    this.env = { ...base.env };
    run('tar', ['-xf', base.archive, '-C', root]);
    this.bytesOfBase = bytesIn(root);
    // A mount of its own, that `freeze` can change.
    run('mount', ['--bind', root, root]);
    for (const [from, at] of base.binds) this.#bind(from, at);
  }

  /** The steps are known by name in dockerfile.mjs already. @param {Instruction} step */
  run(step) {
    const text = () => expand(step.text, { ...this.#args, ...this.env });
    switch (step.name) {
      case 'ARG': return this.#arg(step);
      case 'ENV': return this.#set(this.env, text());
      case 'LABEL': return this.#set(this.labels, text());
      case 'WORKDIR':
        this.workdir = posix.resolve(this.workdir, text());
        return void mkdirSync(this.path(this.workdir), { recursive: true });
      case 'USER': return void (this.user = text());
      case 'VOLUME':
        this.volumes.push(text());
        return void mkdirSync(this.path(text()), { recursive: true });
      case 'EXPOSE': return void this.ports.push(...text().split(/\s+/));
      case 'STOPSIGNAL': return void (this.stopSignal = text());
      case 'ENTRYPOINT': return void (this.entrypoint = command(step.text));
      case 'CMD': return void (this.cmd = command(step.text));
      case 'HEALTHCHECK': return void (this.healthcheck = command(step.text.replace(/^CMD\s+/, '') || refuse(step)));
      case 'COPY': return this.#copy(step, text().split(/\s+/));
      case 'RUN': return this.#run(step);
      default: return refuse(step);
    }
  }

  /** @param {Instruction} step */
  #arg(step) {
    for (const [name, value] of pairs(step.text)) {
      const given = this.surroundings.args[name] ?? (value === undefined ? undefined : expand(value, { ...this.surroundings.args, ...this.#args }));
      if (given !== undefined) this.#args[name] = given;
    }
  }

  /** @param {Record<string, string>} values @param {string} text */
  #set(values, text) {
    for (const [name, value] of pairs(text)) values[name] = value ?? '';
  }

  /** @param {Instruction} step @param {string[]} words */
  #copy(step, words) {
    const { from: [stage] = [], ...others } = step.flags;
    if (Object.keys(others).length > 0 || words.length < 2) refuse(step);
    const source = stage === undefined ? undefined : this.surroundings.stages.get(stage);
    if (stage !== undefined && !source) throw new Error(`line ${step.line}: there is no stage ${stage} before`);
    const [target, top] = [/** @type {string} */ (words.pop()), source?.root ?? this.surroundings.context];
    const into = posix.resolve(this.workdir, target);
    for (const word of words) {
      const path = join(top, word);
      const isKept = (/** @type {string} */ name) => source !== undefined || !this.surroundings.isIgnored(relative(top, name));
      if (!existsSync(path) || !isKept(path)) throw new Error(`line ${step.line}: ${word} is not in ${stage ?? 'the context'}`);
      const isInside = target.endsWith('/') || words.length > 1;
      const at = this.path(statSync(path).isFile() && isInside ? posix.join(into, basename(path)) : into);
      copy(path, at, isKept);
    }
  }

  /** @param {Instruction} step */
  #run(step) {
    const { mount = [], ...others } = step.flags;
    if (Object.keys(others).length > 0) refuse(step);
    for (const one of mount) {
      const [, target] = one.match(/^type=cache,target=([^,]+)$/) ?? refuse(step);
      this.#mountCache(target);
    }
    this.mountSystem();
    run('chroot', [...this.chrootArguments(), ...command(step.text)], { env: { ...this.#args, ...this.env, ...proxies() }, stdio: ['ignore', 'inherit', 'inherit'] });
  }

  /** The arguments of chroot that enter as the stage's user. The working directory is set by `env`. */
  chrootArguments() {
    return [`--userspec=${this.user}`, '--groups=', this.root, '/usr/bin/env', '--chdir', this.workdir];
  }

  /** /proc, /dev and /tmp. */
  mountSystem() {
    if (readdirSync(this.path('/proc')).length > 0) return;
    run('mount', ['-t', 'proc', 'proc', this.path('/proc')]);
    run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'dev', this.path('/dev')]);
    run('mount', ['-t', 'tmpfs', '-o', 'mode=1777', 'tmp', this.path('/tmp')]);
    for (const device of DEVICES) run('cp', ['-a', `/dev/${device}`, this.path('/dev/')]);
  }

  /** What is put into a cache is thrown away at the end; what the host has for it is seen below. @param {string} target */
  #mountCache(target) {
    const own = (/** @type {string} */ part) => {
      const folder = join(this.surroundings.work, `cache${target.replaceAll('/', '-')}`, part);
      mkdirSync(folder, { recursive: true });
      return folder;
    };
    this.#bind(own('all'), target);
    const host = this.surroundings.cache(target, this.base.suite);
    if (host === null) return console.log(`  ${target} starts empty`);
    const at = this.path(posix.join(target, host.below));
    mkdirSync(at);
    try {
      run('mount', ['-t', 'overlay', '-o', `lowerdir=${host.folder},upperdir=${own('upper')},workdir=${own('work')}`, 'cache', at]);
      console.log(`  ${target} starts from ${host.folder}`);
    } catch (error) {
      console.log(`  ${target} starts empty, since ${host.folder} cannot be laid below: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** What the steps have added, in bytes. */
  bytesAdded() {
    return bytesIn(this.root) - this.bytesOfBase;
  }

  /** From now on nothing can be written but to the volumes, which begin with what the image has there. */
  freeze() {
    this.mountSystem();
    for (const [i, volume] of this.volumes.entries()) {
      const from = join(this.surroundings.work, `volume-${i}`);
      run('cp', ['-a', this.path(volume), from]);
      this.#bind(from, volume);
    }
    run('mount', ['-o', 'remount,bind,ro', this.root]);
    run('mount', ['-o', 'remount,ro', this.path('/tmp')]);
  }

  /** Where a file of the image is. @param {string} inside */
  path(inside) {
    return join(this.root, inside);
  }

  /** @param {string} from @param {string} at */
  #bind(from, at) {
    mkdirSync(this.path(at), { recursive: true });
    run('mount', ['--bind', from, this.path(at)]);
  }
}

/** Copies what is kept, with its times: a build looks at them. @param {string} from a file, or a directory whose content is meant @param {string} to @param {(path: string) => boolean} isKept */
function copy(from, to, isKept) {
  if (statSync(from).isDirectory()) {
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) if (isKept(join(from, name))) copy(join(from, name), join(to, name), isKept);
  } else {
    cpSync(from, to, { preserveTimestamps: true, dereference: true });
  }
}

/** What the network here needs, and no image has. */
function proxies() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name)));
}

/** Of the files in it; what is mounted below it is left out. @param {string} folder @returns {number} bytes */
export function bytesIn(folder, device = lstatSync(folder).dev) {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const about = lstatSync(path);
    if (about.dev === device) sum += entry.isDirectory() ? bytesIn(path, device) : about.size;
  }
  return sum;
}
