//! The worker in virtual time: fairness, takeover, fencing, draining, and a stop at any await.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, RandomIds},
    engine::{CopyEdits, CopyRules, Link},
    feed::EventSeq,
    merge::ConflictPolicy,
    model::{Calendar, CalendarId, LinkId},
    plan::Direction,
    provider::{ErrorKind, Fault, Retry, Watch},
    schedule::{Cadence, Entry, Outcome, Priority, Schedule, ScheduleError, Status, Task},
    store::{
        Backlog, Batch, Channel, Channels as _, Claim, ClaimRequest, Claims, ConflictState, Doc, DocQuery,
        KeptChannel, Later, LaterQuery, MemoryStore, PollOptions, Record, RecordKind, RecordQuery, Result,
        Revision, Store, StoreChannels, StoreClaims, StoreError, StoreErrorKind, Write, change_channels,
    },
    worker::{
        Alert, Announcements, Ended, Host, Opened, Timer, WorkError, Worker, WorkerEvent, WorkerOptions,
        WorkerReport,
    },
};
use calsync_testkit::{
    canary,
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// The clock of tokio, which a test moves; it may be wrong.
struct TestTime {
    start: Instant,
    wrong_by: TimeDelta,
}

impl TestTime {
    fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), wrong_by: TimeDelta::zero() })
    }

    /// A clock that is wrong by so many hours.
    fn wrong(&self, hours: i64) -> Arc<Self> {
        Arc::new(Self { start: self.start, wrong_by: TimeDelta::hours(hours) })
    }
}

impl Clock for TestTime {
    fn now(&self) -> DateTime<Utc> {
        let start: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
        start + TimeDelta::from_std(self.start.elapsed()).unwrap() + self.wrong_by
    }
}

struct TestTimer;

#[async_trait]
impl Timer for TestTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

/// What a link does when it is opened.
#[derive(Clone, Copy, Default)]
enum Mood {
    #[default]
    Fine,
    Panics,
    Refuses(Fault),
    Gone,
}

#[derive(Default)]
struct Links {
    remotes: Mutex<BTreeMap<(String, String), Arc<MemoryRemote>>>,
    moods: Mutex<BTreeMap<String, Mood>>,
    /// How long each run takes, by link; else no time.
    takes: Mutex<BTreeMap<String, i64>>,
    /// Runs in the order they began: tenant and link.
    began: Mutex<Vec<(String, String)>>,
    /// Runs at this moment by link, to see that no two workers are at one.
    busy: Mutex<BTreeSet<(String, String)>>,
    most: AtomicUsize,
    overlapped: AtomicBool,
    events: Mutex<Vec<WorkerEvent>>,
    announced: AtomicBool,
    /// Calls are measured.
    measured: AtomicBool,
    /// Links export, and look at their copies every hour.
    exports: AtomicBool,
    /// Links of one calendar.
    others: Mutex<Vec<LinkId>>,
    /// Conflicts of links wait for a person.
    asks: AtomicBool,
    /// When the credentials of all links end.
    credentials_end: Mutex<Option<DateTime<Utc>>>,
}

/// Runs at a link as long as it lives.
struct AtLink<'a>(&'a Links, (String, String));

impl Drop for AtLink<'_> {
    fn drop(&mut self) {
        self.0.busy.lock().unwrap().remove(&self.1);
    }
}

#[async_trait]
impl Host for Links {
    async fn open(&self, tenant: &str, link: &LinkId) -> std::result::Result<Option<Opened>, WorkError> {
        let name = (tenant.to_owned(), link.to_string());
        self.began.lock().unwrap().push(name.clone());
        let at = AtLink(self, name.clone());
        {
            let mut busy = self.busy.lock().unwrap();
            self.overlapped.fetch_or(!busy.insert(name.clone()), Ordering::SeqCst);
            self.most.fetch_max(busy.len(), Ordering::SeqCst);
        }
        let takes = self.takes.lock().unwrap().get(link.as_str()).copied().unwrap_or(0);
        if takes > 0 {
            tokio::time::sleep(std::time::Duration::from_secs(takes.unsigned_abs())).await;
        }
        drop(at);
        let mood = self.moods.lock().unwrap().get(link.as_str()).copied().unwrap_or_default();
        match mood {
            Mood::Fine => {}
            Mood::Panics => panic!("a bug in the host"),
            Mood::Refuses(fault) => return Err(WorkError::new(fault, Retry::Backoff, "refused")),
            Mood::Gone => return Ok(None),
        }
        let remote = self.remotes.lock().unwrap().entry(name).or_default().clone();
        let mut link_of = Link::new(link.clone(), "family", "memory");
        if self.exports.load(Ordering::SeqCst) {
            link_of = link_of
                .with_direction(Direction::Export)
                .with_copies(CopyRules::everything())
                .with_check_copies_every(TimeDelta::hours(1))
                .with_edits(CopyEdits::Restore);
        }
        if self.asks.load(Ordering::SeqCst) {
            link_of = link_of.with_conflicts(ConflictPolicy::Manual);
        }
        let mut opened = Opened::new(link_of, remote);
        opened.others = self.others.lock().unwrap().clone();
        opened.others.retain(|other| other != link);
        opened.credentials_end = *self.credentials_end.lock().unwrap();
        if self.announced.load(Ordering::SeqCst) {
            opened.announcements = Announcements::Expected;
        }
        if self.measured.load(Ordering::SeqCst) {
            opened.announcements = Announcements::Measured(PollOptions::default());
        }
        Ok(Some(opened))
    }

    fn tell(&self, event: &WorkerEvent) {
        self.events.lock().unwrap().push(event.clone());
    }
}

impl Links {
    fn alerts(&self) -> Vec<Alert> {
        let events = self.events.lock().unwrap();
        let alerts = events.iter().filter_map(|event| match event {
            WorkerEvent::Alert { alert, .. } => Some(alert.clone()),
            _ => None,
        });
        alerts.collect()
    }

    fn remote(&self, tenant: &str, link: &str) -> Arc<MemoryRemote> {
        let name = (tenant.to_owned(), link.to_owned());
        self.remotes.lock().unwrap().entry(name).or_default().clone()
    }
}

struct Lab {
    time: Arc<TestTime>,
    stores: BTreeMap<&'static str, Arc<dyn Store>>,
    claims: Arc<dyn Claims>,
    host: Arc<Links>,
    seeds: AtomicUsize,
}

