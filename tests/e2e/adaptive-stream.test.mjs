import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

scenario('the server is told what is seen of a tile, and a paused one says why', async (scene) => {
  const ada = await scene.join('Ada');
  const ben = await scene.join('Ben');
  await ben.sees(ada);
  const first = await isTold(ben, ada, 'the size of the tile', ({ visible, width }) => visible && width > 0);
  const { width, height } = await ben.ask(() => {
    const { width, height } = /** @type {any} */ (window).probe.tile('Ada').getBoundingClientRect();
    return { width: width * devicePixelRatio, height: height * devicePixelRatio };
  });
  assert.ok(first.width >= Math.floor(width) && first.width < width + 160, `${first.width} for ${width}`);
  assert.ok(first.height >= Math.floor(height) && first.height < height + 90, `${first.height} for ${height}`);

  await ben.page.setViewport({ width: 500, height: 400 });
  await isTold(ben, ada, 'that it is smaller', (view) => view.visible && view.height < first.height);
  await move(ben, '0 3000px');
  await isTold(ben, ada, 'that it is out of sight', ({ visible }) => !visible);
  await move(ben, '');
  await isTold(ben, ada, 'that it is back', ({ visible }) => visible);
  await ben.press('.tile:not(.own) [data-pin]');
  await isTold(ben, ada, 'that it is pinned', ({ pinned }) => pinned);
  await ben.hears(ada);
  await setPageHidden(ben, true);
  await isTold(ben, ada, 'that the page is hidden', ({ visible }) => !visible);
  await setPageHidden(ben, false);
  await isTold(ben, ada, 'that the page is back', ({ visible, pinned }) => visible && pinned);
  await ben.seesMoving(ada);

  const sent = await ben.ask(() => /** @type {any} */ (window).wiretap.sent['set-view']);
  await eventually('the server has it all', async () =>
    (await scene.server.metric('parlor_messages_received_total{carrier="socket",type="set-view"}')) >= sent);
  const received = await ben.ask(() => Object.keys(/** @type {any} */ (window).wiretap.received));
  assert.deepEqual(received.filter((type) => type.startsWith('error')), []);

  const note = () => ben.ask(() => {
    const tile = /** @type {any} */ (window).probe.tile('Ada');
    const isShown = (/** @type {string} */ selector) => tile.querySelector(selector).checkVisibility();
    return { note: isShown('.paused-note'), avatar: isShown('.avatar'), label: tile.getAttribute('aria-label') };
  });
  await hear(ben, ada, { type: 'subscription-paused', reason: 'bandwidth' });
  assert.deepEqual(await note(), { note: true, avatar: true, label: 'Ada, video paused' });
  assert.equal(await ben.textOf('.tile:not(.own) .paused-note'), 'Paused: your connection is too slow');
  const news = 'Ada’s video is paused: your connection is too slow.';
  await eventually('it is read out', async () => (await ben.textOf('#announcer')) === news);
  await hear(ben, ada, { type: 'subscription-resumed' });
  assert.deepEqual(await note(), { note: false, avatar: false, label: 'Ada' });
  await ben.sees(ada);
});

scenario('encodings that nobody watches are not sent, and come back', async (scene) => {
  const large = { width: 960, height: 540 }; // the smallest for which browsers send three streams
  const publishers = [
    await scene.join('Ada', { devices: large }),
    await scene.join('Fox', { browser: 'firefox', devices: { ...large, hz: null } }),
  ];
  const all = ['q', 'h', 'f'].map((rid) => ({ rid, active: true }));
  await Promise.all(publishers.map(async (person) => {
    await hearsOnlyTheTest(person);
    await wants(person, all);
    await sends(person, ['q', 'h']);
    const least = all.map(({ rid }) => ({ rid, active: rid === 'q' }));
    await wants(person, [...least, { rid: 'unheard-of', active: false }]);
    await sends(person, ['q'], ['h', 'f']);
    await wants(person, all);
    await sends(person, ['q', 'h']);
  }));

  const one = await scene.join('One'); // a small camera: one stream, which no rid names
  await publishers[0].sees(one);
  await hearsOnlyTheTest(one);
  await wants(one, [{ active: false }]);
  await sends(one, [], ['']);
  for (const key of ['v', 'v']) await one.page.keyboard.press(key); // another track of the same sender changes nothing
  await sends(one, [], ['']);
  await wants(one, [{ active: true }]);
  await publishers[0].sees(one);
});

