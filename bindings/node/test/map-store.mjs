// A store in maps: what a host writes over its own tables, without the tables.
import { StoreConflict, StoreFenced, StoreInvalidInput } from '../index.mjs';

/** The methods of a store. */
export const METHODS = [
  'calendars', 'events', 'eventsByUid', 'eventsSince', 'link', 'bases', 'baseSummaries', 'outbox', 'records', 'docs',
  'commit', 'acquireLease', 'releaseLease',
];
// Lists are ordered by the bytes of their key; strings of JavaScript compare by UTF-16.
const byText = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
/** An instant as text that sorts: a `Date` has only milliseconds, a lease may end in the year 10000, and a purge may begin before the year 0. */
const sortable = (text) => {
  const [, year, rest, fraction] = /^([+-]?\d+)-([^.Z]*)(?:\.(\d+))?Z$/.exec(text);
  return `${String(Number(year) + 300_000).padStart(6, '0')}-${rest}.${(fraction ?? '').padEnd(9, '0')}`;
};
const byTime = (a, b) => byText(sortable(a), sortable(b));
const key = (...parts) => JSON.stringify(parts);

export class MapStore {
  #calendars = new Map();
  #events = new Map();
  #revisions = new Map();
  #links = new Map();
  #bases = new Map();
  #outbox = new Map();
  #records = new Map();
  #docs = new Map();
  #docVersion = 0;
  #leases = new Map();

  #tables = [this.#calendars, this.#events, this.#revisions, this.#links, this.#bases, this.#outbox, this.#records, this.#docs];

  constructor(asynchronous = false) {
    if (!asynchronous) return;
    for (const method of METHODS) {
      const plain = this[method].bind(this);
      this[method] = async (args) => {
        await null;
        return plain(args);
      };
    }
  }

