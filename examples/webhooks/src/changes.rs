//! The changes of a calendar as server-sent events: an `EventSource` in a browser comes back by itself after a broken
//! connection and says with `Last-Event-ID` what it saw last, and the feed goes on right after it.
//!
//! Who may see which calendar is for the host to say, in a layer before this one. It runs without [`Limits`](crate::limits):
//! such a connection is meant to last.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use calsync_core::{
    feed::{EventSeq, Feed, FeedError},
    model::CalendarId,
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

/// `GET /{calendar}/position` answers where the feed is, `{"after": 7}`; `GET /{calendar}/changes` tells what comes after the
/// entry that `Last-Event-ID` names, or from the position of that moment on without one.
///
/// Each event has the number of its entry as `id` and the entry as JSON in `data`. One named `lost` says that the client has
/// to read the calendar again; it has no data a client needs, and ends the answer.
pub fn router(feed: Feed) -> Router {
    Router::new()
        .route("/{calendar}/position", get(position))
        .route("/{calendar}/changes", get(changes))
        .with_state(feed)
}

async fn position(State(feed): State<Feed>, Path(calendar): Path<String>) -> Response {
    match feed.position(&CalendarId::from(calendar)).await {
        Ok(after) => {
            ([(CONTENT_TYPE, "application/json")], json!({ "after": after }).to_string()).into_response()
        }
        Err(error) => refused(&error).into_response(),
    }
}

async fn changes(State(feed): State<Feed>, Path(calendar): Path<String>, headers: HeaderMap) -> Response {
    let calendar = CalendarId::from(calendar);
    let after = match headers.get("last-event-id") {
        None => match feed.position(&calendar).await {
            Ok(after) => after,
            Err(error) => return refused(&error).into_response(),
        },
        Some(seen) => match seen.to_str().ok().and_then(|seen| seen.parse::<EventSeq>().ok()) {
            Some(after) => after,
            None => return StatusCode::BAD_REQUEST.into_response(),
        },
    };
    let told = feed.subscribe(&calendar, after).filter_map(async |entry| match entry {
        Ok(entry) => {
            let data = serde_json::to_string(&entry).ok()?;
            Some(Event::default().id(entry.seq.to_string()).data(data))
        }
        // A browser that is sent an empty id forgets the one it has, and does not ask for what is gone again.
        Err(FeedError::Lost { .. }) => {
            Some(Event::default().id("").event("lost").data("read everything again"))
        }
        // The connection ends, and the client comes back after what it saw.
        Err(_) => None,
    });
    // Its first byte goes out at once: who is connected knows it.
    let hello = stream::iter([Event::default().comment("")]);
    let events = hello.chain(told).map(Ok::<_, std::convert::Infallible>);
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// Errors of the store are told without what they say.
fn refused(error: &FeedError) -> StatusCode {
    match error {
        FeedError::NotKept => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
