//! One run: begun, prolonged while it goes on, and recorded however it ends.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{
    FutureExt as _,
    future::{AbortRegistration, Abortable, Either, select},
};
use tracing::Instrument as _;

use super::{
    Alert, Ended, Worker, WorkerEvent, alert,
    calls::Calls,
    conflicts,
    held::{Held, Hold},
    retain,
};
use crate::{
    engine::{Engine, EngineError, Link, SyncOptions, SyncReport},
    model::LinkId,
    provider::{Fault, Provider, ProviderError, Retry},
    schedule::{Cadence, Entry, Finish, Read, Schedule, Setback, Task},
    store::{Claim, Found, PollOptions, RunCounts, Store, StoreError},
};

/// How often the end of a run is written again while the store does not take it.
const ATTEMPTS: u32 = 5;
/// Outbox entries looked at for when the next write may be sent.
const WAITING: usize = 200;

/// Whether a link's provider tells when something changed there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announcements {
    /// It does not, or nobody asked it to.
    #[default]
    None,
    /// A webhook nudges the schedule: changes that come without a nudge mean that it is dead.
    Expected,
    /// Its channels are kept in the store ([`StoreChannels`](crate::store::StoreChannels)), with every call: whether changes are announced is measured,
    /// and how often the link runs without a call follows from that.
    Measured(PollOptions),
}

/// A link, ready to run.
pub struct Opened {
    /// The link.
    pub link: Link,
    /// Its provider.
    pub provider: Arc<dyn Provider>,
    /// How it is run.
    pub options: SyncOptions,
    /// Whether the provider tells of changes.
    pub announcements: Announcements,
    /// When the credentials end, where they do and a person has to renew them: a refresh token, a consent.
    pub credentials_end: Option<DateTime<Utc>>,
    /// Links of the same calendar: nudged when this one changed events there, so that what came in by one goes out by the
    /// others.
    pub others: Vec<LinkId>,
    /// How often it runs from now on, where that is not what the schedule has: a feed's refresh hint.
    pub cadence: Option<Cadence>,
}

impl Opened {
    /// A link that is run as usual.
    pub fn new(link: Link, provider: Arc<dyn Provider>) -> Self {
        Self {
            link,
            provider,
            options: SyncOptions::default(),
            announcements: Announcements::None,
            credentials_end: None,
            others: Vec::new(),
            cadence: None,
        }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("link", &self.link.id).finish_non_exhaustive()
    }
}

/// A run that failed before, beside or in the engine. The text holds no secret and no event text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct WorkError {
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether trying again can help.
    pub retry: Retry,
    /// How it failed.
    pub text: String,
}

impl WorkError {
    /// An error of the host's own.
    pub fn new(fault: Fault, retry: Retry, text: impl Into<String>) -> Self {
        Self { fault, retry, text: text.into() }
    }
}

impl From<EngineError> for WorkError {
    fn from(error: EngineError) -> Self {
        Self { fault: error.fault(), retry: error.retry(), text: error.to_string() }
    }
}

