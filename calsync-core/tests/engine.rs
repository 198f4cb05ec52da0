//! The engine against a provider in memory: what each side holds after edits, faults and lost answers.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CopyRules, EngineError, Link, SyncOptions, SyncReport},
    merge::ConflictPolicy,
    model::{Event, RemoteId},
    plan::Direction,
    provider::{ErrorKind, Payload},
    store::{ConflictRecord, MemoryStore, Record, RecordKind, RecordQuery},
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
    fn new() -> Self {
        Self::with(MemoryRemote::default(), |link| link)
    }

    fn with(remote: MemoryRemote, change: impl FnOnce(Link) -> Link) -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 1);
        Self { world, remote, link: change(Link::new("home", "family", "memory")) }
    }

    async fn try_sync(&self) -> Result<SyncReport, EngineError> {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await
    }

    async fn sync(&self) -> SyncReport {
        self.try_sync().await.expect("the run goes through")
    }

    /// Runs until both are in step, and shows that the next run does nothing.
    async fn converge(&self) {
        self.sync().await;
        let writes = self.remote.writes();
        let quiet = self.sync().await;
        assert!(quiet.plan.operations.is_empty(), "second run plans {:?}", quiet.plan.operations);
        assert_eq!(self.remote.writes(), writes, "the second run writes");
        assert_eq!(quiet.counts.requests, 1, "a run without changes asks once");
        let remote: Vec<Event> = sorted(self.remote.items().into_values().collect());
        let local: Vec<Event> =
            sorted(self.world.locals().await.into_iter().map(|record| record.event).collect());
        assert_eq!(text(&remote), text(&local), "the sides differ");
    }

    async fn conflicts(&self) -> Vec<ConflictRecord> {
        let query = RecordQuery {
            kind: RecordKind::Conflict,
            link: &self.link.id,
            event: None,
            run: None,
            after: None,
            limit: 100,
        };
        let records = self.world.store.records(query).await.expect("the store answers");
        records
            .into_iter()
            .map(|record| match record {
                Record::Conflict(conflict) => *conflict,
                other => panic!("asked for conflicts, got {other:?}"),
            })
            .collect()
    }

    fn remote_title(&self, uid: &str) -> String {
        let items = self.remote.items();
        let mut with_uid = items.values().filter(|event| event.uid == uid);
        let title = with_uid.next().and_then(|event| event.body()).and_then(|body| body.title.clone());
        assert!(with_uid.next().is_none(), "two remote items with the UID {uid}");
        title.expect("a remote item with a title")
    }

    async fn local_title(&self, uid: &str) -> String {
        self.world.local(uid).await.event.body().and_then(|body| body.title.clone()).expect("a title")
    }
}

fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|a, b| a.uid.cmp(&b.uid));
    events
}

fn text(events: &[Event]) -> Vec<String> {
    let text = |event: &Event| {
        let mut event = event.clone();
        // Each side counts by itself how often an event was moved, and says when it was edited.
        event.master.iter_mut().for_each(|body| (body.sequence, body.updated) = (0, None));
        serde_json::to_string(&event).expect("serialisable")
    };
    events.iter().map(text).collect()
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

#[tokio::test]
async fn both_sides_get_what_the_other_has() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "from the remote side"));
    lab.world.add(event("u2", "from here")).await;
    let report = lab.sync().await;
    assert_eq!((report.counts.created, report.counts.pushed), (1, 1));
    lab.converge().await;
    assert_eq!(lab.remote.items().len(), 2);
}

#[tokio::test]
async fn edits_of_different_fields_merge() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "lunch"));
    lab.converge().await;
    lab.world.edit("u1", |event| body(event).location = Some("here".to_owned())).await;
    let mut remote = lab.remote.get(&RemoteId::from("r1")).expect("there");
    body(&mut remote).title = Some("brunch".to_owned());
    lab.remote.put("r1", &remote);
    lab.converge().await;
    let merged = lab.world.local("u1").await.event;
    assert_eq!(merged.body().and_then(|body| body.title.as_deref()), Some("brunch"));
    assert_eq!(merged.body().and_then(|body| body.location.as_deref()), Some("here"));
    assert!(lab.conflicts().await.is_empty(), "disjoint edits are no conflict");
}

