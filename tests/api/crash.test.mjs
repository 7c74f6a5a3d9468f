/** What a client was told is saved is there after a crash of the server, and nobody haunts the room. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Server } from '../e2e/harness/server.mjs';
import { eventually } from '../e2e/harness/wait.mjs';
import { Client, api, createRoom } from './client.mjs';

const ROUNDS = 3;

test('kill -9 loses no message that was said to be saved, and leaves no ghosts', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parlor-crash-'));
  const server = await Server.start({ PARLOR_STORE__URL: `sqlite:${folder}/parlor.db`, PARLOR_FILES__URL: `file:${folder}/files` });
  try {
    const { room, hostSecret } = await createRoom(server.url, { history: 'keep' });
    let saved = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      saved = await crashAmidChat(server, room.roomId, round);
      await server.start();
      await check(server, room.roomId, hostSecret, saved, round);
    }
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

/** Two people talk as fast as they may; the server dies amid it. @param {Server} server @param {string} roomId @param {number} round @returns {Promise<{ id: string, seq: number, text: string }[]>} what was saved, as the sender was told */
async function crashAmidChat(server, roomId, round) {
  const [ada, ben] = [await Client.join(server.url, { roomId, displayName: 'Ada' }), await Client.join(server.url, { roomId, displayName: 'Ben' })];
  let said = 0;
  const talk = setInterval(() => { ada.say(`round ${round}, ada ${said}`); ben.say(`round ${round}, ben ${said}`); said += 1; }, 25);
  const upTo = () => Math.max(0, ...ada.received.filter((message) => message.type === 'messages-saved').map((message) => message.upTo));
  await eventually('some messages are saved', () => upTo() > 0 && said > 30);
  await server.kill();
  clearInterval(talk);
  await eventually('the sockets are gone', () => ada.closed && ben.closed);
  const last = upTo();
  const heard = ada.received.filter((message) => message.type === 'message-received' && message.seq <= last);
  assert.ok(heard.length > 0);
  return heard;
}

/** @param {Server} server @param {string} roomId @param {string} bearer @param {{ id: string, seq: number, text: string }[]} saved @param {number} round */
async function check(server, roomId, bearer, saved, round) {
  const { participantCount } = await api(server.url, 'GET', `/api/rooms/${roomId}/users`, { bearer });
  assert.equal(participantCount, 0, 'nobody is in the room');
  const { sessions } = await api(server.url, 'GET', `/api/rooms/${roomId}/sessions?limit=200`, { bearer });
  assert.equal(sessions.length, 2 * (round + 1));
  for (const session of sessions) assert.equal(session.reason, 'server-lost', 'the log says how it ended');

  const history = await wholeHistory(server, roomId, bearer);
  const seqs = history.map((message) => message.seq);
  assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), 'in one order, nothing twice');
  assert.equal(new Set(history.map((message) => message.id)).size, history.length);
  const kept = new Map(history.map((message) => [message.id, message]));
  for (const message of saved) assert.equal(kept.get(message.id)?.text, message.text, `message ${message.seq} is there`);
}

/** @param {Server} server @param {string} roomId @param {string} bearer @returns {Promise<any[]>} */
async function wholeHistory(server, roomId, bearer) {
  const all = [];
  for (;;) {
    const { messages, more } = await api(server.url, 'GET', `/api/rooms/${roomId}/messages?after=${all.at(-1)?.seq ?? 0}&limit=200`, { bearer });
    all.push(...messages);
    if (!more) return all;
  }
}
