//! Filters and transforms a host writes: they stand among the built-in ones, fail without harm, and have versions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    context::{Clock, SystemEntropy},
    engine::{CopyRules, EngineError, Link, SyncOptions, WayState},
    model::*,
    pipeline::{
        CopiedField, Filter, HostFilter, HostOptions, HostRules, HostTransform, Pipeline, RuleFailure,
        Surroundings, Transform,
    },
    plan::Direction,
    provider::UnreadKind,
    publish::{Detail, FeedCall, FeedOptions, FeedRequest, FeedTokens, Published, Publisher},
    recurrence::RuleEntry,
    secret::Secret,
    store::{MemoryStore, Record, RecordKind, RecordQuery},
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// Keeps out titles that hold a word of its options; fails or panics on titles that say so.
struct Internal(&'static str);

impl HostFilter for Internal {
    fn version(&self) -> &str {
        self.0
    }

    fn check(&self, options: &HostOptions) -> Result<(), String> {
        options.get("word").and_then(Value::as_str).map(drop).ok_or_else(|| "it needs a word".to_owned())
    }

    fn lets_through(
        &self,
        body: &EventBody,
        options: &HostOptions,
        _: &Surroundings<'_>,
    ) -> Result<bool, String> {
        let title = body.title.as_deref().unwrap_or_default();
        assert!(!title.contains("panic"), "asked to");
        if title.contains("fail") && self.0 != "3" {
            return Err("no answer from the directory".to_owned());
        }
        Ok(!title.contains(options["word"].as_str().unwrap()))
    }
}

/// Writes the length of the event's title behind the copy's; tries to move the copy.
struct Length(&'static str);

impl HostTransform for Length {
    fn version(&self) -> &str {
        self.0
    }

    fn change(
        &self,
        copy: &mut EventBody,
        event: &EventBody,
        _: &HostOptions,
        around: &Surroundings<'_>,
    ) -> Result<(), String> {
        let (so_far, own) =
            (copy.title.take().unwrap_or_default(), event.title.as_deref().unwrap_or_default());
        copy.title = Some(format!("{so_far} {}{}{}", around.calendar_name, own.len(), self.0));
        copy.time.start = copy.time.end.clone();
        copy.sequence = 7;
        Ok(())
    }
}

fn rules(filter: &'static str, transform: &'static str) -> HostRules {
    HostRules::default()
        .with_filter("internal", Arc::new(Internal(filter)))
        .with_transform("length", Arc::new(Length(transform)))
}

fn not_internal() -> Filter {
    serde_json::from_value(json!({ "type": "host", "rule": "internal", "options": { "word": "secret" } }))
        .unwrap()
}

fn length() -> Transform {
    serde_json::from_value(json!({ "type": "host", "rule": "length" })).unwrap()
}

fn titled(uid: &str, title: &str) -> Event {
    event(uid, title)
}

#[test]
fn a_rule_of_the_host_stands_in_the_order_it_is_written_in() {
    let event = titled("u", "Review");
    let around = Surroundings { calendar_name: "Anna", ..Surroundings::default() };
    let title = |pipeline: Pipeline| {
        let copy = pipeline.compile_with(&rules("1", "")).unwrap().apply(&event, &around).unwrap().unwrap();
        let body = copy.master.clone().unwrap();
        assert_eq!((&body.time, body.sequence), (&event.master.as_ref().unwrap().time, 0), "it is not moved");
        body.title.unwrap()
    };
    let prefix = Transform::PrefixTitle { prefix: "> ".to_owned() };
    let begun = || Pipeline::default().with_filter("mine", not_internal());
    assert_eq!(
        title(begun().with_transform("p", prefix.clone()).with_transform("l", length())),
        "> Busy Anna6"
    );
    let keep = Transform::Keep { fields: vec![CopiedField::Title] };
    assert_eq!(title(begun().with_transform("l", length()).with_transform("k", keep)), "Review");
    let twice = begun().with_transform("l", length()).with_transform("l2", length());
    assert_eq!(title(twice.clone()), "Busy Anna6 Anna6");
    assert!(!twice.compile_with(&rules("1", "")).unwrap().is_busy_only(), "nobody knows what it shows");
}

#[test]
fn each_instance_is_judged_and_changed_by_its_own_content() {
    let mut series = titled("u", "Review");
    series.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=3"));
    let master = series.master.clone().unwrap();
    let day =
        |days: i64| RecurrenceId::Instant(master.time.start.absolute().unwrap() + TimeDelta::days(days));
    for (days, title) in [(1, "a secret"), (2, "Longer review")] {
        let mut own = master.clone();
        own.title = Some(title.to_owned());
        series
            .overrides
            .insert(day(days), Override::Changed { body: Box::new(own), scope: OverrideScope::This });
    }
    let pipeline = Pipeline::everything().with_filter("f", not_internal()).with_transform("l", length());
    let copy = pipeline.compile_with(&rules("1", "")).unwrap();
    let copy = copy.apply(&series, &Surroundings::default()).unwrap().unwrap().into_owned();
    assert_eq!(copy.overrides[&day(1)], Override::Excluded);
    let Override::Changed { body, .. } = &copy.overrides[&day(2)] else { panic!("it is changed") };
    assert_eq!(body.title.as_deref(), Some("Longer review 13"));
}

#[test]
fn what_a_rule_lacks_is_said_before_anything_is_copied() {
    let pipeline = |step: Value| -> Pipeline { serde_json::from_value(json!({ "steps": [step] })).unwrap() };
    let filter = |filter: Value| pipeline(json!({ "name": "mine", "filter": filter }));
    for (pipeline, expected) in [
        (filter(json!({ "type": "host", "rule": "other" })), "the host has no such rule as \"other\""),
        // A filter is no transform.
        (filter(json!({ "type": "host", "rule": "length" })), "the host has no such rule as \"length\""),
        (filter(json!({ "type": "host", "rule": "internal" })), "it needs a word"),
        (
            filter(json!({ "type": "host", "rule": "internal", "options": { "word": "x" }, "version": "2" })),
            "the host's rule \"internal\" has the version \"1\", not \"2\"",
        ),
    ] {
        let error = pipeline.compile_with(&rules("1", "")).unwrap_err();
        assert_eq!((error.step.as_str(), error.reason.as_str()), ("mine", expected));
    }
    let error = Pipeline::default().with_filter("mine", not_internal()).compile().unwrap_err();
    assert!(error.reason.contains("no such rule"), "{error}");
}

#[test]
fn a_rule_that_fails_or_panics_says_which_step_it_was() {
    let pipeline = Pipeline::everything().with_filter("mine", not_internal());
    let compiled = pipeline.compile_with(&rules("1", "")).unwrap();
    let failure = |title: &str| compiled.apply(&titled("u", title), &Surroundings::default()).unwrap_err();
    let expected = |reason: &str| RuleFailure { step: "mine".to_owned(), reason: reason.to_owned() };
    assert_eq!(failure("to fail"), expected("no answer from the directory"));
    assert_eq!(failure("to panic"), expected("it panicked"));
    assert!(compiled.apply(&titled("u", "fine"), &Surroundings::default()).unwrap().is_some(), "it goes on");
}

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    fn new(direction: Direction) -> Self {
        let pipeline =
            Pipeline::everything().with_filter("mine", not_internal()).with_transform("l", length());
        let link = Link::new("mirror", "family", "memory").with_direction(direction);
        let link = link.with_copies(CopyRules::new(pipeline));
        let world = World::new(Arc::new(MemoryStore::default()), 7);
        let lab = Self { world, remote: MemoryRemote::default(), link };
        lab.with("1", "a")
    }

    fn with(mut self, filter: &'static str, transform: &'static str) -> Self {
        self.world.engine = self.world.engine.clone().with_host_rules(rules(filter, transform));
        self
    }

    async fn sync(&self) -> u64 {
        self.world.clock.advance(TimeDelta::seconds(30));
        let report = self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await.unwrap();
        assert!(!report.plan.held);
        report.counts.pulled
    }

    fn copies(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .remote
            .items()
            .into_values()
            .map(|event| event.body().unwrap().title.clone().unwrap())
            .collect();
        all.sort();
        all
    }

    async fn here(&self) -> Vec<String> {
        let locals = self.world.locals().await;
        let mut all: Vec<String> =
            locals.iter().map(|record| record.event.body().unwrap().title.clone().unwrap()).collect();
        all.sort();
        all
    }
}

#[tokio::test]
async fn another_version_of_a_rule_compares_everything_again() {
    let lab = Lab::new(Direction::Export);
    for (uid, title) in [("u1", "one"), ("u2", "secret"), ("u3", "three")] {
        lab.world.add(titled(uid, title)).await;
    }
    lab.sync().await;
    lab.sync().await;
    assert_eq!(lab.copies(), ["one 3a", "three 5a"]);
    let writes = lab.remote.writes();
    // The same rules are the same rules, whoever made them.
    let lab = lab.with("1", "a");
    lab.sync().await;
    assert_eq!(lab.remote.writes(), writes);
    let lab = lab.with("1", "b");
    lab.sync().await;
    assert_eq!(lab.copies(), ["one 3b", "three 5b"]);
    let writes = lab.remote.writes();
    assert_eq!(lab.sync().await, 0);
    assert_eq!(lab.remote.writes(), writes, "and then it is quiet");

    // An import reads everything anew.
    let lab = Lab::new(Direction::Import);
    lab.remote.put("r1", &titled("u1", "one"));
    lab.remote.put("r2", &titled("u2", "secret"));
    assert_eq!(lab.sync().await, 2);
    assert_eq!(lab.sync().await, 0);
    let lab = lab.with("1", "b");
    assert_eq!(lab.sync().await, 2);
    assert_eq!(lab.here().await, ["one 3b"]);
}

#[tokio::test]
async fn an_event_a_rule_fails_for_stays_as_it_was_until_the_rule_can_tell() {
    let lab = Lab::new(Direction::Export);
    lab.world.add(titled("u1", "one")).await;
    lab.world.add(titled("u2", "two")).await;
    lab.sync().await;
    lab.world.edit("u1", |event| body(event).title = Some("to fail".to_owned())).await;
    lab.world.add(titled("u3", "panic")).await;
    lab.world.edit("u2", |event| body(event).title = Some("two!".to_owned())).await;
    lab.sync().await;
    lab.sync().await;
    assert_eq!(lab.copies(), ["one 3a", "two! 4a"], "the others go on");
    for (uid, expected) in [("u1", "no answer from the directory"), ("u3", "it panicked")] {
        let locals = lab.world.locals().await;
        let record = locals.iter().find(|record| record.event.uid == uid).unwrap();
        let explained = lab.world.engine.explain(std::slice::from_ref(&lab.link), record).await.unwrap();
        let WayState::Stuck { detail } = &explained.ways[0].state else { panic!("{:?}", explained.ways) };
        assert!(detail.contains("\"mine\"") && detail.contains(expected), "{detail}");
        assert!(!detail.contains("to fail"), "{detail}");
    }
    // An edit makes it an event the rule knows; a new version of the rule, too.
    lab.world.edit("u3", |event| body(event).title = Some("three".to_owned())).await;
    let lab = lab.with("3", "a");
    lab.sync().await;
    lab.sync().await;
    assert_eq!(lab.copies(), ["three 5a", "to fail 7a", "two! 4a"]);
}

#[tokio::test]
async fn an_item_a_rule_fails_for_is_set_aside_and_its_event_stays() {
    let lab = Lab::new(Direction::Import);
    lab.remote.put("r1", &titled("u1", "one"));
    lab.remote.put("r2", &titled("u2", "to fail"));
    lab.sync().await;
    lab.remote.put("r1", &titled("u1", "one, to fail"));
    lab.sync().await;
    lab.sync().await;
    assert_eq!(lab.here().await, ["one 3a"]);
    let query = RecordQuery {
        kind: RecordKind::Quarantine,
        link: &lab.link.id,
        event: None,
        run: None,
        after: None,
        limit: 10,
    };
    let rows = lab.world.engine.store().records(query).await.unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let Record::Quarantine(row) = row else { panic!("{row:?}") };
        assert_eq!(row.kind, UnreadKind::Unreadable);
        assert!(row.reason.contains("\"mine\"") && !row.reason.contains("one"), "{}", row.reason);
    }
    let lab = lab.with("3", "a");
    lab.sync().await;
    assert_eq!(lab.here().await, ["one, to fail 12a", "to fail 7a"]);
}

