//! The secrets of the feeds that are published out of a store: by them a link knows a feed of the calendar it brings in to.

use std::collections::BTreeSet;

use super::access::feed_keys;
use crate::{
    secret::Secret,
    store::{Batch, Doc, DocQuery, Store, StoreError, Write},
};

/// The space of the documents that hold the secrets of feeds without a token, by a hash of the secret.
const KEYS: &str = "feed-key";
/// Documents read at once.
const PAGE: usize = 200;

/// Keeps the secret of a feed ([`FeedOptions::key`](super::FeedOptions::key)) in the store its events come from, in the space
/// `feed-key`. A link that reads the feed into the calendar it is of then leaves out what it shows, instead of bringing every
/// event in once more with each run. Feeds with a token ([`FeedTokens`](super::FeedTokens)) need no such call.
///
/// One read when it is kept already.
///
/// # Errors
/// When the store fails.
pub async fn remember_feed_key(store: &dyn Store, key: &Secret<[u8; 32]>) -> Result<(), StoreError> {
    let name =
        blake3::Hash::from_bytes(blake3::derive_key("calsync 2026-11 name of a key of a feed", key.expose()));
    let name = name.to_hex();
    if !store.docs(KEYS, DocQuery::Keys(&[&*name])).await?.is_empty() {
        return Ok(());
    }
    let value = blake3::Hash::from_bytes(*key.expose()).to_hex();
    let writes = vec![Write::PutDoc(Doc::new(KEYS, &*name, value.as_bytes()))];
    store.commit(Batch { writes, ..Batch::default() }).await?;
    Ok(())
}

/// The secrets of all feeds that are published out of a store, as far as it knows. What cannot be read is none.
pub(crate) async fn known_feed_keys(store: &dyn Store) -> Result<BTreeSet<[u8; 32]>, StoreError> {
    let mut keys = feed_keys(store).await?;
    let mut after: Option<String> = None;
    loop {
        let page = store.docs(KEYS, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
        let Some(last) = page.last() else { return Ok(keys) };
        after = Some(last.key.clone());
        keys.extend(page.iter().filter_map(|doc| Some(*blake3::Hash::from_hex(&doc.value).ok()?.as_bytes())));
    }
}
