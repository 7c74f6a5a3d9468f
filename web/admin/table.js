/**
 * Tables that become lists of cards on a narrow screen: each cell knows the head of its column. Cells that have not changed stay the
 * same nodes, so that a click or a selection is not lost between two looks at the server.
 */
import { h } from '../app/dom.js';

/** @typedef {{ cells: import('../app/dom.js').Child[], attributes?: Record<string, any> }} Row */

export class Table {
  /** @param {{ label: string, head: string[] }} options */
  constructor({ label, head }) {
    this.head = head;
    this.body = h('tbody', {});
    this.element = h('table', { class: 'table', 'aria-label': label },
      h('thead', {}, h('tr', {}, ...head.map((text) => h('th', { scope: 'col' }, text)))), this.body);
  }

  /** @param {Row[]} rows */
  update(rows) {
    const there = [...this.body.rows];
    rows.forEach((row, index) => {
      const fresh = this.#make(row);
      if (there[index]) refresh(there[index], fresh);
      else this.body.append(fresh);
    });
    there.slice(rows.length).forEach((row) => row.remove());
  }

  /** @param {Row} row */
  #make({ cells, attributes }) {
    return h('tr', attributes, ...cells.map((cell, index) => h('td', { 'data-label': this.head[index] }, cell)));
  }
}

/** @param {HTMLTableRowElement} row @param {HTMLTableRowElement} fresh as it is to be */
function refresh(row, fresh) {
  for (const name of row.getAttributeNames()) if (!fresh.hasAttribute(name)) row.removeAttribute(name);
  for (const { name, value } of fresh.attributes) row.setAttribute(name, value);
  const cells = [...fresh.cells];
  [...row.cells].forEach((cell, index) => {
    const other = cells[index];
    if (other && !cell.isEqualNode(other)) cell.replaceWith(other);
  });
}
