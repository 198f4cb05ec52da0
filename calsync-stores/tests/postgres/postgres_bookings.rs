//! Bookings on PostgreSQL: of two that touch, one wins.

use std::sync::Arc;

use calsync_core::store::Store;
use calsync_stores::postgres::PostgresConfig;
use calsync_testkit::bookings::{Race, Wishes, race};

use super::postgres_conformance::{store, unique};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_is_booked_twice_on_postgres() {
    for wishes in [Wishes::Slots, Wishes::Overlapping] {
        let schema = unique("bookings");
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        for _ in 0..2 {
            let config = PostgresConfig::default().with_schema(&schema).with_max_connections(6);
            stores.push(Arc::new(store(config).await));
        }
        race(&stores, Race { reservations: 1000, slots: 100, workers: 12, wishes }).await;
    }
}
