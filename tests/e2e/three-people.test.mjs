import { scenario } from './harness/scenario.mjs';

scenario('three people see and hear one another, each in the right tile', async (scene) => {
  const people = [await scene.join('Ada'), await scene.join('Ben'), await scene.join('Cleo')];
  for (const person of people) {
    for (const other of people.filter((candidate) => candidate !== person)) {
      await person.sees(other);
      await person.hears(other);
    }
  }
  // Pictures keep moving, now that everything has settled.
  for (const person of people) {
    for (const other of people.filter((candidate) => candidate !== person)) await person.seesMoving(other, { within: 3_000 });
  }
});
