//! What a failed write costs, and what a person does about one that is stuck.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError};
use crate::{
    diff::copy_field,
    model::{Event, EventId, LinkId, RunId},
    provider::{ErrorKind, ProviderError, Retry},
    store::{
        BaseQuery, BaseRecord, BaseState, Batch, JournalEntry, JournalOp, LeaseToken, OutboxEntry, OutboxOp,
        OutboxState, Write,
    },
};

/// How often a write the provider did not take is tried again before a person is asked.
///
/// An outage costs none of these tries, however long it lasts: it ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryBudget {
    /// The delay before each try after the first. When they are used up, the write is
    /// [wedged](OutboxState::Wedged). Default: 1, 5 and 15 minutes; a day is the most.
    pub delays: Vec<TimeDelta>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { delays: [1, 5, 15].map(TimeDelta::minutes).to_vec() }
    }
}

/// Whether the provider is known to take writes in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It took another one.
    TakesWrites,
    /// Nothing was taken so far: it may be the provider and not the item.
    Unknown,
}

/// Delays and tries that follow from a failure. Only for errors after which trying again can help.
pub(super) fn after_failure(
    entry: &OutboxEntry,
    error: &ProviderError,
    health: Health,
    budget: &RetryBudget,
    now: DateTime<Utc>,
) -> OutboxEntry {
    let mut entry = entry.clone();
    // A provider that takes other writes and fails this one is not down. A throttled item is never the item's fault.
    let outage = match error.kind {
        ErrorKind::Throttled => true,
        ErrorKind::Unavailable => health == Health::Unknown,
        _ => false,
    };
    let delay = budget.delays.get(entry.attempts as usize).copied();
    if delay.is_none() && !outage {
        if !error.is_not_applied() {
            // Not as one that was refused at once: see `may_be_stuck_there`.
            entry.attempts = entry.attempts.max(1);
        }
        return stuck(entry, error.kind.clone(), error.to_string(), now);
    }
    entry.attempts = entry.attempts.saturating_add(1);
    // A creation may take several requests, of which the first was served: whatever the last one was told, it is looked for,
    // unless the provider knows that nothing was made.
    let creates = matches!(entry.op, OutboxOp::Create { .. }) && !error.is_not_applied();
    entry.state = if creates || error.is_ambiguous() { OutboxState::Ambiguous } else { OutboxState::Pending };
    let advised = match error.retry {
        Retry::After(delay) => TimeDelta::from_std(delay).unwrap_or(TimeDelta::days(1)),
        Retry::Never | Retry::Backoff => TimeDelta::zero(),
    };
    let delay = delay.or(budget.delays.last().copied()).unwrap_or_default();
    entry.not_before = now.checked_add_signed(advised.max(delay).min(LONGEST));
    entry
}

/// A write that was refused: a person is told, and it is offered again by itself when a day is over.
pub(super) fn stuck(
    mut entry: OutboxEntry,
    kind: ErrorKind,
    detail: String,
    now: DateTime<Utc>,
) -> OutboxEntry {
    entry.attempts = entry.attempts.saturating_add(1);
    entry.state = OutboxState::Wedged { kind, detail };
    entry.not_before = now.checked_add_signed(LONGEST);
    entry
}

/// A stuck write that gets all its tries again.
pub(super) fn offered_again(mut entry: OutboxEntry) -> OutboxEntry {
    entry.attempts = 0;
    entry.not_before = None;
    // A creation may have been applied by the try that was one too many.
    entry.state = waiting_again(&entry);
    entry
}

/// Whether a creation that is stuck may have been applied. One that was refused at once was not; what became of the last of
/// several tries nobody may know, as of a series of which the first request was served.
pub(super) fn may_be_stuck_there(entry: &OutboxEntry) -> bool {
    matches!((&entry.op, &entry.state), (OutboxOp::Create { .. }, OutboxState::Wedged { .. }))
        && entry.attempts > 1
        && !is_nameless(entry)
}

/// The longest a write waits for, whatever a provider or a host says.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// Whether a write may be sent. One that is to wait for longer than any does was put off by a clock ahead of ours.
pub(super) fn is_due(entry: &OutboxEntry, now: DateTime<Utc>) -> bool {
    entry.not_before.is_none_or(|time| time <= now || time > now + LONGEST)
}

/// A write that cannot even be named yet: the event could not be rendered.
pub(super) fn is_nameless(entry: &OutboxEntry) -> bool {
    entry.remote_id.as_str().is_empty()
}

/// Entries read at once.
const PAGE: usize = 200;

