import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { always, eventually } from './harness/wait.mjs';

/** The shard that panics at SIGUSR2. The first room lands on it, since rooms go to the least loaded shard. */
const SHARD = 0;
const OTHER = 1;
const BACK_WITHIN_MS = 20_000;

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

scenario('a shard that panics takes its own calls only, and their people come back by themselves', async (scene) => {
  const { server } = scene;
  const [ada, ben] = [await scene.join('Ada'), await scene.join('Ben')];
  const roomId = await server.createRoom();
  const [cleo, dan] = [await scene.join('Cleo', { roomId }), await scene.join('Dan', { roomId })];
  await Promise.all([ada.sees(ben), ben.sees(ada), cleo.sees(dan), dan.sees(cleo)]);
  for (const shard of [SHARD, OTHER]) {
    await eventually(`shard ${shard} has a call`, async () => (await server.metric(`parlor_shard_participants{shard="${shard}"}`)) === 2);
  }
  const before = { struck: await trail(ada, ben), spared: await Promise.all([trail(cleo, dan), trail(dan, cleo)]) };

  await always('the server is alive', async () => (await fetch(`${server.url}/healthz`)).status === 200, async () => {
    server.signal('SIGUSR2');
    await eventually('the panic is counted', async () => (await restarts(server, SHARD)) === 1);
    await Promise.all([cleo.decodesMore(dan, 30), dan.decodesMore(cleo, 30)]);
    await eventually('Ada comes back as somebody else', async () => (await trail(ada, ben)).participantId !== before.struck.participantId, { within: BACK_WITHIN_MS });
    await Promise.all([ada.isIn({ within: BACK_WITHIN_MS }), ben.isIn({ within: BACK_WITHIN_MS })]);
    await Promise.all([ada.sees(ben, { within: BACK_WITHIN_MS }), ben.sees(ada, { within: BACK_WITHIN_MS })]);
  });
  assert.deepEqual(await Promise.all([trail(cleo, dan), trail(dan, cleo)]), before.spared, 'the other call has noticed nothing');
  assert.deepEqual([await restarts(server, SHARD), await restarts(server, OTHER)], [1, 0]);
  assert.equal((await server.readiness()).status, 200);
}, { server: { PARLOR_TEST_PANIC_SHARD: String(SHARD) } });

/** What a call that nothing happens to keeps. @param {Participant} person @param {Participant} other */
async function trail(person, other) {
  const inbound = await person.inbound(other);
  const own = await person.ask(() => {
    const page = /** @type {any} */ (window);
    const { room } = page.parlor;
    if (!page.firstConnection) {
      page.firstConnection = room.media.pc;
      page.interruptions = [];
      room.on('state', (/** @type {{ state: string }} */ { state }) => page.interruptions.push(state));
    }
    return {
      participantId: room.localParticipant.participantId,
      sameConnection: room.media?.pc === page.firstConnection,
      interruptions: page.interruptions,
      sockets: page.wiretap.sockets.length,
    };
  });
  return { ...own, ssrc: inbound?.ssrc, packetsLost: inbound?.packetsLost };
}

/** @param {import('./harness/server.mjs').Server} server @param {number} shard */
function restarts(server, shard) {
  return server.metric(`parlor_shard_restarts_total{shard="${shard}"}`);
}
