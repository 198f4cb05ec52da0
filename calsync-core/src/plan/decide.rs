//! One decision per pair of events: an exhaustive table.

use serde::{Deserialize, Serialize};

use crate::merge::ConflictPolicy;

/// Which way a link carries changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways.
    #[default]
    TwoWay,
    /// From the remote calendar into the local one. Nothing is ever written to the remote side.
    Import,
    /// From the local calendar into the remote one. Nothing is ever written to the local side.
    Export,
}

impl Direction {
    /// Whether local events may be written.
    pub fn imports(self) -> bool {
        self != Self::Export
    }

    /// Whether remote items may be written.
    pub fn exports(self) -> bool {
        self != Self::Import
    }
}

/// What is known of the local event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalSide {
    /// There is none, and never was.
    Absent,
    /// As both sides last agreed.
    Unchanged,
    /// Edited since, or never joined.
    Changed,
    /// Deleted.
    Deleted,
}

/// What is known of the remote item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteSide {
    /// There is none, and never was.
    Absent,
    /// As both sides last agreed.
    Unchanged,
    /// Edited since, or never joined.
    Changed,
    /// Gone, and there is evidence for it.
    Removed,
}

/// Whether the two were ever joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// They have a base.
    Joined,
    /// They have none.
    First,
}

/// What to do with a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    None,
    /// Make the local event.
    CreateLocal,
    /// Make the remote item.
    CreateRemote,
    /// Join two events that were never joined, merging them.
    Join,
    /// Merge: either side, both or none may change.
    Merge,
    /// Delete the local event.
    DeleteLocal,
    /// Delete the remote item.
    DeleteRemote,
    /// Bring the deleted local event back: the remote side was edited meanwhile.
    RestoreLocal,
    /// Make the deleted remote item again: the local side was edited meanwhile.
    RestoreRemote,
    /// Both are gone: forget the pair.
    Forget,
    /// One side is gone and the link may not delete the other: leave both alone from now on.
    Suppress,
    /// The item may be an event here: a person decides whether they are joined. Comes from matching, never from the table.
    Ask,
}

