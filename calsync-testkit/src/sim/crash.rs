//! The worker dies at every single await it can die at; then at every pair of them.

use std::sync::{Arc, atomic::Ordering};

use calsync_core::store::Store;
use chrono::TimeDelta;

use super::{
    control::{Control, Stats, Violation},
    law::Law,
    oracle,
    play::{self, Options},
    scenario::Scenario,
    script::{Dialect, Setup},
    world::World,
};

/// What dying everywhere showed.
#[derive(Clone, Debug, Default)]
pub struct Crashes {
    /// Awaits of the run when nobody dies: the points to die at.
    pub points: u64,
    /// Those it died at.
    pub covered: u64,
    /// Pairs of points it died at, one run after the other.
    pub pairs: u64,
    /// In numbers.
    pub stats: Stats,
    /// What was broken, and where the worker had died.
    pub broken: Vec<(String, Violation)>,
}

/// The worker has died for good; its lease runs out.
const LEASE: TimeDelta = TimeDelta::seconds(11);

fn prepared(scenario: &Scenario, store: Arc<dyn Store>, options: Options) -> World {
    with_workers(1, scenario, store, options)
}

fn with_workers(workers: u8, scenario: &Scenario, store: Arc<dyn Store>, options: Options) -> World {
    let links = [scenario.link].into_iter().chain(scenario.source).collect();
    let setup = Setup { links, workers, skew: 0, brake: None, rows: None };
    let mut world = World::new(7, &setup, store, Arc::new(Control::new(7, options)), None);
    if !scenario.joined.is_empty() {
        for (side, edit, pick) in scenario.joined {
            world.people.act(*side, *edit, *pick);
        }
        for _ in 0..2 {
            world.pass(TimeDelta::minutes(20));
            // What goes wrong here goes wrong again where it is looked at.
            for link in (0..world.links.len()).rev() {
                let _ = world.run(0, link);
            }
        }
    }
    for (side, edit, pick) in scenario.then {
        world.people.act(*side, *edit, *pick);
    }
    if scenario.forgotten {
        world.remotes[0].server().forget_tokens();
    }
    world.pass(TimeDelta::minutes(20));
    for link in 1..world.links.len() {
        let _ = world.run(0, link);
    }
    world
}

/// Begins a run and lets it go `at` awaits far; `false` when it ended before.
fn run_until(world: &mut World, at: u64) -> bool {
    world.begin(0, 0);
    (0..at).all(|_| world.step(0).is_none())
}

/// Both sides in the end, without names that are drawn, and the writes it took.
fn ending(world: &mut World) -> (Vec<String>, u64) {
    play::calm(world);
    (oracle::forms(world), world.remotes[0].writes.load(Ordering::Relaxed))
}

/// How often the worker dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deaths {
    /// Once, at every await of the scenario's run.
    Singles,
    /// At every await of that run, and then at every await of the run after it as well.
    Pairs,
}

/// Dies wherever it can. What is planted and which promise counts is in `options`; the rest of them does not concern it.
pub fn crash_everywhere(
    scenario: &Scenario,
    open: &dyn Fn() -> Arc<dyn Store>,
    deaths: Deaths,
    options: Options,
) -> Crashes {
    let mut crashes = Crashes::default();
    let mut world = prepared(scenario, open(), options);
    let expected = ending(&mut world);
    crashes.take("nowhere".to_owned(), &world);
    let mut world = prepared(scenario, open(), options);
    while run_until(&mut world, crashes.points + 1) {
        crashes.points += 1;
        world = prepared(scenario, open(), options);
    }
    for first in 1..=crashes.points {
        let mut world = prepared(scenario, open(), options);
        if !run_until(&mut world, first) || !world.crash(0) {
            break;
        }
        crashes.covered += 1;
        world.pass(LEASE);
        crashes.check(format!("at await {first}"), 1, scenario, &mut world, &expected);
        if deaths == Deaths::Singles {
            continue;
        }
        for second in 1.. {
            let mut world = prepared(scenario, open(), options);
            run_until(&mut world, first);
            world.crash(0);
            world.pass(LEASE);
            if !run_until(&mut world, second) {
                break;
            }
            world.crash(0);
            world.pass(LEASE);
            crashes.pairs += 1;
            crashes.check(format!("at awaits {first} and {second}"), 2, scenario, &mut world, &expected);
        }
    }
    crashes
}

