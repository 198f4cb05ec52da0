//! An account at Google, at Microsoft and at a CalDAV server, each with two calendars, and local sides that link to them.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use calsync_core::{
    engine::{CopyRules, EngineError, Link, SyncOptions, SyncReport},
    model::{Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RuleEntry, TimeSpan},
    pipeline::Pipeline,
    plan::Direction,
    provider::Provider,
    recurrence::ExpansionLimits,
    store::MemoryStore,
    zone::Zone,
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::{
    dav::{DavOptions, DavServer},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
    world::World,
};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

pub(crate) enum Server {
    Google(GoogleServer),
    Graph(GraphServer),
    Dav(DavServer),
}

/// An account somewhere.
pub(crate) struct Account {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    /// Its own calendar and another one, both to be written.
    pub(crate) calendars: [String; 2],
    zone: String,
}

fn transport() -> Arc<ReqwestTransport> {
    Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap())
}

impl Account {
    pub(crate) fn google(zone: &str) -> Self {
        let options = GoogleOptions { zone: zone.to_owned(), ..GoogleOptions::default() };
        let server = GoogleServer::start(options).unwrap();
        let second = "second@group.calendar.google.com";
        server.add_calendar(second, "Second", zone, "owner");
        let calendars = ["ann@example.com".to_owned(), second.to_owned()];
        Self { name: "google", server: Server::Google(server), calendars, zone: zone.to_owned() }
    }

    pub(crate) fn graph(zone: &str) -> Self {
        let server = GraphServer::start(GraphOptions::default()).unwrap();
        let calendars = [server.default_calendar(), server.add_calendar("Second")];
        Self { name: "graph", server: Server::Graph(server), calendars, zone: zone.to_owned() }
    }

    pub(crate) fn dav() -> Self {
        let options = DavOptions::default().calendars([("work", "Work"), ("second", "Second")]);
        let server = DavServer::start(options).unwrap();
        let calendars = ["work", "second"].map(|name| format!("{}dav/calendars/user/{name}/", server.url()));
        Self { name: "caldav", server: Server::Dav(server), calendars, zone: "UTC".to_owned() }
    }

    /// One of each, with calendars in a zone where they have one.
    pub(crate) fn each(zone: &str) -> [Self; 3] {
        [Self::google(zone), Self::graph(zone), Self::dav()]
    }

    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::Google(server) => server.url(),
            Server::Graph(server) => server.url(),
            Server::Dav(server) => server.url(),
        }
    }

    /// Everything in a calendar as the server keeps it, with its versions: any write shows here.
    pub(crate) fn kept(&self, which: usize) -> Vec<String> {
        match &self.server {
            Server::Google(server) => {
                let all = server.events(&self.calendars[which]);
                all.iter().map(ToString::to_string).collect()
            }
            Server::Graph(server) => {
                let all = server.events(&self.calendars[which]);
                all.iter().map(|stored| stored.event.to_string()).collect()
            }
            Server::Dav(server) => {
                let all = server.list(["work", "second"][which]);
                all.into_iter().map(|(name, etag, body)| format!("{name} {etag} {body}")).collect()
            }
        }
    }

    /// Mails that went out to people.
    pub(crate) fn mails(&self) -> u64 {
        match &self.server {
            Server::Google(server) => server.mails() as u64,
            Server::Graph(server) => server.mails(),
            Server::Dav(_) => 0,
        }
    }

    pub(crate) fn clear_requests(&self) {
        match &self.server {
            Server::Google(server) => server.clear_requests(),
            Server::Graph(server) => server.clear_requests(),
            Server::Dav(server) => server.clear_requests(),
        }
    }

    /// Requests that change something, as `METHOD path`. What is in a batch counts by itself.
    pub(crate) fn writes(&self) -> Vec<String> {
        let reads = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"];
        let all: Vec<(String, String)> = match &self.server {
            Server::Google(server) => {
                server.requests().into_iter().map(|seen| (seen.method, seen.path)).collect()
            }
            Server::Graph(server) => {
                server.requests().into_iter().map(|seen| (seen.method, seen.path)).collect()
            }
            Server::Dav(server) => {
                server.requests().into_iter().map(|seen| (seen.method, seen.path)).collect()
            }
        };
        all.into_iter()
            .filter(|(method, path)| !reads.contains(&method.as_str()) && !path.contains("batch"))
            .map(|(method, path)| format!("{method} {path}"))
            .collect()
    }

    /// The bodies of requests that change something, those of batches too.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let writes = |method: &str| ["POST", "PUT", "PATCH"].contains(&method);
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        match &self.server {
            Server::Google(server) => {
                let all = server.requests().into_iter().filter(|seen| writes(&seen.method));
                all.map(|seen| text(&seen.body)).collect()
            }
            Server::Graph(server) => {
                let all = server.requests().into_iter().filter(|seen| writes(&seen.method));
                all.map(|seen| seen.body).collect()
            }
            Server::Dav(server) => {
                let all = server.requests().into_iter().filter(|seen| writes(&seen.method));
                all.map(|seen| text(&seen.body)).collect()
            }
        }
    }

    /// What somebody else sees of a calendar who never looked before.
    pub(crate) async fn seen(&self, which: usize) -> Vec<Event> {
        let side = Side::of([(self, which)], Direction::Import);
        side.sync().await;
        side.events().await
    }

    /// When what is in a calendar takes place, for somebody who never looked before.
    pub(crate) async fn takes_place(&self, which: usize) -> Vec<String> {
        all_instances(&self.seen(which).await)
    }
}

