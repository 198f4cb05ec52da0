//! Prints published feeds with the instants their events start and end at, one JSON object a line, for
//! `calsync-core/tests/python/feed_check.py`.
//!
//! Usage: `feed-cases [COUNT]`, by default 300.

use std::{
    io::{self, BufWriter, Write},
    ops::Range,
};

use calsync_core::{
    model::{Event, EventTime, Override},
    publish::{BusyOnly, Detail, FeedOptions, busy_only, feed, free_busy},
    recurrence::ExpansionLimits,
    secret::Secret,
    zone::Zone,
};
use calsync_testkit::availability_oracle::{OWNER, availability_case};
use chrono::{DateTime, Utc};

fn main() -> io::Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(300), |count| count.parse());
    let count: u64 = count.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut out = BufWriter::new(io::stdout().lock());
    for seed in 0..count {
        for detail in [Detail::Details, Detail::BusyOnly] {
            serde_json::to_writer(&mut out, &line(seed, detail))?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()
}

fn line(seed: u64, detail: Detail) -> serde_json::Value {
    let case = availability_case(seed);
    let numbered = case.calendars.into_iter().flat_map(|calendar| calendar.events).enumerate();
    let events: Vec<Event> = numbered
        .map(|(number, mut event)| {
            event.uid = format!("{seed}-{number}@example.org");
            if let Some(body) = &mut event.master {
                body.title = Some(format!("Größe; \\ \"{number}\", {}", "löng ".repeat(30)));
                body.description = Some("one\ntwo\t:;,".to_owned());
            }
            event
        })
        .collect();
    let mut options = FeedOptions::new(case.question.window.start, Secret::new([7; 32]));
    options.detail = detail;
    options.name = Some("Team; \"A\", B".to_owned());
    options.owner = vec![OWNER.to_owned()];
    let window = options.window();
    let text = feed(&events, options.clone()).collect::<Vec<_>>().concat();
    // What a busy feed has to show: of each event what of it takes time, under the UID of the feed.
    let how = BusyOnly { title: "Busy", key: Some(options.key.expose()), owner: &options.owner };
    let busy: Vec<Event> = events.iter().filter_map(|event| busy_only(event, &how)).collect();
    let shown = if detail == Detail::BusyOnly { &busy } else { &events };
    let known: Vec<_> = shown.iter().filter_map(|event| known(event, &window)).collect();
    serde_json::json!({
        "seed": seed,
        "detail": detail,
        "feed": String::from_utf8_lossy(&text),
        "free_busy": free_busy(&events, &options),
        "events": known,
        "busy": busy_seconds(&busy, &window),
        "window": { "start": window.start.timestamp(), "end": window.end.timestamp() },
    })
}

/// When the events take time in the window, as few spans as can be, in seconds since 1970.
fn busy_seconds(events: &[Event], window: &Range<DateTime<Utc>>) -> Vec<[i64; 2]> {
    let (first, last) = (window.start.timestamp(), window.end.timestamp());
    let mut spans: Vec<[i64; 2]> = events
        .iter()
        .flat_map(|event| spans(event, window))
        .map(|[start, end]| [start.max(first), end.min(last)])
        .filter(|[start, end]| start < end)
        .collect();
    spans.sort_unstable();
    let mut merged: Vec<[i64; 2]> = Vec::new();
    for [start, end] in spans {
        match merged.last_mut() {
            Some(before) if before[1] >= start => before[1] = before[1].max(end),
            _ => merged.push([start, end]),
        }
    }
    merged
}

fn spans(event: &Event, window: &Range<DateTime<Utc>>) -> Vec<[i64; 2]> {
    let (instances, _) = event.instances(window.clone(), &Zone::UTC, &ExpansionLimits::default());
    let seconds = |time: &EventTime| time.instant(&Zone::UTC).timestamp();
    instances.iter().map(|one| [seconds(&one.time.start), seconds(&one.time.end)]).collect()
}

/// What the reader has to find: title, start and end, as instants or dates, how many instances are changed, and when those in
/// the window are, in seconds since 1970, dates and floating times as in UTC.
fn known(event: &Event, window: &Range<DateTime<Utc>>) -> Option<serde_json::Value> {
    let body = event.master.as_ref()?;
    let shown = |time: &EventTime| match time {
        EventTime::Date(date) => date.to_string(),
        EventTime::Floating(local) => local.format("%Y-%m-%dT%H:%M:%S").to_string(),
        zoned => zoned.instant(&Zone::UTC).format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    let mut instances = spans(event, window);
    instances.sort_unstable();
    let changed = event.overrides.values().filter(|one| matches!(one, Override::Changed { .. })).count();
    Some(serde_json::json!({
        "uid": event.uid,
        "title": body.title,
        "description": body.description,
        "start": shown(&body.time.start),
        "end": shown(&body.time.end),
        "changed": changed,
        "instances": instances,
        "rule": !event.rules.is_empty(),
    }))
}
