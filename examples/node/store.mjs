// A calsync store over the tables of this application, with better-sqlite3.
//
// `lessons` is the application's own table. It holds the event that calsync keeps in step as JSON, beside the columns the
// application searches and one calsync never writes. `accounts` is the application's too; the other tables are calsync's alone.
// What a store must promise is in `docs/store-contract.md`; `store.test.mjs` runs the cases that check it.
import Database from 'better-sqlite3';
import { StoreConflict, StoreFenced, StoreInvalidInput, StoreUnavailable } from 'calsync';
import { day, hash, sortable } from './values.mjs';

const TABLES = `
  CREATE TABLE IF NOT EXISTS lessons (
    calendar TEXT NOT NULL,
    id       TEXT NOT NULL,
    title    TEXT,
    day      TEXT,
    teacher  TEXT,                -- the application's own: calsync never writes it
    uid_hash TEXT NOT NULL,       -- a UID may be longer than an index should hold
    revision INTEGER NOT NULL,
    modified TEXT NOT NULL,
    deleted  TEXT,
    event    TEXT NOT NULL,
    PRIMARY KEY (calendar, id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS lessons_by_uid ON lessons (calendar, uid_hash);
  CREATE UNIQUE INDEX IF NOT EXISTS lessons_by_revision ON lessons (calendar, revision);

  -- The application's own: which calendar the lessons were joined to, for as long as it is that account.
  CREATE TABLE IF NOT EXISTS accounts (url TEXT NOT NULL, username TEXT NOT NULL, remote TEXT NOT NULL) STRICT;

  CREATE TABLE IF NOT EXISTS calsync_calendars (id TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
  -- The last revision of each calendar, the last version of a document: they outlive the rows they counted.
  CREATE TABLE IF NOT EXISTS calsync_counters (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS calsync_links (
    id TEXT PRIMARY KEY, generation INTEGER NOT NULL, json TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS calsync_bases (
    link TEXT NOT NULL, remote_id TEXT NOT NULL, event_id TEXT NOT NULL, json TEXT NOT NULL,
    PRIMARY KEY (link, remote_id), UNIQUE (link, event_id)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS calsync_outbox (
    link TEXT NOT NULL, id TEXT NOT NULL, event_id TEXT NOT NULL, json TEXT NOT NULL,
    PRIMARY KEY (link, id), UNIQUE (link, event_id)
  ) STRICT;
  -- Conflicts, quarantined items, runs and the journal; 'aged' is from when a row may be purged.
  CREATE TABLE IF NOT EXISTS calsync_records (
    kind TEXT NOT NULL, link TEXT NOT NULL, id TEXT NOT NULL, event_id TEXT, run TEXT, aged TEXT, json TEXT NOT NULL,
    PRIMARY KEY (kind, link, id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS calsync_records_by_age ON calsync_records (kind, link, aged);
  CREATE TABLE IF NOT EXISTS calsync_docs (
    space TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, due TEXT, json TEXT NOT NULL,
    PRIMARY KEY (space, key)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS calsync_docs_by_due ON calsync_docs (space, due);
  CREATE TABLE IF NOT EXISTS calsync_leases (
    name TEXT PRIMARY KEY, holder TEXT, epoch INTEGER NOT NULL, until TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
// More rows than any page has.
const MOST = 2 ** 31 - 1;
const EVENT = 'SELECT id, revision, event, modified, deleted FROM lessons';

/** The database in a file, or `:memory:`, with its tables. */
export function connect(file) {
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.exec(TABLES);
  return database;
}

/** The store. Every method returns at once: SQLite is in this process. */
export class SqliteStore {
  #database;
  #prepared = new Map();
  #commit;
  #acquire;
  #open;

  constructor(database) {
    this.#database = database;
    // Begins as a writer, so that what is expected stays so until the end, whoever else has the file open.
    this.#commit = database.transaction((batch) => this.#whole(batch));
    this.#acquire = database.transaction((terms) => this.#lease(terms));
    this.#open = database.transaction((opening) => this.#opened(opening));
  }

  #sql(text) {
    let statement = this.#prepared.get(text);
    if (!statement) this.#prepared.set(text, (statement = this.#database.prepare(text)));
    return statement;
  }

  #rows(text, ...values) {
    return typed(() => this.#sql(text).all(...values)).map(({ json }) => JSON.parse(json));
  }

  #events(where, ...values) {
    const found = typed(() => this.#sql(`${EVENT} WHERE ${where}`).all(...values));
    return found.map((row) => ({ ...row, event: JSON.parse(row.event) }));
  }

  calendars() {
    return this.#rows('SELECT json FROM calsync_calendars ORDER BY id');
  }

  // SQLite reads a JSON list as a table: one statement for any number of keys.
  events({ calendar, ids }) {
    return this.#events('calendar = ? AND id IN (SELECT value FROM json_each(?))', calendar, JSON.stringify(ids));
  }

  eventsByUid({ calendar, uids }) {
    const hashes = JSON.stringify(uids.map(hash));
    return this.#events('calendar = ? AND uid_hash IN (SELECT value FROM json_each(?))', calendar, hashes);
  }

  eventsSince({ calendar, after, limit }) {
    const wanted = 'calendar = ? AND revision > ? ORDER BY revision LIMIT ?';
    return this.#events(wanted, calendar, after, Math.min(limit, MOST));
  }

  link({ link }) {
    return this.#rows('SELECT json FROM calsync_links WHERE id = ?', link)[0];
  }

  bases({ link, by, ids }) {
    const column = by === 'remote' ? 'remote_id' : 'event_id';
    const keys = `${column} IN (SELECT value FROM json_each(?))`;
    return this.#rows(`SELECT json FROM calsync_bases WHERE link = ? AND ${keys}`, link, JSON.stringify(ids));
  }

  baseSummaries({ link, after, limit }) {
    return this.#page('calsync_bases', 'remote_id', after, limit, { link }).map(({ remote_id, event_id, version }) => ({
      remote_id,
      event_id,
      version,
    }));
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
    const of = 'SELECT json FROM calsync_docs WHERE space = ?';
    if (keys !== null) return this.#rows(`${of} AND key IN (SELECT value FROM json_each(?))`, space, JSON.stringify(keys));
    if (due === null) return this.#page('calsync_docs', 'key', after, limit, { space });
    return this.#rows(`${of} AND due <= ? ORDER BY due, key LIMIT ?`, space, sortable(due), Math.min(limit, MOST));
  }

  // What calsync always asks together, in one call each. A store without these three is asked the reads above one by one.

  openLink(opening) {
    return typed(() => this.#open.immediate(opening));
  }

  #opened({ lease, link, calendar, limit }) {
    const grant = lease === null ? {} : this.#lease(lease);
    if (grant.held_until) return grant;
    const state = this.link({ link }) ?? null;
    return {
      token: grant.token,
      state,
      edits: state?.seen > 0 ? this.eventsSince({ calendar, after: state.seen - 1, limit: limit + 1 }) : [],
      quarantine: this.#page('calsync_records', 'id', null, limit, { kind: 'quarantine', link }),
      outbox: this.outbox({ link, after: null, limit }),
    };
  }

  pairs({ link, calendar, items }) {
    const keys = JSON.stringify(items);
    const mine = 'FROM calsync_bases WHERE link = ? AND remote_id IN (SELECT value FROM json_each(?))';
    return {
      bases: this.#rows(`SELECT json ${mine}`, link, keys),
      events: this.#events(`calendar = ? AND id IN (SELECT event_id ${mine})`, calendar, link, keys),
    };
  }

  waiting({ link, after, limit }) {
    const entries = this.outbox({ link, after, limit });
    return { entries, bases: this.bases({ link, by: 'event', ids: entries.map((entry) => entry.event_id) }) };
  }

  /** Rows by a column; the names in `wanted` are written in this file, its values are not. */
  #page(table, by, after, limit, wanted) {
    const where = Object.keys(wanted).map((name) => `${name} = ?`);
    const values = Object.values(wanted);
    if (after !== null) {
      where.push(`${by} > ?`);
      values.push(after);
    }
    const text = `SELECT json FROM ${table} WHERE ${where.join(' AND ')} ORDER BY ${by} LIMIT ?`;
    return this.#rows(text, ...values, Math.min(limit, MOST));
  }

  commit({ batch }) {
    return typed(() => this.#commit.immediate(batch));
  }

  #whole({ lease, lease_end: leaseEnd, expect, writes }) {
    if (lease !== null) {
      const found = this.#sql('SELECT holder, epoch FROM calsync_leases WHERE name = ?').get(lease.name);
      if (!found || found.holder === null || found.epoch !== lease.epoch) throw new StoreFenced();
    }
    expect.forEach((expected, place) => {
      if (!this.#holds(expected)) throw new StoreConflict(place);
    });
    const receipt = { revisions: [], doc_versions: [], purged: [] };
    for (const write of writes) this.#write(write, receipt);
    if (lease !== null && leaseEnd === 'given-back') {
      this.#free(lease);
      receipt.lease_end = 'given-back';
    }
    return receipt;
  }

  #holds(expected) {
    if (expected.of === 'uid') {
      const query = this.#sql('SELECT id FROM lessons WHERE calendar = ? AND uid_hash = ?');
      const found = new Set(query.all(expected.calendar, hash(expected.uid)).map(({ id }) => id));
      const wanted = new Set(expected.events);
      return found.size === wanted.size && [...wanted].every((id) => found.has(id));
    }
    if (expected.of === 'event') {
      const query = this.#sql('SELECT revision FROM lessons WHERE calendar = ? AND id = ?');
      return (query.get(expected.calendar, expected.id)?.revision ?? null) === expected.revision;
    }
    if (expected.of === 'link') return this.#generation(expected.id) === expected.generation;
    const query = this.#sql('SELECT version FROM calsync_docs WHERE space = ? AND key = ?');
    return (query.get(expected.space, expected.key)?.version ?? null) === expected.version;
  }

  #generation(link) {
    return this.#sql('SELECT generation FROM calsync_links WHERE id = ?').get(link)?.generation ?? null;
  }

  #next(name) {
    const count = `INSERT INTO calsync_counters (name, last) VALUES (?, 1)
      ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last`;
    return this.#sql(count).get(name).last;
  }

  #revise({ calendar, id }, receipt) {
    const revision = this.#next(`calendar ${calendar}`);
    receipt.revisions.push([calendar, id, revision]);
    return revision;
  }

  /** Replaces the whole row. A pair that would not be unique is refused, not replaced: hence no INSERT OR REPLACE. */
  #put(table, key, row, more = {}) {
    this.#delete(table, key);
    const values = { ...key, ...more, json: JSON.stringify(row) };
    const names = Object.keys(values);
    const places = names.map(() => '?').join(', ');
    this.#sql(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${places})`).run(...Object.values(values));
  }

  #delete(table, key) {
    const where = Object.keys(key).map((name) => `${name} = ?`).join(' AND ');
    this.#sql(`DELETE FROM ${table} WHERE ${where}`).run(...Object.values(key));
  }

  #write(write, receipt) {
    const { op, row } = write;
    switch (op) {
      case 'put-calendar':
        return this.#put('calsync_calendars', { id: row.id }, row);
      case 'put-event':
        return this.#putEvent(write, receipt);
      case 'delete-event': {
        const living = this.#sql('SELECT 1 FROM lessons WHERE calendar = ? AND id = ? AND deleted IS NULL');
        if (!living.get(write.calendar, write.id)) return;
        const change = this.#sql('UPDATE lessons SET deleted = ?, revision = ? WHERE calendar = ? AND id = ?');
        change.run(write.at, this.#revise(write, receipt), write.calendar, write.id);
        return;
      }
      case 'purge-deleted': {
        const before = sortable(write.before);
        const deleted = this.#sql('SELECT id, deleted FROM lessons WHERE calendar = ? AND deleted IS NOT NULL');
        for (const { id, deleted: at } of deleted.all(write.calendar)) {
          if (sortable(at) < before) this.#delete('lessons', { calendar: write.calendar, id });
        }
        return;
      }
      case 'put-link': {
        const generation = (this.#generation(row.id) ?? 0) + 1;
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
        receipt.purged.push(this.#purge(write));
        return;
      case 'put-doc': {
        const version = this.#next('docs');
        receipt.doc_versions.push(version);
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
  #putEvent(write, receipt) {
    const { calendar, id, event, at } = write;
    const put = `INSERT INTO lessons (calendar, id, title, day, uid_hash, revision, modified, deleted, event)
      VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?)
      ON CONFLICT (calendar, id) DO UPDATE SET title = excluded.title, day = excluded.day, uid_hash = excluded.uid_hash,
        revision = excluded.revision, modified = excluded.modified, deleted = NULL, event = excluded.event`;
    const revision = this.#revise(write, receipt);
    const title = event.master?.title ?? null;
    this.#sql(put).run(calendar, id, title, day(event), hash(event.uid), revision, at, JSON.stringify(event));
  }

  #record(kind, row, aged) {
    const { link, id, event_id = null, run = null } = row;
    this.#put('calsync_records', { kind, link, id }, row, { event_id, run, aged: aged ? sortable(aged) : null });
  }

  #purge({ link, log, before, limit }) {
    const kind = { runs: 'run', journal: 'journal', 'resolved-conflicts': 'conflict' }[log];
    const oldest = `SELECT id FROM calsync_records WHERE kind = ? AND link = ? AND aged < ? ORDER BY aged, id LIMIT ?`;
    const found = this.#sql(oldest).all(kind, link, sortable(before), Math.min(limit, MOST));
    for (const { id } of found) this.#delete('calsync_records', { kind, link, id });
    return found.length;
  }

  acquireLease({ name, holder, now, until }) {
    return typed(() => this.#acquire.immediate({ name, holder, now, until }));
  }

  #lease({ name, holder, now, until }) {
    const found = this.#sql('SELECT holder, epoch, until FROM calsync_leases WHERE name = ?').get(name);
    const lease = found ?? { holder: null, epoch: 0, until: now };
    const over = sortable(lease.until) <= sortable(now);
    if (lease.holder !== null && lease.holder !== holder && !over) return { held_until: lease.until };
    const epoch = lease.holder !== holder || over ? lease.epoch + 1 : lease.epoch;
    const put = `INSERT INTO calsync_leases (name, holder, epoch, until) VALUES (?, ?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch, until = excluded.until`;
    this.#sql(put).run(name, holder, epoch, until);
    return { token: { name, epoch } };
  }

  releaseLease({ token }) {
    typed(() => this.#free(token));
  }

  #free({ name, epoch }) {
    this.#sql('UPDATE calsync_leases SET holder = NULL WHERE name = ? AND epoch = ?').run(name, epoch);
  }
}

/** What calsync has to know about an error of the database. */
function typed(work) {
  try {
    return work();
  } catch (error) {
    const code = String(error.code);
    if (code.startsWith('SQLITE_CONSTRAINT')) throw new StoreInvalidInput();
    if (/^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN)/.test(code)) throw new StoreUnavailable();
    throw error;
  }
}
