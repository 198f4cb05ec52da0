// The store does what calsync asks of one.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { StoreUnavailable } from 'calsync';
import { storeConformance } from 'calsync/node-test';
import { SqliteStore, connect } from './store.mjs';

storeConformance('sqlite', () => new SqliteStore(connect(':memory:')));

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

test('a read that finds the database busy may be tried again', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'studio-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'studio.db');
  const mine = connect(file);
  // Without a write-ahead log, a writer that is at it keeps readers out.
  mine.pragma('journal_mode = DELETE');
  mine.pragma('busy_timeout = 1');
  const other = new Database(file);
  other.exec('BEGIN EXCLUSIVE');
  const store = new SqliteStore(mine);
  assert.throws(() => store.calendars(), StoreUnavailable);
  assert.throws(() => store.events({ calendar: 'studio', ids: ['a'] }), StoreUnavailable);
  assert.throws(() => store.releaseLease({ token: { name: 'home', epoch: 1 } }), StoreUnavailable);
  other.close();
  assert.deepEqual(store.calendars(), []);
  mine.close();
});
