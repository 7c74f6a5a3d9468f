/** The pages around a call that only say something. */
import { h, icon } from './dom.js';

/** The page after the call. @param {{ reason: string, text: string, rejoin: () => void, home: () => void }} options */
export function endedPage({ reason, text, rejoin, home }) {
  const element = h(
    'main',
    { class: 'page ended', 'data-ended': reason },
    h('div', { class: 'card' },
      h('h1', {}, reason === 'left' ? 'You have left the room' : 'The call has ended'),
      h('p', { class: 'lead' }, text),
      h('div', { class: 'buttons' },
        h('button', { class: 'primary', type: 'button', onclick: rejoin, 'data-rejoin': true }, 'Join again'),
        h('button', { type: 'button', onclick: home }, 'Back to start'))),
  );
  return { element, stop: () => {} };
}

/** Shown while `auto=1` opens devices and joins. */
export function joiningPage() {
  return { element: h('main', { class: 'page ended' }, h('p', { class: 'lead', role: 'status' }, icon('people'), ' Joining…')), stop: () => {} };
}
