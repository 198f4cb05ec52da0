//! Providers that cannot do something, and faults that meet what a person has said. Each of these was broken once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use async_trait::async_trait;
use calsync_core::{
    engine::{EngineError, Link, RetryBudget, SyncOptions, SyncReport},
    merge::{ConflictPolicy, DeletionPolicy},
    model::{Event, RemoteCalendarId, RemoteId, Version},
    plan::Direction,
    provider::{
        Capabilities, ChangePage, ChangeScope, ChangesRequest, Covered, Cursor, ErrorKind, Fetched,
        ItemChange, Payload, Provider, ProviderError, ReadError, RemoteCalendar, RenderRequest, Rendered,
        Result, Written,
    },
    store::{Batch, MatchAnswer, MemoryStore, OutboxOp, OutboxState, Write},
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{VirtualClock, World, body, event},
};
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

const HOUR: TimeDelta = TimeDelta::hours(1);

/// A provider around the one in memory, with what that one cannot do.
struct Odd {
    inner: MemoryRemote,
    /// Cannot write an event with this title.
    unwritable: Option<&'static str>,
    /// Names items by their UID, as iCloud does.
    by_uid: bool,
    /// Has no versions.
    bare: bool,
    /// Answers a creation with what it stored, as Google does.
    telling: bool,
    /// Requests left before it throttles.
    quota: AtomicUsize,
    /// A creation is applied and never answered.
    hang: AtomicBool,
    /// The creation of this number is applied and never answered.
    hang_at: AtomicUsize,
    /// Each creation takes eleven seconds by this clock, and is throttled.
    slow: Option<Arc<VirtualClock>>,
    /// Happens while the changes are listed.
    meanwhile: Mutex<Option<BoxFuture<'static, ()>>>,
    creates: AtomicUsize,
    fetches: AtomicUsize,
}
impl Odd {
    fn new() -> Self {
        Self {
            inner: MemoryRemote::default(),
            unwritable: None,
            by_uid: false,
            bare: false,
            telling: false,
            quota: AtomicUsize::new(usize::MAX),
            hang: false.into(),
            hang_at: usize::MAX.into(),
            slow: None,
            meanwhile: Mutex::new(None),
            creates: 0.into(),
            fetches: 0.into(),
        }
    }
    fn spend(&self, op: &'static str) -> Result<()> {
        self.quota
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |q| q.checked_sub(1))
            .map(|_| ())
            .map_err(|_| ProviderError::new(ErrorKind::Throttled, op, "quota"))
    }
}
#[async_trait]
impl Provider for Odd {
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
        self.spend("changes")?;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        let mut page = self.inner.changes(c, r).await?;
        if self.bare {
            for change in &mut page.changes {
                if let ItemChange::Present { version, .. } = &mut change.change {
                    *version = None;
                }
            }
        }
        Ok(page)
    }
    async fn fetch(&self, c: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.spend("fetch")?;
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let mut all = self.inner.fetch(c, ids).await?;
        if self.bare {
            for one in &mut all {
                if let Fetched::Found { version, .. } = one {
                    *version = None;
                }
            }
        }
        Ok(all)
    }
    fn read(&self, p: &Payload) -> std::result::Result<Event, ReadError> {
        self.inner.read(p)
    }
    fn render(&self, r: RenderRequest<'_>) -> Result<Rendered> {
        let title = r.event.body().and_then(|b| b.title.clone());
        if self.unwritable.is_some() && title.as_deref() == self.unwritable {
            return Err(ProviderError::new(ErrorKind::Refused, "render", "cannot be said"));
        }
        self.inner.render(r)
    }
    fn propose_id(&self, c: &RemoteCalendarId, e: &Event, f: &str) -> Result<RemoteId> {
        if self.by_uid {
            return Ok(RemoteId::from(e.uid.as_str()));
        }
        self.inner.propose_id(c, e, f)
    }
    async fn create(&self, c: &RemoteCalendarId, id: &RemoteId, p: &Payload) -> Result<Written> {
        self.spend("create")?;
        let number = self.creates.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(clock) = &self.slow {
            clock.advance(TimeDelta::seconds(11));
            return Err(ProviderError::new(ErrorKind::Throttled, "create", "quota"));
        }
        let r = self.inner.create(c, id, p).await;
        if self.hang.swap(false, Ordering::SeqCst) || number == self.hang_at.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let stored = self.telling.then(|| p.clone());
        r.map(|written| Written { payload: stored.or(written.payload), ..written })
    }
    async fn update(&self, c: &RemoteCalendarId, id: &RemoteId, v: &Version, p: &Payload) -> Result<Written> {
        self.spend("update")?;
        self.inner.update(c, id, v, p).await
    }
    async fn delete(&self, c: &RemoteCalendarId, id: &RemoteId, v: &Version) -> Result<()> {
        self.spend("delete")?;
        self.inner.delete(c, id, v).await
    }
}

