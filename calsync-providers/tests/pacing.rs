//! Pacing: what is sent in any minute, who waits, and what a host that is down is asked. Time is virtual.
#![cfg(all(feature = "google", feature = "microsoft"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use calsync_core::{
    context::Clock,
    engine::{Link, SyncOptions},
    model::RemoteCalendarId,
    provider::{ChangesRequest, ErrorKind, Provider, PullMode, Retry},
    store::{Allowance, BudgetRequest, Budgets, MemoryStore, Rate, StoreBudgets, StoreError, StoreErrorKind},
};
use calsync_providers::microsoft::{MicrosoftConfig, MicrosoftProvider};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{
        AddressPolicy, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport, ReqwestOptions,
        ReqwestTransport, Secret,
        pace::{Breaker, BreakerOptions, Bucket, Health, Pace, PacedTransport, Timer},
    },
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::{
    dav::Fault,
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
    world::{VirtualClock, World, event},
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Method, StatusCode};
use proptest::prelude::*;
use serde_json::json;
use url::Url;

const FOREVER: Duration = Duration::from_secs(1 << 40);

fn pace(per_minute: u32, burst: u32) -> Pace {
    Pace { per_minute, burst, concurrent: 100 }
}

fn start() -> DateTime<Utc> {
    VirtualClock::default().now()
}

/// The most that fall into one minute, its end left out.
fn busiest(times: &[DateTime<Utc>]) -> usize {
    let within = |from: &DateTime<Utc>| {
        times.iter().filter(|time| *time >= from && **time < *from + TimeDelta::minutes(1)).count()
    };
    times.iter().map(within).max().unwrap_or_default()
}

proptest! {
    /// Whoever asks whenever: in no minute more is sent than the pace says, and nothing goes backwards.
    #[test]
    fn in_any_minute_at_most_so_many_go(
        per_minute in 1_u32..120, burst in 0_u32..150, gaps in prop::collection::vec(0_i64..4_000, 1..300),
    ) {
        let mut now = start();
        let mut bucket = Bucket::new(pace(per_minute, burst), now);
        let mut sent = Vec::new();
        for gap in gaps {
            now += TimeDelta::milliseconds(gap);
            let wait = bucket.take(1, now, FOREVER).unwrap();
            sent.push(now + TimeDelta::from_std(wait).unwrap());
        }
        prop_assert!(sent.is_sorted());
        prop_assert!(busiest(&sent) <= per_minute as usize, "{} of {per_minute}", busiest(&sent));
    }

    /// A pace is no trickle: who always wants to send sends what flows in, and the burst.
    #[test]
    fn who_always_wants_to_send_is_not_starved(per_minute in 2_u32..200, burst in 1_u32..200) {
        let (begun, burst) = (start(), burst.min(per_minute - 1));
        let mut bucket = Bucket::new(pace(per_minute, burst), begun);
        let within = (0..).take_while(|_| {
            bucket.take(1, begun, FOREVER).unwrap() <= Duration::from_secs(600)
        });
        prop_assert_eq!(within.count() as u32, burst + (per_minute - burst) * 10);
    }

    /// QUO-08: whatever the clock does, a wait is never longer than the bucket takes to fill, and ends.
    #[test]
    fn quo_08_a_clock_that_jumps_stops_nothing(jumps in prop::collection::vec(-40_000_i64..40_000, 1..50)) {
        let mut now = start();
        let mut bucket = Bucket::new(pace(60, 10), now);
        bucket.block(now, Duration::from_secs(100));
        for jump in jumps {
            now += TimeDelta::seconds(jump);
            let wait = bucket.take(1, now, FOREVER).unwrap();
            prop_assert!(wait <= Duration::from_secs(100), "{wait:?}");
            now += TimeDelta::from_std(wait).unwrap();
            prop_assert!(bucket.blocked_for(now).is_zero());
        }
    }
}

