//! Items taken away again because the run that made them was taken back: their events stay here, and stay away from there.
//!
//! Such an event has no base, so that nothing takes the missing item for a deletion, for a pair that is joined, or for one
//! that is to be cleaned up. What is noted beside it only says that it is not to be made there again.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{
    EngineError, Link,
    items::by_id,
    push::{FAILURES, stops_all},
    run::{Ids, PAGE, Run},
};
use crate::{
    model::{EventId, LinkId, RemoteId, Version},
    provider::{ErrorKind, Provider, ProviderError, Retry},
    store::{BaseQuery, BaseRecord, Batch, Doc, DocQuery, Store, StoreError, Write},
};

/// An event that stays away from the remote side.
#[derive(Serialize, Deserialize)]
pub(super) struct Withdrawn {
    /// The item that was to go, until a complete listing lacks it.
    item: Option<Item>,
    /// Its deletion was confirmed.
    #[serde(default)]
    gone: bool,
}

#[derive(Serialize, Deserialize)]
struct Item {
    id: RemoteId,
    /// The version that was to be deleted.
    version: Version,
}

impl Withdrawn {
    /// Whether an item is the one that was to go, as it was: listed by a server that lags, or the request never got there.
    /// Any other is somebody's who made or brought it back.
    pub(super) fn is(&self, id: &RemoteId, version: Option<&Version>) -> bool {
        self.item
            .as_ref()
            .is_some_and(|item| item.id == *id && version.is_none_or(|version| item.version == *version))
    }

    fn write(&self, link: &LinkId, event: &EventId) -> Write {
        let value = serde_json::to_vec(self).unwrap_or_default();
        Write::PutDoc(Doc::new(space(link), event.as_str(), value))
    }
}

/// Keeps an event away from the remote side that has no item there.
pub(super) fn keep_away(link: &LinkId, event: &EventId) -> Write {
    Withdrawn { item: None, gone: true }.write(link, event)
}

/// Whether something keeps an event away that may not have been before.
pub(super) fn keeps_away(link: &LinkId, writes: &[Write]) -> bool {
    let space = space(link);
    writes.iter().any(|write| matches!(write, Write::PutDoc(doc) if doc.space == space))
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
    let read = |doc: Doc| doc.read().map(|withdrawn| (EventId::from(doc.key), withdrawn));
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
pub(super) struct Leaving {
    pub(super) event: EventId,
    pub(super) item: RemoteId,
    /// The version its content was seen in: any other was edited since.
    pub(super) version: Version,
    /// What takes up the item again should it stay. None where an earlier undo was cut off.
    pub(super) base: Option<BaseRecord>,
}

impl Leaving {
    /// The item of a pair. None where no version is known: nothing could tell whether somebody edited it.
    pub(super) fn of(base: &BaseRecord) -> Option<Self> {
        Some(Self {
            event: base.event_id.clone(),
            item: base.remote_id.clone(),
            version: base.version.clone()?,
            base: Some(base.clone()),
        })
    }

    /// The item that an earlier undo was to delete, unless it knows that it did.
    pub(super) fn again(event: &EventId, withdrawn: &Withdrawn) -> Option<Self> {
        let item = withdrawn.item.as_ref().filter(|_| !withdrawn.gone)?;
        let (item, version) = (item.id.clone(), item.version.clone());
        Some(Self { event: event.clone(), item, version, base: None })
    }

    /// Keeps its event away from there, whatever becomes of the request: a missing item is no deletion then.
    pub(super) fn withdraw(&self, link: &LinkId) -> Vec<Write> {
        let Some(base) = &self.base else { return Vec::new() };
        vec![
            Write::DeleteBase { link: link.clone(), remote_id: base.remote_id.clone() },
            Withdrawn { item: Some(self.noted()), gone: false }.write(link, &self.event),
        ]
    }

    /// Notes that its deletion was confirmed: it is not asked for again.
    pub(super) fn confirmed(&self, link: &LinkId) -> Write {
        Withdrawn { item: Some(self.noted()), gone: true }.write(link, &self.event)
    }

    fn noted(&self) -> Item {
        Item { id: self.item.clone(), version: self.version.clone() }
    }

    /// Keeps it in step again: it is there. Without a base only what was edited is met anew; of anything else nobody knows
    /// any more than before.
    pub(super) fn stay(&self, link: &LinkId, is_edited: IsEdited) -> Vec<Write> {
        match (&self.base, is_edited) {
            (Some(base), _) => {
                vec![let_return(link, &self.event), Write::PutBase(Box::new(base.clone()))]
            }
            (None, IsEdited::Yes) => vec![let_return(link, &self.event)],
            (None, IsEdited::No) => Vec::new(),
        }
    }
}

/// Whether somebody edited an item that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsEdited {
    Yes,
    No,
}

