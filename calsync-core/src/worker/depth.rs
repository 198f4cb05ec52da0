//! How much waits, measured once in a while.

use std::convert::Infallible;

use super::{BREATH, Worker};
use crate::{schedule::Priority, store::Backlog};

/// Counted up to this: enough to see that workers are missing, and cheap however much waits.
const MOST: usize = 1_000;

/// Measures as long as the worker works, and not at all where nobody wants it to.
pub(super) async fn measure(worker: &Worker) -> Infallible {
    let every = worker.options.count_backlog;
    if every.is_zero() {
        return std::future::pending().await;
    }
    loop {
        let now = worker.clock.now();
        match worker.claims.backlog(&Priority::SPACES, now, MOST).await {
            Ok(Backlog { due, writes }) => {
                set("due", due);
                set("writes", writes);
            }
            // What is due cannot be asked for either, which is told.
            Err(error) => tracing::debug!(%error, "what waits was not counted"),
        }
        worker.timer.sleep(every.max(BREATH)).await;
    }
}

/// A kind that nobody counted has no gauge: zero would be wrong.
fn set(kind: &'static str, count: Option<usize>) {
    if let Some(count) = count.and_then(|count| u32::try_from(count).ok()) {
        metrics::gauge!("calsync_queue_depth", "kind" => kind).set(f64::from(count));
    }
}
