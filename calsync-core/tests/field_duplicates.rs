//! Duplicates of the field, as they were told: old series, edges of windows, and what a listing does not show.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    context::Clock as _,
    engine::{CopyRules, CopyWindow, Leaving, Link, SyncOptions, SyncReport, WindowEdge},
    model::{Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RuleEntry, TimeSpan},
    pipeline::Pipeline,
    plan::Direction,
    provider::Provider,
    store::MemoryStore,
    zone::Zone,
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

fn zone(name: &str) -> Zone {
    Zone::from_iana(name).expect("a zone")
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// A world whose clock stands at a time.
fn world_at(now: &str) -> World {
    let world = World::new(Arc::new(MemoryStore::default()), 21);
    world.clock.advance(instant(now) - world.clock.now());
    world
}

fn titled(uid: &str, start: EventTime, end: EventTime) -> Event {
    Event::single(uid, EventBody { title: Some(uid.to_owned()), ..EventBody::new(TimeSpan { start, end }) })
}

async fn sync(world: &World, link: &Link, remote: &dyn Provider) -> SyncReport {
    world.engine.sync(link, remote, &SyncOptions::default()).await.expect("the run goes through")
}

/// A weekly series since 2025-05-26 with an instance moved and one taken out long ago.
fn old_series() -> Event {
    let at = |day: &str, hour: u32| {
        let day: NaiveDate = day.parse().expect("a date");
        EventTime::zoned(day.and_hms_opt(hour, 0, 0).expect("a time"), zone("Europe/Berlin"))
    };
    let mut series = titled("series", at("2025-05-26", 9), at("2025-05-26", 10));
    series.rules.push(RuleEntry::read("FREQ=WEEKLY"));
    let mut moved = EventBody::new(TimeSpan { start: at("2025-06-03", 14), end: at("2025-06-03", 15) });
    moved.title = Some("moved".to_owned());
    let changed = Override::Changed { body: Box::new(moved), scope: OverrideScope::This };
    series.overrides.insert(RecurrenceId::of(&at("2025-06-02", 9)), changed);
    series.overrides.insert(RecurrenceId::of(&at("2025-06-09", 9)), Override::Excluded);
    series
}

/// DUP-01: the master of a series lies before the window, which moves on. The copy is there once after five runs and after
/// any number of them, also where the other side lists only what begins in the window, so that it never shows the copy.
#[tokio::test]
async fn dup_01_the_master_lies_before_the_window() {
    for leaving in [Leaving::Stay, Leaving::Go] {
        for (listed, forgets) in [(true, false), (true, true), (false, true)] {
            for days in [0, 1, 20, 200] {
                let case = format!("{leaving:?}, listed: {listed}, forgets: {forgets}, {days} days");
                let world = world_at("2025-10-30T08:00:00Z");
                let (a, b) = (MemoryRemote::default(), MemoryRemote::default());
                a.put("master", &old_series());
                let from = Link::new("a", "family", "memory");
                let rules = CopyRules::new(Pipeline::everything())
                    .with_window(CopyWindow::days(1, 60).with_leaving(leaving));
                let to =
                    Link::new("b", "family", "memory").with_direction(Direction::Export).with_copies(rules);
                for _ in 0..5 {
                    sync(&world, &from, &a).await;
                    sync(&world, &to, &b).await;
                    assert_eq!((a.items().len(), b.items().len()), (1, 1), "{case}");
                    let copy = b.items().into_keys().next().expect("a copy");
                    if !listed {
                        b.hide(copy.as_str());
                    }
                    if forgets {
                        b.forget_cursors();
                        a.forget_cursors();
                    }
                    world.clock.advance(TimeDelta::days(days));
                }
                assert_eq!((a.writes(), b.writes()), (0, 1), "{case}");
                let copy = b.items().into_values().next().expect("a copy");
                assert_eq!(copy.overrides.len(), 2, "{case}");
            }
        }
    }
}

/// DUP-01: a series that ended before the window is not copied, and one that is edited so that it goes on is, once.
#[tokio::test]
async fn dup_01_an_old_series_ends_and_goes_on() {
    let world = world_at("2025-10-30T08:00:00Z");
    let b = MemoryRemote::default();
    let rules = CopyRules::new(Pipeline::everything()).with_window(CopyWindow::days(1, 60));
    let to = Link::new("b", "family", "memory").with_direction(Direction::Export).with_copies(rules);
    let mut ended = old_series();
    ended.rules = vec![RuleEntry::read("FREQ=WEEKLY;UNTIL=20250901T070000Z")];
    world.add(ended).await;
    for round in 0..5 {
        world.clock.advance(TimeDelta::days(1));
        sync(&world, &to, &b).await;
        assert_eq!(b.items().len(), usize::from(round > 2), "round {round}");
        let rule = ["FREQ=WEEKLY;UNTIL=20250902T070000Z", "FREQ=WEEKLY"][usize::from(round >= 2)];
        if round < 3 {
            world.edit("series", |event| event.rules = vec![RuleEntry::read(rule)]).await;
        }
    }
    assert_eq!(b.writes(), 1);
}

/// DUP-14: in a house at UTC+10 an event from 23:30 to 00:30 lies across the edge of the window, by the local clock and by
/// UTC, while both midnights pass. After the first run nothing is made, and nothing deleted; where copies go with the
/// window each goes once and does not come back.
#[tokio::test]
async fn dup_14_across_the_edge_of_the_window_at_both_midnights() {
    let brisbane = zone("Australia/Brisbane");
    let edges = [
        (WindowEdge::Days(-1), WindowEdge::Days(60)),
        (WindowEdge::Days(0), WindowEdge::Days(1)),
        (WindowEdge::MonthStart(0), WindowEdge::MonthEnd(0)),
    ];
    for (from, to) in edges {
        for leaving in [Leaving::Stay, Leaving::Go] {
            for two_way in [false, true] {
                // 22:00 on the last day of February, by the clock of the house.
                let world = world_at("2026-02-28T12:00:00Z");
                let b = MemoryRemote::default();
                let mut rules =
                    CopyRules::new(Pipeline::everything()).with_window(CopyWindow { from, to, leaving });
                rules.zone = brisbane.clone();
                let link = Link::new("b", "family", "memory");
                let link =
                    if two_way { link } else { link.with_direction(Direction::Export).with_copies(rules) };
                for (n, day) in ["2026-02-26", "2026-02-27", "2026-02-28"].into_iter().enumerate() {
                    let day: NaiveDate = day.parse().expect("a date");
                    let next = day.checked_add_days(Days::new(1)).expect("a date");
                    let at = |day: NaiveDate, hour| day.and_hms_opt(hour, 30, 0).expect("a time");
                    let (start, end) = (at(day, 23), at(next, 0));
                    let zoned = |local| EventTime::zoned(local, brisbane.clone());
                    let utc = |local| EventTime::Utc(zoned(local).absolute().expect("an instant"));
                    world.add(titled(&format!("zoned {n}"), zoned(start), zoned(end))).await;
                    world.add(titled(&format!("utc {n}"), utc(start), utc(end))).await;
                    let floating = EventTime::Floating;
                    world.add(titled(&format!("floating {n}"), floating(start), floating(end))).await;
                    world.add(titled(&format!("day {n}"), EventTime::Date(day), EventTime::Date(next))).await;
                    let mut series = titled(&format!("series {n}"), zoned(start), zoned(end));
                    series.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=2"));
                    world.add(series).await;
                }
                sync(&world, &link, &b).await;
                let case = format!("{from:?} {to:?} {leaving:?}, two-way: {two_way}");
                let mut made = b.items().len();
                let mut gone = Vec::new();
                let mut before = b.items();
                for hour in 0..72 {
                    world.clock.advance(TimeDelta::hours(1));
                    let writes = b.writes();
                    let report = sync(&world, &link, &b).await;
                    let after = b.items();
                    let lost: Vec<String> = before
                        .iter()
                        .filter(|(id, _)| !after.contains_key(*id))
                        .map(|(_, event)| event.uid.clone())
                        .collect();
                    let new = after.iter().filter(|(id, _)| !before.contains_key(*id));
                    for (_, event) in new {
                        assert!(!gone.contains(&event.uid), "{case}: {} came back at hour {hour}", event.uid);
                        made += 1;
                    }
                    if two_way || leaving == Leaving::Stay {
                        assert!(lost.is_empty(), "{case}: {lost:?} at hour {hour}");
                        // Nothing enters the wide window: everything there is was in it from the first run on.
                        if two_way || from == WindowEdge::Days(-1) {
                            assert_eq!(
                                (b.writes(), report.plan.operations.len()),
                                (writes, 0),
                                "{case}, hour {hour}"
                            );
                        }
                    }
                    gone.extend(lost);
                    before = after;
                }
                assert!(made <= 15, "{case}: {made} copies were made of 15 events");
                assert_eq!(world.locals().await.len(), 15, "{case}");
            }
        }
    }
}

/// DUP-14: what the other side lists follows its own clock: items at the edge are listed in one run and not in the next,
/// by a listing that says it is not of everything, or that claims to be.
#[tokio::test]
async fn dup_14_a_listing_whose_edge_moves() {
    for partial in [false, true] {
        let world = world_at("2026-01-05T12:00:00Z");
        let a = MemoryRemote::default();
        let link = Link::new("a", "family", "memory");
        for n in 0..30 {
            a.put(&format!("r{n:02}"), &titled_at(n));
        }
        sync(&world, &link, &a).await;
        if partial {
            a.list_partially();
        }
        for n in 0..30 {
            a.hide(&format!("r{n:02}"));
            a.forget_cursors();
            world.clock.advance(TimeDelta::hours(1));
            let report = sync(&world, &link, &a).await;
            assert!(report.plan.operations.is_empty(), "{partial}: {:?}", report.plan.operations);
        }
        assert_eq!((world.locals().await.len(), a.writes()), (30, 0), "{partial}");
    }
}

fn titled_at(n: i64) -> Event {
    let mut event = event(&format!("u{n}"), &format!("event {n}"));
    let start = instant("2026-01-05T12:00:00Z") + TimeDelta::hours(n);
    let time = TimeSpan { start: EventTime::Utc(start), end: EventTime::Utc(start + TimeDelta::hours(1)) };
    body(&mut event).time = time;
    event
}

/// DUP-16: a series that was imported is written back nowhere, in two-way runs and by a link that exports the calendar to
/// where it came from, with and without what the links knew.
#[tokio::test]
async fn dup_16_an_imported_series_is_not_written_back() {
    for two_links in [false, true] {
        let world = world_at("2025-10-30T08:00:00Z");
        let a = MemoryRemote::default();
        a.put("master", &old_series());
        let both = Link::new("a", "family", "memory");
        let whole = CopyRules::new(Pipeline::everything());
        let back = Link::new("back", "family", "memory").with_direction(Direction::Export).with_copies(whole);
        for _ in 0..5 {
            let import =
                if two_links { both.clone().with_direction(Direction::Import) } else { both.clone() };
            sync(&world, &import, &a).await;
            if two_links {
                sync(&world, &back, &a).await;
            }
            a.forget_cursors();
            world.clock.advance(TimeDelta::days(1));
        }
        assert_eq!((a.items().len(), a.writes(), world.locals().await.len()), (1, 0, 1), "{two_links}");
        assert_eq!(world.local("series").await.event, old_series());
    }
}
