//! How a run ends: what is recorded of it, and what is reported.

use super::{
    EngineError, SyncReport,
    run::{Mode, Run, Unread, new_state},
    settled::forget,
};
use crate::{
    provider::{ErrorKind, ProviderError, UnreadKind},
    store::{Batch, LinkHealth, Log, OutboxState, RunOutcome, RunRecord, Write},
};

/// Rows of a log forgotten at once.
const PURGED: usize = 5_000;
/// Deleted events forgotten at once, and how often more are: each goes with its content, and with its place among the UIDs.
const FORGOTTEN: usize = 500;
const ROUNDS: usize = 20;

impl Run<'_> {
    pub(super) fn record(&self, outcome: RunOutcome) -> RunRecord {
        let ended = (outcome != RunOutcome::Running).then(|| self.engine.clock.now());
        RunRecord {
            id: self.id.clone(),
            link: self.link.id.clone(),
            started: self.started,
            ended,
            outcome,
            counts: self.counts,
            held_plan: self.plan.held.then(|| self.held_id().0),
            approved: self.approved.as_ref().map(|plan| plan.0.clone()),
            refused: self.refused.as_ref().map(|plan| plan.0.clone()),
            unasked_deletions: self.unasked,
        }
    }

    /// Records how the run ended, gives the lease back and reports. The lease goes with that record; where there is none, or it
    /// could not be written, by itself.
    pub(super) async fn finish(mut self, result: Result<(), EngineError>) -> Result<SyncReport, EngineError> {
        self.counts.requests = self.provider.requests() - self.requests_before;
        let quarantined =
            |unread: &&Unread| matches!(unread.kind, UnreadKind::Unreadable | UnreadKind::Unfetched);
        self.counts.quarantined = self.quarantine.values().filter(quarantined).count() as u64;
        let result = match (self.mode, result) {
            (Mode::Preview, result) => result,
            (Mode::Apply, Ok(())) => self.record_success().await,
            (Mode::Apply, Err(error)) => {
                // The first error is the one to report; that it could not be recorded as well changes nothing.
                let _ = self.record_failure(&error).await;
                Err(error)
            }
        };
        self.release().await;
        result?;
        let wedged =
            self.outbox.values().filter(|entry| matches!(entry.state, OutboxState::Wedged { .. })).count();
        let plan_id = if self.plan.held { self.held_id() } else { self.plan.id() };
        Ok(SyncReport {
            run: self.id,
            plan: self.plan,
            counts: self.counts,
            plan_id,
            undecided: self.meeting.open(),
            answered: self.approved.or(self.refused),
            waiting: self.waiting,
            wedged,
            outside: self.outside.len(),
        })
    }

    async fn record_success(&mut self) -> Result<(), EngineError> {
        let now = self.engine.clock.now();
        self.state.health = LinkHealth::Active;
        let last = self.state.last_success.replace(now);
        if self.link.note.is_some() {
            self.state.note.clone_from(&self.link.note);
        }
        let looked_at_all = self.state.last_audit.is_some_and(|audit| audit >= self.started);
        if looked_at_all && (self.tally.is_none() || self.is_first_of_its_turn(last)) {
            self.count_pairs().await?;
        }
        let mut batch = Batch { writes: std::mem::take(&mut self.last_writes), ..Batch::default() };
        batch.writes.push(Write::PutLink(Box::new(self.state.clone())));
        let forgettable = self.forgettable(last).await?;
        if let Some((said, before)) = &forgettable {
            let (calendar, before) = (self.link.calendar.clone(), *before);
            batch.writes.extend([said.clone(), Write::PurgeDeleted { calendar, before, limit: FORGOTTEN }]);
        }
        if looked_at_all {
            // A bounded number of each, so that no commit is large: the next day takes the rest.
            for log in [Log::Runs, Log::Journal, Log::ResolvedConflicts] {
                batch.writes.push(Write::PurgeLog {
                    link: self.link.id.clone(),
                    log,
                    before: now - self.link.keep_log,
                    limit: PURGED,
                });
            }
        }
        // A run that found nothing to do leaves a heartbeat and no record.
        if self.recorded || self.plan.held {
            let outcome = if self.plan.held { RunOutcome::Held } else { RunOutcome::InStep };
            batch.writes.push(Write::PutRun(Box::new(self.record(outcome))));
            self.recorded = true;
        } else {
            self.recorded = true;
        }
        let receipt = self.commit_last(batch).await?;
        // The run is done: what cannot be forgotten today is forgotten another day.
        if let Some((_, before)) = forgettable.filter(|_| receipt.forgotten.first() == Some(&FORGOTTEN)) {
            let _ = forget(&*self.engine.store, &self.link.calendar, before, (FORGOTTEN, ROUNDS)).await;
        }
        if looked_at_all {
            let before = now - self.link.keep_log;
            let _ = self.engine.store.forget_feed(&self.link.calendar, before, PURGED).await;
        }
        Ok(())
    }

    async fn record_failure(&mut self, error: &EngineError) -> Result<(), EngineError> {
        // What was read stays; only the health changes, on the state the store has.
        let mut state = self.engine.store.link(&self.link.id).await?.unwrap_or_else(|| new_state(self.link));
        // The answer to the commit that said so may be lost.
        state.none_withdrawn &= self.state.none_withdrawn;
        state.health = match error {
            error if error.needs_credentials() => LinkHealth::NeedsReauth,
            EngineError::Provider(ProviderError { kind, .. }) => failed(&state.health, kind.clone()),
            _ => failed(&state.health, ErrorKind::Internal),
        };
        let record = self.record(RunOutcome::Failed { error: error.to_string() });
        self.recorded = true;
        let mut writes = std::mem::take(&mut self.last_writes);
        writes.extend([Write::PutLink(Box::new(state)), Write::PutRun(Box::new(record))]);
        self.commit_last(Batch { writes, ..Batch::default() }).await.map(drop)
    }
}

fn failed(before: &LinkHealth, kind: ErrorKind) -> LinkHealth {
    let failures = match before {
        LinkHealth::Error { failures, .. } => failures.saturating_add(1),
        _ => 1,
    };
    LinkHealth::Error { kind, failures }
}
