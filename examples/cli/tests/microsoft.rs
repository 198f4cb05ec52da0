//! `calsync` with a Microsoft account, on the emulator.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

use calsync_testkit::microsoft::{GraphOptions, GraphServer};
use serde_json::json;

fn calsync(folder: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    let output = command.current_dir(folder).args(args).env("GRAPH_TOKEN", "secret").output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), text)
}

fn ok(folder: &Path, args: &[&str]) -> String {
    let (success, text) = calsync(folder, args);
    assert!(success, "calsync {args:?}: {text}");
    text
}

#[test]
fn a_microsoft_account_is_listed_and_kept_in_step_in_one_request() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = GraphServer::start_on(runtime.handle(), GraphOptions::default()).unwrap();
    let other = server.add_calendar("Second");
    let event = json!({
        "subject": "lunch", "start": {"dateTime": "2026-01-06T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-06T10:00:00", "timeZone": "UTC"},
    });
    server.add(&server.default_calendar(), &event).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let config = |token: &str| {
        format!(
            "store = \"sqlite:calsync.db\"\n\
             [connections.office]\nprovider = \"microsoft\"\nbase_url = \"{}\"\n{token}\n\
             [[links]]\nname = \"one\"\ncalendar = \"work\"\nconnection = \"office\"\nremote = \"Calendar\"\n\
             [[links]]\nname = \"two\"\ncalendar = \"work\"\nconnection = \"office\"\nremote = \"Second\"\n",
            server.url()
        )
    };
    fs::write(folder.join("calsync.toml"), config("")).unwrap();
    let (success, text) = calsync(folder, &["sync"]);
    assert!(!success && text.contains("connections.office") && text.contains("`token`"), "{text}");
    fs::write(folder.join("calsync.toml"), config("token = \"env:GRAPH_TOKEN\"")).unwrap();
    let calendars = ok(folder, &["calendars"]);
    assert!(calendars.contains("Calendar") && calendars.contains("Second"), "{calendars}");
    ok(folder, &["sync"]);
    ok(folder, &["sync"]);
    let copies = server.events(&other);
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].event["subject"], "lunch");
    server.clear_requests();
    ok(folder, &["sync"]);
    // One for each link.
    assert_eq!(server.requests().len(), 2, "{:?}", server.requests());
    assert_eq!(server.mails(), 0);
}

/// CON-09: a worker with a public address opens a channel, is called, pulls, and ends the channel with the link.
#[cfg(unix)]
#[test]
fn con_09_a_worker_is_called_and_pulls() {
    use std::{io::BufRead, net::TcpListener, process::Stdio};
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = GraphServer::start_on(runtime.handle(), GraphOptions::default()).unwrap();
    server.set_now(chrono::Utc::now());
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    // Free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "store = \"sqlite:calsync.db\"\n\
         [webhooks]\naddress = \"http://127.0.0.1:{port}/calls\"\nlisten = \"127.0.0.1:{port}\"\nkey = \"env:HOOKS\"\n\
         [connections.office]\nprovider = \"microsoft\"\nbase_url = \"{}\"\ntoken = \"env:GRAPH_TOKEN\"\n\
         [[links]]\nname = \"one\"\ncalendar = \"work\"\nconnection = \"office\"\nremote = \"Calendar\"\n",
        server.url()
    );
    fs::write(folder.join("calsync.toml"), config).unwrap();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_calsync"))
        .current_dir(folder)
        .args(["worker", "--json"])
        .envs([("GRAPH_TOKEN", "secret"), ("HOOKS", "sixteen characters")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(worker.stdout.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let ended = lines.find(|line| line["event"] != "started" && line["task"] == "renew:one").unwrap();
    assert_eq!((ended["event"].as_str(), server.subscriptions()), (Some("done"), 1), "{ended}");
    let event = json!({
        "subject": "lunch", "start": {"dateTime": "2026-12-06T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-12-06T10:00:00", "timeZone": "UTC"},
    });
    server.add(&server.default_calendar(), &event).unwrap();
    let created = lines.find(|line| line["counts"]["created"] == 1).unwrap();
    assert_eq!(created["task"], "sync:one");
    worker.kill().unwrap();
    worker.wait().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_calsync"))
        .current_dir(folder)
        .args(["unlink", "one", "--keep"])
        .envs([("GRAPH_TOKEN", "secret"), ("HOOKS", "sixteen characters")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.subscriptions(), 0);
}
