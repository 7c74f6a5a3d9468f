/**
 * A button that opens a menu: arrow keys move in it, Escape and a click elsewhere close it, and the focus comes back to the button.
 */
import { h } from './dom.js';

/** @typedef {{ label: string, action: () => void, danger?: boolean, disabled?: string | false }} MenuItem `disabled`: why it is */

const GAP = 4;

/**
 * @param {object} options
 * @param {string} options.label what the menu is about, for people who cannot see it
 * @param {string} options.class
 * @param {() => MenuItem[]} options.items made when the menu opens
 * @param {() => HTMLElement | null} [options.head] above the items
 * @param {Node[]} content of the button
 */
export function menuButton({ label, class: className, items, head }, ...content) {
  const button = h('button', { class: className, type: 'button', title: label, 'aria-label': label, 'aria-haspopup': 'menu', 'aria-expanded': 'false' }, ...content);
  button.addEventListener('click', () => openMenu(button, label, items(), head?.() ?? null));
  return button;
}

/** @param {HTMLButtonElement} button @param {string} label @param {MenuItem[]} items @param {HTMLElement | null} head */
function openMenu(button, label, items, head) {
  const close = () => menu.hidePopover();
  const entries = items.map(({ label: text, action, danger, disabled }) => h('button', {
    class: danger ? 'danger' : '', role: 'menuitem', type: 'button', tabindex: '-1', 'aria-disabled': disabled ? 'true' : undefined, title: disabled || undefined,
    onclick: () => {
      if (disabled) return;
      close();
      action();
    },
  }, text));
  const menu = h('div', { class: 'menu', role: 'menu', 'aria-label': label, popover: 'auto' }, head, ...entries);
  head?.addEventListener('click', (event) => {
    if (/** @type {Element} */ (event.target).closest('button')) close();
  });
  menu.addEventListener('keydown', (event) => onKey(event, menu, close));
  menu.addEventListener('toggle', (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== 'closed') return;
    button.setAttribute('aria-expanded', 'false');
    const held = menu.contains(document.activeElement) || document.activeElement === document.body;
    menu.remove();
    if (held && button.isConnected) button.focus();
  });
  document.body.append(menu);
  menu.showPopover();
  place(menu, button.getBoundingClientRect());
  button.setAttribute('aria-expanded', 'true');
  focusables(menu)[0]?.focus();
}

/** @param {HTMLElement} menu @param {DOMRect} anchor */
function place(menu, anchor) {
  const { width, height } = menu.getBoundingClientRect();
  const below = anchor.bottom + GAP + height <= innerHeight;
  const top = Math.max(GAP, below ? anchor.bottom + GAP : anchor.top - GAP - height);
  const left = Math.min(Math.max(GAP, anchor.right - width), innerWidth - width - GAP);
  menu.style.setProperty('top', `${top}px`);
  menu.style.setProperty('left', `${left}px`);
}

/** @param {HTMLElement} menu @returns {HTMLElement[]} */
function focusables(menu) {
  return /** @type {HTMLElement[]} */ ([...menu.querySelectorAll('button')]);
}

/** @param {KeyboardEvent} event @param {HTMLElement} menu @param {() => void} close */
function onKey(event, menu, close) {
  const all = focusables(menu);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (step) all[(at + step + all.length) % all.length]?.focus();
  else if (event.key === 'Home') all[0]?.focus();
  else if (event.key === 'End') all.at(-1)?.focus();
  else if (event.key === 'Escape' || event.key === 'Tab') close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
