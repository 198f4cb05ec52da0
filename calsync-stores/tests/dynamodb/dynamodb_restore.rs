//! The table goes back to an older backup: what happened since comes in again, and nothing that was sent since is repeated.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use calsync_core::store::Store;
use calsync_stores::dynamodb::{
    DynamoConfig, DynamoStore, aws_sdk_dynamodb::types::AttributeValue, provision,
};
use calsync_testkit::restored::{Backups, Cursors, later_edits_are_merged_or_asked, nothing_is_sent_again};

use crate::dynamodb_conformance::{local, unique};

/// A table, and the one its backup is restored into.
struct Tables {
    now: DynamoConfig,
    backup: DynamoConfig,
}

impl Tables {
    fn new() -> Self {
        let table = |name| DynamoConfig::default().with_table(unique(name));
        Self { now: table("now"), backup: table("backup") }
    }
}

#[async_trait]
impl Backups for Tables {
    async fn begin(&self) -> Arc<dyn Store> {
        provision(&local(), &self.now).await.unwrap();
        Arc::new(DynamoStore::new(local(), self.now.clone()))
    }

    /// Every row in another table: what a restored backup is.
    async fn back_up(&self) {
        provision(&local(), &self.backup).await.unwrap();
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        loop {
            let scan = local().scan().table_name(&self.now.table).set_exclusive_start_key(start);
            let page = scan.send().await.unwrap();
            for item in page.items.unwrap_or_default() {
                local().put_item().table_name(&self.backup.table).set_item(Some(item)).send().await.unwrap();
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
    }

    async fn restore(&self) -> Arc<dyn Store> {
        Arc::new(DynamoStore::new(local(), self.backup.clone()))
    }
}

// One kind of cursor each: the other stores are tried with both, and this one is slow.

#[tokio::test]
async fn i08_dynamodb_restored_from_an_older_backup() {
    nothing_is_sent_again(&Tables::new(), Cursors::Forgotten).await;
}

#[tokio::test]
async fn i08_edits_in_a_restored_dynamodb_are_merged_or_asked() {
    later_edits_are_merged_or_asked(&Tables::new(), Cursors::Known).await;
}
