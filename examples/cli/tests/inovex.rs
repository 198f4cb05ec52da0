//! A configuration of inovex/CalendarSync, imported and run against the emulator of Google: the sink is the one CalendarSync makes.
//!
//! What it makes is written down here by its documentation, not taken from a run: a copy of each instance in the window, with the
//! time, and of the rest what the transformers keep.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use calsync_testkit::{
    dav::{DavOptions, DavServer},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};
use chrono::Datelike as _;
use serde_json::{Value, json};

const SINK: &str = "sink@example.org";

const FROM_GOOGLE: &str = r#"source:
  adapter:
    type: google
    calendar: "work@example.org"
    oAuth: { clientId: "id", clientKey: "canary-key" }
"#;

const FROM_OUTLOOK: &str = r#"source:
  adapter:
    type: outlook_http
    calendar: "CALENDAR"
    oAuth: { clientId: "id", tenantId: "tenant", clientKey: "canary-key" }
"#;

const FROM_ZEP: &str = r#"source:
  adapter:
    type: zep
    calendar: "Work"
    config: { username: "user", password: "canary-password", endpoint: "ENDPOINT" }
"#;

/// The window is the month before this one to the month after it.
const REST: &str = r#"
sync:
  start: { identifier: MonthStart, offset: -1 }
  end: { identifier: MonthEnd, offset: +1 }
auth:
  storage_mode: yaml
  config: { path: ./auth-storage.yaml }
sink:
  adapter:
    type: google
    calendar: "sink@example.org"
    oAuth: { clientId: "id", clientKey: "canary-key" }
transformations:
  - name: PrefixTitle
    config: { Prefix: "[work] " }
  - name: KeepTitle
  - name: KeepDescription
  - name: KeepMeetingLink
  - name: KeepLocation
  - name: KeepReminders
filters:
  - name: RegexTitle
    config: { ExcludeRegexp: ".*[Pp]rivate.*" }
  - name: DeclinedEvents
  - name: AllDayEvents
  - name: TimeFrame
    config: { HourStart: 8, HourEnd: 18 }
updateConcurrency: 3
"#;
/// Wider than that: what is outside must not be there.
const LISTED: &str = "timeMin=2020-01-01T00:00:00Z&timeMax=2040-01-01T00:00:00Z";

/// The month so many from this one, as `2026-01`. What is run has the real clock, and its window goes with it.
fn month(from_now: i32) -> String {
    let now = chrono::Utc::now();
    let months = now.year() * 12 + now.month0().cast_signed() + from_now;
    format!("{}-{:02}", months.div_euclid(12), months.rem_euclid(12) + 1)
}

struct Lab {
    google: GoogleServer,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Lab {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let google = GoogleServer::start_on(runtime.handle(), GoogleOptions::default()).unwrap();
        google.add_calendar("work@example.org", "Work", "Africa/Lagos", "owner");
        google.add_calendar(SINK, "Sink", "Africa/Lagos", "owner");
        Self { google, folder: tempfile::tempdir().unwrap(), runtime }
    }

    fn import(&self, source: &str) -> String {
        self.import_with(source, REST)
    }

