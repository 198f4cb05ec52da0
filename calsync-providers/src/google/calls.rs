//! Requests: paths, parameters and bodies of the methods used. Each can be sent by itself or as part of a batch.

use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use calsync_core::{model::RecurrenceId, provider::WatchRequest};

use super::{config::HiddenCalendars, map::time, wire::Object};

/// Calendar ids hold `@` and `#`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Who is told of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notify {
    /// Nobody.
    Nobody,
    /// Everybody invited: only where a link is allowed to write people, and people were written.
    Everybody,
}

/// One request below `calendar/v3/`.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) if_match: Option<String>,
    pub(crate) body: Option<Value>,
}

impl Call {
    fn new(method: Method, segments: &[&str], query: &[(&str, &str)]) -> Self {
        let encode = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
        let mut path = segments.iter().map(|segment| encode(segment)).collect::<Vec<_>>().join("/");
        for (index, (name, value)) in query.iter().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.push_str(&format!("{name}={}", encode(value)));
        }
        Self { method, path, if_match: None, body: None }
    }

    /// Units of quota: a `PATCH` is three.
    pub(crate) fn cost(&self) -> u32 {
        if self.method == Method::PATCH { 3 } else { 1 }
    }

    fn with_body(mut self, body: impl Into<Value>) -> Self {
        self.body = Some(body.into());
        self
    }

    fn matching(mut self, etag: Option<&str>) -> Self {
        self.if_match = etag.map(ToOwned::to_owned);
        self
    }
}

pub(crate) fn calendar_list(hidden: HiddenCalendars, page: Option<&str>) -> Call {
    let mut query = vec![("maxResults", "250"), ("prettyPrint", "false")];
    if hidden == HiddenCalendars::List {
        query.push(("showHidden", "true"));
    }
    query.extend(page.map(|page| ("pageToken", page)));
    Call::new(Method::GET, &["users", "me", "calendarList"], &query)
}

pub(crate) fn calendar_entry(id: &str) -> Call {
    Call::new(Method::GET, &["users", "me", "calendarList", id], &[("prettyPrint", "false")])
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position<'a> {
    pub(crate) sync: Option<&'a str>,
    pub(crate) page: Option<&'a str>,
}

/// A page of the events of a calendar. Every parameter but the two tokens is the same each time: a sync token is only
/// good for the question it was given for, and most other parameters are forbidden with it (TOK-06).
pub(crate) fn events(calendar: &str, page_max: usize, position: Position<'_>) -> Call {
    let max = page_max.clamp(1, 2500).to_string();
    let mut query = vec![
        ("singleEvents", "false"),
        ("showDeleted", "true"),
        ("maxResults", &max),
        ("prettyPrint", "false"),
    ];
    query.extend(position.sync.map(|token| ("syncToken", token)));
    query.extend(position.page.map(|token| ("pageToken", token)));
    Call::new(Method::GET, &["calendars", calendar, "events"], &query)
}

/// The master and the exceptions of a series: they share their UID.
pub(crate) fn by_uid(calendar: &str, uid: &str, page: Option<&str>) -> Call {
    let mut query = vec![
        ("iCalUID", uid),
        ("singleEvents", "false"),
        ("showDeleted", "true"),
        ("maxResults", "2500"),
        ("prettyPrint", "false"),
    ];
    query.extend(page.map(|token| ("pageToken", token)));
    Call::new(Method::GET, &["calendars", calendar, "events"], &query)
}

/// Whether the calendar is there at all.
pub(crate) fn probe(calendar: &str) -> Call {
    let query = [("maxResults", "1"), ("fields", "kind"), ("prettyPrint", "false")];
    Call::new(Method::GET, &["calendars", calendar, "events"], &query)
}

pub(crate) fn get(calendar: &str, id: &str) -> Call {
    Call::new(Method::GET, &["calendars", calendar, "events", id], &[("prettyPrint", "false")])
}

/// The one instance with this original start. Its first page may be empty.
pub(crate) fn instance(calendar: &str, id: &str, key: RecurrenceId, page: Option<&str>) -> Call {
    let start = time::query(key);
    let mut query = vec![
        ("originalStart", &*start),
        ("showDeleted", "true"),
        ("maxResults", "1"),
        ("prettyPrint", "false"),
    ];
    query.extend(page.map(|token| ("pageToken", token)));
    Call::new(Method::GET, &["calendars", calendar, "events", id, "instances"], &query)
}

fn write_query(notify: Notify) -> [(&'static str, &'static str); 2] {
    let who = match notify {
        Notify::Nobody => "none",
        Notify::Everybody => "all",
    };
    [("sendUpdates", who), ("prettyPrint", "false")]
}

pub(crate) fn insert(calendar: &str, event: Object, notify: Notify) -> Call {
    Call::new(Method::POST, &["calendars", calendar, "events"], &write_query(notify)).with_body(event)
}

/// Members of an event that Google makes itself, or that must not be repeated: a stale `sequence` is refused, and
/// conference data and attachments are only looked at with parameters that are not sent.
const NOT_PUT: [&str; 12] = [
    "kind",
    "etag",
    "htmlLink",
    "created",
    "updated",
    "creator",
    "organizer",
    "sequence",
    "iCalUID",
    "hangoutLink",
    "conferenceData",
    "attachments",
];

