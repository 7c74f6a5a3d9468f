import assert from 'node:assert/strict';
import { noFirewall, withoutUdp } from './harness/firewall.mjs';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** Loss of the path, ICE restart and the way over TCP, one after the other. */
const FALLBACK_MS = 40_000;

scenario('a browser that may not use UDP calls over TCP', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await meetOverTcp(ada, ben);
}, { chromiumFlags: ['--webrtc-ip-handling-policy=disable_non_proxied_udp'] });

scenario('behind a firewall that drops UDP the call goes over TCP', async (scene) => {
  await withoutUdp(scene.server.mediaPorts, async () => {
    const ada = await scene.join('Ada');
    const ben = await scene.join('Ben');
    await meetOverTcp(ada, ben);
  });
}, { skip: noFirewall });

scenario('a call goes on over TCP when UDP stops working', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await ben.sees(ada);
  assert.equal((await ada.path()).protocol, 'udp');
  await withoutUdp(scene.server.mediaPorts, async () => {
    await eventually('Ada uses TCP', async () => (await ada.path())?.protocol === 'tcp', { within: FALLBACK_MS });
    await meetOverTcp(ada, ben, { within: FALLBACK_MS });
  });
}, { skip: noFirewall });

/**
 * @param {import('./harness/participant.mjs').Participant} ada
 * @param {import('./harness/participant.mjs').Participant} ben
 * @param {{ within?: number }} [options]
 */
async function meetOverTcp(ada, ben, options) {
  await ada.sees(ben, options);
  await ben.sees(ada, options);
  await ada.hears(ben, options);
  await ben.hears(ada, options);
  for (const person of [ada, ben]) assert.equal((await person.path()).protocol, 'tcp', `${person.name}'s media`);
  await ada.say('over TCP');
  await eventually('Ben reads it', async () => (await ben.heardTexts()).includes('over TCP'));
}
