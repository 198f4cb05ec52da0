//! What clocks ahead of ours left behind: entries that are due later than they were meant to be.
//!
//! A claim ends, and a next run is planned, by the clock of the worker that wrote it. When that one is gone, nobody would
//! look at the entry until our clock gets there. So once in a while a worker looks at a page of what is due far ahead. An entry
//! that was timed by a clock like ours stays as it is. Any other is watched for as long as it was to wait: a worker that lives
//! prolongs its claims, and runs what is due by its clock. What nobody has written since is due by ours.
//!
//! What is watched is kept here and not in the store: how much time has passed is told by one clock, so that nobody goes by what a clock
//! of another time wrote down, and watching writes nothing.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use super::{BREATH, Worker};
use crate::{
    schedule::{Priority, Read, ScheduleError, Timing},
    store::{DocQuery, DueDoc, LaterDoc, LaterQuery, Store, StoreError, StoreErrorKind, WINDOW},
};

/// What is due within this is not looked at: most of what waits is, and a clock that is ahead by less costs no more.
const FAR: TimeDelta = TimeDelta::hours(1);
/// How often a page is looked at.
const LOOK: TimeDelta = TimeDelta::minutes(1);
/// By so much clocks may differ; and how much longer than it was to wait an entry is left to whoever timed it.
const MARGIN: TimeDelta = TimeDelta::minutes(1);
/// At most so many are watched at a time.
const WATCHED: usize = 4_096;

/// What has to come before an entry is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Somebody claimed it, and prolongs the claim while it lives.
    Claimed,
    /// It waits for its next run.
    Waiting,
}

/// An entry that is due later than it can be by our clock.
struct Sighting {
    store: Arc<dyn Store>,
    version: u64,
    kind: Kind,
    since: DateTime<Utc>,
    /// When nobody has written it until this time, nobody will.
    until: DateTime<Utc>,
}

/// Tenant, space and key.
type Name = (String, &'static str, String);

/// What a worker has seen on its walks.
#[derive(Default)]
struct Watch {
    /// When it last looked.
    looked: Option<DateTime<Utc>>,
    /// The space the walk is in, and where.
    space: usize,
    after: Option<DueDoc>,
    watched: BTreeMap<Name, Sighting>,
}

/// Looks for what was left behind, once in a while, as long as the worker works.
pub(super) async fn look_after(worker: &Worker) -> Infallible {
    let mut watch = Watch::default();
    loop {
        let now = worker.clock.now();
        let first = watch.watched.values().map(|sighting| sighting.until - now).min();
        let lease = worker.options.lease;
        worker.timer.sleep(first.unwrap_or(LOOK).clamp(lease.clamp(BREATH, LOOK), LOOK)).await;
        // Another look follows: nothing hangs on this one.
        if let Err(error) = watch.look(worker).await {
            tracing::debug!(%error, "what clocks ahead left behind was not looked for");
        }
    }
}

impl Watch {
    async fn look(&mut self, worker: &Worker) -> Result<(), StoreError> {
        let now = worker.clock.now();
        let timing = &worker.options.timing;
        // Our clock was put right, or we slept: nothing was watched for as long as it seems.
        let looked = self.looked.replace(now).unwrap_or(now);
        if now < looked || now - looked > FAR {
            self.watched.clear();
        }
        let over: Vec<Name> =
            self.watched.iter().filter(|(_, seen)| seen.until <= now).map(|(name, _)| name.clone()).collect();
        for name in over.into_iter().take(WINDOW) {
            // Where that fails, the walk meets it again.
            let Some(sighting) = self.watched.remove(&name) else { continue };
            if sighting.put_right(&name, now, timing).await? {
                metrics::counter!("calsync_entries_set_back_total").increment(1);
                tracing::warn!(key = name.2, "a clock ahead of this one had put off an entry");
            }
        }
        self.walk(worker, now).await
    }

    /// Goes on with the walk: a page at most, or what is left of all spaces.
    async fn walk(&mut self, worker: &Worker, now: DateTime<Utc>) -> Result<(), StoreError> {
        let lease = worker.options.lease;
        let than = now + FAR.max(lease * 2);
        while let Some(&space) = Priority::SPACES.get(self.space) {
            let query = LaterQuery { space, than, after: self.after.as_ref(), limit: WINDOW };
            let page = worker.claims.due_later(query).await?;
            for LaterDoc { tenant, store, doc } in page.docs {
                let name = (tenant, space, doc.key.clone());
                // One that cannot be read is told of when it is due.
                let Ok(read) = Read::from_doc(doc) else { continue };
                let known = self.watched.get(&name);
                if known.is_some_and(|known| known.version == read.doc.version) {
                    continue;
                }
                let room = known.is_some() || self.watched.len() < WATCHED;
                match astray(&read, now, lease, &worker.options.timing) {
                    Some((kind, until)) if room => {
                        let version = read.doc.version;
                        self.watched.insert(name, Sighting { store, version, kind, since: now, until });
                    }
                    _ => {
                        self.watched.remove(&name);
                    }
                }
            }
            self.after = page.next;
            if self.after.is_some() {
                return Ok(());
            }
            self.space += 1;
        }
        self.space = 0;
        Ok(())
    }
}

/// Whether an entry is due later than it can be by our clock; and when it is due by ours, unless somebody writes it first.
fn astray(
    read: &Read,
    now: DateTime<Utc>,
    lease: TimeDelta,
    timing: &Timing,
) -> Option<(Kind, DateTime<Utc>)> {
    let due = read.doc.due?;
    // A store keeps microseconds.
    let waits = read.entry.due(timing).map(|planned| planned.timestamp_micros());
    if read.entry.running.is_some() || waits != Some(due.timestamp_micros()) {
        return Some((Kind::Claimed, now + lease));
    }
    let mut ours = read.entry.clone();
    ours.set_back(now);
    let ours = ours.due(timing)?;
    let until = ours.max(now).checked_add_signed(MARGIN)?;
    (due - ours > MARGIN).then_some((Kind::Waiting, until))
}

impl Sighting {
    /// Makes an entry due by our clock, when it still is as it was seen.
    async fn put_right(&self, name: &Name, now: DateTime<Utc>, timing: &Timing) -> Result<bool, StoreError> {
        let (_, space, key) = name;
        let found = self.store.docs(space, DocQuery::Keys(&[key])).await?;
        let read = found.into_iter().next().map(Read::from_doc).and_then(Result::<_, ScheduleError>::ok);
        let Some(mut read) = read.filter(|read| read.doc.version == self.version) else { return Ok(false) };
        let due = match self.kind {
            // Whoever takes it finds that a worker died there.
            Kind::Claimed => Some(now),
            Kind::Waiting => {
                read.entry.set_back(self.since);
                read.entry.due(timing)
            }
        };
        match self.store.commit(read.replaced(due)?).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
