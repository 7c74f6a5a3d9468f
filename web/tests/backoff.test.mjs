import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../sdk/backoff.js';

test('delays double up to the cap, and half of each is random', () => {
  const lowest = new Backoff({ random: () => 0 });
  const highest = new Backoff({ random: () => 1 });
  assert.deepEqual(Array.from({ length: 7 }, () => lowest.nextDelayMs()), [125, 250, 500, 1000, 2000, 2500, 2500]);
  assert.deepEqual(Array.from({ length: 7 }, () => highest.nextDelayMs()), [250, 500, 1000, 2000, 4000, 5000, 5000]);
});

test('a reset starts over, and a very long outage stays within the cap', () => {
  const backoff = new Backoff({ random: () => 1 });
  for (let attempt = 0; attempt < 5000; attempt += 1) assert.ok(backoff.nextDelayMs() <= 5000);
  assert.equal(backoff.attempts, 5000);
  backoff.reset();
  assert.equal(backoff.attempts, 0);
  assert.equal(backoff.nextDelayMs(), 250);
});
