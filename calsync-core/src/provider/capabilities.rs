//! What a provider can do, as data.

use serde::{Deserialize, Serialize};

/// Abilities and limits of a provider. The engine asks these, never which provider it is.
///
/// Names follow one grammar: `verb`, `verb_with_x`, `verb_can_x`, `x_max`. What is not claimed returns
/// [`ErrorKind::Unsupported`](super::ErrorKind::Unsupported); what is claimed is tested by the conformance suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Changes since a cursor can be asked for, at a cost that does not grow with the calendar.
    pub pull_incremental: bool,
    /// Pages of changes carry payloads; there is nothing to fetch.
    pub pull_with_payload: bool,
    /// Whether an absence in a complete snapshot may only mean that the item left the window that is listed. What is over is
    /// kept; with `pull_incremental`, too, the rest is asked for by name before it counts as deleted.
    pub pull_window_slides: bool,
    /// Items can be created, updated and deleted.
    pub write: bool,
    /// Writing participants makes the provider mail them.
    pub write_mails_people: bool,
    /// Items say whether the owner of their calendar declined them.
    pub tells_declined: bool,
    /// The most items one fetch may name; `0` is no limit.
    pub fetch_max: usize,
    /// The most requests this provider takes at once.
    pub requests_max: usize,
    /// The provider can be asked to call when a calendar changes.
    pub watch: bool,
    /// The longest a subscription may last, in seconds; `0` is not known.
    pub watch_seconds_max: u64,
    /// Busy times of calendars can be asked for.
    pub free_busy: bool,
    /// The longest window of one question for busy times, in days; `0` is no limit.
    pub free_busy_days_max: u32,
}
