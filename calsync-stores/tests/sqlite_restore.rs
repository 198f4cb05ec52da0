//! The file goes back to an older backup: what happened since comes in again, and nothing that was sent since is repeated.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use calsync_core::store::Store;
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::restored::{Backups, Cursors, later_edits_are_merged_or_asked, nothing_is_sent_again};
use rusqlite::Connection;
use tempfile::TempDir;

/// A file, and another one that `VACUUM INTO` makes of it.
struct Files(TempDir);

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn open(&self, name: &str) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.path(name), SqliteConfig::default()).await.unwrap())
    }
}

#[async_trait]
impl Backups for Files {
    async fn begin(&self) -> Arc<dyn Store> {
        self.open("now.db").await
    }

    async fn back_up(&self) {
        let backup = self.path("backup.db");
        let now = Connection::open(self.path("now.db")).unwrap();
        now.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    }

    async fn restore(&self) -> Arc<dyn Store> {
        self.open("backup.db").await
    }
}

#[tokio::test]
async fn i08_restored_from_an_older_backup() {
    for cursors in Cursors::ALL {
        nothing_is_sent_again(&Files(TempDir::new().unwrap()), cursors).await;
    }
}

#[tokio::test]
async fn i08_edits_in_a_restored_file_are_merged_or_asked() {
    for cursors in Cursors::ALL {
        later_edits_are_merged_or_asked(&Files(TempDir::new().unwrap()), cursors).await;
    }
}
