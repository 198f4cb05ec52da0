//! Who wins a field both sides changed, and who wins when one side deleted what the other edited.

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
    /// The value of the side that was changed last. The remote side's when the two times are at most 5 seconds apart,
    /// and when either is missing: a clock that says nothing is no reason to write to somebody else's calendar.
    ///
    /// What another link brought here was changed when its remote side says so, and not when it came in; when it came in
    /// where that side says nothing, nothing new, or a time to come.
    NewestWins,
    /// The remote side's value stays on the event; the local version becomes an event of its own, with a new UID, and
    /// without the people invited, so that nobody is mailed about it.
    KeepBoth,
    /// Nobody's: both sides keep theirs until a person decides.
    Manual,
    /// What the host's [`ConflictResolver`](super::ConflictResolver) says. Without one, when it fails and for fields it
    /// does not decide: as [`ConflictPolicy::Manual`].
    Resolver,
}

/// What becomes of an event that one side deleted and the other edited. A decision of its own: no field is merged.
///
/// On a link that goes one way the only such question is what becomes of a copy that somebody deletes. It stays deleted,
/// edited or not, unless the policy names the side of the source: [`RemoteWins`](Self::RemoteWins) on a link that imports,
/// [`LocalWins`](Self::LocalWins) on one that exports. Then it is made again, each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionPolicy {
    /// The edit survives: the event is brought back where it was deleted. The default: what a policy says of contested fields
    /// is no word for losing a whole event.
    #[default]
    KeepEdit,
    /// A [`ConflictPolicy`] that names a side follows that side; under every other one the edit survives.
    ByConflicts,
    /// The deletion is carried out; the edit is in the conflict record.
    Delete,
    /// As the remote side has it: edited or gone.
    RemoteWins,
    /// As the local side has it: edited or gone.
    LocalWins,
}

impl DeletionPolicy {
    /// Whether an event deleted here and edited there comes back here.
    pub fn keeps_remote_edit(self, conflicts: ConflictPolicy) -> bool {
        match self.settled(conflicts) {
            Self::ByConflicts | Self::KeepEdit | Self::RemoteWins => true,
            Self::Delete | Self::LocalWins => false,
        }
    }

    /// Whether an event edited here and deleted there is made again there.
    pub fn keeps_local_edit(self, conflicts: ConflictPolicy) -> bool {
        match self.settled(conflicts) {
            Self::ByConflicts | Self::KeepEdit | Self::LocalWins => true,
            Self::Delete | Self::RemoteWins => false,
        }
    }

    fn settled(self, conflicts: ConflictPolicy) -> Self {
        match (self, conflicts) {
            (Self::ByConflicts, ConflictPolicy::RemoteWins) => Self::RemoteWins,
            (Self::ByConflicts, ConflictPolicy::LocalWins) => Self::LocalWins,
            (own, _) => own,
        }
    }
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
    /// When the local event was edited.
    pub local: Option<DateTime<Utc>>,
    /// `LAST-MODIFIED` or the provider's word for it.
    pub remote: Option<DateTime<Utc>>,
}

/// Two times not further apart than this are one: clocks of different machines say no more.
pub(crate) const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

impl ConflictPolicy {
    /// The choice for any field of an event with these times.
    pub fn choose(self, freshness: Freshness) -> Choice {
        match self {
            Self::RemoteWins => Choice::Remote,
            Self::LocalWins => Choice::Local,
            Self::NewestWins => match (freshness.local, freshness.remote) {
                (Some(local), Some(remote)) if local.signed_duration_since(remote) > TOLERANCE => {
                    Choice::Local
                }
                _ => Choice::Remote,
            },
            Self::KeepBoth => Choice::Both,
            Self::Manual | Self::Resolver => Choice::Open,
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
            Self::Resolver => "resolver",
        }
    }
}
