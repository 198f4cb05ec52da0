// Reads published feeds with ical.js, and compares the instances it finds with those that were published.
//
// Usage: feed_check.mjs CASES, a file of what `feed-cases` of calsync-testkit prints.
import { readFileSync } from 'node:fs';
import ICAL from 'ical.js';

ICAL.design.strict = true;
/** Instances of one series looked at, at most. */
const MOST = 20000;
/** How much clocks change by. */
const HOUR = 3600;

function instant(time) {
  // A date, and a time without a zone, are read as UTC, as in the cases.
  const utc = time.zone && time.zone.tzid !== 'floating' && !time.isDate ? time.convertToZone(ICAL.Timezone.utcTimezone) : time;
  return Date.UTC(utc.year, utc.month - 1, utc.day, utc.hour, utc.minute, utc.second) / 1000;
}

function check(found, wanted, what) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${what}: ${JSON.stringify(found)} and not ${JSON.stringify(wanted)}`);
  }
}

/** When the instances of an event begin. Not when they end: ical.js takes a length by the clocks of two zones. */
function starts(master, exceptions, window) {
  const event = new ICAL.Event(master, { strictExceptions: true, exceptions });
  if (!event.isRecurring()) return [instant(event.startDate)];
  const all = [];
  const iterator = event.iterator();
  // Of a series that begins on a day its rule does not name, RFC 5545 says nothing (section 3.8.5.3).
  if (event.iterator().next().compare(event.startDate) !== 0) return undefined;
  // An exception may have been moved from far away.
  const far = window.end + 400 * 86400;
  for (let count = 0; count < MOST; count += 1) {
    const next = iterator.next();
    if (!next || instant(next) > far) break;
    all.push(instant(event.getOccurrenceDetails(next).startDate));
  }
  return all;
}

/** What is in one list and not in the other. */
function only(list, other) {
  const known = new Set(other);
  return list.filter((one) => !known.has(one));
}

let events = 0;
let instances = 0;
let changes = 0;
for (const line of readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean)) {
  const one = JSON.parse(line);
  const where = `seed ${one.seed}, ${one.detail}`;
  const calendar = new ICAL.Component(ICAL.parse(one.feed));
  for (const zone of calendar.getAllSubcomponents('vtimezone')) {
    ICAL.TimezoneService.register(new ICAL.Timezone(zone));
  }
  const busy = new ICAL.Component(ICAL.parse(one.free_busy)).getAllSubcomponents('vfreebusy');
  check(busy.length, 1, where);
  const byUid = new Map();
  for (const component of calendar.getAllSubcomponents('vevent')) {
    const uid = component.getFirstPropertyValue('uid');
    const of = byUid.get(uid) ?? { exceptions: [] };
    byUid.set(uid, of);
    if (component.hasProperty('recurrence-id')) of.exceptions.push(component);
    else of.master = component;
    events += 1;
  }
  ICAL.TimezoneService.reset();
  const inside = (start) => start >= one.window.start && start < one.window.end;
  for (const event of one.events) {
    const of = byUid.get(event.uid);
    if (!of?.master) {
      check([], event.instances, `${where}, ${event.uid} is not there`);
      continue;
    }
    check(of.master.getFirstPropertyValue('summary'), event.title, `${where}, ${event.uid}`);
    const all = starts(of.master, of.exceptions, one.window);
    if (!all) continue;
    const found = all.filter(inside).sort((a, b) => a - b);
    const wanted = event.instances.map(([start]) => start).filter(inside);
    // A time that clocks skip, or show twice, has the offset from before they change (RFC 5545 section 3.3.5); ical.js takes
    // the other one.
    const [theirs, ours] = [only(found, wanted), only(wanted, found)];
    changes += ours.length;
    check(theirs.map((start, at) => (Math.abs(start - ours[at]) === HOUR ? ours[at] : start)), ours, `${where}, ${event.uid}\n${of.master}\n${of.exceptions.join('\n')}`);
    instances += found.length;
  }
}
if (events < 500 || instances < 2000 || changes * 200 > instances) throw new Error(`too thin: ${events} events, ${instances} instances, ${changes} of them when clocks change`);
console.log(`${events} events with ${instances} instances read alike`);
