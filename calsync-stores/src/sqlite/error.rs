//! What SQLite says, as errors of the store.

use calsync_core::store::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

/// Why a SQLite store refuses its file or a row; the source of a [`StoreError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The file was written by a newer version of calsync. It is left as it is.
    #[error("the file has schema version {found}, this version of calsync knows up to {known}")]
    NewerSchema {
        /// The version of the file.
        found: i64,
        /// The last version known here.
        known: i64,
    },
    /// The file is a database of something else. It is left as it is.
    #[error("the file is a database of another application")]
    ForeignFile,
    /// The path names a symbolic link: opening it could write to a file somebody else chose.
    #[error("the path is a symbolic link")]
    SymbolicLink,
    /// The path does not name a file: it is a directory or a device, or ends in none.
    #[error("the path does not name a file")]
    NotAFile,
    /// A row cannot be read back.
    #[error("{kind} {id} is not readable")]
    UnreadableRow {
        /// What it is a row of.
        kind: &'static str,
        /// Its id; the number of the row where the id may be private.
        id: String,
    },
    /// The thread that owns the connection has ended.
    #[error("the store is closed")]
    Closed,
}

/// Wraps an error of SQLite. Its messages name tables and columns, never values.
pub(super) fn from_sqlite(operation: &'static str, error: rusqlite::Error) -> StoreError {
    StoreError::new(kind_of(&error), operation).with_source(error)
}

fn kind_of(error: &rusqlite::Error) -> StoreErrorKind {
    if matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    ) {
        return StoreErrorKind::Corrupt;
    }
    if error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
        // The log's index could not be made as long as it has to be: what a full disk says when a file is opened.
        return StoreErrorKind::Full;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreErrorKind::Unavailable,
        Some(ErrorCode::DiskFull) => StoreErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreErrorKind::Corrupt,
        // The only constraints a well-formed write can break are the unique ones.
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig) => StoreErrorKind::InvalidInput,
        _ => StoreErrorKind::Backend,
    }
}

/// A row that does not hold what was written. The cause is left out: a JSON error may quote the event.
pub(super) fn unreadable(operation: &'static str, kind: &'static str, id: impl ToString) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, operation)
        .with_source(SqliteError::UnreadableRow { kind, id: id.to_string() })
}

/// Adds the operation to errors of SQLite.
pub(super) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for rusqlite::Result<T> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| from_sqlite(operation, error))
    }
}
