//! A transport that answers from a script, and short ways to a provider, a page and an event.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its part")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::context::Clock;
use calsync_core::model::Event;
use calsync_core::provider::{
    Change, ChangePage, ChangesRequest, Cursor, ItemChange, Payload, Provider, ProviderError, PullMode,
};
use calsync_providers::http::{HttpError, HttpRequest, HttpResponse, HttpTransport};
use calsync_providers::ics::{IcsConfig, IcsProvider, UidCheck};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

pub const URL: &str = "https://feeds.example.com/secret-token/basic.ics";

/// Answers the n-th request (from 0).
type Script = dyn Fn(&HttpRequest, usize) -> Result<HttpResponse, HttpError> + Send + Sync;

pub struct Fake {
    script: Box<Script>,
    pub seen: Mutex<Vec<HttpRequest>>,
}

impl Fake {
    pub fn new(
        script: impl Fn(&HttpRequest, usize) -> Result<HttpResponse, HttpError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), seen: Mutex::default() })
    }

    /// Answers every request with the next of these bodies, the last one over and over.
    pub fn bodies<T: AsRef<[u8]>>(bodies: impl IntoIterator<Item = T>) -> Arc<Self> {
        let bodies: Vec<Vec<u8>> = bodies.into_iter().map(|body| body.as_ref().to_vec()).collect();
        Self::new(move |_, at| Ok(answer(200, &[], &bodies[at.min(bodies.len() - 1)])))
    }

    pub fn header(&self, request: usize, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        seen[request].headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub fn urls(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|request| request.url.to_string()).collect()
    }
}

#[async_trait]
impl HttpTransport for Fake {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let at = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        (self.script)(&request, at)
    }
}

pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> HttpResponse {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        })
        .collect();
    HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: body.as_ref().to_vec() }
}

/// Always the same moment.
pub struct FixedClock;

/// The moment it was set to.
pub struct SetClock(pub Mutex<DateTime<Utc>>);

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }
}

/// One request for each pull.
pub fn config(source: &str) -> IcsConfig {
    IcsConfig { uid_check: UidCheck::AcrossPulls, ..IcsConfig::new(source) }
}

pub fn provider(transport: Arc<Fake>) -> IcsProvider {
    IcsProvider::new(config(URL), transport, Arc::new(FixedClock)).unwrap()
}

pub async fn pull(provider: &IcsProvider, cursor: Option<&Cursor>) -> Result<ChangePage, ProviderError> {
    pull_mode(provider, cursor, PullMode::Incremental).await
}

pub async fn pull_mode(
    provider: &IcsProvider,
    cursor: Option<&Cursor>,
    mode: PullMode,
) -> Result<ChangePage, ProviderError> {
    provider.changes(provider.calendar(), ChangesRequest { cursor, mode }).await
}

/// The page of a feed that is fetched once.
pub async fn page_of(feed: impl AsRef<[u8]>) -> (IcsProvider, ChangePage) {
    let provider = provider(Fake::bodies([feed]));
    let page = pull(&provider, None).await.unwrap();
    (provider, page)
}

pub fn payload(change: &Change) -> &Payload {
    match &change.change {
        ItemChange::Present { payload: Some(payload), .. } => payload,
        other => panic!("no payload: {other:?}"),
    }
}

pub fn version(change: &Change) -> &str {
    match &change.change {
        ItemChange::Present { version: Some(version), .. } => version.as_str(),
        other => panic!("no version: {other:?}"),
    }
}

/// Everything of a page that could be read.
pub fn events(provider: &IcsProvider, page: &ChangePage) -> Vec<Event> {
    page.changes.iter().filter_map(|change| provider.read(payload(change)).ok()).collect()
}

pub fn titles(provider: &IcsProvider, page: &ChangePage) -> Vec<String> {
    events(provider, page)
        .iter()
        .map(|event| event.body().and_then(|body| body.title.clone()).unwrap_or_default())
        .collect()
}

/// Names and versions.
pub fn listing(page: &ChangePage) -> Vec<(String, String)> {
    page.changes.iter().map(|change| (change.id.as_str().to_owned(), version(change).to_owned())).collect()
}

pub fn feed(events: &str) -> String {
    let events = events.trim_start().replace('\n', "\r\n");
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n{events}END:VCALENDAR\r\n")
}

pub fn event(uid: &str, day: usize, title: &str) -> String {
    let day = 20260101 + day % 28;
    format!(
        "BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260101T000000Z\nDTSTART:{day}T090000Z\nSUMMARY:{title}\nEND:VEVENT\n"
    )
}

pub fn events_feed(count: usize) -> String {
    feed(&(0..count).map(|at| event(&format!("u{at}"), at, &format!("t{at}"))).collect::<String>())
}
