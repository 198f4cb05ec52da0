//! The simulation as a test: what failed once, some seeds, every crash of the core scenarios, and who may hold a lease.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{fs, path::Path, sync::Arc};

use calsync_core::store::{MemoryStore, Store};
use calsync_testkit::sim::{
    Deaths, Law, Options, Plant, Profile, Script, Stats, crash_everywhere, pause_everywhere, play, scenarios,
    shrink, slow_everywhere,
};

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// Every action list in `museum/` broke a promise once, shrunk to what was needed for it.
#[test]
fn what_failed_once_fails_no_more() {
    let museum = Path::new(env!("CARGO_MANIFEST_DIR")).join("museum");
    let mut pieces = 0;
    for entry in fs::read_dir(museum).expect("there is a museum") {
        let path = entry.expect("readable").path();
        let script: Script =
            serde_json::from_str(&fs::read_to_string(&path).expect("readable")).expect("a script");
        let outcome = play(&script, store(), Options::default());
        assert!(outcome.violations.is_empty(), "{}: {:?}", path.display(), outcome.violations);
        pieces += 1;
    }
    assert!(pieces >= 5, "only {pieces} pieces in the museum");
}

/// DUP-17, LUP-08 and all the others: whatever people, faults, crashes and a second worker do. `cargo xtask test` plays 100,000, built
/// with optimisation.
#[test]
fn seeds_keep_every_promise() {
    let mut stats = Stats::default();
    for seed in 0..100 {
        let script = Script::draw(seed, &Profile::default());
        let outcome = play(&script, store(), Options::default());
        assert!(
            outcome.violations.is_empty(),
            "cargo xtask simulate --seed {seed} --store memory\n{:#?}",
            outcome.violations
        );
        stats.add(&outcome.stats);
    }
    for (law, checks) in Law::ALL.iter().zip(stats.checks) {
        // The two that are about more than one simulation.
        if !matches!(law, Law::I11 | Law::I29) {
            assert!(checks > 0, "{law:?} was never looked at");
        }
    }
}

/// I29: the same seed twice is the same simulation, call by call.
#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..25 {
        let script = Script::draw(seed, &Profile::default());
        let trace = || play(&script, store(), Options::default()).trace;
        assert_eq!(trace(), trace(), "seed {seed}");
    }
    let trace = |seed| play(&Script::draw(seed, &Profile::default()), store(), Options::default()).trace;
    assert_ne!(trace(1), trace(2), "and another seed another one");
}

/// CON-07, I11: the worker dies at every single await of every core scenario, and nothing is other in the end.
#[test]
fn i11_a_crash_at_any_point_changes_nothing_in_the_end() {
    let mut points = 0;
    for scenario in scenarios() {
        let crashes = crash_everywhere(&scenario, &store, Deaths::Singles, Options::default());
        assert_eq!(crashes.covered, crashes.points, "{}", scenario.name);
        assert!(crashes.broken.is_empty(), "{}: {:?}", scenario.name, crashes.broken);
        points += crashes.points;
    }
    assert!(points > 1000, "only {points} points to die at");
}

/// Wherever a worker is paused for longer than its lease, it sends nothing more once another one has taken over. Only a
/// request that is under way already cannot be called back.
#[test]
fn con_06_a_paused_worker_that_lost_its_lease_writes_nothing_more() {
    for scenario in scenarios() {
        let paused = pause_everywhere(&scenario, &store);
        assert!(paused.points > 10, "{}: {} points", scenario.name, paused.points);
        assert!(paused.broken.is_empty(), "{}: {:?}", scenario.name, paused.broken);
    }
}

/// A provider that takes longer than a lease for every answer is slow and nothing else.
#[test]
fn con_06_a_slow_provider_alone_costs_nobody_the_lease() {
    for scenario in scenarios() {
        assert!(slow_everywhere(&scenario, store()), "{}", scenario.name);
    }
}

/// The checks see what they are there to see: each planted bug is noticed.
#[test]
fn every_planted_bug_is_noticed() {
    for plant in Plant::ALL {
        let options = Options { plant: Some(*plant), ..Options::default() };
        let noticed = |seed| {
            let script = Script::draw(seed, &Profile::default());
            !play(&script, store(), options).violations.is_empty()
        };
        assert!((0..6000).any(noticed), "{plant:?}: {}", plant.says());
    }
}

/// What fails is shrunk to something that fails for the same reason, of which no step can be spared, and that is a file.
#[test]
fn a_failure_is_shrunk_to_what_it_needs() {
    let mut shrunk = 0;
    for plant in [Plant::ALL[0], Plant::ALL[1], Plant::ALL[2]] {
        let options = Options { plant: Some(plant), ..Options::default() };
        let broken =
            |script: &Script| play(script, store(), options).violations.first().map(|found| found.law);
        let drawn = (0..6000).map(|seed| Script::draw(seed, &Profile::default()));
        let (script, law) = drawn
            .filter_map(|script| broken(&script).map(|law| (script, law)))
            .next()
            .expect("it is noticed");
        let small = shrink(&script, |script| broken(script) == Some(law));
        assert!(small.steps.len() < script.steps.len(), "{plant:?}: {} steps", small.steps.len());
        for step in 0..small.steps.len() {
            let mut fewer = small.clone();
            fewer.steps.remove(step);
            assert_ne!(
                broken(&fewer),
                Some(law),
                "{plant:?}: step {step} of {:?} is not needed",
                small.steps
            );
        }
        let text = serde_json::to_string(&small).expect("serialisable");
        let read: Script = serde_json::from_str(&text).expect("readable");
        assert_eq!(broken(&read), Some(law), "{plant:?}: read back");
        // Without the bug it is a play like any other.
        assert_eq!(play(&read, store(), Options::default()).violations, [], "{plant:?}");
        shrunk += 1;
    }
    assert_eq!(shrunk, 3);
}

/// A script is data: what is written is what is read.
#[test]
fn scripts_round_trip() {
    for seed in 0..50 {
        let script = Script::draw(seed, &Profile::default());
        let text = serde_json::to_string(&script).expect("serialisable");
        assert_eq!(serde_json::from_str::<Script>(&text).expect("readable"), script, "seed {seed}");
    }
}
