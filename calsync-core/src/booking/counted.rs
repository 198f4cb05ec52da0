//! A calendar that has to be free, and how far what the store has of it can be trusted.

use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::{
    availability::CalendarState,
    model::{CalendarId, LinkId},
    provider::Covered,
    store::{LinkHealth, Store, StoreError},
    zone::Zone,
};

/// A calendar that has to be free.
///
/// It counts whole, whatever brought its events in or was added by hand. A link has no busy time of its own: who wants to count
/// one source only gives it a calendar of its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Counted {
    /// Which.
    pub calendar: CalendarId,
    /// Its zone: dates and floating times are read in it. Default: UTC.
    pub zone: Zone,
    /// The addresses of its owner: what they declined takes none of their time. Default: none.
    pub owner: Vec<String>,
    /// What is known of it: a calendar that is [`CalendarState::Unknown`] offers nothing, unless the question says so.
    /// Default: current.
    pub state: CalendarState,
    /// When it was last read whole from its provider. Default: now, for a calendar that lives here.
    pub as_of: Option<DateTime<Utc>>,
    /// The instants that look covered: outside it nothing is on offer, unless the question says so. Default: all.
    pub covered: Option<Range<DateTime<Utc>>>,
}

impl Counted {
    /// A calendar that is current, and known for all time: one that lives here.
    pub fn new(calendar: impl Into<CalendarId>) -> Self {
        Self {
            calendar: calendar.into(),
            zone: Zone::UTC,
            owner: Vec::new(),
            state: CalendarState::Current,
            as_of: None,
            covered: None,
        }
    }

    /// A calendar that links bring events into, each by its id: what is known of it is as good as the worst of them. It is as
    /// old as the link that last ran well longest ago, stale when one of them is not [`LinkHealth::Active`], unknown when one never ran well, and
    /// covers what all of them read.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn fed_by(
        store: &dyn Store,
        calendar: impl Into<CalendarId>,
        links: impl IntoIterator<Item = LinkId>,
    ) -> Result<Self, StoreError> {
        let mut counted = Self::new(calendar);
        let mut covered = Covered::ALL;
        for link in links {
            let state = store.link(&link).await?;
            let Some((last, state)) = state.and_then(|state| Some((state.last_success?, state))) else {
                let state = CalendarState::Unknown;
                return Ok(Self { state, ..Self::new(counted.calendar) });
            };
            if state.health != LinkHealth::Active {
                counted.state = CalendarState::Stale;
            }
            counted.as_of = Some(counted.as_of.map_or(last, |before| before.min(last)));
            covered = covered.and(state.covered);
        }
        counted.covered = covered.span();
        Ok(counted)
    }
}
