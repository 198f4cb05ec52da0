//! `calsync feed`: tokens are made, subscribers come, and nothing that is hidden leaves by any way.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use calsync_testkit::canary;
use serde_json::Value;

fn calsync(folder: &Path, args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn json(folder: &Path, args: &[&str]) -> Value {
    let (success, out, err) = calsync(folder, args);
    assert!(success, "calsync {args:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

/// Four events of this week, each with a canary wherever an iCalendar file has room for one; the second is private, the third
/// secret, and the fourth declined by its owner.
fn source(folder: &Path, more: &str) {
    let today = chrono::Utc::now().format("%Y%m%d");
    let event = |uid: &str, hour: u32, class: &str, status: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:{uid}-canary\r\nDTSTAMP:20250304T050607Z\r\nCREATED:20250304T050607Z\r\n\
             DTSTART;TZID=canary/zone:{today}T{hour:02}0000\r\nDTEND;TZID=canary/zone:{today}T{hour:02}3000\r\n\
             RRULE:FREQ=DAILY;COUNT=3;X-CANARY=canary\r\n\
             SUMMARY:{uid} canary title\r\nDESCRIPTION:canary text\r\nLOCATION:canary place\r\nCLASS:{class}\r\n\
             URL:https://canary.example.org/\r\nCATEGORIES:canary\r\nCOMMENT:canary\r\nCONTACT:canary\r\n\
             GEO:1.0;2.0\r\nX-CANARY;X-P=canary:canary\r\nATTACH;FILENAME=canary:https://canary.example.org/a\r\n\
             CONFERENCE;LABEL=canary:https://canary.example.org/meet\r\nRELATED-TO:canary\r\n\
             ORGANIZER;CN=canary:mailto:canary@example.org\r\n\
             ATTENDEE;CN=canary;PARTSTAT={status}:mailto:me@example.org\r\n\
             BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:canary\r\nTRIGGER:-PT10M\r\nUID:canary-alarm\r\nEND:VALARM\r\n\
             END:VEVENT\r\n"
        )
    };
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//canary//EN\r\nX-WR-CALNAME:canary\r\n\
         BEGIN:VTIMEZONE\r\nTZID:canary/zone\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n\
         TZOFFSETTO:+0100\r\nTZNAME:canary\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n{}{}{}{}{more}END:VCALENDAR\r\n",
        event("public", 8, "PUBLIC", "ACCEPTED"),
        event("private", 10, "PRIVATE", "ACCEPTED"),
        event("secret", 12, "CONFIDENTIAL", "ACCEPTED"),
        event("declined", 14, "PUBLIC", "DECLINED"),
    );
    fs::write(folder.join("source.ics"), text).unwrap();
    // A private series with a canary in every place there is, later on each day.
    let private = canary::series("all", "all", chrono::Utc::now().date_naive(), 16);
    fs::write(folder.join("private.ics"), private).unwrap();
}

const CONFIG: &str = r#"store = "sqlite:calsync.db"
[connections.feed]
provider = "ics"
url = "source.ics"
[[links]]
name = "feed"
calendar = "work"
connection = "feed"
[connections.private]
provider = "ics"
url = "private.ics"
[[links]]
name = "private"
calendar = "work"
connection = "private"
[[feeds]]
name = "guests"
calendar = "work"
owner = ["me@example.org"]
[[feeds]]
name = "machines"
calendar = "work"
form = "free-busy"
owner = ["me@example.org"]
[[feeds]]
name = "team"
calendar = "work"
detail = "details"
title = "Team"
owner = ["me@example.org"]
zone = "Europe/Berlin"
refresh = "2h"
[[feeds.steps]]
name = "not what I declined"
filter = { type = "not-declined" }
[[feeds.steps]]
name = "whose"
transform = { type = "prefix-title", prefix = "[{{calendar_name}}] " }
"#;

