//! The brake on deletions: what counts, what holds, what a person decides about it, and what speaks for each deletion.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CopyEdits, CopyRules, Link, SyncOptions, SyncReport},
    merge::DeletionPolicy,
    model::EventId,
    plan::{Action, Direction, Evidence, PlanId},
    provider::{ErrorKind, PeoplePolicy},
    store::{HeldDeletions, JournalEntry, JournalOp, MemoryStore, Record, RecordKind, RecordQuery},
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
    /// So many events, `u0` as `r0` and so on, in step.
    async fn with(count: usize, change: impl FnOnce(Link) -> Link) -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 3);
        let link = change(Link::new("home", "family", "memory"));
        let lab = Self { world, remote: MemoryRemote::default(), link };
        for n in 0..count {
            if lab.link.direction == Direction::Export {
                lab.world.add(event(&format!("u{n}"), "x")).await;
            } else {
                lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
            }
        }
        lab.sync().await;
        lab
    }

    async fn of(count: usize) -> Self {
        Self::with(count, |link| link).await
    }

    async fn run(&self, options: SyncOptions) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.remote, &options).await.expect("the run goes through")
    }

    async fn sync(&self) -> SyncReport {
        self.run(SyncOptions::default()).await
    }

    async fn approve(&self, plan: &PlanId) -> SyncReport {
        self.run(SyncOptions::default().approving(plan.clone())).await
    }

    async fn refuse(&self, plan: &PlanId) -> SyncReport {
        self.run(SyncOptions::default().refusing(plan.clone())).await
    }

    /// Events here and items there.
    async fn sizes(&self) -> (usize, usize) {
        (self.world.locals().await.len(), self.remote.items().len())
    }

    /// Two more runs: the second does nothing and asks nothing.
    async fn assert_rests(&self) {
        self.sync().await;
        let writes = self.remote.writes();
        let quiet = self.sync().await;
        assert!(quiet.plan.operations.is_empty() && !quiet.plan.held, "{:?}", quiet.plan.operations);
        assert_eq!(self.remote.writes(), writes);
    }

    async fn delete_there(&self, which: std::ops::Range<usize>) {
        which.for_each(|n| self.remote.remove(&format!("r{n}")));
    }

    async fn delete_here(&self, which: std::ops::Range<usize>) {
        for n in which {
            self.world.delete(&format!("u{n}")).await;
        }
    }

    async fn journal(&self) -> Vec<JournalEntry> {
        let link = &self.link.id;
        let query =
            RecordQuery { kind: RecordKind::Journal, link, event: None, run: None, after: None, limit: 1000 };
        let records = self.world.store.records(query).await.expect("the store answers");
        let entries = records.into_iter().filter_map(|record| match record {
            Record::Journal(entry) => Some(*entry),
            _ => None,
        });
        entries.collect()
    }
}

/// DEL-14: what a person refuses comes back on the side that deleted, under its old UID, and nobody is asked again.
#[tokio::test]
async fn del_14_refused_deletions_are_taken_back() {
    for here in [false, true] {
        let lab = Lab::with(30, |link| link.with_people(PeoplePolicy::Write)).await;
        let uids = |lab: &Lab| {
            let mut uids: Vec<String> = lab.remote.items().into_values().map(|event| event.uid).collect();
            uids.sort();
            uids
        };
        let before = uids(&lab);
        if here {
            lab.delete_here(0..20).await;
        } else {
            lab.delete_there(0..20).await;
        }
        let held = lab.sync().await;
        assert!(held.plan.held && held.counts.held == 20, "here: {here}");
        let refused = lab.refuse(&held.plan_id).await;
        assert!(!refused.plan.held, "here: {here}");
        assert_eq!(refused.answered, Some(held.plan_id));
        assert_eq!(refused.counts.deleted, 0);
        lab.assert_rests().await;
        assert_eq!(lab.sizes().await, (30, 30), "here: {here}");
        assert_eq!(uids(&lab), before);
        assert_eq!(lab.remote.renders_with_people(), 0, "nobody is invited by what comes back");
        // Another set is another question.
        lab.delete_there(20..30).await;
        lab.delete_here(10..12).await;
        assert!(lab.sync().await.plan.held);
    }
}