#[test]
fn presets_are_below_what_providers_take() {
    for (pace, per_minute) in [
        (Pace::GOOGLE, 600),
        (Pace::GOOGLE_300, 300),
        (Pace::MICROSOFT, 1_000),
        (Pace::CALDAV_30, 30),
        (Pace::COZI_10, 10),
        (Pace::CALDAV.per_minute(42), 42),
    ] {
        let mut bucket = Bucket::new(pace, start());
        let sent: Vec<_> = (0..3_000)
            .map(|_| start() + TimeDelta::from_std(bucket.take(1, start(), FOREVER).unwrap()).unwrap())
            .collect();
        // The last one goes as the minute ends.
        assert_eq!(busiest(&sent) + 1, per_minute, "{pace:?}");
    }
}

/// A batch costs what is in it, and one that is larger than the bucket goes when it is full.
#[test]
fn a_batch_costs_what_is_in_it() {
    let mut bucket = Bucket::new(pace(120, 60), start());
    let seconds = |wait: Duration| wait.as_secs();
    assert_eq!(bucket.take(50, start(), FOREVER).map(seconds), Ok(0));
    assert_eq!(bucket.take(20, start(), FOREVER).map(seconds), Ok(10));
    // 10 are owed; 60 are the most that is waited for, and what is over is waited for by those behind.
    assert_eq!(bucket.take(90, start(), FOREVER).map(seconds), Ok(70));
    assert_eq!(bucket.take(1, start(), FOREVER).map(seconds), Ok(101));
    // Who has no patience takes nothing.
    assert_eq!(bucket.take(1, start(), Duration::from_secs(101)).map(seconds), Err(Duration::from_secs(102)));
    assert_eq!(bucket.take(1, start(), Duration::from_secs(102)).map(seconds), Ok(102));
}

#[test]
fn a_breaker_opens_asks_once_and_closes() {
    use Health::{Answered, Failed};
    let mut breaker = Breaker::new(BreakerOptions::default(), 0);
    let mut now = start();
    let later = |now: &mut DateTime<Utc>, seconds| *now += TimeDelta::seconds(seconds);
    // Four failures, an answer, four failures: closed.
    for health in [Failed, Failed, Failed, Failed, Answered, Failed, Failed, Failed, Failed] {
        breaker.admit(now).unwrap();
        breaker.learn(health, now);
    }
    breaker.admit(now).unwrap();
    breaker.learn(Failed, now);
    let first = breaker.admit(now).unwrap_err().as_secs();
    assert!((30..=37).contains(&first), "{first}");
    // What was under way says nothing new.
    breaker.learn(Failed, now);
    assert_eq!(breaker.admit(now).unwrap_err().as_secs(), first);
    // One goes to see, and no other.
    later(&mut now, 38);
    breaker.admit(now).unwrap();
    breaker.admit(now).unwrap_err();
    breaker.learn(Failed, now);
    let second = breaker.admit(now).unwrap_err().as_secs();
    assert!((60..=75).contains(&second), "{second}");
    // The one that went to see was dropped: another one goes.
    later(&mut now, 76);
    breaker.admit(now).unwrap();
    later(&mut now, 76);
    breaker.admit(now).unwrap();
    breaker.learn(Answered, now);
    for _ in 0..10 {
        breaker.admit(now).unwrap();
    }
    // It never rests for longer than a quarter of an hour and a quarter of that.
    for _ in 0..100 {
        while breaker.admit(now).is_ok() {
            breaker.learn(Failed, now);
        }
        assert!(breaker.rests_for(now) <= Duration::from_secs(900 + 225));
        // Nor when the clock is set back.
        assert!(breaker.rests_for(now - TimeDelta::days(1)) <= Duration::from_secs(900 + 225));
        later(&mut now, 1_200);
    }
}

/// Moves the clock for all who wait, a little at a time.
struct VirtualTimer(Arc<VirtualClock>);

#[async_trait]
impl Timer for VirtualTimer {
    async fn sleep(&self, wait: Duration) {
        let until = self.0.now() + TimeDelta::from_std(wait).unwrap();
        while self.0.now() < until {
            tokio::task::yield_now().await;
            if self.0.now() < until {
                let left = (until - self.0.now()).num_milliseconds() + 1;
                self.0.advance(TimeDelta::milliseconds(left.min(5)));
            }
        }
    }
}

type Answers = Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, HttpError> + Send + Sync>;

