/** The client against the examples in `signaling/protocol/`, which the server's types are held against too. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import * as messages from '../sdk/messages.js';
import { HANDLED_MESSAGE_TYPES } from '../sdk/room.js';

const PROTOCOL = new URL('../../signaling/protocol/', import.meta.url);

/** Client messages this SDK never sends: the server's addresses are in its descriptions, ours it learns from our packets. */
const NOT_SENT = ['ice-candidate'];
/** Fields this SDK leaves out on purpose: the server knows the name from `join-room`. */
const NOT_SET = { 'send-message': ['displayName'] };

const BUILDERS = {
  'join-room': messages.joinRoom,
  resume: messages.resume,
  'leave-room': messages.leaveRoom,
  'send-message': messages.sendMessage,
  'edit-message': messages.editMessage,
  'delete-message': messages.deleteMessage,
  react: messages.react,
  'get-messages': messages.getMessages,
  'chat-received': messages.chatReceived,
  'renew-token': messages.renewToken,
  typing: messages.typing,
  offer: ({ offer, ...rest }) => messages.offer({ ...rest, sdp: offer.sdp }),
  answer: ({ answer, ...rest }) => messages.answer({ ...rest, sdp: answer.sdp }),
  'track-state': messages.trackState,
  subscribe: messages.subscribe,
  unsubscribe: messages.unsubscribe,
  'set-layer': messages.setLayer,
  'set-view': messages.setView,
  ping: messages.ping,
};

/** @param {'client' | 'server'} direction */
async function examples(direction) {
  const folder = new URL(`${direction}/`, PROTOCOL);
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')); // a missing folder fails the test
  assert.ok(files.length > 10, `only ${files.length} examples in ${folder}`);
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(new URL(file, folder), 'utf8'))));
}

test('every message of the server is handled', async () => {
  const types = (await examples('server')).map(({ type }) => type);
  assert.deepEqual(types.filter((type) => !HANDLED_MESSAGE_TYPES.includes(type)), []);
});

test('every message of the client is built exactly as the example shows it', async () => {
  const all = await examples('client');
  for (const example of all) {
    if (NOT_SENT.includes(example.type)) continue;
    const build = BUILDERS[example.type];
    assert.ok(build, `nothing builds ${example.type}`);
    const expected = { ...example };
    for (const field of NOT_SET[example.type] ?? []) delete expected[field];
    assert.deepEqual(JSON.parse(JSON.stringify(build(example))), expected);
  }
  const known = new Set(all.map(({ type }) => type));
  assert.deepEqual(Object.keys(BUILDERS).filter((type) => !known.has(type)), []);
});

test('every builder of the SDK is under test', () => {
  const builders = Object.values(messages).filter((value) => typeof value === 'function');
  assert.equal(builders.length, Object.keys(BUILDERS).length);
});
