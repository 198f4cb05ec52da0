//! The suite is worth something only when a wrong provider fails it: each fault here, put into a provider that is right,
//! is caught by the case that is named with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangeScope, ChangesRequest, Covered, ErrorKind, Fetched, ItemChange,
        Payload, Provider, ProviderError, ReadError, RemoteCalendar, RenderRequest, Rendered, Result,
        UnreadKind, Written,
    },
};
use calsync_testkit::provider_conformance::{
    Account, Cannot, Edit, MemoryAccount, Sample, Trouble, names, run,
};
use futures_util::FutureExt;

/// What a provider could do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    TakesErrorsForEmpty,
    StopsAfterTheFirstPage,
    TellsItemsTwice,
    CallsPartsEverything,
    ForgetsDeletions,
    TellsEverythingEachTime,
    StartsAnewWithoutAWord,
    FailsOverOneBadItem,
    ReadsBadItems,
    ShiftsWholeDays,
    DropsInstances,
    IgnoresTheVersionOfUpdates,
    IgnoresTheVersionOfDeletions,
    CreatesUnderOtherNames,
    TakesLostAnswersForFailures,
    OverwritesTakenNames,
    TellsTheVersionOfBefore,
    FailsToDeleteTwice,
    CallsRefusalsOutages,
    AnswersOnlyWhatIsThere,
    CountsNoRequests,
}
use Fault::*;

/// Each fault with a case that catches it.
const CAUGHT: &[(Fault, &str)] = &[
    (TakesErrorsForEmpty, "half_an_answer_is_an_error"),
    (StopsAfterTheFirstPage, "a_long_listing_has_pages"),
    (TellsItemsTwice, "a_first_listing_is_complete"),
    (CallsPartsEverything, "a_new_item_is_named"),
    (ForgetsDeletions, "an_edit_and_a_deletion_are_named"),
    (TellsEverythingEachTime, "nothing_new_is_nothing"),
    (StartsAnewWithoutAWord, "a_lost_cursor_is_said_and_everything_is_listed"),
    (FailsOverOneBadItem, "one_bad_item_among_good_ones"),
    (ReadsBadItems, "one_bad_item_among_good_ones"),
    (ShiftsWholeDays, "all_01_whole_days_are_dates"),
    (DropsInstances, "a_series_is_one_item"),
    (IgnoresTheVersionOfUpdates, "an_update_of_what_changed_is_refused"),
    (IgnoresTheVersionOfDeletions, "a_deletion_of_what_changed_is_refused"),
    (CreatesUnderOtherNames, "a_name_is_known_before_the_write"),
    (TakesLostAnswersForFailures, "dup_a_creation_whose_answer_was_lost_is_one_item"),
    (OverwritesTakenNames, "a_name_that_is_taken_is_refused"),
    (TellsTheVersionOfBefore, "an_update_changes_what_it_says"),
    (FailsToDeleteTwice, "a_deletion_can_be_done_twice"),
    (CallsRefusalsOutages, "a_refused_write_is_refused_for_good"),
    (AnswersOnlyWhatIsThere, "what_is_missing_is_said_to_be"),
    (CountsNoRequests, "capabilities_stay_and_requests_are_counted"),
];

struct Faulty {
    right: MemoryAccount,
    fault: Fault,
    deleted: AtomicBool,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn inner(&self) -> &dyn Provider {
        self.right.provider()
    }

    async fn now(&self, calendar: &RemoteCalendarId, id: &RemoteId) -> Option<Version> {
        match self.inner().fetch(calendar, std::slice::from_ref(id)).await.ok()?.pop()? {
            Fetched::Found { version, .. } => version,
            _ => None,
        }
    }
}

#[async_trait]
impl Account for Faulty {
    fn provider(&self) -> &dyn Provider {
        self
    }

    fn calendar(&self) -> RemoteCalendarId {
        self.right.calendar()
    }

    fn page_max(&self) -> Option<usize> {
        self.right.page_max()
    }

    async fn put(&self, sample: Sample) -> std::result::Result<RemoteId, Cannot> {
        self.right.put(sample).await
    }

    async fn edit(&self, id: &RemoteId, edit: Edit) -> std::result::Result<(), Cannot> {
        self.right.edit(id, edit).await
    }

    async fn trouble(&self, trouble: Trouble) -> std::result::Result<(), Cannot> {
        self.right.trouble(trouble).await
    }

    async fn count(&self) -> usize {
        self.right.count().await
    }
}

