//! Calendars that are not in the store: of them a provider tells when they are busy, and nothing else.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    availability::{BusyTimes, CalendarState, CalendarTimes, provider_busy_times},
    model::{CalendarId, RemoteCalendarId},
    provider::{Capabilities, FreeBusy, Provider, Result},
};

/// Asks a provider when calendars are busy: those of colleagues, of which an account sees no more. Each has the name it gets
/// in answers, and its name there.
///
/// A window longer than one question may be is asked about in pieces. A calendar the provider says nothing of, in any of them, is
/// [`CalendarState::Unknown`]: no time of it is known to be free.
///
/// # Errors
/// When the provider cannot be asked at all.
pub async fn busy_elsewhere(
    provider: &dyn Provider,
    calendars: &[(CalendarId, RemoteCalendarId)],
    window: &Range<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Vec<CalendarTimes>> {
    let ids: Vec<RemoteCalendarId> = calendars.iter().map(|(_, remote)| remote.clone()).collect();
    let unknown = |(calendar, _): &(CalendarId, RemoteCalendarId)| CalendarTimes {
        calendar: calendar.clone(),
        busy: BusyTimes::default(),
        state: CalendarState::Unknown,
        as_of: None,
        covered: Some(window.clone()),
    };
    let mut pieces: Vec<Vec<FreeBusy>> = Vec::new();
    for piece in pieces_of(window, &provider.capabilities()) {
        pieces.push(provider.free_busy(&ids, piece).await?);
    }
    let one = |(number, calendar): (usize, &(CalendarId, RemoteCalendarId))| {
        let mut all = FreeBusy { calendar: calendar.1.clone(), busy: Vec::new(), unknown: None };
        for piece in &pieces {
            let Some(answer) = piece.get(number).filter(|answer| answer.unknown.is_none()) else {
                return unknown(calendar);
            };
            all.busy.extend(&answer.busy);
        }
        CalendarTimes {
            busy: provider_busy_times(&all, window),
            state: CalendarState::Current,
            as_of: Some(now),
            ..unknown(calendar)
        }
    };
    Ok(calendars.iter().enumerate().map(one).collect())
}

fn pieces_of(window: &Range<DateTime<Utc>>, can: &Capabilities) -> Vec<Range<DateTime<Utc>>> {
    let most = match can.free_busy_days_max {
        0 => TimeDelta::MAX,
        days => TimeDelta::days(i64::from(days)),
    };
    let mut pieces = Vec::new();
    let mut start = window.start;
    while start < window.end {
        let end = start.checked_add_signed(most).map_or(window.end, |end| end.min(window.end));
        pieces.push(start..end);
        start = end;
    }
    pieces
}
