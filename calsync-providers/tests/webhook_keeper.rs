//! Channels kept for links: opened, renewed, ended and heard in virtual time, against both emulators; and a worker that dies
//! at any await.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{
    borrow::Cow,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock as _, RandomIds},
    model::{Event, LinkId, RemoteCalendarId, RemoteId},
    provider::{
        Capabilities, ChangePage, ChangesRequest, ErrorKind, Fetched, Payload, Provider, ProviderError,
        ReadError, RemoteCalendar, Watch, WatchRequest,
    },
    schedule::{Preset, Priority, Schedule, Task},
    store::{Channels, LinkChannels, MemoryStore, ReadChannels, Store, StoreChannels, StoreError},
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
    webhook::{
        ChannelKey, ChannelOptions, Ignored, Incoming, KeepError, Keeper, Signal, Tended, Tending, Vendor,
    },
};
use calsync_testkit::{
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
    world::VirtualClock,
};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const ADDRESS: &str = "https://hooks.example.com/calsync";

struct Lab {
    clock: Arc<VirtualClock>,
    store: Arc<dyn Store>,
    channels: Arc<dyn Channels>,
    keeper: Keeper,
    schedule: Schedule,
    link: LinkId,
}

impl Lab {
    async fn new() -> Self {
        Self::over(|channels| channels).await
    }

    async fn over(wrap: impl Fn(Arc<dyn Channels>) -> Arc<dyn Channels>) -> Self {
        let clock = Arc::new(VirtualClock::default());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let channels: Arc<dyn Channels> = Arc::new(StoreChannels::new(store.clone()));
        let ids = Arc::new(RandomIds::from_seed([7; 32]));
        let key = ChannelKey::new(b"0123456789abcdef").unwrap();
        let keeper = Keeper::new(wrap(channels.clone()), key, clock.clone(), ids);
        let schedule = Schedule::new(store.clone(), clock.clone());
        let link = LinkId::from("work");
        for task in [Task::Sync(link.clone()), Task::Renew(link.clone())] {
            schedule.put(&task, &Preset::Google.cadence(), Priority::Normal).await.unwrap();
        }
        Self { clock, store, channels, keeper, schedule, link }
    }

    async fn tend(&self, provider: &dyn Provider, calendar: &str, options: &ChannelOptions) -> Tended {
        self.try_tend(provider, calendar, options, ADDRESS).await.unwrap()
    }

    async fn try_tend(
        &self,
        provider: &dyn Provider,
        calendar: &str,
        options: &ChannelOptions,
        address: &str,
    ) -> Result<Tended, KeepError> {
        let calendar = RemoteCalendarId::from(calendar);
        let about = Tending { link: &self.link, calendar: &calendar, provider, address, options };
        self.keeper.tend(about, &self.schedule).await
    }

    async fn row(&self) -> LinkChannels {
        self.channels.read(&self.link).await.unwrap().row
    }

    async fn forget_nudges(&self) {
        for task in [Task::Sync(self.link.clone()), Task::Renew(self.link.clone())] {
            self.schedule.remove(&task).await.unwrap();
            self.schedule.put(&task, &Preset::Google.cadence(), Priority::Normal).await.unwrap();
        }
    }

    /// Whether somebody said that a task has something to do.
    async fn nudged(&self, task: Task) -> bool {
        self.schedule.entry(&task).await.unwrap().pending.is_some()
    }
}

fn transport() -> Arc<ReqwestTransport> {
    Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap())
}

fn google(server: &GoogleServer, clock: &Arc<VirtualClock>) -> GoogleProvider {
    let config =
        GoogleConfig::new(Arc::new(Secret::from("secret"))).at(server.url(), AddressPolicy::AllowPrivate);
    GoogleProvider::new(config, transport()).unwrap().with_clock(clock.clone())
}

