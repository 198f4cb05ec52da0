//! Where events came from and where they went, for as long as they are joined: what the rows of the links say, and not their
//! journals, which are cut.

use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, Link, run::PAGE};
use crate::{
    model::{EventId, LinkId, RemoteCalendarId, RemoteId},
    plan::Direction,
    store::BaseQuery,
};

/// An event, and the item it is joined to over one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The event here.
    pub event: EventId,
    /// The link.
    pub link: LinkId,
    /// The calendar there, as the link calls it.
    pub remote: RemoteCalendarId,
    /// The item there.
    pub item: RemoteId,
    /// What that item is to the event.
    pub role: SourceRole,
}

/// What the item of a link is to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceRole {
    /// The event came from it, and follows it: the link imports.
    Origin,
    /// Both are one event: the link goes both ways. On which side it was made is in the journal, while that is kept.
    Shared,
    /// It is a copy of the event: the link exports.
    Copy,
}

impl SourceRole {
    fn of(link: &Link) -> Self {
        match link.direction {
            Direction::Import => Self::Origin,
            Direction::TwoWay => Self::Shared,
            Direction::Export => Self::Copy,
        }
    }
}

impl Engine {
    /// From where events came, and where they went: every item they are joined to over these links, also where both sides are
    /// left alone since. By link in the order given, and in no order within one.
    ///
    /// It is known as long as the event and its link are: an edit on either side, or another item name there, changes
    /// nothing about it. One indexed read of the store for each link and 200 events.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sources(&self, links: &[Link], events: &[EventId]) -> Result<Vec<Source>, EngineError> {
        let mut found = Vec::new();
        for link in links {
            for events in events.chunks(PAGE) {
                let bases = self.store.bases(&link.id, BaseQuery::Events(events)).await?;
                found.extend(bases.into_iter().map(|base| source(link, base.event_id, base.remote_id)));
            }
        }
        Ok(found)
    }

    /// The events that are joined over a link, by the name of their items, starting after `after`; at most `limit`. On a link
    /// that imports, the events that came from its calendar. One indexed read of the store.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn events_of(
        &self,
        link: &Link,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<Source>, EngineError> {
        let page = self.store.base_summaries(&link.id, after, limit).await?;
        Ok(page.into_iter().map(|summary| source(link, summary.event_id, summary.remote_id)).collect())
    }
}

fn source(link: &Link, event: EventId, item: RemoteId) -> Source {
    Source { event, link: link.id.clone(), remote: link.remote.clone(), item, role: SourceRole::of(link) }
}
