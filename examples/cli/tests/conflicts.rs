//! `calsync conflicts` on a feed in a file, edited on both sides.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command, sync::Arc};

use calsync_core::{
    context::{RandomIds, SystemClock},
    engine::Hub,
    model::CalendarId,
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use serde_json::Value;

fn calsync(folder: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), text)
}

fn waits(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn ok(folder: &Path, args: &[&str]) -> String {
    let (success, text) = calsync(folder, args);
    assert!(success, "calsync {args:?}: {text}");
    text
}

fn feed(folder: &Path, title: &str, place: &str) {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:{title}\r\nLOCATION:{place}\r\nEND:VEVENT\r\n\
         END:VCALENDAR\r\n"
    );
    fs::write(folder.join("feed.ics"), text).unwrap();
}

async fn event(folder: &Path, edit: Option<(&str, &str)>) -> (String, String) {
    let store = SqliteStore::open(&folder.join("calsync.db"), SqliteConfig::default()).await.unwrap();
    let hub = Hub::new(Arc::new(store), Arc::new(SystemClock), Arc::new(RandomIds::new().unwrap()));
    let calendar = CalendarId::from("family");
    let mut record = hub.events(&calendar).await.unwrap().remove(0);
    let body = record.event.master.as_mut().unwrap();
    if let Some((title, place)) = edit {
        (body.title, body.location) = (Some(title.to_owned()), Some(place.to_owned()));
    }
    let now = (body.title.clone().unwrap(), body.location.clone().unwrap());
    if edit.is_some() {
        hub.update(&calendar, &record.id, record.revision, record.event).await.unwrap();
    }
    now
}

#[tokio::test]
async fn a_conflict_is_shown_answered_and_exported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let config = "store = \"sqlite:calsync.db\"\n\
        [connections.feed]\nprovider = \"ics\"\nurl = \"feed.ics\"\n\
        [[links]]\nname = \"feed\"\ncalendar = \"family\"\nconnection = \"feed\"\nconflicts = \"manual\"\n";
    fs::write(folder.join("calsync.toml"), config).unwrap();
    feed(folder, "lunch", "kitchen");
    ok(folder, &["sync"]);
    event(folder, Some(("=1+1", "hall"))).await;
    feed(folder, "there", "garden");
    let (code, told) = waits(folder, &["sync"]);
    assert!(code == Some(2) && !told.contains("in step"), "{told}");
    assert!(
        told.contains("feed: 1 conflict waits for an answer") && told.contains("calsync conflicts answer ID"),
        "{told}"
    );
    let (code, told) = waits(folder, &["sync", "--json"]);
    let json: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &json["links"][0]["open_conflicts"]), (Some(2), &1.into()));
    let (code, told) = waits(folder, &["run", "feed"]);
    assert_eq!(code, Some(2), "both sides still differ");
    assert!(told.lines().any(|line| line.ends_with("  1 conflict waits for an answer")), "{told}");
    let json: Value = serde_json::from_str(&ok(folder, &["conflicts", "--open", "--json"])).unwrap();
    let id = json["conflicts"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(json["conflicts"][0]["state"], "open");

    let refused = calsync(folder, &["conflicts", "answer", &id, "--field", "color=local"]);
    assert!(!refused.0 && refused.1.contains("open are title, location"), "{}", refused.1);
    let refused = calsync(folder, &["conflicts", "answer", &id]);
    assert!(!refused.0, "an answer says something");
    ok(folder, &["conflicts", "answer", &id, "--field", "2=remote", "--by", "anna"]);
    assert!(ok(folder, &["conflicts"]).contains("answered"));
    let csv = ok(folder, &["history", "--csv"]);
    assert!(
        csv.starts_with("\"at\",\"kind\",\"link\",") && csv.lines().all(|line| line.ends_with('"')),
        "{csv}"
    );
    assert!(
        csv.contains("\"conflict\",\"feed\"") && csv.contains("\"title, location\",\"open\",\"manual\""),
        "{csv}"
    );
    assert!(csv.contains("\"run\",\"feed\"") && csv.contains("\"local-create\""), "{csv}");
    assert!(!csv.contains("lunch"), "it holds no text of events");
    assert_eq!(waits(folder, &["sync"]).0, Some(2), "one field is left");
    assert_eq!(event(folder, None).await, ("=1+1".to_owned(), "garden".to_owned()));
    let answered: Value =
        serde_json::from_str(&ok(folder, &["conflicts", "answer", &id, "--take", "remote", "--json"]))
            .unwrap();
    assert_eq!(answered["answered"], true);
    let json: Value = serde_json::from_str(&ok(folder, &["sync", "--dry-run", "--json"])).unwrap();
    assert_eq!(json["links"][0]["open_conflicts"], 0, "it is answered");
    ok(folder, &["sync"]);
    assert_eq!(event(folder, None).await, ("there".to_owned(), "garden".to_owned()));

    let csv = ok(folder, &["conflicts", "--export", "csv"]);
    assert!(
        csv.contains("\"title\",\"lunch\",\"'=1+1\",\"there\",\"remote\",\"person\",\"command line\""),
        "{csv}"
    );
    let history: Value = serde_json::from_str(&ok(folder, &["conflicts", "--export", "json"])).unwrap();
    assert_eq!(history[0]["fields"][1]["settled"]["who"], "anna");
    assert_eq!(history[0]["local"]["master"]["title"], "=1+1");
    assert_eq!(ok(folder, &["conflicts", "--open"]).lines().count(), 1, "only the head");
}
