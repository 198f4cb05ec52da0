//! Faults in a row: what an earlier run left behind meets what happened since. Each of these was broken once.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests may fail loudly")]

use std::sync::Arc;

use calsync_core::{
    context::Clock as _,
    engine::{EngineError, Link, RetryBudget, SyncOptions, SyncReport},
    merge::{ConflictPolicy, DeletionPolicy},
    model::RemoteId,
    provider::{ErrorKind, Payload, PeoplePolicy},
    store::{LeaseGrant, MemoryStore},
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

impl Lab {
    fn new(policy: ConflictPolicy) -> Self {
        Self {
            world: World::new(Arc::new(MemoryStore::default()), 1),
            remote: MemoryRemote::default(),
            link: Link::new("home", "family", "memory").with_conflicts(policy),
        }
    }

    async fn sync_after(&self, wait: TimeDelta) -> Result<SyncReport, EngineError> {
        self.world.clock.advance(wait);
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await
    }

    async fn titles(&self) -> (Vec<String>, Vec<String>) {
        let title = |event: &calsync_core::model::Event| event.body().and_then(|body| body.title.clone());
        (
            self.world.locals().await.iter().filter_map(|record| title(&record.event)).collect(),
            self.remote.items().values().filter_map(title).collect(),
        )
    }

    fn only_item(&self) -> RemoteId {
        let mut ids = self.remote.items().into_keys();
        let id = ids.next().expect("an item");
        assert!(ids.next().is_none(), "only one item");
        id
    }
}

const HOUR: TimeDelta = TimeDelta::hours(1);

/// The waiting update and the new creation are both about one event, which has one outbox entry at any time.
#[tokio::test]
async fn lup_04_an_edit_that_waits_to_be_sent_survives_a_deletion() {
    for policy in [ConflictPolicy::NewestWins, ConflictPolicy::KeepBoth, ConflictPolicy::LocalWins] {
        let lab = Lab::new(policy);
        lab.remote.put("r1", &event("u1", "one"));
        lab.sync_after(HOUR).await.expect("joined");
        lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
        lab.remote.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
        lab.sync_after(HOUR).await.expect_err("not available");
        lab.remote.remove("r1");
        lab.sync_after(HOUR).await.unwrap_or_else(|error| panic!("{policy:?}: {error}"));
        assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]), "{policy:?}");
    }
}

/// DEL-07, CON-01: until the lost creation is known, the item in the listing is ours and not a new one.
#[tokio::test]
async fn del_07_an_event_deleted_after_a_lost_creation_does_not_come_back() {
    for wait in [TimeDelta::seconds(20), HOUR] {
        let lab = Lab::new(ConflictPolicy::default());
        lab.world.add(event("u1", "mine")).await;
        lab.remote.fail("create", RemoteFault::After);
        lab.sync_after(HOUR).await.expect_err("the answer is lost");
        lab.only_item();
        lab.world.delete("u1").await;
        lab.sync_after(wait).await.expect("the item is found");
        lab.sync_after(HOUR).await.expect("in step");
        assert_eq!(lab.titles().await, (vec![], vec![]), "after {wait}");
    }
}

/// LUP-05: a creation that turns out not to be there is sent once more, and what was edited since in the same run.
#[tokio::test]
async fn lup_05_an_edit_after_a_lost_creation_goes_out() {
    for wait in [TimeDelta::seconds(20), HOUR] {
        let lab = Lab::new(ConflictPolicy::default());
        lab.world.add(event("u1", "one")).await;
        lab.remote.fail("create", RemoteFault::After);
        lab.sync_after(HOUR).await.expect_err("the answer is lost");
        lab.remote.remove(lab.only_item().as_str());
        lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
        lab.sync_after(wait).await.expect("sent again");
        lab.sync_after(HOUR).await.expect("in step");
        assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]), "after {wait}");
    }
}

/// A creation whose answer was lost is sent once more before what was edited since. Should it be refused then, that is no reason to
/// keep the edit back.
#[tokio::test]
async fn an_edit_goes_out_although_what_was_before_it_is_refused() {
    let lab = Lab::new(ConflictPolicy::LocalWins);
    lab.world.add(event("u1", "one")).await;
    lab.remote.fail("create", RemoteFault::Lost);
    lab.sync_after(HOUR).await.expect_err("the answer is lost");
    lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
    lab.remote.fail("create", RemoteFault::Before(ErrorKind::Refused));
    let report = lab.sync_after(HOUR).await.expect("the next one is taken");
    assert!(report.in_step());
    assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]));
}

