/** The page of one room: its people, and what may be done to them. */
import { ask } from '../app/confirm.js';
import { announce, h, icon } from '../app/dom.js';
import { explain } from '../app/texts.js';
import { toast } from '../app/toasts.js';
import { age, bitrate, plural } from './format.js';
import { RoomHistory, measure } from './history.js';
import { PersonCard, nameOf } from './person.js';
import { poll } from './poll.js';

/** @typedef {import('./types.js').PersonStats} PersonStats */

/**
 * @param {{ api: import('./api.js').AdminApi, roomId: string, fail: (error: unknown) => void, done: () => void, leave: () => void }} page
 * `leave`: to where all rooms are
 * @returns {import('./main.js').Page}
 */
export function roomPage({ api, roomId, fail, done, leave }) {
  const history = new RoomHistory();
  /** @type {Map<string, PersonCard>} */
  const cards = new Map();
  const title = h('h1', { tabindex: '-1' }, roomId);
  const about = h('p', { class: 'muted', 'data-room-about': true });
  const people = h('div', { class: 'people-cards' });
  const empty = h('p', { class: 'empty', hidden: true, 'data-empty': true }, 'Nobody is in this room at the moment. Whoever joins appears here.');
  const endButton = h('button', { type: 'button', class: 'danger', 'data-end': true, onclick: () => end() }, icon('leave'), 'End the call');

  const polling = poll(async (signal) => {
    try {
      const [room, persons] = await Promise.all([api.room(roomId, signal), api.stats(roomId, signal)]);
      show(room, persons);
      done();
    } catch (error) {
      if (signal.aborted) return;
      const { code } = /** @type {any} */ (error);
      if (code !== 'room-not-found' && code !== 'room-expired') return fail(error);
      toast('This room has ended.');
      leave();
    }
  });

  /** @param {import('../sdk/rest.js').RoomInfo} room @param {PersonStats[]} persons */
  function show(room, persons) {
    const now = performance.now();
    history.add(persons, now);
    title.textContent = room.name ?? roomId;
    const rates = persons.map(measure);
    const total = (/** @type {'sent' | 'received'} */ which) => rates.reduce((sum, rate) => sum + (rate[which] ?? 0), 0);
    const tracks = persons.reduce((sum, { publications }) => sum + publications.length, 0);
    about.textContent = [room.name && roomId, plural(persons.length, 'person', 'people'), plural(tracks, 'track'),
      `created ${age(room.createdAt, Date.now())} ago`, `in ${bitrate(total('sent'))}`, `out ${bitrate(total('received'))}`].filter(Boolean).join(' · ');
    for (const [id, card] of cards) {
      if (persons.some(({ participantId }) => participantId === id)) continue;
      card.element.remove();
      cards.delete(id);
    }
    for (const person of persons) {
      let card = cards.get(person.participantId);
      if (!card) {
        card = new PersonCard(person, { kick });
        cards.set(person.participantId, card);
        people.append(card.element);
      }
      card.update(person, persons, history.of(person.participantId), { now, clock: Date.now() });
    }
    empty.hidden = persons.length > 0;
    endButton.disabled = persons.length === 0;
  }

  /** @param {PersonStats} person */
  async function kick(person) {
    const name = nameOf(person);
    const sure = await ask({ title: `Remove ${name}?`, text: 'They are put out of the call, and may come back.', confirm: 'Remove' });
    if (!sure) return;
    await attempt(api.kick(roomId, person.participantId), `${name} was removed.`);
    polling.now();
  }

  async function end() {
    const sure = await ask({ title: 'End the call for everyone?', text: 'Everybody is put out of the room. Unless it keeps its history, the room ends with it, and what was said and shared in it is gone.', confirm: 'End the call' });
    if (!sure) return;
    if (await attempt(api.end(roomId), 'The call has ended.')) leave();
  }

  /** @param {Promise<unknown>} request @param {string} success @returns {Promise<boolean>} */
  async function attempt(request, success) {
    try {
      await request;
      toast(success);
      announce(success);
      return true;
    } catch (error) {
      toast(explain(error), 'error');
      return false;
    }
  }

  const element = h('main', { class: 'admin-page' },
    h('a', { class: 'back', href: '#/' }, '← All rooms'),
    h('div', { class: 'section-head' }, h('div', {}, title, about), endButton),
    people, empty,
    h('p', { class: 'muted footnote' }, 'Charts show what this page has seen of the last five minutes. “↑” is the way from the person to the server, “↓” the way back. Of loss and jitter the worst stream counts; loss is before repair.'));
  return { element, title: 'Room', stop: polling.stop };
}
