//! Writes: one operation in each request, answered with the page after it. What is refused is answered with success.

use serde_json::{Value, json};

use super::state::{Object, State, recurrence_mut, text};

/// Carries out the operations of a body; returns what was refused.
pub(super) fn apply(state: &mut State, body: &[u8]) -> Option<Vec<Value>> {
    let Ok(Value::Array(operations)) = serde_json::from_slice(body) else { return None };
    let mut rejected = Vec::new();
    for operation in &operations {
        let operation = operation.as_object()?;
        if operation.get("notifyPersons").and_then(Value::as_array).is_some_and(|people| !people.is_empty()) {
            state.notified += 1;
        }
        let (id, outcome) = one(state, operation);
        if let Err(error) = outcome {
            rejected.push(json!({"id": id, "error": error}));
        }
    }
    Some(rejected)
}

fn one(state: &mut State, operation: &Object) -> (Option<String>, Result<(), &'static str>) {
    let body = |name: &str| operation.get(name).and_then(Value::as_object);
    if let Some(body) = body("create") {
        let created = made(state, body, Object::new()).map(|item| {
            state.store(item);
        });
        return (None, created);
    }
    if let Some(body) = body("edit") {
        let id = text(body, "id").unwrap_or_default().to_owned();
        return (Some(id.clone()), edit(state, &id, body));
    }
    if let Some(body) = body("delete") {
        let id = text(body, "id").unwrap_or_default().to_owned();
        return (Some(id.clone()), delete(state, &id, body, operation));
    }
    (None, Err("unknown operation"))
}

fn writable<'s>(state: &'s State, id: &str) -> Result<&'s Object, &'static str> {
    let item = state.items.get(id).ok_or("item not found")?;
    let foreign = text(item, "itemSource").is_some() || item.get("readOnly") == Some(&Value::Bool(true));
    if foreign { Err("item is read only") } else { Ok(item) }
}

fn edit(state: &mut State, id: &str, body: &Object) -> Result<(), &'static str> {
    let mut kept = writable(state, id)?.clone();
    if body.contains_key("itemVersion") {
        // Taken and dropped, as the service is said to do.
        return Ok(());
    }
    // The item is replaced; only what says which one it is stays.
    kept.retain(|name, _| matches!(name.as_str(), "id" | "itemVersion" | "itemType"));
    let item = made(state, body, kept)?;
    state.store(item);
    Ok(())
}

fn delete(state: &mut State, id: &str, body: &Object, operation: &Object) -> Result<(), &'static str> {
    let item = writable(state, id)?;
    if let Some(version) = body.get("version")
        && Some(version) != item.get("itemVersion")
    {
        return Err("version mismatch");
    }
    let (day, extent) = (text(operation, "selectedDay"), text(operation, "extent"));
    match (day, extent) {
        (Some(day), Some("day")) => {
            let mut item = item.clone();
            let recurrence = recurrence_mut(&mut item).ok_or("not a series")?;
            let dates = recurrence.entry("exdates").or_insert_with(|| json!([]));
            dates.as_array_mut().ok_or("not a series")?.push(json!({"date": day}));
            state.store(item);
        }
        _ => {
            state.items.remove(id);
        }
    }
    Ok(())
}

/// The item of a body.
fn made(state: &State, body: &Object, mut item: Object) -> Result<Object, &'static str> {
    let empty = Object::new();
    let details = body.get("details").and_then(Value::as_object).unwrap_or(&empty);
    let day = text(body, "startDay").filter(|day| day.parse::<chrono::NaiveDate>().is_ok());
    let day = day.ok_or("start_day is required")?;
    let (Some(start), Some(end)) = (text(details, "startTime"), text(details, "endTime")) else {
        return Err("start_time and end_time are required");
    };
    let subject = text(details, "subject").map(str::trim).filter(|subject| !subject.is_empty());
    let subject = subject.ok_or("subject is required")?;
    let span = details.get("dateSpan").and_then(Value::as_u64).ok_or("date_span is required")?;
    item.insert("itemType".into(), "appointment".into());
    item.insert("day".into(), day.into());
    item.insert("startTime".into(), format!("{start}:00").into());
    item.insert("endTime".into(), format!("{end}:00").into());
    item.insert("dateSpan".into(), span.into());
    item.insert("description".into(), subject.into());
    item.insert("descriptionShort".into(), subject.into());
    item.insert("householdMembers".into(), details.get("attendeeSet").cloned().unwrap_or_else(|| json!([])));
    let mut inner = Object::new();
    for name in ["location", "notes"] {
        // An empty text is what the application writes for none.
        inner.insert(
            name.into(),
            details.get(name).filter(|text| text.is_string()).cloned().unwrap_or_else(|| "".into()),
        );
    }
    inner.insert("reminders".into(), body.get("reminders").cloned().unwrap_or(Value::Null));
    if let Some(Value::Object(recurrence)) = body.get("recurrence") {
        let mut recurrence = recurrence.clone();
        if state.quirks.ignores_exdates {
            recurrence.remove("exdates");
        }
        let rule = recurrence.get("rules").and_then(|rules| rules.get(0)).and_then(Value::as_object);
        let frequency = rule.and_then(|rule| text(rule, "frequency")).ok_or("recurrence is not valid")?;
        recurrence.insert("text".into(), json!([format!("Every so often ({frequency})")]));
        inner.insert("recurrence".into(), recurrence.into());
        inner.insert("recurrenceStartDay".into(), day.into());
    }
    item.insert("itemDetails".into(), inner.into());
    Ok(item)
}
