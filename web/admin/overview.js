/** The first page: how the server does, and the rooms with people in them. */
import { h, icon } from '../app/dom.js';
import { PAGE } from './api.js';
import { age, duration, number, plural } from './format.js';
import { poll } from './poll.js';
import { Table } from './table.js';

/** @typedef {import('./api.js').AdminApi} AdminApi */
/** @typedef {import('./types.js').ServerOverview} ServerOverview */

const TILES = /** @type {const} */ (['People', 'Live rooms', 'All rooms', 'WebSockets', 'Store', 'Up for']);

/** @param {{ api: AdminApi, fail: (error: unknown) => void, done: () => void, now?: () => number }} page @returns {import('./main.js').Page} */
export function overviewPage({ api, fail, done, now = Date.now }) {
  const tiles = new Map(TILES.map((title) => [title, h('dd', { 'data-tile': title })]));
  const notice = h('p', { class: 'warning', role: 'status', hidden: true, 'data-ailments': true });
  const rooms = new Table({ label: 'Rooms with people in them', head: ['Room', 'People', 'Tracks', 'Age', 'Entry'] });
  const empty = h('p', { class: 'empty', hidden: true, 'data-empty': true });
  const shards = new Table({ label: 'Shards', head: ['Shard', 'Port', 'Load', 'Rooms', 'People'] });
  const search = h('input', { type: 'search', maxlength: '64', placeholder: 'Find by name or id', 'aria-label': 'Find a room by name or id', autocomplete: 'off', spellcheck: 'false', 'data-search': true, oninput: () => polling.now() });

  const polling = poll(async (signal) => {
    try {
      const wanted = search.value.trim();
      const [server, list] = await Promise.all([api.server(signal), api.rooms(wanted, signal)]);
      showServer(server, list);
      showRooms(list, wanted);
      done();
    } catch (error) {
      if (!signal.aborted) fail(error);
    }
  });

  /** @param {ServerOverview} server @param {import('./types.js').RoomPage} list */
  function showServer(server, { rooms: live, nextCursor }) {
    const { store } = server;
    /** @type {Record<typeof TILES[number], string>} */
    const texts = {
      People: number(server.participantCount),
      'Live rooms': `${number(live.length)}${nextCursor ? '+' : ''}`,
      'All rooms': number(server.roomCount),
      WebSockets: number(server.socketCount),
      Store: store.awaySince ? 'Away' : 'Well',
      'Up for': duration(server.uptimeSeconds),
    };
    for (const [title, tile] of tiles) tile.textContent = texts[title];
    tiles.get('Store')?.classList.toggle('bad', store.awaySince !== null);
    tiles.get('Store')?.setAttribute('title', `${store.name}: ${plural(store.queuedWrites, 'write')} waiting, ${number(store.lostWrites)} lost`);
    const problems = [...(server.draining ? ['It stops, and takes nobody in any more.'] : []), ...server.reasons.filter((reason) => reason !== 'stopping').map((reason) => `${reason}.`)];
    notice.hidden = problems.length === 0;
    notice.textContent = problems.join(' ');
    version.textContent = `Parlor ${server.version} · ${server.access === 'open' ? 'open: whoever knows a room’s id can join it' : 'people need tokens'} · store: ${store.name}`;
    shards.update(server.shards.map(({ port, roomCount, participantCount, load }, index) => ({ cells: [`Shard ${index}`, String(port), `${Math.round(load * 100)} %`, number(roomCount), number(participantCount)] })));
  }

  /** @param {import('./types.js').RoomPage} list @param {string} wanted */
  function showRooms({ rooms: live, trackCounts, nextCursor }, wanted) {
    const focused = document.activeElement?.getAttribute('data-room');
    const busiest = [...live].sort((a, b) => b.participantCount - a.participantCount || a.createdAt.localeCompare(b.createdAt));
    rooms.update(busiest.map((room) => ({
      cells: [
        h('a', { class: 'room-link', href: `#/rooms/${encodeURIComponent(room.roomId)}`, 'data-room': room.roomId },
          h('span', { class: 'strong' }, room.name ?? room.roomId), room.name && h('small', {}, room.roomId)),
        `${number(room.participantCount)} of ${number(room.maxParticipants)}`,
        number(Object.hasOwn(trackCounts, room.roomId) ? trackCounts[room.roomId] : 0),
        age(room.createdAt, now()),
        entry(room),
      ],
    })));
    if (focused) /** @type {HTMLElement | null} */ (rooms.element.querySelector(`[data-room="${CSS.escape(focused)}"]`))?.focus();
    rooms.element.hidden = live.length === 0;
    empty.hidden = live.length > 0 && !nextCursor;
    if (nextCursor) empty.textContent = `These are the ${PAGE} oldest. Find others by their name or id.`;
    else empty.textContent = wanted ? 'No room with people in it has that in its name or id.' : 'Nobody is in a room at the moment. Rooms appear here as soon as somebody joins.';
  }

  const version = h('p', { class: 'muted' });
  const element = h('main', { class: 'admin-page' },
    h('h1', { tabindex: '-1' }, 'Server'), version, notice,
    h('dl', { class: 'tiles' }, ...[...tiles].map(([title, value]) => h('div', { class: 'tile-number' }, h('dt', {}, title), value))),
    h('section', { 'aria-label': 'Rooms' }, h('div', { class: 'section-head' }, h('h2', {}, 'Live rooms'), h('div', { class: 'search' }, search)), rooms.element, empty),
    h('section', { 'aria-label': 'Shards' }, h('h2', {}, 'Shards'), shards.element));
  return { element, title: 'Server', stop: polling.stop };
}

/** @param {import('../sdk/rest.js').RoomInfo} room who gets in */
function entry({ locked, lobby, passwordRequired }) {
  const marks = [locked && 'locked', lobby && 'lobby', passwordRequired && 'password'].filter(Boolean);
  if (marks.length === 0) return 'free';
  return h('span', { class: 'with-icon' }, icon('lock'), marks.join(', '));
}
