//! Items taken away again because the run that made them was taken back: their events stay here, and stay away from there.
//!
//! Such an event has no base, so that nothing takes the missing item for a deletion, for a pair that is joined, or for one
//! that is to be cleaned up. What is noted beside it only says that it is not to be made there again.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Link, push::stops_all};
use crate::{
    model::{EventId, LinkId, RemoteId, Version},
    provider::{ErrorKind, Provider, ProviderError},
    store::{BaseRecord, Doc, DocQuery, Store, StoreError, Write},
};

/// The item an event had.
#[derive(Serialize, Deserialize)]
pub(super) struct Withdrawn {
    item: RemoteId,
    /// The version that was to be deleted.
    version: Version,
}

impl Withdrawn {
    /// Whether an item is the one that was to go, as it was: listed by a server that lags, or the request never got there.
    /// Any other is somebody's who made or brought it back.
    pub(super) fn is(&self, id: &RemoteId, version: Option<&Version>) -> bool {
        self.item == *id && version.is_none_or(|version| self.version == *version)
    }
}

fn space(link: &LinkId) -> String {
    format!("withdrawn.{link}")
}

/// Those of some events whose items were taken away.
pub(super) async fn withdrawn(
    store: &dyn Store,
    link: &LinkId,
    events: impl Iterator<Item = &EventId>,
) -> Result<HashMap<EventId, Withdrawn>, StoreError> {
    let keys: Vec<&str> = events.map(EventId::as_str).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let docs = store.docs(&space(link), DocQuery::Keys(&keys)).await?;
    // What nobody can read keeps nothing back.
    let read = |doc: Doc| Some((EventId::from(doc.key), serde_json::from_slice(&doc.value).ok()?));
    Ok(docs.into_iter().filter_map(read).collect())
}

/// Lets an event be made there, or met there, as any other.
pub(super) fn let_return(link: &LinkId, event: &EventId) -> Write {
    Write::DeleteDoc { space: space(link), key: event.to_string() }
}

/// What lets the first events of a link return, at most `limit` of them.
pub(super) async fn let_all_return(
    store: &dyn Store,
    link: &LinkId,
    limit: usize,
) -> Result<Vec<Write>, StoreError> {
    let space = space(link);
    let docs = store.docs(&space, DocQuery::Page { after: None, limit }).await?;
    Ok(docs.into_iter().map(|doc| Write::DeleteDoc { space: space.clone(), key: doc.key }).collect())
}

/// An item that is to go.
#[derive(Clone)]
pub(super) struct Leaving {
    pub(super) event: EventId,
    pub(super) item: RemoteId,
    /// As the run left it: any other version was edited since.
    pub(super) version: Version,
    /// What takes up the item again should it stay. None where an earlier undo was cut off.
    pub(super) base: Option<BaseRecord>,
}

impl Leaving {
    /// The item a pair has. None where the provider gives no versions: nothing could tell whether somebody edited it.
    pub(super) fn of(base: &BaseRecord) -> Option<Self> {
        Some(Self {
            event: base.event_id.clone(),
            item: base.remote_id.clone(),
            version: base.version.clone()?,
            base: Some(base.clone()),
        })
    }

    /// The item that an earlier undo was to delete.
    pub(super) fn again(event: &EventId, withdrawn: &Withdrawn) -> Self {
        Self {
            event: event.clone(),
            item: withdrawn.item.clone(),
            version: withdrawn.version.clone(),
            base: None,
        }
    }

    /// Keeps its event away from there, whatever becomes of the request: a missing item is no deletion then.
    pub(super) fn withdraw(&self, link: &LinkId) -> Vec<Write> {
        let Some(base) = &self.base else { return Vec::new() };
        let note = Withdrawn { item: self.item.clone(), version: self.version.clone() };
        let note = serde_json::to_vec(&note).unwrap_or_default();
        vec![
            Write::DeleteBase { link: link.clone(), remote_id: base.remote_id.clone() },
            Write::PutDoc(Doc::new(space(link), self.event.as_str(), note)),
        ]
    }

    /// Keeps it in step again: it is there.
    pub(super) fn stay(self, link: &LinkId) -> Vec<Write> {
        let mut writes = vec![let_return(link, &self.event)];
        writes.extend(self.base.map(|base| Write::PutBase(Box::new(base))));
        writes
    }
}

/// What became of items that were to go.
#[derive(Default)]
pub(super) struct Gone {
    /// How many are gone.
    pub(super) removed: u64,
    /// Those that somebody edited since: they are there.
    pub(super) edited: Vec<Leaving>,
    /// Those that could not be deleted: they are there.
    pub(super) stayed: Vec<Leaving>,
    /// Why; or why it is not known whether some are there, which is asked again by the next undo.
    pub(super) error: Option<ProviderError>,
}

/// Deletes an item that nobody edited since. Where the answer is lost the same is asked once more: an item that is gone
/// already is deleted.
pub(super) async fn delete_surely(
    link: &Link,
    provider: &dyn Provider,
    id: &RemoteId,
    version: &Version,
) -> Result<(), ProviderError> {
    match provider.delete(&link.remote, id, version).await {
        Err(error) if error.is_ambiguous() => provider.delete(&link.remote, id, version).await,
        answer => answer,
    }
}

/// Deletes items that nobody edited since.
pub(super) async fn delete(link: &Link, provider: &dyn Provider, items: Vec<Leaving>) -> Gone {
    let down = &AtomicBool::new(false);
    let answers: Vec<(Leaving, Option<ProviderError>)> = stream::iter(items)
        .map(|item| async move {
            if down.load(Ordering::Relaxed) {
                let unsent = ProviderError::new(ErrorKind::Unavailable, "delete", "it was not sent any more");
                return (item, Some(unsent));
            }
            let error = delete_surely(link, provider, &item.item, &item.version).await.err();
            if error.as_ref().is_some_and(stops_all) {
                down.store(true, Ordering::Relaxed);
            }
            (item, error)
        })
        .buffer_unordered(provider.capabilities().requests_max.max(1))
        .collect()
        .await;
    let mut gone = Gone::default();
    for (item, error) in answers {
        match error {
            None => gone.removed += 1,
            Some(error) if error.kind == ErrorKind::VersionMismatch => gone.edited.push(item),
            Some(error) => {
                if !error.is_ambiguous() {
                    gone.stayed.push(item);
                }
                // What stopped the others says more than that they were not sent.
                if gone.error.is_none() || stops_all(&error) {
                    gone.error = Some(error);
                }
            }
        }
    }
    gone
}
