/** One person of a room: the connection, charts of the last minutes, and every stream in numbers. */
import { h, icon } from '../app/dom.js';
import { Chart } from './chart.js';
import { age, bitrate, duration, milliseconds, number, percent, plural } from './format.js';
import { Table } from './table.js';

/** @typedef {import('./types.js').PersonStats} PersonStats */
/** @typedef {import('./types.js').PublicationStats} PublicationStats */

/** @type {Record<PublicationStats['source'], string>} */
const SOURCES = { microphone: 'Microphone', camera: 'Camera', screen: 'Screen', 'screen-audio': 'Screen’s sound' };
/** @type {Record<PersonStats['role'], string>} */
const ROLES = { host: 'Host', speaker: 'Speaker', listener: 'Listener' };
/** @type {Record<import('./types.js').SubscriptionStats['state'], string>} */
const STATES = { negotiating: 'Negotiating', waiting: 'Waiting', forwarding: 'Forwarding', hidden: 'Not shown', unheard: 'Not among the loudest', paused: 'Paused: too slow a connection', unsupported: 'Cannot decode it' };
/** From here on people hear or see it. */
const BAD_LOSS = 0.05;

/** How somebody is called here. @param {{ displayName: string | null, identity: string }} person */
export function nameOf({ displayName, identity }) {
  return displayName || `Guest ${identity.slice(-5)}`;
}

export class PersonCard {
  /** @param {PersonStats} person @param {{ kick: (person: PersonStats) => void }} actions */
  constructor(person, { kick }) {
    this.person = person;
    this.people = [person];
    const both = (/** @type {import('./history.js').Measure} */ up, /** @type {import('./history.js').Measure} */ down) => /** @type {import('./chart.js').Line[]} */ ([
      { measure: up, label: 'up', sign: '↑', look: 'up' }, { measure: down, label: 'down', sign: '↓', look: 'down' },
    ]);
    this.charts = [
      new Chart({ title: 'Sends', lines: [{ measure: 'sent', label: '', sign: '', look: 'up' }], format: bitrate, least: 100_000 }),
      new Chart({ title: 'Receives', lines: [{ measure: 'received', label: '', sign: '', look: 'down' }], format: bitrate, least: 100_000 }),
      new Chart({ title: 'Loss', lines: both('lossUp', 'lossDown'), format: percent, least: 0.05 }),
      new Chart({ title: 'Jitter', lines: both('jitterUp', 'jitterDown'), format: milliseconds, least: 50 }),
      new Chart({ title: 'Round trip', lines: [{ measure: 'rtt', label: '', sign: '', look: 'up' }], format: milliseconds, least: 100 }),
    ];
    this.name = h('h3', {});
    this.quality = h('span', { class: 'pill' });
    this.role = h('span', { class: `role ${person.role}` }, ROLES[person.role]);
    this.about = h('p', { class: 'muted about' });
    this.connection = h('span', { class: 'pill' });
    this.sent = new Table({ label: 'What is sent', head: ['Sends', 'Codec', 'Layer', 'Bitrate', 'Frames', 'Loss', 'Jitter', 'Asked again', 'Key frames', 'Receivers'] });
    this.sentEmpty = h('p', { class: 'empty' }, 'Sends nothing.');
    this.received = new Table({ label: 'What is received', head: ['From', 'Track', 'State', 'Codec', 'Layer', 'Bitrate', 'Frames', 'Loss', 'Jitter', 'Asked again', 'Sent again'] });
    this.receivedCount = h('summary', {});
    this.details = h('details', { class: 'received', ontoggle: () => this.#showReceived() }, this.receivedCount, this.received.element);
    this.kick = h('button', { type: 'button', class: 'danger', 'data-kick': person.participantId, onclick: () => kick(this.person) }, 'Remove');
    this.element = h('article', { class: 'person-card', 'data-person': person.participantId },
      h('header', {}, h('div', { class: 'who' }, h('div', { class: 'who-name' }, this.name, this.role, this.connection, this.quality), this.about), this.kick),
      h('div', { class: 'charts' }, ...this.charts.map(({ element }) => element)),
      this.sent.element, this.sentEmpty, this.details);
  }

  /**
   * @param {PersonStats} person @param {PersonStats[]} people everyone, whose tracks are received @param {import('./history.js').Point[]} points
   * @param {{ now: number, clock: number }} times `now`: of the points, `clock`: the time of day, in milliseconds
   */
  update(person, people, points, { now, clock }) {
    this.person = person;
    this.people = people;
    const name = nameOf(person);
    this.name.textContent = name;
    this.element.setAttribute('aria-label', name);
    this.kick.setAttribute('aria-label', `Remove ${name}`);
    this.role.className = `role ${person.role}`;
    this.role.textContent = ROLES[person.role];
    this.about.textContent = `${person.identity} · joined ${age(person.joinedAt, clock)} ago`;
    this.#showConnection(person.connection);
    this.#showQuality(person.quality);
    for (const chart of this.charts) chart.update(points, now);
    this.#showSent(person.publications);
    this.#showReceived();
  }

  /** @param {PersonStats['quality']} quality */
  #showQuality({ level, up, down }) {
    const scores = [up !== null && `↑ ${up.toFixed(1)}`, down !== null && `↓ ${down.toFixed(1)}`].filter(Boolean).join(' ');
    this.quality.hidden = level === 'unknown' && scores === '';
    this.quality.className = `pill ${level === 'excellent' || level === 'good' ? 'good' : 'idle'}`;
    this.quality.dataset.quality = level;
    this.quality.textContent = [`Quality ${level}`, scores].filter(Boolean).join(' · ');
  }

  /** @param {PersonStats['connection']} connection */
  #showConnection({ connectedSeconds, protocol, rttMs, estimateBps }) {
    const up = connectedSeconds !== null;
    this.connection.className = `pill ${up ? 'good' : 'idle'}`;
    this.connection.dataset.protocol = up && protocol ? protocol : '';
    this.connection.textContent = up ? [protocol?.toUpperCase(), rttMs !== null && milliseconds(rttMs), estimateBps !== null && `carries ${bitrate(estimateBps)}`, duration(connectedSeconds)].filter(Boolean).join(' · ') : 'Media is not connected';
  }

