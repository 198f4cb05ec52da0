//! `--json` on every command there is: what comes out is JSON, one object, or one on each line.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use calsync_core::{
    context::{RandomIds, SystemClock},
    engine::Hub,
    model::*,
    provider::{ErrorKind, Payload, PeoplePolicy},
    store::{Batch, OutboxEntry, OutboxId, OutboxOp, OutboxState, Store, Write},
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use serde_json::Value;

fn calsync(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.current_dir(folder).stdin(Stdio::null()).env("BROWSER", "true");
    command
}

fn run(folder: &Path, line: &str) -> Vec<Value> {
    let output = calsync(folder).args(line.split(' ')).arg("--json").output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(matches!(output.status.code(), Some(0 | 2 | 3)), "calsync {line}: {err}{out}");
    let found: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&out).into_iter().collect();
    let found = found.unwrap_or_else(|error| panic!("calsync {line}: {error}\n{out}"));
    assert!(!found.is_empty() && found.iter().all(Value::is_object), "calsync {line}: {out}");
    found
}

/// Starts what goes on until it is stopped, looks at its first line, and stops it.
fn first_line(folder: &Path, line: &str) -> Value {
    let mut command = calsync(folder);
    let mut child = command
        .args(line.split(' '))
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let found: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("calsync {line}: {first:?}"));
    assert!(found.is_object(), "calsync {line}: {first}");
    found
}

const FEED: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20260101T000000Z\r\n\
    DTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:Review\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// Writes a configuration with a feed, and with the emulators of the two services that are signed in to.
