//! The outbox: what goes first, what a failure costs, and what a person can do about a write that is stuck.
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::sync::{Arc, Mutex};

use calsync_core::{
    engine::{EngineError, Link, Observer, Progress, SyncOptions, SyncReport},
    model::{Event, EventId, EventTime},
    plan::Urgency,
    provider::{Capabilities, ErrorKind, Provider as _},
    recurrence::RuleEntry,
    store::{MemoryStore, OutboxState},
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

const HOUR: TimeDelta = TimeDelta::hours(1);

impl Lab {
    fn new() -> Self {
        let one_by_one = |capabilities: &mut Capabilities| capabilities.requests_max = 1;
        Self {
            world: World::new(Arc::new(MemoryStore::default()), 1),
            remote: MemoryRemote::default().with_capabilities(one_by_one),
            link: Link::new("home", "family", "memory"),
        }
    }

    async fn sync(&self) -> Result<SyncReport, EngineError> {
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await
    }

    async fn sync_after(&self, wait: TimeDelta) -> Result<SyncReport, EngineError> {
        self.world.clock.advance(wait);
        self.sync().await
    }

    fn now(&self) -> DateTime<Utc> {
        calsync_core::context::Clock::now(&*self.world.clock)
    }

    fn at(&self, uid: &str, after: TimeDelta) -> Event {
        starting(uid, self.now() + after)
    }

    /// The UIDs of the items, and the state of what waits, the most urgent first.
    async fn state(&self) -> (Vec<String>, Vec<(String, &'static str)>) {
        let mut there: Vec<String> = self.remote.items().into_values().map(|event| event.uid).collect();
        there.sort();
        let mut waiting = Vec::new();
        for entry in self.world.engine.outbox(&self.link.id).await.expect("the store answers") {
            let ids = std::slice::from_ref(&entry.event_id);
            let record = self.world.store.events(&self.world.calendar, ids).await.expect("answers").remove(0);
            let state = match entry.state {
                OutboxState::Pending => "pending",
                OutboxState::Ambiguous => "ambiguous",
                OutboxState::Wedged { .. } => "wedged",
            };
            waiting.push((record.event.uid, state));
        }
        (there, waiting)
    }

    async fn id(&self, uid: &str) -> EventId {
        self.world.store.events_by_uid(&self.world.calendar, &[uid]).await.expect("answers").remove(0).id
    }

    async fn titles(&self) -> (Option<String>, Option<String>) {
        let title = |event: &Event| event.body().and_then(|body| body.title.clone());
        let here = self.world.locals().await.first().and_then(|record| title(&record.event));
        (here, self.remote.items().values().next().and_then(title))
    }
}

fn starting(uid: &str, start: DateTime<Utc>) -> Event {
    let mut event = event(uid, uid);
    body(&mut event).time.start = EventTime::Utc(start);
    body(&mut event).time.end = EventTime::Utc(start + TimeDelta::minutes(30));
    event
}

#[test]
fn urgency_follows_the_next_start() {
    let now = DateTime::from_timestamp(1_767_614_400, 0).expect("a time");
    let minutes = TimeDelta::minutes;
    let days = TimeDelta::days;
    let single = [
        ("going on", -minutes(10), Urgency::NOW),
        ("over", -minutes(40), Urgency::LATER),
        ("in an hour", HOUR, Urgency::NOW),
        ("a minute later", minutes(61), Urgency::TODAY),
        ("in a day", days(1), Urgency::TODAY),
        ("in two days", days(2), Urgency::THIS_WEEK),
        ("in eight days", days(8), Urgency::LATER),
    ];
    for (case, after, expected) in single {
        assert_eq!(Urgency::of(Some(&starting("u", now + after)), now), expected, "{case}");
    }
    // first start, rule -> urgency
    let series = [
        (-days(3650) + minutes(30), "FREQ=DAILY", Urgency::NOW),
        (-days(3650) + minutes(90), "FREQ=DAILY", Urgency::TODAY),
        (-days(700 * 7) + days(3), "FREQ=WEEKLY", Urgency::THIS_WEEK),
        (-days(70), "FREQ=DAILY;COUNT=3", Urgency::LATER),
        (-days(70), "FREQ=MINUTELY", Urgency::NOW),
        (-days(70), "FREQ=WHENEVER", Urgency::THIS_WEEK),
        (days(20), "FREQ=DAILY", Urgency::LATER),
    ];
    for (after, rule, expected) in series {
        let mut event = starting("u", now + after);
        event.rules.push(RuleEntry::read(rule));
        assert_eq!(Urgency::of(Some(&event), now), expected, "{rule} after {after}");
    }
    assert_eq!(Urgency::of(None, now), Urgency::DELETION);
    assert!(Urgency::NOW < Urgency::DELETION && Urgency::DELETION < Urgency::TODAY);
}

/// Whoever looks at the phone in ten minutes sees the change first.
#[tokio::test]
async fn what_starts_soon_goes_first() {
    let lab = Lab::new();
    for (uid, days) in [("a-month", 30), ("b-week", 5), ("c-day", 0)] {
        lab.world.add(lab.at(uid, TimeDelta::days(days) + TimeDelta::hours(3))).await;
    }
    lab.world.add(lab.at("d-now", TimeDelta::minutes(10))).await;
    lab.remote.fail("create", RemoteFault::Before(ErrorKind::Throttled));
    lab.sync().await.expect_err("throttled at the first write");
    let (there, waiting) = lab.state().await;
    assert!(there.is_empty());
    let order: Vec<&str> = waiting.iter().map(|(uid, _)| uid.as_str()).collect();
    assert_eq!(order, ["d-now", "c-day", "b-week", "a-month"]);
    // What waits is ranked again: by then the next day's has become the next hour's.
    lab.world.clock.advance(TimeDelta::minutes(170));
    lab.remote.fail("create", RemoteFault::Before(ErrorKind::Throttled));
    lab.sync().await.expect_err("throttled again");
    let (_, waiting) = lab.state().await;
    let order: Vec<&str> = waiting.iter().map(|(uid, _)| uid.as_str()).collect();
    assert_eq!(order, ["c-day", "b-week", "a-month", "d-now"]);
    lab.sync_after(HOUR).await.expect("in step");
    assert_eq!(lab.state().await, (names(&["a-month", "b-week", "c-day", "d-now"]), vec![]));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Attack 47: an item the provider always fails at does not keep the others waiting, nor is it tried for ever.
#[tokio::test]
async fn a_poisonous_item_stops_nobody_else() {
    let lab = Lab::new();
    let poison = lab.at("poison", TimeDelta::days(1) - TimeDelta::minutes(90));
    lab.world.add(poison).await;
    let heard = Arc::new(Heard::default());
    let engine = lab.world.engine.clone().with_observer(heard.clone());
    for n in 0..4 {
        lab.world.add(lab.at(&format!("u{n}"), TimeDelta::days(100))).await;
        lab.remote.fail("create", RemoteFault::Before(ErrorKind::Unavailable));
        let report = engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await.expect("others went");
        assert_eq!(report.counts.pushed, 1, "the other one, try {n}");
        assert_eq!((report.waiting, report.wedged), if n < 3 { (1, 0) } else { (0, 1) }, "try {n}");
        lab.world.clock.advance(TimeDelta::minutes(16));
    }
    assert_eq!(lab.state().await.1, [("poison".to_owned(), "wedged")]);
    assert_eq!(heard.0.lock().expect("not poisoned").len(), 1, "told once");
}

#[derive(Default)]
struct Heard(Mutex<Vec<EventId>>);

impl Observer for Heard {
    fn progress(&self, progress: &Progress) {
        if let Progress::Wedged { event, .. } = progress {
            self.0.lock().expect("not poisoned").push(event.clone());
        }
    }
}

/// A provider that is down is asked three times, not once for every write that waits.
#[tokio::test]
async fn a_provider_that_is_down_is_left_alone() {
    let lab = Lab::new();
    for n in 0..20 {
        lab.world.add(lab.at(&format!("u{n:02}"), TimeDelta::days(100))).await;
        lab.remote.fail("create", RemoteFault::Before(ErrorKind::Unavailable));
    }
    let before = calsync_core::provider::Provider::requests(&lab.remote);
    lab.sync().await.expect_err("down");
    let asked = calsync_core::provider::Provider::requests(&lab.remote) - before;
    assert!(asked <= 5, "{asked} requests");
    assert_eq!(lab.state().await.1.len(), 20);
}

/// A refused write waits for a person, who may try it again as the event is by then.
#[tokio::test]
async fn a_wedged_write_is_tried_again_on_request() {
    let lab = Lab::new();
    lab.world.add(event("u1", "one")).await;
    lab.remote.fail("create", RemoteFault::Before(ErrorKind::Refused));
    assert_eq!(lab.sync().await.expect("it ran").wedged, 1);
    assert_eq!(lab.sync_after(HOUR).await.expect("it ran").wedged, 1, "it is not tried by itself");
    let id = lab.id("u1").await;
    lab.world.engine.retry_write(&lab.link.id, &id).await.expect("it waits");
    assert!(lab.sync_after(HOUR).await.expect("in step").in_step());
    assert_eq!(lab.state().await, (names(&["u1"]), vec![]));
    let nothing = lab.world.engine.retry_write(&lab.link.id, &id).await;
    assert!(matches!(nothing, Err(EngineError::UnknownWrite { .. })));
}

/// I24: a run in which the provider refuses everything ends by itself. What it refused is offered again once a day, as the event
/// is by then, and refused once more it waits for another day.
#[tokio::test]
async fn a_wedged_write_is_offered_again_the_next_day() {
    let lab = Lab::new();
    for uid in ["edited", "deleted"] {
        lab.remote.put(uid, &event(uid, "one"));
    }
    lab.sync().await.expect("joined");
    lab.world.add(event("made", "one")).await;
    lab.world.edit("edited", |event| body(event).title = Some("two".to_owned())).await;
    lab.world.delete("deleted").await;
    for _ in 0..2 {
        for operation in ["create", "update", "delete"] {
            lab.remote.fail(operation, RemoteFault::Before(ErrorKind::Refused));
        }
        assert_eq!(lab.sync_after(HOUR * 24).await.expect("it ran").wedged, 3);
        let calls = lab.remote.requests();
        for _ in 0..22 {
            assert_eq!(lab.sync_after(HOUR).await.expect("it ran").wedged, 3);
        }
        assert!(lab.remote.requests() < calls + 30, "it is not offered in between");
    }
    assert!(lab.sync_after(HOUR * 24).await.expect("in step").in_step());
    let title = |event: Event| event.body().and_then(|body| body.title.clone());
    let mut there: Vec<_> = lab.remote.items().into_values().map(title).collect();
    there.sort();
    assert_eq!(there, [Some("one".to_owned()), Some("two".to_owned())]);
}

/// Giving a write up keeps both sides as they are; the next edit of either side is carried over as ever.
#[tokio::test]
async fn a_wedged_write_is_dropped_on_request() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "one"));
    lab.sync().await.expect("joined");
    lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
    lab.remote.fail("update", RemoteFault::Before(ErrorKind::Refused));
    assert_eq!(lab.sync_after(HOUR).await.expect("it ran").wedged, 1);
    lab.world.engine.drop_write(&lab.link.id, &lab.id("u1").await).await.expect("it waits");
    let report = lab.sync_after(HOUR * 25).await.expect("in step, also when everything is compared");
    assert!(report.in_step() && report.plan.operations.is_empty());
    let apart = (Some("two".to_owned()), Some("one".to_owned()));
    assert_eq!(lab.titles().await, apart, "both stay");
    lab.world.edit("u1", |event| body(event).location = Some("here".to_owned())).await;
    lab.sync_after(HOUR).await.expect("in step");
    assert_eq!(lab.titles().await, apart, "another field is carried over alone");
    let item = lab.remote.items().into_values().next().expect("an item");
    assert_eq!(item.body().and_then(|body| body.location.as_deref()), Some("here"));
    lab.world.edit("u1", |event| body(event).title = Some("three".to_owned())).await;
    lab.sync_after(HOUR).await.expect("in step");
    assert_eq!(lab.titles().await, (Some("three".to_owned()), Some("three".to_owned())));
}

