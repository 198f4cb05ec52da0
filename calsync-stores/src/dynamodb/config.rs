//! How a DynamoDB store is opened.

use std::{fmt, sync::Arc, time::Duration};

use calsync_core::context::{Clock, Entropy, SystemClock, SystemEntropy};
use chrono::TimeDelta;

/// Settings of a [`DynamoStore`](super::DynamoStore).
///
/// ```
/// use calsync_stores::dynamodb::DynamoConfig;
///
/// let config = DynamoConfig::default().with_table("calendars");
/// assert_eq!(config.attempts, 12);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct DynamoConfig {
    /// The table. Default: `calsync`.
    pub table: String,
    /// How often a request that is throttled, and a commit that lost to another one, is tried before it fails with
    /// [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable). Default: 12.
    pub attempts: u32,
    /// The first wait between two tries; each further one is up to twice as long, and chance takes up to half of it away.
    /// Default: 10 milliseconds.
    pub first_wait: Duration,
    /// The longest wait between two tries. Default: 1 second.
    pub longest_wait: Duration,
    /// How many items a commit may write in one transaction; a larger one is written ahead. Default: 100, the most DynamoDB
    /// takes. Fewer are for services like it that take fewer, and for tests.
    pub transaction_items: usize,
    /// The largest value of a row, in bytes of JSON; above some 200 KB it is kept in parts. Default: 64 MiB.
    pub max_value: usize,
    /// When rows of the logs are forgotten by DynamoDB itself, counted from the time they are cut by: a second broom beside
    /// [`Write::PurgeLog`](calsync_core::store::Write::PurgeLog), which then counts fewer. What is past it is not read any
    /// more, though DynamoDB removes it only within days. Default: never.
    pub log_retention: Option<TimeDelta>,
    /// Tells which rows are past [`DynamoConfig::log_retention`]. Default: the machine's clock.
    pub clock: Arc<dyn Clock>,
    /// Gives versions of documents, names of large values, and the chance in waits. Default: the operating system's.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for DynamoConfig {
    fn default() -> Self {
        Self {
            table: "calsync".to_owned(),
            attempts: 12,
            first_wait: Duration::from_millis(10),
            longest_wait: Duration::from_secs(1),
            transaction_items: 100,
            max_value: 64 * 1024 * 1024,
            log_retention: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

impl fmt::Debug for DynamoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoConfig")
            .field("table", &self.table)
            .field("attempts", &self.attempts)
            .field("first_wait", &self.first_wait)
            .field("longest_wait", &self.longest_wait)
            .field("transaction_items", &self.transaction_items)
            .field("max_value", &self.max_value)
            .field("log_retention", &self.log_retention)
            .finish_non_exhaustive()
    }
}

impl DynamoConfig {
    /// Sets [`DynamoConfig::table`].
    #[must_use]
    pub fn with_table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// Sets [`DynamoConfig::attempts`].
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets [`DynamoConfig::transaction_items`].
    #[must_use]
    pub fn with_transaction_items(mut self, items: usize) -> Self {
        self.transaction_items = items;
        self
    }

    /// Sets [`DynamoConfig::max_value`].
    #[must_use]
    pub fn with_max_value(mut self, bytes: usize) -> Self {
        self.max_value = bytes;
        self
    }

    /// Sets [`DynamoConfig::log_retention`].
    #[must_use]
    pub fn with_log_retention(mut self, retention: TimeDelta) -> Self {
        self.log_retention = Some(retention);
        self
    }

    /// Sets [`DynamoConfig::clock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets [`DynamoConfig::entropy`].
    #[must_use]
    pub fn with_entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }
}
