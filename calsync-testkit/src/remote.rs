//! A calendar provider in memory, with the semantics of a careful server and a queue of faults.
//!
//! Payloads are events as JSON, so that the engine is tested without any wire format. Versions and cursors are counters
//! that never go back.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, Change, ChangePage, ChangeScope, ChangesRequest, Covered, Cursor, ErrorKind, Fetched,
        ItemChange, Mark, Payload, PeoplePolicy, Provider, ProviderError, PullMode, ReadError,
        RemoteCalendar, RenderRequest, Rendered, Result, Seal, UnreadKind, Written,
    },
};

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteFault {
    /// The call fails and has no effect.
    Before(ErrorKind),
    /// The call has its effect and its answer is lost.
    After,
    /// The call has no effect, and nobody can tell: it was lost on its way.
    Lost,
    /// The call has its effect, and fails: one of several requests, of which the last was refused.
    Half(ErrorKind),
}

/// One calendar at a provider.
pub struct MemoryRemote {
    state: Mutex<State>,
    requests: AtomicU64,
    with_people: AtomicU64,
    capabilities: Capabilities,
    page: usize,
    /// What it can hold of an event.
    holds: fn(&Event) -> Event,
    /// What everybody calls it.
    place: Option<&'static str>,
    /// Two items may have one UID, as at Google.
    has_twins: bool,
}

#[derive(Default)]
struct State {
    items: BTreeMap<RemoteId, Item>,
    /// Which item changed at which tick.
    log: Vec<(u64, RemoteId)>,
    tick: u64,
    /// The last tick before it went back to a backup.
    highest: u64,
    /// Cursors before this tick are forgotten.
    forgotten: u64,
    faults: VecDeque<(&'static str, RemoteFault)>,
    partial: bool,
    covered: Covered,
    hidden: BTreeSet<RemoteId>,
    withheld: BTreeMap<RemoteId, ErrorKind>,
    scripted: VecDeque<ChangePage>,
    writes: u64,
}

/// What a server held at some time; see [`MemoryRemote::backup`].
#[derive(Clone)]
pub struct RemoteBackup {
    items: BTreeMap<RemoteId, Item>,
    log: Vec<(u64, RemoteId)>,
    tick: u64,
}

#[derive(Clone)]
struct Item {
    version: Version,
    payload: Payload,
}

impl Default for MemoryRemote {
    fn default() -> Self {
        let mut capabilities = Capabilities::default();
        capabilities.pull_incremental = true;
        capabilities.write = true;
        capabilities.fetch_max = 50;
        capabilities.requests_max = 2;
        Self {
            state: Mutex::default(),
            requests: AtomicU64::new(0),
            with_people: AtomicU64::new(0),
            capabilities,
            page: 1000,
            holds: Event::clone,
            place: None,
            has_twins: false,
        }
    }
}

impl MemoryRemote {
    /// Lists so many items on a page.
    #[must_use]
    pub fn with_page(mut self, page: usize) -> Self {
        self.page = page.max(1);
        self
    }

    /// Is called so by everybody.
    #[must_use]
    pub fn at(mut self, place: &'static str) -> Self {
        self.place = Some(place);
        self
    }

    /// Takes two items of one UID, as Google does.
    #[must_use]
    pub fn with_twins(mut self) -> Self {
        self.has_twins = true;
        self
    }

    /// Holds only part of an event, or holds it in a form of its own.
    #[must_use]
    pub fn holding(mut self, holds: fn(&Event) -> Event) -> Self {
        self.holds = holds;
        self
    }