#[tokio::test]
async fn contested_fields_follow_the_policy_and_are_recorded() {
    let table = [
        (ConflictPolicy::RemoteWins, "there", "there"),
        (ConflictPolicy::LocalWins, "here", "here"),
        (ConflictPolicy::NewestWins, "there", "there"),
        (ConflictPolicy::Manual, "here", "there"),
    ];
    for (policy, local, remote) in table {
        let lab = Lab::with(MemoryRemote::default(), |link| link.with_conflicts(policy));
        lab.remote.put("r1", &event("u1", "lunch"));
        lab.sync().await;
        lab.world.edit("u1", titled("here")).await;
        lab.remote.put("r1", &event("u1", "there"));
        lab.sync().await;
        let quiet = lab.sync().await;
        assert!(quiet.plan.operations.is_empty(), "{policy:?}: {:?}", quiet.plan.operations);
        assert_eq!(lab.local_title("u1").await, local, "{policy:?}");
        assert_eq!(lab.remote_title("u1"), remote, "{policy:?}");
        let conflicts = lab.conflicts().await;
        assert_eq!(conflicts.len(), 1, "{policy:?}");
        let field = &conflicts[0].fields[0];
        assert_eq!(
            (field.base.as_str(), field.local.as_str(), field.remote.as_str()),
            (Some("lunch"), Some("here"), Some("there"))
        );
    }
}

#[tokio::test]
async fn keep_both_makes_the_local_version_an_event_of_its_own() {
    let lab = Lab::with(MemoryRemote::default(), |link| link.with_conflicts(ConflictPolicy::KeepBoth));
    lab.remote.put("r1", &event("u1", "lunch"));
    lab.sync().await;
    lab.world.edit("u1", titled("here")).await;
    lab.remote.put("r1", &event("u1", "there"));
    lab.sync().await;
    lab.converge().await;
    let mut titles: Vec<String> =
        lab.remote.items().values().filter_map(|event| event.body()?.title.clone()).collect();
    titles.sort();
    assert_eq!(titles, ["here", "there"]);
}

/// A manual conflict keeps its field apart while the others go on merging.
#[tokio::test]
async fn an_open_conflict_does_not_block_other_fields() {
    let lab = Lab::with(MemoryRemote::default(), |link| link.with_conflicts(ConflictPolicy::Manual));
    lab.remote.put("r1", &event("u1", "lunch"));
    lab.sync().await;
    lab.world.edit("u1", titled("here")).await;
    lab.remote.put("r1", &event("u1", "there"));
    lab.sync().await;
    lab.world.edit("u1", |event| body(event).location = Some("room 1".to_owned())).await;
    lab.sync().await;
    let remote = lab.remote.get(&RemoteId::from("r1")).expect("there");
    assert_eq!(remote.body().and_then(|body| body.location.as_deref()), Some("room 1"));
    assert_eq!(lab.remote_title("u1"), "there");
    assert_eq!(lab.local_title("u1").await, "here");
    let quiet = lab.sync().await;
    assert!(quiet.plan.operations.is_empty(), "{:?}", quiet.plan.operations);
}

#[tokio::test]
async fn deletions_travel_both_ways() {
    let lab = Lab::new();
    for n in 0..5 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    lab.remote.remove("r0");
    lab.world.delete("u1").await;
    let report = lab.sync().await;
    assert_eq!((report.counts.deleted, report.counts.pushed), (1, 1));
    lab.converge().await;
    assert_eq!(lab.remote.items().len(), 3);
}

