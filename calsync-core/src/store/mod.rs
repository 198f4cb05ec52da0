//! The plug-in trait for the host's database.
//!
//! In: one [`Batch`] per decision. Out: rows. A store keeps what it is given; it decides nothing.

mod batch;
mod budgets;
mod channels;
mod claims;
mod delivery;
mod doc;
mod error;
mod memory;
mod opening;
mod records;
mod tally;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

pub use batch::{Batch, CommitReceipt, Expectation, LeaseEnd, Log, Write};
pub use budgets::{Allowance, BUDGETS, Bucket, BudgetRequest, Budgets, Rate, StoreBudgets};
pub use channels::{
    CHANNEL_NAMES, CHANNELS, Channel, Channels, Found, KeptChannel, LinkChannels, ReadChannels,
    StoreChannels, change_channels,
};
pub use claims::{
    Backlog, Claim, ClaimRequest, Claims, DueDoc, Later, LaterDoc, LaterQuery, StoreClaims, WINDOW, Wakes,
    take_turns,
};
pub use delivery::{Announced, Delivery, DeliveryHealth, HasChannel, PollOptions};
pub use doc::{Doc, DocQuery};
pub use error::{StoreError, StoreErrorKind};
pub use memory::MemoryStore;
pub use opening::{
    Edits, LeaseRequest, NotedPairs, OpenLink, Opened, Opening, Pairs, Waiting, noted_pairs_by_reads,
    open_by_reads, pairs_by_reads, waiting_by_reads,
};
pub use records::{
    AnswerState, BaseQuery, BaseRecord, BaseState, BaseSummary, ConflictAnswer, ConflictRecord,
    ConflictState, EventRecord, FieldConflict, HeldDeletions, JournalEntry, JournalOp, LeaseGrant,
    LeaseToken, LeftOut, LinkHealth, LinkState, MatchAnswer, MatchQuestion, OutboxEntry, OutboxId, OutboxOp,
    OutboxState, QuarantineRecord, Record, RecordKind, RecordQuery, Revision, RunCounts, RunOutcome,
    RunRecord, SettledBy, Settlement, Take,
};
pub use tally::DeletionTally;

use crate::{
    feed::{Bell, EventSeq, FeedPage},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
};

