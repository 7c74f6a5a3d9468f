import assert from 'node:assert/strict';
import { scenario } from './harness/scenario.mjs';

scenario('the REST API has a page that anybody can read', async (scene) => {
  const reader = await scene.join('Reader', { auto: false });
  await reader.page.goto(`${scene.server.url}/api/docs`);
  await reader.shows('[data-operation="POST /api/rooms"]');
  await reader.press('[data-operation="POST /api/rooms"] summary');
  assert.match((await reader.textOf('[data-operation="POST /api/rooms"] pre')) ?? '', /^curl -X POST 'http.*\/api\/rooms'/);
  const { paths } = await (await fetch(`${scene.server.url}/api/openapi.json`)).json();
  const described = Object.entries(paths).flatMap(([path, item]) => Object.keys(/** @type {object} */ (item)).filter((key) => /^(get|post|put|patch|delete)$/.test(key)).map((method) => `${method.toUpperCase()} ${path}`));
  const shown = await reader.ask(() => [...document.querySelectorAll('[data-operation]')].map((element) => element.getAttribute('data-operation')));
  assert.deepEqual([...shown].sort(), described.sort());
});
