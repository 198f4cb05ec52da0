//! Copies that somebody edited over there, and that were left as they are: what the next clean-up must not take away.
//!
//! The base moves on with an edit that is left, or every run would meet it again; nothing else tells later that the item
//! holds what a person wrote, and what it was before: what both sides are compared with once the link goes both ways.

use std::collections::BTreeSet;

use super::run::PAGE;
use crate::{
    model::{Event, EventId, LinkId},
    store::{BaseRecord, Doc, DocQuery, Store, StoreError, Write},
};

/// Why nothing was done.
pub(super) const LEFT: &str = "the copy was edited there, and is left as it is";

fn space(link: &LinkId) -> String {
    format!("left.{link}")
}

/// The longest item that is kept: as much as every store takes.
const LONGEST: usize = 64 << 10;

/// What says that the item of an event was edited, and what it was before. The first of several is the one that counts:
/// see [`keep_first`].
pub(super) fn note(link: &LinkId, event: &EventId, written: Option<&Event>) -> Write {
    let value = written.and_then(|written| serde_json::to_vec(written).ok());
    let value = value.filter(|value| value.len() <= LONGEST).unwrap_or_default();
    Write::PutDoc(Doc::new(space(link), event.as_str(), value))
}

/// An item that somebody edited.
pub(super) struct Left {
    /// As it was before the first edit, where that is known.
    pub(super) written: Option<Event>,
}

/// What is known of the edited item of an event.
pub(super) async fn of(
    store: &dyn Store,
    link: &LinkId,
    event: &EventId,
) -> Result<Option<Left>, StoreError> {
    let docs = store.docs(&space(link), DocQuery::Keys(&[event.as_str()])).await?;
    Ok(docs.into_iter().next().map(|doc| Left { written: doc.read() }))
}

/// Takes a note out of some writes where an earlier one says what the item was before all edits.
pub(super) async fn keep_first(
    store: &dyn Store,
    link: &LinkId,
    writes: &mut Vec<Write>,
) -> Result<(), StoreError> {
    let space = space(link);
    let noted = |write: &Write| match write {
        Write::PutDoc(doc) if doc.space == space => Some(EventId::from(doc.key.as_str())),
        _ => None,
    };
    let Some(event) = writes.iter().find_map(noted) else { return Ok(()) };
    if of(store, link, &event).await?.is_some_and(|left| left.written.is_some()) {
        writes.retain(|write| noted(write).is_none());
    }
    Ok(())
}

/// The events of a link whose items somebody edited.
pub(super) async fn all(store: &dyn Store, link: &LinkId) -> Result<BTreeSet<EventId>, StoreError> {
    let (mut events, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let query = DocQuery::Page { after: after.as_deref(), limit: PAGE };
        let page = store.docs(&space(link), query).await?;
        let Some(last) = page.last() else { return Ok(events) };
        after = Some(last.key.clone());
        events.extend(page.into_iter().map(|doc| EventId::from(doc.key)));
    }
}

/// What says that it is as the link writes it.
pub(super) fn forget(link: &LinkId, event: &EventId) -> Write {
    Write::DeleteDoc { space: space(link), key: event.to_string() }
}

/// Those of some pairs whose items somebody edited.
pub(super) async fn edited(
    store: &dyn Store,
    link: &LinkId,
    bases: impl IntoIterator<Item = &BaseRecord>,
) -> Result<BTreeSet<EventId>, StoreError> {
    let keys: Vec<&str> = bases.into_iter().map(|base| base.event_id.as_str()).collect();
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
