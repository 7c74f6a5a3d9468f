/** What is measured: each series is a table, and each point of it a run of the load tester. */

const fixed = (digits) => (value) => (value === null || value === undefined ? 'not known' : value.toFixed(digits));
const COST = { title: 'CPU per packet, µs', of: (report) => fixed(2)(report.server.cpu_us_per_packet) };
/** Beside a floor of the same minute. */
const FLOOR = { title: 'at the least, µs', of: (report) => fixed(2)(report.server.floor_us_per_packet) };
const RATIO = {
  title: 'ratio',
  of: ({ server }) => fixed(2)(server.floor_us_per_packet && server.cpu_us_per_packet / server.floor_us_per_packet),
};
const PACKETS = { title: 'packets/s', of: (report) => fixed(0)(report.server.packets_per_second) };
const CORES = { title: 'cores of the server', of: (report) => fixed(2)(report.server.cpu_cores) };
const LOSS = { title: 'loss', of: (report) => `${(report.total.loss * 100).toFixed(3)} %` };
const TESTER = { title: "tester's busiest thread", of: (report) => fixed(2)(Math.max(...report.tester.threads_busy)) };
const latency = (kind, spread) => ({
  title: `latency ${spread}, ms`,
  of: (report) => fixed(2)(report.total.latency_ms[kind][spread]),
});
const MEMORY = {
  title: 'KiB per participant',
  of: (report) => fixed(0)(report.server.memory && report.server.memory.bytes_per_participant / 1024),
};

const VIDEO = ['--video-bitrate', '2.3M', '--no-audio'];
/** So small that 200 rooms of it fit one core. */
const SMALL_VIDEO = ['--video-bitrate', '200k', '--no-audio'];

/**
 * How costs and latency change as more take part; its picture shows the cost of a packet.
 * @param {{ title: string, point: string, of: string, kind: 'video' | 'audio', counts: number[], load: (count: number) => string[] }} growth
 */
function growth({ title, point, of, kind, counts, load }) {
  return {
    title,
    point,
    columns: [PACKETS, COST, FLOOR, RATIO, CORES, latency(kind, 'p50'), latency(kind, 'p99'), LOSS, TESTER],
    points: counts.map((count) => ({ label: String(count), x: count, args: [...load(count), '--ramp', '100', '--floor', '3s'] })),
    y: (report) => report.server.cpu_us_per_packet,
    picture: { title: `CPU per forwarded packet, ${of}`, xTitle: point, yTitle: 'µs' },
  };
}

/** @type {Record<string, any>} */
export const SERIES = {
  viewers: growth({
    title: 'One room, one publisher of 2.3 Mbit/s, more and more viewers, one shard',
    point: 'viewers',
    of: 'one room',
    kind: 'video',
    counts: [10, 100, 500, 1000],
    load: (count) => ['livestream', '--viewers', String(count), ...VIDEO],
  }),
  rooms: growth({
    title: 'More and more rooms of four who see one another, 200 kbit/s each, one shard',
    point: 'rooms',
    of: 'rooms of four',
    kind: 'video',
    counts: [1, 50, 200],
    load: (count) => ['rooms', '--rooms', String(count), '--participants', '4', ...SMALL_VIDEO],
  }),
  audio: growth({
    title: 'One room, three who speak, more and more who listen, one shard',
    point: 'listeners',
    of: 'sound',
    kind: 'audio',
    counts: [10, 100, 500],
    load: (count) => ['audio', '--speakers', '3', '--listeners', String(count)],
  }),
  memory: {
    title: 'Resident memory for each participant',
    point: 'what they do',
    columns: [MEMORY, LOSS],
    points: [
      {
        label: 'listen and watch (two tracks)',
        args: ['livestream', '--viewers', '300', '--video-bitrate', '500k', '--ramp', '100'],
      },
      { label: 'meet, ten of them', args: ['rooms', '--rooms', '10', '--participants', '10', '--video-bitrate', '100k', '--ramp', '50'] },
    ],
  },
};
