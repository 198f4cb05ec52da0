//! What the brake on deletions goes by: what waits, what went lately, and how much there is.
//!
//! Each run leaves bounds of that to the next ([`DeletionTally`]). Where they let the deletions pass, nothing is read; where they
//! do not, what is exact is read and judged.

use std::collections::HashSet;

use super::{
    EngineError,
    remade::is_remaking,
    run::{PAGE, Run},
};
use crate::{
    model::{EventId, RemoteId},
    plan::{Tally, Verdict},
    store::{
        BaseQuery, BaseState, Batch, DeletionTally, LeaseEnd, OutboxEntry, OutboxOp, Record, RecordKind,
        RunOutcome, Write,
    },
};

impl Run<'_> {
    /// What the guard says of the deletions that wait. Only pairs that are joined and not about to be deleted already count.
    ///
    /// More pairs never hold what fewer let pass. So no more are read than it takes to let the deletions pass; and where the
    /// names of all, parted ones too, are too few, no more is read than those.
    pub(super) async fn judged(&mut self) -> Result<Verdict, EngineError> {
        self.note_what_came_before().await?;
        if self.at_worst().is_some_and(|worst| self.link.guard.judge(worst) == Verdict::Pass) {
            return Ok(Verdict::Pass);
        }
        let mut left = self.recent_deletions().await?;
        let recent = left.recent(self.counting_since()).unwrap_or(u64::MAX).saturating_add(self.unasked);
        let recent = usize::try_from(recent).unwrap_or(usize::MAX);
        let mut tally = Tally { planned: self.held.len(), recent, joined: 0 };
        let verdict = self.judged_exactly(&mut tally).await?;
        left.set_joined(tally.joined);
        self.tally = Some(left);
        Ok(verdict)
    }

    async fn judged_exactly(&self, tally: &mut Tally) -> Result<Verdict, EngineError> {
        let (store, link) = (&self.engine.store, &self.link.id);
        let planned = self.planned_events();
        let (mut after, mut first) = (None, true);
        loop {
            let page = store.base_summaries(link, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(self.link.guard.judge(*tally)) };
            after = Some(last.remote_id.clone());
            let ids: Vec<RemoteId> = page.into_iter().map(|summary| summary.remote_id).collect();
            let bases = store.bases(link, BaseQuery::Remote(&ids)).await?;
            let over = self.over(&bases).await?;
            // What is over is not missed when it is gone: that it is there says nothing.
            tally.joined += bases
                .iter()
                .filter(|base| base.state == BaseState::Linked && !self.leaves(&base.event_id, &planned))
                .filter(|base| {
                    planned.contains(&base.event_id)
                        || !self.not_left.contains(&base.remote_id) && !over.contains(&base.event_id)
                })
                .count();
            if self.link.guard.judge(*tally) == Verdict::Pass {
                return Ok(Verdict::Pass);
            }
            if std::mem::take(&mut first) {
                let all = tally.joined + self.named_after(after.clone()).await?;
                if self.link.guard.judge(Tally { joined: all, ..*tally }) == Verdict::Hold {
                    return Ok(Verdict::Hold);
                }
            }
        }
    }

    /// What the guard judges, at worst, by what the last run left and this one did. `None`: that says nothing, or what there is
    /// takes more than counting pairs.
    fn at_worst(&self) -> Option<Tally> {
        let tally = self.tally.as_ref().filter(|_| !self.capabilities.pull_window_slides)?;
        let planned = self.planned_events();
        let leaving = self.outbox.keys().filter(|event| self.leaves(event, &planned)).count();
        let mut worst = tally.at_worst(self.held.len(), leaving, self.counting_since())?;
        worst.recent = worst.recent.saturating_add(usize::try_from(self.unasked).unwrap_or(usize::MAX));
        Some(worst)
    }

    fn planned_events(&self) -> HashSet<&EventId> {
        self.held.iter().filter_map(|deletion| deletion.operation.event_id.as_ref()).collect()
    }

    /// Whether an event is to be deleted already, and not by what waits.
    fn leaves(&self, event: &EventId, planned: &HashSet<&EventId>) -> bool {
        let deletes =
            |entry: &OutboxEntry| matches!(entry.op, OutboxOp::Delete { .. }) && !is_remaking(entry);
        self.outbox.get(event).is_some_and(deletes) && !planned.contains(event)
    }

    /// Deletions count that came later.
    fn counting_since(&self) -> chrono::DateTime<chrono::Utc> {
        self.started.checked_sub_signed(self.link.guard.within).unwrap_or(self.started)
    }

    /// Deletions of the runs before this one that nobody was asked about. Their numbers are written with the deletions
    /// themselves, so none is missed, whenever a run ended.
    async fn recent_deletions(&self) -> Result<DeletionTally, EngineError> {
        let since = self.counting_since();
        let mut left = DeletionTally::new(0, since);
        // Ids of runs begin with their time.
        let mut after = Some(format!("{:012x}", since.timestamp_millis().max(0)));
        while let Some(id) = after.take() {
            let page = self.records(RecordKind::Run, Some(&id)).await?;
            let is_full = page.len() >= self.rows_at_once();
            for record in page {
                let Record::Run(run) = record else { continue };
                after = Some(run.id.to_string()).filter(|_| is_full);
                if run.approved.is_some() {
                    left.forgive();
                }
                if run.outcome != RunOutcome::Undone && run.id != self.id {
                    left.add(run.started.max(since), run.unasked_deletions, self.link.guard.within);
                }
            }
        }
        if self.approved.is_some() {
            left.forgive();
        }
        Ok(left)
    }

    /// How many items of the link come after one.
    async fn named_after(&self, mut after: Option<RemoteId>) -> Result<usize, EngineError> {
        let mut count = 0;
        loop {
            let page = self.engine.store.base_summaries(&self.link.id, after.as_ref(), PAGE * 5).await?;
            let Some(last) = page.last() else { return Ok(count) };
            (after, count) = (Some(last.remote_id.clone()), count + page.len());
        }
    }

    /// Counts what there is anew, once everything was compared: a page of pairs, which is enough for the deletions of a day.
    pub(super) async fn count_pairs(&mut self) -> Result<(), EngineError> {
        if self.capabilities.pull_window_slides {
            return Ok(());
        }
        let mut left = match self.tally.take() {
            Some(left) => left,
            None => self.recent_deletions().await?,
        };
        let (store, link) = (&self.engine.store, &self.link.id);
        let page = store.base_summaries(link, None, PAGE).await?;
        let ids: Vec<RemoteId> = page.into_iter().map(|summary| summary.remote_id).collect();
        let bases =
            if ids.is_empty() { Vec::new() } else { store.bases(link, BaseQuery::Remote(&ids)).await? };
        left.set_joined(bases.iter().filter(|base| base.state == BaseState::Linked).count());
        self.tally = Some(left);
        Ok(())
    }

    /// Counts the pairs that a batch may part, whether or not it is taken.
    pub(super) fn note_parted(&mut self, writes: &[Write]) {
        let Some(tally) = &mut self.tally else { return };
        let parts = |write: &&Write| match write {
            Write::DeleteBase { .. } => true,
            Write::PutBase(base) => base.state != BaseState::Linked,
            _ => false,
        };
        tally.part(writes.iter().filter(parts).count());
    }

    /// Leaves the next run, with the end of this one, what it knows. In no other commit: after one of them this run may go on, and
    /// end without a word.
    pub(super) fn leave_tally(&self, batch: &mut Batch) {
        if batch.lease_end != LeaseEnd::GivenBack {
            return;
        }
        let (now, within) = (self.engine.clock.now(), self.link.guard.within);
        let left = self.tally.clone().zip(self.lease.as_ref()).map(|(mut tally, lease)| {
            tally.add(self.started, self.unasked, within);
            tally.left_by(lease.epoch, now, within)
        });
        for write in &mut batch.writes {
            if let Write::PutLink(state) = write {
                state.tally.clone_from(&left);
            }
        }
    }
}
