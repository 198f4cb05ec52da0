//! What the command line leaves behind and says, as somebody meets it at home: files, feeds, servers that are not there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

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
