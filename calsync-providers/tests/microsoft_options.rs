//! Every option of the Microsoft provider with another value than its default: it does what it says.
#![cfg(feature = "microsoft")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{sync::Arc, time::Duration};

use calsync_core::{
    context::Clock as _,
    engine::{EngineError, Link, SyncOptions, SyncReport},
    model::{EventTime, RemoteCalendarId, RuleEntry, TimeSpan},
    provider::{ErrorKind, Provider, WatchRequest},
    store::MemoryStore,
    zone::Zone,
};
use calsync_providers::{
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider, MonthEnd, Window},
};
use calsync_testkit::{
    microsoft::{GraphOptions, GraphServer},
    world::{World, body, event},
};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

struct Lab {
    world: World,
    server: GraphServer,
    provider: MicrosoftProvider,
    link: Link,
}

impl Lab {
    fn with(change: impl FnOnce(&mut MicrosoftConfig)) -> Self {
        let server = GraphServer::start(GraphOptions::default()).unwrap();
        let world = World::new(Arc::new(MemoryStore::default()), 1);
        let token = Arc::new(Secret::from("secret"));
        let mut config = MicrosoftConfig::new(token).at(server.url(), AddressPolicy::AllowPrivate);
        change(&mut config);
        let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
        let provider = MicrosoftProvider::new(config, transport).unwrap().with_clock(world.clock.clone());
        let link = Link::new("graph", "family", server.default_calendar().as_str());
        Self { world, server, provider, link }
    }

    async fn sync(&self) -> Result<SyncReport, EngineError> {
        self.world.clock.advance(TimeDelta::minutes(15));
        self.world.engine.sync(&self.link, &self.provider, &SyncOptions::default()).await
    }

    fn add(&self, subject: &str) -> String {
        let at = |hour: u32| json!({"dateTime": format!("2026-01-06T{hour:02}:00:00"), "timeZone": "UTC"});
        let event = json!({"subject": subject, "start": at(9), "end": at(10)});
        self.server.add(&self.server.default_calendar(), &event).unwrap()
    }

    fn remote(&self) -> Vec<Value> {
        let stored = self.server.events(&self.server.default_calendar());
        stored.into_iter().map(|stored| stored.event).collect()
    }
}

/// Access as an application names the mailbox, alone, in batches and in what is watched.
#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_is_named_in_every_request() {
    let lab = Lab::with(|config| config.mailbox = "users/ann@example.com".to_owned());
    lab.add("theirs");
    for n in 0..3 {
        lab.world.add(event(&format!("u{n}"), "ours")).await;
    }
    lab.sync().await.unwrap();
    lab.world.edit("u1", |event| body(event).title = Some("edited".to_owned())).await;
    lab.sync().await.unwrap();
    assert_eq!((lab.remote().len(), lab.world.locals().await.len()), (4, 4));
    for request in lab.server.requests() {
        let place = format!("{} {}", request.path, request.body);
        assert!(place.contains("users/ann") && !place.contains("/me/"), "{place}");
    }
}

/// What calsync notes on its events is in the set that is configured, and what another set says is none of its.
#[tokio::test(flavor = "multi_thread")]
async fn marks_are_in_the_property_set_that_is_configured() {
    const SET: &str = "11112222-3333-4444-5555-666677778888";
    let lab = Lab::with(|config| config.property_set = SET.to_owned());
    lab.world.add(event("u", "ours")).await;
    lab.sync().await.unwrap();
    let noted = lab.remote()[0]["extended"].as_object().unwrap().clone();
    assert!(!noted.is_empty() && noted.keys().all(|name| name.contains(SET)), "{noted:?}");
    let default = Lab::with(|_| {});
    default.world.add(event("u", "ours")).await;
    default.sync().await.unwrap();
    let noted = default.remote()[0]["extended"].as_object().unwrap().clone();
    assert!(noted.keys().all(|name| !name.contains(SET)), "{noted:?}");
}

/// FLD: a title longer than Outlook's is cut off there, whole here, reported, and no edit of anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_title_is_cut_off_there_and_kept_here() {
    for (most, expected) in [(255, 255), (0, 300), (10, 10)] {
        let lab = Lab::with(|config| config.title_max = most);
        let long = "é".repeat(300);
        lab.world.add(event("u", &long)).await;
        let report = lab.sync().await.unwrap();
        let is_cut = report.plan.operations[0].losses.iter().any(|loss| loss == "title");
        assert_eq!(is_cut, expected < 300, "{most}");
        lab.world.edit("u", |event| body(event).location = Some("there".to_owned())).await;
        for _ in 0..3 {
            lab.sync().await.unwrap();
        }
        let there = lab.remote().remove(0);
        assert_eq!(there["subject"].as_str().unwrap().chars().count(), expected, "{most}");
        assert_eq!(there["location"]["displayName"], "there");
        let patches = lab.server.requests().into_iter().filter(|request| request.method == "PATCH");
        let patches: Vec<String> = patches.map(|request| request.body).collect();
        assert!(patches.len() == 1 && !patches[0].contains("subject"), "{most}: {patches:?}");
        let here = lab.world.local("u").await.event;
        assert_eq!(body(&mut here.clone()).title.as_deref(), Some(long.as_str()), "{most}");
    }
}

