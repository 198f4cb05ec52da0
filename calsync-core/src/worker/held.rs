//! An entry this worker holds: prolonged while it works, finished once.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    schedule::{Entry, Read, ScheduleError, Timing},
    store::{Batch, DocQuery, Expectation, Store, StoreError, StoreErrorKind, Write},
};

/// How often a write is made again when somebody nudges or pauses the entry meanwhile.
const ATTEMPTS: usize = 16;

/// An entry this worker holds. Dropping it changes nothing: it falls due when the claim ends.
pub(super) struct Held {
    store: Arc<dyn Store>,
    read: Read,
    holder: String,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The entry is still this worker's.
    Kept,
    /// It is somebody else's, or gone.
    Lost,
}

impl Held {
    /// Writes the worker's name into a claimed entry. `Ok(None)`: somebody changed it since it was claimed; it falls due
    /// again. `Some` with [`Entry::running`] empty: it was left alone for a while instead.
    pub(super) async fn begin(
        store: Arc<dyn Store>,
        mut read: Read,
        holder: &str,
        (now, lease): (DateTime<Utc>, TimeDelta),
        timing: &Timing,
    ) -> Result<Option<Self>, StoreError> {
        let due =
            if read.entry.begin(holder, now, timing) { Some(now + lease) } else { read.entry.due(timing) };
        let mut held = Self { store, read, holder: holder.to_owned() };
        Ok(if held.write(due).await? { Some(held) } else { None })
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.read.entry
    }

    /// Holds it until another time.
    pub(super) async fn prolong(&mut self, until: DateTime<Utc>) -> Result<Hold, StoreError> {
        for _ in 0..ATTEMPTS {
            if self.write(Some(until)).await? {
                return Ok(Hold::Kept);
            }
            if !self.read_again().await? {
                return Ok(Hold::Lost);
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "prolong"))
    }

    /// Changes it for the last time, and gives it back.
    pub(super) async fn finish(
        &mut self,
        timing: &Timing,
        change: &(dyn Fn(&mut Entry) + Send + Sync),
    ) -> Result<Hold, StoreError> {
        for _ in 0..ATTEMPTS {
            let before = self.read.entry.clone();
            change(&mut self.read.entry);
            let due = self.read.entry.due(timing);
            match self.write(due).await {
                Ok(true) => return Ok(Hold::Kept),
                Ok(false) => {}
                Err(error) => {
                    self.read.entry = before;
                    return Err(error);
                }
            }
            if !self.read_again().await? {
                return Ok(Hold::Lost);
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "finish"))
    }

    /// Takes the entry out of the schedule.
    pub(super) async fn remove(&mut self) -> Result<Hold, StoreError> {
        let (space, key) = (self.read.doc.space.clone(), self.read.doc.key.clone());
        let expect = vec![Expectation::Doc {
            space: space.clone(),
            key: key.clone(),
            version: Some(self.read.doc.version),
        }];
        let writes = vec![Write::DeleteDoc { space, key }];
        match self.store.commit(Batch { expect, writes, ..Batch::default() }).await {
            Ok(_) => Ok(Hold::Kept),
            Err(error) if is_conflict(&error) => Ok(Hold::Lost),
            Err(error) => Err(error),
        }
    }

    /// Writes the entry as it is here. `false`: somebody else wrote it since it was read.
    async fn write(&mut self, due: Option<DateTime<Utc>>) -> Result<bool, StoreError> {
        match self.store.commit(self.read.replaced(due)?).await {
            Ok(receipt) => {
                self.read.doc.version = receipt.doc_versions.first().copied().unwrap_or_default();
                self.read.doc.due = due;
                Ok(true)
            }
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads the entry again: a nudge or a pause changes it, and so does whoever takes over.
    async fn read_again(&mut self) -> Result<bool, StoreError> {
        let doc = &self.read.doc;
        let found = self.store.docs(&doc.space, DocQuery::Keys(&[&doc.key])).await?;
        let Some(read) =
            found.into_iter().next().map(Read::from_doc).and_then(Result::<_, ScheduleError>::ok)
        else {
            return Ok(false);
        };
        let mine = read.entry.running.as_ref().is_some_and(|running| running.holder == self.holder);
        if mine {
            self.read = read;
        }
        Ok(mine)
    }
}

fn is_conflict(error: &StoreError) -> bool {
    matches!(error.kind, StoreErrorKind::Conflict { .. })
}
