//! Dying at every await of the core scenarios, and at every pair of them.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use calsync_testkit::sim::{Crashes, Deaths, Options, Stats, crash_everywhere, scenarios};

use crate::Simulate;

/// Plays all scenarios. The numbers, and `true` when nothing was broken.
pub(crate) fn run(options: &Simulate, deaths: Deaths, threads: usize) -> (Stats, bool) {
    let mut scenarios = scenarios();
    if let Some(wanted) = &options.scenario {
        scenarios.retain(|scenario| scenario.name.contains(&wanted.to_lowercase()));
    }
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    let sum = Mutex::new(Crashes::default());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut crashes =
                        crash_everywhere(scenario, &|| options.store.open(), deaths, Options::default());
                    for (at, _) in &mut crashes.broken {
                        *at = format!("{}, {at}", scenario.name);
                    }
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(crashes);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (at, violation) in sum.broken.iter().take(20) {
        println!("{:?}: {at}: {}", violation.law, violation.what);
        let (name, _) = at.rsplit_once(", ").unwrap_or((at, ""));
        let crashes = if deaths == Deaths::Pairs { "pairs" } else { "singles" };
        println!(
            "replay: cargo xtask simulate --scenario {name:?} --crashes {crashes} --store {}",
            options.store.name()
        );
    }
    println!(
        "{} scenarios: crash points covered {} of {}, and {} pairs, in {:.1} s; {} violations",
        scenarios.len(),
        sum.covered,
        sum.points,
        sum.pairs,
        start.elapsed().as_secs_f64(),
        sum.broken.len(),
    );
    let whole = !scenarios.is_empty() && sum.covered == sum.points;
    (sum.stats, sum.broken.is_empty() && whole)
}