/// DEL-14: an event that was edited before it was deleted comes back with the edit, on both sides.
#[tokio::test]
async fn del_14_an_edit_before_a_refused_deletion_is_kept() {
    let lab = Lab::of(12).await;
    lab.world.edit("u3", |event| body(event).title = Some("edited".to_owned())).await;
    lab.delete_here(0..12).await;
    lab.remote.put("r5", &{
        let mut changed = event("u5", "x");
        body(&mut changed).location = Some("there".to_owned());
        changed
    });
    let held = lab.sync().await;
    let refused = lab.refuse(&held.plan_id).await;
    assert_eq!(refused.answered, Some(held.plan_id));
    lab.assert_rests().await;
    assert_eq!(lab.sizes().await, (12, 12));
    let items = lab.remote.items();
    let titles: Vec<_> = items.values().filter_map(|event| event.body()?.title.as_deref()).collect();
    assert_eq!(titles.iter().filter(|title| **title == "edited").count(), 1);
    let five = lab.world.local("u5").await;
    assert_eq!(five.event.body().and_then(|body| body.location.as_deref()), Some("there"));
}

/// DEL-14, MAIL-05: on a one-way link the side that deleted is not written: both sides are left alone, and it is not asked
/// again.
#[tokio::test]
async fn del_14_refused_on_a_one_way_link() {
    for direction in [Direction::Import, Direction::Export] {
        let lab =
            Lab::with(12, |link| link.with_direction(direction).with_copies(CopyRules::everything())).await;
        let writes = lab.remote.writes();
        if direction == Direction::Import {
            lab.delete_there(0..12).await;
        } else {
            lab.delete_here(0..12).await;
        }
        let held = lab.sync().await;
        assert!(held.plan.held, "{direction:?}");
        lab.refuse(&held.plan_id).await;
        lab.assert_rests().await;
        let expected = if direction == Direction::Import { (12, 0) } else { (0, 12) };
        assert_eq!((lab.sizes().await, lab.remote.writes()), (expected, writes), "{direction:?}");
    }
}

/// An answer to another question does nothing.
#[tokio::test]
async fn del_14_answers_that_came_too_late() {
    let lab = Lab::of(30).await;
    lab.delete_there(0..20).await;
    let first = lab.sync().await;
    lab.delete_there(20..21).await;
    for answered in [lab.approve(&first.plan_id).await, lab.refuse(&first.plan_id).await] {
        assert_eq!((answered.counts.held, answered.counts.deleted, answered.answered), (21, 0, None));
    }
    assert_eq!(lab.sizes().await, (30, 9));
    // The host brought one of them back meanwhile: it is another set again.
    let second = lab.sync().await;
    lab.remote.put("r0", &event("u0", "x"));
    let answered = lab.approve(&second.plan_id).await;
    assert_eq!((answered.counts.held, answered.answered), (20, None));
    let done = lab.approve(&answered.plan_id).await;
    assert_eq!((done.counts.deleted, done.answered), (20, Some(answered.plan_id)));
    lab.assert_rests().await;
    assert_eq!(lab.sizes().await, (10, 10));
}

/// I07: deletions of both sides are counted together.
#[tokio::test]
async fn i07_both_directions_count_together() {
    let lab = Lab::of(40).await;
    lab.delete_here(0..6).await;
    lab.delete_there(6..12).await;
    let report = lab.sync().await;
    assert_eq!((report.counts.held, lab.sizes().await), (12, (34, 34)));
}

/// I07: a deletion that comes in slices, run after run, is held as soon as the slices together are too many.
#[tokio::test]
async fn i07_slices_over_consecutive_runs() {
    for here in [false, true] {
        let lab = Lab::of(40).await;
        for slice in 0..2 {
            lab.slice(here, slice * 4..slice * 4 + 4).await;
            assert!(!lab.sync().await.plan.held);
        }
        lab.slice(here, 8..12).await;
        let held = lab.sync().await;
        assert_eq!(held.counts.held, 4, "here: {here}");
        // Once a person has seen it, counting begins anew.
        lab.approve(&held.plan_id).await;
        lab.slice(here, 12..13).await;
        assert!(!lab.sync().await.plan.held);
        lab.assert_rests().await;
        assert_eq!(lab.sizes().await, (27, 27));
    }
}