impl Lab {
    fn new(tenants: &[&'static str]) -> Self {
        Self::over(tenants, |store| store)
    }

    fn over(tenants: &[&'static str], wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let stores: BTreeMap<&str, Arc<dyn Store>> =
            tenants.iter().map(|name| (*name, wrap(Arc::new(MemoryStore::new())))).collect();
        let claims = stores
            .iter()
            .fold(StoreClaims::default(), |claims, (name, store)| claims.with_tenant(*name, store.clone()));
        let host = Arc::new(Links::default());
        Self { time: TestTime::new(), stores, claims: Arc::new(claims), host, seeds: AtomicUsize::new(1) }
    }

    fn schedule(&self, tenant: &str) -> Schedule {
        Schedule::new(self.stores[tenant].clone(), self.time.clone())
    }

    async fn add(&self, tenant: &str, link: &str, cadence: Cadence) {
        let home = Calendar { id: CalendarId::from("family"), name: "Family".to_owned(), color: None };
        let writes = vec![Write::PutCalendar(home)];
        self.stores[tenant].commit(Batch { writes, ..Batch::default() }).await.unwrap();
        self.schedule(tenant).put(&sync(link), &cadence, Priority::Normal).await.unwrap();
    }

    fn worker(&self) -> Worker {
        self.worker_at(self.time.clone())
    }

    fn worker_at(&self, clock: Arc<TestTime>) -> Worker {
        let seed = u8::try_from(self.seeds.fetch_add(1, Ordering::SeqCst)).unwrap();
        let ids = Arc::new(RandomIds::from_seed([seed; 32]));
        Worker::new(self.claims.clone(), self.host.clone(), clock, ids, Arc::new(TestTimer))
    }

    /// A worker for so many seconds, then shut down.
    async fn work(&self, seconds: u64) -> WorkerReport {
        self.worker().run(tokio::time::sleep(std::time::Duration::from_secs(seconds))).await
    }

    async fn entry(&self, tenant: &str, link: &str) -> Entry {
        self.schedule(tenant).entry(&sync(link)).await.unwrap()
    }

    fn began(&self) -> Vec<String> {
        self.host.began.lock().unwrap().iter().map(|(_, link)| link.clone()).collect()
    }

    fn takes(&self, link: &str, seconds: i64) {
        self.host.takes.lock().unwrap().insert(link.to_owned(), seconds);
    }

    fn mood(&self, link: &str, mood: Mood) {
        self.host.moods.lock().unwrap().insert(link.to_owned(), mood);
    }
}

fn sync(link: &str) -> Task {
    Task::Sync(link.into())
}

fn every(minutes: i64) -> Cadence {
    Cadence::every(TimeDelta::minutes(minutes)).unwrap()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn links_run_by_their_cadence() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "often", every(10)).await;
    lab.add("a", "seldom", every(60)).await;
    lab.add("a", "never", Cadence::on_demand()).await;
    lab.host.remote("a", "often").put("1", &event("one", "One"));
    let report = lab.work(3 * 3600).await;
    let began = lab.began();
    let count = |link: &str| began.iter().filter(|began| *began == link).count();
    assert!((18..=20).contains(&count("often")), "{} runs in 3 hours", count("often"));
    assert!((3..=5).contains(&count("seldom")), "{} runs in 3 hours", count("seldom"));
    assert_eq!(count("never"), 0);
    assert_eq!((report.done, report.failed), (u64::try_from(began.len()).unwrap(), 0));
    let entry = lab.entry("a", "often").await;
    assert_eq!(entry.last.as_ref().map(|last| &last.outcome), Some(&Outcome::Done));
    assert!(entry.last.unwrap().run.is_some() && entry.running.is_none());
    let events = lab.stores["a"].events_since(&"family".into(), Revision(0), 9).await.unwrap();
    assert_eq!(events.len(), 1, "the engine ran");
}

/// All that is traced, as text.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<String>>);

impl tracing::field::Visit for Traced {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!(" {field}={value:?}"));
    }
}

impl tracing::Subscriber for Traced {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.0.lock().unwrap().push_str(&format!("\n{}", span.metadata().name()));
        span.record(&mut self.clone());
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.lock().unwrap().push('\n');
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// PRIV-04: nothing of an event is in what a worker traces and tells, also of runs that fail, hold deletions or meet what
/// cannot be read.
#[tokio::test(start_paused = true)]
async fn priv_04_nothing_private_is_traced() {
    let traced = Traced::default();
    // With one alone, what the thread of another test records first counts as of no interest to any.
    let _second = tracing::Dispatch::new(traced.clone());
    let _guard = tracing::subscriber::set_default(traced.clone());
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(10)).await;
    lab.add("a", "refused", every(10)).await;
    lab.mood("refused", Mood::Refuses(Fault::Provider));
    let remote = lab.host.remote("a", "work");
    for n in 0..30 {
        remote.put(&format!("canary-{n}"), &event(&format!("canary-uid-{n}"), "canary title"));
    }
    let steps = async {
        pass(900).await;
        remote.fail("changes", RemoteFault::Before(ErrorKind::Protocol));
        remote.fail("fetch", RemoteFault::Before(ErrorKind::Unavailable));
        pass(900).await;
        remote.put("canary-0", &event("canary-uid-0", "another canary"));
        for n in 1..30 {
            remote.remove(&format!("canary-{n}"));
        }
        pass(1800).await;
    };
    lab.worker().run(steps).await;
    let told = format!("{}\n{:?}", traced.0.lock().unwrap(), lab.host.events.lock().unwrap());
    assert!(told.contains("a run failed") && told.contains("alert"), "{told}");
    canary::assert_none("what was traced and told", told);
}

