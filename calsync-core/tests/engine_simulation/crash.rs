//! The run dies at every single point it can die at, once (I11).

use calsync_core::merge::ConflictPolicy;
use calsync_testkit::world::{body, event};
use chrono::TimeDelta;

use crate::{
    Scene,
    control::Plant,
    finish,
    people::{Side, now},
    poll,
};

/// Four joined events, then on each side something new, something edited and something deleted.
fn scene(page: usize) -> Scene {
    let mut scene = Scene::new(11, Plant::None, false, page, ConflictPolicy::RemoteWins);
    for uid in ["edited here", "edited there", "edited both", "deleted here", "deleted there", "at rest"] {
        scene.people.create(Side::Remote, event(uid, uid));
    }
    finish(scene.start(None)).expect("joined");
    scene.people.create(Side::Local, event("new here", "new here"));
    scene.people.create(Side::Local, event("new in both", "in both"));
    scene.people.create(Side::Remote, event("new in both", "in both"));
    scene.people.create(Side::Remote, event("new there", "new there"));
    for record in scene.people.locals() {
        let (hub, calendar) = (&scene.people.hub, &scene.people.calendar);
        let mut after = record.event.clone();
        match record.event.uid.as_str() {
            "edited here" | "edited both" => {
                body(&mut after).location = Some("here".to_owned());
                now(hub.update(calendar, &record.id, record.revision, after)).expect("edited");
            }
            "deleted here" => now(hub.delete(calendar, &record.id, record.revision)).expect("deleted"),
            _ => {}
        }
    }
    for (id, mut item) in scene.people.remote.items() {
        match item.uid.as_str() {
            "edited there" | "edited both" => {
                body(&mut item).title = Some("there".to_owned());
                scene.people.remote.put(id.as_str(), &item);
            }
            "deleted there" => scene.people.remote.remove(id.as_str()),
            _ => {}
        }
    }
    scene
}

#[test]
fn i11_a_crash_at_any_point_changes_nothing_in_the_end() {
    for page in [1000, 3] {
        let whole = scene(page);
        finish(whole.start(None)).expect("no faults");
        let expected = whole.people.sides();
        let writes = whole.people.remote.writes();
        assert!(expected.0 == expected.1 && expected.0.len() == 7, "in step: {:?}", expected.0.keys());
        assert_eq!(writes, 4, "one creation, two updates, one deletion");
        let mut points = 0;
        for at in 1.. {
            let scene = scene(page);
            let mut first = scene.start(None);
            if !(0..at).all(|_| poll(&mut first).is_pending()) {
                break;
            }
            points = at;
            drop(first);
            scene.clock.advance(TimeDelta::seconds(11));
            finish(scene.start(None)).unwrap_or_else(|error| panic!("after a crash at {at}: {error}"));
            assert!(scene.people.sides() == expected, "after a crash at {at} the sides are others");
            assert_eq!(
                scene.people.remote.writes(),
                writes,
                "after a crash at {at} something was written twice"
            );
            assert!(scene.people.conflicts().is_empty(), "after a crash at {at} there is a conflict");
            let quiet = finish(scene.start(None)).expect("in step");
            assert!(quiet.plan.operations.is_empty(), "after a crash at {at}: {:?}", quiet.plan.operations);
            assert_eq!(scene.people.remote.writes(), writes, "after a crash at {at} a later run writes");
            assert!(scene.control.outcome().violations.is_empty());
        }
        assert!(points > 60, "only {points} points to crash at");
        println!("page {page}: crashed at each of {points} points");
    }
}
