// A run is cancelled at each call of its store: what is left is consistent, and the next run does the rest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CalDavEmulator, Engine } from '../index.mjs';
import { METHODS, MapStore } from './map-store.mjs';
import { meeting } from './support.mjs';

/** When a run is cancelled whose store is asked something. */
const ASKED = 'before it takes effect';
const DONE = 'after that, and it is never answered';
const ANSWERED = 'with the answer on its way';

/** Cancels the run that makes its call number `at`. */
class Cancelling extends MapStore {
  calls = 0;
  /** What ends the run that goes on. */
  run = null;
  cancelled = false;

  constructor(at, when) {
    super();
    for (const method of METHODS) {
      const plain = this[method].bind(this);
      this[method] = (args) => {
        if (!this.run || ++this.calls !== at) return plain(args);
        const answer = when === ASKED ? undefined : plain(args);
        this.cancelled = true;
        this.run.abort(new Error('enough'));
        return when === ANSWERED ? answer : new Promise(() => {});
      };
    }
  }
}

/** What somebody else puts on the server. */
const text = (uid, title) =>
  [
    ...['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//tests//EN', 'BEGIN:VEVENT', `UID:${uid}`, 'DTSTAMP:20260105T120000Z'],
    ...['DTSTART:20260301T090000Z', 'DTEND:20260301T100000Z', `SUMMARY:${title}`, 'END:VEVENT', 'END:VCALENDAR', ''],
  ].join('\r\n');

const of = (item, name) => new RegExp(`^${name}:(.*?)\r$`, 'm').exec(item)?.[1];

const here = async (engine) =>
  (await engine.events('family')).map(({ event }) => [event.uid, event.master.title, event.master.location]).sort();

const there = (emulator) =>
  Object.values(emulator.items()).map((item) => ['UID', 'SUMMARY', 'LOCATION'].map((name) => of(item, name))).sort();

async function joined(engine, emulator) {
  await engine.putCalendar({ id: 'family', name: 'Family' });
  await engine.connect('account', emulator.account);
  const [remote] = await engine.remoteCalendars('account');
  await engine.addLink('home', { calendar: 'family', connection: 'account', remote: remote.id });
}

/** A first sync, edits on both sides, one event edited on both, and a deletion on each side. */
async function played(store) {
  let time = Date.UTC(2026, 2, 1);
  const clock = { now: () => new Date(time) };
  const emulator = new CalDavEmulator();
  const engine = new Engine(store, { clock });

  /** Runs until all is done, whoever cancels it; nobody else holds the link once its lease is over. */
  async function sync() {
    for (let turn = 0; turn < 4; turn++) {
      store.run = new AbortController();
      try {
        if ((await engine.sync('home', { signal: store.run.signal })).inStep) return;
      } catch (error) {
        if (!store.run.signal.aborted) throw error;
      } finally {
        store.run = null;
        time += 60_000;
      }
    }
    assert.fail('it never gets in step');
  }

  const stored = async (uid) => (await engine.events('family')).find(({ event }) => event.uid === uid);

  async function edit(uid, change) {
    const { id, revision, event } = await stored(uid);
    await engine.updateEvent('family', id, revision, { ...event, master: { ...event.master, ...change } });
  }

  function editThere(before, after) {
    const [id, item] = Object.entries(emulator.items()).find(([, item]) => item.includes(before));
    emulator.put(item.replace(before, after), id);
  }

  await joined(engine, emulator);
  for (const [uid, title] of [['a', 'Breakfast'], ['b', 'Dentist'], ['c', 'Choir']]) {
    await engine.addEvent('family', meeting(uid, title));
  }
  for (const [uid, title] of [['x', 'Market'], ['y', 'Yoga'], ['z', 'Zoo']]) emulator.put(text(uid, title), `${uid}.ics`);
  await sync();
  await edit('a', { title: 'Brunch' });
  await edit('z', { location: 'Main street' });
  editThere('SUMMARY:Market', 'SUMMARY:Fair');
  editThere('SUMMARY:Zoo', 'SUMMARY:Zoo and ice');
  await sync();
  const { id, revision } = await stored('b');
  await engine.deleteEvent('family', id, revision);
  emulator.delete('y.ics');
  await sync();
  const other = new Engine(':memory:', { clock });
  await joined(other, emulator);
  await other.sync('home');
  const every = { link: 'home', event: null, run: null, after: null, limit: 100 };
  const seen = {
    here: await here(engine),
    there: there(emulator),
    elsewhere: await here(other),
    bases: store.baseSummaries(every).length,
    waiting: store.outbox(every).length,
    setAside: store.records({ ...every, kind: 'quarantine' }).length,
    contested: store.records({ ...every, kind: 'conflict' }).length,
  };
  emulator.close();
  return seen;
}

const EVENTS = [
  ['a', 'Brunch', undefined],
  ['c', 'Choir', undefined],
  ['x', 'Fair', undefined],
  ['z', 'Zoo and ice', 'Main street'],
];

test('a run cancelled at any call of its store is done by the next', async () => {
  const whole = new Cancelling(0, DONE);
  const wanted = await played(whole);
  assert.deepEqual(wanted, {
    ...{ here: EVENTS, there: EVENTS, elsewhere: EVENTS },
    ...{ bases: 4, waiting: 0, setAside: 0, contested: 0 },
  });
  assert.ok(whole.calls > 12);
  // One way for each call, in turns. Python and Kotlin begin with another, so that each call is cancelled in each way.
  const ways = [DONE, ANSWERED, ASKED];
  for (let at = 1; at <= whole.calls; at++) {
    const when = ways[at % ways.length];
    const store = new Cancelling(at, when);
    assert.deepEqual(await played(store), wanted, `cancelled at call ${at} of ${whole.calls}, ${when}`);
    assert.ok(store.cancelled);
  }
});
