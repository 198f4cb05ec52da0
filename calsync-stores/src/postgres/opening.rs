//! What is read together, in one round trip: the statements are sent before the first answer is awaited. Each is a transaction
//! of its own, so that those behind the lease see what was committed before it was taken.

use std::collections::HashSet;

use calsync_core::{
    model::{CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseRecord, Edits, EventRecord, LeaseGrant, LeaseRequest, LeaseToken, NotedPairs, OpenLink, Opened,
        Opening, OutboxEntry, OutboxOp, Pairs, Result, Revision, StoreError, StoreErrorKind, Waiting,
    },
};
use tokio_postgres::Row;

use super::{PostgresStore, error::unreadable, leases, reads, rows, session::Param};
use crate::codec::{limited, unsigned};

const OPEN: &str = "open";
/// How often a lease may change hands between two round trips before it counts as busy.
const ATTEMPTS: usize = 5;

pub(super) async fn open(store: &PostgresStore, opening: Opening<'_>) -> Result<Opened> {
    let Some(asked) = opening.lease else {
        let mut answers = store.calls(OPEN, statements(store, opening)).await?.into_iter();
        return found(store, opening, None, &mut answers).await;
    };
    let LeaseRequest { name, holder, now, ttl } = asked;
    let (from, until) = leases::span(now, ttl)?;
    for _ in 0..ATTEMPTS {
        let lease: Vec<Param<'_>> = vec![Box::new(name), Box::new(holder), Box::new(from), Box::new(until)];
        let mut asked = vec![(store.shared.sql.take_lease.as_str(), lease)];
        asked.extend(statements(store, opening));
        let mut answers = store.calls(OPEN, asked).await?.into_iter();
        if let Some(row) = answers.next().unwrap_or_default().first() {
            let epoch = row.try_get(0).map_err(|_| unreadable(OPEN, "lease", name))?;
            let token = LeaseToken { name: name.to_owned(), epoch: unsigned(epoch) };
            return found(store, opening, Some(token), &mut answers).await;
        }
        // What was read is of a moment at which somebody else had it.
        if let LeaseGrant::Held { until } = leases::acquire(store, name, holder, now, ttl).await? {
            return Ok(Opened::Held { until });
        }
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, OPEN))
}

fn statements<'a>(store: &'a PostgresStore, opening: Opening<'a>) -> Vec<(&'a str, Vec<Param<'a>>)> {
    let Opening { link, calendar, limit, .. } = opening;
    let sql = &store.shared.sql;
    let edited: Vec<Param<'_>> = vec![
        Box::new(calendar.as_str()),
        Box::new(link.as_str()),
        Box::new(limited(limit.saturating_add(1))),
    ];
    let state: Vec<Param<'_>> = vec![Box::new(link.as_str())];
    vec![
        (sql.link.as_str(), state),
        (sql.events_since_seen.as_str(), edited),
        (sql.quarantine.as_str(), reads::page(link.as_str(), None, limit)),
        (sql.outbox.as_str(), reads::page(link.as_str(), None, limit)),
    ]
}

async fn found(
    store: &PostgresStore,
    Opening { link, calendar, limit, .. }: Opening<'_>,
    lease: Option<LeaseToken>,
    answers: &mut impl Iterator<Item = Vec<Row>>,
) -> Result<Opened> {
    let mut next = || answers.next().unwrap_or_default();
    let state = next().first().map(|row| rows::link(OPEN, row, link)).transpose()?;
    let edited = next();
    let mut events = edited.iter().map(|row| rows::event(OPEN, row)).collect::<Result<Vec<EventRecord>>>()?;
    events.sort_by_key(|event| event.revision);
    let bases = edited.iter().map(|row| rows::base_of_event(OPEN, row, link)).collect::<Result<Vec<_>>>()?;
    let mut bases: Vec<BaseRecord> = bases.into_iter().flatten().collect();
    let is_read = !events.is_empty();
    let quarantine =
        next().iter().map(|row| rows::unnamed(OPEN, row, "quarantined item")).collect::<Result<Vec<_>>>()?;
    let outbox = outbox(&next())?;
    let seen = state.as_ref().map_or(Revision::default(), |state| state.seen);
    let edits = match seen.0.checked_sub(1).map(Revision) {
        None => Edits::Unseen,
        // There is none, or the database could not read which revision it is.
        Some(before) if events.is_empty() => {
            let from_seen = reads::events_since(store, calendar, before, limit.saturating_add(1)).await?;
            Edits::of(from_seen, seen, limit)
        }
        Some(_) => Edits::of(events, seen, limit),
    };
    if let Edits::Since(edited) = &edits {
        let ids: HashSet<&EventId> = edited.iter().map(|event| &event.id).collect();
        bases.retain(|base| ids.contains(&base.event_id));
    }
    let bases = is_read.then_some(bases);
    Ok(Opened::Link(Box::new(OpenLink { lease, state, edits, bases, quarantine, outbox })))
}

