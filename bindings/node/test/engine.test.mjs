// The engine against a CalDAV server, over our stores and over one written here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CalsyncError, Engine, StoreConflict, StoreCorrupt, StoreUnavailable } from '../index.mjs';
import { PASSWORD, account, join, meeting, server, titles } from './support.mjs';
import { MapStore } from './map-store.mjs';

test('events go out and come into another store', async (t) => {
  const url = await server(t);
  const [one, two] = [new Engine(), new Engine()];
  await join(one, url);
  await join(two, url);
  await one.addEvent('family', meeting('a', 'Breakfast'));
  const plan = await one.plan('home');
  assert.deepEqual(
    plan.operations.map(({ action }) => action),
    ['create-remote'],
  );
  const report = await one.sync('home');
  assert.deepEqual([report.counts.pushed, report.inStep], [1, true]);
  assert.equal((await two.sync('home')).counts.created, 1);
  assert.deepEqual((await two.events('family'))[0].event, (await one.events('family'))[0].event);
  assert.deepEqual((await one.sync('home')).operations, []);
});

test('a link copies by its rules, explains what it leaves out, and its calendar takes time', async (t) => {
  const url = await server(t);
  const engine = new Engine();
  const steps = [
    { name: 'no lunches', filter: { type: 'title', exclude: '(?i)lunch' } },
    { name: 'whose', transform: { type: 'prefix-title', prefix: '[{{calendar_name}}] ' } },
  ];
  const copies = { pipeline: { steps }, calendar_name: 'Ada' };
  await assert.rejects(join(engine, url, { copies }), { code: 'invalid-input' });
  await join(engine, url, { copies, direction: 'export', edits: 'restore' });
  const lunch = await engine.addEvent('family', meeting('a', 'Lunch'));
  const review = await engine.addEvent('family', meeting('b', 'Review'));
  const terms = { calendars: [{ calendar: 'family' }], start: new Date('2026-03-05T00:00:00Z'), end: '2026-03-06T00:00:00Z' };
  // A link that exports brings nothing in: what is here is known without it.
  assert.equal((await engine.free(terms)).calendars[0].state, 'current');
  assert.equal((await engine.sync('home')).counts.pushed, 1);
  const { state, step } = (await engine.explain('family', lunch)).ways[0];
  assert.deepEqual([state, step], ['left-out', 'no lunches']);
  assert.equal((await engine.explain('family', review)).ways[0].state, 'in-step');
  const found = await engine.free(terms);
  assert.deepEqual(
    found.busy.map(({ start }) => start),
    ['2026-03-05T08:00:00Z'],
  );
  assert.equal(found.calendars[0].state, 'current');
});

test('a link that exports shows when somebody is busy until it says more', async (t) => {
  const url = await server(t);
  const [one, two] = [new Engine(), new Engine()];
  await join(one, url, { direction: 'export' });
  await join(two, url, { direction: 'import' });
  await one.addEvent('family', meeting('a', 'Canary'));
  await one.sync('home');
  await two.sync('home');
  assert.deepEqual((await two.events('family')).map(({ event }) => event.master.title), ['Busy']);
  const copies = { pipeline: { start: { type: 'everything' } } };
  await join(one, url, { direction: 'export', copies });
  await one.sync('home');
  await two.sync('home');
  assert.deepEqual((await two.events('family')).map(({ event }) => event.master.title), ['Canary']);
});

test('a mass deletion is held, approved by its hash and taken back', async (t) => {
  const url = await server(t);
  const [one, two] = [new Engine(), new Engine()];
  await join(one, url);
  await join(two, url);
  for (let number = 0; number < 20; number++) await one.addEvent('family', meeting(`e${number}`, `${number}`));
  await one.sync('home');
  await two.sync('home');
  for (const { id, revision } of await one.events('family')) await one.deleteEvent('family', id, revision);
  const held = await one.sync('home');
  assert.ok(held.held && held.counts.held === 20 && !held.inStep);
  const done = await one.sync('home', { approve: held.planId });
  assert.deepEqual([done.counts.pushed, done.answered], [20, held.planId]);
  const deletions = await two.sync('home');
  await two.sync('home', { approve: deletions.planId });
  assert.deepEqual(await titles(two), {});
  const [undone] = await two.undoLast('home', 1);
  assert.equal(undone.restored, 20);
  assert.equal((await two.sync('home')).counts.pushed, 20);
  assert.ok((await two.runs('home')).length > 2);
});

