//! What every provider sends for a busy-only link, and what is logged and told of it, in a process that records all at TRACE.

#![cfg(all(feature = "caldav", feature = "cozi", feature = "google", feature = "microsoft"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    error::Error,
    fmt::Write as _,
    sync::{Arc, Mutex, OnceLock},
};

use calsync_core::{
    engine::{Link, SyncOptions},
    model::{RemoteCalendarId, RemoteId, Version},
    plan::Direction,
    provider::{ChangesRequest, Payload, Provider, ProviderError, PullMode},
    store::MemoryStore,
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    cozi::{CoziConfig, CoziProvider, UnofficialApi},
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::{
    canary,
    cozi::{CoziOptions, CoziServer},
    dav::{DavOptions, DavServer, Fault, RecordedRequest},
    google::{GoogleOptions, GoogleServer},
    microsoft::{self, GraphOptions, GraphServer},
    world::World,
};
use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};

/// All that anything in this process traces or logs.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<String>>);

impl Recorded {
    /// The one of this process, which hears everything from the first call on.
    fn start() -> Self {
        static ALL: OnceLock<Recorded> = OnceLock::new();
        let all = ALL.get_or_init(Self::default);
        // Another test of this process may have been first.
        let _ = tracing::subscriber::set_global_default(all.clone());
        let _ = log::set_logger(all);
        log::set_max_level(log::LevelFilter::Trace);
        all.clone()
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::field::Visit for Recorded {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0.lock().unwrap(), " {field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Recorded {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        writeln!(self.0.lock().unwrap(), "{}", span.metadata().name()).unwrap();
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

impl log::Log for Recorded {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(self.0.lock().unwrap(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

/// A calendar of each provider, on an emulator.
struct Lab {
    world: World,
    dav: DavServer,
    google: GoogleServer,
    graph: GraphServer,
    cozi: CoziServer,
    providers: Vec<(&'static str, RemoteCalendarId, Box<dyn Provider>)>,
}

impl Lab {
    async fn new() -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 1);
        let dav = DavServer::start(DavOptions::default()).unwrap();
        let google = GoogleServer::start(GoogleOptions::default()).unwrap();
        let graph = GraphServer::start(GraphOptions::default()).unwrap();
        let cozi = CoziServer::start(CoziOptions::default()).unwrap();
        let (to_dav, work) = caldav(&dav).await;
        let secret = || Secret::from("secret");
        let config = GoogleConfig::new(Arc::new(secret())).at(google.url(), AddressPolicy::AllowPrivate);
        let to_google = GoogleProvider::new(config, transport()).unwrap();
        let config = MicrosoftConfig::new(Arc::new(secret())).at(graph.url(), AddressPolicy::AllowPrivate);
        let to_graph = MicrosoftProvider::new(config, transport()).unwrap().with_clock(world.clock.clone());
        let mut config =
            CoziConfig::new("ann@example.com", secret()).at(cozi.url(), AddressPolicy::AllowPrivate);
        (config.unofficial_api, config.pace) = (UnofficialApi::Accepted, None);
        let to_cozi = CoziProvider::new(config, transport(), world.clock.clone()).unwrap();
        let providers: Vec<(_, _, Box<dyn Provider>)> = vec![
            ("dav", work, Box::new(to_dav)),
            ("google", "ann@example.com".into(), Box::new(to_google)),
            ("graph", graph.default_calendar().as_str().into(), Box::new(to_graph)),
            ("cozi", "account-1".into(), Box::new(to_cozi)),
        ];
        Self { world, dav, google, graph, cozi, providers }
    }

    /// A run of a link.
    async fn sync(&self, link: &Link, provider: &dyn Provider, said: &mut Said) {
        self.world.clock.advance(TimeDelta::minutes(15));
        match self.world.engine.sync(link, provider, &SyncOptions::default()).await {
            Ok(report) => said.reports += &format!("{report:?}\n"),
            Err(error) => said.errors += &told(&error),
        }
    }

    /// A run of each link that exports: all but the one to `source`.
    async fn export(&self, source: &str, said: &mut Said) {
        for (name, calendar, provider) in self.providers.iter().filter(|(name, ..)| *name != source) {
            let link = Link::new(*name, self.world.calendar.as_str(), calendar.clone());
            self.sync(&link.with_direction(Direction::Export), &**provider, said).await;
        }
    }

    /// Makes every provider answer with a status and a body, or as they do when there is none.
    fn fail(&self, answer: Option<(u16, &str)>) {
        self.dav.clear_faults();
        self.google.clear_faults();
        self.cozi.clear_faults();
        self.graph.clear_faults();
        let Some((status, body)) = answer else { return };
        let fault =
            Fault::status(status).header("content-type", "application/json").header("location", "/canary");
        self.dav.inject(fault.clone().body(body).always());
        self.google.inject(fault.clone().body(body).always());
        self.cozi.inject(fault.body(body).always());
        self.graph.inject(microsoft::Fault::status(status).header("location", "/canary").body(body).always());
    }

    /// All that was sent, head and body, by who got it.
    fn sent(&self) -> [(&'static str, String); 4] {
        let graph = self
            .graph
            .requests()
            .into_iter()
            .map(|seen| format!("{} {}\n{:?}\n{}\n", seen.method, seen.path, seen.headers, seen.body));
        [
            ("dav", sent(&self.dav.requests())),
            ("google", sent(&self.google.requests())),
            ("graph", graph.collect()),
            ("cozi", sent(&self.cozi.requests())),
        ]
    }

    /// How many copies there are at each.
    fn copies(&self) -> [(&'static str, usize); 4] {
        [
            ("dav", self.dav.list("work").len()),
            ("google", self.google.events("primary").len()),
            ("graph", self.graph.events(&self.graph.default_calendar()).len()),
            ("cozi", self.cozi.items().len()),
        ]
    }
}

/// What runs say.
#[derive(Default)]
struct Said {
    /// Of those that ended. A report names items where they are and events by their UIDs, to whoever runs the link.
    reports: String,
    /// Of those that failed. An error names neither: it goes to logs, and to whoever reads them.
    errors: String,
}

fn transport() -> Arc<ReqwestTransport> {
    Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap())
}

async fn caldav(server: &DavServer) -> (CalDavProvider, RemoteCalendarId) {
    let mut config = CalDavConfig::new(server.url(), "user", "secret");
    config.addresses = AddressPolicy::AllowPrivate;
    let provider = CalDavProvider::new(config, transport()).unwrap();
    let work = provider.calendars().await.unwrap().remove(0).id;
    (provider, work)
}

fn sent(requests: &[RecordedRequest]) -> String {
    let line = |request: &RecordedRequest| {
        format!("{} {}\n{:?}\n{}\n", request.method, request.path, request.headers, request.body_text())
    };
    requests.iter().map(line).collect()
}

/// An error as a person sees it and as a debugger does, with what caused it.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut told = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        write!(told, "{error}\n{error:?}\n{error:#?}\n").unwrap();
        cause = error.source();
    }
    told
}

/// A server's answer that the UID is in use, and by which item.
const UID_CONFLICT: &str = "<?xml version=\"1.0\"?><D:error xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">\
    <C:no-uid-conflict><D:href>/calendars/user/work/canary-9.ics</D:href></C:no-uid-conflict></D:error>";

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 2, 3).unwrap()
}

/// A private event as Google has it, with a canary in every member that takes one.
fn google_event(id: &str, words: &str, hour: u32) -> Value {
    let at = |minute: u32| json!({ "dateTime": format!("{}T{hour:02}:{minute:02}:00+01:00", day()), "timeZone": "Europe/Paris" });
    json!({
        "id": id, "iCalUID": format!("{id}@google.com"), "summary": format!("canary {words}"), "description": "<b>canary</b>",
        "location": "canary 48.858370,2.294481", "visibility": "private", "start": at(0), "end": at(30), "colorId": "11",
        "htmlLink": "https://www.google.com/calendar/event?eid=canary", "hangoutLink": "https://meet.google.com/canary",
        "creator": { "email": "canary@example.org", "displayName": "canary" },
        "organizer": { "email": "canary@example.org", "displayName": "canary" },
        "attendees": [{ "email": "canary2@example.org", "displayName": "canary", "comment": "canary", "responseStatus": "accepted" }],
        "extendedProperties": { "private": { "canary": "canary" }, "shared": { "canary": "canary" } },
        "conferenceData": { "conferenceId": "canary", "notes": "canary", "conferenceSolution": { "name": "canary" },
            "entryPoints": [{ "entryPointType": "video", "uri": "https://meet.google.com/canary", "label": "canary", "pin": "canary" }] },
        "attachments": [{ "fileUrl": "https://canary.example.org/a", "title": "canary", "fileId": "canary" }],
        "source": { "url": "https://canary.example.org/", "title": "canary" },
        "gadget": { "title": "canary", "link": "https://canary.example.org/" },
        "reminders": { "useDefault": false, "overrides": [{ "method": "popup", "minutes": 17 }] },
    })
}

/// The same as Microsoft has it.
fn graph_event(words: &str, hour: u32) -> Value {
    let at = |minute: u32| json!({ "dateTime": format!("{}T{hour:02}:{minute:02}:00", day()), "timeZone": "Romance Standard Time" });
    let person = json!({ "emailAddress": { "address": "canary@example.org", "name": "canary" } });
    json!({
        "subject": format!("canary {words}"), "body": { "contentType": "html", "content": "<b>canary</b>" }, "bodyPreview": "canary",
        "sensitivity": "private", "start": at(0), "end": at(30), "categories": ["canary"], "showAs": "busy",
        "location": { "displayName": "canary", "locationUri": "https://canary.example.org/", "uniqueId": "canary",
            "address": { "street": "canary" }, "coordinates": { "latitude": 48.85837, "longitude": 2.294481 } },
        "locations": [{ "displayName": "canary" }], "organizer": person,
        "attendees": [{ "emailAddress": person["emailAddress"], "type": "required", "status": { "response": "accepted" } }],
        "webLink": "https://outlook.example.org/canary", "onlineMeetingUrl": "https://canary.example.org/meet",
        "onlineMeeting": { "joinUrl": "https://canary.example.org/meet", "conferenceId": "canary" }, "isOnlineMeeting": true,
        "transactionId": format!("canary {words}"), "reminderMinutesBeforeStart": 17, "isReminderOn": true,
    })
}

/// PRIV-01, PRIV-04: private events of a CalDAV calendar, of Google's and of Microsoft's are copied to all others by links that say nothing
/// of what they show; edited, moved and deleted. Nothing of them is in what was sent, in reports, or in any record at TRACE.
#[tokio::test]
async fn priv_01_no_provider_sends_or_tells_anything_of_a_private_event() {
    let recorded = Recorded::start();
    for source in ["elsewhere", "google", "graph"] {
        let lab = Lab::new().await;
        let elsewhere = DavServer::start(DavOptions::default()).unwrap();
        let (from_dav, theirs) = caldav(&elsewhere).await;
        let (calendar, provider) = match lab.providers.iter().find(|(name, ..)| *name == source) {
            Some((_, calendar, provider)) => (calendar.clone(), &**provider),
            None => (theirs, &from_dav as &dyn Provider),
        };
        let link = Link::new(source, lab.world.calendar.as_str(), calendar).with_direction(Direction::Import);
        let primary = lab.graph.default_calendar();
        match source {
            "elsewhere" => {
                elsewhere.put("work", "canary-1.ics", &canary::series("1", "stays", day(), 11));
            }
            "google" => {
                lab.google.put("primary", google_event("00canary1", "stays", 11));
            }
            _ => {
                lab.graph.add(&primary, &graph_event("stays", 11)).unwrap();
            }
        }
        let (mut said, mut graph_id) = (Said::default(), String::new());
        for (round, hour, expected) in [("one", 8, 2), ("two", 8, 2), ("two", 15, 2), ("gone", 0, 1)] {
            match (source, round) {
                ("elsewhere", "gone") => assert!(elsewhere.delete("work", "canary-0.ics")),
                ("elsewhere", _) => {
                    elsewhere.put("work", "canary-0.ics", &canary::object("0", round, day(), hour));
                    // What tells its versions apart is told nobody either.
                    elsewhere.set_etag("work", "canary-0.ics", &format!("\"canary {round} {hour}\""));
                }
                ("google", "gone") => lab.google.delete("primary", "00canary0"),
                ("google", _) => {
                    lab.google.put("primary", google_event("00canary0", round, hour));
                }
                (_, "gone") => assert!(lab.graph.delete(&graph_id)),
                (_, _) if graph_id.is_empty() => {
                    graph_id = lab.graph.add(&primary, &graph_event(round, hour)).unwrap();
                }
                _ => assert!(lab.graph.change(&graph_id, &graph_event(round, hour))),
            }
            // Every call fails first: what is to be written then, and by which name, is told nobody.
            for status in [403, 412, 500] {
                lab.fail(Some((status, UID_CONFLICT)));
                elsewhere.inject(Fault::status(status).body(UID_CONFLICT).always());
                lab.sync(&link, provider, &mut said).await;
                lab.fail(None);
                elsewhere.clear_faults();
            }
            lab.sync(&link, provider, &mut said).await;
            lab.fail(Some((403, UID_CONFLICT)));
            lab.export(source, &mut said).await;
            lab.fail(None);
            lab.export(source, &mut said).await;
            for (name, copies) in lab.copies().into_iter().filter(|(name, _)| *name != source) {
                // Google lists a changed instance beside its series; Cozi holds no such series.
                let expected = match (source, name) {
                    ("elsewhere", "google") => expected + 1,
                    ("elsewhere", "cozi") => expected - 1,
                    _ => expected,
                };
                assert_eq!(copies, expected, "{round}: {source} to {name}\n{}{}", said.reports, said.errors);
            }
        }
        for (name, sent) in lab.sent().into_iter().filter(|(name, _)| *name != source) {
            canary::assert_none(&format!("what {name} got from {source}"), sent);
        }
        assert!(!said.errors.is_empty());
        canary::assert_none(&format!("errors of what came from {source}"), said.errors);
        let names = ["canary-0", "canary-1", "00canary0", "00canary1"];
        let reports = names.into_iter().fold(said.reports, |said, name| said.replace(name, ""));
        canary::assert_none(&format!("reports of what came from {source}"), reports);
    }
    let recorded = recorded.text();
    assert!(recorded.contains("connect"), "the transport was heard: {recorded}");
    canary::assert_none("a record at TRACE", recorded);
}

/// PRIV-04: servers that answer with what they were sent, or hold, in the errors of every call.
#[tokio::test]
async fn priv_04_no_error_repeats_what_a_server_says_of_an_event() {
    let recorded = Recorded::start();
    let lab = Lab::new().await;
    let object = canary::object("0", "one", day(), 8);
    // One short word is taken for a code of the provider's, and told.
    let refusal = |code: &str| {
        json!({ "error": { "code": code, "status": code, "message": "canary", "errors": [{ "reason": code, "domain": code,
            "message": "canary", "location": "canary" }], "innerError": { "code": code, "message": "canary" } } })
        .to_string()
    };
    let bodies = [
        refusal("canary lunch"),
        refusal(&"canary".repeat(20)),
        "<?xml version=\"1.0\"?><D:error xmlns:D=\"DAV:\"><canary xmlns=\"canary\">canary</canary><D:responsedescription>canary\
         </D:responsedescription></D:error>"
            .to_owned(),
        "<html><title>canary</title></html>".to_owned(),
        object.clone(),
        json!({ "canary": ["canary"] }).to_string(),
        "canary".to_owned(),
        UID_CONFLICT.to_owned(),
    ];
    let mut errors = 0;
    for (name, calendar, provider) in &lab.providers {
        for body in &bodies {
            for status in
                [200, 207, 302, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 423, 429, 500, 503, 507]
            {
                lab.fail(Some((status, body)));
                for error in asked(&**provider, calendar).await {
                    errors += 1;
                    canary::assert_none(&format!("an error of {name}, {status}"), told(&error));
                }
                lab.fail(None);
            }
        }
    }
    assert!(errors > 1_000, "{errors} errors");
    canary::assert_none("a record at TRACE", recorded.text());
}

/// The errors of every call there is.
async fn asked(provider: &dyn Provider, calendar: &RemoteCalendarId) -> Vec<ProviderError> {
    // The name of the item is as much of the event as its title.
    let name = if calendar.as_str().contains('/') {
        format!("{calendar}canary-one.ics")
    } else {
        "00canary1".to_owned()
    };
    let ids = [RemoteId::from(name)];
    let version = Version::new("\"1\"");
    let payload = Payload::new("{}");
    let changes = ChangesRequest { cursor: None, mode: PullMode::Incremental };
    [
        provider.calendars().await.err(),
        provider.changes(calendar, changes).await.err(),
        provider.fetch(calendar, &ids).await.err(),
        provider.create(calendar, &ids[0], &payload).await.err(),
        provider.update(calendar, &ids[0], &version, &payload).await.err(),
        provider.delete(calendar, &ids[0], &version).await.err(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// PRIV-04: what is read is cut off and bent in many ways, and what cannot be read is told without a word of it.
#[tokio::test]
async fn priv_04_what_cannot_be_read_is_told_without_its_words() {
    let lab = Lab::new().await;
    let mut refused = 0;
    for (name, _, provider) in &lab.providers {
        let mut texts = Vec::new();
        for whole in [
            canary::series("0", "one", day(), 8),
            google_event("0", "one", 8).to_string(),
            graph_event("one", 8).to_string(),
        ] {
            texts.extend((0..whole.len()).step_by(97).map(|end| whole.chars().take(end).collect::<String>()));
            for (from, to) in [
                (":2026", ":canary"),
                ("T08", "Tcanary"),
                ("VEVENT", "CANARY"),
                ("PT", "canary"),
                ("2026-02", "canary"),
                ("Standard", "canary"),
            ] {
                texts.push(whole.replace(from, to));
            }
        }
        for text in texts {
            if let Err(error) = provider.read(&Payload::new(text)) {
                refused += 1;
                canary::assert_none(&format!("what {name} cannot read"), told(&error));
            }
        }
        let debug = format!("{:?}", Payload::new(canary::object("0", "one", day(), 8)));
        canary::assert_none("a payload that is debugged", debug);
    }
    assert!(refused > 100, "{refused} were refused");
}
