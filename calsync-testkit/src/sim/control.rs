//! What all parts of one simulation share: its faults, its trace, its counts and what it found wrong.

use std::{
    fmt::{self, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    fault::{Fault, Op},
    law::Law,
    plant::Plant,
    play::Options,
    rng::Rng,
};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub law: Law,
    /// How.
    pub what: String,
}

pub(crate) struct Control {
    pub(crate) seed: u64,
    state: Mutex<State>,
    options: Options,
}

struct State {
    rng: Rng,
    digest: u64,
    lines: String,
    armed: Vec<Fault>,
    found: Vec<Violation>,
    stats: Stats,
}

/// What happened, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Faults that struck, by their place in [`Fault::ALL`].
    pub faults: [u64; Fault::ALL.len()],
    /// How often each promise was checked, by its place in [`Law::ALL`].
    pub checks: [u64; Law::ALL.len()],
    /// Workers that died in a run.
    pub crashes: u64,
    /// Runs that ended.
    pub runs: u64,
    /// Awaits passed.
    pub awaits: u64,
    /// What people did.
    pub edits: u64,
    /// Writes that reached a provider.
    pub writes: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            faults: [0; Fault::ALL.len()],
            checks: [0; Law::ALL.len()],
            crashes: 0,
            runs: 0,
            awaits: 0,
            edits: 0,
            writes: 0,
        }
    }
}

impl Stats {
    /// Adds another simulation's numbers.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.faults.iter_mut().zip(other.faults) {
            *sum += more;
        }
        for (sum, more) in self.checks.iter_mut().zip(other.checks) {
            *sum += more;
        }
        self.crashes += other.crashes;
        self.runs += other.runs;
        self.awaits += other.awaits;
        self.edits += other.edits;
        self.writes += other.writes;
    }
}

/// Hashes what is written to it (as FNV-1a does, eight bytes at a time), and keeps it where somebody reads along.
struct Sink<'a>(&'a mut u64, Option<&'a mut String>);

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut mix = |word: u64| *self.0 = (*self.0 ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| mix(u64::from(*byte)));
        match &mut self.1 {
            Some(lines) => lines.write_str(text),
            None => Ok(()),
        }
    }
}

impl Control {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        let state = State {
            rng: Rng::new(seed ^ 0x9_1a47),
            digest: 0xcbf2_9ce4_8422_2325,
            lines: String::new(),
            armed: Vec::new(),
            found: Vec::new(),
            stats: Stats::default(),
        };
        Self { seed, state: Mutex::new(state), options }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut sink = Sink(&mut state.digest, self.options.traced.then_some(&mut state.lines));
        // Neither a hash nor a string can fail.
        let _ = writeln!(sink, "{line}");
    }

    /// A promise was looked at.
    pub(crate) fn checked(&self, law: Law) {
        self.state().stats.checks[law.index()] += 1;
    }

    /// A promise is looked at, and broken unless `holds`.
    pub(crate) fn check(&self, law: Law, holds: bool, what: impl FnOnce() -> String) {
        self.checked(law);
        if !holds {
            self.broken(law, what());
        }
    }

    pub(crate) fn broken(&self, law: Law, what: String) {
        if self.options.only.is_some_and(|only| only != law) {
            return;
        }
        self.note(format_args!("BROKEN {law:?}: {what}"));
        let mut state = self.state();
        if state.found.len() < 20 {
            state.found.push(Violation { law, what });
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        !self.state().found.is_empty()
    }

    pub(crate) fn arm(&self, fault: Fault) {
        self.state().armed.push(fault);
    }

    pub(crate) fn disarm(&self) {
        self.state().armed.clear();
    }

    /// The fault that waits for this call; `fits` may leave it for a later one.
    pub(crate) fn fate(&self, op: Op, fits: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut state = self.state();
        if state.armed.is_empty() {
            return None;
        }
        let place = state.armed.iter().position(|fault| fault.op() == op && fits(*fault))?;
        let fault = state.armed.remove(place);
        state.stats.faults[fault.index()] += 1;
        drop(state);
        self.note(format_args!("fault {fault:?}"));
        Some(fault)
    }

    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.options.plant == Some(plant)
    }

    /// Whether any fault has struck so far.
    pub(crate) fn has_struck(&self) -> bool {
        self.state().stats.faults.iter().any(|count| *count > 0)
    }

    /// Whether a planted bug strikes now.
    pub(crate) fn strikes(&self, plant: Plant, per_mille: u32) -> bool {
        self.has(plant) && self.state().rng.per_mille(per_mille)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.state().stats);
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let mut state = self.state();
        Outcome {
            trace: state.digest,
            lines: std::mem::take(&mut state.lines),
            violations: std::mem::take(&mut state.found),
            stats: std::mem::take(&mut state.stats),
        }
    }
}

/// What a simulation showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of everything that happened.
    pub trace: u64,
    /// What happened, line by line; empty unless it was asked for.
    pub lines: String,
    /// What was broken.
    pub violations: Vec<Violation>,
    /// In numbers.
    pub stats: Stats,
}
