//! How often a household at Cozi is asked: by the minute, and when its service is down. Time is virtual, the requests are real.

#![cfg(feature = "cozi")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod cozi_support;

use std::{
    sync::{Arc, Mutex, OnceLock},
    thread,
};

use async_trait::async_trait;
use calsync_core::{
    context::Clock,
    model::{Event, EventBody, EventTime, TimeSpan},
    provider::{ErrorKind, ProviderError, Retry},
};
use calsync_providers::{
    cozi::{CoziConfig, CoziProvider, UnofficialApi},
    http::{
        AddressPolicy, HttpError, HttpRequest, HttpResponse, HttpTransport, ReqwestOptions, ReqwestTransport,
        Secret, pace::Pace,
    },
};
use calsync_testkit::{
    cozi::{CoziOptions, CoziServer},
    dav::Fault,
    world::VirtualClock,
};
use chrono::{DateTime, TimeDelta, Utc};
use cozi_support::{create, pull, shown, timed};
use tokio::{
    runtime::Runtime,
    time::{Duration, Instant, sleep},
};

/// The clock of tokio, which goes on by itself when everybody waits.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> DateTime<Utc> {
        VirtualClock::default().now() + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
}

/// Where what is real runs: a test whose time is virtual would take a wait for a socket for a moment when nothing happens.
fn network() -> &'static Runtime {
    static NETWORK: OnceLock<Runtime> = OnceLock::new();
    NETWORK.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

/// A network without delay that notes when it was used.
struct Network {
    inner: ReqwestTransport,
    clock: Arc<Paused>,
    sent: Mutex<Vec<DateTime<Utc>>>,
}

#[async_trait]
impl HttpTransport for Network {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.sent.lock().unwrap().push(self.clock.now());
        let send = || network().handle().block_on(self.inner.send(request));
        thread::scope(|scope| scope.spawn(send).join()).unwrap()
    }
}

struct Lab {
    server: CoziServer,
    network: Arc<Network>,
    provider: CoziProvider,
}

impl Lab {
    /// A provider as a host gets it, but for the opt-in and the address.
    fn new() -> Self {
        let server = CoziServer::start_on(network().handle(), CoziOptions::default()).unwrap();
        let clock = Arc::new(Paused(Instant::now()));
        let inner = ReqwestTransport::new(&ReqwestOptions::default()).unwrap();
        let network = Arc::new(Network { inner, clock: clock.clone(), sent: Mutex::default() });
        let mut config = CoziConfig::new("ann@example.com", Secret::from("secret"))
            .at(server.url(), AddressPolicy::AllowPrivate);
        assert_eq!(config.pace, Some(Pace::COZI_10), "the default");
        config.unofficial_api = UnofficialApi::Accepted;
        let provider = CoziProvider::new(config, network.clone(), clock).unwrap();
        Self { server, network, provider }
    }

    fn sent(&self) -> usize {
        self.network.sent.lock().unwrap().len()
    }

    /// The most that were sent in one minute, its end left out.
    fn busiest(&self) -> usize {
        let sent = self.network.sent.lock().unwrap();
        let within = |from: &DateTime<Utc>| {
            sent.iter().filter(|time| *time >= from && **time < *from + TimeDelta::minutes(1)).count()
        };
        sent.iter().map(within).max().unwrap_or_default()
    }

    /// Asks as often as nobody should; what came of it.
    async fn hammer(&self, times: usize) -> Vec<ProviderError> {
        let mut errors = Vec::new();
        for _ in 0..times {
            errors.extend(pull(&self.provider, None).await.err());
        }
        errors
    }
}

fn seconds(error: &ProviderError) -> u64 {
    match error.retry {
        Retry::After(wait) => wait.as_secs(),
        _ => panic!("{error:?}"),
    }
}

