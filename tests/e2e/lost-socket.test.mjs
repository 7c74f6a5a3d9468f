import assert from 'node:assert/strict';
import { CuttableProxy } from './harness/cuttable-proxy.mjs';
import { scenario } from './harness/scenario.mjs';
import { always, eventually } from './harness/wait.mjs';

/** In seconds. */
const LONGEST_FREEZE_S = 1;

scenario('a lost signalling socket is resumed, and media never notices', async (scene) => {
  await behindProxy(scene, async (ada, proxy) => {
    const ben = await scene.join('Ben');
    await ada.sees(ben);
    await ben.sees(ada);
    const { frozen, ...before } = await snapshot(ada, ben);

    proxy.cut();
    await eventually('Ada notices', () => ada.ask(() => /** @type {any} */ (window).parlor.room.state === 'reconnecting'));
    await always('Ben still has Ada in the room', async () => (await ben.others()).includes('Ada'), async () => {
      await ada.decodesMore(ben, 15);
      await ben.decodesMore(ada, 15);
    });
    await ben.page.keyboard.press('m'); // told on the socket only: Ada has to be told afterwards
    proxy.mend();
    await ada.isIn();
    await eventually('Ada learns that Ben is muted', () => ada.ask(() => /** @type {any} */ (window).probe.track('Ben', 'microphone').muted));
    await ada.decodesMore(ben, 15);

    const { frozen: frozenNow, ...now } = await snapshot(ada, ben);
    assert.deepEqual(now, before, 'the same participant, the same connection');
    // A busy machine holds pictures up for a moment. A connection that is made anew does for longer.
    assert.ok(frozenNow - frozen < LONGEST_FREEZE_S, `the picture stood still for ${frozenNow - frozen} s`);
    const cleo = await scene.join('Cleo');
    await ada.sees(cleo); // negotiation works on the new socket
  });
});

scenario('messages written while the socket was lost arrive once and in order', async (scene) => {
  await behindProxy(scene, async (ada, proxy) => {
    const ben = await scene.join('Ben');
    await closeChannel(ada); // chat comes over the socket now
    await ben.say('one');
    await eventually('the first arrives', async () => (await ada.heardTexts()).length === 1);

    proxy.cut();
    await ben.say('two');
    await ben.say('three');
    const saying = ada.say('four'); // waits for the way back
    proxy.mend();
    await ada.isIn();
    await saying;
    await eventually('Ben reads it', async () => (await ben.heardTexts()).length === 4);
    assert.deepEqual(await ada.heardTexts(), ['one', 'two', 'three', 'four']);
    assert.deepEqual(await ben.heardTexts(), ['one', 'two', 'three', 'four']);
  });
});

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

/** @param {import('./harness/scenario.mjs').Scene} scene @param {(ada: Participant, proxy: CuttableProxy) => Promise<void>} body */
async function behindProxy(scene, body) {
  const proxy = await CuttableProxy.before(scene.server);
  try {
    await body(await scene.join('Ada', { origin: proxy.origin }), proxy);
  } finally {
    proxy.close();
  }
}

/** What must not change, and how long the picture has stood still, in seconds. @param {Participant} person @param {Participant} other */
async function snapshot(person, other) {
  const { ssrc, totalFreezesDuration: frozen } = await person.inbound(other);
  const id = await person.ask(() => {
    const page = /** @type {any} */ (window);
    page.firstConnection ??= page.parlor.room.media.pc;
    return { participantId: page.parlor.room.localParticipant.participantId, sameConnection: page.firstConnection === page.parlor.room.media.pc };
  });
  return { ...id, ssrc, frozen };
}

/** @param {Participant} person */
async function closeChannel(person) {
  await person.ask(() => /** @type {any} */ (window).parlor.room.media.channel.close());
  await eventually('the data channel is closed', () => person.ask(() => /** @type {any} */ (window).parlor.room.media.channel.readyState === 'closed'));
}
