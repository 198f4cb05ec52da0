//! `calsync availability`, `publish`, `import-config`, and what a configuration may say about copies.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

use calsync_testkit::microsoft::{GraphOptions, GraphServer};
use serde_json::{Value, json};

struct Said {
    success: bool,
    code: Option<i32>,
    out: String,
    err: String,
}

fn calsync(folder: &Path, args: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    Said {
        success: output.status.success(),
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn ok(folder: &Path, args: &[&str]) -> Said {
    let said = calsync(folder, args);
    assert!(said.success, "calsync {args:?}: {}", said.err);
    said
}

/// Two events on Monday, 5 January 2026, in Berlin: 9 to 10 and, declined by me, 14 to 15; and a lunch on Tuesday.
fn feed(folder: &Path) {
    let event = |uid: &str, start: &str, end: &str, title: &str, more: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:202601{start}\r\n\
             DTEND;TZID=Europe/Berlin:202601{end}\r\nSUMMARY:{title}\r\n{more}END:VEVENT\r\n"
        )
    };
    let declined = "ORGANIZER:mailto:you@example.org\r\nATTENDEE;PARTSTAT=DECLINED:mailto:me@example.org\r\n";
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{}{}{}END:VCALENDAR\r\n",
        event("u1", "05T090000", "05T100000", "Canary review", ""),
        event("u2", "05T140000", "05T150000", "Canary board", declined),
        event("u3", "06T120000", "06T130000", "Canary lunch", ""),
    );
    fs::write(folder.join("feed.ics"), text).unwrap();
}

const CONFIG: &str = "store = \"sqlite:calsync.db\"\n\
    [connections.feed]\nprovider = \"ics\"\nurl = \"feed.ics\"\n\
    [[links]]\nname = \"feed\"\ncalendar = \"work\"\nconnection = \"feed\"\n";

fn folder(copies: &str) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("calsync.toml"), format!("{CONFIG}{copies}")).unwrap();
    feed(temp.path());
    temp
}

#[test]
fn availability_offers_slots_and_says_how_old_it_is() {
    let temp = folder("");
    let arguments = [
        "availability",
        "--calendars",
        "work",
        "--from",
        "2026-01-05T00:00:00Z",
        "--days",
        "1",
        "--hours",
        "09:00-16:00",
        "--zone",
        "Europe/Berlin",
        "--duration",
        "60",
        "--step",
        "60",
        "--owner",
        "me@example.org",
        "--json",
    ];
    let unknown = calsync(temp.path(), &arguments);
    assert!(!unknown.success && unknown.err.contains("no calendar \"work\""), "{}", unknown.err);
    ok(temp.path(), &["sync"]);
    let found: Value = serde_json::from_str(&ok(temp.path(), &arguments).out).unwrap();
    // The window is over: nothing is offered in the past, and what is busy is still told.
    assert_eq!(found["slots"].as_array().unwrap().len(), 0);
    assert_eq!(found["busy"].as_array().unwrap().len(), 1, "the declined one takes no time: {found}");
    assert_eq!(found["calendars"][0]["state"], "current");
    assert!(found["calendars"][0]["age_seconds"].as_i64().unwrap() < 600);
    let table =
        ok(temp.path(), &["availability", "--calendars", "work", "--days", "7", "--hours", "09:00-17:00"]);
    assert!(table.out.lines().count() > 20, "{}", table.out);
    for (wrong, expected) in [
        (["--hours", "nine"], "--hours"),
        (["--weekdays", "xx"], "--weekdays"),
        (["--zone", "Berlin"], "--zone"),
    ] {
        let mut arguments = vec!["availability", "--calendars", "work", "--hours", "09:00-17:00"];
        arguments.extend(wrong);
        let said = calsync(temp.path(), &arguments);
        assert!(!said.success && said.err.contains(expected), "{wrong:?}: {}", said.err);
    }
}

