//! `calsync` with what Google shows of calendars and events besides their times: `free` and `book` over calendars of which an account
//! sees only when they are busy, with the three emulators; colours.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

use calsync_testkit::{
    dav::{DavOptions, DavServer},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};
use chrono::Datelike;
use serde_json::{Value, json};

fn calsync(folder: &Path, args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn calendars_that_show_no_more_than_busy_times_have_to_be_free_as_well() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let google = GoogleServer::start_on(runtime.handle(), GoogleOptions::default()).unwrap();
    let graph = GraphServer::start_on(runtime.handle(), GraphOptions::default()).unwrap();
    let dav = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
    // A day nobody has anything on, whatever year this is.
    let day = format!("{}-03-03", chrono::Utc::now().year() + 1);
    let compact = day.replace('-', "");
    google.add_calendar("boss@example.org", "Boss", "UTC", "freeBusyReader");
    google.put(
        "boss@example.org",
        json!({ "id": "boss1", "summary": "canary", "start": { "dateTime": format!("{day}T09:00:00Z") },
            "end": { "dateTime": format!("{day}T10:00:00Z") } }),
    );
    let at = |time: &str| json!({ "dateTime": format!("{day}T{time}:00"), "timeZone": "UTC" });
    let event = json!({ "subject": "canary", "start": at("10:00"), "end": at("11:00") });
    graph.add(&graph.default_calendar(), &event).unwrap();
    dav.put(
        "work",
        "a.ics",
        &format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:{compact}T110000Z\r\nDTEND:{compact}T113000Z\r\nSUMMARY:canary\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        ),
    );
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path();
    fs::write(path.join("token"), "secret").unwrap();
    fs::write(path.join("own.ics"), "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nEND:VCALENDAR\r\n")
        .unwrap();
    let work = format!("{}dav/calendars/user/work/", dav.url());
    let config = |work: &str| {
        format!(
            "store = \"sqlite:calsync.db\"\n[connections.google]\nprovider = \"google\"\nbase_url = \"{}\"\n\
             token = \"file:token\"\n[connections.office]\nprovider = \"microsoft\"\nbase_url = \"{}\"\ntoken = \"file:token\"\n\
             [connections.home]\nprovider = \"caldav\"\nurl = \"{}\"\nusername = \"user\"\npassword = \"plain:secret\"\n\
             [connections.own]\nprovider = \"ics\"\nurl = \"own.ics\"\n\
             [[links]]\nname = \"own\"\ncalendar = \"own\"\nconnection = \"own\"\n\
             [busy.boss]\nconnection = \"google\"\nremote = \"boss@example.org\"\n\
             [busy.colleague]\nconnection = \"office\"\nremote = \"ann@example.com\"\n\
             [busy.shared]\nconnection = \"home\"\nremote = \"{work}\"\n\
             [busy.stranger]\nconnection = \"google\"\nremote = \"nobody@example.org\"\n",
            google.url(),
            graph.url(),
            dav.url(),
        )
    };
    fs::write(path.join("calsync.toml"), config(&work)).unwrap();
    let (listed, out, told) = calsync(path, &["calendars", "--json"]);
    assert!(listed, "{told}");
    let listed: Value = serde_json::from_str(&out).unwrap();
    let all = listed["calendars"].as_array().unwrap();
    let url = all.iter().find(|one| one["connection"] == "home").unwrap()["id"].as_str().unwrap();
    fs::write(path.join("calsync.toml"), config(url)).unwrap();
    assert!(calsync(path, &["sync"]).0);

    let from = format!("{day}T08:00:00Z");
    let free = |calendars: &str, days: &str, more: &[&str]| -> Value {
        let base = [
            "free",
            "--calendars",
            calendars,
            "--from",
            &from,
            "--days",
            days,
            "--duration",
            "60m",
            "--json",
        ];
        let hours = ["--step", "60m", "--hours", "08:00-13:00", "--weekdays", "mo,tu,we,th,fr,sa,su"];
        let (done, out, told) = calsync(path, &[&base[..], &hours[..], more].concat());
        assert!(done, "{told}");
        assert!(!out.contains("canary"));
        serde_json::from_str(&out).unwrap()
    };
    let starts = |found: &Value| {
        let slots = found["slots"].as_array().unwrap().iter();
        let starts = slots.filter_map(|slot| slot["start"].as_str()?.strip_prefix(&format!("{day}T")));
        starts.map(|start| start[..5].to_owned()).collect::<Vec<_>>()
    };
    // One after the other takes its hours.
    assert_eq!(starts(&free("own", "1", &[])), ["08:00", "09:00", "10:00", "11:00", "12:00"]);
    assert_eq!(starts(&free("own,boss", "1", &[])), ["08:00", "10:00", "11:00", "12:00"]);
    assert_eq!(starts(&free("own,boss,colleague", "1", &[])), ["08:00", "11:00", "12:00"]);
    let found = free("own,boss,colleague,shared", "1", &[]);
    assert_eq!(starts(&found), ["08:00", "12:00"]);
    let states = found["calendars"].as_array().unwrap().iter();
    let states: Vec<_> = states.map(|one| (one["calendar"].as_str(), one["state"].as_str())).collect();
    assert_eq!(states[1], (Some("boss"), Some("current")));
    assert_eq!(states[3], (Some("shared"), Some("current")));
    assert_eq!(found["calendars"][3]["age_seconds"], 0);
    // A window that Graph takes in pieces only.
    let long = free("colleague", "100", &[]);
    assert_eq!(long["calendars"][0]["covers_window"], true, "{long}");
    assert_eq!(long["busy"].as_array().unwrap().len(), 1);
    // Of whom nothing is known no time is offered, but where that is asked for.
    let stranger = free("own,stranger", "1", &[]);
    assert_eq!((starts(&stranger).len(), stranger["calendars"][1]["state"].as_str()), (0, Some("unknown")));
    assert_eq!(starts(&free("own,stranger", "1", &["--offer-unknown"])).len(), 5);

    // Where a provider says that a time is tentative, the terms decide; Google does not say.
    let event =
        json!({ "subject": "canary", "showAs": "tentative", "start": at("12:00"), "end": at("13:00") });
    graph.add(&graph.default_calendar(), &event).unwrap();
    dav.put(
        "work",
        "b.ics",
        &format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:b\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:{compact}T080000Z\r\nDTEND:{compact}T090000Z\r\nSTATUS:TENTATIVE\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        ),
    );
    assert_eq!(starts(&free("own,colleague,shared", "1", &[])), ["09:00"]);
    let offered = free("own,colleague,shared", "1", &["--tentative-free"]);
    assert_eq!(starts(&offered), ["08:00", "09:00", "12:00"]);

    // What is taken elsewhere cannot be booked here.
    let book = |time: &str| {
        let start = format!("{day}T{time}");
        let (done, out, _) = calsync(
            path,
            &["book", "--calendars", "own,boss,shared", "--start", &start, "--duration", "60m", "--json"],
        );
        let why = serde_json::from_str::<Value>(&out).unwrap()["why"].clone();
        (done, why)
    };
    assert_eq!(book("09:00"), (false, json!("taken")));
    assert_eq!(book("11:00"), (false, json!("taken")));
    assert!(book("12:00").0);
}

