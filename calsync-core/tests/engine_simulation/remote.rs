//! A provider whose every call can be stopped, fail, or lie as planted.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, LinkId, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangeScope, ChangesRequest, ErrorKind, Fetched, ItemChange, Payload,
        Provider, ProviderError, ReadError, RemoteCalendar, RenderRequest, Rendered, Result, Written,
    },
    store::{MemoryStore, OutboxEntry, OutboxOp, Store},
};
use calsync_testkit::remote::MemoryRemote;
use futures_util::FutureExt;

use crate::control::{Control, Fate, Plant, pause};

pub(crate) struct SimRemote {
    pub(crate) inner: Arc<MemoryRemote>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) control: Arc<Control>,
    pub(crate) link: LinkId,
    /// Writes whose call has begun and whose effect is still to come.
    pub(crate) begun: AtomicU64,
    /// Items that the server forgets once.
    pub(crate) hidden: Mutex<BTreeSet<RemoteId>>,
}

impl SimRemote {
    async fn call<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let write = matches!(name, "create" | "update" | "delete");
        self.begun.fetch_add(u64::from(write), Ordering::Relaxed);
        pause().await;
        self.begun.fetch_sub(u64::from(write), Ordering::Relaxed);
        let fate = self.control.fate();
        if let Fate::Before(kind) = fate {
            let kind =
                [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Unauthorized, ErrorKind::Protocol]
                    [usize::try_from(kind % 4).expect("small")]
                .clone();
            self.control.note(&format!("{name} fails: {kind:?}"));
            return Err(
                ProviderError::new(kind, name, "injected").with_retry(calsync_core::provider::Retry::Backoff)
            );
        }
        let result = call.await;
        self.control.note(&match &result {
            Ok(_) => format!("{name} done"),
            Err(error) => format!("{name} refused: {:?}", error.kind),
        });
        pause().await;
        if fate == Fate::After && result.is_ok() {
            self.control.note("the answer is lost");
            return Err(ProviderError::new(ErrorKind::Unavailable, name, "answer lost").maybe_applied());
        }
        result
    }

    pub(crate) fn under_way(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Invariant 3: no write without a committed intent that says the same.
    fn check_intent(&self, name: &str, says: impl Fn(&OutboxEntry) -> bool) {
        let entries = self.store.outbox(&self.link, None, 1000).now_or_never();
        let entries = entries.expect("a memory store does not wait").expect("a memory store answers");
        if !entries.iter().any(says) {
            self.control.violation(format!("{name} without an intent in the outbox"));
        }
    }

    async fn current(&self, calendar: &RemoteCalendarId, id: &RemoteId) -> Option<Version> {
        match self.inner.fetch(calendar, std::slice::from_ref(id)).await.ok()?.pop()? {
            Fetched::Found { version, .. } => version,
            _ => None,
        }
    }
}

#[async_trait]
impl Provider for SimRemote {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn requests(&self) -> u64 {
        self.inner.requests()
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.inner.calendars().await
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        let mut page = self.call("changes", self.inner.changes(calendar, request)).await?;
        let control = &self.control;
        if page.scope == ChangeScope::Delta && control.strikes(Plant::CursorMovesPastUnread, 300) {
            page.changes.pop();
        }
        if page.scope != ChangeScope::Delta && control.strikes(Plant::PartialCallsItselfComplete, 300) {
            // A server whose index lost an item does not find it by name either.
            self.hidden.lock().expect("no panic").extend(page.changes.pop().map(|change| change.id));
        }
        if page.scope == ChangeScope::Delta
            && control.strikes(Plant::UnreadIsRemoved, 300)
            && let Some(last) = page.changes.last_mut()
        {
            last.change = ItemChange::Removed;
        }
        for change in &page.changes {
            self.control.note(&format!(
                "listed {} {}",
                change.id,
                matches!(change.change, ItemChange::Removed)
            ));
        }
        Ok(page)
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        for id in ids {
            self.control.note(&format!("fetch {id}"));
        }
        let mut found = self.call("fetch", self.inner.fetch(calendar, ids)).await?;
        for fetched in &mut found {
            if let Fetched::Found { id, .. } = &*fetched
                && self.hidden.lock().expect("no panic").remove(id)
            {
                *fetched = Fetched::Missing(id.clone());
                continue;
            }
            if let (Fate::Before(_), Fetched::Found { id, .. }) = (self.control.fate(), &*fetched) {
                let error = ProviderError::new(ErrorKind::Unavailable, "fetch", "this one not now");
                *fetched = Fetched::Failed(id.clone(), error);
            }
        }
        Ok(found)
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        self.inner.read(payload)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.inner.render(request)
    }

    fn propose_id(&self, calendar: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        self.inner.propose_id(calendar, event, fresh)
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        self.control.note(&format!("create {id}"));
        self.check_intent("create", |entry| {
            entry.remote_id == *id
                && matches!(&entry.op, OutboxOp::Create { payload: kept } if kept == payload)
        });
        let result = self.call("create", self.inner.create(calendar, id, payload)).await;
        match result {
            Err(ProviderError { kind: ErrorKind::AlreadyExists { .. }, .. })
                if self.control.plant == Plant::CreateIgnoresTwins =>
            {
                self.inner.put_payload(&format!("{id}-again"), payload.clone());
                Ok(Written { id: id.clone(), version: None, payload: None })
            }
            Err(_) if self.control.strikes(Plant::FailureIsSuccess, 500) => Ok(Written {
                id: id.clone(),
                version: Some(Version::from("v0")),
                payload: Some(payload.clone()),
            }),
            result => result,
        }
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        self.control.note(&format!("update {id} {expected}"));
        self.check_intent("update", |entry| {
            entry.remote_id == *id
                && matches!(&entry.op, OutboxOp::Update { payload: kept, expected: version }
                    if kept == payload && version == expected)
        });
        let update = async {
            let current = match self.control.plant {
                Plant::UpdateIgnoresVersion => self.current(calendar, id).await,
                _ => None,
            };
            self.inner.update(calendar, id, current.as_ref().unwrap_or(expected), payload).await
        };
        match self.call("update", update).await {
            Err(_) if self.control.strikes(Plant::FailureIsSuccess, 500) => Ok(Written {
                id: id.clone(),
                version: Some(Version::from("v0")),
                payload: Some(payload.clone()),
            }),
            result => result,
        }
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.control.note(&format!("delete {id} {expected}"));
        self.check_intent("delete", |entry| {
            entry.remote_id == *id
                && matches!(&entry.op, OutboxOp::Delete { expected: kept } if kept == expected)
        });
        let delete = async {
            let current = match self.control.plant {
                Plant::DeleteIgnoresVersion => self.current(calendar, id).await,
                _ => None,
            };
            self.inner.delete(calendar, id, current.as_ref().unwrap_or(expected)).await
        };
        self.call("delete", delete).await
    }
}
