//! The server of `calsync feed serve`: what comes in over HTTP goes to the publisher, and its answer back.
//!
//! It writes down which feed was asked for and what was answered. Paths hold tokens, and are never written.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, Method, Response, StatusCode, header},
    routing::any,
};
use calsync_core::{
    publish::{FeedBody, FeedCall, FeedRequest, Publisher},
    store::StoreError,
};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;
use webhooks::limits::{Bounded, Limits};

use crate::{
    commands::{feed::FOLDER, worker::stop},
    error::CliError,
    output::{Format, print, tell},
};

/// How long answers that are on their way get when the server is stopped.
const DRAIN: Duration = Duration::from_secs(10);

struct Shell {
    publisher: Publisher,
    format: Format,
}

/// Serves until the process is told to stop.
pub(crate) async fn serve(publisher: Publisher, listen: SocketAddr, format: Format) -> Result<(), CliError> {
    let failed = |error| CliError::Io { what: format!("listening on {listen}"), error };
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let shell = Arc::new(Shell { publisher, format });
    let router = Router::new()
        .route(&format!("{FOLDER}{{token}}"), any(feed))
        .fallback(nothing)
        .with_state(shell.clone());
    match format {
        Format::Json => {
            print(&format!("{}\n", json!({ "event": "listening", "address": address.to_string() })))?
        }
        Format::Table => tell(&format!("serving feeds on http://{address}{FOLDER}; stop with Ctrl-C")),
    }
    let stop = stop()?;
    let (stopped, mut seen) = watch::channel(false);
    let server =
        axum::serve(Bounded::new(listener, Limits::default()), router).with_graceful_shutdown(async move {
            stop.await;
            let _ = stopped.send(true);
        });
    tokio::select! {
        ended = server.into_future() => ended.map_err(|error| CliError::Io { what: "serving feeds".to_owned(), error }),
        // Somebody reads too slowly to be waited for.
        () = async {
            let _ = seen.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(DRAIN).await;
        } => Ok(()),
    }
}

async fn feed(
    State(shell): State<Arc<Shell>>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response<Body> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let conditions = FeedRequest {
        if_none_match: text(header::IF_NONE_MATCH),
        if_modified_since: text(header::IF_MODIFIED_SINCE),
    };
    let call = FeedCall { method: method.as_str(), token: &token, conditions };
    let served = shell.publisher.respond(&call).await;
    shell.note(served.feed.as_deref(), Some(served.status), served.problem.as_ref());
    let mut response = Response::builder().status(served.status);
    for (name, value) in served.headers {
        response = response.header(name, value);
    }
    let body = served.body.map_or_else(Body::empty, |body| streamed(shell.clone(), served.feed, body));
    response.body(body).unwrap_or_else(|_| failure())
}

/// Not for anybody: as a feed that never was.
async fn nothing() -> Response<Body> {
    let response =
        Response::builder().status(StatusCode::NOT_FOUND).header(header::CACHE_CONTROL, "no-store");
    response.body(Body::empty()).unwrap_or_else(|_| failure())
}

fn failure() -> Response<Body> {
    let mut failed = Response::new(Body::empty());
    *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    failed
}

/// The body as it is read. A store that fails in the middle ends the connection, so that nobody takes what came for all.
fn streamed(shell: Arc<Shell>, feed: Option<String>, body: FeedBody) -> Body {
    Body::from_stream(stream::try_unfold((body, shell, feed), async |(mut body, shell, feed)| {
        match body.next().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (Bytes::from(chunk), (body, shell, feed)))),
            Err(problem) => {
                shell.note(feed.as_deref(), None, Some(&problem));
                Err(problem)
            }
        }
    }))
}

impl Shell {
    /// Writes down what was answered; without a status, what went wrong on the way.
    fn note(&self, feed: Option<&str>, status: Option<u16>, problem: Option<&StoreError>) {
        let problem = problem.map(ToString::to_string);
        match self.format {
            Format::Json => {
                let event = if status.is_some() { "answered" } else { "cut-off" };
                let line = json!({ "event": event, "feed": feed, "status": status, "problem": problem });
                // A reader that went away does not stop the work.
                let _ = print(&format!("{line}\n"));
            }
            Format::Table => {
                let feed = feed.unwrap_or("no feed");
                let status = status.map_or_else(|| "cut off".to_owned(), |status| status.to_string());
                let problem = problem.map(|problem| format!(": store: {problem}")).unwrap_or_default();
                tell(&format!("{feed}: {status}{problem}"));
            }
        }
    }
}
