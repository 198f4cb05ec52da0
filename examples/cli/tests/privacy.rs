//! What leaves for a busy-only link, byte by byte: a private calendar on one CalDAV server, copied to CalDAV, Google and
//! Microsoft.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{fs, path::Path, process::Command};

use calsync_core::context::{Clock, SystemClock};
use calsync_testkit::{
    canary,
    cozi::{CoziOptions, CoziServer},
    dav::{DavOptions, DavServer, Fault, RecordedRequest},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};
use chrono::Days;
use serde_json::Value;

fn calsync(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), out, err)
}

/// What a command printed, without the names in the one place where it is there to name an item to whoever runs the links: the quarantine
/// of `sync`, and the UIDs of `outbox`. In every other place, and on standard error, a name is as much of the event as its title.
fn unnamed(args: &[&str], out: &str) -> String {
    let json = args.contains(&"--json");
    let lines = |named: fn(&str) -> Option<String>| -> String {
        out.lines().map(|line| named(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
    };
    match args {
        ["sync", ..] if !json => lines(|line| {
            let (before, reason) = line.split_once(".ics is left alone: ")?;
            let (link, _) = before.split_once(": /")?;
            Some(format!("{link}: {reason}"))
        }),
        ["outbox", ..] if !json => lines(|line| {
            let mut cells: Vec<&str> =
                line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            cells.get(1).is_some_and(|uid| uid.starts_with("canary-")).then(|| {
                cells.remove(1);
                cells.join("  ")
            })
        }),
        _ if !json => out.to_owned(),
        [command, ..] => {
            let mut value: Value =
                serde_json::from_str(out).unwrap_or_else(|_| panic!("{args:?} prints one object: {out}"));
            let (list, row, name) = match *command {
                "sync" => ("links", "quarantine", "item"),
                "outbox" => ("outbox", "", "uid"),
                _ => return out.to_owned(),
            };
            for entry in value[list].as_array_mut().into_iter().flatten() {
                let rows = if row.is_empty() {
                    vec![entry]
                } else {
                    entry[row].as_array_mut().into_iter().flatten().collect()
                };
                for row in rows {
                    row.as_object_mut().unwrap().remove(name).expect(name);
                }
            }
            value.to_string()
        }
        [] => unreachable!("a command has a name"),
    }
}

/// All that was sent, head and body.
fn sent(requests: &[RecordedRequest]) -> String {
    let mut all = String::new();
    for request in requests {
        let headers: Vec<String> =
            request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let body = String::from_utf8_lossy(&request.body);
        all.push_str(&format!("{} {}\n{}\n\n{body}\n", request.method, request.path, headers.join("\n")));
    }
    all
}

/// PRIV-01: a canary in every place of a private event is in no byte that leaves for a busy-only link or feed, nor in what is
/// told of its runs, also when they fail.
#[test]
fn priv_01_no_byte_of_a_private_event_leaves_for_a_busy_only_link() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let handle = runtime.handle();
    let source = DavServer::start_on(handle, DavOptions::default()).unwrap();
    let dav = DavServer::start_on(handle, DavOptions::default()).unwrap();
    let google = GoogleServer::start_on(handle, GoogleOptions::default()).unwrap();
    let graph = GraphServer::start_on(handle, GraphOptions::default()).unwrap();
    let cozi = CoziServer::start_on(handle, CoziOptions::default()).unwrap();
    let day = SystemClock.now().date_naive() + Days::new(3);
    let mut version = 0;
    let mut put = |number: u32, text: &str| {
        let href = format!("canary-href-{number}.ics");
        version += 1;
        source.put("work", &href, text);
        source.set_etag("work", &href, &format!("\"canary-etag-{version}\""));
    };
    for number in 0..3 {
        put(number, &canary::object(&number.to_string(), "one", day, 8 + number));
    }
    put(3, &canary::series("3", "one", day, 12));
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("token"), "secret").unwrap();
    let caldav = |name: &str, url: String| {
        format!(
            "[connections.{name}]\nprovider = \"caldav\"\nurl = \"{url}\"\nusername = \"user\"\npassword = \"plain:secret\"\n"
        )
    };
    let by_token = |name: &str, provider: &str, url: String| {
        format!(
            "[connections.{name}]\nprovider = \"{provider}\"\nbase_url = \"{url}\"\ntoken = \"file:token\"\n"
        )
    };
    let link = |name: &str, remote: &str, direction: &str| {
        format!(
            "[[links]]\nname = \"{name}\"\ncalendar = \"private\"\nconnection = \"{name}\"\nremote = \"{remote}\"\n\
             direction = \"{direction}\"\n"
        )
    };
    let config = [
        "store = \"sqlite:calsync.db\"\n".to_owned(),
        caldav("source", source.url()),
        caldav("dav", dav.url()),
        by_token("google", "google", google.url()),
        by_token("graph", "microsoft", graph.url()),
        format!(
            "[connections.cozi]\nprovider = \"cozi\"\nusername = \"ann@example.com\"\nbase_url = \"{}\"\npassword = \"plain:secret\"\n\
             requests_per_minute = 60000\nunofficial_api = true\n",
            cozi.url()
        ),
        link("source", "Work", "import"),
        // Nothing is said of what they show: what somebody else's calendar brought is passed on busy-only.
        link("dav", "Work", "export"),
        link("google", "primary", "export"),
        link("graph", "Calendar", "export"),
        "[[links]]\nname = \"cozi\"\ncalendar = \"private\"\nconnection = \"cozi\"\ndirection = \"export\"\n"
            .to_owned(),
    ];
    fs::write(folder.join("calsync.toml"), config.concat()).unwrap();

    let mut told = String::new();
    let mut unnamed_told = String::new();
    let mut run = |args: &[&str]| {
        let (code, out, err) = calsync(folder, args);
        told.push_str(&format!("\n> {args:?}\n{out}{err}"));
        unnamed_told.push_str(&format!("\n> {args:?}\n{}{err}", unnamed(args, &out)));
        code
    };
    run(&["sync"]);
    // Edits that show, edits that do not, deletions, a write that fails, and a refusal with what was sent in it.
    put(0, &canary::object("0", "two", day, 8));
    put(1, &canary::object("1", "one", day, 15));
    put(3, &canary::series("3", "two", day, 13));
    source.delete("work", "canary-href-2.ics");
    dav.revoke_credentials();
    graph.set_token("another");
    cozi.change_password("another");
    cozi.end_tokens();
    assert_ne!(run(&["sync"]), 0);
    assert_ne!(run(&["sync", "--json"]), 0);
    dav.restore_credentials();
    graph.set_token("secret");
    cozi.change_password("secret");
    run(&["sync"]);
    // A server that says what it will not have, and one that says it with its own words for it.
    put(1, &canary::object("1", "one", day, 16));
    let refusal = canary::object("9", "refused", day, 9);
    for status in [400, 403, 500] {
        source.inject(Fault::status(status).header("x-reason", "canary").body(&refusal));
        run(&["sync", "--link", "source", "--json"]);
        source.clear_faults();
    }
    // Objects that cannot be read, each because of something that may not be told.
    let readable = canary::object("4", "broken", day, 9);
    for (number, (from, to)) in [
        ("DTSTART;", "DTSTART;VALUE=CANARY;"),
        ("00\r\nSEQUENCE", "00 canary\r\nSEQUENCE"),
        ("END:VEVENT", "END:CANARY"),
        ("UID:canary-4\r\n", ""),
    ]
    .into_iter()
    .enumerate()
    {
        put(4 + u32::try_from(number).unwrap(), &readable.replace(from, to));
    }
    run(&["sync"]);
    run(&["sync", "--json"]);
    for name in ["dav", "google", "graph", "cozi"] {
        run(&["clean", "--link", name, "--dry-run", "--json"]);
        run(&["sync", "--link", name, "--dry-run", "--json"]);
    }
    // A preview for a person names events by their titles, as `events` does; one for a program by their ids.
    for args in [
        &["log"][..],
        &["log", "--json"],
        &["history", "--json"],
        &["outbox"],
        &["outbox", "--json"],
        &["schedule"],
        &["schedule", "--json"],
        &["links", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["calendars", "--json"],
        &["free", "--calendars", "private", "--json"],
        &["explain", "no such event", "--json"],
    ] {
        run(args);
    }
    for (kind, more) in [("busy", &[][..]), ("details", &["--details"]), ("times", &["--free-busy"])] {
        let file = format!("{kind}.ics");
        run(&[&["publish", "--calendar", "private", "--out", &file], more].concat());
        let feed = fs::read_to_string(folder.join(&file)).unwrap();
        let shown = feed.matches("SUMMARY:Busy").count() + feed.matches("FREEBUSY;").count();
        assert!(shown > 0, "{feed}");
        canary::assert_none(kind, feed);
    }
    // Whoever runs the links is told by its name which item is left alone, and by its UID which write is stuck: it is settled by these.
    assert!(
        told.contains("/canary-href-5.ics is left alone") && told.contains("cozi  canary-3  create  wedged"),
        "{told}"
    );
    canary::assert_none("what was told beside that", unnamed_told);
    let copies = (
        dav.list("work").len(),
        google.events("primary").len(),
        graph.events(&graph.default_calendar()).len(),
    );
    assert_eq!(
        (copies, cozi.items().len()),
        ((5, 6, 5), 4),
        "the copies are there, but for a series Cozi cannot hold"
    );
    canary::assert_none("what CalDAV got", sent(&dav.requests()));
    canary::assert_none("what Google got", sent(&google.requests()));
    canary::assert_none("what Cozi got", sent(&cozi.requests()));
    let seen: Vec<String> = graph
        .requests()
        .into_iter()
        .map(|seen| format!("{} {}\n{:?}\n{}\n", seen.method, seen.path, seen.headers, seen.body))
        .collect();
    canary::assert_none("what Microsoft got", seen.concat());
    // And the check itself sees what it looks for.
    assert!(
        canary::found(&sent(&source.requests()).into_bytes()).is_some(),
        "the source is asked by its own names"
    );
}
