//! Providers that are far away: each answer takes a while longer. It is waited for in real time, as a worker would.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use calsync_core::model::{Event, RemoteCalendarId, RemoteId, Version};
use calsync_core::provider::{
    Capabilities, ChangePage, ChangesRequest, Fetched, Mark, Payload, Provider, ReadError, RemoteCalendar,
    RenderRequest, Rendered, Result, Seal, Written,
};
use calsync_providers::http::{HttpError, HttpRequest, HttpResponse, HttpTransport};

/// How far away providers are.
pub(super) const LATENCIES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(50)];

/// In words.
pub(super) fn away(latency: Duration) -> String {
    format!("{} ms away", latency.as_millis())
}

/// What is near, as seen from so far away: a provider, or a network.
pub(super) struct Far<T> {
    pub(super) near: T,
    pub(super) latency: Duration,
}

impl<T> Far<T> {
    async fn wait(&self) {
        // A timer waits a millisecond at least.
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }
}

#[async_trait]
impl<T: HttpTransport> HttpTransport for Far<T> {
    async fn send(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        self.wait().await;
        self.near.send(request).await
    }
}

#[async_trait]
impl<T: Provider + 'static> Provider for Far<Arc<T>> {
    fn capabilities(&self) -> Capabilities {
        self.near.capabilities()
    }

    fn requests(&self) -> u64 {
        self.near.requests()
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.wait().await;
        self.near.calendars().await
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.wait().await;
        self.near.changes(calendar, request).await
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.wait().await;
        self.near.fetch(calendar, ids).await
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        self.near.read(payload)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.near.render(request)
    }

    fn propose_id(&self, calendar: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        self.near.propose_id(calendar, event, fresh)
    }

    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        self.near.mark(id, payload, seal)
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        self.near.marked(payload)
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        self.wait().await;
        self.near.create(calendar, id, payload).await
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        self.wait().await;
        self.near.update(calendar, id, expected, payload).await
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.wait().await;
        self.near.delete(calendar, id, expected).await
    }
}
