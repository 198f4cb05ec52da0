//! The part of an undo that is on the remote side: items the run made are deleted there.

use std::collections::BTreeSet;

use super::{
    EngineError,
    items::by_id,
    journal::{content_of, is_as_left, left_as},
    undo::{ATTEMPTS, Lasts, Undo, UndoReport},
    withdrawn::{Gone, IsEdited, Leaving, Withdrawn, delete, keep_away, withdrawn},
};
use crate::{
    model::{EventId, RunId},
    plan::Evidence,
    store::{BaseQuery, BaseRecord, BaseState, Batch, EventRecord, JournalEntry, JournalOp, Write},
};

/// What is to become of an item that the run made.
enum Fate {
    Leaves(Leaving),
    /// It is not there any more: only its event is kept away.
    IsGone,
    /// Somebody edited it, or its event.
    Edited,
    /// It may not be deleted, or nothing tells whether it may.
    Stays,
    /// There is nothing to do.
    Nothing,
}

impl Undo<'_> {
    /// Takes away what a run made there.
    pub(super) async fn take_away(
        &mut self,
        run: &RunId,
        lasts: &Lasts,
        report: &mut UndoReport,
    ) -> Result<(), EngineError> {
        let made = lasts.iter().filter(|(_, left)| left.first == JournalOp::RemoteCreate);
        let made: Vec<EventId> = made.map(|(event, _)| event.clone()).collect();
        if made.is_empty() {
            return Ok(());
        }
        // What waits to be sent was decided since.
        let waiting = self.engine.outbox(&self.link.id).await?;
        let waiting: BTreeSet<EventId> = waiting.into_iter().map(|entry| entry.event_id).collect();
        let removal = RunId::from(format!("{run}-undone"));
        for ids in made.chunks(self.link.commit_every.max(1)) {
            self.keep_lease().await?;
            let mut leaving = self.withdraw(ids, lasts, &waiting, report).await?;
            while !leaving.is_empty() {
                let (clock, until) = (&self.engine.clock, self.lease_until);
                let gone = delete(self.link, self.provider, leaving, || clock.now() < until).await;
                leaving = self.settle(gone, &removal, lasts, report).await?;
                if !leaving.is_empty() {
                    self.keep_lease().await?;
                }
            }
        }
        Ok(())
    }

    /// Decides about some items, and writes down of those that go that their events stay away.
    async fn withdraw(
        &self,
        ids: &[EventId],
        lasts: &Lasts,
        waiting: &BTreeSet<EventId>,
        report: &mut UndoReport,
    ) -> Result<Vec<Leaving>, EngineError> {
        let (store, link) = (&*self.engine.store, &self.link.id);
        for attempt in 0.. {
            let records = by_id(store.events(&self.link.calendar, ids).await?);
            let bases = store.bases(link, BaseQuery::Events(ids)).await?;
            let noted = withdrawn(store, link, ids.iter()).await?;
            let (mut batch, mut leaving, mut now) = (Batch::default(), Vec::new(), UndoReport::default());
            for event in ids {
                let record = records.get(event);
                let base = bases.iter().find(|base| base.event_id == *event);
                let last = lasts.get(event).filter(|_| !waiting.contains(event)).map(|left| &left.last);
                match self.fate(record, last, base, noted.get(event)) {
                    Fate::Leaves(item) => {
                        let writes = item.withdraw(link);
                        if !writes.is_empty() {
                            batch.writes.extend(writes);
                            batch.expect.extend(record.map(|record| self.unchanged(record)));
                        }
                        leaving.push(item);
                    }
                    Fate::IsGone => {
                        batch.writes.push(keep_away(link, event));
                        now.kept += 1;
                    }
                    Fate::Edited => {
                        now.kept += 1;
                        now.edited.push(event.clone());
                    }
                    Fate::Stays => {
                        now.kept += 1;
                        now.made_there += 1;
                    }
                    Fate::Nothing => now.kept += 1,
                }
            }
            if !batch.writes.is_empty() {
                match self.commit(batch).await {
                    Ok(()) => {}
                    Err(error) if error.is_conflict() && attempt < ATTEMPTS => continue,
                    Err(error) => return Err(error),
                }
            }
            report.kept += now.kept;
            report.made_there += now.made_there;
            report.name(now.edited);
            return Ok(leaving);
        }
        Ok(Vec::new())
    }

    /// What is to become of the item of an event. `last`: how the run left both, unless a write waits.
    fn fate(
        &self,
        record: Option<&EventRecord>,
        last: Option<&JournalEntry>,
        base: Option<&BaseRecord>,
        noted: Option<&Withdrawn>,
    ) -> Fate {
        let Some(record) = record else { return Fate::Nothing };
        if let (None, Some(noted)) = (base, noted) {
            // An undo that was cut off.
            return Leaving::again(&record.id, noted).map_or(Fate::Nothing, Fate::Leaves);
        }
        let Some(last) = last.filter(|last| is_as_left(last, record)) else { return Fate::Edited };
        let Some(base) = base else { return Fate::IsGone };
        if base.state != BaseState::Linked {
            return Fate::Nothing;
        }
        if !self.link.direction.exports() || last.there.is_none() {
            return Fate::Stays;
        }
        let content = self.provider.read(&base.payload).ok().map(|item| content_of(&item));
        // A conflict that is open holds an edit, and an item of another name is another one.
        let as_left = base.remote.is_none()
            && last.there == content
            && last.remote_id.as_ref() == Some(&base.remote_id);
        if !as_left {
            return Fate::Edited;
        }
        Leaving::of(base).map_or(Fate::Stays, Fate::Leaves)
    }

    /// Writes down what became of some items. Those whose turn did not come are returned.
    async fn settle(
        &mut self,
        gone: Gone,
        removal: &RunId,
        lasts: &Lasts,
        report: &mut UndoReport,
    ) -> Result<Vec<Leaving>, EngineError> {
        let link = self.link.id.clone();
        let mut writes = Vec::new();
        report.removed_there += gone.removed.len() as u64;
        if !gone.removed.is_empty() {
            report.removal = Some(removal.clone());
        }
        for item in &gone.removed {
            let after = lasts.get(&item.event).and_then(|left| left.last.after.clone());
            writes.extend([item.confirmed(&link), self.journal_of(item, removal, after)]);
        }
        report.kept += (gone.edited.len() + gone.refused.len()) as u64;
        report.made_there += gone.refused.len() as u64;
        report.name(gone.edited.iter().map(|item| item.event.clone()));
        writes.extend(gone.edited.iter().flat_map(|item| item.stay(&link, IsEdited::Yes)));
        writes
            .extend(gone.refused.iter().chain(&gone.stayed).flat_map(|item| item.stay(&link, IsEdited::No)));
        if !gone.late.is_empty() && gone.error.is_some() {
            writes.extend(gone.late.iter().flat_map(|item| item.stay(&link, IsEdited::No)));
        }
        if !writes.is_empty() {
            self.commit(Batch { writes, ..Batch::default() }).await?;
        }
        gone.error.map_or(Ok(gone.late), |error| Err(error.into()))
    }

    fn journal_of(&mut self, item: &Leaving, removal: &RunId, after: Option<String>) -> Write {
        let before = item.base.as_ref().and_then(|base| self.provider.read(&base.payload).ok());
        Write::PutJournal(Box::new(JournalEntry {
            id: self.next_id(),
            link: self.link.id.clone(),
            run: removal.clone(),
            event_id: item.event.clone(),
            remote_id: Some(item.item.clone()),
            op: JournalOp::RemoteDelete,
            reason: "the run that made it was taken back".to_owned(),
            before: before.map(Box::new),
            losses: Vec::new(),
            fields: Vec::new(),
            evidence: Some(Evidence::Marked),
            after: after.or_else(|| Some(left_as(None))),
            there: None,
            at: self.engine.clock.now(),
        }))
    }
}
