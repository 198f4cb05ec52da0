//! Answers as Cozi writes them, read without trust: what is missing or of another type is absent.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use serde_json::Value;

use super::cursor::Month;
pub(crate) use crate::json::{Object, inner, list, object, text};

/// A day as `2026-03-01`, or the day of a time.
pub(crate) fn day(text: &str) -> Option<NaiveDate> {
    let day: NaiveDate = text.get(..10)?.parse().ok()?;
    (1..=9999).contains(&day.year()).then_some(day)
}

/// One month.
#[derive(Default)]
pub(crate) struct Page {
    /// Items by their ids; a value that is no object is kept as it is, to be set aside.
    pub(crate) items: BTreeMap<String, Value>,
    /// Items that days name and that are not among the items.
    pub(crate) unlisted: BTreeSet<String>,
    /// Something is there that has no name.
    pub(crate) has_gaps: bool,
}

impl Page {
    /// `None` when the body is no page, or the page of another month.
    pub(crate) fn read(body: &[u8], month: Month) -> Option<Self> {
        let mut object = object(body)?;
        // A page says which days it is of, in one of two ways. A month begins in the page's first weeks.
        let first = text(&object, "startDate").and_then(day).map(Month::of);
        let last = text(&object, "endDate").and_then(day).map(Month::of);
        if first.is_some_and(|first| first > month) || last.is_some_and(|last| last < month) {
            return None;
        }
        let mut page = Self::default();
        match object.remove("items")? {
            Value::Object(items) => {
                for (key, value) in items {
                    let id = value.as_object().and_then(|item| text(item, "id")).unwrap_or(&key).to_owned();
                    page.add(id, value);
                }
            }
            // An older form.
            Value::Array(items) => {
                for value in items {
                    match value.as_object().and_then(|item| text(item, "id")).map(ToOwned::to_owned) {
                        Some(id) => page.add(id, value),
                        None => page.has_gaps = true,
                    }
                }
            }
            _ => return None,
        }
        match object.remove("days") {
            Some(Value::Object(days)) => days.iter().for_each(|(key, refs)| page.day(key, refs)),
            // Without days, an item is still in the month that lists it.
            None | Some(Value::Null) => {}
            Some(_) => page.has_gaps = true,
        }
        Some(page)
    }

    fn add(&mut self, id: String, value: Value) {
        if id.is_empty() {
            self.has_gaps = true;
        } else {
            self.items.entry(id).or_insert(value);
        }
    }

    fn day(&mut self, key: &str, refs: &Value) {
        let (Some(_), Some(refs)) = (day(key), refs.as_array()) else {
            self.has_gaps = true;
            return;
        };
        for entry in refs {
            let entry = entry.as_object();
            let Some(id) = entry.and_then(|entry| text(entry, "id")) else {
                self.has_gaps = true;
                continue;
            };
            let Some(item) = self.items.get_mut(id) else {
                self.unlisted.insert(id.to_owned());
                continue;
            };
            // A longer item begins where its first day says, which may be in the month before.
            let start =
                entry.and_then(|entry| inner(entry, "multiday")).and_then(|part| text(part, "startDay"));
            if let (Some(start), Some(item)) = (start.and_then(day), item.as_object_mut())
                && !super::item::is_series(item)
                && item.contains_key("day")
            {
                item.insert("day".into(), start.to_string().into());
            }
        }
    }
}

