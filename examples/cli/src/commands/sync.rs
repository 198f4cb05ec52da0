//! `calsync sync`.

use std::{collections::HashMap, sync::Arc};

use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::{CalendarId, EventId, LinkId},
    plan::{Action, Evidence, Operation, PlanId},
    provider::UnreadKind,
    store::{ConflictRecord, ConflictState, QuarantineRecord, Record, RecordKind},
};
use calsync_providers::{caldav::same_calendar, http::HttpTransport};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    HELD, IN_STEP,
    app::App,
    config::LinkConfig,
    connect::{self, Joined},
    error::CliError,
    known,
    lease::when_free,
    output::{Format, plain, print, print_json, print_table, quoted, tell},
};

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Apply,
    DryRun,
}

/// What was asked for.
pub(crate) struct Request {
    pub(crate) link: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) format: Format,
    pub(crate) approve: Option<String>,
    pub(crate) refuse: Option<String>,
}

/// How often the links of one calendar take turns before the next `sync` goes on.
const PASSES: usize = 4;

pub(crate) async fn run(app: &App, request: Request) -> Result<u8, CliError> {
    let (mut links, mut paused, mut stays_paused) = (Vec::new(), Vec::new(), false);
    for link in app.links(request.link.as_deref())? {
        // One that is asked for by name runs.
        match super::schedule::is_paused(app, link).await? {
            true if request.link.is_none() => paused.push(link),
            is_paused => {
                links.push(link);
                if is_paused {
                    stays_paused = true;
                    tell(&format!(
                        "link {0}: it runs this once and stays paused; `calsync links resume {0}` lets it run again",
                        link.name
                    ));
                }
            }
        }
    }
    let begun = app.clock.now();
    let transport = connect::transport()?;
    let mut options = SyncOptions::default();
    if let Some(plan) = &request.approve {
        options = options.approving(PlanId(plan.clone()));
    }
    if let Some(plan) = &request.refuse {
        options = options.refusing(PlanId(plan.clone()));
    }
    let mut reports: Vec<(&LinkConfig, Result<SyncReport, CliError>)> = Vec::new();
    let mut joined: Vec<Link> = Vec::new();
    let asked = request.approve.as_ref().or(request.refuse.as_ref());
    // A preview answers nothing.
    let mut answered = asked.is_none() || request.mode == Mode::DryRun;
    // What one link brings into a calendar goes out by the others of it, also by those that ran before: a few rounds, since
    // each may meet an edit of its own.
    let mut round: Vec<&LinkConfig> = links.clone();
    for pass in 0..PASSES {
        let mut changed: Vec<(usize, &str)> = Vec::new();
        for config in std::mem::take(&mut round) {
            if pass > 0 {
                joined.retain(|link| link.id.as_str() != config.name);
            }
            let result = sync_link(app, config, &transport, request.mode, &options, &mut joined).await;
            let result = result.map_err(|error| error.in_store(&app.place));
            app.meter.clear();
            if let (Ok(report), Some(plan)) = (&result, asked) {
                answered |= report.answered.as_ref().is_some_and(|done| done.0 == *plan);
            }
            if let Err(error) = &result {
                let (place, hint) =
                    (app.whereabouts(&config.connection), app.hint(&config.connection, error));
                tell(&format!("link {} ({place}): {error}{hint}", config.name));
            }
            if let Ok(SyncReport { counts, .. }) = &result
                && counts.created + counts.updated + counts.deleted > 0
            {
                changed.push((
                    links.iter().position(|link| link.name == config.name).unwrap_or(0),
                    &config.calendar,
                ));
            }
            match reports.iter_mut().find(|(known, _)| known.name == config.name) {
                Some((_, earlier)) => join_reports(earlier, result),
                None => reports.push((config, result)),
            }
        }
        if request.mode == Mode::Apply {
            // Links before the one that brought something, and on the first pass links after it have seen it already.
            let behind = |at: usize, link: &LinkConfig| {
                changed.iter().any(|(source, calendar)| {
                    *calendar == link.calendar && (at < *source || pass > 0 && at != *source)
                })
            };
            round = links
                .iter()
                .enumerate()
                .filter(|(at, link)| behind(*at, link))
                .map(|(_, link)| *link)
                .collect();
        }
        if round.is_empty() {
            break;
        }
    }
    let mut waiting = HashMap::new();
    for (config, result) in &reports {
        if result.is_ok() {
            waiting.insert(config.name.as_str(), waiting_conflicts(app, &config.name).await?);
        }
    }
    show(app, &reports, &Beside { paused: &paused, stays_paused, waiting: &waiting }, &request, begun)
        .await?;
    let failed: Vec<&CliError> = reports.iter().filter_map(|(_, result)| result.as_ref().err()).collect();
    if !failed.is_empty() {
        let credentials = failed.iter().any(|error| error.needs_credentials());
        return Err(CliError::Links { failed: failed.len(), all: links.len(), credentials });
    }
    if !answered {
        return Err(CliError::Unmet(
            "no link holds a plan with this id: nothing was approved or refused, the deletions are others now".to_owned(),
        ));
    }
    let stuck: usize = reports
        .iter()
        .filter_map(|(_, result)| result.as_ref().ok())
        .map(|report| report.waiting + report.wedged)
        .sum();
    if stuck > 0 {
        return Err(CliError::Unmet(format!(
            "{stuck} changes did not reach the remote side; they are kept, and `calsync sync` tries those again that can be; `calsync outbox` lists them"
        )));
    }
    let held = reports.iter().any(|(_, result)| {
        result
            .as_ref()
            .is_ok_and(|report| report.plan.held || report.undecided > 0 && request.mode == Mode::Apply)
    });
    let asks = request.mode == Mode::Apply && waiting.values().any(|count| *count > 0);
    Ok(if held || asks { HELD } else { IN_STEP })
}