struct Lab {
    world: World,
    remote: Odd,
    link: Link,
}
impl Lab {
    fn new(change: impl FnOnce(Link) -> Link) -> Self {
        Self {
            world: World::new(Arc::new(MemoryStore::default()), 7),
            remote: Odd::new(),
            link: change(Link::new("home", "family", "memory")),
        }
    }
    async fn run(&self, wait: TimeDelta, o: SyncOptions) -> std::result::Result<SyncReport, EngineError> {
        self.world.clock.advance(wait);
        self.world.engine.sync(&self.link, &self.remote, &o).await
    }
    async fn sync(&self) -> SyncReport {
        self.run(HOUR, SyncOptions::default()).await.expect("the run goes through")
    }
    async fn titles(&self) -> (Vec<String>, Vec<String>) {
        let title = |event: &Event| event.body().and_then(|body| body.title.clone());
        let mut l: Vec<String> =
            self.world.locals().await.iter().filter_map(|record| title(&record.event)).collect();
        let mut r: Vec<String> = self.remote.inner.items().values().filter_map(title).collect();
        l.sort();
        r.sort();
        (l, r)
    }
    async fn cursor(&self) -> Option<Cursor> {
        self.world.store.link(&self.link.id).await.unwrap().unwrap().cursor
    }
}
fn titled(t: &'static str) -> impl FnOnce(&mut Event) {
    move |e| body(e).title = Some(t.to_owned())
}
fn strs(a: &[&str]) -> Vec<String> {
    a.iter().map(|s| s.to_string()).collect()
}

/// refusing a held deletion of an event whose update still waits
#[tokio::test]
async fn refusing_a_deletion_of_an_event_whose_edit_waits() {
    let lab = Lab::new(|l| l.with_deletions(DeletionPolicy::RemoteWins));
    for n in 0..3 {
        lab.remote.inner.put(&format!("r{n}"), &event(&format!("u{n}"), "one"));
    }
    lab.sync().await;
    lab.world.edit("u0", titled("two")).await;
    lab.remote.inner.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
    lab.run(HOUR, SyncOptions::default()).await.expect_err("down");
    for n in 0..3 {
        lab.remote.inner.remove(&format!("r{n}"));
    }
    let held = lab.sync().await;
    assert_eq!(held.counts.held, 3);
    for _ in 0..2 {
        let r = lab.run(HOUR, SyncOptions::default().refusing(held.plan_id.clone())).await;
        r.expect("the deletions are taken back");
    }
    lab.sync().await;
    assert_eq!(lab.titles().await.1, strs(&["one", "one", "two"]));
}