test('a contested field waits and is answered', async (t) => {
  const url = await server(t);
  const [one, two] = [new Engine(), new Engine()];
  await join(one, url, { conflicts: 'manual' });
  await join(two, url);
  await one.addEvent('family', meeting('a', 'Breakfast'));
  await one.sync('home');
  await two.sync('home');
  for (const [engine, title] of [
    [one, 'Brunch'],
    [two, 'Lunch'],
  ]) {
    const [{ id, revision }] = await engine.events('family');
    await engine.updateEvent('family', id, revision, meeting('a', title));
  }
  await two.sync('home');
  await one.sync('home');
  const [conflict] = await one.conflicts('home');
  assert.deepEqual(
    conflict.fields.map(({ field, base, local, remote }) => [field.part, base, local, remote]),
    [['title', 'Breakfast', 'Brunch', 'Lunch']],
  );
  const fields = [{ field: conflict.fields[0].field, take: 'local' }];
  await one.answerConflict('home', conflict.id, { by: 'test', fields });
  await one.sync('home');
  await two.sync('home');
  assert.deepEqual(await titles(two), { a: 'Brunch' });
});

for (const asynchronous of [false, true]) {
  test(`a store of the host does what ours does (${asynchronous ? 'promises' : 'plain values'})`, async (t) => {
    const url = await server(t);
    const store = new MapStore(asynchronous);
    const [one, two] = [new Engine(store), new Engine()];
    await join(one, url);
    await join(two, url);
    await two.addEvent('family', meeting('a', 'Breakfast'));
    await two.sync('home');
    assert.equal((await one.sync('home')).counts.created, 1);
    const [{ id, revision }] = await one.events('family');
    await assert.rejects(one.deleteEvent('family', id, revision + 1), { code: 'store-conflict' });
    await one.updateEvent('family', id, revision, meeting('a', 'Brunch'));
    assert.equal((await one.sync('home')).counts.pushed, 1);
    await two.sync('home');
    assert.deepEqual(await titles(two), { a: 'Brunch' });
  });
}

class Odd {}
const circle = {};
circle.self = circle;
const thrown = new RangeError('the text may hold anything');

for (const [name, method, code] of [
  ['throws at once', () => { throw thrown; }, 'host-failed'],
  ['rejects', async () => { throw thrown; }, 'host-failed'],
  ['gives nothing', () => undefined, 'host-type'],
  ['gives a number', () => 7, 'host-type'],
  ['gives a function', () => () => {}, 'host-type'],
  ['gives other rows', async () => [{ id: 1 }], 'host-type'],
  ['gives an object of its own', () => new Odd(), 'host-type'],
  ['gives what is no JSON', () => circle, 'host-type'],
  ['gives a big number', () => [10n], 'host-type'],
  ['is busy', () => { throw new StoreUnavailable(); }, 'store-unavailable'],
  ['finds a row that is broken', () => { throw new StoreCorrupt(); }, 'store-corrupt'],
  ['does not find what was expected', () => { throw new StoreConflict(0); }, 'store-conflict'],
]) {
  test(`a method that ${name} is a ${code}`, async () => {
    const store = new MapStore();
    store.calendars = method;
    const engine = new Engine(store);
    const error = await engine.calendars().then(assert.fail, (error) => error);
    assert.ok(error instanceof CalsyncError);
    assert.equal(error.code, code);
    if (code.startsWith('host-')) assert.equal(error.item, 'store.calendars');
    if (code === 'host-failed') assert.equal(error.cause, thrown);
    assert.ok(!error.message.includes('anything'));
    await engine.putCalendar({ id: 'family', name: 'Family' });
  });
}

test('a store without a method is refused at once', () => {
  const store = new MapStore();
  store.commit = undefined;
  assert.throws(() => new Engine(store), /MapStore .* commit/);
  assert.throws(() => new Engine(7), TypeError);
});

