/**
 * Building DOM nodes. Text always becomes a text node: nothing here, nor anywhere in the app, parses markup.
 */
import { ICONS } from './icons.js';

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * `h('button', { class: 'primary', onclick, 'aria-label': 'Leave' }, icon('leave'))`. Functions become listeners, `true` a bare
 * attribute; `false`, `null` and `undefined` are left out.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => /** @type {Node | string} */ (child)));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A line icon in the colour of the text around it. @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = {
    viewBox: '0 0 24 24', class: 'icon', fill: 'none', stroke: 'currentColor',
    'stroke-width': '1.8', 'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true',
  };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** Replaces the icon inside a button, if it is another one. @param {Element} holder @param {keyof typeof ICONS} name */
export function setIcon(holder, name) {
  if (holder.getAttribute('data-icon') === name) return;
  holder.setAttribute('data-icon', name);
  const fresh = icon(name);
  const old = holder.querySelector('svg');
  if (old) old.replaceWith(fresh);
  else holder.prepend(fresh);
}

/** Reads out a change to people who use a screen reader. @param {string} text */
export function announce(text) {
  const announcer = document.getElementById('announcer');
  if (announcer) announcer.textContent = text;
}
