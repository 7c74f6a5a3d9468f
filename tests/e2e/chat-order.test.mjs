import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';
import { eventually } from './harness/wait.mjs';

const ROUNDS = 8;

scenario('three people who write at the same time read everything in one order', async (scene) => {
  const people = [await scene.join('Ada'), await scene.join('Ben'), await scene.join('Cleo')];
  const said = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    await Promise.all(people.map((person) => {
      said.push(`${person.name} ${round}`);
      return person.say(`${person.name} ${round}`);
    }));
  }
  for (const person of people) {
    await eventually(`${person.name} has read everything`, async () => (await person.heardTexts()).length >= said.length);
  }
  const [order, ...orders] = await Promise.all(people.map((person) => person.heardTexts()));
  assert.deepEqual([...order].sort(), [...said].sort(), 'every message came exactly once');
  for (const other of orders) assert.deepEqual(other, order);
  for (const person of people) {
    const own = order.filter((text) => text.startsWith(person.name));
    assert.deepEqual(own, [...own].sort(), `what ${person.name} wrote stays in the order of writing`);
    assert.deepEqual(await person.shownTexts(), order, `${person.name}'s page shows that order`);
  }
});