  /** @param {PublicationStats[]} publications */
  #showSent(publications) {
    this.sent.element.hidden = publications.length === 0;
    this.sentEmpty.hidden = publications.length > 0;
    this.sent.update(publications.flatMap(({ trackId, source, muted, subscriberCount, encodings }) => encodings.map((encoding, index) => ({
      attributes: { 'data-track': trackId, 'data-codec': encoding.codec, 'data-bitrate': encoding.bitrateBps, class: encoding.alive ? null : 'silent' },
      cells: [
        h('span', { class: index === 0 ? 'with-icon strong' : 'muted' }, SOURCES[source], index === 0 && muted && h('span', { class: 'role' }, 'muted')),
        encoding.codec ?? '–', encoding.rid ?? '–',
        encoding.alive ? bitrate(encoding.bitrateBps) : 'silent', number(encoding.framesPerSecond),
        loss(encoding.lossFraction), milliseconds(encoding.jitterMs), number(encoding.nackedPackets), number(encoding.keyframeRequests),
        index === 0 ? number(subscriberCount) : '',
      ],
    }))));
  }

  #showReceived() {
    const { people, person: { subscriptions, subscriptionsLeftOut } } = this;
    const total = subscriptions.length + subscriptionsLeftOut;
    this.details.hidden = total === 0;
    this.receivedCount.textContent = `Receives ${plural(total, 'track')}${subscriptionsLeftOut > 0 ? `, of which ${number(subscriptions.length)} are listed` : ''}`;
    if (!this.details.open) return;
    const tracks = new Map(people.flatMap(({ publications }) => publications.map((publication) => [publication.trackId, publication])));
    const names = new Map(people.map((person) => [person.participantId, nameOf(person)]));
    this.received.update(subscriptions.map((subscription) => {
      const source = tracks.get(subscription.trackId)?.source;
      return {
        attributes: { 'data-track': subscription.trackId },
        cells: [
          h('span', { class: 'strong' }, names.get(subscription.participantId) ?? '–'), source ? SOURCES[source] : '–', STATES[subscription.state],
          subscription.codec ?? '–', subscription.rid ?? '–', bitrate(subscription.bitrateBps), number(subscription.framesPerSecond),
          loss(subscription.lossFraction), milliseconds(subscription.jitterMs), number(subscription.nackedPackets), number(subscription.resentPackets),
        ],
      };
    }));
  }
}

/** @param {number | null} fraction */
function loss(fraction) {
  const bad = fraction !== null && fraction >= BAD_LOSS;
  return h('span', { class: bad ? 'with-icon bad' : '' }, bad && icon('info'), percent(fraction));
}