impl From<StoreError> for WorkError {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<ProviderError> for WorkError {
    fn from(error: ProviderError) -> Self {
        EngineError::from(error).into()
    }
}

/// What a worker asks its host.
#[async_trait]
pub trait Host: Send + Sync {
    /// What a link is, and how its provider is reached: from the host's own tables, with the credentials it keeps.
    /// `None`: there is no such link any more; its entry leaves the schedule.
    ///
    /// Called before each run. Dropped when the run is.
    ///
    /// # Errors
    ///
    /// The run counts as failed, with this.
    async fn open(&self, tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError>;

    /// Opens, renews and ends the webhook channels of a link, where it has any: the next before the last one ends, so that
    /// they overlap. Run as often as the entry of [`Task::Renew`] says, and at the time this returns, where that is
    /// sooner. The default has none.
    ///
    /// # Errors
    ///
    /// The run counts as failed, with this.
    async fn renew(&self, tenant: &str, link: &LinkId) -> Result<Option<DateTime<Utc>>, WorkError> {
        let _ = (tenant, link);
        Ok(None)
    }

    /// Adds to a tenant's engine what the host has: an observer, a resolver. The default adds nothing.
    fn engine(&self, tenant: &str, engine: Engine) -> Engine {
        let _ = tenant;
        engine
    }

    /// Is told what happens. Must not block. The default keeps silent.
    fn tell(&self, event: &WorkerEvent) {
        let _ = event;
    }
}

/// What a task came to.
struct Came {
    finish: Finish,
    counts: Option<RunCounts>,
    alerts: Vec<Alert>,
    /// Whether changes came that nobody had told of.
    unannounced: bool,
    /// What the entry runs by from now on.
    cadence: Option<Cadence>,
    /// Links that have something to do now.
    nudges: Vec<LinkId>,
    /// When it looked for conflicts nobody answers, if it did.
    conflicts_looked: Option<DateTime<Utc>>,
}

/// Why a run did not come to its end.
enum Cut {
    /// Another worker has the entry.
    Lost,
    /// It took too long.
    TooLong,
}

/// One claim being worked on.
pub(super) struct Shift<'a> {
    pub(super) worker: &'a Worker,
    pub(super) claim: Claim,
}

impl Shift<'_> {
    /// Works until the run has ended, or `stopped` says that it must.
    pub(super) async fn work(self, stopped: AbortRegistration) -> Ended {
        let worker = self.worker;
        let Claim { tenant, store, doc, since } = self.claim;
        let key = doc.key.clone();
        let lost = || {
            metrics::counter!("calsync_claims_lost_total").increment(1);
            Ended::Lost { key: key.clone() }
        };
        let read = match Read::from_doc(doc.clone()) {
            Ok(read) => read,
            Err(_) => {
                // Nobody would ever get past it: it is left where it is, and never due.
                let put = crate::store::Write::PutDoc(doc.clone().with_due(None));
                let expect = vec![crate::store::Expectation::Doc {
                    space: doc.space.clone(),
                    key: doc.key.clone(),
                    version: Some(doc.version),
                }];
                let batch = crate::store::Batch { expect, writes: vec![put], ..Default::default() };
                // Where that fails too, it falls due again and is met again.
                let _ = store.commit(batch).await;
                worker.host.tell(&WorkerEvent::Unreadable { tenant, key: key.clone() });
                return lost();
            }
        };
        let before = read.entry.clone();
        let task = before.task.clone();
        let timing = &worker.options.timing;
        let (now, holder) = (worker.clock.now(), worker.ids.fresh());
        let begun = Held::begin(Arc::clone(&store), read, &holder, (now, worker.options.lease), timing).await;
        let mut held = match begun {
            Ok(Some(held)) => held,
            // It falls due again: when the claim ends, or when whoever changed it said.
            Ok(None) | Err(_) => return lost(),
        };
        if held.entry().running.is_none() {
            return ended(worker, &tenant, &before, held.entry(), None, TimeDelta::zero());
        }
        let late = (now - since).max(TimeDelta::zero());
        let kind = task.kind();
        metrics::histogram!("calsync_run_lag_seconds", "task" => kind).record(seconds(late));
        worker.host.tell(&WorkerEvent::Started { tenant: tenant.clone(), task: task.clone(), late });

        let span = tracing::info_span!("calsync.run", task = kind, link = task.link().map(LinkId::as_str));
        let run = carry_out(worker, &tenant, &store, &before).instrument(span);
        // A bug in one link's run, or in the host's part of it, is that link's failure.
        let run = AssertUnwindSafe(run).catch_unwind();
        let run = Abortable::new(run, stopped);
        let outcome = {
            let watch = watch(worker, &mut held, now);
            match select(std::pin::pin!(run), std::pin::pin!(watch)).await {
                Either::Left((outcome, _)) => Ok(outcome),
                Either::Right((cut, _)) => Err(cut),
            }
        };
        let result = match outcome {
            Ok(Ok(Ok(Some(result)))) => result,
            Ok(Ok(Ok(None))) => {
                return match held.remove().await {
                    Ok(Hold::Kept) => Ended::Removed { task },
                    Ok(Hold::Lost) | Err(_) => lost(),
                };
            }
            Ok(Ok(Err(_panic))) => failure(Fault::Us, Setback::Lasting, "it panicked".to_owned()),
            Ok(Err(_aborted)) => Came::new(Finish::Interrupted),
            Err(Cut::TooLong) => {
                failure(Fault::Provider, Setback::Passing, "it took longer than a run may take".to_owned())
            }
            Err(Cut::Lost) => return lost(),
        };

        let ended_at = worker.clock.now();
        let change = |entry: &mut Entry| {
            if let Some(cadence) = &result.cadence {
                entry.set_cadence(cadence.clone(), ended_at);
            }
            entry.finished(result.finish.clone(), ended_at, timing);
            if result.unannounced {
                entry.unannounced = entry.unannounced.saturating_add(1);
            }
            entry.conflicts_looked = result.conflicts_looked.or(entry.conflicts_looked);
        };
        for attempt in 1..=ATTEMPTS {
            match held.finish(timing, &change).await {
                Ok(Hold::Kept) => break,
                Ok(Hold::Lost) => return lost(),
                // What the run did is committed; only when it runs next is not. It falls due by itself.
                Err(_) if attempt == ATTEMPTS => return lost(),
                Err(_) => worker.timer.sleep(TimeDelta::milliseconds(250) * (1 << attempt)).await,
            }
        }
        let schedule = Schedule::new(store, Arc::clone(&worker.clock)).with_timing(*timing);
        for link in result.nudges {
            // One that is not in the schedule, or not to be reached now, sees the change when it runs next.
            let _ = schedule.nudge(&Task::Sync(link)).await;
        }
        for alert in result.alerts {
            tell_alert(worker, &tenant, alert);
        }
        let took = ended_at - now;
        metrics::histogram!("calsync_run_seconds", "task" => kind).record(seconds(took));
        ended(worker, &tenant, &before, held.entry(), Some((&result.finish, result.counts)), took)
    }
}

