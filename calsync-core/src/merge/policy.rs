//! Who wins a field both sides changed.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The policy of a link for contested fields. Disjoint changes merge before any policy is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictPolicy {
    /// The remote side's value.
    #[default]
    RemoteWins,
    /// The local side's value.
    LocalWins,
    /// The value of the side that was changed last; the remote side's within the tolerance, or when a side does not
    /// tell its time.
    NewestWins,
    /// The remote side's value stays on the event; the local version becomes an event of its own.
    KeepBoth,
    /// Nobody's: both sides keep theirs until a person decides.
    Manual,
}

/// What is done with a contested field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The local value goes to the remote side.
    Local,
    /// The remote value goes to the local side.
    Remote,
    /// The remote value stays, and the local version is kept as a copy.
    Both,
    /// It waits for a person.
    Open,
}

impl Choice {
    /// Its name in records: `local`, `remote`, `both` or `open`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Both => "both",
            Self::Open => "open",
        }
    }
}

/// When each side was changed, as far as it says. Looked at by [`ConflictPolicy::NewestWins`] only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// When the local event was written.
    pub local: Option<DateTime<Utc>>,
    /// `LAST-MODIFIED` or the provider's word for it.
    pub remote: Option<DateTime<Utc>>,
}

/// Two times closer than this are one: clocks of different machines say no more.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

impl ConflictPolicy {
    /// The choice for any field of an event with these times.
    pub fn choose(self, freshness: Freshness) -> Choice {
        match self {
            Self::RemoteWins => Choice::Remote,
            Self::LocalWins => Choice::Local,
            Self::NewestWins => match (freshness.local, freshness.remote) {
                (Some(local), Some(remote)) if local - remote > TOLERANCE => Choice::Local,
                _ => Choice::Remote,
            },
            Self::KeepBoth => Choice::Both,
            Self::Manual => Choice::Open,
        }
    }

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::RemoteWins => "remote-wins",
            Self::LocalWins => "local-wins",
            Self::NewestWins => "newest-wins",
            Self::KeepBoth => "keep-both",
            Self::Manual => "manual",
        }
    }
}
