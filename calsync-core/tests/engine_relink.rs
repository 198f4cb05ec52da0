//! What was known is lost, restored or wrong: nothing is doubled, nothing is deleted without evidence, edits are kept.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CopyRules, EngineError, Hub, Link, SyncOptions, SyncReport},
    model::{CalendarId, Event},
    plan::Direction,
    provider::Provider,
    store::{
        BaseQuery, Batch, ConflictRecord, DocQuery, EventRecord, MemoryStore, Record, RecordKind,
        RecordQuery, Revision, Store, Write,
    },
};
use calsync_testkit::{
    hooked_store::HookedStore,
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;

fn world() -> World {
    World::new(Arc::new(MemoryStore::default()), 6)
}

/// A world whose ids are others.
fn another_world() -> World {
    World::new(Arc::new(MemoryStore::default()), 66)
}

fn link() -> Link {
    Link::new("home", "family", "memory")
}

/// Items `r0`, `r1`, ... with UIDs `u0`, `u1`, ..., each with a title of its own.
fn remote(count: usize) -> MemoryRemote {
    let remote = MemoryRemote::default();
    for n in 0..count {
        remote.put(&format!("r{n}"), &event(&format!("u{n}"), &title(n)));
    }
    remote
}

/// Titles no two of which are alike.
fn title(n: usize) -> String {
    ["Breakfast", "Dentist", "Choir", "Football", "Shopping", "Cinema", "Piano", "Garden", "Taxes", "Visit"]
        [n % 10]
        .repeat(1 + n / 10)
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

async fn run(world: &World, link: &Link, remote: &dyn Provider, options: SyncOptions) -> SyncReport {
    world.clock.advance(TimeDelta::seconds(30));
    world.engine.sync(link, remote, &options).await.expect("the run goes through")
}

async fn sync(world: &World, link: &Link, remote: &dyn Provider) -> SyncReport {
    run(world, link, remote, SyncOptions::default()).await
}

async fn assert_rests(world: &World, link: &Link, remote: &MemoryRemote) {
    let writes = remote.writes();
    let quiet = sync(world, link, remote).await;
    assert!(quiet.plan.operations.is_empty(), "{:?}", quiet.plan.operations);
    assert_eq!(remote.writes(), writes);
}

async fn rows(store: &dyn Store, calendar: &CalendarId) -> Vec<EventRecord> {
    store.events_since(calendar, Revision(0), 1000).await.expect("the store answers")
}

/// Both sides, as `uid=title`.
async fn sides(world: &World, remote: &MemoryRemote) -> (Vec<String>, Vec<String>) {
    let text = |events: Vec<Event>| {
        let title = |event: &Event| event.body().and_then(|body| body.title.clone()).unwrap_or_default();
        let mut all: Vec<String> =
            events.iter().map(|event| format!("{}={}", event.uid, title(event))).collect();
        all.sort();
        all
    };
    let here = world.locals().await.into_iter().map(|record| record.event).collect();
    (text(here), text(remote.items().into_values().collect()))
}

async fn conflicts(world: &World) -> Vec<ConflictRecord> {
    let id = link().id;
    let query = RecordQuery {
        kind: RecordKind::Conflict,
        link: &id,
        event: None,
        run: None,
        after: None,
        limit: 100,
    };
    let records = world.store.records(query).await.expect("the store answers");
    let conflicts = records.into_iter().filter_map(|record| match record {
        Record::Conflict(conflict) => Some(*conflict),
        _ => None,
    });
    conflicts.collect()
}

/// A world whose host kept its events and lost what the links knew.
async fn without_links(old: &World) -> World {
    let new = another_world();
    let writes = rows(&*old.store, &old.calendar)
        .await
        .into_iter()
        .filter(|record| record.deleted.is_none())
        .map(|record| Write::PutEvent {
            calendar: old.calendar.clone(),
            id: record.id,
            event: Box::new(record.event),
            at: record.modified,
        })
        .collect();
    new.store.commit(Batch { writes, ..Batch::default() }).await.expect("the store takes it");
    new
}

/// A world whose host lost its events and kept what the links know.
async fn without_events(old: &World) -> World {
    let new = another_world();
    let id = link().id;
    let state = old.store.link(&id).await.expect("the store answers").expect("it ran");
    let ids: Vec<_> = rows(&*old.store, &old.calendar).await.into_iter().map(|record| record.id).collect();
    let bases = old.store.bases(&id, BaseQuery::Events(&ids)).await.expect("the store answers");
    let mut writes = vec![Write::PutLink(Box::new(state))];
    writes.extend(bases.into_iter().map(|base| Write::PutBase(Box::new(base))));
    new.store.commit(Batch { writes, ..Batch::default() }).await.expect("the store takes it");
    new
}

/// DUP-04: everything here is lost. The calendar comes back, once.
#[tokio::test]
async fn dup_04_everything_was_lost() {
    let (first, remote) = (world(), remote(12));
    sync(&first, &link(), &remote).await;
    let again = world();
    let report = sync(&again, &link(), &remote).await;
    assert_eq!((report.counts.created, remote.writes()), (12, 0));
    assert_rests(&again, &link(), &remote).await;
}

/// DUP-04, LUP-01: what the link knew is lost. Nothing is doubled or deleted; edits made meanwhile meet without a base: a
/// field one side has and the other has not is taken over, two different values go to the policy, and the one that loses is
/// in the conflict record.
#[tokio::test]
async fn dup_04_what_the_link_knew_was_lost() {
    let (old, remote) = (world(), remote(12));
    sync(&old, &link(), &remote).await;
    old.edit("u1", |event| body(event).location = Some("Here".to_owned())).await;
    old.edit("u2", titled("renamed here")).await;
    let mut there = event("u3", &title(3));
    body(&mut there).description = Some("There".to_owned());
    remote.put("r3", &there);
    old.add(event("new-here", "New here")).await;
    remote.put("r99", &event("new-there", "New there"));
    // Without a trace of it, a deletion cannot be told from an event the other side has made: it comes back.
    old.delete("u4").await;
    remote.remove("r5");
    let new = without_links(&old).await;
    let report = sync(&new, &link(), &remote).await;
    assert_eq!((report.counts.deleted, report.counts.held), (0, 0));
    sync(&new, &link(), &remote).await;
    assert_rests(&new, &link(), &remote).await;
    let (here, there) = sides(&new, &remote).await;
    assert_eq!(here, there);
    assert_eq!(here.len(), 14);
    let location = new.local("u1").await.event.body().and_then(|body| body.location.clone());
    let description = new.local("u3").await.event.body().and_then(|body| body.description.clone());
    assert_eq!((location.as_deref(), description.as_deref()), (Some("Here"), Some("There")));
    let items = remote.items();
    assert!(items.values().any(|event| event.body().is_some_and(|b| b.location.as_deref() == Some("Here"))));
    let lost: Vec<_> = conflicts(&new).await.into_iter().flat_map(|conflict| conflict.fields).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].local, serde_json::json!("renamed here"));
}

