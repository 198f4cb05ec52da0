//! Filters, transforms, a resolver and a clock of a host, as the facade asks for them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, mpsc},
};

use async_trait::async_trait;
use calsync_bindings::{Code, Engine, Failure, Host, HostFailure, Runtime};
use serde_json::{Value, json};

/// What a method of the host does.
#[derive(Clone)]
enum Does {
    /// Answers what this makes of its arguments.
    Answers(fn(&Value) -> Value),
    Fails,
    /// Never answers.
    Waits,
}

#[derive(Default)]
struct Script {
    methods: BTreeMap<&'static str, Does>,
    asked: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Host for Script {
    async fn call(&self, method: &'static str, args: String) -> Result<String, HostFailure> {
        self.asked.lock().unwrap().push(method);
        match self.methods.get(method) {
            Some(Does::Answers(answer)) => Ok(answer(&serde_json::from_str(&args).unwrap()).to_string()),
            Some(Does::Waits) => std::future::pending().await,
            Some(Does::Fails) | None => Err(HostFailure::new(method, "failed", "LookupError")),
        }
    }

    fn tell(&self, _: String) {}
}

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260305T090000Z\r\nSUMMARY:{uid}\r\n\
         END:VEVENT\r\n"
    )
}

/// A feed of three events, and an engine whose link imports it by the host's rules.
struct Feed {
    engine: Engine,
    _file: tempfile::NamedTempFile,
}

async fn ask(engine: &Engine, host: &Arc<Script>, method: &str, args: Value) -> Result<Value, Failure> {
    let answer = engine.call(method.to_owned(), args.to_string(), Some(host.clone())).await?;
    Ok(serde_json::from_str(&answer).unwrap())
}

impl Feed {
    async fn new(host: &Arc<Script>, patience_ms: u32) -> Self {
        let asked = json!({
            "filters": { "mine": "1" }, "transforms": { "mine": "1" }, "patience_ms": patience_ms,
        });
        let feed = Self::over(host, json!({ "store": "memory", "host": asked })).await;
        let pipeline = json!({ "pipeline": { "start": { "type": "everything" }, "steps": [
            { "name": "f", "filter": { "type": "host", "rule": "mine", "options": { "word": "Lunch" } } },
            { "name": "t", "transform": { "type": "host", "rule": "mine" } },
        ] } });
        feed.link(host, json!({ "copies": pipeline.to_string() })).await;
        feed
    }

    /// Joined without rules, by an engine that is opened so.
    async fn over(host: &Arc<Script>, opening: Value) -> Self {
        let text = ["Review", "Lunch", "Walk"].map(event).concat();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\n{text}END:VCALENDAR\r\n"),
        )
        .unwrap();
        let engine = Engine::new(&opening.to_string()).unwrap();
        for (method, args) in [
            ("put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })),
            (
                "connect",
                json!({
                    "connection": "feed", "provider": "ics", "url": file.path().to_str(), "trust_address": true,
                }),
            ),
        ] {
            ask(&engine, host, method, args).await.unwrap();
        }
        let feed = Self { engine, _file: file };
        feed.link(host, json!({})).await;
        feed
    }

