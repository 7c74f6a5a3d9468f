import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Chat, ChatLog } from '../sdk/chat.js';

const message = (seq, id = `m${seq}`) => ({ id, seq, text: `text ${seq}`, sender: 'p1', displayName: 'Ada', timestamp: '', replyTo: null, own: false });
const order = (log) => log.messages.map(({ seq }) => seq);

function setUp({ channelOpen = false } = {}) {
  const wire = { channelOpen, channel: [], socket: [] };
  const chat = new Chat({
    roomId: 'room',
    sendOnChannel: (m) => wire.channelOpen && wire.channel.push(m) > 0,
    sendOnSocket: (m) => wire.socket.push(m) > 0,
    ownId: () => 'p1',
  });
  const echo = (sent, seq, fields = {}) =>
    chat.handle({ type: 'message-received', id: `m${seq}`, seq, text: sent.text, sender: 'p1', displayName: 'Ada', timestamp: '', replyTo: null, nonce: sent.nonce, ...fields });
  return { chat, wire, echo };
}

test('messages are ordered by seq, however they arrive', () => {
  const log = new ChatLog();
  for (const seq of [3, 1, 5, 2, 4]) assert.equal(log.insert(message(seq)), true);
  assert.deepEqual(order(log), [1, 2, 3, 4, 5]);
});

test('a message that comes twice, by channel and by socket, is there once', () => {
  const log = new ChatLog();
  assert.equal(log.insert(message(1)), true);
  assert.equal(log.insert(message(1)), false);
  assert.deepEqual(order(log), [1]);
});

test('after a restart of the room numbering begins again, behind what was said before', () => {
  const log = new ChatLog();
  log.insert(message(7));
  log.restart();
  log.insert(message(2, 'new2'));
  log.insert(message(1, 'new1'));
  assert.deepEqual(log.messages.map(({ id }) => id), ['m7', 'new1', 'new2']);
});

test('a full log forgets the oldest, and lets none in that is older still', () => {
  const log = new ChatLog({ maxMessages: 3 });
  for (const seq of [2, 3, 4, 5]) log.insert(message(seq));
  assert.deepEqual(order(log), [3, 4, 5]);
  assert.equal(log.insert(message(1)), false);
  assert.deepEqual(order(log), [3, 4, 5]);
});

test('messages take the channel when it is open, else the socket', async () => {
  const { chat, wire, echo } = setUp({ channelOpen: true });
  const first = chat.send('one');
  wire.channelOpen = false;
  const second = chat.send('two', 'm1');
  assert.deepEqual([wire.channel.length, wire.socket.length], [1, 1]);
  assert.equal(wire.socket[0].replyTo, 'm1');
  echo(wire.socket[0], 2);
  echo(wire.channel[0], 1);
  assert.equal((await first).seq, 1);
  assert.equal((await second).own, true);
  assert.deepEqual(order(chat.log), [1, 2]);
});

test('a refusal rejects the message it belongs to and no other', async () => {
  const { chat, wire, echo } = setUp();
  const refused = chat.send('one');
  const accepted = chat.send('two');
  assert.equal(chat.handle({ type: 'error', code: 'text-too-large', message: '', id: wire.socket[0].id }), true);
  assert.equal(chat.handle({ type: 'error', code: 'internal', message: '', id: 'unknown' }), false);
  await assert.rejects(refused, { code: 'text-too-large' });
  echo(wire.socket[1], 1);
  assert.equal((await accepted).text, 'two');
});

test('what has not come back is sent again unchanged; what has come back is not', async () => {
  const { chat, wire, echo } = setUp();
  const lost = chat.send('lost');
  const delivered = chat.send('delivered');
  echo(wire.socket[1], 1);
  await delivered;
  chat.resend();
  assert.equal(wire.socket.length, 3);
  assert.deepEqual(wire.socket[2], wire.socket[0]);
  echo(wire.socket[2], 2);
  await lost;
});

test('waiting messages are bounded, and all are rejected at the end', async () => {
  const { chat } = setUp();
  const waiting = Array.from({ length: 32 }, (_, index) => chat.send(`text ${index}`));
  await assert.rejects(chat.send('one more'), { code: 'rate-limited' });
  await assert.rejects(chat.send('   '), { code: 'text-empty' });
  chat.close();
  for (const result of await Promise.allSettled(waiting)) assert.equal(result.reason.code, 'closed');
});

test('an echo that never comes is a timeout', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat } = setUp();
  const lost = chat.send('lost');
  mock.timers.tick(30000);
  mock.timers.reset();
  await assert.rejects(lost, { code: 'timeout' });
});

test('typing is told once, not on every key', () => {
  const { chat, wire } = setUp();
  for (let key = 0; key < 10; key += 1) chat.setTyping(true);
  chat.setTyping(false);
  chat.setTyping(false);
  assert.deepEqual(wire.socket.map(({ typing }) => typing), [true, false]);
});
