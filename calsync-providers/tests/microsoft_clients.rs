//! The provider on what independent clients wrote into the emulator, and they on what it writes.
//!
//! `cargo xtask test` sets `CALSYNC_TEST_GRAPH` and `CALSYNC_TEST_GRAPH_TOKEN`, after
//! `calsync-testkit/tests/python/graph_server_check.py` has written; it reads afterwards. Without them the test looks at
//! an emulator of its own that holds nothing.
#![cfg(feature = "microsoft")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions},
    model::{Event, EventBody, EventTime, Override, RecurrenceId, Status, TimeSpan},
    provider::Provider,
    recurrence::RuleEntry,
    store::MemoryStore,
    zone::Zone,
};
use calsync_providers::{
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::{
    microsoft::{GraphOptions, GraphServer},
    world::World,
};
use chrono::NaiveDate;

#[tokio::test(flavor = "multi_thread")]
async fn what_independent_clients_write_is_read_and_they_are_written_to() {
    let outside = std::env::var("CALSYNC_TEST_GRAPH").ok();
    let own = GraphServer::start(GraphOptions::default()).unwrap();
    let url = outside.clone().unwrap_or_else(|| own.url());
    let token = std::env::var("CALSYNC_TEST_GRAPH_TOKEN").unwrap_or_else(|_| "secret".to_owned());
    let world = World::new(Arc::new(MemoryStore::default()), 3);
    let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let config = MicrosoftConfig::new(Arc::new(Secret::from(token))).at(url, AddressPolicy::AllowPrivate);
    let provider = MicrosoftProvider::new(config, transport).unwrap().with_clock(world.clock.clone());
    let calendars = provider.calendars().await.unwrap();
    assert_eq!(calendars.len(), 1);
    assert!(!calendars[0].read_only);
    let link = Link::new("graph", "family", calendars[0].id.as_str());
    world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();

    if outside.is_some() {
        let find = |records: &[calsync_core::store::EventRecord], title: &str| {
            let has = |event: &Event| event.master.as_ref().unwrap().title.as_deref() == Some(title);
            records.iter().find(|record| has(&record.event)).unwrap().event.clone()
        };
        let locals = world.locals().await;
        assert_eq!(locals.len(), 2);
        let series = find(&locals, "series of msgraph-sdk");
        assert_eq!(series.rules[0].to_string(), "FREQ=WEEKLY;COUNT=5;BYDAY=MO");
        let master = series.master.as_ref().unwrap();
        assert_eq!(master.description.as_deref(), Some("one\ntwo <three>"));
        assert_eq!(master.status, Some(Status::Tentative));
        assert_eq!(master.time.start.zone().unwrap().name(), "Europe/Paris");
        assert!(master.categories.contains("Red"));
        let overrides: Vec<String> =
            series.overrides.iter().map(|(id, value)| format!("{id} {value:?}")).collect();
        assert_eq!(overrides, ["20260112T080000Z Changed(..)", "20260119T080000Z Excluded"]);
        let single = find(&locals, "event of O365, edited");
        let body = single.master.as_ref().unwrap();
        assert_eq!((body.description.as_deref(), body.location.as_deref()), (Some("hello"), Some("Room 1")));
        assert_eq!(body.alarms.len(), 1);
        world
            .edit(&single.uid, |event| {
                event.master.as_mut().unwrap().categories.insert("edited by calsync".to_owned());
            })
            .await;
    }

    let madrid = Zone::from_iana("Europe/Madrid").unwrap();
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
    let span = |date: NaiveDate, hour| TimeSpan {
        start: EventTime::zoned(date.and_hms_opt(hour, 0, 0).unwrap(), madrid.clone()),
        end: EventTime::zoned(date.and_hms_opt(hour + 1, 0, 0).unwrap(), madrid.clone()),
    };
    let mut body = EventBody::new(span(day(5), 9));
    body.title = Some("series of calsync".to_owned());
    body.description = Some("from calsync".to_owned());
    let mut series = Event::single("series-of-calsync", body.clone());
    series.rules.push(RuleEntry::read("FREQ=WEEKLY;COUNT=4"));
    let id = |date: NaiveDate| RecurrenceId::of(&span(date, 9).start);
    series.overrides.insert(id(day(19)), Override::Excluded);
    let mut moved = EventBody { time: span(day(13), 16), ..body };
    moved.title = Some("moved by calsync".to_owned());
    series
        .overrides
        .insert(id(day(12)), Override::Changed { body: Box::new(moved), scope: Default::default() });
    world.add(series).await;
    let report = world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
    assert_eq!(report.counts.pushed, if outside.is_some() { 2 } else { 1 });
    let report = world.engine.sync(&link, &provider, &SyncOptions::default()).await.unwrap();
    assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
}
