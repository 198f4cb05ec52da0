//! The schema, as the list of its changes.
//!
//! A change that was released is never edited; a new one is added at the end. `@` stands for the schema's name.

use calsync_core::store::{Result, StoreError, StoreErrorKind};
use tokio_postgres::Client;

use super::error::{During, PostgresError};

const OPEN: &str = "open";

/// The SQL that leads from each version to the next; the first one starts from nothing.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
];

/// Whether the text can be the name of the schema, between quotes and in names of channels.
pub(super) fn is_schema_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte == b'_' || byte.is_ascii_lowercase());
    let rest = name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first && rest && name.len() <= 48 && !name.starts_with("pg_")
}

/// Brings the schema up to the last version of `migrations`, each step in a transaction of its own, one process at a
/// time: the others wait for an advisory lock. Where nothing is to be done nothing is locked, and the right to read is
/// enough.
///
/// # Errors
///
/// [`PostgresError::NewerSchema`] before anything is written. A step that fails leaves the version before it.
pub(super) async fn migrate(client: &Client, schema: &str, migrations: &[&str]) -> Result<()> {
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    loop {
        if version(client, schema, known).await? >= known {
            return Ok(());
        }
        client.batch_execute("BEGIN").await.during(OPEN)?;
        let done = step(client, schema, migrations, known).await;
        // Ends a transaction that failed too.
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = client.batch_execute(end).await.during(OPEN);
        done?;
        ended?;
    }
}

async fn step(client: &Client, schema: &str, migrations: &[&str], known: i64) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('calsync schema ' || $1::text, 0))";
    client.execute(lock, &[&schema]).await.during(OPEN)?;
    // Another process may have taken the step while this one waited.
    let from = version(client, schema, known).await?;
    let Some(sql) = usize::try_from(from).ok().and_then(|from| migrations.get(from)) else { return Ok(()) };
    let quoted = format!("\"{schema}\"");
    if from == 0 {
        // Asked first: whoever was given a schema may not be allowed to make one, not even one that is there.
        let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
        if !client.query_one(there, &[&schema]).await.during(OPEN)?.get::<_, bool>(0) {
            client.batch_execute(&format!("CREATE SCHEMA {quoted}")).await.during(OPEN)?;
        }
        let table = "CREATE TABLE @.migrations (version bigint PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())";
        client.batch_execute(&table.replace('@', &quoted)).await.during(OPEN)?;
    }
    client.batch_execute(&sql.replace('@', &quoted)).await.during(OPEN)?;
    let mark = "INSERT INTO @.migrations (version) VALUES ($1)".replace('@', &quoted);
    client.execute(&mark, &[&(from + 1)]).await.during(OPEN)?;
    Ok(())
}

/// The version of the schema; 0 when there is none.
async fn version(client: &Client, schema: &str, known: i64) -> Result<i64> {
    let there = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'migrations')";
    if !client.query_one(there, &[&schema]).await.during(OPEN)?.get::<_, bool>(0) {
        return Ok(0);
    }
    let newest = format!("SELECT coalesce(max(version), 0) FROM \"{schema}\".migrations");
    let found: i64 = client.query_one(&newest, &[]).await.during(OPEN)?.try_get(0).during(OPEN)?;
    if found > known {
        let newer = PostgresError::NewerSchema { found, known };
        return Err(StoreError::new(StoreErrorKind::InvalidInput, OPEN).with_source(newer));
    }
    Ok(found)
}