/// The result of a call to a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The host's database.
///
/// # Guarantees
///
/// Each is checked by the case of the conformance suite (`calsync-testkit`) that is named with it.
///
/// 1. **Atomic visibility**: a batch is seen whole or not at all, also after a crash (`commit_is_atomic`,
///    `commit_is_atomic_over_existing_rows`).
/// 2. **Optimistic**: a batch whose expectations do not hold changes nothing and says which one failed first
///    (`expectations_are_checked`, `expectations_come_before_writes`); of writers that decided on the same state, one
///    wins (`one_of_concurrent_commits_wins`), also when what they agree on is that a UID is not there yet
///    (`uids_are_expected`, `one_of_concurrent_writers_makes_a_uid`), or the version of a document
///    (`doc_versions_are_expected`, `one_of_concurrent_workers_claims_a_doc`).
///    The writes of a batch are made in their order (`random_batches_agree_with_the_memory_store`).
/// 3. **Read your writes**: what was committed is in every later read of the same store
///    (`reads_see_earlier_commits`).
/// 4. **Monotonic revisions**: each written event of a calendar gets the next integer of that calendar, also when it is
///    deleted or brought back, and none is ever given out twice; no reader ever sees revision `n` before `n - 1`
///    (`revisions_grow_by_one`, `readers_see_no_gaps`).
/// 5. **Lease exclusivity**: of two holders at most one can commit; a token that was superseded or given back is
///    refused in the commit itself (`late_holder_is_fenced`, `late_holder_writes_nothing_of_any_kind`,
///    `lease_is_given_back`, `lease_is_given_back_with_a_batch`,
///    `one_of_concurrent_workers_gets_the_lease`). The epoch decides, not the time: a lease that ran out but was not
///    taken over still commits (`lease_is_taken_over_when_it_ran_out`), since no other holder can have.
/// 6. **Isolation of owners**: rows of one calendar or link never show up under another (`owners_are_isolated`), and
///    ids are compared byte by byte (`odd_names_are_told_apart`).
/// 7. **Exact**: what was written is what is read, text and payloads to the byte (`values_round_trip`,
///    `times_round_trip`, `payloads_round_trip`, `rows_round_trip`), instants to the microsecond at least
///    (`instants_are_exact`).
/// 8. **Unique pairs**: a link has one base per item and one per event (`one_base_per_event_and_item`), and one outbox
///    entry per event (`one_outbox_entry_per_event`).
/// 9. **Bounded forgetting**: a log is cut at its old end, oldest first, at most so many rows at a time
///    (`logs_are_cut_at_their_old_end`), and never loses an open conflict (`open_conflicts_are_never_purged`); deleted events go in the
///    order in which they were deleted, so many at a time or all at once (`deleted_events_are_forgotten_in_rounds`).
/// 10. **Documents**: no version of a key is given out twice (`doc_versions_never_come_back`); values are bytes
///     (`docs_round_trip`); what is due comes first to last, and only while it is due (`due_docs_come_in_order`).
///
/// 11. **Feeds**, where a store keeps them ([`Store::feed`]): every event that is written has its entry, in the transaction that
///     writes it (`feed_tells_every_change_once`, `refused_batch_tells_nothing`); entries are numbered by one in the order of
///     the commits, and no reader ever sees entry `n` before `n - 1` (`feed_has_no_gaps`); they are forgotten at their old end
///     only (`feed_is_cut_at_its_old_end`).
///
/// Lists are ordered by the bytes of their key and paged by their last key (`changes_are_paged_by_revision`,
/// `base_summaries_are_paged`, `outbox_is_ordered_and_paged`, `records_are_paged`, `docs_are_paged`), so every read
/// needs one index. A page that is shorter than its limit is the last. A
/// key that is asked for twice is answered once (`reads_by_key_answer_once`). A limit of 0 reads nothing.
#[async_trait]
pub trait Store: Send + Sync {
    /// All calendars, by id.
    async fn calendars(&self) -> Result<Vec<Calendar>>;

    /// Events by id, deleted ones included. Ids that are not there are left out; order is free.
    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>>;

    /// Events with one of these UIDs, deleted ones included. More than one may have the same.
    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>>;

    /// Events whose revision is greater than `after`, by revision, deleted ones included; at most `limit`.
    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>>;

    /// The state of a link, `None` before its first commit.
    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>>;

    /// What both sides last agreed on, for some items of a link.
    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>>;

    /// Names and versions of the items of a link by remote id, starting after `after`; at most `limit`.
    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>>;

    /// Outbox entries of a link by id, starting after `after`; at most `limit`.
    async fn outbox(&self, link: &LinkId, after: Option<&OutboxId>, limit: usize)
    -> Result<Vec<OutboxEntry>>;

    /// Conflicts, quarantined items, runs or journal entries, by their id, starting after the query's `after`.
    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>>;

    /// About how many rows a call reads or writes, where the engine may choose. Default: 200.
    ///
    /// A store that is far away, or behind the border of a language, takes more: each call costs it more than its rows. The memory
    /// of a run grows with it.
    fn rows_at_once(&self) -> usize {
        200
    }

    /// Documents of a space, by key, page by page, or by when they are due.
    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>>;

    /// What a run begins with, in one call: takes a lease, then reads the state of a link, what was edited since, and the first
    /// pages of its quarantine and of its outbox (`open_answers_what_the_reads_answer`); the bases of what was edited where they
    /// cost no call more (`open_reads_the_bases_of_what_was_edited`). Where the lease is not granted nothing is read
    /// (`open_takes_the_lease`).
    ///
    /// As it stands here it is those calls, one after the other; a store across a network makes one request of it.
    ///
    /// # Errors
    ///
    /// As of the calls it stands for. When a read fails, the lease may be left to run out.
    async fn open(&self, opening: Opening<'_>) -> Result<Opened> {
        open_by_reads(self, opening).await
    }

