//! How a worker works.

use chrono::TimeDelta;

use crate::schedule::Timing;

/// How a worker works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// Runs at once. Default: 4. They share one thread, but wait for providers most of the time.
    pub concurrency: usize,
    /// Runs of one tenant at once, so that one whose provider hangs does not hold every place. Default: no limit.
    pub per_tenant: usize,
    /// How long a claim lasts without being prolonged: a worker that died is replaced after it. Prolonged three times as
    /// often. Default: 10 seconds; the same for all workers of a store.
    pub lease: TimeDelta,
    /// How long it rests when nothing is due. Default: 1 second; more is fine where it is woken.
    pub poll: TimeDelta,
    /// How long runs may go on after a shutdown was asked for, before they are given back. Default: 30 seconds.
    pub drain: TimeDelta,
    /// A run that takes longer is ended, and counts as failed: its provider hangs. Default: 1 hour.
    pub run_longest: TimeDelta,
    /// How often what waits is counted, for `calsync_queue_depth`: a few bounded reads of the store each time, and with
    /// [`StoreClaims`](crate::store::StoreClaims) some for each tenant. Default: 1 minute. Zero:
    /// never.
    pub count_backlog: TimeDelta,
    /// How old the oldest open conflict of a link gets before somebody is told once more, and as long after that again
    /// ([`Alert::OpenConflicts`](super::Alert::OpenConflicts)). Looked for once a day, by a run that went through. Default: 7 days. Zero:
    /// never.
    pub conflicts_old: TimeDelta,
    /// How entries are timed; the same as [`Schedule::with_timing`](crate::schedule::Schedule::with_timing).
    pub timing: Timing,
    /// What [`Task::Retain`](crate::schedule::Task::Retain) keeps.
    pub retain: RetainOptions,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 4,
            per_tenant: usize::MAX,
            lease: TimeDelta::seconds(10),
            poll: TimeDelta::seconds(1),
            drain: TimeDelta::seconds(30),
            run_longest: TimeDelta::hours(1),
            count_backlog: TimeDelta::minutes(1),
            conflicts_old: TimeDelta::days(7),
            timing: Timing::default(),
            retain: RetainOptions::default(),
        }
    }
}

/// What is kept, and how much of the rest is forgotten at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetainOptions {
    /// How long runs, journal entries, decided conflicts and entries of change feeds are kept. Default: 90 days.
    pub keep_log: TimeDelta,
    /// How long soft deletes are kept. Default: 30 days. They are kept longer while a link of their calendar has not run
    /// since.
    pub keep_deleted: TimeDelta,
    /// Rows of a log forgotten in one commit. Default: 5,000.
    pub batch: usize,
    /// Deleted events forgotten in one commit. Default: 500.
    pub deleted_batch: usize,
    /// Commits per log and run, and per calendar for its deleted events and its feed; the next day takes the rest. Default: 20.
    pub batches: usize,
}

impl Default for RetainOptions {
    fn default() -> Self {
        Self {
            keep_log: TimeDelta::days(90),
            keep_deleted: TimeDelta::days(30),
            batch: 5_000,
            deleted_batch: 500,
            batches: 20,
        }
    }
}