    /// Changes what it claims to be able to do.
    #[must_use]
    pub fn with_capabilities(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody else writes an item.
    pub fn put(&self, id: &str, event: &Event) {
        self.put_payload(id, payload_of(event));
    }

    /// Somebody else writes an item that may not be readable.
    pub fn put_payload(&self, id: &str, payload: Payload) {
        self.lock().put(&RemoteId::from(id), payload);
    }

    /// Somebody else writes an item, and the server forgets to say so.
    pub fn put_unannounced(&self, id: &str, event: &Event) {
        let mut state = self.lock();
        state.put(&RemoteId::from(id), payload_of(event));
        state.log.pop();
    }

    /// Somebody else deletes an item.
    pub fn remove(&self, id: &str) {
        self.lock().remove(&RemoteId::from(id));
    }

    /// Somebody else deletes an item, and the server forgets to say so.
    pub fn remove_unannounced(&self, id: &str) {
        let mut state = self.lock();
        if state.remove(&RemoteId::from(id)) {
            state.log.pop();
        }
    }

    /// From now on listings lack an item that is there.
    pub fn hide(&self, id: &str) {
        self.lock().hidden.insert(RemoteId::from(id));
    }

    /// From now on listings say that they are of this time; they list the same.
    pub fn cover(&self, covered: Covered) {
        self.lock().covered = covered;
    }

    /// From now on fetching an item fails, and nothing else does.
    pub fn withhold(&self, id: &str, kind: ErrorKind) {
        self.lock().withheld.insert(RemoteId::from(id), kind);
    }

    /// The item can be fetched again.
    pub fn hand_out(&self, id: &str) {
        self.lock().withheld.remove(&RemoteId::from(id));
    }

    /// The next listings answer these pages, whatever is there.
    pub fn list_next(&self, pages: impl IntoIterator<Item = ChangePage>) {
        self.lock().scripted.extend(pages);
    }

    /// How often something was rendered that people may be in.
    pub fn renders_with_people(&self) -> u64 {
        self.with_people.load(Ordering::Relaxed)
    }

    /// The items by name.
    pub fn items(&self) -> BTreeMap<RemoteId, Event> {
        let state = self.lock();
        state.items.iter().filter_map(|(id, item)| Some((id.clone(), read(&item.payload).ok()?))).collect()
    }

    /// One item.
    pub fn get(&self, id: &RemoteId) -> Option<Event> {
        self.items().remove(id)
    }

    /// Writes that came through the provider interface.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// The next call of `operation` (`changes`, `fetch`, `create`, `update`, `delete`) goes wrong.
    pub fn fail(&self, operation: &'static str, fault: RemoteFault) {
        self.lock().faults.push_back((operation, fault));
    }

    /// From now on no call fails that was to fail.
    pub fn forget_faults(&self) {
        self.lock().faults.clear();
    }

    /// All cursors given out so far are not valid any more.
    pub fn forget_cursors(&self) {
        let mut state = self.lock();
        state.tick = state.tick.max(state.highest) + 1;
        state.forgotten = state.tick;
    }

    /// Everything the server holds now.
    pub fn backup(&self) -> RemoteBackup {
        let state = self.lock();
        RemoteBackup { items: state.items.clone(), log: state.log.clone(), tick: state.tick }
    }

    /// The server goes back to a backup and counts on from there: a cursor made since means something else now, and the
    /// server does not notice.
    pub fn restore(&self, backup: &RemoteBackup) {
        let mut state = self.lock();
        state.highest = state.highest.max(state.tick);
        state.items.clone_from(&backup.items);
        state.log.clone_from(&backup.log);
        state.tick = backup.tick;
    }

    /// From now on listings say that they may lack something.
    pub fn list_partially(&self) {
        self.lock().partial = true;
    }

    fn begin(&self, operation: &'static str) -> Result<Option<RemoteFault>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        let Some(place) = state.faults.iter().position(|(name, _)| *name == operation) else {
            return Ok(None);
        };
        match state.faults.remove(place) {
            Some((_, RemoteFault::Before(kind))) => Err(ProviderError::new(kind, operation, "injected")),
            Some((_, RemoteFault::Lost)) => {
                Err(ProviderError::new(ErrorKind::Unavailable, operation, "lost").maybe_applied())
            }
            other => Ok(other.map(|(_, fault)| fault)),
        }
    }
}

fn answered<T>(fault: Option<RemoteFault>, operation: &'static str, value: T) -> Result<T> {
    match fault {
        Some(RemoteFault::Half(kind)) => {
            Err(ProviderError::new(kind, operation, "half done").maybe_applied())
        }
        Some(_) => Err(ProviderError::new(ErrorKind::Unavailable, operation, "answer lost").maybe_applied()),
        None => Ok(value),
    }
}

impl State {
    fn put(&mut self, id: &RemoteId, payload: Payload) -> Version {
        self.tick += 1;
        let version = Version::from(format!("v{}", self.tick));
        self.items.insert(id.clone(), Item { version: version.clone(), payload });
        self.log.push((self.tick, id.clone()));
        version
    }

