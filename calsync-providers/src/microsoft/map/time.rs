//! Times: `dateTimeTimeZone` to the neutral form and back.
//!
//! Graph names zones as Windows does. Times are asked for in UTC, where they have one meaning, and put back on the clock of
//! the zone the event was made in. All-day events are dates: whatever zone their midnight is in does not matter.

use calsync_core::{
    model::{EventTime, Fold, TimeSpan},
    zone::{Zone, windows, zone_by_name},
};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::wire::{Object, flag, inner, text};

/// The zone of a name as Graph gives it: a Windows name or an IANA one. `None` for zones nobody can look up
/// (`tzone://Microsoft/Custom`).
pub(crate) fn zone_named(name: &str) -> Option<Zone> {
    zone_by_name(name).map(|(zone, _)| zone)
}

fn is_utc(zone: &Zone) -> bool {
    matches!(zone.name(), "UTC" | "Etc/UTC" | "Etc/UCT" | "Etc/Zulu" | "Zulu" | "UCT" | "GMT" | "Etc/GMT")
}

/// The zone that was meant: of those Windows has one name for, the one that was noted.
pub(crate) fn meant(name: &str, noted: Option<&str>) -> Option<Zone> {
    let zone = zone_named(name)?;
    let noted = noted.and_then(Zone::from_iana);
    let windows_name = |zone: &Zone| zone.iana().and_then(windows::from_iana);
    match noted {
        Some(noted) if windows_name(&noted) == windows_name(&zone) && windows_name(&noted).is_some() => {
            Some(noted)
        }
        _ => Some(zone),
    }
}

/// The name a zone is written by; `None` when Windows has no zone with its rules. The table has a name for zones that have
/// left the rules of the others under it since: the clocks are compared, week by week.
pub(crate) fn windows_name(zone: &Zone) -> Option<&'static str> {
    if is_utc(zone) {
        return Some("UTC");
    }
    let name = zone.iana().and_then(windows::from_iana)?;
    let read = Zone::Iana(windows::to_iana(name)?);
    let first = DateTime::from_timestamp(COMPARED_FROM, 0)?;
    let same = *zone == read
        || (0..COMPARED_WEEKS).all(|week| {
            let at = first + TimeDelta::weeks(week);
            zone.offset_at(at) == read.offset_at(at)
        });
    same.then_some(name)
}

/// 2025-01-01.
const COMPARED_FROM: i64 = 1_735_689_600;
/// Six years: as far as anybody knows the rules.
const COMPARED_WEEKS: i64 = 313;

/// `2026-01-05T09:00:00.0000000`, and forms with an offset.
fn parse(value: &str) -> Option<(NaiveDateTime, bool)> {
    if let Ok(time) = DateTime::parse_from_rfc3339(value) {
        return Some((time.naive_utc(), true));
    }
    NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M"))
        .ok()
        .map(|time| (time, false))
}

/// An instant as Graph writes `DateTimeOffset`.
pub(crate) fn instant(value: &str) -> Option<DateTime<Utc>> {
    let (time, _) = parse(value)?;
    Some(time.and_utc())
}

/// An instant on the clock of a zone.
pub(crate) fn on_clock(instant: DateTime<Utc>, zone: &Zone) -> EventTime {
    if is_utc(zone) {
        return EventTime::Utc(instant);
    }
    let local = zone.to_local(instant);
    let first = EventTime::zoned(local, zone.clone());
    if first.absolute() == Some(instant) {
        return first;
    }
    let second = EventTime::Zoned { local, zone: zone.clone(), fold: Fold::Second };
    if second.absolute() == Some(instant) { second } else { EventTime::Utc(instant) }
}

/// A point of time, on the clock of `zone` where it is known.
fn point(object: &Object, zone: Option<&Zone>) -> Option<EventTime> {
    let (local, absolute) = parse(text(object, "dateTime")?)?;
    let given = text(object, "timeZone").and_then(zone_named);
    if absolute {
        return Some(on_clock(local.and_utc(), zone.unwrap_or(&Zone::UTC)));
    }
    match (given, zone) {
        (Some(given), Some(zone)) => Some(on_clock(given.resolve(local), zone)),
        (Some(given), None) if is_utc(&given) => Some(EventTime::Utc(local.and_utc())),
        (Some(given), None) => Some(EventTime::zoned(local, given)),
        // Without a zone it is UTC: that is what was asked for.
        (None, _) if text(object, "timeZone").is_none() => {
            Some(on_clock(local.and_utc(), zone.unwrap_or(&Zone::UTC)))
        }
        (None, _) => None,
    }
}

/// The date of an all-day event's start or end.
fn date(object: &Object, zone: Option<&Zone>) -> Option<NaiveDate> {
    let (local, _) = parse(text(object, "dateTime")?)?;
    if local.time() == NaiveTime::MIN {
        return Some(local.date());
    }
    // Rendered in another zone than its own: its midnight is there.
    let given = text(object, "timeZone").and_then(zone_named).unwrap_or(Zone::UTC);
    Some(nearest_date(given.resolve(local), zone))
}