#[tokio::test(start_paused = true)]
async fn nudge_runs_it_after_five_seconds_and_not_before() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(600)).await;
    let steps = async {
        pass(60).await;
        assert_eq!(lab.began().len(), 1);
        lab.schedule("a").nudge(&sync("work")).await.unwrap();
        pass(4).await;
        lab.schedule("a").nudge(&sync("work")).await.unwrap();
        pass(4).await;
        assert_eq!(lab.began().len(), 1, "more may come");
        pass(3).await;
        assert_eq!(lab.began().len(), 2, "one run for both");
        pass(60).await;
        assert_eq!(lab.began().len(), 2);
    };
    lab.worker().run(steps).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_run_at_once_and_tenants_take_turns() {
    let lab = Lab::new(&["a", "b", "c"]);
    for n in 0..30 {
        lab.add("a", &format!("a{n:02}"), every(600)).await;
        lab.takes(&format!("a{n:02}"), 60);
    }
    for link in ["b1", "b2", "c1"] {
        lab.add(&link[..1], link, every(600)).await;
        lab.takes(link, 60);
    }
    let report = lab.work(1000).await;
    assert_eq!(report.done, 33);
    assert_eq!(lab.host.most.load(Ordering::SeqCst), 4, "as many as it may, and no more");
    let began = lab.began();
    let place = |link: &str| began.iter().position(|began| began == link).unwrap();
    assert!(
        place("b1") < 4 && place("c1") < 4 && place("b2") < 8,
        "thirty links of a delay nobody: {began:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn tenant_does_not_hold_every_place() {
    let lab = Lab::new(&["a", "b"]);
    for n in 0..10 {
        lab.add("a", &format!("a{n}"), every(600)).await;
        lab.takes(&format!("a{n}"), 1000);
    }
    let mut options = WorkerOptions::default();
    options.per_tenant = 2;
    let steps = async {
        pass(30).await;
        assert_eq!(lab.began().len(), 2, "two of one tenant, though there is room for four");
        lab.add("b", "b0", every(600)).await;
        pass(5).await;
        assert_eq!(lab.began().last().unwrap(), "b0");
    };
    lab.worker().with_options(options).run(steps).await;
}

#[tokio::test(start_paused = true)]
async fn urgent_ones_go_first() {
    let lab = Lab::new(&["a"]);
    for link in ["low", "normal", "high"] {
        lab.add("a", link, every(600)).await;
    }
    lab.schedule("a").put(&sync("low"), &every(600), Priority::Low).await.unwrap();
    lab.schedule("a").put(&sync("high"), &every(600), Priority::High).await.unwrap();
    let mut options = WorkerOptions::default();
    options.concurrency = 1;
    lab.worker().with_options(options).run(pass(10)).await;
    assert_eq!(lab.began(), ["high", "normal", "low"]);
}

#[tokio::test(start_paused = true)]
async fn one_bad_link_stops_no_other() {
    let lab = Lab::new(&["a"]);
    for link in ["fine", "panics", "refuses", "gone", "down"] {
        lab.add("a", link, every(10)).await;
    }
    lab.mood("panics", Mood::Panics);
    lab.mood("refuses", Mood::Refuses(Fault::Caller));
    lab.mood("gone", Mood::Gone);
    for _ in 0..200 {
        lab.host.remote("a", "down").fail("changes", RemoteFault::Before(ErrorKind::Unavailable));
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let report = lab.work(3600).await;
    std::panic::set_hook(before);
    assert!(report.done >= 6, "{report:?}");
    let fault = |entry: &Entry| match entry.last.as_ref().map(|last| last.outcome.clone()) {
        Some(Outcome::Failed { fault, .. }) => fault,
        other => panic!("it failed: {other:?}"),
    };
    let panics = lab.entry("a", "panics").await;
    assert_eq!(fault(&panics), Fault::Us);
    assert_eq!(fault(&lab.entry("a", "refuses").await), Fault::Caller);
    let down = lab.entry("a", "down").await;
    assert_eq!((fault(&down), down.status(&Default::default())), (Fault::Provider, Status::CircuitOpen));
    assert!(down.failures < 9, "it backed off: {} tries in an hour", down.failures);
    let gone = lab.schedule("a").entry(&sync("gone")).await;
    assert!(
        matches!(gone, Err(ScheduleError::Unknown { .. })),
        "what the host does not know leaves the schedule"
    );
    assert!(
        lab.host
            .alerts()
            .iter()
            .any(|alert| matches!(alert, Alert::CircuitOpen { link, .. } if link.as_str() == "down"))
    );
    assert!(lab.host.alerts().iter().any(|alert| matches!(alert, Alert::FailureRate { .. })));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_told_once_and_not_hammered() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(10)).await;
    lab.mood("work", Mood::Refuses(Fault::Credentials));
    let steps = async {
        pass(86_400).await;
        assert!(lab.began().len() < 10, "{} tries in a day", lab.began().len());
        let reauth =
            |alerts: Vec<Alert>| alerts.iter().filter(|a| matches!(a, Alert::NeedsReauth { .. })).count();
        assert_eq!(reauth(lab.host.alerts()), 1);
        assert!(!lab.host.alerts().iter().any(|a| matches!(a, Alert::Recovered { .. })));
        // A person renewed them.
        lab.mood("work", Mood::Fine);
        lab.schedule("a").run_now(&sync("work")).await.unwrap();
        pass(3).await;
        assert_eq!(lab.entry("a", "work").await.status(&Default::default()), Status::Waiting);
        pass(3_600).await;
        let recovered = lab.host.alerts().into_iter().filter(|a| matches!(a, Alert::Recovered { .. }));
        assert_eq!(recovered.collect::<Vec<_>>(), [Alert::Recovered { link: "work".into() }]);
    };
    lab.worker().run(steps).await;
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_soon_are_told_from_72_hours_before() {
    for (hours, told) in [(73, false), (71, true), (-1, true)] {
        let lab = Lab::new(&["a"]);
        lab.add("a", "work", every(10)).await;
        let at = lab.time.now() + TimeDelta::hours(hours);
        *lab.host.credentials_end.lock().unwrap() = Some(at);
        lab.work(60).await;
        let alert = Alert::CredentialsEnd { link: "work".into(), at };
        assert_eq!(lab.host.alerts().contains(&alert), told, "{hours} hours before: {:?}", lab.host.alerts());
    }
}

#[tokio::test(start_paused = true)]
async fn deletions_that_are_held_back_are_told_at_every_run() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(10)).await;
    let remote = lab.host.remote("a", "work");
    for n in 0..20 {
        remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "Soon gone"));
    }
    lab.work(60).await;
    assert_eq!(lab.host.alerts(), []);
    for n in 0..20 {
        remote.remove(&format!("item-{n}"));
    }
    lab.work(30 * 60).await;
    let alerts = lab.host.alerts();
    let held = Alert::NeedsPerson { link: "work".into(), held: 20, undecided: 0, wedged: 0 };
    assert!(alerts.len() > 1 && alerts.iter().all(|alert| *alert == held), "{alerts:?}");
    assert_eq!(
        held.to_string(),
        "work: waits for a person: 20 operations held back, 0 pairs to tell apart, 0 writes refused for good"
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_runs_end_and_gives_back_the_rest() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "short", every(600)).await;
    lab.add("a", "long", every(600)).await;
    lab.takes("short", 20);
    lab.takes("long", 500);
    let started = Instant::now();
    let report = lab.work(5).await;
    assert_eq!((report.done, report.returned), (1, 1));
    let took = started.elapsed().as_secs();
    assert!((35..37).contains(&took), "5 s of work and 30 s of drain, not {took} s");
    let long = lab.entry("a", "long").await;
    assert_eq!((long.running, long.failures, long.last), (None, 0, None));
    // Somebody else goes on at once.
    lab.takes("long", 0);
    let report = lab.work(2).await;
    assert_eq!((report.done, lab.began().last().unwrap().as_str()), (1, "long"));
}

#[tokio::test(start_paused = true)]
async fn dead_worker_is_replaced_within_its_lease() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(600)).await;
    lab.takes("work", 300);
    {
        let worker = lab.worker();
        let dying = worker.run(std::future::pending());
        // It is dropped in the middle of the run, as if it were killed.
        assert!(tokio::time::timeout(std::time::Duration::from_secs(100), dying).await.is_err());
    }
    assert_eq!(lab.began().len(), 1);
    assert!(lab.entry("a", "work").await.running.is_some());
    lab.takes("work", 0);
    let killed = Instant::now();
    let steps = async {
        while lab.began().len() < 2 {
            pass(1).await;
        }
        assert!(killed.elapsed().as_secs() <= 11, "taken over after {:?}", killed.elapsed());
        pass(2).await;
    };
    assert_eq!(lab.worker().run(steps).await.done, 1);
    assert_eq!(lab.entry("a", "work").await.deaths, 0);
}

