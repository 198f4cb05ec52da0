//! What steers one simulation: its randomness, its faults, its trace.

use std::{
    fmt::Write as _,
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).expect("smaller than n")
    }

    pub(crate) fn per_mille(&mut self, chance: u64) -> bool {
        self.next() % 1000 < chance
    }
}

/// A bug planted around the engine, to show that the checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    None,
    /// The store commits without looking at expectations.
    NoExpectations,
    /// Decided writes do not reach the outbox.
    DropOutbox,
    /// Conflicts are not recorded.
    DropConflicts,
    /// What both sides agreed on is sometimes not kept.
    DropBases,
    /// The local mark runs ahead of what is planned.
    SeenRunsAhead,
    /// The provider updates whatever version is there.
    UpdateIgnoresVersion,
    /// The provider deletes whatever version is there.
    DeleteIgnoresVersion,
    /// The provider creates a second item under a taken UID or name.
    CreateIgnoresTwins,
    /// A write that failed is answered as done.
    FailureIsSuccess,
    /// Delta pages lose their last change, and the cursor moves past it.
    CursorMovesPastUnread,
    /// A listing that lacks items calls itself complete.
    PartialCallsItselfComplete,
    /// Items that could not be read are reported as removed.
    UnreadIsRemoved,
}

pub(crate) struct Control {
    state: Mutex<State>,
    pub(crate) plant: Plant,
}

struct State {
    rng: Rng,
    fault_rate: u64,
    digest: u64,
    lines: Option<String>,
    violations: Vec<String>,
    crashes: u64,
    faults: u64,
}

/// What happens to one call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Fine,
    /// It fails without an effect.
    Before(u64),
    /// It has its effect and the answer is lost.
    After,
}

impl Control {
    pub(crate) fn new(seed: u64, plant: Plant, show: bool) -> Self {
        let state = State {
            rng: Rng(seed ^ 0x5eed_0000),
            fault_rate: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            lines: show.then(String::new),
            violations: Vec::new(),
            crashes: 0,
            faults: 0,
        };
        Self { state: Mutex::new(state), plant }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.state().rng)
    }

    pub(crate) fn set_fault_rate(&self, per_mille: u64) {
        self.state().fault_rate = per_mille;
    }

    /// Draws what happens to a call.
    pub(crate) fn fate(&self) -> Fate {
        let mut state = self.state();
        let rate = state.fault_rate;
        if rate == 0 || !state.rng.per_mille(rate) {
            return Fate::Fine;
        }
        state.faults += 1;
        let kind = state.rng.next();
        if kind.is_multiple_of(2) { Fate::After } else { Fate::Before(kind >> 1) }
    }

    /// Whether a planted bug strikes now.
    pub(crate) fn strikes(&self, plant: Plant, per_mille: u64) -> bool {
        self.plant == plant && self.state().rng.per_mille(per_mille)
    }

    pub(crate) fn note(&self, line: &str) {
        let mut state = self.state();
        for byte in line.bytes() {
            state.digest = (state.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut state.lines {
            writeln!(lines, "{line}").expect("memory");
        }
    }

    pub(crate) fn violation(&self, what: String) {
        self.note(&what);
        self.state().violations.push(what);
    }

    pub(crate) fn crashed(&self) {
        self.state().crashes += 1;
        self.note("crash");
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let mut state = self.state();
        Outcome {
            digest: state.digest,
            violations: std::mem::take(&mut state.violations),
            crashes: state.crashes,
            faults: state.faults,
            lines: state.lines.take(),
        }
    }
}

/// What a simulation showed.
pub(crate) struct Outcome {
    pub(crate) digest: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) crashes: u64,
    pub(crate) faults: u64,
    pub(crate) lines: Option<String>,
}

/// Lets everybody else go first, once: where a run can be stopped.
pub(crate) async fn pause() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
