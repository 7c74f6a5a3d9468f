/** A real Prometheus looks at a server under a call: every panel of the dashboard has something to show, and every rule can be evaluated. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '../api/client.mjs';
import { panelQueries, filled } from '../deploy/promql.mjs';
import { run } from '../deploy/files.mjs';
import { ROOT } from './harness/paths.mjs';
import { scenario } from './harness/scenario.mjs';
import { freePort } from './harness/server.mjs';
import { eventually } from './harness/wait.mjs';

/** What rates look at: many scrapes, one a second here. */
const RATE_INTERVAL = '1m';
/** Until rates over the call have numbers, and percentiles of what happens now and then. */
const WITHIN_MS = 60_000;

scenario('Prometheus scrapes a call, and the dashboard shows it', async (scene) => {
  const prometheus = await Prometheus.start(new URL(scene.server.url).host);
  try {
    // Prometheus sees the counters move: what happened before its first look has no rate.
    const ada = await scene.host('Ada', { history: 'keep' });
    const ben = await scene.join('Ben');
    await ada.sees(ben);
    await ben.sees(ada);
    await ada.say('Does it show?');
    await refusal(scene.server.url);

    const { status, output } = run('promtool', ['check', 'metrics'], {}, await (await fetch(`${scene.server.url}/metrics`)).text());
    assert.deepEqual([status, output], [0, ''], 'promtool has nothing to say');
    await prometheus.showsAll(panelQueries());
    for (const { name, health, lastError, state } of await prometheus.rules()) {
      assert.equal(health, 'ok', `${name}: ${lastError}`);
      assert.notEqual(state, 'firing', `${name} in a call in which all is well`);
    }
  } finally {
    await prometheus.close();
  }
});

/** Makes the server tell an error to a client. @param {string} url */
async function refusal(url) {
  const stranger = new Client(url);
  await stranger.receives('hello');
  stranger.send({ type: 'join-room', roomId: 'no-such-room', displayName: 'Eve' });
  await eventually('an error comes', () => stranger.received.some((message) => message.type === 'error'));
  stranger.close();
}

/** The system's Prometheus with the project's configuration, but for the address of the server and the time between scrapes. */
class Prometheus {
  /** @param {string} folder @param {string} url @param {import('node:child_process').ChildProcess} child */
  constructor(folder, url, child) {
    this.folder = folder;
    this.url = url;
    this.child = child;
  }

  /** @param {string} target @returns {Promise<Prometheus>} */
  static async start(target) {
    const folder = await mkdtemp(join(tmpdir(), 'parlor-prometheus-'));
    await cp(join(ROOT, 'docker', 'prometheus'), folder, { recursive: true });
    const config = await readFile(join(folder, 'prometheus.yml'), 'utf8');
    await writeFile(join(folder, 'prometheus.yml'), config.replaceAll('15s', '1s').replace('parlor:9464', target));
    const port = await freePort();
    const child = spawn('prometheus', [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'], { stdio: ['ignore', 'inherit', 'inherit'] });
    process.once('exit', () => child.kill('SIGKILL'));
    const prometheus = new Prometheus(folder, `http://127.0.0.1:${port}`, child);
    await eventually('the server is up for Prometheus', async () => (await prometheus.query('up{job="parlor"}')).includes(1), { within: 30_000 });
    return prometheus;
  }

  /** The numbers that a query has now. @param {string} query @returns {Promise<number[]>} */
  async query(query) {
    const answer = await (await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query })}`)).json();
    if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`);
    return answer.data.result.map((/** @type {any} */ sample) => Number(sample.value[1]));
  }

  /** Each query has a number at some time. @param {{ panel: string, expr: string }[]} queries */
  async showsAll(queries) {
    let missing = queries;
    await eventually('every panel shows something', async () => {
      const answers = await Promise.all(missing.map(({ expr }) => this.query(filled(expr, RATE_INTERVAL))));
      missing = missing.filter((_, i) => !answers[i].some(Number.isFinite));
      if (missing.length > 0) throw new Error(missing.map(({ panel, expr }) => `“${panel}” lacks ${expr}`).join('\n'));
      return true;
    }, { within: WITHIN_MS });
  }

  /** Every rule, once all of them have been evaluated. @returns {Promise<any[]>} */
  async rules() {
    return eventually('the rules have been evaluated', async () => {
      const { data } = await (await fetch(`${this.url}/api/v1/rules`)).json();
      const rules = data.groups.flatMap((/** @type {any} */ group) => group.rules);
      return rules.every((/** @type {any} */ rule) => rule.health !== 'unknown') && rules;
    });
  }

  async close() {
    this.child.kill('SIGKILL');
    await eventually('Prometheus is gone', () => this.child.signalCode !== null);
    await rm(this.folder, { recursive: true, force: true });
  }
}
