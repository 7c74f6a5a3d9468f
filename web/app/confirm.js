/** A question that has to be answered before something cannot be taken back. */
import { h } from './dom.js';

/**
 * @param {{ title: string, text: string, confirm: string }} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, confirm }) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { class: 'dialog', 'aria-label': title },
      h('h2', {}, title), h('p', { class: 'hint' }, text),
      h('form', { method: 'dialog', class: 'buttons end' },
        h('button', { value: 'no' }, 'Cancel'),
        h('button', { class: 'primary danger', value: 'yes', 'data-confirm': true }, confirm)));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
