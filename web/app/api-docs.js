/** The page `/api/docs`: the server's own description of its REST API, readable. */
import { curlOf, fieldsOf, groupByTag } from './api-model.js';
import { h } from './dom.js';

/** @typedef {import('./api-model.js').Operation} Operation */

const page = /** @type {HTMLElement} */ (document.getElementById('api'));

try {
  const response = await fetch('/api/openapi.json');
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  show(await response.json());
} catch (error) {
  page.replaceChildren(h('p', { class: 'problem', role: 'alert' }, `The description of the API could not be loaded: ${/** @type {Error} */ (error).message}`));
}

/** @param {any} description */
function show(description) {
  const groups = groupByTag(description);
  page.replaceChildren(
    h('header', {},
      h('h1', {}, description.info?.title ?? 'REST API'),
      h('p', { class: 'muted' }, `Version ${description.info?.version ?? '?'} · `, h('a', { href: '/api/openapi.json' }, 'openapi.json')),
      h('p', { class: 'lead' }, description.info?.description ?? '')),
    h('nav', { 'aria-label': 'Subjects' }, h('ul', {}, ...groups.map(({ tag }) => h('li', {}, h('a', { href: `#${slug(tag)}` }, tag))))),
    ...groups.map(({ tag, description: about, operations }) => h('section', { id: slug(tag), 'aria-label': tag },
      h('h2', {}, tag), about && h('p', { class: 'muted' }, about), ...operations.map((operation) => operationView(description, operation)))),
  );
}

/** @param {any} description @param {Operation} operation */
function operationView(description, operation) {
  const { method, path, summary, parameters, body, answers } = operation;
  return h('details', { class: 'operation', 'data-operation': `${method} ${path}` },
    h('summary', {}, h('span', { class: `method ${method.toLowerCase()}` }, method), h('span', { class: 'path' }, path), h('span', { class: 'summary' }, summary)),
    h('div', { class: 'inside' },
      operation.description && h('p', {}, operation.description),
      ...section('Parameters', parameters.length > 0 && table(['Name', 'In', 'Type', ''], parameters.map(({ name, in: where, type, required, description: about }) =>
        [h('code', {}, name), where, type, (required ? 'Required. ' : '') + about]))),
      ...section(body ? `Body: ${body.type}` : '', body && fieldTable(description, body.schema)),
      ...section('Answers', table(['Status', '', 'Type'], answers.map(({ status, description: about, type }) => [h('code', {}, status), about, type ?? '']))),
      ...answers.filter(({ status, schema }) => status.startsWith('2') && schema).flatMap(({ status, schema }) => section(`Fields of ${status}`, fieldTable(description, schema))),
      ...section('Example', h('pre', { tabindex: '0' }, curlOf(description, operation, location.origin)))));
}

/** @param {string} title @param {HTMLElement | false | null} content @returns {HTMLElement[]} */
function section(title, content) {
  return content ? [h('h3', {}, title), content] : [];
}

/** @param {any} description @param {any} schema */
function fieldTable(description, schema) {
  const fields = fieldsOf(description, schema);
  if (fields.length === 0) return null;
  return table(['Field', 'Type', ''], fields.map(({ name, type, required, description: about, depth }) =>
    [h('code', {}, `${'\u00a0\u00a0'.repeat(depth)}${name}`), type, (required ? 'Required. ' : '') + about]));
}

/** @param {string[]} head @param {(string | Node)[][]} rows */
function table(head, rows) {
  return h('table', {}, h('thead', {}, h('tr', {}, ...head.map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', {}, ...rows.map((cells) => h('tr', {}, ...cells.map((cell) => h('td', {}, cell))))));
}

/** @param {string} tag */
function slug(tag) {
  return `tag-${tag.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
}
