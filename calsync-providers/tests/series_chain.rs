//! Random series from Google to the hub, to Microsoft, to the hub, to iCalendar text and back to Google: the same instances
//! after every step, or a loss that the step reported.
//!
//! 2,000 of them; `cargo xtask laws` sets `CALSYNC_CASES` to 10,000.

#![cfg(all(feature = "google", feature = "microsoft", feature = "caldav"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod series_support;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, Override, RecurrenceId},
    provider::{Payload, PeoplePolicy, Provider, RenderRequest},
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
use series_support::{instances, series};

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
    let google = GoogleProvider::new(GoogleConfig::new(token()), Arc::new(Nowhere)).unwrap();
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

/// When an event takes place, but for the instances that are excused by a loss that was reported.
fn but_for(losses: &[&str], event: &Event, all: &Instances) -> Instances {
    let moved = |id: &RecurrenceId| matches!(event.overrides.get(id), Some(Override::Changed { .. }));
    let added = |id: &RecurrenceId| matches!(event.overrides.get(id), Some(Override::Added { .. }));
    let start = event.master.as_ref().map(|master| RecurrenceId::of(&master.time.start));
    let excused = |id: &RecurrenceId| {
        losses.contains(&"added-dates") && added(id)
            || losses.contains(&"instance-moved") && moved(id)
            // The first one, where it is none of the rule's.
            || losses.contains(&"recurrence-start") && Some(*id) == start
    };
    all.iter().filter(|(id, _)| !excused(id)).cloned().collect()
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

#[test]
fn series_go_round_google_graph_and_icalendar_with_the_same_instances() {
    let cases = std::env::var("CALSYNC_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    let sides = sides();
    let [google, graph, caldav] = &sides;
    let mut runner = TestRunner::new_with_rng(
        Config { cases, failure_persistence: None, ..Config::default() },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let whole = Cell::new(0_u32);
    let lost = RefCell::new(BTreeMap::<String, u32>::new());
    runner
        .run(&series(), |first| {
            let mut event = first;
            let mut before = instances(&event);
            let mut is_whole = true;
            for side in [google, graph, caldav, google, caldav, graph, google] {
                let (read, losses) = side.through(&event).map_err(TestCaseError::fail)?;
                let after = instances(&read);
                let told: Vec<&str> = losses.iter().map(|loss| loss.rsplit('/').next().unwrap()).collect();
                let of_time = |loss: &&str| {
                    ["recurrence", "recurrence-start", "added-dates", "instance-moved"].contains(loss)
                };
                for loss in told.iter().copied().filter(of_time) {
                    is_whole = false;
                    *lost.borrow_mut().entry(format!("{}: {loss}", side.name)).or_default() += 1;
                }
                if told.contains(&"recurrence") {
                    // Written once, at its start.
                    prop_assert!(!read.is_series() && after.len() <= 1, "{} of {:?}", side.name, &event);
                } else {
                    let excused = |all| but_for(&told, &event, all);
                    let differs = difference(&excused(&before), &excused(&after));
                    let shown = || serde_json::to_string(&event).unwrap();
                    prop_assert!(differs.is_empty(), "{}: {differs} {told:?}\n{}", side.name, shown());
                }
                (event, before) = (read, after);
            }
            whole.set(whole.get() + u32::from(is_whole));
            Ok(())
        })
        .unwrap();
    println!("{} of {cases} went round whole; {:?}", whole.get(), lost.borrow());
    assert!(whole.get() > cases / 5, "{} of {cases}: {:?}", whole.get(), lost.borrow());
    let kinds = lost.into_inner();
    let kinds: Vec<&str> = kinds.keys().map(String::as_str).collect();
    let known =
        ["graph: added-dates", "graph: instance-moved", "graph: recurrence", "graph: recurrence-start"];
    assert_eq!(kinds, known, "only Graph has something it cannot say of time");
}