/// I08: the host lost its rows and not what the link knew. Nobody deleted anything: all of it comes in again.
#[tokio::test]
async fn del_23_rows_without_a_trace_are_not_deletions() {
    let (old, remote) = (world(), remote(12));
    sync(&old, &link(), &remote).await;
    let new = without_events(&old).await;
    let report = sync(&new, &link(), &remote).await;
    assert_eq!((report.counts.created, report.counts.held, remote.writes()), (12, 0, 0));
    assert_rests(&new, &link(), &remote).await;
    assert_eq!(sides(&new, &remote).await.0.len(), 12);
}

/// I08: a few rows are lost. Their items are neither deleted, nor when they are edited there; the next full comparison at
/// the latest brings them back.
#[tokio::test]
async fn del_23_a_few_lost_rows() {
    for edited in [false, true] {
        let (world, remote) = (world(), remote(5));
        sync(&world, &link(), &remote).await;
        let lost = world.local("u1").await;
        let now = calsync_core::context::Clock::now(&*world.clock);
        let (calendar, id) = (world.calendar.clone(), lost.id);
        let before = now + TimeDelta::days(1);
        let writes = vec![
            Write::DeleteEvent { calendar: calendar.clone(), id, at: now },
            Write::PurgeDeleted { calendar, before, limit: usize::MAX },
        ];
        world.store.commit(Batch { writes, ..Batch::default() }).await.expect("the store takes it");
        let mut options = SyncOptions::default().with_audit();
        if edited {
            // Found by itself.
            remote.put("r1", &event("u1", "edited"));
            options.audit = false;
        }
        let report = run(&world, &link(), &remote, options).await;
        assert_eq!((report.counts.held, report.counts.deleted), (0, 0));
        assert_eq!((world.locals().await.len(), remote.items().len(), remote.writes()), (5, 5, 0));
        assert_rests(&world, &link(), &remote).await;
    }
}

