//! `calsync explain`.

use calsync_core::{
    engine::{Explanation, Link, Moment, Way, WayState, What},
    model::{CalendarId, EventId, LinkId, RemoteCalendarId},
    store::EventRecord,
};
use serde_json::{Value, json};

use crate::{
    IN_STEP,
    app::App,
    connect,
    error::CliError,
    output::{Format, print, print_json},
};

pub(crate) async fn run(app: &App, event: &str, format: Format) -> Result<u8, CliError> {
    let mut found: Vec<Value> = Vec::new();
    let mut calendars: Vec<&str> = app.config.links.iter().map(|link| link.calendar.as_str()).collect();
    calendars.sort_unstable();
    calendars.dedup();
    for calendar in calendars {
        let calendar = CalendarId::from(calendar);
        let mut records = app.store.events_by_uid(&calendar, &[event]).await?;
        records.extend(app.store.events(&calendar, &[EventId::from(event)]).await?);
        let links = links(app, &calendar).await?;
        for record in records {
            let explained = app.engine.explain(&links, &record).await?;
            if format == Format::Table {
                show(&calendar, &record, &explained)?;
            }
            found.push(as_json(&calendar, &record, &explained));
        }
    }
    if found.is_empty() {
        return Err(CliError::Unmet(format!("no event has the UID or id {event}")));
    }
    if format == Format::Json {
        print_json(&json!({ "events": found }))?;
    }
    Ok(IN_STEP)
}

/// The links of a calendar, without asking anybody: where they lead is known since their first run.
async fn links(app: &App, calendar: &CalendarId) -> Result<Vec<Link>, CliError> {
    let mut links = Vec::new();
    for config in app.config.links.iter().filter(|link| link.calendar == calendar.as_str()) {
        let state = app.store.link(&LinkId::from(config.name.as_str())).await?;
        let remote =
            state.map_or_else(|| RemoteCalendarId::from(config.remote.as_str()), |state| state.remote);
        links.push(connect::link(app, config, remote)?);
    }
    Ok(links)
}

fn as_json(calendar: &CalendarId, record: &EventRecord, explained: &Explanation) -> Value {
    json!({
        "calendar": calendar,
        "event": record.id,
        "uid": record.event.uid,
        "title": record.event.body().and_then(|body| body.title.as_deref()),
        "revision": record.revision.0,
        "written": record.modified,
        "deleted": record.deleted,
        "made_from": record.event.lineage,
        "links": explained.ways,
        "timeline": explained.timeline,
    })
}

fn show(calendar: &CalendarId, record: &EventRecord, explained: &Explanation) -> Result<(), CliError> {
    let title = record.event.body().and_then(|body| body.title.as_deref()).unwrap_or("(no title)");
    print(&format!("{title}\n  calendar {calendar}, event {}, revision {}\n", record.id, record.revision.0))?;
    print(&format!("  written {}\n", record.modified.format("%F %T")))?;
    if let Some(deleted) = record.deleted {
        print(&format!("  deleted {}\n", deleted.format("%F %T")))?;
    }
    if let Some(lineage) = &record.event.lineage {
        print(&format!("  made from {}\n", lineage.uid))?;
    }
    for way in &explained.ways {
        print(&format!("  link {}: {}\n", way.link, state(way)))?;
    }
    for moment in &explained.timeline {
        let Moment { at, link, run, what } = moment;
        print(&format!("  {}  link {link}, run {run}: {}\n", at.format("%F %T"), done(what)))?;
    }
    Ok(())
}

fn state(way: &Way) -> String {
    let with = way.remote_id.as_ref().map_or_else(String::new, |id| format!(" with {id}"));
    let mut text = match &way.state {
        WayState::InStep {} => format!("kept in step{with}"),
        WayState::Waiting { attempts } => format!("a write waits to be confirmed, after {attempts} tries"),
        WayState::Stuck { detail } => format!("a write was refused: {detail}"),
        WayState::LeftAlone {} => format!("left alone{with}"),
        WayState::LeftOut { step: Some(step) } => format!("left out by the step {step:?}"),
        WayState::LeftOut { step: None } => "left out: it takes no time".to_owned(),
        WayState::NotJoined {} => "not joined".to_owned(),
    };
    if !way.transforms.is_empty() {
        text.push_str(&format!("; copied through {}", way.transforms.join(", ")));
    }
    text
}

fn done(what: &What) -> String {
    let word = |value: Value| value.as_str().map(str::to_owned).unwrap_or_default();
    match what {
        What::Done { op, reason, fields, .. } => {
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
            let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
            format!("{}{fields}: {reason}", word(json!(op)))
        }
        What::Conflicted { fields, policy, .. } => {
            let fields: Vec<String> =
                fields.iter().map(|(field, outcome)| format!("{field} kept {outcome}")).collect();
            let what =
                if fields.is_empty() { "deleted against edited".to_owned() } else { fields.join(", ") };
            format!("conflict: {what} (policy {policy})")
        }
        What::Settled { by, who, .. } => {
            let who = who.as_ref().map_or_else(String::new, |who| format!(", {who}"));
            format!("conflict settled by {}{who}", word(json!(by)))
        }
    }
}
