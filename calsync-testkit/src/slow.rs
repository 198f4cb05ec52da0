//! A provider that is waited for: every call may be the one a worker dies in.

use async_trait::async_trait;
use calsync_core::{
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangesRequest, Declined, Fetched, Mark, Payload, Provider, ReadError,
        RemoteCalendar, RenderRequest, Rendered, Result, Seal, Written,
    },
};

use crate::remote::MemoryRemote;

/// A remote whose every call is waited for once before it takes effect, and once after. A test polls a run so many times and
/// drops it: then its worker died there.
pub struct SlowRemote<'a>(pub &'a MemoryRemote);

async fn pause() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[async_trait]
impl Provider for SlowRemote<'_> {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn requests(&self) -> u64 {
        self.0.requests()
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.0.calendars().await
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        pause().await;
        let page = self.0.changes(calendar, request).await;
        pause().await;
        page
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        pause().await;
        let found = self.0.fetch(calendar, ids).await;
        pause().await;
        found
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        self.0.read(payload)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.0.render(request)
    }

    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        self.0.mark(id, payload, seal)
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        self.0.marked(payload)
    }

    fn declined(&self, payload: &Payload) -> Option<Declined> {
        self.0.declined(payload)
    }

    fn propose_id(&self, calendar: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        self.0.propose_id(calendar, event, fresh)
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        pause().await;
        let written = self.0.create(calendar, id, payload).await;
        pause().await;
        written
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        pause().await;
        let written = self.0.update(calendar, id, expected, payload).await;
        pause().await;
        written
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        pause().await;
        let deleted = self.0.delete(calendar, id, expected).await;
        pause().await;
        deleted
    }
}
