//! What a person decides about a calendar on a server: plans that wait, runs that were a mistake, writes that are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, process::Command, sync::Arc};

use calsync_core::{
    context::{RandomIds, SystemClock},
    engine::Hub,
    model::CalendarId,
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::dav::{DavOptions, DavServer, Fault};
use serde_json::Value;

const ALL: usize = 13;
/// What `calsync` ends with when something waits for a person.
const HELD: i32 = 2;

struct Lab {
    dav: DavServer,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

fn item(uid: &str, title: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:{title}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

impl Lab {
    /// So many events on both sides.
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let dav = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
        for n in 0..ALL {
            dav.put("work", &format!("{n}.ics"), &item(&format!("u{n}"), &format!("title {n}")));
        }
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "store = \"sqlite:calsync.db\"\n\
             [connections.home]\nprovider = \"caldav\"\nurl = \"{}\"\nusername = \"user\"\npassword = \"plain:secret\"\n\
             [[links]]\nname = \"home\"\ncalendar = \"family\"\nconnection = \"home\"\nremote = \"Work\"\n",
            dav.url(),
        );
        fs::write(folder.path().join("calsync.toml"), config).unwrap();
        let lab = Self { dav, folder, runtime };
        lab.run(0, &["sync"]);
        assert_eq!(lab.sizes(), (ALL, ALL));
        lab
    }

    fn run(&self, code: i32, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
        let output = command.current_dir(self.folder.path()).args(args).output().unwrap();
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "calsync {args:?}: {out}{err}");
        out
    }

    fn json(&self, code: i32, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(code, &[args, &["--json"]].concat())).unwrap()
    }

    async fn hub(&self) -> Hub {
        let path = self.folder.path().join("calsync.db");
        let store = Arc::new(SqliteStore::open(&path, SqliteConfig::default()).await.unwrap());
        Hub::new(store, Arc::new(SystemClock), Arc::new(RandomIds::new().unwrap()))
    }

    /// Events here and items there.
    fn sizes(&self) -> (usize, usize) {
        let here = self
            .runtime
            .block_on(async { self.hub().await.events(&CalendarId::from("family")).await.unwrap().len() });
        (here, self.dav.list("work").len())
    }

    fn edit(&self, uid: &str, title: &str) {
        self.runtime.block_on(async {
            let (hub, calendar) = (self.hub().await, CalendarId::from("family"));
            let all = hub.events(&calendar).await.unwrap();
            let mut record = all.into_iter().find(|record| record.event.uid == uid).unwrap();
            record.event.master.as_mut().unwrap().title = Some(title.to_owned());
            hub.update(&calendar, &record.id, record.revision, record.event).await.unwrap();
        });
    }

    fn there(&self, title: &str) -> bool {
        self.dav.list("work").iter().any(|(_, _, body)| body.contains(&format!("SUMMARY:{title}\r\n")))
    }
}

/// A server that lost nearly everything: the deletions wait, and refusing them brings the events back there.
#[test]
fn a_plan_that_waits_is_refused_or_approved() {
    for (answer, left) in [("--refuse", ALL), ("--approve", 2)] {
        let lab = Lab::new();
        for n in 2..ALL {
            assert!(lab.dav.delete("work", &format!("{n}.ics")));
        }
        let held = lab.json(HELD, &["sync"]);
        let plan = held["links"][0]["plan_id"].as_str().unwrap().to_owned();
        assert_eq!((held["links"][0]["held"].as_u64(), lab.sizes()), (Some(11), (ALL, 2)));
        let told = lab.run(HELD, &["sync"]);
        assert!(
            told.contains(&format!("--approve {plan}")) && told.contains(&format!("--refuse {plan}")),
            "{told}"
        );
        lab.run(0, &["sync", answer, &plan]);
        lab.run(0, &["sync"]);
        assert_eq!(lab.sizes(), (left, left), "{answer}");
    }
}

/// A run that deleted what should have stayed is taken back on both sides.
#[test]
fn a_run_is_taken_back_on_both_sides() {
    let lab = Lab::new();
    for n in 0..3 {
        assert!(lab.dav.delete("work", &format!("{n}.ics")));
    }
    lab.run(0, &["sync"]);
    assert_eq!(lab.sizes(), (ALL - 3, ALL - 3));
    lab.run(0, &["undo", "--last", "1", "--link", "home"]);
    assert_eq!(lab.sizes(), (ALL, ALL));
    assert!((0..3).all(|n| lab.there(&format!("title {n}"))));
    assert_eq!(lab.json(0, &["sync"])["links"][0]["pushed"], 0, "and there is nothing more to do");
}

/// A write the server refuses waits for a person, who has it tried again or gives it up.
#[test]
fn a_refused_write_is_tried_again_or_given_up() {
    let lab = Lab::new();
    for (verdict, title, arrives) in [("retry", "once more", true), ("drop", "never", false)] {
        lab.dav.inject(Fault::status(403).on_method("PUT").always());
        lab.edit("u1", title);
        let stuck = lab.run(1, &["sync"]);
        assert!(!stuck.contains(title), "{stuck}");
        lab.dav.clear_faults();
        // Nobody tries it by himself.
        lab.run(1, &["sync"]);
        assert!(!lab.there(title), "{verdict}");
        let settled = lab.json(0, &["outbox", verdict, "u1"]);
        assert_eq!(
            (&settled["verdict"], &settled["settled"][0]["write"]),
            (&verdict.into(), &"update".into())
        );
        lab.run(0, &["sync"]);
        assert_eq!(lab.there(title), arrives, "{verdict}");
    }
}
