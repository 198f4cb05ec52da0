//! `calsync matches` and `calsync match`.

use calsync_core::{
    engine::SyncOptions,
    model::{Event, EventId, EventTime, LinkId, RemoteId},
    store::MatchAnswer,
};
use serde_json::{Value, json};

use crate::{
    HELD, IN_STEP,
    app::App,
    connect,
    error::CliError,
    lease::when_free,
    output::{Format, print, print_json, print_table},
};

/// Lists the items that may be events here.
pub(crate) async fn list(app: &App, format: Format) -> Result<u8, CliError> {
    let mut rows = Vec::new();
    let mut found: Vec<Value> = Vec::new();
    for config in app.links(None)? {
        let open = app.engine.open_matches(&LinkId::from(config.name.as_str())).await?;
        if open.is_empty() {
            continue;
        }
        // The provider reads what it sent; nothing is asked of it again.
        let joined = connect::join(app, config, &connect::transport()?).await?;
        for item in open {
            let remote = item.payload.as_ref().and_then(|payload| joined.provider.read(payload).ok());
            let events = app.store.events(&joined.link.calendar, &item.candidates).await?;
            let answer = match &item.answer {
                None => "open".to_owned(),
                Some(MatchAnswer::Join(event)) => format!("joined with {event} by the next sync"),
                Some(MatchAnswer::KeepBoth) => "both kept by the next sync".to_owned(),
            };
            rows.push(vec![
                config.name.clone(),
                item.remote_id.to_string(),
                String::new(),
                remote.as_ref().map(start).unwrap_or_default(),
                remote.as_ref().map(title).unwrap_or_default(),
                answer.clone(),
            ]);
            let mut candidates: Vec<Value> = Vec::new();
            for candidate in &item.candidates {
                let event = events.iter().find(|record| record.id == *candidate).map(|record| &record.event);
                rows.push(vec![
                    String::new(),
                    String::new(),
                    candidate.to_string(),
                    event.map(start).unwrap_or_default(),
                    event.map(title).unwrap_or_default(),
                    String::new(),
                ]);
                candidates.push(json!({
                    "event": candidate, "start": event.map(start), "title": event.map(title)
                }));
            }
            found.push(json!({
                "link": config.name, "item": item.remote_id, "start": remote.as_ref().map(start),
                "title": remote.as_ref().map(title), "answer": item.answer, "candidates": candidates,
            }));
        }
    }
    let code = if found.is_empty() { IN_STEP } else { HELD };
    match format {
        Format::Json => print_json(&json!({ "matches": found }))?,
        Format::Table => print_table(&["link", "item there", "event here", "start", "title", ""], &rows)?,
    }
    Ok(code)
}

/// Answers for one item, and does it at once.
pub(crate) async fn answer(
    app: &App,
    link: &str,
    item: &str,
    event: Option<&str>,
    format: Format,
) -> Result<u8, CliError> {
    let links = app.links(Some(link))?;
    let joined = connect::join(app, links[0], &connect::transport()?).await?;
    let answer = event.map_or(MatchAnswer::KeepBoth, |event| MatchAnswer::Join(EventId::from(event)));
    let item_id = RemoteId::from(item);
    let say = async || app.engine.answer(&joined.link, &item_id, answer.clone()).await;
    when_free(app, &joined.link.id, say).await?;
    let options = SyncOptions::default();
    let sync = async || app.engine.sync(&joined.link, &*joined.provider, &options).await;
    let report = when_free(app, &joined.link.id, sync).await?;
    match format {
        Format::Json => {
            print_json(
                &json!({ "item": item, "link": link, "event": event, "undecided": report.undecided }),
            )?;
        }
        Format::Table => print(&format!("done; {} more wait for an answer\n", report.undecided))?,
    }
    Ok(if report.plan.held || report.undecided > 0 { HELD } else { IN_STEP })
}

fn title(event: &Event) -> String {
    event.body().and_then(|body| body.title.clone()).unwrap_or_default()
}

fn start(event: &Event) -> String {
    match event.body().map(|body| &body.time.start) {
        None => String::new(),
        Some(EventTime::Date(date)) => date.to_string(),
        Some(EventTime::Utc(instant)) => instant.format("%F %H:%M UTC").to_string(),
        Some(time) => time.local().format("%F %H:%M").to_string(),
    }
}