impl Lab {
    async fn slice(&self, here: bool, which: std::ops::Range<usize>) {
        if here {
            self.delete_here(which).await;
        } else {
            self.delete_there(which).await;
        }
    }
}

/// I07: one a day until nothing is left, the last one is asked about; the others are long ago after a month, and it waits
/// all the same.
#[tokio::test]
async fn i07_the_last_of_several_is_asked_about() {
    let lab = Lab::of(3).await;
    for n in 0..3 {
        lab.delete_there(n..n + 1).await;
        assert_eq!(lab.sync().await.plan.held, n == 2);
        lab.world.clock.advance(TimeDelta::days(1));
    }
    lab.world.clock.advance(TimeDelta::days(30));
    let held = lab.sync().await;
    assert_eq!((held.counts.held, lab.sizes().await), (1, (1, 0)));
    lab.approve(&held.plan_id).await;
    assert_eq!(lab.sizes().await, (0, 0));
}

/// I07: pairs that are left alone are no linked items: they do not make the rest look like a small part.
#[tokio::test]
async fn i07_pairs_that_were_parted_do_not_count() {
    for parted in [false, true] {
        let lab =
            Lab::with(if parted { 200 } else { 40 }, |link| link.with_direction(Direction::Import)).await;
        if parted {
            // Copies deleted here, while their items stay.
            for n in 40..200 {
                lab.world.delete(&format!("u{n}")).await;
            }
            lab.sync().await;
        }
        for n in 0..39 {
            lab.remote.remove(&format!("r{n}"));
        }
        let report = lab.sync().await;
        assert_eq!((report.plan.held, report.counts.deleted), (true, 0), "parted: {parted}");
    }
}

/// I07: a run that failed after it deleted has deleted.
#[tokio::test]
async fn i07_a_failed_run_counts() {
    let lab = Lab::of(40).await;
    lab.delete_there(0..8).await;
    lab.world.add(event("new", "x")).await;
    lab.remote.fail("create", RemoteFault::Before(ErrorKind::Unauthorized));
    lab.world.clock.advance(TimeDelta::seconds(30));
    let failed = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
    assert!(failed.is_err());
    assert_eq!(lab.world.locals().await.len(), 33);
    lab.delete_there(8..12).await;
    assert_eq!(lab.sync().await.counts.held, 4);
}

/// I07: deletions that only come to light while edits are being sent are judged with all others of the run.
#[tokio::test]
async fn i07_deletions_found_while_pushing() {
    let lab = Lab::with(40, |link| link.with_deletions(DeletionPolicy::RemoteWins)).await;
    lab.delete_there(0..6).await;
    for n in 6..12 {
        lab.world.edit(&format!("u{n}"), |event| body(event).title = Some("edited".to_owned())).await;
        lab.remote.remove_unannounced(&format!("r{n}"));
    }
    let report = lab.sync().await;
    assert_eq!(
        (report.counts.deleted, report.counts.held),
        (6, 6),
        "the first six passed, twelve are too many"
    );
    let held = lab.sync().await;
    let done = lab.approve(&held.plan_id).await;
    assert_eq!(done.answered, Some(held.plan_id), "what the run asked is what the next one plans");
    lab.assert_rests().await;
    assert_eq!(lab.sizes().await, (28, 28));
}

