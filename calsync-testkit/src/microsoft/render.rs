//! Events as the service writes them.

use calsync_core::zone::{Zone, zone_by_name};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    expand::{Pattern, local},
    request::Request,
    state::{Object, State, Stored, id_of, occurrence_id, text},
};

/// When something takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
}

pub(super) fn zone(name: &str) -> Option<Zone> {
    zone_by_name(name).map(|(zone, _)| zone)
}

pub(super) fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn instant(point: &Object) -> Option<DateTime<Utc>> {
    let (local, name) = local(point)?;
    Some(zone(name)?.resolve(local))
}

/// Start and end of properties as written.
pub(super) fn times(properties: &Object) -> Option<Times> {
    let point = |name: &str| properties.get(name).and_then(Value::as_object).and_then(instant);
    Some(Times { start: point("start")?, end: point("end")? })
}

pub(super) fn is_all_day(properties: &Object) -> bool {
    properties.get("isAllDay").and_then(Value::as_bool).unwrap_or(false)
}

impl Stored {
    pub(super) fn pattern(&self) -> Option<Pattern> {
        Pattern::read(self.properties.get("recurrence")?.as_object()?).ok()
    }

    fn start(&self) -> Option<(NaiveDateTime, &str)> {
        local(self.properties.get("start")?.as_object()?)
    }

    /// The zone the series repeats in.
    pub(super) fn series_zone(&self) -> Option<String> {
        let range = self.properties.get("recurrence")?.get("range")?;
        let named = range.get("recurrenceTimeZone").and_then(Value::as_str).filter(|name| !name.is_empty());
        named.map(ToOwned::to_owned).or_else(|| Some(self.start()?.1.to_owned()))
    }

    /// When the instance of a day takes place by the rule.
    pub(super) fn planned(&self, date: NaiveDate) -> Option<Times> {
        let whole = times(&self.properties)?;
        let (start, _) = self.start()?;
        let at = zone(&self.series_zone()?)?.resolve(date.and_time(start.time()));
        Some(Times { start: at, end: at + (whole.end - whole.start) })
    }

    /// Days of the series that are not cancelled, up to a day.
    pub(super) fn live_days(&self, last: NaiveDate) -> Vec<NaiveDate> {
        let Some(pattern) = self.pattern() else { return Vec::new() };
        pattern.days(last).into_iter().filter(|day| !self.cancelled.contains(day)).collect()
    }

    /// When the instance of a day takes place.
    pub(super) fn actual(&self, date: NaiveDate) -> Option<Times> {
        match self.exceptions.get(&date) {
            Some(exception) => times(&self.merged(&exception.properties)),
            None => self.planned(date),
        }
    }

    /// The instances that overlap a window, by their days.
    pub(super) fn within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<NaiveDate> {
        let last = until.date_naive().checked_add_days(Days::new(2)).unwrap_or(until.date_naive());
        let mut days = self.live_days(last);
        days.extend(self.exceptions.keys().filter(|day| **day > last));
        days.retain(|day| self.actual(*day).is_some_and(|times| times.start < until && times.end > from));
        days
    }

    /// An exception's properties over the master's.
    pub(super) fn merged(&self, own: &Object) -> Object {
        let mut all = self.properties.clone();
        all.remove("recurrence");
        all.remove("transactionId");
        all.extend(own.clone());
        all
    }
}

/// How a client wants events.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) immutable: bool,
    zone: String,
    text_bodies: bool,
    select: Option<Vec<String>>,
    expand: String,
}

