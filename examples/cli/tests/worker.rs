//! `calsync worker` and `calsync schedule`, as somebody runs them: two feeds in files, a worker that is asked to stop.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use calsync_stores::postgres::deadpool_postgres::tokio_postgres;
use serde_json::Value;

fn calsync(folder: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), text)
}

fn ok(folder: &Path, args: &[&str]) -> String {
    let (success, text) = calsync(folder, args);
    assert!(success, "calsync {args:?}: {text}");
    text
}

fn schedule(folder: &Path) -> Vec<Value> {
    let json: Value = serde_json::from_str(&ok(folder, &["schedule", "--json"])).unwrap();
    json["links"].as_array().unwrap().clone()
}

fn write_feed(folder: &Path, name: &str) {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nREFRESH-INTERVAL;VALUE=DURATION:PT4H\r\nBEGIN:VEVENT\r\n\
         UID:{name}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\n\
         SUMMARY:{name}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    fs::write(folder.join(format!("{name}.ics")), text).unwrap();
}

fn config(folder: &Path, extra: &str) {
    let config = format!(
        "store = \"sqlite:calsync.db\"\n\
         [connections.one]\nprovider = \"ics\"\nurl = \"one.ics\"\n\
         [connections.two]\nprovider = \"ics\"\nurl = \"two.ics\"\n\
         [connections.none]\nprovider = \"ics\"\nurl = \"none.ics\"\n\
         [[links]]\nname = \"one\"\ncalendar = \"family\"\nconnection = \"one\"\n\
         [[links]]\nname = \"two\"\ncalendar = \"work\"\nconnection = \"two\"\ncron = \"0 3 * * *\"\n\
         zone = \"Europe/Berlin\"\npriority = \"high\"\n\
         [[links]]\nname = \"none\"\ncalendar = \"gone\"\nconnection = \"none\"\n{extra}"
    );
    fs::write(folder.join("calsync.toml"), config).unwrap();
}

/// A worker that is killed when the test ends, however it ends.
struct Working(Child);

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn worker_runs_what_is_due_and_stops_when_asked() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    config(folder, "every = \"30m\"\n");
    write_feed(folder, "one");
    write_feed(folder, "two");
    assert!(schedule(folder).iter().all(|link| link["status"] == "unscheduled"));
    ok(folder, &["links", "pause", "two"]);

    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.current_dir(folder).args(["worker", "--concurrency", "2", "--json"]).stdout(Stdio::piped());
    let mut worker = Working(command.spawn().unwrap());
    let lines = BufReader::new(worker.0.stdout.take().unwrap()).lines();
    let (mut one, mut none) = (false, false);
    for line in lines {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_ne!(event["task"], "sync:two", "it is paused");
        one |= event["event"] == "done" && event["task"] == "sync:one" && event["counts"]["created"] == 1;
        none |= event["event"] == "failed" && event["task"] == "sync:none";
        if one && none {
            break;
        }
    }
    let id = worker.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(worker.0.wait().unwrap().success(), "it was asked to stop, and that is no error");

    let links = schedule(folder);
    let link = |name: &str| links.iter().find(|link| link["name"] == name).unwrap();
    assert_eq!(
        (&link("one")["status"], &link("one")["last"]["outcome"]),
        (&"waiting".into(), &"done".into())
    );
    assert!(link("one")["next"].is_string());
    assert_eq!((&link("two")["status"], &link("two")["next"]), (&"paused".into(), &Value::Null));
    assert_eq!(link("two")["cadence"], "cron 0 3 * * * (Europe/Berlin)");
    assert_eq!(link("two")["priority"], "high");
    assert_eq!((&link("none")["last"]["outcome"], &link("none")["failures"]), (&"failed".into(), &1.into()));
    assert_eq!(link("none")["cadence"], "every 30m");
    let json: Value = serde_json::from_str(&ok(folder, &["connections", "--json"])).unwrap();
    let connection = |name: &str| {
        json["connections"].as_array().unwrap().iter().find(|found| found["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (&connection("one")["status"], &connection("one")["reason"]),
        (&"waiting".into(), &Value::Null)
    );
    assert_eq!(connection("two")["status"], "paused");
    let failed = connection("none");
    assert_eq!((&failed["status"], &failed["standing_so"][0]), (&"backing-off".into(), &"none".into()));
    assert!(failed["reason"].is_string() && failed["since"].is_string(), "{failed}");
    assert!(ok(folder, &["connections"]).contains("backing-off"));
    assert!(ok(folder, &["events", "--calendar", "family"]).contains("one"));
    assert!(ok(folder, &["schedule"]).contains("paused"));
    assert!(ok(folder, &["schedule", "resume", "two"]).contains("next run"));
}

#[test]
fn cadence_that_cannot_be_is_refused_with_its_fix() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for (extra, told) in [
        ("every = \"5s\"\n", "from 1 minute to 28 days"),
        ("every = \"often\"\n", "none of \"90s\""),
        ("cron = \"61 * * * *\"\n", "no cron expression"),
        ("cron = \"0 3 * * *\"\nzone = \"Berlin\"\n", "such as Europe/Berlin"),
        ("every = \"5m\"\ncron = \"0 3 * * *\"\n", "either `every` or `cron`"),
        ("zone = \"UTC\"\n", "there is no `cron`"),
        ("priority = \"urgent\"\n", "high"),
    ] {
        config(folder, extra);
        let (success, text) = calsync(folder, &["schedule"]);
        assert!(!success && text.contains(told), "{extra}: {text}");
    }
}

/// On PostgreSQL a worker listens for what others make due, and what another tenant of the same schema has is neither run
/// nor taken out of its schedule.
#[tokio::test]
async fn postgres_worker_is_woken_and_leaves_other_tenants_alone() {
    let url = calsync_testkit::postgres::url();
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write_feed(folder, "one");
    let tenant = format!("worker-{}", std::process::id());
    for (file, tenant, link) in
        [("calsync.toml", tenant.clone(), "one"), ("other.toml", format!("{tenant}-2"), "two")]
    {
        let config = format!(
            "store = \"{url}\"\ntenant = \"{tenant}\"\n[connections.one]\nprovider = \"ics\"\nurl = \"one.ics\"\n\
             [[links]]\nname = \"{link}\"\ncalendar = \"family\"\nconnection = \"one\"\n"
        );
        fs::write(folder.join(file), config).unwrap();
    }
    ok(folder, &["schedule", "run", "two", "--config", "other.toml"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.current_dir(folder).args(["worker", "--json"]).stdout(Stdio::piped());
    let mut worker = Working(command.spawn().unwrap());
    let mut lines = BufReader::new(worker.0.stdout.take().unwrap()).lines();
    let mut until = |event: &str| {
        let found = lines.find(|line| {
            let line: Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
            assert_ne!(line["task"], "sync:two", "{line}");
            line["event"] == event && line["task"] == "sync:one"
        });
        assert!(found.is_some(), "no {event}");
    };
    until("done");
    // Its listener is there once it rests; what is made due then is run without a look of its own.
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let listens = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
    while client.query_one(listens, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    ok(folder, &["schedule", "run", "one"]);
    until("done");
    let json: Value =
        serde_json::from_str(&ok(folder, &["schedule", "--json", "--config", "other.toml"])).unwrap();
    let two = &json["links"][0];
    assert_eq!((&two["status"], &two["last"]), (&"waiting".into(), &Value::Null), "{two}");
    assert!(two["next"].is_string(), "it is still due: {two}");
}
