//! What a link wrote is taken away, and nothing else; and which links may be put together.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CleanOptions, CleanReport, CopyRules, EngineError, Joint, Link, SyncOptions, check_rules},
    pipeline::{Filter, Pipeline},
    plan::Direction,
    provider::{Payload, Provider},
    store::MemoryStore,
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;

fn world(seed: u8) -> World {
    World::new(Arc::new(MemoryStore::default()), seed)
}

fn mirror(name: &str) -> Link {
    Link::new(name, "family", "memory")
        .with_direction(Direction::Export)
        .with_copies(CopyRules::new(Pipeline::default()))
}

async fn sync(world: &World, link: &Link, remote: &MemoryRemote) {
    world.clock.advance(TimeDelta::seconds(30));
    world.engine.sync(link, remote, &SyncOptions::default()).await.unwrap();
}

/// Approves what is asked.
async fn clean(world: &World, link: &Link, remote: &MemoryRemote) -> CleanReport {
    let asked = world.engine.clean(link, remote, &CleanOptions::default()).await.unwrap();
    if !asked.plan.held {
        return asked;
    }
    assert_eq!(asked.deleted, 0, "nothing goes before a person approved it");
    let options = CleanOptions::default().approving(asked.plan.deletions_id());
    world.engine.clean(link, remote, &options).await.unwrap()
}

/// A calendar with three copies, three events somebody made, and three copies somebody made of copies.
async fn full(world: &World, link: &Link) -> MemoryRemote {
    let remote = MemoryRemote::default();
    for n in 0..3 {
        world.add(event(&format!("here-{n}"), "secret")).await;
        remote.put(&format!("own-{n}"), &event(&format!("own-{n}"), "made there"));
    }
    sync(world, link, &remote).await;
    for (n, (id, _)) in
        remote.items().into_iter().filter(|(id, _)| !id.as_str().starts_with("own")).enumerate()
    {
        let payload = remote.fetch(&"memory".into(), &[id]).await.unwrap().pop().unwrap();
        let calsync_core::provider::Fetched::Found { payload, .. } = payload else { panic!("it is there") };
        // A person's program copies what it does not know along.
        let uid = remote.read(&payload).unwrap().uid;
        let copied = payload.as_str().replace(&uid, &format!("copied-{n}"));
        remote.put_payload(&format!("copied-{n}"), Payload::new(copied));
    }
    assert_eq!(remote.items().len(), 9);
    remote
}

