//! Why a run ended early.

use chrono::{DateTime, Utc};

use super::RuleCycle;
use crate::{
    plan::PlanId,
    provider::{ErrorKind, Fault, ProviderError, Retry},
    store::{StoreError, StoreErrorKind},
};

/// A run that could not be carried through. What it committed before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The provider failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another worker has the link.
    #[error("another worker is at this link until {until}")]
    Busy {
        /// Until then, unless it renews.
        until: DateTime<Utc>,
    },
    /// The plan would be another one now.
    #[error("something changed since plan {expected}: it would be plan {now} now")]
    PlanChanged {
        /// The plan that was to be carried out.
        expected: PlanId,
        /// What it would be.
        now: PlanId,
    },
    /// The link joins a remote calendar that its state was not made for.
    #[error(
        "link {link} was joined to another calendar before: forget it first, or what it wrote would be written a second time"
    )]
    LinkMoved {
        /// The link.
        link: String,
    },
    /// The rules a link copies by cannot be used.
    #[error("link {link}: {reason}")]
    CopyRules {
        /// The link.
        link: String,
        /// What is wrong, naming the step.
        reason: String,
    },
    /// A link that exports has no rules for its copies, and what it or the other side wrote there so far is whole: it is
    /// not reduced to when somebody is busy unless somebody says so.
    #[error(
        "link {link} exports and says nothing of what its copies show, while what is there is whole: say that everything \
         is shown, or what is"
    )]
    CopiesUnsaid {
        /// The link.
        link: String,
    },
    /// What the link copies would come back to it.
    #[error(
        "{0}. A link that is not there any more counts until it is forgotten, or did not run for some days"
    )]
    Circle(#[from] RuleCycle),
    /// The item does not wait for an answer, or the event is none of those it may be.
    #[error("no such question on link {link}")]
    UnknownMatch {
        /// The link.
        link: String,
    },
    /// There is no such conflict.
    #[error("no conflict {conflict} on this link")]
    UnknownConflict {
        /// The conflict asked for.
        conflict: String,
    },
    /// Nobody waits for an answer to it any more.
    #[error("conflict {conflict} is settled already")]
    ConflictSettled {
        /// The conflict.
        conflict: String,
    },
    /// An answer is about something that is not asked.
    #[error("conflict {conflict} does not wait for an answer about {field}")]
    NotContested {
        /// The conflict.
        conflict: String,
        /// The field, without values.
        field: String,
    },
    /// There is no such run.
    #[error("no run {run} on this link")]
    UnknownRun {
        /// The run asked for.
        run: String,
    },
    /// No write to the remote side waits for this event.
    #[error("no write waits for event {event} on this link")]
    UnknownWrite {
        /// The event asked for.
        event: String,
    },
}

impl EngineError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Provider(error) => error.fault(),
            Self::Store(_) => Fault::Store,
            Self::Busy { .. }
            | Self::PlanChanged { .. }
            | Self::LinkMoved { .. }
            | Self::CopyRules { .. }
            | Self::CopiesUnsaid { .. }
            | Self::Circle(_)
            | Self::UnknownMatch { .. }
            | Self::UnknownWrite { .. }
            | Self::UnknownConflict { .. }
            | Self::ConflictSettled { .. }
            | Self::NotContested { .. }
            | Self::UnknownRun { .. } => Fault::Caller,
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Provider(error) => error.retry,
            Self::Store(error) => error.retry(),
            Self::Busy { .. } => Retry::Backoff,
            Self::PlanChanged { .. }
            | Self::LinkMoved { .. }
            | Self::CopyRules { .. }
            | Self::CopiesUnsaid { .. }
            | Self::Circle(_)
            | Self::UnknownMatch { .. }
            | Self::UnknownWrite { .. }
            | Self::UnknownConflict { .. }
            | Self::ConflictSettled { .. }
            | Self::NotContested { .. }
            | Self::UnknownRun { .. } => Retry::Never,
        }
    }

    /// Whether a person has to renew the credentials.
    pub fn needs_credentials(&self) -> bool {
        matches!(self, Self::Provider(error) if error.kind == ErrorKind::Unauthorized)
    }

    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }))
    }
}
