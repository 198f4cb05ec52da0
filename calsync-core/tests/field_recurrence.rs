//! Rules and exceptions of the field, as the engine keeps them in step.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::{Event, EventTime, RemoteId, RuleEntry, TimeSpan},
    provider::Provider,
    store::MemoryStore,
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};

fn series(rule: &str) -> Event {
    let mut series = event("series", "Birthday");
    let start: DateTime<Utc> = "2025-03-05T09:30:00Z".parse().expect("an instant");
    body(&mut series).time =
        TimeSpan { start: EventTime::Utc(start), end: EventTime::Utc(start + TimeDelta::hours(1)) };
    series.rules.push(RuleEntry::read(rule));
    series
}

async fn sync(world: &World, name: &str, remote: &dyn Provider) -> SyncReport {
    world.clock.advance(TimeDelta::seconds(30));
    let link = Link::new(name, "family", "memory");
    world.engine.sync(&link, remote, &SyncOptions::default()).await.expect("the run goes through")
}

const SPELLINGS: [(&str, &str); 6] = [
    ("FREQ=YEARLY;INTERVAL=1", "FREQ=MONTHLY;INTERVAL=12"),
    ("FREQ=YEARLY", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=5"),
    ("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=WE;WKST=SU"),
    ("FREQ=DAILY;INTERVAL=7;COUNT=9", "FREQ=WEEKLY;COUNT=9"),
    ("FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=5"),
    ("FREQ=MONTHLY;BYDAY=1WE", "FREQ=MONTHLY;BYDAY=WE;BYSETPOS=1"),
];

/// REC-14: one side spells a rule in its own way some time after it was written, and the other side does the same the other
/// way round. Neither is an edit: nothing is written, however often they do it, and a real edit still goes through.
#[tokio::test]
async fn rec_14_spellings_of_one_rule_do_not_flip() {
    for (one, other) in SPELLINGS {
        let world = World::new(Arc::new(MemoryStore::default()), 31);
        let (a, b) = (MemoryRemote::default(), MemoryRemote::default());
        a.put("a", &series(one));
        for _ in 0..2 {
            sync(&world, "a", &a).await;
            sync(&world, "b", &b).await;
        }
        let copy = b.items().into_keys().next().expect("a copy");
        let writes = (a.writes(), b.writes());
        for round in 0..4 {
            let (here, there) = if round % 2 == 0 { (other, one) } else { (one, other) };
            a.put("a", &series(here));
            b.put(copy.as_str(), &series(there));
            for (name, remote) in [("a", &a), ("b", &b)] {
                let report = sync(&world, name, remote).await;
                assert!(report.plan.operations.is_empty(), "{one}, {other}: {:?}", report.plan.operations);
            }
        }
        assert_eq!((a.writes(), b.writes()), writes, "{one}, {other}");
        // Also when the host spells it anew, and when two calendars that hold it meet.
        world.edit("series", |event| event.rules = series(other).rules).await;
        for (name, remote) in [("a", &a), ("b", &b)] {
            assert!(sync(&world, name, remote).await.plan.operations.is_empty(), "{one}, {other}");
        }
        let meeting = World::new(Arc::new(MemoryStore::default()), 32);
        meeting.add(series(one)).await;
        let c = MemoryRemote::default();
        c.put("c", &series(other));
        for _ in 0..2 {
            sync(&meeting, "c", &c).await;
        }
        assert_eq!((c.writes(), c.items().len(), meeting.locals().await.len()), (0, 1, 1), "{one}, {other}");
        // A title is an edit, a rule that means something else too, and so is another start under the same rule.
        let mut renamed = series(other);
        body(&mut renamed).title = Some("Name day".to_owned());
        renamed.rules = vec![RuleEntry::read("FREQ=YEARLY;INTERVAL=2")];
        a.put("a", &renamed);
        sync(&world, "a", &a).await;
        sync(&world, "b", &b).await;
        let there = b.get(&copy).expect("a copy");
        assert_eq!(there.rules, renamed.rules, "{one}, {other}");
        assert_eq!(there.body().and_then(|body| body.title.as_deref()), Some("Name day"));
        let later =
            |time: &EventTime| EventTime::Utc(time.absolute().expect("an instant") + TimeDelta::days(1));
        let time = body(&mut renamed).time.clone();
        body(&mut renamed).time = TimeSpan { start: later(&time.start), end: later(&time.end) };
        a.put("a", &renamed);
        sync(&world, "a", &a).await;
        sync(&world, "b", &b).await;
        assert_eq!(b.get(&copy).expect("a copy").body(), renamed.body(), "{one}, {other}");
    }
}

/// REC-07: a series without any instance, from the start or one that loses them, is neither deleted nor made again, and
/// nothing stops because of it.
#[tokio::test]
async fn rec_07_a_series_without_instances_is_kept() {
    use calsync_core::model::{Override, RecurrenceId};
    let start = |days: i64| {
        let first: DateTime<Utc> = "2025-03-05T09:30:00Z".parse().expect("an instant");
        RecurrenceId::Instant(first + TimeDelta::days(days))
    };
    let mut excluded = series("FREQ=DAILY;COUNT=8");
    excluded.overrides.extend((0..8).map(|days| (start(days), Override::Excluded)));
    let table = [
        excluded,
        series("FREQ=DAILY;UNTIL=20250101T000000Z"),
        series("FREQ=DAILY;COUNT=0"),
        series("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        series("FREQ=DAILY;INTERVAL=0"),
    ];
    for (n, empty) in table.into_iter().enumerate() {
        let world = World::new(Arc::new(MemoryStore::default()), 33);
        let (a, b) = (MemoryRemote::default(), MemoryRemote::default());
        a.put("a", &series("FREQ=DAILY;COUNT=8"));
        a.put("other", &event("other", "other"));
        for _ in 0..2 {
            sync(&world, "a", &a).await;
            sync(&world, "b", &b).await;
        }
        a.put("a", &empty);
        a.put("other", &event("other", "edited"));
        for _ in 0..4 {
            sync(&world, "a", &a).await;
            sync(&world, "b", &b).await;
            a.forget_cursors();
            b.forget_cursors();
        }
        assert_eq!((a.items().len(), b.items().len(), world.locals().await.len()), (2, 2, 2), "{n}");
        assert_eq!((a.writes(), a.get(&RemoteId::from("a"))), (0, Some(empty)), "{n}");
        assert!(
            b.items()
                .values()
                .any(|event| event.body().is_some_and(|body| body.title.as_deref() == Some("edited")))
        );
    }
}
