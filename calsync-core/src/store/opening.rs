//! What the engine always reads together, as one call each.
//!
//! A run asks the same questions every time. Each is a read of [`Store`] of its own, which is all that a store has to offer;
//! a store to which the way is long answers them together. The functions here are those reads, one after the other.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    BaseQuery, BaseRecord, Doc, DocQuery, EventRecord, LeaseGrant, LeaseToken, LinkState, OutboxEntry,
    OutboxId, OutboxOp, QuarantineRecord, Record, RecordKind, RecordQuery, Result, Revision, Store,
};
use crate::model::{CalendarId, EventId, LinkId, RemoteId};

/// A lease that is asked for, as by [`Store::acquire_lease`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest<'a> {
    /// The lease.
    pub name: &'a str,
    /// Who is to have it.
    pub holder: &'a str,
    /// When, by the caller's clock.
    pub now: DateTime<Utc>,
    /// For how long.
    pub ttl: TimeDelta,
}

/// What a run asks for when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The lease it works under; `None` when it only looks.
    pub lease: Option<LeaseRequest<'a>>,
    /// Its link.
    pub link: &'a LinkId,
    /// The calendar of that link.
    pub calendar: &'a CalendarId,
    /// At most so many rows of each kind.
    pub limit: usize,
}

/// The answer to an [`Opening`].
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    /// Somebody else has the lease.
    Held {
        /// Until then, unless renewed.
        until: DateTime<Utc>,
    },
    /// What there is.
    Link(Box<OpenLink>),
}

/// A link as a run finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenLink {
    /// The lease, when one was asked for.
    pub lease: Option<LeaseToken>,
    /// [`Store::link`].
    pub state: Option<LinkState>,
    /// What was edited in the calendar since.
    pub edits: Edits,
    /// The bases of these events, all there are, in any order; `None` where the store did not read them along: whoever needs
    /// them asks.
    pub bases: Option<Vec<BaseRecord>>,
    /// The items in quarantine by id; fewer than the limit are all of them.
    pub quarantine: Vec<QuarantineRecord>,
    /// The outbox by id; fewer than the limit are all of it.
    pub outbox: Vec<OutboxEntry>,
}

/// The events of a calendar that are later than the last revision its link has seen ([`LinkState::seen`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Edits {
    /// The link has no state, or has seen none: nothing was looked for.
    Unseen,
    /// There is no event of the last revision it has seen, nor of a later one: rows are lost, or the event was forgotten, where
    /// the store does not know better.
    Lost,
    /// They are these, by revision, deleted ones included; fewer than the limit are all of them.
    Since(Vec<EventRecord>),
}

impl Edits {
    /// What a list of the events from the last seen revision on says, when it is at most `limit + 1` long.
    pub fn of(mut from_seen: Vec<EventRecord>, seen: Revision, limit: usize) -> Self {
        if from_seen.is_empty() {
            return Self::Lost;
        }
        from_seen.retain(|record| record.revision > seen);
        from_seen.truncate(limit);
        Self::Since(from_seen)
    }
}

/// Bases with the events they are joined to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// The bases; order is free.
    pub bases: Vec<BaseRecord>,
    /// The events that are there; order is free.
    pub events: Vec<EventRecord>,
}

/// Pairs with what is noted about their events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotedPairs {
    /// The pairs.
    pub pairs: Pairs,
    /// The documents; order is free.
    pub docs: Vec<Doc>,
}

/// A page of the outbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    /// As [`Store::outbox`] answers them.
    pub entries: Vec<OutboxEntry>,
    /// The bases of the events among them that are changed or deleted there; order is free.
    pub bases: Vec<BaseRecord>,
}

/// [`Store::open`] by single calls.
///
/// # Errors
///
/// Those of the calls. The lease is given back when a read fails.
pub async fn open_by_reads<S: Store + ?Sized>(store: &S, opening: Opening<'_>) -> Result<Opened> {
    let lease = match opening.lease {
        None => None,
        Some(LeaseRequest { name, holder, now, ttl }) => {
            match store.acquire_lease(name, holder, now, ttl).await? {
                LeaseGrant::Granted(token) => Some(token),
                LeaseGrant::Held { until } => return Ok(Opened::Held { until }),
            }
        }
    };
    match read(store, opening, lease.clone()).await {
        Ok(link) => Ok(Opened::Link(Box::new(link))),
        Err(error) => {
            if let Some(token) = &lease {
                // A lease that cannot be given back runs out by itself.
                let _ = store.release_lease(token).await;
            }
            Err(error)
        }
    }
}

async fn read<S: Store + ?Sized>(
    store: &S,
    Opening { link, calendar, limit, .. }: Opening<'_>,
    lease: Option<LeaseToken>,
) -> Result<OpenLink> {
    let state = store.link(link).await?;
    let seen = state.as_ref().map_or(Revision::default(), |state| state.seen);
    let edits = match seen.0.checked_sub(1).map(Revision) {
        None => Edits::Unseen,
        Some(before) => {
            Edits::of(store.events_since(calendar, before, limit.saturating_add(1)).await?, seen, limit)
        }
    };
    let query =
        RecordQuery { kind: RecordKind::Quarantine, link, event: None, run: None, after: None, limit };
    let records = store.records(query).await?.into_iter();
    let quarantine = records.filter_map(|record| match record {
        Record::Quarantine(record) => Some(*record),
        _ => None,
    });
    let quarantine = quarantine.collect();
    let outbox = store.outbox(link, None, limit).await?;
    Ok(OpenLink { lease, state, edits, bases: None, quarantine, outbox })
}

/// [`Store::pairs`] by single reads.
///
/// # Errors
///
/// Those of the reads.
pub async fn pairs_by_reads<S: Store + ?Sized>(
    store: &S,
    link: &LinkId,
    calendar: &CalendarId,
    items: &[RemoteId],
) -> Result<Pairs> {
    let bases = store.bases(link, BaseQuery::Remote(items)).await?;
    let ids: Vec<EventId> = bases.iter().map(|base| base.event_id.clone()).collect();
    let events = if ids.is_empty() { Vec::new() } else { store.events(calendar, &ids).await? };
    Ok(Pairs { bases, events })
}

/// [`Store::noted_pairs`] by [`Store::pairs`] and [`Store::docs`].
///
/// # Errors
///
/// Those of the reads.
pub async fn noted_pairs_by_reads<S: Store + ?Sized>(
    store: &S,
    link: &LinkId,
    calendar: &CalendarId,
    items: &[RemoteId],
    space: &str,
) -> Result<NotedPairs> {
    let pairs = store.pairs(link, calendar, items).await?;
    let keys: Vec<&str> = pairs.bases.iter().map(|base| base.event_id.as_str()).collect();
    let docs = if keys.is_empty() { Vec::new() } else { store.docs(space, DocQuery::Keys(&keys)).await? };
    Ok(NotedPairs { pairs, docs })
}

/// [`Store::waiting`] by single reads.
///
/// # Errors
///
/// Those of the reads.
pub async fn waiting_by_reads<S: Store + ?Sized>(
    store: &S,
    link: &LinkId,
    after: Option<&OutboxId>,
    limit: usize,
) -> Result<Waiting> {
    let entries = store.outbox(link, after, limit).await?;
    let changed = entries.iter().filter(|entry| !matches!(entry.op, OutboxOp::Create { .. }));
    let ids: Vec<EventId> = changed.map(|entry| entry.event_id.clone()).collect();
    let bases = if ids.is_empty() { Vec::new() } else { store.bases(link, BaseQuery::Events(&ids)).await? };
    Ok(Waiting { entries, bases })
}
