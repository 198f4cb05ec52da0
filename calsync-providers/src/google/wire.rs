//! Answers as Google writes them, read without trust: what is missing or of another type is absent.

use serde_json::Value;

pub(crate) use crate::json::{Object, inner, list, object, text};

pub(crate) fn flag(object: &Object, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// An integer, or one written as text: that is how Google writes 64 bits.
pub(crate) fn integer(object: &Object, name: &str) -> Option<i64> {
    let value = object.get(name)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A page of a listing (`Events`, `CalendarList`).
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) next_page: Option<String>,
    pub(crate) next_sync: Option<String>,
}

impl Page {
    /// `None` when the body is no listing at all.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut object = object(body)?;
        let next_page = text(&object, "nextPageToken").map(ToOwned::to_owned);
        let next_sync = text(&object, "nextSyncToken").map(ToOwned::to_owned);
        let items = match object.remove("items") {
            Some(Value::Array(items)) => items,
            // An empty page may leave it out.
            None if is_listing(&object) => Vec::new(),
            _ => return None,
        };
        Some(Self { items, next_page, next_sync })
    }
}

fn is_listing(object: &Object) -> bool {
    ["kind", "etag", "nextPageToken", "nextSyncToken", "summary"]
        .iter()
        .any(|name| object.contains_key(*name))
}

/// The reason in an error body, in any of the forms Google uses; empty when there is none.
pub(crate) fn reason(body: &[u8]) -> String {
    let Some(body) = object(body) else { return String::new() };
    let Some(error) = inner(&body, "error") else { return String::new() };
    let first = |name: &str| {
        list(error, name).iter().find_map(|entry| text(entry.as_object()?, "reason").map(ToOwned::to_owned))
    };
    first("errors")
        .or_else(|| first("details"))
        .or_else(|| text(error, "status").map(ToOwned::to_owned))
        .unwrap_or_default()
}

/// What an error body says the request is called (`google.rpc.RequestInfo`).
pub(crate) fn request_id(body: &[u8]) -> Option<String> {
    let body = object(body)?;
    let details = list(inner(&body, "error")?, "details");
    details.iter().find_map(|entry| text(entry.as_object()?, "requestId").map(ToOwned::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_in_every_form() {
        for (body, expected) in [
            (
                r#"{"error":{"code":410,"errors":[{"domain":"calendar","reason":"fullSyncRequired"}]}}"#,
                "fullSyncRequired",
            ),
            (
                r#"{"error":{"status":"PERMISSION_DENIED","details":[{"@type":"x"},{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#,
                "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            ),
            (r#"{"error":{"status":"UNAVAILABLE"}}"#, "UNAVAILABLE"),
            (r#"{"error":"invalid_grant"}"#, ""),
            (r#"{"error":{"errors":[null,3,{"reason":4}]}}"#, ""),
            ("<html></html>", ""),
            ("", ""),
        ] {
            assert_eq!(reason(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn bad_01_a_page_without_items_is_empty_and_anything_else_is_no_page() {
        let page = |body: &str| Page::read(body.as_bytes()).map(|page| page.items.len());
        assert_eq!(page(r#"{"kind":"calendar#events","nextSyncToken":"t"}"#), Some(0));
        assert_eq!(page(r#"{"kind":"calendar#events","items":null}"#), None);
        assert_eq!(page(r#"{"items":[{},null]}"#), Some(2));
        for body in ["{}", "[]", "null", r#"{"items":{}}"#, "<html>", r#"{"error":{}}"#] {
            assert_eq!(page(body), None, "{body}");
        }
    }
}
