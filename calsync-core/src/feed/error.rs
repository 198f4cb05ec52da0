//! Why a feed ends.

use super::EventSeq;
use crate::store::{StoreError, StoreErrorKind};

/// A feed that cannot be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// What came after an entry is not kept any more, or the store knows no such entry, because it is older than whoever asks
    /// thinks. Read the calendar again as a whole, beginning with [`Feed::position`](super::Feed::position).
    #[error("the feed does not go on after entry {after}: read everything again")]
    Lost {
        /// The entry.
        after: EventSeq,
    },
    /// The store keeps no feed.
    #[error("this store keeps no feed")]
    NotKept,
    /// The store failed. Subscribe again, after the last entry that came.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for FeedError {
    fn from(error: StoreError) -> Self {
        if error.kind == StoreErrorKind::Unsupported { Self::NotKept } else { Self::Store(error) }
    }
}
