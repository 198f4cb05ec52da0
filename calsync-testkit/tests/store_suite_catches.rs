//! The suite is worth something only when a wrong store fails it: each fault here, put into a store that is right, is
//! caught by the case that is named with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    provider::Payload,
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, ConflictState, Doc, DocQuery, Edits,
        EventRecord, Expectation, LeaseEnd, LeaseGrant, LeaseToken, LinkState, MemoryStore, Opened, Opening,
        OutboxEntry, OutboxId, Pairs, Record, RecordQuery, Result, Revision, Store, Waiting, Write,
        open_by_reads, pairs_by_reads, waiting_by_reads,
    },
};
use calsync_testkit::store_conformance::{
    batches, docs, leases, lists, logs, opening, owners, pairs, revisions, values,
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// What a store could do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    ChecksNoExpectations,
    ChecksNoLease,
    ForgetsToRelease,
    KeepsEndedLeases,
    OpensWithoutLease,
    OpensTheWholeCalendar,
    PairsLivingEventsOnly,
    WaitsWithoutBases,
    GrantsEveryLease,
    CommitsWriteByWrite,
    CommitsTheFirstWriteOnly,
    IgnoresCaseOfCalendars,
    CutsLongIds,
    CutsInstantsToMilliseconds,
    TurnsLineEnds,
    HidesDeleted,
    PurgesEverythingDeleted,
    ForgetsMoreThanAsked,
    DeletesForGood,
    RepeatsTheLastRowOfAPage,
    FiltersAfterTheLimit,
    IgnoresTheLimit,
    AnswersEachKey,
    ReadsLinksLate,
    ChecksNoUids,
    ForgetsDeletedUids,
    CountsDocsFromOne,
    DocsAreText,
    DueIsBefore,
    DueByKey,
    MixesSpaces,
    CutsLogsTooYoung,
    CutsLogsWhole,
    CutsOpenConflicts,
}
use Fault::*;

struct Faulty {
    right: MemoryStore,
    fault: Fault,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn calendar(&self, id: &CalendarId) -> CalendarId {
        match self.fault {
            IgnoresCaseOfCalendars => id.as_str().to_lowercase().into(),
            CutsLongIds => id.as_str().chars().take(255).collect::<String>().into(),
            _ => id.clone(),
        }
    }

    fn limit(&self, limit: usize) -> usize {
        if self.has(IgnoresTheLimit) { usize::MAX } else { limit }
    }

    /// The write as this store makes it.
    fn spoil(&self, mut write: Write) -> Write {
        match &mut write {
            Write::PutEvent { calendar, at, .. } | Write::DeleteEvent { calendar, at, .. } => {
                *calendar = self.calendar(calendar);
                if self.has(CutsInstantsToMilliseconds) {
                    *at = at.trunc_subsecs(3);
                }
            }
            Write::PurgeDeleted { before, .. } if self.has(PurgesEverythingDeleted) => {
                *before = DateTime::<Utc>::MAX_UTC;
            }
            Write::PurgeDeleted { limit, .. } if self.has(ForgetsMoreThanAsked) => {
                *limit = limit.saturating_add(1)
            }
            Write::PutConflict(row) if self.has(CutsOpenConflicts) => row.state = ConflictState::Resolved,
            Write::PurgeLog { before, .. } if self.has(CutsLogsTooYoung) => *before += TimeDelta::seconds(1),
            Write::PurgeLog { limit, .. } if self.has(CutsLogsWhole) => *limit = usize::MAX,
            Write::PutDoc(doc) if self.has(DocsAreText) => {
                doc.value = String::from_utf8_lossy(&doc.value).into_owned().into_bytes();
            }
            Write::PutDoc(Doc { space, .. }) | Write::DeleteDoc { space, .. } if self.has(MixesSpaces) => {
                space.make_ascii_lowercase();
            }
            Write::PutBase(base) if self.has(TurnsLineEnds) => {
                base.payload = Payload::new(base.payload.as_str().replace("\r\n", "\n"));
            }
            _ => {}
        }
        write
    }
}

fn batch(writes: Vec<Write>) -> Batch {
    Batch { writes, ..Batch::default() }
}

