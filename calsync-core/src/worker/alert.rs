//! What a host wants to be woken up for.

use std::{collections::VecDeque, fmt};

use chrono::{DateTime, TimeDelta, Utc};

use super::Ended;
use crate::{
    model::LinkId,
    provider::Fault,
    schedule::{Entry, Status, Task, Timing},
};

/// Runs the failure rate is counted over, and how many of them there must be.
const WINDOW: usize = 200;
const ENOUGH: usize = 20;
/// Over so many in a hundred, somebody is told.
const PER_CENT: usize = 5;
/// Runs in a row that found changes no webhook had told of.
const SILENT: u32 = 3;
/// How long before credentials end somebody is told.
const AHEAD: TimeDelta = TimeDelta::hours(72);

/// Something a person should look into. Told when it begins, not again while it lasts, except where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alert {
    /// The provider refused the credentials of a link: a person has to renew them, then
    /// [`Schedule::run_now`](crate::schedule::Schedule::run_now).
    NeedsReauth {
        /// The link.
        link: LinkId,
    },
    /// The credentials of a link end within 72 hours. Told at every run until they are renewed.
    CredentialsEnd {
        /// The link.
        link: LinkId,
        /// When.
        at: DateTime<Utc>,
    },
    /// A link failed so often that it is tried only once in a while.
    CircuitOpen {
        /// The link.
        link: LinkId,
        /// Failures in a row.
        failures: u32,
    },
    /// A link that had failed runs again.
    Recovered {
        /// The link.
        link: LinkId,
    },
    /// More than 5 of 100 runs of this worker failed lately, for other reasons than credentials.
    FailureRate {
        /// Failed.
        failed: usize,
        /// Of so many.
        of: usize,
    },
    /// Something waits for a person: deletions to approve, pairs to tell apart, writes that are stuck. Told at every run
    /// that finds it.
    NeedsPerson {
        /// The link.
        link: LinkId,
        /// Operations held back.
        held: u64,
        /// Pairs nobody decided on.
        undecided: usize,
        /// Writes the provider refuses for good.
        wedged: usize,
    },
    /// Conflicts wait for an answer. Told by a run that left some, and of those nobody answered again when the oldest of a
    /// link is [`WorkerOptions::conflicts_old`](super::WorkerOptions::conflicts_old) old, twice that, and so on. Of a link's conflicts,
    /// answered ones included, the first 2,000 are looked through.
    OpenConflicts {
        /// The link.
        link: LinkId,
        /// How many: of the run up to 100, or that are so old.
        open: usize,
        /// When the first of them was found.
        oldest: DateTime<Utc>,
    },
    /// Changes come that no webhook tells of: its channel is open and may be dead. Told after three runs in a row that found
    /// such, and where calls are measured ([`Announcements::Measured`](super::Announcements::Measured)) when
    /// [`Delivery`](crate::store::Delivery) comes to be `Unreliable`.
    WebhookSilent {
        /// The link.
        link: LinkId,
    },
}

impl fmt::Display for Alert {
    /// A line for a person: which link, and what it needs. No secret and no event text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(link) = self.link() {
            write!(f, "{link}: ")?;
        }
        match self {
            Self::NeedsReauth { .. } => {
                f.write_str("the provider refuses the credentials; somebody has to sign in again")
            }
            Self::CredentialsEnd { at, .. } => write!(f, "the credentials end at {}", at.format("%F %T UTC")),
            Self::CircuitOpen { failures, .. } => {
                write!(f, "failed {failures} times in a row, and is tried only once in a while now")
            }
            Self::Recovered { .. } => f.write_str("runs again"),
            Self::FailureRate { failed, of } => write!(f, "{failed} of the last {of} runs failed"),
            Self::NeedsPerson { held, undecided, wedged, .. } => write!(
                f,
                "waits for a person: {held} operations held back, {undecided} pairs to tell apart, {wedged} writes refused for good"
            ),
            Self::OpenConflicts { open, oldest, .. } => {
                write!(f, "{open} conflicts wait for an answer, the first since {}", oldest.format("%F"))
            }
            Self::WebhookSilent { .. } => f.write_str("changes come that no webhook tells of"),
        }
    }
}

impl Alert {
    /// What a metric calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NeedsReauth { .. } => "needs-reauth",
            Self::CredentialsEnd { .. } => "credentials-end",
            Self::CircuitOpen { .. } => "circuit-open",
            Self::Recovered { .. } => "recovered",
            Self::FailureRate { .. } => "failure-rate",
            Self::NeedsPerson { .. } => "needs-person",
            Self::OpenConflicts { .. } => "open-conflicts",
            Self::WebhookSilent { .. } => "webhook-silent",
        }
    }

    /// The link it is about; `None` for what is about a whole worker.
    pub fn link(&self) -> Option<&LinkId> {
        match self {
            Self::NeedsReauth { link }
            | Self::CredentialsEnd { link, .. }
            | Self::CircuitOpen { link, .. }
            | Self::Recovered { link }
            | Self::NeedsPerson { link, .. }
            | Self::OpenConflicts { link, .. }
            | Self::WebhookSilent { link } => Some(link),
            Self::FailureRate { .. } => None,
        }
    }

    pub(super) fn measure(&self) {
        metrics::counter!("calsync_alerts_total", "kind" => self.kind()).increment(1);
        tracing::warn!(kind = self.kind(), "alert");
    }
}

/// What changed for the worse or the better between two states of an entry.
pub(super) fn of_change(before: &Entry, after: &Entry, timing: &Timing) -> Vec<Alert> {
    let Task::Sync(link) = &after.task else { return Vec::new() };
    let link = || link.clone();
    let (was, is) = (before.standing().status(timing), after.standing().status(timing));
    let mut alerts = Vec::new();
    if was != is {
        match is {
            Status::NeedsReauth => alerts.push(Alert::NeedsReauth { link: link() }),
            Status::CircuitOpen => alerts.push(Alert::CircuitOpen { link: link(), failures: after.failures }),
            Status::Waiting if was == Status::NeedsReauth || was == Status::CircuitOpen => {
                alerts.push(Alert::Recovered { link: link() });
            }
            _ => {}
        }
    }
    if after.unannounced == SILENT && before.unannounced < SILENT {
        alerts.push(Alert::WebhookSilent { link: link() });
    }
    alerts
}

/// Whether credentials end soon.
pub(super) fn of_credentials(link: &LinkId, end: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Alert> {
    let at = end.filter(|end| *end < now + AHEAD)?;
    Some(Alert::CredentialsEnd { link: link.clone(), at })
}

/// How many of the last runs failed.
#[derive(Debug, Default)]
pub(super) struct FailureRate {
    last: VecDeque<bool>,
    over: bool,
}

impl FailureRate {
    /// Counts a run; says when the rate came to be too high.
    pub(super) fn note(&mut self, ended: &Ended) -> Option<Alert> {
        let failed = match ended {
            Ended::Done { .. } => false,
            // Told by itself, and nothing a host can do about at once.
            Ended::Failed { fault, .. } => *fault != Fault::Credentials,
            Ended::Returned { .. } | Ended::Lost { .. } | Ended::Removed { .. } => return None,
        };
        self.last.push_back(failed);
        if self.last.len() > WINDOW {
            self.last.pop_front();
        }
        let (failed, of) = (self.last.iter().filter(|failed| **failed).count(), self.last.len());
        let over = of >= ENOUGH && failed * 100 > of * PER_CENT;
        let began = over && !self.over;
        self.over = over;
        began.then_some(Alert::FailureRate { failed, of })
    }
}
