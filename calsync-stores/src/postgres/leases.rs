//! Leases.
//!
//! A commit compares the token's epoch with the row and looks at no clock, neither the database's nor its own; see
//! `docs/adr/0004-store.md`.

use calsync_core::store::{LeaseGrant, LeaseToken, Result, StoreError, StoreErrorKind};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    PostgresStore,
    error::unreadable,
    rows::to_micros,
    session::{Call, Param},
};
use crate::codec::unsigned;

const ACQUIRE: &str = "acquire_lease";
const RELEASE: &str = "release_lease";
/// How often a lease may change hands between two statements before it counts as busy.
const ATTEMPTS: usize = 5;

/// From when to when a lease is to be held.
pub(super) fn span(now: DateTime<Utc>, ttl: TimeDelta) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let now = to_micros(now);
    let until = now.checked_add_signed(ttl).map(to_micros).filter(|until| *until > now);
    until.map(|until| (now, until)).ok_or_else(|| StoreError::new(StoreErrorKind::InvalidInput, ACQUIRE))
}

pub(super) async fn acquire(
    store: &PostgresStore,
    name: &str,
    holder: &str,
    now: DateTime<Utc>,
    ttl: TimeDelta,
) -> Result<LeaseGrant> {
    let (now, until) = span(now, ttl)?;
    let sql = &store.shared.sql;
    for _ in 0..ATTEMPTS {
        let params: Vec<_> =
            vec![Box::new(name) as _, Box::new(holder) as _, Box::new(now) as _, Box::new(until) as _];
        if let Some(row) = store.call(ACQUIRE, &sql.take_lease, params).await?.first() {
            let epoch = row.try_get(0).map_err(|_| unreadable(ACQUIRE, "lease", name))?;
            return Ok(LeaseGrant::Granted(LeaseToken { name: name.to_owned(), epoch: unsigned(epoch) }));
        }
        let rows = store.call(ACQUIRE, &sql.lease_end, vec![Box::new(name)]).await?;
        if let Some(row) = rows.first() {
            let until: DateTime<Utc> = row.try_get(0).map_err(|_| unreadable(ACQUIRE, "lease", name))?;
            // Until then: had it ended before, it would have been taken.
            if now < until {
                return Ok(LeaseGrant::Held { until });
            }
        }
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, ACQUIRE))
}

/// The statement that gives a lease back; `None` when it is nobody's, because PostgreSQL cannot hold its epoch.
pub(super) fn give_back<'a>(store: &'a PostgresStore, token: &'a LeaseToken) -> Option<Call<'a>> {
    let epoch = i64::try_from(token.epoch).ok()?;
    let params: Vec<Param<'a>> =
        vec![Box::new(store.tenant.as_ref()), Box::new(token.name.as_str()), Box::new(epoch)];
    Some(Call { sql: &store.shared.sql.release_lease, params })
}

pub(super) async fn release(store: &PostgresStore, token: &LeaseToken) -> Result<()> {
    // An epoch PostgreSQL cannot hold is nobody's.
    let Ok(epoch) = i64::try_from(token.epoch) else { return Ok(()) };
    let params: Vec<_> = vec![Box::new(token.name.as_str()) as _, Box::new(epoch) as _];
    store.call(RELEASE, &store.shared.sql.release_lease, params).await?;
    Ok(())
}