/// TOK-12, I08: the server was restored from a backup and refuses the cursor. What it forgot is gone there, which is
/// evidence: a few are deleted here softly, many are asked about, and a refusal brings them back there.
#[tokio::test]
async fn tok_12_a_server_restored_from_a_backup() {
    let (world, remote) = (world(), remote(10));
    sync(&world, &link(), &remote).await;
    let backup = remote.backup();
    for n in 10..30 {
        world.add(event(&format!("u{n}"), &title(n))).await;
    }
    world.edit("u1", titled("edited since")).await;
    sync(&world, &link(), &remote).await;
    remote.restore(&backup);
    remote.forget_cursors();
    let held = sync(&world, &link(), &remote).await;
    assert_eq!((held.counts.held, held.counts.deleted), (20, 0));
    let refused = run(&world, &link(), &remote, SyncOptions::default().refusing(held.plan_id)).await;
    assert_eq!(refused.counts.held, 0);
    sync(&world, &link(), &remote).await;
    assert_rests(&world, &link(), &remote).await;
    let (here, there) = sides(&world, &remote).await;
    assert_eq!(here, there);
    assert_eq!(here.len(), 30);
}

/// I08: the host restores its database from a backup. What was synced since is known there and not here: it comes in again,
/// nothing is deleted there, and nothing is made a second time, whether the old cursor is accepted or not.
#[tokio::test]
async fn del_23_a_store_restored_from_a_backup() {
    for direction in [Direction::TwoWay, Direction::Import, Direction::Export] {
        for dead_cursor in [false, true] {
            let case = format!("{direction:?}, dead cursor: {dead_cursor}");
            let link = link().with_direction(direction).with_copies(CopyRules::everything());
            let memory = Arc::new(MemoryStore::default());
            let store = Arc::new(HookedStore::new(memory.clone(), ()));
            let world = World::new(store.clone(), 6);
            let remote = remote(12);
            for n in 12..24 {
                world.add(event(&format!("u{n}"), &title(n))).await;
            }
            sync(&world, &link, &remote).await;
            sync(&world, &link, &remote).await;
            let backup = Arc::new(memory.snapshot());

            if direction != Direction::Export {
                remote.put("r1", &event("u1", "edited there since"));
                remote.put("r-new", &event("new there", "New there"));
                remote.remove("r2");
            }
            if direction != Direction::Import {
                world.edit("u13", titled("edited here since")).await;
                world.add(event("new here", "New here")).await;
                world.delete("u14").await;
            }
            sync(&world, &link, &remote).await;
            sync(&world, &link, &remote).await;
            let (written, there) = (remote.writes(), sides(&world, &remote).await.1);

            store.swap(backup);
            if dead_cursor {
                remote.forget_cursors();
            }
            for _ in 0..3 {
                world.clock.advance(TimeDelta::hours(25));
                let report = sync(&world, &link, &remote).await;
                assert!(!report.plan.held, "{case}");
            }
            assert_rests(&world, &link, &remote).await;
            let (here, now) = sides(&world, &remote).await;
            let uids = |all: &[String]| {
                let mut uids: Vec<String> =
                    all.iter().filter_map(|one| Some(one.split_once('=')?.0.to_owned())).collect();
                uids.sort();
                let all = uids.len();
                uids.dedup();
                assert_eq!(uids.len(), all, "{case}: an event is there twice");
                uids
            };
            uids(&here);
            assert_eq!(uids(&now), uids(&there), "{case}: something was made or deleted there");
            match direction {
                Direction::TwoWay => {
                    assert_eq!((remote.writes(), &here), (written, &there), "{case}");
                    assert_eq!(now, there, "{case}");
                }
                Direction::Import => assert_eq!((remote.writes(), now), (written, there), "{case}"),
                // What was edited since is made as it was: the events here are what is right.
                Direction::Export => {}
            }
        }
    }
}

/// TOK-12: the server went back and does not notice that the cursor is from its future. What happens there meanwhile is
/// found by the next full comparison; nothing is doubled or deleted.
#[tokio::test]
async fn tok_12_a_cursor_newer_than_the_server() {
    let (world, remote) = (world(), remote(10));
    let backup = remote.backup();
    sync(&world, &link(), &remote).await;
    for n in 0..5 {
        remote.put(&format!("r{n}"), &event(&format!("u{n}"), "later undone"));
    }
    sync(&world, &link(), &remote).await;
    remote.restore(&backup);
    remote.put("new", &event("new", "New"));
    sync(&world, &link(), &remote).await;
    world.clock.advance(TimeDelta::hours(25));
    sync(&world, &link(), &remote).await;
    assert_rests(&world, &link(), &remote).await;
    let (here, there) = sides(&world, &remote).await;
    assert_eq!(here, there);
    assert_eq!(here.len(), 11);
}