/// The date an instant near midnight stands for.
pub(crate) fn nearest_date(instant: DateTime<Utc>, zone: Option<&Zone>) -> NaiveDate {
    let local = zone.map_or_else(|| instant.naive_utc(), |zone| zone.to_local(instant));
    if local.time() == NaiveTime::MIN {
        return local.date();
    }
    let noon = NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default();
    let later = local.time() >= noon;
    local.date().checked_add_days(Days::new(u64::from(later))).unwrap_or(local.date())
}

/// What is needed to read the times of an event: its own zones, by name.
pub(crate) struct Zones {
    pub(crate) start: Option<Zone>,
    pub(crate) end: Option<Zone>,
}

impl Zones {
    /// Of a series it is the zone it repeats in that counts. `noted` is what calsync kept: one or two IANA names.
    pub(crate) fn of(object: &Object, noted: Option<&str>) -> Self {
        let mut names = noted.unwrap_or_default().split(' ').filter(|name| !name.is_empty());
        let (first, second) = (names.next(), names.next());
        let repeats = inner(object, "recurrence")
            .and_then(|recurrence| inner(recurrence, "range"))
            .and_then(|range| text(range, "recurrenceTimeZone"));
        let original = text(object, "originalStartTimeZone");
        let start = repeats
            .and_then(|name| meant(name, first))
            .or_else(|| original.and_then(|name| meant(name, first)));
        let end = text(object, "originalEndTimeZone").and_then(|name| meant(name, second.or(first)));
        Self { end: end.or_else(|| start.clone()), start }
    }
}

/// When an event takes place. `None` when it cannot be told.
pub(crate) fn span(object: &Object, zones: &Zones) -> Option<TimeSpan> {
    let (start, end) = (inner(object, "start")?, inner(object, "end")?);
    if flag(object, "isAllDay") {
        let first = date(start, zones.start.as_ref())?;
        let after = date(end, zones.end.as_ref())?;
        let least = first.checked_add_days(Days::new(1))?;
        return Some(TimeSpan { start: EventTime::Date(first), end: EventTime::Date(after.max(least)) });
    }
    Some(TimeSpan { start: point(start, zones.start.as_ref())?, end: point(end, zones.end.as_ref())? })
}

/// What is lost in a written time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeLoss {
    pub(crate) floating: bool,
    pub(crate) zone: bool,
}

/// A point of time as it is written.
pub(crate) fn write_point(time: &EventTime, floating: &Zone, loss: &mut TimeLoss) -> Value {
    match time {
        EventTime::Date(date) => object(date.and_time(NaiveTime::MIN), "UTC"),
        EventTime::Utc(instant) => object(instant.naive_utc(), "UTC"),
        EventTime::Floating(local) => {
            loss.floating = true;
            write_point(&EventTime::zoned(*local, floating.clone()), floating, loss)
        }
        EventTime::Zoned { local, zone, fold } => match windows_name(zone) {
            Some(name) if *fold == Fold::First && in_gap(*local, zone).is_none() => object(*local, name),
            Some(name) if *fold == Fold::First => object(in_gap(*local, zone).unwrap_or(*local), name),
            _ => {
                loss.zone = true;
                object(time.absolute().unwrap_or_default().naive_utc(), "UTC")
            }
        },
    }
}

/// What the clock shows instead of a time it skips.
fn in_gap(local: NaiveDateTime, zone: &Zone) -> Option<NaiveDateTime> {
    let shown = zone.to_local(zone.resolve(local));
    (shown != local).then_some(shown)
}

fn object(local: NaiveDateTime, zone: &str) -> Value {
    json!({"dateTime": format!("{}.0000000", local.format("%Y-%m-%dT%H:%M:%S")), "timeZone": zone})
}

