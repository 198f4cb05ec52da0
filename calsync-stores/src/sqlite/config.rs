//! How a SQLite store is opened.

use std::time::Duration;

/// When a commit counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// `synchronous = NORMAL`: the write-ahead log is flushed to the disk at checkpoints, not at each commit. A crash
    /// of the process loses nothing. A loss of power may lose the last commits, always whole ones and only the last
    /// ones; what they decided is pulled and decided again. An outbox entry may be lost with them although its write
    /// reached the provider; the item then comes back as a remote change.
    #[default]
    Normal,
    /// `synchronous = FULL`: every commit is on the disk before it is answered, for one flush per commit.
    Full,
}

/// Settings of a [`SqliteStore`](super::SqliteStore).
///
/// ```
/// use calsync_stores::sqlite::{Durability, SqliteConfig};
///
/// let config = SqliteConfig::default().with_durability(Durability::Full);
/// assert_eq!(config.durability, Durability::Full);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// When a commit counts as written. Default: [`Durability::Normal`].
    pub durability: Durability,
    /// How long a call waits for another process that writes to the same file before it fails with
    /// [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable). Default: 5 seconds.
    pub busy_timeout: Duration,
    /// How much memory SQLite may use for pages, in KiB. Default: 4096; a first sync of 10,000 events is no faster with
    /// twice that.
    pub cache_kib: u32,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { durability: Durability::Normal, busy_timeout: Duration::from_secs(5), cache_kib: 4 * 1024 }
    }
}

impl SqliteConfig {
    /// Sets [`SqliteConfig::durability`].
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets [`SqliteConfig::busy_timeout`].
    #[must_use]
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Sets [`SqliteConfig::cache_kib`].
    #[must_use]
    pub fn with_cache_kib(mut self, kib: u32) -> Self {
        self.cache_kib = kib;
        self
    }
}