static SIDES: AtomicU8 = AtomicU8::new(0);

/// What somebody with this clock speaks to an account with.
pub(crate) fn provider(kind: &str, url: &str, zone: &str, world: &World) -> Box<dyn Provider> {
    let token = Arc::new(Secret::from("secret"));
    let clock = world.clock.clone();
    match kind {
        "google" => {
            let config = GoogleConfig::new(token).at(url, AddressPolicy::AllowPrivate);
            Box::new(GoogleProvider::new(config, transport()).unwrap().with_clock(clock))
        }
        "graph" => {
            let mut config = MicrosoftConfig::new(token).at(url, AddressPolicy::AllowPrivate);
            config.floating_zone = Zone::from_iana(zone).unwrap();
            Box::new(MicrosoftProvider::new(config, transport()).unwrap().with_clock(clock))
        }
        _ => {
            let mut config = CalDavConfig::new(url, "user", "secret");
            config.addresses = AddressPolicy::AllowPrivate;
            Box::new(CalDavProvider::new(config, transport()).unwrap().with_clock(clock))
        }
    }
}

/// A local side with a link to each of some accounts.
pub(crate) struct Side<'a> {
    pub(crate) world: World,
    pub(crate) ways: Vec<(Link, Box<dyn Provider>, &'a Account, usize)>,
}

