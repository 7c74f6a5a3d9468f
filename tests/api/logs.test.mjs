/**
 * What a server logs at its most talkative: a line for who comes, goes and is refused, with the fields that docs/logs.md names, and
 * nothing of what is secret or said, whatever is done with it. A flood of strangers does not fill the log.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ROOT } from '../e2e/harness/paths.mjs';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { Client, api } from './client.mjs';

const KEY = '5e9b5f0d1c2a4b7d8e6f00112233445566778899aabbccddeeff102938475601';
const SECRETS = {
  key: KEY,
  webhooks: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=',
  webhookToken: 'hook-token-77q1',
  collector: 'collector-password-31z',
  collectorHeader: 'collector-bearer-84x',
  password: 'open sesame, said the fox',
  wrongPassword: 'open barley, said the fox',
  guestKey: 'a key of the browser alone, 16 to 128 bytes',
  name: 'Marmaduke Zephyrine',
  text: 'the treasure is under the seventh oak',
  roomName: 'Quarterly whisper xq71',
  roomId: 'under-the-oaks-9173',
  absentRoomId: 'no-such-room-5521',
};
/** Where nobody listens: what goes wrong on the way there is logged too. */
const NOBODY = '127.0.0.1:9';

/** @param {Server} server @returns {any[]} all lines but the one that says where to open it */
function lines(server) {
  return server.logTail(Infinity).split('\n').filter((line) => line && !line.startsWith('Parlor is ready')).map((line) => JSON.parse(line));
}

/** @param {Server} server @param {string} message @param {(fields: any) => boolean} [is] */
function logged(server, message, is = () => true) {
  return eventually(`"${message}" is logged`, () => lines(server).find(({ fields }) => fields.message === message && is(fields))?.fields);
}

/** @param {Server} server @param {object} join what is refused @returns {Promise<string>} the error's code */
async function refused(server, join) {
  const client = new Client(server.url);
  await client.receives('hello');
  client.send({ type: 'join-room', ...join });
  await eventually('the join is refused', () => client.received.some(({ type }) => type === 'error'));
  client.close();
  return client.received.find(({ type }) => type === 'error').code;
}

test('the log of a server with keys tells who comes and goes, and nothing secret', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-logs-'));
  const server = await Server.start({
    PARLOR_LOG__LEVEL: 'trace',
    PARLOR_AUTH__KEYS: `app:${KEY}`,
    PARLOR_STORE__URL: `sqlite:${folder}/parlor.db`,
    PARLOR_WEBHOOKS__URLS: `http://${NOBODY}/hook?token=${SECRETS.webhookToken}`,
    PARLOR_WEBHOOKS__SECRET: SECRETS.webhooks,
    PARLOR_TRACES__ENDPOINT: `http://u:${SECRETS.collector}@${NOBODY}`,
    PARLOR_TRACES__HEADERS: `authorization=Bearer ${SECRETS.collectorHeader}`,
  });
  /** @type {Record<string, string>} */ const secrets = { ...SECRETS };
  try {
    const { roomId } = SECRETS;
    const admin = execFileSync(server.binary, ['token', 'create', '--identity', 'ops', '--admin'], { env: { PARLOR_AUTH__KEYS: `app:${KEY}` } }).toString().trim();
    await api(server.url, 'POST', '/api/rooms', { bearer: admin, body: { roomId, name: SECRETS.roomName, password: SECRETS.password, history: 'keep' } });
    const { token: host } = await api(server.url, 'POST', `/api/rooms/${roomId}/tokens`, { bearer: admin, body: { identity: 'ana', role: 'host' } });
    const { token: guest } = await api(server.url, 'POST', `/api/rooms/${roomId}/tokens`, { bearer: admin, body: { identity: 'bo' } });
    const { invites: [{ invite }] } = await api(server.url, 'POST', `/api/rooms/${roomId}/invites`, { bearer: host, body: { count: 1 } });
    Object.assign(secrets, { admin, host, guest, invite });

    assert.equal(await refused(server, { roomId, token: guest }), 'password-required');
    assert.equal(await refused(server, { roomId, token: guest, password: SECRETS.wrongPassword }), 'password-wrong');
    assert.equal(await refused(server, { roomId, token: `${guest.slice(0, -4)}abcd` }), 'token-invalid');
    const ana = await Client.join(server.url, { roomId, token: host, displayName: SECRETS.name, guestKey: SECRETS.guestKey });
    const bo = await Client.join(server.url, { roomId, token: guest, password: SECRETS.password });
    const cy = await Client.join(server.url, { roomId, invite });
    for (const [who, { joined }] of Object.entries({ ana, bo, cy })) Object.assign(secrets, { [`${who} access`]: joined.accessToken, [`${who} resume`]: joined.resumeToken });
    ana.say(SECRETS.text);
    await bo.receives('message-received');
    bo.send({ type: 'offer', roomId, offer: { type: 'offer', sdp: `v=0\r\n${SECRETS.text}` } });
    await logged(server, 'negotiation failed', ({ participant, code }) => participant === bo.joined.participantId && code === 'bad-sdp');
    cy.close();
    await logged(server, 'socket lost', ({ participant }) => participant === cy.joined.participantId);
    const back = new Client(server.url);
    await back.receives('hello');
    back.send({ type: 'resume', resumeToken: cy.joined.resumeToken, received: 1 });
    Object.assign(secrets, { 'resumed access': (await back.receives('resumed')).resumeToken });
    bo.send({ type: 'leave-room', roomId });
    await bo.receives('room-left');
    await api(server.url, 'DELETE', `/api/rooms/${roomId}`, { bearer: ana.joined.accessToken });
    await ana.receives('room-closed');

    const { room } = await logged(server, 'room created');
    const fieldsOf = (/** @type {Client} */ client) => ({ room, participant: client.joined.participantId });
    const expected = [
      ['join refused', { room, code: 'password-required' }],
      ['join refused', { room, code: 'password-wrong' }],
      ['join refused', { room, code: 'token-invalid' }],
      ['participant joined', { ...fieldsOf(ana), role: 'host', how: 'token', waited: false, client: 'other' }],
      ['participant joined', { ...fieldsOf(bo), role: 'speaker', how: 'token' }],
      ['participant joined', { ...fieldsOf(cy), how: 'invite' }],
      ['session resumed', fieldsOf(cy)],
      ['participant left', { ...fieldsOf(bo), reason: 'left' }],
      ['participant left', { ...fieldsOf(ana), reason: 'room-closed' }],
      ['room ended', { room, reason: 'room-closed', people: 2 }],
      ['invites made', { room, count: 1 }],
    ];
    for (const [message, fields] of expected) await logged(server, String(message), (line) => Object.entries(fields).every(([name, value]) => line[name] === value));
    assert.equal(typeof (await logged(server, 'participant left')).seconds, 'number');
    await logged(server, 'traces do not reach the collector: they are dropped until it takes them');
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const log = server.logTail(Infinity);
  for (const [what, secret] of Object.entries(secrets)) {
    // Of a token the claims are secret too: who has seen two parts needs only the third.
    const bare = secret.replace(/^(invite|host|access|whsec)_/, '');
    for (const part of [bare, ...bare.split('.').filter((part) => part.length > 24)]) assert.ok(!log.includes(part), `${what} is in the log: ${part}`);
  }
  assert.deepEqual(lines(server).filter(({ level }) => level === 'ERROR'), []);
  await documented(server);
});

