/**
 * Parlor's web app: which page is shown, and the way from one to the next.
 *
 * Paths: `/` (home) and `/r/<roomId>` (pre-join, call, end). Query of a room's page, for tests and for kiosk links:
 * - `name=Ada` fills in the name; `auto=1` joins at once under that name, without the pre-join page.
 * - `mic=0`, `cam=0` start with the device off; `codec=vp8|vp9|h264|av1` prefers a video codec; `simulcast=0|1` forces it off or on.
 * - `relay=1` sends media through TURN servers only.
 *
 * Fragment of a room's page: `#token=`, `#invite=`, `#host=` (see `secrets.js`).
 *
 * `window.parlor.room` is the present room (or `null`): the handle for the console and for tests.
 */
import { connect, parseRoomInput, roomPath } from '../parlor-client.js';
import { CallPage } from './call.js';
import { endedPage, gatePage, isGate, joiningPage, waitingPage } from './ended.js';
import { homePage } from './home.js';
import { LocalMedia, openDevices } from './local-media.js';
import { prejoinPage } from './prejoin.js';
import { recall } from './prefs.js';
import { forgetInvite, takeSecrets } from './secrets.js';
import { explain, explainCode } from './texts.js';

/** @typedef {{ element: HTMLElement, stop: () => void }} Page */
/** @typedef {import('../parlor-client.js').Room} Room */

const handle = { room: /** @type {Room | null} */ (null) };
/** @type {any} */ (window).parlor = handle;

const app = /** @type {HTMLElement} */ (document.getElementById('app'));
/** @type {Page | null} */
let page = null;
/** @type {LocalMedia | null} */
let media = null;

/** @param {Page} next */
function show(next) {
  page?.stop();
  page = next;
  app.replaceChildren(next.element);
}

/** @param {string} path */
function go(path) {
  history.pushState(null, '', path);
  route();
}

function route() {
  closeRoom();
  media?.stop();
  media = null;
  const roomId = location.pathname === '/' ? null : parseRoomInput(location.pathname);
  if (!roomId) {
    document.title = 'Parlor';
    show(homePage({ open: (id) => go(roomPath(id)) }));
    return;
  }
  document.title = `${roomId} · Parlor`;
  enter(roomId, new URLSearchParams(location.search));
}

/** @param {string} roomId @param {URLSearchParams} query */
function enter(roomId, query) {
  const secrets = takeSecrets(roomId);
  const name = query.get('name') ?? recall('name');
  const local = new LocalMedia(videoOptions(query));
  media = local;
  const join = (/** @type {string} */ displayName, /** @type {string | undefined} */ password) =>
    joinRoom({ roomId, displayName, local, query, credentials: { ...secrets, password } });
  const joinFromPage = (/** @type {string} */ displayName, /** @type {string | undefined} */ password) => {
    local.forgetErrors(); // they were to be read on the pre-join page
    return join(displayName, password);
  };
  const turnAway = (/** @type {import('../parlor-client.js').ParlorError} */ error) => showGate(roomId, error);
  const showPrejoin = () => show(prejoinPage({ roomId, name, media: local, secrets, join: joinFromPage, turnAway, home: () => go('/') }));
  const wanted = { microphone: query.get('mic') === '0' ? false : undefined, camera: query.get('cam') === '0' ? false : undefined };
  const opened = openDevices(local, wanted);
  if (query.get('auto') === '1' && name !== '') {
    show(joiningPage());
    opened.then(() => join(name, undefined)).catch((error) => {
      if (error.code === 'password-required') showPrejoin();
      else if (error.code !== 'cancelled' && !turnAway(error)) showEnd(error.code ?? 'internal', explain(error));
    });
  } else {
    showPrejoin();
  }
}

/**
 * @param {object} options
 * @param {string} options.roomId
 * @param {string} options.displayName
 * @param {LocalMedia} options.local
 * @param {URLSearchParams} options.query
 * @param {import('../sdk/messages.js').Credentials} options.credentials
 */
async function joinRoom({ roomId, displayName, local, query, credentials }) {
  const room = await connect({
    ...credentials,
    roomId,
    displayName,
    tracks: local.initialTracks(),
    iceTransportPolicy: query.get('relay') === '1' ? 'relay' : undefined,
    onRoom: (entering) => entering.on('lobby-waiting', () => {
      if (media !== local) entering.leave(); // the page was left while joining
      else if (handle.room !== entering) show(waitingPage({ cancel: () => cancelWaiting(entering) }));
    }),
  });
  if (media !== local) {
    await room.leave(); // the page was left while joining
    return;
  }
  forgetInvite(roomId); // used
  handle.room = room;
  local.attach(room);
  if (room.name) document.title = `${room.name} · Parlor`;
  room.on('state', ({ state, reason = 'left' }) => {
    if (state === 'closed' && handle.room === room) showEnd(reason, reason === 'left' ? 'See you again.' : explainCode(reason));
  });
  await room.negotiated();
  if (handle.room === room && media === local) show(new CallPage(room, local));
}

/** @param {Room} entering */
function cancelWaiting(entering) {
  entering.leave();
  go(location.pathname); // over the pre-join page, also where `auto` had skipped it: it would ask again at once
}

/**
 * Shows why somebody cannot enter; says so if that is nothing to be mended on the page before.
 *
 * @param {string} roomId
 * @param {import('../parlor-client.js').ParlorError} error
 * @returns {boolean}
 */
function showGate(roomId, error) {
  if (error.code === 'cancelled') return true;
  // Whoever has waited in the lobby has no form any more to show the error in.
  if (!isGate(error.code) && !app.querySelector('[data-waiting]')) return false;
  media?.stop();
  media = null;
  const withoutInvite = () => {
    forgetInvite(roomId);
    route();
  };
  show(gatePage({ code: error.code, text: explain(error), retry: route, home: () => go('/'), withoutInvite }));
  return true;
}

/** @param {string} reason @param {string} text */
function showEnd(reason, text) {
  handle.room = null;
  media?.stop();
  media = null;
  // Joining again goes over the pre-join page, also where `auto` had skipped it.
  const rejoin = () => go(location.pathname);
  show(endedPage({ reason, text, rejoin, home: () => go('/') }));
}

function closeRoom() {
  const room = handle.room;
  handle.room = null;
  room?.leave();
}

/** @param {URLSearchParams} query @returns {import('./local-media.js').VideoOptions} */
function videoOptions(query) {
  const codec = query.get('codec')?.toLowerCase();
  const simulcast = query.get('simulcast');
  return {
    codec: codec === 'vp8' || codec === 'vp9' || codec === 'h264' || codec === 'av1' ? codec : undefined,
    simulcast: simulcast === '0' ? false : simulcast === '1' ? true : undefined,
  };
}

window.addEventListener('popstate', route);
// A page that comes back from the back-forward cache has left its room when it went away.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
route();