  calendars() {
    return [...this.#calendars.values()].sort((a, b) => byText(a.id, b.id));
  }

  events({ calendar, ids }) {
    return [...new Set(ids)].map((id) => this.#events.get(key(calendar, id))).filter(Boolean).map(({ row }) => row);
  }

  eventsByUid({ calendar, uids }) {
    return this.#of(calendar).filter(({ event }) => uids.includes(event.uid));
  }

  eventsSince({ calendar, after, limit }) {
    const rows = this.#of(calendar).filter(({ revision }) => revision > after);
    return rows.sort((a, b) => a.revision - b.revision).slice(0, limit);
  }

  #of(calendar) {
    return [...this.#events.values()].filter((entry) => entry.calendar === calendar).map(({ row }) => row);
  }

  link({ link }) {
    return this.#links.get(link);
  }

  bases({ link, by, ids }) {
    const column = by === 'remote' ? 'remote_id' : 'event_id';
    return [...this.#bases.values()].filter((row) => row.link === link && ids.includes(row[column]));
  }

  baseSummaries({ link, after, limit }) {
    return page(this.#bases, 'link', link, 'remote_id', after, limit);
  }

  outbox({ link, after, limit }) {
    return page(this.#outbox, 'link', link, 'id', after, limit);
  }

  records({ kind, link, event, run, after, limit }) {
    const id = kind === 'quarantine' ? 'remote_id' : 'id';
    const narrow = kind === 'conflict' || kind === 'journal';
    const rows = [...this.#records.values()].filter((entry) => entry.kind === kind).map(({ row }) => row);
    return rows
      .filter((row) => row.link === link && (after === null || byText(row[id], after) > 0))
      .filter((row) => !narrow || ((event === null || row.event_id === event) && (run === null || row.run === run)))
      .sort((a, b) => byText(a[id], b[id]))
      .slice(0, limit);
  }

  docs({ space, keys, after, due, limit }) {
    const rows = [...this.#docs.values()].filter((row) => row.space === space);
    if (keys !== null) return rows.filter((row) => keys.includes(row.key));
    if (due === null) return page(this.#docs, 'space', space, 'key', after, limit);
    const overdue = rows.filter((row) => row.due !== null && byTime(row.due, due) <= 0);
    return overdue.sort((a, b) => byTime(a.due, b.due) || byText(a.key, b.key)).slice(0, limit);
  }

  commit({ batch }) {
    if (batch.lease !== null) {
      const lease = this.#leases.get(batch.lease.name);
      if (!lease || lease.holder === null || lease.epoch !== batch.lease.epoch) throw new StoreFenced();
    }
    batch.expect.forEach((expected, place) => {
      if (!this.#holds(expected)) throw new StoreConflict(place);
    });
    const receipt = { revisions: [], doc_versions: [], purged: [] };
    const before = this.#tables.map((table) => new Map(table));
    try {
      for (const write of batch.writes) this.#write(write, receipt);
    } catch (error) {
      this.#tables.forEach((table, place) => {
        table.clear();
        for (const [name, row] of before[place]) table.set(name, row);
      });
      throw error;
    }
    if (batch.lease !== null && batch.lease_end === 'given-back') {
      this.#leases.get(batch.lease.name).holder = null;
      receipt.lease_end = 'given-back';
    }
    return receipt;
  }

  #holds(expected) {
    if (expected.of === 'event') {
      const entry = this.#events.get(key(expected.calendar, expected.id));
      return (entry ? entry.row.revision : null) === expected.revision;
    }
    if (expected.of === 'link') return (this.#links.get(expected.id)?.generation ?? null) === expected.generation;
    if (expected.of === 'uid') {
      const rows = this.#of(expected.calendar).filter(({ event }) => event.uid === expected.uid);
      const found = rows.map(({ id }) => id);
      return JSON.stringify(found.sort()) === JSON.stringify([...new Set(expected.events)].sort());
    }
    return (this.#docs.get(key(expected.space, expected.key))?.version ?? null) === expected.version;
  }

  #revise({ calendar, id }, receipt) {
    const revision = (this.#revisions.get(calendar) ?? 0) + 1;
    this.#revisions.set(calendar, revision);
    receipt.revisions.push([calendar, id, revision]);
    return revision;
  }

  #write(write, receipt) {
    const { op, row } = write;
    switch (op) {
      case 'put-calendar':
        this.#calendars.set(row.id, row);
        break;
      case 'put-event': {
        const { calendar, id, event, at } = write;
        const revision = this.#revise(write, receipt);
        this.#events.set(key(calendar, id), { calendar, row: { id, revision, event, modified: at, deleted: null } });
        break;
      }
      case 'delete-event': {
        const entry = this.#events.get(key(write.calendar, write.id));
        if (entry && entry.row.deleted === null) {
          const gone = { ...entry.row, deleted: write.at, revision: this.#revise(write, receipt) };
          this.#events.set(key(write.calendar, write.id), { ...entry, row: gone });
        }
        break;
      }
      case 'purge-deleted':
        for (const [name, { calendar, row: old }] of this.#events) {
          const gone = old.deleted !== null && byTime(old.deleted, write.before) < 0;
          if (calendar === write.calendar && gone) this.#events.delete(name);
        }
        break;
      case 'put-link':
        this.#links.set(row.id, { ...row, generation: (this.#links.get(row.id)?.generation ?? 0) + 1 });
        break;
      case 'put-base':
        only(this.#bases, row, 'remote_id');
        this.#bases.set(key(row.link, row.remote_id), row);
        break;
      case 'delete-base':
        this.#bases.delete(key(write.link, write.remote_id));
        break;
      case 'put-outbox':
        only(this.#outbox, row, 'id');
        this.#outbox.set(key(row.link, row.id), row);
        break;
      case 'delete-outbox':
        this.#outbox.delete(key(write.link, write.id));
        break;
      case 'put-quarantine':
        this.#records.set(key('quarantine', row.link, row.remote_id), { kind: 'quarantine', row });
        break;
      case 'delete-quarantine':
        this.#records.delete(key('quarantine', write.link, write.remote_id));
        break;
      case 'put-conflict':
      case 'put-run':
      case 'put-journal': {
        const kind = op.slice('put-'.length);
        this.#records.set(key(kind, row.link, row.id), { kind, row });
        break;
      }
      case 'purge-log':
        receipt.purged.push(this.#purge(write));
        break;
      case 'put-doc':
        receipt.doc_versions.push(++this.#docVersion);
        this.#docs.set(key(row.space, row.key), { ...row, version: this.#docVersion });
        break;
      case 'delete-doc':
        this.#docs.delete(key(write.space, write.key));
        break;
      default:
        throw new Error(`no such write: ${op}`);
    }
  }

  #purge({ link, log, before, limit }) {
    const since = {
      runs: ['run', (row) => row.started],
      journal: ['journal', (row) => row.at],
      'resolved-conflicts': ['conflict', (row) => (row.state === 'open' ? null : (row.settled?.at ?? row.at))],
    };
    const [kind, at] = since[log];
    const old = [...this.#records]
      .filter(([, entry]) => entry.kind === kind && entry.row.link === link)
      .map(([name, { row }]) => ({ name, id: row.id, at: at(row) }))
      .filter((entry) => entry.at !== null && byTime(entry.at, before) < 0)
      .sort((a, b) => byTime(a.at, b.at) || byText(a.id, b.id))
      .slice(0, limit);
    for (const { name } of old) this.#records.delete(name);
    return old.length;
  }

  acquireLease({ name, holder, now, until }) {
    const lease = this.#leases.get(name) ?? { holder: null, epoch: 0, until: now };
    const over = byTime(lease.until, now) <= 0;
    if (lease.holder !== null && lease.holder !== holder && !over) return { held_until: lease.until };
    const epoch = lease.holder !== holder || over ? lease.epoch + 1 : lease.epoch;
    this.#leases.set(name, { holder, epoch, until });
    return { token: { name, epoch } };
  }

  releaseLease({ token }) {
    const lease = this.#leases.get(token.name);
    if (lease && lease.epoch === token.epoch) lease.holder = null;
  }
}

/** The same, which answers together what is asked together. */
export class OneCallStore extends MapStore {
  openLink({ lease, link, calendar, limit }) {
    const grant = lease === null ? {} : this.acquireLease(lease);
    if (grant.held_until) return grant;
    const state = this.link({ link }) ?? null;
    const seen = state?.seen ?? 0;
    return {
      token: grant.token,
      state,
      edits: seen > 0 ? this.eventsSince({ calendar, after: seen - 1, limit: limit + 1 }) : [],
      quarantine: this.records({ kind: 'quarantine', link, event: null, run: null, after: null, limit }),
      outbox: this.outbox({ link, after: null, limit }),
    };
  }

  pairs({ link, calendar, items }) {
    const bases = this.bases({ link, by: 'remote', ids: items });
    return { bases, events: this.events({ calendar, ids: bases.map((base) => base.event_id) }) };
  }

  waiting({ link, after, limit }) {
    const entries = this.outbox({ link, after, limit });
    return { entries, bases: this.bases({ link, by: 'event', ids: entries.map((entry) => entry.event_id) }) };
  }
}

/** Notes what a store is asked. */
export function noted(store) {
  const calls = [];
  const get = (_, name) => {
    if (typeof store[name] !== 'function') return store[name];
    return (args) => {
      calls.push(name);
      return store[name](args);
    };
  };
  return { store: new Proxy({}, { get }), taken: () => calls.splice(0) };
}

/** A link has one row per event. */
function only(map, row, id) {
  for (const other of map.values()) {
    if (other.link === row.link && other.event_id === row.event_id && other[id] !== row[id]) throw new StoreInvalidInput();
  }
}

function page(map, owner, of, id, after, limit) {
  const rows = [...map.values()].filter((row) => row[owner] === of && (after === null || byText(row[id], after) > 0));
  return rows.sort((a, b) => byText(a[id], b[id])).slice(0, limit);
}
