//! `calsync links`, `clean`, `unlink` and `run`, as somebody runs them: added, renamed, paused, taken out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use calsync_testkit::dav::{DavOptions, DavServer};
use serde_json::Value;

fn calsync(folder: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    let output = command.current_dir(folder).args(args).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

fn ok(folder: &Path, args: &[&str]) -> String {
    let (code, text) = calsync(folder, args);
    assert_eq!(code, 0, "calsync {args:?}: {text}");
    text
}

/// What it prints for a program, whatever it tells a person beside.
fn ok_out(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    let output = command.current_dir(folder).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "calsync {args:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn write_feed(folder: &Path, titles: &[&str]) {
    let events: String = titles
        .iter()
        .map(|title| {
            format!(
                "BEGIN:VEVENT\r\nUID:{title}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\n\
                 DTEND:20260105T100000Z\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n"
            )
        })
        .collect();
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{events}END:VCALENDAR\r\n");
    fs::write(folder.join("feed.ics"), text).unwrap();
}

/// A feed on one side, a CalDAV server on the other; the configuration has connections and no links.
fn place(server: &DavServer) -> (tempfile::TempDir, String) {
    let temp = tempfile::tempdir().unwrap();
    let config = format!(
        "# ours\nstore = \"sqlite:calsync.db\"\n\n[connections.feed]\nprovider = \"ics\"\nurl = \"feed.ics\" # theirs\n\n\
         [connections.home]\nprovider = \"caldav\"\nurl = \"{}\"\nusername = \"user\"\npassword = \"plain:secret\"\n",
        server.url()
    );
    fs::write(temp.path().join("calsync.toml"), &config).unwrap();
    fs::set_permissions(temp.path().join("calsync.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    write_feed(temp.path(), &["one", "two", "three"]);
    (temp, config)
}

/// A server with the runtime it lives in, which ends after it.
struct Home {
    dav: DavServer,
    _runtime: tokio::runtime::Runtime,
}

impl std::ops::Deref for Home {
    type Target = DavServer;

    fn deref(&self) -> &DavServer {
        &self.dav
    }
}

fn server() -> Home {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dav = DavServer::start_on(runtime.handle(), DavOptions::default()).unwrap();
    Home { dav, _runtime: runtime }
}

fn add_both(folder: &Path) {
    ok(folder, &["links", "add", "in", "--calendar", "family", "--connection", "feed"]);
    let out = ["links", "add", "out", "--calendar", "family", "--connection", "home", "--remote", "Work"];
    ok(folder, &[&out[..], &["--direction", "export"]].concat());
}

fn items(server: &DavServer) -> usize {
    server.list("work").len()
}

#[test]
fn links_come_into_the_configuration_and_leave_it_as_it_was() {
    let server = server();
    let (temp, config) = place(&server);
    let folder = temp.path();
    let file = folder.join("calsync.toml");
    add_both(folder);
    let links: Value = serde_json::from_str(&ok(folder, &["links", "--json"])).unwrap();
    assert_eq!(links["links"][1]["direction"], "export");
    let salts: Vec<String> = {
        let written: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
        let links = written["links"].as_array().unwrap().iter();
        links.filter_map(|link| Some(link.get("copies")?["uid_salt"].as_str()?.to_owned())).collect()
    };
    assert!(matches!(&salts[..], [salt] if salt.len() == 32), "one that exports has one: {salts:?}");
    for (wrong, told) in [
        (["links", "add", "in", "--calendar", "x", "--connection", "feed"], "a name of its own"),
        (["links", "add", "x", "--calendar", "x", "--connection", "nobody"], "[connections.nobody]"),
        (["links", "add", "x", "--calendar", "x", "--connection", "home"], "`remote` is missing"),
    ] {
        let (code, text) = calsync(folder, &wrong);
        assert!(code == 1 && text.contains(told), "{wrong:?}: {text}");
    }
    ok(folder, &["sync"]);
    assert_eq!(items(&server), 3);
    let (code, text) = calsync(folder, &["links", "rm", "out"]);
    assert!(code == 1 && text.contains("--keep") && text.contains("--remove"), "{text}");
    ok(folder, &["links", "rm", "in", "--keep"]);
    assert!(ok(folder, &["links", "rm", "out", "--keep"]).contains("forgotten"));
    assert_eq!(items(&server), 3, "what was written stays");
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), config.trim_end());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it may hold passwords");
}

/// What a link wrote goes with it, and what people made stays; also when the store is lost.
#[test]
fn what_a_link_wrote_is_removed_also_when_the_store_is_lost() {
    let server = server();
    let (temp, _) = place(&server);
    let folder = temp.path();
    add_both(folder);
    ok(folder, &["sync"]);
    server.put("work", "theirs.ics", &event("theirs"));
    fs::remove_file(folder.join("calsync.db")).unwrap();
    let (code, text) = calsync(folder, &["clean", "--link", "out"]);
    let held: Value =
        serde_json::from_str(&calsync(folder, &["clean", "--link", "out", "--json"]).1).unwrap();
    assert!(code == 2 && text.contains("--approve"), "many deletions wait for a person: {text}");
    assert_eq!((held["deletions"].as_u64(), items(&server)), (Some(3), 4));
    let plan = held["plan_id"].as_str().unwrap();
    ok(folder, &["clean", "--link", "out", "--approve", plan]);
    assert_eq!(items(&server), 1);

    // And with the link itself.
    ok(folder, &["sync"]);
    assert_eq!(items(&server), 4);
    let (code, text) = calsync(folder, &["links", "rm", "out", "--remove", "--json"]);
    let held: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 2, "{text}");
    assert!(
        fs::read_to_string(folder.join("calsync.toml")).unwrap().contains("\"out\""),
        "it is still there"
    );
    ok(folder, &["links", "rm", "out", "--remove", "--approve", held["plan_id"].as_str().unwrap()]);
    assert_eq!(items(&server), 1);
    assert!(!fs::read_to_string(folder.join("calsync.toml")).unwrap().contains("\"out\""));
    assert!(ok(folder, &["events", "--calendar", "family"]).contains("three"), "the source stays");
    // One that imports takes away what it brought.
    let (code, text) = calsync(folder, &["unlink", "in", "--remove", "--json"]);
    assert_eq!(code, 2, "{text}");
    let held: Value = serde_json::from_str(&text).unwrap();
    ok(folder, &["unlink", "in", "--remove", "--approve", held["plan_id"].as_str().unwrap()]);
    assert_eq!(ok(folder, &["events", "--calendar", "family"]).lines().count(), 1, "only the head");
}

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260107T090000Z\r\nDTEND:20260107T100000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn rename(folder: &Path, from: &str, to: &str) {
    let file = folder.join("calsync.toml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, config.replace(&format!("\"{from}\""), &format!("\"{to}\""))).unwrap();
}

