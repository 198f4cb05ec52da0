//! Random series from Google to the hub, to Microsoft, to the hub, to iCalendar text and back to Google: the same instances
//! after every step, or a loss that the step reported.
//!
//! 10,000 of them, or as many as `CALSYNC_CASES` says: of one rule, of two, without another rule's instances, and floating ones.

#![cfg(all(feature = "google", feature = "microsoft", feature = "caldav"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod series_support;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, EventBody, EventTime, Override, RecurrenceId, TimeSpan},
    provider::{Payload, PeoplePolicy, Provider, RenderRequest},
    zone::Zone,
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    google::{GoogleConfig, GoogleProvider},
    http::{HttpError, HttpRequest, HttpResponse, HttpTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use series_support::{Shape, instances, instances_of, shaped_series};

/// Nothing is sent.
struct Nowhere;

#[async_trait]
impl HttpTransport for Nowhere {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        unreachable!()
    }
}

/// One side: what an event looks like there.
struct Side {
    name: &'static str,
    provider: Box<dyn Provider>,
}

fn sides() -> [Side; 3] {
    let token = || Arc::new(Secret::from("x"));
    let mut config = GoogleConfig::new(token());
    config.floating_zone = Some(Zone::UTC);
    let google = GoogleProvider::new(config, Arc::new(Nowhere)).unwrap();
    let graph = MicrosoftProvider::new(MicrosoftConfig::new(token()), Arc::new(Nowhere)).unwrap();
    let caldav = CalDavConfig::new("https://dav.example.com/", "ann", "x");
    let caldav = CalDavProvider::new(caldav, Arc::new(Nowhere)).unwrap();
    [
        Side { name: "google", provider: Box::new(google) },
        Side { name: "graph", provider: Box::new(graph) },
        Side { name: "caldav", provider: Box::new(caldav) },
    ]
}

impl Side {
    /// An event as it is read where it was written, and what the side said it does not hold.
    fn through(&self, event: &Event) -> Result<(Event, Vec<String>), String> {
        let now = "2026-01-05T12:00:00Z".parse().unwrap();
        let request = RenderRequest { event, original: None, now, people: PeoplePolicy::Write };
        let rendered = self.provider.render(request).map_err(|error| format!("{}: {error}", self.name))?;
        let stored = Payload::new(stored(rendered.payload.as_str()));
        let read = self.provider.read(&stored).map_err(|error| format!("{}: {}", self.name, error.reason))?;
        Ok((read, rendered.losses))
    }
}

type Instances = Vec<(RecurrenceId, String)>;

/// When an event takes place. What floats is read by the clock of UTC, in which it is written where nothing floats.
fn takes_place(event: &Event) -> Instances {
    let fixed = |id| match id {
        RecurrenceId::Floating(at) => RecurrenceId::Instant(at.and_utc()),
        other => other,
    };
    instances(event).into_iter().map(|(id, at)| (fixed(id), at)).collect()
}

/// When an event is to take place where these losses were reported: each excuses what it says, and nothing else.
fn excused(losses: &[&str], event: &Event) -> Instances {
    let master = event.master.as_ref().unwrap();
    if losses.contains(&"recurrence") {
        // Written once, at its start.
        return takes_place(&Event::single(event.uid.clone(), master.clone()));
    }
    let mut kept = event.clone();
    if losses.contains(&"added-dates") {
        kept.overrides.retain(|_, value| !matches!(value, Override::Added { .. }));
    }
    if losses.contains(&"instance-moved") {
        let days = kept.overrides.clone();
        for (id, value) in &days {
            let Override::Changed { body, scope } = value else { continue };
            if !passes_neighbour(event, *id, body) {
                continue;
            }
            // It stays where the rule has it, with what else is said of it.
            let mut body = body.clone();
            body.time = of_rule(event, *id).unwrap_or(body.time);
            kept.overrides.insert(*id, Override::Changed { body, scope: *scope });
        }
    }
    let mut all = takes_place(&kept);
    if losses.contains(&"recurrence-start") {
        // The first one, where it is none of the rule's.
        let start = RecurrenceId::of(&master.time.start);
        all.retain(|(id, _)| *id != start);
    }
    all
}

/// When an instance is by the rule.
fn of_rule(event: &Event, id: RecurrenceId) -> Option<TimeSpan> {
    let bare = Event { overrides: Default::default(), ..event.clone() };
    instances_of(&bare).into_iter().find(|(other, _)| *other == id).map(|(_, time)| time)
}

/// Whether an instance was moved to the day of another one of its series, or past it.
fn passes_neighbour(event: &Event, id: RecurrenceId, moved: &EventBody) -> bool {
    let Some(by_rule) = of_rule(event, id) else { return false };
    let day = |time: &EventTime| match time.zone() {
        Some(zone) => zone.to_local(time.instant(zone)).date(),
        None => time.local().date(),
    };
    // By the clock of the series.
    let zone = by_rule.start.zone().cloned().unwrap_or(Zone::UTC);
    let now = zone.to_local(moved.time.start.instant(&zone)).date();
    let was = day(&by_rule.start);
    now != was
        && instances_of(event).iter().any(|(other, time)| {
            let theirs = zone.to_local(time.start.instant(&zone)).date();
            *other != id && (if *other < id { now <= theirs } else { now >= theirs })
        })
}

