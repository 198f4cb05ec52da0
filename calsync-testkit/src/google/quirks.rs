//! Switches.

use serde::{Deserialize, Serialize};

/// Deviations and open questions, each off (or the documented value) by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleQuirks {
    /// Fewer rows on a page than asked for. Default: none.
    pub page_max: Option<usize>,
    /// Every second page is empty and has a next one, which the documentation allows.
    pub empty_pages: bool,
    /// Exceptions are listed before their masters.
    pub exceptions_first: bool,
    /// Cancelled exceptions have more than the three members that are guaranteed.
    pub full_cancelled_rows: bool,
    /// A write of a master gives its exceptions new tags.
    pub exceptions_follow_master: bool,
    /// The exceptions of a deleted master are listed as cancelled, too.
    pub cascade_listed: bool,
    /// Ids of deleted events can be used again.
    pub free_deleted_ids: bool,
    /// Parts of one batch past this number are answered 403 `rateLimitExceeded`.
    pub batch_throttles_after: Option<usize>,
    /// Parts of one batch that write the same series clash with 409 `conflict`.
    pub batch_conflicts: bool,
    /// A token that is no good is told in the parts of a batch, whose own answer is 200.
    pub batch_refuses_parts: bool,
    /// The answers of a batch come in reverse.
    pub batch_reversed: bool,
    /// The most parts of a batch. Default: 1000.
    pub batch_max: usize,
    /// `expiration` of a channel is a number and not a text.
    pub numeric_expiration: bool,
    /// The block of joining information is cut out of a description that is written.
    pub strips_joining_text: bool,
    /// The longest lifetime of a channel in seconds. Default: 604,800.
    pub channel_seconds_max: u64,
    /// Calls of channels are lost, as at a tenant behind a firewall.
    pub drops_notifications: bool,
}

/// The switches by name, each with another value than its default.
pub(super) const ABOUT: [(&str, &str, &str); 16] = [
    ("page_max", "2", "fewer rows on a page than asked for"),
    ("empty_pages", "true", "every second page is empty and has a next one"),
    ("exceptions_first", "true", "exceptions are listed before their masters"),
    (
        "full_cancelled_rows",
        "true",
        "cancelled exceptions have more than the three members that are guaranteed",
    ),
    ("exceptions_follow_master", "true", "a write of a master gives its exceptions new tags"),
    ("cascade_listed", "true", "the exceptions of a deleted master are listed as cancelled, too"),
    ("free_deleted_ids", "true", "ids of deleted events can be used again"),
    ("batch_throttles_after", "5", "parts of one batch past this number are answered 403 rateLimitExceeded"),
    ("batch_conflicts", "true", "parts of one batch that write the same series clash with 409 conflict"),
    (
        "batch_refuses_parts",
        "true",
        "a token that is no good is told in the parts of a batch, whose own answer is 200",
    ),
    ("batch_reversed", "true", "the answers of a batch come in reverse"),
    ("batch_max", "50", "the most parts of a batch"),
    ("numeric_expiration", "true", "`expiration` of a channel is a number and not a text"),
    (
        "strips_joining_text",
        "true",
        "the block of joining information is cut out of a description that is written",
    ),
    ("channel_seconds_max", "3600", "the longest lifetime of a channel"),
    ("drops_notifications", "true", "calls of channels are lost"),
];

impl Default for GoogleQuirks {
    fn default() -> Self {
        Self {
            page_max: None,
            empty_pages: false,
            exceptions_first: false,
            full_cancelled_rows: false,
            exceptions_follow_master: false,
            cascade_listed: false,
            free_deleted_ids: false,
            batch_throttles_after: None,
            batch_conflicts: false,
            batch_refuses_parts: false,
            batch_reversed: false,
            batch_max: 1000,
            numeric_expiration: false,
            strips_joining_text: false,
            channel_seconds_max: 604_800,
            drops_notifications: false,
        }
    }
}
