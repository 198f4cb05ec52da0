//! A store that forgets everything when it is dropped: for tests, simulation, and hosts that sync once.

mod rows;
mod table;

use std::{
    collections::BTreeSet,
    fmt,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use self::{
    rows::{Lease, Rows, to_micros},
    table::start,
};
use super::{
    BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseEnd,
    LeaseGrant, LeaseToken, LinkState, OutboxEntry, OutboxId, Record, RecordQuery, Result, Revision, Store,
    StoreError, StoreErrorKind,
};
use crate::{
    feed::{Additions, Bell, EventSeq, FeedPage, told_by},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
};

/// Keeps all rows in memory behind one lock.
///
/// Gives every guarantee of [`Store`] within one process, except that nothing outlives it. A call never waits for
/// anything but the lock, which is never held across an `await`.
#[derive(Default)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
    bell: Bell,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another store with everything this one holds now, as a backup does. What happens to one later does not happen to the
    /// other.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { rows: Mutex::new(self.rows().clone()), bell: Bell::default() }
    }

    /// A thread that panicked while it held the lock leaves rows that are whole: a batch that was not kept is taken
    /// back before the next call sees it.
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            let mut rows = poisoned.into_inner();
            rows.roll_back();
            rows
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        Ok(self.rows().calendars.values().cloned().collect())
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        let rows = self.rows();
        let ids: BTreeSet<&EventId> = ids.iter().collect();
        Ok(ids
            .into_iter()
            .filter_map(|id| rows.events.get(&(calendar.clone(), id.clone())))
            .cloned()
            .collect())
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        let rows = self.rows();
        let uids: BTreeSet<&str> = uids.iter().copied().collect();
        let mut found = Vec::new();
        for uid in uids {
            let first = Bound::Included((calendar.clone(), (uid.to_owned(), EventId::from(""))));
            let ids = rows.uids.from(first).map(|(key, ())| key);
            for (_, (_, id)) in ids.take_while(|(owner, (key, _))| owner == calendar && key == uid) {
                found.extend(rows.events.get(&(calendar.clone(), id.clone())).cloned());
            }
        }
        Ok(found)
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        let rows = self.rows();
        Ok(rows
            .changes
            .from(start(calendar, Some(&after), Revision(0)))
            .take_while(|((owner, _), _)| owner == calendar)
            .take(limit)
            .filter_map(|(_, id)| rows.events.get(&(calendar.clone(), id.clone())))
            .cloned()
            .collect())
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        Ok(self.rows().links.get(link).cloned())
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        let rows = self.rows();
        let remote_ids: BTreeSet<RemoteId> = match query {
            BaseQuery::Remote(ids) => ids.iter().cloned().collect(),
            BaseQuery::Events(ids) => ids
                .iter()
                .filter_map(|id| rows.base_events.get(&(link.clone(), id.clone())))
                .cloned()
                .collect(),
        };
        Ok(remote_ids.into_iter().filter_map(|id| rows.bases.get(&(link.clone(), id))).cloned().collect())
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        Ok(self
            .rows()
            .bases
            .from(start(link, after, RemoteId::from("")))
            .take_while(|((owner, _), _)| owner == link)
            .take(limit)
            .map(|(_, base)| BaseSummary {
                remote_id: base.remote_id.clone(),
                event_id: base.event_id.clone(),
                version: base.version.clone(),
            })
            .collect())
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        Ok(self
            .rows()
            .outbox
            .from(start(link, after, OutboxId(String::new())))
            .take_while(|((owner, _), _)| owner == link)
            .take(limit)
            .map(|(_, entry)| entry.clone())
            .collect())
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        let owner = (query.kind, query.link.clone());
        let after = query.after.map(str::to_owned);
        Ok(self
            .rows()
            .records
            .from(start(&owner, after.as_ref(), String::new()))
            .take_while(|((of, _), _)| *of == owner)
            .map(|(_, record)| record)
            .filter(|record| matches(record, &query))
            .take(query.limit)
            .cloned()
            .collect())
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        let rows = self.rows();
        let space = space.to_owned();
        Ok(match query {
            DocQuery::Keys(keys) => {
                let keys: BTreeSet<&str> = keys.iter().copied().collect();
                keys.into_iter()
                    .filter_map(|key| rows.docs.get(&(space.clone(), key.to_owned())))
                    .cloned()
                    .collect()
            }
            DocQuery::Page { after, limit } => {
                let after = after.map(str::to_owned);
                rows.docs
                    .from(start(&space, after.as_ref(), String::new()))
                    .take_while(|((of, _), _)| *of == space)
                    .take(limit)
                    .map(|(_, doc)| doc.clone())
                    .collect()
            }
            DocQuery::Due { at, limit } => {
                let at = to_micros(at);
                rows.due
                    .from(start(&space, None, (DateTime::<Utc>::MIN_UTC, String::new())))
                    .take_while(|((of, (due, _)), ())| *of == space && *due <= at)
                    .take(limit)
                    .filter_map(|((_, (_, key)), ())| rows.docs.get(&(space.clone(), key.clone())))
                    .cloned()
                    .collect()
            }
        })
    }

    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        let rows = self.rows();
        let entries = rows
            .feed
            .from(start(calendar, Some(&after), EventSeq::default()))
            .take_while(|((owner, _), _)| owner == calendar)
            .take(limit)
            .map(|(_, entry)| entry.clone())
            .collect();
        Ok(FeedPage { last: rows.last_told(calendar), entries })
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        let mut rows = self.rows();
        let forgotten = rows.forget_feed(calendar, before, limit);
        rows.keep();
        Ok(forgotten)
    }

    fn bell(&self) -> Option<Bell> {
        Some(self.bell.clone())
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        let mut rows = self.rows();
        if batch.lease.as_ref().is_some_and(|token| !rows.holds(token)) {
            return Err(StoreError::new(StoreErrorKind::Fenced, "commit"));
        }
        for (index, expectation) in batch.expect.iter().enumerate() {
            rows.check(index, expectation)?;
        }
        let mut receipt = CommitReceipt::default();
        let mut added = Additions::of(&batch);
        let told: Vec<CalendarId> = told_by(&batch).into_iter().cloned().collect();
        for write in batch.writes {
            if let Err(error) = rows.write(write, &mut receipt, &mut added) {
                rows.roll_back();
                return Err(error);
            }
        }
        rows.tell(added);
        if batch.lease_end == LeaseEnd::GivenBack
            && let Some(token) = &batch.lease
        {
            rows.give_back(token);
        }
        rows.keep();
        drop(rows);
        told.iter().for_each(|calendar| self.bell.ring(calendar));
        Ok(receipt)
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        let now = to_micros(now);
        let until = now
            .checked_add_signed(ttl)
            .map(to_micros)
            .filter(|until| *until > now)
            .ok_or_else(|| StoreError::new(StoreErrorKind::InvalidInput, "acquire_lease"))?;
        let mut rows = self.rows();
        let lease =
            rows.leases.entry(name.to_owned()).or_insert(Lease { epoch: 0, holder: None, until: now });
        let live = now < lease.until;
        match &lease.holder {
            Some(other) if live && other != holder => return Ok(LeaseGrant::Held { until: lease.until }),
            Some(_) if live => {}
            _ => {
                lease.epoch += 1;
                lease.holder = Some(holder.to_owned());
            }
        }
        lease.until = until;
        Ok(LeaseGrant::Granted(LeaseToken { name: name.to_owned(), epoch: lease.epoch }))
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.rows().give_back(token);
        Ok(())
    }
}

/// Whether a record is of the event and run that were asked for.
fn matches(record: &Record, query: &RecordQuery<'_>) -> bool {
    let (event, run) = match record {
        Record::Conflict(row) => (&row.event_id, &row.run),
        Record::Journal(row) => (&row.event_id, &row.run),
        Record::Quarantine(_) | Record::Run(_) => return true,
    };
    query.event.is_none_or(|wanted| wanted == event) && query.run.is_none_or(|wanted| wanted == run)
}
