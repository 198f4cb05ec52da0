//! The schema goes back to what `pg_dump` wrote of it: what happened since comes in again, and nothing that was sent since is repeated.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use calsync_core::store::Store;
use calsync_stores::postgres::{PostgresConfig, deadpool_postgres::tokio_postgres};
use calsync_testkit::{
    postgres,
    restored::{Backups, Cursors, later_edits_are_merged_or_asked, nothing_is_sent_again},
};
use tempfile::TempDir;

use crate::{
    client_program::run,
    postgres_conformance::{store, unique},
};

/// A schema, and the file it is dumped into.
struct Dumped {
    schema: String,
    folder: TempDir,
}

impl Dumped {
    fn new() -> Self {
        Self { schema: unique("restored"), folder: TempDir::new().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("backup.sql")
    }

    async fn open(&self) -> Arc<dyn Store> {
        let config = PostgresConfig::default().with_schema(&self.schema).with_max_connections(2);
        Arc::new(store(config).await)
    }
}

#[async_trait]
impl Backups for Dumped {
    async fn begin(&self) -> Arc<dyn Store> {
        self.open().await
    }

    async fn back_up(&self) {
        let (schema, file) = (format!("--schema={}", self.schema), self.file());
        run("pg_dump", &[&schema, "--file", file.to_str().unwrap(), &postgres::url()]);
    }

    async fn restore(&self) -> Arc<dyn Store> {
        let (client, connection) =
            tokio_postgres::connect(&postgres::url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.schema)).await.unwrap();
        let file = self.file();
        let options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction"];
        run("psql", &[&options[..], &["--file", file.to_str().unwrap(), &postgres::url()]].concat());
        self.open().await
    }
}

#[tokio::test]
async fn i08_postgres_restored_from_an_older_backup() {
    for cursors in Cursors::ALL {
        nothing_is_sent_again(&Dumped::new(), cursors).await;
    }
}

#[tokio::test]
async fn i08_edits_in_a_restored_postgres_are_merged_or_asked() {
    for cursors in Cursors::ALL {
        later_edits_are_merged_or_asked(&Dumped::new(), cursors).await;
    }
}