#[test]
fn publish_writes_busy_times_until_details_are_asked_for() {
    let temp = folder("");
    let path = temp.path();
    ok(path, &["sync"]);
    let publish = |more: &[&str]| {
        let mut arguments = vec![
            "publish",
            "--calendar",
            "work",
            "--out",
            "out.ics",
            "--back",
            "36000",
            "--owner",
            "me@example.org",
        ];
        arguments.extend(more);
        let said = ok(path, &arguments);
        (fs::read_to_string(path.join("out.ics")).unwrap(), said.err)
    };
    let (busy, told) = publish(&[]);
    assert!(told.contains("out.ics.key"), "{told}");
    assert_eq!(busy.matches("SUMMARY:Busy").count(), 2);
    assert!(!busy.contains("Canary") && !busy.contains("u1"));
    let (again, told) = publish(&[]);
    assert_eq!((again, told.as_str()), (busy, ""));
    let (details, _) = publish(&["--details", "--name", "Work"]);
    assert!(details.contains("SUMMARY:Canary review") && details.contains("NAME:Work"));
    assert!(!details.contains("ATTENDEE") && details.contains("TZID:Europe/Berlin"));
    let (times, _) = publish(&["--free-busy"]);
    assert!(times.contains("FREEBUSY;FBTYPE=BUSY:20260105T080000Z/20260105T090000Z"), "{times}");
    fs::write(path.join("out.ics.key"), "short").unwrap();
    let said = calsync(path, &["publish", "--calendar", "work", "--out", "out.ics"]);
    assert!(!said.success && said.err.contains("no key of a feed"), "{}", said.err);
}

#[test]
fn a_link_brings_in_what_its_copies_say() {
    let temp = folder(
        "[links.copies]\nowner = [\"me@example.org\"]\nstart = { type = \"everything\" }\n\
         [[links.copies.steps]]\nname = \"declined\"\nfilter = { type = \"not-declined\" }\n\
         [[links.copies.steps]]\nname = \"lunch\"\nfilter = { type = \"title\", exclude = \"(?i)LUNCH\" }\n\
         [[links.copies.steps]]\nname = \"whose\"\n\
         transform = { type = \"prefix-title\", prefix = \"{{calendar_name}}: \" }\n",
    );
    ok(temp.path(), &["sync"]);
    let events = ok(temp.path(), &["events", "--calendar", "work"]).out;
    assert!(events.contains("work: Canary review"), "{events}");
    assert!(!events.contains("board") && !events.contains("lunch"), "{events}");
    // Changed: compared again. Two of three come in, nothing is deleted that was there.
    let config = format!("{CONFIG}[links.copies]\nstart = {{ type = \"everything\" }}\n");
    fs::write(temp.path().join("calsync.toml"), config).unwrap();
    ok(temp.path(), &["sync"]);
    let events = ok(temp.path(), &["events", "--calendar", "work"]).out;
    assert!(
        events.contains("board") && events.contains("lunch") && !events.contains("work: Canary"),
        "{events}"
    );
}

#[test]
fn faults_of_copies_are_named() {
    let step = |step: &str| format!("[[links.copies.steps]]\n{step}\n");
    for (copies, expected) in [
        (
            step("name = \"a\"\nfilter = { type = \"title\", exclude = \"(\" }"),
            "link feed: copies, step \"a\"",
        ),
        (step("name = \"a\"\nfilter = { type = \"titel\" }"), "titel"),
        (step("name = \"a\"\nfilter = { type = \"title\", exlude = \"x\" }"), "exlude"),
        (step("name = \"a\"\nfilter = { type = \"not-declined\" }"), "nobody says who that is"),
        (step("name = \"a\""), "neither a filter nor a transform"),
        ("[links.copies]\nzone = \"Berlin\"\n".to_owned(), "copies.zone"),
        ("direction = \"two-way\"\n[links.copies]\n".to_owned(), "link feed: `copies`"),
        ("[links.copies.window]\n".to_owned(), "link feed: `copies.window` is of the link that exports"),
        ("[links.copies]\nwindow = { to = { years = 1 } }\n".to_owned(), "years"),
    ] {
        let temp = folder(&copies);
        let said = calsync(temp.path(), &["sync"]);
        assert!(!said.success && said.err.contains(expected), "{copies}: {}", said.err);
    }
}

const SYNC_YAML: &str = r#"
sync:
  start: { identifier: MonthStart, offset: -1 }
  end: { identifier: MonthEnd, offset: +1 }
auth:
  storage_mode: yaml
  config: { path: ./auth-storage.yaml }
