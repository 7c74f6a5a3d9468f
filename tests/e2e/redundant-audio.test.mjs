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
    await eventually('Cleo gets copies', async () => {
      const { received } = await copies(cleo, ada);
      if (received >= COPIES) return true;
      throw new Error(`${received} so far, of ${await sent(scene)} that were sent`);
    }, { within: NOTICED_MS });
    await cleo.hears(ada);
    const { discarded, received } = await copies(cleo, ada);
    assert.ok(discarded < received, 'some of them were played');
    assert.deepEqual(await copies(ben, ada), { received: 0, discarded: 0 });

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

/** What a browser says of copies. @param {Participant} listener @param {Participant} speaker */
async function copies(listener, speaker) {
  const report = await listener.inbound(speaker, 'microphone');
  return { received: report?.fecPacketsReceived ?? 0, discarded: report?.fecPacketsDiscarded ?? 0 };
}
