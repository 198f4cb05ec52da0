//! What Google refuses in the body of an event, and the form it gives to times.

use calsync_core::{recurrence::RecurrenceRule, zone::Zone};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeZone, Utc};
use serde_json::{Value, json};

use super::{
    reply::{Result, refuse},
    state::{Object, text},
};

/// `start` or `end`: a date, or an instant and its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Date(NaiveDate),
    Time(DateTime<Utc>, Option<String>),
}

impl Moment {
    pub(super) fn read(value: Option<&Value>, zone: &str) -> Result<Self> {
        let Some(value) = value.and_then(Value::as_object) else { return refuse(400, "required") };
        match (text(value, "date"), text(value, "dateTime")) {
            (Some(date), None) => match NaiveDate::parse_from_str(date, "%Y-%m-%d") {
                Ok(date) => Ok(Self::Date(date)),
                Err(_) => refuse(400, "invalid"),
            },
            (None, Some(time)) => {
                let named = text(value, "timeZone").map(ToOwned::to_owned);
                if let Some(name) = &named
                    && Zone::from_iana(name).is_none()
                {
                    return refuse(400, "invalid");
                }
                if let Ok(time) = DateTime::parse_from_rfc3339(time) {
                    return Ok(Self::Time(time.with_timezone(&Utc), named));
                }
                // Without an offset it is read in the zone named.
                let Ok(local) = NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S%.f") else {
                    return refuse(400, "invalid");
                };
                let Some(zone) = Zone::from_iana(named.as_deref().unwrap_or(zone)) else {
                    return refuse(400, "invalid");
                };
                if named.is_none() {
                    return refuse(400, "required");
                }
                Ok(Self::Time(zone.resolve(local), named))
            }
            _ => refuse(400, "invalid"),
        }
    }

    /// As an answer has it: the clock of the calendar, with the zone of the event.
    pub(super) fn write(&self, zone: &str) -> Value {
        match self {
            Self::Date(date) => json!({"date": date.format("%Y-%m-%d").to_string()}),
            Self::Time(instant, named) => {
                let offset = Zone::from_iana(zone).map_or(0, |zone| zone.offset_at(*instant));
                let text = match FixedOffset::east_opt(offset).filter(|_| offset != 0) {
                    Some(offset) => offset
                        .from_utc_datetime(&instant.naive_utc())
                        .format("%Y-%m-%dT%H:%M:%S%:z")
                        .to_string(),
                    None => instant.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                };
                json!({"dateTime": text, "timeZone": named.as_deref().unwrap_or(zone)})
            }
        }
    }

    pub(super) fn local(&self, zone: &str) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(chrono::NaiveTime::MIN),
            Self::Time(instant, named) => Zone::from_iana(named.as_deref().unwrap_or(zone))
                .map_or(instant.naive_utc(), |zone| zone.to_local(*instant)),
        }
    }
}

/// Checks an event that is to be stored, and gives its times their form.
pub(super) fn event(event: &mut Object, zone: &str) -> Result<()> {
    let (start, end) = (Moment::read(event.get("start"), zone)?, Moment::read(event.get("end"), zone)?);
    let in_order = match (&start, &end) {
        (Moment::Date(start), Moment::Date(end)) => start < end,
        (Moment::Time(start, _), Moment::Time(end, _)) => start <= end,
        _ => return refuse(400, "invalid"),
    };
    if !in_order {
        return refuse(400, "timeRangeEmpty");
    }
    let lines = event.get("recurrence").and_then(Value::as_array).cloned().unwrap_or_default();
    if !lines.is_empty() {
        if event.contains_key("recurringEventId") {
            return refuse(400, "invalid");
        }
        if matches!(&start, Moment::Time(_, None)) {
            return refuse(400, "required");
        }
        for line in &lines {
            recurrence_line(line.as_str().unwrap_or_default(), &start)?;
        }
    }
    event.insert("start".into(), start.write(zone));
    event.insert("end".into(), end.write(zone));
    reminders(event)?;
    properties(event)?;
    if let Some(Value::Array(people)) = event.get_mut("attendees") {
        if people.len() > 200 {
            return refuse(400, "invalid");
        }
        for person in people {
            let Some(person) = person.as_object_mut().filter(|person| text(person, "email").is_some()) else {
                return refuse(400, "required");
            };
            person.entry("responseStatus").or_insert("needsAction".into());
        }
    }
    let one_of = |name: &str, words: &[&str]| match event.get(name) {
        None => Ok(()),
        Some(value) if value.as_str().is_some_and(|word| words.contains(&word)) => Ok(()),
        Some(_) => refuse(400, "invalid"),
    };
    one_of("status", &["confirmed", "tentative", "cancelled"])?;
    one_of("transparency", &["opaque", "transparent"])?;
    one_of("visibility", &["default", "public", "private", "confidential"])?;
    one_of("colorId", &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"])?;
    Ok(())
}

fn recurrence_line(line: &str, start: &Moment) -> Result<()> {
    let Some((head, value)) = line.split_once(':') else { return refuse(400, "invalid") };
    let name = head.split(';').next().unwrap_or_default();
    match name {
        "RRULE" | "EXRULE" => {
            let Ok(rule) = RecurrenceRule::parse(value) else { return refuse(400, "invalid") };
            // UNTIL is a date for dates and an instant for times.
            use calsync_core::recurrence::Until;
            match (rule.until, start) {
                (None, _)
                | (Some(Until::Date(_)), Moment::Date(_))
                | (Some(Until::Utc(_)), Moment::Time(..)) => Ok(()),
                _ => refuse(400, "invalid"),
            }
        }
        "RDATE" | "EXDATE" => Ok(()),
        _ => refuse(400, "invalid"),
    }
}

fn reminders(event: &Object) -> Result<()> {
    let Some(reminders) = event.get("reminders").and_then(Value::as_object) else { return Ok(()) };
    let overrides = reminders.get("overrides").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if reminders.get("useDefault") == Some(&Value::Bool(true)) && !overrides.is_empty() || overrides.len() > 5
    {
        return refuse(400, "invalid");
    }
    for reminder in overrides {
        let minutes = reminder.get("minutes").and_then(Value::as_i64);
        let method = reminder.get("method").and_then(Value::as_str);
        if !minutes.is_some_and(|minutes| (0..=40_320).contains(&minutes))
            || !matches!(method, Some("email" | "popup"))
        {
            return refuse(400, "invalid");
        }
    }
    Ok(())
}

fn properties(event: &Object) -> Result<()> {
    let Some(sets) = event.get("extendedProperties").and_then(Value::as_object) else { return Ok(()) };
    let (mut count, mut bytes) = (0, 0);
    for set in ["private", "shared"] {
        for (name, value) in sets.get(set).and_then(Value::as_object).into_iter().flatten() {
            let Some(value) = value.as_str() else { return refuse(400, "invalid") };
            count += 1;
            bytes += name.len() + value.len();
            let is_long = name.chars().count() > 44 || value.chars().count() > 1024;
            if is_long || count > 300 || bytes > PROPERTY_BYTES {
                return refuse(400, "invalid");
            }
        }
    }
    Ok(())
}

/// The most bytes of the names and values of one event's extended properties.
const PROPERTY_BYTES: usize = 32 * 1024;

/// Whether a client may choose this id.
pub(super) fn is_id(id: &str) -> bool {
    (5..=1024).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'v').contains(&byte))
}
