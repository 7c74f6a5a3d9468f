/** What happened in a call, as SVG: one panel below another, the seconds from left to right, and each way a line. */
const WIDTH = 720;
const FRAME = { left: 72, right: 24, top: 60, bottom: 40 };
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';
const PANEL = { height: 84, gap: 34 };
/** One for each way, in their order. */
const COLORS = ['#2563eb', '#ea580c', '#16a34a'];

/** @typedef {{ label: string, values: number[] }} Line a value for each second */
/**
 * `limit` is what the link can carry, drawn where the panel has room.
 *
 * @typedef {{ title: string, lines: Line[], limit?: number[] }} Panel
 */

/** @param {{ title: string, ways: string[], panels: Panel[] }} picture */
export function timeline({ title, ways, panels }) {
  const height = FRAME.top + panels.length * (PANEL.height + PANEL.gap) - PANEL.gap + FRAME.bottom;
  const seconds = Math.max(...panels.flatMap(({ lines }) => lines.map(({ values }) => values.length)));
  const x = (second) => FRAME.left + (second / seconds) * (WIDTH - FRAME.left - FRAME.right);
  const tick = [1, 2, 5, 10, 20, 60].find((step) => seconds / step <= 12) ?? 120;
  const ticks = Array.from({ length: Math.floor(seconds / tick) + 1 }, (_, index) => index * tick);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ${FONT}>`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(WIDTH / 2, 22, title, 'middle', ' font-weight="600"'),
    ...ways.map((way, index) => {
      const left = FRAME.left + index * 130;
      const line = `<line x1="${left}" x2="${left + 22}" y1="38" y2="38" stroke="${COLORS[index]}" stroke-width="2"/>`;
      return line + text(left + 28, 42, way, 'start');
    }),
    ...panels.map((panel, index) => drawPanel(panel, FRAME.top + index * (PANEL.height + PANEL.gap), x)),
    ...ticks.map((second) => text(x(second), height - FRAME.bottom + 18, String(second), 'middle')),
    text((FRAME.left + WIDTH - FRAME.right) / 2, height - 6, 'seconds since the receiver came in', 'middle'),
    '</svg>\n',
  ].join('\n');
}

/** @param {Panel} panel @param {number} top @param {(second: number) => number} x */
function drawPanel({ title, lines, limit = [] }, top, x) {
  const bottom = top + PANEL.height;
  const most = ceiling(Math.max(...lines.flatMap(({ values }) => values), 0));
  const y = (value) => bottom - (Math.min(value, most) / most) * (PANEL.height - 18);
  const grid = [0, most / 2, most].map((value) => {
    const high = at(y(value));
    const line = `<line x1="${FRAME.left}" x2="${WIDTH - FRAME.right}" y1="${high}" y2="${high}" stroke="#ddd"/>`;
    return line + text(FRAME.left - 8, y(value) + 4, String(Number(value.toPrecision(3))), 'end');
  });
  return [
    text(FRAME.left, top + 8, title, 'start', ' font-size="11"'),
    ...grid,
    steps(limit, x, y, most, 'stroke="#888" stroke-dasharray="4 3"'),
    ...lines.map(({ values }, index) => steps(values, x, y, Infinity, `stroke="${COLORS[index]}" stroke-width="1.6"`)),
  ].join('\n');
}

/**
 * Each value holds for its second. What is above the panel is left out.
 *
 * @param {number[]} values
 * @param {(second: number) => number} x
 * @param {(value: number) => number} y
 * @param {number} most
 * @param {string} style
 */
function steps(values, x, y, most, style) {
  let pen = 'M';
  const path = values.flatMap((value, second) => {
    if (!(value <= most) || value === Infinity) {
      pen = 'M';
      return [];
    }
    const part = `${pen}${at(x(second))} ${at(y(value))}H${at(x(second + 1))}`;
    pen = 'L';
    return [part];
  });
  return path.length > 0 ? `<path fill="none" ${style} d="${path.join('')}"/>` : '';
}

/** The next larger of 1, 2, 3 and 5 times a power of ten. @param {number} value */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

function text(x, y, words, anchor, more = '') {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" fill="#333"${more}>${escape(words)}</text>`;
}

const at = (value) => String(Math.round(value * 10) / 10);
const escape = (words) => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