/// LUP-02: an event deleted on one side and edited on the other survives with its edit.
#[tokio::test]
async fn lup_02_an_edit_survives_a_deletion() {
    for policy in [ConflictPolicy::NewestWins, ConflictPolicy::KeepBoth, ConflictPolicy::Manual] {
        let lab = Lab::with(MemoryRemote::default(), |link| link.with_conflicts(policy));
        lab.remote.put("r1", &event("u1", "a"));
        lab.remote.put("r2", &event("u2", "b"));
        lab.converge().await;
        lab.world.delete("u1").await;
        lab.remote.put("r1", &event("u1", "edited there"));
        lab.remote.remove("r2");
        lab.world.edit("u2", titled("edited here")).await;
        lab.sync().await;
        lab.converge().await;
        assert_eq!(lab.local_title("u1").await, "edited there");
        assert_eq!(lab.remote_title("u2"), "edited here");
        assert_eq!(lab.conflicts().await.len(), 2, "{policy:?}");
    }
}

/// DEL-01, DEL-02, DEL-04: a listing that failed or is partial deletes nothing.
#[tokio::test]
async fn del_01_a_failed_or_partial_listing_deletes_nothing() {
    let lab = Lab::new();
    for n in 0..30 {
        lab.remote.put(&format!("r{n:02}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Forbidden, ErrorKind::CalendarGone, ErrorKind::Protocol] {
        lab.remote.fail("changes", RemoteFault::Before(kind));
        lab.try_sync().await.expect_err("the run says so");
        assert_eq!(lab.world.locals().await.len(), 30);
    }
    lab.remote.forget_cursors();
    lab.remote.list_partially();
    for n in 0..20 {
        lab.remote.remove(&format!("r{n:02}"));
    }
    let report = lab.sync().await;
    assert_eq!((report.counts.deleted, report.counts.held), (0, 0));
    assert_eq!(lab.world.locals().await.len(), 30);
}

/// R5, I07: many deletions wait for approval of exactly them; everything else goes on.
#[tokio::test]
async fn mass_deletions_are_held_until_approved() {
    let lab = Lab::new();
    for n in 0..30 {
        lab.remote.put(&format!("r{n:02}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    for n in 0..20 {
        lab.remote.remove(&format!("r{n:02}"));
    }
    lab.remote.put("r25", &event("u25", "edited"));
    let held = lab.sync().await;
    assert_eq!((held.counts.held, held.counts.deleted, held.counts.updated), (20, 0, 1));
    assert_eq!(lab.world.locals().await.len(), 30);
    // Asking again changes nothing, and neither does approving something else.
    let again = lab.sync().await;
    assert_eq!((again.counts.held, &again.plan_id), (20, &held.plan_id));
    lab.remote.remove("r20");
    let options = SyncOptions::default().approving(held.plan_id);
    let other = lab.world.engine.sync(&lab.link, &lab.remote, &options).await.expect("runs");
    assert_eq!((other.counts.held, other.counts.deleted), (21, 0));
    let options = SyncOptions::default().approving(other.plan_id);
    let done = lab.world.engine.sync(&lab.link, &lab.remote, &options).await.expect("runs");
    assert_eq!((done.counts.held, done.counts.deleted), (0, 21));
    lab.converge().await;
}

/// The same for deletions made here: the remote side keeps its items until they are approved.
#[tokio::test]
async fn mass_deletions_made_here_are_held_too() {
    let lab = Lab::new();
    for n in 0..12 {
        lab.remote.put(&format!("r{n:02}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    for n in 0..12 {
        lab.world.delete(&format!("u{n}")).await;
    }
    let held = lab.sync().await;
    assert_eq!((held.counts.held, lab.remote.items().len()), (12, 12));
    let options = SyncOptions::default().approving(held.plan_id);
    lab.world.engine.sync(&lab.link, &lab.remote, &options).await.expect("runs");
    assert_eq!(lab.remote.items().len(), 0);
    lab.converge().await;
}

/// DUP-08, CON-01: a creation that was applied although its answer was lost is found, not repeated.
#[tokio::test]
async fn dup_08_a_lost_answer_makes_no_duplicate() {
    let lab = Lab::new();
    lab.world.add(event("u1", "mine")).await;
    lab.remote.fail("create", RemoteFault::After);
    let _ = lab.try_sync().await;
    assert_eq!(lab.remote.items().len(), 1, "it was applied");
    lab.world.clock.advance(TimeDelta::hours(1));
    lab.sync().await;
    lab.converge().await;
    assert_eq!(lab.remote.items().len(), 1);
}

/// CON-01: the same for updates and deletions.
#[tokio::test]
async fn con_01_lost_answers_of_updates_and_deletions() {
    let lab = Lab::new();
    for n in 0..4 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    lab.world.edit("u1", titled("edited")).await;
    lab.remote.fail("update", RemoteFault::After);
    let _ = lab.try_sync().await;
    lab.world.clock.advance(TimeDelta::hours(1));
    lab.sync().await;
    lab.converge().await;
    assert_eq!(lab.remote_title("u1"), "edited");
    lab.world.delete("u2").await;
    lab.remote.fail("delete", RemoteFault::After);
    let _ = lab.try_sync().await;
    lab.world.clock.advance(TimeDelta::hours(1));
    lab.sync().await;
    lab.converge().await;
    assert_eq!(lab.remote.items().len(), 3);
    assert!(lab.conflicts().await.is_empty(), "our own write is no conflict");
}

/// LUP-01, LUP-04: a write that meets a newer version is merged with it; both edits survive.
#[tokio::test]
async fn lup_04_a_write_that_meets_a_newer_version_is_merged() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "lunch"));
    lab.converge().await;
    lab.world.edit("u1", titled("here")).await;
    // The answer to the listing is older than the edit: the write meets a version it did not merge.
    lab.remote.fail("update", RemoteFault::Before(ErrorKind::VersionMismatch));
    let mut remote = event("u1", "lunch");
    body(&mut remote).location = Some("there".to_owned());
    let report = lab.sync().await;
    assert_eq!(report.counts.pushed, 1, "merged and sent in the same run");
    lab.remote.put("r1", &remote);
    lab.sync().await;
    lab.converge().await;
}

/// LUP-05: an edit made while an earlier one waits in the outbox is not lost.
#[tokio::test]
async fn lup_05_a_second_edit_goes_out_too() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "one"));
    lab.converge().await;
    lab.world.edit("u1", titled("two")).await;
    lab.remote.fail("update", RemoteFault::Before(ErrorKind::Unavailable));
    lab.try_sync().await.expect_err("not available");
    lab.world.edit("u1", titled("three")).await;
    lab.world.clock.advance(TimeDelta::hours(1));
    lab.sync().await;
    lab.converge().await;
    assert_eq!(lab.remote_title("u1"), "three");
}