#[test]
fn faults_of_busy_calendars_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let base = "store = \"sqlite:calsync.db\"\n[connections.feed]\nprovider = \"ics\"\nurl = \"own.ics\"\n\
        [connections.google]\nprovider = \"google\"\ntoken = \"env:TOKEN\"\n\
        [[links]]\nname = \"feed\"\ncalendar = \"work\"\nconnection = \"feed\"\n";
    for (busy, expected) in [
        ("[busy.boss]\nconnection = \"nobody\"\nremote = \"x\"\n", "busy.boss: `connection` is \"nobody\""),
        ("[busy.boss]\nconnection = \"feed\"\nremote = \"x\"\n", "nobody tells busy times there"),
        ("[busy.work]\nconnection = \"google\"\nremote = \"x\"\n", "a calendar of the links has this name"),
        ("[busy.boss]\nconnection = \"google\"\n", "remote"),
    ] {
        fs::write(temp.path().join("calsync.toml"), format!("{base}{busy}")).unwrap();
        let (done, _, told) = calsync(temp.path(), &["log"]);
        assert!(!done && told.contains(expected), "{busy}: {told}");
    }
}

/// Colours are taken along where the connection says so, and left alone where it does not.
#[test]
fn the_colours_of_google_are_taken_along_where_they_are_asked_for() {
    for (colors, expected) in [("", Value::Null), ("colors = true\n", json!("11"))] {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let google = GoogleServer::start_on(runtime.handle(), GoogleOptions::default()).unwrap();
        google.add_calendar("other@example.com", "Other", "UTC", "owner");
        let year = chrono::Utc::now().year() + 1;
        let at =
            |hour: u32| json!({ "dateTime": format!("{year}-03-03T{hour:02}:00:00Z"), "timeZone": "UTC" });
        google.put("primary", json!({ "summary": "red", "colorId": "11", "start": at(9), "end": at(10) }));
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("token"), "secret").unwrap();
        let link = |remote: &str| {
            format!(
                "[[links]]\nname = \"{remote}\"\ncalendar = \"family\"\nconnection = \"google\"\nremote = \"{remote}\"\n"
            )
        };
        let config = format!(
            "store = \"sqlite:calsync.db\"\n[connections.google]\nprovider = \"google\"\nbase_url = \"{}\"\n\
             token = \"file:token\"\n{colors}{}{}",
            google.url(),
            link("primary"),
            link("other@example.com"),
        );
        fs::write(temp.path().join("calsync.toml"), config).unwrap();
        for _ in 0..2 {
            let (done, _, told) = calsync(temp.path(), &["sync"]);
            assert!(done, "{told}");
        }
        let copies = google.events("other@example.com");
        assert_eq!(
            (copies.len(), &copies[0]["summary"], &copies[0]["colorId"]),
            (1, &json!("red"), &expected)
        );
    }
}