    /// Imports a file, and does what the import says is left to do by hand. Instead of signing in it has tokens.
    fn import_with(&self, source: &str, rest: &str) -> String {
        let path = self.folder.path();
        fs::write(path.join("sync.yaml"), format!("{source}{rest}")).unwrap();
        let said = self.command(&["import-config", "sync.yaml"]).output().unwrap();
        let told = String::from_utf8(said.stderr).unwrap();
        assert!(said.status.success(), "{told}");
        assert!(told.contains("calsync connect sink") && !told.contains("elsewhere"), "{told}");
        let google = format!("provider = \"google\"\nbase_url = \"{}\"", self.google.url());
        let config = String::from_utf8(said.stdout).unwrap();
        assert!(
            !config.contains("canary") && config.contains("vault_key = \"file:vault.key\"\n"),
            "{config}"
        );
        let oauth = "\n[connections.sink.oauth]\nclient_id = \"id\"\nclient_secret = \"env:CALSYNC_SINK_CLIENT_SECRET\"\n";
        assert!(config.contains(oauth), "{config}");
        let of_client = ["client_id", "client_secret", "directory"];
        let config: String = config
            .lines()
            .filter(|line| !of_client.iter().any(|key| line.starts_with(key)))
            .map(|line| match line {
                "[connections.source.oauth]" => "token = \"env:CALSYNC_SOURCE_TOKEN\"\n".to_owned(),
                "[connections.sink.oauth]" => "token = \"env:CALSYNC_SINK_TOKEN\"\n".to_owned(),
                line => format!("{line}\n"),
            })
            .collect();
        let config = config.replace("provider = \"google\"", &google);
        fs::write(path.join("calsync.toml"), config).unwrap();
        told
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
        command.current_dir(self.folder.path()).args(args);
        command.env("CALSYNC_SOURCE_TOKEN", "secret").env("CALSYNC_SINK_TOKEN", "secret");
        command.env("CALSYNC_SOURCE_PASSWORD", "secret");
        command
    }

    fn sync(&self) {
        let output = self.command(&["sync"]).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{text}");
    }

    /// The instances of the sink, as a client of Google reads them.
    fn sink(&self) -> Vec<Copy> {
        let calendar = SINK.replace('@', "%40");
        let path = format!("calendar/v3/calendars/{calendar}/events?singleEvents=true&{LISTED}");
        let found = self.get(&path);
        let mut all: Vec<Copy> = found["items"].as_array().unwrap().iter().map(Copy::read).collect();
        all.sort();
        all
    }

    fn get(&self, path: &str) -> Value {
        let url = self.google.url();
        let host = url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1)
            .unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// What was asked of Google since the last time.
    fn asked(&self) -> Vec<(String, String)> {
        let all = self.google.requests();
        self.google.clear_requests();
        all.into_iter().map(|one| (one.method, one.path)).collect()
    }
}

/// A copy in the sink.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    start: String,
    end: String,
    title: String,
    location: String,
    description: String,
    /// Minutes before.
    reminders: Vec<i64>,
}

impl Copy {
    fn read(event: &Value) -> Self {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let at = |name: &str| {
            let at = event[name]["dateTime"].as_str().unwrap_or_else(|| panic!("no time: {event}"));
            at.parse::<chrono::DateTime<chrono::FixedOffset>>().unwrap().to_utc().format("%F %R").to_string()
        };
        let minutes = event["reminders"]["overrides"].as_array().into_iter().flatten();
        Self {
            start: at("start"),
            end: at("end"),
            title: text("summary"),
            location: text("location"),
            description: text("description"),
            reminders: minutes.map(|one| one["minutes"].as_i64().unwrap()).collect(),
        }
    }
}

fn copy(start: &str, end: &str, title: &str) -> Copy {
    let (start, end) = (format!("{}-{start}", month(0)), format!("{}-{end}", month(0)));
    let none = String::new;
    Copy { start, end, title: title.to_owned(), location: none(), description: none(), reminders: Vec::new() }
}

/// An event of this month, by the clock of Lagos: an hour before UTC, all year.
fn event(id: &str, title: &str, start: &str, end: &str) -> Value {
    event_of(0, id, title, start, end)
}

fn event_of(from_now: i32, id: &str, title: &str, start: &str, end: &str) -> Value {
    let month = month(from_now);
    let at = |at: &str| json!({ "dateTime": format!("{month}-{at}:00"), "timeZone": "Africa/Lagos" });
    json!({ "id": id, "summary": title, "start": at(start), "end": at(end), "reminders": { "useDefault": false } })
}