source:
  adapter:
    type: "zep"
    calendar: "absences"
    config: { username: "anna", password: "canary-password", endpoint: "https://zep.example.org/dav" }
sink:
  adapter:
    type: google
    calendar: "anna@example.org"
    oAuth: { clientId: "id", clientKey: "canary-key" }
transformations:
  - name: KeepTitle
  - name: PrefixTitle
    config: { Prefix: "[\"zep\"] " }
  - name: KeepColour
filters:
  - name: DeclinedEvents
  - name: TimeFrame
    config: { HourStart: 8, HourEnd: 18 }
  - name: RegexTitle
    config: { ExcludeRegexp: ".*\\d+ private.*" }
updateConcurrency: 3
"#;

#[test]
fn a_calendarsync_file_becomes_a_configuration() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("sync.yaml"), SYNC_YAML).unwrap();
    let said = calsync(temp.path(), &["import-config", "sync.yaml"]);
    assert_eq!(said.code, Some(2), "somebody has to look at KeepColour: {}", said.err);
    assert!(said.err.contains("transformations[2] is nothing CalendarSync knows"), "{}", said.err);
    assert!(!said.out.contains("canary") && !said.err.contains("canary"), "{}{}", said.out, said.err);
    for lost in [
        "auth:",
        "KeepColour",
        "updateConcurrency",
        "oAuth",
        "password",
        "DeclinedEvents: CalendarSync keeps every event",
    ] {
        assert!(said.err.contains(lost), "{lost}: {}", said.err);
    }
    assert!(!said.err.contains("sync."), "{}", said.err);
    for kept in [
        "provider = \"caldav\"",
        "window = { from = { month-start = -1 }, leaving = \"stay\", to = { month-end = 1 } }",
        "url = \"https://zep.example.org/dav\"",
        "start = { title = \"CalendarSync Event\", type = \"bare\" }",
        "within = \"either-hour\"",
        "from = \"08:00\"",
        "exclude = \".*\\\\d+ private.*\"",
        "prefix = \"[\\\"zep\\\"] \"",
    ] {
        assert!(said.out.contains(kept), "{kept}: {}", said.out);
    }
    // It is a configuration: what is missing is the token, not a key.
    fs::write(temp.path().join("calsync.toml"), said.out).unwrap();
    let said = calsync(temp.path(), &["log"]);
    assert!(said.success, "{}", said.err);

    let known = SYNC_YAML.replace("  - name: KeepColour\n", "");
    fs::write(temp.path().join("known.yaml"), format!("\u{feff}{known}")).unwrap();
    ok(temp.path(), &["import-config", "known.yaml"]);
    for (text, expected) in [
        (known.replace("AllDay", "Allday").replace("DeclinedEvents", "declinedEvents"), "filters[0]"),
        (known.replace("filters:", "filterz:"), "filterz"),
    ] {
        fs::write(temp.path().join("known.yaml"), text).unwrap();
        let said = calsync(temp.path(), &["import-config", "known.yaml", "--json"]);
        let json: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.code, &json["unknown"][0]), (Some(2), &expected.into()), "{}", said.out);
    }
    let twice = format!("{known}filters:\n  - name: AllDayEvents\n");
    let line = twice.lines().count() - 1;
    for (text, line) in [
        (twice, line),
        (known.replace("{ HourStart: 8,", "{ HourStart: 8, HourStart: 9,"), 0),
        (known.replace("filters:", "\"filters\": []\nfilters:"), 0),
    ] {
        fs::write(temp.path().join("twice.yaml"), text).unwrap();
        let said = calsync(temp.path(), &["import-config", "twice.yaml"]);
        assert!(said.code == Some(1) && said.out.is_empty(), "{}", said.out);
        assert!(said.err.contains("this key is in its table already"), "{}", said.err);
        assert!(line == 0 || said.err.contains(&format!("line {line}, column 1: ")), "{}", said.err);
    }

    let odd = known.replace("MonthEnd", "YearEnd").replace("offset: -1", "offset: 3");
    fs::write(temp.path().join("odd.yaml"), odd).unwrap();
    let said = ok(temp.path(), &["import-config", "odd.yaml"]);
    assert!(said.err.contains("sync.end: it is none of MonthStart"), "{}", said.err);
    assert!(said.out.contains("window = { from = { month-start = 3 }"), "{}", said.out);

    for (text, expected) in [
        ("a: [", "no YAML"),
        ("source: {}", "source.adapter is missing"),
        ("source: { adapter: { type: icloud, calendar: x } }", "icloud"),
    ] {
        fs::write(temp.path().join("bad.yaml"), text).unwrap();
        let said = calsync(temp.path(), &["import-config", "bad.yaml"]);
        assert!(!said.success && said.err.contains(expected), "{text}: {}", said.err);
    }
}

