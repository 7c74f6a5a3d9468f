import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** The smallest for which browsers send three streams. */
const CAMERA = { width: 960, height: 540 };
const WIDTHS = { q: 240, h: 480, f: 960 };
/** The sender's bandwidth estimate has to grow before it sends the largest stream. */
const RAMP_UP_MS = 30_000;

scenario('another simulcast layer is shown on request, without a freeze', async (scene) => {
  const ada = await scene.join('Ada', { devices: CAMERA });
  const ben = await scene.join('Ben', { query: { cam: '0' } });
  await ben.sees(ada);
  assert.deepEqual(await ben.ask(() => /** @type {any} */ (window).probe.track('Ada').rids), ['q', 'h', 'f']);
  await eventually('Ada sends all three streams', async () => {
    const sent = await ada.ask(async () => {
      const stats = await /** @type {any} */ (window).parlor.room.media.pc.getStats();
      return [...stats.values()].filter(({ type, kind, framesPerSecond }) => type === 'outbound-rtp' && kind === 'video' && framesPerSecond > 5).map(({ rid }) => rid);
    });
    return sent.length === 3;
  }, { within: RAMP_UP_MS });

  await choose(ben, ada, 'q');
  const before = await ben.inbound(ada);
  for (const rid of /** @type {const} */ (['h', 'f', 'q', 'f', 'h'])) {
    await choose(ben, ada, rid);
    await ben.decodesMore(ada);
    await ben.sees(ada);
  }
  const after = await ben.inbound(ada);
  assert.equal(after.freezeCount, before.freezeCount, 'freezes');
  assert.equal(after.totalFreezesDuration, before.totalFreezesDuration, 'seconds frozen');
  assert.equal(after.ssrc, before.ssrc, 'it is one and the same stream');
});

/**
 * @param {import('./harness/participant.mjs').Participant} person
 * @param {import('./harness/participant.mjs').Participant} other
 * @param {keyof typeof WIDTHS} rid
 */
async function choose(person, other, rid) {
  await person.ask((name, layer) => {
    const { parlor, probe } = /** @type {any} */ (window);
    parlor.room.setLayer(probe.track(name).trackId, layer);
  }, other.name, rid);
  await eventually(`layer ${rid} arrives`, async () => (await person.inbound(other))?.frameWidth === WIDTHS[rid]);
}