/// A creation at which the provider fails each time, and nothing else to send that would tell whether it is down: an edit that mends
/// it waits for as long as the tries last, and no longer.
#[tokio::test]
async fn an_edit_goes_out_although_what_was_before_it_fails_for_ever() {
    for people in [PeoplePolicy::Withhold, PeoplePolicy::Write] {
        let mut lab = Lab::new(ConflictPolicy::LocalWins);
        lab.link = lab.link.with_people(people);
        lab.world.add(event("u1", "one")).await;
        for _ in 0..5 {
            lab.remote.fail("create", RemoteFault::Lost);
        }
        lab.sync_after(HOUR).await.expect_err("the answer is lost");
        lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
        for _ in 0..4 {
            let _ = lab.sync_after(HOUR).await;
        }
        // Of the first version the provider has no more to say.
        lab.remote.forget_faults();
        lab.sync_after(HOUR).await.expect("the edit is taken");
        assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]), "{people:?}");
        assert_eq!(lab.remote.writes(), 1, "{people:?}: the first version was never made");
    }
}

/// With no tries to spend, a creation whose answer is lost is stuck at once, and is looked for like any.
#[tokio::test]
async fn what_may_be_there_after_the_only_try_is_looked_for() {
    let lab = Lab::new(ConflictPolicy::LocalWins);
    let link = lab.link.clone().with_retries(RetryBudget { delays: Vec::new() });
    let lab = Lab { remote: MemoryRemote::default().with_twins(), link, ..lab };
    lab.world.add(event("u0", "another")).await;
    lab.sync_after(HOUR).await.expect("taken");
    lab.world.add(event("u1", "one")).await;
    lab.world.add(event("u2", "the provider is not down")).await;
    lab.remote.fail("create", RemoteFault::After);
    let _ = lab.sync_after(HOUR).await;
    // No listing tells of it.
    for (id, item) in lab.remote.items() {
        if item.body().and_then(|body| body.title.as_deref()) == Some("one") {
            lab.remote.hide(id.as_str());
        }
    }
    lab.remote.forget_cursors();
    lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
    lab.world.edit("u2", |event| body(event).title = Some("three".to_owned())).await;
    for _ in 0..3 {
        lab.sync_after(HOUR).await.expect("taken");
    }
    let (mut here, mut there) = lab.titles().await;
    here.sort();
    there.sort();
    assert_eq!(here, ["another", "three", "two"]);
    assert_eq!(there, here);
}

/// A creation that cannot be looked up is not made again, however its tries end: what it made may be there.
#[tokio::test]
async fn what_cannot_be_looked_up_is_not_made_again() {
    for delays in [RetryBudget::default().delays, Vec::new()] {
        for is_deleted in [false, true] {
            let lab = Lab::new(ConflictPolicy::LocalWins);
            let link = lab.link.clone().with_retries(RetryBudget { delays: delays.clone() });
            let lab = Lab { remote: MemoryRemote::default().with_twins(), link, ..lab };
            lab.world.add(event("u1", "one")).await;
            lab.remote.fail("create", RemoteFault::After);
            let _ = lab.sync_after(HOUR).await;
            let item = lab.only_item();
            lab.remote.hide(item.as_str());
            lab.remote.forget_cursors();
            lab.remote.withhold(item.as_str(), ErrorKind::Refused);
            if is_deleted {
                lab.world.delete("u1").await;
            } else {
                lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
            }
            for _ in 0..8 {
                let _ = lab.sync_after(HOUR).await;
            }
            assert_eq!(lab.remote.items().len(), 1, "{delays:?}, deleted: {is_deleted}");
            lab.remote.hand_out(item.as_str());
            for _ in 0..3 {
                lab.sync_after(HOUR).await.expect("it can be read again");
            }
            let left = if is_deleted { Vec::new() } else { vec!["two".to_owned()] };
            assert_eq!(lab.titles().await, (left.clone(), left), "{delays:?}, deleted: {is_deleted}");
        }
    }
}

