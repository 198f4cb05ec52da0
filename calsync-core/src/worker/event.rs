//! What a worker tells its host.

use chrono::{DateTime, TimeDelta, Utc};

use super::Alert;
use crate::{
    provider::Fault,
    schedule::{Status, Task},
    store::RunCounts,
};

/// What a worker tells its host while it works. Holds names and numbers, never event text or secrets.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// A run began.
    Started {
        /// Whose.
        tenant: String,
        /// What.
        task: Task,
        /// How long it was overdue.
        late: TimeDelta,
    },
    /// A run ended.
    Ended {
        /// Whose.
        tenant: String,
        /// How.
        ended: Box<Ended>,
    },
    /// A host should look into something.
    Alert {
        /// Whose; `None`: everybody's.
        tenant: Option<String>,
        /// What.
        alert: Alert,
    },
    /// The store did not say what is due; it is asked again.
    StoreFailed {
        /// How.
        error: String,
    },
    /// An entry of the schedule cannot be read. It does not run until somebody writes it anew.
    Unreadable {
        /// Whose.
        tenant: String,
        /// Its key.
        key: String,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Ended {
    /// It went through.
    Done {
        /// What.
        task: Task,
        /// What it did, where the engine ran.
        counts: Option<RunCounts>,
        /// How long it took.
        took: TimeDelta,
        /// When it runs next.
        next: Option<DateTime<Utc>>,
    },
    /// It failed.
    Failed {
        /// What.
        task: Task,
        /// Whose fault it was.
        fault: Fault,
        /// How.
        error: String,
        /// How its entry stands now.
        status: Status,
        /// When it is tried again.
        next: Option<DateTime<Utc>>,
    },
    /// It was given back, and counts as nothing: the worker had to stop, or the link was busy.
    Returned {
        /// What.
        task: Task,
    },
    /// Another worker took over, or the entry was taken out of the schedule; what this one had committed stays.
    Lost {
        /// Its key.
        key: String,
    },
    /// The host knows no such link any more: its entry is gone.
    Removed {
        /// What.
        task: Task,
    },
}