/// A server that is killed when the test ends, however it ends.
struct Serving {
    child: Child,
    address: String,
    lines: BufReader<std::process::ChildStdout>,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
        command.current_dir(folder).args(["feed", "serve", "--listen", "127.0.0.1:0", "--json"]);
        let log = fs::File::create(folder.join("stderr.log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let first: Value = serde_json::from_str(&first).unwrap();
        Self { child, address: first["address"].as_str().unwrap().to_owned(), lines }
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { joined(body) } else { body.to_owned() };
        Answer { status, head: head.to_owned(), body }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Asks it to stop, and gives what it wrote down.
    fn stop(mut self, folder: &Path) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it was asked to stop, and that is no error");
        let mut log = String::new();
        self.lines.read_to_string(&mut log).unwrap();
        log + &fs::read_to_string(folder.join("stderr.log")).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// The text of a chunked body (RFC 9112 section 7.1).
fn joined(mut body: &str) -> String {
    let mut text = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return text;
        }
        text.push_str(&rest[..length]);
        body = &rest[length + 2..];
    }
}

fn path(made: &Value) -> String {
    made["path"].as_str().unwrap().to_owned()
}

/// PRIV-01 and PRIV-04, over the network: what is private leaves in no byte of an answer, and no token in any of a log.
#[test]
fn priv_01_priv_04_a_served_feed_shows_what_its_audience_may_see() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("calsync.toml"), CONFIG).unwrap();
    source(folder, "");
    json(folder, &["sync", "--json"]);
    let [guests, machines, team] = ["guests", "machines", "team"].map(|feed| {
        let made =
            json(folder, &["feed", "token", "create", feed, "--base", "https://c.example.org/", "--json"]);
        assert_eq!(made["url"], format!("https://c.example.org{}", path(&made)));
        path(&made)
    });
    let server = Serving::start(folder);

    let busy = server.get(&guests);
    assert_eq!((busy.status, busy.header("content-type")), (200, Some("text/calendar; charset=utf-8")));
    assert_eq!(busy.body.matches("SUMMARY:Busy").count(), 4, "{}", busy.body);
    canary::assert_none("busy-only, head and body", format!("{}\r\n\r\n{}", busy.head, busy.body));
    let times = server.get(&machines);
    assert_eq!(times.body.matches("FREEBUSY;FBTYPE=BUSY:").count(), 8, "{}", times.body);
    canary::assert_none("busy times", format!("{}\r\n\r\n{}", times.head, times.body));

    let shown = server.get(&team);
    assert_eq!(shown.header("cache-control"), Some("private, max-age=7200"));
    assert!(shown.body.contains("SUMMARY:[work] public canary title"), "{}", shown.body);
    assert_eq!(shown.body.matches("SUMMARY:Busy").count(), 3, "what is private is only busy: {}", shown.body);
    for hidden in ["private-canary", "secret", "declined", "mailto:", "VALARM", "\r\nX-CANARY", "ATTACH"] {
        assert!(!shown.body.contains(hidden), "{hidden}: {}", shown.body);
    }

    let tag = busy.header("etag").unwrap();
    let again = server.ask("GET", &guests, &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(tag)));
    let date = busy.header("last-modified").unwrap();
    assert_eq!(server.ask("GET", &guests, &format!("If-Modified-Since: {date}\r\n")).status, 304);
    let head = server.ask("HEAD", &guests, "");
    assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", Some(tag)));
    assert_eq!(server.ask("POST", &guests, "Content-Length: 0\r\n").status, 405);
    let never = format!("/feeds/{}.ics", "0".repeat(64));
    let lost = server.get(&never);
    for path in
        [never.as_str(), "/feeds/", "/feeds/guests.ics", "/", "/feeds/a/b", "/feeds/..%2Fcalsync.toml"]
    {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{path}");
        assert_eq!(answer.header("cache-control"), lost.header("cache-control"), "{path}");
    }

    // Another process changes the calendar; the server sees it.
    let today = chrono::Utc::now().format("%Y%m%d");
    source(
        folder,
        &format!(
            "BEGIN:VEVENT\r\nUID:new\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{today}T190000Z\r\nDTEND:{today}T200000Z\r\nEND:VEVENT\r\n"
        ),
    );
    json(folder, &["sync", "--json"]);
    let changed = server.ask("GET", &guests, &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((changed.status, changed.body.matches("SUMMARY:Busy").count()), (200, 5));

    let next = path(&json(folder, &["feed", "token", "rotate", "guests", "--overlap", "1h", "--json"]));
    assert_eq!((server.get(&guests).status, server.get(&next).status), (200, 200));
    let unsaid = calsync(folder, &["feed", "token", "rotate", "guests"]);
    assert!(!unsaid.0 && unsaid.2.contains("--yes"), "{}", unsaid.2);
    assert_eq!(server.get(&next).status, 200, "nothing was done");
    let last = path(&json(folder, &["feed", "token", "rotate", "guests", "--yes", "--json"]));
    let statuses = [&guests, &next, &last].map(|path| server.get(path).status);
    assert_eq!(statuses, [404, 404, 200]);
    let unsaid = calsync(folder, &["feed", "token", "revoke", "team"]);
    assert!(!unsaid.0 && unsaid.2.contains("--yes"), "{}", unsaid.2);
    assert_eq!(server.get(&team).status, 200, "nothing was done");
    json(folder, &["feed", "token", "revoke", "team", "--yes", "--json"]);
    assert_eq!(server.get(&team).status, 404);
    let list = json(folder, &["feed", "token", "list", "--json"]);
    let tokens: Vec<_> = list["feeds"].as_array().unwrap().iter().map(|feed| &feed["token"]).collect();
    assert_eq!(tokens, [true, true, false], "{list}");

    let log = server.stop(folder);
    assert!(log.contains("\"feed\":\"guests\"") && log.contains("304"), "{log}");
    canary::assert_none("log", &log);
    let (_, table, told) = calsync(folder, &["feed", "token", "list"]);
    let store: Vec<u8> = ["calsync.db", "calsync.db-wal"]
        .into_iter()
        .filter_map(|file| fs::read(folder.join(file)).ok())
        .flatten()
        .collect();
    let store = String::from_utf8_lossy(&store);
    for path in [&guests, &machines, &team, &next, &last] {
        let token = path.strip_prefix("/feeds/").unwrap().strip_suffix(".ics").unwrap();
        assert_eq!(token.len(), 64);
        for (what, text) in [("log", &*log), ("list", &table), ("errors", &told), ("store", &store)] {
            assert!(!text.contains(token), "a token is in the {what}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_feed_is_said_with_its_fix() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("calsync.toml"), CONFIG).unwrap();
    let failed = |args: &[&str]| {
        let (success, out, err) = calsync(folder, args);
        assert!(!success, "{args:?}: {out}");
        err
    };
    assert!(failed(&["feed", "token", "create", "nobody"]).contains("no feed is called"));
    assert!(failed(&["feed", "token", "rotate", "team"]).contains("feed token create team"));
    assert!(failed(&["feed", "token", "revoke", "team"]).contains("has no token"));
    let (_, address, told) = calsync(folder, &["feed", "token", "create", "team"]);
    assert!(address.starts_with("/feeds/") && address.ends_with(".ics\n") && told.contains("this once"));
    assert!(failed(&["feed", "token", "create", "team"]).contains("feed token rotate team"));
    assert!(failed(&["feed", "token", "rotate", "team", "--overlap", "soon"]).contains("7d"));
    for (wrong, fix) in [
        ("[[feeds]]\nname = \"team\"\ncalendar = \"work\"\n", "a name of its own"),
        ("[[feeds]]\nname = \"x\"\ncalendar = \"\"\n", "name a calendar"),
        ("[[feeds]]\nname = \"x\"\n", "calendar"),
        ("[[feeds]]\nname = \"x\"\ncalendar = \"work\"\nzone = \"Berlin\"\n", "such as Europe/Berlin"),
        ("[[feeds]]\nname = \"x\"\ncalendar = \"work\"\nrefresh = \"1s\"\n", "15m"),
        ("[[feeds]]\nname = \"x\"\ncalendar = \"work\"\nback = 99999999\n", "at most"),
        ("[[feeds]]\nname = \"x\"\ncalendar = \"work\"\ndetail = \"all\"\n", "busy-only"),
        (
            "[[feeds]]\nname = \"x\"\ncalendar = \"work\"\n[[feeds.steps]]\nname = \"s\"\nfilter = { type = \"title\", include = \"(\" }\n",
            "\"s\"",
        ),
    ] {
        fs::write(folder.join("calsync.toml"), format!("{CONFIG}{wrong}")).unwrap();
        let err = failed(&["feed", "token", "list"]);
        assert!(err.contains(fix), "{wrong}: {err}");
    }
}
