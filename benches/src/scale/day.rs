//! Many connections on two workers: what they do all at once, and what a day's rate of changes takes.
//!
//! The workers, the providers and the people are in this process. The providers answer at once, so that all that is measured is
//! calsync and the database; then the same with each answer a while later, which the workers wait for in real time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use calsync_core::context::{IdSource, RandomIds, SystemClock};
use calsync_core::engine::{Hub, Link};
use calsync_core::model::LinkId;
use calsync_core::schedule::{Cadence, Priority, Schedule, Task};
use calsync_core::store::{Revision, Store};
use calsync_core::worker::{Ended, Host, Opened, Timer, WorkError, Worker, WorkerEvent, WorkerOptions};
use calsync_stores::postgres::{PostgresConfig, PostgresStore};
use calsync_testkit::remote::MemoryRemote;
use calsync_testkit::world::{body, event};
use chrono::TimeDelta;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::database::{Database, own_cpu};
use super::far::{Far, LATENCIES, away};
use super::targets;
use crate::report::Report;
use crate::{Options, Outcome};

/// Links of a tenant.
const EACH: usize = 100;
/// Events of a link to begin with.
const EVENTS: usize = 5;
const WORKERS: usize = 2;
/// Changes a second: a million in a day are 11.6.
const RATE: f64 = 12.2;
/// Of the changes of the day, so many in a hundred are one tenant's: it floods, and nobody else may feel it.
const FLOOD: usize = 30;

type Name = (usize, usize);

/// A link's other side, and what waits to be seen.
#[derive(Default)]
struct Place {
    remote: Arc<MemoryRemote>,
    /// When what is not yet in step was changed.
    waiting: Vec<Instant>,
    /// The same, as far as the run that is under way sees it.
    begun: Vec<Instant>,
    /// Titles by UID: what must be on both sides in the end.
    expected: BTreeMap<String, String>,
}

struct Fleet {
    places: Vec<Vec<Mutex<Place>>>,
    /// Seconds between a change and the end of the run that brought it in step, by tenant.
    lags: Vec<Mutex<Vec<f64>>>,
    runs: AtomicU64,
    failed: AtomicU64,
    /// How far away all providers are, for the runs that begin from now on.
    latency: Mutex<Duration>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tenant(number: usize) -> String {
    format!("tenant-{number:04}")
}

fn link(number: usize) -> String {
    format!("link-{number:03}")
}

fn number(name: &str) -> Option<usize> {
    name.rsplit_once('-')?.1.parse().ok()
}

impl Fleet {
    fn place(&self, tenant: &str, link: &LinkId) -> Option<&Mutex<Place>> {
        self.places.get(number(tenant)?)?.get(number(link.as_str())?)
    }

    fn waiting(&self) -> usize {
        let places = self.places.iter().flatten().map(lock);
        places.map(|place| place.waiting.len() + place.begun.len()).sum()
    }

