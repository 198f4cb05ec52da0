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

statements! {
    CALENDARS = "SELECT id, json FROM calendars ORDER BY id";

    EVENT = "SELECT id, revision, modified, deleted, json FROM events WHERE calendar = ?1 AND id = ?2";
    EVENTS_BY_UID = "SELECT id, revision, modified, deleted, json FROM events WHERE calendar = ?1 AND uid = ?2";
    EVENTS_SINCE = "SELECT id, revision, modified, deleted, json FROM events \
         WHERE calendar = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3";
    EVENT_REVISION = "SELECT revision FROM events WHERE calendar = ?1 AND id = ?2";
    EVENT_LIVES = "SELECT 1 FROM events WHERE calendar = ?1 AND id = ?2 AND deleted IS NULL";

    LINK = "SELECT generation, json FROM links WHERE id = ?1";
    LINK_GENERATION = "SELECT generation FROM links WHERE id = ?1";

    BASE_BY_REMOTE = "SELECT rowid, remote_id, event_id, version, state, payload, local, remote FROM bases \
         WHERE link = ?1 AND remote_id = ?2";
    BASE_BY_EVENT = "SELECT rowid, remote_id, event_id, version, state, payload, local, remote FROM bases \
         WHERE link = ?1 AND event_id = ?2";
    BASE_SUMMARIES = "SELECT remote_id, event_id, version FROM bases \
         WHERE link = ?1 AND remote_id >= ifnull(?2, '') AND remote_id IS NOT ?2 ORDER BY remote_id LIMIT ?3";

    OUTBOX = "SELECT rowid, json FROM outbox \
         WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

    QUARANTINE = "SELECT rowid, json FROM quarantine \
         WHERE link = ?1 AND remote_id >= ifnull(?2, '') AND remote_id IS NOT ?2 ORDER BY remote_id LIMIT ?3";
    RUNS = "SELECT rowid, json FROM runs \
         WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

    CONFLICTS = "SELECT rowid, json FROM conflicts \
         WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
    CONFLICTS_OF_EVENT = "SELECT rowid, json FROM conflicts \
         WHERE link = ?1 AND event_id = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
    CONFLICTS_OF_RUN = "SELECT rowid, json FROM conflicts \
         WHERE link = ?1 AND run = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
    /// By event, which has fewer rows than a run; `+` keeps SQLite from choosing the other index.
    CONFLICTS_OF_EVENT_IN_RUN = "SELECT rowid, json FROM conflicts \
         WHERE link = ?1 AND event_id = ?4 AND +run = ?5 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

    JOURNAL = "SELECT rowid, json FROM journal \
         WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
    JOURNAL_OF_EVENT = "SELECT rowid, json FROM journal \
         WHERE link = ?1 AND event_id = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
    JOURNAL_OF_RUN = "SELECT rowid, json FROM journal \
         WHERE link = ?1 AND run = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
    /// As for conflicts.
    JOURNAL_OF_EVENT_IN_RUN = "SELECT rowid, json FROM journal \
         WHERE link = ?1 AND event_id = ?4 AND +run = ?5 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

    EVENTS_TO_PURGE = "DELETE FROM events WHERE calendar = ?1 AND deleted < ?2";

    EVENT_IDS_OF_UID = "SELECT id FROM events WHERE calendar = ?1 AND uid = ?2";

    RUNS_TO_PURGE = "SELECT rowid FROM runs WHERE link = ?1 AND aged < ?2 ORDER BY aged, id LIMIT ?3";
    JOURNAL_TO_PURGE = "SELECT rowid FROM journal WHERE link = ?1 AND aged < ?2 ORDER BY aged, id LIMIT ?3";
    CONFLICTS_TO_PURGE = "SELECT rowid FROM conflicts WHERE link = ?1 AND aged < ?2 ORDER BY aged, id LIMIT ?3";

    DOC = "SELECT key, version, due, value FROM docs WHERE space = ?1 AND key = ?2";
    DOC_VERSION = "SELECT version FROM docs WHERE space = ?1 AND key = ?2";
    DOCS = "SELECT key, version, due, value FROM docs \
         WHERE space = ?1 AND key >= ifnull(?2, '') AND key IS NOT ?2 ORDER BY key LIMIT ?3";
    DOCS_DUE = "SELECT key, version, due, value FROM docs \
         WHERE space = ?1 AND due <= ?2 ORDER BY due, key LIMIT ?3";

    LEASE = "SELECT epoch, holder, until FROM leases WHERE name = ?1";
}
