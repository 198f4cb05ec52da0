//! Claims over one store per tenant keep every guarantee too: what a host's own store gets without writing a line.

use std::{collections::BTreeMap, sync::Arc};

use calsync_core::store::{MemoryStore, Store, StoreClaims};
use calsync_testkit::store_conformance::claims::TENANTS;

async fn claims() -> (Arc<StoreClaims>, impl Fn(&str) -> Arc<dyn Store>) {
    let stores: BTreeMap<&str, Arc<dyn Store>> =
        TENANTS.iter().map(|name| (*name, Arc::new(MemoryStore::new()) as _)).collect();
    let claims = stores
        .iter()
        .fold(StoreClaims::default(), |claims, (name, store)| claims.with_tenant(*name, Arc::clone(store)));
    (Arc::new(claims), move |name| Arc::clone(&stores[name]))
}

calsync_testkit::claims_conformance!(claims);
