/**
 * What goes wrong, in words for the person in front of the screen: what happened, and what they can do.
 */

/** @type {Record<string, string>} */
const TEXTS = {
  // reaching the server
  unreachable: 'The server cannot be reached. Check your internet connection and try again.',
  timeout: 'The server did not answer in time. Please try again.',
  closed: 'The connection was closed.',
  'server-busy': 'The server is busy. Please try again in a moment.',
  draining: 'The server is about to be restarted and starts no new calls. Please try again in a minute.',
  internal: 'Something went wrong on the server. Please try again.',
  'rate-limited': 'That was a bit fast. Please wait a moment and try again.',
  // rooms
  'room-not-found': 'This room does not exist (any more). Check the link, or create a new room.',
  'room-exists': 'A room with this name already exists.',
  'room-full': 'This room is full.',
  'room-expired': 'This room has expired.',
  'room-closed': 'This room was closed.',
  'bad-room-id': 'This is not a room link. Room ids have 3 to 64 letters, digits, dashes or underscores.',
  'name-invalid': 'This name cannot be used. Please choose another one.',
  'room-locked': 'The host has locked it, and nobody new gets in for the moment.',
  'room-not-open': 'The room opens at its time. Until then only hosts may enter.',
  'password-required': 'This room has a password.',
  'password-wrong': 'That is not the password of this room.',
  'lobby-denied': 'A host has seen that you were waiting, and did not let you in.',
  denied: 'A host has seen that you were waiting, and did not let you in.',
  kicked: 'A host has removed you from this room.',
  banned: 'A host has removed you from this room, and you cannot come back.',
  ended: 'The host has ended the call for everyone.',
  'token-expired': 'Your access to this room is over. Ask for a new link.',
  'invite-invalid': 'Each invitation lets one person in, once. Ask the host for another.',
  'token-invalid': 'Your link is not good any more. Ask for a new one.',
  unauthorized: 'This server admits people with a link that was made for them.',
  forbidden: 'You are not allowed to do that.',
  'server-full': 'There is no room left on this server. Please try again later.',
  'store-unavailable': 'The server cannot save anything at the moment. Please try again in a moment.',
  'user-not-found': 'This person has left.',
  'version-conflict': 'Somebody else has just changed this. Please try again.',
  displaced: 'You have joined this room from another window.',
  'server-shutdown': 'The server was switched off.',
  // media
  'media-failed': 'Audio and video were interrupted. Reconnecting…',
  'bad-sdp': 'The server cannot handle what this browser wants to send. Reload the page, or try another browser.',
  'subscription-codec': 'This browser cannot play somebody’s video. Another browser may.',
  'subscription-refused': 'This browser refused to receive somebody’s picture or sound.',
  'subscription-too-many': 'There are more people here than this browser can show at once.',
  // chat
  'text-empty': 'Write something first.',
  'text-too-large': 'This message is too long.',
  'message-not-found': 'This message is gone.',
  'file-not-found': 'This file is gone.',
  'file-too-large': 'This file is too large.',
  'files-full': 'This room holds as many files as it may. Delete some first.',
  'file-type-refused': 'Files of this type are not accepted here.',
  'frame-too-large': 'This message is too long.',
};

/** @type {Record<string, (device: string) => string>} */
const DEVICE_TEXTS = {
  'permission-denied': (device) => `Access to your ${device} was denied. Allow it in your browser’s address bar, then switch it on here.`,
  'device-missing': (device) => `No ${device} was found.`,
  'device-busy': (device) => `Your ${device} is in use by another program.`,
  'insecure-context': (device) => `Browsers allow the ${device} only on secure pages (https:// or localhost).`,
  unsupported: (device) => `This browser cannot use the ${device}.`,
};

/** @param {unknown} error a `ParlorError`, or anything else that was thrown */
export function explain(error) {
  return explainCode(/** @type {any} */ (error)?.code);
}

/** @param {string | undefined} code */
export function explainCode(code) {
  return Object.hasOwn(TEXTS, code ?? '') ? TEXTS[/** @type {string} */ (code)] : 'Something went wrong. Please try again.';
}

/** @param {string} code @param {string} device `camera`, `microphone` or `screen` */
export function explainDevice(code, device) {
  return Object.hasOwn(DEVICE_TEXTS, code) ? DEVICE_TEXTS[code](device) : `Your ${device} could not be started.`;
}

/** Why somebody may not send or write something. @param {'audio' | 'video' | 'screen' | 'chat'} right */
export function explainRight(right) {
  const what = { audio: 'use the microphone', video: 'show video', screen: 'share a screen', chat: 'write' }[right];
  return `You may not ${what} in this room. A host can allow it.`;
}

/** Why a picture is paused; empty for what is not known here. @param {string} reason of the server */
export function explainPause(reason) {
  return reason === 'bandwidth' ? 'your connection is too slow' : '';
}

/** @param {string[]} what is paused, like “Ada’s video” */
export function describePauses(what) {
  if (what.length === 0) return 'Nothing is paused any more.';
  const subject = what.length === 1 ? `${what[0]} is` : `${what.length} videos are`;
  return `${subject} paused: your connection is too slow.`;
}

/** How good a connection is. @param {string | null} level of the server, `null` while it is not known */
export function describeQuality(level) {
  const texts = { excellent: 'Good connection', good: 'Fair connection', poor: 'Poor connection', lost: 'Connection lost' };
  return level !== null && Object.hasOwn(texts, level) ? texts[/** @type {keyof typeof texts} */ (level)] : '';
}

/** @param {number} bytes */
export function sizeOf(bytes) {
  if (!(bytes >= 1000)) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), 4);
  const value = bytes / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${['', 'k', 'M', 'G', 'T'][power]}B`;
}

/** @param {string} name may be empty */
export function nameOrGuest(name) {
  return name.trim() === '' ? 'Guest' : name;
}

/** One or two letters that stand for a name. @param {string} name */
export function initials(name) {
  const words = nameOrGuest(name).trim().split(/\s+/u);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters.map((word) => [...word][0]).join('').toLocaleUpperCase();
}

/** A colour angle that stays the same for a name. @param {string} name */
export function hueOf(name) {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + /** @type {number} */ (letter.codePointAt(0))) % 3600;
  return hash % 360;
}