/// Answers every handshake.
async fn answering() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or_default();
            let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
            let url = url::Url::parse(&format!("http://x{}", head.split(' ').nth(1).unwrap_or("/"))).unwrap();
            let token = url.query_pairs().find(|(name, _)| name == "validationToken");
            let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length:";
            let _ = stream.write_all(format!("{head} {}\r\n\r\n{token}", token.len()).as_bytes()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_asked_for_no_longer_than_configured() {
    for (most, minutes) in [(60, 60), (4_200, 4_200), (10_000, 10_000), (1, 45)] {
        let lab = Lab::with(|config| config.watch_minutes_max = most);
        lab.server.set_now(lab.world.clock.now());
        let address = answering().await;
        let lifetime = Duration::from_secs(7 * 86_400);
        let request = WatchRequest { id: "w", address: &address, secret: "s", lifetime };
        let calendar = RemoteCalendarId::from(lab.server.default_calendar());
        let watch = lab.provider.watch(&calendar, request).await.unwrap();
        assert_eq!((watch.expires - lab.world.clock.now()).num_minutes(), minutes, "{most}");
        assert_eq!(lab.provider.capabilities().watch_seconds_max, u64::from(most) * 60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_times_are_asked_for_no_longer_a_window_than_configured() {
    for (most, asked, fits) in [(42, 42, true), (42, 50, false), (62, 50, true), (7, 8, false)] {
        let lab = Lab::with(|config| config.free_busy_days_max = most);
        let start: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
        let calendars = [RemoteCalendarId::from("ann@example.com")];
        let answer = lab.provider.free_busy(&calendars, start..start + TimeDelta::days(asked)).await;
        assert_eq!(answer.is_ok(), fits, "{most} {asked}");
        let requests = lab.server.requests().len();
        assert_eq!(requests, usize::from(fits), "what does not fit is not asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_the_one_that_is_configured() {
    let lab = Lab::with(|config| config.window = Window { past_days: 3, ahead_days: 20 });
    lab.sync().await.unwrap();
    let asked = lab.server.requests().into_iter().map(|request| request.path);
    let delta = asked.into_iter().find(|path| path.contains("startDateTime")).unwrap();
    assert!(
        delta.contains("startDateTime=2026-01-02") && delta.contains("endDateTime=2026-01-25"),
        "{delta}"
    );
}

/// An answer over the limit is an error, and nothing is taken for gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_limit_deletes_nothing() {
    let mut small = Lab::with(|_| {});
    for n in 0..10 {
        small.add(&format!("event {n} {}", "x".repeat(500)));
    }
    small.sync().await.unwrap();
    let token = Arc::new(Secret::from("secret"));
    let mut config = MicrosoftConfig::new(token).at(small.server.url(), AddressPolicy::AllowPrivate);
    config.limits.body_max = 2_000;
    let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    small.provider = MicrosoftProvider::new(config, transport).unwrap().with_clock(small.world.clock.clone());
    small.server.expire_tokens();
    let error = small.sync().await.unwrap_err();
    let EngineError::Provider(error) = error else { panic!("{error}") };
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(small.world.locals().await.len(), 10);
}

/// The 31st of every month: where Graph has no such day in April, a rule that skips it is said exactly, or it is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_on_the_31st_means_what_is_configured() {
    for (month_end, exact) in [(MonthEnd::Skip, true), (MonthEnd::Clamp, false)] {
        let lab = Lab::with(|config| config.month_end = month_end);
        let at = |hour| {
            let day = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
            EventTime::zoned(day.and_hms_opt(hour, 0, 0).unwrap(), Zone::UTC)
        };
        let mut series = event("u", "the last");
        body(&mut series).time = TimeSpan { start: at(9), end: at(10) };
        series.rules.push(RuleEntry::read("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=5"));
        lab.world.add(series).await;
        lab.sync().await.unwrap();
        let there = lab.remote();
        let pattern = there.first().map(|event| event["recurrence"]["pattern"]["type"].clone());
        assert_eq!(pattern == Some("absoluteMonthly".into()), exact, "{month_end:?}: {pattern:?}");
    }
}
