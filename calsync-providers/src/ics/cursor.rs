//! What is kept from one fetch of a feed to the next.

use calsync_core::provider::{Cursor, ErrorKind, ProviderError};
use serde::{Deserialize, Serialize};

use super::items::{Item, Naming};

/// Raised when names or versions of items are made in another way: older cursors are then refused.
const FORM: u32 = 1;
/// How many items are remembered to find out whether UIDs stay.
const SAMPLE: usize = 16;
/// How long the answer "unchanged" is believed.
const TRUST_SECONDS: i64 = 86_400;

/// Serialised, a [`Cursor`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    form: u32,
    /// The fingerprint of the source: a cursor is no good for another feed.
    feed: String,
    /// Where the feed moved for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) moved_to: Option<String>,
    #[serde(default)]
    pub(super) validators: Validators,
    /// When the whole feed was last read, in seconds since 1970.
    #[serde(default)]
    pub(super) read_at: i64,
    /// Hash of the bytes.
    #[serde(default)]
    pub(super) body: String,
    /// Hash of the names and versions.
    #[serde(default)]
    pub(super) listing: String,
    /// How many items the last trusted listing had.
    #[serde(default)]
    pub(super) items: usize,
    /// How many the last one had, when it had too few to be trusted at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) doubtful: Option<usize>,
    /// Whether the feed invents UIDs.
    #[serde(default)]
    unstable_uids: bool,
    /// Content and UID of some items.
    #[serde(default)]
    sample: Vec<(u64, u64)>,
    /// How long the feed asks to be left alone, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_seconds: Option<u64>,
}

/// HTTP validators (RFC 9110 section 8.8), as the server wrote them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
}

impl Validators {
    pub(super) fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

impl State {
    pub(super) fn new(feed: &str) -> Self {
        Self { form: FORM, feed: feed.to_owned(), ..Self::default() }
    }

    /// # Errors
    ///
    /// `CursorInvalid` for the cursor of another feed, another form, or none of ours.
    pub(super) fn read(cursor: &Cursor, feed: &str) -> Result<Self, ProviderError> {
        let invalid = |detail: &str| ProviderError::new(ErrorKind::CursorInvalid, "changes", detail);
        let state: Self =
            serde_json::from_str(&cursor.0).map_err(|_| invalid("the cursor is not of this provider"))?;
        if state.feed != feed {
            return Err(invalid("the cursor is of another feed"));
        }
        if state.form != FORM {
            return Err(invalid("the cursor is of another version"));
        }
        Ok(state)
    }

    pub(super) fn write(&self) -> Result<Cursor, ProviderError> {
        let text = serde_json::to_string(self).map_err(|error| {
            ProviderError::new(ErrorKind::Internal, "changes", "the cursor cannot be written")
                .with_source(error)
        })?;
        Ok(Cursor(text))
    }

    /// Whether the server may be asked on condition. Not when the last listing is in doubt and has to be seen again, and
    /// not when nothing but "unchanged" was heard for a day: some servers never stop saying it.
    pub(super) fn may_ask_on_condition(&self, now: i64) -> bool {
        self.doubtful.is_none() && (0..TRUST_SECONDS).contains(&now.saturating_sub(self.read_at))
    }

    pub(super) fn feed(&self) -> &str {
        &self.feed
    }

    pub(super) fn naming(&self) -> Naming {
        if self.unstable_uids { Naming::Content } else { Naming::Uid }
    }

    /// Compares the items with those remembered, and remembers them in turn. Once a feed was found to invent UIDs it
    /// stays so: its items would otherwise change names again.
    pub(super) fn compare_uids(&mut self, items: &[Item]) {
        let mut now: Vec<(u64, u64)> = items.iter().filter_map(Item::sample).collect();
        now.sort_unstable();
        // Items alike in content cannot be told apart by it.
        let single = |at: usize| {
            let content = now.get(at).map(|(content, _)| content);
            let is_other = |other: Option<&(u64, u64)>| other.map(|(content, _)| content) != content;
            is_other(at.checked_sub(1).and_then(|at| now.get(at))) && is_other(now.get(at + 1))
        };
        let now: Vec<(u64, u64)> =
            now.iter().enumerate().filter(|(at, _)| single(*at)).map(|(_, pair)| *pair).collect();
        let known = |content: u64| {
            let at = now.binary_search_by_key(&content, |(content, _)| *content).ok()?;
            now.get(at)
        };
        let pairs = || self.sample.iter().filter_map(|(content, uid)| Some((*uid, known(*content)?.1)));
        if pairs().next().is_some() && pairs().all(|(before, now)| before != now) {
            self.unstable_uids = true;
        }
        // The lowest hashes: of contents that stay, the same ones are remembered every time.
        self.sample = now.into_iter().take(SAMPLE).collect();
    }
}