/// A future that is not polled for a while: its process is suspended.
struct Suspended<F> {
    inner: Pin<Box<F>>,
    from: Instant,
    until: Instant,
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl<F: Future> Future for Suspended<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let now = Instant::now();
        if now >= self.from && now < self.until {
            let until = self.until;
            self.timer.as_mut().reset(until);
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        self.inner.as_mut().poll(context)
    }
}

#[tokio::test(start_paused = true)]
async fn suspended_worker_stops_when_it_wakes_up_late() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(600)).await;
    lab.takes("work", 100);
    let first = lab.worker();
    let second = lab.worker();
    let start = Instant::now();
    let at = |seconds| start + std::time::Duration::from_secs(seconds);
    let suspended = Suspended {
        inner: Box::pin(first.run(pass(300))),
        from: at(20),
        until: at(90),
        timer: Box::pin(tokio::time::sleep_until(at(20))),
    };
    let later = async {
        pass(10).await;
        second.run(pass(290)).await
    };
    let (first, second) = tokio::join!(suspended, later);
    assert_eq!(
        (first.done, first.lost, second.done),
        (0, 1, 1),
        "the second one took over, the first one noticed"
    );
    assert_eq!(lab.began(), ["work", "work"]);
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_the_work_and_never_a_link() {
    let lab = Lab::new(&["a", "b"]);
    for n in 0..20 {
        let tenant = if n % 2 == 0 { "a" } else { "b" };
        lab.add(tenant, &format!("l{n}"), every(5)).await;
        lab.takes(&format!("l{n}"), 70);
    }
    let (one, two) = (lab.worker(), lab.worker());
    let (one, two) = tokio::join!(one.run(pass(3600)), two.run(pass(3600)));
    assert!(!lab.host.overlapped.load(Ordering::SeqCst), "two at one link");
    assert_eq!((one.lost, two.lost, one.failed, two.failed), (0, 0, 0, 0));
    let ended = one.done + two.done + one.returned + two.returned;
    assert_eq!(ended, u64::try_from(lab.began().len()).unwrap());
    assert!(one.done > 60 && two.done > 60, "both work: {one:?} {two:?}");
    assert!((one.done + two.done) >= 180, "every link about twelve times: {one:?} {two:?}");
}

#[tokio::test(start_paused = true)]
async fn nudge_and_pause_during_a_run_do_not_take_it_away() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(600)).await;
    lab.takes("work", 30);
    let steps = async {
        pass(5).await;
        lab.schedule("a").nudge(&sync("work")).await.unwrap();
        pass(5).await;
        lab.schedule("a").pause(&sync("work")).await.unwrap();
        pass(60).await;
        assert_eq!(lab.began().len(), 1, "it ended, and is paused");
        let entry = lab.entry("a", "work").await;
        assert_eq!((entry.status(&Default::default()), entry.failures), (Status::Paused, 0));
        assert!(entry.last.is_some());
        lab.schedule("a").resume(&sync("work")).await.unwrap();
        pass(5).await;
        assert_eq!(lab.began().len(), 2, "the nudge was not forgotten");
    };
    let report = lab.worker().run(steps).await;
    assert_eq!((report.lost, report.done), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn run_that_hangs_is_ended() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "hangs", every(600)).await;
    lab.takes("hangs", 1_000_000);
    let steps = async {
        pass(3700).await;
        let entry = lab.entry("a", "hangs").await;
        assert_eq!(entry.failures, 1, "{entry:?}");
    };
    lab.worker().run(steps).await;
}

#[tokio::test(start_paused = true)]
async fn clock_that_is_two_days_wrong_writes_nothing_twice() {
    let lab = Lab::new(&["a"]);
    for n in 0..5 {
        lab.add("a", &format!("l{n}"), every(10)).await;
        lab.takes(&format!("l{n}"), 3);
        lab.host.remote("a", &format!("l{n}")).put("1", &event(&format!("uid-{n}"), &format!("Number {n}")));
    }
    let (right, ahead) = (lab.worker(), lab.worker_at(lab.time.wrong(48)));
    let (right, ahead) = tokio::join!(right.run(pass(7200)), ahead.run(pass(7200)));
    assert!(right.done + ahead.done > 5);
    let events = lab.stores["a"].events_since(&"family".into(), Revision(0), 99).await.unwrap();
    let uids: BTreeSet<_> = events.iter().map(|record| record.event.uid.clone()).collect();
    assert_eq!((events.len(), uids.len()), (5, 5));
    for n in 0..5 {
        assert_eq!(lab.host.remote("a", &format!("l{n}")).items().len(), 5, "each has every event once");
    }
}

/// A link that looks at its copies every hour looks at once where it is told that something changed there.
#[tokio::test(start_paused = true)]
async fn a_call_makes_a_link_look_that_would_not_yet() {
    let lab = Lab::new(&["a"]);
    lab.host.exports.store(true, Ordering::SeqCst);
    lab.add("a", "work", every(10)).await;
    let world = World::new(lab.stores["a"].clone(), 77);
    world.add(event("one", "One")).await;
    let remote = lab.host.remote("a", "work");
    let edited = || {
        let (id, mut copy) = remote.items().into_iter().next().unwrap();
        body(&mut copy).title = Some("edited there".to_owned());
        remote.put(id.as_str(), &copy);
    };
    let title = || remote.items().into_values().next().unwrap().master.unwrap().title.unwrap();
    let steps = async {
        pass(25 * 60).await;
        assert_eq!(title(), "One");
        edited();
        pass(15 * 60).await;
        assert_eq!(title(), "edited there", "nobody has looked yet");
        lab.schedule("a").nudge(&sync("work")).await.unwrap();
        pass(60).await;
        assert_eq!(title(), "One", "told, it looked");
        edited();
        pass(80 * 60).await;
        assert_eq!(title(), "One", "an hour later it looked by itself");
    };
    lab.worker().run(steps).await;
}

#[tokio::test(start_paused = true)]
async fn silent_webhook_is_told() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(10)).await;
    lab.host.announced.store(true, Ordering::SeqCst);
    let steps = async {
        for n in 0..6 {
            lab.host.remote("a", "work").put(&format!("{n}"), &event(&format!("uid-{n}"), "New"));
            pass(15 * 60).await;
        }
    };
    lab.worker().run(steps).await;
    let silent = lab.host.alerts().iter().filter(|a| matches!(a, Alert::WebhookSilent { .. })).count();
    assert_eq!(silent, 1);
}