    /// How long each tenant's changes were not in step, in the mean.
    fn mean_waits(&self) -> Vec<f64> {
        self.lags.iter().map(|lags| mean(&lock(lags))).collect()
    }
}

#[async_trait]
impl Host for Fleet {
    async fn open(&self, tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError> {
        let Some(place) = self.place(tenant, link) else { return Ok(None) };
        let mut place = lock(place);
        let waiting = std::mem::take(&mut place.waiting);
        place.begun.extend(waiting);
        let remote = Far { near: place.remote.clone(), latency: *lock(&self.latency) };
        Ok(Some(Opened::new(Link::new(link.clone(), link.as_str(), "memory"), Arc::new(remote))))
    }

    fn tell(&self, event: &WorkerEvent) {
        let WorkerEvent::Ended { tenant, ended } = event else { return };
        match &**ended {
            Ended::Done { task: Task::Sync(link), .. } => {
                self.runs.fetch_add(1, Ordering::Relaxed);
                let Some(place) = self.place(tenant, link) else { return };
                let begun = std::mem::take(&mut lock(place).begun);
                let lags = begun.into_iter().map(|at| at.elapsed().as_secs_f64());
                if let Some(of) = number(tenant).and_then(|number| self.lags.get(number)) {
                    lock(of).extend(lags);
                }
            }
            Ended::Done { .. } => {}
            other => {
                eprintln!("a run did not end well: {other:?}");
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

/// The people on both sides.
struct People {
    fleet: Arc<Fleet>,
    stores: Vec<(Arc<dyn Store>, Hub, Schedule)>,
    dice: RandomIds,
    edits: usize,
}

impl People {
    fn roll(&self, sides: usize) -> usize {
        let digits = self.dice.fresh();
        let number = digits.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok());
        number.unwrap_or(0) % sides.max(1)
    }

    /// Somebody edits an event on one side of a link, and the link is nudged as by a webhook or the application.
    async fn edit(&mut self, (tenant, link): Name, side: Edited) -> Outcome<()> {
        self.edits += 1;
        let title = format!("Edit {}", self.edits);
        let (store, hub, schedule) = &self.stores[tenant];
        let name = self::link(link);
        // Each event is edited on one side only: what is shown is speed, and who wins is shown elsewhere.
        let uid = match side {
            Edited::There => format!("uid-{}", 2 * self.roll(EVENTS.div_ceil(2))),
            Edited::Here => format!("uid-{}", 2 * self.roll(EVENTS / 2) + 1),
        };
        let place = &self.fleet.places[tenant][link];
        match side {
            Edited::There => {
                let mut place = lock(place);
                let item = place.remote.items().into_iter().find(|(_, item)| item.uid == uid);
                let id = item.map(|(id, _)| id).ok_or("an item is gone")?;
                place.remote.put(id.as_str(), &event(&uid, &title));
                place.waiting.push(Instant::now());
                place.expected.insert(uid, title);
            }
            Edited::Here => {
                let calendar = name.as_str().into();
                let found =
                    store.events_by_uid(&calendar, &[&uid]).await.map_err(|error| error.to_string())?;
                let record = found.into_iter().next().ok_or("an event is gone")?;
                let mut edited = record.event;
                body(&mut edited).title = Some(title.clone());
                let done = hub.update(&calendar, &record.id, record.revision, edited).await;
                // The worker was faster: somebody else's turn.
                if done.is_err() {
                    return Ok(());
                }
                let mut place = lock(place);
                place.waiting.push(Instant::now());
                place.expected.insert(uid, title);
            }
        }
        let nudged = schedule.nudge(&Task::Sync(name.as_str().into())).await;
        nudged.map(drop).map_err(|error| error.to_string())
    }
}

#[derive(Clone, Copy)]
enum Edited {
    Here,
    There,
}

/// Processor time and runs between two moments.
struct Meter<'a> {
    database: &'a Database,
    fleet: &'a Fleet,
    start: Instant,
    cpu: (f64, f64),
    runs: u64,
}

impl<'a> Meter<'a> {
    fn start(database: &'a Database, fleet: &'a Fleet) -> Self {
        let runs = fleet.runs.load(Ordering::Relaxed);
        Self { database, fleet, start: Instant::now(), cpu: (own_cpu(), database.cpu()), runs }
    }

    fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn runs(&self) -> u64 {
        self.fleet.runs.load(Ordering::Relaxed) - self.runs
    }

    /// The share of two processors that this process and PostgreSQL took.
    fn share(&self) -> (f64, f64) {
        let (own, database) = (own_cpu() - self.cpu.0, self.database.cpu() - self.cpu.1);
        (own / self.elapsed() / 2.0, database / self.elapsed() / 2.0)
    }
}

fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * part) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

pub(super) fn run(options: &Options, runtime: &Runtime, report: &mut Report) -> Outcome<()> {
    let database = match Database::start(runtime) {
        Ok(database) => database,
        Err(error) => {
            report.unmeasured(format!("PostgreSQL: {error}"));
            return Ok(());
        }
    };
    let tenants = (options.links / EACH).max(2);
    let links = tenants * EACH;
    let config = PostgresConfig::default().with_schema("day").with_max_connections(16);
    let store = runtime
        .block_on(PostgresStore::connect(database.url(), config))
        .map_err(|error| format!("PostgreSQL: {error}"))?;
    let (fleet, mut people) = runtime.block_on(prepare(&store, tenants))?;

    let stop = Arc::new(Notify::new());
    let workers: Vec<_> = (0..WORKERS).map(|_| worker(&store, &fleet, &stop)).collect::<Outcome<_>>()?;
    let done = runtime.block_on(async {
        let first = Meter::start(&database, &fleet);
        wait(|| first.runs() >= links as u64).await?;
        report.row(
            format!("{links} links for the first time, all at once"),
            format!(
                "{:.0} links/s, {:.0} events/s",
                links as f64 / first.elapsed(),
                (links * EVENTS) as f64 / first.elapsed()
            ),
        );

        for latency in LATENCIES {
            *lock(&fleet.latency) = latency;
            all_at_once(report, &database, &fleet, &mut people, latency).await?;
            a_day(report, &database, &fleet, &mut people, latency, options.seconds).await?;
        }
        let wrong = compare(&fleet, &people).await?;
        report.target(
            "events lost, doubled or not as they were edited last",
            wrong as f64,
            "",
            targets::WRONG,
        );
        let failed = fleet.failed.load(Ordering::Relaxed);
        report.target("runs that failed or were lost", failed as f64, "", targets::WRONG);
        Ok(())
    });
    stop.notify_waiters();
    for worker in workers {
        let _ = worker.join();
    }
    done
}

/// A change on each link, as fast as they come.
async fn all_at_once(
    report: &mut Report,
    database: &Database,
    fleet: &Fleet,
    people: &mut People,
    latency: Duration,
) -> Outcome<()> {
    let (tenants, away) = (fleet.places.len(), away(latency));
    let links = tenants * EACH;
    let meter = Meter::start(database, fleet);
    for n in 0..links {
        people
            .edit((n % tenants, n / tenants), if n % 2 == 0 { Edited::There } else { Edited::Here })
            .await?;
    }
    wait(|| fleet.waiting() == 0).await?;
    let saturated = links as f64 / meter.elapsed();
    let (own, theirs) = meter.share();
    report.row(
        format!("{links} changes, one on each link, as fast as they come, {away}"),
        format!(
            "{saturated:.0} changes/s, {:.0} % of two processors and {:.0} % PostgreSQL's",
            own * 100.0,
            theirs * 100.0
        ),
    );
    let waits = fleet.mean_waits();
    let shortest = waits.iter().copied().fold(f64::INFINITY, f64::min);
    let longest = waits.iter().copied().fold(0.0, f64::max);
    report.row(
        format!("mean wait of a tenant's links meanwhile, {away}"),
        format!("{shortest:.1} s to {longest:.1} s"),
    );
    report.target(format!("the most that was reached, {away}"), saturated, " a second", targets::SUSTAINED);
    report.target(
        format!("Jain's index of the tenants' mean waits, {away}"),
        jain(&waits),
        "",
        targets::FAIRNESS,
    );
    fleet.lags.iter().for_each(|lags| lock(lags).clear());
    Ok(())
}

/// A day's rate for a while, of which one tenant has more than its part.
async fn a_day(
    report: &mut Report,
    database: &Database,
    fleet: &Fleet,
    people: &mut People,
    latency: Duration,
    seconds: usize,
) -> Outcome<()> {
    let (tenants, away) = (fleet.places.len(), away(latency));
    let day = Meter::start(database, fleet);
    let mut changes = 0_usize;
    while day.elapsed() < seconds as f64 {
        let flooded = people.roll(100) < FLOOD;
        let name = (if flooded { 0 } else { 1 + people.roll(tenants - 1) }, people.roll(EACH));
        people.edit(name, if changes.is_multiple_of(2) { Edited::There } else { Edited::Here }).await?;
        changes += 1;
        let next = Duration::from_secs_f64(changes as f64 / RATE);
        tokio::time::sleep(next.saturating_sub(day.start.elapsed())).await;
    }
    let (took, runs, (own, theirs)) = (day.elapsed(), day.runs(), day.share());
    wait(|| fleet.waiting() == 0).await?;
    let caught_up = day.elapsed() - took;
    report.row(
        format!(
            "a day's rate over {} links, each also polled every 15 minutes, for {took:.0} s, {away}",
            tenants * EACH
        ),
        format!(
            "{:.1} changes/s and {:.1} runs/s; in step {caught_up:.1} s after the last change",
            changes as f64 / took,
            runs as f64 / took
        ),
    );
    report.target(
        format!("changes sustained, {away}"),
        changes as f64 / took,
        " a second",
        targets::SUSTAINED,
    );
    report.target(
        format!("share of two processors at a day's rate, PostgreSQL's included, {away}"),
        (own + theirs) * 100.0,
        " %",
        targets::SHARE,
    );
    lags(report, fleet, &away);
    fleet.lags.iter().for_each(|lags| lock(lags).clear());
    Ok(())
}

/// Lags of the tenant that floods, and of the others: of those the worst one, too.
fn lags(report: &mut Report, fleet: &Fleet, away: &str) {
    let shown = |lags: &mut Vec<f64>| {
        format!("{:.1} s half of them, {:.1} s 95 in 100", percentile(lags, 0.5), percentile(lags, 0.95))
    };
    let mut flooding = lock(&fleet.lags[0]).clone();
    let others = || fleet.lags.iter().skip(1).map(lock);
    let mut rest: Vec<f64> = others().flat_map(|lags| lags.clone()).collect();
    let worst = others().map(|lags| percentile(&mut lags.clone(), 0.95)).fold(0.0, f64::max);
    report.row(
        format!(
            "a change is in step after (5 s of it debounce), {away}: the tenant with {FLOOD} % of the changes"
        ),
        shown(&mut flooding),
    );
    report.row(
        format!("the same, all others, {away}"),
        format!("{}, {worst:.1} s at the worst tenant", shown(&mut rest)),
    );
    let all = mean(&rest);
    let slowest = others().map(|lags| mean(&lags)).fold(0.0, f64::max);
    report.target(
        format!("mean wait of the slowest tenant beside one that floods, of the mean of all others, {away}"),
        slowest / all,
        "x",
        targets::SLOWEST,
    );
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// How equal values are: 1 when all are, one part in their number when one has everything.
fn jain(values: &[f64]) -> f64 {
    let (sum, squares) = (values.iter().sum::<f64>(), values.iter().map(|value| value * value).sum::<f64>());
    sum * sum / (values.len() as f64 * squares)
}

async fn wait(done: impl Fn() -> bool) -> Outcome<()> {
    let give_up = Instant::now() + Duration::from_secs(1800);
    while !done() {
        if Instant::now() > give_up {
            return Err("the workers did not catch up in half an hour".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn prepare(store: &PostgresStore, tenants: usize) -> Outcome<(Arc<Fleet>, People)> {
    let ids = Arc::new(RandomIds::from_seed([7; 32]));
    let cadence = Cadence::every(TimeDelta::minutes(15)).map_err(|error| error.to_string())?;
    let (mut places, mut stores) = (Vec::new(), Vec::new());
    for t in 0..tenants {
        let store: Arc<dyn Store> = Arc::new(store.tenant(&tenant(t)));
        let hub = Hub::new(store.clone(), Arc::new(SystemClock), ids.clone());
        let schedule = Schedule::new(store.clone(), Arc::new(SystemClock));
        let mut of_tenant = Vec::new();
        for l in 0..EACH {
            let mut place = Place::default();
            for n in 0..EVENTS {
                let uid = format!("uid-{n}");
                place.remote.put(&format!("item-{n}"), &event(&uid, "first"));
                place.expected.insert(uid, "first".to_owned());
            }
            of_tenant.push(Mutex::new(place));
            let task = Task::Sync(link(l).as_str().into());
            schedule.put(&task, &cadence, Priority::Normal).await.map_err(|error| error.to_string())?;
        }
        places.push(of_tenant);
        stores.push((store, hub, schedule));
    }
    let lags = (0..tenants).map(|_| Mutex::default()).collect();
    let (runs, failed, latency) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
    let fleet = Arc::new(Fleet { places, lags, runs, failed, latency });
    let dice = RandomIds::from_seed([8; 32]);
    Ok((fleet.clone(), People { fleet, stores, dice, edits: 0 }))
}

/// A worker on a thread of its own, until it is told to stop.
fn worker(
    store: &PostgresStore,
    fleet: &Arc<Fleet>,
    stop: &Arc<Notify>,
) -> Outcome<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let ids = Arc::new(RandomIds::new().map_err(|error| error.to_string())?);
    let mut options = WorkerOptions::default();
    options.concurrency = 8;
    let worker =
        Worker::new(Arc::new(store.clone()), fleet.clone(), Arc::new(SystemClock), ids, Arc::new(TokioTimer))
            .with_options(options);
    let stop = stop.clone();
    Ok(std::thread::spawn(move || {
        runtime.block_on(worker.run(stop.notified()));
    }))
}

/// How many events are not on both sides of their link, once, as they were edited last.
async fn compare(fleet: &Fleet, people: &People) -> Outcome<usize> {
    let mut wrong = 0;
    for (tenant, places) in fleet.places.iter().enumerate() {
        for (number, place) in places.iter().enumerate() {
            let calendar = link(number).as_str().into();
            let records = people.stores[tenant].0.events_since(&calendar, Revision(0), 1_000);
            let records = records.await.map_err(|error| error.to_string())?;
            let place = lock(place);
            let here =
                records.into_iter().filter(|record| record.deleted.is_none()).map(|record| record.event);
            let there = place.remote.items().into_values();
            for side in [here.collect::<Vec<_>>(), there.collect()] {
                let found: BTreeMap<String, String> = side
                    .iter()
                    .map(|event| {
                        let title = event.master.as_ref().and_then(|body| body.title.clone());
                        (event.uid.clone(), title.unwrap_or_default())
                    })
                    .collect();
                let same =
                    place.expected.iter().filter(|(uid, title)| found.get(*uid) == Some(title)).count();
                wrong += place.expected.len().abs_diff(side.len()) + (place.expected.len() - same);
            }
        }
    }
    Ok(wrong)
}