#[tokio::test]
async fn a_link_whose_rule_the_host_has_not_does_not_run() {
    let mut lab = Lab::new(Direction::Export);
    lab.world.engine = lab.world.engine.clone().with_host_rules(HostRules::default());
    lab.world.add(titled("u1", "one")).await;
    let ran = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    assert!(matches!(ran, Err(EngineError::CopyRules { .. })), "{ran:?}");
    assert_eq!(lab.remote.writes(), 0);
}

/// Panics when it is asked what it is.
struct Broken {
    in_version: bool,
}

impl HostFilter for Broken {
    fn version(&self) -> &str {
        assert!(!self.in_version, "canary of the host");
        "1"
    }

    fn check(&self, _: &HostOptions) -> Result<(), String> {
        panic!("canary of the host")
    }

    fn lets_through(&self, _: &EventBody, _: &HostOptions, _: &Surroundings<'_>) -> Result<bool, String> {
        Ok(true)
    }
}

#[tokio::test]
async fn a_rule_that_panics_when_it_is_asked_what_it_is_is_an_error() {
    for in_version in [true, false] {
        let filter: Filter = serde_json::from_value(json!({ "type": "host", "rule": "broken" })).unwrap();
        let pipeline = Pipeline::default().with_filter("mine", filter);
        let host = HostRules::default().with_filter("broken", Arc::new(Broken { in_version }));
        let error = pipeline.compile_with(&host).unwrap_err().to_string();
        assert!(error.contains("\"broken\" panicked") && !error.contains("canary"), "{error}");
        let mut lab = Lab::new(Direction::Export);
        lab.world.engine = lab.world.engine.clone().with_host_rules(host);
        lab.link = lab.link.clone().with_copies(CopyRules::new(pipeline));
        lab.world.add(titled("u1", "one")).await;
        let ran = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
        assert!(matches!(ran, Err(EngineError::CopyRules { .. })), "{ran:?}");
        assert_eq!(lab.remote.writes(), 0);
    }
}

