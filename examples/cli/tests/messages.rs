//! What the command line leaves behind and says, as somebody meets it at home: files, feeds, servers that are not there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use calsync_core::{
    context::{Clock, SystemClock},
    store::{LeaseGrant, Store},
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::{
    dav::{DavOptions, DavServer},
    feed::{FeedOptions, FeedServer},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const FEED: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u1\r\n\
    DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:lunch\r\nEND:VEVENT\r\n\
    END:VCALENDAR\r\n";

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }
}

fn calsync(folder: &Path, args: &[&str]) -> Said {
    let run = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output();
    let Output { status, stdout, stderr } = run.unwrap();
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A folder with a feed in a file, and a link `l` from the connection `c` to the calendar `home`.
fn folder(connection: &str) -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("feed.ics"), FEED).unwrap();
    configure(temp.path(), connection);
    temp
}

fn configure(folder: &Path, connection: &str) {
    let remote = if connection.contains("caldav") { "remote = \"Work\"\n" } else { "" };
    let config = format!(
        "store = \"sqlite:calsync.db\"\n[connections.c]\n{connection}\n\
         [[links]]\nname = \"l\"\ncalendar = \"home\"\nconnection = \"c\"\n{remote}"
    );
    fs::write(folder.join("calsync.toml"), config).unwrap();
}

const IN_A_FILE: &str = "provider = \"ics\"\nurl = \"feed.ics\"";

#[test]
fn trusted_hosts_are_for_caldav_and_are_hosts() {
    let temp = folder(&format!("{IN_A_FILE}\ntrusted_hosts = [\"dav.example.net\"]"));
    let said = calsync(temp.path(), &["sync"]);
    assert!(said.code != 0 && said.err.contains("`trusted_hosts` is for caldav"), "{}", said.err);
    configure(temp.path(), &caldav("http://127.0.0.1:1/", "trusted_hosts = [\"https://dav.example.net/x\"]"));
    let said = calsync(temp.path(), &["sync"]);
    assert!(said.code != 0 && said.err.contains("a trusted host is no host"), "{}", said.err);
}

#[test]
fn the_database_is_one_whole_file_after_every_command() {
    let temp = folder(IN_A_FILE);
    for (args, code) in [
        (["sync"].as_slice(), 0),
        (&["events", "--calendar", "home"], 0),
        (&["explain", "nobody"], 1),
        (&["sync", "--link", "nobody"], 1),
    ] {
        let said = calsync(temp.path(), args);
        assert_eq!(said.code, code, "{args:?}: {}", said.err);
        for log in ["calsync.db-wal", "calsync.db-shm"] {
            assert!(!temp.path().join(log).exists(), "{args:?} leaves {log}");
        }
    }
    let copy = folder(IN_A_FILE);
    fs::copy(temp.path().join("calsync.db"), copy.path().join("calsync.db")).unwrap();
    let said = calsync(copy.path(), &["events", "--calendar", "home"]).ok();
    assert!(said.out.contains("lunch"), "{}", said.out);
}

