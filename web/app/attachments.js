/**
 * Files in the chat: shown by name and size, downloaded on request, and, if their bytes are those of a picture, drawn small.
 *
 * Nothing of a file is ever interpreted as a page: what is downloaded has no type, and a picture is decoded by the browser onto a canvas,
 * whatever its sender called it.
 */
import { imageTypeOf } from '../parlor-client.js';
import { h, icon } from './dom.js';
import { explain, sizeOf } from './texts.js';
import { toast } from './toasts.js';

/** @typedef {import('../parlor-client.js').Room} Room */
/** @typedef {import('../sdk/types.js').FileInfo} FileInfo */

/** Larger pictures are not fetched unasked. */
const MAX_PICTURE_BYTES = 8 * 1024 * 1024;
/** A picture of more pixels is not drawn: it would take more memory than a phone has. */
const MAX_PIXELS = 50_000_000;
/** The longer side of a thumbnail, in pixels. */
const THUMBNAIL = 440;
const MAX_FETCHES = 2;
const PICTURE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

let fetches = 0;
/** @type {(() => Promise<void>)[]} */
const waiting = [];

/** Pictures are fetched when they come into sight. @type {IntersectionObserver | undefined} */
let sight;
/** @type {WeakMap<Element, () => Promise<void>>} */
const hidden = new WeakMap();

/** @param {Room} room @param {FileInfo} file */
export function attachment(room, file) {
  const name = h('bdi', { class: 'file-name' }, file.name);
  const element = h('div', { class: 'attachment', 'data-file-id': file.fileId },
    h('div', { class: 'file-row' }, icon('file'), h('span', { class: 'file-label' }, name, h('small', {}, sizeOf(file.size))),
      h('button', { class: 'plain', type: 'button', 'aria-label': `Download ${file.name}`, title: 'Download', 'data-download': true, onclick: () => download(room, file) }, icon('download'))));
  if (PICTURE_TYPES.has(file.contentType) && file.size <= MAX_PICTURE_BYTES) whenSeen(element, () => showThumbnail(room, file, element));
  return element;
}

/** @param {Room} room @param {FileInfo} file */
async function download(room, file) {
  try {
    const url = URL.createObjectURL(await room.api.downloadFile(file.fileId));
    h('a', { href: url, download: file.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000); // some browsers ask where to, first
  } catch (error) {
    toast(explain(error), 'error');
  }
}

/** @param {Room} room @param {FileInfo} file @param {HTMLElement} holder */
async function showThumbnail(room, file, holder) {
  try {
    const bytes = await room.api.downloadFile(file.fileId, { maxBytes: MAX_PICTURE_BYTES });
    const canvas = await drawThumbnail(bytes);
    if (!canvas) return;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Picture: ${file.name}`);
    holder.prepend(canvas);
  } catch {
    // The file can still be downloaded, which then says what is wrong.
  }
}

/** @param {Blob} bytes @returns {Promise<HTMLCanvasElement | null>} `null` if this is no picture that may be shown */
async function drawThumbnail(bytes) {
  const type = await imageTypeOf(bytes);
  if (!type) return null;
  const picture = await createImageBitmap(new Blob([bytes], { type }));
  try {
    const { width, height } = picture;
    if (width * height > MAX_PIXELS) return null;
    const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
    const canvas = h('canvas', { class: 'thumbnail', width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
    canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas;
  } finally {
    picture.close();
  }
}

/** @param {Element} element @param {() => Promise<void>} load */
function whenSeen(element, load) {
  sight ??= new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      const job = isIntersecting ? hidden.get(target) : undefined;
      if (!job) continue;
      sight?.unobserve(target);
      hidden.delete(target);
      enqueue(job);
    }
  });
  hidden.set(element, load);
  sight.observe(element);
}

/** @param {() => Promise<void>} job */
async function enqueue(job) {
  waiting.push(job);
  if (fetches >= MAX_FETCHES) return;
  fetches += 1;
  for (let next = waiting.shift(); next; next = waiting.shift()) await next();
  fetches -= 1;
}
