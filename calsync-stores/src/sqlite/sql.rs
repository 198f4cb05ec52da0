//! Every statement that reads.
//!
//! Pages start after the last key of the page before: `>= ifnull(?, '')` finds the place in the index, `IS NOT ?`
//! leaves out that key itself, and without a key both are true of every row.

pub(super) const CALENDARS: &str = "SELECT id, json FROM calendars ORDER BY id";

pub(super) const EVENT: &str =
    "SELECT id, revision, modified, deleted, json FROM events WHERE calendar = ?1 AND id = ?2";
pub(super) const EVENTS_BY_UID: &str =
    "SELECT id, revision, modified, deleted, json FROM events WHERE calendar = ?1 AND uid = ?2";
pub(super) const EVENTS_SINCE: &str = "SELECT id, revision, modified, deleted, json FROM events \
     WHERE calendar = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3";
pub(super) const EVENT_REVISION: &str = "SELECT revision FROM events WHERE calendar = ?1 AND id = ?2";
pub(super) const EVENT_LIVES: &str =
    "SELECT 1 FROM events WHERE calendar = ?1 AND id = ?2 AND deleted IS NULL";

pub(super) const LINK: &str = "SELECT generation, json FROM links WHERE id = ?1";
pub(super) const LINK_GENERATION: &str = "SELECT generation FROM links WHERE id = ?1";

pub(super) const BASE_BY_REMOTE: &str = "SELECT rowid, remote_id, event_id, version, state, payload, local, remote FROM bases \
     WHERE link = ?1 AND remote_id = ?2";
pub(super) const BASE_BY_EVENT: &str = "SELECT rowid, remote_id, event_id, version, state, payload, local, remote FROM bases \
     WHERE link = ?1 AND event_id = ?2";
pub(super) const BASE_SUMMARIES: &str = "SELECT remote_id, event_id, version FROM bases \
     WHERE link = ?1 AND remote_id >= ifnull(?2, '') AND remote_id IS NOT ?2 ORDER BY remote_id LIMIT ?3";

pub(super) const OUTBOX: &str = "SELECT rowid, json FROM outbox \
     WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

pub(super) const QUARANTINE: &str = "SELECT rowid, json FROM quarantine \
     WHERE link = ?1 AND remote_id >= ifnull(?2, '') AND remote_id IS NOT ?2 ORDER BY remote_id LIMIT ?3";
pub(super) const RUNS: &str = "SELECT rowid, json FROM runs \
     WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

pub(super) const CONFLICTS: &str = "SELECT rowid, json FROM conflicts \
     WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
pub(super) const CONFLICTS_OF_EVENT: &str = "SELECT rowid, json FROM conflicts \
     WHERE link = ?1 AND event_id = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
pub(super) const CONFLICTS_OF_RUN: &str = "SELECT rowid, json FROM conflicts \
     WHERE link = ?1 AND run = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
/// By event, which has fewer rows than a run; `+` keeps SQLite from choosing the other index.
pub(super) const CONFLICTS_OF_EVENT_IN_RUN: &str = "SELECT rowid, json FROM conflicts \
     WHERE link = ?1 AND event_id = ?4 AND +run = ?5 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

pub(super) const JOURNAL: &str = "SELECT rowid, json FROM journal \
     WHERE link = ?1 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
pub(super) const JOURNAL_OF_EVENT: &str = "SELECT rowid, json FROM journal \
     WHERE link = ?1 AND event_id = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
pub(super) const JOURNAL_OF_RUN: &str = "SELECT rowid, json FROM journal \
     WHERE link = ?1 AND run = ?4 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";
/// As for conflicts.
pub(super) const JOURNAL_OF_EVENT_IN_RUN: &str = "SELECT rowid, json FROM journal \
     WHERE link = ?1 AND event_id = ?4 AND +run = ?5 AND id >= ifnull(?2, '') AND id IS NOT ?2 ORDER BY id LIMIT ?3";

pub(super) const LEASE: &str = "SELECT epoch, holder, until FROM leases WHERE name = ?1";
