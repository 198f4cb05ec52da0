//! A real provider with the checks of what crosses the interface.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangesRequest, Declined, ErrorKind, Fetched, ItemChange, Mark, Payload,
        Provider, PullMode, ReadError, RemoteCalendar, RenderRequest, Rendered, Result, Seal, Written,
    },
    store::OutboxOp,
};

use super::{law::Law, provider::SimRemote};

/// The provider, and the side it works on.
pub(crate) struct Guard {
    pub(crate) remote: Arc<SimRemote>,
    pub(crate) provider: Arc<dyn Provider>,
    /// Shared with the wire.
    pub(crate) begun: Arc<AtomicU64>,
}

impl Guard {
    /// What only the server understands of an item, and the UID of what it says.
    fn at(&self, id: &RemoteId) -> Option<(String, String)> {
        let server = self.remote.server();
        let item = server.items.get(id)?;
        let event = item.event.as_ref().or(item.garbled.as_ref().map(|(_, event)| event))?;
        Some((super::server::extra(&item.payload).to_owned(), event.uid.clone()))
    }

    /// A write begins, under the lease its worker has now.
    fn begin(&self) {
        self.begun.store(self.remote.epoch.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn told(&self, written: &Result<Written>) {
        if let Ok(Written { id, version, payload: Some(_) }) = written {
            self.remote.told(id, version.as_ref());
        }
    }

    /// I10: nothing is overwritten or deleted that was not read.
    fn check_version(&self, name: &str, id: &RemoteId, expected: &Version) {
        let known = self.remote.seen().contents.contains(&(id.clone(), expected.clone()));
        self.remote.control.check(Law::I10, known, || {
            format!("{name} of {id} names {expected}, whose content it never read")
        });
    }
}

#[async_trait]
impl Provider for Guard {
    fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    fn requests(&self) -> u64 {
        self.provider.requests()
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.provider.calendars().await
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        let full = request.cursor.is_none() || request.mode != PullMode::Incremental;
        let first = std::mem::take(&mut self.remote.seen().first);
        let page = self.provider.changes(calendar, request).await;
        match &page {
            Ok(page) => {
                if full && first {
                    self.remote.seen().full += 1;
                }
                for change in &page.changes {
                    if let ItemChange::Present { version, payload: Some(_) } = &change.change {
                        self.remote.told(&change.id, version.as_ref());
                    }
                }
                self.remote.control.note(format_args!("list {}: {}", self.remote.side, page.changes.len()));
            }
            Err(error) => {
                if error.kind == ErrorKind::CursorInvalid {
                    self.remote.seen().refused += 1;
                }
                self.remote.control.note(format_args!("list {} fails: {error}", self.remote.side));
            }
        }
        page
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.begin();
        let found = self.provider.fetch(calendar, ids).await;
        for item in found.iter().flatten() {
            if let Fetched::Found { id, version, .. } = item {
                self.remote.told(id, version.as_ref());
            }
        }
        found
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        self.provider.read(payload)
    }

    fn project<'a>(&self, event: &'a Event) -> Cow<'a, Event> {
        self.provider.project(event)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.provider.render(request)
    }

    fn propose_id(&self, calendar: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        self.provider.propose_id(calendar, event, fresh)
    }

    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        self.provider.mark(id, payload, seal)
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        self.provider.marked(payload)
    }

    fn declined(&self, payload: &Payload) -> Option<Declined> {
        self.provider.declined(payload)
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        self.begin();
        self.remote.check_intent("a creation", |entry| {
            entry.remote_id == *id
                && matches!(&entry.op, OutboxOp::Create { payload: kept } if kept == payload)
        });
        let written = self.provider.create(calendar, id, payload).await;
        self.told(&written);
        self.remote.control.note(format_args!("create {} {id}: {}", self.remote.side, shown(&written)));
        written
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        self.begin();
        self.remote.check_intent("an update", |entry| {
            entry.remote_id == *id
                && matches!(&entry.op, OutboxOp::Update { payload: kept, expected: version }
                    if kept == payload && version == expected)
        });
        let before = self.at(id);
        let written = self.provider.update(calendar, id, expected, payload).await;
        self.remote.control.note(format_args!("update {} {id}: {}", self.remote.side, shown(&written)));
        if written.is_ok() {
            self.check_version("an update", id, expected);
            if let (Some((before, _)), Some((after, _))) = (before, self.at(id)) {
                self.remote.control.check(Law::I18, before == after, || {
                    format!("an update of {id} makes {before:?} {after:?}")
                });
            }
        }
        self.told(&written);
        written
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.begin();
        self.remote.check_intent("a deletion", |entry| {
            entry.remote_id == *id
                && matches!(&entry.op, OutboxOp::Delete { expected: kept } if kept == expected)
        });
        let before = self.at(id);
        let deleted = self.provider.delete(calendar, id, expected).await;
        self.remote.control.note(format_args!("delete {} {id}: {}", self.remote.side, shown(&deleted)));
        if let (Some((_, uid)), None) = (before, self.at(id)) {
            let book = self.remote.book();
            let by_whom = book.deleted.iter().any(|(deleted, _)| *deleted == uid);
            drop(book);
            self.remote.check_lives(id, &uid);
            self.remote.control.check(Law::I06, by_whom, || {
                format!("{uid} is deleted on side {}, and nobody deleted it anywhere", self.remote.side)
            });
        }
        if deleted.is_ok() {
            self.check_version("a deletion", id, expected);
        }
        deleted
    }
}

fn shown<T>(result: &Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}
