import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Chat } from '../sdk/chat.js';
import { ChatLog } from '../sdk/chat-log.js';
import { MAX_FAILED } from '../sdk/outbox.js';
import { tick } from './fakes.mjs';

const message = (seq, id = `m${seq}`) => ({ id, seq, text: `text ${seq}`, sender: 'p1', displayName: 'Ada', timestamp: '', replyTo: null, own: false, reactions: [], state: 'sent' });
const order = (log) => log.messages.map(({ seq }) => seq);

function setUp({ channelOpen = false, pages = [] } = {}) {
  const wire = { channelOpen, channel: [], socket: [], requests: [], up: true, id: 'p1' };
  const chat = new Chat({
    roomId: 'room',
    sendOnChannel: (m) => wire.channelOpen && wire.channel.push(m) > 0,
    sendOnSocket: (m) => wire.socket.push(m) > 0,
    request: async (m) => {
      wire.requests.push(m);
      return pages.shift() ?? { type: 'messages', messages: [], more: false };
    },
    ownId: () => wire.id,
    ownIdentity: () => 'guest-ada',
    isUp: () => wire.up,
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
  const second = chat.send('two', { replyTo: 'm1' });
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

test('what the server dropped for its rate goes again in a while, as the same message', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat, wire, echo } = setUp();
  const dropped = chat.send('too fast');
  const warning = { type: 'error', code: 'rate-limited', message: 'some were dropped' };
  chat.handle(warning);
  chat.handle(warning);
  assert.equal(wire.socket.length, 1);
  mock.timers.tick(1000);
  assert.equal(wire.socket.length, 2, 'once, however often it is warned of');
  assert.deepEqual(wire.socket[1], wire.socket[0]);
  mock.timers.reset();
  echo(wire.socket[1], 1);
  await dropped;
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

test('silence is no failure while there is nobody to answer', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat, wire, echo } = setUp();
  const waiting = chat.send('in the tunnel');
  wire.up = false;
  mock.timers.tick(300000);
  assert.equal(chat.outbox.messages[0].state, 'sending');
  wire.up = true;
  chat.resend();
  echo(wire.socket[1], 1);
  mock.timers.reset();
  assert.equal((await waiting).text, 'in the tunnel');
  assert.deepEqual(chat.outbox.messages, []);
});

test('a failed message stays and is tried again as the same message, or given up', async () => {
  const { chat, wire, echo } = setUp();
  const refused = chat.send('too fast');
  chat.handle({ type: 'error', code: 'rate-limited', message: '', id: wire.socket[0].id });
  await assert.rejects(refused, { code: 'rate-limited' });
  const [failed] = chat.outbox.messages;
  assert.deepEqual([failed.state, failed.error.code], ['failed', 'rate-limited']);
  chat.resend();
  assert.equal(wire.socket.length, 1, 'what has failed is not sent by itself');
  const again = chat.outbox.retry(failed.nonce);
  assert.deepEqual(wire.socket[1], wire.socket[0]);
  echo(wire.socket[1], 1);
  assert.equal((await again).seq, 1);

  const other = chat.send('never mind');
  chat.handle({ type: 'error', code: 'internal', message: '', id: wire.socket[2].id });
  await assert.rejects(other);
  chat.outbox.discard(chat.outbox.messages[0].nonce);
  assert.deepEqual(chat.outbox.messages, []);
});

test('failed messages are bounded: the oldest goes first', async () => {
  const { chat, wire } = setUp();
  for (let index = 0; index < MAX_FAILED + 3; index += 1) {
    const refused = chat.send(`text ${index}`);
    chat.handle({ type: 'error', code: 'internal', message: '', id: wire.socket.at(-1).id });
    await assert.rejects(refused);
  }
  assert.deepEqual([chat.outbox.messages.length, chat.outbox.messages[0].text], [MAX_FAILED, 'text 3']);
});

test('own messages are sent, then saved; those of others say nothing of it', async () => {
  const { chat, wire, echo } = setUp();
  const sent = chat.send('mine');
  echo(wire.socket[0], 3);
  const mine = await sent;
  chat.handle({ type: 'message-received', id: 'm4', seq: 4, text: 'theirs', sender: 'p2', identity: 'guest-ben', timestamp: '' });
  assert.equal(mine.state, 'sent');
  const saved = [];
  chat.on('messages-saved', ({ messages }) => saved.push(...messages));
  chat.handle({ type: 'messages-saved', upTo: 2 });
  assert.equal(mine.state, 'sent');
  chat.handle({ type: 'messages-saved', upTo: 4 });
  assert.equal(mine.state, 'saved');
  assert.deepEqual(saved, [mine]);
});

test('whose a message is follows from the identity, not from the name', () => {
  const { chat } = setUp();
  const say = (id, fields) => chat.handle({ type: 'message-received', id, seq: Number(id.slice(1)), text: 'x', timestamp: '', displayName: 'Ada', ...fields });
  say('m1', { sender: 'p7', identity: 'guest-ada' });
  say('m2', { sender: 'p8', identity: 'guest-mallory' });
  assert.deepEqual(chat.log.messages.map(({ own }) => own), [true, false]);
});

test('edits, deletions and reactions change the message; unknown ones are ignored', () => {
  const { chat } = setUp();
  chat.handle({ type: 'message-received', id: 'm1', seq: 1, text: 'helo', sender: 'p2', identity: 'b', timestamp: '', file: { fileId: 'f1' } });
  chat.handle({ type: 'message-edited', id: 'm1', seq: 1, text: 'hello', editedAt: 'then' });
  chat.handle({ type: 'message-reacted', id: 'm1', seq: 1, emoji: '👍', identity: 'b', on: true });
  chat.handle({ type: 'message-reacted', id: 'm1', seq: 1, emoji: '👍', identity: 'b', on: true });
  const [only] = chat.log.messages;
  assert.deepEqual([only.text, only.editedAt, only.reactions], ['hello', 'then', [{ emoji: '👍', identity: 'b' }]]);
  chat.handle({ type: 'message-reacted', id: 'm1', seq: 1, emoji: '👍', identity: 'b', on: false });
  assert.deepEqual(only.reactions, []);
  chat.handle({ type: 'file-removed', fileId: 'f1' });
  assert.equal(only.file, null);
  chat.handle({ type: 'message-deleted', id: 'm1', seq: 1, deletedAt: 'later' });
  assert.deepEqual([only.text, only.deletedAt], ['', 'later']);
  chat.handle({ type: 'message-edited', id: 'm1', seq: 1, text: 'back again', editedAt: 'then' });
  assert.equal(only.text, '');
  for (const type of ['message-edited', 'message-deleted', 'message-reacted']) chat.handle({ type, id: 'm9', seq: 9, text: 'x' });
  assert.equal(chat.log.messages.length, 1);
});

test('a change is done when the room has it, refused when the server says so, and sent again after a break', async () => {
  const { chat, wire } = setUp();
  chat.handle({ type: 'message-received', id: 'm1', seq: 1, text: 'one', sender: 'p1', timestamp: '' });
  const edited = chat.edit('m1', 'two');
  const deleted = chat.delete('m1');
  chat.resend();
  assert.deepEqual(wire.socket.map(({ type }) => type), ['edit-message', 'delete-message', 'edit-message', 'delete-message']);
  chat.handle({ type: 'message-edited', id: 'm1', seq: 1, text: 'two', editedAt: '' });
  await edited;
  chat.handle({ type: 'error', code: 'message-not-found', message: '', id: wire.socket[1].id });
  await assert.rejects(deleted, { code: 'message-not-found' });
  await chat.react('m1', '🎉', false); // changes nothing: nobody is asked
  const reacted = chat.react('m1', '🎉', true);
  chat.handle({ type: 'message-reacted', id: 'm1', seq: 1, emoji: '🎉', identity: 'guest-ben', on: true });
  assert.equal(await Promise.race([reacted.then(() => 'done'), tick().then(() => 'waiting')]), 'waiting');
  chat.handle({ type: 'message-reacted', id: 'm1', seq: 1, emoji: '🎉', identity: 'guest-ada', on: true });
  await reacted;
});

const row = (seq, fields = {}) => ({ type: 'message-received', id: `m${seq}`, seq, text: `text ${seq}`, sender: 'p2', identity: 'guest-ben', timestamp: '', ...fields });

test('who comes late gets the last page, and earlier ones on request', async () => {
  const pages = [
    { type: 'messages', messages: [row(3), row(4)], more: true },
    { type: 'messages', messages: [row(1, { deletedAt: 'then', text: '' }), row(2, { identity: 'guest-ada' })], more: false },
  ];
  const { chat, wire } = setUp({ pages });
  const news = [];
  chat.on('message', ({ message: { seq } }) => news.push(seq));
  await chat.onJoined({ resumed: false, restarted: false, lastSeq: 4, remembers: true });
  assert.deepEqual([order(chat.log), chat.hasEarlier], [[3, 4], true]);
  const { more } = await chat.history();
  assert.deepEqual([order(chat.log), chat.hasEarlier, more], [[1, 2, 3, 4], false, false]);
  assert.deepEqual(wire.requests.map(({ before }) => before), [undefined, 3]);
  assert.deepEqual(chat.log.messages.map(({ own, state }) => own && state), [false, 'saved', false, false]);
  assert.deepEqual(news, [], 'history is no news');
});

test('who comes back as another participant catches up, and says nothing twice', async () => {
  const pages = [
    { type: 'messages', messages: [row(4, { sender: 'p1', identity: 'guest-ada', text: 'mine' }), row(5)], more: true },
    { type: 'messages', messages: [row(2), row(3)], more: true },
  ];
  const { chat, wire, echo } = setUp({ pages });
  await chat.onJoined({ resumed: false, restarted: false, lastSeq: 0, remembers: true });
  chat.handle(row(1));
  const mine = chat.send('mine');
  const later = chat.send('still under way');
  wire.id = 'p9';
  await chat.onJoined({ resumed: false, restarted: false, lastSeq: 5, remembers: true });
  assert.deepEqual(order(chat.log), [1, 2, 3, 4, 5]);
  assert.equal((await mine).seq, 4);
  assert.deepEqual(wire.socket.map(({ text }) => text), ['mine', 'still under way', 'still under way']);
  echo(wire.socket[2], 6, { sender: 'p9' });
  await later;
});

test('numbering begins again only where the room has forgotten', async () => {
  const { chat } = setUp();
  chat.handle(row(7));
  await chat.onJoined({ resumed: false, restarted: true, lastSeq: 7 });
  chat.handle(row(8));
  await chat.onJoined({ resumed: false, restarted: true, lastSeq: 0 });
  chat.handle(row(1, { id: 'new' }));
  assert.deepEqual(chat.log.messages.map(({ id }) => id), ['m7', 'm8', 'new']);
});