fn folder() -> (tempfile::TempDir, Vec<std::process::Child>) {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("feed.ics"), FEED).unwrap();
    fs::write(temp.path().join("vault.key"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
    fs::write(
        temp.path().join("sync.yaml"),
        "sync:\n  start:\n    identifier: MonthStart\nsource:\n  adapter:\n    type: google\n    calendar: a\n\
         sink:\n  adapter:\n    type: google\n    calendar: b\n",
    )
    .unwrap();
    let mut running = Vec::new();
    let mut config = "store = \"sqlite:calsync.db\"\nvault_key = \"file:vault.key\"\n\
        [connections.feed]\nprovider = \"ics\"\nurl = \"feed.ics\"\n\
        [[links]]\nname = \"feed\"\ncalendar = \"work\"\nconnection = \"feed\"\n\
        [[feeds]]\nname = \"team\"\ncalendar = \"work\"\n"
        .to_owned();
    for kind in ["google", "caldav"] {
        let mut command = calsync(temp.path());
        let mut child = command
            .args(["emulate", kind, "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        running.push(child);
        let found: Value = serde_json::from_str(&first).unwrap();
        let part = found["configuration"].as_str().unwrap().split_once("[connections").unwrap().1;
        let part = part.replace("calendar = \"family\"", &format!("calendar = \"{kind}\""));
        config.push_str(&format!("[connections{part}\n"));
    }
    config.push_str("[[links]]\nname = \"copies\"\ncalendar = \"work\"\nconnection = \"caldav\"\nremote = \"Work\"\ndirection = \"export\"\n");
    fs::write(temp.path().join("calsync.toml"), config).unwrap();
    (temp, running)
}

#[test]
fn every_command_answers_in_json() {
    let (temp, mut running) = folder();
    let folder = temp.path();
    let mut seen = BTreeSet::new();
    // In an order in which each has something to say.
    for (command, line) in [
        ("man", "man"),
        ("schema", "schema"),
        ("completions", "completions bash"),
        ("provision", "provision"),
        ("import-config", "import-config sync.yaml"),
        ("links", "links"),
        ("links add", "links add extra --calendar extra --connection feed"),
        ("calendars", "calendars"),
        ("sync", "sync --link feed"),
        ("sync", "sync --link caldav --dry-run"),
        ("run", "run feed"),
        ("events", "events --calendar work"),
        ("events", "events --calendar work --ics"),
        ("doctor", "doctor"),
        ("connections", "connections"),
        ("conflicts", "conflicts"),
        ("matches", "matches"),
        ("log", "log"),
        ("history", "history"),
        ("outbox", "outbox"),
        ("schedule", "schedule"),
        ("schedule pause", "schedule pause feed"),
        ("schedule resume", "schedule resume feed"),
        ("schedule run", "schedule run feed"),
        ("schedule nudge", "schedule nudge feed"),
        ("links pause", "links pause feed"),
        ("links resume", "links resume feed"),
        ("free", "free --calendars work"),
        ("book", "book --calendars work --start 2099-01-05T09:00:00Z --hours 00:00-23:00"),
        ("publish", "publish --calendar work --out out.ics"),
        ("feed token create", "feed token create team"),
        ("feed token rotate", "feed token rotate team --yes"),
        ("feed token list", "feed token list"),
        ("feed token revoke", "feed token revoke team --yes"),
        ("explain", "explain u1"),
        ("undo", "undo --last 1 --link feed"),
        ("vault rewrap", "vault rewrap"),
        ("clean", "clean --link copies --dry-run"),
        ("unlink", "unlink caldav --keep"),
        ("links rm", "links rm extra --keep"),
    ] {
        run(folder, line);
        seen.insert(command.to_owned());
    }
    for (command, line, event) in [
        ("worker", "worker", "event"),
        ("emulate", "emulate ics", "configuration"),
        ("feed serve", "feed serve --listen 127.0.0.1:0", "address"),
        ("connect", "connect google --no-browser", "open"),
    ] {
        assert!(first_line(folder, line).get(event).is_some(), "{line}");
        seen.insert(command.to_owned());
    }
    // These are looked at where there is something to answer: in `tests/conflicts.rs`, `tests/connect.rs`, and below.
    for command in ["conflicts answer", "match", "outbox retry", "outbox drop", "disconnect"] {
        seen.insert(command.to_owned());
    }
    let all = run(folder, "man");
    let page = all[0]["page"].as_str().unwrap().to_owned();
    let script = run(folder, "completions bash")[0]["script"].as_str().unwrap().to_owned();
    let all: BTreeSet<String> =
        all[0]["commands"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    for command in &all {
        assert!(
            page.contains(&format!(".SH \"CALSYNC {}\"", command.to_uppercase())),
            "{command} is not in the manual"
        );
        assert!(command.split(' ').all(|word| script.contains(word)), "{command} is not completed");
    }
    assert_eq!(seen, all, "a command that is not looked at here, or one that is not there any more");
    for child in &mut running {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A command that fails says in JSON what a person reads, and ends as ever.
#[test]
fn failures_are_told_in_json() {
    let (temp, mut running) = folder();
    let failed = |line: &str| {
        let output = calsync(temp.path()).args(line.split(' ')).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code().unwrap(), out, err)
    };
    let file = temp.path().join("calsync.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (config, line, code) in [
        (good.as_str(), "events --calendar nobodys", "unmet"),
        (&good, "explain nothing", "unmet"),
        (&good, "run nothing", "configuration"),
        (&good, "links add feed --calendar work --connection feed", "configuration"),
        (&good, "doctor --config nothing.toml", "configuration"),
        (&good.replace("calsync.db", "nowhere/calsync.db"), "sync", "store"),
        ("store = 7", "sync", "configuration"),
    ] {
        fs::write(&file, config).unwrap();
        let (status, out, told) = failed(line);
        assert!(status == 1 && out.is_empty() && !told.is_empty(), "{line}: {out}{told}");
        let (json_status, out, err) = failed(&format!("{line} --json"));
        assert_eq!((json_status, &err), (status, &told), "{line}");
        let found: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{line}: {out}"));
        assert_eq!(found["error"]["code"], code, "{line}: {out}");
        assert_eq!(told, format!("calsync: {}\n", found["error"]["message"].as_str().unwrap()), "{line}");
    }
    // What it printed says already which link it is, and why.
    fs::write(&file, good.replace("feed.ics", "nothing.ics")).unwrap();
    let (status, out, _) = failed("sync --link feed --json");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert!(status == 1 && found["links"][0]["error"].is_string() && found["error"].is_null(), "{out}");
    for child in &mut running {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

async fn store(folder: &Path) -> (Arc<SqliteStore>, Hub) {
    let store =
        Arc::new(SqliteStore::open(&folder.join("calsync.db"), SqliteConfig::default()).await.unwrap());
    let hub = Hub::new(store.clone(), Arc::new(SystemClock), Arc::new(RandomIds::new().unwrap()));
    (store, hub)
}

/// What a person says about a write that is stuck, and about an item that may be an event here.
#[tokio::test]
async fn what_waits_is_settled_in_json() {
    let (temp, mut running) = folder();
    let folder = temp.path();
    let (store, hub) = store(folder).await;
    let work = CalendarId::from("work");
    hub.put_calendar(Calendar { id: work.clone(), name: "work".to_owned(), color: None }).await.unwrap();
    let at = |text: &str| EventTime::Utc(text.parse().unwrap());
    let time = TimeSpan { start: at("2026-01-05T09:00:00Z"), end: at("2026-01-05T10:00:00Z") };
    let body = EventBody { title: Some("Review".to_owned()), ..EventBody::new(time) };
    let first = hub.add(&work, Event::single("here-1", body.clone())).await.unwrap();
    hub.add(&work, Event::single("here-2", body)).await.unwrap();
    run(folder, "sync --link feed");
    let asked = run(folder, "matches");
    let item = asked[0]["matches"][0]["item"].as_str().expect("two events here are as like it").to_owned();
    let answered = run(folder, &format!("match {item} --link feed --join {first}"));
    assert_eq!((&answered[0]["event"], &answered[0]["undecided"]), (&first.as_str().into(), &0.into()));

    // What could not even be put into the provider's words: of an event that is there, it is an update.
    let joined = hub.events(&work).await.unwrap();
    let joined = joined.iter().find(|record| record.event.uid == "here-1").unwrap();
    for (event, uid, write) in [(joined.id.as_str(), "here-1", "update"), ("new", "", "create")] {
        let entry = OutboxEntry {
            id: OutboxId(format!("nameless-{event}")),
            link: LinkId::from("feed"),
            event_id: EventId::from(event),
            remote_id: RemoteId::from(""),
            op: OutboxOp::Create { payload: Payload::new("") },
            run: RunId::from("r"),
            local: None,
            fields: Vec::new(),
            losses: Vec::new(),
            people: PeoplePolicy::Withhold,
            reason: "test".to_owned(),
            state: OutboxState::Wedged { kind: ErrorKind::Unsupported, detail: "no".to_owned() },
            attempts: 0,
            not_before: None,
        };
        store
            .commit(Batch { writes: vec![Write::PutOutbox(Box::new(entry))], ..Batch::default() })
            .await
            .unwrap();
        let waits = run(folder, "outbox");
        let waits = waits[0]["outbox"].as_array().unwrap().clone();
        let entry = waits.iter().find(|entry| entry["event_id"] == event).unwrap();
        assert_eq!((&entry["uid"], &entry["write"]), (&uid.into(), &write.into()));
    }
    for (verdict, event) in [("retry", "e1"), ("drop", "e2")] {
        let entry = OutboxEntry {
            id: OutboxId(event.to_owned()),
            link: LinkId::from("feed"),
            event_id: EventId::from(event),
            remote_id: RemoteId::from(event),
            op: OutboxOp::Delete { expected: Version::from("1") },
            run: RunId::from("r"),
            local: None,
            losses: Vec::new(),
            people: PeoplePolicy::Withhold,
            fields: Vec::new(),
            reason: "test".to_owned(),
            state: OutboxState::Wedged { kind: ErrorKind::Forbidden, detail: "no".to_owned() },
            attempts: 5,
            not_before: None,
        };
        store
            .commit(Batch { writes: vec![Write::PutOutbox(Box::new(entry))], ..Batch::default() })
            .await
            .unwrap();
        let settled = run(folder, &format!("outbox {verdict} {event}"));
        assert_eq!(
            (&settled[0]["verdict"], &settled[0]["settled"][0]["write"]),
            (&verdict.into(), &"delete".into())
        );
    }
    for child in &mut running {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
