/**
 * What this browser remembers: the name, the chosen devices, and whether they were on. Losing it costs nothing, so every failure
 * (storage switched off, full or broken) is silently an empty memory.
 */

const PREFIX = 'parlor.';

/** @typedef {'name' | 'microphone' | 'camera' | 'speaker' | 'microphone-off' | 'camera-off'} PrefKey */

/** @param {PrefKey} key @returns {string} */
export function recall(key) {
  try {
    return localStorage.getItem(PREFIX + key) ?? '';
  } catch {
    return '';
  }
}

/** @param {PrefKey} key @param {string} value */
export function remember(key, value) {
  try {
    if (value) localStorage.setItem(PREFIX + key, value);
    else localStorage.removeItem(PREFIX + key);
  } catch {
    // not remembered
  }
}
