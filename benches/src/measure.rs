//! Time and memory. The machine is shared with whatever else runs on it, so the least of several runs counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Seconds of the fastest of `runs` runs. What a run makes is dropped outside the time taken.
pub(crate) fn fastest<T>(runs: usize, mut run: impl FnMut() -> T) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        let made = black_box(run());
        least = least.min(start.elapsed().as_secs_f64());
        drop(made);
    }
    least
}

/// Seconds of one call of something fast: the fastest of 25 rounds, each of enough calls to be seen by the clock.
pub(crate) fn fastest_call<T>(mut call: impl FnMut() -> T) -> f64 {
    const ROUND: Duration = Duration::from_millis(20);
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < ROUND || calls == 0 {
        black_box(call());
        calls += 1;
    }
    let round = fastest(25, || (0..calls).for_each(|_| drop(black_box(call()))));
    round / f64::from(calls)
}

/// The most memory this process ever held, in KiB.
pub(crate) fn peak_kib() -> Outcome<u64> {
    memory_kib("VmHWM")
}

/// What Linux says of this process's memory, in KiB: `VmHWM` is the most it ever held, `VmRSS` what it holds.
pub(crate) fn memory_kib(name: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("/proc/self/status (this needs Linux): {error}"))?;
    status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| *found == name)
        .and_then(|(_, rest)| rest.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .ok_or_else(|| format!("no {name} in /proc/self/status"))
}

/// Seconds for a person.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        0.0..0.001 => format!("{:.2} us", value * 1e6),
        0.001..1.0 => format!("{:.2} ms", value * 1e3),
        _ => format!("{value:.2} s"),
    }
}

/// `name=value` words of a program's output.
pub(crate) fn field(output: &str, name: &str) -> Outcome<f64> {
    output
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(|| format!("no {name} in the output {output:?}"))
}