/// answer lost when its item cannot be fetched just then
#[tokio::test]
async fn an_answer_survives_an_item_that_cannot_be_fetched() {
    let lab = Lab::new(|l| l);
    let here = lab.world.add(event("a", "Tea")).await;
    lab.world.add(event("b", "Tea")).await;
    lab.remote.inner.put("r1", &event("x", "Tea"));
    assert_eq!(lab.sync().await.undecided, 1);
    lab.sync().await;
    lab.world.engine.answer(&lab.link, &RemoteId::from("r1"), MatchAnswer::Join(here)).await.unwrap();
    lab.remote.inner.withhold("r1", ErrorKind::Unavailable);
    lab.sync().await;
    lab.remote.inner.hand_out("r1");
    for _ in 0..30 {
        lab.sync().await;
    }
    assert_eq!((lab.titles().await.0.len(), lab.titles().await.1.len()), (2, 2));
}

/// two items answered to be the same event
#[tokio::test]
async fn two_items_that_are_one_event() {
    let lab = Lab::new(|l| l);
    let here = lab.world.add(event("a", "Tea")).await;
    lab.remote.inner.put("r1", &event("x", "Tea"));
    lab.remote.inner.put("r2", &event("y", "Tea"));
    lab.sync().await;
    let mut answers = Vec::new();
    for open in lab.world.engine.open_matches(&lab.link.id).await.unwrap() {
        answers.push(
            lab.world
                .engine
                .answer(&lab.link, &open.remote_id, MatchAnswer::Join(here.clone()))
                .await
                .is_ok(),
        );
    }
    assert_eq!(answers, [true, false]);
    for _ in 0..3 {
        let r = lab.run(HOUR, SyncOptions::default()).await;
        r.expect("a run goes through");
    }
}

/// first meeting; the twin cannot be fetched just then
#[tokio::test]
async fn dup_04_a_twin_that_cannot_be_fetched_just_then() {
    let lab = Lab::new(|l| l);
    lab.world.add(event("a", "Dentist")).await;
    lab.remote.inner.put("r1", &event("x", "Dentist"));
    lab.remote.inner.withhold("r1", ErrorKind::Unavailable);
    lab.sync().await;
    lab.remote.inner.hand_out("r1");
    for _ in 0..3 {
        lab.sync().await;
    }
    assert_eq!((lab.titles().await.0.len(), lab.titles().await.1.len()), (1, 1));
}

/// a write that always meets another version
#[tokio::test]
async fn a_write_that_always_meets_another_version() {
    let lab = Lab::new(|l| l);
    lab.remote.inner.put("r0", &event("u0", "one"));
    lab.sync().await;
    let before = lab.cursor().await;
    lab.world.edit("u0", titled("two")).await;
    for _ in 0..400 {
        lab.remote.inner.fail("update", RemoteFault::Before(ErrorKind::VersionMismatch));
    }
    for n in 0..40 {
        lab.remote.inner.put(&format!("x{n}"), &event(&format!("y{n}"), &format!("z{n}")));
        lab.sync().await;
    }
    assert_ne!(before, lab.cursor().await);
}

/// creation refused because an unreadable item has the UID
#[tokio::test]
async fn an_unreadable_item_has_the_uid() {
    let lab = Lab::new(|l| l);
    lab.sync().await;
    lab.remote.inner.put_payload("r9", Payload::new("garbled"));
    lab.sync().await;
    let before = lab.cursor().await;
    lab.world.add(event("u0", "one")).await;
    for _ in 0..400 {
        lab.remote
            .inner
            .fail("create", RemoteFault::Before(ErrorKind::AlreadyExists { at: Some(RemoteId::from("r9")) }));
    }
    let mut wedged = 0;
    for n in 0..10 {
        lab.remote.inner.put(&format!("x{n}"), &event(&format!("y{n}"), &format!("z{n}")));
        wedged = lab.sync().await.wedged;
    }
    assert!(wedged == 1 && before != lab.cursor().await);
}

