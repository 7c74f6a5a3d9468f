/**
 * What the page of the REST API shows, made from the OpenAPI document: operations by tag, schemas as short texts, example calls.
 * No DOM here.
 */

/** @typedef {Record<string, any>} Schema */
/**
 * @typedef {object} Operation
 * @property {string} method upper case
 * @property {string} path
 * @property {string} summary
 * @property {string} description
 * @property {{ name: string, in: string, type: string, required: boolean, description: string }[]} parameters
 * @property {{ type: string, schema: Schema | null } | null} body
 * @property {{ status: string, description: string, type: string | null, schema: Schema | null }[]} answers
 * @property {boolean} secured
 */

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
/** How deep schemas are followed; they may contain themselves. */
const MAX_DEPTH = 6;

/** @param {any} document @returns {{ tag: string, description: string, operations: Operation[] }[]} in the order of the document's tags */
export function groupByTag(document) {
  /** @type {Map<string, { tag: string, description: string, operations: Operation[] }>} */
  const groups = new Map((document.tags ?? []).map((/** @type {any} */ { name, description = '' }) => [name, { tag: name, description, operations: [] }]));
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS) {
      const described = /** @type {any} */ (item)[method];
      if (!described) continue;
      const tag = described.tags?.[0] ?? 'other';
      if (!groups.has(tag)) groups.set(tag, { tag, description: '', operations: [] });
      groups.get(tag)?.operations.push(operationOf(document, path, method, described, /** @type {any} */ (item).parameters ?? []));
    }
  }
  return [...groups.values()].filter(({ operations }) => operations.length > 0);
}

/** @param {any} document @param {string} path @param {string} method @param {any} described @param {any[]} shared @returns {Operation} */
function operationOf(document, path, method, described, shared) {
  const parameters = [...shared, ...(described.parameters ?? [])].map((given) => {
    const parameter = resolve(document, given);
    return { name: parameter.name, in: parameter.in, type: typeText(document, parameter.schema ?? {}), required: parameter.required === true, description: parameter.description ?? '' };
  });
  const answers = Object.entries(described.responses ?? {}).map(([status, given]) => {
    const answer = resolve(document, given);
    return { status, description: answer.description ?? '', ...contentOf(answer) };
  });
  const body = described.requestBody ? contentOf(resolve(document, described.requestBody)) : null;
  return {
    method: method.toUpperCase(), path, parameters, answers,
    summary: described.summary ?? '',
    description: described.description ?? '',
    body: body?.type ? { type: body.type, schema: body.schema } : null,
    secured: (described.security ?? document.security ?? []).length > 0,
  };
}

/** @param {any} holder @returns {{ type: string | null, schema: Schema | null }} */
function contentOf(holder) {
  const [type, content] = Object.entries(holder.content ?? {})[0] ?? [null, null];
  return { type, schema: /** @type {any} */ (content)?.schema ?? null };
}

/** Follows references within the document. @param {any} document @param {any} value @returns {any} */
export function resolve(document, value) {
  let at = value;
  for (let hops = 0; at && typeof at.$ref === 'string' && hops < MAX_DEPTH; hops += 1) {
    if (!at.$ref.startsWith('#/')) return {};
    at = at.$ref.slice(2).split('/').reduce(
      (/** @type {any} */ node, /** @type {string} */ key) => (node && Object.hasOwn(node, unescape(key)) ? node[unescape(key)] : undefined), document);
  }
  return at ?? {};
}

/** @param {string} key of a JSON pointer */
function unescape(key) {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** A schema in a word or two: `string`, `integer or null`, `array of File`. @param {any} document @param {Schema} given @returns {string} */
export function typeText(document, given) {
  const name = given.$ref?.split('/').pop();
  const schema = resolve(document, given);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ value) => JSON.stringify(value)).join(' | ');
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((/** @type {Schema} */ choice) => typeText(document, choice)).join(' or ');
  if (name) return name;
  if (schema.type === 'array') return `array of ${typeText(document, schema.items ?? {})}`;
  const types = [schema.type ?? (schema.properties ? 'object' : 'any')].flat();
  const format = schema.format ? ` (${schema.format})` : '';
  return types.join(' or ') + format;
}

/**
 * The fields of an object as lines, nested ones below.
 *
 * @param {any} document @param {Schema | null} given @returns {{ name: string, type: string, required: boolean, description: string, depth: number }[]}
 */
export function fieldsOf(document, given, depth = 0) {
  if (!given || depth > MAX_DEPTH) return [];
  const schema = resolve(document, given);
  const parts = [schema, ...(schema.allOf ?? []).map((/** @type {Schema} */ part) => resolve(document, part))];
  return parts.flatMap(({ properties = {}, required = [] }) => Object.entries(properties).flatMap(([name, field]) => {
    const described = /** @type {Schema} */ (field);
    const resolved = resolve(document, described);
    const inner = resolved.type === 'array' ? resolved.items : [resolved.oneOf, resolved.anyOf].flat().find((/** @type {any} */ choice) => choice?.$ref) ?? described;
    const line = { name, type: typeText(document, described), required: required.includes(name), description: described.description ?? resolved.description ?? '', depth };
    return [line, ...fieldsOf(document, inner ?? null, depth + 1)];
  }));
}

/** An example of a schema. @param {any} document @param {Schema | null} given @returns {unknown} */
export function exampleOf(document, given, depth = 0) {
  const schema = resolve(document, given ?? {});
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.default !== undefined) return schema.default;
  if (depth > MAX_DEPTH) return null;
  const choice = (schema.oneOf ?? schema.anyOf)?.find((/** @type {Schema} */ { type }) => type !== 'null');
  if (choice) return exampleOf(document, choice, depth + 1);
  const type = [schema.type].flat().find((name) => name !== 'null');
  if (type === 'string') return schema.format === 'date-time' ? '2026-01-01T12:00:00Z' : 'text';
  if (type === 'integer' || type === 'number') return schema.minimum ?? 1;
  if (type === 'boolean') return true;
  if (type === 'array') return [exampleOf(document, schema.items ?? null, depth + 1)];
  const parts = [schema, ...(schema.allOf ?? []).map((/** @type {Schema} */ part) => resolve(document, part))];
  const required = parts.flatMap(({ properties = {}, required: names }) => Object.entries(properties).filter(([name]) => (names ?? []).includes(name)));
  const shown = required.length > 0 ? required : parts.flatMap(({ properties = {} }) => Object.entries(properties)).slice(0, 2);
  return Object.fromEntries(shown.map(([name, field]) => [name, exampleOf(document, /** @type {Schema} */ (field), depth + 1)]));
}

/** A call to try. @param {any} document @param {Operation} operation @param {string} origin @returns {string} */
export function curlOf(document, { method, path, parameters, body, secured }, origin) {
  const query = parameters.filter((parameter) => parameter.in === 'query' && parameter.required).map(({ name }) => `${name}=value`);
  const address = origin + path + (query.length > 0 ? `?${query.join('&')}` : '');
  const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}'${address}'`];
  if (secured) lines.push("-H 'Authorization: Bearer TOKEN'");
  if (body?.type === 'application/json') {
    lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(exampleOf(document, body.schema)).replaceAll("'", "'\\''")}'`);
  } else if (body) {
    lines.push("-H 'Content-Type: application/octet-stream'", '--data-binary @FILE');
  }
  return lines.join(' \\\n  ');
}