/// DUP-04: both sides hold the same events and were never joined.
#[tokio::test]
async fn dup_04_the_same_uid_on_both_sides_is_joined() {
    let lab = Lab::new();
    for n in 0..40 {
        let event = event(&format!("u{n}"), "same");
        lab.remote.put(&format!("r{n}"), &event);
        lab.world.add(event).await;
    }
    let report = lab.sync().await;
    assert_eq!((report.counts.created, report.counts.pushed), (0, 0));
    lab.converge().await;
    assert_eq!(lab.remote.items().len(), 40);
}

/// DEL-16: after an expired cursor, what was deleted meanwhile is found by the complete listing.
#[tokio::test]
async fn del_16_deletions_are_found_after_an_expired_cursor() {
    let lab = Lab::with(MemoryRemote::default().with_page(3), |link| link);
    for n in 0..20 {
        lab.remote.put(&format!("r{n:02}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    for n in 0..3 {
        lab.remote.remove(&format!("r{n:02}"));
    }
    lab.remote.forget_cursors();
    let report = lab.sync().await;
    assert_eq!((report.counts.deleted, report.counts.created, report.counts.pulled), (3, 0, 0));
    lab.converge().await;
}

/// BAD-02, R8: one unreadable item is kept aside; its siblings and its counterpart are untouched.
#[tokio::test]
async fn bad_02_an_unreadable_item_is_quarantined() {
    let lab = Lab::new();
    for n in 0..5 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    lab.remote.put_payload("r1", Payload::new("{garbage"));
    lab.remote.put("r2", &event("u2", "edited"));
    let report = lab.sync().await;
    assert_eq!((report.counts.quarantined, report.counts.updated, report.counts.deleted), (1, 1, 0));
    assert_eq!(lab.world.locals().await.len(), 5);
    let quiet = lab.sync().await;
    assert_eq!((quiet.counts.requests, quiet.counts.quarantined), (1, 1));
    lab.remote.put("r1", &event("u1", "repaired"));
    let report = lab.sync().await;
    assert_eq!((report.counts.quarantined, report.counts.updated), (0, 1));
    lab.converge().await;
}

/// DEL-19, DEL-13: the same UID under a new name, with the old name gone, is the same event.
#[tokio::test]
async fn del_19_a_renamed_item_stays_one_event() {
    let lab = Lab::new();
    for n in 0..5 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    lab.converge().await;
    let before = lab.world.local("u1").await.id;
    lab.remote.remove("r1");
    lab.remote.put("z1", &event("u1", "moved"));
    lab.sync().await;
    lab.converge().await;
    let after = lab.world.local("u1").await;
    assert_eq!(after.id, before, "it keeps its identity");
    assert_eq!(lab.local_title("u1").await, "moved");
}

/// DEL-08, MAIL-05: one-way links keep to their direction, and a deleted copy does not come back.
#[tokio::test]
async fn one_way_links_keep_to_their_direction() {
    let lab = Lab::with(MemoryRemote::default(), |link| link.with_direction(Direction::Import));
    for n in 0..5 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    lab.sync().await;
    lab.world.edit("u1", titled("edited here")).await;
    lab.world.delete("u2").await;
    lab.world.add(event("mine", "mine")).await;
    for _ in 0..2 {
        lab.sync().await;
    }
    assert_eq!(lab.remote.writes(), 0, "the source is never written");
    lab.remote.put("r2", &event("u2", "edited there"));
    lab.sync().await;
    assert!(lab.world.locals().await.iter().all(|record| record.event.uid != "u2"), "it stays deleted");

    let lab = Lab::with(MemoryRemote::default(), |link| {
        link.with_direction(Direction::Export).with_copies(CopyRules::everything())
    });
    lab.world.add(event("mine", "mine")).await;
    lab.world.add(event("other", "other")).await;
    lab.remote.put("r1", &event("u1", "theirs"));
    lab.sync().await;
    assert_eq!(lab.world.locals().await.len(), 2, "nothing comes in");
    assert_eq!(lab.remote.items().len(), 3);
    let copy = lab.remote.items().into_iter().find(|(_, event)| event.uid == "mine").expect("exported").0;
    lab.remote.remove(copy.as_str());
    lab.sync().await;
    lab.sync().await;
    assert_eq!(lab.world.locals().await.len(), 2, "the original stays");
    assert_eq!(lab.remote.items().len(), 2, "the deleted copy does not come back");
}

#[tokio::test]
async fn a_preview_writes_nothing_and_says_what_a_run_then_does() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "theirs"));
    lab.world.add(event("u2", "mine")).await;
    let preview =
        lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.expect("plans");
    assert_eq!(preview.plan.operations.len(), 2);
    assert_eq!((lab.remote.writes(), lab.world.locals().await.len()), (0, 1));
    let applied = lab
        .world
        .engine
        .apply(&lab.link, &lab.remote, &preview.plan, &SyncOptions::default())
        .await
        .expect("nothing changed");
    assert_eq!(applied.plan.id(), preview.plan.id());
    lab.converge().await;
    lab.world.edit("u1", titled("edited")).await;
    let stale = lab.world.engine.plan(&lab.link, &lab.remote, &SyncOptions::default()).await.expect("plans");
    lab.remote.put("r1", &event("u1", "edited there"));
    let refused = lab.world.engine.apply(&lab.link, &lab.remote, &stale.plan, &SyncOptions::default()).await;
    assert!(matches!(refused, Err(EngineError::PlanChanged { .. })), "{refused:?}");
}

