//! How a PostgreSQL store is opened.

use std::time::Duration;

/// Settings of a [`PostgresStore`](super::PostgresStore).
///
/// ```
/// use calsync_stores::postgres::PostgresConfig;
///
/// let config = PostgresConfig::default().with_schema("sync").with_tenant_setting("calsync.tenant");
/// assert_eq!(config.max_connections, 8);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresConfig {
    /// The schema the tables live in: a lower-case letter or `_`, then letters, digits and `_`, at most 48. It is made
    /// when it is not there. Default: `calsync`.
    pub schema: String,
    /// How many connections a pool of the store's own opens at most. Default: 8. A commit holds one for two round trips.
    pub max_connections: usize,
    /// How long a call waits for a free connection, or a new one, before it fails with
    /// [`StoreErrorKind::Unavailable`](calsync_core::store::StoreErrorKind::Unavailable); for pools of the store's
    /// own. Default: 30 seconds.
    pub wait: Duration,
    /// Whether commits tell listeners. Default: [`WakeUps::On`].
    pub wake_ups: WakeUps,
    /// A setting that names the tenant while the store's statements run, for policies of row-level security to
    /// compare with. Default: none.
    pub tenant_setting: Option<String>,
}

/// Whether a commit tells [listeners](super::Listener) what it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WakeUps {
    /// It does, by `NOTIFY`.
    #[default]
    On,
    /// It does not. PostgreSQL lets one commit with a `NOTIFY` finish at a time, in the whole database: a host that
    /// commits thousands of times a second polls instead.
    Off,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            schema: "calsync".to_owned(),
            max_connections: 8,
            wait: Duration::from_secs(30),
            wake_ups: WakeUps::On,
            tenant_setting: None,
        }
    }
}

impl PostgresConfig {
    /// Sets [`PostgresConfig::schema`].
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Sets [`PostgresConfig::max_connections`].
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets [`PostgresConfig::wait`].
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets [`PostgresConfig::wake_ups`].
    #[must_use]
    pub fn with_wake_ups(mut self, wake_ups: WakeUps) -> Self {
        self.wake_ups = wake_ups;
        self
    }

    /// Sets [`PostgresConfig::tenant_setting`].
    #[must_use]
    pub fn with_tenant_setting(mut self, name: impl Into<String>) -> Self {
        self.tenant_setting = Some(name.into());
        self
    }
}