fn event(uid: &str, hour: i64) -> Event {
    let at = |hour| {
        EventTime::Utc("2026-01-07T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hour))
    };
    let body = EventBody::new(TimeSpan { start: at(hour), end: at(hour + 1) });
    Event::single(uid, EventBody { title: Some(uid.to_owned()), ..body })
}

/// QUO-02: signing in, a first pull, pulls at once, writes and what is read for them: never more than ten in a minute, and nothing is
/// given up for it.
#[tokio::test(start_paused = true)]
async fn quo_02_a_household_is_asked_ten_times_a_minute() {
    let lab = Lab::new();
    lab.server.put(timed("there", "2026-01-08"));
    let begun = Instant::now();
    let first = pull(&lab.provider, None).await.unwrap();
    assert_eq!(
        (lab.sent(), shown(&lab.provider, &first)),
        (16, vec!["there".to_owned()]),
        "sign in, account, 14 months"
    );
    let took = begun.elapsed();
    assert!((100..=140).contains(&took.as_secs()), "about two minutes: {took:?}");

    let cursor = first.cursor.as_ref();
    let (one, other) = tokio::join!(pull(&lab.provider, cursor), pull(&lab.provider, cursor));
    assert_eq!([one, other].map(|page| page.unwrap().changes.len()), [0, 0]);
    for number in 0..10 {
        create(&lab.provider, &event(&format!("new {number}"), number), "x").await.unwrap();
    }
    assert_eq!(lab.server.items().len(), 11);
    assert_eq!(lab.busiest(), 9, "and the tenth as the minute ends");
    let rate = lab.sent() as f64 / begun.elapsed().as_secs_f64() * 60.0;
    assert!((5.5..10.0).contains(&rate), "nobody waits for longer than need be: {rate} a minute");
}

/// Five failures in a row, and a service that is down is left alone: for half a minute, then for twice as long each time one
/// request finds it down still. When it is back everything goes on with the cursor of before, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_household_that_is_down_is_left_alone_and_found_again() {
    let lab = Lab::new();
    let id = lab.server.put(timed("before", "2026-01-08"));
    let known = pull(&lab.provider, None).await.unwrap();
    let before = lab.sent();
    lab.server.inject(Fault::status(503).always());

    let errors = lab.hammer(40).await;
    assert_eq!((errors.len(), lab.sent() - before), (40, 5));
    assert!(errors.iter().all(|error| error.kind == ErrorKind::Unavailable));
    assert!(errors[5..].iter().all(|error| !error.is_ambiguous() && (1..=38).contains(&seconds(error))));
    // What is to be written is not sent either, and so cannot have been applied.
    let error = create(&lab.provider, &event("new", 9), "x").await.unwrap_err();
    assert_eq!(
        (error.kind.clone(), error.is_ambiguous(), lab.sent() - before),
        (ErrorKind::Unavailable, false, 5)
    );

    for (round, rest) in [(1, 30..=38), (2, 60..=75), (3, 120..=150)] {
        let wait = seconds(&lab.hammer(1).await[0]);
        assert!(rest.contains(&wait), "{round}: {wait} s");
        sleep(Duration::from_secs(wait + 1)).await;
        lab.hammer(40).await;
        assert_eq!(lab.sent() - before, 5 + round, "one goes to see");
    }
    lab.server.edit(&id, |item| drop(item.insert("description".to_owned(), "edited meanwhile".into())));
    lab.server.clear_faults();
    let wait = seconds(&lab.hammer(1).await[0]);
    sleep(Duration::from_secs(wait + 1)).await;
    let back = pull(&lab.provider, known.cursor.as_ref()).await.unwrap();
    assert_eq!(shown(&lab.provider, &back), ["edited meanwhile"]);
    assert_eq!(lab.sent() - before, 5 + 3 + 14);
    assert!(lab.busiest() <= 10);
}

/// A service that is down when nobody is signed in is not sent the password again and again.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_gets_the_password_five_times() {
    let lab = Lab::new();
    lab.server.inject(Fault::status(502).always());
    let errors = lab.hammer(40).await;
    assert_eq!((errors.len(), lab.sent()), (40, 5));
    lab.server.clear_faults();
    sleep(Duration::from_secs(seconds(errors.last().unwrap()) + 1)).await;
    pull(&lab.provider, None).await.unwrap();
    assert_eq!(lab.server.logins(), 1);
}

/// QUO-02: what the service says of when to come back holds, for every request of the account, and is told.
#[tokio::test(start_paused = true)]
async fn quo_02_a_household_that_asks_for_a_pause_gets_it() {
    let lab = Lab::new();
    pull(&lab.provider, None).await.unwrap();
    let before = lab.sent();
    lab.server.inject(Fault::status(429).retry_after_seconds(300));
    let begun = Instant::now();
    let errors = lab.hammer(20).await;
    assert_eq!((errors.len(), lab.sent() - before), (20, 1));
    assert!(errors.iter().all(|error| error.kind == ErrorKind::Throttled));
    let wait = seconds(errors.last().unwrap());
    assert!((290..=375).contains(&wait), "{wait} s");
    sleep(Duration::from_secs(wait + 1)).await;
    assert!(begun.elapsed().as_secs() >= 300);
    pull(&lab.provider, None).await.unwrap();
}
