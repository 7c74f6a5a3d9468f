import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { arrange } from '../app/grid.js';
import { explain, explainDevice, initials } from '../app/texts.js';

test('all tiles fit, whatever their number and the window', () => {
  const gap = 10;
  for (const [width, height] of [[1280, 680], [390, 700], [800, 300], [320, 480]]) {
    for (let count = 1; count <= 50; count += 1) {
      const { columns, tileWidth, tileHeight } = arrange(count, width, height, gap);
      const rows = Math.ceil(count / columns);
      assert.ok(columns * tileWidth + (columns - 1) * gap <= width, `${count} in ${width}x${height}`);
      assert.ok(rows * tileHeight + (rows - 1) * gap <= height, `${count} in ${width}x${height}`);
      assert.ok(tileWidth > 0 && tileHeight > 0);
    }
  }
});

test('tiles are as large as they can be: side by side in a wide window, on top of each other in a tall one', () => {
  assert.equal(arrange(2, 1280, 500, 10).columns, 2);
  assert.equal(arrange(2, 390, 700, 10).columns, 1);
  assert.equal(arrange(4, 1280, 720, 10).columns, 2);
  assert.deepEqual(arrange(1, 0, 0, 10), { columns: 1, tileWidth: 0, tileHeight: 0 });
});

test('every failure has words for a person, and none shows a code', () => {
  for (const code of ['room-full', 'unreachable', 'never-heard-of', 'toString', '__proto__', undefined]) {
    const text = explain({ code });
    assert.match(text, /^[A-Z].*[.…]$/u, String(code));
    assert.doesNotMatch(text, /undefined|[a-z]-[a-z]+-/u);
  }
  assert.match(explainDevice('permission-denied', 'camera'), /Allow/);
  assert.match(explainDevice('constructor', 'camera'), /could not be started/);
});

test('initials of every kind of name', () => {
  assert.deepEqual(['Ada Lovelace', 'ada', '  ', '山田 太郎', '👩‍🚀 x', 'a b c'].map(initials), ['AL', 'A', 'G', '山太', '👩X', 'AC']);
});

test('nothing in the client parses markup or runs text, and the page needs no inline code', async () => {
  const root = new URL('..', import.meta.url);
  const files = (await readdir(root, { recursive: true })).filter((file) => /\.(js|html)$/.test(file));
  assert.ok(files.length > 20);
  for (const file of files) {
    const text = await readFile(new URL(file, root), 'utf8');
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:/, file);
    if (file.endsWith('.html')) assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|https?:\/\//, file);
  }
});
