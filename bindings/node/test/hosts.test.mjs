// Filters, transforms, resolvers and clocks written in JavaScript, and everything they can do wrong.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CalsyncError, Engine, StoreConflict, write } from '../index.mjs';
import { MapStore } from './map-store.mjs';
import { account, join, meeting, server, titles } from './support.mjs';

const steps = [
  { name: 'mine', filter: { type: 'host', rule: 'no-lunches', options: { a_word: 'Lunch' } } },
  { name: 'style', transform: { type: 'host', rule: 'shout' } },
];
const copies = {
  pipeline: { start: { type: 'everything' }, steps },
  calendar_name: 'Ada',
  owner: ['ada@example.com'],
  zone: 'Europe/Berlin',
};
const around = { calendarName: 'Ada', owner: ['ada@example.com'], zone: 'Europe/Berlin', isCopy: false };

const noLunches = {
  version: '1',
  letsThrough(body, options, surroundings) {
    assert.deepEqual(surroundings, { ...around, calendar: surroundings.calendar });
    assert.deepEqual(Object.keys(options), ['a_word']);
    return !body.title.includes(options.a_word);
  },
};
const shout = {
  version: '1',
  change(copy, event, options) {
    assert.deepEqual([copy.title, options], [event.title, {}]);
    return { ...copy, title: copy.title.toUpperCase(), freeBusy: 'free' };
  },
};
const later = (rule, method) => ({ version: '1', [method]: async (...args) => rule[method](...args) });

