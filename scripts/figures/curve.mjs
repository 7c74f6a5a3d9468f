/**
 * A curve as SVG: the y axis begins at 0, since a cost that is shown from somewhere else seems to grow more than it does.
 */
const [WIDTH, HEIGHT] = [640, 320];
const FRAME = { left: 64, right: 24, top: 40, bottom: 52 };
const TICKS = 5;

/**
 * @param {{ title: string, xTitle: string, yTitle: string, points: { label: string, x: number, y: number }[] }} picture
 * @returns {string} the x axis is logarithmic
 */
export function curve({ title, xTitle, yTitle, points }) {
  const xs = points.map(({ x }) => Math.log10(x));
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  const top = ceiling(Math.max(...points.map(({ y }) => y)) * 1.15);
  const x = (value) => FRAME.left + ((Math.log10(value) - least) / (most - least || 1)) * (WIDTH - FRAME.left - FRAME.right);
  const y = (value) => HEIGHT - FRAME.bottom - (value / top) * (HEIGHT - FRAME.top - FRAME.bottom);
  const marks = points.map((point) => [x(point.x), y(point.y), point]);
  const lines = Array.from({ length: TICKS + 1 }, (_, tick) => (tick * top) / TICKS);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(WIDTH / 2, 22, title, 'middle', ' font-weight="600"'),
    ...lines.map((value) => {
      const line = `<line x1="${FRAME.left}" x2="${WIDTH - FRAME.right}" y1="${at(y(value))}" y2="${at(y(value))}" stroke="#ddd"/>`;
      return line + text(FRAME.left - 8, y(value) + 4, String(Number(value.toPrecision(3))), 'end');
    }),
    ...marks.map(([left, , { label }]) => text(left, HEIGHT - FRAME.bottom + 18, label, 'middle')),
    text((FRAME.left + WIDTH - FRAME.right) / 2, HEIGHT - 12, xTitle, 'middle'),
    text(0, 0, yTitle, 'middle', ` transform="translate(16 ${(HEIGHT - FRAME.bottom + FRAME.top) / 2}) rotate(-90)"`),
    `<polyline fill="none" stroke="#2563eb" stroke-width="2" points="${marks.map(([left, high]) => `${at(left)},${at(high)}`).join(' ')}"/>`,
    ...marks.map(([left, high]) => `<circle cx="${at(left)}" cy="${at(high)}" r="4" fill="#2563eb"/>`),
    // The first one's stays clear of the numbers of the axis.
    ...marks.map(([left, high, { y: value }], place) => {
      return text(left, high - 10, String(Number(value.toPrecision(3))), place === 0 ? 'start' : 'middle');
    }),
    '</svg>\n',
  ].join('\n');
}

/** The next larger of 1, 2 and 5 times a power of ten. @param {number} value */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

function text(x, y, words, anchor, more = '') {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" fill="#333"${more}>${escape(words)}</text>`;
}

const at = (value) => String(Math.round(value * 10) / 10);
const escape = (words) => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
