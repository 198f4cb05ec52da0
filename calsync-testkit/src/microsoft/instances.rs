//! `instances` and `calendarView`.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

use super::{
    events::page,
    render::{View, times},
    request::{Reply, Request},
    state::{Name, State},
};

/// A time in a parameter: with an offset, or UTC.
pub(super) fn point(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|local| local.and_utc()))
        .or_else(|_| {
            text.parse::<chrono::NaiveDate>().map(|date| date.and_time(chrono::NaiveTime::MIN).and_utc())
        })
        .ok()
}

fn window(request: &Request) -> Result<(DateTime<Utc>, DateTime<Utc>), Reply> {
    let from = request.param("startDateTime").and_then(point);
    let until = request.param("endDateTime").and_then(point);
    from.zip(until).filter(|(from, until)| from <= until).ok_or_else(|| {
        Reply::error(400, "ErrorInvalidParameter", "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.")
    })
}

pub(super) fn of(state: &mut State, request: &Request, name: Name) -> Reply {
    let Name::Event(number) = name else {
        return Reply::error(400, "ErrorInvalidRequest", "not a series master");
    };
    let (from, until) = match window(request) {
        Ok(window) => window,
        Err(reply) => return reply,
    };
    let view = View::of(request);
    let days = state.events.get(&number).map(|event| event.within(from, until)).unwrap_or_default();
    let rows = days.into_iter().map(|day| view.instance(state, number, day)).collect();
    page(state, request, rows)
}

pub(super) fn view(state: &mut State, request: &Request, calendar: &str) -> Reply {
    let (from, until) = match window(request) {
        Ok(window) => window,
        Err(reply) => return reply,
    };
    let view = View::of(request);
    let mut rows: Vec<(DateTime<Utc>, Value)> = Vec::new();
    let numbers: Vec<u64> = state
        .events
        .iter()
        .filter(|(_, event)| event.calendar == calendar)
        .map(|(number, _)| *number)
        .collect();
    for number in numbers {
        let Some(event) = state.events.get(&number) else { continue };
        if event.properties.contains_key("recurrence") {
            for day in event.within(from, until) {
                let start = event.actual(day).map(|times| times.start).unwrap_or_default();
                rows.push((start, view.instance(state, number, day)));
            }
        } else if let Some(times) = times(&event.properties)
            && times.start < until
            && times.end > from
        {
            rows.push((times.start, view.event(state, number)));
        }
    }
    rows.sort_by_key(|(start, _)| *start);
    page(state, request, rows.into_iter().map(|(_, row)| row).collect())
}
