import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizeRoomId, parseRoomInput, randomNonce, roomLink, socketUrl } from '../sdk/ids.js';

test('room ids are case-insensitive and of a fixed alphabet', () => {
  assert.equal(normalizeRoomId('  K7QD-m2xv-9hta-w3pc '), 'k7qd-m2xv-9hta-w3pc');
  assert.equal(normalizeRoomId('my_room'), 'my_room');
  for (const bad of ['', 'ab', 'a'.repeat(65), 'a b c', 'räume', 'a/b/c', '<script>', 'a.b.c']) assert.equal(normalizeRoomId(bad), null, bad);
});

test('a room is found in whatever a person pastes', () => {
  const id = 'k7qd-m2xv-9hta-w3pc';
  for (const text of [
    id, id.toUpperCase(), `https://meet.example.org/r/${id}`, `http://localhost:8080/r/${id}?name=Ada&auto=1`, `meet.example.org/r/${id}#x`,
    `/r/${id}`, `r/${id}/`, ` https://meet.example.org/r/${id.toUpperCase()} `,
  ]) assert.equal(parseRoomInput(text), id, text);
  for (const text of ['', 'https://meet.example.org/', 'https://meet.example.org/r/', '/r/%E0%A4%A', '/r/a%20b', 'javascript:alert(1)', '/other/room']) {
    assert.equal(parseRoomInput(text), null, text);
  }
});

test('links and socket addresses', () => {
  assert.equal(roomLink('my_room', 'https://meet.example.org'), 'https://meet.example.org/r/my_room');
  assert.equal(socketUrl('https://meet.example.org/r/x?name=Ada'), 'wss://meet.example.org/ws');
  assert.equal(socketUrl('http://localhost:8080'), 'ws://localhost:8080/ws');
});

test('nonces fit the protocol and differ', () => {
  const nonces = new Set(Array.from({ length: 1000 }, randomNonce));
  assert.equal(nonces.size, 1000);
  for (const nonce of nonces) assert.match(nonce, /^[0-9a-f]{24}$/);
});