fn with(mut event: Value, more: Value) -> Value {
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn invited(event: Value, answer: &str) -> Value {
    let attendees = json!([{ "email": "me@example.org", "self": true, "responseStatus": answer }]);
    with(event, json!({ "organizer": { "email": "boss@example.org" }, "attendees": attendees }))
}

#[test]
fn an_imported_file_makes_the_sink_calendarsync_makes() {
    let lab = Lab::new();
    let put = |event: Value| lab.google.put("work@example.org", event);
    put(with(
        event("planning", "Planning", "05T09:00", "05T10:00"),
        json!({
            "location": "Room 4", "description": "Bring the numbers", "hangoutLink": "https://meet.example.org/abc",
            "reminders": { "useDefault": false, "overrides": [{ "method": "popup", "minutes": 10 }] },
            "colorId": "5", "visibility": "private",
        }),
    ));
    // By the clock of UTC, which shows an hour less, it ends in the first of the hours; begins in the last; does neither.
    put(event("early", "Early call", "06T07:30", "06T09:30"));
    put(event("late", "Late call", "06T18:30", "06T19:30"));
    put(event("rim", "Rim", "06T17:30", "06T19:30"));
    put(event("night", "Night", "06T20:00", "06T21:00"));
    put(event("whole", "Whole", "06T07:00", "06T20:30"));
    put(event("doctor", "Doctor, private", "06T11:00", "06T12:00"));
    put(
        json!({ "id": "holiday", "summary": "Holiday", "start": { "date": format!("{}-07", month(0)) }, "end": { "date": format!("{}-08", month(0)) } }),
    );
    put(invited(event("board", "Board", "07T11:00", "07T12:00"), "declined"));
    put(invited(event("review", "Review", "07T13:00", "07T14:00"), "accepted"));
    // What takes no time is copied there like everything else.
    put(with(event("fair", "Fair", "08T10:00", "08T17:00"), json!({ "transparency": "transparent" })));
    put(with(
        event("standup", "Standup", "05T12:00", "05T12:15"),
        json!({ "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"], "location": "Kitchen" }),
    ));
    put(with(
        invited(event("lessons", "Lessons", "10T11:00", "10T12:00"), "accepted"),
        json!({ "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"] }),
    ));
    lab.google.edit(
        "work@example.org",
        &format!("lessons_{}11T100000Z", month(0).replace('-', "")),
        |instance| {
            instance["attendees"][0]["responseStatus"] = json!("declined");
        },
    );
    let instance = |day: &str| format!("standup_{}{day}T110000Z", month(0).replace('-', ""));
    // What is outside the window stays there, and so do its copies once it leaves.
    put(event_of(-2, "past", "Past", "15T10:00", "15T11:00"));
    put(event_of(2, "future", "Future", "15T10:00", "15T11:00"));
    put(event_of(1, "next", "Next", "15T10:00", "15T11:00"));
    lab.google.delete("work@example.org", &instance("12"));
    lab.google.edit("work@example.org", &instance("19"), |instance| {
        instance.insert("summary".to_owned(), json!("Standup, late"));
        for (end, at) in [("start", "15:00"), ("end", "15:15")] {
            let at = json!({ "dateTime": format!("{}-19T{at}:00", month(0)), "timeZone": "Africa/Lagos" });
            instance.insert(end.to_owned(), at);
        }
    });
    lab.google.edit("work@example.org", &instance("26"), |instance| {
        instance.insert("summary".to_owned(), json!("Standup, private"));
    });

    let told = lab.import(FROM_GOOGLE);
    assert!(!told.contains("sync."), "{told}");
    lab.sync();
    lab.sync();
    let standup = |start, end, title| Copy { location: "Kitchen".to_owned(), ..copy(start, end, title) };
    let planning = Copy {
        location: "Room 4".to_owned(),
        description: "original meeting link: https://meet.example.org/abc\n\n############\nBring the numbers"
            .to_owned(),
        reminders: vec![10],
        ..copy("05 08:00", "05 09:00", "[work] Planning")
    };
    let expected = || {
        vec![
            standup("05 11:00", "05 11:15", "[work] Standup"),
            copy("06 06:30", "06 08:30", "[work] Early call"),
            copy("06 16:30", "06 18:30", "[work] Rim"),
            copy("06 17:30", "06 18:30", "[work] Late call"),
            copy("07 12:00", "07 13:00", "[work] Review"),
            copy("08 09:00", "08 16:00", "[work] Fair"),
            copy("10 10:00", "10 11:00", "[work] Lessons"),
            copy("12 10:00", "12 11:00", "[work] Lessons"),
            standup("19 14:00", "19 14:15", "[work] Standup, late"),
            Copy {
                start: format!("{}-15 09:00", month(1)),
                end: format!("{}-15 10:00", month(1)),
                ..copy("", "", "[work] Next")
            },
        ]
    };
    let mut first = expected();
    first.insert(0, planning);
    assert_eq!(lab.sink(), first);
    assert_eq!(lab.google.mails(), 0);
    let held = format!("{:?}", lab.google.events(SINK));
    for kept_back in ["me@example.org", "boss@example.org", "colorId", "Doctor", "Board"] {
        assert!(!held.contains(kept_back), "{kept_back}: {held}");
    }

    // Nothing changed: one request to the source, none to the sink, and nothing is written.
    let is_quiet = || {
        lab.asked();
        lab.sync();
        let asked = lab.asked();
        let [(method, path)] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!(method, "GET");
        assert!(path.contains("work%40example.org/events"), "{asked:?}");
    };
    is_quiet();

    // Once it is time the sink is looked at as well.
    let config = fs::read_to_string(lab.folder.path().join("calsync.toml")).unwrap();
    assert!(config.contains("check_copies_every = \"1h\"\n"), "{config}");
    let often = config.replace("check_copies_every = \"1h\"", "check_copies_every = \"0s\"");
    fs::write(lab.folder.path().join("calsync.toml"), often).unwrap();
    lab.sync();
    let asked = lab.asked();
    let [(_, from), (_, to)] = &asked[..] else { panic!("{asked:?}") };
    assert!(
        from.contains("work%40example.org/events") && to.contains("sink%40example.org/events"),
        "{asked:?}"
    );
    // What somebody did to a copy there is undone, as CalendarSync does it.
    let review =
        lab.google.events(SINK).into_iter().find(|event| event["summary"] == "[work] Review").unwrap();
    lab.google.edit(SINK, review["id"].as_str().unwrap(), |event| {
        event.insert("summary".to_owned(), json!("Mine"));
        event.insert("location".to_owned(), json!("Elsewhere"));
    });
    lab.sync();
    assert_eq!(lab.sink(), first);
    fs::write(lab.folder.path().join("calsync.toml"), config).unwrap();
    lab.sync();

    // So does what the owner of the source answers.
    lab.google.edit("work@example.org", "review", |event| {
        event["attendees"][0]["responseStatus"] = json!("declined");
    });
    lab.sync();
    assert!(!lab.sink().iter().any(|copy| copy.title == "[work] Review"));
    lab.google.edit("work@example.org", "review", |event| {
        event["attendees"][0]["responseStatus"] = json!("tentative");
    });
    lab.sync();
    assert_eq!(lab.sink(), first);

    // What the filters begin and cease to let through comes and goes there as well.
    lab.google.edit("work@example.org", "doctor", |event| {
        event.insert("summary".to_owned(), json!("Doctor"));
    });
    lab.google.delete("work@example.org", "planning");
    lab.sync();
    let mut then = expected();
    then.insert(2, copy("06 10:00", "06 11:00", "[work] Doctor"));
    assert_eq!(lab.sink(), then);
    is_quiet();
}