    /// Joins the feed, on these terms too.
    async fn link(&self, host: &Arc<Script>, more: Value) {
        let mut args =
            json!({ "link": "feed", "calendar": "family", "connection": "feed", "direction": "import" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(&self.engine, host, "add_link", args).await.unwrap();
    }

    async fn titles(&self, host: &Arc<Script>) -> Vec<String> {
        let events = ask(&self.engine, host, "events", json!({ "calendar": "family" })).await.unwrap();
        let title = |event: &Value| event["event"]["master"]["title"].as_str().unwrap().to_owned();
        let mut titles: Vec<String> = events.as_array().unwrap().iter().map(title).collect();
        titles.sort();
        titles
    }
}

fn no_word(args: &Value) -> Value {
    assert_eq!((&args["rule"], &args["around"]["is_copy"]), (&json!("mine"), &json!(false)));
    json!(args["body"]["title"] != args["options"]["word"])
}

fn shout(args: &Value) -> Value {
    let mut copy = args["copy"].clone();
    copy["title"] = json!(args["event"]["title"].as_str().unwrap().to_uppercase());
    copy
}

fn script(methods: impl IntoIterator<Item = (&'static str, Does)>) -> Arc<Script> {
    let mut all = BTreeMap::from([
        ("filter.lets_through", Does::Answers(no_word)),
        ("transform.change", Does::Answers(shout)),
    ]);
    all.extend(methods);
    Arc::new(Script { methods: all, asked: Mutex::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_decide_what_is_copied_and_a_bad_one_is_named_when_the_run_is_over() {
    let table: [(&str, Does, Option<Code>); 5] = [
        ("filter.lets_through", Does::Answers(no_word), None),
        ("filter.lets_through", Does::Fails, Some(Code::HostFailed)),
        ("filter.lets_through", Does::Answers(|_| json!(1)), Some(Code::HostType)),
        ("transform.change", Does::Fails, Some(Code::HostFailed)),
        ("transform.change", Does::Answers(|_| json!({ "title": "no time" })), Some(Code::HostType)),
    ];
    for (method, does, code) in table {
        let host = script([(method, does)]);
        let feed = Feed::new(&host, 10_000).await;
        let result = ask(&feed.engine, &host, "sync", json!({ "link": "feed" })).await;
        let titles = feed.titles(&host).await;
        match code {
            None => {
                result.unwrap();
                assert_eq!(titles, ["REVIEW", "WALK"]);
            }
            Some(code) => {
                let failure = result.unwrap_err();
                assert_eq!((failure.code, failure.item.as_deref()), (code, Some(method)));
                assert!(titles.is_empty(), "{method}: {titles:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_never_answers_is_asked_once_in_a_run() {
    let host = script([("filter.lets_through", Does::Waits)]);
    let feed = Feed::new(&host, 20).await;
    let failure = ask(&feed.engine, &host, "sync", json!({ "link": "feed" })).await.unwrap_err();
    assert_eq!((failure.code, failure.item.as_deref()), (Code::HostSilent, Some("filter.lets_through")));
    assert_eq!(*host.asked.lock().unwrap(), ["filter.lets_through"]);
    assert!(feed.titles(&host).await.is_empty());
    // Nothing was written of events nobody answered for: with an answer they come in.
    let host = script([]);
    ask(&feed.engine, &host, "sync", json!({ "link": "feed" })).await.unwrap();
    assert_eq!(feed.titles(&host).await, ["REVIEW", "WALK"]);
}

#[test]
fn a_call_that_waits_for_a_rule_ends_when_it_is_cancelled_and_with_the_runtime() {
    let host = script([("filter.lets_through", Does::Waits)]);
    let made = tokio::runtime::Runtime::new().unwrap();
    let feed = made.block_on(Feed::new(&host, u32::MAX));
    let runtime = Runtime::new().unwrap();
    let started = |feed: &Feed, host: &Arc<Script>| {
        let (sender, receiver) = mpsc::channel();
        let (args, asked) = (json!({ "link": "feed" }).to_string(), host.clone() as Arc<dyn Host>);
        let call = feed.engine.call("sync".to_owned(), args, Some(asked));
        let job = runtime.start(call, move |result| drop(sender.send(result.map(drop)))).unwrap();
        while host.asked.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        (job, receiver)
    };
    let (job, told) = started(&feed, &host);
    job.cancel();
    // Where no other task had its turn meanwhile, it ended by the rule that let go of it.
    let code = told.recv().unwrap().unwrap_err().code;
    assert!([Code::Cancelled, Code::HostSilent].contains(&code), "{code:?}");
    assert!(made.block_on(feed.titles(&host)).is_empty());
    let host = script([("filter.lets_through", Does::Waits)]);
    let feed = made.block_on(Feed::new(&host, u32::MAX));
    let (_job, told) = started(&feed, &host);
    runtime.shutdown();
    // The call was told, or its sender is gone.
    assert!(!matches!(told.recv(), Ok(Ok(()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_tells_the_time_of_a_call_or_fails_it_before_it_begins() {
    let opening = json!({ "store": "memory", "host": { "clock": true } }).to_string();
    let table: [(Does, Option<Code>); 4] = [
        (Does::Answers(|_| json!("2030-01-01T12:00:00Z")), None),
        (Does::Answers(|_| json!("soon")), Some(Code::HostType)),
        (Does::Answers(|_| json!(7)), Some(Code::HostType)),
        (Does::Fails, Some(Code::HostFailed)),
    ];
    for (does, code) in table {
        let host = script([("clock.now", does)]);
        let engine = Engine::new(&opening).unwrap();
        let calendar = json!({ "calendar": { "id": "family", "name": "Family" } });
        let put = ask(&engine, &host, "put_calendar", calendar).await;
        let Some(code) = code else {
            put.unwrap();
            let body =
                json!({ "time": { "start": { "date": "2026-01-01" }, "end": { "date": "2026-01-02" } } });
            let added = json!({ "calendar": "family", "event": { "uid": "a", "master": body } });
            ask(&engine, &host, "add_event", added).await.unwrap();
            let events = ask(&engine, &host, "events", json!({ "calendar": "family" })).await.unwrap();
            assert!(events[0]["modified"].as_str().unwrap().starts_with("2030-01-01T12:00:"), "{events}");
            continue;
        };
        let failure = put.unwrap_err();
        assert_eq!((failure.code, failure.item.as_deref()), (code, Some("clock.now")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_and_a_store_that_never_answer_end_their_call_and_are_named() {
    let clock = json!({ "store": "memory", "host": { "clock": true, "patience_ms": 20 } });
    let store = json!({ "store": "host", "host": { "store_patience_ms": 20 } });
    for (opening, method) in [(clock, "clock.now"), (store, "store.calendars")] {
        let host = script([(method, Does::Waits)]);
        let engine = Engine::new(&opening.to_string()).unwrap();
        let failure = ask(&engine, &host, "calendars", json!({})).await.unwrap_err();
        assert_eq!((failure.code, failure.item.as_deref()), (Code::HostSilent, Some(method)));
        assert_eq!(*host.asked.lock().unwrap(), [method]);
    }
}

#[test]
fn an_engine_is_opened_with_a_store_or_with_what_else_is_asked() {
    for (opening, opens) in [
        (json!("memory"), true),
        (json!({ "sqlite": { "path": "x.db" } }), true),
        (json!({ "store": "host", "host": { "resolver": true } }), true),
        (json!({ "store": "host", "host": { "store_patience_ms": 1 } }), true),
        (json!({ "store": "memory", "host": { "observer": true } }), false),
        (json!({ "store": "memory" }), false),
        (json!("nothing"), false),
    ] {
        assert_eq!(Engine::new(&opening.to_string()).is_ok(), opens, "{opening}");
    }
}

/// The cases for a host's own store end when it does not answer, also where they ask from tasks of their own.
#[cfg(feature = "testing")]
#[tokio::test(flavor = "multi_thread")]
async fn a_case_ends_when_a_store_never_answers() {
    let opening = json!({ "store": "host", "host": { "store_patience_ms": 20 } });
    for case in ["lease_needs_a_duration", "one_of_concurrent_workers_gets_the_lease"] {
        let host = script([("store.acquire_lease", Does::Waits)]);
        let ran = calsync_bindings::testing::check_store(case.to_owned(), opening.to_string(), host).await;
        let failure = ran.unwrap_err();
        assert_eq!((failure.code, failure.item.as_deref()), (Code::CheckFailed, Some(case)));
        assert!(failure.message.contains("store.acquire_lease never answered"), "{failure:?}");
    }
}

/// What a host leaves out of an answer is not taken for nothing: a link without a state would begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_opened_in_one_call_is_read_whole_or_not_at_all() {
    fn whole(_: &Value) -> Value {
        let token = json!({ "name": "link:feed", "epoch": 1 });
        json!({ "token": token, "state": null, "edits": [], "quarantine": [], "outbox": [] })
    }
    fn without(part: &str) -> Value {
        let mut answer = whole(&Value::Null);
        answer.as_object_mut().unwrap().remove(part);
        answer
    }
    let opens = "store.open_link";
    let table: [(Does, &[&str], Code, &str); 7] = [
        // Somebody else has it: whether it ends later than any can is asked by itself.
        (
            Does::Answers(|_| json!({ "held_until": "2020-01-01T00:00:00Z" })),
            &["open_link"],
            Code::HostFailed,
            "store.acquire_lease",
        ),
        (Does::Answers(|_| without("token")), &["open_link"], Code::HostType, opens),
        (Does::Answers(|_| without("state")), &["open_link"], Code::HostType, opens),
        (Does::Answers(|_| without("edits")), &["open_link"], Code::HostType, opens),
        (Does::Answers(|_| without("outbox")), &["open_link"], Code::HostType, opens),
        (Does::Fails, &["open_link"], Code::HostFailed, opens),
        // It is open, and something else is asked next.
        (Does::Answers(whole), &["open_link"], Code::HostFailed, "store.docs"),
    ];
    for (does, in_one_call, code, last) in table {
        let host = script([("store.commit", Does::Answers(|_| json!({ "revisions": [] }))), (opens, does)]);
        let opening = json!({ "store": "host", "host": { "in_one_call": in_one_call } });
        let feed = Feed::over(&host, opening).await;
        host.asked.lock().unwrap().clear();
        let failure = ask(&feed.engine, &host, "sync", json!({ "link": "feed" })).await.unwrap_err();
        assert_eq!(failure.code, code, "{failure:?}");
        let asked = host.asked.lock().unwrap().clone();
        assert_eq!((asked[0], asked.contains(&last)), (opens, true), "{asked:?}");
    }
}
