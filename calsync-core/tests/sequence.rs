//! `SEQUENCE`: what takes place otherwise gets a higher number, wherever the edit comes from, and subscribers see it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    context::Clock,
    diff::raise_sequence,
    engine::{Link, SyncOptions},
    model::*,
    publish::{Detail, FeedOptions, feed},
    recurrence::RuleEntry,
    secret::Secret,
    store::MemoryStore,
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

fn later(event: &mut Event) {
    let time = &mut body(event).time;
    for end in [&mut time.start, &mut time.end] {
        *end = EventTime::Utc(end.absolute().unwrap() + TimeDelta::hours(1));
    }
}

fn instance(event: &Event, day: i64) -> RecurrenceId {
    let start = event.master.as_ref().unwrap().time.start.absolute().unwrap() + TimeDelta::days(day);
    RecurrenceId::of(&EventTime::Utc(start))
}

fn changed(event: &mut Event, day: i64, change: impl FnOnce(&mut EventBody)) {
    let id = instance(event, day);
    let mut own = event.master.clone().unwrap();
    change(&mut own);
    event.overrides.insert(id, Override::Changed { body: Box::new(own), scope: OverrideScope::This });
}

/// What is edited of a series whose numbers are 3, of the master, and 5, of its changed second instance: the numbers after that.
#[test]
fn what_takes_place_otherwise_is_raised() {
    type Edit = fn(&mut Event);
    #[rustfmt::skip]
    let table: [(&str, Edit, (u32, u32)); 11] = [
        ("nothing",                |_| {},                                                                     (3, 5)),
        ("the title",              |event| body(event).title = Some("x".to_owned()),                          (3, 5)),
        ("a reminder",             |event| body(event).alarms = vec![Alarm::display_before(60)],              (3, 5)),
        ("the time",               later,                                                                      (4, 5)),
        ("the place",              |event| body(event).location = Some("x".to_owned()),                       (4, 5)),
        ("the rule",               |event| event.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=4")],        (4, 5)),
        ("called off",             |event| body(event).status = Some(Status::Cancelled),                      (4, 5)),
        ("an instance left out",   |event| { let id = instance(event, 2); event.overrides.insert(id, Override::Excluded); }, (4, 5)),
        ("an instance moved",      |event| moved(event, 1),                                                   (3, 6)),
        ("moved, and numbered",    |event| { later(event); body(event).sequence = 9; },                       (9, 5)),
        ("moved, and numbered down", |event| { later(event); body(event).sequence = 1; },                     (4, 5)),
    ];
    for (what, edit, expected) in table {
        let mut before = event("u", "Review");
        before.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=5")];
        body(&mut before).sequence = 3;
        changed(&mut before, 1, |own| (own.sequence, own.title) = (5, Some("other".to_owned())));
        let mut after = before.clone();
        edit(&mut after);
        raise_sequence(&before, &mut after);
        let second = before.overrides.keys().next().unwrap();
        let Some(Override::Changed { body, .. }) = after.overrides.get(second) else { panic!("{what}") };
        assert_eq!((after.master.as_ref().unwrap().sequence, body.sequence), expected, "{what}");
    }
}

fn moved(event: &mut Event, day: i64) {
    let id = instance(event, day);
    let Some(Override::Changed { body, .. }) = event.overrides.get_mut(&id) else { panic!() };
    let EventTime::Utc(end) = body.time.end else { panic!() };
    body.time.end = EventTime::Utc(end + TimeDelta::minutes(5));
}

/// Subscribers of either kind of feed see a higher number when an event is moved, here or at a provider that keeps none, and
/// the same one when it gets another title.
#[tokio::test]
async fn a_feed_numbers_what_is_moved() {
    let (world, remote) = (World::new(Arc::new(MemoryStore::default()), 5), MemoryRemote::default());
    let link = Link::new("both", "family", "memory");
    world.add(event("u", "Review")).await;
    let numbers = async || {
        let events: Vec<Event> = world.locals().await.into_iter().map(|record| record.event).collect();
        [Detail::Details, Detail::BusyOnly].map(|detail| {
            let mut options = FeedOptions::new(world.clock.now(), Secret::new([7; 32]));
            options.detail = detail;
            let text: Vec<u8> = feed(&events, options).flatten().collect();
            let text = String::from_utf8(text).unwrap();
            text.lines().find_map(|line| line.strip_prefix("SEQUENCE:").map(str::to_owned))
        })
    };
    let both = |number: &str| [Some(number.to_owned()), Some(number.to_owned())];
    assert_eq!(numbers().await, [None, None]);
    world.edit("u", later).await;
    assert_eq!(numbers().await, both("1"));
    world.edit("u", |event| body(event).title = Some("Retro".to_owned())).await;
    assert_eq!(numbers().await, both("1"));
    world.edit("u", later).await;
    assert_eq!(numbers().await, both("2"));
    let sync = async || {
        world.clock.advance(TimeDelta::minutes(5));
        world.engine.sync(&link, &remote, &SyncOptions::default()).await.unwrap()
    };
    sync().await;
    let (id, mut there) = remote.items().pop_first().unwrap();
    later(&mut there);
    body(&mut there).sequence = 0;
    remote.put(id.as_str(), &there);
    sync().await;
    assert_eq!(numbers().await, both("3"));
    assert!(sync().await.plan.operations.is_empty(), "a number alone is no edit");
}

/// Some subscribers take no event without a title.
#[test]
fn a_feed_shows_a_title_always() {
    let mut series = event("u", "");
    series.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=3")];
    changed(&mut series, 1, |own| own.title = None);
    let mut untitled = event("v", "x");
    body(&mut untitled).title = None;
    let mut options = FeedOptions::new("2026-02-01T00:00:00Z".parse().unwrap(), Secret::new([7; 32]));
    options.detail = Detail::Details;
    options.untitled = "Nameless".to_owned();
    let text: Vec<u8> = feed([series, untitled], options).flatten().collect();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("SUMMARY:Nameless\r\n").count(), 3, "{text}");
    assert_eq!(text.matches("SUMMARY").count(), 3, "{text}");
}