/// The first instances that are only here or only there; empty: there are none.
fn difference(before: &Instances, after: &Instances) -> String {
    let only = |these: &Instances, those: &Instances| -> Vec<String> {
        let those: BTreeSet<_> = those.iter().collect();
        these.iter().filter(|one| !those.contains(one)).take(3).map(|(id, at)| format!("{id} {at}")).collect()
    };
    match (only(before, after), only(after, before)) {
        (gone, new) if gone.is_empty() && new.is_empty() => String::new(),
        (gone, new) => format!("gone {gone:?}, new {new:?}"),
    }
}

/// The payload as the service would hold it: without what a write is to do.
fn stored(payload: &str) -> String {
    let Ok(serde_json::Value::Object(mut item)) = serde_json::from_str(payload) else {
        return payload.to_owned();
    };
    item.remove("edits");
    item.remove("@calsync.patch");
    serde_json::Value::Object(item).to_string()
}

/// What came of some series.
#[derive(Default)]
struct Tally {
    whole: u32,
    lost: BTreeMap<String, u32>,
    shapes: BTreeMap<String, u32>,
}

/// Sends `cases` series round, from a seed of their own.
fn go_round(cases: u32, seed: u8) -> Result<Tally, String> {
    let sides = sides();
    let [google, graph, caldav] = &sides;
    let mut runner = TestRunner::new_with_rng(
        Config { cases, failure_persistence: None, ..Config::default() },
        TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]),
    );
    let tally = RefCell::new(Tally::default());
    let ended = runner.run(&shaped_series(), |(shape, first)| {
        *tally.borrow_mut().shapes.entry(format!("{shape:?}")).or_default() += 1;
        let mut before = takes_place(&first);
        let mut event = first;
        let mut is_whole = true;
        let order = match shape {
            Shape::Plain => vec![google, graph, caldav, google, caldav, graph, google],
            // Whatever Graph holds of it, the others hold all of it first.
            _ => vec![caldav, google, caldav, graph, google],
        };
        for side in order {
            let (read, losses) = side.through(&event).map_err(TestCaseError::fail)?;
            let told: Vec<&str> = losses.iter().map(|loss| loss.rsplit('/').next().unwrap()).collect();
            let of_time = |loss: &&str| {
                ["recurrence", "recurrence-start", "added-dates", "instance-moved"].contains(loss)
            };
            for loss in told.iter().copied().filter(of_time) {
                is_whole = false;
                *tally.borrow_mut().lost.entry(format!("{}: {loss}", side.name)).or_default() += 1;
            }
            let floats =
                |event: &Event| matches!(event.master.as_ref().unwrap().time.start, EventTime::Floating(_));
            if floats(&event) && !floats(&read) {
                prop_assert!(
                    told.iter().any(|loss| ["time", "floating-time"].contains(loss)),
                    "{}: it floated, and {told:?}",
                    side.name
                );
            }
            let after = takes_place(&read);
            let expected =
                if told.iter().any(of_time) { excused(&told, &event) } else { std::mem::take(&mut before) };
            let shown = || serde_json::to_string(&event).unwrap();
            let differs = if told.contains(&"recurrence") {
                prop_assert!(!read.is_series(), "{}: {}", side.name, shown());
                let when = |all: &Instances| all.iter().map(|(_, at)| at.clone()).collect::<Vec<_>>();
                let (before, after) = (when(&expected), when(&after));
                prop_assert_eq!(before.len(), 1, "{}: {}", side.name, shown());
                if before == after { String::new() } else { format!("{before:?} is {after:?}") }
            } else {
                difference(&expected, &after)
            };
            prop_assert!(differs.is_empty(), "{}: {differs} {told:?}\n{}", side.name, shown());
            (event, before) = (read, after);
        }
        tally.borrow_mut().whole += u32::from(is_whole);
        Ok(())
    });
    ended.map_err(|error| error.to_string())?;
    Ok(tally.into_inner())
}

#[test]
fn series_go_round_google_graph_and_icalendar_with_the_same_instances() {
    let cases = std::env::var("CALSYNC_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000);
    // The same series, however many processors there are.
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8).map(|seed| scope.spawn(move || go_round(cases / 8, seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let wrong: Vec<&String> = all.iter().filter_map(|tally| tally.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut sum = Tally::default();
    for tally in all.into_iter().flatten() {
        sum.whole += tally.whole;
        for (into, from) in [(&mut sum.lost, tally.lost), (&mut sum.shapes, tally.shapes)] {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        }
    }
    println!("{} of {cases} went round whole; {:?}; {:?}", sum.whole, sum.lost, sum.shapes);
    assert!(sum.whole > cases / 6, "{} of {cases}: {:?}", sum.whole, sum.lost);
    assert!(
        sum.shapes.len() == 4 && sum.shapes.values().all(|count| *count > cases / 20),
        "{:?}",
        sum.shapes
    );
    let kinds: Vec<&str> = sum.lost.keys().map(String::as_str).collect();
    let known =
        ["graph: added-dates", "graph: instance-moved", "graph: recurrence", "graph: recurrence-start"];
    assert_eq!(kinds, known, "only Graph has something it cannot say of time");
}