/// A channel that is granted and never calls is found out by what pulls find, and polled for; one that calls is polled
/// seldom; and when calls come again, so does trust.
#[tokio::test(start_paused = true)]
async fn con_09_how_often_a_link_runs_follows_from_the_calls_that_came() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(15)).await;
    lab.host.measured.store(true, Ordering::SeqCst);
    let channels = StoreChannels::new(lab.stores["a"].clone());
    let link = LinkId::from("work");
    let watch = Watch { id: "c".to_owned(), resource: String::new(), expires: DateTime::<Utc>::MAX_UTC };
    let kept = KeptChannel {
        asked: "c".to_owned(),
        terms: String::new(),
        channel: Channel::new(watch, lab.time.now()),
    };
    change_channels(&channels, &link, &|row| row.channels = vec![kept.clone()]).await.unwrap();
    let mut number = 0;
    let mut edit = || {
        number += 1;
        let uid = format!("uid-{number}");
        lab.host.remote("a", "work").put(&number.to_string(), &event(&uid, "New"));
    };
    let call = async || {
        let now = lab.time.now();
        change_channels(&channels, &link, &|row| row.called = Some(now)).await.unwrap();
        lab.schedule("a").nudge(&sync("work")).await.unwrap();
        pass(150).await;
    };
    let silent = || lab.host.alerts().iter().filter(|a| matches!(a, Alert::WebhookSilent { .. })).count();
    let steps = async {
        pass(150).await;
        assert_eq!(lab.entry("a", "work").await.cadence, every(15), "nothing is known yet");
        for _ in 0..3 {
            edit();
            call().await;
        }
        assert_eq!(lab.entry("a", "work").await.cadence, every(360), "calls announce what happens");
        assert_eq!(channels.read(&link).await.unwrap().row.called, None, "each call is answered once");
        // Calls with nothing to find prove nothing.
        call().await;
        assert_eq!((lab.entry("a", "work").await.cadence, silent()), (every(360), 0));
        // The calls stop, and nobody says so.
        for _ in 0..2 {
            edit();
            pass(9 * 3600).await;
        }
        assert_eq!((lab.entry("a", "work").await.cadence, silent()), (every(5), 1));
        for _ in 0..3 {
            edit();
            pass(600).await;
        }
        assert_eq!(silent(), 1, "told once");
        for _ in 0..20 {
            edit();
            call().await;
        }
        assert_eq!((lab.entry("a", "work").await.cadence, silent()), (every(360), 1));
        // Without a channel nothing can be announced.
        change_channels(&channels, &link, &|row| row.channels[0].channel.removed = true).await.unwrap();
        pass(7 * 3600).await;
        assert_eq!((lab.entry("a", "work").await.cadence, silent()), (every(5), 1));
    };
    // A day of waiting, looked at once a minute.
    let mut options = WorkerOptions::default();
    options.poll = TimeDelta::minutes(1);
    lab.worker().with_options(options).run(steps).await;
}

#[tokio::test(start_paused = true)]
async fn what_one_link_brings_in_goes_out_by_the_others_soon() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "from", every(600)).await;
    lab.add("a", "to", every(600)).await;
    *lab.host.others.lock().unwrap() = vec!["from".into(), "to".into()];
    let steps = async {
        pass(60).await;
        lab.host.remote("a", "from").put("1", &event("uid", "New"));
        lab.schedule("a").nudge(&sync("from")).await.unwrap();
        pass(20).await;
        assert_eq!(lab.host.remote("a", "to").items().len(), 1);
        pass(600).await;
        assert_eq!(lab.began().len(), 4, "and then it is quiet: {:?}", lab.began());
    };
    lab.worker().run(steps).await;
}

#[tokio::test(start_paused = true)]
async fn entry_that_cannot_be_read_is_told_and_left() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(10)).await;
    let broken = Doc::new("schedule.normal", "sync:broken", "{").with_due(Some(lab.time.now()));
    lab.stores["a"].commit(Batch { writes: vec![Write::PutDoc(broken)], ..Batch::default() }).await.unwrap();
    let report = lab.work(3600).await;
    assert!(report.done >= 6);
    let told = lab
        .host
        .events
        .lock()
        .unwrap()
        .iter()
        .filter(|e| matches!(e, WorkerEvent::Unreadable { .. }))
        .count();
    assert_eq!(told, 1);
}

#[tokio::test(start_paused = true)]
async fn retention_cuts_logs_and_keeps_deletions_a_link_has_not_seen() {
    let lab = Lab::new(&["a"]);
    let day = Cadence::every(TimeDelta::days(1)).unwrap();
    lab.add("a", "work", Cadence::on_demand()).await;
    let schedule = lab.schedule("a");
    schedule.put(&Task::Retain, &day, Priority::Low).await.unwrap();
    lab.host.remote("a", "work").put("1", &event("uid", "One"));
    schedule.run_now(&sync("work")).await.unwrap();
    lab.work(10).await;
    let store = &lab.stores["a"];
    let id = store.events_since(&"family".into(), Revision(0), 9).await.unwrap()[0].id.clone();
    let delete = Write::DeleteEvent { calendar: "family".into(), id, at: lab.time.now() };
    store.commit(Batch { writes: vec![delete], ..Batch::default() }).await.unwrap();
    let runs = async || {
        let link = LinkId::from("work");
        let query =
            RecordQuery { kind: RecordKind::Run, link: &link, event: None, run: None, after: None, limit: 9 };
        store.records(query).await.unwrap().len()
    };
    assert_eq!(runs().await, 1);
    let told = async || {
        let page = store.feed(&"family".into(), EventSeq(0), 9).await.unwrap();
        (page.entries.len(), page.last.0)
    };
    assert_eq!(told().await, (2, 2));
    // For a hundred days nothing but the retention runs: the link has not seen the deletion.
    let days = async |days: u64| {
        let mut options = WorkerOptions::default();
        options.poll = TimeDelta::hours(6);
        lab.worker().with_options(options).run(pass(days * 86_400)).await
    };
    days(100).await;
    assert_eq!(runs().await, 0, "runs are forgotten after 90 days");
    assert_eq!(told().await, (0, 2), "and what was told of them");
    assert_eq!(
        store.events_since(&"family".into(), Revision(0), 9).await.unwrap().len(),
        1,
        "it must still go out"
    );
    schedule.run_now(&sync("work")).await.unwrap();
    days(2).await;
    assert_eq!(lab.host.remote("a", "work").items().len(), 0, "it went out");
    assert_eq!(store.events_since(&"family".into(), Revision(0), 9).await.unwrap().len(), 0);
}

