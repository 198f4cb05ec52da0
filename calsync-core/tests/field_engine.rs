//! Bugs of other calendar-sync systems, at the level of the engine: `docs/field-bugs.md` lists them all.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CopyRules, EngineError, Link, SyncOptions, SyncReport},
    model::{Event, EventTime, RecurrenceId, RemoteId, RuleEntry, TimeSpan},
    plan::Direction,
    provider::{ErrorKind, Fault, Provider, ProviderError},
    store::{Batch, LinkHealth, MemoryStore, StoreError, StoreErrorKind, Write},
    zone::Zone,
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::{NaiveDate, TimeDelta};

fn world() -> World {
    World::new(Arc::new(MemoryStore::default()), 7)
}

fn link(name: &str) -> Link {
    Link::new(name, "family", "memory")
}

async fn sync(world: &World, link: &Link, remote: &dyn Provider) -> SyncReport {
    world.clock.advance(TimeDelta::seconds(30));
    world.engine.sync(link, remote, &SyncOptions::default()).await.expect("the run goes through")
}

/// Shows that a run plans nothing and writes nothing.
async fn assert_quiet(world: &World, link: &Link, remote: &MemoryRemote) {
    let writes = remote.writes();
    let report = sync(world, link, remote).await;
    assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
    assert_eq!(remote.writes(), writes);
}

fn weekly(uid: &str, start: (i32, u32, u32), rule: &str) -> Event {
    let zone = Zone::from_iana("Europe/Berlin").expect("a zone");
    let at = |hour| {
        let date = NaiveDate::from_ymd_opt(start.0, start.1, start.2).expect("a date");
        EventTime::zoned(date.and_hms_opt(hour, 0, 0).expect("a time"), zone.clone())
    };
    let mut series = event(uid, "Choir");
    body(&mut series).time = TimeSpan { start: at(18), end: at(19) };
    series.rules.push(RuleEntry::read(rule));
    series
}

/// DUP-01, DUP-16, MAIL-01: a series that began long ago is one series on both sides, however often it is synced, and
/// nothing is written back to where it came from.
#[tokio::test]
async fn dup_01_an_old_series_is_copied_once() {
    let (world, a, b) = (world(), MemoryRemote::default(), MemoryRemote::default());
    a.put("s", &weekly("series", (2015, 5, 26), "FREQ=WEEKLY"));
    for _ in 0..5 {
        sync(&world, &link("a"), &a).await;
        sync(&world, &link("b"), &b).await;
    }
    assert_eq!((a.items().len(), b.items().len(), a.writes(), b.writes()), (1, 1, 0, 1));
}

/// DUP-02, LUP-11: the parts of a split series are told apart by UID, not by title, in whatever order they arrive.
#[tokio::test]
async fn dup_02_parts_of_a_split_series_stay_apart() {
    for new_first in [false, true] {
        let (world, a, b) = (world(), MemoryRemote::default(), MemoryRemote::default());
        a.put("1", &weekly("old", (2019, 1, 7), "FREQ=WEEKLY"));
        sync(&world, &link("a"), &a).await;
        sync(&world, &link("b"), &b).await;
        let ended = weekly("old", (2019, 1, 7), "FREQ=WEEKLY;UNTIL=20190621T065959Z");
        let new = weekly("new", (2019, 6, 28), "FREQ=WEEKLY");
        let arrivals = if new_first { [("2", &new), ("1", &ended)] } else { [("1", &ended), ("2", &new)] };
        for (id, event) in arrivals {
            a.put(id, event);
            sync(&world, &link("a"), &a).await;
            sync(&world, &link("b"), &b).await;
        }
        let mut rules: Vec<(String, String)> = b
            .items()
            .into_values()
            .map(|event| {
                let RuleEntry::Rule(rule) = &event.rules[0] else { panic!("a rule") };
                (event.uid.clone(), rule.to_string())
            })
            .collect();
        rules.sort();
        assert_eq!(
            rules,
            [
                ("new".to_owned(), "FREQ=WEEKLY".to_owned()),
                ("old".to_owned(), "FREQ=WEEKLY;UNTIL=20190621T065959Z".to_owned()),
            ]
        );
        assert_quiet(&world, &link("b"), &b).await;
    }
}

