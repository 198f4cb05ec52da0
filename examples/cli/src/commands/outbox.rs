//! `calsync outbox`: remote writes that are decided and not confirmed, and what a person does about them.

use calsync_core::{
    model::{CalendarId, EventId, LinkId},
    store::{BaseQuery, OutboxEntry, OutboxOp, OutboxState},
};
use serde_json::{Value, json};

use crate::{
    IN_STEP,
    app::App,
    config::LinkConfig,
    error::CliError,
    lease::when_free,
    output::{Format, cell, print, print_json, print_table},
};

/// What is to become of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Retry,
    Drop,
}

pub(crate) async fn list(app: &App, format: Format) -> Result<u8, CliError> {
    let mut waiting = Vec::new();
    for config in app.links(None)? {
        for entry in app.engine.outbox(&LinkId::from(config.name.as_str())).await? {
            let uid = uid(app, config, &entry).await?;
            let write = write(app, &entry).await?;
            waiting.push((entry, uid, write));
        }
    }
    match format {
        Format::Json => {
            let entries: Vec<Value> =
                waiting.iter().map(|(entry, uid, write)| as_json(entry, uid, write)).collect();
            print_json(&json!({ "outbox": entries }))?;
        }
        Format::Table => {
            let rows: Vec<Vec<String>> = waiting
                .iter()
                .map(|(entry, uid, write)| {
                    vec![
                        entry.link.to_string(),
                        cell(uid),
                        (*write).to_owned(),
                        state(entry).to_owned(),
                        entry.attempts.to_string(),
                        entry.not_before.map(|at| at.format("%F %T").to_string()).unwrap_or_default(),
                        why(entry),
                    ]
                })
                .collect();
            print_table(&["link", "uid", "write", "state", "tries", "not before", "why"], &rows)?;
        }
    }
    Ok(IN_STEP)
}

/// Retries or drops what waits for an event, on every link that has something for it.
pub(crate) async fn settle(app: &App, event: &str, verdict: Verdict, format: Format) -> Result<u8, CliError> {
    let mut settled = Vec::new();
    for config in app.links(None)? {
        let link = LinkId::from(config.name.as_str());
        for entry in app.engine.outbox(&link).await? {
            if entry.event_id.as_str() != event && uid(app, config, &entry).await? != event {
                continue;
            }
            let write = write(app, &entry).await?;
            match verdict {
                Verdict::Retry => {
                    when_free(app, &link, async || app.engine.retry_write(&link, &entry.event_id).await)
                        .await?;
                }
                // Not waited for: whoever is at the link may put another write in its place.
                Verdict::Drop => app.engine.drop_write(&link, &entry.event_id).await?,
            }
            settled.push(json!({ "link": link, "write": write, "event_id": entry.event_id }));
            if format == Format::Json {
                continue;
            }
            let what = match verdict {
                Verdict::Retry => "the next sync tries it again",
                Verdict::Drop => "given up; both sides stay as they are",
            };
            print(&format!("{link}: {write} of event {}: {what}\n", entry.event_id))?;
        }
    }
    if !settled.is_empty() {
        if format == Format::Json {
            let verdict = if verdict == Verdict::Retry { "retry" } else { "drop" };
            print_json(&json!({ "verdict": verdict, "settled": settled }))?;
        }
        return Ok(IN_STEP);
    }
    Err(CliError::Unmet(format!("no write waits for {event}; `calsync outbox` lists what waits")))
}

async fn uid(app: &App, link: &LinkConfig, entry: &OutboxEntry) -> Result<String, CliError> {
    let (calendar, ids) = (CalendarId::from(link.calendar.as_str()), [EventId::clone(&entry.event_id)]);
    let found = app.store.events(&calendar, &ids).await?.pop();
    Ok(found.map(|record| record.event.uid).unwrap_or_default())
}

fn as_json(entry: &OutboxEntry, uid: &str, write: &str) -> Value {
    json!({
        "link": entry.link,
        "event_id": entry.event_id,
        "uid": uid,
        "remote_id": entry.remote_id,
        "write": write,
        "state": state(entry),
        "attempts": entry.attempts,
        "not_before": entry.not_before,
        "reason": entry.reason,
        "why": why(entry),
    })
}

/// What it does there. One that could not even be put into the provider's words names no item, also where there is one.
async fn write(app: &App, entry: &OutboxEntry) -> Result<&'static str, CliError> {
    Ok(match entry.op {
        OutboxOp::Create { .. } if entry.remote_id.as_str().is_empty() => {
            let event = [EventId::clone(&entry.event_id)];
            let known = app.store.bases(&entry.link, BaseQuery::Events(&event)).await?;
            if known.is_empty() { "create" } else { "update" }
        }
        OutboxOp::Create { .. } => "create",
        OutboxOp::Update { .. } => "update",
        OutboxOp::Delete { .. } => "delete",
    })
}

fn state(entry: &OutboxEntry) -> &'static str {
    match entry.state {
        OutboxState::Pending => "pending",
        OutboxState::Ambiguous => "unknown",
        OutboxState::Wedged { .. } => "wedged",
    }
}

fn why(entry: &OutboxEntry) -> String {
    match &entry.state {
        OutboxState::Wedged { detail, .. } => detail.clone(),
        OutboxState::Ambiguous => "it may have been sent; it is looked up before it is sent again".to_owned(),
        OutboxState::Pending => entry.reason.clone(),
    }
}
