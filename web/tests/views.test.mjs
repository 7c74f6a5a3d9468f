import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Views } from '../sdk/views.js';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

function setUp() {
  const told = [];
  const link = { isUp: true };
  const views = new Views((list) => {
    if (link.isUp) told.push(list);
    return link.isUp;
  });
  /** What was told meanwhile, and by now. */
  const news = () => (mock.timers.tick(150), told.splice(0));
  return { views, told, link, news };
}

const large = { visible: true, width: 1280, height: 720 };
const hidden = { visible: false };

test('changes are gathered and told together, each track once', () => {
  const { views, told, news } = setUp();
  const [ada, ben] = [views.place('ada'), views.place('ben')];
  mock.timers.tick(1000);
  assert.deepEqual(told, []); // nothing is known yet
  ada.set({ visible: true });
  ada.set({ visible: true, width: 300, height: 170 });
  ben.set(hidden);
  mock.timers.tick(149);
  assert.deepEqual(told, []);
  const small = { trackId: 'ada', visible: true, width: 320, height: 180 };
  assert.deepEqual(news(), [[small, { trackId: 'ben', visible: false }]]);
  ada.set({ visible: true, width: 310, height: 178 }); // the same step
  assert.deepEqual(news(), []);
  ada.set({ visible: true, width: 330, height: 178 });
  assert.deepEqual(news(), [[{ trackId: 'ada', visible: true, width: 400, height: 180 }]]);
});

test('what the server takes for granted is not told', () => {
  const { views, news } = setUp();
  views.place('ada').set({ visible: true });
  views.pin('ben', false);
  assert.deepEqual(news(), []);
});

test('steps hold the sizes of cameras, and end at the bound of the protocol', () => {
  const { views, news } = setUp();
  const place = views.place('ada');
  for (const [size, told] of [
    ...[[240, 135], [480, 270], [640, 360], [960, 540], [1280, 720], [1920, 1080]].map((size) => [size, size]),
    [[1281, 721], [1440, 810]], [[1, 0.2], [80, 45]], [[20000, 20000], [16384, 16384]],
  ]) {
    place.set({ visible: true, width: size[0], height: size[1] });
    const [[view]] = news();
    assert.deepEqual([view.width, view.height], told);
  }
});

test('what becomes visible is told at once, all of it together', async () => {
  const { views, told, news } = setUp();
  const places = ['ada', 'ben'].map((trackId) => views.place(trackId));
  for (const place of places) place.set(hidden);
  news();
  for (const place of places) place.set(large);
  await Promise.resolve();
  assert.deepEqual(told, [[{ trackId: 'ada', ...large }, { trackId: 'ben', ...large }]]);
});

test('of several places the best counts, and after the last one nobody sees the track', () => {
  const { views, news } = setUp();
  const [one, other] = [views.place('ada'), views.place('ada')];
  one.set({ visible: true, width: 160, height: 720 });
  other.set({ visible: true, width: 320, height: 90 });
  assert.deepEqual(news(), [[{ trackId: 'ada', visible: true, width: 320, height: 720 }]]);
  other.set({ visible: true });
  assert.deepEqual(news(), [[{ trackId: 'ada', visible: true }]]);
  other.set(hidden);
  assert.deepEqual(news(), [[{ trackId: 'ada', visible: true, width: 160, height: 720 }]]);
  one.remove();
  one.remove();
  one.set(large);
  other.remove();
  const next = views.place('ada'); // in the same moment: not measured yet
  assert.deepEqual(news(), []);
  next.remove();
  assert.deepEqual(news(), [[{ trackId: 'ada', visible: false }]]);
});

test('who draws by itself says so, and takes it back', () => {
  const { views, news } = setUp();
  views.set('ada', { ...large, pinned: true });
  assert.deepEqual(news(), [[{ trackId: 'ada', ...large, pinned: true }]]);
  views.set('ada', null);
  assert.deepEqual(news(), [[{ trackId: 'ada', visible: true, pinned: true }]]);
  views.pin('ada', false);
  assert.deepEqual(news(), [[{ trackId: 'ada', visible: true }]]);
});

test('a new subscription is told everything anew, and so is a server that may have missed it', () => {
  const { views, link, news } = setUp();
  views.place('ada').set(large);
  const place = views.place('ben');
  place.set(hidden);
  news();
  views.renew('ada');
  views.renew('nobody');
  assert.deepEqual(news(), [[{ trackId: 'ada', ...large }]]);
  link.isUp = false;
  place.set({ visible: true });
  assert.deepEqual(news(), []);
  link.isUp = true;
  views.resend();
  // Also what is as the server takes it for: it may have been told otherwise.
  assert.deepEqual(news(), [[{ trackId: 'ada', ...large }, { trackId: 'ben', visible: true }]]);
});

test('when the server drops something for its rate, all is told again, once, in a while', () => {
  const { views, told } = setUp();
  views.place('ada').set(hidden);
  mock.timers.tick(150);
  for (let time = 0; time < 3; time += 1) views.resendLater();
  mock.timers.tick(1999);
  assert.equal(told.length, 1);
  mock.timers.tick(60000);
  assert.deepEqual(told, [[{ trackId: 'ada', visible: false }], [{ trackId: 'ada', visible: false }]]);
});

test('a message has at most 96 views, and of tracks that have ended none', () => {
  const { views, news } = setUp();
  const places = Array.from({ length: 100 }, (_, index) => views.place(`t${index}`));
  for (const place of places) place.set(hidden);
  views.drop('t0');
  assert.deepEqual(news().map(({ length }) => length), [96, 3]);
  places[0].set(large);
  views.close();
  places[1].set(large);
  assert.deepEqual(news(), []);
});
