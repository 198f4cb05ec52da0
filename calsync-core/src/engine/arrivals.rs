//! Events that came up in one remote calendar about when they went from another: they have moved.
//!
//! Links that share a calendar share its events by UID. Each link sees only its own side, so a link that finds an item gone
//! cannot tell a deletion from a move to the source of another link, which may have been read first. What a link joins is
//! therefore written down here until every other link has looked again. A mirror writes nothing down: a copy that was made by
//! calsync came from nowhere else.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    EngineError,
    conflicts::settle,
    items::by_names,
    pair::{Outcome, Pair, operation},
    run::{PAGE, Run},
    settled::other_links,
    withdrawn::keep_away,
};
use crate::{
    model::{CalendarId, EventId, LinkId, RemoteId},
    plan::Action,
    store::{
        BaseQuery, BaseRecord, BaseState, Batch, Doc, DocQuery, EventRecord, Expectation, JournalOp,
        NotedPairs, OutboxOp, SettledBy, Write,
    },
};

/// How old an arrival may be that still speaks for a move: a source may go on listing for hours what it has no more, as
/// published feeds do, and workers' clocks may differ.
const FRESH: TimeDelta = TimeDelta::hours(48);

/// The last link that joined an event which was here already.
#[derive(Serialize, Deserialize)]
struct Arrival {
    link: LinkId,
    at: DateTime<Utc>,
}

/// What is known of the arrivals of some events.
#[derive(Default)]
pub(super) struct Arrivals {
    /// The links they came up in lately.
    moved: HashMap<EventId, LinkId>,
    /// The versions of all notes about them.
    versions: HashMap<EventId, u64>,
}

impl Arrivals {
    /// The link an event came up in lately.
    pub(super) fn of(&self, event: &EventId) -> Option<&LinkId> {
        self.moved.get(event)
    }

    /// The version of the note about an event.
    pub(super) fn version(&self, event: &EventId) -> Option<u64> {
        self.versions.get(event).copied()
    }

    /// Of an event that came up nowhere else the note has this version.
    pub(super) fn note(&mut self, event: &EventId, version: Option<u64>) {
        self.versions.extend(version.map(|version| (event.clone(), version)));
    }

    /// That nobody takes note of an event meanwhile.
    pub(super) fn expect(&self, calendar: &CalendarId, event: &EventId) -> Expectation {
        Expectation::Doc { space: space(calendar), key: event.to_string(), version: self.version(event) }
    }
}

fn space(calendar: &CalendarId) -> String {
    format!("arrived.{calendar}")
}

