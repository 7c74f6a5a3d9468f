import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { mock, test } from 'node:test';
import { curlOf, exampleOf, fieldsOf, groupByTag, typeText } from '../app/api-model.js';
import { arrange } from '../app/grid.js';
import { PauseNews } from '../app/pause-news.js';
import { toOptions } from '../app/room-options.js';
import { parseFragment } from '../app/secrets.js';
import { explain, explainDevice, initials, sizeOf } from '../app/texts.js';

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

test('pauses are told once they last, seldom, and only when something has changed', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const said = [];
  const news = new PauseNews((text) => said.push(text));
  const after = (ms) => (mock.timers.tick(ms), said.splice(0));
  news.set('t1', 'Ada’s video');
  news.set('t1', null);
  assert.deepEqual(after(60000), []); // a moment’s weakness
  news.set('t1', 'Ada’s video');
  assert.deepEqual([after(1999), after(1)], [[], ['Ada’s video is paused: your connection is too slow.']]);
  news.set('t2', 'Ben’s screen');
  assert.deepEqual([after(7999), after(1)], [[], ['2 videos are paused: your connection is too slow.']]);
  news.set('t1', null);
  news.set('t1', 'Ada’s video');
  assert.deepEqual(after(60000), []);
  news.set('t1', null);
  news.set('t2', null);
  assert.deepEqual(after(2000), ['Nothing is paused any more.']);
  news.set('t1', 'Ada’s video');
  news.stop();
  assert.deepEqual(after(60000), []);
  mock.timers.reset();
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

test('only what differs from a plain room is asked for', () => {
  const plain = { password: '', lobby: false, life: '', history: 'while-open', video: 'everyone' };
  assert.deepEqual(toOptions(plain), {});
  assert.deepEqual(toOptions({ password: 'x', lobby: true, life: '3600', history: 'none', video: 'hosts' }), {
    password: 'x', lobby: true, expiresInSeconds: 3600, history: 'none', publish: { video: 'hosts', screen: 'hosts' },
  });
  assert.deepEqual(toOptions({ ...plain, history: 'keep' }), { history: 'keep', expiresInSeconds: 604800 });
});

test('a link’s fragment is read by name, and nothing endless is taken', () => {
  assert.deepEqual(parseFragment('#invite=invite_a%2Bb&token=x.y.z&host=host_1&other=1'), { token: 'x.y.z', invite: 'invite_a+b', host: 'host_1' });
  for (const none of ['', '#', '#invite=', '#__proto__=1', `#token=${'x'.repeat(9000)}`]) assert.deepEqual(parseFragment(none), {}, none);
});

test('sizes are words', () => {
  assert.deepEqual([0, 999, 1000, 1536, 15_360, 8_388_608, 3e12].map(sizeOf), ['0 B', '999 B', '1.0 kB', '1.5 kB', '15 kB', '8.4 MB', '3.0 TB']);
});

const DESCRIPTION = {
  tags: [{ name: 'rooms', description: 'Rooms' }, { name: 'empty' }],
  components: { schemas: {
    Room: { type: 'object', required: ['roomId'], properties: { roomId: { type: 'string' }, parent: { $ref: '#/components/schemas/Room' }, name: { type: ['string', 'null'] } } },
    Secret: { enum: ['a', 'b'] },
  } },
  paths: {
    '/api/rooms/{roomId}': {
      parameters: [{ name: 'roomId', in: 'path', required: true, schema: { type: 'string' } }],
      patch: {
        tags: ['rooms'], summary: 'Change', security: [{ bearer: [] }],
        requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Room' } } } },
        responses: { 200: { description: 'Done', content: { 'application/json': { schema: { $ref: '#/components/schemas/Room' } } } }, 404: { description: 'None' } },
      },
    },
    '/healthz': { get: { responses: {} } },
  },
};

test('the page of the API groups operations and survives schemas that hold themselves', () => {
  const groups = groupByTag(DESCRIPTION);
  assert.deepEqual(groups.map(({ tag, operations }) => [tag, operations.length]), [['rooms', 1], ['other', 1]]);
  const [change] = groups[0].operations;
  assert.deepEqual([change.method, change.path, change.parameters[0].required, change.answers.map(({ status }) => status)], ['PATCH', '/api/rooms/{roomId}', true, ['200', '404']]);
  const fields = fieldsOf(DESCRIPTION, change.body.schema);
  assert.deepEqual(fields.slice(0, 2).map(({ name, type, required, depth }) => [name, type, required, depth]), [['roomId', 'string', true, 0], ['parent', 'Room', false, 0]]);
  assert.ok(fields.length < 40);
  assert.equal(typeText(DESCRIPTION, { $ref: '#/components/schemas/Secret' }), '"a" | "b"');
  assert.equal(typeText(DESCRIPTION, { $ref: 'https://elsewhere/schema' }), 'schema');
  assert.deepEqual(exampleOf(DESCRIPTION, change.body.schema), { roomId: 'text' });
  assert.equal(curlOf(DESCRIPTION, change, 'http://host'), `curl -X PATCH 'http://host/api/rooms/{roomId}' \\
  -H 'Authorization: Bearer TOKEN' \\
  -H 'Content-Type: application/json' \\
  -d '{"roomId":"text"}'`);
});