/// retry of an edit that could not be written, of a joined event
#[tokio::test]
async fn a_retried_edit_that_could_not_be_written_goes_out() {
    let mut lab = Lab::new(|l| l);
    lab.remote.unwritable = Some("odd");
    lab.remote.inner.put("r0", &event("u0", "one"));
    lab.sync().await;
    lab.world.edit("u0", titled("odd")).await;
    assert_eq!(lab.sync().await.wedged, 1);
    lab.remote.unwritable = None; // the next version of calsync can
    let id = lab.world.local("u0").await.id;
    lab.world.engine.retry_write(&lab.link.id, &id).await.unwrap();
    for _ in 0..3 {
        lab.sync().await;
    }
    for _ in 0..30 {
        lab.sync().await;
    }
    assert_eq!(lab.titles().await, (strs(&["odd"]), strs(&["odd"])));
}

/// held deletion of one that could not be written
#[tokio::test]
async fn a_held_deletion_of_an_event_that_could_not_be_written() {
    let mut lab = Lab::new(|l| l);
    lab.remote.unwritable = Some("odd");
    for n in 0..3 {
        lab.remote.inner.put(&format!("r{n}"), &event(&format!("u{n}"), "one"));
    }
    lab.sync().await;
    lab.world.edit("u0", titled("odd")).await;
    assert_eq!(lab.sync().await.wedged, 1);
    for n in 0..3 {
        lab.world.delete(&format!("u{n}")).await;
    }
    let mut held = lab.sync().await;
    for _ in 0..3 {
        held = lab.sync().await;
    }
    for _ in 0..3 {
        let r = lab.run(HOUR, SyncOptions::default().approving(held.plan_id.clone())).await.unwrap();
        held = r;
    }
    for _ in 0..30 {
        lab.sync().await;
    }
    assert_eq!(lab.titles().await, (strs(&[]), strs(&[])));
}

/// a merge that cannot be written shuts the pair for good
#[tokio::test]
async fn a_merge_that_could_not_be_written_is_tried_again_after_an_edit() {
    let mut lab = Lab::new(|l| l);
    lab.remote.unwritable = Some("odd");
    lab.remote.inner.put("r0", &event("u0", "one"));
    lab.sync().await;
    lab.world.edit("u0", titled("odd")).await;
    let mut there = event("u0", "one");
    body(&mut there).location = Some("there".to_owned());
    lab.remote.inner.put("r0", &there);
    lab.sync().await;
    lab.world.edit("u0", titled("fine")).await;
    for _ in 0..60 {
        lab.sync().await;
    }
    assert_eq!(lab.titles().await, (strs(&["fine"]), strs(&["fine"])));
}

/// dropping a write decides an open conflict
#[tokio::test]
async fn dropping_a_write_leaves_an_open_conflict_open() {
    let lab = Lab::new(|l| l.with_conflicts(ConflictPolicy::Manual));
    lab.remote.inner.put("r0", &event("u0", "base"));
    lab.sync().await;
    lab.world.edit("u0", titled("here")).await;
    lab.remote.inner.put("r0", &event("u0", "there"));
    lab.sync().await;
    assert_eq!(lab.titles().await, (strs(&["here"]), strs(&["there"])));
    lab.world.edit("u0", |e| body(e).location = Some("x".to_owned())).await;
    lab.remote.inner.fail("update", RemoteFault::Before(ErrorKind::Refused));
    assert_eq!(lab.sync().await.wedged, 1);
    let id = lab.world.local("u0").await.id;
    lab.world.engine.drop_write(&lab.link.id, &id).await.unwrap();
    for _ in 0..30 {
        lab.sync().await;
    }
    lab.world.edit("u0", |e| body(e).description = Some("y".to_owned())).await;
    for _ in 0..3 {
        lab.sync().await;
    }
    assert_eq!(lab.titles().await, (strs(&["here"]), strs(&["there"])));
}