/// `outlook_http`: a calendar of Microsoft, whose descriptions are HTML. In the sink they are the text a person reads.
#[test]
fn outlook_is_read_as_text_and_copied_to_google() {
    let lab = Lab::new();
    let graph = GraphServer::start_on(lab.runtime.handle(), GraphOptions::default()).unwrap();
    let calendar = graph.default_calendar();
    let at = |at: &str| json!({ "dateTime": format!("{}-{at}:00", month(0)), "timeZone": "UTC" });
    let event = |subject: &str, start: &str, end: &str| {
        json!({
            "subject": subject, "start": at(start), "end": at(end), "location": { "displayName": "Room 4" },
            "body": { "contentType": "html", "content": "<p>Bring <b>the numbers</b> &amp; lunch</p><p>{{title}}</p>" },
        })
    };
    graph.add(&calendar, &event("Planning", "05T09:00", "05T10:00")).unwrap();
    let mut declined = event("Party", "06T11:00", "06T12:00");
    declined["responseStatus"] = json!({ "response": "declined" });
    graph.add(&calendar, &declined).unwrap();
    graph.add(&calendar, &event("Doctor, private", "06T09:00", "06T10:00")).unwrap();
    let told = lab.import(&FROM_OUTLOOK.replace("CALENDAR", &calendar));
    assert!(told.contains("source.adapter.oAuth") && told.contains("CALSYNC_SOURCE_CLIENT_SECRET"), "{told}");
    let printed = lab.command(&["import-config", "sync.yaml"]).output().unwrap();
    assert!(String::from_utf8(printed.stdout).unwrap().contains("directory = \"tenant\"\n"));
    let path = lab.folder.path().join("calsync.toml");
    let config = fs::read_to_string(&path).unwrap();
    let root = format!("provider = \"microsoft\"\nbase_url = \"{}\"", graph.url());
    fs::write(&path, config.replace("provider = \"microsoft\"", &root)).unwrap();
    lab.sync();
    lab.sync();
    let [planning] = &lab.sink()[..] else { panic!("{:?}", lab.sink()) };
    let expected = copy("05 09:00", "05 10:00", "[work] Planning");
    assert_eq!(
        (&planning.start, &planning.end, &planning.title),
        (&expected.start, &expected.end, &expected.title)
    );
    assert_eq!(planning.location, "Room 4");
    let lines: Vec<&str> = planning.description.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["Bring the numbers & lunch", "{{title}}"], "text, and nothing is filled in");
}

