/** Putting a link where it can be pasted. */
import { h } from './dom.js';
import { toast } from './toasts.js';

/** Copies, or shows what to copy where the page may not. @param {string} text @param {string} done said when it is copied */
export async function copyText(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    showText(text); // no permission, or an insecure page
  }
}

/** @param {string} text */
function showText(text) {
  const field = h('input', { type: 'text', readonly: true, value: text, 'aria-label': 'Link', 'data-link': true });
  const dialog = h('dialog', { class: 'dialog', 'aria-label': 'Copy this link' },
    h('h2', {}, 'Copy this link'), field,
    h('form', { method: 'dialog', class: 'buttons end' }, h('button', { class: 'primary' }, 'Done')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}
