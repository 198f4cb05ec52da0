//! Webhooks in a host: an axum handler that checks calls and answers them at once, and a loop that pulls what has news.
//!
//! The handler does three things: it looks the channels up, lets [`verify`] decide, and puts the links into [`Hints`]. Pulling
//! happens elsewhere, because whoever called waits for the answer. In a host with many workers the channels and the hints
//! are rows of its database; here they are in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, RawQuery, State},
    http::{HeaderMap, Response, StatusCode},
    routing::post,
};
use calsync_core::context::Clock;
use calsync_providers::webhook::{self, BODY_MAX, Hints, Ignored, Incoming, Known, Signal, Vendor, verify};
use tokio::sync::Notify;

/// What the handler and the loop share.
#[derive(Clone)]
pub struct Hooks {
    clock: Arc<dyn Clock>,
    rows: Arc<Mutex<Rows>>,
    news: Arc<Notify>,
}

#[derive(Default)]
struct Rows {
    /// By the channel's id: what it shows, and the link it is for.
    channels: BTreeMap<String, (Known, String)>,
    hints: Hints,
    /// Subscriptions to prolong or to open anew: the plan of the host looks here.
    attention: Vec<Signal>,
    ignored: usize,
}

impl Hooks {
    /// No channels so far.
    pub fn new(clock: Arc<dyn Clock>, hints: Hints) -> Self {
        let rows = Rows { hints, ..Rows::default() };
        Self { clock, rows: Arc::new(Mutex::new(rows)), news: Arc::default() }
    }

    /// Knows a channel from now on. Calls may come before this: those are ignored, and the pull that follows the opening of a
    /// channel finds what they told of.
    pub fn know(&self, channel: impl Into<String>, known: Known, link: impl Into<String>) {
        self.rows().channels.insert(channel.into(), (known, link.into()));
    }

    /// One address for each vendor.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/google", post(google))
            .route("/graph", post(graph))
            .layer(DefaultBodyLimit::max(BODY_MAX + 1))
            .with_state(self.clone())
    }

    /// The links to pull, once there are some and the burst is over.
    pub async fn due(&self) -> Vec<String> {
        loop {
            let news = self.news.notified();
            let (due, next) = {
                let (mut rows, now) = (self.rows(), self.clock.now());
                let due = rows.hints.due(now);
                (due, rows.hints.next().map(|next| (next - now).to_std().unwrap_or_default()))
            };
            match next {
                _ if !due.is_empty() => return due,
                Some(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = news => {}
                },
                None => news.await,
            }
        }
    }

    /// What the plan of the channels has to act on, taken away.
    pub fn attention(&self) -> Vec<Signal> {
        std::mem::take(&mut self.rows().attention)
    }

    /// How many calls, or parts of calls, were ignored.
    pub fn ignored(&self) -> usize {
        self.rows().ignored
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(&self, vendor: Vendor, incoming: Incoming<'_>) -> webhook::Answer {
        let now = self.clock.now();
        let mut rows = self.rows();
        // With a database: look `webhook::channels(vendor, incoming)` up first, and let `verify` find them in what came back.
        let received = verify(vendor, incoming, |id| rows.channels.get(id).map(|(known, _)| known));
        for signal in received.signals {
            let Some((_, link)) = rows.channels.get(signal.channel()) else { continue };
            let link = link.clone();
            // Every call is worth a pull, also the first: it may have been long in coming.
            rows.hints.hint(&link, now);
            if matches!(signal, Signal::Reauthorize { .. } | Signal::Removed { .. }) {
                rows.attention.push(signal);
            }
        }
        rows.ignored += received.ignored.iter().filter(|why| !matches!(why, Ignored::Unheard { .. })).count();
        drop(rows);
        self.news.notify_one();
        received.answer
    }
}

async fn google(
    State(hooks): State<Hooks>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    respond(&hooks, Vendor::Google, query, &headers, &body)
}

async fn graph(
    State(hooks): State<Hooks>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    respond(&hooks, Vendor::Graph, query, &headers, &body)
}

fn respond(
    hooks: &Hooks,
    vendor: Vendor,
    query: Option<String>,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Body> {
    let query = query.unwrap_or_default();
    let answer = hooks.receive(vendor, Incoming { query: &query, headers, body });
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap_or_else(|_| {
        let mut failed = Response::new(Body::empty());
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}
