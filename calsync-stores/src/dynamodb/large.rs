//! Batches too large for a transaction.
//!
//! 1. One transaction writes the head of the batch and locks the guards of all owners it depends on.
//! 2. What the batch depends on is read, the batch is decided, and the rows it changes are written to its journal, where
//!    nobody reads them.
//! 3. One transaction checks the lease, moves the guards and marks the head as decided: from here on the batch is written.
//! 4. The journal is carried out part by part, each in a transaction that checks that the head is still there; the last one
//!    takes head and locks away.
//!
//! Whoever meets a lock looks at the head. A decided batch is carried out by whoever meets it, so no reader sees half of it; an
//! undecided one has changed nothing, so readers pass it, and writers give it up when its writer takes too long.
//!
//! | | |
//! |---|---|
//! | `st` | head: `p` being prepared, `d` decided |
//! | `ow` | head: the partition keys of the guards |
//! | `np` | head: the parts of the journal |
//! | `jo` | part: the rows |

use aws_sdk_dynamodb::types::AttributeValue;
use calsync_core::store::{Batch, CommitReceipt, Result, StoreError};

use super::{
    DynamoStore,
    checks::{self, Needs},
    error::{DynamoError, invalid, unreadable},
    guards,
    keys::{self, Key},
    leases,
    plan::journal,
    rows::{bytes, lost, natural, text},
    session::{Action, Ended, Item, Op, Range, binary, key_map, key_of, number},
    writes::{self, Ready},
};

const COMMIT: &str = "commit";
/// How many guards fit in a transaction, with the head and the lease.
const OWNERS: usize = 95;
/// How many rows a part of the journal holds, and how many bytes: less than a transaction and an item may.
const PART: (usize, usize) = (90, 330_000);

/// What became of a batch that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It is not decided.
    Undecided,
    /// It is written, or given up.
    Gone,
}

pub(super) async fn commit(store: &DynamoStore, batch: &Batch, needs: &Needs) -> Result<CommitReceipt> {
    if needs.owners.len() > OWNERS {
        return Err(invalid(COMMIT, DynamoError::TooManyOwners(needs.owners.len())));
    }
    let session = &store.shared.session;
    let owners: Vec<Key> =
        needs.owners.iter().map(|owner| keys::guard(&store.tenant, owner)).collect::<Result<_>>()?;
    let mut tried = 0;
    loop {
        let id: [u8; 16] = session.draw(COMMIT)?;
        if lock(store, &id, &owners).await? {
            match write(store, batch, needs, &id).await {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => {}
                Err(error) => {
                    // After a failure nobody knows whether it was decided; what is undecided is given up.
                    give_up(store, &id).await?;
                    return Err(error);
                }
            }
        } else {
            for owner in &owners {
                let guard = guards::settled(store, COMMIT, owner).await?;
                if let Some(other) = guard.lock {
                    checks::yield_to(store, owner, &other, tried).await?;
                }
            }
        }
        session.pause(COMMIT, tried, lost(COMMIT, tried + 1)).await?;
        tried += 1;
    }
}

async fn lock(store: &DynamoStore, id: &[u8], owners: &[Key]) -> Result<bool> {
    let mut head = key_map(&keys::large(&store.tenant, id, None)?);
    head.insert("st".to_owned(), AttributeValue::S("p".to_owned()));
    let list = owners.iter().map(|owner| binary(owner.pk.clone())).collect();
    head.insert("ow".to_owned(), AttributeValue::L(list));
    let mut ops = vec![Op::new(Action::Put(head)).when("attribute_not_exists(pk)")];
    ops.extend(owners.iter().map(|owner| guards::lock(owner, id)));
    Ok(store.shared.session.transact(COMMIT, ops).await? == Ended::Written)
}

/// Decides and writes a batch whose owners are locked; `None` when it was given up meanwhile.
async fn write(
    store: &DynamoStore,
    batch: &Batch,
    needs: &Needs,
    id: &[u8],
) -> Result<Option<CommitReceipt>> {
    let session = &store.shared.session;
    let found = checks::find(store, batch, needs, Some(id)).await?;
    writes::check_lease(batch, &found)?;
    let mut ready: Ready = writes::decide(store, batch, &found)?;
    let parts = parts(store, id, &ready)?;
    let count = parts.len();
    session.write_apart(COMMIT, std::mem::take(&mut ready.parts), Vec::new()).await?;
    session.write_apart(COMMIT, parts, Vec::new()).await?;

    let head = keys::large(&store.tenant, id, None)?;
    let decided = Op::new(Action::Update(head, "SET st = :d, np = :n".to_owned()));
    let decided = decided.when("st = :p").with(":d", AttributeValue::S("d".to_owned()));
    let mut ops = vec![decided.with(":p", AttributeValue::S("p".to_owned())).with(":n", number(count))];
    ops.extend(leases::of_batch(store, batch)?);
    for (owner, (key, guard)) in &found.guards {
        let change = ready.plan.guards.get(owner).cloned().unwrap_or_default();
        ops.push(guards::change_locked(key, guard, &change, id));
    }
    if session.transact(COMMIT, ops).await? == Ended::Lost {
        give_up(store, id).await?;
        session.write_apart(COMMIT, Vec::new(), ready.new).await?;
        return Ok(None);
    }
    finish(store, COMMIT, id).await?;
    session.write_apart(COMMIT, Vec::new(), ready.old).await?;
    Ok(Some(ready.plan.receipt))
}