/// The transformers and the filter the file above has not: who comes is copied so that nobody can be reached, and nothing of a
/// title.
#[test]
fn attendees_a_title_of_its_own_and_what_is_outside_of_hours() {
    let lab = Lab::new();
    let put = |event: Value| lab.google.put("work@example.org", event);
    put(invited(event("dinner", "Dinner", "05T19:30", "05T21:00"), "accepted"));
    put(event("breakfast", "Breakfast", "06T07:00", "06T07:45"));
    put(event("inside", "Inside", "06T11:00", "06T12:00"));
    put(event("rim", "Rim", "06T17:30", "06T19:30"));
    put(event("early", "Early", "06T07:30", "06T09:30"));
    put(event("long", "Long", "06T15:30", "06T20:15"));
    let (head, _) = REST.split_once("transformations:").unwrap();
    let rest = |from, to| {
        format!(
            "{head}transformations:\n  - name: KeepTitle\n  - name: ReplaceTitle\n    config: {{ NewTitle: \"Taken\" }}\n  \
             - name: KeepAttendees\n    config: {{ UseEmailAsDisplayName: true }}\n\
             filters:\n  - name: TimeFilter\n    config: {{ HourStart: {from}, HourEnd: {to} }}\n"
        )
    };
    lab.import_with(FROM_GOOGLE, &rest(8, 18));
    lab.sync();
    lab.sync();
    let taken = |start, end| copy(start, end, "Taken");
    // Hidden is what begins at eight or later and ends before seven: also what ends at half past six.
    let expected = [
        taken("05 18:30", "05 20:00"),
        taken("06 06:00", "06 06:45"),
        taken("06 06:30", "06 08:30"),
        taken("06 14:30", "06 19:15"),
    ];
    assert_eq!(lab.sink(), expected);
    let events = lab.google.events(SINK);
    let dinner = events.iter().find(|event| !event["attendees"].is_null()).unwrap();
    let [guest] = &dinner["attendees"].as_array().unwrap()[..] else { panic!("{dinner}") };
    assert_eq!(
        (&guest["email"], &guest["displayName"], &guest["responseStatus"]),
        (&json!("me_example.org@localhost"), &json!("me@example.org"), &json!("needsAction"))
    );
    let held = format!("{events:?}");
    assert!(!held.contains("Dinner") && !held.contains("boss@example.org"), "{held}");
    // Neither what is written of a meeting nor its end is mailed.
    lab.google.edit("work@example.org", "dinner", |event| {
        event["attendees"].as_array_mut().unwrap().push(json!({ "email": "you@example.org" }));
    });
    lab.sync();
    assert!(format!("{:?}", lab.google.events(SINK)).contains("you_example.org@localhost"));
    lab.google.delete("work@example.org", "dinner");
    lab.sync();
    assert_eq!(lab.sink(), expected[1..]);
    assert_eq!(lab.google.mails(), 0);
}

