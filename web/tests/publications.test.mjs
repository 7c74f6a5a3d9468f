import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodingsOf, preferCodec, profileOf, Publication, withoutLayers } from '../sdk/publications.js';

const track = (kind, width, height) => ({ kind, enabled: true, getSettings: () => ({ width, height }) });
const publication = (width, height, options) => new Publication(track('video', width, height), options, () => {});

test('a large camera is sent in three sizes, a smaller one in two, everything else in one', () => {
  const rids = (width, height, options) => encodingsOf(publication(width, height, options)).map(({ rid }) => rid);
  const camera = { source: 'camera' };
  assert.deepEqual(rids(1280, 720, camera), ['q', 'h', 'f']);
  assert.deepEqual(rids(540, 960, camera), ['q', 'h', 'f']); // a phone held upright
  assert.deepEqual(rids(640, 480, camera), ['h', 'f']);
  assert.deepEqual(rids(320, 180, camera), [undefined]);
  assert.deepEqual(rids(1280, 720, { ...camera, simulcast: false }), [undefined]);
  assert.deepEqual(rids(640, 480, { ...camera, simulcast: true }), ['q', 'h', 'f']);
  assert.deepEqual(rids(1280, 720, { ...camera, codec: 'vp9' }), [undefined]);
  assert.deepEqual(rids(1280, 720, { ...camera, codec: 'h264' }), ['q', 'h', 'f']);
  assert.deepEqual(rids(1920, 1080, { source: 'screen', simulcast: true }), [undefined]);
  assert.equal(profileOf('audio', { source: 'microphone' }, { width: 0, height: 0 }), 'audio');
});

test('sizes halve, and bitrates fall with them; a shared screen keeps its size', () => {
  const encodings = encodingsOf(publication(1280, 720, { source: 'camera' }));
  assert.deepEqual(encodings.map(({ scaleResolutionDownBy }) => scaleResolutionDownBy), [4, 2, 1]);
  const bitrates = encodings.map(({ maxBitrate }) => maxBitrate);
  assert.deepEqual(bitrates, [150000, 500000, 1500000]);
  assert.deepEqual(encodingsOf(publication(640, 360, { source: 'camera' })), [
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 176777 }, { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 530330 },
  ]);
  const [screen] = encodingsOf(publication(2560, 1440, { source: 'screen' }));
  assert.deepEqual(screen, { maxBitrate: 2500000, maxFramerate: 15 });
  assert.equal(encodingsOf(publication(1280, 720, { source: 'camera', maxBitrate: 800000 }))[2].maxBitrate, 800000);
});

test('VP9 and AV1 carry sizes and frame rates in one stream, a shared screen frame rates alone', () => {
  const modes = (width, height, options) => encodingsOf(publication(width, height, options)).map(({ scalabilityMode }) => scalabilityMode);
  const camera = { source: 'camera', codec: 'vp9' };
  assert.deepEqual(encodingsOf(publication(1280, 720, camera)), [{ maxBitrate: 1500000, scalabilityMode: 'L3T3_KEY' }]);
  assert.deepEqual(modes(320, 180, camera), ['L3T3_KEY']);
  assert.deepEqual(modes(1280, 720, { ...camera, simulcast: true }), ['L1T1', 'L1T1', 'L1T1']);
  assert.deepEqual(modes(1280, 720, { ...camera, codec: 'av1' }), ['L3T3_KEY']);
  assert.deepEqual(modes(1280, 720, { ...camera, codec: 'av1', simulcast: true }), ['L1T1', 'L1T1', 'L1T1']);
  assert.deepEqual(modes(1280, 720, { ...camera, codec: 'vp8', simulcast: false }), [undefined]);
  assert.deepEqual(modes(1920, 1080, { source: 'screen', codec: 'vp9' }), ['L1T3']);
  assert.deepEqual(modes(1920, 1080, { source: 'screen', codec: 'av1' }), ['L1T3']);
  assert.deepEqual(modes(1920, 1080, { source: 'screen' }), [undefined]);
  const profiles = [camera, { source: 'screen', codec: 'vp9' }, { source: 'screen' }].map((options) => profileOf('video', options, { width: 1280, height: 720 }));
  assert.deepEqual(profiles, ['layers', 'rates', 'video'], 'm-lines of one are not reused by another');
  assert.deepEqual(withoutLayers(encodingsOf(publication(1280, 720, camera))), [{ maxBitrate: 1500000 }]);
});

test('a preferred codec comes first and takes none away', () => {
  const codecs = ['video/VP8', 'video/rtx', 'video/VP9', 'video/H264', 'video/AV1'].map((mimeType) => ({ mimeType }));
  assert.deepEqual(preferCodec(codecs, 'vp9').map(({ mimeType }) => mimeType), ['video/VP9', 'video/VP8', 'video/rtx', 'video/H264', 'video/AV1']);
  assert.deepEqual(preferCodec(codecs, 'h265'), codecs);
});

test('muting is told once per change and holds for a replaced track', async () => {
  const told = [];
  const microphone = new Publication(track('audio'), { source: 'microphone' }, ({ muted }) => told.push(muted));
  microphone.setMuted(true);
  microphone.setMuted(true);
  const other = track('audio');
  await microphone.replaceTrack(other);
  assert.equal(other.enabled, false);
  microphone.setMuted(false);
  assert.equal(other.enabled, true);
  assert.deepEqual(told, [true, false]);
  await assert.rejects(microphone.replaceTrack(track('video')), TypeError);
});
