import { ImpairedPath } from './harness/impaired-path.mjs';
import { randomLoss } from './harness/link.mjs';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

/** Three judgements of two seconds, and what a browser's own estimate takes to rise. */
const KNOWN_MS = 30_000;
const FALL_MS = 25_000;
/** Good news is told once it lasts. */
const RISE_MS = 45_000;

scenario('who loses every fifth packet is shown with a poor connection, and with a better one once that is over', async (scene) => {
  const path = await ImpairedPath.toServer(scene.server);
  try {
    const ada = await scene.join('Ada');
    const ben = await scene.join('Ben', { prepare: (page) => path.lead(page) });
    await ada.sees(ben);
    await ben.sees(ada);
    await shows(ada, ben, ['Good connection', 'Fair connection'], KNOWN_MS);

    path.change({ up: { loss: randomLoss(0.2) }, down: { loss: randomLoss(0.2) } });
    await shows(ada, ben, ['Poor connection'], FALL_MS);
    const late = await scene.join('Late');
    await shows(late, ben, ['Poor connection'], FALL_MS);

    path.change({ up: { loss: randomLoss(0) }, down: { loss: randomLoss(0) } });
    await shows(ada, ben, ['Good connection', 'Fair connection'], RISE_MS);
  } finally {
    path.close();
  }
});

/** Waits until one of these is what a tile says of a person. @param {Participant} viewer @param {Participant} other @param {string[]} texts @param {number} within */
async function shows(viewer, other, texts, within) {
  await eventually(`${viewer.name} is shown ${texts.join(' or ')} of ${other.name}`, async () => {
    const text = await viewer.ask((name) => {
      const mark = /** @type {any} */ (window).probe.tile(name)?.querySelector('.quality-mark');
      return mark?.checkVisibility() ? `${mark.getAttribute('aria-label')}` : null;
    }, other.name);
    if (text !== null && texts.includes(text)) return true;
    throw new Error(`it is ${text}`);
  }, { within });
}
