//! The store all of them share.

use std::sync::Arc;

use calsync_core::{
    schedule::Timing,
    store::{Claims, Store},
};
use calsync_stores::{
    postgres::{PostgresConfig, PostgresStore},
    sqlite::{SqliteConfig, SqliteStore},
};
use chrono::TimeDelta;

use crate::Failure;

/// An opened store.
pub(crate) enum Place {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Place {
    /// Opens `sqlite:FILE` or a `postgres://` URL.
    pub(crate) async fn open(address: &str) -> Result<Self, Failure> {
        Ok(match address.strip_prefix("sqlite:") {
            Some(file) => Self::Sqlite(SqliteStore::open(file, SqliteConfig::default()).await?),
            None => Self::Postgres(PostgresStore::connect(address, PostgresConfig::default()).await?),
        })
    }

    pub(crate) fn tenant(&self, name: &str) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::new(store.tenant(name)),
            Self::Postgres(store) => Arc::new(store.tenant(name)),
        }
    }

    pub(crate) fn claims(&self) -> Arc<dyn Claims> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }
}

/// Links that are killed all the time are not to be left alone for long: the soak is short.
pub(crate) fn timing() -> Timing {
    let mut timing = Timing::default();
    timing.debounce = TimeDelta::milliseconds(300);
    timing.debounce_longest = TimeDelta::seconds(2);
    timing.back_off.first = TimeDelta::seconds(1);
    timing.back_off.longest = TimeDelta::seconds(4);
    timing
}
