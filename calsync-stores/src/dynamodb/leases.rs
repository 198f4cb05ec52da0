//! Leases.
//!
//! A commit compares the token's epoch with the row and looks at no clock; see `docs/adr/0004-store.md`.
//!
//! | | |
//! |---|---|
//! | `ep` | epoch |
//! | `ho` | holder, as long as there is one |
//! | `un` | until (microseconds) |

use aws_sdk_dynamodb::types::AttributeValue;
use calsync_core::store::{Batch, LeaseEnd, LeaseGrant, LeaseToken, Result, StoreError, StoreErrorKind};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    DynamoStore,
    error::unreadable,
    keys,
    rows::{instant, integer, lost, micros, natural, text},
    session::{Action, Item, Op, Updated, key_map, number},
};

const ACQUIRE: &str = "acquire_lease";
const RELEASE: &str = "release_lease";
const HOLDS: &str = "ep = :e AND attribute_exists(ho)";

pub(super) async fn acquire(
    store: &DynamoStore,
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
    let key = keys::lease(&store.tenant, name)?;
    let session = &store.shared.session;
    // Free in most cases: then it is taken without looking first.
    let take = "SET ep = if_not_exists(ep, :z) + :i, ho = :h, un = :u";
    let take = Op::new(Action::Update(key.clone(), take.to_owned()))
        .when("attribute_not_exists(ho) OR un <= :n")
        .with(":z", number(0))
        .with(":i", number(1))
        .with(":h", AttributeValue::S(holder.to_owned()))
        .with(":u", number(until))
        .with(":n", number(now_micros));
    let mut known = match session.update(ACQUIRE, &take).await? {
        Updated::Done(row) => {
            let epoch = natural(&row, "ep").ok_or_else(|| unreadable(ACQUIRE, "lease", name))?;
            return Ok(LeaseGrant::Granted(LeaseToken { name: name.to_owned(), epoch }));
        }
        Updated::Refused(row) => row,
    };
    let mut tried = 0;
    loop {
        let found = match known.take() {
            Some(row) => Some(row),
            None => session.get(ACQUIRE, &key).await?,
        };
        let lease = found.as_ref().map(|item| {
            (natural(item, "ep").unwrap_or(0), text(item, "ho"), integer(item, "un").unwrap_or(0))
        });
        let epoch = match lease {
            None => 1,
            Some((_, Some(other), end)) if now_micros < end && other != holder => {
                return Ok(LeaseGrant::Held { until: instant(ACQUIRE, end)? });
            }
            Some((epoch, Some(_), end)) if now_micros < end => epoch,
            Some((epoch, ..)) => epoch + 1,
        };
        let mut row = key_map(&key);
        row.insert("ep".to_owned(), number(epoch));
        row.insert("ho".to_owned(), AttributeValue::S(holder.to_owned()));
        row.insert("un".to_owned(), number(until));
        let put = Op::new(Action::Put(row));
        let put = match lease {
            None => put.when("attribute_not_exists(pk)"),
            Some((epoch, held, end)) => {
                let put = put.with(":e", number(epoch)).with(":u", number(end));
                match held {
                    Some(held) => put
                        .when("ep = :e AND un = :u AND ho = :h")
                        .with(":h", AttributeValue::S(held.to_owned())),
                    None => put.when("ep = :e AND un = :u AND attribute_not_exists(ho)"),
                }
            }
        };
        if store.shared.session.put(ACQUIRE, &put).await? {
            return Ok(LeaseGrant::Granted(LeaseToken { name: name.to_owned(), epoch }));
        }
        store.shared.session.pause(ACQUIRE, tried, lost(ACQUIRE, tried + 1)).await?;
        tried += 1;
    }
}

pub(super) async fn release(store: &DynamoStore, token: &LeaseToken) -> Result<()> {
    let key = keys::lease(&store.tenant, &token.name)?;
    let give = Op::new(Action::Update(key, "REMOVE ho".to_owned())).when(HOLDS);
    store.shared.session.put(RELEASE, &give.with(":e", number(token.epoch))).await?;
    Ok(())
}

/// Whether the token is the current one of its lease.
pub(super) fn holds(found: Option<&Item>, token: &LeaseToken) -> bool {
    found.is_some_and(|item| natural(item, "ep") == Some(token.epoch) && item.contains_key("ho"))
}

/// The same, in the transaction of a commit, which may give the lease back.
pub(super) fn of_batch(store: &DynamoStore, batch: &Batch) -> Result<Option<Op>> {
    let Some(token) = &batch.lease else { return Ok(None) };
    let key = keys::lease(&store.tenant, &token.name)?;
    let action = match batch.lease_end {
        LeaseEnd::Kept => Action::Check(key),
        LeaseEnd::GivenBack => Action::Update(key, "REMOVE ho".to_owned()),
    };
    Ok(Some(Op::new(action).when(HOLDS).with(":e", number(token.epoch))))
}
