//! Opening the file and setting up the connection.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use calsync_core::store::{Result, StoreError, StoreErrorKind};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{
    config::{Durability, SqliteConfig},
    error::{During, SqliteError},
    migrations::{MIGRATIONS, migrate},
};

const OPEN: &str = "open";
/// More than there are statements, so that none is ever parsed twice.
const STATEMENTS: usize = 96;

/// Where the database lives.
pub(super) enum Place {
    Memory,
    File(PathBuf),
}

/// A connection that is ready: file checked, settings made, schema up to date.
pub(super) fn connect(place: &Place, config: &SqliteConfig) -> Result<Connection> {
    let mut connection = match place {
        Place::Memory => Connection::open_in_memory().during(OPEN)?,
        Place::File(path) => {
            let path = prepare(path)?;
            // NO_MUTEX: the connection stays on one thread.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            Connection::open_with_flags(path, flags).during(OPEN)?
        }
    };
    set_up(&connection, config).during(OPEN)?;
    migrate(&mut connection, MIGRATIONS)?;
    Ok(connection)
}

/// Makes the file, readable by its owner only, unless it is there. SQLite gives the `-wal` and `-shm` files the mode
/// of the database.
///
/// A link as last component is refused; links among the directories above are followed, they are the host's own.
fn prepare(path: &Path) -> Result<PathBuf> {
    let invalid = |error| StoreError::new(StoreErrorKind::InvalidInput, OPEN).with_source(error);
    let name = path.file_name().ok_or_else(|| invalid(SqliteError::NotAFile))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let path = fs::canonicalize(directory).map_err(|error| StoreError::backend(OPEN, error))?.join(name);

    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(&path).map_err(|error| StoreError::backend(OPEN, error))?;
            if found.is_symlink() {
                return Err(invalid(SqliteError::SymbolicLink));
            }
            if !found.is_file() {
                return Err(invalid(SqliteError::NotAFile));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            return Err(StoreError::new(StoreErrorKind::Full, OPEN).with_source(error));
        }
        Err(error) => return Err(StoreError::backend(OPEN, error)),
    }
    Ok(path)
}

fn set_up(connection: &Connection, config: &SqliteConfig) -> rusqlite::Result<()> {
    connection.busy_timeout(config.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The file may have been handed over by somebody: nothing in its schema may run as code, and nothing here can
    // write to the parts SQLite trusts.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    // A plan never hangs on the values that are bound: statements are planned once, and not again for every other value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Sorting never writes event text to a temporary file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Purged text is overwritten where that costs no extra write.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    connection.pragma_update(None, "cache_size", -i64::from(config.cache_kib))?;
    use_write_ahead_log(connection)?;
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    let synchronous = match config.durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

/// Turns a new file to the write-ahead log.
///
/// The change needs the file for itself, and here SQLite does not wait for others as it does elsewhere: of eight
/// connections that open a new file at once, some fail at once with "database is locked". Taking the write lock does
/// wait, and after it the other one's change is done.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    const ATTEMPTS: usize = 20;
    for _ in 0..ATTEMPTS {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
            }
            done => return done,
        }
    }
    connection.pragma_update(None, "journal_mode", "WAL")
}