/// Adds what a later round did to what is told of a link.
fn join_reports(earlier: &mut Result<SyncReport, CliError>, later: Result<SyncReport, CliError>) {
    match (earlier, later) {
        (Ok(earlier), Ok(later)) => {
            let mut sum = later;
            let before = earlier.counts;
            sum.counts.pulled += before.pulled;
            sum.counts.created += before.created;
            sum.counts.updated += before.updated;
            sum.counts.deleted += before.deleted;
            sum.counts.pushed += before.pushed;
            sum.counts.conflicts += before.conflicts;
            sum.counts.requests += before.requests;
            sum.answered = sum.answered.or(earlier.answered.take());
            // What waits is of the last round; what was done is of both.
            let done = std::mem::take(&mut earlier.plan.operations);
            sum.plan.operations.splice(0..0, done.into_iter().filter(|operation| !operation.deletes()));
            *earlier = sum;
        }
        (earlier, Err(error)) => *earlier = Err(error),
        // It failed before and went through now.
        (earlier @ Err(_), later) => *earlier = later,
    }
}

async fn sync_link(
    app: &App,
    config: &LinkConfig,
    transport: &Arc<dyn HttpTransport>,
    mode: Mode,
    options: &SyncOptions,
    before: &mut Vec<Link>,
) -> Result<SyncReport, CliError> {
    let found = connect::join(app, config, transport).await?;
    known::refuse_renamed(app, &found).await?;
    let Joined { link, provider } = found;
    // By name, by URL or through another connection: two links between the same two calendars would echo each other.
    let twin = before.iter().find(|other| {
        other.calendar == link.calendar
            && (other.remote == link.remote || same_calendar(&other.remote, &link.remote))
    });
    if let Some(twin) = twin {
        return Err(CliError::Config(format!(
            "links {} and {} join the same two calendars: remove one of them",
            twin.id, link.id
        )));
    }
    before.push(link.clone());
    if mode == Mode::DryRun {
        return Ok(app.engine.plan(&link, &*provider, options).await?);
    }
    app.ensure_calendar(&config.calendar).await?;
    Ok(when_free(app, &link.id, async || app.engine.sync(&link, &*provider, options).await).await?)
}

/// What is told beside the reports.
struct Beside<'a> {
    /// Links that were left out, since somebody paused them.
    paused: &'a [&'a LinkConfig],
    /// The one that was asked for ran once and stays paused.
    stays_paused: bool,
    /// Conflicts that nobody has answered yet, by link.
    waiting: &'a HashMap<&'a str, usize>,
}