/// Links and their quarantine, from `sync --json`.
fn synced(folder: &Path) -> Value {
    let said = calsync(folder, &["sync", "--json"]).ok();
    assert_eq!(said.err, "", "what is quick is silent");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn what_is_in_quarantine_is_named_and_explained() {
    let temp = folder(IN_A_FILE);
    let broken = "BEGIN:VEVENT\r\nUID:broken-\r\n 1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:tomorrow\r\n\
        SUMMARY:canary\r\nEND:VEVENT\r\n";
    fs::write(temp.path().join("feed.ics"), FEED.replace("END:VCALENDAR", &format!("{broken}END:VCALENDAR")))
        .unwrap();
    let named = |said: &Said| said.out.lines().filter(|line| line.contains("is left alone: ")).count();
    let said = calsync(temp.path(), &["sync"]).ok();
    assert_eq!(named(&said), 1, "{}", said.out);
    assert_eq!(named(&calsync(temp.path(), &["sync"]).ok()), 0, "once");

    let json = synced(temp.path());
    assert_eq!(json["links"][0]["quarantined"], 1);
    let item = &json["links"][0]["quarantine"][0];
    assert!(!item["reason"].as_str().unwrap().is_empty(), "{json}");
    for wanted in ["broken-1", item["item"].as_str().unwrap()] {
        let told = calsync(temp.path(), &["explain", wanted]).ok();
        assert!(told.out.contains(item["reason"].as_str().unwrap()), "{}", told.out);
        assert!(!told.out.contains("canary"), "{}", told.out);
    }
    assert!(!said.out.contains("canary"));
    let unknown = calsync(temp.path(), &["explain", "broken"]);
    assert!(unknown.code == 1 && unknown.err.contains("no quarantined item"), "{}", unknown.err);
}

#[test]
fn titles_cannot_write_anywhere_else() {
    let temp = folder(IN_A_FILE);
    fs::write(temp.path().join("feed.ics"), FEED.replace("lunch", "two\\nlines \u{1b}[2J")).unwrap();
    calsync(temp.path(), &["sync"]).ok();
    for args in [["events", "--calendar", "home"].as_slice(), &["explain", "u1"]] {
        let said = calsync(temp.path(), args).ok();
        assert!(said.out.contains("two\\nlines"), "{}", said.out);
        assert!(!said.out.contains('\u{1b}'), "{:?}", said.out);
    }
}

#[test]
fn store_faults_name_the_file_and_the_cause() {
    let temp = folder(IN_A_FILE);
    let path = temp.path();
    calsync(path, &["sync"]).ok();
    fs::create_dir(path.join("folder.db")).unwrap();
    fs::write(path.join("text.db"), "this is no database".repeat(100)).unwrap();
    std::os::unix::fs::symlink("calsync.db", path.join("link.db")).unwrap();
    let config = fs::read_to_string(path.join("calsync.toml")).unwrap();
    for (file, expected) in [
        ("folder.db", "the path does not name a file"),
        ("text.db", "not a database"),
        ("link.db", "symbolic link; write the path of the file itself"),
        ("nowhere/x.db", "its folder must exist"),
    ] {
        fs::write(path.join("calsync.toml"), config.replace("calsync.db", file)).unwrap();
        let said = calsync(path, &["log"]);
        assert_eq!(said.code, 1);
        assert!(said.err.contains(&format!("store {file}: ")) && said.err.contains(expected), "{}", said.err);
        assert_eq!(said.err.contains("folder must"), file.starts_with("nowhere"), "{}", said.err);
    }
}

#[test]
fn feed_faults_name_the_file_or_the_address() {
    let temp = folder("provider = \"ics\"\nurl = \"file:feed.ics\"");
    let config = fs::read_to_string(temp.path().join("calsync.toml")).unwrap();
    // From another folder: what is relative starts at the configuration.
    let elsewhere = tempfile::tempdir().unwrap();
    let file = temp.path().join("calsync.toml");
    calsync(elsewhere.path(), &["sync", "--config", file.to_str().unwrap()]).ok();
    // It is the same file from everywhere.
    calsync(temp.path(), &["sync"]).ok();
    for (url, expected) in [
        ("file:gone.ics", vec!["gone.ics", "No such file", "begins with https://"]),
        ("gone.ics", vec!["gone.ics", "No such file"]),
        ("127.0.0.1:5710/full.ics", vec!["\"127.0.0.1:5710\"", "http://"]),
        ("localhost:5710/full.ics", vec!["\"localhost:5710\"", "http://"]),
    ] {
        fs::remove_file(temp.path().join("calsync.db")).unwrap_or_default();
        fs::write(&file, config.replace("file:feed.ics", url)).unwrap();
        let said = calsync(temp.path(), &["sync"]);
        assert_eq!(said.code, 1, "{}", said.err);
        for part in expected {
            assert!(said.err.contains(part), "{url}: {part}: {}", said.err);
        }
    }
}

struct Servers {
    dav: DavServer,
    feed: FeedServer,
    _runtime: Runtime,
}

fn servers() -> Servers {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dav = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
    let feed = FeedServer::start_on(runtime.handle(), FeedOptions::default()).unwrap();
    Servers { dav, feed, _runtime: runtime }
}

fn caldav(url: &str, more: &str) -> String {
    format!("provider = \"caldav\"\nurl = \"{url}\"\nusername = \"user\"\n{more}")
}

#[test]
fn a_subscription_at_home_needs_no_https() {
    let servers = servers();
    let url = servers.feed.url().replace("http://", "webcal://");
    let temp = folder(&format!("provider = \"ics\"\nurl = \"{url}\""));
    calsync(temp.path(), &["sync"]).ok();
    let said = calsync(temp.path(), &["events", "--calendar", "home"]).ok();
    assert!(said.out.contains("Breakfast"), "{}", said.out);
}

#[test]
fn credentials_that_are_wrong_or_not_there_are_named() {
    let servers = servers();
    let temp = folder("");
    for (more, expected) in [
        ("password = \"plain:wrong\"", "`password` of [connections.c] is wrong"),
        ("", "`password` of [connections.c] is missing"),
        (
            "password = \"env:CALSYNC_NO_SUCH\"",
            "connections.c.password: the environment variable CALSYNC_NO_SUCH",
        ),
        ("password = \"file:none\"", "connections.c.password: cannot read none"),
    ] {
        configure(temp.path(), &caldav(&servers.dav.url(), more));
        for command in ["sync", "calendars"] {
            let said = calsync(temp.path(), &[command]);
            assert_eq!(said.code, 3, "{more}: {}", said.err);
            assert!(said.err.contains(expected), "{more}: {}", said.err);
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_told_as_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let temp = folder(&caldav(&format!("http://{address}/"), "password = \"plain:secret\""));
    let said = calsync(temp.path(), &["sync"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("refused") && said.err.contains(&address.to_string()), "{}", said.err);
    assert!(!said.err.contains("left alone"), "{}", said.err);
}

#[test]
fn a_host_that_got_another_name_keeps_its_link() {
    let servers = servers();
    for n in 0..6 {
        servers.dav.put("work", &format!("{n}.ics"), &FEED.replace("u1", &format!("u{n}")));
    }
    let url = servers.dav.url();
    let at = |url: &str| caldav(url, "password = \"plain:secret\"");
    let temp = folder(&at(&url));
    calsync(temp.path(), &["sync"]).ok();
    let localhost = url.replace("127.0.0.1", "localhost");
    configure(temp.path(), &at(&localhost));
    calsync(temp.path(), &["sync", "--dry-run"]).ok();
    let json = synced(temp.path());
    let link = &json["links"][0];
    assert_eq!(
        (&link["created"], &link["deleted"], &link["pushed"]),
        (&0.into(), &0.into(), &0.into()),
        "{json}"
    );

    // Another server under that path: what is not there is not simply deleted.
    let other = self::servers();
    configure(temp.path(), &at(&other.dav.url()));
    let said = calsync(temp.path(), &["sync"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    // Another address on the server is no other name of it.
    configure(temp.path(), &at(&format!("{url}dav/calendars/user/work/")));
    let said = calsync(temp.path(), &["sync"]);
    assert!(said.code == 1 && said.err.contains("another calendar before"), "{}{}", said.out, said.err);
}

/// A process that was killed in the middle of a run leaves its lease behind: the next one says what it waits for, and takes
/// over when the lease ends.
#[test]
fn con_06_what_is_waited_for_is_said() {
    let temp = folder(IN_A_FILE);
    calsync(temp.path(), &["sync"]).ok();
    Runtime::new().unwrap().block_on(async {
        let store =
            SqliteStore::open(&temp.path().join("calsync.db"), SqliteConfig::default()).await.unwrap();
        let now = SystemClock.now();
        let lease =
            store.acquire_lease("link:l", "killed", now, chrono::TimeDelta::seconds(4)).await.unwrap();
        assert!(matches!(lease, LeaseGrant::Granted(_)));
    });
    let said = calsync(temp.path(), &["sync"]).ok();
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("link l: another process is at it, or died there; waiting "), "{told}");
}
