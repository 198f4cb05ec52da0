//! The local side as a host edits it.

use std::sync::Arc;

use super::EngineError;
use crate::{
    context::{Clock, IdSource},
    diff::{note_edit, raise_sequence},
    model::{Calendar, CalendarId, Event, EventId},
    store::{Batch, EventRecord, Expectation, Revision, Store, Write},
};

/// Reads and edits calendars in the store. Every edit is picked up by the next run of every link on the calendar.
#[derive(Clone)]
pub struct Hub {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

/// Events read at once.
const PAGE: usize = 200;

impl Hub {
    /// A hub over the host's store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { store, clock, ids }
    }

    /// Makes a calendar, or changes its name or colour.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn put_calendar(&self, calendar: Calendar) -> Result<(), EngineError> {
        self.write(Vec::new(), Write::PutCalendar(calendar)).await?;
        Ok(())
    }

    /// Adds an event.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn add(&self, calendar: &CalendarId, event: Event) -> Result<EventId, EngineError> {
        let id = EventId::from(self.ids.fresh());
        let write = self.put(calendar, &id, event);
        self.write(Vec::new(), write).await?;
        Ok(id)
    }

    /// Replaces an event that has the expected revision. One that takes place otherwise than before gets a higher `SEQUENCE`:
    /// see [`raise_sequence`]. What was edited says when, unless the host says so itself: see [`note_edit`].
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when it was changed meanwhile.
    pub async fn update(
        &self,
        calendar: &CalendarId,
        id: &EventId,
        expected: Revision,
        mut event: Event,
    ) -> Result<(), EngineError> {
        let before = self.store.events(calendar, std::slice::from_ref(id)).await?;
        // Of another revision nothing is written.
        if let Some(before) = before.iter().find(|before| before.revision == expected) {
            raise_sequence(&before.event, &mut event);
            note_edit(&before.event, &mut event, self.clock.now());
        }
        let write = self.put(calendar, id, event);
        self.write(vec![expect(calendar, id, expected)], write).await
    }

    /// Deletes an event that has the expected revision. Softly: see [`Write::DeleteEvent`].
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when it was changed meanwhile.
    pub async fn delete(
        &self,
        calendar: &CalendarId,
        id: &EventId,
        expected: Revision,
    ) -> Result<(), EngineError> {
        let write = Write::DeleteEvent { calendar: calendar.clone(), id: id.clone(), at: self.clock.now() };
        self.write(vec![expect(calendar, id, expected)], write).await
    }

    /// The events of a calendar that are not deleted, in the order of their last change.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn events(&self, calendar: &CalendarId) -> Result<Vec<EventRecord>, EngineError> {
        let mut all = Vec::new();
        let mut after = Revision::default();
        loop {
            let page = self.store.events_since(calendar, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.revision;
            all.extend(page.into_iter().filter(|record| record.deleted.is_none()));
        }
    }

    fn put(&self, calendar: &CalendarId, id: &EventId, event: Event) -> Write {
        Write::PutEvent {
            calendar: calendar.clone(),
            id: id.clone(),
            event: Box::new(event),
            at: self.clock.now(),
        }
    }

    async fn write(&self, expect: Vec<Expectation>, write: Write) -> Result<(), EngineError> {
        self.store.commit(Batch { expect, writes: vec![write], ..Batch::default() }).await?;
        Ok(())
    }
}

fn expect(calendar: &CalendarId, id: &EventId, revision: Revision) -> Expectation {
    Expectation::Event { calendar: calendar.clone(), id: id.clone(), revision: Some(revision) }
}