/// TOK-12: a replica that lags answers once with an older state. Nothing is doubled, deleted or left that way: the next
/// answer of one that does not lag is what both sides hold, with what was edited here meanwhile.
#[tokio::test]
async fn tok_12_a_replica_that_lags_is_made_good_by_the_next_answer() {
    let (world, remote) = (world(), remote(5));
    sync(&world, &link(), &remote).await;
    let old = remote.backup();
    for n in 0..3 {
        remote.put(&format!("r{n}"), &event(&format!("u{n}"), &format!("Newer {n}")));
    }
    remote.put("r9", &event("u9", "Made since"));
    sync(&world, &link(), &remote).await;
    let now = remote.backup();
    remote.restore(&old);
    let lagging = sync(&world, &link(), &remote).await;
    assert_eq!((lagging.counts.created, lagging.counts.deleted), (0, 0));
    assert_eq!(lagging.counts.pushed, 0, "nothing is written over what the others hold");
    world.edit("u4", titled("Edited here")).await;
    remote.restore(&now);
    world.clock.advance(TimeDelta::hours(25));
    sync(&world, &link(), &remote).await;
    assert_rests(&world, &link(), &remote).await;
    let (here, there) = sides(&world, &remote).await;
    assert_eq!(here, there);
    for wanted in ["Newer 0", "Newer 1", "Newer 2", "Made since", "Edited here"] {
        assert!(here.iter().any(|shown| shown.contains(wanted)), "{wanted} is not in {here:?}");
    }
    assert_eq!(here.len(), 6);
}

/// The server gives an item another UID: it is the same item, and both sides keep the UID they have.
#[tokio::test]
async fn dup_08_a_uid_rewritten_by_the_server() {
    let (world, remote) = (world(), remote(3));
    world.add(event("mine", "Mine")).await;
    sync(&world, &link(), &remote).await;
    let rewritten: Vec<(String, Event)> = remote
        .items()
        .into_iter()
        .map(|(id, mut event)| {
            event.uid = format!("server-{}", event.uid);
            (id.to_string(), event)
        })
        .collect();
    for (id, event) in &rewritten {
        remote.put(id, event);
    }
    let report = sync(&world, &link(), &remote).await;
    assert_eq!((report.counts.created, report.counts.deleted), (0, 0));
    world.edit("mine", titled("Edited")).await;
    sync(&world, &link(), &remote).await;
    assert_rests(&world, &link(), &remote).await;
    let (here, there) = sides(&world, &remote).await;
    assert!(here.contains(&"mine=Edited".to_owned()) && there.contains(&"server-mine=Edited".to_owned()));
    assert_eq!((here.len(), there.len()), (4, 4));
}

/// DUP-08: a creation is applied under a name and a UID of the server's own, and its answer is lost.
#[tokio::test]
async fn dup_08_a_lost_creation_under_another_name_and_uid() {
    let (world, remote) = (world(), remote(2));
    sync(&world, &link(), &remote).await;
    world.add(event("mine", "Mine")).await;
    remote.fail("create", RemoteFault::After);
    world.clock.advance(TimeDelta::seconds(30));
    let lost = world.engine.sync(&link(), &remote, &SyncOptions::default()).await;
    assert!(lost.is_err());
    let (id, mut stored) =
        remote.items().into_iter().find(|(_, event)| event.uid == "mine").expect("it was applied");
    remote.remove(id.as_str());
    stored.uid = "theirs".to_owned();
    remote.put("server-name", &stored);
    world.clock.advance(TimeDelta::minutes(20));
    sync(&world, &link(), &remote).await;
    sync(&world, &link(), &remote).await;
    assert_eq!((world.locals().await.len(), remote.items().len()), (3, 3));
    assert_rests(&world, &link(), &remote).await;
}

