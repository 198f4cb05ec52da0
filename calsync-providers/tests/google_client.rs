//! What Google's own client library wrote, read by the provider; and events for that client to read.
//!
//! `cargo xtask test --only google-server` starts the emulator, lets the client write, and names a proxy in
//! `CALSYNC_TEST_GOOGLE` that checks every request and answer against Google's schema. Without it there is nothing to test.

#![cfg(feature = "google")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use calsync_core::{
    model::{Alarm, Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RuleEntry, TimeSpan},
    provider::{ItemChange, Provider, WatchRequest},
    zone::Zone,
};
use calsync_providers::{
    google::{GoogleConfig, UpdateMethod},
    http::{AddressPolicy, Secret},
};
use chrono::NaiveDate;
use google_support::*;

fn berlin(day: u32, hour: u32) -> EventTime {
    let local = NaiveDate::from_ymd_opt(2026, 5, day).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
}

fn single(uid: &str, day: u32) -> Event {
    let mut body = EventBody::new(TimeSpan { start: berlin(day, 9), end: berlin(day, 10) });
    body.title = Some(format!("calsync {uid}"));
    body.alarms.push(Alarm::display_before(900));
    Event::single(uid, body)
}

#[tokio::test]
async fn googles_client_and_the_provider_read_each_other() {
    let Ok(url) = std::env::var("CALSYNC_TEST_GOOGLE") else { return };
    let config = |update| {
        let tokens = Arc::new(Secret::from("secret"));
        let tokens =
            std::env::var("CALSYNC_TEST_GOOGLE_TOKEN").map_or(tokens, |token| Arc::new(Secret::from(token)));
        let mut config = GoogleConfig::new(tokens).at(url.clone(), AddressPolicy::AllowPrivate);
        config.page_max = 7;
        config.update = update;
        config
    };
    let provider = with(config(UpdateMethod::Cheapest));
    assert!(provider.calendars().await.unwrap().iter().any(|calendar| calendar.id == primary()));

    // What the client wrote.
    let all = pull(&provider, None).await.unwrap();
    let mut read = BTreeMap::new();
    for change in &all.changes {
        let ItemChange::Present { payload: Some(payload), .. } = &change.change else { panic!("{change:?}") };
        let event = provider.read(payload).unwrap();
        let title = event.master.as_ref().unwrap().title.clone().unwrap_or_default();
        read.insert(title, (change.id.clone(), event));
    }
    let (_, weekly) = &read["client weekly"];
    assert_eq!(weekly.rules.len(), 1);
    let keys: Vec<_> = weekly.overrides.iter().map(|(key, o)| format!("{key} {o:?}")).collect();
    let expected = ["20260511T070000Z Excluded", "20260518T070000Z Changed(..)", "20260525T070000Z Excluded"];
    assert_eq!(keys, expected);
    let (_, day) = &read["client day"];
    assert_eq!(
        day.master.as_ref().unwrap().time,
        TimeSpan::all_day(
            NaiveDate::from_ymd_opt(2026, 5, 4).unwrap(),
            NaiveDate::from_ymd_opt(2026, 5, 5).unwrap(),
        )
    );
    let (_, rich) = &read["client rich"];
    let rich = rich.master.as_ref().unwrap();
    assert_eq!((rich.alarms.len(), rich.participants.len()), (2, 1));

    // What the client is to read: every kind of write the provider does.
    let one = create(&provider, &single("one", 6), "one").await;
    edit(&provider, &one, |event| event.master.as_mut().unwrap().location = Some("Room 1".into())).await;
    let mut series = single("series", 7);
    series.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=6"));
    let key = |day| RecurrenceId::of(&berlin(day, 9));
    let moved = |day, hour| {
        let mut body = EventBody::new(TimeSpan { start: berlin(day, hour), end: berlin(day, hour + 2) });
        body.title = Some("calsync moved".into());
        Override::Changed { body: Box::new(body), scope: OverrideScope::This }
    };
    series.overrides.insert(key(8), Override::Excluded);
    series.overrides.insert(key(9), moved(9, 15));
    let series_id = create(&provider, &series, "series").await;
    edit(&provider, &series_id, |event| {
        event.overrides.insert(key(10), Override::Excluded);
        event.overrides.insert(key(11), moved(11, 20));
    })
    .await;
    let patching = with(config(UpdateMethod::Patch));
    let all_day = create(&patching, &single("days", 13), "days").await;
    edit(&patching, &all_day, |event| {
        let first = NaiveDate::from_ymd_opt(2026, 5, 13).unwrap();
        event.master.as_mut().unwrap().time = TimeSpan::all_day(first, first);
    })
    .await;
    let gone = create(&provider, &single("gone", 14), "gone").await;
    let (version, ..) = item(&provider, &gone).await;
    provider.delete(&primary(), &gone, &version).await.unwrap();
    let due: Vec<Event> = (0..20).map(|n| single(&format!("batch{n}"), 15)).collect();
    futures_util::future::join_all(due.iter().map(|event| create(&provider, event, &event.uid))).await;
    // The client's own event, changed without touching the rest of it.
    let (rich_id, _) = &read["client rich"];
    edit(&provider, rich_id, |event| {
        event.master.as_mut().unwrap().title = Some("client rich edited".into())
    })
    .await;

    let delta = pull(&provider, all.cursor).await.unwrap();
    assert!(delta.changes.len() >= 24, "{}", delta.changes.len());
    let request = WatchRequest {
        id: "calsync-channel",
        address: "https://host.example/hook",
        secret: "0123456789",
        lifetime: Duration::from_secs(3600),
    };
    let watch = provider.watch(&primary(), request).await.unwrap();
    provider.unwatch(&watch).await.unwrap();
    let window = "2026-05-01T00:00:00Z".parse().unwrap().."2026-05-31T00:00:00Z".parse().unwrap();
    let busy = provider.free_busy(&[primary()], window).await.unwrap();
    assert!(busy[0].busy.len() > 5);
    assert!(!provider.event_colors().await.unwrap().is_empty());
}