impl Run<'_> {
    /// Whether other links share the calendar.
    pub(super) async fn is_shared(&mut self) -> Result<bool, EngineError> {
        if let Some(is_shared) = self.is_shared {
            return Ok(is_shared);
        }
        let store = &*self.engine.store;
        let others = other_links(store, &self.link.calendar, &self.link.id, self.started).await?;
        Ok(*self.is_shared.insert(!others.is_empty()))
    }

    /// Notes that an item was joined to an event that came in by other ways, if there are any. What this link may have made
    /// itself came in by none.
    pub(super) async fn arrived(&mut self, record: &EventRecord) -> Result<Option<Write>, EngineError> {
        let entry = self.outbox.get(&record.id);
        let is_ours = entry.is_some_and(|entry| matches!(entry.op, OutboxOp::Create { .. }));
        if !self.link.direction.imports() || record.deleted.is_some() || is_ours || !self.is_shared().await? {
            return Ok(None);
        }
        let arrival = Arrival { link: self.link.id.clone(), at: self.engine.clock.now() };
        let value = serde_json::to_vec(&arrival).unwrap_or_default();
        Ok(Some(Write::PutDoc(Doc::new(space(&self.link.calendar), record.id.as_str(), value))))
    }

    /// Which of some events came up in the remote calendar of another link lately, as this link's last look at its own tells.
    pub(super) async fn arrivals(&self, events: &[EventId]) -> Result<Arrivals, EngineError> {
        if events.is_empty() || !self.link.direction.imports() {
            return Ok(Arrivals::default());
        }
        let keys: Vec<&str> = events.iter().map(EventId::as_str).collect();
        let notes = self.engine.store.docs(&space(&self.link.calendar), DocQuery::Keys(&keys)).await?;
        self.arrivals_in(notes).await
    }

    /// Items that are gone: what they are joined to, and which of the events came up elsewhere.
    pub(super) async fn pairs_and_arrivals(
        &self,
        items: &[RemoteId],
    ) -> Result<(HashMap<RemoteId, BaseRecord>, HashMap<EventId, EventRecord>, Arrivals), EngineError> {
        if !self.link.direction.imports() {
            let (bases, events) = self.pairs(items).await?;
            return Ok((bases, events, Arrivals::default()));
        }
        let (link, calendar) = (&self.link.id, &self.link.calendar);
        let NotedPairs { pairs, docs } =
            self.engine.store.noted_pairs(link, calendar, items, &space(calendar)).await?;
        let (bases, events) = by_names(pairs);
        Ok((bases, events, self.arrivals_in(docs).await?))
    }

    async fn arrivals_in(&self, notes: Vec<Doc>) -> Result<Arrivals, EngineError> {
        let store = &self.engine.store;
        let mut arrivals = Arrivals::default();
        let mut at: HashMap<LinkId, Vec<EventId>> = HashMap::new();
        for doc in notes {
            // What nobody can read says nothing.
            let arrival = doc.read::<Arrival>();
            let event = EventId::from(doc.key);
            arrivals.versions.insert(event.clone(), doc.version);
            let since =
                |arrival: &Arrival| self.state.last_pull.is_none_or(|last| last - FRESH <= arrival.at);
            if let Some(arrival) = arrival.filter(|arrival| arrival.link != self.link.id && since(arrival)) {
                at.entry(arrival.link).or_default().push(event);
            }
        }
        for (link, events) in at {
            // It may have gone from there as well.
            for base in store.bases(&link, BaseQuery::Events(&events)).await? {
                if base.state == BaseState::Linked {
                    arrivals.moved.insert(base.event_id, link.clone());
                }
            }
        }
        Ok(arrivals)
    }

    /// Parts an event from an item that is gone, because it is in the remote calendar of another link now: it stays here, and
    /// is not made there again.
    pub(super) async fn part(&mut self, pair: &Pair<'_>, to: &LinkId) -> Result<Outcome, EngineError> {
        let (Some(base), Some(record)) = (pair.base, pair.local) else { return Ok(Outcome::default()) };
        let open = match &base.remote {
            Some(_) => self.open_conflicts(&base.event_id).await?,
            None => Vec::new(),
        };
        let reason = format!("it is gone there, and in the calendar of link `{to}` since");
        let (link, remote_id) = (base.link.clone(), base.remote_id.clone());
        let mut writes = vec![Write::DeleteBase { link, remote_id }];
        if self.link.direction.exports() {
            writes.push(keep_away(&self.link.id, &record.id));
        }
        let outcome = self.with_context(|cx| {
            let remote_id = Some(&base.remote_id);
            writes.push(cx.journal(JournalOp::Kept, &record.id, remote_id, &reason, None, Vec::new()));
            writes.extend(settle(&open, "deleted", SettledBy::Deletion, cx.now));
            Outcome {
                operation: Some(operation(pair, Action::Suppress, &reason)),
                expect: vec![cx.expect(pair, &record.id)],
                writes,
                event_id: Some(record.id.clone()),
                revision: Some(record.revision),
                ..Outcome::default()
            }
        });
        Ok(outcome)
    }

    /// Forgets what every link has looked since, a bounded number of notes.
    pub(super) async fn forget_arrivals(&mut self) -> Result<(), EngineError> {
        let (store, calendar) = (&self.engine.store, &self.link.calendar);
        // Not before this one has acted on them.
        let mut looked = self.state.last_pull;
        for link in other_links(&**store, calendar, &self.link.id, self.started).await? {
            let state = store.link(&link).await?.filter(|state| state.calendar == *calendar);
            if let Some(state) = state {
                looked = looked.min(state.last_pull);
            }
        }
        let Some(looked) = looked.map(|looked| looked - FRESH) else { return Ok(()) };
        let space = space(calendar);
        let (mut batch, mut after) = (Batch::default(), None::<String>);
        while batch.writes.len() < PAGE {
            let page = store.docs(&space, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for doc in page {
                let arrival = doc.read::<Arrival>();
                if arrival.is_some_and(|arrival| arrival.at >= looked) {
                    continue;
                }
                let (space, version) = (space.clone(), Some(doc.version));
                batch.expect.push(Expectation::Doc { space: space.clone(), key: doc.key.clone(), version });
                batch.writes.push(Write::DeleteDoc { space, key: doc.key });
            }
        }
        if batch.writes.is_empty() {
            return Ok(());
        }
        match self.commit(batch).await {
            // Somebody noted one of them right now: the next time is soon enough.
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}
