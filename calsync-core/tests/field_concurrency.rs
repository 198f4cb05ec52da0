//! Workers, users, requests and store calls at once, step by step: what lost updates and races of the field were about.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use calsync_core::{
    context::RandomIds,
    engine::{Engine, EngineError, Hub, Link, SyncOptions, SyncReport},
    merge::ConflictPolicy,
    model::{Event, RemoteCalendarId, RemoteId, Version},
    plan::{Action, Direction},
    provider::*,
    store::{ConflictRecord, MemoryStore, Record, RecordKind, RecordQuery, StoreError, StoreErrorKind},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    recurrence_cases::Dice,
    remote::{MemoryRemote, RemoteFault},
    sim::wait,
    world::{World, body, event},
};
use chrono::TimeDelta;

fn below(dice: &mut Dice, limit: u64) -> u64 {
    dice.within(0, i64::try_from(limit).unwrap() - 1).unsigned_abs()
}

/// Lets everybody else go first, so many times.
async fn pause(times: usize) {
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What of a run is under way now.
#[derive(Default)]
struct Flight {
    store: AtomicBool,
    requests: AtomicUsize,
    /// Requests made while a store call was open, and store calls made while a request was.
    together: AtomicUsize,
    calls: AtomicUsize,
}

impl Flight {
    fn store(&self, open: bool) {
        self.store.store(open, Ordering::SeqCst);
        let clash = open && self.requests.load(Ordering::SeqCst) > 0;
        self.together.fetch_add(usize::from(clash), Ordering::SeqCst);
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    fn request(&self, open: bool) {
        if open {
            self.requests.fetch_add(1, Ordering::SeqCst);
        } else {
            self.requests.fetch_sub(1, Ordering::SeqCst);
        }
        self.together.fetch_add(usize::from(self.store.load(Ordering::SeqCst)), Ordering::SeqCst);
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

struct Watching(Arc<Flight>);

#[async_trait]
impl StoreHook for Watching {
    async fn at(&self, moment: Moment<'_>) -> std::result::Result<(), StoreError> {
        match moment {
            Moment::Before(_) => {
                self.0.store(true);
                pause(1).await;
            }
            Moment::After(_) => {
                pause(1).await;
                self.0.store(false);
            }
        }
        Ok(())
    }
}

type Act = Box<dyn FnOnce() + Send>;

/// A provider whose calls take time, are counted, and can be met by what somebody does meanwhile.
struct Slow {
    inner: Arc<MemoryRemote>,
    flight: Arc<Flight>,
    /// How long calls take.
    dice: Mutex<Dice>,
    longest: u64,
    /// What happens just before or after the call of this name with this number.
    acts: Mutex<HashMap<(&'static str, usize, bool), Act>>,
    counts: Mutex<HashMap<&'static str, usize>>,
    /// Items that are being written now.
    writing: Mutex<BTreeSet<RemoteId>>,
    /// Writes of one item that were under way at once.
    overtakes: AtomicUsize,
    /// Writes as they were sent: what, to which item, expecting which version.
    sent: Mutex<Vec<(&'static str, RemoteId, Option<Version>)>>,
}

impl Slow {
    fn new(inner: Arc<MemoryRemote>, flight: Arc<Flight>, seed: u64, longest: u64) -> Self {
        Self {
            inner,
            flight,
            dice: Mutex::new(Dice::new(seed)),
            longest,
            acts: Mutex::default(),
            counts: Mutex::default(),
            writing: Mutex::default(),
            overtakes: AtomicUsize::new(0),
            sent: Mutex::default(),
        }
    }

    fn before(&self, call: &'static str, nth: usize, act: impl FnOnce() + Send + 'static) {
        self.acts.lock().unwrap().insert((call, nth, true), Box::new(act));
    }

    fn after(&self, call: &'static str, nth: usize, act: impl FnOnce() + Send + 'static) {
        self.acts.lock().unwrap().insert((call, nth, false), Box::new(act));
    }

    fn act(&self, call: &'static str, nth: usize, before: bool) {
        let act = self.acts.lock().unwrap().remove(&(call, nth, before));
        if let Some(act) = act {
            act();
        }
    }

    async fn call<T>(&self, name: &'static str, call: impl Future<Output = T> + Send) -> T {
        let nth = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(name).or_default();
            *count += 1;
            *count
        };
        self.flight.request(true);
        let takes =
            |dice: &Mutex<Dice>| usize::try_from(below(&mut dice.lock().unwrap(), self.longest + 1)).unwrap();
        pause(takes(&self.dice)).await;
        self.act(name, nth, true);
        let answer = call.await;
        self.act(name, nth, false);
        pause(takes(&self.dice)).await;
        self.flight.request(false);
        answer
    }

    async fn write<T>(
        &self,
        name: &'static str,
        id: &RemoteId,
        expected: Option<&Version>,
        call: impl Future<Output = T> + Send,
    ) -> T {
        if !self.writing.lock().unwrap().insert(id.clone()) {
            self.overtakes.fetch_add(1, Ordering::SeqCst);
        }
        self.sent.lock().unwrap().push((name, id.clone(), expected.cloned()));
        let answer = self.call(name, call).await;
        self.writing.lock().unwrap().remove(id);
        answer
    }
}

#[async_trait]
impl Provider for Slow {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn requests(&self) -> u64 {
        self.inner.requests()
    }
    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.call("calendars", self.inner.calendars()).await
    }
    async fn changes(&self, c: &RemoteCalendarId, r: ChangesRequest<'_>) -> Result<ChangePage> {
        self.call("changes", self.inner.changes(c, r)).await
    }
    async fn fetch(&self, c: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.call("fetch", self.inner.fetch(c, ids)).await
    }
    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        self.inner.read(payload)
    }
    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.inner.render(request)
    }
    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        self.inner.mark(id, payload, seal)
    }
    fn marked(&self, payload: &Payload) -> Option<Mark> {
        self.inner.marked(payload)
    }
    fn declined(&self, payload: &Payload) -> Option<Declined> {
        self.inner.declined(payload)
    }
    fn propose_id(&self, c: &RemoteCalendarId, e: &Event, fresh: &str) -> Result<RemoteId> {
        self.inner.propose_id(c, e, fresh)
    }
    async fn create(&self, c: &RemoteCalendarId, id: &RemoteId, p: &Payload) -> Result<Written> {
        self.write("create", id, None, self.inner.create(c, id, p)).await
    }
    async fn update(
        &self,
        c: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        p: &Payload,
    ) -> Result<Written> {
        self.write("update", id, Some(expected), self.inner.update(c, id, expected, p)).await
    }
    async fn delete(&self, c: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.write("delete", id, Some(expected), self.inner.delete(c, id, expected)).await
    }
}

/// A world whose store calls take time, and a provider whose calls do.
struct Lab {
    world: World,
    remote: Arc<MemoryRemote>,
    slow: Slow,
    flight: Arc<Flight>,
    link: Link,
}

impl Lab {
    fn new(seed: u64, longest: u64) -> Self {
        Self::with(MemoryRemote::default(), seed, longest)
    }

    fn with(remote: MemoryRemote, seed: u64, longest: u64) -> Self {
        let flight = Arc::new(Flight::default());
        let store = HookedStore::new(Arc::new(MemoryStore::default()), Watching(flight.clone()));
        let remote = Arc::new(remote);
        let slow = Slow::new(remote.clone(), flight.clone(), seed, longest);
        let world = World::new(Arc::new(store), 3);
        Self { world, remote, slow, flight, link: Link::new("home", "family", "memory") }
    }

    async fn try_sync(&self) -> std::result::Result<SyncReport, EngineError> {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.slow, &SyncOptions::default()).await
    }

    async fn sync(&self) -> SyncReport {
        self.try_sync().await.expect("the run goes through")
    }

    /// Nothing is left to do, and both sides hold the same.
    async fn rests(&self, case: &str) {
        for _ in 0..2 {
            let report = self.sync().await;
            assert!(report.plan.operations.is_empty(), "{case}: {:?}", report.plan.operations);
        }
        assert_eq!(self.here().await, self.there(), "{case}");
    }

    async fn here(&self) -> BTreeMap<String, String> {
        let locals = self.world.locals().await;
        let count = locals.len();
        let all: BTreeMap<String, String> =
            locals.into_iter().map(|record| (record.event.uid.clone(), shown(&record.event))).collect();
        assert_eq!(all.len(), count, "one event of each UID here");
        all
    }

    fn there(&self) -> BTreeMap<String, String> {
        let items = self.remote.items();
        let all: BTreeMap<String, String> =
            items.values().map(|event| (event.uid.clone(), shown(event))).collect();
        assert_eq!(all.len(), items.len(), "one item of each UID there");
        all
    }

    async fn conflicts(&self) -> Vec<ConflictRecord> {
        let query = RecordQuery {
            kind: RecordKind::Conflict,
            link: &self.link.id,
            event: None,
            run: None,
            after: None,
            limit: 100,
        };
        let records = self.world.store.records(query).await.expect("the store answers");
        let conflict = |record| match record {
            Record::Conflict(conflict) => Some(*conflict),
            _ => None,
        };
        records.into_iter().filter_map(conflict).collect()
    }

    async fn cursor(&self) -> Option<String> {
        let state = self.world.store.link(&self.link.id).await.expect("the store answers");
        state.and_then(|state| state.cursor).map(|cursor| cursor.0)
    }
}

