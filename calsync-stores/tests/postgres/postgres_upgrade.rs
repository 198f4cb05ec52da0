//! Schemas that older versions of calsync made: their rows are still read, runs find nothing to do, and they end up like a fresh one.
//!
//! Whoever adds a migration adds what the version it leads to looks like, and never changes what is there:
//! `cargo test -p calsync-stores --features postgres --test postgres -- --ignored postgres_upgrade`

use std::{path::Path, sync::Arc};

use calsync_stores::postgres::{
    PostgresConfig, PostgresStore,
    deadpool_postgres::tokio_postgres::{self, Client},
};
use calsync_testkit::{
    older::{EDITED, ENTRIES, document_is_read, feed_is_read, fill, rows_are_read, runs_write_nothing},
    postgres,
};

use crate::{
    client_program::run,
    postgres_conformance::{store, unique},
};

/// One for each version of the schema, whose name is `@` in it.
const FIXTURES: [&str; 3] = [
    include_str!("../fixtures/postgres/version_1.sql"),
    include_str!("../fixtures/postgres/version_2.sql"),
    include_str!("../fixtures/postgres/version_3.sql"),
];
/// The version since which there are feeds.
const FEEDS: usize = 3;

const OTHER: &str = "other";

async fn client() -> Client {
    let (client, connection) =
        tokio_postgres::connect(&postgres::url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn open(schema: &str) -> PostgresStore {
    store(PostgresConfig::default().with_schema(schema).with_max_connections(2)).await
}

async fn version(client: &Client, schema: &str) -> usize {
    let newest = format!("SELECT max(version)::int FROM {schema}.migrations");
    let found: i32 = client.query_one(&newest, &[]).await.unwrap().get(0);
    usize::try_from(found).unwrap()
}

/// What `pg_dump` writes of a schema, without what is about the session, and with `@` for its name.
fn dumped(schema: &str, options: &[&str]) -> String {
    let of = format!("--schema={schema}");
    let common = [of.as_str(), "--inserts", "--no-owner", "--no-privileges", "--no-comments"];
    let text = run("pg_dump", &[&common[..], options, &[&postgres::url()]].concat());
    assert!(!text.contains('@'), "it stands for the schema");
    let left_out = ["--", "\\", "SET ", "SELECT pg_catalog.set_config("];
    let lines =
        text.lines().filter(|line| !line.is_empty() && !left_out.iter().any(|out| line.starts_with(out)));
    lines.flat_map(|line| [line, "\n"]).collect::<String>().replace(schema, "@")
}

#[tokio::test]
async fn older_schemas_are_upgraded_and_read() {
    let client = client().await;
    let fresh = unique("fresh");
    open(&fresh).await;
    assert_eq!(version(&client, &fresh).await, FIXTURES.len(), "a version has no fixture");
    for (n, fixture) in (1..).zip(FIXTURES) {
        let schema = unique("older");
        client.batch_execute(&fixture.replace('@', &schema)).await.unwrap();
        assert_eq!(version(&client, &schema).await, n);
        let store = open(&schema).await;
        for store in [store.clone(), store.tenant(OTHER)] {
            let entries = if n < FEEDS { 0 } else { ENTRIES };
            feed_is_read(&store, entries).await;
            rows_are_read(&store).await;
            document_is_read(&store).await;
            runs_write_nothing(Arc::new(store.clone())).await;
            feed_is_read(&store, entries + EDITED).await;
        }
        let structure = ["--schema-only"];
        assert_eq!(dumped(&schema, &structure), dumped(&fresh, &structure), "from version {n}");
    }
}

#[tokio::test]
#[ignore = "writes the fixture of a new version"]
async fn the_schema_of_this_version_is_written() {
    let schema = unique("filled");
    let store = open(&schema).await;
    for store in [store.clone(), store.tenant(OTHER)] {
        fill(Arc::new(store)).await;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/postgres");
    let version = version(&client().await, &schema).await;
    let file = folder.join(format!("version_{version}.sql"));
    assert!(!file.exists(), "it stands for the schemas people have");
    let title = format!(
        "-- A schema as version {version} left it. Never edited: it stands for the schemas people have.\n"
    );
    std::fs::write(file, title + &dumped(&schema, &[])).unwrap();
}