/// DUP-05: one meeting seen through two accounts is one event with two sources.
#[tokio::test]
async fn dup_05_one_meeting_through_two_accounts() {
    let (world, organizer, invitee) = (world(), MemoryRemote::default(), MemoryRemote::default());
    organizer.put("google-id", &event("u1", "Meeting"));
    invitee.put("outlook-id", &event("u1", "Meeting"));
    for _ in 0..4 {
        sync(&world, &link("a"), &organizer).await;
        sync(&world, &link("b"), &invitee).await;
    }
    assert_eq!(world.locals().await.len(), 1);
    assert_eq!((organizer.writes(), invitee.writes()), (0, 0));
}

/// DUP-07, DUP-13: one source copied into two calendars is one copy in each, and in no other.
#[tokio::test]
async fn dup_07_one_source_two_destinations() {
    let (world, a) = (world(), MemoryRemote::default());
    let copies = [MemoryRemote::default(), MemoryRemote::default()];
    a.put("1", &event("u1", "Shift"));
    for _ in 0..3 {
        sync(&world, &link("a").with_direction(Direction::Import), &a).await;
        for (name, copy) in ["b1", "b2"].into_iter().zip(&copies) {
            sync(
                &world,
                &link(name).with_direction(Direction::Export).with_copies(CopyRules::everything()),
                copy,
            )
            .await;
        }
    }
    assert_eq!(copies.each_ref().map(|copy| (copy.items().len(), copy.writes())), [(1, 1), (1, 1)]);
    assert_eq!(a.writes(), 0);
}

/// DEL-05: what tells whether an event changed is its content, not a time somebody rounded.
#[tokio::test]
async fn del_05_times_of_change_do_not_matter() {
    let (world, a) = (world(), MemoryRemote::default());
    for nanos in [0, 1, 999_000_000, 59_900_000_000_i64] {
        world.clock.advance(TimeDelta::nanoseconds(nanos));
        world.add(event(&format!("u{nanos}"), "new")).await;
        sync(&world, &link("a"), &a).await;
        assert_quiet(&world, &link("a"), &a).await;
    }
    for (id, mut event) in a.items() {
        // A server that truncates the time of change to minutes, or sets it to something of its own.
        body(&mut event).updated = Some(chrono::DateTime::UNIX_EPOCH);
        a.put(id.as_str(), &event);
    }
    assert_quiet(&world, &link("a"), &a).await;
    assert_eq!((a.items().len(), world.locals().await.len()), (4, 4));
}

/// DEL-07: a deleted original does not come back from its copy, in whichever order the links run.
#[tokio::test]
async fn del_07_no_zombie_from_the_copy() {
    for copy_first in [false, true] {
        let (world, a, b) = (world(), MemoryRemote::default(), MemoryRemote::default());
        for n in 0..3 {
            a.put(&n.to_string(), &event(&format!("u{n}"), "x"));
        }
        sync(&world, &link("a"), &a).await;
        sync(&world, &link("b"), &b).await;
        a.remove("1");
        for _ in 0..2 {
            if copy_first {
                sync(&world, &link("b"), &b).await;
            }
            sync(&world, &link("a"), &a).await;
            sync(&world, &link("b"), &b).await;
        }
        assert_eq!((a.items().len(), b.items().len(), world.locals().await.len()), (2, 2, 2));
    }
}

