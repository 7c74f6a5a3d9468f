/** Small charts of the last minutes: one or two lines, the present value in words, the scale's top. */
import { h } from '../app/dom.js';
import { GAP_MS, SPAN_MS } from './history.js';

/** @typedef {import('./history.js').Point} Point */
/** @typedef {import('./history.js').Measure} Measure */
/** @typedef {{ measure: Measure, label: string, sign: string, look: 'up' | 'down' }} Line `label`: for who listens, `sign`: for who looks */

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 48;
/** What a chart shows at least, so that the first points are not a speck at its edge. */
const LEAST_SPAN_MS = 30_000;
/** So that a line at the top or bottom is drawn in full. */
const MARGIN = 2;

export class Chart {
  /**
   * @param {{ title: string, lines: Line[], format: (value: number | null) => string, least: number }} options
   * `least`: the scale's top, at least: what is below it is nothing to worry about, and must not look like it
   */
  constructor({ title, lines, format, least }) {
    this.title = title;
    this.lines = lines;
    this.format = format;
    this.least = least;
    this.svg = make('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', class: 'chart-lines' });
    this.paths = lines.map(({ look }) => make('path', { class: `line ${look}`, 'vector-effect': 'non-scaling-stroke' }));
    this.svg.append(make('path', { class: 'base', d: `M0 ${HEIGHT - MARGIN}H${WIDTH}`, 'vector-effect': 'non-scaling-stroke' }), ...this.paths);
    this.values = lines.map(({ label, sign, look }) => h('span', { class: `value ${lines.length > 1 ? look : ''}` }, sign && h('span', { 'aria-hidden': 'true' }, sign), label && h('span', { class: 'visually-hidden' }, label), h('span', { class: 'number' })));
    this.top = h('span', { class: 'top', 'aria-hidden': 'true' });
    this.element = h('figure', { class: 'chart', 'data-chart': lines[0]?.measure },
      h('figcaption', {}, h('span', { class: 'chart-title' }, title), h('span', { class: 'values' }, ...this.values)),
      h('div', { class: 'plot' }, this.svg, this.top));
  }

  /** @param {Point[]} points @param {number} now */
  update(points, now) {
    const top = scaleTop(points, this.lines.map(({ measure }) => measure), this.least);
    const span = Math.min(SPAN_MS, Math.max(LEAST_SPAN_MS, now - (points[0]?.at ?? now)));
    this.lines.forEach(({ measure }, index) => {
      this.paths[index]?.setAttribute('d', pathOf(points, measure, { now, span, top }));
      const number = this.values[index]?.querySelector('.number');
      if (number) number.textContent = this.format(points.at(-1)?.values[measure] ?? null);
    });
    this.top.textContent = this.format(top);
    this.svg.setAttribute('aria-label', this.#words(points));
  }

  /** @param {Point[]} points */
  #words(points) {
    const words = this.lines.map(({ measure, label }) => {
      const values = points.map(({ values }) => values[measure]).filter((value) => value !== null);
      const most = values.length > 0 ? Math.max(...values) : null;
      return `${label ? `${label}: ` : ''}now ${this.format(points.at(-1)?.values[measure] ?? null)}, at most ${this.format(most)}`;
    });
    return `${this.title} in the last minutes. ${words.join('; ')}`;
  }
}

/** A round number that no value is above. @param {Point[]} points @param {Measure[]} measures @param {number} least */
export function scaleTop(points, measures, least) {
  const values = points.flatMap(({ values }) => measures.map((measure) => values[measure] ?? 0));
  const most = Math.max(least, ...values);
  const magnitude = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * magnitude).find((step) => step >= most * 0.999_999) ?? most;
}

/**
 * The line of a measure: from the left, where the charts begin, to now at the right; broken where nothing is known.
 *
 * @param {Point[]} points @param {Measure} measure @param {{ now: number, span: number, top: number }} scale @returns {string} for the attribute `d`
 */
export function pathOf(points, measure, { now, span, top }) {
  let path = '';
  let previous = -Infinity;
  for (const { at, values } of points) {
    const value = values[measure];
    if (value === null) {
      previous = -Infinity;
      continue;
    }
    const x = Math.max(0, WIDTH * (1 - (now - at) / span));
    const y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * Math.min(1, value / top);
    path += `${at - previous > GAP_MS ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    previous = at;
  }
  return path;
}

/** @param {string} tag @param {Record<string, string>} attributes */
function make(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
