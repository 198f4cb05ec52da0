//! Every statement that reads, or that looks for rows to delete.
//!
//! Pages start after the last key of the page before: `>= ifnull(?, '')` finds the place in the index, `IS NOT ?`
//! leaves out that key itself, and without a key both are true of every row.

/// Declares statements, and for the tests the list of them all: none can miss the check of its query plan.
macro_rules! statements {
    ($( $(#[$doc:meta])* $name:ident = $sql:expr; )+) => {
        $( $(#[$doc])* pub(super) const $name: &str = $sql; )+

        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$( (stringify!($name), $name) ),+];
    };
}

/// No number of an entry of a feed is given out twice.
pub(super) const COUNT_FEED: &str = "INSERT INTO feeds (tenant, calendar, last) VALUES (?1, ?2, ?3) \
     ON CONFLICT (tenant, calendar) DO UPDATE SET last = last + ?3 RETURNING last";

/// No version of a document is given out twice.
pub(super) const NEXT_DOC_VERSION: &str = "INSERT INTO counters (name, last) VALUES ('docs', 1) \
     ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last";

statements! {
    CALENDARS = "SELECT id, json FROM calendars WHERE tenant = ?1 ORDER BY id";

    EVENT = "SELECT id, revision, modified, deleted, json FROM events WHERE tenant = ?1 AND calendar = ?2 AND id = ?3";
    EVENTS_BY_UID = "SELECT id, revision, modified, deleted, json FROM events WHERE tenant = ?1 AND calendar = ?2 AND uid = ?3";
    EVENTS_SINCE = "SELECT id, revision, modified, deleted, json FROM events \
         WHERE tenant = ?1 AND calendar = ?2 AND revision > ?3 ORDER BY revision LIMIT ?4";
    EVENT_REVISION = "SELECT revision FROM events WHERE tenant = ?1 AND calendar = ?2 AND id = ?3";
    EVENT_LIVES = "SELECT 1 FROM events WHERE tenant = ?1 AND calendar = ?2 AND id = ?3 AND deleted IS NULL";

    FEED_LAST = "SELECT last FROM feeds WHERE tenant = ?1 AND calendar = ?2";
    FEED = "SELECT seq, at, json FROM feed_entries \
         WHERE tenant = ?1 AND calendar = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";
    FEED_OLDEST = "SELECT seq, at FROM feed_entries WHERE tenant = ?1 AND calendar = ?2 ORDER BY seq LIMIT ?3";
    FEED_TO_FORGET = "DELETE FROM feed_entries WHERE tenant = ?1 AND calendar = ?2 AND seq <= ?3";

    LINK = "SELECT generation, json FROM links WHERE tenant = ?1 AND id = ?2";
    LINK_GENERATION = "SELECT generation FROM links WHERE tenant = ?1 AND id = ?2";

    BASE_BY_REMOTE = "SELECT rowid, remote_id, event_id, version, state, payload, local, remote FROM bases \
         WHERE tenant = ?1 AND link = ?2 AND remote_id = ?3";
    BASE_BY_EVENT = "SELECT rowid, remote_id, event_id, version, state, payload, local, remote FROM bases \
         WHERE tenant = ?1 AND link = ?2 AND event_id = ?3";
    BASE_SUMMARIES = "SELECT remote_id, event_id, version FROM bases \
         WHERE tenant = ?1 AND link = ?2 AND remote_id >= ifnull(?3, '') AND remote_id IS NOT ?3 ORDER BY remote_id LIMIT ?4";

    OUTBOX = "SELECT rowid, json FROM outbox \
         WHERE tenant = ?1 AND link = ?2 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";

    QUARANTINE = "SELECT rowid, json FROM quarantine \
         WHERE tenant = ?1 AND link = ?2 AND remote_id >= ifnull(?3, '') AND remote_id IS NOT ?3 ORDER BY remote_id LIMIT ?4";
    RUNS = "SELECT rowid, json FROM runs \
         WHERE tenant = ?1 AND link = ?2 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";

    CONFLICTS = "SELECT rowid, json FROM conflicts \
         WHERE tenant = ?1 AND link = ?2 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";
    CONFLICTS_OF_EVENT = "SELECT rowid, json FROM conflicts \
         WHERE tenant = ?1 AND link = ?2 AND event_id = ?5 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";
    CONFLICTS_OF_RUN = "SELECT rowid, json FROM conflicts \
         WHERE tenant = ?1 AND link = ?2 AND run = ?5 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";
    /// By event, which has fewer rows than a run; `+` keeps SQLite from choosing the other index.
    CONFLICTS_OF_EVENT_IN_RUN = "SELECT rowid, json FROM conflicts \
         WHERE tenant = ?1 AND link = ?2 AND event_id = ?5 AND +run = ?6 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";

    JOURNAL = "SELECT rowid, json FROM journal \
         WHERE tenant = ?1 AND link = ?2 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";
    JOURNAL_OF_EVENT = "SELECT rowid, json FROM journal \
         WHERE tenant = ?1 AND link = ?2 AND event_id = ?5 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";
    JOURNAL_OF_RUN = "SELECT rowid, json FROM journal \
         WHERE tenant = ?1 AND link = ?2 AND run = ?5 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";
    /// As for conflicts.
    JOURNAL_OF_EVENT_IN_RUN = "SELECT rowid, json FROM journal \
         WHERE tenant = ?1 AND link = ?2 AND event_id = ?5 AND +run = ?6 AND id >= ifnull(?3, '') AND id IS NOT ?3 ORDER BY id LIMIT ?4";

    EVENTS_TO_PURGE = "SELECT rowid FROM events WHERE tenant = ?1 AND calendar = ?2 AND deleted < ?3 ORDER BY deleted LIMIT ?4";

    EVENT_IDS_OF_UID = "SELECT id FROM events WHERE tenant = ?1 AND calendar = ?2 AND uid = ?3";

    RUNS_TO_PURGE = "SELECT rowid FROM runs WHERE tenant = ?1 AND link = ?2 AND aged < ?3 ORDER BY aged, id LIMIT ?4";
    JOURNAL_TO_PURGE = "SELECT rowid FROM journal WHERE tenant = ?1 AND link = ?2 AND aged < ?3 ORDER BY aged, id LIMIT ?4";
    CONFLICTS_TO_PURGE = "SELECT rowid FROM conflicts WHERE tenant = ?1 AND link = ?2 AND aged < ?3 ORDER BY aged, id LIMIT ?4";

    DOC = "SELECT key, version, due, value FROM docs WHERE tenant = ?1 AND space = ?2 AND key = ?3";
    DOC_VERSION = "SELECT version FROM docs WHERE tenant = ?1 AND space = ?2 AND key = ?3";
    DOCS = "SELECT key, version, due, value FROM docs \
         WHERE tenant = ?1 AND space = ?2 AND key >= ifnull(?3, '') AND key IS NOT ?3 ORDER BY key LIMIT ?4";
    DOCS_DUE = "SELECT key, version, due, value FROM docs \
         WHERE tenant = ?1 AND space = ?2 AND due <= ?3 ORDER BY due, key LIMIT ?4";

    /// Of all tenants: what is due, and the first that is due of the tenant after one.
    DUE = "SELECT tenant, key, due FROM docs WHERE space = ?1 AND due <= ?2 ORDER BY due LIMIT ?3";
    DUE_OF_NEXT_TENANT = "SELECT tenant, key, due FROM docs \
         WHERE space = ?1 AND tenant >= ifnull(?2, '') AND tenant IS NOT ?2 AND due <= ?3 ORDER BY tenant, due, key LIMIT 1";
    NEXT_DUE = "SELECT due FROM docs WHERE space = ?1 AND due IS NOT NULL ORDER BY due LIMIT 1";
    ALL_DUE = "SELECT 1 FROM docs WHERE space = ?1 AND due <= ?2 LIMIT ?3";
    /// Of all tenants: by its index, and so no further than the limit.
    ALL_WRITES = "SELECT 1 FROM outbox WHERE tenant >= '' LIMIT ?1";
    /// What is due later than a time, backwards from a place: a row is compared as its index has it.
    DUE_LATER = "SELECT key, version, due, value, tenant FROM docs \
         WHERE space = ?1 AND due > ?2 AND (due, tenant, key) < (?3, ?4, ?5) \
         ORDER BY due DESC, tenant DESC, key DESC LIMIT ?6";

    LEASE = "SELECT epoch, holder, until FROM leases WHERE tenant = ?1 AND name = ?2";
}