/// A worker is paused at every await of the scenario's run for longer than its lease, while another one begins. It may not
/// send anything more than what was under way already, and nothing is other in the end (I27).
pub fn pause_everywhere(scenario: &Scenario, open: &dyn Fn() -> Arc<dyn Store>) -> Crashes {
    let mut crashes = Crashes::default();
    let expected = ending(&mut prepared(scenario, open(), Options::default()));
    for at in 1.. {
        let mut world = with_workers(2, scenario, open(), Options::default());
        if !run_until(&mut world, at) {
            break;
        }
        crashes.points += 1;
        world.pass(LEASE);
        world.begin(1, 0);
        // The other one has taken the lease, and not yet finished.
        for _ in 0..4 {
            world.step(1);
        }
        let remote = world.remotes[0].clone();
        let (before, under_way) =
            (remote.writes.load(Ordering::Relaxed), remote.under_way.load(Ordering::Relaxed));
        while world.is_busy(0) {
            world.step(0);
        }
        let sent = remote.writes.load(Ordering::Relaxed) - before;
        // A series is written in two requests by one call, which nobody outside of it can stop in between.
        let most = if scenario.link.dialect == Dialect::Google { 2 * under_way } else { under_way };
        world.control.check(Law::I27, sent <= most, || {
            format!("{sent} writes after the lease was lost, {under_way} were under way")
        });
        crashes.covered += 1;
        let sides = ending(&mut world).0;
        world.control.check(Law::I27, sides == expected.0, || format!("the sides are others: {sides:?}"));
        crashes.take(format!("paused at await {at}"), &world);
    }
    crashes
}

/// Every answer takes longer than a lease: that alone costs nobody the lease. `true` when the run ended well.
pub fn slow_everywhere(scenario: &Scenario, store: Arc<dyn Store>) -> bool {
    let mut world = prepared(scenario, store, Options::default());
    world.begin(0, 0);
    let answer = loop {
        if let Some(answer) = world.step(0) {
            break answer;
        }
        if !world.is_busy(0) {
            return false;
        }
        world.pass(TimeDelta::seconds(12));
    };
    play::calm(&mut world);
    answer.is_ok() && !world.control.is_broken()
}

impl Crashes {
    fn check(
        &mut self,
        at: String,
        deaths: u64,
        scenario: &Scenario,
        world: &mut World,
        expected: &(Vec<String>, u64),
    ) {
        let (sides, writes) = ending(world);
        let control = &world.control;
        control.check(Law::I11, sides == expected.0, || format!("the sides are others: {sides:?}"));
        // A series that is written in two requests has its first one repeated, once for every death in between.
        let twice = scenario.link.dialect == Dialect::Google && scenario.has_series();
        let more = if twice { deaths } else { 0 };
        control.check(Law::I11, writes <= expected.1 + more, || {
            format!("{writes} writes to the provider instead of {}", expected.1)
        });
        self.take(at, world);
    }

    fn take(&mut self, at: String, world: &World) {
        let outcome = world.control.outcome();
        self.stats.add(&outcome.stats);
        self.broken.extend(outcome.violations.into_iter().map(|violation| (at.clone(), violation)));
    }

    /// Adds another scenario's numbers.
    pub fn add(&mut self, other: Self) {
        self.points += other.points;
        self.covered += other.covered;
        self.pairs += other.pairs;
        self.stats.add(&other.stats);
        self.broken.extend(other.broken);
    }
}
