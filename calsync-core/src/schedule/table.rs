//! The entries as documents of a store.

use std::{fmt, sync::Arc};

use super::{Cadence, ConnectionState, Entry, Priority, Task, Timing};
use crate::{
    context::Clock,
    model::LinkId,
    store::{Batch, Doc, DocQuery, Expectation, Store, StoreError, StoreErrorKind, Write},
};

/// How often a change is made again when somebody else changes the same entry meanwhile.
const ATTEMPTS: usize = 16;
const PRIORITIES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

/// A change of the schedule that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such entry.
    #[error("{task} is not in the schedule")]
    Unknown {
        /// Its key.
        task: String,
    },
    /// The entry cannot be read: another version of calsync wrote it, or somebody else did.
    #[error("the entry {key} of the schedule is not readable")]
    Unreadable {
        /// Its key.
        key: String,
    },
}

/// The schedule of one tenant: when each of its links runs, for people and hosts. Entries are documents in the spaces
/// [`Priority::SPACES`], due when they run next.
///
/// Changes are compared and set: many processes may make them at once, and a worker that runs an entry keeps it.
#[derive(Clone)]
pub struct Schedule {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    timing: Timing,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("timing", &self.timing).finish_non_exhaustive()
    }
}

/// An entry with the document it was read from.
pub(crate) struct Read {
    pub(crate) entry: Entry,
    pub(crate) doc: Doc,
}

impl Read {
    /// Reads the entry of a document.
    pub(crate) fn from_doc(doc: Doc) -> Result<Self, ScheduleError> {
        match doc.read() {
            Some(entry) => Ok(Self { entry, doc }),
            None => Err(ScheduleError::Unreadable { key: doc.key }),
        }
    }

    /// The batch that puts the entry in the place of what was read.
    pub(crate) fn replaced(&self, due: Option<chrono::DateTime<chrono::Utc>>) -> Result<Batch, StoreError> {
        let expect = vec![expect(&self.doc, Some(self.doc.version))];
        let doc = to_doc(&self.entry)?.with_due(due);
        let mut writes = Vec::new();
        let mut expect = expect;
        if doc.space != self.doc.space {
            expect.push(self::expect(&doc, None));
            writes.push(Write::DeleteDoc { space: self.doc.space.clone(), key: self.doc.key.clone() });
        }
        writes.push(Write::PutDoc(doc));
        Ok(Batch { expect, writes, ..Batch::default() })
    }
}

/// The document of an entry, without when it is due.
fn to_doc(entry: &Entry) -> Result<Doc, StoreError> {
    let value = serde_json::to_vec(entry)
        .map_err(|error| StoreError::new(StoreErrorKind::InvalidInput, "schedule").with_source(error))?;
    Ok(Doc::new(entry.priority.space(), entry.task.key(), value))
}

fn expect(doc: &Doc, version: Option<u64>) -> Expectation {
    Expectation::Doc { space: doc.space.clone(), key: doc.key.clone(), version }
}

