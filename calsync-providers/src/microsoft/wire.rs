//! Answers as Graph writes them, read without trust: what is missing or of another type is absent.

use serde_json::Value;

pub(crate) use crate::json::{Object, inner, list, object, text};

pub(crate) fn flag(object: &Object, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// The objects of a member that is a list.
pub(crate) fn objects<'o>(object: &'o Object, name: &str) -> impl Iterator<Item = &'o Object> {
    list(object, name).iter().filter_map(Value::as_object)
}

pub(crate) fn integer(object: &Object, name: &str) -> Option<i64> {
    object.get(name).and_then(Value::as_i64)
}

/// A page of a listing or of a delta query.
pub(crate) struct Page {
    pub(crate) items: Vec<Object>,
    pub(crate) next: Option<String>,
    pub(crate) delta: Option<String>,
    /// Members of the list that are no objects: something is there that cannot be named.
    pub(crate) broken: usize,
}

impl Page {
    /// `None` when the body is no listing at all.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Self::of(object(body)?)
    }

    /// The same of a body that was read.
    pub(crate) fn of(mut object: Object) -> Option<Self> {
        let Some(Value::Array(values)) = object.remove("value") else { return None };
        let count = values.len();
        let items: Vec<Object> = values
            .into_iter()
            .filter_map(|value| match value {
                Value::Object(object) => Some(object),
                _ => None,
            })
            .collect();
        let link = |name: &str| text(&object, name).map(ToOwned::to_owned);
        Some(Self {
            broken: count - items.len(),
            items,
            next: link("@odata.nextLink"),
            delta: link("@odata.deltaLink"),
        })
    }
}

/// The code of an error body, lower case; empty when there is none. Inner codes are more specific, and come first only
/// where the outer one says nothing.
pub(crate) fn code(error: Option<&Object>) -> String {
    let Some(error) = error else { return String::new() };
    let own = text(error, "code").unwrap_or_default();
    let within = inner(error, "innerError").or_else(|| inner(error, "innererror"));
    let chosen = match (own, within.and_then(|within| text(within, "code"))) {
        ("" | "UnknownError" | "unknownError", Some(specific)) => specific,
        (own, _) => own,
    };
    chosen.to_ascii_lowercase()
}

/// What an error says the request is called.
pub(crate) fn request_id(error: &Object) -> Option<&str> {
    let within = inner(error, "innerError").or_else(|| inner(error, "innererror"))?;
    text(within, "request-id").or_else(|| text(within, "client-request-id"))
}

/// The `error` member of a body.
pub(crate) fn error_of(body: &[u8]) -> Option<Object> {
    match object(body)?.remove("error") {
        Some(Value::Object(error)) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_in_every_form() {
        for (body, expected) in [
            (r#"{"error":{"code":"ErrorItemNotFound","message":"m"}}"#, "erroritemnotfound"),
            (
                r#"{"error":{"code":"UnknownError","innerError":{"code":"SyncStateNotFound"}}}"#,
                "syncstatenotfound",
            ),
            (r#"{"error":{"code":"a","innererror":{"code":"b"}}}"#, "a"),
            (r#"{"error":{"code":4,"innererror":[]}}"#, ""),
            (r#"{"error":"invalid_grant"}"#, ""),
            ("<html></html>", ""),
            ("", ""),
        ] {
            assert_eq!(code(error_of(body.as_bytes()).as_ref()), expected, "{body}");
        }
    }

    #[test]
    fn bad_01_only_a_list_is_a_page() {
        let page = |body: &str| Page::read(body.as_bytes()).map(|page| (page.items.len(), page.broken));
        assert_eq!(page(r#"{"value":[]}"#), Some((0, 0)));
        assert_eq!(page(r#"{"value":[{},null,3]}"#), Some((1, 2)));
        for body in ["{}", "[]", "null", r#"{"value":{}}"#, r#"{"value":null}"#, "<html>", r#"{"error":{}}"#]
        {
            assert_eq!(page(body), None, "{body}");
        }
    }
}
