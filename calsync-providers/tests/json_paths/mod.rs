//! Every member of a JSON value, and what it is when one of them is another or missing.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::Value;

/// The paths of all members of a value.
pub(crate) fn collect(value: &Value, at: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    if !at.is_empty() {
        paths.push(at.clone());
    }
    let members: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(array) => {
            array.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, member) in members {
        at.push(name);
        collect(member, at, paths);
        at.pop();
    }
}

/// Puts another value at a path, or none.
pub(crate) fn replace(root: &mut Value, path: &[String], value: Option<&Value>) {
    let (last, parents) = path.split_last().unwrap();
    let parent = parents.iter().fold(root, |value, part| match value {
        Value::Array(array) => &mut array[part.parse::<usize>().unwrap()],
        other => &mut other[part.as_str()],
    });
    match (parent, value) {
        (Value::Object(object), Some(value)) => drop(object.insert(last.clone(), value.clone())),
        (Value::Object(object), None) => drop(object.remove(last)),
        (Value::Array(array), Some(value)) => array[last.parse::<usize>().unwrap()] = value.clone(),
        (Value::Array(array), None) => drop(array.remove(last.parse::<usize>().unwrap())),
        _ => unreachable!(),
    }
}