/// crash in a creation, then the link becomes an import; the server makes UIDs of its own
#[tokio::test]
async fn a_creation_in_flight_and_a_link_that_only_imports() {
    let mut lab = Lab::new(|l| l);
    lab.remote.inner = MemoryRemote::default().holding(|e| {
        let mut e = e.clone();
        e.uid = format!("server-{}", e.uid.trim_start_matches("server-"));
        e
    });
    lab.sync().await; // first meeting is over
    lab.world.add(event("u0", "mine")).await;
    lab.remote.hang.store(true, Ordering::SeqCst);
    {
        lab.world.clock.advance(HOUR);
        let o = SyncOptions::default();
        let mut f = Box::pin(lab.world.engine.sync(&lab.link, &lab.remote, &o));
        assert!(futures_util::FutureExt::now_or_never(&mut f).is_none(), "dies in the creation");
    }
    assert_eq!(lab.remote.inner.items().len(), 1);
    lab.link.direction = Direction::Import;
    lab.sync().await;
    lab.sync().await;
    assert_eq!(lab.titles().await, (strs(&["mine"]), strs(&["mine"])));
}

/// a deletion of an item without a version
#[tokio::test]
async fn a_deletion_of_an_item_without_a_version() {
    let mut lab = Lab::new(|l| l);
    lab.remote.bare = true;
    for n in 0..3 {
        lab.remote.inner.put(&format!("r{n}"), &event(&format!("u{n}"), &format!("t{n}")));
    }
    lab.sync().await;
    let before = lab.cursor().await;
    lab.world.delete("u0").await;
    for n in 0..40 {
        lab.remote.inner.put(&format!("x{n}"), &event(&format!("y{n}"), &format!("z{n}")));
        lab.sync().await;
    }
    assert_ne!(before, lab.cursor().await);
}

/// N+1
#[tokio::test]
async fn questions_are_fetched_together() {
    let lab = Lab::new(|l| l.with_direction(Direction::Import));
    for n in 0..200i64 {
        let mk = |uid: String| {
            let mut e = event(&uid, &format!("t{n}"));
            let t = &mut body(&mut e).time;
            let mv = |x: &calsync_core::model::EventTime| {
                calsync_core::model::EventTime::Utc(x.absolute().unwrap() + TimeDelta::days(n))
            };
            *t = calsync_core::model::TimeSpan { start: mv(&t.start), end: mv(&t.end) };
            e
        };
        lab.world.add(mk(format!("a{n}"))).await;
        lab.remote.inner.put(&format!("r{n}"), &mk(format!("b{n}")));
    }
    let r = lab.sync().await;
    assert!(r.counts.requests < 20);
}

/// undo on a link whose copies differ
#[tokio::test]
async fn undo_leaves_the_original_what_it_was() {
    use calsync_core::{
        engine::CopyRules,
        pipeline::{Pipeline, Transform},
    };
    let rules = CopyRules::new(
        Pipeline::everything()
            .with_transform("whose", Transform::PrefixTitle { prefix: "[Work] ".to_owned() }),
    );
    let lab = Lab::new(|l| l.with_direction(Direction::Export).with_copies(rules));
    lab.world.add(event("u0", "Dentist")).await;
    lab.sync().await;
    lab.world.edit("u0", titled("Doctor")).await;
    let r = lab.sync().await;
    let u = lab.world.engine.undo(&lab.link, &lab.remote, &r.run).await.unwrap();
    lab.sync().await;
    assert_eq!((u.kept, u.restored), (1, 0), "what the copy was says nothing about the event");
    assert_eq!(lab.titles().await, (strs(&["Doctor"]), strs(&["[Work] Doctor"])));
}

#[tokio::test]
async fn an_edit_that_waits_while_a_link_only_imports() {
    let mut lab = Lab::new(|l| l);
    lab.remote.inner.put("r0", &event("u0", "one"));
    lab.remote.inner.put("r1", &event("u1", "other"));
    lab.sync().await;
    lab.world.edit("u0", titled("two")).await;
    lab.world.edit("u1", titled("others")).await;
    lab.remote.inner.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
    lab.sync().await;
    lab.link.direction = Direction::Import;
    lab.sync().await;
    lab.link.direction = Direction::TwoWay;
    for _ in 0..60 {
        lab.sync().await;
    }
    assert_eq!(lab.titles().await.0, lab.titles().await.1);
}