/// Hours by CalendarSync's clock: those of the start and of the end, whatever lies between, and no all-day event is judged by
/// them.
#[test]
fn an_event_at_the_edge_of_the_hours_is_where_calendarsync_puts_it() {
    let events = [
        ("a", "06:30-08:30"),
        ("b", "12:15-12:45"),
        ("c", "12:15-13:45"),
        ("d", "16:30-18:30"),
        ("e", "17:30-18:30"),
        ("f", "19:00-20:00"),
    ];
    for (name, hours, kept) in [
        ("TimeFrame", (8, 18), "abcde"),
        ("TimeFrame", (12, 13), "bc"),
        ("TimeFilter", (8, 18), "af"),
        ("TimeFilter", (12, 13), "adef"),
    ] {
        let lab = Lab::new();
        for (id, times) in events {
            let (start, end) = times.split_once('-').unwrap();
            let at = |at: &str| json!({ "dateTime": format!("{}-06T{at}:00Z", month(0)), "timeZone": "UTC" });
            lab.google.put("work@example.org", json!({ "id": format!("{id}{id}{id}{id}{id}"), "summary": id, "start": at(start), "end": at(end) }));
        }
        let day = |day: u8| json!({ "date": format!("{}-{day:02}", month(0)) });
        lab.google.put(
            "work@example.org",
            json!({ "id": "holiday", "summary": "z", "start": day(7), "end": day(8) }),
        );
        let (head, _) = REST.split_once("transformations:").unwrap();
        let rest = format!(
            "{head}transformations:\n  - name: KeepTitle\nfilters:\n  - name: {name}\n    \
             config: {{ HourStart: {}, HourEnd: {} }}\n",
            hours.0, hours.1
        );
        lab.import_with(FROM_GOOGLE, &rest);
        lab.sync();
        lab.sync();
        let copies = lab.google.events(SINK);
        let mut titles: Vec<&str> = copies.iter().filter_map(|event| event["summary"].as_str()).collect();
        titles.sort_unstable();
        assert_eq!(titles.concat(), format!("{kept}z"), "{name} {hours:?}");
    }
}

