//! Values larger than an item: written in parts before the row that names them, and removed after it.
//!
//! Parts are never changed: a row that gets another large value names other parts. A writer that dies between the two leaves
//! parts nobody names, which cost their bytes and nothing else.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use calsync_core::store::Result;

use super::{
    DynamoStore,
    error::{DynamoError, invalid, unreadable},
    keys::{self, Key},
    rows::{bytes, item, kind_name, natural},
    session::{Item, binary, number},
};

/// The largest value that is kept in its row. An item may have 400 KB, its entries in the local indexes counted too.
const INLINE: usize = 200 * 1024;
/// The size of a part.
const PART: usize = 350 * 1024;

/// The keys of the parts of a row's value.
pub(super) fn keys_of(tenant: &str, item: &Item) -> Result<Vec<Key>> {
    let (Some(id), Some(count)) = (bytes(item, "xi"), natural(item, "xn")) else { return Ok(Vec::new()) };
    (0..u32::try_from(count).unwrap_or(0)).map(|part| keys::part(tenant, id, part)).collect()
}

/// Moves a value that is too large into parts, which are returned.
pub(super) fn split(store: &DynamoStore, key: &Key, row: &mut Item) -> Result<Vec<Item>> {
    let Some(size) = bytes(row, "vl").map(<[u8]>::len).filter(|size| *size > INLINE) else {
        return Ok(Vec::new());
    };
    if size > store.shared.session.config.max_value {
        return Err(too_large(&store.tenant, key, size));
    }
    let id: [u8; 16] = store.shared.session.draw("commit")?;
    let Some(AttributeValue::B(value)) = row.remove("vl") else { return Ok(Vec::new()) };
    let parts: Vec<Item> = value
        .as_ref()
        .chunks(PART)
        .zip(0..)
        .map(|(bytes, n)| {
            let mut part = item(&keys::part(&store.tenant, &id, n)?, bytes);
            // They go when their row goes by itself.
            part.extend(row.get("xt").map(|end| ("xt".to_owned(), end.clone())));
            Ok(part)
        })
        .collect::<Result<_>>()?;
    row.insert("xi".to_owned(), binary(id));
    row.insert("xn".to_owned(), number(parts.len()));
    Ok(parts)
}

/// The refusal of a value. The ids of items may be private, and stay out of it.
pub(super) fn too_large(tenant: &str, key: &Key, bytes: usize) -> calsync_core::store::StoreError {
    let kind = kind_name(key, tenant);
    let private = matches!(kind, "base" | "quarantined item");
    let id = keys::name(&key.sk).filter(|_| !private).unwrap_or_default().to_owned();
    invalid("commit", DynamoError::ValueTooLarge { kind, id, bytes })
}

/// Puts the parts of values back into their rows. `false`: some are gone, because their row was written again meanwhile.
pub(super) async fn join(store: &DynamoStore, operation: &'static str, rows: &mut [Item]) -> Result<bool> {
    let mut wanted = BTreeSet::new();
    for row in rows.iter() {
        wanted.extend(keys_of(&store.tenant, row)?);
    }
    if wanted.is_empty() {
        return Ok(true);
    }
    let found = store.shared.session.get_all(operation, wanted).await?;
    for row in rows {
        let parts = keys_of(&store.tenant, row)?;
        if parts.is_empty() {
            continue;
        }
        let mut value = Vec::new();
        for key in parts {
            let Some(part) = found.get(&key) else { return Ok(false) };
            value.extend_from_slice(bytes(part, "vl").ok_or_else(|| unreadable(operation, "part", ""))?);
        }
        row.insert("vl".to_owned(), binary(value));
    }
    Ok(true)
}