impl Beside<'_> {
    fn waiting(&self, config: &LinkConfig) -> usize {
        self.waiting.get(config.name.as_str()).copied().unwrap_or_default()
    }
}

async fn show(
    app: &App,
    reports: &[(&LinkConfig, Result<SyncReport, CliError>)],
    beside: &Beside<'_>,
    request: &Request,
    begun: DateTime<Utc>,
) -> Result<(), CliError> {
    let mode = request.mode;
    if request.format == Format::Json {
        let mut links = Vec::new();
        for (config, result) in reports {
            let mut link = as_json(&config.name, result, mode);
            link["paused"] = json!(beside.stays_paused);
            if result.is_ok() {
                let items = quarantine(app, &config.name).await?;
                let items =
                    items.iter().map(|row| json!({ "item": row.remote_id.as_str(), "reason": row.reason }));
                link["quarantine"] = items.collect();
                link["losses"] =
                    losses(result).map(|(event, lost)| json!({ "event": event, "lost": lost })).collect();
                link["open_conflicts"] = json!(beside.waiting(config));
            }
            links.push(link);
        }
        links.extend(beside.paused.iter().map(|link| json!({ "name": link.name, "paused": true })));
        return print_json(&json!({ "links": links }));
    }
    let mut rows: Vec<Vec<String>> = reports
        .iter()
        .map(|(config, result)| {
            let mut row = vec![config.name.clone()];
            match result {
                Ok(report) => {
                    let counts = report.counts;
                    for number in [
                        counts.pulled,
                        counts.created,
                        counts.updated,
                        counts.deleted,
                        counts.pushed,
                        counts.conflicts,
                        counts.quarantined,
                        counts.held,
                        counts.requests,
                    ] {
                        row.push(number.to_string());
                    }
                    row.push(verdict(report, beside.waiting(config), mode));
                }
                Err(error) => {
                    row.extend(std::iter::repeat_n("-".to_owned(), 9));
                    row.push(
                        if error.needs_credentials() { "credentials needed" } else { "failed" }.to_owned(),
                    );
                }
            }
            row
        })
        .collect();
    rows.extend(beside.paused.iter().map(|link| {
        let none = std::iter::repeat_n("-".to_owned(), 9);
        std::iter::once(link.name.clone()).chain(none).chain(["paused".to_owned()]).collect()
    }));
    let head = [
        "link",
        "pulled",
        "created",
        "updated",
        "deleted",
        "pushed",
        "conflicts",
        "quarantined",
        "held",
        "requests",
        "",
    ];
    print_table(&head, &rows)?;
    for (config, result) in reports {
        if result.is_ok() {
            for row in quarantine(app, &config.name).await?.iter().filter(|row| row.since >= begun) {
                let (item, reason) = (plain(row.remote_id.as_str()), plain(&row.reason));
                print(&format!("{}: {item} is left alone: {reason}\n", config.name))?;
            }
        }
        let waiting = beside.waiting(config);
        if waiting > 0 {
            print(&format!(
                "{0}: {1}: `calsync conflicts --open` shows what both sides have, `calsync conflicts \
                 answer ID --take local|remote` decides\n",
                config.name,
                conflicts(waiting)
            ))?;
        }
        tell_losses(&config.name, result, mode)?;
        if let Ok(report) = result
            && (mode == Mode::DryRun
                || report.plan.held
                || report.undecided > 0
                || joined(report).next().is_some())
        {
            let events = events_of(app, &config.calendar, &report.plan.operations).await?;
            show_plan(&config.name, report, &events, mode)?;
        }
    }
    Ok(())
}

fn conflicts(waiting: usize) -> String {
    match waiting {
        1 => "1 conflict waits for an answer".to_owned(),
        waiting => format!("{waiting} conflicts wait for an answer"),
    }
}

/// Conflicts of a link that nobody has answered yet, or not whole.
async fn waiting_conflicts(app: &App, link: &str) -> Result<usize, CliError> {
    let conflicts = app.hub.conflicts(&LinkId::from(link)).await?;
    let waits = |conflict: &&ConflictRecord| conflict.state == ConflictState::Open && !conflict.is_answered();
    Ok(conflicts.iter().filter(waits).count())
}

