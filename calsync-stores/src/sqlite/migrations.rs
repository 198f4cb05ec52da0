//! The schema, as the list of its changes.
//!
//! A change that was released is never edited; a new one is added at the end. Comments stand inside the `CREATE`
//! statements, because only there SQLite keeps them for whoever looks at `.schema`.

use calsync_core::store::{Result, StoreError, StoreErrorKind};
use rusqlite::{Connection, TransactionBehavior};

use super::error::{During, SqliteError};

/// Marks a file as one of calsync (`cals` in ASCII), in its header.
const APPLICATION_ID: i64 = 0x6361_6c73;
const OPEN: &str = "open";

/// The SQL that leads from each version to the next; the first one starts from an empty file.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
];

/// Brings the schema up to the last version of `migrations`, each step in a transaction of its own.
///
/// # Errors
///
/// [`SqliteError::NewerSchema`] and [`SqliteError::ForeignFile`] before anything is written. A step that fails leaves
/// the version before it.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    loop {
        // Without a write lock first: opening an up-to-date file must not wait for a writer. In one transaction all
        // the same: between two reads another process may make the schema, and the file would look like a stranger's.
        let reading = connection.transaction().during(OPEN)?;
        let found = version(&reading, known)?;
        drop(reading);
        if found >= known {
            return Ok(());
        }
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).during(OPEN)?;
        // Another process may have taken the step while this one waited for the lock.
        let from = version(&transaction, known)?;
        if let Some(sql) = usize::try_from(from).ok().and_then(|from| migrations.get(from)) {
            transaction.execute_batch(sql).during(OPEN)?;
            transaction.pragma_update(None, "user_version", from + 1).during(OPEN)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).during(OPEN)?;
        }
        transaction.commit().during(OPEN)?;
    }
}

/// The version of the file; 0 when it is empty.
fn version(connection: &Connection, known: i64) -> Result<i64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).during(OPEN);
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let refuse = |error| Err(StoreError::new(StoreErrorKind::InvalidInput, OPEN).with_source(error));
    if application != APPLICATION_ID {
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).during(OPEN)?;
        if application != 0 || version != 0 || tables != 0 {
            return refuse(SqliteError::ForeignFile);
        }
    }
    if version > known {
        return refuse(SqliteError::NewerSchema { found: version, known });
    }
    Ok(version)
}
