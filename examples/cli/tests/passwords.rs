//! Passwords that `calsync connect` keeps sealed: of CalDAV accounts, as of everything else that has one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use calsync_testkit::{
    dav::{DavOptions, DavServer},
    feed::{FeedOptions, FeedServer},
};
use serde_json::Value;

const PASSWORD: &str = "pässword one";

fn piped(folder: &Path, args: &[&str], typed: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.current_dir(folder).args(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn calsync(folder: &Path, args: &[&str]) -> (i32, String) {
    piped(folder, args, "")
}

fn server() -> DavServer {
    DavServer::start(DavOptions::default().credentials("ann", PASSWORD).calendars([("work", "Work")]))
        .unwrap()
}

fn write_config(folder: &Path, top: &str, url: &str, password: &str) {
    let config = format!(
        "store = \"sqlite:calsync.db\"\n{top}\n[connections.home]\nprovider = \"caldav\"\nurl = \"{url}\"\n\
         username = \"ann\"\n{password}\n\
         [[links]]\nname = \"home\"\ncalendar = \"family\"\nconnection = \"home\"\nremote = \"Work\"\n"
    );
    fs::write(folder.join("calsync.toml"), config).unwrap();
}

const KEY: &str = "vault_key = \"file:vault.key\"";
const KEPT: &str = "password = \"vault\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caldav_password_is_kept_used_and_forgotten() {
    let (server, temp) = (server(), tempfile::tempdir().unwrap());
    let folder = temp.path();
    write_config(folder, KEY, &server.url(), KEPT);
    let unconnected = |code, text: &str| {
        assert!(code == 3 && text.contains("run `calsync connect home`"), "{code} {text}");
    };
    let (code, text) = calsync(folder, &["sync"]);
    assert!(code == 1 && text.contains("`calsync connect` makes the file"), "{text}");

    for (typed, said, expected) in [
        ("wrong\n", "was not kept", 3),
        ("", "no password was given", 1),
        ("\r\n", "no password was given", 1),
    ] {
        let (code, text) = piped(folder, &["connect", "home"], typed);
        assert!(code == expected && text.contains(said) && !text.contains("wrong\n"), "{code} {text}");
        let (code, text) = calsync(folder, &["sync"]);
        unconnected(code, &text);
    }
    let (code, text) = piped(folder, &["connect", "home"], &format!("{PASSWORD}\r\n"));
    assert!(code == 0 && text == "connected home as ann\n", "{code} {text}");
    let mode = fs::metadata(folder.join("vault.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(PASSWORD), "{}", file.display());
    }

    let (code, text) = calsync(folder, &["sync"]);
    assert!(code == 0 && text.contains("in step"), "{text}");
    // Once the account was discovered it is opened another way: that finds the password, too.
    assert_eq!(calsync(folder, &["sync"]).0, 0);
    assert_eq!(calsync(folder, &["run", "home"]).0, 0);
    let (code, text) = calsync(folder, &["calendars"]);
    assert!(code == 0 && text.contains("Work"), "{text}");
    let (code, text) = calsync(folder, &["doctor", "--json"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(code == 0 && found["connections"][0]["credentials"] == "accepted", "{text}");

    // It is changed there: the old one is named as what it is, and a new one takes its place.
    server.revoke_credentials();
    let (code, text) = calsync(folder, &["sync"]);
    unconnected(code, &text);
    let (code, text) = piped(folder, &["connect", "home"], PASSWORD);
    assert!(code == 3 && text.contains("was not kept"), "{text}");
    server.restore_credentials();
    let (code, text) = piped(folder, &["connect", "home", "--json"], PASSWORD);
    let connected: Value = serde_json::from_str(&text).unwrap();
    assert!(code == 0 && connected["account"] == "ann" && connected["connected"] == true, "{text}");

    // Another key, as for tokens.
    fs::rename(folder.join("vault.key"), folder.join("old.key")).unwrap();
    let keys = format!("{KEY}\nvault_key_id = \"new\"\n[vault_keys_earlier]\ncalsync = \"file:old.key\"\n");
    write_config(folder, &keys, &server.url(), KEPT);
    fs::write(folder.join("vault.key"), "N8Qm2bWc5uYx1fKzR0vT7hJ4pLs9dGe3aXoB6iCqZtE=").unwrap();
    let (code, text) = calsync(folder, &["vault", "rewrap"]);
    assert!(code == 0 && text.contains("1 secrets"), "{text}");
    let new = format!("{KEY}\nvault_key_id = \"new\"\n");
    write_config(folder, &new, &server.url(), KEPT);
    assert_eq!(calsync(folder, &["sync"]).0, 0);

    let (code, text) = calsync(folder, &["disconnect", "home"]);
    assert!(code == 0 && text.contains("forgotten here"), "{text}");
    let (code, text) = calsync(folder, &["sync"]);
    unconnected(code, &text);
    let (code, text) = calsync(folder, &["disconnect", "home"]);
    assert!(code == 1 && text.contains("is not connected"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_sealed_with_a_lost_key_is_told_and_can_be_gone_on_with() {
    let (server, temp) = (server(), tempfile::tempdir().unwrap());
    let folder = temp.path();
    write_config(folder, KEY, &server.url(), KEPT);
    assert_eq!(piped(folder, &["connect", "home"], PASSWORD).0, 0);
    fs::remove_file(folder.join("vault.key")).unwrap();
    let (code, text) = piped(folder, &["connect", "home"], PASSWORD);
    assert!(code == 1 && text.contains("run `calsync disconnect home`"), "{text}");
    let (code, text) = calsync(folder, &["sync"]);
    assert!(code == 1 && text.contains("cannot be read"), "{text}");
    let (code, text) = calsync(folder, &["disconnect", "home", "--json"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert!(code == 0 && told["connected"] == false, "{text}");
    assert_eq!(piped(folder, &["connect", "home"], PASSWORD).0, 0);
    assert_eq!(calsync(folder, &["sync"]).0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_elsewhere_stays_there() {
    let (server, temp) = (server(), tempfile::tempdir().unwrap());
    let folder = temp.path();
    let table = [
        (KEY, "password = \"plain:secret\"", "connect", "write password = \"vault\""),
        (KEY, "", "connect", "write password = \"vault\""),
        (KEY, "password = \"env:NO_SUCH\"", "disconnect", "nothing of it is kept here"),
        ("", KEPT, "connect", "`vault_key` is missing"),
        ("", KEPT, "sync", "`vault_key` is missing"),
    ];
    for (top, password, command, said) in table {
        write_config(folder, top, &server.url(), password);
        let args: &[&str] = if command == "sync" { &["sync"] } else { &[command, "home"] };
        let (code, text) = piped(folder, args, PASSWORD);
        assert!(code == 1 && text.contains(said), "{command} {password}: {text}");
    }
    write_config(folder, KEY, &server.url(), KEPT);
    let (code, text) = piped(folder, &["connect", "home", "--device"], PASSWORD);
    assert!(code == 1 && text.contains("--device is for google and microsoft"), "{text}");
    let (_, whole) = server.url().split_once("://").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    write_config(folder, KEY, &format!("http://{whole}"), &format!("{KEPT}\n"));
    let text = fs::read_to_string(folder.join("calsync.toml")).unwrap().replace("username = \"ann\"\n", "");
    fs::write(folder.join("calsync.toml"), text).unwrap();
    let (code, text) = calsync(folder, &["sync"]);
    assert!(code == 1 && text.contains("`username` is missing"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_can_have_a_password_that_is_kept() {
    let feed = FeedServer::start_on(&tokio::runtime::Handle::current(), FeedOptions::default()).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let config = format!(
        "store = \"sqlite:calsync.db\"\n{KEY}\n[connections.feed]\nprovider = \"ics\"\nurl = \"{}\"\n\
         username = \"ann\"\n{KEPT}\n\
         [[links]]\nname = \"feed\"\ncalendar = \"family\"\nconnection = \"feed\"\n",
        feed.url()
    );
    fs::write(folder.join("calsync.toml"), config).unwrap();
    let (code, text) = piped(folder, &["connect", "feed"], PASSWORD);
    assert!(code == 0 && text.contains("connected feed"), "{text}");
    assert_eq!(calsync(folder, &["sync"]).0, 0);
}

/// A worker that is killed when the test ends, however it ends.
struct Working(Child, BufReader<std::process::ChildStdout>);

impl Working {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
        command.current_dir(folder).args(["worker", "--json"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn until(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "it ended without {event}");
            let told: Value = serde_json::from_str(&line).unwrap();
            if told["event"] == event && told["task"] == "sync:home" {
                return told;
            }
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_waits_for_credentials_runs_as_soon_as_they_are_there() {
    let (server, temp) = (server(), tempfile::tempdir().unwrap());
    let folder = temp.path();
    write_config(folder, KEY, &server.url(), KEPT);
    assert_eq!(piped(folder, &["connect", "home"], PASSWORD).0, 0);
    server.revoke_credentials();
    let mut worker = Working::start(folder);
    assert_eq!(worker.until("failed")["status"], "needs-reauth");
    server.restore_credentials();
    // The same worker goes on with what was kept meanwhile, and not an hour later.
    assert_eq!(piped(folder, &["connect", "home"], PASSWORD).0, 0);
    worker.until("done");
}