/// The items `quarantined` counts.
async fn quarantine(app: &App, link: &str) -> Result<Vec<Box<QuarantineRecord>>, CliError> {
    let rows = app.records_of(link, RecordKind::Quarantine).await?.into_iter();
    Ok(rows
        .filter_map(|row| match row {
            Record::Quarantine(row) => {
                matches!(row.kind, UnreadKind::Unreadable | UnreadKind::Unfetched).then_some(row)
            }
            _ => None,
        })
        .collect())
}

/// What a person knows the events of a plan by: their title and start.
pub(super) async fn events_of(
    app: &App,
    calendar: &str,
    operations: &[Operation],
) -> Result<HashMap<EventId, String>, CliError> {
    let calendar = CalendarId::from(calendar);
    let ids: Vec<EventId> = operations.iter().filter_map(|operation| operation.event_id.clone()).collect();
    let mut names = HashMap::new();
    for ids in ids.chunks(200) {
        for record in app.store.events(&calendar, ids).await? {
            let Some(body) = record.event.body() else { continue };
            let title = body.title.as_deref().map_or_else(|| "(no title)".to_owned(), quoted);
            let start = body.time.start.local().format("%F %H:%M");
            names.insert(record.id, format!("{title}, {start}"));
        }
    }
    Ok(names)
}

/// Events that hold what their items cannot.
fn losses(result: &Result<SyncReport, CliError>) -> impl Iterator<Item = (Option<&str>, &[String])> {
    let operations = result.iter().flat_map(|report| &report.plan.operations);
    operations
        .filter(|operation| !operation.losses.is_empty())
        .map(|operation| (operation.event_id.as_ref().map(EventId::as_str), &*operation.losses))
}

/// Says what was written with less than it holds: whoever looks at the other side misses it there.
fn tell_losses(name: &str, result: &Result<SyncReport, CliError>, mode: Mode) -> Result<(), CliError> {
    // What a dry run would do is told event by event.
    let count = losses(result).count();
    if count == 0 || mode == Mode::DryRun {
        return Ok(());
    }
    let mut kinds: Vec<&str> = losses(result).flat_map(|(_, lost)| lost).map(String::as_str).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let more = if kinds.len() > LOSSES_SHOWN { ", ..." } else { "" };
    kinds.truncate(LOSSES_SHOWN);
    let (number, verb) =
        if count == 1 { ("1 event", "holds") } else { (&*format!("{count} events"), "hold") };
    print(&format!(
        "{name}: {number} {verb} what cannot be held there: {}{more}. It stays here; `calsync explain` tells it of each event\n",
        plain(&kinds.join(", "))
    ))
}

/// Kinds of losses that are named.
const LOSSES_SHOWN: usize = 5;

/// What says that an item has the UID of an event.
const BY_UID: &str = "the same event is on both sides";

/// What was on both sides when they first met.
fn joined(report: &SyncReport) -> impl Iterator<Item = &Operation> {
    report.plan.operations.iter().filter(|operation| operation.action == Action::Join)
}

fn show_plan(
    name: &str,
    report: &SyncReport,
    events: &HashMap<EventId, String>,
    mode: Mode,
) -> Result<(), CliError> {
    // What was joined by anything but its UID is for somebody to look at.
    let guessed = |operation: &Operation| operation.action == Action::Join && operation.reason != BY_UID;
    let waits =
        |operation: &&Operation| operation.deletes() || operation.action == Action::Ask || guessed(operation);
    let shown = report.plan.operations.iter().filter(|operation| mode == Mode::DryRun || waits(operation));
    for operation in shown {
        print(&format!("{name}: {}\n", describe(operation, events)))?;
    }
    let all = joined(report).count();
    if all > 0 {
        let like = joined(report).filter(|operation| guessed(operation)).count();
        print(&format!(
            "{name}: {all} items there were events here already: {} by their UID, {like} by title, start and place or by an answer\n",
            all - like
        ))?;
    }
    if report.outside > 0 && mode == Mode::DryRun {
        let (number, verb) = if report.outside == 1 {
            ("1 event", "is")
        } else {
            (&*format!("{} events", report.outside), "are")
        };
        print(&format!("{name}: {number} looked at {verb} outside the window of what is copied\n"))?;
    }
    if report.undecided > 0 && mode == Mode::Apply {
        print(&format!(
            "{name}: {} items there may be the same as events here: `calsync matches` shows them\n",
            report.undecided
        ))?;
    }
    if report.plan.held {
        print(&format!(
            "{name}: {} deletions are held. To carry out exactly these: calsync sync --link {name} --approve {id}\n\
             {name}: To bring the events back where they were deleted: calsync sync --link {name} --refuse {id}\n",
            report.counts.held,
            id = report.plan_id
        ))?;
    }
    Ok(())
}

