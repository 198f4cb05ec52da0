//! `calsync events`.

use calsync_core::{
    ical::{PeoplePolicy, WriteOptions, write_calendar},
    model::EventTime,
};
use serde_json::json;

use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{Format, cell, print, print_json, print_table},
};

pub(crate) async fn run(app: &App, calendar: &str, ics: bool, format: Format) -> Result<u8, CliError> {
    let id = app.calendar(calendar).await?;
    let mut records = app.hub.events(&id).await?;
    records.sort_by_cached_key(|record| {
        let start = record.event.body().map(|body| body.time.start.local());
        (start, record.event.uid.clone())
    });
    if ics {
        let events: Vec<_> = records.into_iter().map(|record| record.event).collect();
        // An export for the owner of the calendar: people are part of it.
        let mut options = WriteOptions::new(app.clock.now());
        options.people = PeoplePolicy::Write;
        let text = write_calendar(&events, &options);
        match format {
            Format::Json => print_json(&json!({ "calendar": calendar, "ics": text }))?,
            Format::Table => print(&text)?,
        }
        return Ok(IN_STEP);
    }
    if format == Format::Json {
        let events: Vec<_> = records
            .iter()
            .map(|record| json!({ "id": record.id, "modified": record.modified, "event": record.event }))
            .collect();
        print_json(&json!({ "calendar": calendar, "events": events }))?;
        return Ok(IN_STEP);
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .filter_map(|record| {
            let body = record.event.body()?;
            let start = match &body.time.start {
                EventTime::Date(date) => date.to_string(),
                EventTime::Floating(local) => local.format("%F %H:%M").to_string(),
                EventTime::Zoned { local, zone, .. } => {
                    format!("{} {}", local.format("%F %H:%M"), zone.name())
                }
                EventTime::Utc(instant) => instant.format("%F %H:%M UTC").to_string(),
            };
            let repeats = if record.event.is_series() { "repeats" } else { "" };
            let title = cell(body.title.as_deref().unwrap_or_default());
            Some(vec![start, repeats.to_owned(), title, cell(&record.event.uid)])
        })
        .collect();
    print_table(&["start", "", "title", "uid"], &rows)?;
    Ok(IN_STEP)
}
