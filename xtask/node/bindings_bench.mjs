// How much faster the npm package is than ical.js and rrule, side by side in one run: node bindings_bench.mjs CALSYNC
//
// Each number is the best of several turns, taken in turns, so that what else the machine does hits both. Both sides make what
// their users read, calsync plain objects; and of every event the same fields are read. rrule gives starts, calsync ends as well.
import { createRequire } from 'node:module';
import ICAL from 'ical.js';
import rrule from 'rrule';

const calsync = createRequire(import.meta.url)(process.argv[2]);
const [EVENTS, SERIES, TURNS] = [10_000, 200, 3];

function event(number, more = '') {
  const day = String(1 + (number % 28)).padStart(2, '0');
  return [
    'BEGIN:VEVENT', `UID:${number}@example.com`, 'DTSTAMP:20260101T000000Z',
    `DTSTART:202603${day}T090000Z`, `DTEND:202603${day}T100000Z`, `${more}SUMMARY:Meeting ${number}`,
    `LOCATION:Room ${number % 40}`, 'DESCRIPTION:What it is about\\, in a line',
    'BEGIN:VALARM', 'ACTION:DISPLAY', 'TRIGGER:-PT15M', 'DESCRIPTION:Soon', 'END:VALARM', 'END:VEVENT', '',
  ].join('\r\n');
}
const RULES = ['FREQ=WEEKLY;BYDAY=MO,WE,FR', 'FREQ=DAILY', 'FREQ=MONTHLY;BYDAY=2TU'];
const calendar = (parts) =>
  ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//example//bench//EN', `${parts.join('')}END:VCALENDAR`, ''].join('\r\n');
const numbers = (count) => Array.from({ length: count }, (_, number) => number);

function compare(what, other, wanted, ours, theirs) {
  const best = [Infinity, Infinity];
  const counts = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    [ours, theirs].forEach((side, place) => {
      const began = performance.now();
      counts[place] = side();
      best[place] = Math.min(best[place], performance.now() - began);
    });
  }
  if (counts[0] !== counts[1]) throw new Error(`${what}: ${counts[0]} and ${counts[1]} are not the same work`);
  const ratio = best[1] / best[0];
  const [own, beside] = best.map((time) => time.toFixed(1).padStart(9));
  console.log(
    `node    ${what.padEnd(26)} ${own} ms  ${other.padEnd(22)} ${beside} ms  ${ratio.toFixed(1).padStart(6)} times, wanted ${wanted}`,
  );
  return ratio >= wanted;
}

const text = calendar(numbers(EVENTS).map((number) => event(number)));
const parsed = compare(
  `parse ${EVENTS} events`,
  'ical.js',
  3,
  () =>
    calsync
      .parse(text)
      .events.filter(
        ({ uid, master: { title, location, description, time } }) =>
          uid && title && location && description && time.start.utc && time.end.utc,
      ).length,
  () => {
    const parts = new ICAL.Component(ICAL.parse(text)).getAllSubcomponents('vevent');
    // Else each event looks through all others for its exceptions.
    const found = parts.map((each) => new ICAL.Event(each, { exceptions: [] }));
    return found.filter(
      ({ uid, summary, location, description, startDate, endDate }) =>
        uid && summary && location && description && startDate && endDate,
    ).length;
  },
);

const series = calendar(numbers(SERIES).map((number) => event(number, `RRULE:${RULES[number % RULES.length]}\r\n`)));
const { events } = calsync.parse(series);
const rules = events.map(({ master, rules: [rule] }) => {
  const start = master.time.start.utc.replace(/[-:]/g, '');
  return rrule.rrulestr(`DTSTART:${start}\nRRULE:${rule}`);
});
// The instance that is just at the end is rrule's only: it counts both ends in.
const [start, end] = [new Date('2026-04-01T00:00:00Z'), new Date('2027-04-01T00:00:00Z')];
const expanded = compare(
  `expand ${SERIES} series, a year`,
  'rrule',
  5,
  () => calsync
      .expandMany(events, { start, end })
      .reduce((sum, { instances }) => sum + instances.filter(({ time }) => time.start.utc).length, 0),
  () => rules.reduce((sum, rule) => sum + rule.between(start, end, true).filter((found) => found instanceof Date).length, 0),
);
if (!parsed || !expanded) {
  console.error('slower than wanted');
  process.exitCode = 1;
}
