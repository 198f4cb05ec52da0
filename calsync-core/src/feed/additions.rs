//! What a batch adds to feeds, for stores.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{EventSeq, FeedEntry, Happened, News, Origin};
use crate::{
    model::{CalendarId, EventId},
    store::{Batch, Revision, Write},
};

/// What happened in one calendar, in order, and when: entries that have no number yet.
pub type Unnumbered = Vec<(DateTime<Utc>, Happened)>;

/// Gathers what a batch adds to the feeds of its calendars. A store calls [`put`](Self::put) and [`deleted`](Self::deleted) for
/// each event it writes, in the order of the batch, and at the end takes all of it with [`finish`](Self::finish).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Additions {
    by: Option<Origin>,
    news: Vec<News>,
    added: BTreeMap<CalendarId, Unnumbered>,
}

impl Additions {
    /// Those of a batch; of its events there are none yet.
    pub fn of(batch: &Batch) -> Self {
        Self { by: batch.by.clone(), news: batch.news.clone(), added: BTreeMap::new() }
    }

    /// An event was written, at a time by the caller's clock.
    pub fn put(&mut self, calendar: &CalendarId, event: &EventId, revision: Revision, at: DateTime<Utc>) {
        let by = self.by.clone();
        self.add(calendar, at, Happened::EventPut { event: event.clone(), revision, by });
    }

    /// An event was deleted; not one that was deleted already.
    pub fn deleted(&mut self, calendar: &CalendarId, event: &EventId, revision: Revision, at: DateTime<Utc>) {
        let by = self.by.clone();
        self.add(calendar, at, Happened::EventDeleted { event: event.clone(), revision, by });
    }

    /// All of it by calendar, with the batch's own news at the end.
    pub fn finish(mut self) -> BTreeMap<CalendarId, Unnumbered> {
        for news in std::mem::take(&mut self.news) {
            self.add(&news.calendar, news.at, news.what);
        }
        self.added
    }

    fn add(&mut self, calendar: &CalendarId, at: DateTime<Utc>, what: Happened) {
        // What every store keeps of an instant.
        let at = DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at);
        match self.added.get_mut(calendar) {
            Some(added) => added.push((at, what)),
            None => {
                self.added.insert(calendar.clone(), vec![(at, what)]);
            }
        }
    }
}

/// The calendars to whose feeds a batch may add: those a store rings for.
pub fn told_by(batch: &Batch) -> BTreeSet<&CalendarId> {
    let of_events = batch.writes.iter().filter_map(|write| match write {
        Write::PutEvent { calendar, .. } | Write::DeleteEvent { calendar, .. } => Some(calendar),
        _ => None,
    });
    of_events.chain(batch.news.iter().map(|news| &news.calendar)).collect()
}

/// The entries of what is added to a feed whose last entry is `last`.
pub fn numbered(last: EventSeq, added: Unnumbered) -> impl Iterator<Item = FeedEntry> {
    let seqs = last.0.saturating_add(1)..;
    added.into_iter().zip(seqs).map(|((at, what), seq)| FeedEntry { seq: EventSeq(seq), at, what })
}
