//! Feeds that are another one for a while: a page that stands in for the feed, the feed of somebody else.
//!
//! The brake holds what such a feed no longer lists. What it brought in meanwhile goes when the feed is itself again.

use std::collections::{HashMap, HashSet};

use super::{
    EngineError,
    items::CHUNK,
    pull::{Gone, Listed},
    run::Run,
};
use crate::{
    model::{EventId, RemoteId, RunId},
    plan::Evidence,
    store::{BaseRecord, JournalOp, Record, RecordKind, RecordQuery},
};

/// Of more items that are gone it is not asked who brought them in.
const ASKED_MAX: usize = 1000;
/// Runs whose ids may begin alike, all but a letter.
const RUNS: usize = 16;

impl Run<'_> {
    /// Notes what a complete listing has that was not joined before it. Of a feed that is another one now it is all there is,
    /// and nothing of what was there is left for that.
    pub(super) fn note_what_is_new(&mut self, listed: &Listed) {
        if self.capabilities.pull_window_slides && !self.capabilities.pull_incremental {
            let new = listed.present.iter().filter(|id| !listed.summaries.contains_key(*id));
            self.not_left.extend(new.cloned());
        }
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

    /// Finds what a feed brought in while it was a wrong one, where that can be told: deletions wait that nobody answered;
    /// nothing of what they are of is gone any more; and what is gone instead came in with a run that held them. It was never
    /// part of the feed, so it goes without a question, also where it is over.
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
        let mut runs = HashMap::new();
        for event in events {
            let Some(run) = self.brought_by(&event).await? else { continue };
            let held = match runs.get(&run) {
                Some(held) => *held,
                None => *runs.entry(run.clone()).or_insert(self.has_held(&run).await?),
            };
            if held {
                self.wrongly_brought.insert(event);
            }
        }
        Ok(())
    }

    /// The run that brought an event in, if this link did and the journal still says so.
    async fn brought_by(&self, event: &EventId) -> Result<Option<RunId>, EngineError> {
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
            Some(Record::Journal(entry)) if entry.op == JournalOp::LocalCreate => Some(entry.run),
            _ => None,
        })
    }

    /// Whether a run of the link held deletions back.
    async fn has_held(&self, run: &RunId) -> Result<bool, EngineError> {
        // Ids of runs sort: what comes after the run's own but for its last letter is itself, and those that came later.
        let mut before = run.as_str().to_owned();
        before.pop();
        let query = RecordQuery {
            kind: RecordKind::Run,
            link: &self.link.id,
            event: None,
            run: None,
            after: Some(&before),
            limit: RUNS,
        };
        let found = self.engine.store.records(query).await?;
        Ok(found
            .iter()
            .any(|found| matches!(found, Record::Run(found) if found.id == *run && found.counts.held > 0)))
    }
}