/** Every line and every field is in the table of docs/logs.md. @param {Server} server */
async function documented(server) {
  const page = await readFile(join(ROOT, 'docs', 'logs.md'), 'utf8');
  const rows = page.split('\n').filter((row) => row.startsWith('| ')).map((row) => row.split('|').map((cell) => cell.trim()));
  const fieldsOf = new Map(rows.map(([, message, , fields]) => [message, new Set([...(fields ?? '').matchAll(/`(\w+)`/g)].map(([, field]) => field))]));
  for (const { fields, target } of lines(server)) {
    const { message, ...rest } = fields;
    if (target.startsWith('parlor_signaling::lines')) assert.ok(fieldsOf.has(message), `docs/logs.md does not have "${message}"`);
    const known = fieldsOf.get(message);
    for (const field of Object.keys(rest)) assert.ok(!known || known.has(field) || field === 'suppressed', `docs/logs.md does not have \`${field}\` of "${message}"`);
  }
}

test('strangers who are refused without end do not fill the log', { timeout: 120_000 }, async () => {
  const server = await Server.start({ PARLOR_LIMITS__JOINS_PER_MINUTE: '1000000' });
  const [SOCKETS, EACH] = [8, 50];
  const ROUNDS = SOCKETS * EACH;
  try {
    for (let socket = 0; socket < SOCKETS; socket += 1) {
      const client = new Client(server.url);
      await client.receives('hello');
      // Within the rate of one socket's messages, so that each is answered.
      for (let sent = 0; sent < EACH; sent += 1) client.send({ type: 'join-room', roomId: SECRETS.absentRoomId });
      await eventually('the joins are refused', () => client.received.filter(({ type }) => type === 'error').length === EACH);
    }
    const refusals = lines(server).filter(({ fields }) => fields.message === 'join refused');
    assert.ok(refusals.length < ROUNDS, `${refusals.length} lines for ${ROUNDS} refusals`);
    const told = () => lines(server).reduce((sum, { fields }) => sum + (fields.message === 'join refused' ? 1 : 0) + (fields.suppressed ?? 0), 0);
    await eventually('all that was suppressed is told', () => told() === ROUNDS, { within: 30_000 });
    await logged(server, 'more lines were suppressed', ({ about }) => about === 'refusals');
    assert.ok(!server.logTail(Infinity).includes(SECRETS.absentRoomId));
  } finally {
    await server.stop();
  }
});
