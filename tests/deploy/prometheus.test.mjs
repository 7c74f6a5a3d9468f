/** What Prometheus and Grafana are given: it is well-formed, every alert fires when it should, and nothing is asked for that no server tells. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DOCKER, read, run, yaml } from './files.mjs';
import { DASHBOARD, catalogue, dashboardQueries, metricsIn, rules } from './promql.mjs';

const FOLDER = join(DOCKER, 'prometheus');

/** @param {string[]} args */
function promtool(...args) {
  const { status, output } = run('promtool', args);
  assert.equal(status, 0, output);
  return output;
}

test('promtool takes the configuration and the rules', () => {
  promtool('check', 'config', join(FOLDER, 'prometheus.yml'));
  for (const file of readdirSync(FOLDER).filter((name) => name !== 'prometheus.yml')) promtool('check', 'rules', '--lint-fatal', join(FOLDER, file));
});

test('alerts fire when they should, and not when they should not', () => {
  promtool('test', 'rules', 'tests/deploy/rules.yml');
});

test('every alert is tested both ways, and tells what to do', () => {
  const tests = yaml(read('tests/deploy/rules.yml')).tests.flatMap((/** @type {any} */ one) => one.alert_rule_test);
  for (const { alert, annotations, labels } of rules().filter((rule) => rule.alert)) {
    const expected = tests.filter((/** @type {any} */ one) => one.alertname === alert).map((/** @type {any} */ one) => (one.exp_alerts ?? []).length > 0);
    assert.ok(expected.includes(true) && expected.includes(false), `${alert}: ${expected}`);
    assert.match(annotations.summary, /\{\{ \$labels\.instance \}\}/, alert);
    assert.ok(annotations.description.length > 40, alert);
    assert.ok(['page', 'ticket'].includes(labels.severity), alert);
  }
});

test('docs/deployment.md lists the alerts', () => {
  const listed = [...read('docs/deployment.md').matchAll(/^\| `(Parlor\w+)` \| (\w+) \|/gm)].map(([, alert, severity]) => [alert, severity]);
  assert.deepEqual(listed, rules().filter((rule) => rule.alert).map(({ alert, labels }) => [alert, labels.severity]));
});

test('whatever is asked for is in the catalogue or recorded', () => {
  const known = catalogue();
  const recorded = new Set(rules().flatMap(({ record }) => (record ? [record] : [])));
  const expressions = [...dashboardQueries(), ...rules().map(({ alert, record, expr }) => ({ panel: alert ?? record, expr }))];
  for (const { panel, expr } of expressions) {
    for (const name of metricsIn(expr)) assert.ok(known.has(name) || recorded.has(name), `${panel}: ${name} of ${expr}`);
  }
  assert.deepEqual(metricsIn('rate(parlor_a_bucket{x="parlor_b"}[1m]) / server:parlor_c:rate5m'), ['parlor_a_bucket', 'server:parlor_c:rate5m']);
});

test('panels have their own places, a description and a unit', () => {
  const panels = DASHBOARD.panels.filter((/** @type {any} */ panel) => panel.type !== 'row');
  assert.equal(new Set(DASHBOARD.panels.map((/** @type {any} */ panel) => panel.id)).size, DASHBOARD.panels.length);
  assert.equal(new Set(panels.map((/** @type {any} */ panel) => panel.title)).size, panels.length);
  const cells = new Set();
  for (const { title, description, fieldConfig, gridPos: { x, y, w, h } } of panels) {
    assert.ok(description.endsWith('.') && fieldConfig.defaults.unit, title);
    assert.ok(x + w <= 24, title);
    for (let cell = 0; cell < w * h; cell += 1) {
      const at = `${x + (cell % w)},${y + Math.floor(cell / w)}`;
      assert.ok(!cells.has(at), `${title} overlaps at ${at}`);
      cells.add(at);
    }
  }
});
