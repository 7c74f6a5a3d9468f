import assert from 'node:assert/strict';
import { ImpairedPath } from './harness/impaired-path.mjs';
import { NO_LOSS, burstyLoss } from './harness/link.mjs';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

/** Two reports on sound, which Chromium sends every five seconds, and the first copies. */
const NOTICED_MS = 25_000;
/** Ten calm seconds, as those reports have them. */
const CALMED_MS = 40_000;
const COPIES = 100;
/** So many are a few seconds' of those that the path loses. */
const LOST = 40;
const LOST_MS = 20_000;
/** Of 20 ms. */
const PACKET_SAMPLES = 960;
/** So long without a copy, of fifty a second. */
const STEADY_MS = 3_000;

scenario('who loses packets of sound gets copies of them, and nobody else', async (scene) => {
  const path = await ImpairedPath.toServer(scene.server);
  try {
    const ada = await scene.join('Ada');
    const ben = await scene.join('Ben', { query: { cam: '0' } });
    const cleo = await scene.join('Cleo', { query: { cam: '0' }, prepare: (page) => path.lead(page) });
    for (const person of [ben, cleo]) await person.hears(ada);
    assert.equal(await sent(scene), 0, 'nothing is lost');

    path.change({ down: { loss: burstyLoss(0.15, 1.5) } });
    // Copies of what has come are discarded.
    await eventually('Cleo gets copies', async () => {
      const { discarded } = await heard(cleo, ada);
      if (discarded >= COPIES) return true;
      throw new Error(`${discarded} so far, of ${await sent(scene)} packets that were sent with some`);
    }, { within: NOTICED_MS });
    const before = await heard(cleo, ada);
    const after = await eventually('packets are lost', async () => {
      const now = await heard(cleo, ada);
      return now.lost >= before.lost + LOST && now;
    }, { within: LOST_MS });
    const madeUp = (after.concealed - before.concealed) / PACKET_SAMPLES / (after.lost - before.lost);
    assert.ok(madeUp < 0.5, `copies are played: ${madeUp} of what was lost was made up`);
    assert.equal((await heard(ben, ada)).discarded, 0, 'and nobody else');

    path.change({ down: { loss: NO_LOSS } });
    let [count, since] = [await sent(scene), Date.now()];
    await eventually('copies end', async () => {
      const now = await sent(scene);
      if (now !== count) [count, since] = [now, Date.now()];
      return Date.now() - since >= STEADY_MS;
    }, { within: CALMED_MS + STEADY_MS });
    await cleo.hears(ada);
  } finally {
    path.close();
  }
});

/** Packets that the server has sent with copies. @param {import('./harness/scenario.mjs').Scene} scene */
function sent(scene) {
  return scene.server.metric('parlor_redundant_audio_packets_total');
}

/** What a browser says of the sound of somebody: in packets, and in samples that it made up for want of any. @param {Participant} listener @param {Participant} speaker */
async function heard(listener, speaker) {
  const report = await listener.inbound(speaker, 'microphone');
  const { packetsLost, packetsDiscarded, concealedSamples, silentConcealedSamples } = report ?? {};
  return { lost: packetsLost ?? 0, discarded: packetsDiscarded ?? 0, concealed: (concealedSamples ?? 0) - (silentConcealedSamples ?? 0) };
}
