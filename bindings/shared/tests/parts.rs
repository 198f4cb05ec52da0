//! The table of `bindings/parts.json`: what `plan`, `transform` and `availability` give, in every language.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::collections::BTreeMap;

use calsync_bindings::pure;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cases: Vec<Case>,
    /// Events that arguments name: `$name`.
    events: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    call: String,
    args: Value,
    /// Where in the result, or in the failure, the values are that it `gives`; those of `*` sorted.
    at: Vec<String>,
    gives: Vec<Value>,
    #[serde(default)]
    fails: bool,
}

fn at(value: &Value, path: &str) -> Value {
    let Some((before, after)) = path.split_once("/*") else {
        return value.pointer(path).cloned().unwrap_or(Value::Null);
    };
    let items = value.pointer(before).and_then(Value::as_array).expect("a list");
    let mut all: Vec<Value> = items.iter().map(|item| at(item, after)).collect();
    all.sort_by_key(Value::to_string);
    Value::Array(all)
}

fn filled(value: &Value, events: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            text.strip_prefix('$').map_or_else(|| value.clone(), |name| events[name].clone())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, events)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, item)| (name.clone(), filled(item, events))).collect())
        }
        _ => value.clone(),
    }
}

fn table() -> Table {
    serde_json::from_str(include_str!("../../parts.json")).unwrap()
}

fn call(method: &str, args: &Value) -> Result<Value, Value> {
    let answer = pure(method, &args.to_string());
    answer.map(|text| serde_json::from_str(&text).unwrap()).map_err(|failure| json!(failure))
}

#[test]
fn every_case_gives_what_is_written() {
    let Table { cases, events } = table();
    for case in cases {
        let mut args = filled(&case.args, &events);
        // Over the border it is text, as in `add_link`.
        if let Some(pipeline) = args.get_mut("pipeline") {
            *pipeline = json!(pipeline.to_string());
        }
        let answer = call(&case.call, &args);
        assert_eq!(answer.is_err(), case.fails, "{}: {answer:?}", case.name);
        let answer = answer.unwrap_or_else(|failure| failure);
        let given: Vec<Value> = case.at.iter().map(|path| at(&answer, path)).collect();
        assert_eq!(given, case.gives, "{}: {answer:#}", case.name);
    }
}

#[test]
fn a_thousand_are_one_call() {
    let lunch = &table().events["lunch"];
    let many = |value: Value| vec![value; 1000];
    let plan = call("plan", &json!({ "pairs": many(json!({ "local": lunch })) })).unwrap();
    let decisions = plan["decisions"].as_array().unwrap();
    assert_eq!((decisions.len(), &decisions[999]["action"]), (1000, &json!("create-remote")));
    let whole = r#"{ "start": { "type": "everything" } }"#;
    let copied = call("transform", &json!({ "events": many(lunch.clone()), "pipeline": whole })).unwrap();
    assert_eq!((copied.as_array().unwrap().len(), &copied[999]["event"]["uid"]), (1000, &json!("a")));
    let days: Vec<Value> = (0..1000)
        .map(|number| {
            let mut event = lunch.clone();
            event["master"]["time"] = json!({
                "start": { "utc": format!("2026-03-05T{:02}:{:02}:00Z", number / 50, number % 50) },
                "end": { "utc": format!("2026-03-05T{:02}:{:02}:30Z", number / 50, number % 50) },
            });
            event
        })
        .collect();
    let free = call(
        "availability",
        &json!({
            "calendars": [{ "calendar": "own", "events": days }], "start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z",
            "now": "2026-03-05T00:00:00Z",
        }),
    )
    .unwrap();
    assert_eq!(free["busy"].as_array().unwrap().len(), 1000);
}

/// The copies are those the link makes: a host that shows them first shows what will be there.
#[test]
fn the_uid_of_a_copy_hangs_on_the_link_and_its_salt() {
    let lunch = &table().events["lunch"];
    let uid = |link: &str, salt: &str| {
        let args = json!({ "events": [lunch], "pipeline": "{}", "link": link, "uid_salt": salt });
        call("transform", &args).unwrap()[0]["event"]["uid"].clone()
    };
    assert_eq!(uid("mirror", "pepper"), uid("mirror", "pepper"));
    assert!(
        uid("mirror", "pepper") != uid("mirror", "salt") && uid("mirror", "pepper") != uid("other", "pepper")
    );
    assert!(!uid("mirror", "pepper").as_str().unwrap().contains("lunch"));
}

#[test]
fn what_cannot_be_read_is_refused_without_its_text() {
    let lunch = &table().events["lunch"];
    let step = |step: Value| json!(json!({ "start": { "type": "everything" }, "steps": [step] }).to_string());
    let filter = |filter: Value| step(json!({ "name": "x", "filter": filter }));
    let pairs = json!({ "pairs": [{ "base": lunch, "remote_base": lunch, "local": lunch, "remote_gone": "reported" }] });
    let events = json!({ "events": [lunch], "pipeline": filter(json!({ "type": "not-copied" })) });
    let calendars = json!({
        "calendars": [{ "calendar": "own", "owner": ["anna@example.com"] }],
        "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "now": "2026-01-01T00:00:00Z",
        "terms": { "availability": [] },
    });
    for (method, args, place, wrong) in [
        ("plan", &pairs, "/pairs/0/local", json!("secret")),
        ("plan", &pairs, "/pairs/0/remote_gone", json!("secret")),
        ("plan", &pairs, "/pairs/0/base", json!(null)),
        ("transform", &events, "/events/0", json!("secret")),
        ("transform", &events, "/pipeline", json!("secret")),
        ("transform", &events, "/pipeline", json!({ "secret": [] })),
        ("transform", &events, "/pipeline", filter(json!({ "type": "secret" }))),
        ("transform", &events, "/pipeline", filter(json!({ "type": "host", "rule": "none" }))),
        ("availability", &calendars, "/calendars/0/owner", json!("secret")),
        ("availability", &calendars, "/now", json!("secret")),
        (
            "availability",
            &calendars,
            "/terms/availability",
            json!(["BEGIN:VCALENDAR\r\nX-SECRET:secret\r\nEND:VCALENDAR\r\n"]),
        ),
    ] {
        // Nothing but what stands at the place is wrong.
        call(method, args).expect(method);
        let mut args = args.clone();
        *args.pointer_mut(place).expect(place) = wrong;
        let failure = call(method, &args).expect_err(place);
        assert_eq!(failure["code"], "invalid-input", "{method}: {args}");
        let message = failure["message"].as_str().unwrap();
        assert!(
            !message.to_lowercase().contains("secret") && !message.contains("Lunch"),
            "{method}, {place}: {failure}"
        );
    }
}

/// The name of an argument is the host's own code, and no text of an event: that it is told shows which one is misspelt.
#[test]
fn an_argument_that_there_is_not_is_named() {
    for (method, args) in [
        ("plan", json!({ "pairs": [], "misspelt": 1 })),
        ("plan", json!({ "pairs": [{ "misspelt": 1 }] })),
        (
            "transform",
            json!({ "events": [], "pipeline": r#"{"start":{"type":"everything"}}"#, "misspelt": 1 }),
        ),
        (
            "availability",
            json!({
                "calendars": [], "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "now": "2026-01-01T00:00:00Z",
                "misspelt": 1,
            }),
        ),
    ] {
        let failure = call(method, &args).expect_err(method);
        assert_eq!(failure["code"], "invalid-input", "{method}: {args}");
        assert!(failure["message"].as_str().unwrap().contains("misspelt"), "{failure}");
    }
}