fn outbox(rows: &[Row]) -> Result<Vec<OutboxEntry>> {
    rows.iter().map(|row| rows::unnamed("outbox", row, "outbox entry")).collect()
}

pub(super) async fn pairs(
    store: &PostgresStore,
    link: &LinkId,
    calendar: &CalendarId,
    items: &[RemoteId],
) -> Result<Pairs> {
    let operation = "pairs";
    let answers = store.calls(operation, of_items(store, link, calendar, items)).await?;
    pairs_of(operation, link, &mut answers.into_iter())
}

pub(super) async fn noted_pairs(
    store: &PostgresStore,
    link: &LinkId,
    calendar: &CalendarId,
    items: &[RemoteId],
    space: &str,
) -> Result<NotedPairs> {
    let operation = "noted_pairs";
    let mut asked = of_items(store, link, calendar, items);
    let docs: Vec<Param<'_>> = vec![Box::new(space), Box::new(link.as_str()), Box::new(keys(items))];
    asked.push((store.shared.sql.docs_of_items.as_str(), docs));
    let mut answers = store.calls(operation, asked).await?.into_iter();
    let pairs = pairs_of(operation, link, &mut answers)?;
    let docs = answers.next().unwrap_or_default();
    let docs = docs.iter().map(|row| rows::doc(operation, row, space)).collect::<Result<_>>()?;
    Ok(NotedPairs { pairs, docs })
}

fn keys(items: &[RemoteId]) -> Vec<&str> {
    items.iter().map(RemoteId::as_str).collect()
}

/// The statements that read bases and events of items.
fn of_items<'a>(
    store: &'a PostgresStore,
    link: &'a LinkId,
    calendar: &'a CalendarId,
    items: &'a [RemoteId],
) -> Vec<(&'a str, Vec<Param<'a>>)> {
    let sql = &store.shared.sql;
    let bases: Vec<Param<'_>> = vec![Box::new(link.as_str()), Box::new(keys(items))];
    let events: Vec<Param<'_>> =
        vec![Box::new(calendar.as_str()), Box::new(link.as_str()), Box::new(keys(items))];
    vec![(sql.bases_by_remote.as_str(), bases), (sql.events_of_items.as_str(), events)]
}

fn pairs_of(
    operation: &'static str,
    link: &LinkId,
    answers: &mut impl Iterator<Item = Vec<Row>>,
) -> Result<Pairs> {
    let bases = answers.next().unwrap_or_default();
    let events = answers.next().unwrap_or_default();
    Ok(Pairs {
        bases: bases.iter().map(|row| rows::base(operation, row, link)).collect::<Result<_>>()?,
        events: events.iter().map(|row| rows::event(operation, row)).collect::<Result<_>>()?,
    })
}

pub(super) async fn waiting(
    store: &PostgresStore,
    link: &LinkId,
    after: Option<&str>,
    limit: usize,
) -> Result<Waiting> {
    let operation = "waiting";
    let sql = &store.shared.sql;
    let page = || reads::page(link.as_str(), after, limit);
    let asked = vec![(sql.outbox.as_str(), page()), (sql.bases_of_outbox.as_str(), page())];
    let mut answers = store.calls(operation, asked).await?.into_iter();
    let entries = outbox(&answers.next().unwrap_or_default())?;
    let bases = answers.next().unwrap_or_default();
    let mut bases = bases.iter().map(|row| rows::base(operation, row, link)).collect::<Result<Vec<_>>>()?;
    let changes = entries.iter().filter(|entry| !matches!(entry.op, OutboxOp::Create { .. }));
    let changed: HashSet<&EventId> = changes.map(|entry| &entry.event_id).collect();
    bases.retain(|base| changed.contains(&base.event_id));
    Ok(Waiting { entries, bases })
}