#[async_trait]
impl Store for Faulty {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.right.calendars().await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        let mut found = self.right.events(&self.calendar(calendar), ids).await?;
        found.retain(|record| !self.has(HidesDeleted) || record.deleted.is_none());
        Ok(found)
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.right.events_by_uid(&self.calendar(calendar), uids).await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        let again = u64::from(self.has(RepeatsTheLastRowOfAPage));
        let after = Revision(after.0.saturating_sub(again));
        self.right.events_since(&self.calendar(calendar), after, self.limit(limit)).await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        let mut state = self.right.link(link).await?;
        if let Some(state) = state.as_mut().filter(|_| self.has(ReadsLinksLate)) {
            state.generation -= 1;
        }
        Ok(state)
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        let BaseQuery::Remote(ids) = query else { return self.right.bases(link, query).await };
        if !self.has(AnswersEachKey) {
            return self.right.bases(link, query).await;
        }
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.right.bases(link, BaseQuery::Remote(std::slice::from_ref(id))).await?);
        }
        Ok(found)
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.right.base_summaries(link, after, self.limit(limit)).await
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.right.outbox(link, after, self.limit(limit)).await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        if !self.has(FiltersAfterTheLimit) {
            return self.right.records(RecordQuery { limit: self.limit(query.limit), ..query }).await;
        }
        let page = self.right.records(RecordQuery { event: None, run: None, ..query }).await?;
        let kept = self.right.records(RecordQuery { limit: usize::MAX, ..query }).await?;
        Ok(page.into_iter().filter(|record| kept.contains(record)).collect())
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        let query = match query {
            DocQuery::Due { at, limit } if self.has(DueIsBefore) => {
                DocQuery::Due { at: at - TimeDelta::microseconds(1), limit }
            }
            query => query,
        };
        let space = if self.has(MixesSpaces) { space.to_lowercase() } else { space.to_owned() };
        let mut found = self.right.docs(&space, query).await?;
        if self.has(DueByKey) {
            found.sort_by(|a, b| a.key.cmp(&b.key));
        }
        if self.has(CountsDocsFromOne) {
            found.iter_mut().for_each(|doc| doc.version = 1);
        }
        Ok(found)
    }

    async fn open(&self, mut opening: Opening<'_>) -> Result<Opened> {
        if self.has(OpensWithoutLease) {
            opening.lease = None;
        }
        let mut opened = open_by_reads(self, opening).await?;
        if self.has(OpensTheWholeCalendar)
            && let Opened::Link(found) = &mut opened
        {
            found.edits = Edits::Since(self.right.events_since(opening.calendar, Revision(0), 9).await?);
        }
        Ok(opened)
    }

    async fn pairs(&self, link: &LinkId, calendar: &CalendarId, items: &[RemoteId]) -> Result<Pairs> {
        let mut pairs = pairs_by_reads(self, link, calendar, items).await?;
        pairs.events.retain(|record| !self.has(PairsLivingEventsOnly) || record.deleted.is_none());
        Ok(pairs)
    }

    async fn waiting(&self, link: &LinkId, after: Option<&OutboxId>, limit: usize) -> Result<Waiting> {
        let mut waiting = waiting_by_reads(self, link, after, limit).await?;
        if self.has(WaitsWithoutBases) {
            waiting.bases.clear();
        }
        Ok(waiting)
    }

    async fn commit(&self, mut given: Batch) -> Result<CommitReceipt> {
        given.writes = given.writes.into_iter().map(|write| self.spoil(write)).collect();
        match self.fault {
            ChecksNoExpectations => given.expect.clear(),
            ChecksNoUids => given.expect.retain(|expect| !matches!(expect, Expectation::Uid { .. })),
            ForgetsDeletedUids => {
                for expect in &mut given.expect {
                    let Expectation::Uid { calendar, uid, events } = expect else { continue };
                    let found = self.right.events_by_uid(calendar, &[uid]).await?;
                    events.extend(found.into_iter().filter(|e| e.deleted.is_some()).map(|e| e.id));
                }
            }
            CountsDocsFromOne => {
                for expect in &mut given.expect {
                    if let Expectation::Doc { space, key, version: Some(version) } = expect
                        && let [doc] = &self.right.docs(space, DocQuery::Keys(&[key])).await?[..]
                    {
                        *version = doc.version;
                    }
                }
                let mut receipt = self.right.commit(given).await?;
                receipt.doc_versions.fill(1);
                return Ok(receipt);
            }
            ChecksNoLease => given.lease = None,
            KeepsEndedLeases => given.lease_end = LeaseEnd::Kept,
            CommitsTheFirstWriteOnly => given.writes.truncate(1),
            CommitsWriteByWrite => {
                self.right.commit(Batch { writes: Vec::new(), ..given.clone() }).await?;
                let mut receipt = CommitReceipt::default();
                for write in given.writes {
                    receipt.revisions.extend(self.right.commit(batch(vec![write])).await?.revisions);
                }
                return Ok(receipt);
            }
            DeletesForGood => {
                let purges: Vec<Write> = (given.writes.iter())
                    .filter_map(|write| match write {
                        Write::DeleteEvent { calendar, .. } => Some(calendar.clone()),
                        _ => None,
                    })
                    .map(|calendar| Write::PurgeDeleted {
                        calendar,
                        before: DateTime::<Utc>::MAX_UTC,
                        limit: usize::MAX,
                    })
                    .collect();
                given.writes.extend(purges);
            }
            _ => {}
        }
        self.right.commit(given).await
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        let holder = if self.has(GrantsEveryLease) { "everybody" } else { holder };
        self.right.acquire_lease(name, holder, now, ttl).await
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        if self.has(ForgetsToRelease) { Ok(()) } else { self.right.release_lease(token).await }
    }
}

