//! Where a pull stopped.

use calsync_core::provider::Cursor;
use serde::{Deserialize, Serialize};

/// What a [`Cursor`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "google")]
pub(crate) enum State {
    /// Everything up to this sync token is known.
    Done { token: String },
    /// In the middle of the pages of a listing.
    Paging {
        /// The token of the next page.
        page: String,
        /// The sync token the pull began with; none for a listing of everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// What the pages before have left to be put together.
        round: u64,
    },
}

impl State {
    /// `None` when the cursor is none of ours: another provider's, or of a version that is not known.
    pub(crate) fn read(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(crate) fn cursor(&self) -> Option<Cursor> {
        serde_json::to_string(self).ok().map(Cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tok_08_a_cursor_of_another_kind_is_none_of_ours() {
        for state in [
            State::Done { token: "CPDA".into() },
            State::Paging { page: "p".into(), token: None, round: 3 },
            State::Paging { page: "p".into(), token: Some("t".into()), round: u64::MAX },
        ] {
            assert_eq!(State::read(&state.cursor().unwrap()), Some(state));
        }
        for foreign in ["", "token", "{}", "{\"m\":\"token\",\"v\":\"x\"}", "{\"google\":\"other\"}"] {
            assert_eq!(State::read(&Cursor(foreign.into())), None, "{foreign}");
        }
    }
}
