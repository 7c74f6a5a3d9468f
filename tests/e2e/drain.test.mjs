import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { always, eventually } from './harness/wait.mjs';

const LONG = { PARLOR_SHUTDOWN__DRAIN_SECONDS: '600' };
const SHORT = { PARLOR_SHUTDOWN__DRAIN_SECONDS: '2' };
const CUT_BY_BOUND = 3;
const BACK_WITHIN_MS = 20_000;

/** @typedef {import('./harness/participant.mjs').Participant} Participant */

scenario('a call lives on while the server drains, no new one begins, and the server ends with the last', async (scene) => {
  const { server } = scene;
  const empty = await server.createRoom();
  const [ada, ben] = [await scene.join('Ada'), await scene.join('Ben')];
  await ada.sees(ben);

  await always('the call is on', () => ada.ask(() => /** @type {any} */ (window).parlor.room.state === 'connected'), async () => {
    server.signal('SIGTERM');
    await ada.shows('.toast[data-text*="will restart soon"]');
    assert.deepEqual(await server.readiness(), { status: 503, ready: false, reasons: ['draining'] });
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);

    const dan = await scene.join('Dan', { roomId: empty, auto: false, query: { name: 'Dan', auto: '1' } });
    await dan.shows('[data-gate="draining"]');
    await dan.shows('[data-retry]');
    await dan.page.goto(server.url);
    await dan.press('[data-create-room]');
    await eventually('Dan reads why no room is created', async () => /about to be restarted/.test((await dan.textOf('.problem')) ?? ''));

    const cleo = await scene.join('Cleo');
    await Promise.all([cleo.sees(ada), ada.sees(cleo), ada.decodesMore(ben), ben.decodesMore(ada)]);
    await cleo.leave();
    await ben.leave();
    await eventually('Ada is alone', async () => (await ada.others()).length === 0);
  });
  await ada.leave();
  assert.equal(await server.ended(), 0);
}, { server: LONG });

scenario('when the time of a drain is over people are told, and come back by themselves to the restarted server', async (scene) => {
  const { server } = scene;
  const people = [await scene.join('Ada'), await scene.join('Ben')];
  const [ada, ben] = people;
  await ada.sees(ben);
  server.signal('SIGTERM');
  for (const person of people) await eventually(`${person.name} is told`, async () => (await person.received('server-draining')) === 1);
  assert.equal(await server.ended({ within: 15_000 }), CUT_BY_BOUND);
  for (const person of people) assert.equal(await person.received('room-left'), 1);

  await server.start();
  const deadline = performance.now() + BACK_WITHIN_MS;
  const left = () => ({ within: Math.max(0, deadline - performance.now()) });
  await Promise.all(people.map((person) => person.isIn(left())));
  await Promise.all([ada.sees(ben, left()), ben.sees(ada, left())]);
  await ada.hears(ben);
}, { server: SHORT });
