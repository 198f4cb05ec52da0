//! Copies that somebody edited over there, and that were left as they are: what the next clean-up must not take away.
//!
//! The base moves on with an edit that is left, or every run would meet it again; nothing else tells later that the item
//! holds what a person wrote.

use std::collections::BTreeSet;

use crate::{
    model::{EventId, LinkId},
    store::{BaseRecord, Doc, DocQuery, Store, StoreError, Write},
};

/// Why nothing was done.
pub(super) const LEFT: &str = "the copy was edited there, and is left as it is";

fn space(link: &LinkId) -> String {
    format!("left.{link}")
}

/// What says that the item of an event was edited.
pub(super) fn note(link: &LinkId, event: &EventId) -> Write {
    Write::PutDoc(Doc::new(space(link), event.as_str(), Vec::new()))
}

/// What says that it is as the link writes it.
pub(super) fn forget(link: &LinkId, event: &EventId) -> Write {
    Write::DeleteDoc { space: space(link), key: event.to_string() }
}

/// Those of some pairs whose items somebody edited.
pub(super) async fn edited(
    store: &dyn Store,
    link: &LinkId,
    bases: &[BaseRecord],
) -> Result<BTreeSet<EventId>, StoreError> {
    let keys: Vec<&str> = bases.iter().map(|base| base.event_id.as_str()).collect();
    if keys.is_empty() {
        return Ok(BTreeSet::new());
    }
    let docs = store.docs(&space(link), DocQuery::Keys(&keys)).await?;
    Ok(docs.into_iter().map(|doc| EventId::from(doc.key)).collect())
}

/// What forgets all of them, a number at a time.
pub(super) async fn forget_all(
    store: &dyn Store,
    link: &LinkId,
    limit: usize,
) -> Result<Vec<Write>, StoreError> {
    let docs = store.docs(&space(link), DocQuery::Page { after: None, limit }).await?;
    Ok(docs.into_iter().map(|doc| Write::DeleteDoc { space: doc.space, key: doc.key }).collect())
}
