//! Cozi and CalDAV through one calendar of the store, and `doctor` over both, with the emulators.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

use calsync_core::context::{Clock, SystemClock};
use calsync_testkit::{
    cozi::{CoziOptions, CoziServer},
    dav::{DavOptions, DavServer, Fault},
};
use chrono::{Datelike, Days, Months, NaiveDate};
use serde_json::{Value, json};

struct Lab {
    cozi: CoziServer,
    dav: DavServer,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Lab {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let cozi = CoziServer::start_on(runtime.handle(), CoziOptions::default()).unwrap();
        let dav = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let lab = Self { cozi, dav, folder, _runtime: runtime };
        lab.configure("unofficial_api = true\npassword = \"env:COZI_PASSWORD\"\n");
        lab
    }

    fn configure(&self, keys: &str) {
        let config = format!(
            "store = \"sqlite:calsync.db\"\n\
             [connections.brown]\nprovider = \"cozi\"\nusername = \"ann@example.com\"\nbase_url = \"{}\"\n\
             requests_per_minute = 60000\n{keys}\
             [connections.home]\nprovider = \"caldav\"\nurl = \"{}\"\nusername = \"user\"\npassword = \"plain:secret\"\n\
             [[links]]\nname = \"cozi\"\ncalendar = \"family\"\nconnection = \"brown\"\n\
             [[links]]\nname = \"dav\"\ncalendar = \"family\"\nconnection = \"home\"\nremote = \"Work\"\n",
            self.cozi.url(),
            self.dav.url(),
        );
        fs::write(self.folder.path().join("calsync.toml"), config).unwrap();
    }

    /// The exit code, what is printed, and what is told.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        run_in(self.folder.path(), args)
    }

    fn sync(&self) -> Value {
        let (code, out, told) = self.run(&["sync", "--json"]);
        assert_eq!(code, 0, "{out}{told}");
        serde_json::from_str(&out).unwrap()
    }

    fn writes(&self) -> usize {
        let cozi = self.cozi.requests().into_iter();
        let dav = self.dav.requests().into_iter();
        cozi.filter(|request| request.method == "POST" && !request.path.contains("/auth/")).count()
            + dav.filter(|request| matches!(request.method.as_str(), "PUT" | "DELETE")).count()
    }
}

