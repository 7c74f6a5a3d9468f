/** What strangers try with a room server, tried on the real one. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import test from 'node:test';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { Client, api, createRoom } from './client.mjs';

const MEMORY = { PARLOR_STORE__URL: 'memory:', PARLOR_FILES__URL: 'memory:' };

/** @param {string} name @param {Record<string, string>} env @param {(server: Server) => Promise<void>} body */
function attack(name, env, body) {
  test(name, { timeout: 60_000 }, async () => {
    const server = await Server.start({ ...MEMORY, ...env });
    try {
      await body(server);
      assert.equal((await fetch(`${server.url}/healthz`)).status, 200, 'the server is well');
    } catch (error) {
      console.log(server.logTail(40));
      throw error;
    } finally {
      await server.stop();
    }
  });
}

/** @param {Server} server @param {string} method @param {string} path @param {{ body?: any, bearer?: string, headers?: Record<string, string> }} [options] @returns {Promise<{ status: number, code?: string, text: string }>} */
async function ask(server, method, path, { body, bearer, headers = {} } = {}) {
  const raw = typeof body === 'string' ? body : body && JSON.stringify(body);
  const response = await fetch(server.url + path, {
    method,
    headers: { ...(raw ? { 'content-type': 'application/json' } : {}), ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), ...headers },
    body: raw,
  });
  const text = await response.text();
  let code;
  try { ({ code } = JSON.parse(text)); } catch { /* not every answer is JSON */ }
  return { status: response.status, code, text };
}

attack('nothing is sent to addresses that a client names', {}, async (server) => {
  const { room } = await createRoom(server.url);
  const mallory = await Client.join(server.url, { roomId: room.roomId });
  const victim = createSocket('udp4');
  let datagrams = 0;
  victim.on('message', () => { datagrams += 1; });
  await new Promise((resolve) => victim.bind(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = victim.address();
  const candidate = `candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`;
  const fingerprint = Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':');
  const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0', `m=audio ${port} UDP/TLS/RTP/SAVPF 111`, 'c=IN IP4 127.0.0.1',
    `a=${candidate}`, 'a=ice-ufrag:mall', 'a=ice-pwd:malloryisheremalloryishere', `a=fingerprint:sha-256 ${fingerprint}`, 'a=setup:actpass', 'a=mid:0',
    'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2', 'a=sendrecv', 'a=ssrc:1 cname:m', ''].join('\r\n');
  mallory.send({ type: 'offer', roomId: room.roomId, offer: { type: 'offer', sdp } });
  await mallory.receives('answer-received');
  mallory.send({ type: 'ice-candidate', roomId: room.roomId, candidate: { candidate, sdpMid: '0' } });
  mallory.send({ type: 'ping', id: 'after' });
  await mallory.receives('pong');
  // Long enough for every first retransmission of STUN, DTLS or SCTP.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  assert.equal(datagrams, 0);
  victim.close();
  mallory.close();
});

attack('rooms are made until there are enough, and not one more', { PARLOR_LIMITS__MAX_ROOMS: '20' }, async (server) => {
  const first = await createRoom(server.url);
  let last;
  for (let i = 0; i < 25; i += 1) last = await ask(server, 'POST', '/api/rooms', { body: {} });
  assert.deepEqual([last?.status, last?.code], [507, 'server-full']);
  (await Client.join(server.url, { roomId: first.room.roomId })).close();
  assert.equal((await ask(server, 'DELETE', `/api/rooms/${first.room.roomId}`, { bearer: first.hostSecret })).status, 200);
  await eventually('there is room again', async () => (await ask(server, 'POST', '/api/rooms', { body: {} })).status === 201);
});