/** An engine that imports a feed of three events by these rules. */
async function imported(t, options) {
  const folder = mkdtempSync(path(tmpdir(), 'calsync-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const url = path(folder, 'feed.ics');
  const events = [meeting('a', 'Review'), meeting('b', 'Lunch'), meeting('c', 'Walk')];
  writeFileSync(url, write(events, { stamp: new Date('2026-01-01') }));
  const engine = new Engine(':memory:', options);
  await engine.putCalendar({ id: 'family', name: 'Family' });
  await engine.connect('feed', { provider: 'ics', url, trustAddress: true });
  await engine.addLink('feed', { calendar: 'family', connection: 'feed', direction: 'import', copies });
  return engine;
}

const rules = (filter, transform) => ({ filters: { 'no-lunches': filter }, transforms: { shout: transform } });

for (const [name, filter, transform] of [
  ['plain values', noLunches, shout],
  ['promises', later(noLunches, 'letsThrough'), later(shout, 'change')],
]) {
  test(`rules say what is copied and what it shows (${name})`, async (t) => {
    const engine = await imported(t, rules(filter, transform));
    await engine.sync('feed');
    assert.deepEqual(await titles(engine), { a: 'REVIEW', c: 'WALK' });
    assert.equal((await engine.events('family'))[0].event.master.freeBusy, 'free');
  });
}

test('what is no rule is refused at once, and a name nobody gave by the link', async (t) => {
  assert.throws(() => new Engine(':memory:', rules({}, shout)), /no-lunches.* letsThrough/);
  assert.throws(() => new Engine(':memory:', rules({ letsThrough() {} }, shout)), /no-lunches.* version/);
  assert.throws(() => new Engine(':memory:', { resolver: {} }), /resolve/);
  assert.throws(() => new Engine(':memory:', { clock: 7 }), /now/);
  await assert.rejects(imported(t, { filters: { 'no-lunches': noLunches } }), { code: 'invalid-input' });
});

const thrown = new RangeError('the text may hold anything');

for (const [name, answer, code] of [
  ['throws at once', () => { throw thrown; }, 'host-failed'],
  ['rejects', async () => { throw thrown; }, 'host-failed'],
  ['gives nothing', () => undefined, 'host-type'],
  ['gives a number', () => 1, 'host-type'],
  ['gives a function', () => () => {}, 'host-type'],
  ['gives what is no JSON', () => [10n], 'host-type'],
]) {
  for (const [method, options] of [
    ['filter.lets_through', rules({ version: '1', letsThrough: answer }, shout)],
    ['transform.change', rules(noLunches, { version: '1', change: answer })],
  ]) {
    test(`a ${method} that ${name} is a ${code}`, async (t) => {
      const engine = await imported(t, options);
      const error = await engine.sync('feed').then(assert.fail, (error) => error);
      assert.ok(error instanceof CalsyncError);
      assert.deepEqual([error.code, error.item], [code, method]);
      if (code === 'host-failed') assert.equal(error.cause, thrown);
      assert.ok(!error.message.includes('anything'));
      assert.deepEqual(await titles(engine), {});
    });
  }
}

test('a rule that never answers is silent once, and ends with its signal', async (t) => {
  let asked = 0;
  const never = { version: '1', letsThrough: () => new Promise(() => (asked += 1)) };
  const hasty = await imported(t, { ...rules(never, shout), patienceMs: 20 });
  await assert.rejects(hasty.sync('feed'), { code: 'host-silent', item: 'filter.lets_through' });
  assert.equal(asked, 1);
  const patient = await imported(t, { ...rules(never, shout), patienceMs: 600_000 });
  const stop = new AbortController();
  const run = patient.sync('feed', { signal: stop.signal });
  setTimeout(() => stop.abort(new Error('enough')), 20);
  await assert.rejects(run, /enough/);
  assert.equal((await patient.calendars()).length, 1);
});

const never = () => new Promise(() => {});

test('a transform, a clock and a store that never answer are named', async (t) => {
  const engine = await imported(t, { ...rules(noLunches, { version: '1', change: never }), patienceMs: 20 });
  await assert.rejects(engine.sync('feed'), { code: 'host-silent', item: 'transform.change' });
  const timeless = new Engine(':memory:', { clock: { now: never }, patienceMs: 20 });
  await assert.rejects(timeless.calendars(), { code: 'host-silent', item: 'clock.now' });
  const stores = Object.assign(new MapStore(), { calendars: never });
  await assert.rejects(new Engine(stores, { storePatienceMs: 20 }).calendars(), {
    code: 'host-silent',
    item: 'store.calendars',
  });
});

test('a resolver that never answers is named', async (t) => {
  const engine = await contested(t, { resolve: never }, { patienceMs: 20 });
  await assert.rejects(engine.sync('home'), { code: 'host-silent', item: 'resolver.resolve' });
});

test('a rule may ask the engine', async (t) => {
  const seen = [];
  let engine;
  const asks = {
    version: '1',
    async letsThrough() {
      seen.push((await engine.calendars()).length);
      await assert.rejects(engine.sync('feed'), { code: 'busy' });
      return true;
    },
  };
  engine = await imported(t, rules(asks, shout));
  await engine.sync('feed');
  assert.deepEqual(seen, [1, 1, 1]);
});

/** An engine and a link that asks the resolver; the title is changed on both sides of it. */
async function contested(t, resolver, options = {}) {
  const url = await server(t);
  const [one, two] = [new Engine(':memory:', { resolver, ...options }), new Engine()];
  await join(one, url, { conflicts: 'resolver' });
  await join(two, url);
  await one.addEvent('family', meeting('a', 'Breakfast'));
  await one.sync('home');
  await two.sync('home');
  for (const [engine, title] of [[one, 'Brunch'], [two, 'Lunch']]) {
    const [{ id, revision }] = await engine.events('family');
    await engine.updateEvent('family', id, revision, meeting('a', title));
  }
  await two.sync('home');
  return one;
}

test('a resolver decides', async (t) => {
  const engine = await contested(t, {
    async resolve({ link, base, local, remote, fields }) {
      assert.equal(link, 'home');
      assert.deepEqual([base, local, remote].map(({ master }) => master.title), ['Breakfast', 'Brunch', 'Lunch']);
      return fields.map((field) => ({ field, choice: 'local' }));
    },
  });
  await engine.sync('home');
  assert.deepEqual(await titles(engine), { a: 'Brunch' });
  assert.ok((await engine.conflicts('home')).every(({ open }) => !open));
});

for (const [name, resolve, code] of [
  ['throws', () => { throw thrown; }, 'host-failed'],
  ['gives nothing', () => null, 'host-type'],
  ['gives other fields', () => [{ field: { part: 'no such field' }, choice: 'local' }], 'host-type'],
]) {
  test(`a resolver that ${name} leaves it to a person`, async (t) => {
    const engine = await contested(t, { resolve });
    await assert.rejects(engine.sync('home'), { code, item: 'resolver.resolve' });
    assert.deepEqual((await engine.conflicts('home')).map(({ open }) => open), [true]);
  });
}

test('a clock tells the time of a call', async () => {
  const now = new Date('2030-01-01T12:00:00Z');
  const engine = new Engine(':memory:', { clock: { now: () => now } });
  await engine.putCalendar({ id: 'family', name: 'Family' });
  await engine.addEvent('family', meeting('a', 'Review'));
  const [{ modified }] = await engine.events('family');
  assert.ok(Math.abs(new Date(modified) - now) < 60_000, modified);
});

for (const [name, answer, code] of [
  ['throws', () => { throw thrown; }, 'host-failed'],
  ['gives a number', () => 7, 'host-type'],
  ['gives no time', () => 'soon', 'host-type'],
  ['gives a broken date', () => new Date(NaN), 'host-failed'],
]) {
  test(`a clock that ${name} fails the call before it begins`, async () => {
    const engine = new Engine(':memory:', { clock: { now: answer } });
    await assert.rejects(engine.calendars(), { code, item: 'clock.now' });
  });
}

for (const [name, observer] of [
  ['throws', () => { throw thrown; }],
  ['rejects', async () => { throw thrown; }],
]) {
  test(`an observer that ${name} ends the run and is named`, async (t) => {
    const engine = await imported(t, rules(noLunches, shout));
    const error = await engine.sync('feed', { onProgress: observer }).then(assert.fail, (error) => error);
    assert.ok(error instanceof CalsyncError);
    assert.deepEqual([error.code, error.item, error.cause], ['host-failed', 'observer.progress', thrown]);
    assert.ok(!error.message.includes('anything'));
    assert.equal((await engine.calendars()).length, 1);
  });
}

test('an observer may be async, and one that never answers is silent', async (t) => {
  const engine = await imported(t, rules(noLunches, shout));
  const [atOnce, later] = [[], []];
  await engine.sync('feed', { onProgress: ({ step }) => atOnce.push(step), audit: true });
  await engine.sync('feed', {
    audit: true,
    onProgress: async ({ step }) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      later.push(step);
    },
  });
  assert.ok(atOnce.length > 0 && later.length > 0);
  const hasty = await imported(t, { ...rules(noLunches, shout), patienceMs: 20 });
  await assert.rejects(hasty.sync('feed', { onProgress: never }), { code: 'host-silent', item: 'observer.progress' });
});

test('what is thrown may say anything of itself', async () => {
  class Named extends Error {
    static name() {}
  }
  const odd = Object.assign(new StoreConflict(), { expectation: 'a text' });
  const hostile = new Proxy({}, { getPrototypeOf() { throw new Error('no'); }, get() { throw new Error('no'); } });
  for (const [error, code] of [[new Named('x'), 'host-failed'], [odd, 'store-conflict'], [hostile, 'host-failed'], [null, 'host-failed']]) {
    const store = Object.assign(new MapStore(), { calendars: () => { throw error; } });
    await assert.rejects(new Engine(store).calendars(), { code });
  }
});

test('a question about an event fails when a rule does', async (t) => {
  let broken = false;
  const fickle = {
    version: '1',
    letsThrough: (...args) => {
      if (broken) throw thrown;
      return noLunches.letsThrough(...args);
    },
  };
  const engine = new Engine(':memory:', rules(fickle, shout));
  await join(engine, await server(t), { direction: 'export', copies });
  const id = await engine.addEvent('family', meeting('a', 'Review'));
  await engine.explain('family', id);
  broken = true;
  await assert.rejects(engine.explain('family', id), { code: 'host-failed', item: 'filter.lets_through' });
});

test('another secret reaches the links there are', async (t) => {
  const url = await server(t);
  const engine = new Engine();
  await join(engine, url);
  await engine.connect('account', { ...account(url), secret: 'old' });
  await assert.rejects(engine.sync('home'), { code: 'unauthorized' });
  await engine.connect('account', account(url));
  assert.ok((await engine.sync('home')).inStep);
});

test('threads one after the other each have an engine', async () => {
  const work = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { Engine } = require(workerData);
    new Engine().calendars().then((found) => parentPort.postMessage(found.length));
  `;
  const script = `
    const { Worker } = require('node:worker_threads');
    const { once } = require('node:events');
    (async () => {
      for (let n = 0; n < 3; n += 1) {
        const worker = new Worker(${JSON.stringify(work)}, { eval: true, workerData: process.argv[1] });
        const [found] = await once(worker, 'message');
        if (found !== 0) process.exit(3);
        await once(worker, 'exit');
      }
    })();
  `;
  // Of a process of its own, whose main thread uses nothing: so each worker is the last environment when it ends.
  const index = fileURLToPath(new URL('../index.cjs', import.meta.url));
  await promisify(execFile)(process.execPath, ['-e', script, index], { timeout: 60_000 });
});
