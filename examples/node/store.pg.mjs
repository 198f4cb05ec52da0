// The same store over PostgreSQL, with `pg`: every method is `async`, and a commit locks what it expects.
import pg from 'pg';
import { StoreConflict, StoreFenced, StoreInvalidInput, StoreUnavailable } from 'calsync';
import { day, hash, sortable } from './values.mjs';

// Names are compared byte by byte: hence the collation. JSON is text, because jsonb cannot hold every string.
const TABLES = `
  CREATE TABLE IF NOT EXISTS lessons (
    calendar text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL,
    title    text,
    day      text,
    teacher  text,                -- the application's own: calsync never writes it
    uid_hash text NOT NULL,
    revision bigint NOT NULL,
    modified text NOT NULL,
    deleted  text,
    event    text NOT NULL,
    PRIMARY KEY (calendar, id)
  );
  CREATE INDEX IF NOT EXISTS lessons_by_uid ON lessons (calendar, uid_hash);
  CREATE UNIQUE INDEX IF NOT EXISTS lessons_by_revision ON lessons (calendar, revision);

  CREATE TABLE IF NOT EXISTS calsync_calendars (id text COLLATE "C" PRIMARY KEY, json text NOT NULL);
  -- The last revision of each calendar, the last version of a document: they outlive the rows they counted. Their rows are
  -- what writers lock; a link's counts nothing.
  CREATE TABLE IF NOT EXISTS calsync_counters (name text COLLATE "C" PRIMARY KEY, last bigint NOT NULL);
  CREATE TABLE IF NOT EXISTS calsync_links (id text COLLATE "C" PRIMARY KEY, generation bigint NOT NULL, json text NOT NULL);
  CREATE TABLE IF NOT EXISTS calsync_bases (
    link text COLLATE "C" NOT NULL, remote_id text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL, json text NOT NULL,
    PRIMARY KEY (link, remote_id), UNIQUE (link, event_id)
  );
  CREATE TABLE IF NOT EXISTS calsync_outbox (
    link text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL, json text NOT NULL,
    PRIMARY KEY (link, id), UNIQUE (link, event_id)
  );
  CREATE TABLE IF NOT EXISTS calsync_records (
    kind text COLLATE "C" NOT NULL, link text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C", run text COLLATE "C", aged text COLLATE "C", json text NOT NULL,
    PRIMARY KEY (kind, link, id)
  );
  CREATE INDEX IF NOT EXISTS calsync_records_by_age ON calsync_records (kind, link, aged);
  CREATE TABLE IF NOT EXISTS calsync_docs (
    space text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, version bigint NOT NULL, due text COLLATE "C", json text NOT NULL,
    PRIMARY KEY (space, key)
  );
  CREATE INDEX IF NOT EXISTS calsync_docs_by_due ON calsync_docs (space, due);
  CREATE TABLE IF NOT EXISTS calsync_leases (
    name text COLLATE "C" PRIMARY KEY, holder text, epoch bigint NOT NULL, until text NOT NULL
  );
`;
const INT8 = 20;
const count = (number) => Math.min(number, Number.MAX_SAFE_INTEGER);

/** The database at a connection string, with its tables. Its counts are numbers here: they grow by one. */
export async function connect(connectionString) {
  const getTypeParser = (oid, format) => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format));
  const pool = new pg.Pool({ connectionString, types: { getTypeParser } });
  // A server that restarts ends connections nobody is using. The pool has let go of such a one when it says so, and an `error` that
  // nobody listens to would end the process.
  pool.on('error', () => {});
  await pool.query(TABLES);
  return pool;
}

const STATE = 'SELECT json FROM calsync_links WHERE id = $1';
const SINCE = 'calendar = $1 AND revision > $2 ORDER BY revision LIMIT $3';

// Where: the pool, or a connection inside a transaction.

async function rows(where, text, values) {
  const found = await where.query(text, values);
  return found.rows.map(({ json }) => JSON.parse(json));
}