/// DEL-17: permission lost on one calendar is that link's trouble: nothing is deleted, and the other link goes on.
#[tokio::test]
async fn del_17_one_lost_calendar_harms_no_other() {
    let (world, a, b) = (world(), MemoryRemote::default(), MemoryRemote::default());
    for n in 0..3 {
        a.put(&n.to_string(), &event(&format!("u{n}"), "x"));
    }
    sync(&world, &link("a"), &a).await;
    sync(&world, &link("b"), &b).await;
    let health = async |name: &str| {
        let state = world.store.link(&link(name).id).await.expect("answers").expect("ran");
        state.health
    };
    for failures in 1..=3 {
        a.fail("changes", RemoteFault::Before(ErrorKind::CalendarGone));
        let lost = world.engine.sync(&link("a"), &a, &SyncOptions::default()).await;
        assert!(lost.is_err());
        // Each run that finds it gone confirms it: how many are enough is for the host to say.
        assert_eq!(health("a").await, LinkHealth::Error { kind: ErrorKind::CalendarGone, failures });
        b.put(&format!("new{failures}"), &event(&format!("w{failures}"), "still works"));
        sync(&world, &link("b"), &b).await;
        let there = 3 + usize::try_from(failures).expect("few");
        assert_eq!((world.locals().await.len(), b.items().len()), (there, there));
        assert_eq!(health("b").await, LinkHealth::Active);
    }
    // It is back, with all it had.
    sync(&world, &link("a"), &a).await;
    assert_eq!(health("a").await, LinkHealth::Active);
    assert_eq!((world.locals().await.len(), a.items().len(), b.items().len()), (6, 6, 6));
}

/// DEL-23, TOK-08: a cursor made by another version of calsync is not used: everything is compared, nothing deleted or
/// made anew.
#[tokio::test]
async fn tok_08_a_cursor_of_another_version_costs_one_comparison() {
    let (world, a) = (world(), MemoryRemote::default());
    for n in 0..5 {
        a.put(&n.to_string(), &event(&format!("u{n}"), "x"));
    }
    sync(&world, &link("a"), &a).await;
    let mut state = world.store.link(&link("a").id).await.expect("answers").expect("ran");
    state.cursor_key = "0:memory".to_owned();
    let writes = vec![Write::PutLink(Box::new(state))];
    world.store.commit(Batch { writes, ..Batch::default() }).await.expect("commits");
    assert_quiet(&world, &link("a"), &a).await;
    assert_eq!(world.locals().await.len(), 5);
}

/// LUP-07: deleted on both sides is agreed, not a conflict.
#[tokio::test]
async fn lup_07_deleted_on_both_sides() {
    let (world, a) = (world(), MemoryRemote::default());
    for n in 0..3 {
        a.put(&n.to_string(), &event(&format!("u{n}"), "x"));
    }
    sync(&world, &link("a"), &a).await;
    a.remove("1");
    world.delete("u1").await;
    let report = sync(&world, &link("a"), &a).await;
    assert_eq!((report.counts.conflicts, report.counts.held, a.writes()), (0, 0, 0));
    assert_quiet(&world, &link("a"), &a).await;
}

/// LOOP-09: two one-way copies in opposite directions come to rest with one copy of each event.
#[tokio::test]
async fn loop_09_copies_of_copies_come_to_rest() {
    let (there, back) = (world(), world());
    let (a, b) = (MemoryRemote::default(), MemoryRemote::default());
    a.put("1", &event("ua", "from a"));
    b.put("2", &event("ub", "from b"));
    for _ in 0..4 {
        sync(&there, &link("a").with_direction(Direction::Import), &a).await;
        sync(&there, &link("b").with_direction(Direction::Export).with_copies(CopyRules::everything()), &b)
            .await;
        sync(&back, &link("b").with_direction(Direction::Import), &b).await;
        sync(&back, &link("a").with_direction(Direction::Export).with_copies(CopyRules::everything()), &a)
            .await;
    }
    let uids = |remote: &MemoryRemote| {
        let mut uids: Vec<String> = remote.items().into_values().map(|event| event.uid).collect();
        uids.sort();
        uids
    };
    assert_eq!((uids(&a), uids(&b)), (vec!["ua".into(), "ub".into()], vec!["ua".into(), "ub".into()]));
    assert_eq!((a.writes(), b.writes()), (1, 1));
}

