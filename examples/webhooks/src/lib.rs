//! Webhooks in a host: an axum handler for the calls of Google and Microsoft Graph.
//!
//! The handler gives each call to the [`Keeper`], which checks it against the channels in the store, notes it, and nudges the
//! schedule. A worker does the rest: it pulls after the debounce, and opens, renews and ends channels
//! (`Host::renew` calls `Keeper::tend`). So the process that answers calls and the workers share the database and nothing
//! else.
//!
//! The way out is [`changes`]: what happened in a calendar, as server-sent events.

pub mod changes;
pub mod limits;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Response, StatusCode, Uri},
    routing::post,
};
use calsync_core::schedule::Schedule;
use calsync_providers::webhook::{Answer, BODY_MAX, Incoming, Keeper, Vendor};

/// The path below the public address that Google is told.
pub const GOOGLE: &str = "/google";
/// The path below the public address that Graph is told.
pub const GRAPH: &str = "/graph";

/// What the handler works with, for one tenant. A host with many has the tenant in the path, and a keeper for each.
#[derive(Clone, Debug)]
struct Hooks {
    keeper: Keeper,
    schedule: Schedule,
}

/// Answers whatever ends in [`GOOGLE`] or [`GRAPH`]: what comes before is the proxy's affair.
pub fn router(keeper: Keeper, schedule: Schedule) -> Router {
    Router::new()
        .fallback(post(receive))
        .layer(DefaultBodyLimit::max(BODY_MAX + 1))
        .with_state(Hooks { keeper, schedule })
}

async fn receive(State(hooks): State<Hooks>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let vendor = match uri.path() {
        path if path.ends_with(GOOGLE) => Vendor::Google,
        path if path.ends_with(GRAPH) => Vendor::Graph,
        _ => return plain(StatusCode::NOT_FOUND),
    };
    let incoming = Incoming { query: uri.query().unwrap_or_default(), headers: &headers, body: &body };
    match hooks.keeper.receive(vendor, incoming, &hooks.schedule).await {
        Ok(call) => respond(call.answer),
        // Both call again later.
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
