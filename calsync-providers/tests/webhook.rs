//! Webhooks: what is believed, what is answered, which channels there are, and when a link is looked at without a call.
#![cfg(all(feature = "google", feature = "microsoft"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use calsync_core::{
    context::Clock,
    model::RemoteCalendarId,
    provider::{Provider, Watch, WatchRequest},
    secret::Secret,
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport},
    webhook::{
        Announced, Answer, BODY_MAX, Channel, ChannelOptions, Delivery, DeliveryHealth, HasChannel,
        HintOptions, Hints, Ignored, Incoming, Known, Plan, PollOptions, Received, Renewal, Signal, Step,
        Vendor, channels, plan, verify,
    },
};
use calsync_testkit::{
    google::{GoogleOptions, GoogleServer, Notification},
    world::VirtualClock,
};
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

fn known() -> BTreeMap<String, Known> {
    let row = |secret: &str| Known { secret: Secret::from(secret), resource: "resource-1".to_owned() };
    [("one", "secret-1"), ("two", "secret-2"), ("blank", "")]
        .map(|(id, secret)| (id.to_owned(), row(secret)))
        .into()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn google(pairs: &[(&'static str, &str)]) -> Received {
    let (headers, known) = (headers(pairs), known());
    let incoming = Incoming { query: "", headers: &headers, body: b"" };
    verify(Vendor::Google, incoming, |id| known.get(id))
}

fn graph(body: &Value) -> Received {
    let (headers, known, body) = (HeaderMap::new(), known(), body.to_string());
    let incoming = Incoming { query: "", headers: &headers, body: body.as_bytes() };
    verify(Vendor::Graph, incoming, |id| known.get(id))
}

fn call(id: &str, token: &str, state: &str, resource: &str) -> Received {
    google(&[
        ("X-Goog-Channel-ID", id),
        ("X-Goog-Channel-Token", token),
        ("X-Goog-Resource-State", state),
        ("X-Goog-Resource-ID", resource),
        ("X-Goog-Message-Number", "7"),
    ])
}

/// CON-09, attack 29: Google's calls have no body and three states; what is forged or unknown gets the same answer.
#[test]
fn con_09_what_google_says_and_who_says_it() {
    let one = "one".to_owned();
    for (id, token, state, resource, signals, ignored) in [
        ("one", "secret-1", "sync", "resource-1", vec![Signal::Opened { channel: one.clone() }], vec![]),
        ("one", "secret-1", "exists", "resource-1", vec![Signal::Changed { channel: one.clone() }], vec![]),
        ("one", "secret-1", "not_exists", "resource-1", vec![Signal::Gone { channel: one.clone() }], vec![]),
        ("one", "secret-1", "update", "resource-1", vec![], vec![Ignored::Unheard { channel: one.clone() }]),
        ("one", "secret-2", "exists", "resource-1", vec![], vec![Ignored::Forged { channel: one.clone() }]),
        ("one", "", "exists", "resource-1", vec![], vec![Ignored::Forged { channel: one.clone() }]),
        ("one", "secret-1", "exists", "resource-2", vec![], vec![Ignored::Forged { channel: one.clone() }]),
        ("blank", "", "exists", "resource-1", vec![], vec![Ignored::Forged { channel: "blank".into() }]),
        (
            "gone",
            "",
            "exists",
            "resource-9",
            vec![],
            vec![Ignored::Unknown { channel: "gone".into(), resource: Some("resource-9".into()) }],
        ),
    ] {
        let received = call(id, token, state, resource);
        let answer = Answer { status: 200, headers: vec![], body: vec![] };
        assert_eq!(received, Received { answer, signals, ignored }, "{id} {token} {state} {resource}");
    }
    for pairs in [
        &[][..],
        &[("X-Goog-Channel-ID", "one")],
        &[("X-Goog-Resource-State", "exists")],
        &[("X-Goog-Channel-ID", ""), ("X-Goog-Resource-State", "exists")],
        &[("X-Goog-Channel-ID", "one"), ("X-Goog-Channel-ID", "two"), ("X-Goog-Resource-State", "exists")],
    ] {
        let received = google(pairs);
        assert_eq!((received.answer.status, received.ignored), (400, vec![Ignored::Malformed]));
        assert!(received.signals.is_empty());
    }
    // Without a token, where one is kept, twice a token is none.
    let twice = [
        ("X-Goog-Channel-ID", "one"),
        ("X-Goog-Channel-Token", "x"),
        ("X-Goog-Channel-Token", "secret-1"),
        ("X-Goog-Resource-State", "exists"),
    ];
    assert_eq!(google(&twice).ignored, [Ignored::Forged { channel: "one".into() }]);
}

fn item(id: &str, state: &str, lifecycle: Option<&str>) -> Value {
    let mut item = json!({
        "subscriptionId": id, "clientState": state, "changeType": "updated", "tenantId": "t",
        "resource": "Users/u/Events/e", "resourceData": {"id": "e"},
    });
    if let Some(lifecycle) = lifecycle {
        item["lifecycleEvent"] = lifecycle.into();
    }
    item
}

/// One call of Graph's may be about many subscriptions, of many tenants; each shows its own secret.
#[test]
fn what_graph_says_and_who_says_it() {
    let channel = |id: &str| id.to_owned();
    let received = graph(&json!({"value": [
        item("one", "secret-1", None), item("one", "secret-1", None), item("two", "secret-2", None),
        item("one", "secret-2", None), item("three", "secret-1", None), json!(7), item("blank", "", None),
        item("one", "secret-1", Some("reauthorizationRequired")),
        item("two", "secret-2", Some("subscriptionRemoved")),
        item("two", "secret-2", Some("missed")), item("two", "secret-2", Some("brandNew")),
        item("two", "wrong", Some("subscriptionRemoved")),
    ]}));
    assert_eq!((received.answer.status, received.answer.body.len()), (202, 0));
    assert_eq!(
        received.signals,
        [
            Signal::Changed { channel: channel("one") },
            Signal::Changed { channel: channel("two") },
            Signal::Reauthorize { channel: channel("one") },
            Signal::Removed { channel: channel("two") },
            Signal::Missed { channel: channel("two") },
        ]
    );
    assert_eq!(
        received.ignored,
        [
            Ignored::Forged { channel: channel("one") },
            Ignored::Unknown { channel: channel("three"), resource: None },
            Ignored::Malformed,
            Ignored::Forged { channel: channel("blank") },
            Ignored::Unheard { channel: channel("two") },
            Ignored::Forged { channel: channel("two") },
        ]
    );
    for body in [json!(null), json!([]), json!({"value": {}}), json!({"values": []})] {
        assert_eq!(graph(&body).ignored, [Ignored::Malformed], "{body}");
    }
    // Nothing to tell is no error.
    let nothing = graph(&json!({"value": []}));
    assert_eq!((nothing.answer.status, nothing.ignored.len()), (202, 0));
}

#[test]
fn graph_gets_its_validation_token_back_as_plain_text_and_nothing_else() {
    let none = HeaderMap::new();
    let answer = |query: &str| {
        let incoming = Incoming { query, headers: &none, body: b"" };
        verify(Vendor::Graph, incoming, |_| None)
    };
    let received = answer("a=b&validationToken=Validation%3a+Testing+%26+more");
    assert_eq!(received.answer.body, b"Validation: Testing & more");
    assert_eq!(received.answer.status, 200);
    assert_eq!(received.answer.headers[0], ("content-type", "text/plain; charset=utf-8"));
    assert!(received.signals.is_empty() && received.ignored.is_empty());
    // Anybody may call: a page stays text.
    let page = answer("validationToken=%3Cscript%3E").answer;
    assert!(page.headers.contains(&("x-content-type-options", "nosniff")));
    assert_eq!(answer(&format!("validationToken={}", "x".repeat(5_000))).answer.status, 400);
    assert_eq!(answer("validationToken=a%0D%0Ab").answer.status, 400);
    // The parameter means something for Graph only.
    let incoming = Incoming { query: "validationToken=x", headers: &none, body: b"" };
    assert!(verify(Vendor::Google, incoming, |_| None).answer.body.is_empty());
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let (none, body) = (HeaderMap::new(), vec![b'['; BODY_MAX + 1]);
    for vendor in [Vendor::Google, Vendor::Graph] {
        let incoming = Incoming { query: "", headers: &none, body: &body };
        assert!(channels(vendor, incoming).is_empty());
        let received = verify(vendor, incoming, |_| panic!("nothing is looked up"));
        assert_eq!((received.answer.status, received.ignored), (413, vec![Ignored::TooLarge]));
    }
    // Deep nesting ends in the parser.
    let incoming = Incoming { query: "", headers: &none, body: &body[..BODY_MAX] };
    assert_eq!(verify(Vendor::Graph, incoming, |_| None).ignored, [Ignored::Malformed]);
}

proptest! {
    /// Whatever comes: no panic, and no signal without a secret.
    #[test]
    fn no_bytes_are_believed(body in prop::collection::vec(any::<u8>(), 0..300), query in "[ -~]{0,60}") {
        let (none, known) = (HeaderMap::new(), known());
        let incoming = Incoming { query: &query, headers: &none, body: &body };
        prop_assert!(verify(Vendor::Graph, incoming, |id| known.get(id)).signals.is_empty());
        prop_assert!(verify(Vendor::Google, incoming, |id| known.get(id)).signals.is_empty());
    }
}

/// What the Google emulator would send is understood, for a channel that the provider opened.
#[tokio::test]
async fn con_09_calls_of_a_channel_are_recognised() {
    let server = GoogleServer::start(GoogleOptions::default()).unwrap();
    let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let config =
        GoogleConfig::new(Arc::new(Secret::from("secret"))).at(server.url(), AddressPolicy::AllowPrivate);
    let provider = GoogleProvider::new(config, transport).unwrap();
    let calendar = RemoteCalendarId::from("ann@example.com");
    let lifetime = ChannelOptions::google().lifetime;
    let request = WatchRequest {
        id: "channel-1",
        address: "https://hooks.example.com/google",
        secret: "shh",
        lifetime,
    };
    let watch = provider.watch(&calendar, request).await.unwrap();
    server.put(
        "primary",
        json!({"summary": "a", "start": {"date": "2026-03-01"}, "end": {"date": "2026-03-02"}}),
    );
    let known = Known { secret: Secret::from("shh"), resource: watch.resource.clone() };
    let heard: Vec<Received> = server
        .notifications()
        .into_iter()
        .map(|Notification { channel, resource, state, token, number }| {
            let headers = headers(&[
                ("X-Goog-Channel-ID", &channel),
                ("X-Goog-Resource-ID", &resource),
                ("X-Goog-Resource-State", &state),
                ("X-Goog-Channel-Token", token.as_deref().unwrap_or_default()),
                ("X-Goog-Message-Number", &number.to_string()),
            ]);
            let incoming = Incoming { query: "", headers: &headers, body: b"" };
            assert_eq!(channels(Vendor::Google, incoming), std::slice::from_ref(&watch.id));
            verify(Vendor::Google, incoming, |id| (id == watch.id).then_some(&known))
        })
        .collect();
    let signals: Vec<Signal> = heard.into_iter().flat_map(|received| received.signals).collect();
    let channel = || watch.id.clone();
    assert_eq!(signals, [Signal::Opened { channel: channel() }, Signal::Changed { channel: channel() }]);
}

fn start() -> DateTime<Utc> {
    VirtualClock::default().now()
}

/// A service that grants channels, and a host that does what the plan says, whenever it says.
struct Life {
    options: ChannelOptions,
    salt: u64,
    now: DateTime<Utc>,
    channels: Vec<Channel>,
    failures: (u32, DateTime<Utc>),
    opened: u32,
    log: Vec<(DateTime<Utc>, Step)>,
    /// Opening and prolonging fail.
    down: bool,
    most: usize,
}

impl Life {
    fn new(options: ChannelOptions, salt: u64) -> Self {
        let now = start();
        let failures = (0, now);
        let (channels, log) = (Vec::new(), Vec::new());
        Self { options, salt, now, channels, failures, opened: 0, log, down: false, most: 0 }
    }

    fn ask(&self) -> Plan {
        plan(&self.options, &self.channels, self.failures, self.salt, self.now)
    }

    fn expires(&self) -> DateTime<Utc> {
        self.now + TimeDelta::from_std(self.options.lifetime).unwrap()
    }

    /// Does what there is to do now; returns when to ask again.
    fn turn(&mut self) -> DateTime<Utc> {
        let Plan { steps, next } = self.ask();
        for step in steps {
            self.log.push((self.now, step.clone()));
            match step {
                Step::Open | Step::Prolong(_) if self.down => {
                    self.failures = (self.failures.0 + 1, self.now);
                }
                Step::Open => {
                    self.failures.0 = 0;
                    self.opened += 1;
                    let id = format!("channel-{}", self.opened);
                    let watch = Watch { id, resource: "r".into(), expires: self.expires() };
                    self.channels.push(Channel::new(watch, self.now));
                }
                Step::Prolong(id) => {
                    self.failures.0 = 0;
                    let (now, expires) = (self.now, self.expires());
                    let channel = self.channels.iter_mut().find(|channel| channel.watch.id == id).unwrap();
                    channel.since = now;
                    channel.watch.expires = expires;
                }
                Step::Stop(id) | Step::Forget(id) => self.channels.retain(|channel| channel.watch.id != id),
                Step::Probe(id) => {
                    let now = self.now;
                    let channel = self.channels.iter_mut().find(|channel| channel.watch.id == id).unwrap();
                    channel.probed = Some(now);
                }
                other => panic!("{other:?}"),
            }
            self.most = self.most.max(self.channels.len());
        }
        next
    }

    /// Until a time; returns for how long there was no channel that lives.
    fn run(&mut self, days: i64) -> TimeDelta {
        let (end, mut bare) = (self.now + TimeDelta::days(days), TimeDelta::zero());
        while self.now < end {
            let next = self.turn();
            // What was done may make more to do: it is asked again at once, as a host does after every step.
            let next = if self.ask().steps.is_empty() { next.min(self.ask().next) } else { self.now };
            let next = next.max(self.now + TimeDelta::seconds(1)).min(end);
            let lives = self.channels.iter().map(|channel| channel.watch.expires).max();
            bare += next - lives.unwrap_or(self.now).clamp(self.now, next);
            self.now = next;
        }
        bare
    }

    fn count(&self, is: fn(&Step) -> bool) -> usize {
        self.log.iter().filter(|(_, step)| is(step)).count()
    }
}

/// CON-09: a channel is renewed before it ends, with the old one beside it for a while; none piles up.
#[test]
fn con_09_a_year_of_channels_without_a_gap_and_without_orphans() {
    for salt in 0..20 {
        let mut life = Life::new(ChannelOptions::google(), salt);
        assert!(life.run(365) < TimeDelta::seconds(2));
        assert!(life.most <= 2 && life.channels.len() <= 2, "{}", life.most);
        let stopped = life.count(|step| matches!(step, Step::Stop(_)));
        // A year has 52 weeks, and each channel stands for six days or a quarter of a day less.
        assert!((60..=64).contains(&life.opened) && stopped as u32 >= life.opened - 2, "{}", life.opened);
        assert_eq!(life.count(|step| matches!(step, Step::Forget(_))), 0, "none runs out");

        let mut life = Life::new(ChannelOptions::graph(), salt);
        assert!(life.run(365) < TimeDelta::seconds(2));
        assert_eq!((life.opened, life.most), (1, 1));
        assert!(life.count(|step| matches!(step, Step::Prolong(_))) > 140);
    }
}

/// A service that is down is asked less and less, and a channel that runs out meanwhile is opened anew.
#[test]
fn a_service_that_is_down_is_not_hammered_and_forgotten_channels_are_opened_anew() {
    for options in [ChannelOptions::google(), ChannelOptions::graph()] {
        let mut life = Life::new(options, 1);
        life.turn();
        life.down = true;
        life.run(20);
        let tries = life.count(|step| matches!(step, Step::Open | Step::Prolong(_)));
        // Less than one an hour, and never nothing for two.
        assert!((240..480).contains(&tries), "{tries}");
        assert!(life.channels.is_empty(), "it ran out and is forgotten");
        life.down = false;
        life.run(1);
        assert_eq!(life.channels.len(), 1);
    }
}

#[test]
fn a_fleet_is_not_renewed_at_once() {
    let (mut hours, mut all) = (BTreeMap::<i64, usize>::new(), 0);
    for salt in 0..1_000 {
        let mut life = Life::new(ChannelOptions::google(), salt);
        life.run(7);
        for (time, step) in life.log.iter().skip(1) {
            if *step == Step::Open {
                *hours.entry((*time - start()).num_hours()).or_default() += 1;
                all += 1;
            }
        }
    }
    assert_eq!(all, 1_000);
    assert!(hours.len() >= 6 && hours.values().all(|count| *count < 250), "{hours:?}");
}

#[test]
fn what_the_service_ended_is_replaced_and_a_short_grant_is_renewed_in_time() {
    let mut life = Life::new(ChannelOptions::graph(), 3);
    life.turn();
    life.channels[0].removed = true;
    assert_eq!(life.ask().steps, [Step::Forget("channel-1".into()), Step::Open]);
    // Asked for days, granted an hour: renewed in the second half of it.
    let mut life = Life::new(ChannelOptions::graph(), 3);
    life.options.lifetime = Duration::from_secs(3600);
    life.turn();
    let next = (life.ask().next - life.now).num_minutes();
    assert!((30..=40).contains(&next), "{next}");
    // The same state has the same plan: a worker that takes over repeats nothing else.
    assert_eq!(life.ask(), life.ask());
    assert_eq!(life.options.renewal, Renewal::Extend);
}

/// Silence is looked into once a day, and calls that come make it needless.
#[test]
fn silence_is_looked_into() {
    let probes = |life: &Life| life.count(|step| matches!(step, Step::Probe(_)));
    let mut silent = Life::new(ChannelOptions::graph(), 9);
    silent.run(10);
    assert!((4..=10).contains(&probes(&silent)), "{}", probes(&silent));
    let mut heard = Life::new(ChannelOptions::graph(), 9);
    for _ in 0..20 {
        heard.run(1);
        let now = heard.now;
        heard.channels.iter_mut().for_each(|channel| channel.heard = Some(now));
        heard.run(0);
    }
    assert_eq!(probes(&heard), 0);
}

#[test]
fn a_burst_is_one_pull_and_a_stream_is_pulled_too() {
    let at = |seconds: i64| start() + TimeDelta::seconds(seconds);
    let mut hints = Hints::new(HintOptions::default());
    for second in [0, 1, 2, 4] {
        hints.hint("a", at(second));
    }
    hints.hint("b", at(3));
    assert_eq!(hints.next(), Some(at(8)));
    assert!(hints.due(at(7)).is_empty());
    assert_eq!(hints.due(at(8)), ["b"]);
    assert_eq!(hints.due(at(9)), ["a"]);
    assert_eq!((hints.due(at(60)).len(), hints.next()), (0, None));
    // Somebody who never stops is not waited for.
    for second in 100..200 {
        hints.hint("a", at(second));
        let due = hints.due(at(second));
        assert_eq!(!due.is_empty(), (second - 100) % 31 == 30, "{second}");
    }
    // Nor is a clock that was set back.
    let mut hints = Hints::new(HintOptions::default());
    hints.hint("a", at(1_000));
    hints.hint("a", at(0));
    assert_eq!(hints.due(at(5)), ["a"]);
}

/// How often a link is looked at without a call follows from whether calls came, and not from what is documented.
#[test]
fn the_polling_floor_follows_what_was_measured() {
    use Delivery::{Delivers, Unproven, Unreliable};
    // What pulls found: + announced, - not.
    for (found, delivery, minutes) in [
        ("", Unproven, 15),
        ("+", Unproven, 15),
        ("+++", Delivers, 360),
        ("-", Unproven, 15),
        ("--", Unreliable, 5),
        ("+++++-", Unproven, 15),
        ("+++++-+", Delivers, 360),
        ("+++++--", Unreliable, 5),
        ("+-+-+-+", Unreliable, 5),
        ("--++++++++++++++++++", Delivers, 360),
        ("--++++++++++++++++++++", Delivers, 360),
    ] {
        let health = found.chars().fold(DeliveryHealth::default(), |health, one| {
            health.found(if one == '+' { Announced::Before } else { Announced::Not })
        });
        assert_eq!(health.delivery(), delivery, "{found}");
        let interval = |channel| health.interval(&PollOptions::default(), channel).as_secs() / 60;
        assert_eq!((interval(HasChannel::Yes), interval(HasChannel::No)), (minutes, 5), "{found}");
        let kept: DeliveryHealth = serde_json::from_str(&serde_json::to_string(&health).unwrap()).unwrap();
        assert_eq!(kept, health);
    }
}

/// What a host configures in the place of the defaults holds.
#[test]
fn waits_that_are_configured_are_kept_to() {
    let now: DateTime<Utc> = "2026-01-05T12:00:00Z".parse().unwrap();
    let after = |seconds| now + TimeDelta::seconds(seconds);
    let mut burst = HintOptions::default();
    (burst.quiet, burst.most) = (Duration::from_secs(60), Duration::from_secs(100));
    let mut hints = Hints::new(burst);
    hints.hint("link", now);
    assert_eq!(hints.next(), Some(after(60)));
    hints.hint("link", after(50));
    assert_eq!(hints.next(), Some(after(100)), "and no longer");

    let mut poll = PollOptions::default();
    (poll.delivering, poll.unproven, poll.unreliable) =
        (Duration::from_secs(3), Duration::from_secs(2), Duration::from_secs(1));
    let (new, good) = (
        DeliveryHealth::default(),
        (0..5).fold(DeliveryHealth::default(), |health, _| health.found(Announced::Before)),
    );
    let bad = (0..5).fold(good, |health, _| health.found(Announced::Not));
    for (health, channel, seconds) in [
        (new, HasChannel::Yes, 2),
        (good, HasChannel::Yes, 3),
        (bad, HasChannel::Yes, 1),
        (good, HasChannel::No, 1),
    ] {
        assert_eq!(health.interval(&poll, channel).as_secs(), seconds);
    }

    let mut options = ChannelOptions::google();
    options.probe_after = Duration::from_secs(600);
    let open = |id: &str, since: i64, days: i64| {
        let watch =
            Watch { id: id.to_owned(), resource: String::new(), expires: now + TimeDelta::days(days) };
        Channel::new(watch, after(since))
    };
    let steps =
        |options: &ChannelOptions, channels: &[Channel]| plan(options, channels, (0, now), 3, now).steps;
    let silent = [open("a", -700, 7)];
    assert_eq!(steps(&options, &silent), [Step::Probe("a".to_owned())]);
    assert!(steps(&ChannelOptions::google(), &silent).is_empty());
    // A new one beside an old one, opened five minutes ago: when the old one goes is the overlap's affair.
    let two = [open("old", -500_000, 1), open("new", -300, 7)];
    assert!(steps(&ChannelOptions::google(), &two).is_empty());
    options.overlap = Duration::from_secs(200);
    assert_eq!(steps(&options, &two), [Step::Stop("old".to_owned())]);
    // After a failure.
    options.retry = Duration::from_secs(10);
    let failed = |options: &ChannelOptions| plan(options, &[], (1, after(-30)), 3, now).steps;
    assert_eq!((failed(&options), failed(&ChannelOptions::google())), (vec![Step::Open], vec![]));
}