    /// The bases of some items with the events they are joined to, deleted ones included
    /// (`pairs_answer_what_the_reads_answer`). As it stands here it is [`Store::bases`] and [`Store::events`].
    async fn pairs(&self, link: &LinkId, calendar: &CalendarId, items: &[RemoteId]) -> Result<Pairs> {
        pairs_by_reads(self, link, calendar, items).await
    }

    /// The same with the documents of a space that have the ids of those events for keys
    /// (`noted_pairs_answer_what_the_reads_answer`). As it stands here it is [`Store::pairs`] and [`Store::docs`].
    async fn noted_pairs(
        &self,
        link: &LinkId,
        calendar: &CalendarId,
        items: &[RemoteId],
        space: &str,
    ) -> Result<NotedPairs> {
        noted_pairs_by_reads(self, link, calendar, items, space).await
    }

    /// A page of the outbox with the bases of the items it changes or deletes (`waiting_answers_what_the_reads_answer`). As it
    /// stands here it is [`Store::outbox`] and [`Store::bases`].
    async fn waiting(&self, link: &LinkId, after: Option<&OutboxId>, limit: usize) -> Result<Waiting> {
        waiting_by_reads(self, link, after, limit).await
    }

    /// The entries of a calendar's feed after one of them, in their order, at most `limit`, and which is the last; both of one
    /// moment (`feed_is_paged`). Of a calendar nobody wrote to it is empty.
    ///
    /// A store that keeps feeds gives every event it writes an entry, and the [`Batch::news`] theirs, with
    /// [`Additions`](crate::feed::Additions). As it stands here it keeps none: nothing else changes for its host.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unsupported`] when the store keeps no feeds.
    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        let _ = (calendar, after, limit);
        Err(StoreError::new(StoreErrorKind::Unsupported, "feed"))
    }

    /// Forgets entries of a calendar's feed: of the `limit` oldest, all up to the last one from before a time; a store that keeps
    /// entries of one commit together may keep those that came with a younger one, and take some more than `limit`. Answers how
    /// many: fewer than `limit` is all there were. Numbers are not given out again. As it stands here there is nothing to forget.
    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        let _ = (calendar, before, limit);
        Ok(0)
    }

    /// What rings in this process when a feed of this store has grown (`feed_rings`). As it stands here nothing does.
    fn bell(&self) -> Option<Bell> {
        None
    }

    /// Writes a batch: all of it, or nothing. The lease is checked first (`fencing_comes_before_expectations`), then the
    /// expectations, both against the state before the batch; then the writes are made in their order, and the lease is given
    /// back where the batch says so (`lease_is_given_back_with_a_batch`).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Fenced`] when the lease of the batch is not the current one, [`StoreErrorKind::Conflict`] when
    /// an expectation does not hold, [`StoreErrorKind::InvalidInput`] when a pair would not be unique any more: nothing
    /// was written. After any other error the batch may or may not have been written; a reader finds out.
    async fn commit(&self, batch: Batch) -> Result<CommitReceipt>;

    /// Takes the lease `name` for `holder` until `now + ttl`, or says until when somebody else has it. The same
    /// holder gets its lease renewed, with the same token while it has not run out (`lease_is_renewed_by_its_holder`).
    /// At the moment it ends it is free.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidInput`] when `ttl` is not positive or `now + ttl` is out of range
    /// (`lease_needs_a_duration`).
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant>;

    /// Gives a lease back: it is free, and its token is dead. A token that is not current any more is ignored.
    async fn release_lease(&self, token: &LeaseToken) -> Result<()>;
}
