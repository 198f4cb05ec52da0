//! Why something is done, in words for a person: the same from a run and from [`plan_pairs`](super::plan_pairs()).

use super::{Action, LocalSide, RemoteSide};

pub(crate) const NEW_HERE: &str = "it is new here";
pub(crate) const NEW_THERE: &str = "it is new on the remote side";
pub(crate) const SAME_EVENT: &str = "the same event is on both sides";
pub(crate) const EDITED_HERE: &str = "it was edited here";
pub(crate) const EDITED_THERE: &str = "it was edited on the remote side";
pub(crate) const EDITED_BOTH: &str = "both sides were edited";
pub(crate) const CONTESTED: &str = "both sides edited the same, and a person decides";
pub(crate) const AGREED: &str = "both sides agree";
pub(crate) const EDIT_THERE_SURVIVES: &str =
    "it was deleted here and edited on the remote side: the edit survives";
pub(crate) const EDIT_HERE_SURVIVES: &str =
    "it was deleted on the remote side and edited here: the edit survives";
/// A copy is made again.
pub(crate) const RETURNS: &str = "the copy was deleted, and the link says that it returns";

/// Why one side is deleted.
pub(crate) fn of_deletion(action: Action, local: LocalSide, remote: RemoteSide) -> &'static str {
    match (action, local, remote) {
        (Action::DeleteLocal, LocalSide::Changed, _) => {
            "it was deleted on the remote side, which wins over the edit here"
        }
        (Action::DeleteLocal, ..) => "it was deleted on the remote side",
        (_, _, RemoteSide::Changed) => "it was deleted here, which wins over the edit on the remote side",
        _ => "it was deleted here",
    }
}

/// Why a pair is left alone.
pub(crate) fn of_suppressing(local: LocalSide) -> &'static str {
    if matches!(local, LocalSide::Deleted | LocalSide::Absent) {
        "the copy was deleted here; the link may not delete the original"
    } else {
        "the copy was deleted on the remote side; the link may not delete the original"
    }
}