/// Notes when it was asked, for how much, and how many it had at once.
struct Noting {
    clock: Arc<VirtualClock>,
    sent: Mutex<Vec<(DateTime<Utc>, u32)>>,
    now: Mutex<(usize, usize)>,
    answers: Option<Answers>,
    inner: ReqwestTransport,
}

impl Noting {
    fn new(clock: &Arc<VirtualClock>, answers: Option<Answers>) -> Arc<Self> {
        let inner = ReqwestTransport::new(&ReqwestOptions::default()).unwrap();
        let (sent, now) = (Mutex::default(), Mutex::default());
        Arc::new(Self { clock: clock.clone(), sent, now, answers, inner })
    }

    fn paced(self: &Arc<Self>, account: &str, pace: Pace) -> PacedTransport {
        let timer = Arc::new(VirtualTimer(self.clock.clone()));
        PacedTransport::new(self.clone(), account, pace, self.clock.clone(), timer)
    }

    /// When what was sent, a batch as often as it counts.
    fn times(&self) -> Vec<DateTime<Utc>> {
        let sent = self.sent.lock().unwrap();
        sent.iter().flat_map(|(time, cost)| std::iter::repeat_n(*time, *cost as usize)).collect()
    }
}

#[async_trait]
impl HttpTransport for Noting {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.sent.lock().unwrap().push((self.clock.now(), request.cost));
        {
            let mut now = self.now.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
        }
        tokio::task::yield_now().await;
        let answer = match &self.answers {
            Some(answers) => answers(&request),
            None => self.inner.send(request).await,
        };
        self.now.lock().unwrap().0 -= 1;
        answer
    }
}

fn answer(status: u16, retry_after: &str) -> HttpResponse {
    let mut headers = HeaderMap::new();
    if !retry_after.is_empty() {
        headers.insert("retry-after", retry_after.parse().unwrap());
    }
    HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() }
}

fn request(host: &str) -> HttpRequest {
    HttpRequest::new(Method::GET, Url::parse(&format!("https://{host}/")).unwrap())
}

/// Hosts that want one request every two seconds get no more, whoever asks, and a wait that is too long is an error that
/// was not sent and says when to come back.
#[tokio::test]
async fn short_waits_are_waited_for_and_long_ones_are_told() {
    let clock = Arc::new(VirtualClock::default());
    let noting = Noting::new(&clock, Some(Box::new(|_| Ok(answer(200, "")))));
    let paced = noting.paced("a", Pace::CALDAV_30);
    for _ in 0..60 {
        paced.send(request("dav.example.com")).await.unwrap();
    }
    assert_eq!(busiest(&noting.times()), 29, "and the thirtieth at the end of the minute");
    let all = Pace { concurrent: 60, ..Pace::CALDAV_30 };
    let paced = noting.paced("b", all);
    let answers = (0..60).map(|_| paced.send(request("dav.example.com")));
    let answers = futures_util::future::join_all(answers).await;
    let (sent, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!(sent.len() >= 30 && !refused.is_empty());
    for error in refused {
        let error = error.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Paced);
        assert!(!error.is_maybe_sent() && error.wait().unwrap() > Duration::from_secs(60));
        let error = error.writing("x");
        assert_eq!((error.kind.clone(), error.is_ambiguous()), (ErrorKind::Throttled, false));
        assert!(matches!(error.retry, Retry::After(_)));
    }
}

/// QUO-02: a mailbox allows four at a time, for all links of the account.
#[tokio::test]
async fn quo_02_no_more_are_under_way_than_a_mailbox_allows() {
    let clock = Arc::new(VirtualClock::default());
    let noting = Noting::new(&clock, Some(Box::new(|_| Ok(answer(200, "")))));
    let paced = noting.paced("a", Pace::MICROSOFT);
    futures_util::future::join_all((0..100).map(|_| paced.send(request("graph.example.com")))).await;
    assert_eq!(noting.now.lock().unwrap().1, 4);
    assert_eq!(noting.times().len(), 100);
}