attack('a room is changed and ended by its own host alone', {}, async (server) => {
  const [mine, other] = [await createRoom(server.url), await createRoom(server.url)];
  const path = `/api/rooms/${mine.room.roomId}`;
  const guest = await Client.join(server.url, { roomId: mine.room.roomId, displayName: 'host' });
  const bearers = [undefined, other.hostSecret, guest.joined.accessToken, `host_${'0'.repeat(64)}`, 'host_', 'nonsense', 'a.b.c', 'Bearer', '{"$ne":null}'];
  for (const bearer of bearers) {
    for (const [method, at, body] of /** @type {[string, string, any][]} */ ([
      ['DELETE', path, undefined], ['PATCH', path, { locked: true }], ['POST', `${path}/end`, undefined], ['GET', `${path}/sessions`, undefined],
      ['POST', `${path}/invites`, { count: 1 }], ['POST', `${path}/users/${guest.joined.participantId}/kick`, undefined],
      ['POST', `${path}/users/${guest.joined.participantId}/promote`, { role: 'host' }], ['GET', `${path}/lobby`, undefined], ['GET', '/api/rooms', undefined],
    ])) {
      const { status, text } = await ask(server, method, at, { body, bearer });
      assert.ok([401, 403].includes(status), `${method} ${at} with ${bearer}: ${status}`);
      if (bearer) assert.ok(!text.includes(bearer) || bearer === 'Bearer', 'no error quotes a credential');
    }
  }
  assert.equal((await api(server.url, 'GET', path)).room.locked, false);
  guest.close();
});

attack('operators, arrays and numbers are no ids', {}, async (server) => {
  for (const body of ['{"roomId":{"$ne":null}}', '{"roomId":["a"]}', '{"roomId":7}', '{"name":{"$gt":""}}', '{"maxParticipants":"2"}', '{"$where":"1"}',
    '{"metadata":"text"}', '{"password":{"$ne":""}}', '{"__proto__":{"admin":true}}', '[]', '"x"', 'null', '{"roomId":"a/../b"}', '{"roomId":"\\u0000abc"}']) {
    const { status } = await ask(server, 'POST', '/api/rooms', { body });
    assert.equal(status, 400, body);
  }
  for (const id of ['%7B%22%24ne%22%3Anull%7D', '..%2f..%2fetc', 'a%00b', '%ff%fe', 'x'.repeat(300), '[$ne]=1']) {
    const { status } = await ask(server, 'GET', `/api/rooms/${id}`);
    assert.ok([400, 404].includes(status), `${id}: ${status}`);
  }
  // Keys that look like operators are an application's own words, and come back as they went.
  const metadata = { $where: 'sleep(1)', 'a.b': { $ne: null } };
  const { room, hostSecret } = await createRoom(server.url, { metadata });
  assert.deepEqual((await api(server.url, 'GET', `/api/rooms/${room.roomId}`, { bearer: hostSecret })).room.metadata, metadata);
});

attack('a name gives no rights', {}, async (server) => {
  const { room, hostSecret } = await createRoom(server.url);
  const host = await Client.join(server.url, { roomId: room.roomId, displayName: 'Ada', hostSecret, guestKey: 'ada'.repeat(8) });
  const mallory = await Client.join(server.url, { roomId: room.roomId, displayName: 'Ada', guestKey: 'mallory'.repeat(4) });
  assert.deepEqual([host.joined.role, mallory.joined.role], ['host', 'speaker']);
  assert.notEqual(host.joined.identity, mallory.joined.identity);
  host.say('mine');
  const { id } = await mallory.receives('message-received', (message) => message.text === 'mine');
  mallory.send({ type: 'edit-message', id: 'edit', roomId: room.roomId, messageId: id, text: 'not mine' });
  mallory.send({ type: 'delete-message', id: 'delete', roomId: room.roomId, messageId: id });
  await eventually('both are refused', () => ['edit', 'delete'].every((request) =>
    mallory.received.some((message) => message.type === 'error' && message.id === request && message.code === 'forbidden')));
  for (const client of [host, mallory]) client.close();
});

