//! Members of JSON objects, read without trust: what is missing or of another type is absent.

use serde_json::{Map, Value};

/// One JSON object.
pub(crate) type Object = Map<String, Value>;

/// A body that is an object.
pub(crate) fn object(body: &[u8]) -> Option<Object> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// A member that is a text and not empty.
pub(crate) fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A member that is an object.
pub(crate) fn inner<'o>(object: &'o Object, name: &str) -> Option<&'o Object> {
    object.get(name).and_then(Value::as_object)
}

/// A member that is a list; nothing where it is none.
pub(crate) fn list<'o>(object: &'o Object, name: &str) -> &'o [Value] {
    object.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
