import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WantedEncodings } from '../sdk/encodings.js';
import { updateParameters } from '../sdk/sender-parameters.js';
import { tick } from './fakes.mjs';

/** As in browsers: what is set takes effect later, and only if it comes from the latest `getParameters`. */
class FakeSender {
  encodings;
  applied = 0;
  refusals = 0;
  #transaction = 0;

  constructor(...rids) {
    this.encodings = rids.map((rid) => ({ ...(rid ? { rid } : {}), active: true }));
  }

  getParameters() {
    this.#transaction += 1;
    return { transactionId: this.#transaction, encodings: this.encodings.map((encoding) => ({ ...encoding })) };
  }

  async setParameters({ transactionId, encodings }) {
    await tick();
    if (this.refusals > 0) {
      this.refusals -= 1;
      throw new DOMException('a negotiation came between', 'InvalidStateError');
    }
    if (transactionId !== this.#transaction) throw new DOMException('stale', 'InvalidModificationError');
    this.encodings = encodings;
    this.applied += 1;
  }

  get active() {
    return this.encodings.map(({ active }) => active);
  }
}

const word = (...active) => ['q', 'h', 'f'].map((rid, index) => ({ rid, active: active[index] }));

async function settle() {
  for (let step = 0; step < 20; step += 1) await tick();
}

test('encodings stop and go on as they are wanted, and what is right is left alone', async () => {
  const sender = new FakeSender('q', 'h', 'f');
  const wanted = new WantedEncodings((mid) => (mid === '1' ? sender : undefined));
  wanted.take('1', word(true, true, false));
  await settle();
  assert.deepEqual(sender.active, [true, true, false]);
  wanted.applyAll();
  wanted.take('1', word(true, true, false));
  wanted.take('9', word(false, false, false));
  await settle();
  assert.equal(sender.applied, 1);
  wanted.take('1', word(true, true, true));
  await settle();
  assert.deepEqual(sender.active, [true, true, true]);
});

test('of words that overtake one another the last one holds', async () => {
  const sender = new FakeSender('q', 'h', 'f');
  const wanted = new WantedEncodings(() => sender);
  for (const active of [false, true, false, true, false]) wanted.take('1', word(true, active, active));
  await settle();
  assert.deepEqual([sender.active, sender.applied], [[true, false, false], 1]);
});

test('rids that the sender does not have change nothing, and what the server does not name stays', async () => {
  const sender = new FakeSender('h', 'f');
  const wanted = new WantedEncodings(() => sender);
  wanted.take('1', [{ rid: 'q', active: false }, { rid: 'f', active: false }, { active: false }]);
  await settle();
  assert.deepEqual(sender.active, [true, false]);
});

test('a single encoding stops when nobody wants it, with or without a rid', async () => {
  for (const rid of [undefined, 'f']) {
    const sender = new FakeSender(rid);
    const wanted = new WantedEncodings(() => sender);
    wanted.take('1', [{ active: false }]);
    await settle();
    assert.deepEqual(sender.active, [false]);
    wanted.take('1', [{ active: true }]);
    await settle();
    assert.deepEqual(sender.active, [true]);
  }
});

test('after a negotiation the last word is said again, unless its publication has ended', async () => {
  let sender = new FakeSender('q', 'h', 'f');
  const wanted = new WantedEncodings(() => sender);
  wanted.take('1', word(true, false, false));
  await settle();
  sender = new FakeSender('q', 'h', 'f');
  wanted.applyAll();
  await settle();
  assert.deepEqual(sender.active, [true, false, false]);
  wanted.forget('1');
  sender = new FakeSender('q', 'h', 'f');
  wanted.applyAll();
  await settle();
  assert.deepEqual(sender.active, [true, true, true]);
});

test('changes of one sender wait for one another, and a refused one is made again', async () => {
  const sender = new FakeSender('q', 'h');
  sender.refusals = 2;
  const changes = [
    updateParameters(sender, ({ encodings }) => void (encodings[0].maxBitrate = 1)),
    updateParameters(sender, ({ encodings }) => void (encodings[1].active = false)),
  ];
  assert.deepEqual(await Promise.all(changes), [true, true]);
  assert.deepEqual(sender.encodings, [{ rid: 'q', active: true, maxBitrate: 1 }, { rid: 'h', active: false }]);
  sender.refusals = 3;
  assert.equal(await updateParameters(sender, () => {}), false);
  assert.equal(await updateParameters(sender, () => {}), true);
});
