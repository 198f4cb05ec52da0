//! What leaves for a busy-only link, byte by byte: a private calendar on one CalDAV server, copied to CalDAV, Google and
//! Microsoft.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

use calsync_testkit::{
    dav::{DavOptions, DavServer, RecordedRequest},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};

fn calsync(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// A private event with a canary in every place an object has: fields, alarm, attachment, people, UID, zone, and
/// properties nobody knows.
fn object(uid: &str, title: &str, hour: u32) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//canary//EN\r\nX-CANARY:canary\r\n\
         BEGIN:VTIMEZONE\r\nTZID:canary/zone\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n\
         TZOFFSETTO:+0100\r\nTZNAME:canary\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:canary-{uid}\r\n\
         DTSTAMP:20250304T050607Z\r\nCREATED:20250304T050607Z\r\nLAST-MODIFIED:20250304T050607Z\r\n\
         DTSTART;TZID=canary/zone:20991201T{hour:02}0000\r\nDTEND;TZID=canary/zone:20991201T{hour:02}3000\r\n\
         SUMMARY:canary {title}\r\nDESCRIPTION:canary https://canary.example.org/meet?pwd=1\r\nLOCATION:canary\r\n\
         GEO:1.5;2.5\r\nURL:https://canary.example.org/\r\nCLASS:PRIVATE\r\nCATEGORIES:canary\r\nCOMMENT:canary\r\n\
         CONTACT:canary\r\nRESOURCES:canary\r\nRELATED-TO:canary\r\nCOLOR:fuchsia\r\nX-CANARY;X-P=canary:canary\r\n\
         ATTACH;FILENAME=canary.pdf:https://canary.example.org/a.pdf\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:Y2FuYXJ5\r\n\
         CONFERENCE;VALUE=URI;LABEL=canary:https://canary.example.org/meet\r\n\
         ORGANIZER;CN=canary:mailto:canary@example.org\r\nATTENDEE;CN=canary:mailto:canary2@example.org\r\n\
         BEGIN:VALARM\r\nUID:canary-alarm\r\nACTION:DISPLAY\r\nDESCRIPTION:canary\r\nTRIGGER:-PT10M\r\nEND:VALARM\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn assert_no_canary(what: &str, text: &str) {
    let text = text.replace("\r\n ", "").to_lowercase();
    // As it is, in base64, and the times of edits, which tell when somebody was at work.
    for sign in ["canary", "y2fuyxj5", "fuchsia", "20250304", "2025-03-04"] {
        assert!(!text.contains(sign), "{sign} in {what}: {text}");
    }
}

/// All that was sent, head and body.
fn sent(requests: &[RecordedRequest]) -> String {
    let mut all = String::new();
    for request in requests {
        let headers: Vec<String> =
            request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let body = String::from_utf8_lossy(&request.body);
        all.push_str(&format!("{} {}\n{}\n\n{body}\n", request.method, request.path, headers.join("\n")));
    }
    all
}

/// PRIV-01: a canary in every place of a private event is in no byte that leaves for a busy-only link, nor in what is told
/// of its runs, also when they fail.
#[test]
fn priv_01_no_byte_of_a_private_event_leaves_for_a_busy_only_link() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let handle = runtime.handle();
    let source = DavServer::start_on(handle, DavOptions::default()).unwrap();
    let dav = DavServer::start_on(handle, DavOptions::default()).unwrap();
    let google = GoogleServer::start_on(handle, GoogleOptions::default()).unwrap();
    let graph = GraphServer::start_on(handle, GraphOptions::default()).unwrap();
    for number in 0..3 {
        source.put(
            "work",
            &format!("canary-href-{number}.ics"),
            &object(&number.to_string(), "one", 8 + number),
        );
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("token"), "secret").unwrap();
    let caldav = |name: &str, url: String| {
        format!(
            "[connections.{name}]\nprovider = \"caldav\"\nurl = \"{url}\"\nusername = \"user\"\npassword = \"plain:secret\"\n"
        )
    };
    let by_token = |name: &str, provider: &str, url: String| {
        format!(
            "[connections.{name}]\nprovider = \"{provider}\"\nbase_url = \"{url}\"\ntoken = \"file:token\"\n"
        )
    };
    let link = |name: &str, remote: &str, direction: &str| {
        format!(
            "[[links]]\nname = \"{name}\"\ncalendar = \"private\"\nconnection = \"{name}\"\nremote = \"{remote}\"\n\
             direction = \"{direction}\"\n"
        )
    };
    let config = [
        "store = \"sqlite:calsync.db\"\n".to_owned(),
        caldav("source", source.url()),
        caldav("dav", dav.url()),
        by_token("google", "google", google.url()),
        by_token("graph", "microsoft", graph.url()),
        link("source", "Work", "import"),
        // Nothing is said of what they show: what somebody else's calendar brought is passed on busy-only.
        link("dav", "Work", "export"),
        link("google", "primary", "export"),
        link("graph", "Calendar", "export"),
    ];
    fs::write(folder.join("calsync.toml"), config.concat()).unwrap();

    let mut told = String::new();
    let mut run = |args: &[&str]| {
        let (code, text) = calsync(folder, args);
        told.push_str(&text);
        code
    };
    assert_eq!(run(&["sync"]), 0);
    // Edits that show, edits that do not, a deletion, a write that fails, and a refusal with what was sent in it.
    source.put("work", "canary-href-0.ics", &object("0", "two", 8));
    source.put("work", "canary-href-1.ics", &object("1", "one", 15));
    source.delete("work", "canary-href-2.ics");
    dav.revoke_credentials();
    graph.set_token("another");
    assert_ne!(run(&["sync"]), 0);
    assert_ne!(run(&["sync", "--json"]), 0);
    dav.restore_credentials();
    graph.set_token("secret");
    assert_eq!(run(&["sync"]), 0);
    // A preview for a person names events by their titles, as `events` does; one for a program by their ids.
    let clean = &["clean", "--link", "dav", "--dry-run", "--json"];
    for args in [&["log"][..], &["outbox"], &["schedule"], &["doctor"], clean] {
        run(args);
    }
    assert_no_canary("what was told", &told);

    assert_eq!(dav.list("work").len(), 2, "the copies are there");
    assert_eq!((google.events("primary").len(), graph.events(&graph.default_calendar()).len()), (2, 2));
    assert_no_canary("what CalDAV got", &sent(&dav.requests()));
    assert_no_canary("what Google got", &sent(&google.requests()));
    let seen: Vec<String> = graph
        .requests()
        .into_iter()
        .map(|seen| format!("{} {}\n{}\n{}\n", seen.method, seen.path, seen.prefer, seen.body))
        .collect();
    assert_no_canary("what Microsoft got", &seen.concat());
    // And the check itself sees what it looks for.
    assert!(sent(&source.requests()).contains("canary-href"), "the source is asked by its own names");
}