/// Title and place.
fn shown(event: &Event) -> String {
    let body = event.body().expect("content");
    format!(
        "{} @ {}",
        body.title.as_deref().unwrap_or_default(),
        body.location.as_deref().unwrap_or_default()
    )
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

fn placed(uid: &str, title: &str, place: &str) -> Event {
    let mut event = event(uid, title);
    body(&mut event).location = Some(place.to_owned());
    event
}

/// CON-04: no store call is open while a request is under way, and no request is made while a store call is, in whatever
/// the engine does: so no transaction of any store can wait for the network.
#[tokio::test]
async fn con_04_no_store_call_is_open_during_a_request() {
    let lab = Lab::with(MemoryRemote::default().with_page(7), 1, 3);
    let engine = &lab.world.engine;
    for n in 0..30 {
        lab.remote.put(&format!("r{n:02}"), &event(&format!("u{n}"), "theirs"));
        lab.world.add(event(&format!("v{n}"), "ours")).await;
    }
    lab.sync().await;
    lab.rests("first").await;
    // Edits on both sides, of the same and of other events, a write that meets a newer version, and lost answers.
    for n in 0..6 {
        lab.world.edit(&format!("u{n}"), titled("edited here")).await;
        lab.remote.put(&format!("r{:02}", n + 3), &event(&format!("u{}", n + 3), "edited there"));
    }
    let remote = lab.remote.clone();
    lab.slow.before("update", 2, move || {
        for n in 0..3 {
            remote.put(&format!("r{n:02}"), &placed(&format!("u{n}"), "theirs", "elsewhere"));
        }
    });
    lab.remote.fail("update", RemoteFault::After);
    let _ = lab.try_sync().await;
    lab.world.clock.advance(TimeDelta::hours(1));
    lab.sync().await;
    lab.rests("edits").await;
    // Deletions that are held, approved and refused; a full comparison; a lost cursor.
    for n in 0..15 {
        lab.remote.remove(&format!("r{n:02}"));
    }
    let held = lab.sync().await;
    assert!(held.plan.held);
    let refusing = SyncOptions::default().refusing(held.plan_id);
    engine.sync(&lab.link, &lab.slow, &refusing).await.expect("takes them back");
    for n in 0..20 {
        lab.world.delete(&format!("v{n}")).await;
    }
    let held = lab.sync().await;
    let approving = SyncOptions::default().approving(held.plan_id);
    engine.sync(&lab.link, &lab.slow, &approving).await.expect("carries them out");
    lab.remote.forget_cursors();
    lab.sync().await;
    engine.sync(&lab.link, &lab.slow, &SyncOptions::default().with_audit()).await.expect("compares");
    // A preview, what it said carried out, and all of it taken back.
    lab.world.add(event("w", "last")).await;
    let preview = engine.plan(&lab.link, &lab.slow, &SyncOptions::default()).await.expect("previews");
    let done = engine.apply(&lab.link, &lab.slow, &preview.plan, &SyncOptions::default()).await;
    engine.undo(&lab.link, &lab.slow, &done.expect("applies").run).await.expect("undoes");
    lab.sync().await;
    assert!(lab.flight.calls.load(Ordering::SeqCst) > 400, "much was called");
    assert_eq!(lab.flight.together.load(Ordering::SeqCst), 0);
}

/// CON-04: the watch sees what it is there for.
#[tokio::test]
async fn con_04_a_request_inside_a_store_call_is_seen() {
    let lab = Lab::new(1, 1);
    let calendar = RemoteCalendarId::from("memory");
    let request = ChangesRequest { cursor: None, mode: PullMode::Incremental };
    let (mut one, mut other) =
        (pin!(lab.world.store.calendars()), pin!(lab.slow.changes(&calendar, request)));
    for _ in 0..9 {
        let cx = &mut Context::from_waker(Waker::noop());
        if one.as_mut().poll(cx).is_ready() || other.as_mut().poll(cx).is_ready() {
            break;
        }
    }
    assert!(lab.flight.together.load(Ordering::SeqCst) > 0);
}

/// LUP-01: somebody else writes the item just before or after any call of the run, any number of times. What is written
/// names the version it was merged with: both edits survive when they are of different fields, and are in the conflict
/// record when they are of one.
#[tokio::test]
async fn lup_01_a_write_names_the_version_it_merged() {
    let moments: Vec<(&'static str, usize, bool)> = ["changes", "fetch", "update"]
        .into_iter()
        .flat_map(|call| (1..=3).flat_map(move |nth| [(call, nth, true), (call, nth, false)]))
        .collect();
    for first in &moments {
        for second in [None, Some(("update", 2, true)), Some(("fetch", 2, true)), Some(("update", 3, true))] {
            for (same_field, listed_before) in [(false, false), (false, true), (true, false), (true, true)] {
                let case = format!("{first:?} {second:?}, same field: {same_field}, before: {listed_before}");
                let lab = Lab::new(5, 0);
                lab.remote.put("r1", &event("u1", "lunch"));
                lab.sync().await;
                lab.slow.counts.lock().unwrap().clear();
                lab.world.edit("u1", titled("ours")).await;
                let theirs = |n: usize| {
                    if same_field {
                        event("u1", &format!("theirs {n}"))
                    } else {
                        placed("u1", "lunch", &format!("place {n}"))
                    }
                };
                if listed_before {
                    lab.remote.put("r1", &theirs(0));
                }
                let met = Arc::new(AtomicU64::new(0));
                for (n, (call, nth, before)) in std::iter::once(*first).chain(second).enumerate() {
                    let (remote, met, theirs) = (lab.remote.clone(), met.clone(), theirs(n + 1));
                    let act = move || {
                        // They edit what they see.
                        let mut seen = remote.get(&RemoteId::from("r1")).unwrap();
                        let edit = theirs.body().unwrap();
                        if edit.location.is_some() {
                            body(&mut seen).location.clone_from(&edit.location);
                        } else {
                            body(&mut seen).title.clone_from(&edit.title);
                        }
                        remote.put("r1", &seen);
                        met.store(n as u64 + 1, Ordering::SeqCst);
                    };
                    if before { lab.slow.before(call, nth, act) } else { lab.slow.after(call, nth, act) }
                }
                for _ in 0..4 {
                    let _ = lab.try_sync().await;
                    lab.world.clock.advance(TimeDelta::hours(1));
                }
                lab.slow.acts.lock().unwrap().clear();
                lab.sync().await;
                lab.rests(&case).await;
                // No version was overwritten that had not been read: a write of ours that is not on the item any more is
                // older than an edit of theirs, and none of theirs is gone.
                let last = met.load(Ordering::SeqCst);
                let item = shown(&lab.remote.get(&RemoteId::from("r1")).unwrap());
                let edited = last > 0 || listed_before;
                if !same_field {
                    let place = if edited { format!("place {last}") } else { String::new() };
                    assert_eq!(item, format!("ours @ {place}"), "{case}");
                    assert!(lab.conflicts().await.is_empty(), "{case}");
                } else if edited {
                    let theirs = format!("theirs {last}");
                    let conflicts = lab.conflicts().await;
                    let recorded = conflicts.iter().flat_map(|conflict| &conflict.fields).any(|field| {
                        field.local.as_str() == Some("ours")
                            && field.remote.as_str().is_some_and(|title| title.starts_with("theirs"))
                    });
                    assert_eq!(item, format!("{theirs} @ "), "{case}: theirs wins, or came after ours");
                    let ours_went_out_first =
                        lab.slow.sent.lock().unwrap().iter().any(|(call, ..)| *call == "update");
                    assert!(recorded || ours_went_out_first, "{case}: ours is in the conflict record");
                } else {
                    assert_eq!(item, "ours @ ", "{case}");
                }
            }
        }
    }
}

/// LUP-08: a person makes, edits and deletes events while runs are under way whose requests take different times and fail
/// in every way. The writes of one event never overtake each other, and in the end the other side is what was done last.
#[tokio::test]
async fn lup_08_writes_of_one_event_keep_their_order() {
    let mut sent = 0;
    for seed in 0..100 {
        let mut dice = Dice::new(seed);
        let many = MemoryRemote::default().with_capabilities(|can| can.requests_max = 8);
        let lab = Lab::with(many, seed, 6);
        let store = lab.world.store.clone();
        // The person does not go through the slow store's pauses one by one: what is done is done.
        let person = World { store, ..person(&lab.world) };
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        let mut made = 0;
        for _ in 0..5 {
            for _ in 0..below(&mut dice, 3) {
                let call = ["create", "update", "delete"][usize::try_from(below(&mut dice, 3)).unwrap()];
                let fault = match below(&mut dice, 3) {
                    0 => RemoteFault::Before(ErrorKind::Unavailable),
                    1 => RemoteFault::After,
                    _ => RemoteFault::Lost,
                };
                lab.remote.fail(call, fault);
            }
            lab.world.clock.advance(TimeDelta::minutes(20));
            let options = SyncOptions::default();
            let mut run = Box::pin(lab.world.engine.sync(&lab.link, &lab.slow, &options));
            let mut polls = 0;
            loop {
                if poll(&mut run).is_ready() {
                    break;
                }
                polls += 1;
                assert!(polls < 100_000, "seed {seed}: the run hangs");
                if below(&mut dice, 40) == 0 {
                    wait(act(&person, &mut dice, &mut wanted, &mut made));
                }
            }
            drop(run);
            wait(act(&person, &mut dice, &mut wanted, &mut made));
        }
        lab.remote.forget_faults();
        for _ in 0..6 {
            lab.world.clock.advance(TimeDelta::hours(1));
            let report = lab.sync().await;
            if report.plan.held {
                let approving = SyncOptions::default().approving(report.plan_id);
                lab.world.engine.sync(&lab.link, &lab.slow, &approving).await.expect("approved");
            }
        }
        lab.rests(&format!("seed {seed}")).await;
        assert_eq!(lab.there(), wanted, "seed {seed}");
        assert_eq!(lab.slow.overtakes.load(Ordering::SeqCst), 0, "seed {seed}");
        let log = lab.slow.sent.lock().unwrap();
        sent += log.len();
        for (n, (call, id, _)) in log.iter().enumerate() {
            let later = log[n + 1..].iter().filter(|(_, other, _)| other == id);
            // After a deletion only what asks whether it was applied comes, and nothing brings it back under its name.
            if *call == "delete" {
                assert!(later.clone().all(|(call, ..)| *call == "delete"), "seed {seed}: {log:?}");
            }
            if *call != "create" {
                assert!(later.clone().all(|(call, ..)| *call != "create"), "seed {seed}: {log:?}");
            }
        }
    }
    assert!(sent > 500, "{sent} writes");
}

fn person(world: &World) -> World {
    World {
        store: world.store.clone(),
        clock: world.clock.clone(),
        engine: world.engine.clone(),
        hub: world.hub.clone(),
        calendar: world.calendar.clone(),
    }
}

async fn act(person: &World, dice: &mut Dice, wanted: &mut BTreeMap<String, String>, made: &mut u32) {
    let uids: Vec<String> = wanted.keys().cloned().collect();
    let title = format!("title {}", below(dice, 1_000_000));
    match below(dice, 5) {
        0 | 1 if uids.len() < 6 => {
            *made += 1;
            let uid = format!("u{made}");
            person.add(event(&uid, &title)).await;
            wanted.insert(uid, format!("{title} @ "));
        }
        4 if !uids.is_empty() => {
            let uid = uids[usize::try_from(below(dice, uids.len() as u64)).unwrap()].clone();
            let record = person.local(&uid).await;
            // A run may have written it in between: then the person looks again another time.
            if person.hub.delete(&person.calendar, &record.id, record.revision).await.is_ok() {
                wanted.remove(&uid);
            }
        }
        _ if !uids.is_empty() => {
            let uid = uids[usize::try_from(below(dice, uids.len() as u64)).unwrap()].clone();
            let mut record = person.local(&uid).await;
            titled(&title)(&mut record.event);
            let edited = person.hub.update(&person.calendar, &record.id, record.revision, record.event).await;
            if edited.is_ok() {
                wanted.insert(uid, format!("{title} @ "));
            }
        }
        _ => {}
    }
}

fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// DUP-17: two workers bring the same new events in and out at the same time, each step interleaved by the seed, a first
/// time and again, and one of them may die on the way. There is one row and one item of each.
#[tokio::test]
async fn dup_17_two_workers_at_one_link() {
    let (mut refused, mut died) = (0, 0);
    for seed in 0..150 {
        let mut dice = Dice::new(seed);
        let lab = Lab::new(seed, 2);
        let ids = Arc::new(RandomIds::from_seed([99; 32]));
        let engines =
            [lab.world.engine.clone(), Engine::new(lab.world.store.clone(), lab.world.clock.clone(), ids)];
        let options = SyncOptions::default();
        for round in 0..3 {
            lab.remote.put(&format!("r{round}"), &event(&format!("e{round}"), "theirs"));
            lab.world.add(event(&format!("o{round}"), "ours")).await;
            let mut runs =
                engines.each_ref().map(|engine| Some(Box::pin(engine.sync(&lab.link, &lab.slow, &options))));
            while runs.iter().any(Option::is_some) {
                let which = usize::try_from(below(&mut dice, 2)).unwrap();
                let Some(run) = &mut runs[which] else { continue };
                match poll(run) {
                    Poll::Ready(result) => {
                        match result {
                            Err(EngineError::Busy { .. }) => refused += 1,
                            // The other one took over between the last look at the lease and the commit.
                            Err(EngineError::Store(error)) if error.kind == StoreErrorKind::Fenced => {
                                refused += 1
                            }
                            other => drop(other.unwrap_or_else(|error| panic!("seed {seed}: {error}"))),
                        }
                        runs[which] = None;
                    }
                    // Both starve for longer than a lease lasts, or one dies.
                    Poll::Pending if below(&mut dice, 60) == 0 => {
                        lab.world.clock.advance(TimeDelta::minutes(2))
                    }
                    Poll::Pending if below(&mut dice, 300) == 0 => {
                        runs[which] = None;
                        died += 1;
                    }
                    Poll::Pending => {}
                }
            }
            lab.world.clock.advance(TimeDelta::minutes(5));
        }
        for _ in 0..3 {
            lab.world.clock.advance(TimeDelta::minutes(5));
            lab.sync().await;
        }
        lab.rests(&format!("seed {seed}")).await;
        let expected = ["e0", "e1", "e2", "o0", "o1", "o2"];
        assert!(lab.here().await.keys().eq(expected), "seed {seed}");
    }
    assert!(refused > 100 && died > 5, "{refused} met the lease, {died} died");
}

/// DUP-17: the same where each has a link of its own between the same calendars, so that no lease keeps them apart: as two
/// installations do. Items have one UID in a calendar, so the other's is found and joined.
#[tokio::test]
async fn dup_17_two_links_of_one_pair_of_calendars() {
    for seed in 0..100 {
        let mut dice = Dice::new(seed);
        let lab = Lab::new(seed, 2);
        let links = ["one", "two"].map(|name| Link::new(name, "family", "memory"));
        lab.remote.put("r", &event("e", "theirs"));
        lab.world.add(event("o", "ours")).await;
        let options = SyncOptions::default();
        for _ in 0..3 {
            let engine = &lab.world.engine;
            let mut runs =
                links.each_ref().map(|link| Some(Box::pin(engine.sync(link, &lab.slow, &options))));
            while runs.iter().any(Option::is_some) {
                let which = usize::try_from(below(&mut dice, 2)).unwrap();
                let Some(run) = &mut runs[which] else { continue };
                if let Poll::Ready(result) = poll(run) {
                    runs[which] = None;
                    result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                }
            }
            lab.world.clock.advance(TimeDelta::hours(1));
        }
        assert!(lab.there().keys().eq(["e", "o"]), "seed {seed}");
        let here: Vec<String> = lab.world.locals().await.into_iter().map(|record| record.event.uid).collect();
        assert_eq!(here.len(), 2, "seed {seed}: {here:?}");
    }
}

/// TOK-03: three pages, and the run dies at any of its steps, also while it has read two of the three: nothing of the
/// cursor is kept that the last page has not said, and in the end every item is there once.
#[tokio::test]
async fn tok_03_a_run_that_dies_between_pages_loses_nothing() {
    for known in [0, 25] {
        for step in 0.. {
            let lab = Lab::with(MemoryRemote::default().with_page(10), 3, 1);
            for n in 0..25 {
                lab.remote.put(&format!("r{n:02}"), &event(&format!("u{n}"), "x"));
            }
            if known > 0 {
                lab.sync().await;
                for n in 0..25 {
                    lab.remote.put(&format!("r{n:02}"), &event(&format!("u{n}"), "edited"));
                }
                lab.remote.forget_cursors();
            }
            let before = lab.cursor().await;
            let finished = {
                let options = SyncOptions::default();
                let mut run = Box::pin(lab.world.engine.sync(&lab.link, &lab.slow, &options));
                (0..=step).any(|_| poll(&mut run).is_ready())
            };
            let pages = lab.slow.counts.lock().unwrap().get("changes").copied().unwrap_or_default();
            if !finished && pages < 3 + usize::from(known > 0) {
                assert_eq!(lab.cursor().await, before, "{known}, step {step}");
            }
            lab.world.clock.advance(TimeDelta::hours(1));
            lab.sync().await;
            lab.rests(&format!("{known}, step {step}")).await;
            assert_eq!(lab.here().await.len(), 25, "{known}, step {step}");
            let title = if known > 0 { "edited @ " } else { "x @ " };
            assert!(lab.here().await.values().all(|shown| shown == title), "{known}, step {step}");
            if finished {
                assert!(step > 20, "{step} steps");
                break;
            }
        }
    }
}

/// TOK-03: a page in the middle that is empty and has a next one, and a last one that is empty: the cursor is the last
/// page's.
#[tokio::test]
async fn tok_03_empty_pages_have_a_next_one() {
    for scope in [ChangeScope::Delta, ChangeScope::Snapshot] {
        let lab = Lab::new(3, 0);
        for n in 0..5 {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
        }
        lab.sync().await;
        for n in 0..5 {
            lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "edited"));
        }
        let page = |items: std::ops::Range<usize>, cursor: &str, more| ChangePage {
            changes: items
                .map(|n| Change {
                    id: RemoteId::from(format!("r{n}")),
                    change: ItemChange::Present { version: None, payload: None },
                })
                .collect(),
            scope,
            cursor: Some(Cursor(cursor.to_owned())),
            more,
            covered: Covered::ALL,
        };
        lab.remote.list_next([
            page(0..2, "10@a", true),
            page(0..0, "10@b", true),
            page(2..5, "10@c", true),
            page(0..0, "10", false),
        ]);
        let report = lab.sync().await;
        assert_eq!((report.counts.updated, report.counts.deleted), (5, 0), "{scope:?}");
        assert_eq!(lab.cursor().await.as_deref(), Some("10"), "{scope:?}");
        lab.rests("at the end").await;
    }
}

