//! One month: which items take place in it, and on which days.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Map, Value, json};

use super::{
    quirks::CoziQuirks,
    state::{Object, State, recurrence, text},
};

/// The page of a month, as it is sent.
pub(super) fn page(state: &State, year: i32, month: u32) -> Value {
    let Some(first) = NaiveDate::from_ymd_opt(year, month, 1) else { return json!({}) };
    let last = (first + chrono::Months::new(1)).pred_opt().unwrap_or(first);
    let mut items = Map::new();
    let mut days: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (id, item) in &state.items {
        let mut is_here = false;
        for start in starts(item, first, last) {
            let length = length(item);
            for offset in 0..=length {
                let Some(day) = start.checked_add_days(Days::new(offset)) else { continue };
                if day < first || day > last {
                    continue;
                }
                is_here = true;
                let entry = match length {
                    0 => json!({"id": id}),
                    _ => json!({"id": id, "multiday": {"startDay": start.to_string()}}),
                };
                days.entry(day.to_string()).or_default().push(entry);
            }
        }
        // What has no day that can be read is on every page.
        if is_here || day(item).is_none() {
            items.insert(id.clone(), shown(item, state.quirks));
        }
    }
    let items = if state.quirks.items_as_list { items.into_values().collect() } else { Value::Object(items) };
    let mut page = json!({"items": items, "startDate": first.to_string(), "endDate": last.to_string()});
    if !state.quirks.no_days {
        page["days"] = json!(days);
    }
    page
}

/// An item as it is sent.
pub(super) fn shown(item: &Object, quirks: CoziQuirks) -> Value {
    let mut item = item.clone();
    if quirks.no_versions {
        item.remove("itemVersion");
    }
    if quirks.flat_details
        && let Some(Value::Object(details)) = item.remove("itemDetails")
    {
        for (name, value) in details {
            item.entry(name).or_insert(value);
        }
    }
    Value::Object(item)
}

fn day(item: &Object) -> Option<NaiveDate> {
    text(item, "day")?.parse().ok()
}

/// How many days after the first it reaches into.
fn length(item: &Object) -> u64 {
    let span = item.get("dateSpan").and_then(Value::as_u64).unwrap_or_default();
    let midnight = |name| text(item, name).is_none_or(|time| time.starts_with("00:00"));
    if midnight("startTime") && midnight("endTime") { span.saturating_sub(1) } else { span }.min(400)
}

/// The days it begins on, as far as it reaches into the month.
fn starts(item: &Object, first: NaiveDate, last: NaiveDate) -> Vec<NaiveDate> {
    let Some(start) = day(item) else { return Vec::new() };
    let from = first.checked_sub_days(Days::new(length(item))).unwrap_or(first);
    let Some(rule) = recurrence(item).and_then(|found| found.get("rules")?.as_array()?.first()?.as_object())
    else {
        return if (from..=last).contains(&start) { vec![start] } else { Vec::new() };
    };
    let excluded: Vec<&str> = recurrence(item)
        .and_then(|found| found.get("exdates")?.as_array())
        .map(|dates| {
            dates.iter().filter_map(|date| date.as_str().or_else(|| date.get("date")?.as_str())).collect()
        })
        .unwrap_or_default();
    let until = rule.get("end").and_then(|end| end.get("untilDay")?.as_str()?.parse::<NaiveDate>().ok());
    from.iter_days()
        .take_while(|day| *day <= last)
        .filter(|day| *day >= start && until.is_none_or(|until| *day <= until))
        .filter(|day| !excluded.contains(&day.to_string().as_str()))
        .filter(|day| falls_on(rule, start, *day))
        .collect()
}

const NAMES: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];

/// Whether a rule has an instance on a day, asked of each day alone.
fn falls_on(rule: &Object, start: NaiveDate, day: NaiveDate) -> bool {
    let interval = rule.get("interval").and_then(Value::as_i64).unwrap_or(1).max(1);
    let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    let week = |day: NaiveDate| {
        (i64::from(day.num_days_from_ce()) - i64::from(day.weekday().num_days_from_sunday())).div_euclid(7)
    };
    let every = |distance: i64| distance % interval == 0;
    match text(rule, "frequency").unwrap_or_default() {
        "Daily" => every((day - start).num_days()),
        "Weekly" => {
            every(week(day) - week(start))
                && match rule.get("byDay").and_then(Value::as_array) {
                    Some(days) if !days.is_empty() => names(days).any(|name| name == weekday(day)),
                    _ => day.weekday() == start.weekday(),
                }
        }
        "Monthly" => every(months(day) - months(start)) && in_month(rule, start, day),
        "Yearly" => {
            let named = rule.get("byMonth").and_then(Value::as_array).filter(|months| !months.is_empty());
            let month = named.map_or(day.month() == start.month(), |months| {
                months.iter().any(|month| month.as_u64() == Some(u64::from(day.month())))
            });
            month && every(i64::from(day.year()) - i64::from(start.year())) && in_month(rule, start, day)
        }
        _ => day == start,
    }
}

fn names(days: &[Value]) -> impl Iterator<Item = &str> {
    days.iter().filter_map(Value::as_str)
}

fn weekday(day: NaiveDate) -> &'static str {
    NAMES[day.weekday().num_days_from_sunday() as usize]
}

fn in_month(rule: &Object, start: NaiveDate, day: NaiveDate) -> bool {
    let list = |name: &str| rule.get(name).and_then(Value::as_array).filter(|list| !list.is_empty());
    let days_in_month = {
        let first = day.with_day(1).unwrap_or(day);
        (first + chrono::Months::new(1) - first).num_days()
    };
    if let Some(days) = list("byMonthDay") {
        let of_month = i64::from(day.day());
        return days.iter().any(|wanted| {
            wanted.as_i64() == Some(of_month) || wanted.as_i64() == Some(of_month - days_in_month - 1)
        });
    }
    if let Some(days) = list("byDay") {
        let nth = (i64::from(day.day()) + 6) / 7;
        let from_end = -((days_in_month - i64::from(day.day())) / 7 + 1);
        let name = weekday(day);
        return names(days)
            .any(|wanted| wanted == format!("{nth}{name}") || wanted == format!("{from_end}{name}"));
    }
    day.day() == start.day()
}