/// The headers of a call the emulator would have made.
fn headers(call: &calsync_testkit::google::Notification) -> HeaderMap {
    let pairs = [
        ("x-goog-channel-id", call.channel.clone()),
        ("x-goog-resource-id", call.resource.clone()),
        ("x-goog-resource-state", call.state.clone()),
        ("x-goog-channel-token", call.token.clone().unwrap_or_default()),
        ("x-goog-message-number", call.number.to_string()),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap()))
        .collect()
}

/// CON-09: for a month there is a channel at every moment, never more than two, and none is left at the end.
#[tokio::test]
async fn con_09_a_channel_of_google_is_kept_for_a_month() {
    let lab = Lab::new().await;
    let server = GoogleServer::start(GoogleOptions::default()).unwrap();
    let provider = google(&server, &lab.clock);
    let options = ChannelOptions::google();
    let (mut opened, mut ended, mut turns) = (0, 0, 0);
    let start = lab.clock.now();
    while lab.clock.now() - start < TimeDelta::days(30) {
        let tended = lab.tend(&provider, "ann@example.com", &options).await;
        opened += tended.opened;
        ended += tended.ended;
        turns += 1;
        assert!((1..=2).contains(&server.channels()), "{} at {}", server.channels(), lab.clock.now());
        let wait = (tended.next.unwrap() - lab.clock.now()).max(TimeDelta::seconds(1));
        lab.clock.advance(wait);
        server.pass(wait.to_std().unwrap());
        assert!(server.channels() >= 1, "no channel at {}", lab.clock.now());
    }
    assert!((5..=6).contains(&opened) && ended >= opened - 2, "{opened} opened, {ended} ended");
    assert!(turns < 60, "{turns} turns");
    assert_eq!(lab.row().await.failures, 0);
    assert_eq!(lab.keeper.end(&lab.link, &provider).await.unwrap() as usize, lab_left(opened, ended));
    assert_eq!((server.channels(), lab.row().await), (0, LinkChannels::default()));
    assert!(lab.channels.links().await.unwrap().is_empty());
}

fn lab_left(opened: u32, ended: u32) -> usize {
    (opened - ended) as usize
}

/// A call nudges its link and is noted; one that shows another secret, or is of another channel, does neither.
#[tokio::test]
async fn con_09_calls_of_google_are_told_from_forged_ones() {
    let lab = Lab::new().await;
    let server = GoogleServer::start(GoogleOptions::default()).unwrap();
    let provider = google(&server, &lab.clock);
    lab.tend(&provider, "ann@example.com", &ChannelOptions::google()).await;
    // What changed before it was open nobody is told of.
    assert!(lab.nudged(Task::Sync(lab.link.clone())).await);
    lab.forget_nudges().await;
    server.put(
        "primary",
        json!({"summary": "x", "start": {"date": "2026-02-01"}, "end": {"date": "2026-02-02"}}),
    );
    let calls = server.notifications();
    assert_eq!(calls.iter().map(|call| call.state.as_str()).collect::<Vec<_>>(), ["sync", "exists"]);
    let receive = async |headers: &HeaderMap| {
        let incoming = Incoming { query: "", headers, body: b"" };
        lab.keeper.receive(Vendor::Google, incoming, &lab.schedule).await.unwrap()
    };
    for name in ["x-goog-channel-token", "x-goog-channel-id", "x-goog-resource-id"] {
        let mut forged = headers(&calls[1]);
        forged.insert(name, HeaderValue::from_static("made-up"));
        let call = receive(&forged).await;
        assert_eq!((call.answer.status, call.signals.len(), call.ignored.len()), (200, 0, 1), "{name}");
    }
    assert!(!lab.nudged(Task::Sync(lab.link.clone())).await && lab.row().await.called.is_none());
    // That it is open is no announcement.
    receive(&headers(&calls[0])).await;
    let row = lab.row().await;
    assert!(row.called.is_none() && row.channels[0].channel.heard.is_some());
    let call = receive(&headers(&calls[1])).await;
    assert_eq!((call.answer.status, call.signals.len()), (200, 1));
    assert!(lab.nudged(Task::Sync(lab.link.clone())).await && lab.row().await.called.is_some());
    assert!(!lab.nudged(Task::Renew(lab.link.clone())).await);
    // What is kept holds no secret.
    let token = calls[0].token.clone().unwrap();
    assert!(!serde_json::to_string(&lab.row().await).unwrap().contains(&token));
    // After the link is gone its calls are those of nobody.
    lab.keeper.end(&lab.link, &provider).await.unwrap();
    assert!(matches!(receive(&headers(&calls[1])).await.ignored[..], [Ignored::Unknown { .. }]));
}

