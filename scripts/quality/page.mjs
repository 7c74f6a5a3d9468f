/** docs/call-quality.md and its pictures, from the figures of every call. */
import { WAYS } from './calls.mjs';
import { timeline } from './picture.mjs';
import { capacityBps } from './profiles.mjs';

/** @typedef {Awaited<ReturnType<typeof import('./take.mjs').take>>} Taking */
/** @typedef {Taking & { profile: import('./profiles.mjs').Profile, takenOn: string, versions: string }} Figures */
/** @typedef {Record<string, Record<string, Figures>>} Taken by profile and way */

const percent = (digits) => (value) => (value === null ? '–' : `${(value * 100).toFixed(digits)} %`);
const whole = (value) => value.toFixed(0);

/** @type {{ title: string, of: (summary: Figures['summary']) => string }[]} */
const COLUMNS = [
  { title: 'kbit/s', of: ({ bps }) => whole(bps / 1000) },
  { title: 'of the link', of: ({ linkShare }) => percent(0)(linkShare) },
  { title: 'width', of: ({ width }) => whole(width) },
  { title: 'widest, after s', of: ({ topWidth, topAfterS }) => `${topWidth}, ${topAfterS}` },
  { title: 'fps', of: ({ fps }) => fps.toFixed(1) },
  { title: 'frozen', of: ({ frozenShare }) => percent(1)(frozenShare) },
  { title: 'pauses, longest ms', of: ({ pauses, longestPauseMs }) => `${pauses}, ${whole(longestPauseMs)}` },
  { title: 'sizes changed', of: ({ switches }) => whole(switches) },
  { title: 'queue p95, ms', of: ({ queueMs }) => whole(queueMs) },
  { title: 'jitter buffer, ms', of: ({ bufferMs }) => whole(bufferMs) },
  { title: 'sound made up', of: ({ concealed }) => percent(1)(concealed) },
];

/** @param {Figures['summary']} summary */
export const row = (summary) => COLUMNS.map(({ of }) => of(summary)).join(' | ');
export const heading = COLUMNS.map(({ title }) => title).join(' | ');

/** @param {Taken} taken */
export function page(taken) {
  const all = Object.values(taken).flatMap((ways) => Object.values(ways));
  const loads = all.flatMap(({ load }) => load);
  const calls = Object.values(taken).flatMap((ways) => Object.entries(ways));
  const lines = calls.map(([way, { profile, summary }]) => `| ${profile.title} | ${WAYS[way].title} | ${row(summary)} |`);
  const versions = [...new Set(all.flatMap((figures) => figures.versions.split(', ')))].join(', ');
  const dates = [...new Set(all.map(({ takenOn }) => takenOn))].sort().join(', ');
  const between = `${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
  const pictures = Object.entries(taken).map(([name, ways]) => {
    const { title } = Object.values(ways)[0].profile;
    return `![${title}](call-quality/${name}.svg)`;
  });
  return `# Call quality

What people see and hear of each other on bad networks, measured with real browsers. This page and its pictures are
written by

\`\`\`
make quality
\`\`\`

which is \`scripts/quality.mjs\` with a server built by \`cargo build --release\`. \`--profile NAME\`, \`--way NAME\`
and \`--seconds N\` take a part of it, or a shorter one. All of it runs on the loopback interface, and needs no root.

## What is measured

A page sends a camera of 1280×720 at 15 frames per second, a texture that moves, and a tone. Another page receives them
over a relay of UDP in the program that measures (\`tests/e2e/harness/impaired-path.mjs\`). In each direction by itself
the relay serialises every datagram with its headers at the link's rate, keeps a queue of up to 300 ms and drops what is
too much, and delays everything by 20 ms. Losses and jitter are seeded; jitter keeps the order of datagrams.

Parlor's sender sends three layers on a good network, 320, 640 and 1280 pixels wide, of some 150, 500 and 1,500 kbit/s,
and Parlor picks one of them. Beside it the same camera is sent from browser to browser over the same relay, as one
stream of up to 1,500 kbit/s: there the encoder itself meets the link, so this is what can be had at best. A server
cannot make a stream other than the layers that there are: at 1 Mbit/s the middle one is right, and takes half of the
link.

Where [Janus](https://janus.conf.meetecho.com) is installed, the same camera is sent through its VideoRoom over the same
relay, in the same three encodings, by the smallest page that can. Janus makes no estimate of what a receiver's network
carries: it sends the best encoding, unless the receiver's application asks for another.

Everything is measured from the moment when the receiver is connected, the start included.

- *of the link* counts headers. *width* is the median over the seconds; *widest, after s* is the largest picture, and
  when it first came.
- *frozen* is the browser's own share of time (\`totalFreezesDuration\`); *pauses* are those of more than 500 ms between
  two frames that were shown.
- *queue* is the time that datagrams wait before the link; *sound made up* is the share of samples that the browser
  invented for what came too late or not at all.

## Figures

${versions}, on ${dates}.

The machine is a virtual one with 2 cores, which run the browser with both pages, the relay and the server, and are
shared with others: the load average was ${between}. One run each: a pause of some hundred milliseconds may be the
machine's.

| network | way | ${heading} |
|${'---|'.repeat(COLUMNS.length + 2)}
${lines.join('\n')}

## Over time

The dashed line is what the link carries.

${pictures.join('\n\n')}
`;
}

/** @param {Record<string, Figures>} ways */
export function picture(ways) {
  const [{ profile }] = Object.values(ways);
  const lines = (/** @type {(sample: import('./take.mjs').Sample) => number} */ of) =>
    Object.entries(ways).map(([way, { samples }]) => ({ label: WAYS[way].title, values: samples.map(of) }));
  const limit = capacityBps(profile).map((bps) => bps / 1000);
  return timeline({
    title: profile.title,
    ways: Object.keys(ways).map((way) => WAYS[way].title),
    panels: [
      { title: 'kbit/s received', lines: lines(({ bps }) => bps / 1000), limit },
      { title: 'width of the picture, pixels', lines: lines(({ width }) => width) },
      { title: 'frames per second', lines: lines(({ fps }) => fps) },
      { title: 'frozen, ms of each second', lines: lines(({ frozenMs }) => frozenMs) },
      { title: 'time in the queue (95th percentile), ms', lines: lines(({ queueMs }) => queueMs) },
      { title: 'time in the jitter buffer, ms', lines: lines(({ bufferMs }) => bufferMs) },
    ],
  });
}