#[tokio::test]
async fn undo_brings_back_what_a_run_changed_on_both_sides() {
    let lab = Lab::new();
    for n in 0..6 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "before"));
    }
    lab.converge().await;
    lab.remote.put("r1", &event("u1", "after"));
    lab.remote.remove("r2");
    lab.remote.put("r9", &event("u9", "new"));
    let report = lab.sync().await;
    let undone = lab.world.engine.undo(&lab.link, &lab.remote, &report.run).await.expect("undoes");
    assert_eq!((undone.restored, undone.removed, undone.kept), (2, 1, 0));
    lab.sync().await;
    let quiet = lab.sync().await;
    assert!(quiet.plan.operations.is_empty(), "{:?}", quiet.plan.operations);
    assert_eq!(lab.local_title("u1").await, "before");
    assert_eq!(lab.remote_title("u1"), "before");
    assert_eq!(lab.remote_title("u2"), "before", "the deleted one is back on the remote side");
    assert!(lab.world.locals().await.iter().all(|record| record.event.uid != "u9"));
    assert_eq!(lab.remote_title("u9"), "new", "what somebody made there is theirs");
}

/// R5: deletions are soft for thirty days, and then forgotten.
#[tokio::test]
async fn deleted_events_are_kept_for_thirty_days() {
    let lab = Lab::new();
    for n in 0..3 {
        lab.remote.put(&format!("r{n}"), &event(&format!("u{n}"), "x"));
    }
    lab.sync().await;
    lab.remote.remove("r1");
    lab.sync().await;
    let kept = async || {
        let found =
            lab.world.store.events_by_uid(&lab.world.calendar, &["u1"]).await.expect("the store answers");
        found.len()
    };
    lab.world.clock.advance(TimeDelta::days(29));
    lab.sync().await;
    assert_eq!(kept().await, 1);
    lab.world.clock.advance(TimeDelta::days(2));
    lab.sync().await;
    assert_eq!(kept().await, 0);
    assert_eq!(lab.world.locals().await.len(), 2);
}

