//! Sequences a hostile reader found: each of these was wrong once. The `control_` tests show that the lab itself is sound.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use async_trait::async_trait;
use calsync_core::{
    context::IdSource,
    engine::{Engine, Link, SyncOptions},
    merge::{ConflictPolicy, DeletionPolicy},
    model::{Event, RemoteCalendarId, RemoteId, Version},
    plan::Direction,
    provider::*,
    store::MemoryStore,
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault, payload_of},
    world::{VirtualClock, World, body, event},
};
use chrono::TimeDelta;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

fn world() -> World {
    World::new(Arc::new(MemoryStore::new()), 7)
}
fn link() -> Link {
    Link::new("l", "family", "memory")
}
fn opt() -> SyncOptions {
    SyncOptions::default()
}
fn title(e: &Event) -> String {
    e.master.as_ref().unwrap().title.clone().unwrap_or_default()
}
fn text(e: &Event) -> Option<String> {
    e.master.as_ref().unwrap().description.clone()
}

/// Passes through, with hooks.
struct Hook<'a> {
    inner: &'a MemoryRemote,
    rewrite: bool,
    armed: AtomicBool,
    fail_fetch: bool,
    after_changes: Box<dyn Fn() + Send + Sync + 'a>,
    calls: std::sync::atomic::AtomicUsize,
}
impl<'a> Hook<'a> {
    fn new(inner: &'a MemoryRemote) -> Self {
        Self {
            inner,
            rewrite: false,
            armed: AtomicBool::new(false),
            fail_fetch: false,
            after_changes: Box::new(|| {}),
            calls: 0.into(),
        }
    }
}
fn rewritten(p: &Payload) -> Payload {
    let mut e: Event = serde_json::from_str(p.as_str()).unwrap();
    body(&mut e).description = Some("added by the server".into());
    payload_of(&e)
}
#[async_trait]
impl Provider for Hook<'_> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn requests(&self) -> u64 {
        self.inner.requests()
    }
    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.inner.calendars().await
    }
    async fn changes(&self, c: &RemoteCalendarId, r: ChangesRequest<'_>) -> Result<ChangePage> {
        let page = self.inner.changes(c, r).await;
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.after_changes)();
        page
    }
    async fn fetch(&self, c: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        if self.armed.swap(false, Ordering::SeqCst) {
            return Err(ProviderError::new(ErrorKind::Unavailable, "fetch", "down"));
        }
        if self.fail_fetch {
            return Ok(ids
                .iter()
                .map(|i| {
                    Fetched::Failed(
                        i.clone(),
                        ProviderError::new(ErrorKind::Refused, "fetch", "403 for this item"),
                    )
                })
                .collect());
        }
        self.inner.fetch(c, ids).await
    }
    fn read(&self, p: &Payload) -> std::result::Result<Event, ReadError> {
        self.inner.read(p)
    }
    fn render(&self, r: RenderRequest<'_>) -> Result<Rendered> {
        self.inner.render(r)
    }
    fn propose_id(&self, c: &RemoteCalendarId, e: &Event, f: &str) -> Result<RemoteId> {
        self.inner.propose_id(c, e, f)
    }
    async fn create(&self, c: &RemoteCalendarId, id: &RemoteId, p: &Payload) -> Result<Written> {
        let p = if self.rewrite { rewritten(p) } else { p.clone() };
        self.inner.create(c, id, &p).await
    }
    async fn update(&self, c: &RemoteCalendarId, id: &RemoteId, v: &Version, p: &Payload) -> Result<Written> {
        self.inner.update(c, id, v, p).await
    }
    async fn delete(&self, c: &RemoteCalendarId, id: &RemoteId, v: &Version) -> Result<()> {
        self.inner.delete(c, id, v).await
    }
}

