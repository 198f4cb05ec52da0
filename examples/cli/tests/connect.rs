//! `calsync connect`, `disconnect` and `emulate`: from the configuration an emulator prints to a calendar in step.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
        command.current_dir(folder).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("BROWSER");
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// What it prints up to a line that starts so.
    fn until(&mut self, start: &str) -> String {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it ended after {text:?}");
            text.push_str(&line);
            if line.starts_with(start) {
                return text;
            }
        }
    }

    fn finish(mut self) -> (i32, String) {
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code().unwrap(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_calsync")).current_dir(folder).args(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// What a browser gets for an address.
fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn location(answer: &str) -> String {
    let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("location: "));
    line.unwrap_or_else(|| panic!("no redirect in {answer}"))["location: ".len()..].to_owned()
}

/// An emulator, and a folder with the configuration it printed.
fn emulated(kind: &str) -> (Running, tempfile::TempDir, String) {
    let temp = tempfile::tempdir().unwrap();
    let mut emulator = Running::start(temp.path(), &["emulate", kind], &[]);
    let last = if kind == "ics" { "connection =" } else { "remote =" };
    let config = emulator.until(last);
    fs::write(temp.path().join("calsync.toml"), &config).unwrap();
    (emulator, temp, config)
}

/// The person opens the address that was printed; two strangers call first.
fn consent(connecting: &mut Running) -> String {
    let printed = connecting.until("http://");
    let url = printed.lines().last().unwrap().to_owned();
    assert!(url.contains("code_challenge_method=S256"), "{url}");
    let back = location(&get(&url));
    let (root, _) = back.split_once('?').unwrap();
    assert!(get(&format!("{root}favicon.ico")).starts_with("HTTP/1.1 404"));
    assert!(get(&format!("{root}?code=made-up&state=made-up")).starts_with("HTTP/1.1 400"));
    let page = get(&back);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Connected"), "{page}");
    back
}

#[test]
fn an_account_is_connected_synced_and_disconnected() {
    for (kind, told) in [("google", "the provider was told"), ("microsoft", "\"provider_told\":false")] {
        let (_emulator, temp, _) = emulated(kind);
        let folder = temp.path();
        let (code, text) = run(folder, &["connect", "other"]);
        assert!(code == 1 && text.contains("no connection is called \"other\""), "{text}");
        let (code, text) = run(folder, &["sync"]);
        assert!(code == 1 && text.contains("vault_key") && text.contains("calsync connect"), "{text}");

        let mut connecting = Running::start(folder, &["connect", kind, "--no-browser"], &[]);
        let back = consent(&mut connecting);
        let (code, text) = connecting.finish();
        assert!(code == 0 && text.contains(&format!("connected {kind} as ann@example.com")), "{text}");
        let mode = fs::metadata(folder.join("vault.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let (code, text) = run(folder, &["sync"]);
        assert!(code == 0 && text.contains("in step"), "{text}");
        // Nothing of the tokens, the code or the state can be read in the store.
        let (_, secrets) = back.split_once('?').unwrap();
        for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            for secret in ["access-", "refresh-"].into_iter().chain(secrets.split(['&', '='])) {
                let harmless = secret == "state" || secret == "code";
                assert!(harmless || !text.contains(secret), "{secret} in {}", file.display());
            }
        }

        // The same in JSON, of an account that is connected once more.
        let mut connecting = Running::start(folder, &["connect", kind, "--no-browser", "--json"], &[]);
        let opened: serde_json::Value = serde_json::from_str(&connecting.until("{")).unwrap();
        consent_to(opened["open"].as_str().unwrap());
        let (code, text) = connecting.finish();
        let connected: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(code == 0 && connected["account"] == "ann@example.com", "{text}");
        let (code, text) = if kind == "google" {
            run(folder, &["disconnect", kind])
        } else {
            run(folder, &["disconnect", kind, "--json"])
        };
        assert!(code == 0 && text.contains(told), "{text}");
        let (code, text) = run(folder, &["disconnect", kind]);
        assert!(code == 1 && text.contains("is not connected"), "{text}");
        let (code, text) = run(folder, &["sync"]);
        assert!(code == 3 && text.contains(&format!("run `calsync connect {kind}`")), "{text}");
    }
}

/// A key that is lost does not lock anybody out: what it sealed can be forgotten.
#[test]
fn another_vault_key_is_told_and_can_be_gone_on_with() {
    let (_emulator, temp, _) = emulated("google");
    let folder = temp.path();
    let connect = || {
        let mut connecting = Running::start(folder, &["connect", "google", "--no-browser"], &[]);
        consent(&mut connecting);
        assert_eq!(connecting.finish().0, 0);
    };
    connect();
    fs::remove_file(folder.join("vault.key")).unwrap();
    let (code, text) = run(folder, &["connect", "google", "--no-browser"]);
    assert!(code == 1 && text.contains("run `calsync disconnect google`"), "{text}");
    let (code, text) = run(folder, &["disconnect", "google"]);
    assert!(code == 1 && text.contains("google is forgotten here"), "{text}");
    connect();
    let (code, text) = run(folder, &["sync"]);
    assert_eq!(code, 0, "{text}");
}

/// A sign-in that ends in two days: a worker says so in time, and whoever asks is told when.
#[test]
fn a_sign_in_that_ends_soon_is_told_by_the_worker_before_it_ends() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut emulator = Running::start(folder, &["emulate", "google", "--oauth", "grant=172800"], &[]);
    fs::write(folder.join("calsync.toml"), emulator.until("remote =")).unwrap();
    let mut connecting = Running::start(folder, &["connect", "google", "--no-browser"], &[]);
    consent(&mut connecting);
    assert_eq!(connecting.finish().0, 0);

    let mut worker = Running::start(folder, &["worker", "--json"], &[]);
    let alert = worker.until(r#"{"event":"alert""#);
    let alert: serde_json::Value = serde_json::from_str(alert.lines().last().unwrap()).unwrap();
    assert_eq!((&alert["kind"], &alert["link"]), (&"credentials-end".into(), &"google".into()));
    drop(worker);
    let (code, text) = run(folder, &["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let end = found["connections"][0]["credentials_end"].as_str().unwrap();
    assert!(code == 0 && alert["text"].as_str().unwrap().contains(&end[..10]), "{alert} {text}");
    let (_, text) = run(folder, &["doctor"]);
    assert!(text.contains("sign-in until ") && text.contains(end), "{text}");
    let (code, text) = run(folder, &["connections", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let google = &found["connections"][0];
    assert_eq!(
        (code, &google["status"], &google["credentials_end"]),
        (0, &"waiting".into(), &end.into()),
        "{text}"
    );
    assert!(google["since"].is_string() && google["reason"].is_null(), "{text}");
}

#[test]
fn a_browser_is_opened_when_there_is_one() {
    let (_emulator, temp, _) = emulated("google");
    let folder = temp.path();
    let browser = folder.join("browser");
    fs::write(&browser, "#!/bin/sh\nprintf '%s' \"$1\" > opened.part && mv opened.part opened\n").unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o700)).unwrap();
    let mut connecting =
        Running::start(folder, &["connect", "google"], &[("BROWSER", browser.to_str().unwrap())]);
    let printed = connecting.until("http://");
    consent_to(printed.lines().last().unwrap());
    let (code, text) = connecting.finish();
    assert!(code == 0 && !text.contains("no browser"), "{text}");
    // It was started before anybody came back, and ends by itself.
    let opened = (0..1_000_000).find_map(|_| fs::read_to_string(folder.join("opened")).ok());
    assert_eq!(opened.as_deref(), printed.lines().last());

    let mut connecting = Running::start(folder, &["connect", "google"], &[]);
    let printed = connecting.until("http://");
    consent_to(printed.lines().last().unwrap());
    let (code, text) = connecting.finish();
    assert!(code == 0 && text.contains("no browser could be opened"), "{text}");
}

fn consent_to(url: &str) {
    assert!(get(&location(&get(url))).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_code_is_typed_on_another_device() {
    let (_emulator, temp, _) = emulated("microsoft");
    let (code, text) = run(temp.path(), &["connect", "microsoft", "--device"]);
    assert!(code == 0 && text.contains("ABCD-EFGH") && text.contains("connected microsoft"), "{text}");
    // Where the code is typed is at the emulator, like everything else.
    let page = text.split_whitespace().find(|word| word.starts_with("http")).unwrap();
    assert!(page.starts_with("http://127.0.0.1:") && get(page).starts_with("HTTP/1.1 200"), "{page}");
    let (code, text) = run(temp.path(), &["sync"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn the_printed_configurations_of_servers_without_sign_in_work_at_once() {
    for kind in ["caldav", "ics"] {
        let (_emulator, temp, _) = emulated(kind);
        let (code, text) = run(temp.path(), &["sync"]);
        assert!(code == 0 && text.contains("in step"), "{text}");
        let (code, text) = run(temp.path(), &["events", "--calendar", "family"]);
        assert!(code == 0 && (kind == "caldav" || text.contains("Breakfast")), "{text}");
    }
}

#[test]
fn a_configuration_that_cannot_work_says_what_to_write() {
    let temp = tempfile::tempdir().unwrap();
    let google = "[connections.a]\nprovider = \"google\"\n";
    let oauth = "[connections.a.oauth]\nclient_id = \"x\"\n";
    for (config, said) in [
        (format!("store = \"sqlite:a.db\"\n{google}"), "[connections.a.oauth]"),
        (format!("store = \"sqlite:a.db\"\n{google}{oauth}"), "`vault_key` is missing"),
        (
            format!("store = \"sqlite:a.db\"\nvault_key = \"file:k\"\n{google}token = \"env:T\"\n{oauth}"),
            "both `token` and `oauth`",
        ),
        (
            format!("store = \"sqlite:a.db\"\nvault_key = \"plain\"\n{google}{oauth}"),
            "vault_key: write env:NAME or file:PATH",
        ),
        (
            format!("store = \"sqlite:a.db\"\nvault_key = \"env:NO_SUCH\"\n{google}{oauth}"),
            "NO_SUCH is not set",
        ),
        (
            format!("store = \"sqlite:a.db\"\nvault_key = \"file:short\"\n{google}{oauth}"),
            "`openssl rand -base64 32` makes one",
        ),
    ] {
        fs::write(temp.path().join("short"), "c2hvcnQ=").unwrap();
        fs::write(temp.path().join("calsync.toml"), config).unwrap();
        let (code, text) = run(temp.path(), &["connect", "a", "--no-browser"]);
        assert!(code == 1 && text.contains(said), "{said}: {text}");
    }
}

#[test]
fn an_emulator_is_told_from_the_command_line_what_goes_wrong() {
    let temp = tempfile::tempdir().unwrap();
    for (kind, known) in [
        ("google", "quirk batch_reversed"),
        ("microsoft", "do lifecycle=missed"),
        ("caldav", "quirk product=radicale"),
        ("cozi", "quirk no_cookie"),
    ] {
        let (code, text) = run(temp.path(), &["emulate", kind, "--list-faults"]);
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == 0 && squeezed.contains(known) && squeezed.contains("fault drop-after"), "{text}");
        let (code, text) = run(temp.path(), &["emulate", kind, "--list-faults", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
        let all = listed["switches"].as_array().unwrap().clone();
        assert!(code == 0 && all.len() > 20 && all.iter().all(|switch| switch["does"].is_string()), "{text}");
    }
    for (args, said) in [
        (["google", "--quirk", "sleeps"], "page_max"),
        (["microsoft", "--fault", "teapot"], "no part of a fault"),
        (["google", "--oauth", "consent=maybe"], "consent=deny"),
        (["caldav", "--quirk", "page_max=2"], "product=NAME"),
        (["cozi", "--fault", "status=403 code=x"], "no codes"),
        (["ics", "--quirk", "page_max=2"], "a feed has no switches"),
    ] {
        let (code, text) = run(temp.path(), &[&["emulate"], &args[..]].concat());
        assert!(code == 1 && text.contains(said), "{args:?}: {text}");
    }

    // A person who says no, a service that fails once, and one whose pages are small.
    let args = [
        "emulate",
        "google",
        "--oauth",
        "consent=deny",
        "--fault",
        "status=503 path=calendarList times=2",
        "--quirk",
        "page_max=1",
    ];
    let mut emulator = Running::start(temp.path(), &args, &[]);
    let config = emulator.until("remote =");
    fs::write(temp.path().join("calsync.toml"), &config).unwrap();
    let mut connecting = Running::start(temp.path(), &["connect", "google", "--no-browser"], &[]);
    let printed = connecting.until("http://");
    assert!(get(&location(&get(printed.lines().last().unwrap()))).starts_with("HTTP/1.1 400"));
    let (code, text) = connecting.finish();
    assert!(code == 3 && text.contains("did not allow it"), "{text}");

    // The rest is said while it runs.
    let root =
        config.lines().find_map(|line| line.strip_prefix("base_url = \"")).unwrap().trim_end_matches('"');
    assert!(post(&format!("{root}emulator"), "oauth consent=allow").starts_with("HTTP/1.1 204"));
    let mut connecting = Running::start(temp.path(), &["connect", "google", "--no-browser"], &[]);
    consent(&mut connecting);
    assert_eq!(connecting.finish().0, 0);
    let (code, text) = run(temp.path(), &["calendars"]);
    assert!(code == 1 && text.contains("503"), "{text}");
    assert!(post(&format!("{root}emulator"), "do clear-faults").starts_with("HTTP/1.1 204"));
    assert_eq!(run(temp.path(), &["calendars"]).0, 0);
    assert!(post(&format!("{root}emulator"), "do revoke-all").starts_with("HTTP/1.1 204"));
    let (code, text) = run(temp.path(), &["sync"]);
    assert!(code == 3 && text.contains("access was revoked"), "{text}");
}

fn post(url: &str, body: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
