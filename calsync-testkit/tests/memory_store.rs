//! The memory store keeps every guarantee of the store trait.

use calsync_core::store::MemoryStore;

async fn fresh() -> MemoryStore {
    MemoryStore::new()
}

calsync_testkit::store_conformance!(fresh);
calsync_testkit::feed_conformance!(fresh);