/// I13: a link switched to import still sends what is in the outbox.
#[tokio::test]
async fn import_link_sends_old_outbox() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("a", &event("a", "one"));
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    w.edit("a", |e| body(e).title = Some("mine".into())).await;
    r.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
    let _ = w.engine.sync(&link(), &r, &opt()).await;
    assert_eq!(r.writes(), 0);
    w.clock.advance(TimeDelta::minutes(2));
    let _ = w.engine.sync(&link().with_direction(Direction::Import), &r, &opt()).await;
    assert_eq!(r.writes(), 0, "an import link wrote to its source");
}
/// Approving a plan deletes an edit made after it was shown.
#[tokio::test]
async fn approval_of_stale_plan_deletes_newer_edit() {
    let (w, r) = (world(), MemoryRemote::default());
    for id in ["a", "b", "c"] {
        r.put(id, &event(id, "one"));
    }
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    for id in ["a", "b", "c"] {
        r.remove(id);
    }
    let held = w.engine.sync(&link(), &r, &opt()).await.unwrap();
    assert!(held.plan.held);
    w.edit("a", |e| body(e).title = Some("written after the plan was shown".into())).await;
    let _ = w.engine.sync(&link(), &r, &opt().approving(held.plan_id)).await;
    assert!(
        w.locals().await.iter().any(|x| x.event.uid == "a"),
        "the approval deleted an edit its plan did not hold"
    );
}
/// apply: local values are not in the id.
#[tokio::test]
async fn apply_sends_another_value_than_previewed() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("a", &event("a", "one"));
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    w.edit("a", |e| body(e).title = Some("previewed".into())).await;
    let plan = w.engine.plan(&link(), &r, &opt()).await.unwrap().plan;
    w.edit("a", |e| body(e).title = Some("never previewed".into())).await;
    let applied = w.engine.apply(&link(), &r, &plan, &opt()).await;
    assert!(applied.is_err(), "applied another value: {}", title(&r.get(&"a".into()).unwrap()));
}
/// apply: check and run are two pulls.
#[tokio::test]
async fn apply_carries_out_what_came_between() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("a", &event("a", "one"));
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    r.put("b", &event("b", "previewed"));
    let plan = w.engine.plan(&link(), &r, &opt()).await.unwrap().plan;
    let once = AtomicBool::new(true);
    let mut h = Hook::new(&r);
    h.after_changes = Box::new(|| {
        if once.swap(false, Ordering::SeqCst) {
            r.put("z", &event("z", "not in the plan"));
        }
    });
    let applied = w.engine.apply(&link(), &h, &plan, &opt()).await;
    assert!(
        applied.is_err() || !w.locals().await.iter().any(|x| x.event.uid == "z"),
        "z was not in the plan"
    );
}
/// Undo brings back what the user deleted since.
#[tokio::test]
async fn undo_resurrects_event_deleted_since() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("a", &event("a", "one"));
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    r.put("a", &event("a", "two"));
    let run = w.engine.sync(&link(), &r, &opt()).await.unwrap().run;
    w.clock.advance(TimeDelta::hours(1));
    w.delete("a").await;
    w.engine.undo(&link(), &r, &run).await.unwrap();
    assert!(w.locals().await.is_empty(), "undo overrode a later deletion");
}
/// Undo of a pushed edit replaces the local event by the remote projection.
#[tokio::test]
async fn undo_wipes_what_the_remote_cannot_hold() {
    fn holds(e: &Event) -> Event {
        let mut e = e.clone();
        body(&mut e).description = None;
        e
    }
    let (w, r) = (world(), MemoryRemote::default().holding(holds));
    let mut e = event("a", "one");
    body(&mut e).description = Some("only here".into());
    w.add(e).await;
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    w.edit("a", |e| body(e).title = Some("two".into())).await;
    let run = w.engine.sync(&link(), &r, &opt()).await.unwrap().run;
    w.engine.undo(&link(), &r, &run).await.unwrap();
    let l = w.local("a").await.event;
    assert_eq!(title(&l), "one");
    assert_eq!(text(&l).as_deref(), Some("only here"), "undo lost a field the run never touched");
}
/// Two local events with one UID: the link never comes to rest and its cursor never moves.
#[tokio::test]
async fn two_local_events_with_one_uid_never_settle() {
    let (w, r) = (world(), MemoryRemote::default());
    w.add(event("same", "one")).await;
    w.add(event("same", "two")).await;
    let mut last = 0;
    for _ in 0..5 {
        let rep = w.engine.sync(&link(), &r, &opt()).await.unwrap();
        last = rep.counts.requests;
        w.clock.advance(TimeDelta::hours(1));
    }
    let cursor = w.store.link(&"l".into()).await.unwrap().unwrap().cursor;
    assert!(cursor.is_some() && last <= 2, "cursor {cursor:?}, {last} requests in the fifth run");
}
/// Quarantine of an item that vanished in a snapshot.
#[tokio::test]
async fn quarantine_is_not_released_by_a_snapshot() {
    let (w, r) = (world(), MemoryRemote::default().with_capabilities(|c| c.pull_incremental = false));
    r.put("a", &event("a", "one"));
    r.put_payload("bad", Payload::new("nonsense"));
    assert_eq!(w.engine.sync(&link(), &r, &opt()).await.unwrap().counts.quarantined, 1);
    r.remove("bad");
    r.forget_cursors();
    for _ in 0..3 {
        w.clock.advance(TimeDelta::days(2));
        w.engine.sync(&link(), &r, &opt().with_audit()).await.unwrap();
    }
    assert_eq!(w.engine.sync(&link(), &r, &opt().with_audit()).await.unwrap().counts.quarantined, 0);
}
/// Echo not read: the sent payload stays base for good, and the next update drops what the server added.
#[tokio::test]
async fn lost_echo_drops_server_fields() {
    for lose in [false, true] {
        let (w, r) = (world(), MemoryRemote::default());
        let mut h = Hook::new(&r);
        h.rewrite = true;
        w.add(event("a", "one")).await;
        h.armed.store(lose, Ordering::SeqCst);
        w.engine.sync(&link(), &h, &opt()).await.unwrap();
        for _ in 0..2 {
            w.clock.advance(TimeDelta::days(2));
            w.engine.sync(&link(), &h, &opt().with_audit()).await.unwrap();
        }
        w.edit("a", |e| body(e).title = Some("two".into())).await;
        w.engine.sync(&link(), &h, &opt()).await.unwrap();
        let there = r.items().into_values().next().unwrap();
        assert_eq!(text(&there).as_deref(), Some("added by the server"), "echo lost: {lose}");
    }
}
/// One item that cannot be looked up stops the link.
#[tokio::test]
async fn one_unreadable_creation_stops_the_link() {
    let (w, r) = (world(), MemoryRemote::default());
    w.add(event("a", "one")).await;
    r.fail("create", RemoteFault::After);
    let _ = w.engine.sync(&link(), &r, &opt()).await;
    let mut h = Hook::new(&r);
    h.fail_fetch = true;
    w.delete("a").await;
    let mut result = Ok(());
    for _ in 0..5 {
        w.clock.advance(TimeDelta::days(1));
        result = w.engine.sync(&link(), &h, &opt()).await.map(|_| ());
    }
    assert!(result.is_ok(), "{result:?}");
}
/// Held deletion, remote edit, brought back unchanged: the remote edit never arrives.
#[tokio::test]
async fn remote_edit_is_lost_when_a_held_deletion_is_taken_back() {
    let (w, r) = (world(), MemoryRemote::default());
    let l = link().with_conflicts(ConflictPolicy::LocalWins).with_deletions(DeletionPolicy::LocalWins);
    for id in ["a", "b"] {
        r.put(id, &event(id, "one"));
    }
    w.engine.sync(&l, &r, &opt()).await.unwrap();
    let rec = w.local("a").await;
    w.delete("a").await;
    w.delete("b").await;
    r.put("a", &event("a", "edited there"));
    assert!(w.engine.sync(&l, &r, &opt()).await.unwrap().plan.held);
    let now = w.store.events(&w.calendar, std::slice::from_ref(&rec.id)).await.unwrap().remove(0);
    w.hub.update(&w.calendar, &rec.id, now.revision, rec.event).await.unwrap();
    for _ in 0..3 {
        w.clock.advance(TimeDelta::days(2));
        w.engine.sync(&l, &r, &opt().with_audit()).await.unwrap();
    }
    let (here, there) = (title(&w.local("a").await.event), title(&r.get(&"a".into()).unwrap()));
    assert_eq!(here, there);
}
/// A host's short ids.
struct Short(std::sync::atomic::AtomicUsize);
impl IdSource for Short {
    fn fresh(&self) -> String {
        self.0.fetch_add(1, Ordering::SeqCst).to_string()
    }
}
#[tokio::test]
async fn short_ids_do_not_panic() {
    let e = Engine::new(
        Arc::new(MemoryStore::new()),
        Arc::new(VirtualClock::default()),
        Arc::new(Short(0.into())),
    );
    let _ = e.sync(&link(), &MemoryRemote::default(), &opt()).await;
}
/// Edit survives a deletion: fields the remote cannot hold.
#[tokio::test]
async fn restore_local_keeps_local_only_fields() {
    fn holds(e: &Event) -> Event {
        let mut e = e.clone();
        body(&mut e).description = None;
        e
    }
    let (w, r) = (world(), MemoryRemote::default().holding(holds));
    let mut e = event("a", "one");
    body(&mut e).description = Some("only here".into());
    w.add(e).await;
    w.engine.sync(&link().with_conflicts(ConflictPolicy::NewestWins), &r, &opt()).await.unwrap();
    let (id, mut there) = r.items().into_iter().next().unwrap();
    body(&mut there).title = Some("two".into());
    r.put(id.as_str(), &there);
    w.delete("a").await;
    w.engine.sync(&link().with_conflicts(ConflictPolicy::NewestWins), &r, &opt()).await.unwrap();
    assert_eq!(text(&w.local("a").await.event).as_deref(), Some("only here"));
}
/// Controls: the harness passes where the code is right.
#[tokio::test]
async fn control_import_link_never_writes_a_fresh_edit() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("a", &event("a", "one"));
    let l = link().with_direction(Direction::Import);
    w.engine.sync(&l, &r, &opt()).await.unwrap();
    w.edit("a", |e| body(e).title = Some("mine".into())).await;
    w.engine.sync(&l, &r, &opt()).await.unwrap();
    assert_eq!(r.writes(), 0);
}
#[tokio::test]
async fn control_approval_unedited_deletes() {
    let (w, r) = (world(), MemoryRemote::default());
    for id in ["a", "b", "c"] {
        r.put(id, &event(id, "one"));
    }
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    for id in ["a", "b", "c"] {
        r.remove(id);
    }
    let held = w.engine.sync(&link(), &r, &opt()).await.unwrap();
    w.engine.sync(&link(), &r, &opt().approving(held.plan_id)).await.unwrap();
    assert!(w.locals().await.is_empty());
}
#[tokio::test]
async fn control_undo_plain_and_edit_since() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("a", &event("a", "one"));
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    r.put("a", &event("a", "two"));
    let run = w.engine.sync(&link(), &r, &opt()).await.unwrap().run;
    w.clock.advance(TimeDelta::hours(1));
    w.edit("a", |e| body(e).title = Some("later".into())).await;
    assert_eq!(w.engine.undo(&link(), &r, &run).await.unwrap().kept, 1);
    assert_eq!(title(&w.local("a").await.event), "later");
}
#[tokio::test]
async fn control_quarantine_released_by_delta() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put_payload("bad", Payload::new("nonsense"));
    assert_eq!(w.engine.sync(&link(), &r, &opt()).await.unwrap().counts.quarantined, 1);
    r.remove("bad");
    assert_eq!(w.engine.sync(&link(), &r, &opt()).await.unwrap().counts.quarantined, 0);
}
#[tokio::test]
async fn control_apply_unchanged_plan() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("b", &event("b", "previewed"));
    let plan = w.engine.plan(&link(), &r, &opt()).await.unwrap().plan;
    w.engine.apply(&link(), &Hook::new(&r), &plan, &opt()).await.unwrap();
    assert_eq!(w.locals().await.len(), 1);
}
/// A host edit that falls between decision and confirmation is older than the journal entry: undo takes it for the run's.
#[tokio::test]
async fn undo_overwrites_an_edit_made_during_the_run() {
    let (w, r) = (world(), MemoryRemote::default());
    r.put("a", &event("a", "one"));
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    w.edit("a", |e| body(e).title = Some("two".into())).await;
    // The clock stands still: what is written during the run and its journal have one time.
    let run = w.engine.sync(&link(), &r, &opt()).await.unwrap().run;
    w.edit("a", |e| body(e).title = Some("host, same instant".into())).await;
    w.engine.undo(&link(), &r, &run).await.unwrap();
    assert_eq!(title(&w.local("a").await.event), "host, same instant");
}

/// What is old enough is forgotten with the daily comparison: runs, journal, decided conflicts.
#[tokio::test]
async fn old_rows_of_the_log_are_forgotten() {
    use calsync_core::store::{RecordKind, RecordQuery};
    let (w, r) = (world(), MemoryRemote::default());
    w.add(event("a", "one")).await;
    w.engine.sync(&link(), &r, &opt()).await.unwrap();
    let count = |kind| {
        let store = w.store.clone();
        async move {
            let link = "l".into();
            let query = RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 100 };
            store.records(query).await.unwrap().len()
        }
    };
    assert_eq!((count(RecordKind::Run).await, count(RecordKind::Journal).await), (1, 1));
    w.clock.advance(TimeDelta::days(89));
    w.engine.sync(&link(), &r, &opt().with_audit()).await.unwrap();
    assert_eq!((count(RecordKind::Run).await, count(RecordKind::Journal).await), (1, 1));
    w.clock.advance(TimeDelta::days(2));
    w.engine.sync(&link(), &r, &opt().with_audit()).await.unwrap();
    assert_eq!((count(RecordKind::Run).await, count(RecordKind::Journal).await), (0, 0));
}
