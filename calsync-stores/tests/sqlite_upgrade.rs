//! Files that older versions of calsync wrote: their rows are still read, runs find nothing to do, and their schema ends up like a fresh one.
//!
//! Whoever adds a migration adds a file of the version it leads to, and never changes one that is there:
//! `cargo test -p calsync-stores --test sqlite_upgrade -- --ignored`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{fmt::Write as _, path::Path, sync::Arc};

use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::older::{
    EDITED, ENTRIES, document_is_read, feed_is_read, fill, rows_are_read, runs_write_nothing,
};
use rusqlite::Connection;
use tempfile::TempDir;

/// One for each version of the schema.
const FIXTURES: [&str; 5] = [
    include_str!("fixtures/sqlite/version_1.sql"),
    include_str!("fixtures/sqlite/version_2.sql"),
    include_str!("fixtures/sqlite/version_3.sql"),
    include_str!("fixtures/sqlite/version_4.sql"),
    include_str!("fixtures/sqlite/version_5.sql"),
];
/// The versions since which there are documents, tenants, feeds.
const SINCE: (usize, usize, usize) = (2, 3, 5);

/// The tenant whose rows are beside those of the one without a name.
const OTHER: &str = "other";

/// What the schema of a file says, comments included.
fn schema(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT type || ' ' || name || ': ' || ifnull(sql, '') FROM sqlite_schema ORDER BY type, name",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn version(path: &Path) -> usize {
    let connection = Connection::open(path).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap() as usize
}

/// A file made of text.
fn restored(path: &Path, fixture: &str) {
    let older = Connection::open(path).unwrap();
    older.execute_batch(fixture).unwrap();
    older.close().unwrap();
}

async fn fresh(directory: &TempDir) -> std::path::PathBuf {
    let path = directory.path().join("fresh.db");
    SqliteStore::open(&path, SqliteConfig::default()).await.unwrap().close().await;
    path
}

#[tokio::test]
async fn older_files_are_upgraded_and_read() {
    let directory = TempDir::new().unwrap();
    let fresh = fresh(&directory).await;
    assert_eq!(version(&fresh), FIXTURES.len(), "a version has no fixture");
    for (n, fixture) in (1..).zip(FIXTURES) {
        let path = directory.path().join(format!("{n}.db"));
        restored(&path, fixture);
        assert_eq!(version(&path), n);
        let store = SqliteStore::open(&path, SqliteConfig::default()).await.unwrap();
        let tenants =
            if n < SINCE.1 { vec![store.clone()] } else { vec![store.clone(), store.tenant(OTHER)] };
        for store in tenants {
            let entries = if n < SINCE.2 { 0 } else { ENTRIES };
            feed_is_read(&store, entries).await;
            rows_are_read(&store).await;
            if n >= SINCE.0 {
                document_is_read(&store).await;
            }
            runs_write_nothing(Arc::new(store.clone())).await;
            feed_is_read(&store, entries + EDITED).await;
        }
        store.close().await;
        assert_eq!(schema(&path), schema(&fresh));
    }
}

/// The rows as they were written in the days of the first version.
#[tokio::test]
async fn the_first_rows_are_read() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("first.db");
    restored(&path, include_str!("fixtures/sqlite/rows_of_version_1.sql"));
    let store = SqliteStore::open(&path, SqliteConfig::default()).await.unwrap();
    rows_are_read(&store).await;
    store.close().await;
    assert_eq!(schema(&path), schema(&fresh(&directory).await));
}

/// A file as text: its tables with their rows, then the indexes.
fn dumped(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    let texts = |sql: &str| -> Vec<(String, String)> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    let mut text = format!(
        "-- A file as version {version} left it. Never edited: it stands for the files people have.\n\
         PRAGMA application_id = {};\nPRAGMA user_version = {version};\nPRAGMA journal_mode = WAL;\nBEGIN TRANSACTION;\n",
        pragma("application_id"),
        version = pragma("user_version"),
    );
    for (table, sql) in texts("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
        let columns = format!("SELECT 'quote(' || name || ')', '' FROM pragma_table_info('{table}')");
        let columns: Vec<String> = texts(&columns).into_iter().map(|(name, _)| name).collect();
        writeln!(text, "{sql};").unwrap();
        for (row, _) in texts(&format!("SELECT {}, '' FROM {table}", columns.join("||','||"))) {
            writeln!(text, "INSERT INTO {table} VALUES({row});").unwrap();
        }
    }
    for (sql, _) in
        texts("SELECT sql, '' FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
    {
        writeln!(text, "{sql};").unwrap();
    }
    text + "COMMIT;\n"
}

#[tokio::test]
#[ignore = "writes the fixture of a new version"]
async fn the_file_of_this_version_is_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("filled.db");
    let store = SqliteStore::open(&path, SqliteConfig::default()).await.unwrap();
    for store in [store.clone(), store.tenant(OTHER)] {
        fill(Arc::new(store)).await;
    }
    store.close().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sqlite");
    let file = folder.join(format!("version_{}.sql", version(&path)));
    assert!(!file.exists(), "it stands for the files people have");
    std::fs::write(file, dumped(&path)).unwrap();
}
