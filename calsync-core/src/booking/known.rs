//! What is known of a calendar at a time: read once, and after that only what changed.

use std::{collections::HashMap, ops::Range};

use chrono::{DateTime, Utc};

use super::{BookingError, Counted, PAGE};
use crate::{
    availability::{BusyOptions, BusyTimes, CalendarTimes, busy_times},
    model::{CalendarId, EventId},
    store::{Revision, Store},
};

/// The events of a calendar that take time in a window.
pub(super) struct Known<'a> {
    counted: &'a Counted,
    options: BusyOptions,
    after: Revision,
    busy: HashMap<EventId, BusyTimes>,
}

impl<'a> Known<'a> {
    pub(super) fn new(counted: &'a Counted, window: &Range<DateTime<Utc>>) -> Self {
        let mut options = BusyOptions::new(window.clone(), counted.zone.clone());
        options.owner.clone_from(&counted.owner);
        Self { counted, options, after: Revision::default(), busy: HashMap::new() }
    }

    /// Reads what changed since the last time.
    pub(super) async fn refresh(&mut self, store: &dyn Store) -> Result<(), BookingError> {
        loop {
            let page = store.events_since(&self.counted.calendar, self.after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            self.after = last.revision;
            let is_full = page.len() == PAGE;
            for record in page {
                let live = record.deleted.is_none().then_some(&record.event);
                let found = busy_times(live, &self.options);
                if found == BusyTimes::default() {
                    self.busy.remove(&record.id);
                } else {
                    self.busy.insert(record.id, found);
                }
            }
            if !is_full {
                return Ok(());
            }
        }
    }

    /// The busy times, without those of one event.
    pub(super) fn times(&self, now: DateTime<Utc>, except: Option<(&CalendarId, &EventId)>) -> CalendarTimes {
        let except = except.filter(|(calendar, _)| **calendar == self.counted.calendar).map(|(_, id)| id);
        let mut busy = BusyTimes::default();
        for (_, found) in self.busy.iter().filter(|(id, _)| Some(*id) != except) {
            busy.times.extend(&found.times);
            busy.incomplete_series += found.incomplete_series;
        }
        CalendarTimes {
            calendar: self.counted.calendar.clone(),
            busy,
            state: self.counted.state,
            as_of: self.counted.as_of.or(Some(now)),
            covered: self.counted.covered.clone(),
        }
    }
}
