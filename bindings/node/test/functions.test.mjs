// The parts without engine: reading, writing, expanding, comparing, merging.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import * as calsync from '../index.mjs';

const SERIES = [
  'BEGIN:VCALENDAR',
  'VERSION:2.0',
  'PRODID:-//test//test//EN',
  'BEGIN:VEVENT',
  'UID:series',
  'DTSTAMP:20260101T000000Z',
  'DTSTART;TZID=Europe/Berlin:20260327T090000',
  'DURATION:PT1H',
  'RRULE:FREQ=DAILY;COUNT=4',
  'EXDATE;TZID=Europe/Berlin:20260328T090000',
  'SUMMARY:Stand-up',
  'TRANSP:OPAQUE',
  'END:VEVENT',
  'END:VCALENDAR',
  '',
].join('\r\n');
const series = () => calsync.parse(SERIES).events[0];
const YEAR = { start: new Date('2026-01-01'), end: '2027-01-01T00:00:00Z' };

test('import and require give the same', () => {
  const required = createRequire(import.meta.url)('../index.cjs');
  assert.deepEqual(Object.keys(required).sort(), Object.keys(calsync).sort());
  for (const name of Object.keys(required)) assert.equal(required[name], calsync[name]);
});

test('an event is read with names of JavaScript', () => {
  const event = series();
  assert.deepEqual(event.master.time.start, { zoned: { local: '2026-03-27T09:00:00', zone: 'Europe/Berlin' } });
  assert.equal(event.master.freeBusy, 'busy');
  assert.deepEqual(event.rules, ['FREQ=DAILY;COUNT=4']);
  assert.deepEqual(event.overrides, { '20260328T080000Z': 'excluded' });
});

test('a series keeps its hour through the change of the clock', () => {
  const { instances, stopped } = calsync.expand(series(), YEAR);
  assert.deepEqual(
    instances.map(({ time }) => time.start.zoned.local),
    ['2026-03-27T09:00:00', '2026-03-29T09:00:00', '2026-03-30T09:00:00'],
  );
  assert.equal(stopped, null);
  assert.equal(calsync.expand(series(), { ...YEAR, limit: 1 }).stopped, 'instances');
});

test('instances of every form are what the native part says one by one', () => {
  const native = createRequire(import.meta.url)('../native.cjs');
  const zone = ['BEGIN:VTIMEZONE', 'TZID:Office', 'BEGIN:STANDARD', 'DTSTART:19700101T000000', 'TZOFFSETFROM:+0130',
    'TZOFFSETTO:+0130', 'END:STANDARD', 'END:VTIMEZONE'];
  const one = (...lines) => {
    const body = ['BEGIN:VEVENT', 'UID:u', 'DTSTAMP:20260101T000000Z', ...lines, 'END:VEVENT'];
    return ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//test//test//EN', ...zone, ...body, 'END:VCALENDAR', ''].join('\r\n');
  };
  const texts = [
    one('DTSTART;VALUE=DATE:20260327', 'RRULE:FREQ=DAILY;COUNT=3'),
    one('DTSTART:20260327T090000', 'DURATION:PT90M', 'RRULE:FREQ=WEEKLY;COUNT=3'),
    one('DTSTART:20260327T090000Z', 'DURATION:P1D', 'RRULE:FREQ=MONTHLY;COUNT=3'),
    one('DTSTART;TZID=Europe/Berlin:20261025T000000', 'DURATION:PT15M', 'RRULE:FREQ=HOURLY;COUNT=6'),
    one('DTSTART;TZID=Office:20260327T090000', 'DTEND;TZID=Europe/Berlin:20260327T100000', 'RRULE:FREQ=DAILY;COUNT=2'),
    one('DTSTART:20260327T090000Z'),
    SERIES,
  ];
  const events = texts.map((text) => calsync.parse(text).events[0]);
  // A half second has no form in iCalendar, and comes from hosts.
  events[5].master.time.start = { utc: '2026-03-27T09:00:00.500Z' };
  const again = structuredClone(events[3]);
  const second = (local) => ({ zoned: { local, zone: 'Europe/Berlin', fold: 'second' } });
  again.master.time = { start: second('2026-10-25T02:00:00'), end: second('2026-10-25T02:15:00') };
  events.push(again);
  const snake = (value) =>
    JSON.parse(JSON.stringify(value), (_, each) =>
      each && typeof each === 'object' && !Array.isArray(each)
        ? Object.fromEntries(
            Object.entries(each).map(([key, of]) => [/^\d/.test(key) ? key : key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), of]),
          )
        : each,
    );
  const args = { events: snake(events), start: '2026-01-01T00:00:00Z', end: '2027-01-01T00:00:00Z' };
  const plain = JSON.parse(native.pure('expand', JSON.stringify(args)));
  const packed = calsync.expandMany(events, { start: args.start, end: args.end });
  assert.deepEqual(packed, plain);
  assert.deepEqual(packed.map(({ instances }) => instances.length), [3, 3, 3, 6, 2, 1, 3, 6]);
  const times = packed.flatMap(({ instances }) => instances.map(({ time }) => time.start));
  assert.ok(times.some(({ zoned }) => zoned?.fold === 'second'), 'the hour that comes twice');
});

test('a patch changes one line', () => {
  const event = series();
  event.master.title = 'Daily';
  assert.equal(calsync.patch(SERIES, event), SERIES.replace('Stand-up', 'Daily'));
});

test('different fields merge and the policy decides the same field', () => {
  const [base, local, remote] = [series(), series(), series()];
  Object.assign(local.master, { title: 'Mine', freeBusy: 'free' });
  remote.master.title = 'Theirs';
  const merged = calsync.merge({ base, local, remote }, { policy: 'local-wins' });
  assert.deepEqual(
    merged.toRemote.map(({ part }) => part),
    ['title', 'free-busy'],
  );
  assert.deepEqual(
    merged.contested.map(({ field, choice }) => [field.part, choice]),
    [['title', 'local']],
  );
  assert.deepEqual(merged.local, merged.remote);
});

test('one bad text of many stops no other', () => {
  const parsed = calsync.parseMany([SERIES, '<html>', SERIES]);
  assert.deepEqual(
    parsed.map((one) => one instanceof calsync.CalsyncError),
    [false, true, false],
  );
  assert.throws(() => calsync.parse('<html>'), { code: 'not-i-calendar', retryable: false });
});

test('a thousand at once', () => {
  const events = Array.from({ length: 1000 }, series);
  assert.ok(calsync.expandMany(events, YEAR).every(({ instances }) => instances.length === 3));
});

test('what cannot be an argument is refused without its text', () => {
  const event = series();
  event.master.status = 'very secret';
  assert.throws(
    () => calsync.diff(event, event),
    (error) => error.code === 'invalid-input' && !error.message.includes('secret'),
  );
});
