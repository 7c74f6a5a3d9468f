/**
 * What the page remembers of one room: a few numbers of each person, for as long as they are there and the page is open. Old points go
 * as new ones come.
 */

/** How far back the charts reach. */
export const SPAN_MS = 5 * 60_000;
/** As many as come in that time when one is asked for every two seconds; and no more if they come faster. */
export const MAX_POINTS = 150;
/** A longer silence is a gap: the page was in the background, or the server did not answer. */
export const GAP_MS = 10_000;

/** @typedef {'sent' | 'received' | 'lossUp' | 'lossDown' | 'jitterUp' | 'jitterDown' | 'rtt'} Measure */
/** @typedef {{ at: number, values: Record<Measure, number | null> }} Point */

export class RoomHistory {
  /** @type {Map<string, Point[]>} by participant */ #points = new Map();

  /** @param {import('./types.js').PersonStats[]} people everyone who is there @param {number} at milliseconds, growing */
  add(people, at) {
    const there = new Set(people.map(({ participantId }) => participantId));
    for (const gone of [...this.#points.keys()].filter((id) => !there.has(id))) this.#points.delete(gone);
    for (const person of people) {
      const points = this.#points.get(person.participantId) ?? [];
      points.push({ at, values: measure(person) });
      const first = Math.max(points.findIndex((point) => point.at > at - SPAN_MS), points.length - MAX_POINTS);
      this.#points.set(person.participantId, points.slice(first));
    }
  }

  /** @param {string} participantId @returns {Point[]} the oldest first */
  of(participantId) {
    return this.#points.get(participantId) ?? [];
  }

  /** How many people it knows. */
  get size() {
    return this.#points.size;
  }
}

/**
 * Somebody's streams in a few numbers: rates add up, of loss and jitter the worst stream counts.
 *
 * @param {import('./types.js').PersonStats} person @returns {Record<Measure, number | null>}
 */
export function measure({ connection, publications, subscriptions }) {
  const up = publications.flatMap(({ encodings }) => encodings).filter(({ alive }) => alive);
  return {
    sent: sum(up.map(({ bitrateBps }) => bitrateBps)),
    received: sum(subscriptions.map(({ bitrateBps }) => bitrateBps)),
    lossUp: worst(up.map(({ lossFraction }) => lossFraction)),
    lossDown: worst(subscriptions.map(({ lossFraction }) => lossFraction)),
    jitterUp: worst(up.map(({ jitterMs }) => jitterMs)),
    jitterDown: worst(subscriptions.map(({ jitterMs }) => jitterMs)),
    rtt: connection.rttMs,
  };
}

/** @param {number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** @param {(number | null)[]} values @returns {number | null} */
function worst(values) {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? Math.max(...known) : null;
}