#[tokio::test]
async fn retry_after_holds_for_everything_to_that_host_and_no_other() {
    for (said, least) in [("120", 120), ("Mon, 05 Jan 2026 12:02:00 GMT", 120), ("2.5", 2)] {
        for status in [429, 503] {
            let clock = Arc::new(VirtualClock::default());
            let busy = move |request: &HttpRequest| {
                let busy = request.url.host_str() == Some("busy.example.com");
                Ok(if busy { answer(status, said) } else { answer(200, "") })
            };
            let noting = Noting::new(&clock, Some(Box::new(busy)));
            let paced = noting.paced("a", Pace::GOOGLE);
            paced.send(request("busy.example.com")).await.unwrap();
            paced.send(request("idle.example.com")).await.unwrap();
            let begun = clock.now();
            match paced.send(request("busy.example.com")).await {
                Ok(_) => assert!((least..=5).contains(&(clock.now() - begun).num_seconds()), "{said}"),
                Err(error) => {
                    let wait = error.wait().unwrap().as_secs();
                    assert!((least as u64..=150).contains(&wait), "{said}: {wait}");
                    assert_eq!(noting.times().len(), 2, "it was not sent");
                    clock.advance(TimeDelta::seconds(151));
                    paced.send(request("busy.example.com")).await.unwrap();
                }
            }
        }
    }
}

/// Redirects may lead to any number of hosts; what is kept of them is bounded.
#[tokio::test]
async fn hosts_past_a_number_share_one_bucket() {
    let clock = Arc::new(VirtualClock::default());
    let noting = Noting::new(&clock, Some(Box::new(|_| Ok(answer(200, "")))));
    let paced = noting.paced("a", pace(2, 1)).with_patience(Duration::ZERO);
    let mut sent = 0;
    for host in 0..100 {
        sent += usize::from(paced.send(request(&format!("host-{host}.example.com"))).await.is_ok());
    }
    assert_eq!(sent, 33);
}

#[tokio::test]
async fn a_host_that_is_down_is_left_alone_and_found_again() {
    let clock = Arc::new(VirtualClock::default());
    let down = Arc::new(Mutex::new(true));
    let state = down.clone();
    let answers = move |request: &HttpRequest| {
        let down = *state.lock().unwrap() && request.url.host_str() == Some("down.example.com");
        if down {
            Err(HttpError::not_sent(HttpErrorKind::Connect, "no such host"))
        } else {
            Ok(answer(200, ""))
        }
    };
    let noting = Noting::new(&clock, Some(Box::new(answers)));
    let paced = noting.paced("a", Pace::GOOGLE);
    let mut resting = 0;
    for _ in 0..50 {
        let error = paced.send(request("down.example.com")).await.unwrap_err();
        if error.kind == HttpErrorKind::Resting {
            resting += 1;
            let error = error.reading("x");
            assert_eq!(error.kind, ErrorKind::Unavailable);
            assert!(matches!(error.retry, Retry::After(_)));
        }
    }
    assert_eq!((noting.times().len(), resting), (5, 45));
    paced.send(request("up.example.com")).await.unwrap();
    *down.lock().unwrap() = false;
    clock.advance(TimeDelta::seconds(38));
    for _ in 0..10 {
        paced.send(request("down.example.com")).await.unwrap();
    }
}

/// QUO-06: a thousand accounts that were told the same, or found the same host down, do not come back at once.
#[tokio::test]
async fn quo_06_a_fleet_does_not_come_back_in_lockstep() {
    let cases: [(&str, fn() -> Result<HttpResponse, HttpError>); 2] = [
        ("told to come back in a minute", || Ok(answer(429, "60"))),
        ("down", || Err(HttpError::not_sent(HttpErrorKind::Connect, "no such host"))),
    ];
    for (case, said) in cases {
        let clock = Arc::new(VirtualClock::default());
        let noting = Noting::new(&clock, Some(Box::new(move |_| said())));
        let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
        for account in 0..1_000 {
            let paced = noting.paced(&format!("account-{account}"), Pace::GOOGLE);
            let wait = loop {
                match paced.send(request("api.example.com")).await {
                    Err(error) if error.wait().is_some() => break error.wait().unwrap(),
                    _ => {}
                }
            };
            *seconds.entry(wait.as_secs()).or_default() += 1;
        }
        let most = seconds.values().max().unwrap();
        assert!(*most <= 1_000 / seconds.len() * 3 / 2 && seconds.len() >= 8, "{case}: {seconds:?}");
    }
}

