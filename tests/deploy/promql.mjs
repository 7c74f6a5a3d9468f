/** The expressions of the dashboard, the alerts and the recording rules, and the metrics that they name. */
import { read, yaml } from './files.mjs';

export const DASHBOARD = JSON.parse(read('docker/grafana/parlor.json'));

/** Every query of the dashboard, with what it belongs to. @returns {{ panel: string, expr: string }[]} */
export function dashboardQueries() {
  const annotations = DASHBOARD.annotations.list.map((/** @type {any} */ { name, expr }) => ({ panel: name, expr }));
  return [...panelQueries(), ...annotations];
}

/** Those of the panels. @returns {{ panel: string, expr: string }[]} */
export function panelQueries() {
  return DASHBOARD.panels.flatMap((/** @type {any} */ panel) => (panel.targets ?? []).map((/** @type {any} */ target) => ({ panel: panel.title, expr: target.expr })));
}

/** @returns {any[]} */
export function rules() {
  return ['recording', 'alerts'].flatMap((file) => yaml(read(`docker/prometheus/${file}.yml`)).groups.flatMap((/** @type {any} */ group) => group.rules));
}

/** The names of what docs/metrics.md describes, as expressions may use them: a histogram's has its parts too. @returns {Set<string>} */
export function catalogue() {
  const names = new Set();
  for (const [, name] of read('docs/metrics.md').matchAll(/^\|?\s*`((?:parlor|process)_\w+)`/gm)) {
    for (const part of ['', '_bucket', '_sum', '_count']) names.add(name + part);
  }
  if (names.size === 0) throw new Error('docs/metrics.md describes no metric in a form that is known here');
  return names;
}

/** @param {string} expr @returns {string[]} what it reads */
export function metricsIn(expr) {
  return [...new Set(expr.replace(/"(?:[^"\\]|\\.)*"/g, '').match(/(?<![\w:])(?:[a-z]+:)?(?:parlor|process)_\w+(?::\w+)*/g) ?? [])];
}

/** The query as Grafana would send it. @param {string} expr @param {string} interval that rates look at */
export function filled(expr, interval) {
  return expr.replaceAll('$__rate_interval', interval).replaceAll('$instance', '.*');
}
