//! Busy times (`getSchedule`). Graph answers for mailboxes, not for calendars: a calendar is named by its owner's address.

use std::ops::Range;

use calsync_core::{
    model::RemoteCalendarId,
    provider::{ErrorKind, FreeBusy, ProviderError, Result},
    zone::Zone,
};
use chrono::{DateTime, Utc};
use http::Method;
use serde_json::json;

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
            let body = object(self.success(OPERATION, &answer)?)
                .ok_or_else(|| error::unusable(OPERATION, "the answer is no list"))?;
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
    if let Some(error) = inner(entry, "error") {
        answer.unknown = Some(text(error, "responseCode").unwrap_or("error").to_owned());
        return answer;
    }
    for item in objects(entry, "scheduleItems") {
        // Free and working elsewhere is not busy; what is not known is.
        if matches!(text(item, "status"), Some("free" | "workingElsewhere")) {
            continue;
        }
        let (Some(start), Some(end)) = (point(item, "start"), point(item, "end")) else {
            answer.busy.clear();
            answer.unknown = Some("unreadable".to_owned());
            return answer;
        };
        answer.busy.push((start, end));
    }
    answer.busy.sort_unstable();
    answer
}

fn point(item: &Object, name: &str) -> Option<DateTime<Utc>> {
    let point = inner(item, name)?;
    let local = instant(text(point, "dateTime")?)?.naive_utc();
    let zone = text(point, "timeZone").and_then(zone_named).unwrap_or(Zone::UTC);
    Some(zone.resolve(local))
}