/// I06: every deletion is in the journal with what spoke for it.
#[tokio::test]
async fn i06_every_deletion_has_its_evidence() {
    let lab = Lab::with(20, |link| link.with_deletions(DeletionPolicy::RemoteWins)).await;
    lab.delete_there(0..1).await;
    lab.delete_here(1..2).await;
    lab.sync().await;
    lab.remote.forget_cursors();
    lab.delete_there(2..3).await;
    lab.sync().await;
    lab.world.edit("u4", |event| body(event).title = Some("edited".to_owned())).await;
    lab.remote.remove_unannounced("r4");
    lab.sync().await;
    let found: Vec<(JournalOp, Option<Evidence>)> = lab
        .journal()
        .await
        .into_iter()
        .filter(|entry| matches!(entry.op, JournalOp::LocalDelete | JournalOp::RemoteDelete))
        .map(|entry| (entry.op, entry.evidence))
        .collect();
    assert_eq!(
        found,
        [
            (JournalOp::LocalDelete, Some(Evidence::Reported)),
            (JournalOp::RemoteDelete, Some(Evidence::DeletedHere)),
            (JournalOp::LocalDelete, Some(Evidence::Absent)),
            (JournalOp::LocalDelete, Some(Evidence::NotFound)),
        ]
    );
    assert!(lab.journal().await.iter().all(|entry| {
        entry.evidence.is_some() == matches!(entry.op, JournalOp::LocalDelete | JournalOp::RemoteDelete)
    }));
}

/// I07: what waits for a person goes on waiting, whatever makes it look smaller: new events on either side, time, events
/// that come back.
#[tokio::test]
async fn i07_what_is_held_stays_held() {
    const WEEK: TimeDelta = TimeDelta::days(8);
    for (events, gone) in [(4, 4), (10, 10), (30, 12)] {
        for here in [false, true] {
            let lab = Lab::of(events).await;
            if here {
                lab.delete_here(0..gone).await
            } else {
                lab.delete_there(0..gone).await
            }
            assert!(lab.sync().await.plan.held, "{gone} of {events}");
            let sizes = lab.sizes().await;
            for n in 0..30 {
                lab.remote.put(&format!("new{n}"), &event(&format!("new-there{n}"), "x"));
                lab.world.add(event(&format!("new-here{n}"), "x")).await;
            }
            lab.sync().await;
            lab.world.clock.advance(WEEK);
            let report = lab.sync().await;
            assert!(report.plan.held, "{gone} of {events}");
            assert_eq!(lab.sizes().await, (sizes.0 + 60, sizes.1 + 60));
            let mut back = 0;
            if !here {
                // One that is back is no reason for the others to go.
                lab.remote.put("r0", &event("u0", "x"));
                back = 1;
            }
            let report = lab.sync().await;
            assert_eq!((report.plan.held, report.counts.held as usize), (true, gone - back));
            lab.approve(&report.plan_id).await;
            let left = events - gone + 60 + back;
            assert_eq!(lab.sizes().await, (left, left));
            // And nothing is held for what was answered.
            lab.remote.remove("new1");
            assert!(!lab.sync().await.plan.held);
            lab.assert_rests().await;
        }
    }
}

/// I07: of more events than are named any may be one of them, and of fewer only those.
#[test]
fn i07_held_deletions_are_known_again() {
    let name = |n: usize| EventId::from(n.to_string());
    let mut held = HeldDeletions::default();
    (0..HeldDeletions::NAMED).for_each(|n| held.add(&name(n)));
    held.add(&name(0));
    assert!(held.may_hold(&name(999)) && !held.may_hold(&name(1000)));
    held.remove(&name(1));
    assert!(held.may_hold(&name(0)) && !held.may_hold(&name(1)) && !held.is_empty());
    held.add(&name(1));
    held.add(&name(1000));
    assert!(held.may_hold(&name(1000)) && held.may_hold(&name(1001)));
    (0..1000).for_each(|n| held.remove(&name(n)));
    assert!(held.may_hold(&name(5)) && !held.is_empty(), "there are more than are named");
}

/// I07: when all that was held is back, nothing waits any more.
#[tokio::test]
async fn i07_what_came_back_is_forgotten() {
    let lab = Lab::of(10).await;
    lab.delete_there(0..10).await;
    assert!(lab.sync().await.plan.held);
    for n in 0..10 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    assert!(!lab.sync().await.plan.held);
    lab.delete_there(3..4).await;
    assert!(!lab.sync().await.plan.held);
    assert_eq!(lab.sizes().await, (9, 9));
    lab.assert_rests().await;
}