fn describe(operation: &Operation, events: &HashMap<EventId, String>) -> String {
    let what = serde_json::to_value(operation.action).ok().and_then(|v| v.as_str().map(str::to_owned));
    let mut text = what.unwrap_or_default();
    if let Some(event) = &operation.event_id {
        text.push_str(&format!(" event {event}"));
        if let Some(known) = events.get(event) {
            text.push_str(&format!(" ({known})"));
        }
    } else if let Some(item) = &operation.remote_id {
        text.push_str(&format!(" item {}", plain(item.as_str())));
    }
    let list = |name: &str, fields: Vec<String>| {
        if fields.is_empty() { String::new() } else { format!("; {name} {}", fields.join(", ")) }
    };
    let names =
        |fields: &[calsync_core::diff::Field]| fields.iter().map(ToString::to_string).collect::<Vec<_>>();
    text.push_str(&format!(": {}", operation.reason));
    if let Some(evidence) = operation.evidence {
        text.push_str(match evidence {
            Evidence::Reported => " (the remote side reported it)",
            Evidence::Absent => " (a complete listing lacks it)",
            Evidence::NotFound => " (it was asked for and is not there)",
            Evidence::DeletedHere => "",
            Evidence::LeftOut | Evidence::OutsideWindow => " (the event itself stays)",
            Evidence::MadeAgain => "",
            Evidence::Marked => " (the link wrote it)",
        });
    }
    text.push_str(&list("comes in:", names(&operation.to_local)));
    text.push_str(&list("goes out:", names(&operation.to_remote)));
    text.push_str(&list("contested:", names(&operation.contested)));
    text.push_str(&list("cannot be held there:", operation.losses.clone()));
    text
}

fn verdict(report: &SyncReport, waiting: usize, mode: Mode) -> String {
    match () {
        () if report.plan.held => format!("held: plan {}", report.plan_id),
        () if mode == Mode::DryRun => format!("would do plan {}", report.plan_id),
        () if report.wedged > 0 => format!("{} refused by the remote side", report.wedged),
        () if report.undecided > 0 => format!("{} wait for an answer", report.undecided),
        () if report.waiting > 0 => format!("{} waiting for the remote side", report.waiting),
        () if waiting > 0 => conflicts(waiting),
        () => "in step".to_owned(),
    }
}

fn as_json(name: &str, result: &Result<SyncReport, CliError>, mode: Mode) -> Value {
    let mut counts = calsync_core::store::RunCounts::default();
    let mut link = json!({ "name": name, "plan_id": null });
    match result {
        Ok(report) => {
            counts = report.counts;
            if !report.plan.operations.is_empty() {
                link["plan_id"] = json!(report.plan_id.0);
            }
            link["run_id"] = json!(report.run.as_str());
            link["waiting"] = json!(report.waiting);
            link["wedged"] = json!(report.wedged);
            link["undecided"] = json!(report.undecided);
            link["outside"] = json!(report.outside);
            link["answered"] = json!(report.answered);
            link["joined"] = joined(report)
                .map(|join| json!({ "event": join.event_id, "item": join.remote_id, "reason": join.reason }))
                .collect();
            if mode == Mode::DryRun || report.plan.held {
                link["plan"] = json!(report.plan.operations);
            }
        }
        Err(error) => link["error"] = json!(error.to_string()),
    }
    if let (Value::Object(link), Ok(Value::Object(counts))) = (&mut link, serde_json::to_value(counts)) {
        link.extend(counts);
    }
    link
}
