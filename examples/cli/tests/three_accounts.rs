//! Google, Microsoft and CalDAV through one calendar of the store, with the emulators: signed in to by `connect`.
//!
//! `cargo xtask test --only cli` starts a Radicale and names it in `CALSYNC_TEST_CALDAV`, as
//! `radicale=http://USER:PASSWORD@HOST:PORT/`: the same is then done with a server that was not written here.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use calsync_testkit::{
    dav::{DavOptions, DavServer},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};
use serde_json::{Value, json};

const OBJECT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:from-caldav\r\n\
    DTSTAMP:20260105T120000Z\r\nDTSTART:20260303T090000Z\r\nDTEND:20260303T100000Z\r\nSUMMARY:from caldav\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

/// A CalDAV account: its URL, user name, password, and the name of the calendar.
struct Home<'a>(&'a str, &'a str, &'a str, &'a str);

struct Lab {
    google: GoogleServer,
    graph: GraphServer,
    dav: DavServer,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Lab {
    fn new() -> Self {
        Self::with(None)
    }

    /// With another CalDAV server than the scripted one.
    fn with(home: Option<Home<'_>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let google = GoogleServer::start_on(runtime.handle(), GoogleOptions::default()).unwrap();
        let graph = GraphServer::start_on(runtime.handle(), GraphOptions::default()).unwrap();
        let dav = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (g, m, login) = (google.url(), graph.url(), format!("{}common/oauth2/v2.0/", graph.root()));
        let scripted = dav.url();
        let Home(url, user, password, work) = home.unwrap_or(Home(&scripted, "user", "secret", "Work"));
        let link = |name: &str, remote: &str| {
            format!(
                "[[links]]\nname = \"{name}\"\ncalendar = \"family\"\nconnection = \"{name}\"\nremote = \"{remote}\"\n"
            )
        };
        let config = format!(
            "store = \"sqlite:calsync.db\"\nvault_key = \"file:vault.key\"\n\
             [connections.google]\nprovider = \"google\"\nbase_url = \"{g}\"\n\
             [connections.google.oauth]\nclient_id = \"calsync\"\nauthorize_url = \"{g}o/oauth2/v2/auth\"\n\
             token_url = \"{g}token\"\nrevoke_url = \"{g}revoke\"\n\
             [connections.office]\nprovider = \"microsoft\"\nbase_url = \"{m}\"\n\
             [connections.office.oauth]\nclient_id = \"calsync\"\nauthorize_url = \"{login}authorize\"\n\
             token_url = \"{login}token\"\n\
             [connections.home]\nprovider = \"caldav\"\nurl = \"{url}\"\nusername = \"{user}\"\n\
             password = \"plain:{password}\"\n{}{}{}",
            link("google", "primary"),
            link("office", "Calendar"),
            link("home", work),
        );
        fs::write(folder.path().join("calsync.toml"), config).unwrap();
        Self { google, graph, dav, folder, _runtime: runtime }
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let output = command(self.folder.path(), args).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    }

    fn connect(&self, name: &str) {
        let mut child = command(self.folder.path(), &["connect", name, "--no-browser"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let url = lines.find(|line| line.starts_with("http://")).unwrap();
        let answer = get(&url);
        let back = answer.lines().find_map(|line| {
            line.to_ascii_lowercase().starts_with("location: ").then(|| line["location: ".len()..].to_owned())
        });
        assert!(get(&back.unwrap()).contains("Connected"));
        assert!(child.wait().unwrap().success());
    }

    /// Until nothing is left to do.
    fn converge(&self) {
        for _ in 0..3 {
            let (code, text) = self.run(&["sync"]);
            assert_eq!(code, 0, "{text}");
        }
    }

    /// What each of the three shows.
    fn titles(&self) -> [Vec<String>; 3] {
        let of = |events: Vec<Value>, name: &str| {
            events.iter().map(|event| event[name].as_str().unwrap_or_default().to_owned()).collect()
        };
        let graph = self.graph.events(&self.graph.default_calendar());
        let texts = self.dav.list("work").into_iter().map(|(_, _, body)| body);
        let summary = |text: String| {
            let line = text.lines().find_map(|line| line.strip_prefix("SUMMARY:").map(str::to_owned));
            line.unwrap_or_default()
        };
        let mut all = [
            of(self.google.events("primary"), "summary"),
            of(graph.into_iter().map(|stored| stored.event).collect(), "subject"),
            texts.map(summary).collect(),
        ];
        all.iter_mut().for_each(|titles: &mut Vec<String>| titles.sort());
        all
    }

    fn agree(&self, titles: &[&str]) {
        for shown in self.titles() {
            assert_eq!(shown, titles);
        }
    }

    /// A run that finds nothing: it reads from each and writes to none.
    fn is_quiet(&self) {
        self.google.clear_requests();
        self.graph.clear_requests();
        let before = self.dav.requests().len();
        let (code, text) = self.run(&["sync"]);
        assert_eq!(code, 0, "{text}");
        let google: Vec<String> = self.google.requests().into_iter().map(|request| request.method).collect();
        let graph: Vec<String> = self.graph.requests().into_iter().map(|request| request.method).collect();
        assert_eq!((google, graph), (vec!["GET".to_owned()], vec!["GET".to_owned()]));
        let dav = self.dav.requests().split_off(before);
        assert!(dav.iter().all(|request| !matches!(request.method.as_str(), "PUT" | "DELETE")), "{dav:?}");
        assert_eq!((self.google.mails(), self.graph.mails()), (0, 0));
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.current_dir(folder).args(args);
    command
}

fn get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn three_accounts_are_kept_in_step_and_a_revoked_one_stops_alone() {
    let lab = Lab::new();
    lab.connect("google");
    lab.connect("office");

    let google = json!({
        "id": "fromgoogle", "summary": "from google",
        "start": {"dateTime": "2026-03-02T09:00:00Z", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-02T10:00:00Z", "timeZone": "UTC"},
        // Somebody who would be mailed if anything of it were.
        "attendees": [{"email": "guest@example.com"}],
    });
    lab.google.put("primary", google);
    let graph = json!({
        "subject": "from graph", "start": {"dateTime": "2026-03-04T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-04T10:00:00", "timeZone": "UTC"},
    });
    let graph = lab.graph.add(&lab.graph.default_calendar(), &graph).unwrap();
    lab.dav.put("work", "from-caldav.ics", OBJECT);
    lab.converge();
    lab.agree(&["from caldav", "from google", "from graph"]);
    lab.is_quiet();

    // An edit on each of the three, of what came from another one where that can be told.
    lab.google.edit("primary", "fromgoogle", |event| {
        event.insert("summary".into(), "google edited".into());
    });
    assert!(lab.graph.change(&graph, &json!({"subject": "graph edited"})));
    lab.dav.put("work", "from-caldav.ics", &OBJECT.replace("from caldav", "caldav edited"));
    lab.converge();
    lab.agree(&["caldav edited", "google edited", "graph edited"]);
    lab.is_quiet();

    // The person takes Google's access away: the others go on, nothing is lost, and it says what to do.
    lab.google.oauth(|oauth| oauth.revoke_all());
    lab.dav.put("work", "late.ics", &OBJECT.replace("from-caldav", "late").replace("from caldav", "late"));
    let (code, text) = lab.run(&["sync"]);
    assert!(code == 3 && text.contains("run `calsync connect google`"), "{text}");
    let (_, _) = (lab.run(&["sync"]), lab.run(&["sync"]));
    let [google, graph, dav] = lab.titles();
    assert_eq!((google.len(), graph.len(), dav.len()), (3, 4, 4));
    // Another person is not let in in her place.
    lab.google.oauth(|oauth| oauth.set_person("bob@example.com"));
    let mut child = command(lab.folder.path(), &["connect", "google", "--no-browser"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let answer = get(&lines.find(|line| line.starts_with("http://")).unwrap());
    let back = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("location: ")).unwrap();
    assert!(get(&back["location: ".len()..]).contains("Not connected"));
    assert_eq!(child.wait().unwrap().code(), Some(3));
    lab.google.oauth(|oauth| oauth.set_person("ann@example.com"));
    lab.connect("google");
    lab.converge();
    lab.agree(&["caldav edited", "google edited", "graph edited", "late"]);
    lab.is_quiet();
}

/// The key tokens are sealed with is replaced: with both keys everything is brought under the new one, and the old one is
/// forgotten.
#[test]
fn the_vault_key_is_replaced() {
    let lab = Lab::new();
    lab.connect("google");
    lab.connect("office");
    assert_eq!(lab.run(&["sync"]).0, 0);
    let file = lab.folder.path().join("calsync.toml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(lab.folder.path().join("new.key"), "bmV3IGtleSwgbmV3IGtleSwgbmV3IGtleSwgbmV3ISE=").unwrap();
    let new = before
        .replace("vault_key = \"file:vault.key\"", "vault_key = \"file:new.key\"\nvault_key_id = \"2\"");
    // Without the old key, nothing opens.
    fs::write(&file, &new).unwrap();
    assert_ne!(lab.run(&["vault", "rewrap"]).0, 0);
    assert_ne!(lab.run(&["sync", "google"]).0, 0);
    fs::write(&file, format!("{new}[vault_keys_earlier]\ncalsync = \"file:vault.key\"\n")).unwrap();
    assert_eq!(lab.run(&["sync"]).0, 0);
    let (code, text) = lab.run(&["vault", "rewrap"]);
    assert!(code == 0 && text.contains("were brought under the key 2"), "{text}");
    assert!(!text.starts_with("0 "), "{text}");
    fs::write(&file, &new).unwrap();
    fs::remove_file(lab.folder.path().join("vault.key")).unwrap();
    assert_eq!(lab.run(&["sync"]).0, 0);
    assert!(lab.run(&["vault", "rewrap"]).1.starts_with("0 "), "nothing is left to do");
}

/// A way to a server on which every request is noted.
struct Way {
    host: String,
    /// What clients sent, of all connections.
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Way {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (host, sent) = (listener.local_addr().unwrap().to_string(), Arc::new(Mutex::new(Vec::new())));
        let (server, noted) = (server.to_owned(), sent.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let noted = noted.clone();
                thread::spawn(move || {
                    let mut buffer = [0; 8192];
                    while let Some(read) = from.read(&mut buffer).ok().filter(|read| *read > 0) {
                        noted.lock().unwrap().extend_from_slice(&buffer[..read]);
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                });
                let (mut from, mut to) = (server, client);
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        });
        Self { host, sent }
    }

    /// The methods of the requests since it was asked last.
    fn methods(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let text = String::from_utf8_lossy(&sent).into_owned();
        let lines = text.split("\r\n").filter_map(|line| line.strip_suffix(" HTTP/1.1"));
        // A body may end where the next request begins.
        let method = |line: &str| {
            let word = line.rsplit(' ').nth(1).unwrap_or_default();
            word.chars()
                .rev()
                .take_while(char::is_ascii_uppercase)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect()
        };
        lines.map(method).collect()
    }
}

/// Another client of a CalDAV server.
struct Hand {
    host: String,
    user: String,
    password: String,
}

impl Hand {
    /// The exchange of one request with the calendar, or an item in it.
    fn ask(&self, method: &str, name: &str, body: &str) -> String {
        use base64::Engine as _;
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let login = base64::prelude::BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
        write!(
            stream,
            "{method} /{}/work/{name} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\
             Content-Type: text/calendar; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
            self.user,
            self.host,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.0 2"), "{answer}");
        answer
    }

    /// The lines of the calendar that begin so, in order.
    fn lines(&self, beginning: &str) -> Vec<String> {
        let all = self.ask("GET", "", "");
        let found = all.lines().filter_map(|line| line.trim_end().strip_prefix(beginning));
        let mut found: Vec<String> = found.map(ToOwned::to_owned).collect();
        found.sort();
        found
    }
}

/// A weekly series from CalDAV goes to Google and Graph; instances are edited on each of the three.
#[test]
fn three_accounts_with_a_server_of_others() {
    let Ok(named) = std::env::var("CALSYNC_TEST_CALDAV") else { return };
    let url = url::Url::parse(named.split_once('=').unwrap().1).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let (user, password) = (url.username().to_owned(), url.password().unwrap().to_owned());
    let way = Way::to(&host);
    let lab = Lab::with(Some(Home(&format!("http://{}/", way.host), &user, &password, "Work")));
    // The second run is silent at all three.
    let is_quiet = || {
        assert!(way.methods().len() > 1, "what came before was noted");
        lab.is_quiet();
        assert_eq!(way.methods(), ["REPORT"], "requests to the CalDAV server");
    };
    let hand = Hand { host, user, password };
    lab.connect("google");
    lab.connect("office");
    let before = hand.lines("UID:").len();
    assert_eq!(before, 0, "the calendar is empty");

    let series = OBJECT
        .replace("SUMMARY:from caldav", "RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:from caldav")
        .replace("from-caldav", "series");
    hand.ask("PUT", "series.ics", &series);
    hand.ask("PUT", "single.ics", &OBJECT.replace("from caldav", "single"));
    lab.google.put(
        "primary",
        json!({
            "id": "fromgoogle", "summary": "from google", "start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"},
            "attendees": [{"email": "guest@example.com"}],
        }),
    );
    let graph = json!({
        "subject": "from graph", "start": {"dateTime": "2026-03-04T09:00:00", "timeZone": "W. Europe Standard Time"},
        "end": {"dateTime": "2026-03-04T10:00:00", "timeZone": "W. Europe Standard Time"},
    });
    let graph = lab.graph.add(&lab.graph.default_calendar(), &graph).unwrap();
    lab.converge();
    let agree = |titles: &[&str]| {
        let [google, office, _] = lab.titles();
        assert_eq!((google, office), (to_texts(titles), to_texts(titles)));
        assert_eq!(hand.lines("SUMMARY:"), titles);
    };
    agree(&["from caldav", "from google", "from graph", "single"]);
    is_quiet();

    // An edit on each of the three: of what came from there, of a series, of what came from elsewhere.
    let found = lab.google.events("primary");
    let at_google = found.iter().find(|event| event["summary"] == "from caldav").unwrap()["id"].clone();
    let instance = format!("{}_20260304T090000Z", at_google.as_str().unwrap());
    lab.google.delete("primary", &instance);
    assert!(lab.graph.change(&graph, &json!({"subject": "graph edited"})));
    let stored = lab.graph.events(&lab.graph.default_calendar());
    let at_graph = stored.iter().find(|stored| stored.event["subject"] == "from google").unwrap();
    assert!(lab.graph.change(&at_graph.id, &json!({"subject": "edited in Outlook"})));
    hand.ask("PUT", "single.ics", &OBJECT.replace("from caldav", "caldav edited"));
    lab.converge();
    agree(&["caldav edited", "edited in Outlook", "from caldav", "graph edited"]);
    assert_eq!(hand.lines("EXDATE"), [":20260304T090000Z"]);
    let stored = lab.graph.events(&lab.graph.default_calendar());
    let series = stored.iter().find(|stored| stored.event["subject"] == "from caldav").unwrap();
    let days = lab.graph.instants(
        &series.id,
        "2026-03-01T00:00:00Z".parse().unwrap(),
        "2026-04-01T00:00:00Z".parse().unwrap(),
    );
    assert_eq!(days.len(), 4, "the instance is cancelled there, too");
    is_quiet();

    // A deletion goes everywhere.
    hand.ask("DELETE", "single.ics", "");
    lab.google.delete("primary", "fromgoogle");
    lab.converge();
    agree(&["from caldav", "graph edited"]);
    is_quiet();
}

fn to_texts(titles: &[&str]) -> Vec<String> {
    titles.iter().map(ToString::to_string).collect()
}