/// Lets everything through so many times, and fails from then on.
struct Fickle(std::sync::atomic::AtomicIsize);

impl HostFilter for Fickle {
    fn version(&self) -> &str {
        "1"
    }

    fn lets_through(&self, _: &EventBody, _: &HostOptions, _: &Surroundings<'_>) -> Result<bool, String> {
        use std::sync::atomic::Ordering::SeqCst;
        if self.0.fetch_sub(1, SeqCst) > 0 { Ok(true) } else { Err("no answer any more".to_owned()) }
    }
}

#[tokio::test]
async fn priv_01_a_rule_that_fails_in_the_middle_of_a_run_lets_nothing_out() {
    use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};
    let fickle = Arc::new(Fickle(AtomicIsize::new(isize::MAX)));
    let filter: Filter = serde_json::from_value(json!({ "type": "host", "rule": "fickle" })).unwrap();
    let mut lab = Lab::new(Direction::Export);
    let host = HostRules::default().with_filter("fickle", fickle.clone());
    lab.world.engine = lab.world.engine.clone().with_host_rules(host);
    lab.link = lab.link.clone().with_copies(CopyRules::new(Pipeline::default().with_filter("mine", filter)));
    lab.world.add(titled("u1", "private one")).await;
    lab.sync().await;
    assert_eq!(lab.copies(), ["Busy"]);
    for calls in 0..12 {
        lab.world
            .edit("u1", |event| {
                body(event).title = Some(format!("private {calls}"));
                body(event).location = Some(format!("private place {calls}"));
                body(event).time.end = body(event).time.start.clone();
            })
            .await;
        lab.world.add(titled(&format!("new{calls}"), "private as well")).await;
        fickle.0.store(calls, SeqCst);
        lab.world.clock.advance(TimeDelta::hours(1));
        let _ = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
        let all = serde_json::to_string(&lab.remote.items().into_values().collect::<Vec<_>>()).unwrap();
        assert!(!all.contains("private"), "after {calls} calls: {all}");
        let waiting = lab.world.engine.outbox(&lab.link.id).await.unwrap();
        for entry in waiting {
            if let calsync_core::store::OutboxOp::Update { payload, .. } = &entry.op {
                assert!(!payload.as_str().contains("private"), "after {calls} calls");
            }
        }
    }
}

