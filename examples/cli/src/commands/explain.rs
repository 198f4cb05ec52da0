//! `calsync explain`.

use calsync_core::{
    engine::{Explanation, Link, Moment, Source, SourceRole, Way, WayState, What},
    model::{CalendarId, EventId, LinkId, RemoteCalendarId},
    provider::UnreadKind,
    store::{EventRecord, QuarantineRecord, Record, RecordKind},
};
use serde_json::{Value, json};

use crate::{
    IN_STEP,
    app::App,
    connect,
    error::CliError,
    output::{Format, cell, plain, print, print_json},
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
            let sources = app.engine.sources(&links, std::slice::from_ref(&record.id)).await?;
            if format == Format::Table {
                show(&calendar, &record, &explained, &sources)?;
            }
            found.push(as_json(&calendar, &record, &explained, &sources));
        }
    }
    let quarantine = quarantined(app, event, format).await?;
    if found.is_empty() && quarantine.is_empty() {
        return Err(CliError::Unmet(format!(
            "no event has the UID or id {event}, and no quarantined item this UID or name"
        )));
    }
    if format == Format::Json {
        print_json(&json!({ "events": found, "quarantine": quarantine }))?;
    }
    Ok(IN_STEP)
}

/// Items that cannot be read are no events; what is known of them is why.
async fn quarantined(app: &App, wanted: &str, format: Format) -> Result<Vec<Value>, CliError> {
    let mut found = Vec::new();
    for row in app.records(RecordKind::Quarantine).await? {
        let Record::Quarantine(row) = row else { continue };
        if !is_meant(&row, wanted) {
            continue;
        }
        let what = match row.kind {
            UnreadKind::Unreadable => "in quarantine, it cannot be read",
            UnreadKind::Unfetched => "not fetched, the remote side does not give it out",
            UnreadKind::NotAnEvent => "left alone, it is no event",
            UnreadKind::LeftOut => "left out by what the link copies",
            UnreadKind::OwnFeed => "left out, it comes from this calendar",
            UnreadKind::Undecided => "waiting for an answer, see `calsync matches`",
        };
        found.push(json!({
            "item": row.remote_id,
            "link": row.link,
            "kind": row.kind,
            "reason": row.reason,
            "step": row.left_out.as_ref().map(|left_out| &left_out.step),
            "since": row.since,
        }));
        if format == Format::Json {
            continue;
        }
        print(&format!(
            "item {}\n  link {}: {what}, since {}\n  {}\n",
            plain(row.remote_id.as_str()),
            row.link,
            row.since.format("%F %T"),
            plain(&row.reason),
        ))?;
    }
    Ok(found)
}

/// By its id, the name at the end of its id, or a UID in what was sent.
fn is_meant(row: &QuarantineRecord, wanted: &str) -> bool {
    if row.left_out.as_ref().is_some_and(|left_out| left_out.is_about(&row.link, wanted)) {
        return true;
    }
    let id = row.remote_id.as_str();
    let name = id.rsplit('/').next().unwrap_or(id);
    if id == wanted || name == wanted || name.strip_suffix(".ics") == Some(wanted) {
        return true;
    }
    let Some(payload) = &row.payload else { return false };
    // Unfolded (RFC 5545 section 3.1). What is not readable may have more UIDs than one.
    let text = payload.as_str().replace("\r\n ", "").replace("\n ", "");
    text.lines().any(|line| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.split(';').next().is_some_and(|name| name.eq_ignore_ascii_case("UID")) && value == wanted
    })
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

fn as_json(
    calendar: &CalendarId,
    record: &EventRecord,
    explained: &Explanation,
    sources: &[Source],
) -> Value {
    json!({
        "calendar": calendar,
        "event": record.id,
        "uid": record.event.uid,
        "title": record.event.body().and_then(|body| body.title.as_deref()),
        "revision": record.revision.0,
        "written": record.modified,
        "deleted": record.deleted,
        "made_from": record.event.lineage,
        "sources": sources,
        "links": explained.ways,
        "timeline": explained.timeline,
    })
}

fn show(
    calendar: &CalendarId,
    record: &EventRecord,
    explained: &Explanation,
    sources: &[Source],
) -> Result<(), CliError> {
    let title = record.event.body().and_then(|body| body.title.as_deref()).unwrap_or("(no title)");
    print(&format!(
        "{}\n  calendar {calendar}, event {}, revision {}\n",
        cell(title),
        record.id,
        record.revision.0
    ))?;
    print(&format!("  written {}\n", record.modified.format("%F %T")))?;
    if let Some(deleted) = record.deleted {
        print(&format!("  deleted {}\n", deleted.format("%F %T")))?;
    }
    if let Some(lineage) = &record.event.lineage {
        print(&format!("  made from {}\n", lineage.uid))?;
    }
    for source in sources {
        let role = match source.role {
            SourceRole::Origin => "comes from",
            SourceRole::Shared => "is shared with",
            SourceRole::Copy => "is copied to",
        };
        print(&format!("  {role} {} of {} (link {})\n", source.item, source.remote, source.link))?;
    }
    for way in &explained.ways {
        print(&format!("  link {}: {}\n", way.link, state(way)))?;
    }
    for moment in &explained.timeline {
        let Moment { at, link, run, what } = moment;
        let place = match (link, run) {
            (Some(link), Some(run)) => format!("link {link}, run {run}"),
            (Some(link), None) => format!("link {link}"),
            (None, _) => "here".to_owned(),
        };
        print(&format!("  {}  {place}: {}\n", at.format("%F %T"), done(what)))?;
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
        WayState::OutsideWindow { enters: Some(at) } => {
            format!("outside the window of what is copied, until {}", at.format("%Y-%m-%d %H:%M UTC"))
        }
        WayState::OutsideWindow { enters: None } => "outside the window of what is copied".to_owned(),
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
        What::Seen {} => "first seen".to_owned(),
        What::Mapped { item } => format!("joined to item {}", plain(item.as_str())),
        What::Filtered { step: Some(step) } => format!("kept out by the step {step:?}"),
        What::Filtered { step: None } => "kept out: it takes no time".to_owned(),
        What::Done { op, reason, fields, losses, .. } => {
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
            let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
            let lost = if losses.is_empty() {
                String::new()
            } else {
                format!("; cannot be held there: {}", losses.join(", "))
            };
            format!("{}{fields}: {reason}{lost}", word(json!(op)))
        }
        What::Echoed { op } => format!("{}: seen again, as our own doing", word(json!(op))),
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