/// An outage uses up no tries, but it counts them: what was sent a moment ago may still be made, and is not made under another name.
#[tokio::test]
async fn what_the_last_try_of_an_outage_asked_for_may_still_be_made() {
    let lab = Lab::new(ConflictPolicy::LocalWins);
    let lab = Lab { remote: MemoryRemote::default().with_twins(), ..lab };
    lab.world.add(event("u1", "one")).await;
    for _ in 0..4 {
        lab.remote.fail("create", RemoteFault::Lost);
        lab.sync_after(HOUR).await.expect_err("not available");
    }
    lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
    let _ = lab.sync_after(TimeDelta::seconds(20)).await;
    let waiting = lab.world.engine.outbox(&lab.link.id).await.expect("readable");
    assert_eq!((waiting.len(), lab.remote.items().len()), (1, 0));
    lab.remote.put(waiting[0].remote_id.as_str(), &event("u1", "one"));
    for _ in 0..2 {
        lab.sync_after(HOUR).await.expect("in step");
    }
    assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]));
}

/// A series is made by several requests. When a later one is refused, for whatever reason, the item is there: it is looked for
/// before an edited event could be made once more.
#[tokio::test]
async fn what_was_made_and_refused_is_not_made_again() {
    for kind in [ErrorKind::Unauthorized, ErrorKind::CalendarGone, ErrorKind::TooLarge, ErrorKind::Forbidden]
    {
        let lab = Lab::new(ConflictPolicy::LocalWins);
        let lab = Lab { remote: MemoryRemote::default().with_twins(), ..lab };
        lab.world.add(event("u1", "one")).await;
        lab.remote.fail("create", RemoteFault::Half(kind.clone()));
        let _ = lab.sync_after(HOUR).await;
        // Providers do not list what they have not made whole.
        lab.remote.hide(lab.only_item().as_str());
        lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
        for _ in 0..3 {
            lab.sync_after(HOUR).await.expect("in step");
        }
        assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]), "{kind:?}");
    }
}

/// I24: however long an outage lasts, nobody has to repair anything after it.
#[tokio::test]
async fn an_outage_of_hours_leaves_no_write_for_a_person() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled] {
        let lab = Lab::new(ConflictPolicy::default());
        lab.world.add(event("u1", "mine")).await;
        for _ in 0..10 {
            lab.remote.fail("create", RemoteFault::Before(kind.clone()));
            lab.sync_after(HOUR).await.expect_err("not available");
        }
        let report = lab.sync_after(HOUR).await.expect("it is over");
        assert!(report.in_step(), "{kind:?}: {} wedged", report.wedged);
        assert_eq!(lab.titles().await.1, ["mine"], "{kind:?}");
    }
}

/// I14: our own update, its answer lost, is no edit of the remote side that would bring a deleted event back.
#[tokio::test]
async fn del_07_an_event_deleted_after_a_lost_update_does_not_come_back() {
    for policy in [ConflictPolicy::RemoteWins, ConflictPolicy::KeepBoth] {
        let lab = Lab::new(policy);
        lab.remote.put("r1", &event("u1", "one"));
        lab.sync_after(HOUR).await.expect("joined");
        lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
        lab.remote.fail("update", RemoteFault::After);
        lab.sync_after(HOUR).await.expect_err("the answer is lost");
        lab.world.delete("u1").await;
        lab.sync_after(HOUR).await.expect("in step");
        assert_eq!(lab.titles().await, (vec![], vec![]), "{policy:?}");
    }
}

/// I14: our own deletion, its answer lost, is no deletion of the remote side that would win over an event brought back.
#[tokio::test]
async fn an_event_brought_back_after_a_lost_deletion_stays() {
    let lab = Lab::new(ConflictPolicy::RemoteWins);
    lab.remote.put("r1", &event("u1", "one"));
    lab.sync_after(HOUR).await.expect("joined");
    let record = lab.world.local("u1").await;
    lab.world.delete("u1").await;
    lab.remote.fail("delete", RemoteFault::After);
    lab.sync_after(HOUR).await.expect_err("the answer is lost");
    let store = &lab.world.store;
    let deleted = store.events(&lab.world.calendar, std::slice::from_ref(&record.id)).await.expect("there");
    let back = event("u1", "two");
    lab.world
        .hub
        .update(&lab.world.calendar, &record.id, deleted[0].revision, back)
        .await
        .expect("brought back");
    lab.sync_after(HOUR).await.expect("created again");
    assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]));
}