/**
 * Waits until the last view of somebody's camera that the server was told is right.
 *
 * @param {Participant} person
 * @param {Participant} other
 * @param {string} what
 * @param {(view: any) => unknown} isRight
 */
async function isTold(person, other, what, isRight) {
  return eventually(`the server is told ${what}`, async () => {
    const view = await person.ask((name) => {
      const { wiretap, probe } = /** @type {any} */ (window);
      const { trackId } = probe.track(name);
      const lines = /** @type {string[]} */ (wiretap.tail).filter((line) => line.startsWith('> '));
      const views = lines.flatMap((line) => JSON.parse(line.slice(2)).views ?? []);
      return views.findLast((view) => view.trackId === trackId) ?? null;
    }, other.name);
    return view && isRight(view) ? view : null;
  });
}

/** Moves the tile of the other one. @param {Participant} person @param {string} by */
function move(person, by) {
  return person.ask((translate) => {
    /** @type {HTMLElement} */ (document.querySelector('.tile:not(.own)')).style.translate = translate;
  }, by);
}

/** Headless pages are never hidden: this page says that it is. @param {Participant} person @param {boolean} hidden */
function setPageHidden(person, hidden) {
  return person.ask((state) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden ? 'hidden' : 'visible');
}

/**
 * As if the server had said it about the camera of `other`.
 *
 * @param {Participant} person
 * @param {Participant} other
 * @param {object} message
 */
function hear(person, other, message) {
  return person.ask((name, words) => {
    const { parlor, probe } = /** @type {any} */ (window);
    parlor.room.session.emit('message', { ...words, trackId: probe.track(name).trackId });
  }, other.name, message);
}

/**
 * What the server itself wants of a camera goes by how well the machine keeps up with watching it, and would come in between.
 *
 * @param {Participant} person
 */
function hearsOnlyTheTest(person) {
  return person.ask(() => {
    const { session } = /** @type {any} */ (window).parlor.room;
    const emit = session.emit.bind(session);
    session.emit = (/** @type {string} */ type, /** @type {any} */ detail) => {
      if (detail?.type !== 'encodings-wanted' || detail.isOfTest) emit(type, detail);
    };
  });
}

/**
 * As if the server had said it about one's own camera.
 *
 * @param {Participant} person
 * @param {{ rid?: string, active: boolean }[]} encodings
 */
function wants(person, encodings) {
  return person.ask((list) => {
    const { room } = /** @type {any} */ (window).parlor;
    const { trackId, transceiver: { mid } } = [...room.publications].find(({ source }) => source === 'camera');
    room.session.emit('message', { type: 'encodings-wanted', trackId, mid, encodings: list, isOfTest: true });
  }, encodings);
}

/**
 * Waits until these encodings of one's camera are sent and those are not.
 *
 * @param {Participant} person
 * @param {string[]} these
 * @param {string[]} [those]
 */
async function sends(person, these, those = []) {
  const stats = () => person.ask(async () => {
    const { room } = /** @type {any} */ (window).parlor;
    const { transceiver } = [...room.publications].find(({ source }) => source === 'camera');
    const all = [...(await transceiver.sender.getStats()).values()].filter(({ type }) => type === 'outbound-rtp');
    return Object.fromEntries(all.map(({ rid = '', framesEncoded = 0, active, frameHeight, qualityLimitationReason }) =>
      [rid, { framesEncoded, active, frameHeight, qualityLimitationReason }]));
  });
  let before = await stats();
  let asked = performance.now();
  let seen = '';
  await eventually(`${person.name} sends [${these}] and not [${those}]`, async () => {
    const now = await stats();
    if (performance.now() - asked < 500) throw new Error(seen);
    const grown = (/** @type {string} */ rid) => (now[rid]?.framesEncoded ?? 0) - (before[rid]?.framesEncoded ?? 0);
    const isRight = these.every((rid) => grown(rid) >= 3) && those.every((rid) => grown(rid) === 0);
    seen = JSON.stringify({ before, now });
    [before, asked] = [now, performance.now()];
    if (!isRight) throw new Error(seen);
    return true;
  });
}
