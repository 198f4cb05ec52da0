//! `[webhooks]`: the emulators call a worker, and what links are run by with and without it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

struct Running(Child, BufReader<ChildStdout>);

impl Running {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
        command.current_dir(folder).args(args).stdout(Stdio::piped());
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("BROWSER");
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.1.read_line(&mut line).unwrap() > 0, "it ended");
        line
    }

    fn until(&mut self, start: &str) -> String {
        let mut text = String::new();
        loop {
            let line = self.line();
            text.push_str(&line);
            if line.starts_with(start) {
                return text;
            }
        }
    }

    /// Of a worker: the next end of a task.
    fn ended(&mut self, task: &str) -> Value {
        loop {
            let event: Value = serde_json::from_str(&self.line()).unwrap();
            if event["task"] == task && (event["event"] == "done" || event["event"] == "failed") {
                return event;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn http(method: &str, url: &str, body: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer secret\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn location(answer: &str) -> String {
    let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("location: "));
    line.unwrap_or_else(|| panic!("no redirect in {answer}"))["location: ".len()..].to_owned()
}

fn cadence(folder: &Path) -> Value {
    let json: Value = serde_json::from_str(&run(folder, &["schedule", "--json"])).unwrap();
    json["links"][0]["cadence"].clone()
}

/// An emulator, a worker with an address, and a person who writes into the calendar there: the call brings it in, long before
/// the link would be looked at.
fn called(kind: &str, every: &str, path: &str, event: &Value, expected: &str) {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut emulator = Running::start(folder, &["emulate", kind]);
    let printed = emulator.until("remote =");
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hooks = format!(
        "{every}\n[webhooks]\naddress = \"http://{listen}\"\nlisten = \"{listen}\"\nkey = \"file:webhooks.key\"\n"
    );
    fs::write(folder.join("webhooks.key"), "0123456789abcdef").unwrap();
    fs::write(folder.join("calsync.toml"), format!("{printed}{hooks}")).unwrap();
    let mut connecting = Running::start(folder, &["connect", kind, "--no-browser"]);
    let page = connecting.until("http://");
    http("GET", &location(&http("GET", page.lines().last().unwrap(), "")), "");
    connecting.until("connected");

    let mut worker = Running::start(folder, &["worker", "--json"]);
    let (sync, renew) = (format!("sync:{kind}"), format!("renew:{kind}"));
    assert_eq!(worker.ended(&renew)["event"], "done", "{kind}: the channel is open");
    // The first run, and the one for what changed before the channel was there.
    let mut runs = 0;
    while runs < 2 {
        runs += u32::from(worker.ended(&sync)["event"] == "done");
        if cadence(folder) == expected && runs == 1 {
            // The channel was open before the first run had ended.
            break;
        }
    }
    let root =
        printed.lines().find_map(|line| line.strip_prefix("base_url = \"")).unwrap().trim_end_matches('"');
    let answer = http("POST", &format!("{root}{path}"), &event.to_string());
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    let came = loop {
        let ended = worker.ended(&sync);
        if ended["counts"]["created"] == 1 {
            break ended;
        }
    };
    assert_eq!(came["event"], "done");
    assert_eq!(cadence(folder), expected, "{kind}");
    assert!(run(folder, &["events", "--calendar", "family"]).contains("called"));
}

#[test]
fn con_09_google_calls_the_worker_and_what_somebody_wrote_as_every_stays() {
    let event = json!({"summary": "called", "start": {"date": "2026-12-01"}, "end": {"date": "2026-12-02"}});
    called("google", "every = \"1h\"", "calendar/v3/calendars/primary/events", &event, "every 1h");
}

#[test]
fn con_09_microsoft_calls_the_worker() {
    let at = |hour: u32| json!({"dateTime": format!("2026-12-01T{hour:02}:00:00"), "timeZone": "UTC"});
    let event = json!({"subject": "called", "start": at(9), "end": at(10)});
    called("microsoft", "", "me/events", &event, "every 15m");
}

/// What calls had proven is no reason to look every six hours once nobody calls any more.
#[test]
fn con_09_without_webhooks_a_link_is_looked_at_as_often_as_before() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("token"), "x").unwrap();
    fs::write(folder.join("webhooks.key"), "0123456789abcdef").unwrap();
    let config = |rest: &str| {
        let text = format!(
            "store = \"sqlite:calsync.db\"\n[connections.g]\nprovider = \"google\"\ntoken = \"file:token\"\n\
             base_url = \"http://127.0.0.1:9/\"\n\
             [[links]]\nname = \"g\"\ncalendar = \"family\"\nconnection = \"g\"\nremote = \"primary\"\n{rest}"
        );
        fs::write(folder.join("calsync.toml"), text).unwrap();
    };
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hooks = format!(
        "[webhooks]\naddress = \"http://{listen}\"\nlisten = \"{listen}\"\nkey = \"file:webhooks.key\"\n"
    );
    config("every = \"6h\"\n");
    run(folder, &["schedule", "run", "g"]);
    for (rest, expected) in [(hooks.as_str(), "every 6h"), ("", "every 15m")] {
        config(rest);
        let mut worker = Running::start(folder, &["worker", "--json"]);
        run(folder, &["schedule", "run", "g"]);
        worker.ended("sync:g");
        drop(worker);
        assert_eq!(cadence(folder), expected, "{rest}");
    }
}

#[test]
fn a_key_that_can_be_guessed_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let config = "store = \"sqlite:calsync.db\"\n[connections.f]\nprovider = \"ics\"\nurl = \"f.ics\"\n\
                  [[links]]\nname = \"f\"\ncalendar = \"c\"\nconnection = \"f\"\n\
                  [webhooks]\naddress = \"http://127.0.0.1:1\"\nlisten = \"127.0.0.1:0\"\nkey = \"file:webhooks.key\"\n";
    fs::write(folder.join("calsync.toml"), config).unwrap();
    for weak in ["", "short", "0000000000000000000000"] {
        fs::write(folder.join("webhooks.key"), weak).unwrap();
        let text = run(folder, &["worker"]);
        assert!(text.contains("webhooks.key: ") && text.contains("openssl rand -base64 32"), "{text}");
    }
}