/// DEL-04: an item that a listing forgot is asked for by name before it counts as deleted.
#[tokio::test]
async fn del_04_what_a_listing_forgot_is_not_deleted() {
    let lab = Lab::of(5).await;
    lab.remote.hide("r1");
    lab.delete_there(2..3).await;
    let report = lab.run(SyncOptions::default().with_audit()).await;
    assert_eq!((report.counts.deleted, lab.sizes().await), (1, (4, 4)));
    // Nothing is decided about an item that cannot be asked for now.
    lab.delete_there(3..4).await;
    lab.remote.fail("fetch", RemoteFault::Before(ErrorKind::Unavailable));
    let options = SyncOptions::default().with_audit();
    assert!(lab.world.engine.sync(&lab.link, &lab.remote, &options).await.is_err());
    assert_eq!(lab.sizes().await.0, 4);
}

/// A preview says what is held, writes nothing, and answers nothing.
#[tokio::test]
async fn a_preview_shows_what_would_be_held() {
    let lab = Lab::of(12).await;
    lab.delete_there(0..12).await;
    let preview =
        lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.expect("plans");
    assert!(preview.plan.held);
    assert!(preview.plan.operations.iter().all(|operation| {
        (operation.action, operation.evidence) == (Action::DeleteLocal, Some(Evidence::Reported))
    }));
    let held = lab.sync().await;
    assert_eq!(held.plan_id, preview.plan_id);
    let refusing = SyncOptions::default().refusing(held.plan_id.clone());
    lab.world.engine.plan(&lab.link, &lab.remote, &refusing).await.expect("plans");
    assert!(lab.sync().await.plan.held);
}

/// An event that was deleted here and made again under its UID, while its item was edited there: the edit goes to the event
/// that is here now, merged with what it says, and there is one of each.
#[tokio::test]
async fn an_edit_there_goes_to_the_event_that_was_made_again_under_its_uid() {
    for between in [false, true] {
        let lab = Lab::of(20).await;
        let old = lab.world.local("u1").await;
        lab.world.delete("u1").await;
        if between {
            // The old one's deletion is planned and held back, and the new one waits for it.
            lab.remote.fail("delete", RemoteFault::Before(ErrorKind::Unavailable));
        }
        let mut again = old.event.clone();
        body(&mut again).location = Some("here".to_owned());
        let new = lab.world.add(again).await;
        if between {
            let failed = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
            failed.expect_err("the provider is down");
            lab.remote.forget_faults();
        }
        let mut edited = lab.remote.items().remove(&"r1".into()).expect("it is there");
        body(&mut edited).title = Some("there".to_owned());
        lab.remote.put("r1", &edited);
        for _ in 0..3 {
            lab.run(SyncOptions::default()).await;
            lab.world.clock.advance(TimeDelta::minutes(20));
        }
        let here = lab.world.local("u1").await;
        assert_eq!(here.id, new, "held back before: {between}");
        let there: Vec<_> = lab.remote.items().into_iter().filter(|(_, event)| event.uid == "u1").collect();
        assert_eq!(there.len(), 1, "held back before: {between}");
        for event in [&here.event, &there[0].1] {
            let body = event.body().expect("it has content");
            assert_eq!(
                (body.title.as_deref(), body.location.as_deref()),
                (Some("there"), Some("here")),
                "held back before: {between}"
            );
        }
        assert_eq!(lab.sizes().await, (20, 20));
        lab.assert_rests().await;
    }
}

/// The same where the link makes up for what is done to its copies.
#[tokio::test]
async fn a_copy_that_was_made_again_under_its_uid_does_not_come_back_beside_it() {
    let lab = Lab::with(20, |link| {
        let mut link = link.with_direction(Direction::Import);
        link.deletions = DeletionPolicy::RemoteWins;
        link.edits = CopyEdits::Restore;
        link
    })
    .await;
    let old = lab.world.local("u1").await;
    lab.world.delete("u1").await;
    let mut again = old.event.clone();
    body(&mut again).title = Some("here".to_owned());
    let new = lab.world.add(again).await;
    lab.sync().await;
    lab.sync().await;
    let here = lab.world.local("u1").await;
    assert_eq!((here.id, body(&mut here.event.clone()).title.as_deref()), (new, Some("x")));
    assert_eq!(lab.sizes().await, (20, 20));
    lab.assert_rests().await;
}
