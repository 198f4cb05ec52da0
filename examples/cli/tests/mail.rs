//! Nobody is mailed by a copy: Google, Microsoft and CalDAV in step, with guests on every side, and the mails counted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

use calsync_testkit::{
    dav::{DavOptions, DavServer},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};
use serde_json::json;

struct Lab {
    google: GoogleServer,
    graph: GraphServer,
    dav: DavServer,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

fn calsync(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

impl Lab {
    /// Three accounts, two-way on one calendar.
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let google = GoogleServer::start_on(runtime.handle(), GoogleOptions::default()).unwrap();
        let graph = GraphServer::start_on(runtime.handle(), GraphOptions::default()).unwrap();
        let dav = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "secret").unwrap();
        let link = |name: &str, remote: &str| {
            format!(
                "[[links]]\nname = \"{name}\"\ncalendar = \"family\"\nconnection = \"{name}\"\nremote = \"{remote}\"\n"
            )
        };
        let config = format!(
            "store = \"sqlite:calsync.db\"\n\
             [connections.google]\nprovider = \"google\"\nbase_url = \"{}\"\ntoken = \"file:token\"\n\
             [connections.graph]\nprovider = \"microsoft\"\nbase_url = \"{}\"\ntoken = \"file:token\"\n\
             [connections.home]\nprovider = \"caldav\"\nurl = \"{}\"\nusername = \"user\"\npassword = \"plain:secret\"\n{}{}{}",
            google.url(),
            graph.url(),
            dav.url(),
            link("google", "primary"),
            link("graph", "Calendar"),
            link("home", "Work"),
        );
        fs::write(folder.path().join("calsync.toml"), config).unwrap();
        Self { google, graph, dav, folder, _runtime: runtime }
    }

    fn sync(&self) {
        for _ in 0..3 {
            let (code, text) = calsync(self.folder.path(), &["sync"]);
            assert_eq!(code, 0, "{text}");
        }
    }

    /// Lets one link write people.
    fn writes_people(&self, link: &str) {
        let at = self.folder.path().join("calsync.toml");
        let name = format!("[[links]]\nname = \"{link}\"\n");
        let config = fs::read_to_string(&at).unwrap();
        assert!(config.contains(&name));
        fs::write(at, config.replace(&name, &format!("{name}people = \"write\"\n"))).unwrap();
    }

    fn mails(&self) -> (usize, u64) {
        (self.google.mails(), self.graph.mails())
    }

    /// Requests that would have changed something at Google.
    fn writes(&self) -> usize {
        self.google.requests().iter().filter(|request| !matches!(&*request.method, "GET" | "HEAD")).count()
    }
}

fn meeting(number: usize) -> serde_json::Value {
    let start =
        chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(19_000 + i64::try_from(number).unwrap() * 9);
    json!({
        "summary": format!("meeting {number}"),
        "start": { "dateTime": start.to_rfc3339(), "timeZone": "UTC" },
        "end": { "dateTime": (start + chrono::TimeDelta::hours(1)).to_rfc3339(), "timeZone": "UTC" },
        "organizer": { "email": "ann@example.com", "self": true },
        "attendees": [
            { "email": "ann@example.com", "self": true, "responseStatus": "accepted" },
            { "email": "ben@elsewhere.example", "responseStatus": "needsAction" },
        ],
    })
}

/// MAIL-01, MAIL-02, MAIL-04: a first sync of years of meetings and of an endless invitation mails nobody and answers
/// nothing; copies name no guest a server could mail; and what people do with the copies mails nobody either.
#[test]
fn mail_01_mail_02_mail_04_meetings_are_copied_without_a_mail() {
    let lab = Lab::new();
    for number in 0..100 {
        lab.google.put("primary", meeting(number));
    }
    let mut invitation = meeting(500);
    invitation["summary"] = "invitation".into();
    invitation["organizer"] = json!({ "email": "eve@elsewhere.example" });
    invitation["attendees"][0]["responseStatus"] = "needsAction".into();
    invitation["recurrence"] = json!(["RRULE:FREQ=DAILY"]);
    let id = lab.google.put("primary", invitation);
    lab.sync();
    assert_eq!((lab.mails(), lab.writes()), ((0, 0), 0), "the source is not written to");
    let own = lab.google.events("primary").into_iter().find(|event| event["id"] == id.as_str()).unwrap();
    assert_eq!(own["attendees"][0]["responseStatus"], "needsAction", "nobody answered for its guest");

    let copies = lab.dav.list("work");
    assert_eq!((copies.len(), lab.graph.events(&lab.graph.default_calendar()).len()), (101, 101));
    for (name, _, body) in &copies {
        assert!(!body.contains("ATTENDEE") && !body.contains("ORGANIZER"), "{name}: {body}");
    }
    let sent: String = lab.graph.requests().into_iter().map(|request| request.body).collect();
    assert!(!sent.contains("elsewhere.example"), "{sent}");

    // Months later somebody deletes a copy, and edits another.
    let mut own = copies.iter().filter(|(_, _, body)| body.contains("SUMMARY:meeting"));
    let ((gone, ..), (edited, _, body)) = (own.next().unwrap(), own.next().unwrap());
    assert!(lab.dav.delete("work", gone));
    lab.dav.put("work", edited, &body.replace("SUMMARY:meeting", "SUMMARY:moved meeting"));
    lab.sync();
    let left = lab.google.events("primary");
    let moved =
        left.iter().filter(|event| event["summary"].as_str().is_some_and(|title| title.contains("moved")));
    assert_eq!((left.len(), moved.count()), (100, 1), "both went to where they came from");
    assert_eq!(lab.mails(), (0, 0));
}

