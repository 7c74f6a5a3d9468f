/** Many people in one page, each with a camera and a connection of its own, who look at nobody: a full room at little cost. */

const CAMERA = { width: 160, height: 90, fps: 8 };

/** @typedef {import('puppeteer-core').Page} Page */

/** @param {Page} page one of the server's @param {string} roomId @param {number} count */
export async function joinCrowd(page, roomId, count) {
  await page.evaluate(async (id, size, { width, height, fps }) => {
    const client = '/parlor-client.js';
    const { connect } = await import(client);
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
    let hue = 0;
    setInterval(() => {
      hue = (hue + 3) % 360;
      context.fillStyle = `hsl(${hue} 50% 50%)`;
      context.fillRect(0, 0, width, height);
    }, 1000 / fps);
    const rooms = [];
    for (let number = 1; number <= size; number += 1) {
      const track = canvas.captureStream(fps).getVideoTracks()[0];
      rooms.push(await connect({ roomId: id, displayName: `One of many ${number}`, tracks: [{ track, source: 'camera' }], autoSubscribe: false, guestKey: null }));
    }
    Object.assign(window, { crowd: rooms });
  }, roomId, count, CAMERA);
}

/**
 * What the pictures of a page were encoded with so far, all together.
 *
 * @param {Page} page
 * @returns {Promise<{ frames: number, keyFrames: number }>}
 */
export function encoded(page) {
  return page.evaluate(async () => {
    const { crowd, parlor } = /** @type {any} */ (window);
    const sum = { frames: 0, keyFrames: 0 };
    for (const room of crowd ?? [parlor.room]) {
      const stats = [...(await room.media.pc.getStats()).values()];
      for (const { type, kind, framesEncoded = 0, keyFramesEncoded = 0 } of stats) {
        if (type !== 'outbound-rtp' || kind !== 'video') continue;
        sum.frames += framesEncoded;
        sum.keyFrames += keyFramesEncoded;
      }
    }
    return sum;
  });
}
