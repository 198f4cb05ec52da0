//! A link that went one way is made to go both ways: what people did in between on the side that was not carried is looked at.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CopyEdits, CopyRules, Link, SyncOptions, SyncReport},
    merge::ConflictPolicy,
    model::{Event, RemoteId},
    pipeline::Pipeline,
    plan::Direction,
    provider::Payload,
    store::{ConflictRecord, ConflictState, DocQuery, MemoryStore},
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

const EDITS: [CopyEdits; 3] = [CopyEdits::Leave, CopyEdits::Detach, CopyEdits::Restore];

struct Lab {
    world: World,
    remote: MemoryRemote,
    link: Link,
}

/// Title and place.
type Texts<'a> = (&'a str, &'a str);

fn placed(uid: &str, (title, place): Texts<'_>) -> Event {
    let mut event = event(uid, title);
    body(&mut event).location = Some(place.to_owned());
    event
}

impl Lab {
    fn new(direction: Direction, edits: CopyEdits, copies: CopyRules) -> Self {
        let link = Link::new("home", "family", "memory").with_direction(direction);
        let link = link.with_edits(edits).with_copies(copies);
        Self { world: World::new(Arc::new(MemoryStore::default()), 9), remote: MemoryRemote::default(), link }
    }

    /// Four events, `u0` to `u3`, copied from here.
    async fn exporting(edits: CopyEdits, copies: CopyRules) -> Self {
        let lab = Self::new(Direction::Export, edits, copies);
        for n in 0..4 {
            lab.world.add(placed(&format!("u{n}"), ("lunch", "kitchen"))).await;
        }
        lab.settle().await;
        lab
    }

    /// The same, copied from there.
    async fn importing(edits: CopyEdits, copies: CopyRules) -> Self {
        let lab = Self::new(Direction::Import, edits, copies);
        for n in 0..4 {
            lab.remote.put(&format!("r{n}"), &placed(&format!("u{n}"), ("lunch", "kitchen")));
        }
        lab.settle().await;
        lab
    }

    async fn sync(&self) -> SyncReport {
        self.world.clock.advance(TimeDelta::seconds(30));
        let report = self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await;
        report.expect("the run goes through")
    }

    async fn settle(&self) {
        for _ in 0..3 {
            self.sync().await;
        }
    }

    /// The link goes both ways from now on.
    fn turn(&mut self) {
        self.link.direction = Direction::TwoWay;
        self.link.copies = None;
    }

    /// Nothing is left to do, and nothing is remembered of the copies there were.
    async fn rests(&self, why: &str) {
        let writes = self.remote.writes();
        for hours in [1, 30] {
            self.world.clock.advance(TimeDelta::hours(hours));
            let report = self.sync().await;
            assert!(report.plan.operations.is_empty(), "{why}: {:?}", report.plan.operations);
        }
        assert_eq!(self.remote.writes(), writes, "{why}");
        let query = DocQuery::Page { after: None, limit: 10 };
        let left = self.world.store.docs(&format!("left.{}", self.link.id), query).await;
        assert!(left.expect("the store answers").is_empty(), "{why}");
    }

    /// The item of an event.
    fn item(&self, uid: &str) -> (RemoteId, Event) {
        let mut items = self.remote.items().into_iter().filter(|(_, event)| event.uid == uid);
        let item = items.next().expect("it is there");
        assert!(items.next().is_none(), "it is there once");
        item
    }

    fn edit_there(&self, uid: &str, change: impl FnOnce(&mut Event)) {
        let (id, mut event) = self.item(uid);
        change(&mut event);
        self.remote.put(id.as_str(), &event);
    }

    async fn here(&self, uid: &str) -> Option<(String, String)> {
        let mut found = self.world.locals().await.into_iter().filter(|record| record.event.uid == uid);
        let record = found.next();
        assert!(found.next().is_none(), "{uid} is here once");
        record.map(|record| texts(&record.event))
    }

    fn there(&self, uid: &str) -> Option<(String, String)> {
        let mut found = self.remote.items().into_values().filter(|event| event.uid == uid);
        let event = found.next();
        assert!(found.next().is_none(), "{uid} is there once");
        event.map(|event| texts(&event))
    }

