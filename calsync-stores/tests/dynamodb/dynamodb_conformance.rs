//! The DynamoDB store keeps every guarantee of the store trait: alone in a table, as one tenant among others, with every batch
//! going the way of those too large for a transaction.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use calsync_core::store::Store;
use calsync_stores::dynamodb::{
    DynamoConfig, DynamoStore, Endpoint, aws_sdk_dynamodb::Client, client, provision,
};

/// A name no other test of any process has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn local() -> Client {
    let endpoint = Endpoint::region("eu-central-1").at(calsync_testkit::dynamodb::url());
    client(&endpoint, "key", "secret", None)
}

pub(crate) async fn store(config: DynamoConfig) -> DynamoStore {
    provision(&local(), &config).await.expect("the table is made");
    DynamoStore::open(local(), config).await.expect("the store is opened")
}

mod own_table {
    use super::*;

    async fn fresh() -> DynamoStore {
        store(DynamoConfig::default().with_table(unique("own"))).await
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);
}

/// One table for all its tests, each being a tenant of its own.
mod one_of_many_tenants {
    use super::*;

    async fn tenants() -> impl Fn(&str) -> DynamoStore {
        let store = store(DynamoConfig::default().with_table(unique("tenants"))).await;
        move |name| store.tenant(name)
    }

    calsync_testkit::tenant_conformance!(tenants);
    calsync_testkit::tenant_feed_conformance!(tenants);

    async fn claims() -> (Arc<DynamoStore>, impl Fn(&str) -> Arc<dyn Store>) {
        let store = store(DynamoConfig::default().with_table(unique("claims"))).await;
        (Arc::new(store.clone()), move |name| Arc::new(store.tenant(name)))
    }

    calsync_testkit::claims_conformance!(claims);
}

/// No batch fits in a transaction: what is about batches, once more.
mod written_ahead {
    use super::*;

    async fn fresh() -> DynamoStore {
        store(DynamoConfig::default().with_table(unique("ahead")).with_transaction_items(0)).await
    }

    calsync_testkit::store_conformance_batches!(fresh);
    calsync_testkit::store_conformance_docs!(fresh);
    calsync_testkit::feed_conformance!(fresh);
    calsync_testkit::store_conformance_leases!(fresh);
    calsync_testkit::store_conformance_pairs!(fresh);
    calsync_testkit::store_conformance_random!(fresh);
    calsync_testkit::store_conformance_revisions!(fresh);
}
