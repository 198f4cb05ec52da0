//! Leases: who may write for a link. The epoch decides in a commit, never a clock.

use calsync_core::store::{LeaseGrant, LeaseToken, Result, StoreError, StoreErrorKind};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor};

use crate::{
    lock,
    row::{failed, signed},
};

const ACQUIRE: &str = "acquire_lease";

pub(crate) async fn acquire(
    transaction: &mut PgConnection,
    name: &str,
    holder: &str,
    now: DateTime<Utc>,
    ttl: TimeDelta,
) -> Result<LeaseGrant> {
    let now_micros = now.timestamp_micros();
    let until = now
        .checked_add_signed(ttl)
        .map(|until| until.timestamp_micros())
        .filter(|until| *until > now_micros)
        .ok_or_else(|| StoreError::new(StoreErrorKind::InvalidInput, ACQUIRE))?;
    lock(transaction, ACQUIRE).await?;
    let row: Option<(i64, Option<String>, i64)> =
        sqlx::query_as("SELECT epoch, holder, until FROM calsync_leases WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed(ACQUIRE))?;
    let epoch = match row {
        None => 1,
        Some((_, Some(other), until)) if now_micros < until && other != holder => {
            let until = DateTime::from_timestamp_micros(until);
            let until = until.ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, ACQUIRE))?;
            return Ok(LeaseGrant::Held { until });
        }
        Some((epoch, Some(_), until)) if now_micros < until => epoch,
        Some((epoch, ..)) => epoch + 1,
    };
    sqlx::query(
        "INSERT INTO calsync_leases (name, epoch, holder, until) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder, until = excluded.until",
    )
    .bind(name)
    .bind(epoch)
    .bind(holder)
    .bind(until)
    .execute(transaction)
    .await
    .map_err(failed(ACQUIRE))?;
    let epoch = u64::try_from(epoch).map_err(|_| StoreError::new(StoreErrorKind::Corrupt, ACQUIRE))?;
    Ok(LeaseGrant::Granted(LeaseToken { name: name.to_owned(), epoch }))
}

/// Gives a lease back: free, and its token dead. One that is not current any more is ignored.
pub(crate) async fn release(
    executor: impl PgExecutor<'_>,
    operation: &'static str,
    token: &LeaseToken,
) -> Result<()> {
    // An epoch the column cannot hold is nobody's.
    let Ok(epoch) = i64::try_from(token.epoch) else { return Ok(()) };
    sqlx::query("UPDATE calsync_leases SET holder = NULL WHERE name = $1 AND epoch = $2")
        .bind(token.name.as_str())
        .bind(epoch)
        .execute(executor)
        .await
        .map_err(failed(operation))?;
    Ok(())
}

/// Whether the token is the current one.
pub(crate) async fn is_current(
    transaction: &mut PgConnection,
    operation: &'static str,
    token: &LeaseToken,
) -> Result<bool> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT epoch FROM calsync_leases WHERE name = $1 AND holder IS NOT NULL")
            .bind(token.name.as_str())
            .fetch_optional(transaction)
            .await
            .map_err(failed(operation))?;
    Ok(row == Some((signed(token.epoch),)))
}