/// The IANA names to note beside a written span: those a Windows name does not tell.
pub(crate) fn to_note(span: &TimeSpan) -> Option<String> {
    let name = |time: &EventTime| time.zone().and_then(Zone::iana).map(|tz| tz.name().to_owned());
    let (start, end) = (name(&span.start)?, name(&span.end));
    Some(match end {
        Some(end) if end != start => format!("{start} {end}"),
        _ => start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(start: &str, zone: &str, original: &str, noted: Option<&str>) -> String {
        let body = json!({
            "start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": start, "timeZone": zone},
            "originalStartTimeZone": original, "originalEndTimeZone": original, "isAllDay": false,
        });
        let object = body.as_object().unwrap();
        match span(object, &Zones::of(object, noted)).map(|span| span.start) {
            Some(EventTime::Zoned { local, zone, fold }) => format!("{local} {} {fold:?}", zone.name()),
            Some(EventTime::Utc(instant)) => format!("{} UTC", instant.naive_utc()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn tz_a_time_is_put_back_on_the_clock_of_its_zone() {
        let romance = "Romance Standard Time";
        for (start, zone, original, noted, expected) in [
            ("2026-01-05T08:00:00.0000000", "UTC", romance, None, "2026-01-05 09:00:00 Europe/Paris First"),
            (
                "2026-07-06T07:00:00.0000000",
                "UTC",
                romance,
                Some("Europe/Madrid"),
                "2026-07-06 09:00:00 Europe/Madrid First",
            ),
            (
                "2026-07-06T07:00:00.0000000",
                "UTC",
                romance,
                Some("Asia/Tokyo"),
                "2026-07-06 09:00:00 Europe/Paris First",
            ),
            ("2026-07-06T09:00:00.0000000", romance, romance, None, "2026-07-06 09:00:00 Europe/Paris First"),
            (
                "2026-07-06T09:00:00",
                "Europe/Berlin",
                "Europe/Berlin",
                None,
                "2026-07-06 09:00:00 Europe/Berlin First",
            ),
            ("2026-10-25T01:30:00.0000000", "UTC", romance, None, "2026-10-25 02:30:00 Europe/Paris Second"),
            ("2026-07-06T09:00:00.0000000", "UTC", "UTC", None, "2026-07-06 09:00:00 UTC"),
            (
                "2026-07-06T09:00:00.0000000",
                "UTC",
                "tzone://Microsoft/Custom",
                None,
                "2026-07-06 09:00:00 UTC",
            ),
            ("2026-07-06T09:00:00+02:00", "", romance, None, "2026-07-06 09:00:00 Europe/Paris First"),
            ("2026-07-06T09:00:00.0000000", "tzone://Microsoft/Custom", "", None, "None"),
            ("soon", "UTC", "UTC", None, "None"),
        ] {
            assert_eq!(timed(start, zone, original, noted), expected, "{start} {zone} {original} {noted:?}");
        }
    }

    #[test]
    fn all_an_all_day_event_is_dates_whatever_its_zone() {
        for (start, end, zone, original, expected) in [
            (
                "2026-01-05T00:00:00.0000000",
                "2026-01-06T00:00:00.0000000",
                "UTC",
                "Romance Standard Time",
                ("2026-01-05", "2026-01-06"),
            ),
            (
                "2026-01-05T00:00:00.0000000",
                "2026-01-05T00:00:00.0000000",
                "UTC",
                "UTC",
                ("2026-01-05", "2026-01-06"),
            ),
            (
                "2026-01-04T23:00:00.0000000",
                "2026-01-05T23:00:00.0000000",
                "UTC",
                "Romance Standard Time",
                ("2026-01-05", "2026-01-06"),
            ),
            (
                "2026-01-05T08:00:00.0000000",
                "2026-01-07T08:00:00.0000000",
                "UTC",
                "Pacific Standard Time",
                ("2026-01-05", "2026-01-07"),
            ),
            (
                "2026-01-04T15:00:00.0000000",
                "2026-01-05T15:00:00.0000000",
                "UTC",
                "",
                ("2026-01-05", "2026-01-06"),
            ),
        ] {
            let body = json!({
                "start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone},
                "originalStartTimeZone": original, "originalEndTimeZone": original, "isAllDay": true,
            });
            let object = body.as_object().unwrap();
            let span = span(object, &Zones::of(object, None)).unwrap();
            let dates = (span.start.local().date().to_string(), span.end.local().date().to_string());
            assert_eq!((dates.0.as_str(), dates.1.as_str()), expected, "{start} {original}");
            assert!(span.is_all_day());
        }
    }

    #[test]
    fn every_zone_of_windows_is_written_and_read_back() {
        let local = NaiveDate::from_ymd_opt(2026, 7, 6).unwrap().and_hms_opt(9, 0, 0).unwrap();
        let mut written = 0;
        for tz in calsync_core::zone::Tz::all() {
            let zone = Zone::from(tz);
            let time = EventTime::zoned(local, zone);
            let mut loss = TimeLoss::default();
            let value = write_point(&time, &Zone::UTC, &mut loss);
            let read = point(value.as_object().unwrap(), None).unwrap();
            assert_eq!(read.absolute(), time.absolute(), "{}", tz.name());
            written += usize::from(!loss.zone);
        }
        assert!(written > 350, "{written}");
    }

    #[test]
    fn what_has_no_form_in_graph_is_written_as_the_instant_it_is() {
        let local = NaiveDate::from_ymd_opt(2026, 10, 25).unwrap().and_hms_opt(2, 30, 0).unwrap();
        let paris = Zone::from_iana("Europe/Paris").unwrap();
        let second = EventTime::Zoned { local, zone: paris, fold: Fold::Second };
        let mut loss = TimeLoss::default();
        let value = write_point(&second, &Zone::UTC, &mut loss);
        assert_eq!(value, json!({"dateTime": "2026-10-25T01:30:00.0000000", "timeZone": "UTC"}));
        assert!(loss.zone);
        let mut loss = TimeLoss::default();
        write_point(&EventTime::Floating(local), &Zone::UTC, &mut loss);
        assert!(loss.floating);
    }
}