test('a method that never answers ends with its signal', async () => {
  const store = new MapStore();
  store.calendars = () => new Promise(() => {});
  const engine = new Engine(store);
  const stop = new AbortController();
  const call = engine.calendars({ signal: stop.signal });
  setImmediate(() => stop.abort(new Error('enough')));
  await assert.rejects(call, /enough/);
  await assert.rejects(engine.calendars({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  await engine.putCalendar({ id: 'family', name: 'Family' });
});

test('errors have a code and no secret', async (t) => {
  const url = await server(t);
  const engine = new Engine();
  await assert.rejects(engine.sync('away'), { code: 'unknown-link', item: 'away' });
  await engine.connect('wrong', { ...account(url), secret: `wrong ${PASSWORD}` });
  const refused = await engine.remoteCalendars('wrong').then(assert.fail, (error) => error);
  assert.equal(refused.code, 'unauthorized');
  assert.ok(!JSON.stringify([refused.message, refused.stack]).includes(PASSWORD));
  await engine.connect('outside', { ...account(url), trustAddress: false });
  await assert.rejects(engine.remoteCalendars('outside'), { code: 'blocked' });
  await engine.close();
  await assert.rejects(engine.calendars(), { code: 'closed' });
});

test('progress comes as an iterable and ends with the report', async (t) => {
  const url = await server(t);
  const engine = new Engine();
  await join(engine, url);
  for (let number = 0; number < 10; number++) await engine.addEvent('family', meeting(`e${number}`, `${number}`));
  const seen = [];
  for await (const step of engine.progress('home')) seen.push(step);
  const report = seen.pop();
  assert.equal(report.counts.pushed, 10);
  assert.ok(seen.some(({ step, done, total }) => step === 'pushed' && done === total));
  await engine.addEvent('family', meeting('more', 'More'));
  for await (const step of engine.progress('home')) {
    assert.ok(step);
    break;
  }
});

test('slots are held, booked and given back', async () => {
  const terms = {
    calendars: [{ calendar: 'family' }],
    start: '2100-01-04T09:00:00Z',
    end: '2100-01-04T12:00:00Z',
    slots: { slotMinutes: 60, granularityMinutes: 60 },
  };
  const at = (hour) => `2100-01-04T${String(hour).padStart(2, '0')}:00:00Z`;
  const visit = (hour) => ({ uid: 'visit', master: { time: { start: { utc: at(hour) }, end: { utc: at(hour + 1) } } } });
  const engine = new Engine();
  await engine.putCalendar({ id: 'family', name: 'Family' });
  const hold = await engine.hold(terms, { start: at(9), end: new Date(at(10)), minutes: 10 });
  assert.deepEqual((await engine.free(terms)).slots.map(({ start }) => start), [at(10), at(11)]);
  await assert.rejects(engine.book(terms, 'family', visit(9)), { code: 'slot-taken' });
  await assert.rejects(engine.book(terms, 'family', visit(15)), { code: 'slot-not-offered' });
  const booked = await engine.book(terms, 'family', visit(9), { id: 'visit-1', hold: hold.id });
  assert.deepEqual(booked, { calendar: 'family', id: 'visit-1', slot: { start: at(9), end: at(10) } });
  await engine.cancelBooking('family', 'visit-1');
  await assert.rejects(engine.cancelBooking('family', 'visit-1'), { code: 'unknown-booking' });
  await engine.release(await engine.hold(terms, { start: at(11), end: at(12), minutes: 10 }));
  assert.equal((await engine.free(terms)).slots.length, 3);
});

test('what a link did is told and cleaned', async (t) => {
  const engine = new Engine();
  const copies = { pipeline: { start: { type: 'everything' } } };
  await join(engine, await server(t), { direction: 'export', copies });
  const ids = [];
  for (const uid of ['a', 'b', 'c']) ids.push(await engine.addEvent('family', meeting(uid, uid)));
  await engine.sync('home');
  const told = await engine.sources(ids.slice(0, 2));
  assert.deepEqual(told.map(({ event }) => event).sort(), ids.slice(0, 2).sort());
  const all = await engine.eventsOf('home');
  assert.deepEqual(all.map(({ event, role }) => [event, role]).sort(), ids.map((id) => [id, 'copy']).sort());
  assert.deepEqual(await engine.eventsOf('home', { after: all[0].item, limit: 1 }), [all[1]]);
  const changes = (await engine.history('home')).filter(({ kind }) => kind === 'change');
  assert.deepEqual(changes.map(({ what }) => what), ['remote-create', 'remote-create', 'remote-create']);
  assert.deepEqual(await engine.explainItem('nothing'), []);
  const held = await engine.clean('home');
  assert.deepEqual([held.held, held.deleted, held.operations.length], [true, 0, 3]);
  assert.equal((await engine.clean('home', { approve: held.planId })).deleted, 3);
  await engine.forget('home');
  await assert.rejects(engine.sync('home'), { code: 'unknown-link' });
});

test('Cozi is opted in to', async () => {
  const engine = new Engine();
  const account = { provider: 'cozi', username: 'ann@example.com', secret: 'never shown' };
  await assert.rejects(engine.connect('cozi', account), { code: 'invalid-input' });
  await engine.connect('cozi', { ...account, unofficial: true });
});
