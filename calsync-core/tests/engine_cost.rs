//! What a run asks of the store: a handful of calls, whatever the size of the calendar.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::{Calendar, CalendarId, Event, EventId, LinkId, RemoteId},
    provider::ErrorKind,
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, MemoryStore, OutboxEntry, OutboxId, Record, RecordQuery, Result, Revision,
        Store,
    },
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};

/// Notes what a store is asked.
#[derive(Default)]
struct Noting(Mutex<Vec<String>>);

impl Noting {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl StoreHook for Noting {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        if let Moment::Before(call) = moment {
            self.0.lock().unwrap().push(call.to_owned());
        }
        Ok(())
    }
}

/// A store with nothing but what a host has to write: what is read together is asked one by one.
struct Plain(Arc<HookedStore<Noting>>);

#[async_trait]
impl Store for Plain {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.0.calendars().await
    }
    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.0.events(calendar, ids).await
    }
    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.0.events_by_uid(calendar, uids).await
    }
    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.0.events_since(calendar, after, limit).await
    }
    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.0.link(link).await
    }
    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        self.0.bases(link, query).await
    }
    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.0.base_summaries(link, after, limit).await
    }
    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.0.outbox(link, after, limit).await
    }
    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        self.0.records(query).await
    }
    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        self.0.docs(space, query).await
    }
    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        self.0.commit(batch).await
    }
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        self.0.acquire_lease(name, holder, now, ttl).await
    }
    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.0.release_lease(token).await
    }
}

struct Lab {
    store: Arc<HookedStore<Noting>>,
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    /// In step, after some runs; what the engine is given of the store is up to the caller.
    async fn of(size: usize, given: fn(Arc<HookedStore<Noting>>) -> Arc<dyn Store>) -> Self {
        let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), Noting::default()));
        let lab = Self {
            world: World::new(given(store.clone()), 1),
            store,
            remote: MemoryRemote::default(),
            link: Link::new("home", "family", "memory"),
        };
        for n in 0..size {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "first"));
        }
        lab.sync().await;
        lab.sync().await;
        lab.store.hook.taken();
        lab
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await.unwrap()
    }
}

fn run_of(calls: &[&str]) -> Vec<String> {
    ["open"].iter().chain(calls).map(|call| (*call).to_owned()).collect()
}

#[tokio::test]
async fn calls_follow_the_changes_and_not_the_calendar() {
    for size in [20, 600] {
        let lab = Lab::of(size, |store| store).await;
        lab.sync().await;
        assert_eq!(lab.store.hook.taken(), run_of(&["commit of 1"]), "nothing to do");

        for n in 0..10 {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "edited"));
        }
        lab.sync().await;
        let decided = ["pairs", "commit of 31", "commit of 2"];
        assert_eq!(lab.store.hook.taken(), run_of(&decided), "ten edits there");

        for n in 0..10 {
            lab.world.edit(&format!("u{n}"), |event| body(event).title = Some("here".to_owned())).await;
        }
        lab.store.hook.taken();
        lab.sync().await;
        // What was there, for the decision and the journal; intents; answers; what the provider made of it, with the end of
        // the run.
        let sent = ["bases", "commit of 11", "commit of 30", "commit of 12"];
        assert_eq!(lab.store.hook.taken(), run_of(&sent), "ten edits here");

        lab.sync().await;
        assert_eq!(lab.store.hook.taken(), run_of(&["commit of 1"]), "and nothing again");

        for n in 0..10 {
            lab.remote.put(&format!("n{n}"), &event(&format!("new-{n}"), "made there"));
        }
        lab.sync().await;
        let decided = ["pairs", "events_by_uid", "commit of 31", "commit of 2"];
        assert_eq!(lab.store.hook.taken(), run_of(&decided), "ten made there");
        for n in 0..10 {
            lab.world.add(event(&format!("here-{n}"), "made here")).await;
        }
        lab.store.hook.taken();
        lab.sync().await;
        assert_eq!(lab.store.hook.taken(), run_of(&sent), "ten made here");

        // Whether so many may go is told by what the last run left; that none has moved is asked, and expected to stay so.
        for n in 0..10 {
            lab.remote.remove(&format!("n{n}"));
        }
        lab.sync().await;
        let decided = ["noted_pairs", "commit of 32", "commit of 2"];
        assert_eq!(lab.store.hook.taken(), run_of(&decided), "ten deleted there");
        lab.world.clock.advance(TimeDelta::days(8));
        lab.sync().await;
        for n in 0..10 {
            lab.world.delete(&format!("here-{n}")).await;
        }
        lab.store.hook.taken();
        lab.sync().await;
        let sent = ["bases", "commit of 12", "commit of 30", "commit of 2"];
        assert_eq!(lab.store.hook.taken(), run_of(&sent), "ten deleted here");

        // One more in that week is more than ten: of few events too many, which is for a person, and of many not.
        lab.world.delete("u3").await;
        lab.remote.remove("r4");
        lab.store.hook.taken();
        assert_eq!(lab.sync().await.plan.held, size == 20);
        let calls = lab.store.hook.taken();
        assert_eq!(calls.contains(&"records Run".to_owned()), size == 20, "{calls:?}");
    }
}

