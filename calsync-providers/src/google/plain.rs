//! Events that can be replaced whole.

use serde_json::Value;

use super::wire::Object;

/// Whether an event can be replaced whole without anything getting lost: no people, no conference, no attachments, and
/// nothing in it, however deep, that nobody here has heard of or that is of another type than it should be.
pub(crate) fn is_plain(event: &Object) -> bool {
    event.iter().all(|(member, value)| is_known(member, value))
}

fn is_known(member: &str, value: &Value) -> bool {
    match member {
        // Google's own, which a write does not repeat.
        "kind" | "etag" | "htmlLink" | "created" | "updated" | "creator" | "organizer" | "sequence"
        | "iCalUID" => true,
        "id" | "summary" | "description" | "location" | "colorId" => value.is_string(),
        "status" => is_one_of(value, &["confirmed", "tentative"]),
        "transparency" => is_one_of(value, &["opaque", "transparent"]),
        "visibility" => is_one_of(value, &["default", "public", "private", "confidential"]),
        "eventType" => is_one_of(value, &["default"]),
        "endTimeUnspecified"
        | "guestsCanInviteOthers"
        | "guestsCanModify"
        | "guestsCanSeeOtherGuests"
        | "anyoneCanAddSelf" => value.is_boolean(),
        "start" | "end" | "originalStartTime" => is_of_texts(value, Some(&["date", "dateTime", "timeZone"])),
        "source" => is_of_texts(value, Some(&["title", "url"])),
        "recurrence" => value.as_array().is_some_and(|lines| lines.iter().all(Value::is_string)),
        "reminders" => has(value, |name, value| match name {
            "useDefault" => value.is_boolean(),
            "overrides" => value.as_array().is_some_and(|all| all.iter().all(is_reminder)),
            _ => false,
        }),
        "extendedProperties" => {
            has(value, |name, value| matches!(name, "private" | "shared") && is_of_texts(value, None))
        }
        _ => false,
    }
}

fn is_reminder(value: &Value) -> bool {
    has(value, |name, value| match name {
        "method" => is_one_of(value, &["email", "popup"]),
        "minutes" => value.is_u64(),
        _ => false,
    })
}

/// Whether it is an object of which every member passes.
fn has(value: &Value, passes: impl Fn(&str, &Value) -> bool) -> bool {
    value.as_object().is_some_and(|object| object.iter().all(|(name, value)| passes(name, value)))
}

fn is_of_texts(value: &Value, names: Option<&[&str]>) -> bool {
    has(value, |name, value| value.is_string() && names.is_none_or(|names| names.contains(&name)))
}

fn is_one_of(value: &Value, words: &[&str]) -> bool {
    value.as_str().is_some_and(|word| words.contains(&word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fld_01_what_is_replaced_whole_is_understood_whole() {
        let plain = json!({
            "id": "a", "etag": "\"1\"", "summary": "x", "status": "confirmed", "start": {"date": "2026-01-05"},
            "end": {"dateTime": "2026-01-05T09:00:00Z", "timeZone": "UTC"}, "recurrence": ["RRULE:FREQ=DAILY"],
            "reminders": {"useDefault": false, "overrides": [{"method": "popup", "minutes": 5}]},
            "source": {"url": "https://example.com", "title": "t"}, "visibility": "private",
            "extendedProperties": {"private": {"a": "b"}, "shared": {}}, "creator": {"brandNew": 1},
        });
        assert!(is_plain(plain.as_object().unwrap()));
        for (place, value) in [
            ("/summary", json!(null)),
            ("/status", json!("nextYear")),
            ("/start", json!(7)),
            ("/start/date", json!(null)),
            ("/end/timeZone", json!(7)),
            ("/recurrence", json!("RRULE:FREQ=DAILY")),
            ("/recurrence/0", json!(null)),
            ("/reminders", json!([])),
            ("/reminders/useDefault", json!("yes")),
            ("/reminders/overrides/0/method", json!("sms")),
            ("/reminders/overrides/0/minutes", json!("5")),
            ("/source/title", json!({})),
            ("/extendedProperties/private", json!([])),
            ("/extendedProperties/private/a", json!(7)),
        ] {
            let mut odd = plain.clone();
            *odd.pointer_mut(place).unwrap() = value;
            assert!(!is_plain(odd.as_object().unwrap()), "{place}");
        }
        for place in ["", "/start", "/reminders", "/reminders/overrides/0", "/source", "/extendedProperties"]
        {
            let mut odd = plain.clone();
            odd.pointer_mut(place).unwrap()["brandNew"] = json!("x");
            assert!(!is_plain(odd.as_object().unwrap()), "{place}");
        }
        for member in ["attendees", "attachments", "conferenceData", "hangoutLink", "attendeesOmitted"] {
            let mut odd = plain.clone();
            odd[member] = json!([]);
            assert!(!is_plain(odd.as_object().unwrap()), "{member}");
        }
    }
}