impl<'a> Side<'a> {
    pub(crate) fn of(accounts: impl IntoIterator<Item = (&'a Account, usize)>, way: Direction) -> Self {
        // Each has ids of its own, as installations have.
        let seed = SIDES.fetch_add(1, Ordering::Relaxed);
        let world = World::new(Arc::new(MemoryStore::default()), seed);
        let ways = accounts
            .into_iter()
            .enumerate()
            .map(|(n, (account, which))| {
                let name = format!("{} {n}", account.name);
                let calendar = account.calendars[which].as_str();
                let mut link = Link::new(name, world.calendar.as_str(), calendar).with_direction(way);
                if way == Direction::Export {
                    link = link.with_copies(CopyRules::new(Pipeline::everything()));
                }
                let provider = provider(account.name, &account.url(), &account.zone, &world);
                (link, provider, account, which)
            })
            .collect();
        Self { world, ways }
    }

    /// A run of every link; the operations of all.
    pub(crate) async fn sync(&self) -> Vec<SyncReport> {
        let mut reports = Vec::new();
        for report in self.try_sync().await {
            reports.push(report.unwrap());
        }
        reports
    }

    pub(crate) async fn try_sync(&self) -> Vec<Result<SyncReport, EngineError>> {
        self.world.clock.advance(TimeDelta::minutes(15));
        let mut reports = Vec::new();
        for (link, provider, ..) in &self.ways {
            reports.push(self.world.engine.sync(link, &**provider, &SyncOptions::default()).await);
        }
        reports
    }

    /// Runs until nothing is left to do, then shows that nothing is: twice, without a write anywhere.
    pub(crate) async fn settles(&self, case: &str) {
        for round in 0.. {
            assert!(round < 6, "{case}: it does not come to rest");
            if self.sync().await.iter().all(|report| report.plan.operations.is_empty()) {
                break;
            }
        }
        self.rests(case).await;
    }

    /// Nothing is left to do, twice, and nothing is written.
    pub(crate) async fn rests(&self, case: &str) {
        let kept = || -> Vec<Vec<String>> {
            self.ways.iter().map(|(_, _, account, which)| account.kept(*which)).collect()
        };
        let before = kept();
        for _ in 0..2 {
            for ((_, _, account, _), report) in self.ways.iter().zip(self.sync().await) {
                let planned = &report.plan.operations;
                assert!(planned.is_empty(), "{case}, {}: {planned:?}", account.name);
            }
        }
        assert_eq!(kept(), before, "{case}");
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        self.world.locals().await.into_iter().map(|record| record.event).collect()
    }
}

pub(crate) fn at(text: &str, zone: &str) -> EventTime {
    let local: NaiveDateTime = text.parse().unwrap();
    if zone == "UTC" {
        return EventTime::Utc(local.and_utc());
    }
    EventTime::zoned(local, Zone::from_iana(zone).unwrap())
}

/// An hour's event, with a rule if it has one.
pub(crate) fn made(uid: &str, start: &str, zone: &str, rule: &str) -> Event {
    let end: NaiveDateTime = start.parse::<NaiveDateTime>().unwrap() + TimeDelta::hours(1);
    let end = at(&end.format("%Y-%m-%dT%H:%M:%S").to_string(), zone);
    let body = EventBody::new(TimeSpan { start: at(start, zone), end });
    let mut event = Event::single(uid, EventBody { title: Some(uid.to_owned()), ..body });
    if !rule.is_empty() {
        event.rules.push(RuleEntry::read(rule));
    }
    event
}

/// Gives the instance that starts at a time a title and another start.
pub(crate) fn change(event: &mut Event, instance: &str, zone: &str, to: &str, title: &str) {
    let moved = made(title, to, zone, "").master.unwrap();
    let changed = Override::Changed { body: Box::new(moved), scope: OverrideScope::This };
    event.overrides.insert(key(instance, zone), changed);
}

pub(crate) fn key(instance: &str, zone: &str) -> RecurrenceId {
    RecurrenceId::of(&at(instance, zone))
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// When an event takes place and under which title, for a reader in Berlin, up to the end of 2036.
pub(crate) fn instances(event: &Event) -> Vec<String> {
    let reader = Zone::from_iana("Europe/Berlin").unwrap();
    let window = instant("2015-01-01T00:00:00Z")..instant("2037-01-01T00:00:00Z");
    let (found, _) = event.instances(window, &reader, &ExpansionLimits::default());
    let shown = |time: &EventTime| time.instant(&reader).format("%FT%TZ").to_string();
    found
        .iter()
        .map(|instance| {
            let title = instance.body.title.as_deref().unwrap_or_default();
            let day = if instance.time.is_all_day() { " all day" } else { "" };
            format!("{}..{}{day} {title}", shown(&instance.time.start), shown(&instance.time.end))
        })
        .collect()
}

pub(crate) fn all_instances(events: &[Event]) -> Vec<String> {
    let mut all: Vec<String> = events.iter().flat_map(instances).collect();
    all.sort();
    all
}