/// Answers the handshake of Graph, and keeps what it is sent.
async fn receiver() -> (String, Arc<Mutex<Vec<String>>>) {
    receiving(TcpListener::bind("127.0.0.1:0").await.unwrap())
}

fn receiving(listener: TcpListener) -> (String, Arc<Mutex<Vec<String>>>) {
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = bodies.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let mut piece = [0; 8 << 10];
            let (head, body) = loop {
                let length = stream.read(&mut piece).await.unwrap_or_default();
                bytes.extend_from_slice(&piece[..length]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let wanted = head.to_ascii_lowercase();
                let wanted = wanted
                    .split_once("content-length: ")
                    .map_or(0, |(_, rest)| rest.split_whitespace().next().unwrap().parse().unwrap());
                if length == 0 || body.len() >= wanted {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let target = head.split(' ').nth(1).unwrap_or("/").to_owned();
            let url = url::Url::parse(&format!("http://x{target}")).unwrap();
            let token = url.query_pairs().find(|(name, _)| name == "validationToken");
            let answer = token.map(|(_, value)| value.into_owned()).unwrap_or_default();
            if answer.is_empty() {
                kept.lock().unwrap().push(body);
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length:";
            let _ = stream.write_all(format!("{head} {}\r\n\r\n{answer}", answer.len()).as_bytes()).await;
        }
    });
    (address, bodies)
}

struct GraphLab {
    lab: Lab,
    server: GraphServer,
    provider: MicrosoftProvider,
    address: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl GraphLab {
    async fn new() -> Self {
        let lab = Lab::new().await;
        let server = GraphServer::start(GraphOptions::default()).unwrap();
        let config = MicrosoftConfig::new(Arc::new(Secret::from("secret")))
            .at(server.url(), AddressPolicy::AllowPrivate);
        let provider = MicrosoftProvider::new(config, transport()).unwrap().with_clock(lab.clock.clone());
        let (address, bodies) = receiver().await;
        Self { lab, server, provider, address, bodies }
    }

    async fn tend(&self) -> Tended {
        let calendar = self.server.default_calendar();
        let options = ChannelOptions::graph();
        self.server.set_now(self.lab.clock.now());
        self.lab.try_tend(&self.provider, &calendar, &options, &self.address).await.unwrap()
    }

    /// Hands over what the emulator has called with by now; at least one call is awaited.
    async fn receive(&self) -> Vec<Signal> {
        let mut signals = Vec::new();
        while self.bodies.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let bodies = std::mem::take(&mut *self.bodies.lock().unwrap());
        for body in bodies {
            let headers = HeaderMap::new();
            let incoming = Incoming { query: "", headers: &headers, body: body.as_bytes() };
            let call = self.lab.keeper.receive(Vendor::Graph, incoming, &self.lab.schedule).await.unwrap();
            assert_eq!((call.answer.status, call.ignored), (202, Vec::new()));
            signals.extend(call.signals);
        }
        signals
    }
}

/// CON-09: one subscription for a month, prolonged and never doubled.
#[tokio::test]
async fn con_09_a_subscription_of_graph_is_prolonged_for_a_month() {
    let graph = GraphLab::new().await;
    let (mut opened, mut prolonged) = (0, 0);
    let start = graph.lab.clock.now();
    while graph.lab.clock.now() - start < TimeDelta::days(30) {
        let tended = graph.tend().await;
        opened += tended.opened;
        prolonged += tended.prolonged;
        assert_eq!(graph.server.subscriptions(), 1);
        let wait = tended.next.unwrap() - graph.lab.clock.now();
        graph.lab.clock.advance(wait.max(TimeDelta::seconds(1)));
    }
    assert_eq!(opened, 1);
    assert!((11..=16).contains(&prolonged), "{prolonged}");
    graph.server.set_now(graph.lab.clock.now());
    assert_eq!(graph.lab.keeper.end(&graph.lab.link, &graph.provider).await.unwrap(), 1);
    assert_eq!((graph.server.subscriptions(), graph.lab.row().await), (0, LinkChannels::default()));
}

/// Every lifecycle notification leads to what it asks for.
#[tokio::test]
async fn lifecycle_notifications_of_graph_act() {
    let graph = GraphLab::new().await;
    let (sync, renew) = (Task::Sync(graph.lab.link.clone()), Task::Renew(graph.lab.link.clone()));
    graph.tend().await;
    graph.lab.forget_nudges().await;
    let first = graph.lab.row().await.channels[0].channel.clone();

    graph.server.send_lifecycle("missed");
    assert!(matches!(graph.receive().await[..], [Signal::Missed { .. }]));
    assert!(graph.lab.nudged(sync).await && !graph.lab.nudged(renew.clone()).await);
    assert!(graph.lab.row().await.called.is_some());
    assert_eq!(graph.tend().await.prolonged, 0);

    graph.lab.clock.advance(TimeDelta::hours(1));
    graph.server.send_lifecycle("reauthorizationRequired");
    assert!(matches!(graph.receive().await[..], [Signal::Reauthorize { .. }]));
    assert!(graph.lab.nudged(renew.clone()).await && graph.lab.row().await.channels[0].channel.reauthorize);
    assert_eq!(graph.tend().await.prolonged, 1);
    let second = graph.lab.row().await.channels[0].channel.clone();
    assert_eq!(second.watch.id, first.watch.id);
    assert!(second.watch.expires > first.watch.expires && !second.reauthorize);

    graph.server.send_lifecycle("subscriptionRemoved");
    assert!(matches!(graph.receive().await[..], [Signal::Removed { .. }]));
    let tended = graph.tend().await;
    assert_eq!((tended.opened, tended.ended), (1, 1));
    let third = graph.lab.row().await.channels[0].channel.clone();
    assert_ne!(third.watch.id, first.watch.id);
}

/// What the service has forgotten without a word is found out when it is to be prolonged, and replaced at once.
#[tokio::test]
async fn a_subscription_the_service_forgot_is_opened_anew() {
    let lab = Lab::new().await;
    let hooked = Hooked { clock: lab.clock.clone(), ..Hooked::default() };
    let options = ChannelOptions::graph();
    let wait = lab.tend(&hooked, "c", &options).await.next.unwrap() - lab.clock.now();
    hooked.open.lock().unwrap().clear();
    // Silence is looked into before it has to be prolonged.
    lab.clock.advance(wait);
    assert!(lab.tend(&hooked, "c", &options).await.silent);
    lab.clock.advance(TimeDelta::minutes(4_200 - 700) - wait);
    let tended = lab.tend(&hooked, "c", &options).await;
    assert_eq!((tended.prolonged, tended.ended, tended.opened), (0, 1, 1));
    let kept = lab.row().await.channels.len();
    assert_eq!((hooked.open.lock().unwrap().len(), kept), (1, 1));
}

/// What a provider does not watch is polled, and asked about again after a week.
#[tokio::test]
async fn con_09_a_calendar_that_is_not_watched_is_left_to_polling() {
    let lab = Lab::new().await;
    let server = GoogleServer::start(GoogleOptions::default()).unwrap();
    let holidays = "de.german#holiday@group.v.calendar.google.com";
    server.add_calendar(holidays, "Holidays", "Europe/Berlin", "reader");
    let provider = google(&server, &lab.clock);
    let options = ChannelOptions::google();
    let watches =
        || server.requests().iter().filter(|request| request.path.contains("/events/watch")).count();
    let tended = lab.tend(&provider, holidays, &options).await;
    assert_eq!((tended.opened, watches()), (0, 1));
    assert_eq!(tended.next, Some(lab.clock.now() + TimeDelta::days(7)));
    for _ in 0..6 {
        lab.clock.advance(TimeDelta::days(1));
        lab.tend(&provider, holidays, &options).await;
    }
    assert_eq!(watches(), 1);
    lab.clock.advance(TimeDelta::days(2));
    lab.tend(&provider, holidays, &options).await;
    assert_eq!(watches(), 2);
}

/// An address that does not answer the handshake may not be up yet: it is asked again within minutes. A tenant that allows no
/// subscriptions is left alone for a week.
#[tokio::test]
async fn con_09_a_failed_handshake_is_tried_again_and_a_tenant_that_refuses_is_not() {
    let mut graph = GraphLab::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    graph.address = format!("http://{place}/");
    let try_tend = async |graph: &GraphLab| {
        let calendar = graph.server.default_calendar();
        graph.server.set_now(graph.lab.clock.now());
        graph.lab.try_tend(&graph.provider, &calendar, &ChannelOptions::graph(), &graph.address).await
    };
    for failures in 1..=2 {
        let error = try_tend(&graph).await.unwrap_err();
        let KeepError::Provider(error) = error else { panic!("{error}") };
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("handshake"), "{error}");
        assert_eq!((graph.lab.row().await.failures, graph.lab.row().await.refused), (failures, None));
        graph.lab.clock.advance(TimeDelta::minutes(3));
    }
    receiving(TcpListener::bind(place).await.unwrap());
    assert_eq!(try_tend(&graph).await.unwrap().opened, 1);

    let graph = GraphLab::new().await;
    graph.server.follow("fault status=403 code=Forbidden path=/subscriptions times=always").unwrap();
    let tended = try_tend(&graph).await.unwrap();
    assert_eq!((tended.opened, tended.next), (0, Some(graph.lab.clock.now() + TimeDelta::days(7))));
}

/// A channel is for a calendar, an address and a key: when one of them is another, so is the channel, at once, and what was
/// known of the one before says nothing of it.
#[tokio::test]
async fn con_09_a_channel_for_another_calendar_address_or_key_is_replaced() {
    let options = ChannelOptions::google();
    let other_key = |lab: &Lab| {
        let ids = Arc::new(RandomIds::from_seed([8; 32]));
        let key = ChannelKey::new(b"fedcba9876543210").unwrap();
        Keeper::new(lab.channels.clone(), key, lab.clock.clone(), ids)
    };
    for (calendar, address, key) in
        [("other", ADDRESS, false), ("c", "https://moved.example.com/", false), ("c", ADDRESS, true)]
    {
        let mut lab = Lab::new().await;
        let hooked = Hooked { clock: lab.clock.clone(), ..Hooked::default() };
        lab.tend(&hooked, "c", &options).await;
        let before = hooked.open.lock().unwrap()[0].clone();
        let now = lab.clock.now();
        calsync_core::store::change_channels(&*lab.channels, &lab.link, &|row| {
            row.refused = Some(now);
            row.pulled(Some(now), calsync_core::store::Found::Changes);
        })
        .await
        .unwrap();
        if key {
            lab.keeper = other_key(&lab);
        }
        let tended = lab.try_tend(&hooked, calendar, &options, address).await.unwrap();
        assert_eq!((tended.opened, tended.ended), (1, 1), "{calendar} {address} {key}");
        let open = hooked.open.lock().unwrap().clone();
        assert!(open.len() == 1 && open[0].1.id != before.1.id);
        let row = lab.row().await;
        assert_eq!((row.channels.len(), row.refused, row.health), (1, None, Default::default()));
        // Calls of the one before are nobody's, whatever they show.
        let body = json!({"value": [{"subscriptionId": before.1.id, "clientState": before.2}]}).to_string();
        let incoming = Incoming { query: "", headers: &HeaderMap::new(), body: body.as_bytes() };
        assert!(lab.keeper.receive(Vendor::Graph, incoming, &lab.schedule).await.unwrap().signals.is_empty());
        // And then there is nothing to do.
        let tended = lab.try_tend(&hooked, calendar, &options, address).await.unwrap();
        assert_eq!((tended.opened, tended.ended), (0, 0));
    }
}

/// What a stranger can make us look up is bounded, and genuine calls among made up ones are heard.
#[tokio::test]
async fn con_09_a_forged_call_with_a_thousand_names_costs_little() {
    let asked: Arc<Mutex<usize>> = Arc::default();
    let lab = Lab::over(|channels| Arc::new(Stopping(channels, asked.clone()))).await;
    let hooked = Hooked { clock: lab.clock.clone(), ..Hooked::default() };
    lab.tend(&hooked, "c", &ChannelOptions::graph()).await;
    lab.forget_nudges().await;
    let (_, watch, secret) = hooked.open.lock().unwrap()[0].clone();
    let call = |made_up: usize, times: usize| {
        let genuine = json!({"subscriptionId": watch.id, "clientState": secret});
        let forged = (0..made_up).map(|n| json!({"subscriptionId": format!("x{n}"), "clientState": "guess"}));
        let all: Vec<_> = std::iter::repeat_n(genuine, times).chain(forged).collect();
        json!({ "value": all }).to_string()
    };
    // How many are named, how often the genuine one, how many are looked up at most.
    for (made_up, times, most) in [(1_000, 0, 200), (100, 1, 101), (0, 500, 1)] {
        *asked.lock().unwrap() = 0;
        let body = call(made_up, times);
        let incoming = Incoming { query: "", headers: &HeaderMap::new(), body: body.as_bytes() };
        let received = lab.keeper.receive(Vendor::Graph, incoming, &lab.schedule).await.unwrap();
        assert_eq!(received.answer.status, 202);
        assert_eq!(received.signals.len(), times.min(1), "{made_up} {times}");
        assert!(*asked.lock().unwrap() <= most, "{} looked up", asked.lock().unwrap());
    }
}

#[test]
fn a_key_that_can_be_guessed_is_refused() {
    for weak in [&b""[..], b"short", b"fifteen bytes..", &[7; 64]] {
        assert!(ChannelKey::new(weak).is_err(), "{}", weak.len());
    }
    assert!(ChannelKey::new(b"sixteen bytes or").is_ok());
}

/// Two workers with one plan open one channel: the other finds that somebody was faster.
#[tokio::test]
async fn two_workers_open_one_channel() {
    let lab = Lab::new().await;
    let hooked = Hooked::default();
    let options = ChannelOptions::google();
    let (one, two) = tokio::join!(
        lab.try_tend(&hooked, "c", &options, ADDRESS),
        lab.try_tend(&hooked, "c", &options, ADDRESS),
    );
    let opened = [one, two].into_iter().flatten().map(|tended| tended.opened).sum::<u32>();
    let kept = lab.row().await.channels.len();
    assert_eq!((opened, hooked.open.lock().unwrap().len(), kept), (1, 1, 1));
}

/// A provider that only grants channels, and can be stopped before and after everything it does.
#[derive(Default)]
struct Hooked {
    open: Mutex<Vec<(String, Watch, String)>>,
    granted: Mutex<u32>,
    clock: Arc<VirtualClock>,
}

async fn step() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn never<T>() -> Result<T, ProviderError> {
    Err(ProviderError::unsupported("not served"))
}

#[async_trait]
impl Provider for Hooked {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn requests(&self) -> u64 {
        0
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>, ProviderError> {
        never()
    }

    async fn changes(
        &self,
        _: &RemoteCalendarId,
        _: ChangesRequest<'_>,
    ) -> Result<ChangePage, ProviderError> {
        never()
    }

    async fn fetch(&self, _: &RemoteCalendarId, _: &[RemoteId]) -> Result<Vec<Fetched>, ProviderError> {
        never()
    }

    fn read(&self, _: &Payload) -> Result<Event, ReadError> {
        unreachable!("nothing is read")
    }

    fn project<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        Cow::Borrowed(event)
    }

    async fn watch(&self, _: &RemoteCalendarId, request: WatchRequest<'_>) -> Result<Watch, ProviderError> {
        step().await;
        let watch = {
            let mut granted = self.granted.lock().unwrap();
            *granted += 1;
            let expires = self.clock.now() + TimeDelta::from_std(request.lifetime).unwrap();
            Watch { id: format!("n{granted}"), resource: "r".to_owned(), expires }
        };
        let row = (request.id.to_owned(), watch.clone(), request.secret.to_owned());
        self.open.lock().unwrap().push(row);
        step().await;
        Ok(watch)
    }

    async fn unwatch(&self, watch: &Watch) -> Result<(), ProviderError> {
        step().await;
        self.open.lock().unwrap().retain(|(_, open, _)| open.id != watch.id);
        step().await;
        Ok(())
    }

    async fn rewatch(&self, watch: &Watch, lifetime: std::time::Duration) -> Result<Watch, ProviderError> {
        step().await;
        let expires = self.clock.now() + TimeDelta::from_std(lifetime).unwrap();
        let renewed = {
            let mut open = self.open.lock().unwrap();
            let found = open.iter_mut().find(|(_, open, _)| open.id == watch.id);
            let missing = || ProviderError::new(ErrorKind::NotFound, "rewatch", "gone");
            let (_, open, _) = found.ok_or_else(missing)?;
            open.expires = expires;
            open.clone()
        };
        step().await;
        Ok(renewed)
    }
}

/// Channels whose every call can be stopped, before and after, and which count the names that are looked up.
struct Stopping(Arc<dyn Channels>, Arc<Mutex<usize>>);

#[async_trait]
impl Channels for Stopping {
    async fn read(&self, link: &LinkId) -> Result<ReadChannels, StoreError> {
        step().await;
        self.0.read(link).await
    }

    async fn replace(
        &self,
        link: &LinkId,
        read: &ReadChannels,
        row: &LinkChannels,
    ) -> Result<Option<u64>, StoreError> {
        step().await;
        let replaced = self.0.replace(link, read, row).await;
        step().await;
        replaced
    }

    async fn link_of(&self, channel: &str) -> Result<Option<LinkId>, StoreError> {
        self.0.link_of(channel).await
    }

    async fn find(&self, channels: &[&str]) -> Result<Vec<(String, LinkId, LinkChannels)>, StoreError> {
        *self.1.lock().unwrap() += channels.len();
        self.0.find(channels).await
    }

    async fn links(&self) -> Result<Vec<LinkId>, StoreError> {
        self.0.links().await
    }
}

/// Polls so often, then drops the future: the worker has died. `true` when it had ended before.
fn dies_after<F: Future>(future: F, polls: u32) -> bool {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| future.as_mut().poll(&mut context).is_ready())
}