    async fn both(&self, uid: &str, (title, place): Texts<'_>, why: &str) {
        let expected = Some((title.to_owned(), place.to_owned()));
        assert_eq!((self.here(uid).await, self.there(uid)), (expected.clone(), expected), "{why}: {uid}");
    }

    async fn conflicts(&self) -> Vec<ConflictRecord> {
        self.world.hub.conflicts(&self.link.id).await.expect("the store answers")
    }
}

fn texts(event: &Event) -> (String, String) {
    let body = event.body().expect("content").clone();
    (body.title.unwrap_or_default(), body.location.unwrap_or_default())
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

fn at(place: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).location = Some(place.to_owned())
}

/// I01: copies over there that were edited, once or twice, are merged with what their events are now; one that was deleted is
/// made again, and no event here is deleted for it.
#[tokio::test]
async fn i01_an_export_that_goes_both_ways_takes_what_was_done_to_the_copies() {
    for edits in EDITS {
        for twice in [false, true] {
            let why = format!("{edits:?}, twice: {twice}");
            let mut lab = Lab::exporting(edits, CopyRules::everything()).await;
            lab.edit_there("u0", titled("there"));
            lab.remote.remove(lab.item("u1").0.as_str());
            lab.edit_there("u2", titled("there"));
            lab.settle().await;
            if twice {
                lab.edit_there("u0", at("garden"));
                lab.settle().await;
            }
            lab.world.edit("u2", at("hall")).await;
            lab.settle().await;
            lab.turn();
            let first = lab.sync().await;
            assert_eq!((first.counts.deleted, first.counts.held), (0, 0), "{why}");
            lab.settle().await;
            let restored = edits == CopyEdits::Restore;
            let title = if restored { "lunch" } else { "there" };
            let place = if twice && !restored { "garden" } else { "kitchen" };
            lab.both("u0", (title, place), &why).await;
            lab.both("u1", ("lunch", "kitchen"), &why).await;
            lab.both("u2", (title, "hall"), &why).await;
            lab.both("u3", ("lunch", "kitchen"), &why).await;
            assert!(lab.conflicts().await.is_empty(), "{why}");
            lab.rests(&why).await;
            // From here on it is an ordinary pair, in both directions.
            lab.edit_there("u0", titled("next"));
            lab.remote.remove(lab.item("u1").0.as_str());
            lab.world.edit("u2", titled("next")).await;
            lab.settle().await;
            lab.both("u0", ("next", place), &why).await;
            lab.both("u2", ("next", "hall"), &why).await;
            assert_eq!(lab.here("u1").await, None, "{why}");
        }
    }
}

/// I05: the same field of a detached copy and of its event is a conflict like any other.
#[tokio::test]
async fn i05_a_detached_copy_and_its_event_are_two_edits_of_one_event() {
    for policy in [ConflictPolicy::RemoteWins, ConflictPolicy::LocalWins, ConflictPolicy::Manual] {
        let mut lab = Lab::exporting(CopyEdits::Detach, CopyRules::everything()).await;
        lab.edit_there("u0", titled("there"));
        lab.settle().await;
        lab.world
            .edit("u0", |event| {
                titled("here")(event);
                at("hall")(event);
            })
            .await;
        lab.settle().await;
        lab.turn();
        lab.link = lab.link.with_conflicts(policy);
        lab.settle().await;
        let conflicts = lab.conflicts().await;
        assert_eq!(conflicts.len(), 1, "{policy:?}");
        let fields: Vec<String> = conflicts[0].fields.iter().map(|field| field.field.to_string()).collect();
        assert_eq!(fields, ["title"], "{policy:?}");
        let (open, titles) = match policy {
            ConflictPolicy::Manual => (ConflictState::Open, ["here", "there"]),
            ConflictPolicy::LocalWins => (ConflictState::Resolved, ["here", "here"]),
            _ => (ConflictState::Resolved, ["there", "there"]),
        };
        assert_eq!(conflicts[0].state, open, "{policy:?}");
        let is = |title: &str| Some((title.to_owned(), "hall".to_owned()));
        assert_eq!((lab.here("u0").await, lab.there("u0")), (is(titles[0]), is(titles[1])), "{policy:?}");
        lab.rests(&format!("{policy:?}")).await;
    }
}