/// names by UID, the name is taken by somebody else's item
#[tokio::test]
async fn an_item_of_somebody_else_under_the_name_we_chose() {
    use calsync_core::engine::{Engine, Observer, Progress};
    struct Put(Arc<Odd>, AtomicBool);
    impl Observer for Put {
        fn progress(&self, p: &Progress) {
            if matches!(p, Progress::Listed { .. }) && !self.1.swap(true, Ordering::SeqCst) {
                self.0.inner.put("u0", &event("u0", "theirs"));
            }
        }
    }
    let world = World::new(Arc::new(MemoryStore::default()), 7);
    let mut odd = Odd::new();
    odd.by_uid = true;
    let remote = Arc::new(odd);
    let link = Link::new("home", "family", "memory").with_conflicts(ConflictPolicy::LocalWins);
    world.add(event("u0", "mine")).await;
    let ids = Arc::new(calsync_core::context::RandomIds::from_seed([3; 32]));
    let engine = Engine::new(world.store.clone(), world.clock.clone(), ids)
        .with_observer(Arc::new(Put(remote.clone(), false.into())));
    for _ in 0..4 {
        world.clock.advance(HOUR);
        engine.sync(&link, &*remote, &SyncOptions::default()).await.unwrap();
    }
    let conflicts = world.hub.conflicts(&link.id).await.unwrap();
    let here = world.local("u0").await.event.body().unwrap().title.clone();
    assert!(here.as_deref() == Some("mine") || !conflicts.is_empty());
}

/// a creation whose UID an unreadable item has
#[tokio::test]
async fn a_creation_refused_for_an_item_that_cannot_be_fetched() {
    let patience = calsync_core::engine::FetchPatience { attempts: 1, at_least: TimeDelta::zero() };
    let lab = Lab::new(|l| l.with_fetching(patience));
    lab.sync().await;
    lab.world.add(event("u0", "zero")).await;
    lab.world.add(event("u1", "one")).await;
    lab.remote.inner.fail("create", RemoteFault::Before(ErrorKind::Unavailable));
    lab.sync().await;
    let missing = if lab.titles().await.1 == strs(&["one"]) { "u0" } else { "u1" };
    lab.remote.inner.put("r9", &event(missing, "theirs"));
    lab.remote.inner.withhold("r9", ErrorKind::Unavailable);
    lab.sync().await;
    lab.sync().await;
    lab.remote.inner.remove("r9");
    lab.remote.inner.hand_out("r9");
    for _ in 0..60 {
        lab.sync().await;
    }
    assert_eq!(lab.titles().await.1.len(), 2);
}

/// what has to be read first cannot be read just then
#[tokio::test]
async fn an_edit_that_waits_for_a_read() {
    let lab = Lab::new(|l| l);
    lab.sync().await;
    lab.world.add(event("u0", "one")).await;
    lab.remote.inner.fail("fetch", RemoteFault::Before(ErrorKind::Unavailable)); // the echo
    lab.sync().await;
    let id = lab.remote.inner.items().into_keys().next().unwrap();
    // the server forgets to announce it
    lab.remote.inner.list_next([ChangePage {
        changes: vec![],
        scope: ChangeScope::Delta,
        cursor: Some(Cursor("1".to_owned())),
        more: false,
        covered: Covered::ALL,
    }]);
    lab.world.edit("u0", titled("two")).await;
    lab.remote.inner.withhold(id.as_str(), ErrorKind::Unavailable);
    lab.sync().await;
    lab.remote.inner.hand_out(id.as_str());
    for _ in 0..5 {
        lab.sync().await;
    }
    assert_eq!(lab.titles().await.1, strs(&["two"]));
}

