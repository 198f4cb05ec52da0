//! Who may work on a link, and what a worker does that may not any more (CON-06).

use calsync_core::{engine::EngineError, merge::ConflictPolicy};
use calsync_testkit::world::event;
use chrono::TimeDelta;

use crate::{Scene, Sync, control::Plant, finish, people::Side, poll};

/// Two edits to carry each way.
fn scene() -> Scene {
    let mut scene = Scene::new(7, Plant::None, false, 1000, ConflictPolicy::RemoteWins);
    for (side, uid) in [(Side::Local, "a"), (Side::Local, "b"), (Side::Remote, "c"), (Side::Remote, "d")] {
        scene.people.create(side, event(uid, uid));
    }
    scene
}

/// Polls a run `polls` times; `None` when it ended before.
fn paused(scene: &Scene, polls: usize) -> Option<Sync> {
    let mut sync = scene.start(None);
    (0..polls).all(|_| poll(&mut sync).is_pending()).then_some(sync)
}

fn settled(scene: &Scene) {
    let (local, remote) = scene.people.sides();
    assert!(local == remote && local.len() == 4, "both sides hold all four");
    assert!(scene.control.outcome().violations.is_empty());
}

#[test]
fn a_second_worker_waits_while_the_first_works() {
    let scene = scene();
    let first = paused(&scene, 20).expect("under way");
    scene.clock.advance(TimeDelta::seconds(9));
    let busy = finish(scene.start(None)).expect_err("the first one has it");
    assert!(matches!(busy, EngineError::Busy { .. }), "{busy}");
    assert_eq!(scene.people.remote.writes(), 0, "and nothing is written");
    finish(first).expect("the first one goes on");
    finish(scene.start(None)).expect("and gives it back");
    settled(&scene);
}

#[test]
fn a_dead_worker_is_replaced_after_ten_seconds() {
    let scene = scene();
    drop(paused(&scene, 20).expect("under way"));
    scene.clock.advance(TimeDelta::seconds(9));
    finish(scene.start(None)).expect_err("it could still be alive");
    scene.clock.advance(TimeDelta::seconds(1));
    finish(scene.start(None)).expect("taken over");
    settled(&scene);
}

/// Wherever the first worker is paused for longer than its lease, the second one does the work, and the first one writes
/// nothing any more: neither there nor here. Only a request that is under way already cannot be called back.
#[test]
fn con_06_a_paused_worker_that_lost_its_lease_writes_nothing_more() {
    let mut fenced = 0;
    for polls in 4.. {
        let scene = scene();
        let Some(mut first) = paused(&scene, polls) else { break };
        scene.clock.advance(TimeDelta::seconds(11));
        let mut second = scene.start(None);
        // The second one has taken the lease, and not yet finished.
        for _ in 0..4 {
            assert!(poll(&mut second).is_pending());
        }
        let writes = scene.people.remote.writes();
        let locals = scene.people.locals();
        let under_way = scene.provider.under_way();
        let mut ended = None;
        for _ in 0..100_000 {
            if let std::task::Poll::Ready(answer) = poll(&mut first) {
                ended = Some(answer);
                break;
            }
        }
        let sent = scene.people.remote.writes() - writes;
        assert!(sent <= under_way, "paused at poll {polls}, it sent {sent} writes after it lost its lease");
        assert!(
            scene.people.locals() == locals,
            "paused at poll {polls}, it wrote events after it lost its lease"
        );
        fenced += u32::from(ended.is_some_and(|answer| answer.is_err()));
        scene.control.note("the second one finishes");
        finish(second).expect("the second one has the lease");
        scene.clock.advance(TimeDelta::hours(1));
        finish(scene.start(None)).expect("in step");
        settled(&scene);
    }
    assert!(fenced > 20, "only {fenced} pauses were fenced");
}

/// A provider that takes longer than a lease for every answer is slow and nothing else.
#[test]
fn con_06_a_slow_provider_alone_costs_nobody_the_lease() {
    let scene = scene();
    let mut sync = scene.start(None);
    let answer = loop {
        if let std::task::Poll::Ready(answer) = poll(&mut sync) {
            break answer;
        }
        scene.clock.advance(TimeDelta::seconds(12));
    };
    answer.expect("nobody else wanted it");
    scene.clock.advance(TimeDelta::hours(1));
    finish(scene.start(None)).expect("in step");
    settled(&scene);
}
