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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionPolicy {
    /// A [`ConflictPolicy`] that names a side follows that side; under every other one the edit survives.
    #[default]
    ByConflicts,
    /// The edit survives: the event is brought back where it was deleted.
    KeepEdit,
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
    /// When the local event was written.
    pub local: Option<DateTime<Utc>>,
    /// `LAST-MODIFIED` or the provider's word for it.
    pub remote: Option<DateTime<Utc>>,
}

/// Two times not further apart than this are one: clocks of different machines say no more.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Times in milliseconds; what does not tell its time is `None`.
    #[test]
    fn who_wins_a_field() {
        use Choice::*;
        #[rustfmt::skip]
        let table = [
            // local,       remote,       remote-wins, local-wins, newest-wins, keep-both, manual, resolver
            (Some(10_000),  Some(20_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
            (Some(20_000),  Some(10_000), [Remote,     Local,      Local,       Both,      Open,   Open]),
            (Some(10_000),  Some(10_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
            // Within five seconds nobody is newer, and the remote side's value stays.
            (Some(15_000),  Some(10_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
            (Some(15_001),  Some(10_000), [Remote,     Local,      Local,       Both,      Open,   Open]),
            (Some(10_000),  Some(15_001), [Remote,     Local,      Remote,      Both,      Open,   Open]),
            // A side that does not tell.
            (None,          Some(10_000), [Remote,     Local,      Remote,      Both,      Open,   Open]),
            (Some(10_000),  None,         [Remote,     Local,      Remote,      Both,      Open,   Open]),
            (None,          None,         [Remote,     Local,      Remote,      Both,      Open,   Open]),
            // The ends of time.
            (Some(8_210_266_876_799_000), Some(-8_334_601_228_800_000), [Remote, Local, Local, Both, Open, Open]),
        ];
        let policies = [
            ("remote-wins", ConflictPolicy::RemoteWins),
            ("local-wins", ConflictPolicy::LocalWins),
            ("newest-wins", ConflictPolicy::NewestWins),
            ("keep-both", ConflictPolicy::KeepBoth),
            ("manual", ConflictPolicy::Manual),
            ("resolver", ConflictPolicy::Resolver),
        ];
        for (local, remote, expected) in table {
            let time = |at: Option<i64>| at.and_then(DateTime::from_timestamp_millis);
            let freshness = Freshness { local: time(local), remote: time(remote) };
            for ((name, policy), expected) in policies.into_iter().zip(expected) {
                assert_eq!(policy.choose(freshness), expected, "{name} {local:?} {remote:?}");
                assert_eq!(policy.name(), name);
                assert_eq!(serde_json::to_value(policy).ok(), Some(name.into()));
            }
        }
        for choice in [Local, Remote, Both, Open] {
            assert_eq!(serde_json::to_value(choice).ok(), Some(choice.name().into()));
        }
    }
}
