/**
 * Calls of two: one sends a camera of 720p and a tone, the other receives them over a bad network. Both are pages of
 * one real Chromium. What differs between the ways is what is between them.
 */
import { launchChromium } from '../../tests/e2e/harness/browsers.mjs';
import { ImpairedPath } from '../../tests/e2e/harness/impaired-path.mjs';
import { installDetour } from '../../tests/e2e/harness/in-page/detour.mjs';
import { installDevices } from '../../tests/e2e/harness/in-page/devices.mjs';
import { installProbe } from '../../tests/e2e/harness/in-page/probe.mjs';
import { Scene } from '../../tests/e2e/harness/scenario.mjs';
import { Server } from '../../tests/e2e/harness/server.mjs';
import { eventually } from '../../tests/e2e/harness/wait.mjs';
import { Janus } from './janus.mjs';

const CAMERA = { width: 1280, height: 720, fps: 15, busy: true };
const DEVICES = { color: /** @type {[number, number, number]} */ ([180, 100, 100]), hz: 500, ...CAMERA };
/** The encodings that Parlor's page sends, from the lowest to the best. Between two browsers there is one stream, of the best's rate. */
const ENCODINGS = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
];
const ONE_STREAM = [{ maxBitrate: Math.max(...ENCODINGS.map(({ maxBitrate }) => maxBitrate)) }];
/** So large that two tiles beside each other show more than the middle layer. */
const VIEWPORT = { width: 1440, height: 900 };
const CONNECT_MS = 30_000;
/** Browsers hide addresses from pages that use no real camera. */
const OPEN_ADDRESSES = ['--disable-features=WebRtcHideLocalIpsWithMdns', '--allow-loopback-in-peer-connection'];

/** @typedef {import('../../tests/e2e/harness/in-page/probe.mjs').Reception} Reception */
/** @typedef {import('../../tests/e2e/harness/impaired-path.mjs').Changes} Changes */

/**
 * @typedef {object} Call that has just begun
 * @property {ImpairedPath} path
 * @property {() => Promise<Reception>} reception
 * @property {() => Promise<{ at: number, width: number }[]>} frames
 * @property {() => Promise<void>} close
 */

/**
 * The ways from one browser to the other.
 *
 * @type {Record<string, { title: string, begin: (changes: Changes, seed: number) => Promise<Call> }>}
 */
export const WAYS = {
  parlor: { title: 'Parlor', begin: throughParlor },
  direct: { title: 'peer-to-peer', begin: peerToPeer },
  janus: { title: 'Janus', begin: throughJanus },
};

/** @param {Changes} changes @param {number} seed @returns {Promise<Call>} */
async function throughParlor(changes, seed) {
  const scene = new Scene(await Server.start({ PARLOR_MEDIA__SHARDS: '1' }), []);
  const path = await ImpairedPath.toServer(scene.server, { ...changes, seed });
  const close = async () => {
    path.close();
    await scene.close();
  };
  return closingOnFailure(close, async () => {
    scene.roomId = await scene.server.createRoom();
    const sender = await scene.join('Ada', { devices: DEVICES });
    const receiver = await scene.join('Ben', {
      query: { cam: '0', mic: '0' },
      prepare: async (page) => {
        await page.setViewport(VIEWPORT);
        await path.lead(page);
      },
    });
    await eventually('the tracks are there', () => receiver.ask(() => {
      const { probe } = /** @type {any} */ (window);
      const tracks = [probe.track('Ada'), probe.track('Ada', 'microphone')];
      return tracks.every((track) => track?.mediaTrack) && probe.tile('Ada')?.querySelector('video') !== null;
    }), { within: CONNECT_MS });
    await receiver.watchFrames(sender);
    return { path, close, reception: () => receiver.reception(sender), frames: () => receiver.frames() };
  });
}

/** @param {Changes} changes @param {number} seed @returns {Promise<Call>} */
async function peerToPeer(changes, seed) {
  return betweenPages(changes, seed, async ({ sender, receiver, lead }) => {
    const offer = await sender.evaluate(offerCamera, ONE_STREAM);
    await lead(offer);
    const answer = await receiver.evaluate(answerAndShow, offer);
    // The sender learns the relay's address from what comes from there, and never the receiver's own.
    await sender.evaluate(installDetour, {});
    await sender.evaluate(takeAnswer, answer);
  });
}

/** @param {Changes} changes @param {number} seed @returns {Promise<Call>} */
async function throughJanus(changes, seed) {
  /** @type {Janus | undefined} */ let janus;
  return betweenPages(changes, seed, async ({ browser, sender, receiver, lead }) => {
    janus = await Janus.start(browser);
    const room = await janus.createRoom();
    const { feed, answer } = await janus.publish(room, await sender.evaluate(offerCamera, ENCODINGS));
    await sender.evaluate(takeAnswer, answer);
    await eventually('the sender is connected', () => sender.evaluate(isConnected), { within: CONNECT_MS });
    const { offer, start } = await janus.subscribe(room, feed);
    await lead(offer);
    await start(await receiver.evaluate(answerAndShow, offer));
  }, async () => janus?.stop());
}