/// DEL-19: an item is moved to another name: in one page, in two runs, the new one first.
#[tokio::test]
async fn del_19_a_moved_item_in_every_order() {
    for order in ["one page", "gone first", "new first"] {
        for cursors in ["good", "forgotten"] {
            let (world, remote) = (world(), remote(4));
            sync(&world, &link(), &remote).await;
            let moved = event("u1", &title(1));
            let between = async || {
                if cursors == "forgotten" {
                    remote.forget_cursors();
                }
                if order != "one page" {
                    sync(&world, &link(), &remote).await;
                }
            };
            if order == "new first" {
                remote.put("moved", &moved);
                between().await;
                remote.remove("r1");
            } else {
                remote.remove("r1");
                between().await;
                remote.put("moved", &moved);
            }
            sync(&world, &link(), &remote).await;
            sync(&world, &link(), &remote).await;
            assert_rests(&world, &link(), &remote).await;
            let (here, there) = sides(&world, &remote).await;
            assert_eq!((here.len(), &here), (4, &there), "{order}, cursors {cursors}");
            world.local("u1").await;
        }
    }
}

/// DEL-19: an event is moved to another calendar: it is there, once, and gone here, whichever link runs first.
#[tokio::test]
async fn del_19_a_move_between_calendars() {
    for new_first in [false, true] {
        let (world, work, home) = (world(), remote(4), MemoryRemote::default());
        let links = [Link::new("w", "work", "memory"), Link::new("h", "home", "memory")];
        let both = async || {
            let mut runs = [(&links[0], &work), (&links[1], &home)];
            if new_first {
                runs.reverse();
            }
            for (link, remote) in runs {
                sync(&world, link, remote).await;
            }
        };
        both().await;
        work.remove("r1");
        home.put("r1", &event("u1", &title(1)));
        both().await;
        both().await;
        let hub: &Hub = &world.hub;
        let uids = async |calendar: &str| {
            let events = hub.events(&CalendarId::from(calendar)).await.expect("the store answers");
            events.into_iter().map(|record| record.event.uid).collect::<Vec<_>>()
        };
        assert_eq!((uids("work").await.len(), uids("home").await), (3, vec!["u1".to_owned()]));
        assert_eq!((work.items().len(), home.items().len()), (3, 1));
    }
}

/// DEL-02, I08: the remote calendar was made again under its name: empty, with the same events under other names, or under
/// other names and UIDs. Nothing is deleted, and what is there already is not made twice.
#[tokio::test]
async fn del_02_a_calendar_made_again() {
    for (uids, items) in [("none", 0), ("old", 12), ("new", 12)] {
        let (world, remote) = (world(), remote(12));
        sync(&world, &link(), &remote).await;
        for n in 0..12 {
            remote.remove(&format!("r{n}"));
        }
        for n in 0..items {
            let uid = if uids == "old" { format!("u{n}") } else { format!("again{n}") };
            remote.put(&format!("again{n}"), &event(&uid, &title(n)));
        }
        remote.forget_cursors();
        let report = sync(&world, &link(), &remote).await;
        assert_eq!(world.locals().await.len(), 12, "UIDs {uids}");
        assert_eq!(report.counts.created + report.counts.deleted, 0, "UIDs {uids}");
        assert_eq!(report.plan.held, items == 0, "UIDs {uids}");
        if report.plan.held {
            run(&world, &link(), &remote, SyncOptions::default().refusing(report.plan_id)).await;
        }
        sync(&world, &link(), &remote).await;
        assert_rests(&world, &link(), &remote).await;
        assert_eq!((world.locals().await.len(), remote.items().len()), (12, 12), "UIDs {uids}");
    }
}

/// LOOP-15, I08: a link that points to another remote calendar, or another calendar here, is refused: nothing is read into
/// it, nothing deleted, and the old pair goes on as before.
#[tokio::test]
async fn loop_15_a_link_pointed_elsewhere() {
    let (world, remote, empty) = (world(), remote(12), MemoryRemote::default());
    sync(&world, &link(), &remote).await;
    for moved in [Link::new("home", "family", "elsewhere"), Link::new("home", "private", "memory")] {
        let refused = world.engine.sync(&moved, &empty, &SyncOptions::default()).await;
        let Err(EngineError::LinkMoved { .. }) = refused else { panic!("{refused:?}") };
        assert!(refused.expect_err("it is refused").to_string().contains("forget it first"));
    }
    assert_eq!((sides(&world, &remote).await.0.len(), empty.writes()), (12, 0));
    assert_rests(&world, &link(), &remote).await;
    // As a link of its own it is a first meeting.
    let own = Link::new("other", "family", "elsewhere");
    sync(&world, &own, &empty).await;
    assert_eq!((world.locals().await.len(), empty.items().len()), (12, 12));
    // And under the same name once it is forgotten.
    world.engine.forget(&Link::new("home", "private", "memory")).await.expect("forgotten");
    let settled =
        world.store.docs("settled.family", DocQuery::Page { after: None, limit: 9 }).await.expect("read");
    assert!(settled.iter().all(|doc| doc.key != "home"), "it has no say where it was before");
    world
        .engine
        .sync(&Link::new("home", "private", "memory"), &remote, &SyncOptions::default())
        .await
        .expect("met");
}