/// The rows of a batch as parts of its journal.
fn parts(store: &DynamoStore, id: &[u8], ready: &Ready) -> Result<Vec<Item>> {
    let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
    let mut close = |rows: &mut Vec<AttributeValue>| -> Result<()> {
        let number = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let mut item = key_map(&keys::large(&store.tenant, id, Some(number))?);
        item.insert("jo".to_owned(), AttributeValue::L(std::mem::take(rows)));
        parts.push(item);
        Ok(())
    };
    for (key, item) in &ready.plan.rows {
        // Keys are in the row, and again in the entries of indexes.
        let row = 512 + 4 * (key.pk.len() + key.sk.len());
        let row = row + item.as_ref().and_then(|item| bytes(item, "vl")).map_or(0, <[u8]>::len);
        if !part.is_empty() && (part.len() == PART.0 || size + row > PART.1) {
            close(&mut part)?;
            size = 0;
        }
        part.push(journal::write(key, item.as_ref()));
        size += row;
    }
    if !part.is_empty() {
        close(&mut part)?;
    }
    Ok(parts)
}

/// Looks at a batch that holds an owner back, and finishes it when it is decided.
pub(super) async fn meet(store: &DynamoStore, operation: &'static str, id: &[u8]) -> Result<Met> {
    let head = keys::large(&store.tenant, id, None)?;
    let Some(found) = store.shared.session.get(operation, &head).await? else { return Ok(Met::Gone) };
    if text(&found, "st") == Some("p") {
        return Ok(Met::Undecided);
    }
    finish(store, operation, id).await?;
    Ok(Met::Gone)
}

/// Carries out a decided batch. Any number of processes may do it at the same time.
async fn finish(store: &DynamoStore, operation: &'static str, id: &[u8]) -> Result<()> {
    let session = &store.shared.session;
    let key = keys::large(&store.tenant, id, None)?;
    let Some(head) = session.get(operation, &key).await? else { return Ok(()) };
    let count = u32::try_from(natural(&head, "np").unwrap_or(0)).unwrap_or(0);
    let there = Op::new(Action::Check(key.clone())).when("attribute_exists(pk)");
    for part in 0..count {
        let Some(found) = session.get(operation, &keys::large(&store.tenant, id, Some(part))?).await? else {
            // Its part is removed after its head only: somebody else was faster.
            return Ok(());
        };
        let rows = found.get("jo").and_then(|rows| rows.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
        let actions: Option<Vec<Action>> = rows.iter().map(journal::read).collect();
        let actions = actions.ok_or_else(|| unreadable(operation, "batch", ""))?;
        let mut ops = vec![there.clone()];
        ops.extend(actions.into_iter().map(Op::new));
        if !insist(store, operation, &key, ops).await? {
            return Ok(());
        }
    }
    let mut ops = vec![Op::new(Action::Delete(key.clone())).when("attribute_exists(pk)")];
    ops.extend(locked(&head).iter().map(|owner| guards::unlock(owner, id)));
    insist(store, operation, &key, ops).await?;
    let parts = (0..count).map(|part| keys::large(&store.tenant, id, Some(part))).collect::<Result<_>>()?;
    session.write_apart(operation, Vec::new(), parts).await
}

/// Writes what others may be writing too, until it is written or the batch is gone; whether it is still there.
async fn insist(store: &DynamoStore, operation: &'static str, head: &Key, ops: Vec<Op>) -> Result<bool> {
    let session = &store.shared.session;
    let mut tried = 0;
    while session.transact(operation, ops.clone()).await? == Ended::Lost {
        if session.get(operation, head).await?.is_none() {
            return Ok(false);
        }
        let last: StoreError = lost(operation, tried + 1);
        session.pause(operation, tried, last).await?;
        tried += 1;
    }
    Ok(true)
}

/// The guards a batch holds.
fn locked(head: &Item) -> Vec<Key> {
    let list = head.get("ow").and_then(|list| list.as_l().ok());
    let keys = list.into_iter().flatten().filter_map(|pk| pk.as_b().ok());
    keys.map(|pk| Key { pk: pk.as_ref().to_vec(), sk: vec![0] }).collect()
}

/// Gives up a batch that is not decided: its locks go, and its journal. One that is decided is finished.
pub(super) async fn give_up(store: &DynamoStore, id: &[u8]) -> Result<()> {
    let session = &store.shared.session;
    let key = keys::large(&store.tenant, id, None)?;
    let mut tried = 0;
    loop {
        let Some(head) = session.get(COMMIT, &key).await? else { break };
        if text(&head, "st") != Some("p") {
            return finish(store, COMMIT, id).await;
        }
        let remove = Op::new(Action::Delete(key.clone())).when("st = :p");
        let mut ops = vec![remove.with(":p", AttributeValue::S("p".to_owned()))];
        ops.extend(locked(&head).iter().map(|owner| guards::unlock(owner, id)));
        if session.transact(COMMIT, ops).await? == Ended::Written {
            break;
        }
        session.pause(COMMIT, tried, lost(COMMIT, tried + 1)).await?;
        tried += 1;
    }
    let all = Range { index: None, pk: key.pk, from: None, to: None, limit: usize::MAX };
    let left = session.query(COMMIT, &all).await?;
    session.write_apart(COMMIT, Vec::new(), left.iter().filter_map(key_of).collect()).await
}
