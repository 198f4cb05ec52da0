//! Where a pull stopped.

use calsync_core::provider::Cursor;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Opaque to everybody else; kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// When the window of the delta query begins and ends.
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    pub(crate) phase: Phase,
    /// Something of this listing could not be named: absence means nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) partial: bool,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// The first round of a delta query, which comes before the listing: what changes meanwhile is told again.
    Start {
        /// The next page; `None` is the first.
        link: Option<String>,
    },
    /// The pages of the listing.
    List {
        /// The next page; `None` is the first.
        link: Option<String>,
        /// Where changes since are asked for.
        delta: String,
    },
    /// Changes.
    Delta {
        /// Where they are asked for.
        link: String,
        /// Whether more pages of this round follow.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mid: bool,
    },
}

impl State {
    pub(crate) fn read(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(crate) fn cursor(&self) -> Option<Cursor> {
        serde_json::to_string(self).ok().map(Cursor)
    }
}