/// A conflict nobody answers is told when it is found, and once more each week it waits, whatever else happens.
#[tokio::test(start_paused = true)]
async fn conflicts_nobody_answers_are_told_once_a_week() {
    let lab = Lab::new(&["a"]);
    lab.host.asks.store(true, Ordering::SeqCst);
    lab.add("a", "work", every(60 * 6)).await;
    let remote = lab.host.remote("a", "work");
    remote.put("1", &event("uid", "One"));
    lab.work(10).await;
    let store = &lab.stores["a"];
    let row = store.events_since(&"family".into(), Revision(0), 9).await.unwrap().remove(0);
    let mut ours = row.event.clone();
    body(&mut ours).title = Some("Ours".to_owned());
    let (calendar, event_of, at) = (CalendarId::from("family"), Box::new(ours), lab.time.now());
    let edit = Write::PutEvent { calendar, id: row.id, event: event_of, at };
    store.commit(Batch { writes: vec![edit], ..Batch::default() }).await.unwrap();
    remote.put("1", &event("uid", "Theirs"));
    lab.schedule("a").run_now(&sync("work")).await.unwrap();
    lab.work(60).await;
    let told = || {
        let alerts = lab.host.alerts();
        lab.host.events.lock().unwrap().clear();
        let open = alerts.into_iter().filter_map(|alert| match alert {
            Alert::OpenConflicts { open, oldest, .. } => Some((open, oldest)),
            _ => None,
        });
        open.collect::<Vec<_>>()
    };
    let found = told();
    assert_eq!(found.len(), 1, "by the run that found it");
    let mut options = WorkerOptions::default();
    options.poll = TimeDelta::hours(6);
    let mut days = Vec::new();
    for day in 1..=22 {
        lab.worker().with_options(options).run(pass(86_400)).await;
        days.extend(told().into_iter().map(|told| (day, told)));
    }
    assert!(days.iter().all(|(_, told)| *told == found[0]), "{days:?}: the one, and since when");
    let days: Vec<i32> = days.into_iter().map(|(day, _)| day).collect();
    assert_eq!(days.len(), 3, "{days:?}");
    assert!(days.iter().zip([7, 14, 21]).all(|(day, week)| (week..=week + 1).contains(day)), "{days:?}");

    // Nobody wants to hear it; and once it is answered there is nothing to hear.
    options.conflicts_old = TimeDelta::zero();
    lab.worker().with_options(options).run(pass(10 * 86_400)).await;
    assert_eq!(told(), []);
    let link = LinkId::from("work");
    let query = RecordQuery {
        kind: RecordKind::Conflict,
        link: &link,
        event: None,
        run: None,
        after: None,
        limit: 9,
    };
    let Some(Record::Conflict(mut row)) = store.records(query).await.unwrap().pop() else {
        panic!("it is there")
    };
    row.state = ConflictState::Resolved;
    store.commit(Batch { writes: vec![Write::PutConflict(row)], ..Batch::default() }).await.unwrap();
    options.conflicts_old = TimeDelta::days(7);
    lab.worker().with_options(options).run(pass(10 * 86_400)).await;
    assert_eq!(told(), []);
}

/// A store in which no conflict can be read.
struct Unread;