/// MAIL-07: an event with guests on a server that sends invitations is changed in its place, and its people are left as they
/// are to the byte: a server takes a replacement for a cancellation.
#[test]
fn mail_07_an_event_with_guests_is_changed_where_it_is() {
    let lab = Lab::new();
    let people = "ORGANIZER;CN=Ann:mailto:ann@example.com\r\n\
        ATTENDEE;CN=Ben;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;SCHEDULE-AGENT=CLIENT:mailto:ben@elsewhere.example\r\n\
        ATTENDEE;SCHEDULE-STATUS=\"1.1\":mailto:cy@elsewhere.example\r\n";
    let object = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:meeting\r\nDTSTAMP:20260105T120000Z\r\n\
         DTSTART:20260303T090000Z\r\nDTEND:20260303T100000Z\r\nSUMMARY:meeting\r\n{people}END:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    lab.dav.put("work", "meeting.ics", &object);
    lab.sync();
    let copy = lab.google.events("primary").remove(0);
    assert!(copy.get("attendees").is_none(), "{copy}");
    lab.dav.clear_requests();
    lab.google.edit("primary", copy["id"].as_str().unwrap(), |event| {
        event.insert("summary".to_owned(), "another title".into());
    });
    lab.sync();
    let now = lab.dav.get("work", "meeting.ics").unwrap();
    assert!(now.contains("SUMMARY:another title") && now.replace("\r\n ", "").contains(people), "{now}");
    let written: Vec<String> = lab
        .dav
        .requests()
        .into_iter()
        .filter(|request| matches!(&*request.method, "PUT" | "DELETE" | "MOVE" | "POST"))
        .map(|request| format!("{} {}", request.method, request.path.rsplit('/').next().unwrap_or_default()))
        .collect();
    assert_eq!(written, ["PUT meeting.ics"]);
    assert_eq!(lab.mails(), (0, 0));
}

/// Deleting a meeting at Microsoft mails a cancellation: it goes out where the link writes people, and on no other link.
#[test]
fn mail_a_deletion_cancels_a_meeting_only_where_the_link_writes_people() {
    for writes in [false, true] {
        let lab = Lab::new();
        if writes {
            lab.writes_people("graph");
        }
        let times = |day: u32| {
            let at =
                |hour| json!({ "dateTime": format!("2026-03-{day:02}T{hour}:00:00"), "timeZone": "UTC" });
            (at(10), at(11))
        };
        let calendar = lab.graph.default_calendar();
        // So many that deleting one is nothing to ask a person about.
        for day in 3..24 {
            let (start, end) = times(day);
            lab.graph
                .add(&calendar, &json!({ "subject": format!("day {day}"), "start": start, "end": end }))
                .unwrap();
        }
        let (start, end) = times(2);
        let guests = json!([{ "type": "required", "emailAddress": { "address": "ben@elsewhere.example" } }]);
        let meeting = json!({ "subject": "meeting", "start": start, "end": end, "attendees": guests });
        lab.graph.add(&calendar, &meeting).unwrap();
        lab.sync();
        let copies = lab.dav.list("work");
        let (copy, ..) = copies.iter().find(|(_, _, body)| body.contains("SUMMARY:meeting")).unwrap();
        assert!(lab.dav.delete("work", copy));
        for _ in 0..3 {
            // A deletion that is refused waits for a person, and the exit status says so.
            calsync(lab.folder.path(), &["sync"]);
        }
        let left = lab.graph.events(&calendar).len();
        assert_eq!((left, lab.mails()), if writes { (21, (0, 1)) } else { (22, (0, 0)) }, "writes: {writes}");
    }
}