async function events(where, wanted, values) {
  const found = await where.query(`SELECT id, revision, event, modified, deleted FROM lessons WHERE ${wanted}`, values);
  return found.rows.map((row) => ({ ...row, event: JSON.parse(row.event) }));
}

/** Rows by a column; the names in `wanted` are written in this file, its values are not. */
function page(where, table, by, after, limit, wanted) {
  const values = Object.values(wanted);
  const terms = Object.keys(wanted).map((name, place) => `${name} = $${place + 1}`);
  if (after !== null) terms.push(`${by} > $${values.push(after)}`);
  const last = values.push(count(limit));
  return rows(where, `SELECT json FROM ${table} WHERE ${terms.join(' AND ')} ORDER BY ${by} LIMIT $${last}`, values);
}

async function granted(client, { name, holder, now, until }) {
  const make = 'INSERT INTO calsync_leases (name, epoch, until) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING';
  await client.query(make, [name, now]);
  const query = 'SELECT holder, epoch, until FROM calsync_leases WHERE name = $1 FOR UPDATE';
  const [lease] = (await client.query(query, [name])).rows;
  const over = sortable(lease.until) <= sortable(now);
  if (lease.holder !== null && lease.holder !== holder && !over) return { held_until: lease.until };
  const epoch = lease.holder !== holder || over ? lease.epoch + 1 : lease.epoch;
  const change = 'UPDATE calsync_leases SET holder = $2, epoch = $3, until = $4 WHERE name = $1';
  await client.query(change, [name, holder, epoch, until]);
  return { token: { name, epoch } };
}

/** The store. */
export class PostgresStore {
  #pool;

  constructor(pool) {
    this.#pool = pool;
  }

