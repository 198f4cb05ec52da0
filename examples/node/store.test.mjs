// The store does what calsync asks of one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STORE_CASES, checkStore } from 'calsync';
import { SqliteStore, connect } from './store.mjs';

for (const name of STORE_CASES) {
  test(name, () => checkStore(() => new SqliteStore(connect(':memory:')), name));
}

test("the application's own column outlives a change", () => {
  const database = connect(':memory:');
  const store = new SqliteStore(database);
  const put = (title) => {
    const time = { start: { date: '2026-05-01' }, end: { date: '2026-05-02' } };
    const event = { uid: 'a', master: { time, title } };
    const write = { op: 'put-event', calendar: 'studio', id: 'a', event, at: '2026-04-01T00:00:00Z' };
    store.commit({ batch: { lease: null, expect: [], writes: [write] } });
  };
  put('Yoga');
  database.prepare('UPDATE lessons SET teacher = ?').run('Kim');
  put('Yoga for all');
  const { title, day, teacher, revision } = database.prepare('SELECT * FROM lessons').get();
  assert.deepEqual([title, day, teacher, revision], ['Yoga for all', '2026-05-01', 'Kim', 2]);
});
