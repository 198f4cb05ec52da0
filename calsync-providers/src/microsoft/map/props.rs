//! What calsync marks on the events it writes: single-value extended properties, seen by nobody else. Delta queries do not
//! carry them, and a copy a person makes in Outlook has them as well.

use serde_json::{Value, json};

use super::super::wire::{Object, objects, text};

/// The UID of the event, which Graph lets nobody choose.
pub(crate) const UID: &str = "calsync.uid";
/// The IANA zones of start and end, where Windows has one name for several.
pub(crate) const ZONES: &str = "calsync.zones";
/// The identifier the event was created with, to find it when the answer was lost.
pub(crate) const CREATE: &str = "calsync.create";
/// A write of several steps is under way.
pub(crate) const PENDING: &str = "calsync.pending";

/// Which link wrote it, sealed with the identifier it was created with.
pub(crate) const MARK: &str = "calsync.mark";

const ALL: [&str; 5] = [UID, ZONES, CREATE, PENDING, MARK];

/// How Graph names a property.
pub(crate) fn id(set: &str, name: &str) -> String {
    format!("String {{{set}}} Name {name}")
}

/// The expansion that brings all of them. They cannot be listed, only asked for by name.
pub(crate) fn expand(set: &str) -> String {
    let terms: Vec<String> = ALL.iter().map(|name| format!("id eq '{}'", id(set, name))).collect();
    format!("singleValueExtendedProperties($filter={})", terms.join(" or "))
}

/// The value of a property.
pub(crate) fn get<'o>(object: &'o Object, set: &str, name: &str) -> Option<&'o str> {
    let wanted = id(set, name);
    objects(object, "singleValueExtendedProperties")
        .find(|property| text(property, "id").is_some_and(|id| same_id(id, &wanted)))
        .and_then(|property| text(property, "value"))
}

/// The name is case-sensitive, the set and the word for the type are not.
fn same_id(a: &str, b: &str) -> bool {
    let split =
        |id: &str| id.rsplit_once(' ').map(|(head, name)| (head.to_ascii_lowercase(), name.to_owned()));
    split(a) == split(b)
}

/// One property as it is written.
pub(crate) fn property(set: &str, name: &str, value: &str) -> Value {
    json!({"id": id(set, name), "value": value})
}

/// Puts a property among those to be written.
pub(crate) fn put(object: &mut Object, set: &str, name: &str, value: &str) {
    let wanted = id(set, name);
    let entry = object.entry("singleValueExtendedProperties").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(properties) = entry else { return };
    properties
        .retain(|property| property.get("id").and_then(Value::as_str).is_none_or(|id| !same_id(id, &wanted)));
    properties.push(property(set, name, value));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "00020329-0000-0000-C000-000000000046";

    #[test]
    fn a_property_is_found_however_its_set_is_written() {
        let body = json!({"singleValueExtendedProperties": [
            {"id": "string {00020329-0000-0000-c000-000000000046} name calsync.uid", "value": "u"},
            {"id": "String {00020329-0000-0000-C000-000000000046} Name CALSYNC.CREATE", "value": "x"},
            null, {"id": 3},
        ]});
        let object = body.as_object().unwrap();
        assert_eq!(get(object, SET, UID), Some("u"));
        assert_eq!(get(object, SET, CREATE), None);
        let mut object = object.clone();
        put(&mut object, SET, UID, "v");
        assert_eq!(get(&object, SET, UID), Some("v"));
    }
}