/// QUO-05: ten thousand events are made at the pace of the account; the quota of the day runs out on the way, six hours pass,
/// and in the end each is there once.
#[tokio::test]
async fn quo_05_a_burst_of_creations_is_paced_goes_on_after_a_pause_and_makes_no_duplicate() {
    const EVENTS: usize = 10_000;
    let world = World::new(Arc::new(MemoryStore::default()), 5);
    let server = GoogleServer::start(GoogleOptions::default()).unwrap();
    for number in 0..EVENTS {
        world.add(event(&format!("uid-{number}"), &format!("event {number}"))).await;
    }
    let noting = Noting::new(&world.clock, None);
    let paced = Arc::new(noting.paced("a", Pace::GOOGLE_300));
    let mut config =
        GoogleConfig::new(Arc::new(Secret::from("secret"))).at(server.url(), AddressPolicy::AllowPrivate);
    config.quota_pause = Duration::from_secs(6 * 3600);
    let provider = GoogleProvider::new(config, paced).unwrap().with_clock(world.clock.clone());
    let link = Link::new("google", world.calendar.as_str(), "ann@example.com");
    let spent = r#"{"error":{"code":403,"errors":[{"domain":"usageLimits","reason":"quotaExceeded"}]}}"#;
    // In the middle of a batch, and for every write after it.
    server.inject(Fault::status(403).body(spent).on_method("POST").nth(5_220).times(100_000));
    for _ in 0..3 {
        let _ = world.engine.sync(&link, &provider, &SyncOptions::default()).await;
        let made = server.events("primary").len();
        assert!((4_900..5_250).contains(&made), "{made} events before the quota was spent");
        world.clock.advance(TimeDelta::minutes(5));
    }
    server.clear_faults();
    world.clock.advance(TimeDelta::hours(6));
    for _ in 0..3 {
        world.clock.advance(TimeDelta::hours(1));
        world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
    }
    let mut titles: Vec<String> =
        server.events("primary").iter().map(|event| event["summary"].to_string()).collect();
    titles.sort();
    titles.dedup();
    assert_eq!(
        (titles.len(), server.events("primary").len(), world.locals().await.len()),
        (EVENTS, EVENTS, EVENTS)
    );
    assert!(world.store.outbox(&link.id, None, 9).await.unwrap().is_empty());
    assert!(busiest(&noting.times()) <= 300, "{}", busiest(&noting.times()));
    assert_eq!(server.mails(), 0);
}

/// QUO-02: a first listing of ten thousand events at Graph and a thousand creations, at the pace of a mailbox: pages as
/// large as the service allows, series and writes by twenty, never more in a minute or at once than is taken.
#[tokio::test]
async fn quo_02_a_large_mailbox_is_read_and_written_within_its_budget() {
    let world = World::new(Arc::new(MemoryStore::default()), 5);
    let server = GraphServer::start(GraphOptions::default()).unwrap();
    let full = server.add_calendar("full");
    let mut row = json!({
        "subject": "x", "start": {"dateTime": "2026-02-02T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-02-02T10:00:00", "timeZone": "UTC"},
    });
    for number in 0..10_000 {
        if number == 9_600 {
            row["recurrence"] = json!({
                "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
                "range": {"type": "numbered", "startDate": "2026-02-02", "numberOfOccurrences": 4, "recurrenceTimeZone": "UTC"},
            });
        }
        server.add(&full, &row).unwrap();
    }
    let noting = Noting::new(&world.clock, None);
    let paced = Arc::new(noting.paced("a", Pace::MICROSOFT));
    let config =
        MicrosoftConfig::new(Arc::new(Secret::from("secret"))).at(server.url(), AddressPolicy::AllowPrivate);
    let provider = MicrosoftProvider::new(config, paced).unwrap().with_clock(world.clock.clone());

    let (mut found, mut cursor) = (0, None);
    loop {
        let request = ChangesRequest { cursor: cursor.as_ref(), mode: PullMode::Incremental };
        let page = provider.changes(&RemoteCalendarId::from(full.as_str()), request).await.unwrap();
        (found, cursor) = (found + page.changes.len(), page.cursor);
        if !page.more {
            break;
        }
    }
    assert_eq!(found, 10_000);
    // The delta query names every instance in its window: 9,600 and 4 of each of 400. The listing is ten pages; whether
    // anything was deleted while they were read is one more look.
    assert_eq!(provider.requests(), 12 + 10 + 20 + 1, "requests of a first listing");

    for number in 0..1_000 {
        world.add(event(&format!("uid-{number}"), &format!("event {number}"))).await;
    }
    let link = Link::new("graph", world.calendar.as_str(), server.default_calendar().as_str());
    let before = provider.requests();
    world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
    assert_eq!(server.events(&server.default_calendar()).len(), 1_000);
    // Fifty batches of writes, as many that read them back, and the looks at changes before and after.
    assert_eq!(provider.requests() - before, 50 + 50 + 3, "requests for a thousand creations");
    let times = noting.times();
    assert!(times.len() > 2_400, "a batch counts as what is in it: {}", times.len());
    assert!(busiest(&times) <= 1_000, "{} in a minute", busiest(&times));
    assert!(noting.now.lock().unwrap().1 <= 4);
    assert!(server.requests().iter().all(|request| request.status != 429));
}

