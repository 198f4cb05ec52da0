//! Small rows that workers share.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

/// A small row with a version: what workers share beside calendars and links, such as sealed tokens, OAuth state, rate
/// budgets, watch channels and the schedule.
///
/// The store knows nothing of what is inside. The caller serialises and, where it is secret, seals it first; it hashes
/// what is secret in a key, because keys are shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Doc {
    /// What kind of row it is. Queries are of one space.
    pub space: String,
    /// Its name in the space.
    pub key: String,
    /// Its content: at least 64 KiB fit into every store.
    pub value: Vec<u8>,
    /// Changes with every write; the store sets it. No version of a key is ever given out twice, also not after the
    /// document was deleted, so that [`Expectation::Doc`](super::Expectation::Doc) cannot take another row for this
    /// one. Only equality means something.
    pub version: u64,
    /// When somebody has to look at it, to the microsecond: a next run, an expiry. `None`: never.
    pub due: Option<DateTime<Utc>>,
}

impl Doc {
    /// A document to write.
    pub fn new(space: impl Into<String>, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { space: space.into(), key: key.into(), value: value.into(), version: 0, due: None }
    }

    /// Sets when it is due.
    #[must_use]
    pub fn with_due(mut self, due: Option<DateTime<Utc>>) -> Self {
        self.due = due;
        self
    }

    /// What the value is as JSON; `None` when it is something else. As text, since code that reads all types from bytes as
    /// well would be there twice.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(std::str::from_utf8(&self.value).ok()?).ok()
    }
}

impl fmt::Debug for Doc {
    /// All but the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doc")
            .field("space", &self.space)
            .field("key", &self.key)
            .field("version", &self.version)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// Which documents of a space to read.
#[derive(Clone, Copy, Debug)]
pub enum DocQuery<'a> {
    /// Those with these keys. Keys that are not there are left out; order is free.
    Keys(&'a [&'a str]),
    /// All, by the bytes of their key.
    Page {
        /// Starting after this key.
        after: Option<&'a str>,
        /// At most so many.
        limit: usize,
    },
    /// Those that are due at a time or were before, the longest overdue first, those of one instant by key.
    Due {
        /// The time.
        at: DateTime<Utc>,
        /// At most so many.
        limit: usize,
    },
}
