//! The changes of a calendar as server-sent events: an `EventSource` in a browser comes back by itself after a broken
//! connection and says with `Last-Event-ID` what it saw last, and the feed goes on right after it.
//!
//! Who may see which calendar is for the host to say, in a layer before this one. It runs without [`Limits`](crate::limits):
//! such a connection is meant to last.

use std::time::Duration;

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
    feed::{EventSeq, Feed, FeedEntry, FeedError},
    model::CalendarId,
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

/// When a browser comes back after the store did not answer.
const AGAIN: Duration = Duration::from_secs(3);

/// `GET /{calendar}/position` answers where the feed is, `{"after": 7}`; `GET /{calendar}/changes` tells what comes after the
/// entry that `Last-Event-ID` names, or from the position of that moment on without one.
///
/// Each event has the number of its entry as `id` and the entry as JSON in `data`; the first thing sent is the number a client
/// goes on from, so that it has one to come back with before anything has happened. An event named `lost` says that the client
/// has to read the calendar again: its `id` is a position from before that, it has no data a client needs, and it ends the answer.
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
    let position = match feed.position(&calendar).await {
        Ok(position) => position,
        Err(error @ FeedError::NotKept) => return refused(&error).into_response(),
        // A browser that is refused does not come back by itself; one whose answer ends does, with the id it has.
        Err(_) => {
            let retry = Event::default().retry(AGAIN);
            let again = stream::iter([retry]).map(Ok::<_, std::convert::Infallible>);
            return Sse::new(again).into_response();
        }
    };
    let after = match headers.get("last-event-id") {
        None => position,
        Some(seen) => match seen.to_str().ok().and_then(|seen| seen.parse::<EventSeq>().ok()) {
            Some(after) => after,
            None => return StatusCode::BAD_REQUEST.into_response(),
        },
    };
    let entries = feed.subscribe(&calendar, after);
    let told = entries.filter_map(move |entry| told(feed.clone(), calendar.clone(), entry));
    // Its first byte goes out at once: who is connected knows it.
    let hello = stream::iter([Event::default().comment("").id(after.to_string())]);
    let events = hello.chain(told).map(Ok::<_, std::convert::Infallible>);
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// What a browser is told of an entry. Where there is nothing to tell the connection ends, and the client comes back after what
/// it saw.
async fn told(feed: Feed, calendar: CalendarId, entry: Result<FeedEntry, FeedError>) -> Option<Event> {
    match entry {
        Ok(entry) => {
            let data = serde_json::to_string(&entry).ok()?;
            Some(Event::default().id(entry.seq.to_string()).data(data))
        }
        // It reads everything after this, so that nothing after the position it comes back with is missed.
        Err(FeedError::Lost { .. }) => {
            let position = feed.position(&calendar).await.ok()?;
            let lost = Event::default().id(position.to_string()).event("lost");
            Some(lost.data("read everything again"))
        }
        Err(_) => None,
    }
}

/// Errors of the store are told without what they say.
fn refused(error: &FeedError) -> StatusCode {
    match error {
        FeedError::NotKept => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
