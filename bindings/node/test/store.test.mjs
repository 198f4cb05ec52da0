// A store written in JavaScript does what ours are checked for.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Engine, STORE_CASES, checkStore } from '../index.mjs';
import { storeConformance } from '../node-test.mjs';
import { MapStore, OneCallStore, noted } from './map-store.mjs';
import { join, meeting, server } from './support.mjs';

storeConformance('a store in maps', () => new MapStore());
storeConformance('a store that answers in one call', async () => new OneCallStore());
storeConformance('a store of promises', () => new MapStore(true));

test('a store that forgets to give back a lease is found', async () => {
  await checkStore(() => new MapStore());
  const forgets = () => Object.assign(new MapStore(), { releaseLease() {} });
  const error = await checkStore(forgets).then(assert.fail, (error) => error);
  assert.equal(error.code, 'check-failed');
  assert.ok(STORE_CASES.includes(error.item));
  await assert.rejects(checkStore(() => new MapStore(), 'no such case'), { code: 'invalid-input' });
});

test('a store that never answers fails the case', async () => {
  const silent = () => Object.assign(new MapStore(), { acquireLease: () => new Promise(() => {}) });
  const error = await checkStore(silent, 'lease_needs_a_duration', { storePatienceMs: 20 }).then(assert.fail, (error) => error);
  assert.equal(error.code, 'check-failed');
  assert.match(error.message, /store.acquire_lease never answered/);
});

test('a store that never answers fails its tests', () => {
  const silent = `
    import { storeConformance } from '${new URL('../node-test.mjs', import.meta.url)}';
    import { MapStore } from '${new URL('map-store.mjs', import.meta.url)}';
    const silent = () => Object.assign(new MapStore(), { acquireLease: () => new Promise(() => {}) });
    storeConformance('a silent store', silent, { storePatienceMs: 20 });`;
  // As a test within a test it would not say what it found.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', silent], { env, encoding: 'utf8', timeout: 30_000 });
  assert.equal(run.status, 1);
  assert.match(run.stdout, /store.acquire_lease never answered/);
});

test('what is answered in one call is compared with the reads', async () => {
  const forgets = () => Object.assign(new OneCallStore(), { pairs: () => ({ bases: [], events: [] }) });
  const error = await checkStore(forgets).then(assert.fail, (error) => error);
  assert.equal(error.item, 'pairs_answer_what_the_reads_answer');
});

const SINGLE = ['acquireLease', 'link', 'eventsSince', 'records', 'outbox'];
const WAYS = [
  [MapStore, SINGLE, ['bases', 'events']],
  [OneCallStore, ['openLink'], ['pairs']],
];
for (const [kind, begin, pairs] of WAYS) {
  test(`what a run asks of a ${kind.name}`, async (t) => {
    const url = await server(t);
    const { store, taken } = noted(new kind());
    const [engine, elsewhere] = [new Engine(store), new Engine()];
    await join(engine, url);
    await join(elsewhere, url);
    const edit = async (where, title, count) => {
      for (const { id, revision, event } of (await where.events('family')).slice(0, count)) {
        const master = { ...event.master, title };
        await where.updateEvent('family', id, revision, { ...event, master });
      }
    };
    const asked = async () => {
      taken();
      await engine.sync('home');
      return taken();
    };
    for (let n = 0; n < 200; n += 1) await elsewhere.addEvent('family', meeting(`e${n}`, `Event ${n}`));
    await elsewhere.sync('home');
    await engine.sync('home');
    await engine.sync('home');
    assert.deepEqual(await asked(), [...begin, 'commit'], 'nothing to do');

    await edit(elsewhere, 'there', 10);
    await elsewhere.sync('home');
    assert.deepEqual(await asked(), [...begin, ...pairs, 'commit', 'commit'], 'ten there');

    await edit(engine, 'here', 10);
    assert.deepEqual(await asked(), [...begin, 'bases', 'commit', 'commit', 'commit'], 'ten here');
    await elsewhere.sync('home');

  });
}

for (const count of [200, 1000]) {
  test(`${count} changes are few calls`, async (t) => {
    const url = await server(t);
    const { store, taken } = noted(new OneCallStore());
    const [engine, elsewhere] = [new Engine(store), new Engine()];
    await join(engine, url);
    await join(elsewhere, url);
    const edit = async (where, title) => {
      for (const { id, revision, event } of await where.events('family')) {
        await where.updateEvent('family', id, revision, { ...event, master: { ...event.master, title } });
      }
    };
    const few = async (what) => {
      taken();
      const report = await engine.sync('home');
      const calls = taken();
      assert.ok(report.inStep && calls.length <= 6 + count / 100, `${what}: ${calls}`);
    };
    // Both sides have met.
    await engine.sync('home');
    for (let n = 0; n < count; n += 1) await elsewhere.addEvent('family', meeting(`e${n}`, `Event ${n}`));
    await elsewhere.sync('home');
    await few('new there');
    await edit(elsewhere, 'there');
    await elsewhere.sync('home');
    await few('edited there');
    await edit(engine, 'here');
    await few('edited here');
  });
}
