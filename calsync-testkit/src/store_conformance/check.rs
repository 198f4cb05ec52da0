//! What the cases say again and again.

use calsync_core::{
    model::{CalendarId, EventId},
    store::{Batch, CommitReceipt, EventRecord, Expectation, Store, StoreErrorKind, Write},
};

/// A batch of writes without lease or expectations.
pub(super) fn batch(writes: Vec<Write>) -> Batch {
    Batch { writes, ..Batch::default() }
}

/// Commits writes that must be accepted.
pub(super) async fn write(store: &impl Store, writes: Vec<Write>) -> CommitReceipt {
    store.commit(batch(writes)).await.expect("the batch is accepted")
}

/// The kind of error a batch is refused with.
pub(super) async fn refused(store: &impl Store, batch: Batch) -> StoreErrorKind {
    store.commit(batch).await.expect_err("the batch is refused").kind
}

/// The revisions in a receipt.
pub(super) fn revisions(receipt: &CommitReceipt) -> Vec<u64> {
    receipt.revisions.iter().map(|(_, _, revision)| revision.0).collect()
}

/// The event, deleted or not.
pub(super) async fn event(store: &impl Store, calendar: &CalendarId, id: &str) -> Option<EventRecord> {
    let mut found = store.events(calendar, &[EventId::from(id)]).await.expect("events are read");
    assert!(found.len() <= 1, "one id names one event");
    found.pop()
}

/// Everything of a calendar, in one page.
pub(super) async fn all_events(store: &impl Store, calendar: &CalendarId) -> Vec<EventRecord> {
    store.events_since(calendar, Default::default(), usize::MAX).await.expect("events are read")
}

/// The event has a revision, or does not exist.
pub(super) fn expect_event(calendar: &CalendarId, id: &str, revision: Option<u64>) -> Expectation {
    Expectation::Event {
        calendar: calendar.clone(),
        id: id.into(),
        revision: revision.map(calsync_core::store::Revision),
    }
}
