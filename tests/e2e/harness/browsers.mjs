/** Chromium and Firefox of the system, headless, with everything that a call asks a person for answered in advance. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import puppeteer from 'puppeteer-core';

const LAUNCH_MS = 60_000;
/** A page that does not answer for so long is stuck. */
const PROTOCOL_TIMEOUT_MS = 30_000;

const CHROMIUM_FLAGS = [
  '--no-sandbox', // the tests may run as root in a container
  '--use-fake-device-for-media-stream=fps=15',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--disable-sync',
  '--disable-component-update',
  '--disable-background-networking',
  '--no-first-run',
];

const FIREFOX_PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  // Without these two Firefox sends nothing to the loopback interface.
  'permissions.default.camera': 1,
  'permissions.default.microphone': 1,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
};

/** @param {{ flags?: string[] }} [options] flags beside the usual ones */
export function launchChromium({ flags = [] } = {}) {
  return puppeteer.launch({
    browser: 'chrome',
    executablePath: find('CHROMIUM', ['chromium', 'chromium-browser', 'google-chrome']),
    args: [...CHROMIUM_FLAGS, ...flags],
    headless: true,
    timeout: LAUNCH_MS,
    protocolTimeout: PROTOCOL_TIMEOUT_MS,
  });
}

export function launchFirefox() {
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: find('FIREFOX', ['firefox-esr', 'firefox']),
    extraPrefsFirefox: FIREFOX_PREFERENCES,
    headless: true,
    timeout: LAUNCH_MS,
    protocolTimeout: PROTOCOL_TIMEOUT_MS,
  });
}

/** @param {string} variable names the program itself @param {string[]} names looked for on the path */
function find(variable, names) {
  const candidates = process.env[variable] ?? names.flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)));
  const found = [candidates].flat().find(isExecutable);
  if (!found) throw new Error(`no browser found (${names.join(', ')}): run scripts/test-deps.sh, or set ${variable}`);
  return found;
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