/// Of many changes each hundred is a commit, which a crash makes small; what is read is read in pages of two hundred.
#[tokio::test]
async fn many_changes_are_a_few_calls() {
    let lab = Lab::of(300, |store| store).await;
    for n in 0..200 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "edited"));
    }
    lab.sync().await;
    let decided = ["pairs", "commit of 301", "pairs", "commit of 300", "commit of 2"];
    assert_eq!(lab.store.hook.taken(), run_of(&decided), "edits there");
    for n in 300..500 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "new"));
    }
    lab.sync().await;
    let made =
        ["pairs", "events_by_uid", "commit of 301", "pairs", "events_by_uid", "commit of 300", "commit of 2"];
    assert_eq!(lab.store.hook.taken(), run_of(&made), "new ones there");

    for n in 0..200 {
        lab.world.edit(&format!("u{n}"), |event| body(event).title = Some("here".to_owned())).await;
    }
    lab.store.hook.taken();
    lab.sync().await;
    // A full page of edits may have another behind it. What was committed to be sent is what is sent.
    let sent = ["bases", "commit of 201", "events_since", "commit of 300", "commit of 300", "commit of 202"];
    assert_eq!(lab.store.hook.taken(), run_of(&sent), "edits here");
}

/// What was committed to be sent is not read to be sent, and holds while commits under the lease are taken: where there was
/// nothing to commit, it is read.
#[tokio::test]
async fn a_page_of_the_outbox_holds_from_commit_to_commit() {
    let edited = async |faults: usize| {
        let lab = Lab::of(20, |store| store).await;
        let lab = Lab { link: lab.link.clone().with_commit_every(2), ..lab };
        for n in 0..4 {
            lab.world.edit(&format!("u{n}"), |event| body(event).title = Some("here".to_owned())).await;
        }
        lab.store.hook.taken();
        for _ in 0..faults {
            lab.remote.fail("update", RemoteFault::Before(ErrorKind::VersionMismatch));
        }
        lab.sync().await;
        let calls = lab.store.hook.taken();
        let here =
            |event: &Event| event.master.as_ref().is_some_and(|body| body.title.as_deref() == Some("here"));
        assert_eq!(lab.remote.items().values().filter(|event| here(event)).count(), 4);
        calls.into_iter().skip_while(|call| call != "commit of 5").skip(1).take(2).collect::<Vec<_>>()
    };
    assert_eq!(edited(0).await, ["commit of 6", "commit of 6"]);
    // Both writes of the first group met another version.
    assert_eq!(edited(2).await, ["waiting", "commit of 6"]);
}

/// What a host's own store is asked, where it answers the single reads only.
#[tokio::test]
async fn single_reads_follow_the_changes_and_not_the_calendar() {
    const BEGIN: [&str; 5] = ["acquire_lease", "link", "events_since", "records Quarantine", "outbox"];
    let run_of = |calls: &[&str]| -> Vec<String> {
        BEGIN.iter().chain(calls).map(|call| (*call).to_owned()).collect()
    };
    for size in [20, 600] {
        let lab = Lab::of(size, |store| Arc::new(Plain(store))).await;
        lab.sync().await;
        assert_eq!(lab.store.hook.taken(), run_of(&["commit of 1"]), "nothing to do");
        for n in 0..10 {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "edited"));
        }
        lab.sync().await;
        let decided = ["bases", "events", "commit of 31", "commit of 2"];
        assert_eq!(lab.store.hook.taken(), run_of(&decided), "ten edits there");
        for n in 0..10 {
            lab.world.edit(&format!("u{n}"), |event| body(event).title = Some("here".to_owned())).await;
        }
        lab.store.hook.taken();
        lab.sync().await;
        let sent = ["bases", "commit of 11", "commit of 30", "commit of 12"];
        assert_eq!(lab.store.hook.taken(), run_of(&sent), "ten edits here");
        for n in 0..3 {
            lab.remote.remove(&format!("r{n}"));
        }
        lab.sync().await;
        let decided = ["bases", "events", "docs", "commit of 11", "commit of 2"];
        assert_eq!(lab.store.hook.taken(), run_of(&decided), "three deleted there");
        for n in 3..6 {
            lab.world.delete(&format!("u{n}")).await;
        }
        lab.store.hook.taken();
        lab.sync().await;
        let sent = ["bases", "commit of 5", "commit of 9", "commit of 2"];
        assert_eq!(lab.store.hook.taken(), run_of(&sent), "three deleted here");
    }
}
