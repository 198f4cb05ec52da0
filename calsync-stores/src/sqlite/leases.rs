//! Leases, on the connection's thread.
//!
//! A commit compares the token's epoch with the row and looks at no clock: when a lease has run out but nobody took
//! it over, no other can have committed, and two clocks that disagree can at worst move a lease early, never let
//! both holders write.

use calsync_core::store::{LeaseGrant, LeaseToken, Result, StoreError, StoreErrorKind};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::codec::{signed, unsigned};

use super::{
    Db,
    error::{During, unreadable},
    rows::micros,
    sql,
};

const ACQUIRE: &str = "acquire_lease";
const RELEASE: &str = "release_lease";

/// The row of a lease.
pub(super) struct Lease {
    pub(super) epoch: u64,
    /// `None` once it was given back.
    pub(super) holder: Option<String>,
    /// In microseconds.
    until: i64,
}

pub(super) fn read(db: &Db<'_>, operation: &'static str, name: &str) -> Result<Option<Lease>> {
    db.connection
        .prepare_cached(sql::LEASE)
        .and_then(|mut statement| {
            statement
                .query_row([db.tenant, name], |row| {
                    Ok(Lease { epoch: unsigned(row.get(0)?), holder: row.get(1)?, until: row.get(2)? })
                })
                .optional()
        })
        .during(operation)
}

pub(super) fn acquire(
    connection: &mut Connection,
    tenant: &str,
    name: &str,
    holder: &str,
    now: DateTime<Utc>,
    ttl: TimeDelta,
) -> Result<LeaseGrant> {
    let now_micros = micros(now);
    let until = now
        .checked_add_signed(ttl)
        .map(micros)
        .filter(|until| *until > now_micros)
        .ok_or_else(|| StoreError::new(StoreErrorKind::InvalidInput, ACQUIRE))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(ACQUIRE)?;
    let epoch = match read(&Db { connection: &transaction, tenant }, ACQUIRE, name)? {
        None => 1,
        Some(lease) => match &lease.holder {
            Some(other) if now_micros < lease.until && other != holder => {
                let until = DateTime::from_timestamp_micros(lease.until)
                    .ok_or_else(|| unreadable(ACQUIRE, "lease", name))?;
                return Ok(LeaseGrant::Held { until });
            }
            Some(_) if now_micros < lease.until => lease.epoch,
            _ => lease.epoch + 1,
        },
    };
    transaction
        .prepare_cached(
            "INSERT INTO leases (tenant, name, epoch, holder, until) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (tenant, name) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder, \
             until = excluded.until",
        )
        .and_then(|mut statement| statement.execute(params![tenant, name, signed(epoch), holder, until]))
        .during(ACQUIRE)?;
    transaction.commit().during(ACQUIRE)?;
    Ok(LeaseGrant::Granted(LeaseToken { name: name.to_owned(), epoch }))
}

pub(super) fn release(connection: &Connection, tenant: &str, token: &LeaseToken) -> Result<()> {
    // An epoch SQLite cannot hold is nobody's.
    let Ok(epoch) = i64::try_from(token.epoch) else { return Ok(()) };
    connection
        .prepare_cached("UPDATE leases SET holder = NULL WHERE tenant = ?1 AND name = ?2 AND epoch = ?3")
        .and_then(|mut statement| statement.execute(params![tenant, token.name, epoch]))
        .during(RELEASE)?;
    Ok(())
}