/// PRIV-01: what one link brings in from somebody else is passed on by the next as busy, until that says more.
#[test]
fn priv_01_what_is_passed_on_is_busy_only_until_the_link_says_more() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = GraphServer::start_on(runtime.handle(), GraphOptions::default()).unwrap();
    let temp = folder("");
    let path = temp.path();
    fs::write(path.join("token"), "secret").unwrap();
    let write = |copies: &str| {
        let config = format!(
            "{CONFIG}[connections.office]\nprovider = \"microsoft\"\nbase_url = \"{}\"\ntoken = \"file:token\"\n\
             [[links]]\nname = \"mirror\"\ncalendar = \"work\"\nconnection = \"office\"\nremote = \"Calendar\"\n\
             direction = \"export\"\n{copies}",
            server.url()
        );
        // A table of the first link may not follow the second.
        fs::write(path.join("calsync.toml"), config).unwrap();
    };
    let subjects = || {
        let mut all: Vec<String> = server
            .events(&server.default_calendar())
            .iter()
            .map(|one| one.event["subject"].to_string())
            .collect();
        all.sort();
        all
    };
    write("");
    ok(path, &["sync"]);
    ok(path, &["sync"]);
    assert_eq!(subjects(), vec!["\"Busy\""; 3]);
    let explained: Value = serde_json::from_str(&ok(path, &["explain", "u1", "--json"]).out).unwrap();
    assert_eq!(explained["events"][0]["links"][1]["state"]["state"], "in-step", "{explained}");
    let timeline = explained["events"][0]["timeline"].as_array().unwrap();
    assert_eq!((&timeline[0]["what"], &timeline[0]["link"]), (&json!("seen"), &json!("feed")));
    assert_eq!(timeline[1]["op"], "local-create");
    let mapped = timeline.iter().filter(|moment| moment["what"] == "mapped" && moment["item"].is_string());
    assert_eq!(mapped.map(|moment| &moment["link"]).collect::<Vec<_>>(), ["feed", "mirror"]);
    let sources = explained["events"][0]["sources"].as_array().unwrap();
    let roles: Vec<_> = sources.iter().map(|source| (&source["link"], &source["role"])).collect();
    assert_eq!(roles, [(&json!("feed"), &json!("origin")), (&json!("mirror"), &json!("copy"))]);
    let told = ok(path, &["explain", "u1"]).out;
    assert!(told.contains("link mirror: kept in step with"), "{told}");
    assert!(told.contains(": first seen\n") && told.contains(": joined to item "), "{told}");
    assert!(told.contains("  comes from ") && told.contains("(link feed)"), "{told}");
    assert!(told.contains("  is copied to ") && told.contains("(link mirror)"), "{told}");
    let held = format!("{:?}", server.events(&server.default_calendar()));
    assert!(!held.contains("Canary"), "{held}");
    let keep =
        "[[links.copies.steps]]\nname = \"titles\"\ntransform = { type = \"keep\", fields = [\"title\"] }\n";
    write(keep);
    ok(path, &["sync"]);
    assert_eq!(subjects()[2], "\"Canary review\"");
    write("");
    ok(path, &["sync"]);
    assert_eq!(subjects(), vec!["\"Busy\""; 3], "what was shown is taken back");
    server.clear_requests();
    ok(path, &["sync"]);
    assert_eq!(server.requests().len(), 1, "{:?}", server.requests());
    assert_eq!(server.mails(), 0);

    // The events are of January 2026: over, by the clock of whoever runs this. What was copied stays.
    write("[links.copies.window]\n");
    ok(path, &["sync"]);
    assert_eq!(subjects().len(), 3);
    // A link that never copied them does not begin to, and says so. The other one's copies are of the other one.
    let config = fs::read_to_string(path.join("calsync.toml")).unwrap().replace("\"mirror\"", "\"near\"");
    fs::write(path.join("calsync.toml"), config).unwrap();
    assert!(calsync(path, &["sync"]).err.contains("link mirror, which is not in the configuration"));
    ok(path, &["unlink", "near", "--as", "mirror", "--keep"]);
    let planned = ok(path, &["sync", "--dry-run"]).out;
    assert!(planned.contains("near: 3 events looked at are outside the window"), "{planned}");
    ok(path, &["sync"]);
    assert_eq!(subjects().len(), 3);
    let explained = ok(path, &["explain", "u1"]).out;
    assert!(explained.contains("outside the window of what is copied"), "{explained}");
}

