//! `calsync explain`.

use calsync_core::{
    model::{CalendarId, EventId, LinkId},
    store::{BaseQuery, BaseState, EventRecord, Record, RecordKind},
};

use crate::{IN_STEP, app::App, error::CliError, output::print};

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
    if found { Ok(IN_STEP) } else { Err(CliError::Unmet(format!("no event has the UID or id {event}"))) }
}

async fn explain(app: &App, calendar: &CalendarId, record: &EventRecord) -> Result<(), CliError> {
    let title = record.event.body().and_then(|body| body.title.as_deref()).unwrap_or("(no title)");
    print(&format!("{title}\n  calendar {calendar}, event {}, revision {}\n", record.id, record.revision.0))?;
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
