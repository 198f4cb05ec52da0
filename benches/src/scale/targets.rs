//! What `scale` is held against; `--check` fails when one is missed. The same table is in `docs/performance.md`.

use crate::report::Bound;

/// Seconds of a first sync of 500 events from the CalDAV emulator, each answer 50 ms later, into SQLite.
pub(super) const FIRST_SYNC: Bound = Bound::Below(3.0);
/// Seconds of a sync of it without changes, each answer 50 ms later: one answer is waited for.
pub(super) const QUIET_FAR: Bound = Bound::Below(0.1);
/// The same with ten changes there: two answers.
pub(super) const CHANGES_FAR: Bound = Bound::Below(0.2);
/// MiB above idle of a first sync of 10,000 events into PostgreSQL.
pub(super) const MEMORY: Bound = Bound::Below(64.0);

/// Changes a second that two workers keep up: a million in a day are 11.6.
pub(super) const SUSTAINED: Bound = Bound::AtLeast(12.0);
/// Per cent of two processors at a day's rate, PostgreSQL's included.
pub(super) const SHARE: Bound = Bound::Below(25.0);
/// Events lost, doubled or not as they were edited last; runs that failed.
pub(super) const WRONG: Bound = Bound::AtMost(0.0);
/// Jain's index of the tenants' mean waits when every link has a change at once: 1 when all wait equally long. Ten thousand links
/// served one tenant after the other would give some 0.8; the index of what takes no longer than the debounce says nothing.
pub(super) const FAIRNESS: Bound = Bound::AtLeast(0.9);
/// At a day's rate, of which one tenant has 30 %: the longest mean wait of another one, as a multiple of the mean of all others.
pub(super) const SLOWEST: Bound = Bound::AtMost(2.0);

/// A sync without changes, the largest calendar beside the smallest.
pub(super) const QUIET_GROWS: Bound = Bound::AtMost(2.0);
/// A sync of ten changes, the same.
pub(super) const CHANGES_GROW: Bound = Bound::AtMost(3.0);
/// Time for each change of the sync with most changes, beside the one with a hundred: linear in the change.
pub(super) const EACH_CHANGE: Bound = Bound::AtMost(1.5);
/// Rows for each event of the largest calendar after its first sync: event, base, journal, feed. The rest is what syncs of the smaller
/// ones wrote, a tenth where the largest has 10,000 events.
pub(super) const ROWS: Bound = Bound::AtMost(4.2);
/// Bytes for each event of the largest calendar after its first sync, indexes included.
pub(super) const BYTES: Bound = Bound::AtMost(2560.0);