/// LUP-02, LUP-07 neighbour: a run that sends a deletion meets an edit made a moment before, and the other way round.
#[tokio::test]
async fn lup_02_a_deletion_meets_an_edit_made_during_the_run() {
    for call in ["changes", "fetch", "delete"] {
        for before in [true, false] {
            let lab = Lab::new(7, 1);
            let link = lab.link.clone().with_conflicts(ConflictPolicy::NewestWins);
            let lab = Lab { link, ..lab };
            for n in 0..5 {
                lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
            }
            lab.sync().await;
            lab.slow.counts.lock().unwrap().clear();
            lab.world.delete("u1").await;
            let remote = lab.remote.clone();
            let gone = Arc::new(AtomicBool::new(false));
            let told = gone.clone();
            let edit = move || {
                if remote.get(&RemoteId::from("r1")).is_some() {
                    remote.put("r1", &event("u1", "edited"));
                } else {
                    told.store(true, Ordering::SeqCst);
                }
            };
            if before {
                lab.slow.before(call, 1, edit)
            } else {
                lab.slow.after(call, 1, edit)
            }
            let first = lab.sync().await;
            lab.slow.acts.lock().unwrap().clear();
            lab.sync().await;
            lab.rests(call).await;
            // `fetch` is only called when an edit was listed: then nothing was in the way.
            let edited = !gone.load(Ordering::SeqCst) && call != "fetch";
            assert_eq!(lab.here().await.contains_key("u1"), edited, "{call}, before: {before}");
            assert_eq!(lab.there().contains_key("u1"), edited, "{call}, before: {before}");
            if edited {
                let restored =
                    |operation: &calsync_core::plan::Operation| operation.action == Action::RestoreLocal;
                let recorded = lab.conflicts().await;
                assert!(first.plan.operations.iter().any(restored) || !recorded.is_empty(), "{call}");
                assert_eq!(lab.here().await["u1"], "edited @ ");
            }
        }
    }
}