    fn remove(&mut self, id: &RemoteId) -> bool {
        let there = self.items.remove(id).is_some();
        if there {
            self.tick += 1;
            self.log.push((self.tick, id.clone()));
        }
        there
    }

    fn present(&self, id: &RemoteId) -> Change {
        let change = match self.items.get(id) {
            Some(item) => ItemChange::Present { version: Some(item.version.clone()), payload: None },
            None => ItemChange::Removed,
        };
        Change { id: id.clone(), change }
    }
}

/// The payload of an event.
pub fn payload_of(event: &Event) -> Payload {
    Payload::new(serde_json::to_string(event).unwrap_or_default())
}

fn read(payload: &Payload) -> std::result::Result<Event, ReadError> {
    serde_json::from_str(payload.as_str())
        .map_err(|_| ReadError { kind: UnreadKind::Unreadable, reason: "not an event".to_owned() })
}

/// The member of a payload that holds a mark.
const MARK: &str = "calsync_mark";

fn with_mark(payload: &Payload, mark: &str) -> Payload {
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(payload.as_str()) else {
        return payload.clone();
    };
    if let Some(members) = value.as_object_mut() {
        members.insert(MARK.to_owned(), mark.into());
    }
    Payload::new(value.to_string())
}

fn mark_of(payload: &Payload) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(payload.as_str()).ok()?;
    Some(value.get(MARK)?.as_str()?.to_owned())
}

/// A cursor: the tick it was made at, and for a snapshot under way the item it stopped at.
fn parse(cursor: &Cursor) -> Option<(u64, Option<RemoteId>)> {
    let (tick, at) =
        cursor.0.split_once('@').map_or((cursor.0.as_str(), None), |(tick, at)| (tick, Some(at)));
    Some((tick.parse().ok()?, at.map(RemoteId::from)))
}

