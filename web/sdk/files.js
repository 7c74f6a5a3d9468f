/**
 * Files to and from a room.
 *
 * What comes from others has no type here: the bytes decide (`imageTypeOf`), never a name or a header.
 */
import { ParlorError } from './errors.js';
import { call, problemOf } from './rest.js';

/** @typedef {import('./types.js').FileInfo} FileInfo */

/**
 * Uploads with `XMLHttpRequest`, which alone tells how far it has got.
 *
 * @param {object} options
 * @param {string} options.base
 * @param {string} options.path
 * @param {File} options.file
 * @param {string | null} options.credential
 * @param {(fraction: number) => void} [options.onProgress] 0…1
 * @param {AbortSignal} [options.signal]
 * @param {typeof XMLHttpRequest} [options.Request] for tests
 * @returns {Promise<FileInfo>}
 */
export function uploadFile({ base, path, file, credential, onProgress = () => {}, signal, Request = XMLHttpRequest }) {
  const url = new URL(path, base);
  url.searchParams.set('name', file.name);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new ParlorError('cancelled'));
      return;
    }
    const request = new Request();
    const abort = () => request.abort();
    request.onloadend = () => signal?.removeEventListener('abort', abort);
    request.onload = () => {
      const body = parse(request.responseText);
      if (request.status === 201 && body?.file) resolve(body.file);
      else reject(problemOf(request.status, body, request.getResponseHeader('retry-after'), request.statusText));
    };
    request.onerror = () => reject(new ParlorError('unreachable'));
    request.ontimeout = () => reject(new ParlorError('timeout'));
    request.onabort = () => reject(new ParlorError('cancelled'));
    request.upload.onprogress = ({ lengthComputable, loaded, total }) => {
      if (lengthComputable && total > 0) onProgress(loaded / total);
    };
    request.open('POST', url.href);
    if (credential) request.setRequestHeader('authorization', `Bearer ${credential}`);
    request.setRequestHeader('content-type', file.type || 'application/octet-stream');
    signal?.addEventListener('abort', abort);
    request.send(file);
  });
}

/**
 * @param {object} options
 * @param {string} options.base
 * @param {string} options.path
 * @param {string | null} options.credential
 * @param {number} [options.maxBytes] beyond: `file-too-large`
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<Blob>}
 */
export async function downloadFile({ base, path, credential, maxBytes = Infinity, signal }) {
  const response = await call(base, path, { credential, signal });
  const reader = response.body?.getReader();
  /** @type {Uint8Array[]} */ const parts = [];
  let bytes = 0;
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      bytes += part.value.length;
      if (bytes > maxBytes) {
        reader?.cancel().catch(() => {});
        throw new ParlorError('file-too-large');
      }
      parts.push(part.value);
    }
  } catch (cause) {
    throw signal?.aborted ? new ParlorError('cancelled') : ParlorError.from(cause, 'unreachable');
  }
  return new Blob(/** @type {BlobPart[]} */ (parts), { type: 'application/octet-stream' });
}

/** @type {[type: string, at: number, bytes: number[]][][]} what each image type begins with; all parts of an entry must hold */
const SIGNATURES = [
  [['image/png', 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]]],
  [['image/jpeg', 0, [0xff, 0xd8, 0xff]]],
  [['image/gif', 0, [0x47, 0x49, 0x46, 0x38]]],
  [['image/webp', 0, [0x52, 0x49, 0x46, 0x46]], ['image/webp', 8, [0x57, 0x45, 0x42, 0x50]]],
];

/**
 * The type of a picture that a page may show, by its first bytes; `null` for everything else, SVG among it.
 *
 * @param {Blob} blob
 * @returns {Promise<string | null>}
 */
export async function imageTypeOf(blob) {
  const head = new Uint8Array(await blob.slice(0, 16).arrayBuffer());
  const holds = (/** @type {[string, number, number[]]} */ [, at, bytes]) => bytes.every((byte, index) => head[at + index] === byte);
  return SIGNATURES.find((parts) => parts.every(holds))?.[0][0] ?? null;
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