/// A worker dies at every await of opening, of prolonging or replacing, and of ending. What is kept is always there or
/// known to be over; at most one channel is there that nobody knows, its calls lead nowhere, and it ends by itself.
#[tokio::test]
async fn con_09_a_worker_that_dies_at_any_await_leaks_at_most_a_channel_that_ends() {
    for (options, ages) in [
        (ChannelOptions::google(), [0, 6 * 24 * 60, 6 * 24 * 60 + 300]),
        (ChannelOptions::graph(), [0, 3_600, 3_900]),
    ] {
        for age in ages {
            let mut points = 0;
            for polls in 1.. {
                let lab = Lab::over(|channels| Arc::new(Stopping(channels, Arc::default()))).await;
                let hooked = Hooked { clock: lab.clock.clone(), ..Hooked::default() };
                if age > 0 {
                    lab.tend(&hooked, "c", &options).await;
                    lab.clock.advance(TimeDelta::minutes(age));
                }
                let died = !dies_after(lab.try_tend(&hooked, "c", &options, ADDRESS), polls);
                points += u32::from(died);
                // Whoever takes over goes by what is kept.
                for _ in 0..4 {
                    lab.clock.advance(TimeDelta::minutes(15));
                    lab.tend(&hooked, "c", &options).await;
                }
                let row = lab.row().await;
                let now = lab.clock.now();
                assert_eq!(row.channels.len(), 1, "{age} {polls}: {row:?}");
                assert_eq!(row.failures, 0);
                let open: Vec<(String, Watch, String)> = hooked.open.lock().unwrap().clone();
                let live = open.iter().filter(|(_, watch, _)| watch.expires > now);
                let (known, leaked): (Vec<_>, Vec<_>) =
                    live.partition(|(_, watch, _)| watch.id == row.channels[0].channel.watch.id);
                assert_eq!(known.len(), 1, "{age} {polls}: what is kept is there");
                assert!(leaked.len() <= usize::from(died), "{age} {polls}: {} leaked", leaked.len());
                for (_, watch, secret) in leaked {
                    let body =
                        json!({"value": [{"subscriptionId": watch.id, "clientState": secret}]}).to_string();
                    let headers = HeaderMap::new();
                    let incoming = Incoming { query: "", headers: &headers, body: body.as_bytes() };
                    let call = lab.keeper.receive(Vendor::Graph, incoming, &lab.schedule).await.unwrap();
                    assert!(call.signals.is_empty(), "{age} {polls}: nobody's calls are nobody's");
                    assert!(watch.expires - now <= TimeDelta::days(7));
                }
                if !died {
                    break;
                }
            }
            assert!(points >= 4, "{age}: only {points} points to die at");
            assert!(age == 0 || points >= 6);
        }
    }
    // Ending is repeated until it is through.
    for polls in 1.. {
        let lab = Lab::over(|channels| Arc::new(Stopping(channels, Arc::default()))).await;
        let hooked = Hooked { clock: lab.clock.clone(), ..Hooked::default() };
        lab.tend(&hooked, "c", &ChannelOptions::google()).await;
        let died = !dies_after(lab.keeper.end(&lab.link, &hooked), polls);
        lab.keeper.end(&lab.link, &hooked).await.unwrap();
        assert!(hooked.open.lock().unwrap().is_empty() && lab.row().await == LinkChannels::default());
        if !died {
            assert!(polls > 5);
            break;
        }
    }
}

/// Tenants share addresses and databases, and not channels.
#[tokio::test]
async fn another_tenants_channel_is_nobodys() {
    let lab = Lab::new().await;
    let server = GoogleServer::start(GoogleOptions::default()).unwrap();
    let provider = google(&server, &lab.clock);
    lab.tend(&provider, "ann@example.com", &ChannelOptions::google()).await;
    let other = Lab::new().await;
    let call = server.notifications().remove(0);
    let headers = headers(&call);
    let incoming = Incoming { query: "", headers: &headers, body: b"" };
    let answer = other.keeper.receive(Vendor::Google, incoming, &other.schedule).await.unwrap();
    assert!(answer.signals.is_empty());
    drop(other.store);
    drop(lab.store);
}
