//! What goes wrong with one call.

use serde::{Deserialize, Serialize};

/// The call a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Any read of the store.
    StoreRead,
    /// A commit.
    Commit,
    /// Taking, renewing or giving back a lease.
    Lease,
    /// A page of changes.
    List,
    /// Reading items by name.
    Fetch,
    /// A creation, an update or a deletion.
    Write,
}

/// One fault. It strikes the next call it fits, then it is gone. HTTP names say what it stands for; what a provider
/// makes of them is the error kind of the trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A read of the store fails.
    StoreReadFails,
    /// A commit fails and changes nothing.
    CommitFails,
    /// A commit finds no room and changes nothing.
    StoreFull,
    /// A commit is made and its answer is lost.
    CommitAnswerLost,
    /// A lease is neither granted nor refused.
    LeaseFails,
    /// A lease is granted, and the answer is lost.
    LeaseAnswerLost,
    /// 503 instead of a page.
    ListFails,
    /// 429 instead of a page.
    ListThrottled,
    /// 401 instead of a page.
    ListUnauthorized,
    /// 200 with HTML, or a body that was cut off.
    ListGarbled,
    /// A page that knows that it lacks an item.
    ListPartial,
    /// The page token died between two pages.
    ListPageExpires,
    /// An empty page with a token for the next one.
    ListEmptyPage,
    /// A replica that lags: nothing changed yet, and the old token again.
    ListStale,
    /// 503 instead of items.
    FetchFails,
    /// One item of several cannot be read for now.
    FetchItemFails,
    /// 200 with something else.
    FetchGarbled,
    /// 503, and nothing was written.
    WriteFails,
    /// 429 with `Retry-After`, and nothing was written.
    WriteThrottled,
    /// 401, and nothing was written.
    WriteUnauthorized,
    /// 403 for this one item.
    WriteForbidden,
    /// 507 for this one item.
    WriteTooLarge,
    /// 404 from a replica that has not heard of the item.
    WriteNotFound,
    /// A timeout before anything was written.
    WriteTimeoutBefore,
    /// A timeout, 502 or reset after it was written.
    WriteAnswerLost,
    /// 409 or 412 although it was written, by a proxy that sent it twice.
    WriteConflictThoughApplied,
    /// 429 although it was written.
    WriteThrottledThoughApplied,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::StoreReadFails,
        Self::CommitFails,
        Self::StoreFull,
        Self::CommitAnswerLost,
        Self::LeaseFails,
        Self::LeaseAnswerLost,
        Self::ListFails,
        Self::ListThrottled,
        Self::ListUnauthorized,
        Self::ListGarbled,
        Self::ListPartial,
        Self::ListPageExpires,
        Self::ListEmptyPage,
        Self::ListStale,
        Self::FetchFails,
        Self::FetchItemFails,
        Self::FetchGarbled,
        Self::WriteFails,
        Self::WriteThrottled,
        Self::WriteUnauthorized,
        Self::WriteForbidden,
        Self::WriteTooLarge,
        Self::WriteNotFound,
        Self::WriteTimeoutBefore,
        Self::WriteAnswerLost,
        Self::WriteConflictThoughApplied,
        Self::WriteThrottledThoughApplied,
    ];

    pub(crate) fn op(self) -> Op {
        match self {
            Self::StoreReadFails => Op::StoreRead,
            Self::CommitFails | Self::StoreFull | Self::CommitAnswerLost => Op::Commit,
            Self::LeaseFails | Self::LeaseAnswerLost => Op::Lease,
            Self::ListFails
            | Self::ListThrottled
            | Self::ListUnauthorized
            | Self::ListGarbled
            | Self::ListPartial
            | Self::ListPageExpires
            | Self::ListEmptyPage
            | Self::ListStale => Op::List,
            Self::FetchFails | Self::FetchItemFails | Self::FetchGarbled => Op::Fetch,
            Self::WriteFails
            | Self::WriteThrottled
            | Self::WriteUnauthorized
            | Self::WriteForbidden
            | Self::WriteTooLarge
            | Self::WriteNotFound
            | Self::WriteTimeoutBefore
            | Self::WriteAnswerLost
            | Self::WriteConflictThoughApplied
            | Self::WriteThrottledThoughApplied => Op::Write,
        }
    }

    /// Its place in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}
