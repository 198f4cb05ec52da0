//! Runs the simulator: what `cargo xtask simulate` starts.
#![allow(clippy::print_stdout, reason = "a command line talks to the terminal")]
#![allow(clippy::disallowed_methods, reason = "runs are timed; nothing here syncs")]

use calsync_core::store::MemoryStore;
use calsync_testkit::sim::*;
use std::sync::Arc;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let from: u64 = args[1].parse().unwrap_or(0);
    let count: u64 = args[2].parse().unwrap_or(1);
    let show = args.get(3).is_some();
    let start = std::time::Instant::now();
    let mut stats = Stats::default();
    let mut bad = 0;
    for seed in from..from + count {
        let script = Script::draw(seed, &Profile::default());
        if show {
            println!("{}", serde_json::to_string(&script).unwrap_or_default());
        }
        let outcome = play(&script, Arc::new(MemoryStore::default()), Options { plant: None, traced: show });
        if show {
            println!("{}", outcome.lines);
        }
        stats.add(&outcome.stats);
        if !outcome.violations.is_empty() {
            bad += 1;
            if bad < 30 {
                println!(
                    "seed {seed}: {:?} {:?} {}",
                    script.setup.links.iter().map(|l| (l.dialect, l.direction, l.policy)).collect::<Vec<_>>(),
                    outcome.violations[0].law,
                    &outcome.violations[0].what.chars().take(220).collect::<String>()
                );
            }
        }
    }
    let took = start.elapsed().as_secs_f64();
    println!("{bad} of {count} broken; {:.0}/s; {stats:?}", count as f64 / took);
}