/// Forms of later versions: days and weeks.
#[test]
fn days_and_weeks_become_days_from_now() {
    let lab = Lab::new();
    for (from, to, expected) in [
        (("DayStart", -2), ("DayEnd", 3), "{ from = { days = -3 }, leaving = \"stay\", to = { days = 4 } }"),
        (
            ("WeekStart", -1),
            ("WeekEnd", 2),
            "{ from = { days = -14 }, leaving = \"stay\", to = { days = 21 } }",
        ),
        (
            ("MonthStart", 0),
            ("WeekEnd", 1),
            "{ from = { month-start = 0 }, leaving = \"stay\", to = { days = 14 } }",
        ),
    ] {
        let edge =
            |(identifier, offset): (&str, i32)| format!("{{ identifier: {identifier}, offset: {offset} }}");
        let rest = REST
            .replace("{ identifier: MonthStart, offset: -1 }", &edge(from))
            .replace("{ identifier: MonthEnd, offset: +1 }", &edge(to));
        fs::write(lab.folder.path().join("sync.yaml"), format!("{FROM_GOOGLE}{rest}")).unwrap();
        let said = lab.command(&["import-config", "sync.yaml"]).output().unwrap();
        let (out, told) = (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
        assert!(out.contains(expected), "{out}");
        assert!(told.contains("sync.end: days are counted from now"), "{told}");
        assert_eq!(told.contains("sync.start:"), from.0 != "MonthStart", "{told}");
    }
}

/// Two users' files are of the same links. Their copies of one meeting are not to be told by their UIDs.
#[test]
fn every_import_has_a_salt_of_its_own() {
    let lab = Lab::new();
    fs::write(lab.folder.path().join("sync.yaml"), format!("{FROM_GOOGLE}{REST}")).unwrap();
    let salt = || {
        let said = lab.command(&["import-config", "sync.yaml"]).output().unwrap();
        let config = String::from_utf8(said.stdout).unwrap();
        config.lines().find(|line| line.starts_with("uid_salt")).unwrap().to_owned()
    };
    let (one, other) = (salt(), salt());
    assert!(one != other && one.len() == other.len() && one.len() > 40, "{one} {other}");
}

/// What would not run is said at the import, by the step it is in.
#[test]
fn a_pattern_only_re2_knows_is_refused_at_the_import() {
    let lab = Lab::new();
    for pattern in ["\\Qprivate\\E", "("] {
        let rest = REST.replace(".*[Pp]rivate.*", &pattern.replace('\\', "\\\\"));
        fs::write(lab.folder.path().join("sync.yaml"), format!("{FROM_GOOGLE}{rest}")).unwrap();
        let said = lab.command(&["import-config", "sync.yaml"]).output().unwrap();
        let told = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
        assert!(!said.status.success() && told.contains("RegexTitle"), "{pattern}: {told}");
        assert!(!told.contains("[[links]]"), "{pattern}: {told}");
    }
}

/// The absences of a ZEP server: Google sees the sink only.
#[test]
fn a_quiet_import_from_zep_asks_zep_once() {
    let lab = Lab::new();
    let dav = DavServer::start_on(lab.runtime.handle(), DavOptions::default()).unwrap();
    let month = month(0).replace('-', "");
    let item = |uid: &str, start: &str, end: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:{month}{start}Z\r\nDTEND:{month}{end}Z\r\nSUMMARY:{uid}\r\nLOCATION:Office\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    dav.put("work", "a.ics", &item("training", "13T090000", "13T120000"));
    dav.put("work", "b.ics", &item("night shift", "13T200000", "13T230000"));
    let told = lab.import(&FROM_ZEP.replace("ENDPOINT", &dav.url()));
    assert!(told.contains("CALSYNC_SOURCE_PASSWORD"), "{told}");
    lab.sync();
    lab.sync();
    assert!(told.contains("CalendarSync keeps every event of a ZEP calendar"), "{told}");
    let training =
        || Copy { location: "Office".to_owned(), ..copy("13 09:00", "13 12:00", "[work] training") };
    assert_eq!(lab.sink(), [training()]);
    lab.asked();
    dav.clear_requests();
    lab.sync();
    let methods =
        |asked: Vec<(String, String)>| asked.into_iter().map(|(method, _)| method).collect::<Vec<_>>();
    assert!(methods(lab.asked()).is_empty());
    assert_eq!(dav.requests().len(), 1, "{:?}", dav.requests());
}
