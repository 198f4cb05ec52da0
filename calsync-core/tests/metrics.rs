//! What `docs/metrics.md` names is measured, with the labels it names, and nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, RandomIds},
    engine::Link,
    merge::ConflictPolicy,
    model::LinkId,
    provider::{Fault, Retry, Watch},
    schedule::{Cadence, Priority, Schedule, Task},
    store::{
        Backlog, Channel, Claim, ClaimRequest, Claims, KeptChannel, Later, LaterQuery, MemoryStore,
        PollOptions, Result, Store, StoreChannels, StoreClaims, StoreError, StoreErrorKind, change_channels,
    },
    worker::{Announcements, Host, Opened, Timer, WorkError, Worker},
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// What is measured: kind, name and labels, with the count of counters.
#[derive(Clone, Default)]
struct Measured(Arc<Mutex<BTreeMap<(&'static str, String), Arc<AtomicU64>>>>);

impl Measured {
    /// The place of a metric, named as Prometheus writes it.
    fn at(&self, kind: &'static str, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.0.lock().unwrap().entry((kind, name)).or_default())
    }

    fn count(&self, name: &str) -> u64 {
        let all = self.0.lock().unwrap();
        all.get(&("counter", name.to_owned())).map_or(0, |count| count.load(Ordering::SeqCst))
    }

    fn level(&self, name: &str) -> Option<f64> {
        let all = self.0.lock().unwrap();
        all.get(&("gauge", name.to_owned())).map(|level| f64::from_bits(level.load(Ordering::SeqCst)))
    }

    /// Kind and labels by name.
    fn names(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let mut names: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for (kind, name) in self.0.lock().unwrap().keys() {
            let (name, labels) = name.split_once('{').unwrap();
            let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
            let known = names.entry(name.to_owned()).or_insert_with(|| ((*kind).to_owned(), BTreeSet::new()));
            known.1.extend(labels.map(|(label, _)| label.to_owned()));
        }
        names
    }
}

impl Recorder for Measured {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.at("counter", key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.at("gauge", key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.at("histogram", key);
        Histogram::noop()
    }
}

/// The same, as the page promises it: name, kind, and the labels, whose values stand in brackets after them.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `calsync_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (mut outside, mut depth) = (String::new(), 0);
        for letter in cells[3].chars() {
            depth += i32::from(letter == '(');
            if depth == 0 {
                outside.push(letter);
            }
            depth -= i32::from(letter == ')');
        }
        let labels = outside.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    })
    .collect()
}

/// One link that is well, one whose credentials are refused, one that is taken out of the schedule while it runs.
struct Links {
    remote: Arc<MemoryRemote>,
    schedule: Schedule,
}

#[async_trait]
impl Host for Links {
    async fn open(&self, _tenant: &str, link: &LinkId) -> std::result::Result<Option<Opened>, WorkError> {
        match link.as_str() {
            "refused" => return Err(WorkError::new(Fault::Credentials, Retry::Never, "refused")),
            "taken-out" => self.schedule.remove(&Task::Sync(link.clone())).await.unwrap(),
            _ => {}
        }
        let link = Link::new(link.clone(), "family", "memory").with_conflicts(ConflictPolicy::Manual);
        let mut opened = Opened::new(link, self.remote.clone());
        opened.announcements = Announcements::Measured(PollOptions::default());
        Ok(Some(opened))
    }
}

/// A store that is away the first time it is asked what is due.
struct AwayOnce(StoreClaims, AtomicBool);

#[async_trait]
impl Claims for AwayOnce {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        if self.1.swap(false, Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "claim"));
        }
        self.0.claim(request).await
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        self.0.next_due(spaces).await
    }

    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        self.0.due_later(query).await
    }

    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        self.0.backlog(spaces, now, limit).await
    }
}

struct TestTimer;

#[async_trait]
impl Timer for TestTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_documented_is_measured() {
    let measured = Measured::default();
    metrics::set_global_recorder(measured.clone()).unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::new(store.clone(), 1);
    let schedule = Schedule::new(store.clone(), world.clock.clone());
    let remote = Arc::new(MemoryRemote::default());
    remote.put("theirs", &event("theirs", "Board"));
    let host = Links { remote: remote.clone(), schedule: schedule.clone() };
    let claims = AwayOnce(StoreClaims::new(store.clone()), AtomicBool::new(true));
    let ids = Arc::new(RandomIds::from_seed([2; 32]));
    let worker = Worker::new(Arc::new(claims), Arc::new(host), world.clock.clone(), ids, Arc::new(TestTimer));
    let every = Cadence::every(TimeDelta::minutes(15)).unwrap();
    for link in ["well", "refused", "taken-out"] {
        schedule.put(&Task::Sync(link.into()), &every, Priority::Normal).await.unwrap();
    }
    let channels = StoreChannels::new(store.clone());
    let watch = Watch { id: "c".to_owned(), resource: String::new(), expires: DateTime::<Utc>::MAX_UTC };
    let channel = Channel::new(watch, world.clock.now());
    let kept = KeptChannel { asked: "c".to_owned(), terms: String::new(), channel };
    let well = LinkId::from("well");
    change_channels(&channels, &well, &|row| row.channels = vec![kept.clone()]).await.unwrap();
    worker.run(tokio::time::sleep(Duration::from_secs(5))).await;
    // The store was away when it was asked for the first time: all three waited then.
    assert_eq!(measured.level("calsync_queue_depth{kind=due}"), Some(3.0));
    assert_eq!(measured.level("calsync_queue_depth{kind=writes}"), None, "nobody counts them");
    // Both sides edit the same title.
    world.edit("theirs", |event| body(event).title = Some("Board, ours".to_owned())).await;
    remote.put("theirs", &event("theirs", "Board, theirs"));
    remote.put("new", &event("new", "Supper"));
    let now = world.clock.now();
    change_channels(&channels, &well, &|row| row.called = Some(now)).await.unwrap();
    schedule.nudge(&Task::Sync("well".into())).await.unwrap();
    world.clock.advance(TimeDelta::minutes(1));
    worker.run(tokio::time::sleep(Duration::from_secs(5))).await;

    // Somebody whose clock is two days ahead wants it at once.
    world.clock.advance(TimeDelta::days(2));
    schedule.run_now(&Task::Sync("refused".into())).await.unwrap();
    world.clock.advance(TimeDelta::days(-2));
    let ahead = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            world.clock.advance(TimeDelta::seconds(10));
        }
    };
    worker.run(ahead).await;

    assert_eq!(documented().len(), 13, "the page is read as it is written");
    assert_eq!(measured.names(), documented());
    for (name, count, what) in [
        ("calsync_runs_total{task=sync,outcome=done}", 2, "the well one, twice"),
        (
            "calsync_runs_total{task=sync,outcome=failed}",
            2,
            "the refused one, and once more when it was wanted",
        ),
        ("calsync_claims_lost_total{}", 1, "the one taken out"),
        ("calsync_store_errors_total{}", 1, "the store that was away once"),
        ("calsync_entries_set_back_total{}", 1, "the one wanted by a clock ahead"),
        ("calsync_conflicts_total{}", 1, "the title"),
        ("calsync_webhooks_total{announced=yes}", 1, "the new event: a call came"),
        ("calsync_alerts_total{kind=needs-reauth}", 1, "what a person has to do"),
        ("calsync_alerts_total{kind=open-conflicts}", 1, "and to answer"),
    ] {
        assert_eq!(measured.count(name), count, "{what}: {name}");
    }
}