/// What a write was refused with, of all that concerns this item: `None` when it was not.
pub(crate) fn rejected(body: &Object, id: Option<&str>) -> Option<String> {
    let rejected = body.get("rejectedItems")?;
    let entries = match rejected {
        Value::Null => return None,
        Value::Array(entries) if entries.is_empty() => return None,
        Value::Array(entries) => entries,
        // Something was refused, in words nobody knows.
        _ => return Some(String::new()),
    };
    let ours = entries.iter().filter(|entry| {
        let named = entry.as_object().and_then(|entry| text(entry, "id"));
        // What names nothing may be ours.
        named.is_none() || id.is_none() || named == id
    });
    let reasons: Vec<&str> = ours
        .map(|entry| entry.as_object().and_then(|entry| text(entry, "error")).unwrap_or_default())
        .collect();
    (!reasons.is_empty()).then(|| reasons.join(" ").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month() -> Month {
        Month::of("2026-03-01".parse().unwrap())
    }

    fn shown(body: &str) -> Option<String> {
        Page::read(body.as_bytes(), month()).map(|page| {
            let items: Vec<&str> = page.items.keys().map(String::as_str).collect();
            format!("{} {:?} {}", items.join(","), page.unlisted, page.has_gaps)
        })
    }

    #[test]
    fn bad_01_only_a_page_is_a_page() {
        for (body, expected) in [
            (r#"{"items":{}}"#, Some(" {} false")),
            (r#"{"items":{"a":{"id":"a"},"b":{}}}"#, Some("a,b {} false")),
            (r#"{"items":{"a":null,"b":3}}"#, Some("a,b {} false")),
            (r#"{"items":{"key":{"id":"own"}}}"#, Some("own {} false")),
            (r#"{"items":[{"id":"a"}]}"#, Some("a {} false")),
            (r#"{"items":[{"id":"a"},{"id":4},null]}"#, Some("a {} true")),
            (r#"{"items":{"":{}}}"#, Some(" {} true")),
            (r#"{"items":{},"days":null}"#, Some(" {} false")),
            (r#"{"items":{},"days":[]}"#, Some(" {} true")),
            (r#"{"items":{},"days":{"2026-03-01":[{"id":"z"}]}}"#, Some(" {\"z\"} false")),
            (r#"{"items":{},"days":{"2026-03-01":null}}"#, Some(" {} true")),
            (r#"{"items":{},"days":{"x":[]}}"#, Some(" {} true")),
            (r#"{"items":{},"days":{"2026-03-01":[{"id":null}, 3]}}"#, Some(" {} true")),
            (r#"{"items":{},"startDate":"2026-02-22","endDate":"2026-04-04"}"#, Some(" {} false")),
            (r#"{"items":{},"startDate":"2026-04-01","endDate":"2026-04-30"}"#, None),
            (r#"{"items":{},"startDate":"2025-03-01","endDate":"2025-03-31"}"#, None),
            (r#"{"items":{},"startDate":4,"endDate":null}"#, Some(" {} false")),
            (r#"{"items":null}"#, None),
            (r#"{"items":"a"}"#, None),
            ("{}", None),
            ("[]", None),
            ("null", None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(shown(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_longer_item_begins_on_its_first_day() {
        let body = r#"{"items":{"a":{"day":"2026-03-01"},"s":{"day":"2026-03-01","itemDetails":{"recurrence":{"rules":[{}]}}}},
            "days":{"2026-03-01":[{"id":"a","multiday":{"startDay":"2026-02-27"}},{"id":"s","multiday":{"startDay":"2026-02-27"}}]}}"#;
        let page = Page::read(body.as_bytes(), month()).unwrap();
        assert_eq!(page.items["a"]["day"], "2026-02-27");
        assert_eq!(page.items["s"]["day"], "2026-03-01");
    }

    #[test]
    fn a_refusal_inside_a_success() {
        let refused = |body: &str| rejected(&object(body.as_bytes()).unwrap(), Some("a"));
        for (body, expected) in [
            ("{}", None),
            (r#"{"rejectedItems":null}"#, None),
            (r#"{"rejectedItems":[]}"#, None),
            (r#"{"rejectedItems":[{"id":"b","error":"x"}]}"#, None),
            (r#"{"rejectedItems":[{"id":"a","error":"Version mismatch"}]}"#, Some("version mismatch")),
            (r#"{"rejectedItems":[{"error":"x"}]}"#, Some("x")),
            (r#"{"rejectedItems":[{"id":7,"error":{}}]}"#, Some("")),
            (r#"{"rejectedItems":[null]}"#, Some("")),
            (r#"{"rejectedItems":"yes"}"#, Some("")),
        ] {
            assert_eq!(refused(body).as_deref(), expected, "{body}");
        }
    }
}