/**
 * A call between two pages with a connection each, `pc`.
 *
 * @param {Changes} changes
 * @param {number} seed
 * @param {(pages: {
 *   browser: import('puppeteer-core').Browser,
 *   sender: import('puppeteer-core').Page,
 *   receiver: import('puppeteer-core').Page,
 *   lead: (offer: string) => Promise<void>
 * }) => Promise<void>} connect `lead` has the receiver reach over the bad network who has made it an offer
 * @param {() => Promise<void>} [disconnect]
 * @returns {Promise<Call>}
 */
async function betweenPages(changes, seed, connect, disconnect = async () => {}) {
  const server = await Server.start(); // pages need an origin that may use cameras
  const browser = await launchChromium({ flags: OPEN_ADDRESSES });
  /** @type {ImpairedPath | undefined} */ let path;
  const close = async () => {
    path?.close();
    await disconnect();
    await browser.close();
    await server.stop();
  };
  return closingOnFailure(close, async () => {
    const [sender, receiver] = [await openPage(browser, server.url), await openPage(browser, server.url)];
    const lead = async (/** @type {string} */ offer) => {
      path = await ImpairedPath.to([addressIn(offer)], { ...changes, seed });
      await receiver.evaluate(installDetour, Object.fromEntries(path.ports));
    };
    await connect({ browser, sender, receiver, lead });
    if (!path) throw new Error('the receiver was not led over the bad network');
    await eventually('the browsers are connected', () => receiver.evaluate(isConnected), { within: CONNECT_MS });
    return {
      path,
      close,
      reception: () => receiver.evaluate(() => {
        const { pc, probe } = /** @type {any} */ (window);
        /** @type {MediaStreamTrack[]} */
        const tracks = pc.getReceivers().map((/** @type {RTCRtpReceiver} */ { track }) => track);
        const of = (/** @type {string} */ wanted) => tracks.find(({ kind }) => kind === wanted);
        return probe.receptionOf(pc, of('video'), of('audio'));
      }),
      frames: () => receiver.evaluate(() => /** @type {any} */ (window).probe.frames()),
    };
  });
}

/** @param {import('puppeteer-core').Browser} browser @param {string} url */
async function openPage(browser, url) {
  const page = await (await browser.createBrowserContext()).newPage();
  await page.setViewport(VIEWPORT);
  await page.evaluateOnNewDocument(installDevices, DEVICES);
  await page.evaluateOnNewDocument(installProbe);
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  return page;
}

/** In a page. */
const isConnected = () => /** @type {any} */ (window).pc.connectionState === 'connected';

/** In the page of the sender. @param {string} sdp */
const takeAnswer = (sdp) => /** @type {any} */ (window).pc.setRemoteDescription({ type: 'answer', sdp });

/** In the page of the sender. @param {RTCRtpEncodingParameters[]} sendEncodings @returns {Promise<string>} with all candidates */
async function offerCamera(sendEncodings) {
  const { testDevices } = /** @type {any} */ (window);
  const pc = new RTCPeerConnection();
  Object.assign(window, { pc });
  pc.addTransceiver(testDevices.openMicrophone(), { direction: 'sendonly' });
  pc.addTransceiver(testDevices.openCamera(), { direction: 'sendonly', sendEncodings });
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== 'complete') {
    await new Promise((resolve) => pc.addEventListener('icegatheringstatechange', resolve, { once: true }));
  }
  return pc.localDescription?.sdp ?? '';
}

/** In the page of the receiver. @param {string} sdp @returns {Promise<string>} */
async function answerAndShow(sdp) {
  const pc = new RTCPeerConnection();
  Object.assign(window, { pc });
  document.body.replaceChildren();
  pc.ontrack = ({ track }) => {
    const element = document.createElement(/** @type {'video' | 'audio'} */ (track.kind));
    Object.assign(element, { autoplay: true, srcObject: new MediaStream([track]) });
    element.style.width = '100%';
    document.body.append(element);
    if (track.kind === 'video') /** @type {any} */ (window).probe.watchVideo(element);
  };
  await pc.setRemoteDescription({ type: 'offer', sdp });
  await pc.setLocalDescription();
  return pc.localDescription?.sdp ?? '';
}

/** The first address of IPv4 that a description names. @param {string} sdp */
function addressIn(sdp) {
  const found = /^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/im.exec(sdp);
  if (!found) throw new Error(`there is no address in the offer:\n${sdp}`);
  return { address: found[1], port: Number(found[2]) };
}

/** @template T @param {() => Promise<void>} close @param {() => Promise<T>} begin @returns {Promise<T>} */
async function closingOnFailure(close, begin) {
  try {
    return await begin();
  } catch (error) {
    await close();
    throw error;
  }
}