attack('who waits in the lobby can do nothing', {}, async (server) => {
  const { room, hostSecret } = await createRoom(server.url, { lobby: true });
  const host = await Client.join(server.url, { roomId: room.roomId, hostSecret });
  const waiting = new Client(server.url);
  await waiting.receives('hello');
  waiting.send({ type: 'join-room', roomId: room.roomId, displayName: 'Eve' });
  await waiting.receives('lobby-waiting');
  host.say('a secret');
  await host.receives('message-received');
  const { roomId } = room;
  const tries = [
    { type: 'send-message', roomId, text: 'hi' }, { type: 'typing', roomId, typing: true }, { type: 'get-messages', roomId },
    { type: 'offer', roomId, offer: { type: 'offer', sdp: 'v=0\r\n' } }, { type: 'subscribe', roomId, trackIds: [] },
  ];
  tries.forEach((message, index) => waiting.send({ ...message, id: `t${index}` }));
  await eventually('all is refused', () => tries.every((_, index) => waiting.received.some((message) => message.type === 'error' && message.id === `t${index}`)));
  assert.ok(!JSON.stringify(waiting.received).includes('a secret'));
  assert.ok(!JSON.stringify(waiting.received).includes('accessToken'));
  for (const client of [host, waiting]) client.close();
});

attack('a forged X-Forwarded-For wins nothing', { PARLOR_HTTP__TRUSTED_PROXIES: '127.0.0.1/32', PARLOR_LIMITS__ROOM_CREATIONS_PER_MINUTE: '5' }, async (server) => {
  const create = (/** @type {string} */ forwarded) => ask(server, 'POST', '/api/rooms', { body: {}, headers: { 'x-forwarded-for': forwarded } });
  let refused;
  for (let i = 0; i < 30 && refused?.status !== 429; i += 1) refused = await create('203.0.113.9');
  assert.equal(refused?.status, 429);
  for (const forged of ['198.51.100.1, 203.0.113.9', '127.0.0.1, 203.0.113.9', ' , 203.0.113.9', `${'198.51.100.1, '.repeat(20)}203.0.113.9`]) {
    assert.equal((await create(forged)).status, 429, forged);
  }
  assert.equal((await create('203.0.113.10')).status, 201, 'others are not affected');
});

