import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { imageTypeOf, uploadFile } from '../sdk/files.js';
import { guestKey, hostSecretOf, forgetHostSecret, keepHostSecret, MAX_HOST_SECRETS } from '../sdk/keys.js';
import { createRoom } from '../sdk/rest.js';
import { RoomApi } from '../sdk/room-api.js';
import { expiryOf } from '../sdk/token.js';

const BASE = 'http://test';
const realFetch = globalThis.fetch;

/** Answers every request with the same; keeps what was asked. */
function serve(status, body, headers = {}) {
  const asked = [];
  globalThis.fetch = async (url, { method, headers: sent, body: text }) => {
    asked.push({ url: url.href, method, headers: sent, body: text === undefined ? undefined : JSON.parse(text) });
    return new Response(typeof body === 'object' && !(body instanceof Uint8Array) ? JSON.stringify(body) : body, { status, headers });
  };
  return asked;
}

afterEach(() => {
  globalThis.fetch = realFetch;
  delete globalThis.localStorage;
});

/** @param {number} [room] for so many characters */
function storage(room = Infinity) {
  const items = new Map();
  globalThis.localStorage = {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => {
      if (value.length > room) throw new Error('QuotaExceededError');
      items.set(key, value);
    },
  };
  return items;
}

const api = () => new RoomApi({ base: BASE, roomId: 'a-room', credential: () => 'access_1' });

test('the creator of a room keeps its secret', async () => {
  storage();
  const asked = serve(201, { success: true, room: { roomId: 'a-room' }, hostSecret: 'host_1' });
  const room = await createRoom({ name: 'x', lobby: true }, BASE, { idempotencyKey: 'k' });
  assert.deepEqual([room, hostSecretOf('a-room')], [{ roomId: 'a-room', hostSecret: 'host_1' }, 'host_1']);
  assert.deepEqual([asked[0].body, asked[0].headers['idempotency-key'], asked[0].headers.authorization], [{ name: 'x', lobby: true }, 'k', undefined]);
  forgetHostSecret('a-room');
  assert.equal(hostSecretOf('a-room'), null);
});

test('secrets of rooms are bounded, the oldest goes first, and damage is no harm', () => {
  const items = storage();
  for (let index = 0; index <= MAX_HOST_SECRETS; index += 1) keepHostSecret(`room-${index}`, `host_${index}`);
  assert.deepEqual([hostSecretOf('room-0'), hostSecretOf('room-1')], [null, 'host_1']);
  items.set('parlor.host-secrets', '{"not": "a list"}');
  assert.equal(hostSecretOf('room-1'), null);
});

test('a browser is the same guest each time; without storage for as long as the page lives', () => {
  storage();
  const key = guestKey();
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.equal(guestKey(), key);
  storage(0);
  const other = guestKey();
  assert.notEqual(other, key);
  assert.equal(guestKey(), other);
});

test('moderation goes to its paths, with the credential of the room', async () => {
  const asked = serve(200, { success: true, room: {}, invites: [], waiting: [], sessions: [] });
  await api().mute('p/1', 't1');
  await api().promote('p1', 'listener');
  await api().kick('p1');
  await api().admit('p2');
  await api().update({ locked: true }, { version: 3 });
  await api().createInvites({ count: 2 });
  await api().sessions({ skip: 0, limit: 10 });
  await api().unban('a:b');
  assert.deepEqual(asked.map(({ method, url, body }) => [`${method} ${url.slice(BASE.length)}`, body]), [
    ['POST /api/rooms/a-room/users/p%2F1/mute', { trackId: 't1' }],
    ['POST /api/rooms/a-room/users/p1/promote', { role: 'listener' }],
    ['POST /api/rooms/a-room/users/p1/kick', undefined],
    ['POST /api/rooms/a-room/lobby/p2/admit', undefined],
    ['PATCH /api/rooms/a-room', { locked: true }],
    ['POST /api/rooms/a-room/invites', { count: 2 }],
    ['GET /api/rooms/a-room/sessions?skip=0&limit=10', undefined],
    ['DELETE /api/rooms/a-room/bans/a%3Ab', undefined],
  ]);
  assert.ok(asked.every(({ headers }) => headers.authorization === 'Bearer access_1'));
  assert.equal(asked[4].headers['if-match'], '"3"');
});

