//! Deletions: the last thing a run decides, and the only thing it may not decide alone.

use super::{
    EngineError,
    pair::{Outcome, Pair, RemoteView, deletion_conflict},
    run::{Mode, PAGE, PlannedDeletion, Run},
};
use crate::{
    merge::Choice,
    model::EventId,
    plan::{Action, Operation, Verdict},
    store::{
        BaseQuery, BaseRecord, EventRecord, Expectation, JournalOp, OutboxEntry, OutboxId, OutboxOp,
        OutboxState, Revision, Write,
    },
};

/// Deletions committed at once.
const CHUNK: usize = 100;

impl Run<'_> {
    /// Carries the planned deletions out, or holds all of them for a person to approve.
    pub(super) async fn carry_out_deletions(&mut self) -> Result<(), EngineError> {
        if self.deletions.is_empty() {
            return Ok(());
        }
        let joined = self.joined().await?;
        let planned = std::mem::take(&mut self.deletions);
        self.plan.operations.extend(planned.iter().map(|deletion| deletion.operation.clone()));
        let approved = self.approve.as_ref() == Some(&self.plan.deletions_id());
        if self.link.guard.judge(planned.len(), joined) == Verdict::Hold && !approved {
            self.plan.held = true;
            // What waits is decided again by every run: the mark stays before it, also when it was planned long ago.
            for Revision(held) in planned.iter().filter_map(|deletion| deletion.revision) {
                self.seen_before = self.seen_before.min(Revision(held.saturating_sub(1)));
            }
            self.counts.held = planned.len() as u64;
            return Ok(());
        }
        if self.mode == Mode::Preview {
            return Ok(());
        }
        for chunk in planned.chunks(CHUNK) {
            self.delete(chunk).await?;
        }
        Ok(())
    }

    async fn joined(&self) -> Result<usize, EngineError> {
        let mut count = 0;
        let mut after = None;
        loop {
            let page = self.engine.store.base_summaries(&self.link.id, after.as_ref(), PAGE * 5).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.remote_id.clone());
            count += page.len();
        }
    }

    async fn delete(&mut self, chunk: &[PlannedDeletion]) -> Result<(), EngineError> {
        let ids: Vec<EventId> =
            chunk.iter().filter_map(|deletion| deletion.operation.event_id.clone()).collect();
        let bases = self.engine.store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
        let records = self.engine.store.events(&self.link.calendar, &ids).await?;
        let mut outcomes = Vec::new();
        for deletion in chunk {
            let operation = &deletion.operation;
            let Some(base) = bases.iter().find(|base| Some(&base.event_id) == operation.event_id.as_ref())
            else {
                continue;
            };
            let record = records.iter().find(|record| record.id == base.event_id);
            // An event edited since this was decided is not what was to be deleted: the next run decides again.
            if record.map(|record| record.revision) != deletion.revision {
                self.unfinished = true;
                continue;
            }
            outcomes.push(match operation.action {
                Action::DeleteLocal => self.delete_local(operation, base, record),
                _ => self.delete_remote(operation, base),
            });
        }
        let deleted = outcomes
            .iter()
            .flat_map(|o| &o.writes)
            .filter(|w| matches!(w, Write::DeleteEvent { .. }))
            .count();
        if self.commit_outcomes(outcomes, Vec::new(), 0).await? {
            self.counts.deleted += deleted as u64;
        } else {
            self.unfinished = true;
        }
        Ok(())
    }

    fn delete_local(
        &mut self,
        operation: &Operation,
        base: &BaseRecord,
        record: Option<&EventRecord>,
    ) -> Outcome {
        let Some(record) = record else { return Outcome::default() };
        let base_event = self.provider.read(&base.payload).ok();
        let agreed = base.local.as_deref().or(base_event.as_ref());
        let edited = agreed.is_none_or(|agreed| *agreed != record.event);
        let (link, now) = (self.link, self.engine.clock.now());
        let mut writes = vec![
            Write::DeleteEvent { calendar: link.calendar.clone(), id: record.id.clone(), at: now },
            Write::DeleteBase { link: link.id.clone(), remote_id: base.remote_id.clone() },
        ];
        let pair = Pair {
            remote: RemoteView::Removed,
            local: Some(record),
            base: Some(base),
            base_event: base_event.as_ref(),
        };
        self.with_context(|cx| {
            writes.push(cx.journal(
                JournalOp::LocalDelete,
                &record.id,
                Some(&base.remote_id),
                &operation.reason,
                Some(&record.event),
                Vec::new(),
            ));
            if edited {
                // The deletion won over an edit: the edit is kept where a person finds it.
                writes.push(deletion_conflict(&pair, base, Choice::Remote, cx));
            }
        });
        Outcome {
            expect: vec![Expectation::Event {
                calendar: link.calendar.clone(),
                id: record.id.clone(),
                revision: Some(record.revision),
            }],
            writes,
            conflicts: u64::from(edited),
            event_id: Some(record.id.clone()),
            revision: Some(record.revision),
            supersedes: Some(record.id.clone()),
            ..Outcome::default()
        }
    }

    fn delete_remote(&mut self, operation: &Operation, base: &BaseRecord) -> Outcome {
        // Without a version there is nothing a conditional delete could name: the item is read first, by the next run.
        let Some(expected) = base.version.clone() else {
            self.unfinished = true;
            return Outcome::default();
        };
        let entry = OutboxEntry {
            id: OutboxId(self.next_id()),
            link: self.link.id.clone(),
            run: self.id.clone(),
            event_id: base.event_id.clone(),
            remote_id: base.remote_id.clone(),
            op: OutboxOp::Delete { expected },
            local: None,
            fields: Vec::new(),
            reason: operation.reason.clone(),
            state: OutboxState::Pending,
            attempts: 0,
            not_before: None,
        };
        Outcome {
            writes: vec![Write::PutOutbox(Box::new(entry))],
            event_id: Some(base.event_id.clone()),
            supersedes: Some(base.event_id.clone()),
            ..Outcome::default()
        }
    }
}