/// DEL-19: a second item under a UID waits until the first is gone, and then is the event.
#[tokio::test]
async fn del_19_a_duplicate_takes_the_place_of_what_is_gone() {
    for policy in [ConflictPolicy::RemoteWins, ConflictPolicy::NewestWins] {
        let lab = Lab::new(policy);
        lab.remote.put("r1", &event("u1", "one"));
        lab.remote.put("r2", &event("u1", "two"));
        let report = lab.sync_after(HOUR).await.expect("one of them is taken");
        assert_eq!(report.counts.quarantined, 1);
        assert_eq!(lab.titles().await.0, ["one"]);
        lab.remote.remove("r1");
        lab.sync_after(HOUR).await.expect("the other one is it now");
        let quiet = lab.sync_after(HOUR).await.expect("in step");
        assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]), "{policy:?}");
        assert_eq!((quiet.counts.quarantined, quiet.plan.operations.len()), (0, 0), "{policy:?}");
    }
}

/// I01: a deletion that beat an edit of the remote side and was then taken back gives way to that edit.
#[tokio::test]
async fn an_event_brought_back_before_its_deletion_was_sent_gets_the_edit_it_beat() {
    let mut lab = Lab::new(ConflictPolicy::LocalWins);
    lab.link.deletions = DeletionPolicy::LocalWins;
    lab.remote.put("r1", &event("u1", "one"));
    lab.sync_after(HOUR).await.expect("joined");
    let record = lab.world.local("u1").await;
    lab.world.delete("u1").await;
    let mut edited = event("u1", "one");
    body(&mut edited).location = Some("there".to_owned());
    lab.remote.put("r1", &edited);
    lab.remote.fail("delete", RemoteFault::Before(ErrorKind::Unavailable));
    lab.sync_after(HOUR).await.expect_err("not available");
    let store = &lab.world.store;
    let deleted = store.events(&lab.world.calendar, std::slice::from_ref(&record.id)).await.expect("there");
    let back = event("u1", "two");
    lab.world
        .hub
        .update(&lab.world.calendar, &record.id, deleted[0].revision, back)
        .await
        .expect("brought back");
    lab.sync_after(HOUR).await.expect("in step");
    assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]));
    let merged = lab.world.local("u1").await.event;
    assert_eq!(merged.body().and_then(|body| body.location.as_deref()), Some("there"));
}

/// A conflict that waits for a person goes on waiting, also one of two events that were never joined before.
#[tokio::test]
async fn an_open_conflict_of_a_first_meeting_stays_open() {
    let lab = Lab::new(ConflictPolicy::Manual);
    lab.world.add(event("u1", "here")).await;
    lab.remote.put("r1", &event("u1", "there"));
    lab.sync_after(HOUR).await.expect("joined");
    let apart = (vec!["here".to_owned()], vec!["there".to_owned()]);
    assert_eq!(lab.titles().await, apart);
    lab.world.edit("u1", |event| body(event).location = Some("x".to_owned())).await;
    lab.sync_after(HOUR).await.expect("the other field goes across");
    assert_eq!(lab.titles().await, apart, "after an edit here");
    let mut edited = lab.remote.get(&RemoteId::from("r1")).expect("there");
    assert_eq!(edited.body().and_then(|body| body.location.as_deref()), Some("x"));
    body(&mut edited).description = Some("y".to_owned());
    lab.remote.put("r1", &edited);
    lab.sync_after(HOUR).await.expect("the other field comes across");
    assert_eq!(lab.titles().await, apart, "after an edit there");
    lab.world.edit("u1", |event| body(event).title = Some("there".to_owned())).await;
    lab.sync_after(HOUR).await.expect("a person decided");
    let quiet = lab.sync_after(HOUR).await.expect("in step");
    assert!(quiet.plan.operations.is_empty());
    assert_eq!(lab.titles().await, (vec!["there".to_owned()], vec!["there".to_owned()]));
}

