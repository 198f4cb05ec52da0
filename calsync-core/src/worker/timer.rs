//! Waiting.

use async_trait::async_trait;
use chrono::TimeDelta;

/// Lets time pass, by the same clock that tells it to the worker. The host's runtime does it; with tokio, `sleep` is
/// `tokio::time::sleep(time.to_std().unwrap_or_default()).await`.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns after `time`; at once when it is not positive.
    async fn sleep(&self, time: TimeDelta);
}