/// A feed goes through the rules of the host as a link does: what one keeps out or cannot tell about is not published, and
/// another version of a rule is another feed.
#[tokio::test]
async fn a_feed_goes_through_the_rules_of_the_host() {
    let world = World::new(Arc::new(MemoryStore::default()), 5);
    for title in ["Review", "secret plan", "fail", "panic"] {
        world.add(titled(title, title)).await;
    }
    let tokens = FeedTokens::new(world.store.clone(), world.clock.clone(), Arc::new(SystemEntropy));
    let token = tokens.create("team").await.unwrap();
    let mut options = FeedOptions::new(world.clock.now(), Secret::new([0; 32]));
    options.detail = Detail::Details;
    let pipeline = Pipeline::everything().with_filter("mine", not_internal()).with_transform("l", length());
    let published = || Published::new(world.calendar.clone(), options.clone());
    assert!(published().through(&pipeline, "Anna").is_err(), "it has no such rule");
    let served = async |rules: &HostRules| {
        let published = published().through_with(&pipeline, "Anna", rules).unwrap();
        let publisher = Publisher::new(world.store.clone(), world.clock.clone(), tokens.clone());
        let publisher = publisher.with_feed("team", published);
        let conditions = FeedRequest::default();
        let mut served =
            publisher.respond(&FeedCall { method: "GET", token: token.expose(), conditions }).await;
        let tag = served.headers.iter().find(|(name, _)| *name == "etag").unwrap().1.clone();
        let mut text = Vec::new();
        while let Some(chunk) = served.body.as_mut().unwrap().next().await.unwrap() {
            text.extend(chunk);
        }
        (tag, String::from_utf8(text).unwrap())
    };
    let (tag, text) = served(&rules("1", "")).await;
    assert_eq!(text.matches("BEGIN:VEVENT").count(), 1, "{text}");
    assert!(text.contains("SUMMARY:Review Anna6"), "{text}");
    assert_eq!(served(&rules("1", "")).await.0, tag);
    assert_ne!(served(&rules("2", "")).await.0, tag);
}
