//! Many seeds, on all cores.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use calsync_testkit::sim::{Law, Outcome, Profile, Script, Stats};

use crate::{Simulate, crashes, replay, table, tokens};

/// One seed in so many is played twice.
const TWICE: u64 = 100;
/// One seed in so many is also played with the tokens of an account.
const TOKENS: u64 = 10;

#[derive(Default)]
struct Sum {
    stats: Stats,
    seeds: u64,
    twice: u64,
    different: Vec<u64>,
    broken: BTreeMap<u64, Outcome>,
}

/// Runs the seeds that were asked for. `true` when nothing was broken.
pub(crate) fn run(options: &Simulate) -> bool {
    let threads = options.threads.and_then(|threads| usize::try_from(threads).ok());
    let threads = threads.or_else(|| thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let until = options.hours.map(|hours| Duration::from_secs_f64(hours * 3600.0));
    let end = if options.scenario.is_some() {
        options.from
    } else if until.is_some() {
        u64::MAX
    } else {
        options.from.saturating_add(options.seeds)
    };
    let profile = options.profile();
    let (next, stop, start) = (AtomicU64::new(options.from), AtomicBool::new(false), Instant::now());
    let sum = Mutex::new(Sum::default());
    let locked = || sum.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Sum::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || until.is_some_and(|until| start.elapsed() >= until) {
                        break;
                    }
                    one(seed, &profile, options, &mut mine);
                    if mine.seeds == 500 || !mine.broken.is_empty() {
                        let mut sum = locked();
                        sum.add(std::mem::take(&mut mine));
                        if sum.broken.len() >= options.failures {
                            stop.store(true, Ordering::Relaxed);
                        }
                        progress(&sum, start);
                    }
                }
                locked().add(mine);
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let took = start.elapsed().as_secs_f64();
    let (died, whole) = match options.crashes.deaths() {
        None => (Stats::default(), true),
        Some(deaths) => crashes::run(options, deaths, threads),
    };
    let mut all = sum.stats.clone();
    all.add(&died);
    if let Some(count) = all.checks.get_mut(Law::I29.index()) {
        *count = sum.twice;
    }
    let tokens = tokens::run(options.from, sum.seeds.div_ceil(TOKENS), threads);
    table::print(&all, tokens.count);
    for (seed, outcome) in &sum.broken {
        replay::report(&Script::draw(*seed, &profile), &outcome.violations, options);
    }
    for seed in &sum.different {
        println!("seed {seed} gives another trace the second time\n{}", replay::command(*seed, options));
    }
    println!(
        "\n{} seeds on the {} store with remotes of the kind {} in {took:.1} s with {threads} threads ({:.0} a second and thread), {} violations",
        sum.seeds,
        options.store.name(),
        options.remote.name(),
        sum.seeds as f64 / took / threads as f64,
        sum.broken.len() + sum.different.len() + usize::from(tokens.broken.is_some()),
    );
    sum.broken.is_empty() && sum.different.is_empty() && tokens.broken.is_none() && whole
}

fn one(seed: u64, profile: &Profile, options: &Simulate, sum: &mut Sum) {
    let script = Script::draw(seed, profile);
    let outcome = replay::attempt(&script, options.store, replay::with_providers());
    sum.seeds += 1;
    sum.stats.add(&outcome.stats);
    if seed.is_multiple_of(TWICE) {
        sum.twice += 1;
        if replay::attempt(&script, options.store, replay::with_providers()).trace != outcome.trace {
            sum.different.push(seed);
        }
    }
    if !outcome.violations.is_empty() {
        sum.broken.insert(seed, outcome);
    }
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.stats.add(&other.stats);
        self.seeds += other.seeds;
        self.twice += other.twice;
        self.different.extend(other.different);
        self.broken.extend(other.broken);
    }
}

fn progress(sum: &Sum, start: Instant) {
    if sum.seeds % 10_000 < 500 {
        eprintln!(
            "{} seeds, {} crashes, {} faults, {} violations, {:.0} s",
            sum.seeds,
            sum.stats.crashes,
            sum.stats.faults.iter().sum::<u64>(),
            sum.broken.len(),
            start.elapsed().as_secs_f64(),
        );
    }
}