test('a refusal has code, field and when to try again; a proxy\u2019s answer has a code too', async () => {
  serve(429, { code: 'rate-limited', detail: 'too fast', field: 'name' }, { 'retry-after': '7' });
  await assert.rejects(api().end(), { code: 'rate-limited', message: 'too fast', field: 'name', retryAfter: 7 });
  serve(502, '<html>Bad gateway</html>');
  await assert.rejects(api().end(), { code: 'unreachable', retryAfter: null });
  serve(200, '<html>Welcome to the hotel</html>');
  await assert.rejects(api().end(), { code: 'internal' });
  globalThis.fetch = () => Promise.reject(new TypeError('offline'));
  await assert.rejects(api().end(), { code: 'unreachable' });
});

test('a download has no type of its own, and stops at its bound', async () => {
  const asked = serve(200, new Uint8Array(1000), { 'content-type': 'text/html' });
  const blob = await api().downloadFile('f1');
  assert.deepEqual([blob.size, blob.type, asked[0].headers.authorization], [1000, 'application/octet-stream', 'Bearer access_1']);
  await assert.rejects(api().downloadFile('f1', { maxBytes: 999 }), { code: 'file-too-large' });
});

class FakeRequest {
  static last = null;
  upload = {};
  headers = {};
  status = 0;
  responseText = '';
  open = (method, url) => Object.assign(this, { method, url });
  setRequestHeader = (name, value) => void (this.headers[name] = value);
  getResponseHeader = () => null;
  send = () => void (FakeRequest.last = this);
  abort = () => this.onabort();

  answer(status, body) {
    this.status = status;
    this.responseText = body;
    this.onload();
  }
}

test('an upload tells how far it is, can be given up, and is refused with a reason', async () => {
  const file = new File(['x'], 'a b&c.txt', { type: 'text/plain' });
  const options = { base: BASE, path: '/api/rooms/r/files', file, credential: 'access_1', Request: FakeRequest };
  const progress = [];
  const done = uploadFile({ ...options, onProgress: (fraction) => progress.push(fraction) });
  FakeRequest.last.upload.onprogress({ lengthComputable: true, loaded: 1, total: 2 });
  FakeRequest.last.answer(201, '{"success":true,"file":{"fileId":"f1"}}');
  assert.deepEqual([await done, progress], [{ fileId: 'f1' }, [0.5]]);
  assert.equal(FakeRequest.last.url, `${BASE}/api/rooms/r/files?name=a+b%26c.txt`);
  assert.deepEqual(FakeRequest.last.headers, { authorization: 'Bearer access_1', 'content-type': 'text/plain' });

  const abort = new AbortController();
  const cancelled = uploadFile({ ...options, signal: abort.signal });
  abort.abort();
  await assert.rejects(cancelled, { code: 'cancelled' });
  const refused = uploadFile(options);
  FakeRequest.last.answer(413, '{"code":"file-too-large"}');
  await assert.rejects(refused, { code: 'file-too-large' });
});

test('the type of a picture is what its bytes say', async () => {
  const type = (bytes) => imageTypeOf(new Blob([new Uint8Array(bytes)], { type: 'image/png' }));
  assert.equal(await type([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0]), 'image/png');
  assert.equal(await type([0xff, 0xd8, 0xff, 0xe0]), 'image/jpeg');
  assert.equal(await type([...Buffer.from('GIF89a')]), 'image/gif');
  assert.equal(await type([...Buffer.from('RIFF0000WEBPVP8 ')]), 'image/webp');
  for (const other of ['<svg xmlns="http://www.w3.org/2000/svg"/>', '<html>', 'RIFF0000WAVE', '', '%PDF-1.7']) assert.equal(await type([...Buffer.from(other)]), null, other);
});

test('when a token ends, or that it does not say', () => {
  const token = (payload) => `x.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.y`;
  assert.equal(expiryOf(token({ exp: 1800000000, name: 'Zo\u00eb \u{1f600}' })), 1800000000000);
  for (const other of [token({}), token({ exp: '1' }), 'a.b.c', '', 'abc']) assert.equal(expiryOf(other), null);
});