/// Two links on one calendar make a remote-to-remote sync, and it comes to rest.
#[tokio::test]
async fn two_links_on_one_calendar_mirror_two_remotes() {
    let world = World::new(Arc::new(MemoryStore::default()), 3);
    let (a, b) = (MemoryRemote::default(), MemoryRemote::default());
    let links = [Link::new("a", "family", "memory"), Link::new("b", "family", "memory")];
    for n in 0..5 {
        a.put(&format!("a{n}"), &event(&format!("ua{n}"), "a"));
        b.put(&format!("b{n}"), &event(&format!("ub{n}"), "b"));
    }
    let cycle = async || {
        world.clock.advance(TimeDelta::seconds(30));
        let options = SyncOptions::default();
        let first = world.engine.sync(&links[0], &a, &options).await.expect("runs");
        let second = world.engine.sync(&links[1], &b, &options).await.expect("runs");
        first.plan.operations.len() + second.plan.operations.len()
    };
    for _ in 0..3 {
        cycle().await;
    }
    assert_eq!(cycle().await, 0, "at rest");
    let uids = |remote: &MemoryRemote| {
        let mut uids: Vec<String> = remote.items().into_values().map(|event| event.uid).collect();
        uids.sort();
        uids
    };
    assert_eq!(uids(&a), uids(&b));
    assert_eq!(uids(&a).len(), 10);
}

/// LOOP-15 neighbour: a link's state is never used for another pair of calendars.
#[tokio::test]
async fn a_link_that_points_elsewhere_is_refused() {
    let lab = Lab::new();
    lab.remote.put("r1", &event("u1", "x"));
    lab.sync().await;
    let moved = Link::new("home", "family", "elsewhere");
    let refused = lab.world.engine.sync(&moved, &lab.remote, &SyncOptions::default()).await;
    assert!(matches!(refused, Err(EngineError::LinkMoved { .. })), "{refused:?}");
}
