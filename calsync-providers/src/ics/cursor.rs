//! What is kept from one fetch of a feed to the next.

use calsync_core::provider::{Cursor, ErrorKind, ProviderError};
use serde::{Deserialize, Serialize};

use super::items::{Item, Naming};

/// Raised when names or versions of items are made in another way: older cursors are then refused.
const FORM: u32 = 1;
/// How many items are remembered to find out whether UIDs stay.
const SAMPLE: usize = 16;
/// How many times a content came under another UID, over all fetches, before UIDs count as invented.
const PAIRS_MIN: usize = 3;
/// On how many fetches. A feed that changes its program gives all its events new UIDs once.
const FETCHES_MIN: usize = 2;
/// UIDs that stayed for so long are stable, whatever they were before. Longer than a month, as there are servers that
/// make a feed anew only every month.
const SETTLED_SECONDS: i64 = 35 * 86_400;
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
    /// Short forms of some of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<u32>,
    /// How many items the last listing had, when it was too different to be trusted at once. All else is of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) doubtful: Option<usize>,
    /// Whether the feed invents UIDs.
    #[serde(default)]
    unstable_uids: bool,
    /// The fetches on which UIDs were seen to change.
    #[serde(default)]
    uid_changes: UidChanges,
    /// Content and UID of some items.
    #[serde(default)]
    sample: Vec<(u64, u64)>,
    /// How long the feed asks to be left alone, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_seconds: Option<u64>,
}

/// What was seen of contents that came under other UIDs than the time before.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct UidChanges {
    fetches: usize,
    pairs: usize,
    /// The last of those fetches, in seconds since 1970.
    last: i64,
}

/// What two fetches say about the UIDs of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uids {
    /// They changed, all that could be compared, but not often enough yet to say that they always do.
    InDoubt,
    /// Nothing stands against what is known of them.
    AsKnown,
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

    /// Whether the listing remembered is one that was handed on. Earlier versions remembered one in doubt.
    pub(super) fn is_of_trusted_listing(&self) -> bool {
        self.doubtful.is_none() || !self.names.is_empty()
    }

    pub(super) fn feed(&self) -> &str {
        &self.feed
    }

    pub(super) fn naming(&self) -> Naming {
        if self.unstable_uids { Naming::Content } else { Naming::Uid }
    }

    /// Compares the items with those remembered, and remembers them in turn.
    ///
    /// A feed invents UIDs when most of its items came under another UID, and none under the same one, on two fetches,
    /// and three items in all. One event that was replaced by an equal one says nothing. Once found out it stays so
    /// until its UIDs have stayed for five weeks: its items change their names with each turn.
    pub(super) fn compare_uids(&mut self, items: &[Item]) -> Uids {
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
        let (mut same, mut changed) = (0, 0);
        for (content, before) in &self.sample {
            match known(*content) {
                Some((_, now)) if now == before => same += 1,
                Some(_) => changed += 1,
                None => {}
            }
        }
        let is_most = |pairs: usize| pairs * 2 > now.len().min(SAMPLE);
        let mut uids = Uids::AsKnown;
        if same == 0 && is_most(changed) {
            let known = self.uid_changes;
            self.uid_changes =
                UidChanges { fetches: known.fetches + 1, pairs: known.pairs + changed, last: self.read_at };
            let is_proved = self.uid_changes.fetches >= FETCHES_MIN && self.uid_changes.pairs >= PAIRS_MIN;
            if is_proved {
                self.unstable_uids = true;
            } else if !self.unstable_uids {
                uids = Uids::InDoubt;
            }
        } else if changed == 0
            && is_most(same)
            && self.read_at.saturating_sub(self.uid_changes.last) >= SETTLED_SECONDS
        {
            self.uid_changes = UidChanges::default();
            self.unstable_uids = false;
        }
        // The lowest hashes: of contents that stay, the same ones are remembered every time.
        self.sample = now.into_iter().take(SAMPLE).collect();
        uids
    }
}