#[async_trait]
impl Provider for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }

    fn requests(&self) -> u64 {
        if self.has(CountsNoRequests) { 0 } else { self.inner().requests() }
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.inner().calendars().await
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        let request = if self.has(TellsEverythingEachTime) {
            ChangesRequest { cursor: None, ..request }
        } else {
            request
        };
        let mut page = match self.inner().changes(calendar, request).await {
            Err(error) if self.has(StartsAnewWithoutAWord) && error.kind == ErrorKind::CursorInvalid => {
                self.inner().changes(calendar, ChangesRequest { cursor: None, ..request }).await?
            }
            Err(_) if self.has(TakesErrorsForEmpty) => ChangePage {
                changes: Vec::new(),
                scope: ChangeScope::Snapshot,
                cursor: None,
                more: false,
                covered: Covered::ALL,
            },
            answer => answer?,
        };
        match self.fault {
            StopsAfterTheFirstPage => page.more = false,
            TellsItemsTwice => page.changes.extend(page.changes.first().cloned()),
            CallsPartsEverything => page.scope = ChangeScope::Snapshot,
            ForgetsDeletions => page.changes.retain(|change| change.change != ItemChange::Removed),
            FailsOverOneBadItem => {
                let ids: Vec<RemoteId> = page.changes.iter().map(|change| change.id.clone()).collect();
                for one in self.inner().fetch(calendar, &ids).await? {
                    if let Fetched::Found { payload, .. } = one
                        && self.inner().read(&payload).is_err()
                    {
                        return Err(ProviderError::new(ErrorKind::Protocol, "changes", "cannot be read"));
                    }
                }
            }
            _ => {}
        }
        Ok(page)
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        let mut answers = self.inner().fetch(calendar, ids).await?;
        if self.has(AnswersOnlyWhatIsThere) {
            answers.retain(|answer| !matches!(answer, Fetched::Missing(_)));
        }
        Ok(answers)
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        let mut event = match self.inner().read(payload) {
            Err(_) if self.has(ReadsBadItems) => Sample::Single(7).event(),
            answer => answer?,
        };
        if self.has(DropsInstances) {
            event.overrides.clear();
        }
        if self.has(ShiftsWholeDays)
            && let Some(body) = &mut event.master
            && body.time.is_all_day()
        {
            let noon = Sample::Single(0).event().master.map(|other| other.time);
            body.time = noon
                .ok_or_else(|| ReadError { kind: UnreadKind::Unreadable, reason: "no sample".to_owned() })?;
        }
        Ok(event)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.inner().render(request)
    }

    fn propose_id(&self, calendar: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        self.inner().propose_id(calendar, event, fresh)
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        if self.has(OverwritesTakenNames)
            && let Some(version) = self.now(calendar, id).await
        {
            return self.inner().update(calendar, id, &version, payload).await;
        }
        let other = RemoteId::from(format!("{id}-other"));
        let name = if self.has(CreatesUnderOtherNames) { &other } else { id };
        self.inner().create(calendar, name, payload).await.map_err(|error| match self.fault {
            TakesLostAnswersForFailures => ProviderError::new(error.kind, "create", "failed"),
            CallsRefusalsOutages => ProviderError::new(ErrorKind::Unavailable, "create", "failed"),
            _ => error,
        })
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        let now = self.now(calendar, id).await;
        let version = if self.has(IgnoresTheVersionOfUpdates) { now } else { None };
        let written =
            self.inner().update(calendar, id, version.as_ref().unwrap_or(expected), payload).await?;
        let told = if self.has(TellsTheVersionOfBefore) { Some(expected.clone()) } else { written.version };
        Ok(Written { version: told, ..written })
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        if self.has(FailsToDeleteTwice) && self.deleted.swap(true, Ordering::Relaxed) {
            return Err(ProviderError::new(ErrorKind::NotFound, "delete", "gone"));
        }
        let now = self.now(calendar, id).await;
        let version = if self.has(IgnoresTheVersionOfDeletions) { now } else { None };
        self.inner().delete(calendar, id, version.as_ref().unwrap_or(expected)).await
    }
}

#[tokio::test]
async fn every_fault_is_caught() {
    let mut missed = Vec::new();
    for (fault, case) in CAUGHT {
        assert!(names().contains(case), "{case}");
        let account =
            Faulty { right: MemoryAccount::default(), fault: *fault, deleted: AtomicBool::new(false) };
        let judged = std::panic::AssertUnwindSafe(run(case, &account)).catch_unwind().await;
        if judged.is_ok() {
            missed.push((fault, case));
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
