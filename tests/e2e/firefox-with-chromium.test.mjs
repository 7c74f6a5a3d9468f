import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** Firefox's audio contexts do not run without a click: its own fake microphone sounds instead. */
const FAKE_TONE = { hz: null };

scenario('Firefox and Chromium see and hear one another', async (scene) => {
  const ada = await scene.join('Ada');
  const fox = await scene.join('Fox', { browser: 'firefox', devices: FAKE_TONE });
  const cleo = await scene.join('Cleo');

  for (const chromium of [ada, cleo]) {
    await fox.sees(chromium);
    await chromium.sees(fox);
    await eventually(`${chromium.name} hears Fox`, async () => (await chromium.ask(() => /** @type {any} */ (window).probe.tone('Fox'))) !== null);
    await hearsEnergyOf(fox, chromium);
  }
  await ada.sees(cleo);
  await ada.hears(cleo);

  await fox.say('hello from Firefox');
  await ada.say('hello from Chromium');
  await eventually('both read both', async () => (await fox.heardTexts()).length === 2 && (await cleo.heardTexts()).length === 2);
});

/** @param {import('./harness/participant.mjs').Participant} person @param {import('./harness/participant.mjs').Participant} other */
async function hearsEnergyOf(person, other) {
  const energy = async () => (await person.inbound(other, 'microphone'))?.totalAudioEnergy ?? 0;
  const before = await energy();
  await eventually(`sound of ${other.name} arrives at ${person.name}`, async () => (await energy()) > before + 0.01);
}
