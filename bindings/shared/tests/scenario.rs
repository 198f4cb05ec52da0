//! The scenario that Rust, Python, Node and Kotlin play: `bindings/scenario.json`, with the results in `bindings/scenario.expected.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::collections::BTreeMap;

use calsync_bindings::Engine;
use calsync_testkit::dav::{DavOptions, DavServer, Quirks};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Scenario {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
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

#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_gives_what_is_written() {
    let server = DavServer::start(DavOptions {
        quirks: Quirks { refused_texts: vec!["Refused there".to_owned()], ..Quirks::default() },
        ..DavOptions::default()
    })
    .unwrap();
    let scenario: Scenario = serde_json::from_str(include_str!("../../scenario.json")).unwrap();
    let expected: Value = serde_json::from_str(include_str!("../../scenario.expected.json")).unwrap();
    let mut kept = BTreeMap::from([
        ("url".to_owned(), json!(server.url())),
        ("user".to_owned(), json!("user")),
        ("password".to_owned(), json!("secret")),
    ]);
    let engines: BTreeMap<&str, Engine> =
        ["one", "two"].into_iter().map(|name| (name, Engine::new("\"memory\"").unwrap())).collect();
    let mut shown = Map::new();
    for (number, step) in scenario.steps.into_iter().enumerate() {
        let args = filled(&step.args, &kept).to_string();
        let answer = engines[step.engine.as_str()].call(step.call.clone(), args, None).await;
        let answer: Value = match answer {
            Ok(text) => serde_json::from_str(&text).unwrap(),
            Err(failure) if step.fails => json!(failure),
            Err(failure) => panic!("step {number}, {}: {failure}", step.call),
        };
        kept.extend(step.keep.into_iter().map(|(name, path)| (name, at(&answer, &path))));
        if let Some(name) = step.show {
            shown.insert(name, step.at.iter().map(|path| at(&answer, path)).collect());
        }
    }
    let shown = Value::Object(shown);
    assert_eq!(shown, expected, "got\n{shown:#}");
}
