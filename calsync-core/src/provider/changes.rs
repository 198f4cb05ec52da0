//! Pages of changes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Covered, Payload, ProviderError};
use crate::model::{RemoteId, Version};

/// Where a pull stopped: the provider's sync token or HTTP validators. Opaque to the engine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

/// How much to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullMode {
    /// What changed since the cursor, as cheaply as the provider can; everything without a cursor.
    #[default]
    Incremental,
    /// The names and versions of everything, whatever the cursor says: the audit that finds what a server forgot to
    /// report.
    Snapshot,
}

/// What to ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChangesRequest<'a> {
    /// The cursor of the last committed pull, or of the page before.
    pub cursor: Option<&'a Cursor>,
    /// How much.
    pub mode: PullMode,
}

/// What a page is evidence of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeScope {
    /// Only what changed: absence means nothing.
    Delta,
    /// A page of everything there is. After the last page, absence is evidence.
    Snapshot,
    /// A page of everything that could be listed; something is known to be missing. Absence means nothing. The cursor of a
    /// last page like this has to list again what was missing; when only an earlier page was like this, the engine keeps
    /// the cursor it had.
    PartialSnapshot,
}

/// One item of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The item.
    pub id: RemoteId,
    /// What is known of it.
    pub change: ItemChange,
}

/// What a page says of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// It is there.
    Present {
        /// Its version. `None`: unknown, must be fetched.
        version: Option<Version>,
        /// Its content, when the page carries it.
        payload: Option<Payload>,
    },
    /// The provider says it was deleted.
    Removed,
}

/// A page of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePage {
    /// The items, each at most once.
    pub changes: Vec<Change>,
    /// What the page is evidence of. All pages of one pull have the same scope.
    pub scope: ChangeScope,
    /// Where to go on: for the next page when `more`, else to be kept for the next pull.
    pub cursor: Option<Cursor>,
    /// Whether another page follows at once.
    pub more: bool,
    /// Which time the calendar is known for once this page is dealt with, and all before it: of a delta, too, that is what
    /// the whole calendar is known for. That of the last page counts.
    pub covered: Covered,
}

/// The answer for one item that was asked for.
#[derive(Debug)]
pub enum Fetched {
    /// Its content, with the version that belongs to it.
    Found {
        /// The item.
        id: RemoteId,
        /// Its version. `None` when the provider has none to give; then it cannot be written.
        version: Option<Version>,
        /// Its content.
        payload: Payload,
    },
    /// It is there, under the name the provider gave it when it was created: it was asked for by the one proposed.
    Renamed {
        /// The name proposed.
        asked: RemoteId,
        /// The item.
        id: RemoteId,
        /// Its version.
        version: Option<Version>,
        /// Its content.
        payload: Payload,
    },
    /// It is not there.
    Missing(RemoteId),
    /// It could not be read; others could.
    Failed(RemoteId, ProviderError),
}