/// PRIV-01 neighbour: copies that show when somebody is busy and nothing else. What was edited of them comes here, what they
/// do not show goes there, and what they show instead never replaces anything here.
#[tokio::test]
async fn a_reduced_export_that_goes_both_ways() {
    for edits in [CopyEdits::Leave, CopyEdits::Detach] {
        let mut lab = Lab::exporting(edits, CopyRules::new(Pipeline::default())).await;
        let mut items: Vec<RemoteId> = lab.remote.items().into_keys().collect();
        let (edited, deleted) = (items.remove(0), items.remove(0));
        let mut item = lab.remote.get(&edited).expect("there");
        at("roof")(&mut item);
        lab.remote.put(edited.as_str(), &item);
        lab.remote.remove(deleted.as_str());
        lab.settle().await;
        lab.turn();
        lab.settle().await;
        let all = |events: Vec<Event>| {
            let mut all: Vec<(String, String)> = events.iter().map(texts).collect();
            all.sort();
            all
        };
        let here = all(lab.world.locals().await.into_iter().map(|record| record.event).collect());
        let there = all(lab.remote.items().into_values().collect());
        let is = |place: &str| ("lunch".to_owned(), place.to_owned());
        assert_eq!(here, [is("kitchen"), is("kitchen"), is("kitchen"), is("roof")], "{edits:?}");
        assert_eq!(there, here, "{edits:?}");
        lab.rests(&format!("{edits:?}")).await;
    }
}

/// I01: copies here that were edited go out, and one that was deleted comes in again: the original there is not deleted for it.
#[tokio::test]
async fn i01_an_import_that_goes_both_ways_takes_what_was_done_to_the_copies() {
    for edits in EDITS {
        let why = format!("{edits:?}");
        let mut lab = Lab::importing(edits, CopyRules::everything()).await;
        lab.world.edit("u0", titled("here")).await;
        lab.world.delete("u1").await;
        lab.world.edit("u2", titled("here")).await;
        lab.settle().await;
        lab.edit_there("u2", at("hall"));
        lab.settle().await;
        lab.turn();
        let first = lab.sync().await;
        assert_eq!((first.counts.deleted, first.counts.held), (0, 0), "{why}");
        lab.settle().await;
        let title = if edits == CopyEdits::Restore { "lunch" } else { "here" };
        lab.both("u0", (title, "kitchen"), &why).await;
        lab.both("u1", ("lunch", "kitchen"), &why).await;
        lab.both("u2", (title, "hall"), &why).await;
        lab.both("u3", ("lunch", "kitchen"), &why).await;
        assert!(lab.conflicts().await.is_empty(), "{why}");
        lab.rests(&why).await;
        lab.world.delete("u1").await;
        lab.settle().await;
        assert_eq!(lab.there("u1"), None, "{why}");
    }
}

/// I06: a deletion on the side that was not carried, which no run saw before the link goes both ways: it may have been meant for
/// the copy alone, so that is made again, and its original stays.
#[tokio::test]
async fn i06_a_deletion_that_no_run_saw_is_not_carried_over() {
    for direction in [Direction::Export, Direction::Import] {
        for edits in EDITS {
            let why = format!("{direction:?}, {edits:?}");
            let mut lab = match direction {
                Direction::Export => Lab::exporting(edits, CopyRules::everything()).await,
                _ => Lab::importing(edits, CopyRules::everything()).await,
            };
            for uid in ["u0", "u1", "u2", "u3"] {
                match direction {
                    Direction::Export => lab.remote.remove(lab.item(uid).0.as_str()),
                    _ => lab.world.delete(uid).await,
                }
            }
            lab.turn();
            let first = lab.sync().await;
            assert_eq!((first.counts.deleted, first.counts.held), (0, 0), "{why}");
            lab.settle().await;
            for uid in ["u0", "u1", "u2", "u3"] {
                lab.both(uid, ("lunch", "kitchen"), &why).await;
            }
            lab.rests(&why).await;
            // The other way a deletion goes as it went before.
            let mut lab = match direction {
                Direction::Export => Lab::exporting(edits, CopyRules::everything()).await,
                _ => Lab::importing(edits, CopyRules::everything()).await,
            };
            match direction {
                Direction::Export => lab.world.delete("u0").await,
                _ => lab.remote.remove(lab.item("u0").0.as_str()),
            }
            lab.turn();
            lab.settle().await;
            assert_eq!((lab.here("u0").await, lab.there("u0")), (None, None), "{why}");
            lab.rests(&why).await;
        }
    }
}