/// What became of items that were to go.
#[derive(Default)]
pub(super) struct Gone {
    pub(super) removed: Vec<Leaving>,
    /// Those that somebody edited since: they are there.
    pub(super) edited: Vec<Leaving>,
    /// Those the provider never deletes: they are there.
    pub(super) refused: Vec<Leaving>,
    /// Those that could not be deleted now: they are there.
    pub(super) stayed: Vec<Leaving>,
    /// Those whose turn did not come while the lease was sure.
    pub(super) late: Vec<Leaving>,
    /// Why some stayed; or why it is not known of some, which the next undo asks for again.
    pub(super) error: Option<ProviderError>,
}

enum Answer {
    Deleted,
    Failed(ProviderError),
    /// The provider was found down before its turn came.
    Unsent,
    /// The lease could be somebody else's before its turn came.
    Late,
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
        Err(error) if error.is_ambiguous() => {
            let again = provider.delete(&link.remote, id, version).await;
            // That the second was not served says nothing of the first.
            again.map_err(|error| match error.kind {
                ErrorKind::VersionMismatch => error,
                _ => error.maybe_applied(),
            })
        }
        answer => answer,
    }
}

/// Deletes items that nobody edited since, as long as the lease is sure.
pub(super) async fn delete(
    link: &Link,
    provider: &dyn Provider,
    items: Vec<Leaving>,
    is_sure: impl Fn() -> bool,
) -> Gone {
    let (failures, begun, is_sure) = (&AtomicUsize::new(0), &AtomicBool::new(false), &is_sure);
    let answers: Vec<(Leaving, Answer)> = stream::iter(items)
        .map(|item| async move {
            // The first is sent in any case: the lease was just looked at.
            if begun.swap(true, Ordering::Relaxed) && !is_sure() {
                return (item, Answer::Late);
            }
            if failures.load(Ordering::Relaxed) >= FAILURES {
                return (item, Answer::Unsent);
            }
            let Err(error) = delete_surely(link, provider, &item.item, &item.version).await else {
                failures.store(0, Ordering::Relaxed);
                return (item, Answer::Deleted);
            };
            if stops_all(&error) {
                failures.store(FAILURES, Ordering::Relaxed);
            } else if error.kind == ErrorKind::Unavailable {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            (item, Answer::Failed(error))
        })
        .buffer_unordered(provider.capabilities().requests_max.max(1))
        .collect()
        .await;
    let mut gone = Gone::default();
    for (item, answer) in answers {
        match answer {
            Answer::Deleted => gone.removed.push(item),
            Answer::Late => gone.late.push(item),
            Answer::Unsent => gone.stayed.push(item),
            Answer::Failed(error) if error.kind == ErrorKind::VersionMismatch => gone.edited.push(item),
            Answer::Failed(error) if error.is_ambiguous() => gone.error = gone.error.or(Some(error)),
            Answer::Failed(error) if error.retry == Retry::Never && !stops_all(&error) => {
                gone.refused.push(item);
            }
            Answer::Failed(error) => {
                gone.stayed.push(item);
                gone.error = gone.error.or(Some(error));
            }
        }
    }
    gone
}

impl Run<'_> {
    /// Those of some events whose items were taken away; the store is asked where there may be any.
    pub(super) async fn withdrawn(
        &self,
        events: impl Iterator<Item = &EventId>,
    ) -> Result<HashMap<EventId, Withdrawn>, EngineError> {
        if self.state.none_withdrawn {
            return Ok(HashMap::new());
        }
        Ok(withdrawn(&*self.engine.store, &self.link.id, events).await?)
    }

    /// Notes with what keeps an event away that there is one.
    pub(super) fn note_kept_away(&mut self, batch: &mut Batch) {
        if !self.state.none_withdrawn || !keeps_away(&self.link.id, &batch.writes) {
            return;
        }
        (self.state.none_withdrawn, self.says_change) = (false, true);
        for write in &mut batch.writes {
            if let Write::PutLink(state) = write {
                state.none_withdrawn = false;
            }
        }
    }

    /// After everything was listed: an item that is not there is gone, and whatever has its name from now on is
    /// somebody's; what is joined, or has no row any more, is not kept away.
    pub(super) async fn settle_withdrawn(&mut self, present: &Ids) -> Result<Vec<Write>, EngineError> {
        let (store, link) = (&self.engine.store, &self.link.id);
        let space = space(link);
        let (mut writes, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.docs(&space, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
            let Some(last) = page.last() else {
                self.state.none_withdrawn = after.is_none();
                return Ok(writes);
            };
            after = Some(last.key.clone());
            let ids: Vec<EventId> = page.iter().map(|doc| EventId::from(doc.key.as_str())).collect();
            let rows = by_id(store.events(&self.link.calendar, &ids).await?);
            let bases = store.bases(link, BaseQuery::Events(&ids)).await?;
            for (doc, event) in page.iter().zip(&ids) {
                if !rows.contains_key(event) || bases.iter().any(|base| base.event_id == *event) {
                    writes.push(let_return(link, event));
                    continue;
                }
                let noted = doc.read::<Withdrawn>();
                if noted.and_then(|noted| noted.item).is_some_and(|item| !present.contains(&item.id)) {
                    writes.push(keep_away(link, event));
                }
            }
        }
    }
}
