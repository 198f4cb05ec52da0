//! Prints published feeds with the instants their events start and end at, one JSON object a line, for
//! `calsync-core/tests/python/feed_check.py`.
//!
//! Usage: `feed-cases [COUNT]`, by default 300.

use std::io::{self, BufWriter, Write};

use calsync_core::{
    model::{Event, Override},
    publish::{Detail, FeedOptions, feed, free_busy},
    secret::Secret,
    zone::Zone,
};
use calsync_testkit::availability_oracle::{OWNER, availability_case};

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
    let text = feed(&events, options.clone()).collect::<Vec<_>>().concat();
    let starts: Vec<_> = events.iter().filter_map(known).collect();
    serde_json::json!({
        "seed": seed,
        "detail": detail,
        "feed": String::from_utf8_lossy(&text),
        "free_busy": free_busy(&events, &options),
        "events": starts,
    })
}

/// What the reader has to find: title, start and end, as instants or dates, and how many instances are changed.
fn known(event: &Event) -> Option<serde_json::Value> {
    let body = event.master.as_ref()?;
    let shown = |time: &calsync_core::model::EventTime| match time {
        calsync_core::model::EventTime::Date(date) => date.to_string(),
        calsync_core::model::EventTime::Floating(local) => local.format("%Y-%m-%dT%H:%M:%S").to_string(),
        zoned => zoned.instant(&Zone::UTC).format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    let changed = event.overrides.values().filter(|one| matches!(one, Override::Changed { .. })).count();
    Some(serde_json::json!({
        "uid": event.uid,
        "title": body.title,
        "description": body.description,
        "start": shown(&body.time.start),
        "end": shown(&body.time.end),
        "changed": changed,
        "rule": !event.rules.is_empty(),
    }))
}