/// an item that is asked about and cannot be fetched any more
#[tokio::test]
async fn a_question_about_an_item_that_cannot_be_fetched_holds_nothing_back_for_ever() {
    let lab = Lab::new(|l| l);
    for n in 0..4 {
        lab.remote.inner.put(&format!("k{n}"), &event(&format!("kk{n}"), &format!("other {n}")));
    }
    lab.world.add(event("a", "Tea")).await;
    lab.world.add(event("b", "Tea")).await;
    lab.remote.inner.put("r1", &event("x", "Tea"));
    assert_eq!(lab.sync().await.undecided, 1);
    lab.sync().await;
    let before = lab.world.locals().await.len();
    lab.remote.inner.put("r1", &event("x", "Tea!"));
    lab.remote.inner.withhold("r1", ErrorKind::Unavailable);
    lab.remote.inner.remove("k0");
    for _ in 0..200 {
        lab.sync().await;
    }
    assert_eq!(lab.world.locals().await.len(), before - 1);
}

#[tokio::test]
async fn quo_02_a_small_quota_is_spent_on_writes_and_not_on_questions() {
    const EVENTS: usize = 300;
    const QUOTA: usize = 80;
    let mut remote = Odd { telling: true, ..Odd::new() };
    // One request asks for one item, as at Google.
    remote.inner = MemoryRemote::default().with_capabilities(|c| (c.fetch_max, c.requests_max) = (1, 1));
    let world = World::new(Arc::new(MemoryStore::default()), 1);
    let link = Link::new("home", "family", "memory").with_commit_every(10);
    for number in 0..EVENTS {
        world.add(event(&format!("e{number}"), "Lunch")).await;
    }
    let (mut runs, mut made) = (0, 0);
    while made < EVENTS {
        runs += 1;
        assert!(runs <= EVENTS / (QUOTA - 12) + 1, "{made} were made in {runs} runs");
        remote.quota.store(QUOTA, Ordering::SeqCst);
        let asked = remote.fetches.load(Ordering::SeqCst);
        let _ = world.engine.sync(&link, &remote, &SyncOptions::default()).await;
        // What one group may have left without an answer.
        let asked = remote.fetches.load(Ordering::SeqCst) - asked;
        assert!(asked <= 10, "run {runs} looked {asked} items up");
        made = remote.inner.items().len();
        world.clock.advance(HOUR);
    }
    remote.quota.store(usize::MAX, Ordering::SeqCst);
    world.engine.sync(&link, &remote, &SyncOptions::default()).await.unwrap();
    assert_eq!(remote.inner.items().len(), EVENTS);
    assert_eq!(world.locals().await.len(), EVENTS);
    assert_eq!(remote.creates.load(Ordering::SeqCst), EVENTS, "each was sent once");
}

/// The store says that a creation may be there before it is sent again, too.
#[tokio::test]
async fn a_creation_that_is_tried_again_in_the_same_run_is_looked_up_after_a_crash() {
    let lab = Lab::new(|mut link| {
        link.retries = RetryBudget { delays: vec![TimeDelta::zero(); 3] };
        link
    });
    for n in 0..2 {
        lab.remote.inner.put(&format!("r{n}"), &event(&format!("u{n}"), "one"));
    }
    lab.sync().await;
    lab.world.edit("u0", titled("here")).await;
    lab.world.edit("u1", titled("here")).await;
    let mut there = event("u0", "one");
    body(&mut there).location = Some("there".to_owned());
    // Another round follows, because a write meets this.
    lab.remote.inner.put_unannounced("r0", &there);
    lab.world.add(event("new", "made")).await;
    lab.remote.inner.fail("create", RemoteFault::Before(ErrorKind::Unavailable));
    lab.remote.hang_at.store(2, Ordering::SeqCst);
    lab.world.clock.advance(HOUR);
    let options = SyncOptions::default();
    let run = std::pin::pin!(lab.world.engine.sync(&lab.link, &lab.remote, &options));
    // It goes on to the creation and waits for its answer; then the worker is gone.
    assert!(futures_util::FutureExt::now_or_never(run).is_none());
    let outbox = lab.world.engine.outbox(&lab.link.id).await.unwrap();
    let creation = outbox.iter().find(|entry| matches!(entry.op, OutboxOp::Create { .. })).unwrap();
    assert_eq!(creation.state, OutboxState::Ambiguous);
    // The listing lags, and the host edits.
    lab.remote.inner.hide(creation.remote_id.as_str());
    lab.remote.inner.forget_cursors();
    lab.world.edit("new", titled("edited")).await;
    lab.sync().await;
    lab.sync().await;
    assert_eq!(lab.remote.inner.items().values().filter(|event| event.uid == "new").count(), 1);
}