/// A remote calendar whose server has another name is the same one when the host says so: listed and compared once, nothing
/// made twice. What is not there is not deleted here just like that, and any other calendar is refused as before.
#[tokio::test]
async fn loop_15_a_calendar_that_moved_to_another_host() {
    let (world, remote, empty) = (world(), remote(12), MemoryRemote::default());
    sync(&world, &link(), &remote).await;
    let moved = || Link::new("home", "family", "moved").with_moved_from("memory");
    let held = sync(&world, &moved(), &empty).await;
    assert!(held.plan.held, "{:?}", held.plan.operations);
    assert_eq!((world.locals().await.len(), empty.writes()), (12, 0));

    world.edit("u1", titled("edited")).await;
    let report = sync(&world, &moved(), &remote).await;
    assert_eq!((report.counts.created, report.counts.deleted, report.counts.pushed), (0, 0, 1));
    // From then on it is called so, whatever it was called before.
    assert_rests(&world, &Link::new("home", "family", "moved"), &remote).await;
    for other in [link(), Link::new("home", "family", "third").with_moved_from("second")] {
        let refused = world.engine.sync(&other, &empty, &SyncOptions::default()).await;
        let Err(EngineError::LinkMoved { .. }) = refused else { panic!("{refused:?}") };
    }
}

/// Attack 34: an item under the UID of an event that is joined takes nothing over: not its item, not its content, and it is
/// no way to delete it.
#[tokio::test]
async fn dup_04_attack_34_a_hijacked_uid() {
    let (world, remote) = (world(), remote(5));
    sync(&world, &link(), &remote).await;
    let evil = event("u1", "You have won");
    remote.put("evil", &evil);
    for _ in 0..2 {
        sync(&world, &link(), &remote).await;
        assert_eq!(world.local("u1").await.event.body().and_then(|body| body.title.clone()), Some(title(1)));
        assert_eq!(remote.get(&"r1".into()).and_then(|event| event.body()?.title.clone()), Some(title(1)));
        remote.forget_cursors();
    }
    world.edit("u1", titled("mine")).await;
    sync(&world, &link(), &remote).await;
    assert_eq!(
        remote.get(&"r1".into()).and_then(|event| event.body()?.title.clone()),
        Some("mine".to_owned())
    );
    assert_eq!(remote.get(&"evil".into()).expect("it is left alone"), evil);
    remote.remove("evil");
    sync(&world, &link(), &remote).await;
    world.local("u1").await;
    assert_rests(&world, &link(), &remote).await;
}

/// Attack 34: nothing an event says of itself makes it another event. Every text of it names the victim by its id here, its
/// name there, its link and its UID.
#[tokio::test]
async fn dup_04_attack_34_a_forged_tag() {
    let (world, remote) = (world(), remote(5));
    sync(&world, &link(), &remote).await;
    let victim = world.local("u1").await;
    let tag = format!("X-CALSYNC-ID:{};link=home;remote=r1;UID:u1", victim.id);
    let mut forged = event("forged", &tag);
    body(&mut forged).description = Some(tag.clone());
    body(&mut forged).location = Some(tag.clone());
    body(&mut forged).url = Some(format!("calsync:{tag}"));
    body(&mut forged).categories.insert(tag.clone());
    remote.put("forged", &forged);
    sync(&world, &link(), &remote).await;
    assert_eq!(world.locals().await.len(), 6);
    assert_eq!(world.local("u1").await, victim);
    remote.remove("forged");
    sync(&world, &link(), &remote).await;
    assert_eq!(world.local("u1").await, victim);
    // A copy that carries the tag along is an event of its own, on both sides.
    let mut copy = forged.clone();
    copy.uid = "copy".to_owned();
    world.add(copy).await;
    sync(&world, &link(), &remote).await;
    assert_rests(&world, &link(), &remote).await;
    assert_eq!(remote.items().len(), 6);
    assert_eq!(world.local("u1").await, victim);
}
