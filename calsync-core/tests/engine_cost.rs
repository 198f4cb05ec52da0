//! What a run asks of the store: a handful of calls, whatever the size of the calendar.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, MemoryStore, OutboxEntry, OutboxId, Record, RecordQuery, Result, Revision,
        Store,
    },
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};

/// A store that notes what it is asked.
#[derive(Default)]
struct Noting {
    inner: MemoryStore,
    calls: Mutex<Vec<String>>,
}

impl Noting {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[async_trait]
impl Store for Noting {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.note("calendars");
        self.inner.calendars().await
    }
    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.note("events");
        self.inner.events(calendar, ids).await
    }
    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.note("events_by_uid");
        self.inner.events_by_uid(calendar, uids).await
    }
    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.note("events_since");
        self.inner.events_since(calendar, after, limit).await
    }
    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.note("link");
        self.inner.link(link).await
    }
    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        self.note("bases");
        self.inner.bases(link, query).await
    }
    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.note("base_summaries");
        self.inner.base_summaries(link, after, limit).await
    }
    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.note("outbox");
        self.inner.outbox(link, after, limit).await
    }
    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        self.note(format!("records {:?}", query.kind));
        self.inner.records(query).await
    }
    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        self.note("docs");
        self.inner.docs(space, query).await
    }
    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        self.note(format!("commit of {}", batch.writes.len()));
        self.inner.commit(batch).await
    }
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        self.note("acquire_lease");
        self.inner.acquire_lease(name, holder, now, ttl).await
    }
    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.note("release_lease");
        self.inner.release_lease(token).await
    }
}

struct Lab {
    store: Arc<Noting>,
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    /// In step, after some runs.
    async fn of(size: usize) -> Self {
        let store = Arc::new(Noting::default());
        let lab = Self {
            world: World::new(store.clone(), 1),
            store,
            remote: MemoryRemote::default(),
            link: Link::new("home", "family", "memory"),
        };
        for n in 0..size {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "first"));
        }
        lab.sync().await;
        lab.sync().await;
        lab.store.taken();
        lab
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await.unwrap()
    }
}

const BEGIN: [&str; 5] = ["acquire_lease", "link", "events_since", "records Quarantine", "outbox"];

fn run_of(calls: &[&str]) -> Vec<String> {
    BEGIN.iter().chain(calls).map(|call| (*call).to_owned()).collect()
}

#[tokio::test]
async fn calls_follow_the_changes_and_not_the_calendar() {
    for size in [20, 600] {
        let lab = Lab::of(size).await;
        lab.sync().await;
        assert_eq!(lab.store.taken(), run_of(&["commit of 1", "release_lease"]), "nothing to do");

        for n in 0..10 {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "edited"));
        }
        lab.sync().await;
        let decided = ["bases", "events", "commit of 31", "commit of 2", "release_lease"];
        assert_eq!(lab.store.taken(), run_of(&decided), "ten edits there");

        for n in 0..10 {
            lab.world.edit(&format!("u{n}"), |event| body(event).title = Some("here".to_owned())).await;
        }
        lab.store.taken();
        lab.sync().await;
        // Intents; what is sent; what was there, for the journal; answers; what the provider made of it, with the end of
        // the run.
        let sent =
            ["bases", "commit of 11", "outbox", "bases", "commit of 30", "commit of 12", "release_lease"];
        assert_eq!(lab.store.taken(), run_of(&sent), "ten edits here");

        lab.sync().await;
        assert_eq!(lab.store.taken(), run_of(&["commit of 1", "release_lease"]), "and nothing again");
    }
}
