//! Busy times (`getSchedule`). Graph answers for mailboxes, not for calendars: a calendar is named by its owner's address.

use std::ops::Range;

use calsync_core::{
    availability::{BusyKind, BusyTime},
    model::RemoteCalendarId,
    provider::{ErrorKind, FreeBusy, ProviderError, Result},
};
use chrono::{DateTime, Utc};
use http::Method;
use serde_json::{Value, json};

use super::{
    calls, error,
    map::time::{instant, zone_named},
    provider::MicrosoftProvider,
    wire::{Object, inner, object, objects, text},
};

/// Mailboxes of one question.
const SCHEDULES_MAX: usize = 20;
const OPERATION: &str = "free_busy";

impl MicrosoftProvider {
    pub(super) async fn schedules(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<FreeBusy>> {
        if (window.end - window.start).num_days() > i64::from(self.config.free_busy_days_max) {
            return Err(ProviderError::new(ErrorKind::InvalidInput, OPERATION, "the window is too long"));
        }
        let mut answers = Vec::with_capacity(calendars.len());
        for group in calendars.chunks(SCHEDULES_MAX) {
            let point = |time: DateTime<Utc>| json!({"dateTime": time.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"});
            let body = json!({
                "schedules": group.iter().map(RemoteCalendarId::as_str).collect::<Vec<_>>(),
                "startTime": point(window.start),
                "endTime": point(window.end),
            });
            let url = self.url(&self.paths.schedule(), OPERATION)?;
            let request = calls::with_json(calls::request(Method::POST, url), &body);
            let answer = self.send(OPERATION, request).await?;
            let body = object(self.success(OPERATION, &answer)?).ok_or_else(|| {
                error::unusable_answer(OPERATION, &answer.response.headers, "the answer is no list")
            })?;
            for calendar in group {
                let found = objects(&body, "value").find(|entry| {
                    text(entry, "scheduleId").is_some_and(|id| id.eq_ignore_ascii_case(calendar.as_str()))
                });
                answers.push(schedule(calendar, found));
            }
        }
        Ok(answers)
    }
}

fn schedule(calendar: &RemoteCalendarId, entry: Option<&Object>) -> FreeBusy {
    let mut answer = FreeBusy { calendar: calendar.clone(), busy: Vec::new(), unknown: None };
    let Some(entry) = entry else {
        answer.unknown = Some("noAnswer".to_owned());
        return answer;
    };
    match entry.get("error") {
        None | Some(Value::Null) => {}
        Some(error) => {
            let code = error.as_object().and_then(|error| text(error, "responseCode"));
            answer.unknown = Some(code.unwrap_or("error").to_owned());
            return answer;
        }
    }
    let items = entry.get("scheduleItems").and_then(Value::as_array);
    match items.and_then(|items| items.iter().map(span).collect::<Option<Vec<_>>>()) {
        Some(spans) => answer.busy = spans.into_iter().flatten().collect(),
        // What nobody can read is not free.
        None => answer.unknown = Some("unreadable".to_owned()),
    }
    answer.busy.sort_unstable_by_key(|time| time.start);
    answer
}

/// When an item takes time; `None`: that cannot be read.
fn span(item: &Value) -> Option<Option<BusyTime>> {
    let item = item.as_object()?;
    let (start, end) = (point(item, "start")?, point(item, "end")?);
    let kind = match text(item, "status") {
        Some("free" | "workingElsewhere") => None,
        Some("tentative") => Some(BusyKind::Tentative),
        Some("oof") => Some(BusyKind::Unavailable),
        // What is not known is busy.
        _ => Some(BusyKind::Busy),
    };
    (start <= end).then_some(kind.map(|kind| BusyTime { start, end, kind }))
}

fn point(item: &Object, name: &str) -> Option<DateTime<Utc>> {
    let point = inner(item, name)?;
    let local = instant(text(point, "dateTime")?)?.naive_utc();
    Some(zone_named(text(point, "timeZone")?)?.resolve(local))
}
