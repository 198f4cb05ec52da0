//! `calsync worker`: runs links when the schedule says so, until it is told to stop.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use calsync_core::{
    context::RandomIds,
    model::{CalendarId, LinkId, RemoteCalendarId},
    provider::{Fault, Retry},
    schedule::{Cadence, Preset, Priority, Task},
    store::Claims,
    worker::{Ended, Host, Opened, Timer, WorkError, Worker, WorkerEvent, WorkerOptions},
};
use calsync_providers::{caldav::same_calendar, http::HttpTransport};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};
use serde_json::json;

use super::{schedule, watch::OneLink};
use crate::{
    IN_STEP, account,
    app::App,
    cadence,
    config::{LinkConfig, ProviderKind},
    connect::{self, Joined},
    error::CliError,
    hooks::{self, Hooks},
    known,
    output::{Format, print, tell},
};

/// How long a worker rests that is woken.
const WOKEN: TimeDelta = TimeDelta::seconds(10);

/// The links of the configuration, for the worker.
struct Links {
    app: App,
    transport: Arc<dyn HttpTransport>,
    format: Format,
    /// Runs that found nothing are not told of.
    quiet: bool,
    /// What each link was joined to: two links between the same two calendars would echo each other.
    joined: Mutex<BTreeMap<LinkId, (CalendarId, RemoteCalendarId)>>,
    hooks: Hooks,
}

impl Links {
    async fn join(&self, config: &LinkConfig) -> Result<Opened, CliError> {
        let app = &self.app;
        app.ensure_calendar(&config.calendar).await?;
        let found = connect::join(app, config, &self.transport).await?;
        known::refuse_renamed(app, &found).await?;
        let Joined { link, provider } = found;
        {
            let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
            let twin = joined.iter().find(|(other, (calendar, remote))| {
                **other != link.id
                    && *calendar == link.calendar
                    && (*remote == link.remote || same_calendar(remote, &link.remote))
            });
            if let Some((twin, _)) = twin {
                return Err(CliError::Config(format!(
                    "links {twin} and {} join the same two calendars: remove one of them",
                    link.id
                )));
            }
            joined.insert(link.id.clone(), (link.calendar.clone(), link.remote.clone()));
        }
        let others = app
            .config
            .links
            .iter()
            .filter(|other| other.calendar == config.calendar && other.name != config.name);
        let others = others.map(|other| LinkId::from(other.name.as_str())).collect();
        let cadence = self.asked_for(config).await?;
        let mut opened = Opened::new(link, Arc::from(provider));
        opened.others = others;
        if let Some(connection) = self.app.config.connections.get(&config.connection) {
            opened.announcements = self.hooks.announcements(connection.provider);
            // What cannot be read stops the run itself, with its reason.
            let end = account::sign_in_ends(app, &config.connection, connection, &self.transport).await;
            opened.credentials_end = end.unwrap_or_default();
        }
        opened.cadence = cadence;
        Ok(opened)
    }

    fn provider(&self, config: &LinkConfig) -> Option<ProviderKind> {
        self.app.config.connections.get(&config.connection).map(|connection| connection.provider)
    }

    fn config(&self, link: &LinkId) -> Option<&LinkConfig> {
        self.app.config.links.iter().find(|config| config.name == link.as_str())
    }

    /// How often the configuration wants it to run, else how often a feed wants to be asked. `None`: as the schedule has it.
    async fn asked_for(&self, config: &LinkConfig) -> Result<Option<Cadence>, CliError> {
        let app = &self.app;
        let Some(connection) = app.config.connections.get(&config.connection) else { return Ok(None) };
        if !cadence::is_preset(config) {
            // What somebody wrote goes before what calls prove.
            return cadence::cadence(config, connection.provider).map(Some);
        }
        if connection.provider != ProviderKind::Ics {
            return Ok(None);
        }
        let state = app.store.link(&LinkId::from(config.name.as_str())).await?;
        let Some(cursor) = state.and_then(|state| state.cursor) else { return Ok(None) };
        let feed = connect::ics(app, &config.connection, connection, &self.transport).await?;
        let refresh = TimeDelta::from_std(feed.refresh_after(Some(&cursor))).ok();
        Ok(Some(Preset::Ics { refresh }.cadence()))
    }
}

