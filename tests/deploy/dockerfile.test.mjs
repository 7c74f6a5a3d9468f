/** The reader of the Dockerfile, with which its steps are run where there is no container engine. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { command, expand, ignored, pairs, parseDockerfile } from '../../scripts/image/dockerfile.mjs';

test('stages, flags, continued lines and comments are told apart', () => {
  const { args, stages } = parseDockerfile('# A comment\nARG DEBIAN=bookworm\nFROM rust:${DEBIAN} AS build\nRUN --mount=type=cache,target=/a --mount=type=cache,target=/b \\\n  # why\n  one \\\n  && two\nfrom debian\nCOPY --from=build /out /in\n');
  assert.deepEqual(args.map(({ name, text }) => [name, text]), [['ARG', 'DEBIAN=bookworm']]);
  assert.deepEqual(stages.map(({ name, base }) => [name, base]), [['build', 'rust:${DEBIAN}'], ['1', 'debian']]);
  assert.deepEqual(stages[0].instructions[0], { name: 'RUN', flags: { mount: ['type=cache,target=/a', 'type=cache,target=/b'] }, text: 'one && two', line: 4 });
  assert.deepEqual(stages[1].instructions[0], { name: 'COPY', flags: { from: ['build'] }, text: '/out /in', line: 9 });
});

test('what is not known is refused', () => {
  for (const [text, expected] of [
    ['FROM a\nADD b c', /line 2: ADD is not known/],
    ['FROM a\nRUN <<EOF', /here-documents/],
    ['RUN a', /is not understood/],
    ['FROM a b', /is not understood/],
    ['FROM a\nRUN b \\', /goes on beyond the end/],
    ['# nothing', /needs a FROM/],
  ]) assert.throws(() => parseDockerfile(/** @type {string} */ (text)), expected);
});

test('values', () => {
  assert.deepEqual(pairs('a=b c="d e" f'), [['a', 'b'], ['c', 'd e'], ['f', undefined]]);
  assert.deepEqual(command('["parlor", "health"]'), ['parlor', 'health']);
  assert.deepEqual(command('parlor health'), ['/bin/sh', '-c', 'parlor health']);
  assert.equal(expand('${A}-$B', { A: '1', B: '2' }), '1-2');
  assert.throws(() => expand('$C', {}), /\$C is not set/);
});

test('what .dockerignore names is kept out, with what is below it', () => {
  const isIgnored = ignored('# why\n.git\n**/node_modules\n*.md\ndocs\n');
  for (const path of ['.git', '.git/config', 'node_modules', 'tests/e2e/node_modules/ws', 'README.md', 'docs/x.md']) assert.ok(isIgnored(path), path);
  for (const path of ['.gitignore', 'src', 'web/README.md', 'mydocs', 'a/docs']) assert.ok(!isIgnored(path), path);
  assert.throws(() => ignored('!kept'), /is not known/);
});