#[async_trait]
impl Provider for MemoryRemote {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        Ok(vec![RemoteCalendar {
            id: RemoteCalendarId::from("memory"),
            name: "Memory".to_owned(),
            color: None,
            read_only: !self.capabilities.write,
        }])
    }

    async fn place(&self, _: &RemoteCalendarId) -> Result<Option<String>> {
        Ok(self.place.map(ToOwned::to_owned))
    }

    async fn changes(&self, _: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        let fault = self.begin("changes")?;
        let mut state = self.lock();
        if let Some(page) = state.scripted.pop_front() {
            return answered(fault, "changes", page);
        }
        let cursor = match request.cursor.map(parse) {
            Some(None) => {
                return Err(ProviderError::new(ErrorKind::CursorInvalid, "changes", "not a cursor"));
            }
            Some(Some((tick, _))) if tick < state.forgotten => {
                return Err(ProviderError::new(ErrorKind::CursorInvalid, "changes", "forgotten"));
            }
            Some(cursor) => cursor,
            None => None,
        };
        let page = match cursor {
            Some((tick, None)) if request.mode == PullMode::Incremental => {
                let changed: BTreeSet<&RemoteId> =
                    state.log.iter().filter(|(at, _)| *at > tick).map(|(_, id)| id).collect();
                ChangePage {
                    changes: changed.into_iter().map(|id| state.present(id)).collect(),
                    scope: ChangeScope::Delta,
                    cursor: Some(Cursor(state.tick.to_string())),
                    more: false,
                    covered: state.covered,
                }
            }
            other => {
                let (tick, after) = match other {
                    Some((tick, after @ Some(_))) => (tick, after),
                    _ => (state.tick, None),
                };
                let rest: Vec<&RemoteId> = state
                    .items
                    .keys()
                    .filter(|id| {
                        after.as_ref().is_none_or(|after| *id > after) && !state.hidden.contains(*id)
                    })
                    .collect();
                let shown = &rest[..rest.len().min(self.page)];
                let more = shown.len() < rest.len();
                let cursor = match shown.last() {
                    Some(last) if more => format!("{tick}@{last}"),
                    _ => tick.to_string(),
                };
                ChangePage {
                    changes: shown.iter().map(|id| state.present(id)).collect(),
                    scope: if state.partial { ChangeScope::PartialSnapshot } else { ChangeScope::Snapshot },
                    cursor: Some(Cursor(cursor)),
                    more,
                    covered: state.covered,
                }
            }
        };
        answered(fault, "changes", page)
    }

    async fn fetch(&self, _: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        let fault = self.begin("fetch")?;
        let state = self.lock();
        let found = ids
            .iter()
            .map(|id| match state.items.get(id) {
                _ if state.withheld.contains_key(id) => {
                    let kind = state.withheld[id].clone();
                    Fetched::Failed(id.clone(), ProviderError::new(kind, "fetch", "withheld"))
                }
                Some(item) => Fetched::Found {
                    id: id.clone(),
                    version: Some(item.version.clone()),
                    payload: item.payload.clone(),
                },
                None => Fetched::Missing(id.clone()),
            })
            .collect();
        answered(fault, "fetch", found)
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        read(payload)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.with_people.fetch_add(u64::from(request.people == PeoplePolicy::Write), Ordering::Relaxed);
        let fresh = payload_of(&(self.holds)(request.event));
        let kept = request.original.and_then(mark_of);
        let payload = kept.map_or_else(|| fresh.clone(), |mark| with_mark(&fresh, &mark));
        Ok(Rendered { payload, losses: Vec::new() })
    }

    fn mark(&self, _: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        // A person's copy has a UID of its own.
        read(&payload).map_or(payload.clone(), |event| with_mark(&payload, &seal.mark(&event.uid)))
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        Some(Mark { text: mark_of(payload)?, identity: read(payload).ok()?.uid })
    }

    fn propose_id(&self, _: &RemoteCalendarId, _: &Event, fresh: &str) -> Result<RemoteId> {
        Ok(RemoteId::from(fresh))
    }

    async fn create(&self, _: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        let fault = self.begin("create")?;
        let mut state = self.lock();
        if state.items.contains_key(id) {
            let at = Some(id.clone());
            return Err(ProviderError::new(ErrorKind::AlreadyExists { at }, "create", "name taken"));
        }
        let uid = read(payload).map(|event| event.uid).unwrap_or_default();
        let twin =
            state.items.iter().find(|(_, item)| read(&item.payload).is_ok_and(|event| event.uid == uid));
        if let Some((at, _)) = twin.filter(|_| !self.has_twins) {
            let at = Some(at.clone());
            return Err(ProviderError::new(ErrorKind::AlreadyExists { at }, "create", "UID taken"));
        }
        state.writes += 1;
        let version = state.put(id, payload.clone());
        answered(fault, "create", Written { id: id.clone(), version: Some(version), payload: None })
    }

    async fn update(
        &self,
        _: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        let fault = self.begin("update")?;
        let mut state = self.lock();
        match state.items.get(id) {
            None => return Err(ProviderError::new(ErrorKind::NotFound, "update", "gone")),
            Some(item) if item.version != *expected => {
                return Err(ProviderError::new(ErrorKind::VersionMismatch, "update", "changed"));
            }
            Some(_) => {}
        }
        state.writes += 1;
        let version = state.put(id, payload.clone());
        answered(fault, "update", Written { id: id.clone(), version: Some(version), payload: None })
    }

    async fn delete(&self, _: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        let fault = self.begin("delete")?;
        let mut state = self.lock();
        match state.items.get(id) {
            None => return Ok(()),
            Some(item) if item.version != *expected => {
                return Err(ProviderError::new(ErrorKind::VersionMismatch, "delete", "changed"));
            }
            Some(_) => {}
        }
        state.writes += 1;
        state.remove(id);
        answered(fault, "delete", ())
    }
}