attack('nobody but the owner of its host administers an open server without a token', {}, async (server) => {
  const { room } = await createRoom(server.url);
  const guest = await Client.join(server.url, { roomId: room.roomId });
  const path = `/api/rooms/${room.roomId}`;
  const attempts = [['GET', '/api/server'], ['GET', '/api/rooms'], ['GET', `${path}/stats`], ['POST', `${path}/users/${guest.joined.participantId}/kick`], ['POST', `${path}/end`]];
  /** What proxies on this host, and pages of others in the owner's browser, would send. @type {Record<string, string>[]} */
  const disguises = [
    { 'x-forwarded-for': '203.0.113.9' }, { 'x-forwarded-for': '127.0.0.1' }, { 'x-forwarded-proto': 'https' }, { forwarded: 'for=127.0.0.1' }, { 'x-real-ip': '127.0.0.1' }, { via: '1.1 x' },
    { host: 'evil.example' }, { host: 'evil.example:80' }, { host: '127.0.0.1.evil.example' }, { host: '192.0.2.1' },
    { origin: 'https://evil.example' }, { origin: 'null' }, { origin: 'http://localhost:1' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' },
  ];
  for (const [method, at] of attempts) {
    for (const disguise of disguises) {
      const status = await raw(server, method, at, { authorization: 'Bearer loopback', ...disguise });
      assert.ok([401, 403].includes(status), `${method} ${at} with ${JSON.stringify(disguise)}: ${status}`);
    }
  }
  // The owner does these things and no others.
  for (const [method, at] of [['DELETE', path], ['PATCH', path], ['GET', `${path}/messages`], ['POST', `${path}/invites`], ['GET', `${path}/sessions`], ['POST', `${path}/users/${guest.joined.participantId}/ban`]]) {
    assert.equal(await raw(server, method, at, { authorization: 'Bearer loopback' }), 403, `${method} ${at}`);
  }
  for (const [method, at] of attempts) assert.equal(await raw(server, method, at, { authorization: 'Bearer loopback' }), 200, `${method} ${at}`);
  guest.close();
});

/** A request with headers that `fetch` does not let one set. @param {Server} server @param {string} method @param {string} path @param {Record<string, string>} headers @returns {Promise<number>} the status */
function raw(server, method, path, headers) {
  return new Promise((resolve, reject) => {
    const sent = request(server.url + path, { method, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end();
  });
}

attack('files need a right, and their names lead nowhere', {}, async (server) => {
  const { room } = await createRoom(server.url);
  const path = `/api/rooms/${room.roomId}/files`;
  assert.equal((await ask(server, 'POST', `${path}?name=a.txt`, { body: 'hello', headers: { 'content-type': 'text/plain' } })).status, 401);
  const ada = await Client.join(server.url, { roomId: room.roomId });
  const bearer = ada.joined.accessToken;
  for (const name of ['..%2f..%2f..%2fetc%2fpasswd', '..%5c..%5cboot.ini', 'a%00.png', '%2e%2e%2fx', '/etc/passwd']) {
    const { status } = await ask(server, 'POST', `${path}?name=${name}`, { body: 'hello', bearer, headers: { 'content-type': 'text/plain' } });
    assert.equal(status, 400, name);
  }
  const page = '<!doctype html><script>alert(1)</script>';
  const { status, text } = await ask(server, 'POST', `${path}?name=holiday.png`, { body: page, bearer, headers: { 'content-type': 'image/png' } });
  assert.equal(status, 201);
  const { fileId, contentType } = JSON.parse(text).file;
  assert.ok(!/html|svg|png/.test(contentType), contentType);
  const answer = await fetch(`${server.url}${path}/${fileId}?inline=1`, { headers: { authorization: `Bearer ${bearer}` } });
  assert.match(answer.headers.get('content-disposition') ?? '', /^attachment/);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/);
  assert.equal(await answer.text(), page);
  for (const id of ['..%2f..%2fparlor.db', '....', fileId.replace(/.$/, fileId.endsWith('0') ? '1' : '0'), 'f'.repeat(14)]) {
    assert.ok([400, 404].includes((await ask(server, 'GET', `${path}/${id}`, { bearer })).status), id);
  }
  const other = await createRoom(server.url);
  assert.ok([401, 403].includes((await ask(server, 'GET', `${path}/${fileId}`, { bearer: other.hostSecret })).status), 'the host of another room');
  assert.equal((await ask(server, 'GET', `/api/rooms/${other.room.roomId}/files/${fileId}`, { bearer: other.hostSecret })).status, 404);
  ada.close();
  await eventually('who has left fetches nothing more', async () => (await ask(server, 'GET', `${path}/${fileId}`, { bearer })).status === 401, { within: 40_000 });
});

attack('secrets are in no log and no error', { PARLOR_LOG__LEVEL: 'trace', PARLOR_LOG__FORMAT: 'json' }, async (server) => {
  const password = 'correct horse battery staple';
  const { room, hostSecret } = await createRoom(server.url, { password });
  const path = `/api/rooms/${room.roomId}`;
  const guestKey = 'the-key-of-a-guest-in-its-browser';
  const ada = await Client.join(server.url, { roomId: room.roomId, password, guestKey, displayName: 'Ada' });
  const { invites } = await api(server.url, 'POST', `${path}/invites`, { body: { count: 1 }, bearer: hostSecret });
  const wrong = new Client(server.url);
  await wrong.receives('hello');
  wrong.send({ type: 'join-room', roomId: room.roomId, password: 'a wrong secret' });
  await eventually('it is refused', () => wrong.received.some((message) => message.type === 'error'));
  ada.say('a private text');
  await ada.receives('message-received');
  const forged = 'eyJhbGciOiJub25lIn0.eyJhZG1pbiI6dHJ1ZX0.';
  const answers = [await ask(server, 'GET', `${path}/sessions`, { bearer: forged }), await ask(server, 'PATCH', path, { bearer: hostSecret, body: '{"password": 5' })];
  const said = [...wrong.received, ...answers].map((answer) => JSON.stringify(answer)).join('\n') + server.logTail(2_000);
  const secrets = [password, 'a wrong secret', guestKey, hostSecret, ada.joined.accessToken, ada.joined.resumeToken, invites[0].invite, 'a private text', forged, room.roomId];
  for (const secret of secrets.slice(0, -1)) assert.ok(!said.includes(secret), `${secret.slice(0, 12)}… is told`);
  assert.ok(!server.logTail(2_000).includes(room.roomId), 'a room\'s id is the key to it');
  for (const client of [ada, wrong]) client.close();
});
