/** Short messages at the edge of the screen. The same text is never shown twice at once. */
import { h, icon } from './dom.js';

const SHOWN_MS = 6000;
const MAX_SHOWN = 3;

/** @param {string} text @param {'info' | 'error'} [kind] @returns {() => void} takes it away */
export function toast(text, kind = 'info') {
  const holder = document.getElementById('toasts');
  if (!holder) return () => {};
  const shown = /** @type {HTMLElement[]} */ ([...holder.children]);
  shown.find((other) => other.dataset.text === text)?.remove();
  while (holder.children.length >= MAX_SHOWN) holder.firstElementChild?.remove();
  const dismiss = () => element.remove();
  const element = h(
    'div',
    { class: `toast ${kind}`, 'data-text': text },
    h('span', {}, text),
    h('button', { class: 'plain', type: 'button', 'aria-label': 'Dismiss', onclick: dismiss }, icon('close')),
  );
  holder.append(element);
  setTimeout(dismiss, SHOWN_MS);
  return dismiss;
}