#[tokio::test]
async fn an_event_that_is_brought_back_during_a_run_of_an_import_stays_joined() {
    let lab = Lab::new(|link| link.with_direction(Direction::Import));
    for n in 0..3 {
        lab.remote.inner.put(&format!("r{n}"), &event(&format!("u{n}"), "one"));
    }
    lab.sync().await;
    let record = lab.world.local("u0").await;
    lab.world.delete("u0").await;
    let (store, calendar) = (lab.world.store.clone(), lab.world.calendar.clone());
    let brought_back = async move {
        let (id, event) = (record.id, Box::new(record.event));
        let writes = vec![Write::PutEvent { calendar, id, event, at: record.modified }];
        store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    };
    *lab.remote.meanwhile.lock().unwrap() = Some(Box::pin(brought_back));
    lab.sync().await;
    lab.sync().await;
    lab.remote.inner.put("r0", &event("u0", "two"));
    lab.sync().await;
    assert_eq!(lab.world.local("u0").await.event.body().and_then(|body| body.title.as_deref()), Some("two"));
}

#[tokio::test]
async fn i23_what_came_too_late_to_be_sent_is_not_sent_to_a_provider_that_throttles() {
    let mut lab = Lab::new(|link| link);
    lab.remote.inner = MemoryRemote::default().with_capabilities(|c| c.requests_max = 1);
    for n in 0..20 {
        lab.world.add(event(&format!("u{n}"), "a")).await;
    }
    lab.remote.slow = Some(lab.world.clock.clone());
    lab.run(HOUR, SyncOptions::default()).await.expect_err("it throttles");
    assert_eq!(lab.remote.creates.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_creation_that_was_refused_is_not_looked_up_for_ever_on_a_link_that_imports() {
    let mut lab = Lab::new(|link| link);
    lab.sync().await;
    lab.world.add(event("new", "made")).await;
    lab.remote.inner.fail("create", RemoteFault::Before(ErrorKind::Unauthorized));
    lab.run(HOUR, SyncOptions::default()).await.expect_err("unauthorized");
    lab.link = lab.link.clone().with_direction(Direction::Import);
    lab.sync().await;
    let asked = lab.remote.fetches.load(Ordering::SeqCst);
    lab.sync().await;
    assert_eq!(lab.remote.fetches.load(Ordering::SeqCst), asked);
    assert!(lab.world.engine.outbox(&lab.link.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_has_the_name_of_a_creation_that_was_refused_is_somebody_elses() {
    for refused in [false, true] {
        let mut lab = Lab::new(|link| link.with_conflicts(ConflictPolicy::LocalWins));
        lab.remote.by_uid = true;
        lab.sync().await;
        lab.world.add(event("new", "mine")).await;
        if refused {
            lab.remote.inner.fail("create", RemoteFault::Before(ErrorKind::Unauthorized));
            lab.run(HOUR, SyncOptions::default()).await.expect_err("unauthorized");
        }
        lab.remote.inner.put("new", &event("new", "theirs"));
        for _ in 0..3 {
            lab.sync().await;
        }
        let mine = strs(&["mine"]);
        assert_eq!(lab.titles().await, (mine.clone(), mine), "the link's policy decides; refused: {refused}");
    }
}
