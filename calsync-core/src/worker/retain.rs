//! Forgetting what is old: logs, and soft deletes every link has seen.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::RetainOptions;
use crate::{
    engine::settled::{forget, forgettable},
    model::{CalendarId, LinkId},
    schedule::{Entry, Priority, Task},
    store::{Batch, DocQuery, Log, Store, StoreError, Write},
};

/// Entries read at once.
const PAGE: usize = 200;

/// Forgets what is old of every link in the schedule, in bounded commits. Links that run do so themselves when they compare
/// everything; this is for those that are paused, fail, or ran once.
pub(super) async fn retain(
    store: &dyn Store,
    options: &RetainOptions,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let before = now - options.keep_deleted;
    // A calendar's deletions are forgotten when each of its links has run since they were made.
    let mut seen: BTreeMap<CalendarId, bool> = BTreeMap::new();
    for link in links(store).await? {
        for log in [Log::Runs, Log::Journal, Log::ResolvedConflicts] {
            for _ in 0..options.batches {
                let before = now - options.keep_log;
                let purge = Write::PurgeLog { link: link.clone(), log, before, limit: options.batch };
                let receipt = store.commit(Batch { writes: vec![purge], ..Batch::default() }).await?;
                if receipt.purged.first().is_none_or(|purged| *purged < options.batch) {
                    break;
                }
            }
        }
        if let Some(state) = store.link(&link).await? {
            let ran = state.last_success.is_some_and(|success| success > before);
            let all = seen.entry(state.calendar).or_insert(true);
            *all = *all && ran;
        }
    }
    // Those without a link as well: bookings and the host's own edits are told too.
    let mut told: BTreeSet<CalendarId> =
        store.calendars().await?.into_iter().map(|calendar| calendar.id).collect();
    told.extend(seen.keys().cloned());
    for calendar in told {
        for _ in 0..options.batches {
            let before = now - options.keep_log;
            if store.forget_feed(&calendar, before, options.batch).await? < options.batch {
                break;
            }
        }
    }
    for (calendar, _) in seen.into_iter().filter(|(_, all)| *all) {
        let before = forgettable(store, &calendar, before, now, None).await?;
        forget(store, &calendar, before, (options.deleted_batch, options.batches)).await?;
    }
    Ok(())
}

async fn links(store: &dyn Store) -> Result<Vec<LinkId>, StoreError> {
    let mut links = Vec::new();
    for space in Priority::SPACES {
        let mut after: Option<String> = None;
        loop {
            let page = store.docs(space, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for doc in page {
                if let Some(Entry { task: Task::Sync(link), .. }) = doc.read() {
                    links.push(link);
                }
            }
        }
    }
    Ok(links)
}