impl Engine {
    /// The remote writes of a link that are decided and not confirmed, the most urgent first. Wedged ones wait for
    /// [`retry_write`](Self::retry_write), [`drop_write`](Self::drop_write), an edit of the event, or the next day, when they
    /// are offered once more ([`OutboxEntry::not_before`]).
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn outbox(&self, link: &LinkId) -> Result<Vec<OutboxEntry>, EngineError> {
        let mut all: Vec<OutboxEntry> = Vec::new();
        loop {
            let after = all.last().map(|entry| &entry.id);
            let page = self.store.outbox(link, after, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Gives a write that is stuck all its tries again. The next run looks at the event as it is by then, so an edit
    /// made meanwhile goes out with it.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownWrite`] when nothing waits for this event, [`EngineError::Busy`] when a run is at the link.
    pub async fn retry_write(&self, link: &LinkId, event: &EventId) -> Result<(), EngineError> {
        self.settle_write(link, event, |entry, _| {
            if may_be_stuck_there(&entry) {
                // What it may have made is looked for first. Then it goes out under its name, or what the event is by then. It is due
                // by the clock of whoever runs the link.
                let due = Some(DateTime::UNIX_EPOCH);
                return vec![Write::PutOutbox(Box::new(OutboxEntry { not_before: due, ..entry }))];
            }
            let mut entry = offered_again(entry);
            if !matches!(entry.op, OutboxOp::Delete { .. }) {
                // Without it the entry is no longer what the event asks for, so it is decided anew.
                entry.local = None;
            }
            vec![Write::PutOutbox(Box::new(entry))]
        })
        .await
    }

    /// Gives a write up: both sides stay as they are, and that is what they agreed on from now on. The next edit of
    /// either side is carried over as ever. A deletion that is given up leaves the item alone for good.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownWrite`] when nothing waits for this event, [`EngineError::Busy`] when a run is at the link.
    pub async fn drop_write(&self, link: &LinkId, event: &EventId) -> Result<(), EngineError> {
        let now = self.clock.now();
        let id = format!("{:012x}-{}", now.timestamp_millis().max(0), super::run::short(&self.ids.fresh()));
        self.settle_write(link, event, |entry, base| {
            let journal = JournalEntry {
                id: format!("{id}-000001"),
                link: link.clone(),
                run: RunId::from(id),
                event_id: event.clone(),
                remote_id: Some(entry.remote_id.clone()).filter(|_| !is_nameless(&entry)),
                op: JournalOp::Kept,
                reason: "a write that could not be made was given up by a person".to_owned(),
                before: None,
                after: None,
                there: None,
                evidence: None,
                losses: Vec::new(),
                fields: entry.fields.clone(),
                at: now,
            };
            let mut writes = vec![
                Write::DeleteOutbox { link: entry.link.clone(), id: entry.id.clone() },
                Write::PutJournal(Box::new(journal)),
            ];
            writes.extend(base.map(|base| {
                Write::PutBase(Box::new(match entry.op {
                    OutboxOp::Delete { .. } => BaseRecord { state: BaseState::Suppressed, ..base },
                    OutboxOp::Create { .. } | OutboxOp::Update { .. } => {
                        BaseRecord { local: agreed(&entry, &base), ..base }
                    }
                }))
            }));
            writes
        })
        .await
    }

    async fn settle_write(
        &self,
        link: &LinkId,
        event: &EventId,
        decide: impl FnOnce(OutboxEntry, Option<BaseRecord>) -> Vec<Write> + Send,
    ) -> Result<(), EngineError> {
        let lease = self.exclusive(link).await?;
        let result = self.settle_under(link, event, &lease, decide).await;
        // A lease that cannot be given back runs out by itself.
        let _ = self.store.release_lease(&lease).await;
        result
    }

    async fn settle_under(
        &self,
        link: &LinkId,
        event: &EventId,
        lease: &LeaseToken,
        decide: impl FnOnce(OutboxEntry, Option<BaseRecord>) -> Vec<Write> + Send,
    ) -> Result<(), EngineError> {
        let found = self.outbox(link).await?.into_iter().find(|entry| entry.event_id == *event);
        let Some(entry) = found else { return Err(EngineError::UnknownWrite { event: event.to_string() }) };
        let base = self.store.bases(link, BaseQuery::Events(std::slice::from_ref(event))).await?.pop();
        let writes = decide(entry, base);
        self.store.commit(Batch { lease: Some(lease.clone()), writes, ..Batch::default() }).await?;
        Ok(())
    }

    /// The lease of a link, for what is done outside a run.
    pub(super) async fn exclusive(&self, link: &LinkId) -> Result<LeaseToken, EngineError> {
        self.hold_lease(link, &self.ids.fresh()).await
    }
}

/// What a stuck write is from now on: a creation is looked for before it is sent again.
pub(super) fn waiting_again(entry: &OutboxEntry) -> OutboxState {
    match entry.op {
        OutboxOp::Create { .. } if !is_nameless(entry) => OutboxState::Ambiguous,
        _ => OutboxState::Pending,
    }
}

/// The local side of a join whose write was given up. What a conflict leaves open is not part of that write.
fn agreed(entry: &OutboxEntry, base: &BaseRecord) -> Option<Box<Event>> {
    match (&entry.local, &base.local) {
        (Some(local), Some(before)) if base.remote.is_some() => {
            let mut agreed = before.clone();
            entry.fields.iter().for_each(|field| copy_field(field, local, &mut agreed));
            Some(agreed)
        }
        (local, before) => local.clone().or_else(|| before.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{RemoteId, Version},
        provider::{Payload, PeoplePolicy},
        store::OutboxId,
    };

    fn entry(attempts: u32) -> OutboxEntry {
        OutboxEntry {
            id: OutboxId("7-a".to_owned()),
            link: LinkId::from("l"),
            run: RunId::from("r"),
            event_id: EventId::from("e"),
            remote_id: RemoteId::from("i"),
            op: OutboxOp::Update { expected: Version::from("1"), payload: Payload::new("p") },
            local: None,
            losses: Vec::new(),
            people: PeoplePolicy::Withhold,
            fields: Vec::new(),
            reason: String::new(),
            state: OutboxState::Pending,
            attempts,
            not_before: None,
        }
    }

    #[test]
    fn a_creation_that_failed_is_looked_for() {
        let create = OutboxOp::Create { payload: Payload::new("p") };
        let entry = OutboxEntry { op: create, ..entry(0) };
        for kind in [ErrorKind::Protocol, ErrorKind::Throttled, ErrorKind::Unavailable] {
            let error = ProviderError::new(kind, "create", "").with_retry(Retry::Backoff);
            let now = DateTime::<Utc>::UNIX_EPOCH;
            let next = after_failure(&entry, &error, Health::TakesWrites, &RetryBudget::default(), now);
            assert_eq!(next.state, OutboxState::Ambiguous, "{error}");
        }
        let error = ProviderError::new(ErrorKind::Throttled, "create", "").not_applied();
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let next = after_failure(&entry, &error, Health::TakesWrites, &RetryBudget::default(), now);
        assert_eq!(next.state, OutboxState::Pending, "it is known not to be there");
    }

    #[test]
    fn what_a_failure_costs() {
        use ErrorKind::{Protocol, Throttled, Unavailable};
        use Health::{TakesWrites, Unknown};
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let short = || Retry::Backoff;
        let long = || Retry::After(std::time::Duration::from_secs(3600));
        let days = || Retry::After(std::time::Duration::from_secs(3 * 86_400));
        // kind, retry, answer lost, provider, tries so far -> state, minutes to wait
        let table = [
            (Protocol, short(), false, Unknown, 0, "pending", 1),
            (Protocol, short(), false, Unknown, 1, "pending", 5),
            (Protocol, short(), false, Unknown, 2, "pending", 15),
            (Protocol, short(), false, Unknown, 3, "wedged", 24 * 60),
            (Unavailable, short(), false, TakesWrites, 3, "wedged", 24 * 60),
            (Unavailable, short(), false, Unknown, 3, "pending", 15),
            (Unavailable, short(), true, Unknown, 0, "ambiguous", 1),
            (Unavailable, short(), true, Unknown, 9, "ambiguous", 15),
            (Unavailable, short(), true, TakesWrites, 9, "wedged", 24 * 60),
            (Throttled, long(), false, TakesWrites, 9, "pending", 60),
            (Throttled, long(), false, Unknown, 0, "pending", 60),
            (Throttled, short(), false, Unknown, 0, "pending", 1),
            (Throttled, days(), false, Unknown, 0, "pending", 24 * 60),
        ];
        for (kind, retry, lost, health, attempts, state, minutes) in table {
            let case = format!("{kind:?} {retry:?} {lost} {health:?} {attempts}");
            let mut error = ProviderError::new(kind, "update", "").with_retry(retry);
            if lost {
                error = error.maybe_applied();
            }
            let next = after_failure(&entry(attempts), &error, health, &RetryBudget::default(), now);
            let name = match next.state {
                OutboxState::Pending => "pending",
                OutboxState::Ambiguous => "ambiguous",
                OutboxState::Wedged { .. } => "wedged",
            };
            assert_eq!(name, state, "{case}");
            assert_eq!(next.not_before, Some(now + TimeDelta::minutes(minutes)), "{case}");
            assert_eq!(next.attempts, attempts + 1, "{case}");
        }
    }

    /// A write waits for its time, and for a day at most: what is further away was put off by a clock ahead of ours.
    #[test]
    fn a_write_put_off_by_a_clock_far_ahead_is_due() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let table = [
            (None, true),
            (Some(-1), true),
            (Some(0), true),
            (Some(1), false),
            (Some(24), false),
            (Some(48), true),
        ];
        for (hours, due) in table {
            let mut entry = entry(1);
            entry.not_before = hours.map(|hours| now + TimeDelta::hours(hours));
            assert_eq!(is_due(&entry, now), due, "{hours:?}");
        }
    }
}