/// FLD-06: a field cleared on one side is cleared on the other.
#[tokio::test]
async fn fld_06_a_cleared_field_is_cleared() {
    let (world, a) = (world(), MemoryRemote::default());
    let mut full = event("u1", "x");
    body(&mut full).location = Some("here".to_owned());
    body(&mut full).description = Some("text".to_owned());
    a.put("1", &full);
    sync(&world, &link("a"), &a).await;
    body(&mut full).location = None;
    a.put("1", &full);
    world.edit("u1", |event| body(event).description = None).await;
    sync(&world, &link("a"), &a).await;
    let remote = a.get(&RemoteId::from("1")).expect("there");
    let local = world.local("u1").await.event;
    for event in [&remote, &local] {
        let body = event.body().expect("content");
        assert_eq!((&body.location, &body.description), (&None, &None));
    }
    assert_quiet(&world, &link("a"), &a).await;
}

/// TOK-05: while access is refused the cursor stays where it is, and what happened meanwhile is found afterwards.
#[tokio::test]
async fn tok_05_no_progress_while_access_is_refused() {
    let (world, a) = (world(), MemoryRemote::default());
    for n in 0..3 {
        a.put(&n.to_string(), &event(&format!("u{n}"), "x"));
        a.fail("changes", RemoteFault::Before(ErrorKind::Forbidden));
        assert!(world.engine.sync(&link("a"), &a, &SyncOptions::default()).await.is_err());
    }
    let report = sync(&world, &link("a"), &a).await;
    assert_eq!(report.counts.created, 3);
}

/// REC-17 neighbour, DUP-10: an instance taken out on one side and one edited on the other are two edits of one series.
#[tokio::test]
async fn dup_10_edits_of_different_instances_merge() {
    use calsync_core::model::{Override, OverrideScope};
    let (world, a) = (world(), MemoryRemote::default());
    let series = weekly("s", (2026, 1, 5), "FREQ=WEEKLY;COUNT=8");
    a.put("1", &series);
    sync(&world, &link("a"), &a).await;
    let key = |weeks: i64| {
        let start = body(&mut series.clone()).time.start.absolute().expect("an instant");
        RecurrenceId::Instant(start + TimeDelta::weeks(weeks))
    };
    let mut remote = series.clone();
    remote.overrides.insert(key(2), Override::Excluded);
    a.put("1", &remote);
    let mut moved = body(&mut series.clone()).clone();
    moved.title = Some("Choir, late".to_owned());
    let changed = Override::Changed { body: Box::new(moved), scope: OverrideScope::This };
    world.edit("s", |event| drop(event.overrides.insert(key(3), changed))).await;
    sync(&world, &link("a"), &a).await;
    for event in [a.get(&RemoteId::from("1")).expect("there"), world.local("s").await.event] {
        assert_eq!(event.overrides.get(&key(2)), Some(&Override::Excluded));
        assert!(matches!(event.overrides.get(&key(3)), Some(Override::Changed { .. })));
    }
    assert_quiet(&world, &link("a"), &a).await;
}

/// CON-12, QUO-08: a clock that jumps either way loses and repeats nothing.
#[tokio::test]
async fn con_12_a_jumping_clock_orders_nothing() {
    let (world, a) = (world(), MemoryRemote::default());
    a.put("1", &event("u1", "x"));
    sync(&world, &link("a"), &a).await;
    for hours in [48, -96, 8, 24 * 400, -24 * 800] {
        world.clock.advance(TimeDelta::hours(hours));
        let title = format!("edited at {hours}");
        world.edit("u1", |event| body(event).title = Some(title.clone())).await;
        sync(&world, &link("a"), &a).await;
        let remote = a.get(&RemoteId::from("1")).expect("there");
        assert_eq!(remote.body().and_then(|body| body.title.clone()), Some(title));
        assert_quiet(&world, &link("a"), &a).await;
    }
}

