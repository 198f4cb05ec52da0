//! Waiting.

use async_trait::async_trait;
use chrono::TimeDelta;

/// Lets time pass, by the same clock that tells it to the worker. The host's runtime does it.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns after `time`; at once when it is not positive.
    async fn sleep(&self, time: TimeDelta);
}

/// The timer of tokio. Needs the feature `tokio`, and a runtime with time enabled.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}