/// Under a new name a link knows nothing of what it wrote. It is refused alone, and what the refusal says to do
/// can be done.
#[test]
fn a_renamed_link_writes_nothing_a_second_time() {
    let server = server();
    let (temp, _) = place(&server);
    let folder = temp.path();
    add_both(folder);
    write_feed(folder, &["one", "two", "U\u{308}bung"]);
    let preview = ok(folder, &["sync", "--link", "in", "--dry-run"]);
    assert!(
        preview.lines().filter(|line| line.starts_with("in: create-local item ")).count() == 3,
        "{preview}"
    );
    ok(folder, &["sync"]);
    rename(folder, "out", "mirror");
    write_feed(folder, &["one", "two", "U\u{308}bung", "four"]);
    for args in [&["sync", "--dry-run"][..], &["sync"], &["run", "mirror"], &["sync", "--json"]] {
        let (code, told) = calsync(folder, args);
        assert!(code == 1 && told.contains("link out, which is not in the configuration any more"), "{told}");
        assert!(
            told.contains("call it out again") && told.contains("unlink mirror --as out --remove"),
            "{told}"
        );
        assert_eq!(items(&server), 3);
    }
    assert!(ok(folder, &["events", "--calendar", "family"]).contains("four"), "the other link goes on");
    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.current_dir(folder).args(["run", "mirror", "--watch", "--json"]).stdout(Stdio::piped());
    let mut watch = Running(command.spawn().unwrap());
    let lines = BufReader::new(watch.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let failed = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let failed = failed.into_iter().find(|event| event["event"] == "failed").unwrap();
    assert!(failed["error"].as_str().unwrap().contains("unlink mirror --as out"), "{failed}");
    drop(watch);
    assert_eq!(items(&server), 3);
    // Called as before, it goes on.
    rename(folder, "mirror", "out");
    ok(folder, &["sync"]);
    assert_eq!(items(&server), 4);

    rename(folder, "out", "mirror");
    let shown = ok(folder, &["clean", "--link", "mirror", "--as", "out", "--dry-run"]);
    assert!(shown.contains("out: 4 written by it, 0 deleted"), "{shown}");
    assert!(shown.contains("out: would delete \"U\u{308}bung\", 2026-01-05 09:00"), "{shown}");
    for args in [&["clean", "--link", "out"][..], &["unlink", "out", "--keep"]] {
        let (code, told) = calsync(folder, args);
        assert!(code == 1 && told.contains("--as out"), "{told}");
    }
    // By a connection that leads elsewhere nothing would be found, which looks as if nothing was left.
    let (code, told) = calsync(folder, &["unlink", "in", "--as", "out", "--remove"]);
    assert!(code == 1 && told.contains("another account"), "{told}");
    for (wrong, why) in [("in", "name it itself"), ("nobody", "the store knows no such link")] {
        let (code, told) = calsync(folder, &["unlink", "mirror", "--as", wrong, "--keep"]);
        assert!(code == 1 && told.contains(why), "{told}");
    }
    let (code, told) = calsync(folder, &["unlink", "mirror", "--as", "out", "--remove"]);
    let approve =
        told.lines().find_map(|line| line.split_once("calsync unlink mirror --as out --remove ")).unwrap().1;
    assert_eq!((code, items(&server)), (2, 4), "{told}");
    let arguments = ["unlink", "mirror", "--as", "out", "--remove"];
    ok(folder, &[&arguments[..], &approve.split(' ').collect::<Vec<_>>()].concat());
    assert_eq!(items(&server), 0);
    ok(folder, &["sync"]);
    assert_eq!(items(&server), 4);
    ok(folder, &["sync"]);
    // Or what the earlier name wrote stays, because somebody says so.
    rename(folder, "mirror", "third");
    assert_eq!(calsync(folder, &["sync"]).0, 1);
    ok(folder, &["unlink", "third", "--as", "mirror", "--keep"]);
    ok(folder, &["sync"]);
    assert_eq!(items(&server), 8);
}

/// What a link says that is pointed elsewhere can be done, and doubles nothing.
#[test]
fn a_link_pointed_elsewhere_is_parted_first() {
    let server = server();
    let (temp, _) = place(&server);
    let folder = temp.path();
    add_both(folder);
    ok(folder, &["sync"]);
    rename(folder, "family", "private");
    let (code, told) = calsync(folder, &["sync"]);
    assert!(
        code == 1 && told.contains("`calsync unlink out --remove`") && !told.contains("of its own"),
        "{told}"
    );
    let (_, held) = calsync(folder, &["unlink", "out", "--remove", "--json"]);
    let held: Value = serde_json::from_str(&held).unwrap();
    assert_eq!(held["deletions"], 3);
    ok(folder, &["unlink", "out", "--remove", "--approve", held["plan_id"].as_str().unwrap()]);
    ok(folder, &["unlink", "in", "--keep"]);
    ok(folder, &["sync"]);
    assert_eq!(items(&server), 3);
    assert_eq!(
        ok(folder, &["events", "--calendar", "family"]).lines().count(),
        4,
        "the head and what was there"
    );
}

/// A link that goes both ways marks nothing it writes: no command says that it took anything away.
#[test]
fn what_a_two_way_link_wrote_is_nobodys_to_take_away() {
    let server = server();
    let (temp, _) = place(&server);
    let folder = temp.path();
    ok(folder, &["links", "add", "in", "--calendar", "family", "--connection", "feed"]);
    ok(folder, &["links", "add", "both", "--calendar", "family", "--connection", "home", "--remote", "Work"]);
    ok(folder, &["sync"]);
    for (args, expected) in [
        (&["clean", "--link", "both"][..], "both goes both ways"),
        (&["clean", "--link", "both", "--dry-run"], "both goes both ways"),
        (&["unlink", "both", "--remove"], "`calsync unlink both --keep`"),
        (&["clean", "--link", "in"], "`calsync unlink in --remove`"),
    ] {
        let (code, told) = calsync(folder, args);
        assert!(code == 1 && told.contains(expected), "{args:?}: {told}");
    }
    assert_eq!(items(&server), 3);
    assert!(ok(folder, &["sync"]).contains("in step"), "it is not forgotten");
    ok(folder, &["unlink", "both", "--keep"]);
    assert_eq!(items(&server), 3);
}

/// What somebody stopped does not run, unless somebody asks for it by name.
#[test]
fn a_paused_link_is_left_out() {
    let server = server();
    let (temp, _) = place(&server);
    let folder = temp.path();
    add_both(folder);
    let paused = ok(folder, &["links", "pause", "out"]);
    assert!(paused.contains("`calsync run out` does"), "{paused}");
    let told = ok(folder, &["sync"]);
    assert!(told.lines().any(|line| line.starts_with("out ") && line.ends_with(" paused")), "{told}");
    assert_eq!(items(&server), 0);
    let json: Value = serde_json::from_str(&ok(folder, &["sync", "--json"])).unwrap();
    assert_eq!(
        (&json["links"][0]["name"], &json["links"][1]["paused"]),
        (&"in".into(), &true.into()),
        "{json}"
    );
    for (args, count) in [(["sync", "--link", "out"].as_slice(), 3), (&["run", "out"], 4)] {
        let told = ok(folder, args);
        assert!(told.contains("stays paused") && told.contains("calsync links resume out"), "{told}");
        assert_eq!(items(&server), count);
        write_feed(folder, &["one", "two", "three", "four"]);
        ok(folder, &["sync"]);
    }
    assert_eq!(items(&server), 4);
    let json: Value = serde_json::from_str(&ok_out(folder, &["run", "out", "--json"])).unwrap();
    assert_eq!((&json["links"][0]["paused"], &json["links"][0]["pushed"]), (&true.into(), &0.into()));
    ok(folder, &["links", "resume", "out"]);
    write_feed(folder, &["one", "two", "three", "four", "five"]);
    assert!(!ok(folder, &["sync"]).contains("paused"));
    assert_eq!(items(&server), 5);
}

/// A process that is killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_link_is_watched_until_somebody_has_enough() {
    let server = server();
    let (temp, _) = place(&server);
    let folder = temp.path();
    add_both(folder);
    let told = ok(folder, &["run", "in"]);
    assert!(told.contains("in step"), "{told}");
    let (code, told) = calsync(folder, &["run", "nobody", "--watch"]);
    assert!(code == 1 && told.contains("no link is called"), "{told}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_calsync"));
    command.current_dir(folder).args(["run", "in", "--watch", "--json"]).stdout(Stdio::piped());
    let mut watch = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let mut done = || loop {
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert!(event["task"] == "sync:in", "nothing of other links: {event}");
        if event["event"] == "done" {
            break event;
        }
    };
    let first = done();
    assert!(first["next"].is_string(), "{first}");
    // Somebody says that there is something new; the other link is due as well, and not of this watch.
    write_feed(folder, &["one", "two", "three", "four"]);
    ok(folder, &["schedule", "run", "out"]);
    ok(folder, &["schedule", "run", "in"]);
    let second = done();
    assert_eq!(second["counts"]["created"], 1, "{second}");
    let id = watch.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert!(watch.0.wait().unwrap().success(), "Ctrl-C is no error");
    let schedule: Value = serde_json::from_str(&ok(folder, &["schedule", "--json"])).unwrap();
    assert_eq!(schedule["links"][0]["status"], "waiting", "it is given back whole: {schedule}");
}