/// FLD-10, LOOP-02: what a provider cannot hold, or holds in a form of its own, stays as it is on the other side and is
/// no edit.
#[tokio::test]
async fn fld_10_what_cannot_be_held_is_kept_here() {
    use calsync_core::model::Alarm;
    fn holds(event: &Event) -> Event {
        let mut held = event.clone();
        if let Some(body) = &mut held.master {
            body.alarms.clear();
            body.description = body.description.as_ref().map(|text| format!("<p>{}</p>", text.trim()));
        }
        held
    }
    let (world, a) = (world(), MemoryRemote::default().holding(holds));
    let mut mine = event("u1", "x");
    body(&mut mine).alarms.push(Alarm::display_before(600));
    body(&mut mine).description = Some(" text & more ".to_owned());
    world.add(mine).await;
    sync(&world, &link("a"), &a).await;
    assert_quiet(&world, &link("a"), &a).await;
    let (id, mut remote) = a.items().into_iter().next().expect("one item");
    body(&mut remote).title = Some("renamed there".to_owned());
    a.put(id.as_str(), &remote);
    sync(&world, &link("a"), &a).await;
    let local = world.local("u1").await.event;
    let content = local.body().expect("content");
    assert_eq!(content.title.as_deref(), Some("renamed there"));
    assert_eq!((content.alarms.len(), content.description.as_deref()), (1, Some(" text & more ")));
    // A change of nothing but what cannot be held is no write at all.
    world.edit("u1", |event| body(event).alarms.clear()).await;
    let writes = a.writes();
    sync(&world, &link("a"), &a).await;
    assert_eq!(a.writes(), writes);
    assert_quiet(&world, &link("a"), &a).await;
}

/// LUP-10: an edit the server forgot to announce is found by the daily comparison.
#[tokio::test]
async fn lup_10_the_audit_finds_what_was_not_announced() {
    let (world, a) = (world(), MemoryRemote::default());
    a.put("1", &event("u1", "before"));
    sync(&world, &link("a"), &a).await;
    a.put("2", &event("u2", "announced"));
    a.put_unannounced("1", &event("u1", "after"));
    sync(&world, &link("a"), &a).await;
    world.clock.advance(TimeDelta::hours(25));
    sync(&world, &link("a"), &a).await;
    let title = world.local("u1").await.event.body().and_then(|body| body.title.clone());
    assert_eq!(title.as_deref(), Some("after"));
}

/// TOK-09: a failure while a refused cursor is being replaced is a failed run, and the next one goes through.
#[tokio::test]
async fn tok_09_a_failure_during_a_resync() {
    let (world, a) = (world(), MemoryRemote::default().with_page(2));
    for n in 0..6 {
        a.put(&n.to_string(), &event(&format!("u{n}"), "x"));
    }
    sync(&world, &link("a"), &a).await;
    a.remove("3");
    a.forget_cursors();
    a.fail("changes", RemoteFault::Before(ErrorKind::CursorInvalid));
    a.fail("changes", RemoteFault::Before(ErrorKind::Unavailable));
    assert!(world.engine.sync(&link("a"), &a, &SyncOptions::default()).await.is_err());
    assert_eq!(world.locals().await.len(), 6);
    sync(&world, &link("a"), &a).await;
    assert_eq!(world.locals().await.len(), 5);
}

