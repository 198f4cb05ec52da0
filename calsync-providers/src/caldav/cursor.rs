//! Where a pull stopped.

use calsync_core::provider::Cursor;
use serde::{Deserialize, Serialize};

/// The change marker of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "m", content = "v")]
pub(crate) enum Marker {
    /// `D:sync-token` (RFC 6578).
    Token(String),
    /// `CS:getctag`: says that something changed, not what.
    Ctag(String),
    /// The server has neither: every pull lists.
    None,
}

/// What a [`Cursor`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    #[serde(flatten)]
    pub(crate) marker: Marker,
    /// This server offers a token but no report that takes it: do not ask again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) no_report: bool,
    /// Set while the pages of a truncated answer are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) paging: Option<Paging>,
}

/// A pull that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paging {
    /// Whether it is the first pull of the calendar.
    pub(crate) initial: bool,
    /// Pages so far.
    pub(crate) pages: u32,
}

impl State {
    pub(crate) fn new(marker: Marker) -> Self {
        Self { marker, no_report: false, paging: None }
    }

    /// `None` when the cursor is none of ours: another provider's, or of a version that is not known.
    pub(crate) fn read(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(crate) fn cursor(&self) -> Option<Cursor> {
        serde_json::to_string(self).ok().map(Cursor)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tok_08_a_cursor_of_another_kind_is_none_of_ours() {
        let state = State {
            marker: Marker::Token("http://example.com/ns/\"1\"".into()),
            no_report: true,
            paging: Some(Paging { initial: true, pages: 3 }),
        };
        assert_eq!(State::read(&state.cursor().unwrap()), Some(state));
        let plain = State::new(Marker::None);
        assert_eq!(State::read(&plain.cursor().unwrap()), Some(plain));
        for foreign in ["", "token", "{}", "[1]", "{\"m\":\"delta\",\"v\":\"x\"}"] {
            assert_eq!(State::read(&Cursor(foreign.into())), None, "{foreign}");
        }
    }
}
