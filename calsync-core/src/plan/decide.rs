//! One decision per pair of events: an exhaustive table.

use serde::{Deserialize, Serialize};

use crate::merge::{ConflictPolicy, DeletionPolicy};

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

/// Whether the two were ever joined: the state of the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// They have none.
    First,
    /// They have a base.
    Joined,
    /// They have one that is left alone, because one side was deleted where the link may not delete the other.
    Parted,
}

/// The rules of a link that decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Which way changes go.
    pub direction: Direction,
    /// Who wins a field both sides changed.
    pub conflicts: ConflictPolicy,
    /// What becomes of an event that one side deleted and the other edited.
    pub deletions: DeletionPolicy,
}

impl Rules {
    /// Who wins a contested field: a link that goes one way has one side that is right.
    pub(crate) fn choosing(self) -> ConflictPolicy {
        match self.direction {
            Direction::Import if self.conflicts != ConflictPolicy::Manual => ConflictPolicy::RemoteWins,
            Direction::Export => ConflictPolicy::LocalWins,
            _ => self.conflicts,
        }
    }

    /// Whether a copy that somebody deleted is made again: only where the link says by its own word that the side of the
    /// source is right about deletions. A policy for contested fields says nothing about that.
    pub(crate) fn copies_return(self) -> bool {
        matches!(
            (self.direction, self.deletions),
            (Direction::Import, DeletionPolicy::RemoteWins) | (Direction::Export, DeletionPolicy::LocalWins)
        )
    }
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
    /// Bring the deleted local event back: the remote side was edited meanwhile, or what was deleted is a copy that returns.
    RestoreLocal,
    /// Make the deleted remote item again: the local side was edited meanwhile, or what was deleted is a copy that returns.
    RestoreRemote,
    /// Both are gone: forget the pair.
    Forget,
    /// One side is gone and the link may not delete the other: leave both alone from now on.
    Suppress,
    /// The item may be an event here: a person decides whether they are joined. Comes from matching, never from the table.
    Ask,
}

impl Action {
    /// Whether it deletes something.
    pub fn deletes(self) -> bool {
        matches!(self, Self::DeleteLocal | Self::DeleteRemote)
    }
}

/// Decides for one pair.
///
/// Total: every state of base, local and remote side has its arm, in every direction. Deletions are only planned here;
/// [`DeletionGuard`](super::DeletionGuard) judges all of a run together.
pub fn decide(meeting: Meeting, local: LocalSide, remote: RemoteSide, rules: Rules) -> Action {
    use Direction::{Export, Import, TwoWay};
    use LocalSide as L;
    use Meeting::{First, Joined, Parted};
    use RemoteSide as R;
    match (meeting, local, remote, rules.direction) {
        // Only here, and new. Safe: there is nothing on the other side that could be lost or doubled.
        (First, L::Unchanged | L::Changed, R::Absent | R::Removed, TwoWay | Export) => Action::CreateRemote,
        // The same where nothing may be written there. Safe: nothing is done.
        (First, L::Unchanged | L::Changed, R::Absent | R::Removed, Import) => Action::None,

        // Only there, and new. A deleted event without a base was deleted before the two ever met: it says nothing about
        // this item. Safe: a fresh event takes the place of none.
        (First, L::Absent | L::Deleted, R::Unchanged | R::Changed, TwoWay | Import) => Action::CreateLocal,
        // The same where nothing may be written here. Safe: nothing is done.
        (First, L::Absent | L::Deleted, R::Unchanged | R::Changed, Export) => Action::None,

        // On both sides: the same event came here by two ways. Safe: joining makes no copy, and what differs is merged
        // or put to the policy; a value on one side only is never taken for a deletion of it.
        (First, L::Unchanged | L::Changed, R::Unchanged | R::Changed, TwoWay | Import | Export) => {
            Action::Join
        }

        // On neither side. Safe: there is nothing.
        (First, L::Absent | L::Deleted, R::Absent | R::Removed, TwoWay | Import | Export) => Action::None,

        // At rest. Safe: both hold what they agreed on.
        (Joined, L::Unchanged, R::Unchanged, TwoWay | Import | Export) => Action::None,

        // Edited on one side or both. Safe: the merge moves only the fields that were changed, and what the direction
        // keeps from the other side still counts as changed.
        (Joined, L::Changed, R::Unchanged | R::Changed, TwoWay | Import | Export)
        | (Joined, L::Unchanged, R::Changed, TwoWay | Import | Export) => Action::Merge,

        // Deleted here, at rest there. Safe: the deletion is the only thing that happened since both agreed, and it
        // names the version they agreed on.
        (Joined, L::Deleted | L::Absent, R::Unchanged, TwoWay | Export) => Action::DeleteRemote,
        // The copy was deleted, and the link says that copies are as their source has them. Safe: a copy is made again from
        // a source that is there, and nothing is deleted.
        (Joined, L::Deleted | L::Absent, R::Unchanged | R::Changed, Import) if rules.copies_return() => {
            Action::RestoreLocal
        }
        // The copy was deleted, edited or not. Safe: the source may not be written, and the copy must not come back at
        // every run.
        (Joined, L::Deleted | L::Absent, R::Unchanged | R::Changed, Import) => Action::Suppress,

        // Deleted there, at rest here. Safe: `Removed` needs evidence, and the local deletion is soft.
        (Joined, L::Unchanged, R::Removed | R::Absent, TwoWay | Import) => Action::DeleteLocal,
        // The same of a copy over there. Safe: as above.
        (Joined, L::Unchanged | L::Changed, R::Removed | R::Absent, Export) if rules.copies_return() => {
            Action::RestoreRemote
        }
        // The copy was deleted, edited here or not. Safe: as above, the source stays.
        (Joined, L::Unchanged | L::Changed, R::Removed | R::Absent, Export) => Action::Suppress,

        // Deleted here, edited there. Safe: a deletion can be repeated and lost work cannot, so the edit survives unless
        // the link says otherwise; then the whole edited version is in the conflict record.
        (Joined, L::Deleted | L::Absent, R::Changed, TwoWay) => {
            if rules.deletions.keeps_remote_edit(rules.conflicts) {
                Action::RestoreLocal
            } else {
                Action::DeleteRemote
            }
        }
        // The source was deleted. Safe: what was edited is a copy, and its version is in the conflict record.
        (Joined, L::Deleted | L::Absent, R::Changed, Export) => Action::DeleteRemote,

        // Edited here, deleted there. Safe: as for the other way round.
        (Joined, L::Changed, R::Removed | R::Absent, TwoWay) => {
            if rules.deletions.keeps_local_edit(rules.conflicts) {
                Action::RestoreRemote
            } else {
                Action::DeleteLocal
            }
        }
        // The source was deleted. Safe: the local deletion is soft, and the edit is in the conflict record.
        (Joined, L::Changed, R::Removed | R::Absent, Import) => Action::DeleteLocal,

        // Gone on both sides. Safe: they agree.
        (Joined | Parted, L::Deleted | L::Absent, R::Removed | R::Absent, TwoWay | Import | Export) => {
            Action::Forget
        }
        // Left alone as long as anything of it is there. Safe: nothing is done.
        (
            Parted,
            L::Unchanged | L::Changed,
            R::Absent | R::Unchanged | R::Changed | R::Removed,
            TwoWay | Import | Export,
        )
        | (Parted, L::Absent | L::Deleted, R::Unchanged | R::Changed, TwoWay | Import | Export) => {
            Action::None
        }
    }
}