fn run_in(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    let output = command.current_dir(folder).args(args).env("COZI_PASSWORD", "secret").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn day(ahead: u64) -> NaiveDate {
    SystemClock.now().date_naive() + Days::new(ahead)
}

fn item(title: &str, day: NaiveDate) -> Value {
    json!({
        "day": day.to_string(), "startTime": "09:00:00", "endTime": "10:00:00", "dateSpan": 0, "description": title,
        "householdMembers": [], "itemDetails": {"location": "", "notes": ""},
    })
}

fn object(uid: &str, day: NaiveDate) -> String {
    let day = day.format("%Y%m%d");
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260105T120000Z\r\n\
         DTSTART:{day}T120000Z\r\nDTEND:{day}T130000Z\r\nSUMMARY:{uid}\r\nX-KEPT:yes\r\n\
         ATTENDEE:mailto:ben@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn titles(lab: &Lab) -> Vec<String> {
    let mut titles: Vec<String> =
        lab.cozi.items().iter().map(|item| item["description"].as_str().unwrap().to_owned()).collect();
    titles.sort();
    titles
}

#[test]
fn cozi_and_caldav_are_kept_in_step_both_ways() {
    let lab = Lab::new();
    let lunch = lab.cozi.put(item("lunch", day(3)));
    let mut weekly = item("weekly", day(4));
    let name = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][day(4).weekday().num_days_from_monday() as usize];
    weekly["itemDetails"]["recurrenceStartDay"] = day(4).to_string().into();
    weekly["itemDetails"]["recurrence"] =
        json!({"rules": [{"frequency": "Weekly", "interval": 1, "byDay": [name], "end": {}}]});
    lab.cozi.put(weekly);
    lab.dav.put("work", "dav1.ics", &object("dav1", day(5)));
    let (code, _, told) = lab.run(&["sync"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("interface Cozi does not offer"), "{told}");
    lab.sync();
    assert_eq!(titles(&lab), ["dav1", "lunch", "weekly"]);
    assert_eq!(lab.dav.list("work").len(), 3);
    assert!(!serde_json::to_string(&lab.cozi.items()).unwrap().contains("ben@example.com"));

    // Nothing new: nothing is written, anywhere.
    lab.cozi.clear_requests();
    lab.dav.clear_requests();
    let report = lab.sync();
    assert_eq!(lab.writes(), 0);
    // Every month of the window once.
    assert_eq!(report["links"][0]["requests"], 14);

    // Edited on each side.
    let id = lab.cozi.items().iter().find(|item| item["description"] == "dav1").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    lab.cozi.edit(&id, |item| item["itemDetails"]["location"] = "Room 1".into());
    lab.cozi.delete(&lunch);
    lab.sync();
    lab.sync();
    assert_eq!(lab.dav.list("work").len(), 2);
    let (_, _, body) = lab.dav.list("work").into_iter().find(|(name, ..)| name == "dav1.ics").unwrap();
    assert!(body.contains("LOCATION:Room 1") && body.contains("X-KEPT:yes"), "{body}");
    lab.dav.put("work", "dav1.ics", &body.replace("Room 1", "Room 2"));
    lab.sync();
    lab.sync();
    assert_eq!(lab.cozi.item(&id).unwrap()["itemDetails"]["location"], "Room 2");
    lab.dav.delete("work", "dav1.ics");
    lab.sync();
    lab.sync();
    assert_eq!(titles(&lab), ["weekly"]);
    assert_eq!(lab.cozi.notified(), 0);
}

#[test]
fn nothing_is_on_offer_in_months_nobody_read() {
    let lab = Lab::new();
    lab.sync();
    let end = SystemClock.now().date_naive() + Months::new(13);
    let (inside, outside) = (day(30).to_string(), "2051-03-03");
    assert!(end.to_string().as_str() < outside);
    let free = |from: &str, more: &[&str]| {
        let args = ["free", "--calendars", "family", "--from", from, "--json"];
        let (code, out, told) = lab.run(&[&args, more].concat());
        assert_eq!(code, 0, "{out}{told}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let (known, unknown) = (free(&inside, &[]), free(outside, &[]));
    assert!(!known["slots"].as_array().unwrap().is_empty());
    assert_eq!(known["calendars"][0]["covers_window"], true);
    assert_eq!(unknown["slots"], json!([]));
    assert_eq!(unknown["calendars"][0]["covers_window"], false);
    assert_eq!(unknown["calendars"][0]["covered"], Value::Null);
    assert_eq!(unknown["calendars"][0]["state"], "current");
    let (_, _, told) = lab.run(&["free", "--calendars", "family", "--from", outside]);
    assert!(told.contains("family: nothing of these days is known"), "{told}");
    let (_, _, told) = lab.run(&["free", "--calendars", "family", "--days", "1000"]);
    assert!(told.contains("family: only ") && told.contains("--offer-unknown"), "{told}");
    assert!(!free(outside, &["--offer-unknown"])["slots"].as_array().unwrap().is_empty());

    let book =
        ["book", "--calendars", "family", "--title", "late", "--start", "2051-03-03T09:00:00Z", "--json"];
    let (code, out, told) = lab.run(&book);
    assert_ne!(code, 0, "{out}{told}");
    assert!(out.contains("not-offered"), "{out}{told}");
}

#[test]
fn a_mass_deletion_is_held_and_half_an_answer_deletes_nothing() {
    let lab = Lab::new();
    let ids: Vec<String> = (1..=20).map(|ahead| lab.cozi.put(item("x", day(ahead)))).collect();
    lab.sync();
    lab.sync();
    assert_eq!(lab.dav.list("work").len(), 20);
    let month = format!("calendar/{}/{}", day(1).year(), day(1).month());
    for fault in
        [Fault::status(500), Fault::status(404), Fault::truncate(), Fault::html(), Fault::drop_before()]
    {
        lab.cozi.inject(fault.on_path(&month));
        let (code, ..) = lab.run(&["sync"]);
        assert_eq!(code, 1);
        assert_eq!(lab.dav.list("work").len(), 20);
    }
    ids.iter().for_each(|id| lab.cozi.delete(id));
    let (code, out, told) = lab.run(&["sync"]);
    assert_eq!(code, 2, "{out}{told}");
    assert_eq!(lab.dav.list("work").len(), 20);
}

#[test]
fn it_is_off_until_the_configuration_says_so() {
    let lab = Lab::new();
    lab.configure("password = \"env:COZI_PASSWORD\"\n");
    let (code, _, told) = lab.run(&["sync"]);
    assert_eq!(code, 1);
    for word in ["unofficial_api = true", "connections.brown", "provider = \"ics\"", "terms"] {
        assert!(told.contains(word), "{told}");
    }
    lab.configure("unofficial_api = true\n");
    let (code, _, told) = lab.run(&["sync"]);
    assert!(code == 1 && told.contains("`password`"), "{told}");
    assert!(lab.cozi.requests().is_empty());
}

#[test]
fn doctor_says_how_every_connection_is() {
    let lab = Lab::new();
    let healthy = || {
        let (code, out, told) = lab.run(&["doctor", "--json"]);
        let found: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{told}"));
        assert!(!out.contains("\"secret") && !told.contains("secret"), "{out}{told}");
        (code, found["connections"].clone(), told)
    };
    let (code, found, told) = healthy();
    assert_eq!(code, 0, "{found}{told}");
    let (cozi, dav) = (&found[0], &found[1]);
    assert_eq!((cozi["name"].as_str(), dav["name"].as_str()), (Some("brown"), Some("home")));
    for one in [cozi, dav] {
        assert_eq!((&one["ok"], &one["reachable"]), (&json!(true), &json!(true)));
        assert_eq!((&one["tls"], &one["credentials"]), (&json!("none"), &json!("accepted")));
        assert!(!one["calendars"].as_array().unwrap().is_empty());
        assert!(one["capabilities"].as_array().unwrap().contains(&json!("write")));
    }
    assert!(cozi["token_expires"].is_string());
    assert!(cozi["warnings"].to_string().contains("unofficial"));
    assert_eq!(cozi["quirks"], json!(["polled-by-month", "edits-without-condition", "no-marks"]));
    assert_eq!(dav["quirks"], json!(["delete-looks-first"]), "a server nobody recognises");
    let (code, out, _) = lab.run(&["doctor"]);
    assert!(code == 0 && out.contains("The Browns") && !out.contains("secret"), "{out}");
    assert!(out.contains("polled-by-month, edits-without-condition, no-marks\n"), "{out}");

    // A clock that is far off.
    let account = json!({"name": "x", "timezone": "Europe/Berlin"}).to_string();
    let late = Fault::status(200).header("Date", "Wed, 01 Jan 2020 00:00:00 GMT").body(&account);
    lab.cozi.inject(late.on_path("/account/"));
    let (code, found, _) = healthy();
    assert_eq!(code, 0);
    assert!(found[0]["clock_skew_seconds"].as_i64().unwrap() < -86_400);
    assert!(found[0]["warnings"].to_string().contains("clock"), "{found}");

    // A password that is wrong, a server that fails; the other connection is looked at all the same.
    lab.cozi.change_password("changed");
    let (code, found, told) = healthy();
    assert_eq!(code, 3, "{told}");
    assert_eq!((&found[0]["credentials"], &found[0]["ok"]), (&json!("needed"), &json!(false)));
    assert_eq!(found[1]["ok"], true);
    lab.cozi.inject(Fault::status(503).on_path("auth/login"));
    let (code, found, _) = healthy();
    assert_eq!(code, 1);
    assert_eq!((&found[0]["credentials"], &found[0]["reachable"]), (&json!("unknown"), &json!(true)));
    lab.cozi.inject(Fault::drop_before().always());
    let (code, found, _) = healthy();
    assert_eq!((code, &found[0]["reachable"]), (1, &json!(false)));
}

#[test]
fn completions_and_the_manual_come_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = run_in(folder.path(), &["completions", shell]);
        assert!(code == 0 && out.contains("calsync") && out.contains("doctor"), "{shell}");
    }
    let (code, ..) = run_in(folder.path(), &["completions", "none"]);
    assert_eq!(code, 1);
    let (code, page, _) = run_in(folder.path(), &["man"]);
    assert_eq!(code, 0);
    assert!(page.contains(".TH calsync 1") && page.contains("CALSYNC DOCTOR"));
}
