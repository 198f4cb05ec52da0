//! `calsync schedule`: when each link runs, how its last run went; pause, resume, run now.

use calsync_core::{
    model::LinkId,
    schedule::{Entry, LastRun, Outcome, Schedule, ScheduleError, Status, Task},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    IN_STEP,
    app::App,
    cadence,
    config::{LinkConfig, ProviderKind},
    error::CliError,
    output::{Format, print, print_json, print_table},
};

/// What becomes of a link's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Pause,
    Resume,
    Run,
    Nudge,
}

impl From<ScheduleError> for CliError {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Store(error) => Self::Store(error),
            other => Self::Unmet(other.to_string()),
        }
    }
}

pub(crate) fn schedule(app: &App) -> Schedule {
    Schedule::new(app.store.clone(), app.clock.clone())
}

/// Whether somebody stopped a link.
pub(crate) async fn is_paused(app: &App, link: &LinkConfig) -> Result<bool, CliError> {
    match schedule(app).entry(&task(link)).await {
        Ok(entry) => Ok(entry.paused.is_some()),
        Err(ScheduleError::Unknown { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes a link out of the schedule.
pub(crate) async fn remove(app: &App, link: &str) -> Result<(), CliError> {
    let link = LinkId::from(link);
    schedule(app).remove(&Task::Renew(link.clone())).await?;
    Ok(schedule(app).remove(&Task::Sync(link)).await?)
}

fn task(link: &LinkConfig) -> Task {
    Task::Sync(LinkId::from(link.name.as_str()))
}

/// Puts a link into the schedule, as the configuration has it.
pub(crate) async fn put(app: &App, link: &LinkConfig) -> Result<Entry, CliError> {
    let known = app.config.connections.get(&link.connection);
    let Some(connection) = known else {
        return Err(CliError::Config(format!("link {}: no connection {}", link.name, link.connection)));
    };
    let schedule = schedule(app);
    let cadence = cadence::cadence(link, connection.provider)?;
    // What its provider asked for meanwhile stays: a feed's refresh hint, and what the calls of webhooks prove.
    let measured = match connection.provider {
        ProviderKind::Ics => true,
        ProviderKind::Google | ProviderKind::Microsoft => app.config.webhooks.is_some(),
        ProviderKind::Caldav | ProviderKind::Cozi => false,
    };
    if cadence::is_preset(link)
        && measured
        && let Ok(entry) = schedule.entry(&task(link)).await
        && entry.priority == cadence::priority(link)
    {
        return Ok(entry);
    }
    Ok(schedule.put(&task(link), &cadence, cadence::priority(link)).await?)
}

pub(crate) async fn list(app: &App, format: Format) -> Result<u8, CliError> {
    let schedule = schedule(app);
    let mut found: Vec<(&LinkConfig, Option<Entry>)> = Vec::new();
    for link in app.links(None)? {
        let entry = match schedule.entry(&task(link)).await {
            Ok(entry) => Some(entry),
            Err(ScheduleError::Unknown { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        found.push((link, entry));
    }
    match format {
        Format::Json => {
            let links: Vec<Value> =
                found.iter().map(|(link, entry)| as_json(link, entry.as_ref(), &schedule)).collect();
            print_json(&json!({ "links": links }))?;
        }
        Format::Table => {
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|(link, entry)| {
                    let mut row = vec![link.name.clone()];
                    row.extend(match entry {
                        Some(entry) => [
                            entry.cadence.to_string(),
                            stands(entry, &schedule),
                            shown(next(entry, &schedule)),
                            shown(entry.last.as_ref().map(|last| last.started)),
                            entry.last.as_ref().map(told).unwrap_or_default(),
                        ],
                        None => ["", "unscheduled", "", "", ""].map(str::to_owned),
                    });
                    row
                })
                .collect();
            print_table(&["link", "cadence", "status", "next run", "last run", "it"], &rows)?;
        }
    }
    Ok(IN_STEP)
}

pub(crate) async fn change(app: &App, link: &str, change: Change, format: Format) -> Result<u8, CliError> {
    let schedule = schedule(app);
    for link in app.links(Some(link))? {
        let task = task(link);
        if let Err(ScheduleError::Unknown { .. }) = schedule.entry(&task).await {
            put(app, link).await?;
        }
        let entry = match change {
            Change::Pause => schedule.pause(&task).await,
            Change::Resume => schedule.resume(&task).await,
            Change::Run => schedule.run_now(&task).await,
            Change::Nudge => schedule.nudge(&task).await,
        }?;
        if format == Format::Json {
            print_json(&as_json(link, Some(&entry), &schedule))?;
            continue;
        }
        let when = match next(&entry, &schedule) {
            _ if entry.running.is_some() => "a worker is at it".to_owned(),
            Some(next) => format!("next run {}", shown(Some(next))),
            None if entry.paused.is_some() => format!(
                "paused: neither a worker nor `calsync sync` runs it; `calsync run {}` does, and leaves it paused",
                link.name
            ),
            None => "runs when it is asked".to_owned(),
        };
        print(&format!("{}: {when}\n", link.name))?;
    }
    Ok(IN_STEP)
}

/// The next run; while a worker is at it, the one after is not known.
fn next(entry: &Entry, schedule: &Schedule) -> Option<DateTime<Utc>> {
    if entry.running.is_some() { None } else { entry.due(schedule.timing()) }
}

fn as_json(link: &LinkConfig, entry: Option<&Entry>, schedule: &Schedule) -> Value {
    let Some(entry) = entry else {
        return json!({ "name": link.name, "status": "unscheduled" });
    };
    let last = entry.last.as_ref().map(|last| {
        let (outcome, error) = match &last.outcome {
            Outcome::Failed { error, .. } => (outcome(last), Some(error)),
            _ => (outcome(last), None),
        };
        json!({
            "run": last.run,
            "started": last.started,
            "ended": last.ended,
            "outcome": outcome,
            "error": error,
        })
    });
    json!({
        "name": link.name,
        "cadence": entry.cadence.to_string(),
        "priority": entry.priority,
        "status": status(entry, schedule),
        "next": next(entry, schedule),
        "last": last,
        "last_success": entry.last_success,
        "failures": entry.failures,
        "since": entry.since(schedule.timing()),
        "reason": entry.reason(),
        "paused_since": entry.paused.as_ref().map(|paused| paused.since),
    })
}

fn status(entry: &Entry, schedule: &Schedule) -> &'static str {
    word(&entry.status(schedule.timing()))
}

pub(super) fn word(status: &Status) -> &'static str {
    match status {
        Status::Waiting => "waiting",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::BackingOff => "backing-off",
        Status::CircuitOpen => "circuit-open",
        Status::NeedsReauth => "needs-reauth",
    }
}

/// How it stands, and since when where that is not as it should be.
fn stands(entry: &Entry, schedule: &Schedule) -> String {
    let status = status(entry, schedule);
    match entry.since(schedule.timing()).filter(|_| entry.reason().is_some() || entry.paused.is_some()) {
        Some(since) => format!("{status} since {}", shown(Some(since))),
        None => status.to_owned(),
    }
}

fn outcome(last: &LastRun) -> &'static str {
    match last.outcome {
        Outcome::Done => "done",
        Outcome::Held => "held",
        Outcome::Failed { .. } => "failed",
        Outcome::Died => "died",
    }
}

fn told(last: &LastRun) -> String {
    match &last.outcome {
        Outcome::Done => "went well".to_owned(),
        Outcome::Held => "waits for a person".to_owned(),
        Outcome::Failed { error, .. } => error.clone(),
        Outcome::Died => "killed its workers".to_owned(),
    }
}

pub(super) fn shown(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| at.format("%F %T").to_string()).unwrap_or_default()
}
