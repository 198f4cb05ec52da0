//! Feeds that are another one for a while: a page that stands in for the feed, the feed of somebody else.
//!
//! The brake holds what such a feed no longer lists. What it brought in meanwhile goes when the feed is itself again.

use std::collections::HashSet;

use chrono::TimeDelta;

use super::{
    EngineError,
    items::CHUNK,
    listing::has_passed,
    pull::{Gone, Listed},
    run::Run,
};
use crate::{
    model::{EventId, RemoteId},
    plan::Evidence,
    store::{BaseRecord, JournalEntry, JournalOp, Record, RecordKind, RecordQuery},
};

/// Of more items that are gone it is not asked who brought them in.
const ASKED_MAX: usize = 1000;
/// How long a feed counts as one that is another for a while: one that is longer so has become it.
const BELIEVED: TimeDelta = TimeDelta::days(2);

impl Run<'_> {
    /// Notes what a complete listing has that was not joined before it. Of a feed that is another one now it is all there is,
    /// and nothing of what was there is left for that.
    pub(super) fn note_what_is_new(&mut self, listed: &Listed) {
        if self.capabilities.pull_window_slides && !self.capabilities.pull_incremental {
            let new = listed.present.iter().filter(|id| !listed.summaries.contains_key(*id));
            self.not_left.extend(new.cloned());
        }
    }

    /// What runs brought in that ended before the cursor moved counts as what this one does: it may be of the same wrong feed.
    pub(super) async fn note_what_came_before(&mut self) -> Result<(), EngineError> {
        let mut after = self.ahead_before.take().map(|run| run.to_string());
        if !self.capabilities.pull_window_slides || self.capabilities.pull_incremental {
            return Ok(());
        }
        while let Some(id) = after.take() {
            for record in self.records(RecordKind::Journal, Some(&id)).await? {
                let Record::Journal(entry) = record else { continue };
                if entry.op == JournalOp::LocalCreate {
                    self.not_left.extend(entry.remote_id);
                }
                after = Some(entry.id);
            }
        }
        Ok(())
    }

    /// The events of some pairs that are over, of a feed that drops what is.
    pub(super) async fn over(&self, bases: &[BaseRecord]) -> Result<HashSet<EventId>, EngineError> {
        if !self.capabilities.pull_window_slides {
            return Ok(HashSet::new());
        }
        let events: Vec<EventId> = bases.iter().map(|base| base.event_id.clone()).collect();
        let rows = self.engine.store.events(&self.link.calendar, &events).await?;
        Ok(rows.into_iter().filter(|row| self.left_the_window(Some(row))).map(|row| row.id).collect())
    }

    /// Finds what a feed brought in when it became a wrong one, where that can be told: deletions wait that nobody answered;
    /// nothing of what they are of is gone any more; and what is gone instead came in with the very run that held the first of
    /// them, not long ago. It was never part of the feed, so it goes without a question. What came in later may be a good feed's,
    /// and what has taken place since then did: both stay, or wait for an answer.
    pub(super) async fn find_wrongly_brought(&mut self, gone: &[Gone]) -> Result<(), EngineError> {
        let Some(held) = self.state.held.clone() else { return Ok(()) };
        if !self.capabilities.pull_window_slides || gone.len() > ASKED_MAX {
            return Ok(());
        }
        let mut events = Vec::new();
        for gone in gone.chunks(CHUNK) {
            let absent = gone.iter().filter(|gone| gone.evidence == Evidence::Absent);
            let ids: Vec<RemoteId> = absent.map(|gone| gone.id.clone()).collect();
            let bases = self.bases_by_remote(&ids).await?;
            if bases.values().any(|base| held.may_hold(&base.event_id)) {
                return Ok(());
            }
            events.extend(bases.into_values().map(|base| base.event_id));
        }
        let now = self.engine.clock.now();
        for events in events.chunks(CHUNK) {
            for row in self.engine.store.events(&self.link.calendar, events).await? {
                let Some(brought) = self.brought(&row.id).await? else { continue };
                let took_place = has_passed(&row.event, now) && !has_passed(&row.event, brought.at);
                if held.seen_by(&brought.run) && now - brought.at <= BELIEVED && !took_place {
                    self.wrongly_brought.insert(row.id);
                }
            }
        }
        Ok(())
    }

    /// How an event came in, if this link brought it and the journal still says so.
    async fn brought(&self, event: &EventId) -> Result<Option<Box<JournalEntry>>, EngineError> {
        let query = RecordQuery {
            kind: RecordKind::Journal,
            link: &self.link.id,
            event: Some(event),
            run: None,
            after: None,
            limit: 1,
        };
        let first = self.engine.store.records(query).await?.pop();
        Ok(match first {
            Some(Record::Journal(entry)) if entry.op == JournalOp::LocalCreate => Some(entry),
            _ => None,
        })
    }
}
