//! The PostgreSQL store keeps every guarantee of the store trait: with a schema of its own, as one tenant among others,
//! inside transactions of the host, and with a zone set for the session.

use std::sync::atomic::{AtomicU32, Ordering};

use calsync_stores::postgres::{PostgresConfig, PostgresStore};

/// A name no other test of any process has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn store(config: PostgresConfig) -> PostgresStore {
    PostgresStore::connect(&calsync_testkit::postgres::url(), config).await.expect("the store is opened")
}

mod own_schema {
    use super::*;

    async fn fresh() -> PostgresStore {
        store(PostgresConfig::default().with_schema(unique("own"))).await
    }

    calsync_testkit::store_conformance!(fresh);
}