/// How the run is told, measured and counted.
fn ended(
    worker: &Worker,
    tenant: &str,
    before: &Entry,
    after: &Entry,
    finish: Option<(&Finish, Option<RunCounts>)>,
    took: TimeDelta,
) -> Ended {
    let timing = &worker.options.timing;
    for alert in alert::of_change(before, after, timing) {
        tell_alert(worker, tenant, alert);
    }
    let (task, next) = (after.task.clone(), after.due(timing));
    let failed =
        |fault, error| Ended::Failed { task: task.clone(), fault, error, status: after.status(timing), next };
    let ended = match finish {
        None => failed(Fault::Us, "workers died at it again and again".to_owned()),
        Some((Finish::Done { .. }, counts)) => Ended::Done { task: task.clone(), counts, took, next },
        Some((Finish::Failed { fault, error, .. }, _)) => failed(*fault, error.clone()),
        Some((Finish::Busy { .. } | Finish::Interrupted, _)) => Ended::Returned { task: task.clone() },
    };
    let outcome = match &ended {
        Ended::Done { counts, .. } => {
            for (change, count) in counts.iter().flat_map(changes) {
                metrics::counter!("calsync_events_total", "change" => change).increment(count);
            }
            if let Some(counts) = counts {
                metrics::counter!("calsync_conflicts_total").increment(counts.conflicts);
                metrics::counter!("calsync_provider_requests_total").increment(counts.requests);
            }
            "done"
        }
        Ended::Failed { fault, error, .. } => {
            tracing::warn!(task = task.kind(), ?fault, %error, "a run failed");
            "failed"
        }
        _ => "returned",
    };
    metrics::counter!("calsync_runs_total", "task" => task.kind(), "outcome" => outcome).increment(1);
    ended
}

