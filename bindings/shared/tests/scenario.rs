//! The scenario that Rust, Python, Node and Kotlin play against every provider: `bindings/scenario.json`, with the results in
//! `bindings/scenario.expected.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use calsync_bindings::{Engine, testing::Emulator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Scenario {
    providers: BTreeMap<String, Provider>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Provider {
    /// What an emulator is told so that it refuses the next event, twice.
    #[serde(default)]
    refuse: Option<String>,
    /// How long the notes of the event are that is to be refused. A server nobody can tell refuses what is too large.
    notes: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Call(Call),
    There(There),
}

#[derive(Deserialize)]
struct Call {
    engine: String,
    call: String,
    args: Value,
    /// Names for later arguments (`$name`), and where their values are.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// The name of the result, which holds the values of `at`.
    #[serde(default)]
    show: Option<String>,
    #[serde(default)]
    at: Vec<String>,
    #[serde(default)]
    fails: bool,
}

/// What somebody else does at the server, without calsync. `find` is in the text of one item.
#[derive(Deserialize)]
#[serde(tag = "there", rename_all = "kebab-case")]
enum There {
    Change { find: String, into: String },
    Delete { find: String },
    Refuse,
}

#[derive(Deserialize)]
struct Expected {
    everywhere: Map<String, Value>,
    /// What is another result at a provider, and why.
    differently: BTreeMap<String, Differently>,
}

#[derive(Deserialize)]
struct Differently {
    #[serde(rename = "because")]
    _because: String,
    results: Map<String, Value>,
}

/// The value at a path: `uid=a` is the event with this UID, `*` is each of a list, sorted.
fn at(value: &Value, path: &str) -> Value {
    let Some((part, rest)) = path.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))
    else {
        return value.clone();
    };
    let rest = if rest.is_empty() { String::new() } else { format!("/{rest}") };
    let list = value.as_array().cloned().unwrap_or_default();
    if part == "*" {
        let mut all: Vec<Value> = list.iter().map(|item| at(item, &rest)).collect();
        all.sort_by_key(Value::to_string);
        return Value::Array(all);
    }
    let found = match part.strip_prefix("uid=") {
        Some(uid) => list.iter().find(|item| item["event"]["uid"] == uid),
        None => value.pointer(&format!("/{part}")),
    };
    found.map_or(Value::Null, |found| at(found, &rest))
}

fn filled(value: &Value, kept: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => kept[name].clone(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, kept)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, item)| (name.clone(), filled(item, kept))).collect())
        }
        _ => value.clone(),
    }
}

/// Whom the engines speak to, and how somebody else does.
enum Server {
    Emulated(Emulator),
    Real(Radicale),
}

impl Server {
    fn ask(emulator: &Emulator, method: &str, args: &Value) -> Value {
        serde_json::from_str(&emulator.ask(method, &args.to_string()).unwrap()).unwrap()
    }

    fn account(&self) -> Value {
        match self {
            Self::Emulated(emulator) => serde_json::from_str(emulator.account()).unwrap(),
            Self::Real(radicale) => json!({
                "provider": "caldav",
                "url": radicale.url,
                "username": radicale.user,
                "secret": radicale.password,
            }),
        }
    }

    fn item(&self, find: &str) -> (String, String) {
        let items: BTreeMap<String, String> = match self {
            Self::Emulated(emulator) => {
                serde_json::from_value(Self::ask(emulator, "items", &json!({}))).unwrap()
            }
            Self::Real(radicale) => radicale.items(),
        };
        let mut found = items.into_iter().filter(|(_, text)| text.contains(find));
        let one = found.next().unwrap();
        assert_eq!(found.next(), None, "{find} is in two items");
        one
    }

    fn act(&self, there: &There, refuse: Option<&String>) {
        match (there, self) {
            (There::Change { find, into }, _) => {
                let (id, text) = self.item(find);
                let text = text.replace(find, into);
                match self {
                    Self::Emulated(emulator) => {
                        Self::ask(emulator, "put", &json!({ "id": id, "item": text }));
                    }
                    Self::Real(radicale) => {
                        radicale.ask("PUT", &id, &text);
                    }
                }
            }
            (There::Delete { find }, Self::Emulated(emulator)) => {
                Self::ask(emulator, "delete", &json!({ "id": self.item(find).0 }));
            }
            (There::Delete { find }, Self::Real(radicale)) => {
                radicale.ask("DELETE", &self.item(find).0, "");
            }
            (There::Refuse, Self::Emulated(emulator)) => {
                Self::ask(emulator, "tell", &json!({ "line": refuse.unwrap() }));
            }
            // It refuses what is too large by itself.
            (There::Refuse, Self::Real(_)) => {}
        }
    }
}