#[test]
fn a_slot_is_booked_once_on_several_calendars() {
    let temp = folder("");
    let path = temp.path();
    ok(path, &["sync"]);
    let second = CONFIG
        .replace("calendar = \"work\"", "calendar = \"room\"")
        .replace("name = \"feed\"", "name = \"r\"");
    fs::write(path.join("room.toml"), second).unwrap();
    ok(path, &["--config", "room.toml", "sync"]);
    let year = chrono::Utc::now().format("%Y").to_string().parse::<u32>().unwrap() + 1;
    // A day without events, whatever year this is.
    let start = format!("{year}-03-03T09:00");
    let both = ["--calendars", "work,room", "--duration", "30m", "--zone", "Europe/Berlin", "--json"];
    let book = |more: &[&str]| calsync(path, &[&["book"], &both[..], more].concat());
    let json = |said: &Said| -> Value { serde_json::from_str(&said.out).unwrap() };

    let held = book(&["--start", &start, "--hold", "10m"]);
    assert!(held.success, "{}", held.err);
    let refused = book(&["--start", &start]);
    assert!(!refused.success && refused.err.contains("taken"), "{}", refused.err);
    assert_eq!(json(&refused)["why"], "taken");
    let hold = json(&held)["hold"].as_str().unwrap().to_owned();
    let booked = book(&["--start", &start, "--confirm", &hold, "--title", "Interview"]);
    assert!(booked.success, "{}", booked.err);
    assert_eq!(json(&booked)["start"], format!("{year}-03-03T08:00:00Z"));
    assert!(!book(&["--start", &start]).success);
    let events = ok(path, &["events", "--calendar", "work"]).out;
    assert!(events.contains("Interview") && events.contains("09:00 Europe/Berlin"), "{events}");

    let from = format!("{year}-03-03T08:00:00Z");
    let free = |calendars: &str| {
        let arguments =
            ["free", "--calendars", calendars, "--duration", "1h", "--from", &from, "--days", "1", "--json"];
        let found: Value = serde_json::from_str(&ok(path, &arguments).out).unwrap();
        found["slots"][0]["start"].as_str().unwrap().to_owned()
    };
    // The room is taken, too, although the event is in the other calendar.
    assert_eq!(
        (free("work"), free("room")),
        (format!("{year}-03-03T08:30:00Z"), format!("{year}-03-03T08:30:00Z"))
    );
    let id = json(&booked)["event"].as_str().unwrap().to_owned();
    assert!(book(&["--cancel", &id]).success);
    assert_eq!(free("room"), from);
    // Whose calendar server says from ten to eleven, is not offered anything before.
    let available = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VAVAILABILITY\r\nUID:v\r\nDTSTAMP:20260101T000000Z\r\n\
         BEGIN:AVAILABLE\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{year}0303T100000Z\r\nDTEND:{year}0303T110000Z\r\n\
         END:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n"
    );
    fs::write(path.join("hours.ics"), available).unwrap();
    fs::write(path.join("none.ics"), "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n").unwrap();
    let with = |file: &str| {
        calsync(
            path,
            &[
                "free",
                "--calendars",
                "room",
                "--duration",
                "1h",
                "--from",
                &from,
                "--days",
                "1",
                "--availability",
                file,
                "--json",
            ],
        )
    };
    let slots = json(&with("hours.ics"))["slots"].clone();
    assert_eq!(slots.as_array().unwrap().len(), 1, "{slots}");
    assert_eq!(slots[0]["start"], format!("{year}-03-03T10:00:00Z"));
    for (file, expected) in [("none.ics", "no VAVAILABILITY"), ("missing.ics", "missing.ics")] {
        let said = with(file);
        assert!(!said.success && said.err.contains(expected), "{file}: {}", said.err);
    }
    for wrong in ["tomorrow", "2030-03-03"] {
        let said = book(&["--start", wrong]);
        assert!(!said.success && said.err.contains("--start"), "{}", said.err);
    }
}