/// LUP-08 neighbour: a hub on an import is edited while the run writes it. Neither is lost where only one may win.
#[tokio::test]
async fn lup_08_an_edit_here_during_a_pull_is_not_written_over() {
    for step in (0..200).step_by(3) {
        let lab = Lab::new(11, 1);
        let link = lab.link.clone().with_direction(Direction::TwoWay);
        let lab = Lab { link, ..lab };
        lab.remote.put("r1", &event("u1", "x"));
        lab.sync().await;
        lab.remote.put("r1", &placed("u1", "x", "there"));
        {
            let options = SyncOptions::default();
            let mut run = Box::pin(lab.world.engine.sync(&lab.link, &lab.slow, &options));
            let done = (0..step).any(|_| poll(&mut run).is_ready());
            let world = &lab.world;
            let record = wait(world.local("u1"));
            let mut edited = record.event.clone();
            titled("here")(&mut edited);
            let hub: &Hub = &world.hub;
            wait(hub.update(&world.calendar, &record.id, record.revision, edited))
                .expect("nobody else edits");
            if !done {
                let _ = run.await;
            }
        }
        lab.world.clock.advance(TimeDelta::hours(1));
        lab.sync().await;
        lab.rests(&format!("step {step}")).await;
        assert_eq!(lab.there()["u1"], "here @ there", "step {step}");
    }
}
