//! Busy times.

use std::ops::Range;

use calsync_core::{
    availability::{BusyKind, BusyTime},
    model::RemoteCalendarId,
    provider::{FreeBusy, Result},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    calls,
    provider::{GoogleProvider, Purpose},
    wire::{Object, inner, list, object, text},
};

const OPERATION: &str = "free_busy";

/// Why nothing is known, where the answer makes no sense.
const UNREADABLE: &str = "unreadable";

/// Calendars in one question (`calendarExpansionMax`).
const CALENDARS_MAX: usize = 50;

impl GoogleProvider {
    /// One answer for each calendar, in the order asked.
    pub(super) async fn busy(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<FreeBusy>> {
        let mut found = Vec::with_capacity(calendars.len());
        for group in calendars.chunks(CALENDARS_MAX) {
            let ids: Vec<&str> = group.iter().map(RemoteCalendarId::as_str).collect();
            let call = calls::free_busy(&ids, window.start, window.end);
            let part = self.send(OPERATION, Purpose::Read, call).await?;
            let body =
                object(self.accept(OPERATION, &part)?).ok_or_else(|| self.unusable(OPERATION, &part))?;
            let answers = inner(&body, "calendars");
            found.extend(group.iter().map(|calendar| {
                let answer = answers.and_then(|answers| inner(answers, calendar.as_str()));
                of(calendar, answer)
            }));
        }
        Ok(found)
    }
}

fn of(calendar: &RemoteCalendarId, answer: Option<&Object>) -> FreeBusy {
    let unknown = |reason: &str| FreeBusy {
        calendar: calendar.clone(),
        busy: Vec::new(),
        unknown: Some(reason.to_owned()),
    };
    let Some(answer) = answer else { return unknown("noAnswer") };
    let reason = match answer.get("errors") {
        None | Some(Value::Null) => None,
        Some(Value::Array(errors)) if errors.is_empty() => None,
        Some(_) => {
            let told = list(answer, "errors").iter().find_map(|error| text(error.as_object()?, "reason"));
            Some(told.unwrap_or(UNREADABLE))
        }
    };
    if let Some(reason) = reason {
        return unknown(reason);
    }
    let instant = |span: &Object, name: &str| {
        DateTime::parse_from_rfc3339(text(span, name)?).ok().map(|time| time.with_timezone(&Utc))
    };
    let span = |span: &Value| {
        let span = span.as_object()?;
        // Tentative events are among them, and nothing says which they are.
        let (start, end, kind) = (instant(span, "start")?, instant(span, "end")?, BusyKind::Busy);
        (start <= end).then_some(BusyTime { start, end, kind })
    };
    let spans = answer.get("busy").and_then(Value::as_array);
    // What nobody can read is not free.
    let Some(mut busy) = spans.and_then(|spans| spans.iter().map(span).collect::<Option<Vec<_>>>()) else {
        return unknown(UNREADABLE);
    };
    busy.retain(|time| time.start < time.end);
    busy.sort_unstable_by_key(|time| time.start);
    FreeBusy { calendar: calendar.clone(), busy, unknown: None }
}
