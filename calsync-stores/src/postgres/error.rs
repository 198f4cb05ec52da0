//! What PostgreSQL says, as errors of the store.

use std::{error::Error as _, fmt};

use calsync_core::store::{StoreError, StoreErrorKind};
use deadpool_postgres::PoolError;
use tokio_postgres::{Error, error::SqlState};

/// Why a PostgreSQL store refuses something; the source of a [`StoreError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The schema was made by a newer version of calsync. It is left as it is.
    #[error("the schema has version {found}, this version of calsync knows up to {known}")]
    NewerSchema {
        /// The version of the schema.
        found: i64,
        /// The last version known here.
        known: i64,
    },
    /// [`PostgresConfig::schema`](super::PostgresConfig::schema) is no name a schema can have here.
    #[error("the name of the schema is not lower-case letters, digits and _")]
    SchemaName,
    /// The connection string cannot be read. It may hold a password and is not shown.
    #[error("the connection string is not readable")]
    ConnectionString,
    /// A row cannot be read back.
    #[error("{kind} {id} is not readable")]
    UnreadableRow {
        /// What it is a row of.
        kind: &'static str,
        /// Its id; empty where the id may be private.
        id: String,
    },
    /// The database refused a statement. Its message and details are left out, because they may quote values.
    #[error("SQLSTATE {code}{}", At(.table, .constraint))]
    Refused {
        /// Its code, as in the appendix "PostgreSQL Error Codes" of its manual.
        code: String,
        /// The table it is about.
        table: Option<String>,
        /// The constraint it is about.
        constraint: Option<String>,
    },
    /// The database could not be reached, or the connection broke.
    #[error("{0}")]
    Connection(String),
}

/// The end of the message of [`PostgresError::Refused`].
struct At<'a>(&'a Option<String>, &'a Option<String>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(table), Some(constraint)) => write!(f, " by {constraint} of {table}"),
            (Some(table), None) => write!(f, " at {table}"),
            _ => Ok(()),
        }
    }
}

/// Wraps an error of the client.
pub(super) fn from_postgres(operation: &'static str, error: &Error) -> StoreError {
    let Some(refusal) = error.as_db_error() else {
        // Not the database speaks but the connection, or a column of another type than was expected.
        let kind = if error.is_closed() || is_io(error) {
            StoreErrorKind::Unavailable
        } else {
            StoreErrorKind::Backend
        };
        return StoreError::new(kind, operation).with_source(PostgresError::Connection(error.to_string()));
    };
    StoreError::new(kind_of(refusal.code()), operation).with_source(PostgresError::Refused {
        code: refusal.code().code().to_owned(),
        table: refusal.table().map(str::to_owned),
        constraint: refusal.constraint().map(str::to_owned),
    })
}

fn is_io(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// Wraps an error of the pool.
pub(super) fn from_pool(operation: &'static str, error: &PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => {
            let wrapped = from_postgres(operation, error);
            // Whatever keeps a connection from being made, it may pass; a wrong password may be put right.
            if error.as_db_error().is_some() { wrapped } else { unavailable(operation, error.to_string()) }
        }
        other => unavailable(operation, other.to_string()),
    }
}

fn unavailable(operation: &'static str, text: String) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, operation).with_source(PostgresError::Connection(text))
}

/// Classes of SQLSTATE, see the appendix "PostgreSQL Error Codes" of its manual.
fn kind_of(code: &SqlState) -> StoreErrorKind {
    match code.code() {
        // Serialization failures and deadlocks; a lock or a statement that took too long.
        "40001" | "40P01" | "55P03" | "57014" => StoreErrorKind::Unavailable,
        // Shut down, starting up, crashed; connections gone or too many; a standby that cannot write.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25006" => StoreErrorKind::Unavailable,
        "53100" | "53200" => StoreErrorKind::Full,
        // A key longer than an index entry, a NUL in an id, an instant before 4713 BC.
        "54000" | "22021" | "22008" | "22P05" => StoreErrorKind::InvalidInput,
        "XX001" | "XX002" => StoreErrorKind::Corrupt,
        code if code.starts_with("08") => StoreErrorKind::Unavailable,
        // The only constraints a well-formed write can break are the unique ones.
        code if code.starts_with("23") => StoreErrorKind::InvalidInput,
        _ => StoreErrorKind::Backend,
    }
}

/// Whether the transaction failed because of another one, so that doing it again is all it takes.
pub(super) fn lost_to_another(error: &StoreError) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref());
    matches!(cause, Some(PostgresError::Refused { code, .. }) if code == "40001" || code == "40P01")
}

/// A row that does not hold what was written. The cause is left out: a JSON error may quote the event.
pub(super) fn unreadable(operation: &'static str, kind: &'static str, id: impl ToString) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, operation)
        .with_source(PostgresError::UnreadableRow { kind, id: id.to_string() })
}

/// Adds the operation to errors of the client.
pub(super) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| from_postgres(operation, &error))
    }
}
