// The store over PostgreSQL does what calsync asks of one, where `CALSYNC_TEST_POSTGRES` has the connection string of a server.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { after, test } from 'node:test';
import { StoreConflict, StoreUnavailable } from 'calsync';
import { storeConformance } from 'calsync/node-test';
import { PostgresStore, connect } from './store.pg.mjs';

const { CALSYNC_TEST_POSTGRES: url } = process.env;
const skip = url ? false : 'there is no PostgreSQL';
const pool = url ? await connect(url) : undefined;
after(() => pool?.end());

async function fresh() {
  const tables = ['calendars', 'counters', 'links', 'bases', 'outbox', 'records', 'docs', 'leases'];
  await pool.query([...tables.map((name) => `DELETE FROM calsync_${name}`), 'DELETE FROM lessons'].join('; '));
  return new PostgresStore(pool);
}

storeConformance('postgres', fresh, { skip });

const put = (title, ...expect) => {
  const time = { start: { date: '2026-05-01' }, end: { date: '2026-05-02' } };
  const event = { uid: 'a', master: { time, title } };
  const write = { op: 'put-event', calendar: 'studio', id: 'a', event, at: '2026-04-01T00:00:00Z' };
  return { batch: { lease: null, expect, writes: [write] } };
};

test('postgres: of many at once with one expectation, one writes', { skip }, async () => {
  const store = await fresh();
  const nothing = { of: 'event', calendar: 'studio', id: 'a', revision: null };
  const ends = await Promise.allSettled(Array.from({ length: 8 }, (_, number) => store.commit(put(`${number}`, nothing))));
  const refused = ends.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 7);
  assert.ok(refused.every(({ reason }) => reason instanceof StoreConflict));
});

test("postgres: the application's own column outlives a change", { skip }, async () => {
  const store = await fresh();
  await store.commit(put('Yoga'));
  await pool.query("UPDATE lessons SET teacher = 'Kim'");
  await store.commit(put('Yoga for all'));
  const { rows } = await pool.query('SELECT title, day, teacher, revision FROM lessons');
  assert.deepEqual(rows, [{ title: 'Yoga for all', day: '2026-05-01', teacher: 'Kim', revision: 2 }]);
});

test('postgres: a connection that is lost in a transaction may be tried again, and is not used again', async () => {
  const released = [];
  const client = Object.assign(new EventEmitter(), {
    async query(text) {
      if (text === 'BEGIN') return { rows: [] };
      const lost = new Error('Connection terminated unexpectedly');
      // As `pg` does; it throws where nobody listens.
      client.emit('error', new Error('the socket has closed'));
      throw lost;
    },
    release: (broken) => released.push({ broken, listeners: client.listenerCount('error') }),
  });
  const store = new PostgresStore({ connect: async () => client });
  await assert.rejects(store.commit(put('Yoga')), StoreUnavailable);
  assert.deepEqual(released, [{ broken: true, listeners: 0 }]);
});

test('postgres: a connection that ends while nobody uses it does not end the process', { skip }, async () => {
  const other = await connect(url);
  const [{ pid }] = (await other.query('SELECT pg_backend_pid() AS pid')).rows;
  const removed = new Promise((resolve) => other.once('remove', resolve));
  await pool.query('SELECT pg_terminate_backend($1)', [pid]);
  await removed;
  assert.ok(Array.isArray(await new PostgresStore(other).calendars()));
  await other.end();
});
