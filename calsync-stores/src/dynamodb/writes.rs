//! Commits.

use calsync_core::store::{Batch, CommitReceipt, Result, StoreError, StoreErrorKind};

use super::{
    DynamoStore,
    checks::{self, Found, Needs},
    guards,
    keys::{Key, Owner},
    large, leases, parts,
    plan::{self, Plan},
    rows::{bytes, lost},
    session::{Action, Ended, Item, Op, key_of, number},
};

const COMMIT: &str = "commit";
/// How many items a transaction may hold ("Quotas in Amazon DynamoDB", developer guide).
pub(super) const ITEMS: usize = 100;
/// How many bytes: 4 MB, with room for what is counted with an item.
const BYTES: usize = 3_500_000;
/// The largest state of a link, which is kept in its guard.
const STATE: usize = 300 * 1024;

pub(super) async fn commit(store: &DynamoStore, batch: &Batch) -> Result<CommitReceipt> {
    let needs = Needs::of(batch, &store.tenant)?;
    if let Some(receipt) = from_memory(store, batch, &needs).await? {
        return Ok(receipt);
    }
    let mut tried = 0;
    loop {
        let found = checks::find(store, batch, &needs, None).await?;
        check_lease(batch, &found)?;
        let mut ready = decide(store, batch, &found)?;
        let Some(ops) = ready.transaction(store, batch, &found)? else {
            return large::commit(store, batch, &needs).await;
        };
        if ops.is_empty() {
            return Ok(ready.plan.receipt);
        }
        store.shared.session.write_apart(COMMIT, std::mem::take(&mut ready.parts), Vec::new()).await?;
        if store.shared.session.transact(COMMIT, ops).await? == Ended::Written {
            store.remember(&found, &ready.plan);
            store.shared.session.write_apart(COMMIT, Vec::new(), ready.old).await?;
            return Ok(ready.plan.receipt);
        }
        store.shared.session.write_apart(COMMIT, Vec::new(), ready.new).await?;
        store.shared.session.pause(COMMIT, tried, lost(COMMIT, tried + 1)).await?;
        tried += 1;
    }
}

/// Writes a batch that depends on nothing but what is remembered, in one request; the transaction says whether that still is so,
/// and whether the lease is held. `None`: that was not so, or is not known.
async fn from_memory(store: &DynamoStore, batch: &Batch, needs: &Needs) -> Result<Option<CommitReceipt>> {
    let Some((found, new)) = store.memory().find(store, batch, needs)? else { return Ok(None) };
    // A refusal may rest on what is past: it is not the last word.
    let Ok(ready) = decide(store, batch, &found) else { return Ok(None) };
    if !ready.parts.is_empty() || !ready.old.is_empty() {
        return Ok(None);
    }
    let Some(mut ops) = ready.transaction(store, batch, &found)? else { return Ok(None) };
    if ops.is_empty() {
        return Ok(None);
    }
    let mut checked = 0;
    for op in &mut ops {
        if let Action::Put(item) = &op.action
            && key_of(item).is_some_and(|key| new.contains(&key))
        {
            op.condition = Some("attribute_not_exists(pk)".to_owned());
            checked += 1;
        }
    }
    if checked < new.len() {
        // Nothing would say that the others are not there.
        return Ok(None);
    }
    if store.shared.session.transact(COMMIT, ops).await? == Ended::Written {
        store.remember(&found, &ready.plan);
        return Ok(Some(ready.plan.receipt));
    }
    let mut memory = store.memory();
    for (key, _) in found.guards.values() {
        memory.forget(key);
    }
    Ok(None)
}

/// A plan whose values are of a size the table takes.
pub(super) struct Ready {
    pub(super) plan: Plan,
    /// Parts of large values, to be written before.
    pub(super) parts: Vec<Item>,
    /// Their keys.
    pub(super) new: Vec<Key>,
    /// Parts of the values that are replaced, to be removed after.
    pub(super) old: Vec<Key>,
}

/// Whether the batch's lease is the current one.
pub(super) fn check_lease(batch: &Batch, found: &Found) -> Result<()> {
    match &batch.lease {
        Some(token) if !leases::holds(found.lease.as_ref(), token) => {
            Err(StoreError::new(StoreErrorKind::Fenced, COMMIT))
        }
        _ => Ok(()),
    }
}

/// The rows of a batch, or why it is refused.
pub(super) fn decide(store: &DynamoStore, batch: &Batch, found: &Found) -> Result<Ready> {
    let mut plan = plan::plan(batch, found, &store.tenant, store.shared.session.config.log_retention)?;
    let (mut values, mut new, mut old) = (Vec::new(), Vec::new(), Vec::new());
    for (key, item) in &mut plan.rows {
        let before = found.rows.get(key);
        // The same parts again: only other attributes of the row changed.
        let kept = |item: &Item| before.and_then(|before| bytes(before, "xi")) == bytes(item, "xi");
        if let Some(before) = before
            && !item.as_ref().is_some_and(kept)
        {
            old.extend(parts::keys_of(&store.tenant, before)?);
        }
        if let Some(item) = item {
            let split = parts::split(store, key, item)?;
            if !split.is_empty() {
                new.extend(parts::keys_of(&store.tenant, item)?);
                values.extend(split);
            }
        }
    }
    for (owner, change) in &plan.guards {
        let size = change.link.as_ref().map_or(0, |(_, state)| state.len());
        if let Some((key, _)) = found.guards.get(owner).filter(|_| size > STATE) {
            return Err(parts::too_large(&store.tenant, key, size));
        }
    }
    Ok(Ready { plan, parts: values, new, old })
}

impl Ready {
    /// The batch as one transaction; `None` when it is too large for that.
    fn transaction(&self, store: &DynamoStore, batch: &Batch, found: &Found) -> Result<Option<Vec<Op>>> {
        let mut ops = Vec::new();
        ops.extend(leases::of_batch(store, batch)?);
        for (owner, (key, guard)) in &found.guards {
            ops.push(match (self.plan.guards.get(owner), owner) {
                (Some(change), _) => guards::change(key, guard, change),
                (None, Owner::Space(_)) => guards::check_unlocked(key),
                (None, _) => guards::check(key, guard),
            });
        }
        let mut size = 0;
        for (key, item) in &self.plan.rows {
            size += 256 + key.pk.len() + key.sk.len();
            size += item.as_ref().and_then(|item| bytes(item, "vl")).map_or(0, <[u8]>::len);
            let op = Op::new(match item {
                Some(item) => Action::Put(item.clone()),
                None => Action::Delete(key.clone()),
            });
            ops.push(match self.plan.docs.get(key) {
                Some(version) => of_version(op, *version),
                None => op,
            });
        }
        for (key, version) in &self.plan.docs {
            if !self.plan.rows.contains_key(key) {
                ops.push(of_version(Op::new(Action::Check(key.clone())), *version));
            }
        }
        let most = store.shared.session.config.transaction_items.min(ITEMS);
        Ok((ops.len() <= most && size <= BYTES).then_some(ops))
    }
}

/// When the document has this version.
pub(super) fn of_version(op: Op, version: Option<u64>) -> Op {
    match version {
        Some(version) => op.when("dv = :d").with(":d", number(version)),
        None => op.when("attribute_not_exists(dv)"),
    }
}