#[async_trait]
impl Host for Links {
    /// Every claim is of the configuration's tenant: a link that is not known here is one that was taken out of it.
    async fn open(&self, _tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError> {
        let Some(config) = self.config(link) else { return Ok(None) };
        self.join(config).await.map(Some).map_err(as_work)
    }

    async fn renew(&self, _tenant: &str, link: &LinkId) -> Result<Option<DateTime<Utc>>, WorkError> {
        let Some(config) = self.config(link) else { return Ok(None) };
        let Some(provider) = self.provider(config) else { return Ok(None) };
        let joined = connect::join(&self.app, config, &self.transport).await.map_err(as_work)?;
        self.hooks.tend(&joined, provider).await.map_err(hooks::as_work)
    }

    fn tell(&self, event: &WorkerEvent) {
        match self.format {
            Format::Json => {
                if let Some(line) = as_json(event) {
                    // A reader that went away does not stop the work.
                    let _ = print(&format!("{line}\n"));
                }
            }
            Format::Table => {
                if let Some(line) = as_text(event, self.quiet) {
                    tell(&line);
                }
            }
        }
    }
}

fn as_work(error: CliError) -> WorkError {
    match error {
        CliError::Engine(error) => error.into(),
        CliError::Provider(error) => error.into(),
        CliError::Store(error) => error.into(),
        error @ (CliError::Credentials(_) | CliError::Unconnected(_)) => {
            WorkError::new(Fault::Credentials, Retry::Never, error.to_string())
        }
        other => WorkError::new(Fault::Caller, Retry::Never, other.to_string()),
    }
}

/// Waits by the clock of tokio.
struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

/// What a worker looks after.
pub(crate) enum Scope {
    /// Every link, so many at once.
    All(usize),
    /// One, which runs at once.
    One(String),
}

pub(crate) async fn run(app: App, scope: Scope, format: Format) -> Result<u8, CliError> {
    let only = match &scope {
        Scope::All(_) => None,
        Scope::One(link) => Some(link.as_str()),
    };
    let links = app.links(only)?;
    let day = Preset::Ics { refresh: Some(TimeDelta::days(1)) }.cadence();
    let hooks = Hooks::new(&app)?;
    for link in &links {
        schedule::put(&app, link).await?;
        let Some(connection) = app.config.connections.get(&link.connection) else { continue };
        let id = LinkId::from(link.name.as_str());
        // At the latest once a day; the plan of the channels says when sooner.
        if hooks.concerns(&id, connection.provider).await? {
            schedule::schedule(&app).put(&Task::Renew(id), &day, Priority::Normal).await?;
        }
    }
    let answering = match (&app.config.webhooks, &scope) {
        (Some(section), Scope::All(_)) => Either::Left(hooks.serve(section).await?),
        _ => Either::Right(std::future::pending()),
    };
    let schedule = schedule::schedule(&app);
    match &scope {
        Scope::All(_) => {
            schedule.put(&Task::Retain, &day, Priority::Low).await?;
        }
        Scope::One(link) => {
            schedule.run_now(&Task::Sync(LinkId::from(link.as_str()))).await?;
        }
    }
    let transport = connect::transport()?;
    let claims: Arc<dyn Claims> = match &scope {
        Scope::All(_) => app.claims.clone(),
        Scope::One(link) => Arc::new(OneLink::new(&app, link)),
    };
    let ids = RandomIds::new().map_err(|error| CliError::Io { what: "randomness".to_owned(), error })?;
    let clock = app.clock.clone();
    let count = links.len();
    let quiet = matches!(scope, Scope::All(_));
    let wakes = app.wakes.clone();
    let host = Arc::new(Links { app, transport, format, quiet, joined: Mutex::default(), hooks });
    let mut options = WorkerOptions::default();
    options.concurrency = if let Scope::All(concurrency) = scope { concurrency } else { 1 };
    if wakes.is_some() {
        // What others make due wakes it: looking is for what nobody told.
        options.poll = WOKEN;
    }
    let mut worker =
        Worker::new(claims, host, clock, Arc::new(ids), Arc::new(TokioTimer)).with_options(options);
    if let Some(wakes) = wakes {
        worker = worker.with_wakes(wakes);
    }
    if format == Format::Table {
        match only {
            None => tell(&format!("keeping {count} links in step; stop with Ctrl-C")),
            Some(link) => tell(&format!("keeping {link} in step; stop with Ctrl-C")),
        }
    }
    let stop = stop()?;
    // Calls are answered as long as it works; what is dropped with it is called again.
    let report = match select(pin!(worker.run(stop)), pin!(answering)).await {
        Either::Left((report, _)) => report,
        Either::Right(((), worker)) => worker.await,
    };
    if format == Format::Table {
        tell(&format!(
            "stopped: {} runs went through, {} failed, {} were given back",
            report.done, report.failed, report.returned
        ));
    }
    Ok(IN_STEP)
}

/// Ends when the process is asked to stop: Ctrl-C, or SIGTERM where there are signals.
pub(crate) fn stop() -> Result<impl Future<Output = ()> + Send, CliError> {
    #[cfg(unix)]
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| CliError::Io { what: "signals".to_owned(), error })?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn as_json(event: &WorkerEvent) -> Option<serde_json::Value> {
    Some(match event {
        WorkerEvent::Started { task, late, .. } => {
            json!({ "event": "started", "task": task.key(), "late_seconds": late.num_seconds() })
        }
        WorkerEvent::Ended { ended, .. } => match &**ended {
            Ended::Done { task, counts, took, next, .. } => json!({
                "event": "done", "task": task.key(), "counts": counts, "milliseconds": took.num_milliseconds(), "next": next,
            }),
            Ended::Failed { task, error, status, next, .. } => json!({
                "event": "failed", "task": task.key(), "error": error, "status": status, "next": next,
            }),
            Ended::Returned { task } => json!({ "event": "returned", "task": task.key() }),
            Ended::Lost { key } => json!({ "event": "lost", "task": key }),
            Ended::Removed { task } => json!({ "event": "removed", "task": task.key() }),
            _ => return None,
        },
        WorkerEvent::Alert { alert, .. } => json!({
            "event": "alert", "kind": alert.kind(), "link": alert.link(), "text": alert.to_string(),
        }),
        WorkerEvent::StoreFailed { error } => json!({ "event": "store-failed", "error": error }),
        WorkerEvent::Unreadable { key, .. } => json!({ "event": "unreadable", "task": key }),
        _ => return None,
    })
}

/// What a person wants to see: not every run that found nothing.
fn as_text(event: &WorkerEvent, quiet: bool) -> Option<String> {
    match event {
        WorkerEvent::Ended { ended, .. } => match &**ended {
            Ended::Done { task, counts: Some(counts), next, .. } => {
                let done = [
                    (counts.created, "created"),
                    (counts.updated, "updated"),
                    (counts.deleted, "deleted"),
                    (counts.pushed, "pushed"),
                    (counts.conflicts, "conflicts"),
                    (counts.held, "held"),
                ];
                let done: Vec<String> = done
                    .iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, what)| format!("{count} {what}"))
                    .collect();
                if quiet {
                    return (!done.is_empty()).then(|| format!("{}: {}", task.key(), done.join(", ")));
                }
                let done = if done.is_empty() { "nothing new".to_owned() } else { done.join(", ") };
                let next = next.map_or_else(
                    || "runs when it is asked".to_owned(),
                    |next| format!("next run {}", next.format("%F %T")),
                );
                Some(format!("{}: {done}; {next}", task.key()))
            }
            Ended::Failed { task, error, .. } => Some(format!("{}: {error}", task.key())),
            Ended::Lost { key } => Some(format!("{key}: another worker took over")),
            _ => None,
        },
        WorkerEvent::Alert { alert, .. } => Some(format!("alert: {alert}")),
        WorkerEvent::StoreFailed { error } => Some(format!("the store does not answer: {error}")),
        WorkerEvent::Unreadable { key, .. } => {
            Some(format!("{key}: the entry of the schedule is not readable"))
        }
        _ => None,
    }
}