fn changes(counts: &RunCounts) -> [(&'static str, u64); 5] {
    [
        ("pulled", counts.pulled),
        ("created", counts.created),
        ("updated", counts.updated),
        ("deleted", counts.deleted),
        ("pushed", counts.pushed),
    ]
}

fn tell_alert(worker: &Worker, tenant: &str, alert: Alert) {
    alert.measure();
    worker.host.tell(&WorkerEvent::Alert { tenant: Some(tenant.to_owned()), alert });
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of a run fit")]
fn seconds(time: TimeDelta) -> f64 {
    time.num_milliseconds() as f64 / 1000.0
}

/// Prolongs the claim until it is lost or the run takes too long.
async fn watch(worker: &Worker, held: &mut Held, started: DateTime<Utc>) -> Cut {
    let lease = worker.options.lease;
    loop {
        worker.timer.sleep(lease / 3).await;
        let now = worker.clock.now();
        if now - started > worker.options.run_longest {
            return Cut::TooLong;
        }
        match held.prolong(now + lease).await {
            Ok(Hold::Kept) => {}
            Ok(Hold::Lost) => return Cut::Lost,
            // While the store does not answer nobody else takes it either; once it does, this says who has it.
            Err(error) => tracing::debug!(%error, "a claim was not prolonged"),
        }
    }
}

impl Came {
    fn new(finish: Finish) -> Self {
        Self {
            finish,
            counts: None,
            alerts: Vec::new(),
            unannounced: false,
            cadence: None,
            nudges: Vec::new(),
            conflicts_looked: None,
        }
    }
}

fn failure(fault: Fault, setback: Setback, error: String) -> Came {
    Came::new(Finish::Failed { fault, error, setback })
}

/// Does what the task says. `None`: there is no such link any more.
async fn carry_out(worker: &Worker, tenant: &str, store: &Arc<dyn Store>, before: &Entry) -> Option<Came> {
    let done = Finish::Done { run: None, held: false, again: None };
    let result: Result<Option<Came>, WorkError> = match &before.task {
        Task::Sync(link) => sync(worker, tenant, store, link, before).await,
        Task::Renew(link) => worker
            .host
            .renew(tenant, link)
            .await
            .map(|again| Some(Came::new(Finish::Done { run: None, held: false, again }))),
        Task::Retain => retain::retain(&**store, &worker.options.retain, worker.clock.now())
            .await
            .map(|()| Some(Came::new(done)))
            .map_err(WorkError::from),
    };
    result.unwrap_or_else(|error| Some(failure(error.fault, error.retry.into(), error.text)))
}

async fn sync(
    worker: &Worker,
    tenant: &str,
    store: &Arc<dyn Store>,
    id: &LinkId,
    before: &Entry,
) -> Result<Option<Came>, WorkError> {
    let nudged = before.pending.is_some();
    let Some(opened) = worker.host.open(tenant, id).await? else { return Ok(None) };
    let calls = Calls::before(store, &opened, id).await?;
    let engine = Engine::new(Arc::clone(store), Arc::clone(&worker.clock), Arc::clone(&worker.ids));
    let engine = worker.host.engine(tenant, engine);
    let mut options = opened.options.clone();
    // Somebody says that there is something to see.
    options.look |= nudged;
    let report = match engine.sync(&opened.link, &*opened.provider, &options).await {
        Ok(report) => report,
        Err(EngineError::Busy { until }) => return Ok(Some(Came::new(Finish::Busy { until }))),
        Err(error) => return Err(error.into()),
    };
    let again = if report.waiting > 0 { next_write(&**store, id).await? } else { None };
    let finish = Finish::Done { run: Some(report.run.clone()), held: report.plan.held, again };
    let mut alerts = alerts(&**store, id, &report).await?;
    alerts.extend(alert::of_credentials(id, opened.credentials_end, worker.clock.now()));
    let (now, age) = (worker.clock.now(), worker.options.conflicts_old);
    let looked = conflicts::of_link(&**store, id, before, now, age).await;
    let conflicts_looked = looked.as_ref().map(|_| now);
    alerts.extend(looked.and_then(|looked| looked.alert));
    let counts = report.counts;
    let unannounced = opened.announcements == Announcements::Expected && !nudged && counts.pulled > 0;
    let changed = counts.created + counts.updated + counts.deleted > 0;
    let nudges = if changed { opened.others } else { Vec::new() };
    let mut cadence = opened.cadence;
    // A run that did not look has found nothing out about what is announced.
    let looked = counts.requests > 0 || opened.link.check_copies_every.is_zero();
    if let Some(calls) = calls.filter(|_| looked) {
        let found = if changed { Found::Changes } else { Found::Nothing };
        // What the run did is done, also where this cannot be kept: the next run measures again.
        if let Ok((floor, silent)) = calls.after(id, found, worker.clock.now()).await {
            cadence = cadence.or(floor);
            alerts.extend(silent);
        }
    }
    Ok(Some(Came { finish, counts: Some(counts), alerts, unannounced, cadence, nudges, conflicts_looked }))
}

/// When a write that the provider did not take may be sent again.
async fn next_write(store: &dyn Store, link: &LinkId) -> Result<Option<DateTime<Utc>>, StoreError> {
    let waiting = store.outbox(link, None, WAITING).await?;
    Ok(waiting.iter().filter_map(|entry| entry.not_before).min())
}

async fn alerts(store: &dyn Store, link: &LinkId, report: &SyncReport) -> Result<Vec<Alert>, StoreError> {
    let mut alerts = Vec::new();
    let (held, undecided, wedged) = (report.counts.held, report.undecided, report.wedged);
    if held > 0 || undecided > 0 || wedged > 0 {
        alerts.push(Alert::NeedsPerson { link: link.clone(), held, undecided, wedged });
    }
    // What the run did is done, also where it cannot be read again.
    alerts.extend(conflicts::of_run(store, link, report).await.unwrap_or_default());
    Ok(alerts)
}