/// Replaces an event: one unit of quota.
pub(crate) fn put(calendar: &str, id: &str, etag: Option<&str>, event: &Object, notify: Notify) -> Call {
    let body: Object = event
        .iter()
        .filter(|(member, _)| !NOT_PUT.contains(&member.as_str()))
        .map(|(member, value)| (member.clone(), value.clone()))
        .collect();
    Call::new(Method::PUT, &["calendars", calendar, "events", id], &write_query(notify))
        .matching(etag)
        .with_body(body)
}

/// Changes some members of an event: three units of quota, and nothing else is touched.
pub(crate) fn patch(
    calendar: &str,
    id: &str,
    etag: Option<&str>,
    event: &Object,
    members: &[String],
    notify: Notify,
) -> Call {
    let mut body = Object::new();
    for member in members {
        let value = match event.get(member) {
            // A date that becomes a time, or the other way round, takes the old form away.
            Some(Value::Object(time)) if member == "start" || member == "end" => {
                let mut time = time.clone();
                for form in ["date", "dateTime", "timeZone"] {
                    time.entry(form).or_insert(Value::Null);
                }
                Value::Object(time)
            }
            Some(value) => value.clone(),
            None => Value::Null,
        };
        body.insert(member.clone(), value);
    }
    Call::new(Method::PATCH, &["calendars", calendar, "events", id], &write_query(notify))
        .matching(etag)
        .with_body(body)
}

/// Takes a private property away.
pub(crate) fn clear_property(calendar: &str, id: &str, name: &str) -> Call {
    let body = json!({"extendedProperties": {"private": {name: null}}});
    Call::new(Method::PATCH, &["calendars", calendar, "events", id], &write_query(Notify::Nobody))
        .with_body(body)
}

pub(crate) fn delete(calendar: &str, id: &str, etag: Option<&str>, notify: Notify) -> Call {
    Call::new(Method::DELETE, &["calendars", calendar, "events", id], &write_query(notify)).matching(etag)
}

pub(crate) fn watch(calendar: &str, request: WatchRequest<'_>) -> Call {
    let body = json!({
        "id": request.id,
        "type": "web_hook",
        "address": request.address,
        "token": request.secret,
        "params": {"ttl": request.lifetime.as_secs().to_string()},
    });
    Call::new(Method::POST, &["calendars", calendar, "events", "watch"], &[("prettyPrint", "false")])
        .with_body(body)
}

pub(crate) fn stop(id: &str, resource: &str) -> Call {
    Call::new(Method::POST, &["channels", "stop"], &[]).with_body(json!({"id": id, "resourceId": resource}))
}

pub(crate) fn colors() -> Call {
    Call::new(Method::GET, &["colors"], &[("prettyPrint", "false")])
}

pub(crate) fn free_busy(calendars: &[&str], from: DateTime<Utc>, to: DateTime<Utc>) -> Call {
    let items: Vec<Value> = calendars.iter().map(|id| json!({"id": id})).collect();
    let body = json!({
        "timeMin": from.to_rfc3339_opts(SecondsFormat::Secs, true),
        "timeMax": to.to_rfc3339_opts(SecondsFormat::Secs, true),
        "items": items,
    });
    Call::new(Method::POST, &["freeBusy"], &[("prettyPrint", "false")]).with_body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tok_06_a_sync_token_goes_with_the_parameters_of_the_first_question_and_no_other() {
        let strip = |path: &str| {
            path.split(['?', '&'])
                .filter(|p| !p.starts_with("syncToken=") && !p.starts_with("pageToken="))
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        };
        let first = events("a", 2500, Position::default()).path;
        for position in [
            Position { sync: Some("t"), page: None },
            Position { sync: Some("t"), page: Some("p") },
            Position { sync: None, page: Some("p") },
        ] {
            let next = events("a", 2500, position).path;
            assert_eq!(strip(&next), strip(&first));
            for forbidden in
                ["iCalUID", "orderBy", "ExtendedProperty", "q=", "timeMin", "timeMax", "updatedMin"]
            {
                assert!(!next.contains(forbidden), "{next}");
            }
        }
        assert!(
            events("a", 2500, Position { sync: Some("t=/"), page: None })
                .path
                .ends_with("&syncToken=t%3D%2F")
        );
    }

    #[test]
    fn ids_are_encoded_whole() {
        assert_eq!(
            get("de.german#holiday@group.v.calendar.google.com", "a_20260105").path,
            "calendars/de.german%23holiday%40group.v.calendar.google.com/events/a_20260105?prettyPrint=false"
        );
    }

    #[test]
    fn fld_01_a_patch_holds_what_changed_and_nothing_else() {
        let event = json!({"summary": "x", "start": {"date": "2026-01-05"}, "attendees": [{"email": "a@example.com"}]});
        let event = event.as_object().unwrap();
        let members = ["summary".to_owned(), "start".to_owned(), "location".to_owned()];
        let call = patch("c", "e", Some("\"1\""), event, &members, Notify::Nobody);
        assert_eq!(
            call.body.unwrap(),
            json!({"summary": "x", "start": {"date": "2026-01-05", "dateTime": null, "timeZone": null}, "location": null})
        );
        assert!(call.path.contains("sendUpdates=none"));
        assert_eq!(call.if_match.as_deref(), Some("\"1\""));
    }
}