/// Decides for one pair.
pub fn decide(
    meeting: Meeting,
    local: LocalSide,
    remote: RemoteSide,
    direction: Direction,
    policy: ConflictPolicy,
) -> Action {
    use LocalSide as L;
    use RemoteSide as R;
    match (meeting, local, remote) {
        // Never joined, on one side only: it is new. The other side has nothing that could be lost.
        (Meeting::First, L::Unchanged | L::Changed, R::Absent | R::Removed) => {
            if direction.exports() {
                Action::CreateRemote
            } else {
                Action::None
            }
        }
        (Meeting::First, L::Absent | L::Deleted, R::Unchanged | R::Changed) => {
            if direction.imports() {
                Action::CreateLocal
            } else {
                Action::None
            }
        }
        // Never joined, on both sides: the same event came here by two ways. Joining makes no copy.
        (Meeting::First, L::Unchanged | L::Changed, R::Unchanged | R::Changed) => Action::Join,
        // Never joined and gone: there is nothing to know.
        (Meeting::First, L::Absent | L::Deleted, R::Absent | R::Removed) => Action::None,

        // Joined and at rest.
        (Meeting::Joined, L::Unchanged, R::Unchanged) => Action::None,
        // Joined and edited somewhere: the merge finds out which fields go where, and what each direction lets pass.
        (Meeting::Joined, L::Changed, R::Unchanged | R::Changed)
        | (Meeting::Joined, L::Unchanged, R::Changed) => Action::Merge,

        // Deleted on one side, at rest on the other: the deletion is the only thing that happened.
        (Meeting::Joined, L::Deleted | L::Absent, R::Unchanged) => match direction {
            Direction::TwoWay | Direction::Export => Action::DeleteRemote,
            // The copy was deleted here; the source stays and must not come back at every run.
            Direction::Import => Action::Suppress,
        },
        (Meeting::Joined, L::Unchanged, R::Removed | R::Absent) => match direction {
            Direction::TwoWay | Direction::Import => Action::DeleteLocal,
            Direction::Export => Action::Suppress,
        },

        // Deleted on one side, edited on the other: the edit survives, because a deletion can be repeated and lost
        // work cannot. A policy that names a side follows that side.
        (Meeting::Joined, L::Deleted | L::Absent, R::Changed) => match (direction, policy) {
            (Direction::Import, _) => Action::Suppress,
            (Direction::Export, _) | (Direction::TwoWay, ConflictPolicy::LocalWins) => Action::DeleteRemote,
            (Direction::TwoWay, _) => Action::RestoreLocal,
        },
        (Meeting::Joined, L::Changed, R::Removed | R::Absent) => match (direction, policy) {
            (Direction::Export, _) => Action::Suppress,
            (Direction::Import, _) | (Direction::TwoWay, ConflictPolicy::RemoteWins) => Action::DeleteLocal,
            (Direction::TwoWay, _) => Action::RestoreRemote,
        },

        // Gone on both sides: they agree.
        (Meeting::Joined, L::Deleted | L::Absent, R::Removed | R::Absent) => Action::Forget,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every joined pair in which one side was deleted, for every direction and policy.
    #[test]
    fn deletions_as_a_table() {
        use Action::*;
        use Direction::*;
        let policies = [
            ConflictPolicy::RemoteWins,
            ConflictPolicy::LocalWins,
            ConflictPolicy::NewestWins,
            ConflictPolicy::KeepBoth,
            ConflictPolicy::Manual,
        ];
        #[rustfmt::skip]
        let table = [
            // local               remote                 direction  remote-wins    local-wins     newest, both, manual
            (LocalSide::Deleted,   RemoteSide::Unchanged, TwoWay, DeleteRemote,  DeleteRemote,  DeleteRemote),
            (LocalSide::Deleted,   RemoteSide::Unchanged, Import, Suppress,      Suppress,      Suppress),
            (LocalSide::Deleted,   RemoteSide::Unchanged, Export, DeleteRemote,  DeleteRemote,  DeleteRemote),
            (LocalSide::Unchanged, RemoteSide::Removed,   TwoWay, DeleteLocal,   DeleteLocal,   DeleteLocal),
            (LocalSide::Unchanged, RemoteSide::Removed,   Import, DeleteLocal,   DeleteLocal,   DeleteLocal),
            (LocalSide::Unchanged, RemoteSide::Removed,   Export, Suppress,      Suppress,      Suppress),
            (LocalSide::Deleted,   RemoteSide::Changed,   TwoWay, RestoreLocal,  DeleteRemote,  RestoreLocal),
            (LocalSide::Deleted,   RemoteSide::Changed,   Import, Suppress,      Suppress,      Suppress),
            (LocalSide::Deleted,   RemoteSide::Changed,   Export, DeleteRemote,  DeleteRemote,  DeleteRemote),
            (LocalSide::Changed,   RemoteSide::Removed,   TwoWay, DeleteLocal,   RestoreRemote, RestoreRemote),
            (LocalSide::Changed,   RemoteSide::Removed,   Import, DeleteLocal,   DeleteLocal,   DeleteLocal),
            (LocalSide::Changed,   RemoteSide::Removed,   Export, Suppress,      Suppress,      Suppress),
            (LocalSide::Deleted,   RemoteSide::Removed,   TwoWay, Forget,        Forget,        Forget),
        ];
        for (local, remote, direction, remote_wins, local_wins, others) in table {
            for policy in policies {
                let expected = match policy {
                    ConflictPolicy::RemoteWins => remote_wins,
                    ConflictPolicy::LocalWins => local_wins,
                    _ => others,
                };
                let action = decide(Meeting::Joined, local, remote, direction, policy);
                assert_eq!(action, expected, "{local:?} {remote:?} {direction:?} {policy:?}");
            }
        }
    }

    /// MAIL-05, I13: whatever happens, a one-way link never writes to its source.
    #[test]
    fn one_way_links_never_write_to_their_source() {
        let writes_remote = [Action::CreateRemote, Action::DeleteRemote, Action::RestoreRemote];
        let writes_local = [Action::CreateLocal, Action::DeleteLocal, Action::RestoreLocal];
        for meeting in [Meeting::Joined, Meeting::First] {
            for local in [LocalSide::Absent, LocalSide::Unchanged, LocalSide::Changed, LocalSide::Deleted] {
                for remote in
                    [RemoteSide::Absent, RemoteSide::Unchanged, RemoteSide::Changed, RemoteSide::Removed]
                {
                    for policy in
                        [ConflictPolicy::RemoteWins, ConflictPolicy::LocalWins, ConflictPolicy::Manual]
                    {
                        let action = |direction| decide(meeting, local, remote, direction, policy);
                        assert!(!writes_remote.contains(&action(Direction::Import)));
                        assert!(!writes_local.contains(&action(Direction::Export)));
                    }
                }
            }
        }
    }
}
