//! What a run tells: while it goes on, and at its end.

use crate::{
    model::{EventId, LinkId, RunId},
    plan::{Plan, PlanId},
    provider::ErrorKind,
    store::RunCounts,
};

/// How far a run is. Holds numbers, never event text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The provider listed so many changes on one page.
    Listed {
        /// The link.
        link: LinkId,
        /// Changes on the page.
        changes: usize,
    },
    /// Changes of one page are being read and committed.
    Pulled {
        /// The link.
        link: LinkId,
        /// Done so far.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// Decided writes are being sent.
    Pushed {
        /// The link.
        link: LinkId,
        /// Done so far.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// A write is refused for good, or failed too often: it waits for a person
    /// ([`Engine::retry_write`](super::Engine::retry_write), [`Engine::drop_write`](super::Engine::drop_write)).
    Wedged {
        /// The link.
        link: LinkId,
        /// The event.
        event: EventId,
        /// How it failed.
        kind: ErrorKind,
    },
}

/// Is told how far a run is. Must not block.
pub trait Observer: Send + Sync {
    /// Called between steps.
    fn progress(&self, progress: &Progress);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&self, _: &Progress) {}
}

/// What a run did, or would do.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncReport {
    /// The run.
    pub run: RunId,
    /// Every operation, with its reason.
    pub plan: Plan,
    /// In numbers.
    pub counts: RunCounts,
    /// What to approve, when deletions were held back; else the id of the plan.
    pub plan_id: PlanId,
    /// Items that may be events here; a person says which, see [`Engine::answer`](super::Engine::answer).
    pub undecided: usize,
    /// The held plan that was approved or refused in this run.
    pub answered: Option<PlanId>,
    /// Decided writes that the provider does not take for now; the next run tries again.
    pub waiting: usize,
    /// Decided writes that the provider refuses for good; they wait for a person or for another edit.
    pub wedged: usize,
    /// Events that this run looked at and that have no copy, because they are outside the
    /// [window](super::CopyWindow) of what the link copies.
    pub outside: usize,
}

impl SyncReport {
    /// Whether both sides hold the same now, as far as the provider can.
    pub fn in_step(&self) -> bool {
        self.counts.held == 0 && self.waiting == 0 && self.wedged == 0 && self.undecided == 0
    }
}
