//! `EventDateTime`: a date, or an instant with the zone it is meant in.

use calsync_core::{
    model::{EventTime, Fold, RecurrenceId, TimeSpan},
    zone::{Zone, zone_by_name},
};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use serde_json::{Value, json};

use crate::google::wire::{Object, inner, text};

/// Names of UTC: written and compared as instants.
const UTC_NAMES: [&str; 10] =
    ["UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "GMT", "Etc/GMT"];

/// Whether a zone is UTC under any of its names.
pub(crate) fn is_utc(zone: &Zone) -> bool {
    zone.iana().is_some_and(|tz| UTC_NAMES.contains(&tz.name()))
}

/// Reads a time. `None` when it is none.
pub(crate) fn read(value: &Object) -> Option<EventTime> {
    if let Some(date) = text(value, "date") {
        return NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().map(EventTime::Date);
    }
    let written = text(value, "dateTime")?;
    let zone = text(value, "timeZone").and_then(zone_by_name).map(|(zone, _)| zone);
    if let Ok(instant) = DateTime::parse_from_rfc3339(written) {
        let instant = instant.with_timezone(&Utc).with_nanosecond(0)?;
        return Some(match zone {
            Some(zone) if !is_utc(&zone) => in_zone(instant, zone),
            _ => EventTime::Utc(instant),
        });
    }
    // Without an offset the zone says what is meant.
    let local = NaiveDateTime::parse_from_str(written, "%Y-%m-%dT%H:%M:%S%.f").ok()?.with_nanosecond(0)?;
    zone.map(
        |zone| if is_utc(&zone) { EventTime::Utc(local.and_utc()) } else { EventTime::zoned(local, zone) },
    )
}

/// The clock of a zone at an instant.
pub(crate) fn in_zone(instant: DateTime<Utc>, zone: Zone) -> EventTime {
    let local = zone.to_local(instant);
    let fold = if zone.resolve(local) == instant { Fold::First } else { Fold::Second };
    EventTime::Zoned { local, zone, fold }
}

/// Writes a time. `None` for what Google has no form for: a floating time, a zone only a file defines.
pub(crate) fn write(time: &EventTime) -> Option<Object> {
    let value = match time {
        EventTime::Date(date) => json!({"date": date.format("%Y-%m-%d").to_string()}),
        EventTime::Utc(instant) => {
            json!({"dateTime": instant.format("%Y-%m-%dT%H:%M:%SZ").to_string(), "timeZone": "UTC"})
        }
        EventTime::Zoned { zone, .. } => {
            let name = zone.iana()?.name();
            let instant = time.absolute()?;
            let offset = chrono::FixedOffset::east_opt(zone.offset_at(instant))?;
            let text = offset.fix().from_utc_datetime(&instant.naive_utc()).format("%Y-%m-%dT%H:%M:%S%:z");
            json!({"dateTime": text.to_string(), "timeZone": name})
        }
        EventTime::Floating(_) => return None,
    };
    value.as_object().cloned()
}

/// When an event takes place. A missing or impossible end is mended: a day for dates, no length for times. One that is
/// there and cannot be read is not guessed.
pub(crate) fn span(event: &Object) -> Option<TimeSpan> {
    let start = inner(event, "start").and_then(read)?;
    let end = match event.get("end") {
        None | Some(Value::Null) => None,
        Some(end) => Some(read(end.as_object()?)?),
    };
    Some(mended(start, end))
}

/// A start with an end that fits it (AD-04, BAD-05).
pub(crate) fn mended(start: EventTime, end: Option<EventTime>) -> TimeSpan {
    let end = match (&start, end) {
        (EventTime::Date(first), end) => {
            let after = first.checked_add_days(Days::new(1)).unwrap_or(*first);
            match end {
                Some(EventTime::Date(end)) if end > *first => EventTime::Date(end),
                _ => EventTime::Date(after),
            }
        }
        (EventTime::Floating(first), Some(EventTime::Floating(end))) => EventTime::Floating(end.max(*first)),
        (_, Some(end)) if end.absolute().is_some() && end.absolute() >= start.absolute() => end,
        _ => start.clone(),
    };
    TimeSpan { start, end }
}

/// Which instance of its series an exception is.
pub(crate) fn original_start(exception: &Object) -> Option<RecurrenceId> {
    inner(exception, "originalStartTime").and_then(read).map(|time| RecurrenceId::of(&time))
}

/// An instance's original start as a query writes it.
pub(crate) fn query(key: RecurrenceId) -> String {
    match key {
        RecurrenceId::Date(date) => date.format("%Y-%m-%d").to_string(),
        RecurrenceId::Floating(local) => local.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        RecurrenceId::Instant(instant) => instant.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value) -> String {
        match read(value.as_object().unwrap()) {
            None => "-".into(),
            Some(EventTime::Date(date)) => date.to_string(),
            Some(EventTime::Utc(instant)) => instant.format("%FT%TZ").to_string(),
            Some(EventTime::Floating(_)) => "floating".into(),
            Some(EventTime::Zoned { local, zone, fold }) => {
                let fold = if fold == Fold::Second { " second" } else { "" };
                format!("{} {}{fold}", local.format("%FT%T"), zone.name())
            }
        }
    }

    #[test]
    fn times_as_google_writes_them() {
        for (value, expected) in [
            (json!({"date": "2026-01-05"}), "2026-01-05"),
            // The clock of the event's zone, whatever zone the answer is shown in.
            (
                json!({"dateTime": "2026-01-05T09:00:00+01:00", "timeZone": "Europe/Berlin"}),
                "2026-01-05T09:00:00 Europe/Berlin",
            ),
            (
                json!({"dateTime": "2026-01-05T03:00:00-05:00", "timeZone": "Europe/Berlin"}),
                "2026-01-05T09:00:00 Europe/Berlin",
            ),
            (
                json!({"dateTime": "2026-01-05T08:00:00Z", "timeZone": "Europe/Berlin"}),
                "2026-01-05T09:00:00 Europe/Berlin",
            ),
            (
                json!({"dateTime": "2026-01-05T09:00:00", "timeZone": "Europe/Berlin"}),
                "2026-01-05T09:00:00 Europe/Berlin",
            ),
            (json!({"dateTime": "2026-01-05T09:00:00.750Z"}), "2026-01-05T09:00:00Z"),
            (json!({"dateTime": "2026-01-05T09:00:00+01:00"}), "2026-01-05T08:00:00Z"),
            (json!({"dateTime": "2026-01-05T09:00:00Z", "timeZone": "Etc/UTC"}), "2026-01-05T09:00:00Z"),
            (json!({"dateTime": "2026-01-05T09:00:00Z", "timeZone": "Mars/Olympus"}), "2026-01-05T09:00:00Z"),
            // The hour that happens twice.
            (
                json!({"dateTime": "2026-10-25T02:30:00+02:00", "timeZone": "Europe/Berlin"}),
                "2026-10-25T02:30:00 Europe/Berlin",
            ),
            (
                json!({"dateTime": "2026-10-25T02:30:00+01:00", "timeZone": "Europe/Berlin"}),
                "2026-10-25T02:30:00 Europe/Berlin second",
            ),
            // BAD-07
            (json!({"date": "0000-00-00"}), "-"),
            (json!({"dateTime": "2026-01-05T09:00:00"}), "-"),
            (json!({"dateTime": null, "date": null}), "-"),
            (json!({"date": 20260105}), "-"),
            (json!({}), "-"),
        ] {
            assert_eq!(shown(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for value in [
            json!({"date": "2026-01-05"}),
            json!({"dateTime": "2026-01-05T09:00:00+01:00", "timeZone": "Europe/Berlin"}),
            json!({"dateTime": "2026-10-25T02:30:00+02:00", "timeZone": "Europe/Berlin"}),
            json!({"dateTime": "2026-10-25T02:30:00+01:00", "timeZone": "Europe/Berlin"}),
            json!({"dateTime": "2026-01-05T08:00:00Z", "timeZone": "UTC"}),
            json!({"dateTime": "2026-01-05T13:45:00+05:45", "timeZone": "Asia/Kathmandu"}),
        ] {
            let time = read(value.as_object().unwrap()).unwrap();
            assert_eq!(Value::Object(write(&time).unwrap()), value);
        }
        let local = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap().and_hms_opt(9, 0, 0).unwrap();
        assert_eq!(write(&EventTime::Floating(local)), None);
    }

    #[test]
    fn ad_04_an_end_that_is_missing_or_too_early_is_mended() {
        for (event, expected) in [
            (json!({"start": {"date": "2026-03-25"}, "end": {"date": "2026-03-25"}}), "2026-03-26T00:00:00"),
            (json!({"start": {"date": "2026-03-25"}}), "2026-03-26T00:00:00"),
            (json!({"start": {"date": "2026-03-25"}, "end": {"date": "2026-03-27"}}), "2026-03-27T00:00:00"),
            (
                json!({"start": {"date": "2026-03-25"}, "end": {"dateTime": "2026-03-25T10:00:00Z"}}),
                "2026-03-26T00:00:00",
            ),
            (
                json!({"start": {"dateTime": "2026-03-25T10:00:00Z"}, "end": {"dateTime": "2026-03-25T09:00:00Z"}}),
                "2026-03-25T10:00:00",
            ),
            (json!({"start": {"dateTime": "2026-03-25T10:00:00Z"}}), "2026-03-25T10:00:00"),
        ] {
            let span = span(event.as_object().unwrap()).unwrap();
            assert_eq!(span.end.local().format("%FT%T").to_string(), expected, "{event}");
        }
    }
}