#[async_trait]
impl StoreHook for Unread {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        match moment {
            Moment::Before("records Conflict") => Err(StoreError::new(StoreErrorKind::Corrupt, "records")),
            _ => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_went_through_did_so_also_where_its_conflicts_cannot_be_read() {
    let lab = Lab::over(&["a"], |inner| Arc::new(HookedStore::new(inner, Unread)));
    lab.add("a", "work", every(60)).await;
    lab.host.remote("a", "work").put("1", &event("uid", "One"));
    let report = lab.work(3 * 3600).await;
    assert!((2..=4).contains(&report.done), "{report:?}");
    let entry = lab.entry("a", "work").await;
    assert_eq!((report.failed, entry.failures, entry.last.unwrap().outcome), (0, 0, Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn retention_forgets_deleted_events_in_bounded_commits_and_leaves_the_rest_for_the_next_day() {
    let lab = Lab::new(&["a"]);
    let day = Cadence::every(TimeDelta::days(1)).unwrap();
    lab.add("a", "work", day.clone()).await;
    lab.schedule("a").put(&Task::Retain, &day, Priority::Low).await.unwrap();
    let store = &lab.stores["a"];
    let mut writes = Vec::new();
    for n in 0..10 {
        let (calendar, id) =
            (CalendarId::from("family"), calsync_core::model::EventId::from(format!("e{n}")));
        let (event, at) = (Box::new(event(&format!("uid-{n}"), "Over")), lab.time.now());
        writes.push(Write::PutEvent { calendar: calendar.clone(), id: id.clone(), event, at });
        writes.push(Write::DeleteEvent { calendar, id, at });
    }
    store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    let mut options = WorkerOptions::default();
    options.poll = TimeDelta::hours(6);
    options.retain.keep_deleted = TimeDelta::days(5);
    (options.retain.deleted_batch, options.retain.batches) = (3, 2);
    let mut left = Vec::new();
    for _ in 0..10 {
        lab.worker().with_options(options).run(pass(86_400)).await;
        left.push(store.events_since(&"family".into(), Revision(0), 99).await.unwrap().len());
    }
    left.dedup();
    assert_eq!(left, [10, 4, 0], "two commits of three a day");
}

/// Pauses before and after each call of a store, so that a future can be dropped there; fails some.
struct Halting(Arc<AtomicBool>);

#[async_trait]
impl StoreHook for Halting {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        tokio::task::yield_now().await;
        match moment {
            Moment::Before(_) if self.0.load(Ordering::SeqCst) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "down"))
            }
            _ => Ok(()),
        }
    }
}

/// Polls a future so many times, then drops it.
async fn polls<F: Future>(future: F, mut left: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// A worker that is dropped at any await, or told to stop there, leaves nothing that the next one cannot go on from:
/// every event is on both sides once, and the entry runs on.
#[tokio::test(start_paused = true)]
async fn worker_may_stop_at_any_await() {
    for shutdown in [false, true] {
        let mut ended = false;
        let mut cut = 0;
        while !ended && cut < 2_000 {
            cut += if cut < 60 { 1 } else { 3 };
            let lab = Lab::over(&["a"], |inner| Arc::new(HookedStore::new(inner, Halting(Arc::default()))));
            lab.add("a", "work", every(600)).await;
            let remote = lab.host.remote("a", "work");
            remote.put("1", &event("theirs", "Theirs"));
            let ours = Write::PutEvent {
                calendar: "family".into(),
                id: "e".into(),
                event: Box::new(event("ours", "Ours")),
                at: lab.time.now(),
            };
            lab.stores["a"].commit(Batch { writes: vec![ours], ..Batch::default() }).await.unwrap();
            let worker = lab.worker();
            if shutdown {
                let mut polled = 0;
                let stop = std::future::poll_fn(|context| {
                    polled += 1;
                    context.waker().wake_by_ref();
                    if polled >= cut { Poll::Ready(()) } else { Poll::Pending }
                });
                let report = worker.run(stop).await;
                ended = report.done > 0 && cut > 60;
            } else {
                polls(worker.run(std::future::pending()), cut).await;
                ended = lab.entry("a", "work").await.last.is_some();
            }
            let report = lab.work(25).await;
            let entry = lab.entry("a", "work").await;
            assert!(entry.last.is_some() && entry.running.is_none(), "cut {cut}: {entry:?} {report:?}");
            assert_eq!((entry.failures, entry.deaths), (0, 0), "cut {cut}");
            let items = remote.items();
            let uids: BTreeSet<_> = items.values().map(|event| event.uid.clone()).collect();
            assert_eq!((items.len(), uids.len()), (2, 2), "cut {cut}: {uids:?}");
            let events = lab.stores["a"].events_since(&"family".into(), Revision(0), 9).await.unwrap();
            assert_eq!(events.len(), 2, "cut {cut}");
        }
        assert!(ended && cut > 20, "the run was cut at {cut} places and then went through");
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_is_down_for_a_while_stops_nobody_for_longer() {
    let down = Arc::new(AtomicBool::new(false));
    let lab = Lab::over(&["a"], |inner| Arc::new(HookedStore::new(inner, Halting(down.clone()))));
    lab.add("a", "work", every(5)).await;
    lab.takes("work", 10);
    let steps = async {
        pass(5).await;
        down.store(true, Ordering::SeqCst);
        pass(600).await;
        down.store(false, Ordering::SeqCst);
        let back = lab.began().len();
        pass(60).await;
        assert!(lab.began().len() > back, "it goes on");
    };
    let report = lab.worker().run(steps).await;
    assert!(report.done > 0);
    let failed = lab
        .host
        .events
        .lock()
        .unwrap()
        .iter()
        .filter(|e| matches!(e, WorkerEvent::StoreFailed { .. }))
        .count();
    assert!((5..60).contains(&failed), "asked {failed} times in ten minutes");
    let lost = lab.host.events.lock().unwrap().iter().any(|event| {
        matches!(event, WorkerEvent::Ended { ended, .. } if matches!(**ended, Ended::Lost { .. } | Ended::Failed { .. }))
    });
    assert!(lost, "the run in the middle is told");
}

/// Wakes once, when told to.
struct Bell(tokio::sync::Notify);

#[async_trait]
impl calsync_core::store::Wakes for Bell {
    async fn woken(&self) {
        self.0.notified().await;
    }
}

#[tokio::test(start_paused = true)]
async fn woken_worker_looks_at_once() {
    let lab = Lab::new(&["a"]);
    let bell = Arc::new(Bell(tokio::sync::Notify::new()));
    let mut options = WorkerOptions::default();
    options.poll = TimeDelta::hours(1);
    let steps = async {
        pass(10).await;
        lab.add("a", "work", every(600)).await;
        pass(60).await;
        assert_eq!(lab.began().len(), 0, "nobody told it");
        bell.0.notify_one();
        pass(1).await;
        assert_eq!(lab.began().len(), 1);
    };
    lab.worker().with_options(options).with_wakes(bell.clone()).run(steps).await;
}

/// Claims that count how often they are asked what is due, what is due later, and how much waits.
struct Counted(Arc<dyn Claims>, [AtomicUsize; 3]);

impl Counted {
    fn asked(&self) -> [usize; 3] {
        [0, 1, 2].map(|at| self.1[at].swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl Claims for Counted {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        self.1[0].fetch_add(1, Ordering::SeqCst);
        self.0.claim(request).await
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        self.0.next_due(spaces).await
    }

    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        self.1[1].fetch_add(1, Ordering::SeqCst);
        self.0.due_later(query).await
    }

    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        self.1[2].fetch_add(1, Ordering::SeqCst);
        self.0.backlog(spaces, now, limit).await
    }
}

#[tokio::test(start_paused = true)]
async fn idle_worker_asks_once_a_second_at_most() {
    let mut lab = Lab::new(&["a"]);
    lab.add("a", "work", every(600)).await;
    let counted = Arc::new(Counted(lab.claims.clone(), Default::default()));
    lab.claims = counted.clone();
    lab.work(600).await;
    let [asked, later, backlog] = counted.asked();
    assert!((500..=610).contains(&asked), "{asked} times in 600 s");
    assert!((24..=30).contains(&later), "once a minute and space: {later} times");
    assert!((9..=11).contains(&backlog), "once a minute: {backlog} times");
    let mut options = WorkerOptions::default();
    options.count_backlog = TimeDelta::zero();
    lab.worker().with_options(options).run(pass(600)).await;
    assert_eq!(counted.asked()[2], 0);
}

/// How long a worker with the right clock needs until so many runs have begun, in seconds.
async fn until_began(lab: &Lab, runs: usize) -> u64 {
    let start = Instant::now();
    let steps = async {
        while lab.began().len() < runs {
            pass(1).await;
        }
    };
    lab.worker().run(steps).await;
    start.elapsed().as_secs()
}

/// A worker whose clock is wrong by so many hours, dropped after so many seconds as if it were killed.
async fn killed(lab: &Lab, hours: i64, seconds: u64) {
    let worker = lab.worker_at(lab.time.wrong(hours));
    let dying = worker.run(std::future::pending());
    assert!(tokio::time::timeout(std::time::Duration::from_secs(seconds), dying).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn dead_worker_whose_clock_was_two_days_ahead_is_replaced_within_two_minutes() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "work", every(600)).await;
    lab.takes("work", 300);
    killed(&lab, 48, 100).await;
    assert!(lab.entry("a", "work").await.running.is_some());
    lab.takes("work", 0);
    let took = until_began(&lab, 2).await;
    assert!(took <= 120, "taken over after {took} s");
    let entry = lab.entry("a", "work").await;
    assert_eq!((entry.running, entry.deaths, entry.failures), (None, 0, 0));
}

/// Wherever the other one died, also between its commits and under the lease of the link: within a quarter of an hour and some
/// minutes the link has run by our clock, and every event is on both sides once.
#[tokio::test(start_paused = true)]
async fn worker_ahead_may_die_at_any_await() {
    let (mut ended, mut cut) = (false, 0);
    while !ended && cut < 2_000 {
        cut += if cut < 60 { 1 } else { 3 };
        let lab = Lab::over(&["a"], |inner| Arc::new(HookedStore::new(inner, Halting(Arc::default()))));
        lab.add("a", "work", every(10)).await;
        let remote = lab.host.remote("a", "work");
        remote.put("1", &event("theirs", "Theirs"));
        polls(lab.worker_at(lab.time.wrong(48)).run(std::future::pending()), cut).await;
        ended = lab.entry("a", "work").await.last.is_some();
        let mut options = WorkerOptions::default();
        options.poll = TimeDelta::seconds(5);
        lab.worker().with_options(options).run(pass(19 * 60)).await;
        let entry = lab.entry("a", "work").await;
        let last = entry.last.as_ref().expect("it ran");
        assert!(last.ended <= lab.time.now() && entry.running.is_none(), "cut {cut}: {entry:?}");
        assert_eq!((entry.failures, entry.deaths), (0, 0), "cut {cut}");
        let events = lab.stores["a"].events_since(&"family".into(), Revision(0), 9).await.unwrap();
        assert_eq!((remote.items().len(), events.len()), (1, 1), "cut {cut}");
    }
    assert!(ended && cut > 20, "the run was cut at {cut} places and then went through");
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_ahead_planned_waits_by_the_right_clock() {
    for (mood, longest) in [
        (Mood::Fine, 23 * 60),
        // A minute at most after the first failure.
        (Mood::Refuses(Fault::Provider), 60),
    ] {
        let lab = Lab::new(&["a"]);
        lab.add("a", "work", every(15)).await;
        lab.mood("work", mood);
        let (clock, stop) = (lab.time.wrong(48), tokio::time::sleep(std::time::Duration::from_secs(3)));
        lab.worker_at(clock.clone()).run(stop).await;
        let before = lab.entry("a", "work").await;
        let due = before.due(&WorkerOptions::default().timing).unwrap();
        let wait = (due - clock.now()).num_seconds();
        assert!((20..=longest).contains(&wait), "{wait} s by its clock");
        let took = i64::try_from(until_began(&lab, 2).await).unwrap();
        assert!((wait..=wait + 180).contains(&took), "it was to wait {wait} s and waited {took} s");
        lab.mood("work", Mood::Fine);
        lab.work(2 * 3600).await;
        let entry = lab.entry("a", "work").await;
        let next = entry.planned.unwrap() - lab.time.now();
        assert!(next <= TimeDelta::minutes(23), "and goes on by ours: next in {next}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_process_ahead_asked_for_is_done_within_minutes() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "nudged", Cadence::on_demand()).await;
    lab.add("a", "wanted", every(600)).await;
    lab.work(5).await;
    assert_eq!(lab.began(), ["wanted"]);
    let ahead = Schedule::new(lab.stores["a"].clone(), lab.time.wrong(48));
    ahead.put(&sync("new"), &every(600), Priority::Low).await.unwrap();
    ahead.nudge(&sync("nudged")).await.unwrap();
    ahead.run_now(&sync("wanted")).await.unwrap();
    let took = until_began(&lab, 4).await;
    assert!(took <= 200, "{took} s");
    lab.work(3600).await;
    assert_eq!(lab.began().len(), 4, "once each");
}

#[tokio::test(start_paused = true)]
async fn worker_ahead_that_lives_keeps_what_it_runs_and_runs_it_no_more_often() {
    let lab = Lab::new(&["a"]);
    lab.add("a", "long", every(600)).await;
    lab.takes("long", 1_200);
    for n in 0..3 {
        lab.add("a", &format!("l{n}"), every(15)).await;
    }
    lab.add("a", "daily", every(24 * 60)).await;
    let (ahead, right) = (lab.worker_at(lab.time.wrong(48)), lab.worker());
    let (ahead, right) = tokio::join!(ahead.run(pass(8 * 3600)), right.run(pass(8 * 3600)));
    assert_eq!((ahead.lost, right.lost), (0, 0), "{ahead:?} {right:?}");
    assert!(!lab.host.overlapped.load(Ordering::SeqCst));
    let began = lab.began();
    let count = |link: &str| began.iter().filter(|began| *began == link).count();
    assert_eq!((count("long"), count("daily")), (1, 1));
    for n in 0..3 {
        let runs = count(&format!("l{n}"));
        assert!((31..=34).contains(&runs), "{runs} runs in 8 hours, every 15 minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn worker_two_days_behind_takes_nothing_from_others_and_runs_nothing_again() {
    let lab = Lab::new(&["a"]);
    let behind = Schedule::new(lab.stores["a"].clone(), lab.time.wrong(-48));
    lab.add("a", "long", every(600)).await;
    lab.add("a", "often", every(15)).await;
    lab.add("a", "daily", every(24 * 60)).await;
    lab.takes("long", 1_200);
    let steps = async {
        pass(60).await;
        // Only what such a clock says is due is due for that worker.
        behind.put(&sync("theirs"), &every(600), Priority::Normal).await.unwrap();
        pass(4 * 3600 - 60).await;
    };
    let (late, right) = (lab.worker_at(lab.time.wrong(-48)), lab.worker());
    let (_, right) = tokio::join!(late.run(pass(4 * 3600)), right.run(steps));
    assert_eq!(right.lost, 0, "{right:?}");
    let began = lab.began();
    let count = |link: &str| began.iter().filter(|began| *began == link).count();
    assert_eq!((count("long"), count("daily")), (1, 1));
    assert!((1..=2).contains(&count("theirs")), "at most begun by the one and done by the other");
    assert!((15..=18).contains(&count("often")), "{} runs in 4 hours", count("often"));
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_behind_was_at_is_taken_over_once() {
    let lab = Lab::new(&["a"]);
    let behind = Schedule::new(lab.stores["a"].clone(), lab.time.wrong(-48));
    let home = Calendar { id: CalendarId::from("family"), name: "Family".to_owned(), color: None };
    let writes = vec![Write::PutCalendar(home)];
    lab.stores["a"].commit(Batch { writes, ..Batch::default() }).await.unwrap();
    behind.put(&sync("work"), &every(600), Priority::Normal).await.unwrap();
    lab.takes("work", 60);
    // It lives: the one that is right takes it over, and both go on.
    let steps = async {
        pass(30).await;
        let report = lab.worker().run(pass(3600)).await;
        assert_eq!((report.done, report.lost), (1, 0));
    };
    let report = lab.worker_at(lab.time.wrong(-48)).run(steps).await;
    assert_eq!((report.done, report.lost, lab.began().len()), (0, 1, 2));
    // It ran something and is gone: that is due once, and then by its cadence.
    behind.put(&sync("other"), &every(600), Priority::Normal).await.unwrap();
    lab.worker_at(lab.time.wrong(-48)).run(pass(60)).await;
    assert_eq!(lab.began().len(), 3);
    lab.work(3600).await;
    assert_eq!(lab.began().len(), 4);
}

/// What waits honestly is read and left alone; what was put off is found among it, page by page.
#[tokio::test(start_paused = true)]
async fn what_was_put_off_is_found_among_much_that_waits() {
    let lab = Lab::new(&["a"]);
    let schedule = lab.schedule("a");
    for n in 0..300 {
        let task = sync(&format!("l{n:03}"));
        schedule.put(&task, &every(24 * 60), Priority::Normal).await.unwrap();
    }
    lab.work(60).await;
    assert_eq!(lab.began().len(), 300);
    let ahead = Schedule::new(lab.stores["a"].clone(), lab.time.wrong(48));
    ahead.run_now(&sync("l299")).await.unwrap();
    let page = DocQuery::Page { after: None, limit: 299 };
    let space = Priority::Normal.space();
    let before = lab.stores["a"].docs(space, page).await.unwrap();
    let took = until_began(&lab, 301).await;
    assert!(took <= 240, "{took} s");
    lab.work(300).await;
    assert!(before == lab.stores["a"].docs(space, page).await.unwrap(), "nothing of the others was written");
}