/// I07: a deletion that passed the brake, was refused, and is decided again because its item was touched, neither waits with those
/// that are held nor is held by them; it counts as one of them all the same.
#[tokio::test]
async fn a_refused_deletion_that_is_decided_again_waits_for_no_other() {
    let lab = Lab::new(ConflictPolicy::default());
    for n in 1..4 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    lab.sync_after(HOUR).await.expect("joined");
    lab.world.delete("u1").await;
    lab.remote.fail("delete", RemoteFault::Before(ErrorKind::Refused));
    let report = lab.sync_after(HOUR).await.expect("one write is refused");
    assert_eq!(report.wedged, 1);
    let kept = [lab.world.local("u2").await, lab.world.local("u3").await];
    lab.world.delete("u2").await;
    lab.world.delete("u3").await;
    lab.remote.put("r1", &event("u1", "x"));
    let report = lab.sync_after(HOUR).await.expect("held");
    assert_eq!((report.counts.held, lab.remote.items().len()), (2, 2), "nothing would be left");
    let [brought_back, _] = kept;
    let (store, calendar) = (&lab.world.store, &lab.world.calendar);
    let now = store.events(calendar, std::slice::from_ref(&brought_back.id)).await.expect("there");
    lab.world
        .hub
        .update(calendar, &brought_back.id, now[0].revision, brought_back.event)
        .await
        .expect("brought back");
    let held = lab.sync_after(HOUR).await.expect("the one that is left waits for an answer, too");
    assert_eq!((held.counts.held, lab.remote.items().len()), (1, 2));
    let options = SyncOptions::default().approving(held.plan_id);
    lab.world.engine.sync(&lab.link, &lab.remote, &options).await.expect("approved");
    assert_eq!(lab.remote.items().len(), 1);
}

/// I02, I20: an item that became unreadable takes no write, so none is tried at every run; once it can be read again, the
/// edit made meanwhile goes out.
#[tokio::test]
async fn an_edit_waits_while_its_item_cannot_be_read() {
    let lab = Lab::new(ConflictPolicy::default());
    lab.remote.put("r1", &event("u1", "one"));
    lab.sync_after(HOUR).await.expect("joined");
    lab.remote.put_payload("r1", Payload::new("garbled"));
    lab.world.edit("u1", |event| body(event).title = Some("two".to_owned())).await;
    lab.sync_after(HOUR).await.expect("the rest is in step");
    for _ in 0..2 {
        let report = lab.sync_after(HOUR).await.expect("the rest is in step");
        assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
        assert_eq!(report.counts.requests, 1, "only the listing");
    }
    lab.remote.put("r1", &event("u1", "one"));
    lab.sync_after(HOUR).await.expect("readable again");
    assert_eq!(lab.titles().await, (vec!["two".to_owned()], vec!["two".to_owned()]));
}

/// CON-06: a worker whose clock is two days ahead of ours, or was until ours was set right, has the lease until the day after
/// tomorrow. When it died, it is replaced after ten seconds all the same; as long as it lives and renews, it is not.
#[tokio::test]
async fn con_06_a_lease_of_a_clock_far_ahead_blocks_nobody_for_days() {
    let lab = Lab::new(ConflictPolicy::RemoteWins);
    lab.remote.put("r1", &event("u1", "one"));
    let (ahead, ten) = (TimeDelta::hours(48), TimeDelta::seconds(10));
    let renew = async || {
        let at = lab.world.clock.now() + ahead;
        lab.world.store.acquire_lease("link:home", "ahead", at, ten).await.expect("the store answers")
    };
    renew().await;
    for _ in 0..5 {
        let busy = lab.sync_after(TimeDelta::seconds(6)).await.expect_err("it is held");
        let EngineError::Busy { until } = busy else { panic!("{busy}") };
        assert!(until <= lab.world.clock.now() + ten, "until {until}");
        renew().await;
    }
    lab.sync_after(TimeDelta::seconds(1)).await.expect_err("nobody knows yet that it died");
    lab.sync_after(TimeDelta::seconds(8)).await.expect_err("it may renew its lease yet");
    assert_eq!(lab.sync_after(TimeDelta::seconds(3)).await.expect("it is dead").counts.created, 1);
    // The lease is of our own clock again.
    let grant = lab.world.store.acquire_lease("link:home", "next", lab.world.clock.now(), ten).await;
    assert!(matches!(grant, Ok(LeaseGrant::Granted(_))), "{grant:?}");
}
