import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';

for (const codec of ['VP8', 'VP9', 'H264', 'AV1']) {
  scenario(`video in ${codec} is decoded by another browser`, async (scene) => {
    const ada = await scene.join('Ada', { query: { codec: codec.toLowerCase() } });
    const ben = await scene.join('Ben', { query: { cam: '0' } });
    await ben.sees(ada);
    const { codec: decoded, framesDecoded } = await ben.inbound(ada);
    assert.equal(decoded, `video/${codec}`);
    assert.ok(framesDecoded > 0);
    await ben.decodesMore(ada, 15);
  });
}