/// Runs a case on a store with a fault, in a task of its own: it must panic.
macro_rules! caught {
    ($($fault:ident by $($case:ident)::+;)+) => {
        #[tokio::test]
        async fn every_fault_is_caught() {
            $(
                let store = Arc::new(Faulty { right: MemoryStore::new(), fault: $fault });
                let case = tokio::spawn(async move { $($case)::+(&store).await });
                let ended = case.await;
                assert!(
                    ended.is_err_and(|error| error.is_panic()),
                    "{:?} is not caught by {}", $fault, stringify!($($case)::+),
                );
            )+
        }
    };
}

caught! {
    ChecksNoExpectations by batches::expectations_are_checked;
    ChecksNoExpectations by batches::one_of_concurrent_commits_wins;
    ChecksNoLease by leases::late_holder_is_fenced;
    ChecksNoLease by leases::late_holder_writes_nothing_of_any_kind;
    ChecksNoLease by leases::made_up_tokens_are_refused;
    ForgetsToRelease by leases::lease_is_given_back;
    KeepsEndedLeases by leases::lease_is_given_back_with_a_batch;
    OpensWithoutLease by opening::open_takes_the_lease;
    OpensTheWholeCalendar by opening::open_answers_what_the_reads_answer;
    OpensTheWholeCalendar by opening::open_tells_what_was_edited;
    PairsLivingEventsOnly by opening::pairs_answer_what_the_reads_answer;
    WaitsWithoutBases by opening::waiting_answers_what_the_reads_answer;
    GrantsEveryLease by leases::one_of_concurrent_workers_gets_the_lease;
    GrantsEveryLease by leases::lease_is_taken_over_when_it_ran_out;
    CommitsWriteByWrite by batches::commit_is_atomic;
    CommitsWriteByWrite by batches::commit_is_atomic_over_existing_rows;
    CommitsTheFirstWriteOnly by batches::reads_see_earlier_commits;
    IgnoresCaseOfCalendars by owners::odd_names_are_told_apart;
    CutsLongIds by owners::odd_names_are_told_apart;
    CutsInstantsToMilliseconds by values::instants_are_exact;
    TurnsLineEnds by values::payloads_round_trip;
    HidesDeleted by revisions::deleted_events_stay_until_purged;
    PurgesEverythingDeleted by revisions::purge_takes_only_what_was_deleted_before;
    ForgetsMoreThanAsked by revisions::deleted_events_are_forgotten_in_rounds;
    DeletesForGood by revisions::deleted_events_stay_until_purged;
    DeletesForGood by batches::expectations_are_checked;
    RepeatsTheLastRowOfAPage by lists::changes_are_paged_by_revision;
    FiltersAfterTheLimit by lists::records_are_filtered;
    IgnoresTheLimit by lists::changes_are_paged_by_revision;
    IgnoresTheLimit by lists::base_summaries_are_paged;
    IgnoresTheLimit by lists::outbox_is_ordered_and_paged;
    IgnoresTheLimit by lists::records_are_paged;
    AnswersEachKey by pairs::reads_by_key_answer_once;
    ReadsLinksLate by pairs::link_generation_is_counted;
    ChecksNoExpectations by docs::doc_versions_are_expected;
    ChecksNoExpectations by docs::one_of_concurrent_workers_claims_a_doc;
    ChecksNoUids by batches::uids_are_expected;
    ChecksNoUids by batches::one_of_concurrent_writers_makes_a_uid;
    ForgetsDeletedUids by batches::uids_are_expected;
    CountsDocsFromOne by docs::doc_versions_never_come_back;
    CountsDocsFromOne by docs::doc_versions_are_expected;
    DocsAreText by docs::docs_round_trip;
    DueIsBefore by docs::due_docs_come_in_order;
    DueByKey by docs::due_docs_come_in_order;
    MixesSpaces by docs::spaces_are_isolated;
    CommitsWriteByWrite by docs::docs_are_part_of_the_batch;
    CommitsWriteByWrite by logs::purges_are_part_of_the_batch;
    CutsLogsTooYoung by logs::logs_are_cut_at_their_old_end;
    CutsLogsWhole by logs::logs_are_cut_at_their_old_end;
    CutsOpenConflicts by logs::open_conflicts_are_never_purged;
}