/// QUO-04: two processes work for one account. Each by itself would keep to the limit and both together break it; with
/// budgets in the store they share, they keep to it together.
#[tokio::test]
async fn quo_processes_on_one_account_stay_within_one_budget() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shared.db");
    for shared in [true, false] {
        let clock = Arc::new(VirtualClock::default());
        // One network, for counting; two transports with stores of their own over one file, as two processes have.
        let noting = Noting::new(&clock, Some(Box::new(|_| Ok(answer(200, "")))));
        let mut workers = Vec::new();
        for _ in 0..2 {
            let store = SqliteStore::open(&file, SqliteConfig::default()).await.unwrap();
            let budgets = Arc::new(StoreBudgets::new(Arc::new(store)));
            let paced = noting.paced("a", Pace::CALDAV_30);
            workers.push(if shared { paced.with_budgets(budgets, "a") } else { paced });
        }
        // One after the other: virtual time would run on while the file is asked.
        for turn in 0..80 {
            workers[turn % 2].send(request("dav.example.com")).await.unwrap();
        }
        assert_eq!(noting.times().len(), 80);
        let most = busiest(&noting.times());
        if shared {
            assert_eq!(most, 29, "and the thirtieth at the end of the minute");
        } else {
            assert!(most > 30, "what is not shared is broken: {most}");
        }
    }
}

/// What one process is told to leave alone, the other leaves alone; and a store that fails stops nobody.
#[tokio::test]
async fn quo_retry_after_holds_for_every_process() {
    let clock = Arc::new(VirtualClock::default());
    let store = Arc::new(MemoryStore::new());
    let noting = Noting::new(&clock, Some(Box::new(|_| Ok(answer(429, "120")))));
    let of =
        |_| noting.paced("a", Pace::GOOGLE).with_budgets(Arc::new(StoreBudgets::new(store.clone())), "a");
    let [one, other] = [(), ()].map(of);
    one.send(request("busy.example.com")).await.unwrap();
    let refused = other.send(request("busy.example.com")).await.unwrap_err();
    assert_eq!(refused.kind, HttpErrorKind::Paced);
    assert!((120..=150).contains(&refused.wait().unwrap().as_secs()));
    assert_eq!(noting.times().len(), 1, "it was not sent");

    struct Down;
    #[async_trait]
    impl Budgets for Down {
        async fn take(&self, _: BudgetRequest<'_>) -> calsync_core::store::Result<Allowance> {
            Err(StoreError::new(StoreErrorKind::Backend, "budget"))
        }

        async fn block(
            &self,
            _: &str,
            _: Rate,
            _: DateTime<Utc>,
            _: Duration,
        ) -> calsync_core::store::Result<()> {
            Err(StoreError::new(StoreErrorKind::Backend, "budget"))
        }
    }
    let noting = Noting::new(&clock, Some(Box::new(|_| Ok(answer(200, "")))));
    let alone = noting.paced("a", Pace::CALDAV_30).with_budgets(Arc::new(Down), "a");
    for _ in 0..60 {
        alone.send(request("dav.example.com")).await.unwrap();
    }
    assert_eq!(busiest(&noting.times()), 29, "it keeps to a budget of its own");
}