  #rows(text, values = []) {
    return typed(() => rows(this.#pool, text, values));
  }

  #events(where, values) {
    return typed(() => events(this.#pool, where, values));
  }

  calendars() {
    return this.#rows('SELECT json FROM calsync_calendars ORDER BY id');
  }

  events({ calendar, ids }) {
    return this.#events('calendar = $1 AND id = ANY ($2)', [calendar, ids]);
  }

  eventsByUid({ calendar, uids }) {
    return this.#events('calendar = $1 AND uid_hash = ANY ($2)', [calendar, uids.map(hash)]);
  }

  eventsSince({ calendar, after, limit }) {
    return this.#events(SINCE, [calendar, count(after), count(limit)]);
  }

  async link({ link }) {
    return (await this.#rows(STATE, [link]))[0];
  }

  bases({ link, by, ids }) {
    const column = by === 'remote' ? 'remote_id' : 'event_id';
    return this.#rows(`SELECT json FROM calsync_bases WHERE link = $1 AND ${column} = ANY ($2)`, [link, ids]);
  }

  async baseSummaries({ link, after, limit }) {
    const rows = await this.#page('calsync_bases', 'remote_id', after, limit, { link });
    return rows.map(({ remote_id, event_id, version }) => ({ remote_id, event_id, version }));
  }

  outbox({ link, after, limit }) {
    return this.#page('calsync_outbox', 'id', after, limit, { link });
  }

  records({ kind, link, event, run, after, limit }) {
    const wanted = { kind, link };
    const narrow = kind === 'conflict' || kind === 'journal';
    if (narrow && event !== null) wanted.event_id = event;
    if (narrow && run !== null) wanted.run = run;
    return this.#page('calsync_records', 'id', after, limit, wanted);
  }

  docs({ space, keys, after, due, limit }) {
    const of = 'SELECT json FROM calsync_docs WHERE space = $1';
    if (keys !== null) return this.#rows(`${of} AND key = ANY ($2)`, [space, keys]);
    if (due === null) return this.#page('calsync_docs', 'key', after, limit, { space });
    return this.#rows(`${of} AND due <= $2 ORDER BY due, key LIMIT $3`, [space, sortable(due), count(limit)]);
  }

  #page(table, by, after, limit, wanted) {
    return typed(() => page(this.#pool, table, by, after, limit, wanted));
  }

  // What calsync always asks together, in one call each. A store without these three is asked the reads above one by one.

  openLink({ lease, link, calendar, limit }) {
    return this.#transaction(async (client) => {
      const grant = lease === null ? {} : await granted(client, lease);
      if (grant.held_until) return grant;
      const [state = null] = await rows(client, STATE, [link]);
      return {
        token: grant.token,
        state,
        edits: state?.seen > 0 ? await events(client, SINCE, [calendar, state.seen - 1, limit + 1]) : [],
        quarantine: await page(client, 'calsync_records', 'id', null, limit, { kind: 'quarantine', link }),
        outbox: await page(client, 'calsync_outbox', 'id', null, limit, { link }),
      };
    });
  }

  async pairs({ link, calendar, items }) {
    const mine = 'FROM calsync_bases WHERE link = $1 AND remote_id = ANY ($2)';
    const [bases, events] = await Promise.all([
      this.#rows(`SELECT json ${mine}`, [link, items]),
      this.#events(`calendar = $3 AND id IN (SELECT event_id ${mine})`, [link, items, calendar]),
    ]);
    return { bases, events };
  }

  async waiting({ link, after, limit }) {
    const page = `SELECT entry.json, base.json AS base FROM calsync_outbox entry
      LEFT JOIN calsync_bases base ON base.link = entry.link AND base.event_id = entry.event_id
      WHERE entry.link = $1 AND ($2::text IS NULL OR entry.id > $2) ORDER BY entry.id LIMIT $3`;
    const { rows } = await typed(() => this.#pool.query(page, [link, after, count(limit)]));
    const bases = rows.filter(({ base }) => base !== null).map(({ base }) => JSON.parse(base));
    return { entries: rows.map(({ json }) => JSON.parse(json)), bases };
  }

  commit({ batch }) {
    return this.#transaction((client) => new Commit(client).whole(batch));
  }

  acquireLease(lease) {
    return this.#transaction((client) => granted(client, lease));
  }

  async releaseLease({ token }) {
    const change = 'UPDATE calsync_leases SET holder = NULL WHERE name = $1 AND epoch = $2';
    await typed(() => this.#pool.query(change, [token.name, count(token.epoch)]));
  }

  /** All of it or nothing. The connection goes back to the pool without a transaction. */
  #transaction(work) {
    return typed(async () => {
      const client = await this.#pool.connect();
      let broken = false;
      const lost = () => {
        broken = true;
      };
      // While it is checked out, the pool does not listen. The query that waits is told as well, and tells the caller.
      client.on('error', lost);
      try {
        await client.query('BEGIN');
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(lost);
        throw error;
      } finally {
        client.removeListener('error', lost);
        client.release(broken);
      }
    });
  }
}

/** One commit, in its transaction. */
class Commit {
  #client;
  #receipt = { revisions: [], doc_versions: [], purged: [] };

  constructor(client) {
    this.#client = client;
  }

  async #sql(text, values) {
    return (await this.#client.query(text, values)).rows;
  }

  async whole({ lease, lease_end: leaseEnd, expect, writes }) {
    if (lease !== null) {
      const query = 'SELECT holder, epoch FROM calsync_leases WHERE name = $1 FOR SHARE';
      const [found] = await this.#sql(query, [lease.name]);
      if (!found || found.holder === null || found.epoch !== lease.epoch) throw new StoreFenced();
    }
    // In one order, so that two commits never wait for each other; then what is expected stays so until the end.
    for (const name of [...new Set([...expect, ...writes].map(lockOf))].sort()) {
      await this.#sql('INSERT INTO calsync_counters (name, last) VALUES ($1, 0) ON CONFLICT DO NOTHING', [name]);
      await this.#sql('SELECT 1 FROM calsync_counters WHERE name = $1 FOR UPDATE', [name]);
    }
    for (const [place, expected] of expect.entries()) {
      if (!(await this.#holds(expected))) throw new StoreConflict(place);
    }
    for (const write of writes) await this.#write(write);
    if (lease !== null && leaseEnd === 'given-back') {
      const free = 'UPDATE calsync_leases SET holder = NULL WHERE name = $1 AND epoch = $2';
      await this.#sql(free, [lease.name, lease.epoch]);
      this.#receipt.lease_end = 'given-back';
    }
    return this.#receipt;
  }

  async #holds(expected) {
    if (expected.of === 'uid') {
      const query = 'SELECT id FROM lessons WHERE calendar = $1 AND uid_hash = $2';
      const rows = await this.#sql(query, [expected.calendar, hash(expected.uid)]);
      const [found, wanted] = [new Set(rows.map(({ id }) => id)), new Set(expected.events)];
      return found.size === wanted.size && [...wanted].every((id) => found.has(id));
    }
    if (expected.of === 'event') {
      const query = 'SELECT revision FROM lessons WHERE calendar = $1 AND id = $2';
      const [row] = await this.#sql(query, [expected.calendar, expected.id]);
      return (row?.revision ?? null) === expected.revision;
    }
    if (expected.of === 'link') return (await this.#generation(expected.id)) === expected.generation;
    const query = 'SELECT version FROM calsync_docs WHERE space = $1 AND key = $2';
    const [row] = await this.#sql(query, [expected.space, expected.key]);
    return (row?.version ?? null) === expected.version;
  }

  async #generation(link) {
    const [row] = await this.#sql('SELECT generation FROM calsync_links WHERE id = $1', [link]);
    return row?.generation ?? null;
  }

  async #next(name) {
    const [row] = await this.#sql('UPDATE calsync_counters SET last = last + 1 WHERE name = $1 RETURNING last', [name]);
    return row.last;
  }

  async #revise({ calendar, id }) {
    const revision = await this.#next(`calendar ${calendar}`);
    this.#receipt.revisions.push([calendar, id, revision]);
    return revision;
  }

  /** Replaces the whole row. */
  async #put(table, key, row, more = {}) {
    await this.#delete(table, key);
    const values = { ...key, ...more, json: JSON.stringify(row) };
    const names = Object.keys(values);
    const places = names.map((_, place) => `$${place + 1}`).join(', ');
    await this.#sql(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${places})`, Object.values(values));
  }

  #delete(table, key) {
    const where = Object.keys(key).map((name, place) => `${name} = $${place + 1}`).join(' AND ');
    return this.#sql(`DELETE FROM ${table} WHERE ${where}`, Object.values(key));
  }

