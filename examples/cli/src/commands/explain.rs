//! `calsync explain`.

use calsync_core::{
    model::{CalendarId, EventId, LinkId},
    provider::UnreadKind,
    store::{BaseQuery, BaseState, EventRecord, QuarantineRecord, Record, RecordKind},
};

use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{cell, plain, print},
};

pub(crate) async fn run(app: &App, event: &str) -> Result<u8, CliError> {
    let mut found = false;
    let mut calendars: Vec<&str> = app.config.links.iter().map(|link| link.calendar.as_str()).collect();
    calendars.sort_unstable();
    calendars.dedup();
    for calendar in calendars {
        let calendar = CalendarId::from(calendar);
        let mut records = app.store.events_by_uid(&calendar, &[event]).await?;
        records.extend(app.store.events(&calendar, &[EventId::from(event)]).await?);
        for record in records {
            found = true;
            explain(app, &calendar, &record).await?;
        }
    }
    found |= quarantined(app, event).await?;
    if found {
        Ok(IN_STEP)
    } else {
        Err(CliError::Unmet(format!(
            "no event has the UID or id {event}, and no quarantined item this UID or name"
        )))
    }
}

/// Items that cannot be read are no events; what is known of them is why.
async fn quarantined(app: &App, wanted: &str) -> Result<bool, CliError> {
    let mut found = false;
    for row in app.records(RecordKind::Quarantine).await? {
        let Record::Quarantine(row) = row else { continue };
        if !is_meant(&row, wanted) {
            continue;
        }
        found = true;
        let what = match row.kind {
            UnreadKind::Unreadable => "in quarantine, it cannot be read",
            UnreadKind::Unfetched => "not fetched, the remote side does not give it out",
            UnreadKind::NotAnEvent => "left alone, it is no event",
            UnreadKind::LeftOut => "left out by what the link copies",
            UnreadKind::Undecided => "waiting for an answer, see `calsync matches`",
        };
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

async fn explain(app: &App, calendar: &CalendarId, record: &EventRecord) -> Result<(), CliError> {
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
    for link in app.config.links.iter().filter(|link| link.calendar == calendar.as_str()) {
        let id = LinkId::from(link.name.as_str());
        let bases = app.store.bases(&id, BaseQuery::Events(std::slice::from_ref(&record.id))).await?;
        match bases.first() {
            Some(base) => {
                let state = match base.state {
                    BaseState::Linked => "kept in step",
                    BaseState::Suppressed => "left alone",
                };
                print(&format!("  link {id}: {state} with {}\n", base.remote_id))?;
            }
            None => print(&format!("  link {id}: not joined\n"))?,
        }
    }
    let mut lines = Vec::new();
    for kind in [RecordKind::Journal, RecordKind::Conflict] {
        for row in app.records(kind).await? {
            match row {
                Record::Journal(entry) if entry.event_id == record.id => {
                    let op = serde_json::to_value(entry.op).ok().and_then(|v| v.as_str().map(str::to_owned));
                    let fields: Vec<String> = entry.fields.iter().map(ToString::to_string).collect();
                    let fields =
                        if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
                    lines.push((
                        entry.at,
                        format!(
                            "link {}, run {}: {}{fields}: {}",
                            entry.link,
                            entry.run,
                            op.unwrap_or_default(),
                            entry.reason
                        ),
                    ));
                }
                Record::Conflict(conflict) if conflict.event_id == record.id => {
                    let fields: Vec<String> = conflict
                        .fields
                        .iter()
                        .map(|field| format!("{} kept {}", field.field, field.outcome))
                        .collect();
                    let what = if fields.is_empty() {
                        "deleted against edited".to_owned()
                    } else {
                        fields.join(", ")
                    };
                    lines.push((
                        conflict.at,
                        format!(
                            "link {}, run {}: conflict: {what} (policy {})",
                            conflict.link, conflict.run, conflict.policy
                        ),
                    ));
                }
                _ => {}
            }
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    for (at, line) in lines {
        print(&format!("  {}  {line}\n", at.format("%F %T")))?;
    }
    Ok(())
}
