//! What is published comes back through a subscription: the same instances, over two years.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ics_common;

use std::{collections::BTreeMap, sync::Arc};

use calsync_core::{
    engine::{Link, SyncOptions},
    model::Event,
    plan::Direction,
    publish::{BusyOnly, Detail, FeedOptions, busy_only, feed},
    recurrence::ExpansionLimits,
    secret::Secret,
    store::MemoryStore,
    zone::Zone,
};
use calsync_providers::ics::{IcsConfig, IcsProvider};
use calsync_testkit::{availability_oracle::availability_case, world::World};
use chrono::{DateTime, TimeDelta, Utc};
use ics_common::*;

type Spans = BTreeMap<String, Vec<(DateTime<Utc>, DateTime<Utc>)>>;

fn instances<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    window: &std::ops::Range<DateTime<Utc>>,
) -> Spans {
    let of = |event: &Event| {
        let (found, _) = event.instances(window.clone(), &Zone::UTC, &ExpansionLimits::default());
        let span = |found: &calsync_core::recurrence::EventInstance<'_>| {
            (found.time.start.instant(&Zone::UTC), found.time.end.instant(&Zone::UTC))
        };
        (event.uid.clone(), found.iter().map(span).collect::<Vec<_>>())
    };
    events.into_iter().map(of).filter(|(_, spans)| !spans.is_empty()).collect()
}

#[tokio::test]
async fn a_published_calendar_comes_back_the_same() {
    let mut compared = 0;
    for (seed, detail) in (0..60).flat_map(|seed| [(seed, Detail::Details), (seed, Detail::BusyOnly)]) {
        let case = availability_case(seed);
        let events: Vec<Event> = case
            .calendars
            .into_iter()
            .flat_map(|calendar| calendar.events)
            .enumerate()
            .map(|(number, event)| Event { uid: format!("{seed}-{number}"), ..event })
            .collect();
        let mut options = FeedOptions::new(case.question.window.start, Secret::new([7; 32]));
        options.detail = detail;
        // A feed of busy times shows what takes time, under UIDs of its own.
        let how = BusyOnly { title: "Busy", key: Some(options.key.expose()), owner: &[] };
        let shown: Vec<Event> = match detail {
            Detail::Details => events.clone(),
            Detail::BusyOnly => events.iter().filter_map(|event| busy_only(event, &how)).collect(),
        };
        (options.back, options.ahead) = (TimeDelta::days(365), TimeDelta::days(365));
        let window = options.window();
        let text = feed(&events, options).collect::<Vec<_>>().concat();

        let world = World::new(Arc::new(MemoryStore::default()), 1);
        let fake = Fake::new(move |_, _| Ok(answer(200, &[], &text)));
        let provider = IcsProvider::new(IcsConfig::new(URL), fake, world.clock.clone()).unwrap();
        let link =
            Link::new("feed", "family", provider.calendar().as_str()).with_direction(Direction::Import);
        let report = world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
        assert_eq!(report.counts.quarantined, 0, "seed {seed}");
        let quiet = world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
        assert!(quiet.plan.operations.is_empty(), "seed {seed}");
        let read = world.locals().await;
        let right = instances(&shown, &window);
        assert_eq!(right, instances(read.iter().map(|record| &record.event), &window), "seed {seed}");
        compared += right.values().map(Vec::len).sum::<usize>();
    }
    assert!(compared > 3_000, "{compared}");
}