impl Schedule {
    /// The schedule of the tenant whose store this is.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, timing: Timing::default() }
    }

    /// Sets how entries are timed; the same for every process that shares the store.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// How entries are timed.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Puts a task into the schedule, or gives it another cadence and priority. What is there keeps its history and,
    /// where it is paused, stays so. A new one is due at once, unless it is on demand.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn put(
        &self,
        task: &Task,
        cadence: &Cadence,
        priority: Priority,
    ) -> Result<Entry, ScheduleError> {
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let known = self.read(task).await?;
            let (entry, batch) = match known {
                Some(mut known) => {
                    if known.entry.cadence == *cadence && known.entry.priority == priority {
                        return Ok(known.entry);
                    }
                    known.entry.set_cadence(cadence.clone(), now);
                    // A worker that runs it looks for it where it was.
                    if known.entry.running.is_none() {
                        known.entry.priority = priority;
                    }
                    let due = self.due(&known);
                    (known.entry.clone(), known.replaced(due)?)
                }
                None => {
                    let entry = Entry::new(task.clone(), cadence.clone(), priority, now);
                    let doc = to_doc(&entry)?.with_due(entry.due(&self.timing));
                    let expect = vec![expect(&doc, None)];
                    (entry, Batch { expect, writes: vec![Write::PutDoc(doc)], ..Batch::default() })
                }
            };
            if self.commit(batch).await? {
                return Ok(entry);
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "schedule").into())
    }

    /// Says that there is something to do for a task: it runs after the debounce. For webhooks, and for edits in the
    /// host's calendar. A worker that is at it runs it once more.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Unknown`] when it is not in the schedule; when the store fails.
    pub async fn nudge(&self, task: &Task) -> Result<Entry, ScheduleError> {
        let now = self.clock.now();
        self.change(task, |entry| entry.nudge(now)).await
    }

    /// A person wants it now, whatever failed before.
    ///
    /// # Errors
    ///
    /// As for [`nudge`](Self::nudge).
    pub async fn run_now(&self, task: &Task) -> Result<Entry, ScheduleError> {
        let now = self.clock.now();
        self.change(task, |entry| entry.run_now(now)).await
    }

    /// It runs no more until it is resumed. A run that has begun goes on.
    ///
    /// # Errors
    ///
    /// As for [`nudge`](Self::nudge).
    pub async fn pause(&self, task: &Task) -> Result<Entry, ScheduleError> {
        let now = self.clock.now();
        self.change(task, |entry| entry.pause(now)).await
    }

    /// It runs again; once, when runs were missed.
    ///
    /// # Errors
    ///
    /// As for [`nudge`](Self::nudge).
    pub async fn resume(&self, task: &Task) -> Result<Entry, ScheduleError> {
        self.change(task, Entry::resume).await
    }

    /// Takes a task out of the schedule. One that is not there is `Ok`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove(&self, task: &Task) -> Result<(), ScheduleError> {
        let key = task.key();
        let gone =
            |priority: Priority| Write::DeleteDoc { space: priority.space().to_owned(), key: key.clone() };
        let writes = PRIORITIES.map(gone).to_vec();
        self.store.commit(Batch { writes, ..Batch::default() }).await?;
        Ok(())
    }

    /// The entry of a task.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Unknown`] when it is not in the schedule; when the store fails.
    pub async fn entry(&self, task: &Task) -> Result<Entry, ScheduleError> {
        match self.read(task).await? {
            Some(known) => Ok(known.entry),
            None => Err(ScheduleError::Unknown { task: task.key() }),
        }
    }

    /// How the connection stands that these links use: what links belong together, a host knows. Links that are not in the
    /// schedule say nothing. `None`: none of them is.
    ///
    /// # Errors
    ///
    /// When the store fails, or an entry cannot be read.
    pub async fn connection(&self, links: &[LinkId]) -> Result<Option<ConnectionState>, ScheduleError> {
        let mut entries = Vec::new();
        for link in links {
            for task in [Task::Sync(link.clone()), Task::Renew(link.clone())] {
                entries.extend(self.read(&task).await?.map(|known| known.entry));
            }
        }
        Ok(ConnectionState::of(&entries, &self.timing))
    }

    /// Entries of a priority by key, starting after the key `after`; at most `limit`. Those that cannot be read are left
    /// out, and named by [`entry`](Self::entry).
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn entries(
        &self,
        priority: Priority,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, ScheduleError> {
        let docs = self.store.docs(priority.space(), DocQuery::Page { after, limit }).await?;
        Ok(docs.into_iter().filter_map(|doc| Read::from_doc(doc).ok()).map(|known| known.entry).collect())
    }

    pub(crate) async fn read(&self, task: &Task) -> Result<Option<Read>, ScheduleError> {
        let key = task.key();
        for priority in [Priority::Normal, Priority::High, Priority::Low] {
            let docs = self.store.docs(priority.space(), DocQuery::Keys(&[&key])).await?;
            if let Some(doc) = docs.into_iter().next() {
                return Read::from_doc(doc).map(Some);
            }
        }
        Ok(None)
    }

    async fn change(&self, task: &Task, change: impl Fn(&mut Entry)) -> Result<Entry, ScheduleError> {
        for _ in 0..ATTEMPTS {
            let Some(mut known) = self.read(task).await? else {
                return Err(ScheduleError::Unknown { task: task.key() });
            };
            change(&mut known.entry);
            let due = self.due(&known);
            if self.commit(known.replaced(due)?).await? {
                return Ok(known.entry);
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "schedule").into())
    }

    /// When the document of a changed entry is due: while a worker is at it, when its claim ends.
    fn due(&self, known: &Read) -> Option<chrono::DateTime<chrono::Utc>> {
        if known.entry.running.is_some() { known.doc.due } else { known.entry.due(&self.timing) }
    }

    async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