impl View {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            immutable: request.immutable(),
            zone: request.preference("outlook.timezone").unwrap_or_else(|| "UTC".to_owned()),
            text_bodies: request.preference("outlook.body-content-type").is_some_and(|kind| kind == "text"),
            select: request
                .param("$select")
                .map(|names| names.split(',').map(|name| name.trim().to_owned()).collect()),
            expand: request.param("$expand").unwrap_or_default().to_owned(),
        }
    }

    /// As a delta query answers: nothing selected, nothing expanded.
    pub(super) fn plain(&self) -> Self {
        Self { select: None, expand: String::new(), ..self.clone() }
    }

    fn point(&self, time: DateTime<Utc>) -> Value {
        let zone = zone(&self.zone).unwrap_or(Zone::UTC);
        let local = zone.to_local(time);
        json!({"dateTime": format!("{}.0000000", local.format("%Y-%m-%dT%H:%M:%S")), "timeZone": self.zone})
    }

    /// All-day events stay at midnight, whatever the zone.
    fn date(&self, point: Option<&Value>) -> Value {
        let day = point.and_then(Value::as_object).and_then(local).map(|(local, _)| local.date());
        let midnight = day.unwrap_or_default().and_time(NaiveTime::MIN);
        json!({"dateTime": format!("{}.0000000", midnight.format("%Y-%m-%dT%H:%M:%S")), "timeZone": self.zone})
    }

    /// A single event or a master.
    pub(super) fn event(&self, state: &State, number: u64) -> Value {
        let Some(event) = state.events.get(&number) else { return Value::Null };
        let kind =
            if event.properties.contains_key("recurrence") { "seriesMaster" } else { "singleInstance" };
        let mut out = self.common(state, event, &event.properties);
        out.insert("id".into(), json!(id_of(number, self.immutable)));
        out.insert("type".into(), json!(kind));
        // That of an invitation came with it.
        let given = event.properties.get("iCalUId").cloned();
        let own = || json!(format!("040000008200E00074C5B7101A82E008{number:016X}"));
        out.insert("iCalUId".into(), given.unwrap_or_else(own));
        out.insert("recurrence".into(), event.properties.get("recurrence").map_or(Value::Null, filled));
        out.insert("seriesMasterId".into(), Value::Null);
        out.insert(
            "transactionId".into(),
            event.properties.get("transactionId").cloned().unwrap_or(Value::Null),
        );
        self.version(&mut out, event.version);
        let cancelled: Vec<String> = event
            .cancelled
            .iter()
            .map(|date| format!("OID.{}.{date}", id_of(number, self.immutable)))
            .collect();
        if self.wants("cancelledOccurrences") && kind == "seriesMaster" {
            out.insert("cancelledOccurrences".into(), json!(cancelled));
        }
        self.select(&mut out);
        if self.expand.contains("exceptionOccurrences") && kind == "seriesMaster" {
            let exceptions: Vec<Value> = event
                .exceptions
                .keys()
                .filter(|date| !event.cancelled.contains(*date))
                .map(|date| {
                    Self { select: None, expand: String::new(), ..self.clone() }
                        .instance(state, number, *date)
                })
                .collect();
            out.insert("exceptionOccurrences".into(), Value::Array(exceptions));
        }
        if self.expand.contains("singleValueExtendedProperties") {
            let wanted: Vec<Value> = event
                .extended
                .iter()
                .filter(|(id, _)| self.expand.to_ascii_lowercase().contains(&id.to_ascii_lowercase()))
                .map(|(id, value)| json!({"id": id, "value": value}))
                .collect();
            if !wanted.is_empty() {
                out.insert("singleValueExtendedProperties".into(), Value::Array(wanted));
            }
        }
        Value::Object(out)
    }

    /// An occurrence or an exception, whole.
    pub(super) fn instance(&self, state: &State, number: u64, date: NaiveDate) -> Value {
        let Some(event) = state.events.get(&number) else { return Value::Null };
        let exception = event.exceptions.get(&date);
        let merged =
            event.merged(&exception.map(|exception| exception.properties.clone()).unwrap_or_default());
        let mut out = self.common(state, event, &merged);
        let planned = event.planned(date).unwrap_or(Times { start: state.now, end: state.now });
        if exception.is_none() {
            let times = planned;
            if is_all_day(&merged) {
                let length = (times.end - times.start).num_days().max(1);
                let day = |date: NaiveDate| json!({"dateTime": date.and_time(NaiveTime::MIN).format("%Y-%m-%dT%H:%M:%S").to_string()});
                out.insert("start".into(), self.date(Some(&day(date))));
                out.insert("end".into(), self.date(Some(&day(date + TimeDelta::days(length)))));
            } else {
                out.insert("start".into(), self.point(times.start));
                out.insert("end".into(), self.point(times.end));
            }
        }
        out.insert("id".into(), json!(occurrence_id(number, date, self.immutable)));
        out.insert("type".into(), json!(if exception.is_some() { "exception" } else { "occurrence" }));
        out.insert("seriesMasterId".into(), json!(id_of(number, self.immutable)));
        out.insert(
            "iCalUId".into(),
            json!(format!("040000008200E00074C5B7101A82E008{number:08X}{}", date.format("%Y%m%d"))),
        );
        out.insert("recurrence".into(), Value::Null);
        out.insert("occurrenceId".into(), json!(format!("OID.{}.{date}", id_of(number, self.immutable))));
        let original = if is_all_day(&event.properties) {
            date.and_time(NaiveTime::MIN).and_utc()
        } else {
            planned.start
        };
        out.insert("originalStart".into(), json!(stamp(original)));
        self.version(&mut out, exception.map_or(event.version, |exception| exception.version));
        self.select(&mut out);
        Value::Object(out)
    }

    /// An occurrence as a delta query shows it.
    pub(super) fn skeleton(&self, state: &State, number: u64, date: NaiveDate) -> Value {
        let whole = self.plain().instance(state, number, date);
        let mut out = Object::new();
        for name in ["@odata.etag", "id", "seriesMasterId", "type", "start", "end"] {
            out.insert(name.into(), whole.get(name).cloned().unwrap_or(Value::Null));
        }
        out.insert("@odata.type".into(), json!("#microsoft.graph.event"));
        Value::Object(out)
    }

    /// A row of `events/delta`: which event, of what kind, and when.
    pub(super) fn outline(&self, state: &State, number: u64) -> Value {
        let mut whole = self.plain().event(state, number);
        if let Some(members) = whole.as_object_mut() {
            members.retain(|name, _| matches!(name.as_str(), "id" | "type" | "start" | "end"));
        }
        whole
    }

    fn wants(&self, name: &str) -> bool {
        self.select.as_ref().is_some_and(|names| names.iter().any(|wanted| wanted == name))
    }

    fn select(&self, out: &mut Object) {
        if let Some(names) = &self.select {
            out.retain(|name, _| name == "id" || name == "@odata.etag" || names.contains(name));
        }
    }

    fn version(&self, out: &mut Object, version: u64) {
        out.insert("changeKey".into(), json!(format!("ck{version}")));
        out.insert("@odata.etag".into(), json!(format!("W/\"ck{version}\"")));
    }

    fn common(&self, state: &State, event: &Stored, properties: &Object) -> Object {
        let mut out = Object::new();
        let get = |name: &str| properties.get(name).cloned();
        let or = |name: &str, default: Value| get(name).filter(|value| !value.is_null()).unwrap_or(default);
        let zone_name = |name: &str| {
            let point = properties.get(name).and_then(Value::as_object);
            json!(point.and_then(|point| text(point, "timeZone")).unwrap_or("UTC"))
        };
        for (name, default) in [
            ("subject", json!("")),
            ("categories", json!([])),
            ("attendees", json!([])),
            ("importance", json!("normal")),
            ("sensitivity", json!("normal")),
            ("showAs", json!("busy")),
            ("isAllDay", json!(false)),
            ("isCancelled", json!(false)),
            ("isReminderOn", json!(true)),
            ("reminderMinutesBeforeStart", json!(15)),
            ("responseRequested", json!(true)),
            ("allowNewTimeProposals", json!(true)),
            ("hideAttendees", json!(false)),
            ("isOnlineMeeting", json!(false)),
            ("onlineMeetingProvider", json!("unknown")),
        ] {
            out.insert(name.into(), or(name, default));
        }
        out.insert("onlineMeeting".into(), or("onlineMeeting", Value::Null));
        out.insert("onlineMeetingUrl".into(), Value::Null);
        out.insert("location".into(), or("location", json!({"displayName": "", "locationType": "default"})));
        out.insert("body".into(), self.body(properties));
        if let (Some(times), false) = (times(properties), is_all_day(properties)) {
            out.insert("start".into(), self.point(times.start));
            out.insert("end".into(), self.point(times.end));
        } else {
            out.insert("start".into(), self.date(properties.get("start")));
            out.insert("end".into(), self.date(properties.get("end")));
        }
        out.insert("originalStartTimeZone".into(), zone_name("start"));
        out.insert("originalEndTimeZone".into(), zone_name("end"));
        out.insert("isOrganizer".into(), json!(!event.foreign));
        let owner = if event.foreign { "boss@example.com" } else { state.owner.as_str() };
        out.insert("organizer".into(), json!({"emailAddress": {"name": owner, "address": owner}}));
        out.insert("isDraft".into(), json!(false));
        out.insert("hasAttachments".into(), json!(false));
        let answer = if event.foreign { "notResponded" } else { "organizer" };
        let answer = json!({"response": answer, "time": "0001-01-01T00:00:00Z"});
        out.insert("responseStatus".into(), or("responseStatus", answer));
        out.insert("createdDateTime".into(), json!(stamp(event.created)));
        out.insert("lastModifiedDateTime".into(), json!(stamp(event.updated)));
        out.insert("webLink".into(), json!("https://outlook.example.com/"));
        out
    }

    /// Exchange keeps HTML, and rewrites what it is given.
    fn body(&self, properties: &Object) -> Value {
        let content =
            properties.get("body").and_then(|body| text(body.as_object()?, "content")).unwrap_or_default();
        if self.text_bodies {
            return json!({"contentType": "text", "content": plain(content)});
        }
        json!({"contentType": "html", "content": content})
    }
}

fn plain(html: &str) -> String {
    let body = html.split_once("<body>").map_or(html, |(_, body)| body);
    let body = body.replace("\r\n", "").replace("<br>", "\r\n");
    let mut out = String::new();
    let mut hidden = false;
    for c in body.chars() {
        match c {
            '<' => hidden = true,
            '>' => hidden = false,
            c if !hidden => out.push(c),
            _ => {}
        }
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// A recurrence with the numbers and dates the type does not use, which are never absent.
fn filled(recurrence: &Value) -> Value {
    let mut out = recurrence.clone();
    let mut fill = |part: &str, name: &str, value: Value| {
        if let Some(object) = out.get_mut(part).and_then(Value::as_object_mut) {
            object.entry(name).or_insert(value);
        }
    };
    fill("pattern", "month", json!(0));
    fill("pattern", "dayOfMonth", json!(0));
    fill("pattern", "firstDayOfWeek", json!("sunday"));
    fill("pattern", "index", json!("first"));
    fill("range", "endDate", json!("0001-01-01"));
    fill("range", "numberOfOccurrences", json!(0));
    out
}