/// REC-22, MAIL-10: an edit of one instance of somebody else's meeting updates it in place; it never becomes a series of
/// our own.
#[tokio::test]
async fn rec_22_an_invitation_is_edited_in_place() {
    use calsync_core::model::{Override, OverrideScope, Person};
    let (world, a) = (world(), MemoryRemote::default());
    let mut invitation = weekly("s", (2026, 1, 5), "FREQ=WEEKLY;COUNT=8");
    body(&mut invitation).organizer = Some(Person { address: "boss@example.com".to_owned(), name: None });
    a.put("1", &invitation);
    sync(&world, &link("a"), &a).await;
    world
        .edit("s", |event| {
            let mut instance = body(event).clone();
            instance.title = Some("note to self".to_owned());
            let id = RecurrenceId::of(&instance.time.start);
            let changed = Override::Changed { body: Box::new(instance), scope: OverrideScope::This };
            event.overrides.insert(id, changed);
        })
        .await;
    sync(&world, &link("a"), &a).await;
    let items = a.items();
    assert_eq!((items.len(), a.writes()), (1, 1));
    let organizer = items.values().next().and_then(|event| event.body()?.organizer.clone());
    assert_eq!(organizer.map(|person| person.address).as_deref(), Some("boss@example.com"));
}

/// QUO-09: one change in a large calendar costs what one change costs.
#[tokio::test]
async fn quo_09_one_change_costs_a_few_requests() {
    let (world, a) = (world(), MemoryRemote::default());
    for n in 0..600 {
        a.put(&format!("{n:04}"), &event(&format!("u{n}"), "x"));
    }
    sync(&world, &link("a"), &a).await;
    a.put("0300", &event("u300", "edited"));
    let report = sync(&world, &link("a"), &a).await;
    assert_eq!((report.counts.pulled, report.counts.updated, report.counts.requests), (1, 1, 2));
}

/// MAIL-08: a full comparison writes nothing, so nobody hears of it.
#[tokio::test]
async fn mail_08_a_full_resync_writes_nothing() {
    let (world, a) = (world(), MemoryRemote::default());
    for n in 0..20 {
        a.put(&n.to_string(), &event(&format!("u{n}"), "x"));
    }
    sync(&world, &link("a"), &a).await;
    a.forget_cursors();
    assert_quiet(&world, &link("a"), &a).await;
}

/// AUTH-02: what the database says about its own password, and what a network says, is not about the calendar's.
#[test]
fn auth_02_only_the_providers_own_refusal_is_about_its_credentials() {
    for kind in [
        StoreErrorKind::Unavailable,
        StoreErrorKind::Backend,
        StoreErrorKind::Fenced,
        StoreErrorKind::Full,
        StoreErrorKind::Corrupt,
        StoreErrorKind::InvalidInput,
        StoreErrorKind::Conflict { expectation: 0 },
    ] {
        let cause =
            std::io::Error::other("password authentication failed for user \"calsync\" (401 Unauthorized)");
        let error = EngineError::from(StoreError::new(kind, "open").with_source(cause));
        assert!(!error.needs_credentials() && error.fault() == Fault::Store, "{error:?}");
    }
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Forbidden, ErrorKind::Protocol] {
        let error = EngineError::from(ProviderError::new(kind, "pull", "401 Unauthorized"));
        assert!(!error.needs_credentials(), "{error:?}");
    }
    assert!(EngineError::from(ProviderError::new(ErrorKind::Unauthorized, "pull", "")).needs_credentials());
}

/// AUTH-02: a refusal is not remembered: what fails next for another reason is told as that.
#[tokio::test]
async fn auth_02_a_refusal_is_not_remembered() {
    let (world, remote) = (world(), MemoryRemote::default());
    let link = link("a");
    sync(&world, &link, &remote).await;
    for (kind, credentials) in
        [(ErrorKind::Unauthorized, true), (ErrorKind::Unavailable, false), (ErrorKind::Throttled, false)]
    {
        remote.fail("changes", RemoteFault::Before(kind.clone()));
        let error = world.engine.sync(&link, &remote, &SyncOptions::default()).await.expect_err("it fails");
        assert_eq!(error.needs_credentials(), credentials, "{kind:?}");
    }
    assert_quiet(&world, &link, &remote).await;
}