/// The clock of a zone is what people mean, also on the days it is put forward and back.
#[test]
fn times_are_of_the_clock_people_look_at() {
    let temp = folder("");
    let path = temp.path();
    ok(path, &["sync"]);
    let berlin = ["--calendars", "work", "--zone", "Europe/Berlin"];
    let free =
        |more: &[&str]| calsync(path, &[&["free"], &berlin[..], &["--days", "1", "--json"], more].concat());
    let hours = ["--weekdays", "su", "--hours", "00:00-24:00", "--step", "60m", "--duration", "60m"];
    // A year that is ahead whenever this runs, with the days of 2027.
    for (from, first) in [
        ("2094-03-28", "2094-03-27T23:00:00Z"),
        ("2094-03-28T09:00", "2094-03-28T07:00:00Z"),
        ("2094-03-28T09:00:00", "2094-03-28T07:00:00Z"),
        ("2094-03-28T09:00:00+02:00", "2094-03-28T07:00:00Z"),
        ("2094-03-28T07:00:00Z", "2094-03-28T07:00:00Z"),
        // It is left out, and what comes next is three o'clock.
        ("2094-03-28T02:00", "2094-03-28T01:00:00Z"),
    ] {
        let said = free(&[&["--from", from], &hours[..]].concat());
        assert!(said.success, "{from}: {}", said.err);
        let found: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(found["slots"][0]["start"], first, "{from}");
    }
    for (wrong, expected) in [
        (["--from", "tomorrow"], "2026-03-02T09:00"),
        (["--from", "2027-02-30"], "--from: \"2027-02-30\""),
        (["--hours", "09:00-09:00"], "00:00-24:00"),
    ] {
        let said = free(&wrong);
        assert!(!said.success && said.err.contains(expected), "{wrong:?}: {}", said.err);
        assert!(!said.err.contains("premature"), "{}", said.err);
    }

    let book = |start: &str| {
        calsync(path, &[&["book", "--duration", "60m", "--start", start], &berlin[..]].concat())
    };
    let said = book("2094-03-30T10:30");
    assert!(
        said.out.starts_with("booked: Tue 2094-03-30 10:30 to 11:30 Europe/Berlin, event "),
        "{}",
        said.out
    );
    let said = book("2094-03-28T02:30");
    assert!(
        !said.success && said.err.contains("2094-03-28T02:30 does not happen"),
        "{}{}",
        said.out,
        said.err
    );
    let said = book("2094-10-31T02:30");
    assert!(said.success && said.err.contains("twice in Europe/Berlin: the earlier one"), "{}", said.err);
    assert!(
        said.out
            .starts_with("booked: Sun 2094-10-31 02:30 to 02:30 Europe/Berlin (00:30 to 01:30 UTC), event "),
        "{}",
        said.out
    );
}

#[test]
fn a_hint_names_no_flag_that_was_given() {
    let temp = folder("");
    let path = temp.path();
    let feed = fs::read_to_string(path.join("feed.ics")).unwrap();
    fs::write(path.join("feed.ics"), feed.replace("SUMMARY:", "STATUS:TENTATIVE\r\nSUMMARY:")).unwrap();
    ok(path, &["sync"]);
    let free = |more: &[&str]| {
        ok(path, &[&["free", "--calendars", "work", "--from", "2026-01-05", "--days", "2"], more].concat())
            .err
    };
    assert!(free(&[]).contains("see --tentative-free"));
    assert!(!free(&["--tentative-free"]).contains("see --tentative-free"));
}

