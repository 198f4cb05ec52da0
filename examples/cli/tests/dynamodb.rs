//! `store = "dynamodb:TABLE"`: what a wrong one is told, and a feed that comes in.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

fn calsync(folder: &Path, args: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret").env_remove("AWS_REGION");
    let output = command.env_remove("AWS_DEFAULT_REGION").current_dir(folder).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn configure(folder: &Path, store: &str) {
    let config = format!(
        "store = \"{store}\"\n[connections.feed]\nprovider = \"ics\"\nurl = \"feed.ics\"\n\
         [[links]]\nname = \"feed\"\ncalendar = \"work\"\nconnection = \"feed\"\n"
    );
    fs::write(folder.join("calsync.toml"), config).unwrap();
}

#[cfg(not(feature = "dynamodb"))]
#[test]
fn dynamodb_says_how_to_build_it_in() {
    let temp = tempfile::tempdir().unwrap();
    configure(temp.path(), "dynamodb:calsync?region=eu-central-1");
    for command in ["sync", "provision"] {
        let (success, _, err) = calsync(temp.path(), &[command]);
        assert!(!success && err.contains("--features dynamodb"), "{err}");
    }
}

#[cfg(feature = "dynamodb")]
#[test]
fn dynamodb_keeps_what_a_feed_brings() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let url = calsync_testkit::dynamodb::url();
    configure(folder, "dynamodb:calsync");
    let (success, _, err) = calsync(folder, &["provision"]);
    assert!(!success && err.contains("region"), "{err}");
    let table = format!("cli_{}", std::process::id());
    configure(folder, &format!("dynamodb:{table}?region=eu-central-1&endpoint={url}"));
    let (success, _, err) = calsync(folder, &["sync"]);
    assert!(!success, "there is no table yet: {err}");
    let event = "BEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nSUMMARY:Review\r\nEND:VEVENT";
    let feed = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{event}\r\nEND:VCALENDAR\r\n");
    fs::write(folder.join("feed.ics"), feed).unwrap();
    for args in [["provision"], ["provision"], ["sync"], ["sync"]] {
        let (success, _, err) = calsync(folder, &args);
        assert!(success, "calsync {args:?}: {err}");
    }
    let (success, out, err) = calsync(folder, &["events", "--calendar", "work"]);
    assert!(success && out.contains("Review"), "{out}{err}");
}
