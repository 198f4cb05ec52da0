//! An event that would come back here, while the host has made another one under its UID: the item is that one's now. Two events
//! of a calendar never share a UID.

use std::collections::{HashMap, HashSet};

use super::{
    EngineError,
    pair::Outcome,
    run::{Mode, Run},
};
use crate::{
    model::{EventId, RemoteId},
    plan::Action,
    store::{BaseQuery, BaseRecord, EventRecord, Expectation, JournalOp, OutboxEntry, OutboxState, Write},
};

const REASON: &str = "it was made anew here under its UID: the item is the new event's";

impl Run<'_> {
    /// Gives the items of events that were to come back to the events that took their place, and says which items they are:
    /// each is to be decided about once more, with what both sides last agreed on.
    pub(super) async fn give_way<'b>(
        &mut self,
        outcomes: &mut Vec<Outcome>,
        bases: impl Iterator<Item = &'b BaseRecord>,
    ) -> Result<Vec<RemoteId>, EngineError> {
        let back: Vec<(usize, String)> = outcomes.iter().enumerate().filter_map(returning).collect();
        // A preview has nothing committed that it could decide on once more.
        if back.is_empty() || self.mode == Mode::Preview {
            return Ok(Vec::new());
        }
        let uids: Vec<&str> = back.iter().map(|(_, uid)| uid.as_str()).collect();
        let (store, calendar) = (&self.engine.store, &self.link.calendar);
        let mut by_uid: HashMap<String, Vec<EventRecord>> = HashMap::new();
        for record in store.events_by_uid(calendar, &uids).await? {
            by_uid.entry(record.event.uid.clone()).or_default().push(record);
        }
        let live = by_uid.values().flatten().filter(|record| record.deleted.is_none());
        let live: Vec<EventId> = live.map(|record| record.id.clone()).collect();
        let joined: HashSet<EventId> = if live.is_empty() {
            HashSet::new()
        } else {
            let bases = store.bases(&self.link.id, BaseQuery::Events(&live)).await?;
            bases.into_iter().map(|base| base.event_id).collect()
        };
        let of_event: HashMap<&EventId, &BaseRecord> = bases.map(|base| (&base.event_id, base)).collect();
        let mut again = Vec::new();
        for (place, uid) in &back {
            let known = by_uid.get(uid).map_or(&[][..], Vec::as_slice);
            let outcome = &mut outcomes[*place];
            // Should somebody make one meanwhile, this is decided anew.
            outcome.expect.push(Expectation::Uid {
                calendar: calendar.clone(),
                uid: uid.clone(),
                events: known.iter().map(|record| record.id.clone()).collect(),
            });
            let free = |record: &&EventRecord| record.deleted.is_none() && !joined.contains(&record.id);
            let base = outcome.event_id.as_ref().and_then(|event| of_event.get(event));
            if let (Some(new), Some(base)) = (known.iter().find(free), base) {
                let item = item_of(outcome).unwrap_or_else(|| base.remote_id.clone());
                self.hand_over(outcome, base, new, &item);
                again.push(item);
                // What was to make it there is void. One that may have been sent is looked for first.
                let waits = |entry: &OutboxEntry| entry.state == OutboxState::Pending;
                if self.outbox.get(&new.id).is_some_and(waits) {
                    outcomes.push(Outcome { supersedes: Some(new.id.clone()), ..Outcome::default() });
                }
                // Whoever does not come to it in this run finds it in the next.
                self.unfinished = true;
            }
        }
        Ok(again)
    }

    /// Instead of coming back, an event leaves its item to another.
    fn hand_over(&mut self, outcome: &mut Outcome, base: &BaseRecord, new: &EventRecord, item: &RemoteId) {
        let mut writes = Vec::new();
        if base.remote_id != *item {
            writes.push(Write::DeleteBase { link: base.link.clone(), remote_id: base.remote_id.clone() });
        }
        let base = BaseRecord { remote_id: item.clone(), event_id: new.id.clone(), ..base.clone() };
        writes.push(Write::PutBase(Box::new(base)));
        // What was open about the old event is settled by its deletion all the same.
        let settled = std::mem::take(&mut outcome.writes).into_iter();
        writes
            .extend(settled.filter(
                |write| matches!(write, Write::PutConflict(conflict) if !conflict.fields.is_empty()),
            ));
        let old = outcome.event_id.clone().unwrap_or_else(|| new.id.clone());
        let kept =
            self.with_context(|cx| cx.journal(JournalOp::Kept, &old, Some(item), REASON, None, Vec::new()));
        writes.push(kept);
        let mut expect = std::mem::take(&mut outcome.expect);
        expect.push(Expectation::Event {
            calendar: self.link.calendar.clone(),
            id: new.id.clone(),
            revision: Some(new.revision),
        });
        *outcome = Outcome {
            expect,
            writes,
            supersedes: Some(old.clone()),
            event_id: Some(old),
            revision: outcome.revision,
            ..Outcome::default()
        };
    }
}

/// The UID of an event that is to come back, with its place.
fn returning((place, outcome): (usize, &Outcome)) -> Option<(usize, String)> {
    outcome.operation.as_ref().filter(|operation| operation.action == Action::RestoreLocal)?;
    outcome.writes.iter().find_map(|write| match write {
        Write::PutEvent { event, .. } => Some((place, event.uid.clone())),
        _ => None,
    })
}

/// The item an event was to come back from, by the name it has now.
fn item_of(outcome: &Outcome) -> Option<RemoteId> {
    outcome.writes.iter().find_map(|write| match write {
        Write::PutBase(base) => Some(base.remote_id.clone()),
        _ => None,
    })
}