#[test]
fn what_a_link_wrote_is_taken_away_by_name() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = GraphServer::start_on(runtime.handle(), GraphOptions::default()).unwrap();
    let temp = folder("");
    let path = temp.path();
    fs::write(path.join("token"), "secret").unwrap();
    let config = |links: &str| {
        let connection = format!(
            "[connections.office]\nprovider = \"microsoft\"\nbase_url = \"{}\"\ntoken = \"file:token\"\n",
            server.url()
        );
        fs::write(path.join("calsync.toml"), format!("{CONFIG}{connection}{links}")).unwrap();
    };
    let mirror = "[[links]]\nname = \"mirror\"\ncalendar = \"work\"\nconnection = \"office\"\nremote = \"Calendar\"\n\
                  direction = \"export\"\n";
    let count = || server.events(&server.default_calendar()).len();
    config(mirror);
    ok(path, &["sync"]);
    assert_eq!(count(), 3);
    // What was known is gone.
    fs::remove_file(path.join("calsync.db")).unwrap();
    let shown: Value =
        serde_json::from_str(&ok(path, &["clean", "--link", "mirror", "--dry-run", "--json"]).out).unwrap();
    assert_eq!((&shown["deletions"], &shown["deleted"], count()), (&3.into(), &0.into(), 3));
    let asked = calsync(path, &["clean", "--link", "mirror"]);
    assert!(!asked.success && asked.out.contains("--approve"), "{}", asked.out);
    let plan = shown["plan_id"].as_str().unwrap();
    ok(path, &["clean", "--link", "mirror", "--approve", plan]);
    assert_eq!(count(), 0);

    ok(path, &["sync"]);
    assert_eq!(count(), 3);
    let wrong = calsync(path, &["unlink", "mirror"]);
    assert!(!wrong.success && wrong.err.contains("--keep"), "{}", wrong.err);
    ok(path, &["unlink", "mirror", "--keep"]);
    assert_eq!(count(), 3);
    ok(path, &["sync"]);
    assert_eq!(count(), 3, "joined again, not doubled");
    // Channels are ended without the key they were made with, which may not be at hand where somebody unlinks.
    config(&format!(
        "{mirror}[webhooks]\naddress = \"https://calls.example.org\"\nlisten = \"127.0.0.1:0\"\nkey = \"env:NOT_HERE\"\n"
    ));
    let asked = calsync(path, &["unlink", "mirror", "--remove", "--json"]);
    let plan: Value = serde_json::from_str(&asked.out).unwrap();
    ok(path, &["unlink", "mirror", "--remove", "--approve", plan["plan_id"].as_str().unwrap()]);
    assert_eq!(count(), 0);
    // Of a link that imports, what it brought in.
    config("");
    let asked: Value =
        serde_json::from_str(&calsync(path, &["unlink", "feed", "--remove", "--json"]).out).unwrap();
    assert_eq!(asked["deletions"], 3);
    ok(path, &["unlink", "feed", "--remove", "--approve", asked["plan_id"].as_str().unwrap()]);
    assert!(!ok(path, &["events", "--calendar", "work"]).out.contains("Canary"));
}

/// LOOP-09: what would copy its own copies is refused before it runs.
#[test]
fn loop_09_a_circle_of_links_is_named() {
    let link = |name: &str, calendar: &str, remote: &str, more: &str| {
        format!(
            "[[links]]\nname = \"{name}\"\ncalendar = \"{calendar}\"\nconnection = \"office\"\nremote = \"{remote}\"\n{more}"
        )
    };
    let (import, export) = ("direction = \"import\"\n", "direction = \"export\"\n");
    let originals = "direction = \"import\"\ncopies = { start = { type = \"everything\" }, steps = [{ name = \"o\", \
                     filter = { type = \"not-copied\" } }] }\n";
    let config = |back: &str| {
        let office = "[connections.office]\nprovider = \"microsoft\"\ntoken = \"env:TOKEN\"\n";
        let links = [
            link("in", "one", "Work", import),
            link("out", "one", "Home", export),
            link("back", "two", "Home", back),
            link("round", "two", "Work", export),
        ];
        format!("{CONFIG}{office}{}", links.concat())
    };
    let temp = folder("");
    fs::write(temp.path().join("calsync.toml"), config(import)).unwrap();
    let said = calsync(temp.path(), &["log"]);
    assert!(!said.success && said.err.contains("out -> back -> round -> in"), "{}", said.err);
    assert!(said.err.contains("not-copied"), "{}", said.err);
    fs::write(temp.path().join("calsync.toml"), config(originals)).unwrap();
    ok(temp.path(), &["log"]);
}