/// I14: while deletions of before wait for somebody, one of after is a deletion like any other.
#[tokio::test]
async fn i14_what_is_deleted_after_the_turn_stays_deleted_while_others_wait() {
    let mut lab = Lab::exporting(CopyEdits::Leave, CopyRules::everything()).await;
    for n in 4..34 {
        lab.world.add(placed(&format!("u{n}"), ("lunch", "kitchen"))).await;
    }
    lab.settle().await;
    for n in 4..16 {
        lab.world.delete(&format!("u{n}")).await;
    }
    lab.remote.remove(lab.item("u0").0.as_str());
    lab.turn();
    let first = lab.sync().await;
    assert_eq!((first.plan.held, first.counts.held), (true, 12));
    lab.both("u0", ("lunch", "kitchen"), "deleted before").await;
    lab.remote.remove(lab.item("u1").0.as_str());
    for _ in 0..2 {
        let held = lab.sync().await;
        assert_eq!((held.plan.held, held.counts.held), (true, 13));
        assert_eq!(lab.there("u1"), None, "deleted after");
    }
}

/// I05: an edited copy that cannot be read when the link is made to go both ways is met once it can be.
#[tokio::test]
async fn i05_a_copy_that_is_unreadable_meanwhile_keeps_its_edit() {
    for edits in [CopyEdits::Leave, CopyEdits::Detach] {
        let mut lab = Lab::exporting(edits, CopyRules::everything()).await;
        lab.edit_there("u0", titled("there"));
        lab.settle().await;
        let (id, edited) = lab.item("u0");
        lab.remote.put_payload(id.as_str(), Payload::new("nothing that can be read"));
        lab.turn();
        lab.settle().await;
        lab.world.edit("u0", at("hall")).await;
        lab.settle().await;
        lab.remote.put(id.as_str(), &edited);
        lab.settle().await;
        lab.both("u0", ("there", "hall"), &format!("{edits:?}")).await;
        lab.rests(&format!("{edits:?}")).await;
    }
}

/// Copies here that show less than their originals never replace anything there.
#[tokio::test]
async fn a_reduced_import_that_goes_both_ways_writes_nothing_over_its_originals() {
    let mut lab = Lab::importing(CopyEdits::Leave, CopyRules::new(Pipeline::default())).await;
    let there = lab.remote.items();
    lab.turn();
    lab.settle().await;
    assert_eq!(lab.remote.items(), there);
    for uid in ["u0", "u1", "u2", "u3"] {
        lab.both(uid, ("lunch", "kitchen"), "whole").await;
    }
    lab.rests("whole").await;
}

/// A run that is cut off before it is through is gone on with: nothing is merged twice.
#[tokio::test]
async fn a_first_run_that_fails_is_gone_on_with() {
    use calsync_core::provider::ErrorKind;
    use calsync_testkit::remote::RemoteFault;
    for call in ["changes", "fetch", "update", "create"] {
        let mut lab = Lab::exporting(CopyEdits::Leave, CopyRules::everything()).await;
        lab.edit_there("u0", titled("there"));
        lab.remote.remove(lab.item("u1").0.as_str());
        lab.settle().await;
        lab.turn();
        lab.remote.fail(call, RemoteFault::Before(ErrorKind::Unavailable));
        lab.world.edit("u2", titled("here")).await;
        for _ in 0..5 {
            lab.world.clock.advance(TimeDelta::hours(1));
            let _ = lab.world.engine.sync(&lab.link, &lab.remote, &SyncOptions::default()).await;
            lab.world.edit("u0", at("hall")).await;
        }
        lab.both("u0", ("there", "hall"), call).await;
        lab.both("u1", ("lunch", "kitchen"), call).await;
        lab.both("u2", ("here", "kitchen"), call).await;
        lab.rests(call).await;
    }
}