/// A deletion that is given up leaves the item there, and it does not come back here.
#[tokio::test]
async fn a_wedged_deletion_is_dropped_on_request() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "one"));
    lab.sync().await.expect("joined");
    lab.world.delete("u1").await;
    lab.remote.fail("delete", RemoteFault::Before(ErrorKind::Refused));
    assert_eq!(lab.sync_after(HOUR).await.expect("it ran").wedged, 1);
    lab.world.engine.drop_write(&lab.link.id, &lab.id("u1").await).await.expect("it waits");
    for _ in 0..2 {
        assert!(lab.sync_after(HOUR * 25).await.expect("in step").in_step());
        assert_eq!(lab.titles().await, (None, Some("one".to_owned())));
    }
}

/// What depends on what: an event that was deleted here and made again under its UID goes out after its deletion, however
/// urgent it is, whether the person did both at once or the deletion has to wait for somebody's answer.
#[tokio::test]
async fn an_event_made_again_under_its_uid_waits_for_the_deletion_of_the_old_one() {
    for (after, count) in [(HOUR / 2, 30), (TimeDelta::days(30), 30), (HOUR / 2, 2), (TimeDelta::days(30), 2)]
    {
        let lab = Lab::new();
        for n in 0..count {
            lab.world.add(lab.at(&format!("u{n}"), TimeDelta::days(20))).await;
        }
        lab.sync().await.expect("it goes through");
        for uid in ["u0", "u1"] {
            lab.world.delete(uid).await;
            let mut again = lab.at(uid, after);
            body(&mut again).title = Some("again".to_owned());
            lab.world.add(again).await;
        }
        for _ in 0..4 {
            let report = lab.sync_after(TimeDelta::minutes(20)).await.expect("it goes through");
            if report.plan.held {
                let mut options = SyncOptions::default();
                options.approve = Some(report.plan_id);
                let run = lab.world.engine.sync(&lab.link, &lab.remote, &options);
                run.await.expect("it goes through");
            }
        }
        let (there, waiting) = lab.state().await;
        assert_eq!((there.len(), waiting), (count, Vec::new()), "{after} of {count}");
        let again = lab.remote.items().into_values();
        let again =
            again.filter(|event| event.body().is_some_and(|body| body.title.as_deref() == Some("again")));
        assert_eq!(again.count(), 2, "{after} of {count}");
        let quiet = lab.sync_after(TimeDelta::minutes(20)).await.expect("it goes through");
        assert!(quiet.plan.operations.is_empty(), "{:?}", quiet.plan.operations);
    }
}
