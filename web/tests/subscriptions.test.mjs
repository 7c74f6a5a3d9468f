import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Roster } from '../sdk/roster.js';
import { SubscriptionTable } from '../sdk/subscriptions.js';

const transceiver = (mid) => ({ mid, receiver: { track: { media: mid } } });

function setUp() {
  const table = new SubscriptionTable();
  const events = [];
  table.on('bound', ({ binding, mediaTrack }) => events.push(`${binding.trackId} on ${mediaTrack.media}`));
  table.on('unbound', ({ binding }) => events.push(`-${binding.trackId}`));
  return { table, events };
}

test('a subscription is live when binding and m-line are there, in either order', () => {
  for (const bindFirst of [true, false]) {
    const { table, events } = setUp();
    const steps = [() => table.bind({ mid: '4', trackId: 't1', participantId: 'p1' }), () => table.learn([transceiver('4')])];
    for (const step of bindFirst ? steps : steps.reverse()) step();
    assert.deepEqual(events, ['t1 on 4']);
  }
});

test('an m-line is reused: the former track ends before the next begins', () => {
  const { table, events } = setUp();
  table.learn([transceiver('4'), transceiver('5'), transceiver(null)]);
  table.bind({ mid: '4', trackId: 't1', participantId: 'p1' });
  table.bind({ mid: '4', trackId: 't2', participantId: 'p2' });
  table.unbind({ mid: '4', trackId: 't1' }); // late: t1 has been replaced
  table.unbind({ mid: '4', trackId: 't2' });
  table.unbind({ mid: '4', trackId: 't2' });
  table.bind({ mid: '4', trackId: 't3', participantId: 'p2' });
  assert.deepEqual(events, ['t1 on 4', '-t1', 't2 on 4', '-t2', 't3 on 4']);
});

test('where sound may arrive is told once, before anybody’s sound is there', () => {
  const { table, events } = setUp();
  table.on('sound', ({ mediaTrack }) => events.push(`sound on ${mediaTrack.media}`));
  const line = (mid, kind) => ({ mid, receiver: { track: { media: mid, kind } } });
  const lines = [line('4', 'audio'), line('5', 'video'), line('6', 'audio')];
  table.bind({ mid: '4', trackId: 't1', participantId: 'p1' });
  for (let round = 0; round < 2; round += 1) table.learn(lines);
  table.unbind({ mid: '4', trackId: 't1' });
  table.bind({ mid: '4', trackId: 't2', participantId: 'p2' });
  assert.deepEqual(events, ['sound on 4', 't1 on 4', 'sound on 6', '-t1', 't2 on 4']);
  assert.deepEqual(table.soundTracks.map(({ media }) => media), ['4', '6']);
  table.clear();
  assert.deepEqual(table.soundTracks, []);
});

test('repeated messages change nothing, and clearing ends everything', () => {
  const { table, events } = setUp();
  const line = transceiver('4');
  for (let round = 0; round < 3; round += 1) {
    table.learn([line]);
    table.bind({ mid: '4', trackId: 't1', participantId: 'p1' });
  }
  table.clear();
  table.clear();
  assert.deepEqual(events, ['t1 on 4', '-t1']);
});

const wireTrack = (trackId, muted = false) => ({ trackId, kind: 'audio', source: 'microphone', muted, rids: [] });
const wireParticipant = (participantId, ...tracks) => ({ participantId, displayName: 'Ada', joinedAt: '2026-01-01T00:00:00.000Z', tracks });

test('the roster follows the server’s list, and repeats nothing', () => {
  const roster = new Roster();
  const events = [];
  for (const type of ['participant-joined', 'participant-left', 'track-published', 'track-unpublished', 'track-subscribed', 'track-unsubscribed', 'track-muted']) {
    roster.on(type, ({ participant, track }) => events.push(`${type} ${participant?.participantId ?? track.trackId}`));
  }
  const list = [wireParticipant('p0'), wireParticipant('p1', wireTrack('t1'))];
  roster.replace(list, 'p0');
  roster.replace(list, 'p0');
  roster.join(list[1]);
  assert.deepEqual(events.splice(0), ['participant-joined p1', 'track-published t1']);

  roster.subscribed('p1', 't1', {});
  roster.replace([wireParticipant('p1', wireTrack('t1', true), wireTrack('t2')), wireParticipant('p2')], 'p0');
  assert.deepEqual(events.splice(0), ['track-subscribed t1', 'track-muted t1', 'track-published t2', 'participant-joined p2']);

  roster.leave('p1', 'left');
  roster.leave('p1', 'left');
  assert.deepEqual(events, ['track-unsubscribed t1', 'track-unpublished t1', 'track-unpublished t2', 'participant-left p1']);
  assert.deepEqual([...roster.participants.keys()], ['p2']);
});

test('media that arrives before its track is announced is not lost', () => {
  const roster = new Roster();
  const subscribed = [];
  roster.on('track-subscribed', ({ track }) => subscribed.push(track.trackId));
  roster.join(wireParticipant('p1'));
  roster.subscribed('p1', 't1', {});
  roster.subscribed('p1', 't2', {});
  roster.unsubscribed('p1', 't2');
  roster.publish('p1', wireTrack('t1'));
  roster.publish('p1', wireTrack('t2'));
  assert.deepEqual(subscribed, ['t1']);
});