  #record(kind, row, aged) {
    const { link, id, event_id = null, run = null } = row;
    return this.#put('calsync_records', { kind, link, id }, row, { event_id, run, aged: aged ? sortable(aged) : null });
  }

  async #write(write) {
    const { op, row } = write;
    switch (op) {
      case 'put-calendar':
        return this.#put('calsync_calendars', { id: row.id }, row);
      case 'put-event':
        return this.#putEvent(write);
      case 'delete-event': {
        const living = 'SELECT 1 FROM lessons WHERE calendar = $1 AND id = $2 AND deleted IS NULL';
        if ((await this.#sql(living, [write.calendar, write.id])).length === 0) return;
        const change = 'UPDATE lessons SET deleted = $3, revision = $4 WHERE calendar = $1 AND id = $2';
        return this.#sql(change, [write.calendar, write.id, write.at, await this.#revise(write)]);
      }
      case 'purge-deleted': {
        const query = 'SELECT id, deleted FROM lessons WHERE calendar = $1 AND deleted IS NOT NULL';
        for (const { id, deleted } of await this.#sql(query, [write.calendar])) {
          if (sortable(deleted) < sortable(write.before)) await this.#delete('lessons', { calendar: write.calendar, id });
        }
        return;
      }
      case 'put-link': {
        const generation = ((await this.#generation(row.id)) ?? 0) + 1;
        return this.#put('calsync_links', { id: row.id }, { ...row, generation }, { generation });
      }
      case 'put-base': {
        const { link, remote_id, event_id } = row;
        return this.#put('calsync_bases', { link, remote_id }, row, { event_id });
      }
      case 'delete-base':
        return this.#delete('calsync_bases', { link: write.link, remote_id: write.remote_id });
      case 'put-outbox':
        return this.#put('calsync_outbox', { link: row.link, id: row.id }, row, { event_id: row.event_id });
      case 'delete-outbox':
        return this.#delete('calsync_outbox', { link: write.link, id: write.id });
      case 'put-quarantine':
        return this.#put('calsync_records', { kind: 'quarantine', link: row.link, id: row.remote_id }, row);
      case 'delete-quarantine':
        return this.#delete('calsync_records', { kind: 'quarantine', link: write.link, id: write.remote_id });
      case 'put-conflict':
        return this.#record('conflict', row, write.resolved);
      case 'put-run':
        return this.#record('run', row, row.started);
      case 'put-journal':
        return this.#record('journal', row, row.at);
      case 'purge-log':
        return this.#purge(write);
      case 'put-doc': {
        const version = await this.#next('docs');
        this.#receipt.doc_versions.push(version);
        const due = row.due && sortable(row.due);
        return this.#put('calsync_docs', { space: row.space, key: row.key }, { ...row, version }, { version, due });
      }
      case 'delete-doc':
        return this.#delete('calsync_docs', { space: write.space, key: write.key });
      default:
        throw new Error(`a write this store does not know: ${op}`);
    }
  }

  /** Updates the row where there is one: columns of the application's own stay as they are. */
  async #putEvent(write) {
    const { calendar, id, event, at } = write;
    const put = `INSERT INTO lessons (calendar, id, title, day, uid_hash, revision, modified, deleted, event)
      VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8)
      ON CONFLICT (calendar, id) DO UPDATE SET title = excluded.title, day = excluded.day, uid_hash = excluded.uid_hash,
        revision = excluded.revision, modified = excluded.modified, deleted = NULL, event = excluded.event`;
    // The event keeps every character; PostgreSQL's text cannot hold this one.
    const title = event.master?.title?.replaceAll('\0', '') ?? null;
    const revision = await this.#revise(write);
    await this.#sql(put, [calendar, id, title, day(event), hash(event.uid), revision, at, JSON.stringify(event)]);
  }

  async #purge({ link, log, before, limit }) {
    const kind = { runs: 'run', journal: 'journal', 'resolved-conflicts': 'conflict' }[log];
    const purge = `DELETE FROM calsync_records WHERE kind = $1 AND link = $2 AND id IN (
      SELECT id FROM calsync_records WHERE kind = $1 AND link = $2 AND aged < $3 ORDER BY aged, id LIMIT $4) RETURNING 1`;
    this.#receipt.purged.push((await this.#sql(purge, [kind, link, sortable(before), count(limit)])).length);
  }
}

/** What a part of a batch reads or writes, by the name of its counter. */
function lockOf(part) {
  const row = part.row ?? part;
  if (part.of === 'link' || part.op === 'put-link') return `link ${row.id}`;
  if (part.of === 'doc' || part.op?.endsWith('-doc')) return 'docs';
  if (part.op === 'put-calendar') return `calendar ${row.id}`;
  return part.calendar === undefined ? `link ${row.link}` : `calendar ${part.calendar}`;
}

/** What `pg` says without a code when a connection ends, or none can be had. */
const LOST = /^(Connection terminated|timeout exceeded|Client (was closed|has encountered a connection error))/;

/** What calsync has to know about an error of the database, by its SQLSTATE. */
async function typed(work) {
  try {
    return await work();
  } catch (error) {
    const state = String(error.code);
    if (state.startsWith('23') || state.startsWith('22')) throw new StoreInvalidInput();
    // Connections, deadlocks, a server that is full or stops; and what the socket says.
    if (/^(08|40|53|57)|^E[A-Z_]+$/.test(state) || (!error.code && LOST.test(error.message))) throw new StoreUnavailable();
    throw error;
  }
}
