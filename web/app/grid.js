/**
 * How large the tiles of a call can be so that all of them fit without scrolling.
 */

/** Tiles may be shaped between these, to use the space of tall and of wide windows alike. */
const NARROWEST = { tall: 0.8, wide: 4 / 3 };
const WIDEST = 16 / 9;

/**
 * The arrangement with the largest tiles.
 *
 * @param {number} count tiles
 * @param {number} width of the area, in pixels
 * @param {number} height
 * @param {number} gap between tiles
 * @returns {{ columns: number, tileWidth: number, tileHeight: number }}
 */
export function arrange(count, width, height, gap) {
  const narrowest = width < height ? NARROWEST.tall : NARROWEST.wide;
  let best = { columns: 1, tileWidth: 0, tileHeight: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(Math.max(1, count) / columns);
    const cellWidth = Math.max(0, (width - gap * (columns - 1)) / columns);
    const cellHeight = Math.max(0, (height - gap * (rows - 1)) / rows);
    const shape = Math.min(WIDEST, Math.max(narrowest, cellHeight > 0 ? cellWidth / cellHeight : WIDEST));
    const tileWidth = Math.floor(Math.min(cellWidth, cellHeight * shape));
    const tileHeight = Math.floor(Math.min(cellHeight, cellWidth / shape));
    if (tileWidth * tileHeight > best.tileWidth * best.tileHeight) best = { columns, tileWidth, tileHeight };
  }
  return best;
}

/**
 * Keeps the custom properties `--tile-width` and `--tile-height` of `area` right for its size and number of children.
 *
 * @param {HTMLElement} area
 * @returns {{ update: () => void, stop: () => void }}
 */
export function fitTiles(area) {
  const update = () => {
    const style = getComputedStyle(area);
    const gap = parseFloat(style.columnGap) || 0;
    const width = area.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = area.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const { tileWidth, tileHeight } = arrange(area.childElementCount, width, height, gap);
    area.style.setProperty('--tile-width', `${tileWidth}px`);
    area.style.setProperty('--tile-height', `${tileHeight}px`);
  };
  const resized = new ResizeObserver(update);
  const changed = new MutationObserver(update);
  resized.observe(area);
  changed.observe(area, { childList: true });
  return {
    update,
    stop: () => {
      resized.disconnect();
      changed.disconnect();
    },
  };
}