/// A calendar of a Radicale that runs elsewhere, spoken to in plain HTTP.
struct Radicale {
    url: String,
    host: String,
    calendar: String,
    user: String,
    password: String,
}

impl Radicale {
    /// `http://user:password@host:port/user/calendar/`; the calendar is emptied.
    fn emptied(address: &str) -> Self {
        let (account, place) = address.strip_prefix("http://").unwrap().split_once('@').unwrap();
        let (user, password) = account.split_once(':').unwrap();
        let (host, path) = place.split_once('/').unwrap();
        let radicale = Self {
            url: format!("http://{place}"),
            host: host.to_owned(),
            calendar: format!("/{path}"),
            user: user.to_owned(),
            password: password.to_owned(),
        };
        for id in radicale.items().keys() {
            radicale.ask("DELETE", id, "");
        }
        radicale
    }

    /// A request, and the body of the answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let account = STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {account}\r\nDepth: 1\r\n\
             Content-Type: text/calendar; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        assert!(status.starts_with('2'), "{method} {path}: {status}");
        body.to_owned()
    }

    fn items(&self) -> BTreeMap<String, String> {
        let listed = self.ask("PROPFIND", &self.calendar, "");
        let paths = listed.split("href>").filter_map(|part| part.split('<').next());
        let items = paths.filter(|path| path.ends_with(".ics"));
        items.map(|path| (path.to_owned(), self.ask("GET", path, ""))).collect()
    }
}

async fn gives_what_is_written(provider: &str, server: Server) {
    let scenario: Scenario = serde_json::from_str(include_str!("../../scenario.json")).unwrap();
    let expected: Expected = serde_json::from_str(include_str!("../../scenario.expected.json")).unwrap();
    let settings = &scenario.providers[provider];
    let account = server.account();
    let mut kept = BTreeMap::from([
        ("provider".to_owned(), account["provider"].clone()),
        ("url".to_owned(), account["url"].clone()),
        ("user".to_owned(), account["username"].clone()),
        ("password".to_owned(), account["secret"].clone()),
        ("notes".to_owned(), json!("n".repeat(settings.notes))),
    ]);
    let engines: BTreeMap<&str, Engine> =
        ["one", "two"].into_iter().map(|name| (name, Engine::new("\"memory\"").unwrap())).collect();
    let mut shown = Map::new();
    for (number, step) in scenario.steps.into_iter().enumerate() {
        let step = match step {
            Step::Call(step) => step,
            Step::There(there) => {
                server.act(&there, settings.refuse.as_ref());
                continue;
            }
        };
        let args = filled(&step.args, &kept).to_string();
        let answer = engines[step.engine.as_str()].call(step.call.clone(), args, None).await;
        let answer: Value = match answer {
            Ok(text) => serde_json::from_str(&text).unwrap(),
            Err(failure) if step.fails => json!(failure),
            Err(failure) => panic!("{provider}, step {number}, {}: {failure}", step.call),
        };
        kept.extend(step.keep.into_iter().map(|(name, path)| (name, at(&answer, &path))));
        if let Some(name) = step.show {
            shown.insert(name, step.at.iter().map(|path| at(&answer, path)).collect());
        }
    }
    let mut wanted = expected.everywhere;
    for (name, result) in expected.differently.get(provider).into_iter().flat_map(|other| &other.results) {
        assert!(wanted.insert(name.clone(), result.clone()).is_some(), "{name} is no result");
    }
    let other: Map<String, Value> = shown
        .iter()
        .filter(|(name, result)| wanted.get(*name) != Some(*result))
        .map(|(name, result)| (name.clone(), result.clone()))
        .collect();
    assert_eq!(other, Map::new(), "{provider}");
    assert_eq!(shown, wanted, "{provider}");
}

async fn emulated(provider: &str) {
    let emulator = Emulator::start(&json!({ "provider": provider }).to_string()).unwrap();
    gives_what_is_written(provider, Server::Emulated(emulator)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_gives_what_is_written_at_caldav() {
    emulated("caldav").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_gives_what_is_written_at_google() {
    emulated("google").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_gives_what_is_written_at_microsoft() {
    emulated("microsoft").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Radicale, named by CALSYNC_SCENARIO_RADICALE: `cargo xtask test` starts one"]
async fn the_scenario_gives_what_is_written_at_radicale() {
    let address =
        std::env::var("CALSYNC_SCENARIO_RADICALE").expect("CALSYNC_SCENARIO_RADICALE says where one is");
    gives_what_is_written("radicale", Server::Real(Radicale::emptied(&address))).await;
}
