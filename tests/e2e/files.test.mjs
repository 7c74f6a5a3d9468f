import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const EVIL_NAME = '<img src=x onerror="window.hacked=1">.png';
const EVIL_BYTES = '<html><script>parent.hacked=2</script></html>';

scenario('a picture is shown small, whatever else it may be is only downloaded', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  for (const person of [ada, ben]) await person.page.keyboard.press('c');
  await attach(ada, 'red.png', 'image/png', null);
  await ben.shows('canvas.thumbnail');
  const pixel = await ben.ask(() => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('canvas.thumbnail'));
    return [...(canvas.getContext('2d')?.getImageData(10, 10, 1, 1).data ?? []), canvas.width, canvas.height];
  });
  assert.deepEqual(pixel, [200, 30, 60, 255, 440, 293]);

  await attach(ada, EVIL_NAME, 'image/png', EVIL_BYTES);
  await eventually('Ben has both', () => ben.ask(() => document.querySelectorAll('.attachment').length === 2));
  assert.equal(await ben.ask(() => [...document.querySelectorAll('.attachment .file-name')].at(-1)?.textContent), EVIL_NAME);
  const { bytes, type } = await ben.ask(async () => {
    const { room } = /** @type {any} */ (window).parlor;
    const blob = await room.api.downloadFile(room.messages.at(-1).file.fileId);
    return { bytes: await blob.text(), type: blob.type };
  });
  assert.deepEqual([bytes, type], [EVIL_BYTES, 'application/octet-stream']);
  const headers = await ben.ask(async () => {
    const { room } = /** @type {any} */ (window).parlor;
    const response = await fetch(`/api/rooms/${room.roomId}/files/${room.messages.at(-1).file.fileId}`, { headers: { authorization: `Bearer ${room.standing.accessToken}` } });
    return Object.fromEntries(response.headers);
  });
  assert.match(headers['content-disposition'], /^attachment/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.doesNotMatch(headers['content-type'], /html|svg/);
  assert.equal(await ben.ask(() => document.querySelectorAll('canvas.thumbnail').length), 1, 'no picture is made of it');
  assert.equal(await ben.ask(() => /** @type {any} */ (window).hacked), undefined);

  const outside = await fetch(await ben.ask(() => {
    const { room } = /** @type {any} */ (window).parlor;
    return `${location.origin}/api/rooms/${room.roomId}/files/${room.messages.at(-1).file.fileId}`;
  }));
  assert.equal(outside.status, 401, 'files are for those in the room');

  const cleo = await scene.join('Cleo');
  await cleo.page.keyboard.press('c');
  await cleo.shows('canvas.thumbnail');
});

/**
 * Chooses a file as a person would with the button; without `text` a red picture.
 *
 * @param {import('./harness/participant.mjs').Participant} person @param {string} name @param {string} type @param {string | null} text
 */
async function attach(person, name, type, text) {
  await person.ask(async (fileName, fileType, content) => {
    let bytes = /** @type {Blob} */ (new Blob([content ?? '']));
    if (content === null) {
      const canvas = Object.assign(document.createElement('canvas'), { width: 900, height: 600 });
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
      context.fillStyle = 'rgb(200, 30, 60)';
      context.fillRect(0, 0, 900, 600);
      bytes = /** @type {Blob} */ (await new Promise((resolve) => canvas.toBlob(resolve, 'image/png')));
    }
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], fileName, { type: fileType }));
    const input = /** @type {HTMLInputElement} */ (document.querySelector('[data-file-input]'));
    input.files = transfer.files;
    input.dispatchEvent(new Event('change'));
  }, name, type, text);
}
