//! A calendar of any size that takes no room: what an item holds follows from its number and how often it was changed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use calsync_core::model::{Event, RemoteCalendarId, RemoteId};
use calsync_core::provider::{
    Capabilities, Change, ChangePage, ChangeScope, ChangesRequest, Covered, Cursor, ErrorKind, Fetched,
    ItemChange, Payload, Provider, ProviderError, PullMode, ReadError, RemoteCalendar, Result, UnreadKind,
};
use calsync_testkit::{remote::payload_of, world::event};

/// Items on a page of a listing, as Google has them.
const PAGE: usize = 2500;
/// What the cursor of a listing that is not at its end begins with.
const LISTING: &str = "listing@";

/// A calendar at a provider that tells what changed, made up as it is asked for.
#[derive(Default)]
pub(super) struct Generated {
    state: Mutex<State>,
    requests: AtomicU64,
}

#[derive(Default)]
struct State {
    /// How often each item was changed, by number.
    changes: Vec<u32>,
    /// The numbers of what changed, in order. A cursor is a place in it.
    log: Vec<usize>,
}

impl Generated {
    /// New items until there are so many.
    pub(super) fn grow(&self, size: usize) {
        let mut state = self.lock();
        let from = state.changes.len();
        state.changes.resize(size.max(from), 0);
        state.log.extend(from..size);
    }

    /// Somebody changes items.
    pub(super) fn change(&self, items: impl IntoIterator<Item = usize>) {
        let mut state = self.lock();
        for item in items {
            if let Some(changes) = state.changes.get_mut(item) {
                *changes += 1;
                state.log.push(item);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(item: usize) -> RemoteId {
    RemoteId::from(format!("item-{item:07}"))
}

fn number(id: &RemoteId) -> Option<usize> {
    id.as_str().strip_prefix("item-")?.parse().ok()
}

fn version(changes: u32) -> Option<calsync_core::model::Version> {
    Some(format!("v{changes}").into())
}

#[async_trait]
impl Provider for Generated {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.pull_incremental = true;
        capabilities.fetch_max = 100;
        capabilities.requests_max = 2;
        capabilities
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        Ok(Vec::new())
    }

    async fn changes(&self, _: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let state = self.lock();
        let invalid = || ProviderError::new(ErrorKind::CursorInvalid, "changes", "not a cursor");
        let (scope, from) = match request.cursor.map(|cursor| cursor.0.as_str()) {
            Some(cursor) if cursor.starts_with(LISTING) => (ChangeScope::Snapshot, &cursor[LISTING.len()..]),
            Some(cursor) if request.mode == PullMode::Incremental => (ChangeScope::Delta, cursor),
            _ => (ChangeScope::Snapshot, "0"),
        };
        let from: usize = from.parse().map_err(|_| invalid())?;
        let shown = state.log.get(from..).ok_or_else(invalid)?;
        let shown = &shown[..shown.len().min(PAGE)];
        let items: BTreeSet<usize> = shown.iter().copied().collect();
        let to = from + shown.len();
        let more = to < state.log.len();
        let present = |item| Change {
            id: name(item),
            change: ItemChange::Present { version: version(state.changes[item]), payload: None },
        };
        let kind = if more && scope == ChangeScope::Snapshot { LISTING } else { "" };
        Ok(ChangePage {
            changes: items.into_iter().map(present).collect(),
            // Only ever grown and changed: the whole log is everything there is.
            scope,
            cursor: Some(Cursor(format!("{kind}{to}"))),
            more,
            covered: Covered::ALL,
        })
    }

    async fn fetch(&self, _: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let state = self.lock();
        let answer = |id: &RemoteId| match number(id).and_then(|item| Some((item, *state.changes.get(item)?)))
        {
            Some((item, changes)) => {
                let uid = format!("uid-{item:07}@example.com");
                let title = format!("A meeting of about this length, edited {changes} times");
                Fetched::Found {
                    id: id.clone(),
                    version: version(changes),
                    payload: payload_of(&event(&uid, &title)),
                }
            }
            None => Fetched::Missing(id.clone()),
        };
        Ok(ids.iter().map(answer).collect())
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        serde_json::from_str(payload.as_str())
            .map_err(|_| ReadError { kind: UnreadKind::Unreadable, reason: "not an event".to_owned() })
    }
}
