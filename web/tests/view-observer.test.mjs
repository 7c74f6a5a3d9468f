import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { ViewObserver } from '../sdk/view-observer.js';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

class FakeDocument extends EventTarget {
  visibilityState = 'visible';
  pictureInPictureElement = null;
  pictureInPictureEnabled = true;

  show(isShown) {
    this.visibilityState = isShown ? 'visible' : 'hidden';
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

class FakeElement extends EventTarget {
  isConnected = true;
  parts = [];

  constructor(ownerDocument) {
    super();
    this.ownerDocument = ownerDocument;
  }

  contains(part) {
    return this.parts.includes(part);
  }
}

function setUp({ withoutWindows = false } = {}) {
  const document = new FakeDocument();
  if (withoutWindows) delete document.pictureInPictureEnabled;
  const observed = { IntersectionObserver: new Set(), ResizeObserver: new Set() };
  const tell = {};
  const fake = (name) => class {
    constructor(callback) {
      tell[name] = callback;
    }

    observe(element) {
      observed[name].add(element);
    }

    unobserve(element) {
      observed[name].delete(element);
    }

    disconnect() {
      observed[name].clear();
    }
  };
  const [IntersectionObserver, ResizeObserver] = Object.keys(observed).map(fake);
  const page = { document, IntersectionObserver, ResizeObserver, pixelRatio: () => 2 };
  /** The last sight of each place. */
  const sights = {};
  const place = (trackId) => ({ set: (sight) => (sights[trackId] = sight), remove: () => delete sights[trackId] });
  const observer = new ViewObserver({ place }, page);
  const size = (target, width, height) => tell.ResizeObserver([{ target, contentRect: { width, height } }]);
  const see = (target, isIntersecting) => tell.IntersectionObserver([{ target, isIntersecting }]);
  return { document, observer, observed, sights, size, see, tell, element: () => new FakeElement(document) };
}

const at = (width, height) => ({ visible: true, width, height });

test('an element is measured in device pixels, and seen while it is on the screen', () => {
  const { observer, observed, sights, size, see, tell, element } = setUp();
  const tile = element();
  const stop = observer.observe(tile, 'ada');
  size(tile, 320, 180);
  assert.deepEqual(sights, {}); // whether it can be seen is not known yet
  see(tile, true);
  assert.deepEqual(sights, { ada: at(640, 360) });
  const devicePixelContentBoxSize = [{ inlineSize: 643, blockSize: 362 }];
  tell.ResizeObserver([{ target: tile, contentRect: { width: 1, height: 1 }, devicePixelContentBoxSize }]);
  assert.deepEqual(sights, { ada: at(643, 362) });
  see(tile, false);
  assert.equal(sights.ada.visible, false);
  const other = observer.observe(tile, 'ben'); // the same element, known already
  assert.equal(sights.ben.visible, false);
  stop();
  see(tile, true);
  assert.deepEqual(sights, { ben: at(643, 362) });
  other();
  assert.deepEqual([observed.IntersectionObserver.size, observed.ResizeObserver.size, sights], [0, 0, {}]);
});

test('a page that is hidden for two seconds shows nothing; one that comes back shows it at once', () => {
  const { document, observer, sights, size, see, element } = setUp();
  const tile = element();
  observer.observe(tile, 'ada');
  size(tile, 320, 180);
  see(tile, true);
  document.show(false);
  mock.timers.tick(1999);
  document.show(true);
  mock.timers.tick(2000);
  assert.equal(sights.ada.visible, true);
  document.show(false);
  mock.timers.tick(2000);
  assert.equal(sights.ada.visible, false);
  document.show(true);
  assert.deepEqual(sights.ada, at(640, 360));
  document.show(false);
  observer.close();
  mock.timers.tick(2000);
  assert.equal(sights.ada.visible, true);
});

test('a picture in a window of its own is seen, as large as that window, though the page is hidden', () => {
  const { document, observer, sights, size, see, element } = setUp();
  const [tile, other] = [element(), element()];
  const video = {};
  tile.parts.push(video);
  observer.observe(tile, 'ada');
  observer.observe(other, 'ben');
  for (const one of [tile, other]) {
    size(one, 640, 360);
    see(one, true);
  }
  const ownWindow = Object.assign(new EventTarget(), { width: 200, height: 100 });
  document.pictureInPictureElement = video;
  tile.dispatchEvent(Object.assign(new Event('enterpictureinpicture'), { pictureInPictureWindow: ownWindow }));
  assert.deepEqual(sights.ada, at(400, 200));
  document.show(false);
  mock.timers.tick(2000);
  assert.deepEqual([sights.ada, sights.ben.visible], [at(400, 200), false]);
  ownWindow.width = 300;
  ownWindow.dispatchEvent(new Event('resize'));
  assert.deepEqual(sights.ada, at(600, 200));
  document.pictureInPictureElement = null;
  tile.dispatchEvent(new Event('leavepictureinpicture'));
  assert.equal(sights.ada.visible, false);
});

test('where the browser does not say whether a picture has its own window, a hidden page gets small ones', () => {
  const { document, observer, sights, size, see, element } = setUp({ withoutWindows: true });
  const [shown, away] = [element(), element()];
  observer.observe(shown, 'ada');
  observer.observe(away, 'ben');
  for (const one of [shown, away]) size(one, 640, 100);
  see(shown, true);
  see(away, false);
  document.show(false);
  mock.timers.tick(2000);
  assert.deepEqual([sights.ada, sights.ben.visible], [at(480, 200), false]);
});

test('an element that was moved into another window is seen as long as it is there', () => {
  const { document, observer, sights, size, see, element } = setUp();
  const tile = element();
  observer.observe(tile, 'ada');
  size(tile, 320, 180);
  see(tile, true);
  tile.ownerDocument = {};
  document.show(false);
  mock.timers.tick(2000);
  assert.deepEqual(sights.ada, at(640, 360));
  tile.isConnected = false;
  see(tile, false);
  assert.equal(sights.ada.visible, false);
});

test('without a browser nothing is measured, and nothing breaks', () => {
  const observer = new ViewObserver({ place: () => assert.fail('a place') });
  observer.observe({}, 'ada')();
  observer.close();
});
