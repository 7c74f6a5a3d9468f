/**
 * Reads a Dockerfile and a .dockerignore. Of their languages it knows what docker/Dockerfile uses, and refuses the rest: a step that it
 * does not know must not pass for one that was run.
 */

/**
 * @typedef {object} Instruction
 * @property {string} name in capitals
 * @property {Record<string, string[]>} flags each `--flag=value`, in the order given
 * @property {string} text what follows the flags
 * @property {number} line where it begins
 */

/**
 * @typedef {object} Stage
 * @property {string} name of `AS`, else its number
 * @property {string} base as written
 * @property {Instruction[]} instructions after FROM
 */

const KNOWN = new Set(['ARG', 'COPY', 'CMD', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL', 'RUN', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR']);

/** @param {string} text @returns {{ args: Instruction[], stages: Stage[] }} `args`: those before the first FROM */
export function parseDockerfile(text) {
  /** @type {Instruction[]} */ const args = [];
  /** @type {Stage[]} */ const stages = [];
  for (const instruction of instructions(text)) {
    if (instruction.name === 'FROM') {
      const [, base, name] = instruction.text.match(/^(\S+)(?:\s+AS\s+(\S+))?$/i) ?? refuse(instruction);
      stages.push({ name: name ?? String(stages.length), base, instructions: [] });
    } else if (stages.length > 0) {
      stages[stages.length - 1].instructions.push(instruction);
    } else {
      if (instruction.name !== 'ARG') refuse(instruction);
      args.push(instruction);
    }
  }
  if (stages.length === 0) throw new Error('a Dockerfile needs a FROM');
  return { args, stages };
}

/** @param {string} text @returns {Generator<Instruction>} */
function* instructions(text) {
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = at + 1;
    if (isSilent(lines[at])) continue;
    let whole = lines[at].trim();
    while (whole.endsWith('\\')) {
      at += 1;
      if (at === lines.length) throw new Error(`line ${line} goes on beyond the end`);
      if (!isSilent(lines[at])) whole = `${whole.slice(0, -1).trimEnd()} ${lines[at].trim()}`;
    }
    yield instruction(whole, line);
  }
}

/** @param {string} line */
function isSilent(line) {
  return /^\s*(#|$)/.test(line);
}

/** @param {string} whole @param {number} line @returns {Instruction} */
function instruction(whole, line) {
  const [, word, rest] = whole.match(/^(\S+)\s*(.*)$/) ?? [];
  const name = word.toUpperCase();
  if (!KNOWN.has(name)) throw new Error(`line ${line}: ${name} is not known here`);
  /** @type {Record<string, string[]>} */ const flags = {};
  let text = rest;
  for (let flag; (flag = text.match(/^--([a-z-]+)=(\S+)\s+/)); text = text.slice(flag[0].length)) (flags[flag[1]] ??= []).push(flag[2]);
  if (text.startsWith('<<')) throw new Error(`line ${line}: here-documents are not known here`);
  return { name, flags, text, line };
}

/** @param {Instruction} instruction @returns {never} */
export function refuse({ name, text, line }) {
  throw new Error(`line ${line}: ${name} ${text} is not understood`);
}

/** A command as JSON, or for the shell. @param {string} text @returns {string[]} */
export function command(text) {
  return text.startsWith('[') ? JSON.parse(text) : ['/bin/sh', '-c', text];
}

/** The pairs of ENV, LABEL and ARG: `a=b c="d e"`. A name without a value has none. @param {string} text @returns {[string, string | undefined][]} */
export function pairs(text) {
  return [...text.matchAll(/([^\s=]+)(?:=("(?:[^"\\]|\\.)*"|\S*))?/g)].map(([, name, value]) => [name, value?.replace(/^"(.*)"$/, '$1')]);
}

/** Puts `$name` and `${name}` in. @param {string} text @param {Record<string, string>} values */
export function expand(text, values) {
  return text.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced, bare) => {
    const value = values[braced ?? bare];
    if (value === undefined) throw new Error(`${whole} is not set`);
    return value;
  });
}

/** Whether a path of the context is kept out of it. @param {string} text of .dockerignore @returns {(path: string) => boolean} */
export function ignored(text) {
  const patterns = text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')).map(pattern);
  return (path) => patterns.some((one) => one.test(path));
}

/** @param {string} line @returns {RegExp} */
function pattern(line) {
  if (/[![?\\]/.test(line)) throw new Error(`.dockerignore: ${line} is not known here`);
  const source = line.replace(/[.+^$()|{}]/g, '\\$&').replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(?:.*/)?'));
  return new RegExp(`^${source}(/|$)`);
}