fn names(remote: &MemoryRemote) -> Vec<String> {
    remote.items().keys().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_a_link_wrote_goes_also_when_everything_known_of_it_is_lost() {
    for lost in [false, true] {
        let (before, link) = (world(1), mirror("mirror"));
        let remote = full(&before, &link).await;
        let world = if lost { world(2) } else { before };
        let preview =
            world.engine.clean(&link, &remote, &CleanOptions::default().previewing()).await.unwrap();
        assert!(preview.plan.held && preview.deleted == 0 && remote.items().len() == 9);
        let report = clean(&world, &link, &remote).await;
        assert_eq!((report.deleted, report.foreign, report.edited), (3, 3, 0));
        assert!(report.complete);
        let left = names(&remote);
        assert!(left.iter().all(|id| id.starts_with("own") || id.starts_with("copied")), "{left:?}");
        assert_eq!(left.len(), 6);
        if !lost {
            // The events here stay, and the copies do not come back.
            sync(&world, &link, &remote).await;
            sync(&world, &link, &remote).await;
            assert_eq!((world.locals().await.len(), remote.items().len()), (3, 6));
        }
        assert_eq!(clean(&world, &link, &remote).await.deleted, 0);
    }
}

#[tokio::test]
async fn another_link_and_an_edit_are_left_alone() {
    // Also when runs have seen the edit, which they leave as it is.
    for runs in 0..3 {
        let (world, one, other) = (world(3), mirror("one"), mirror("other"));
        let remote = full(&world, &one).await;
        assert_eq!(clean(&world, &other, &remote).await.deleted, 0);
        let copy = names(&remote)
            .into_iter()
            .find(|id| !id.starts_with("own") && !id.starts_with("copied"))
            .unwrap();
        let id = copy.as_str().into();
        let mut edited = serde_json::from_str::<serde_json::Value>(
            &serde_json::to_string(&remote.get(&id).unwrap()).unwrap(),
        )
        .unwrap();
        edited["calsync_mark"] =
            remote.marked(&fetched(&remote, &copy).await).map(|mark| mark.text).unwrap().into();
        edited["master"]["title"] = "somebody wrote on it".into();
        remote.put_payload(&copy, Payload::new(edited.to_string()));
        for _ in 0..runs {
            sync(&world, &one, &remote).await;
        }
        let report = clean(&world, &one, &remote).await;
        assert_eq!((report.deleted, report.edited), (2, 1));
        assert!(names(&remote).contains(&copy));
    }
}

async fn fetched(remote: &MemoryRemote, id: &str) -> Payload {
    match remote.fetch(&"memory".into(), &[id.into()]).await.unwrap().pop() {
        Some(calsync_core::provider::Fetched::Found { payload, .. }) => payload,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_approval_is_for_one_plan() {
    let (world, link) = (world(4), mirror("mirror"));
    let remote = full(&world, &link).await;
    let asked = world.engine.clean(&link, &remote, &CleanOptions::default()).await.unwrap();
    world.add(event("here-3", "later")).await;
    sync(&world, &link, &remote).await;
    let options = CleanOptions::default().approving(asked.plan.deletions_id());
    let report = world.engine.clean(&link, &remote, &options).await.unwrap();
    assert!(report.plan.held && report.deleted == 0);
    assert_eq!(report.plan.deletions(), 4);
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_asked_for_again() {
    let (world, link) = (world(8), mirror("mirror"));
    let remote = full(&world, &link).await;
    remote.fail("delete", RemoteFault::After);
    let report = clean(&world, &link, &remote).await;
    assert_eq!((report.deleted, report.edited, remote.items().len()), (3, 0, 6));
    sync(&world, &link, &remote).await;
    assert_eq!((world.locals().await.len(), remote.items().len()), (3, 6));
}

#[tokio::test]
async fn a_mark_stays_through_updates() {
    let (world, link) = (world(5), mirror("mirror").with_copies(CopyRules::new(Pipeline::everything())));
    let remote = full(&world, &link).await;
    world.edit("here-0", |event| body(event).title = Some("renamed".to_owned())).await;
    sync(&world, &link, &remote).await;
    let after = self::world(6);
    assert_eq!(clean(&after, &link, &remote).await.deleted, 3);
}

#[tokio::test]
async fn what_an_importing_link_brought_in_goes_but_for_what_was_edited_here() {
    let (world, remote) = (world(7), MemoryRemote::default());
    let link = Link::new("import", "family", "memory").with_direction(Direction::Import);
    for n in 0..4 {
        remote.put(&format!("i{n}"), &event(&format!("u{n}"), "there"));
    }
    world.add(event("mine", "made here")).await;
    sync(&world, &link, &remote).await;
    world.edit("u0", |event| body(event).title = Some("mine now".to_owned())).await;
    assert_eq!(clean(&world, &link, &remote).await.deleted, 0, "nothing of it is there");
    let asked = world.engine.clean_imported(&link, &remote, &CleanOptions::default()).await.unwrap();
    assert!(asked.plan.held && asked.edited == 1);
    let options = CleanOptions::default().approving(asked.plan.deletions_id());
    let report = world.engine.clean_imported(&link, &remote, &options).await.unwrap();
    assert_eq!((report.deleted, report.edited), (3, 1));
    let mut left: Vec<String> = world.locals().await.into_iter().map(|record| record.event.uid).collect();
    left.sort_unstable();
    assert_eq!(left, ["mine", "u0"]);
    // They do not come back, and nothing is written there.
    sync(&world, &link, &remote).await;
    assert_eq!((world.locals().await.len(), remote.writes()), (2, 0));
}

#[tokio::test]
async fn a_link_that_is_forgotten_meets_both_sides_anew() {
    let (world, link) = (world(8), mirror("mirror"));
    let remote = full(&world, &link).await;
    world.engine.forget(&link).await.unwrap();
    assert!(world.store.base_summaries(&link.id, None, 10).await.unwrap().is_empty());
    let writes = remote.writes();
    sync(&world, &link, &remote).await;
    assert_eq!((remote.items().len(), remote.writes()), (9, writes), "joined again, not doubled");
}

/// LOOP-09: two calendars that are mirrored into each other, busy-only, where only what people wrote is brought in.
#[tokio::test]
async fn loop_09_mirrors_both_ways_leave_copies_out() {
    let world = world(9);
    let (work, home) = (MemoryRemote::default(), MemoryRemote::default());
    let originals = || CopyRules::new(Pipeline::everything().with_filter("originals", Filter::NotCopied {}));
    let link = |id: &str, calendar: &str, remote: &str, direction| {
        Link::new(id, calendar, remote).with_direction(direction)
    };
    let busy = || CopyRules::new(Pipeline::default());
    let links = [
        (link("work-in", "work", "work", Direction::Import).with_copies(originals()), &work),
        (link("home-in", "home", "home", Direction::Import).with_copies(originals()), &home),
        (link("work-to-home", "work", "home", Direction::Export).with_copies(busy()), &home),
        (link("home-to-work", "home", "work", Direction::Export).with_copies(busy()), &work),
    ];
    for n in 0..3 {
        work.put(&format!("w{n}"), &event(&format!("w{n}"), "work"));
        home.put(&format!("h{n}"), &event(&format!("h{n}"), "home"));
    }
    for round in 0..5 {
        for (link, remote) in &links {
            sync(&world, link, remote).await;
        }
        if round > 0 {
            assert_eq!((work.items().len(), home.items().len()), (6, 6), "round {round}");
        }
    }
    assert_eq!((work.writes(), home.writes()), (3, 3));
}

/// LOOP-09, LOOP-15: a host that never looks at its links as a graph does not run in circles either, whatever each of them calls
/// the calendars. One that is forgotten, or gone for days, counts no more.
#[tokio::test]
async fn loop_09_loop_15_no_link_runs_in_circles() {
    let world = world(11);
    let (a, b) = (MemoryRemote::default().at("A"), MemoryRemote::default().at("B"));
    let link = |id: &str, calendar: &str, remote: &str, direction| {
        Link::new(id, calendar, remote).with_direction(direction)
    };
    let links = [
        (link("a-in", "one", "primary", Direction::Import), &a),
        (link("b-out", "one", "https://b/x/", Direction::Export), &b),
        (link("b-in", "two", "https://B:443/x", Direction::Import), &b),
    ];
    a.put("a1", &event("a1", "Shift"));
    for (link, remote) in &links {
        sync(&world, link, remote).await;
    }
    let run = async |link: &Link| {
        world.clock.advance(TimeDelta::seconds(30));
        world.engine.sync(link, &a, &SyncOptions::default()).await
    };
    let back =
        link("a-out", "two", "ana@example.org", Direction::Export).with_copies(CopyRules::everything());
    for _ in 0..2 {
        let error = run(&back).await.unwrap_err();
        let EngineError::Circle(circle) = &error else { panic!("{error}") };
        assert_eq!(circle.links, ["b-out", "b-in", "a-out", "a-in"]);
        assert!(world.engine.plan(&back, &a, &SyncOptions::default()).await.is_err());
    }
    assert_eq!((a.writes(), a.items().len()), (0, 1));
    // The others go on, and a link that leaves copies out closes no circle.
    for (link, remote) in &links {
        sync(&world, link, remote).await;
    }
    let originals = CopyRules::new(Pipeline::everything().with_filter("originals", Filter::NotCopied {}));
    let originals = links[2].0.clone().with_copies(originals);
    sync(&world, &originals, &b).await;
    run(&back).await.unwrap();
    let known = async || {
        let known = world.engine.known_links().await.unwrap();
        known.iter().map(|link| link.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(known().await, ["a-in", "a-out", "b-in", "b-out"]);
    let out = world.engine.known_links().await.unwrap().remove(1);
    assert_eq!(
        (out.calendar.as_str(), out.remote.as_str(), out.place.as_str()),
        ("two", "ana@example.org", "A")
    );
    assert_eq!(out.direction, Direction::Export);
    // It is as it was: what closes the circle now is refused, until one of the others is forgotten.
    world.clock.advance(TimeDelta::hours(25));
    sync(&world, &links[1].0, &b).await;
    let again = world.engine.sync(&links[2].0, &b, &SyncOptions::default()).await;
    assert!(matches!(again, Err(EngineError::Circle(_))), "{again:?}");
    world.engine.forget(&back).await.unwrap();
    assert_eq!(known().await, ["a-in", "b-in", "b-out"]);
    sync(&world, &links[2].0, &b).await;
    let error = run(&back).await;
    assert!(matches!(error, Err(EngineError::Circle(_))), "{error:?}");
    // Nobody has heard of the others for days; what they wrote is there all the same.
    world.clock.advance(TimeDelta::days(4));
    assert_eq!(known().await, ["a-in", "b-in", "b-out"]);
    run(&back).await.unwrap();
}

/// LOOP-09, LOOP-15: what may be put together. `>` exports, `<` imports, `=` goes both ways; `*` copies by rules, `!` brings
/// in what no link wrote.
#[test]
fn loop_09_loop_15_which_links_may_be_put_together() {
    let ok: &[&str] = &[];
    for (links, expected) in [
        ("a: hub = there", ok),
        ("a: hub = one, b: hub = two, c: hub = three", ok),
        ("a: hub < there, b: hub >* mirror", ok),
        ("a: one < work, b: one >* home, c: two < home, d: two >* other", ok),
        // A ring of whole copies: each event is joined where it comes back.
        ("a: one < A, b: one > B, c: two < B, d: two > A", ok),
        ("a: one = A, b: one = B, c: two = B, d: two = A", ok),
        // The same, and one of them says less.
        ("a: one < A, b: one >* B, c: two < B, d: two > A", &["b", "c", "d", "a"]),
        ("a: one = A, b: one >* B, c: two = B, d: two = A", &["b", "c", "d", "a"]),
        ("a: one <* A, b: one > B, c: two < B, d: two > A", &["a", "b", "c", "d"]),
        // Three calendars.
        (
            "a: one < A, b: one >* B, c: two < B, d: two >* C, e: three < C, f: three >* A",
            &["b", "c", "d", "e", "f", "a"],
        ),
        // Back into the calendar it came from.
        ("a: hub < A, b: hub >* A", &["b", "a"]),
        ("a: hub = A, b: hub >* A", &["b", "a"]),
        // Nothing is said: busy-only on the one that exports, whole on the others.
        ("a: one <? A, b: one >? B, c: two <? B, d: two > A", &["b", "c", "d", "a"]),
        ("a: one <? A, b: one =? B, c: two <? B, d: two > A", ok),
        // By another spelling.
        ("a: hub < A/, b: hub >* A", &["b", "a"]),
        // What no link wrote is brought in: nothing goes round.
        ("a: one <! A, b: one >* B, c: two <! B, d: two >* A", ok),
        ("a: one < A, b: one >* B, c: two <! B, d: two >* A", ok),
        ("a: hub <! A, b: hub >* A", ok),
    ] {
        let (busy, whole) = (CopyRules::new(Pipeline::default()), CopyRules::everything());
        let originals = CopyRules::new(Pipeline::everything().with_filter("o", Filter::NotCopied {}));
        let joints: Vec<Joint<'_>> = links
            .split(", ")
            .map(|text| {
                let (link, rest) = text.split_once(": ").unwrap();
                let [calendar, way, remote] = rest.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("{rest}")
                };
                let direction = match way.as_bytes()[0] {
                    b'<' => Direction::Import,
                    b'>' => Direction::Export,
                    _ => Direction::TwoWay,
                };
                let copies = match way.as_bytes().get(1) {
                    Some(b'*') => Some(&busy),
                    Some(b'!') => Some(&originals),
                    Some(b'?') => None,
                    _ => Some(&whole),
                };
                Joint { link, calendar, account: "me", remote, direction, copies }
            })
            .collect();
        let found = check_rules(&joints);
        let names = found.as_ref().err().map_or_else(Vec::new, |cycle| cycle.links.clone());
        assert_eq!(names, expected, "{links}");
        if let Err(cycle) = found {
            assert!(cycle.to_string().contains(&expected.join(" -> ")), "{cycle}");
        }
        // Two accounts may call their calendars alike.
        let apart: Vec<Joint<'_>> =
            joints.iter().map(|joint| Joint { account: joint.link, ..*joint }).collect();
        assert_eq!(check_rules(&apart), Ok(()), "{links}, in accounts of their own");
    }
}
