/** Asks again and again: a while after each answer, and not while nobody looks. */

export const EVERY_MS = 2_000;

/**
 * @param {(signal: AbortSignal) => Promise<void>} task says nothing of failures to this
 * @returns {{ now: () => void, stop: () => void }} `now`: asks at once, and forgets what is under way
 */
export function poll(task) {
  let timer = 0;
  let running = new AbortController();
  const run = async () => {
    clearTimeout(timer);
    running.abort();
    const controller = running = new AbortController();
    if (!document.hidden) await task(controller.signal).catch((error) => console.error(error));
    if (!controller.signal.aborted) timer = window.setTimeout(run, EVERY_MS);
  };
  const onVisible = () => {
    if (!document.hidden) run();
  };
  document.addEventListener('visibilitychange', onVisible);
  run();
  return {
    now: run,
    stop: () => {
      clearTimeout(timer);
      running.abort();
      document.removeEventListener('visibilitychange', onVisible);
    },
  };
}
