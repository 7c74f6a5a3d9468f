import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { createRoom } from '../api/client.mjs';
import { launchChromium } from './harness/browsers.mjs';
import { scenario } from './harness/scenario.mjs';
import { Server } from './harness/server.mjs';
import { eventually } from './harness/wait.mjs';

const KEYS = 'app:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';
/** Where pictures of the page are put, for people who want to look at it. */
const PICTURES = process.env.E2E_PICTURES;

scenario('on its own host an open server shows who is in a call and how well it goes; people are put out, calls are ended', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await ada.sees(ben);
  await ben.sees(ada);
  const admin = await openAdmin(scene.server, ada.page.browser());

  await until(admin, 'both are counted', () => document.querySelector('[data-tile="People"]')?.textContent === '2' && document.querySelector('[data-tile="Store"]')?.textContent === 'Well');
  await picture(admin, 'overview');
  await admin.click(`[data-room="${scene.roomId}"]`);
  await until(admin, 'both are there with their codecs, and something flows', () => {
    const cards = [...document.querySelectorAll('.person-card')];
    const flows = (/** @type {Element} */ card, /** @type {string} */ codec) => [...card.querySelectorAll(`tr[data-codec="${codec}"]`)].some((row) => Number(row.getAttribute('data-bitrate')) > 0);
    return cards.length === 2 && ['Ada', 'Ben'].every((name) => cards.some((card) => card.querySelector('h3')?.textContent === name))
      && cards.every((card) => flows(card, 'opus') && flows(card, 'VP8') && card.querySelector('.pill')?.getAttribute('data-protocol') === 'udp');
  });
  await until(admin, 'the charts have lines', () => [...document.querySelectorAll('[data-chart="sent"] .line')].every((line) => (line.getAttribute('d') ?? '').includes('L')));
  await admin.click('.received summary');
  await until(admin, 'what Ada receives is listed by name', () => [...document.querySelectorAll('.received tbody tr')].some((row) => /Ben\s*Camera\s*Forwarding\s*VP8/.test((row.textContent ?? '').replace(/([a-z])(?=[A-Z])/g, '$1 '))));
  await picture(admin, 'room');

  const { participantId } = await ada.ask(() => /** @type {any} */ (window).probe.participant('Ben'));
  await admin.click(`[data-kick="${participantId}"]`);
  await admin.click('[data-confirm]');
  await ben.shows('[data-ended="kicked"]');
  await until(admin, 'Ben is gone', () => document.querySelectorAll('.person-card').length === 1);
  await admin.click('[data-end]');
  await picture(admin, 'end');
  await admin.click('[data-confirm]');
  await ada.shows('[data-ended="ended"]');
  await until(admin, 'all rooms are shown again, and this one is not among them', () => document.querySelector('[data-empty]:not([hidden])') && !document.querySelector('[data-room]'));
  await picture(admin, 'empty');
  assert.deepEqual(await violations(admin), []);
});

/** @param {string} name @param {Record<string, string>} env @param {(server: Server, browser: import('puppeteer-core').Browser) => Promise<void>} body */
function alone(name, env, body) {
  test(name, { timeout: 120_000 }, async () => {
    const server = await Server.start(env);
    const browser = await launchChromium({ flags: [] });
    try {
      await body(server, browser);
    } catch (error) {
      console.log(server.logTail(40));
      throw error;
    } finally {
      await browser.close();
      await server.stop();
    }
  });
}

alone('a server with keys refuses strangers and hosts, and takes an administrator’s token', { PARLOR_AUTH__KEYS: KEYS }, async (server, browser) => {
  const token = (/** @type {string[]} */ ...grants) => {
    const made = spawnSync(server.binary, ['token', 'create', '--identity', 'me', ...grants], { env: { ...process.env, PARLOR_AUTH__KEYS: KEYS }, encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    return made.stdout.trim();
  };
  await createRoom(server.url, { roomId: 'team' }, token('--create-rooms'));
  const admin = await openAdmin(server, browser);
  await until(admin, 'a token is asked for', () => document.querySelector('form:not([hidden]) [data-token]'));
  await picture(admin, 'sign-in');
  assert.equal(await admin.$eval('.problem', (problem) => /** @type {HTMLElement} */ (problem).hidden), true);

  const enter = async (/** @type {string} */ text) => {
    await admin.type('[data-token]', text);
    await admin.keyboard.press('Enter');
  };
  await enter('nonsense');
  await until(admin, 'it is no token', () => document.querySelector('[data-problem="token-invalid"]:not([hidden])'));
  await enter(token('--room', 'team', '--role', 'host'));
  await until(admin, 'it is not an administrator’s', () => document.querySelector('[data-problem="forbidden"]:not([hidden])'));
  await picture(admin, 'refused');
  await enter(token('--admin'));
  const shown = () => document.querySelector('[data-tile="All rooms"]')?.textContent === '1';
  await until(admin, 'the server is shown', shown);
  await admin.reload();
  await until(admin, 'the tab knows the token', shown);
  assert.equal(await admin.evaluate(() => Object.values({ ...localStorage }).some((value) => value.includes('eyJ'))), false, 'nothing outlives the tab');
  await admin.goto(`${server.url}/admin#/rooms/team`);
  await until(admin, 'the room is shown, and is empty', () => location.hash === '#/rooms/team' && document.querySelector('[data-room-about]')?.textContent !== '' && document.querySelector('[data-empty]:not([hidden])'));
  await admin.click('[data-sign-out]');
  await until(admin, 'the token is forgotten', () => document.querySelector('form:not([hidden]) [data-token]') && sessionStorage.getItem('parlor.admin.token') === null);
  assert.deepEqual(await violations(admin), []);
});

alone('an open server asked through a proxy is administered by nobody', {}, async (server, browser) => {
  const admin = await openAdmin(server, browser, { 'X-Forwarded-For': '203.0.113.9' });
  await until(admin, 'it says why, and how', () => document.querySelector('[data-open-server]:not([hidden])')?.textContent?.includes('it comes through a proxy'));
  await picture(admin, 'open');
});

/** @param {Server} server @param {import('puppeteer-core').Browser} browser @param {Record<string, string>} [headers] */
async function openAdmin(server, browser, headers) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport({ width: 1200, height: 800 });
  if (headers) await page.setExtraHTTPHeaders(headers);
  await page.evaluateOnNewDocument(() => {
    /** @type {any} */ (window).violations = [];
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => /** @type {any} */ (window).violations.push(`${violatedDirective}: ${blockedURI}`));
  });
  await page.goto(`${server.url}/admin`);
  return page;
}

/** @param {import('puppeteer-core').Page} page @param {string} what @param {() => unknown} condition in the page */
function until(page, what, condition) {
  return eventually(what, () => page.evaluate(condition).then(Boolean));
}

/** @param {import('puppeteer-core').Page} page */
function violations(page) {
  return page.evaluate(() => /** @type {any} */ (window).violations);
}

/** On a desk and in a hand, in light and in dark. @param {import('puppeteer-core').Page} page @param {string} name */
async function picture(page, name) {
  if (!PICTURES) return;
  await mkdir(PICTURES, { recursive: true });
  for (const [look, width, height, scheme] of /** @type {[string, number, number, string][]} */ ([['desk', 1200, 800, 'light'], ['dark', 1200, 800, 'dark'], ['phone', 390, 800, 'light']])) {
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.screenshot({ path: /** @type {`${string}.png`} */ (join(PICTURES, `${name}-${look}.png`)), fullPage: true });
  }
  await page.setViewport({ width: 1200, height: 800 });
  await page.emulateMediaFeatures([]);
}
