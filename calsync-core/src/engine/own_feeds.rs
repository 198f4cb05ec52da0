//! What a feed that is published out of a calendar shows, known again where a link brings it in to that same calendar.
//!
//! Such an event has a UID made of the one it is of, with the feed's secret: nothing else has to be in the feed, and whoever
//! has not the secret is told nothing.

use std::collections::HashSet;

use super::{
    EngineError,
    run::{PAGE, Run},
};
use crate::{
    plan::Direction,
    provider::{ReadError, UnreadKind},
    publish::{hidden_number, hidden_uid, known_feed_keys},
    store::Revision,
};

/// UIDs that were made of UIDs of feeds are looked for while there are no more of them than this: 16 bytes each.
const SECOND_HOPS_MAX: usize = 200_000;

/// Why an item is not brought in.
pub(super) fn own_feed() -> ReadError {
    let reason = "it is what a feed published from this calendar shows of an event that is here";
    ReadError { kind: UnreadKind::OwnFeed, reason: reason.to_owned() }
}

impl Run<'_> {
    /// Whether an item with a UID is what a feed of the link's calendar shows of an event of it, at first hand, or through one
    /// more feed published out of the same store.
    pub(super) async fn is_of_own_feed(&mut self, uid: &str) -> Result<bool, EngineError> {
        let Some(number) = hidden_number(uid).filter(|_| self.link.direction != Direction::Export) else {
            return Ok(false);
        };
        if self.own_feeds.is_none() {
            self.own_feeds = Some(self.shown_by_own_feeds().await?);
        }
        Ok(self.own_feeds.as_ref().is_some_and(|shown| shown.contains(&number)))
    }

    /// The UIDs under which feeds show the living events of the calendar.
    async fn shown_by_own_feeds(&self) -> Result<HashSet<u128>, EngineError> {
        let store = &self.engine.store;
        let (keys, mut shown) = (known_feed_keys(&**store).await?, HashSet::new());
        let mut hops = SECOND_HOPS_MAX;
        let mut after = Revision::default();
        while !keys.is_empty() {
            let page = store.events_since(&self.link.calendar, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.revision;
            for record in page.iter().filter(|record| record.deleted.is_none()) {
                for key in &keys {
                    let uid = hidden_uid(key, &record.event.uid);
                    shown.extend(hidden_number(&uid));
                    let again = keys.iter().take(hops);
                    hops -= again.len();
                    shown.extend(again.filter_map(|key| hidden_number(&hidden_uid(key, &uid))));
                }
            }
        }
        Ok(shown)
    }
}
