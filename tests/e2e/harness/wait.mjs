/** Waiting for conditions. Nothing in these tests sleeps for a fixed time: it asks again until the answer is right or time is up. */

const ASK_AGAIN_MS = 50;

/**
 * The first truthy value of `ask`.
 *
 * @template T
 * @param {string} what is waited for, as it is to be read after “never happened:”
 * @param {() => T | Promise<T>} ask
 * @param {{ within?: number }} [options] milliseconds
 * @returns {Promise<T>}
 */
export async function eventually(what, ask, { within = 15_000 } = {}) {
  const deadline = performance.now() + within;
  let last;
  do {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error; // pages navigate and connections break while they are asked: only the last answer counts
    }
    await pause(ASK_AGAIN_MS);
  } while (performance.now() < deadline);
  throw new Error(`never happened within ${within} ms: ${what} (last answer: ${describe(last)})`);
}

/**
 * Holds if `ask` stays truthy for as long as `during` runs; it is asked all the time, at least once before and once after.
 *
 * @template T
 * @param {string} what
 * @param {() => unknown} ask
 * @param {() => Promise<T>} during
 * @returns {Promise<T>}
 */
export async function always(what, ask, during) {
  const check = async () => {
    if (!(await ask())) throw new Error(`did not stay true: ${what}`);
  };
  await check();
  let running = true;
  const watch = (async () => {
    while (running) {
      await check();
      await pause(ASK_AGAIN_MS);
    }
  })();
  watch.catch(() => {}); // awaited below; until then a failure must not end the process
  try {
    return await during();
  } finally {
    running = false;
    await watch;
    await check();
  }
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {unknown} value */
function describe(value) {
  return value instanceof Error ? value.message : JSON.stringify(value);
}
