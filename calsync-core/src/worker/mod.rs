//! The worker: runs what the schedule says is due, and goes on where another one died. Needs the feature `worker`.
//!
//! In: [`Claims`] over the host's database, a [`Host`] that knows its links, a clock and a [`Timer`]. Out: runs of the
//! engine, entries of the schedule that say how they went, [`WorkerEvent`]s. `docs/adr/0013-schedule.md` says why it is
//! built like this; `docs/metrics.md` names what it measures.
//!
//! Start as many as there is work for, in as many processes: they share nothing but the store.

mod alert;
mod astray;
mod calls;
mod conflicts;
mod depth;
mod event;
mod held;
mod job;
mod options;
mod retain;
mod timer;

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{
    StreamExt as _,
    future::{AbortHandle, select},
    stream::FuturesUnordered,
};

pub use self::{
    alert::Alert,
    event::{Ended, WorkerEvent},
    job::{Announcements, Host, Opened, WorkError},
    options::{RetainOptions, WorkerOptions},
    timer::Timer,
};
use self::{alert::FailureRate, job::Shift};
use crate::{
    context::{Clock, IdSource},
    schedule::Priority,
    store::{Claim, ClaimRequest, Claims, StoreError, Wakes},
};

/// The shortest time between two looks at what is due, however often it is woken.
const BREATH: TimeDelta = TimeDelta::milliseconds(100);
/// The longest wait while the store does not answer.
const STORE_DOWN: TimeDelta = TimeDelta::seconds(30);

/// Runs what is due. See the [module](self).
#[derive(Clone)]
pub struct Worker {
    claims: Arc<dyn Claims>,
    host: Arc<dyn Host>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    timer: Arc<dyn Timer>,
    wakes: Option<Arc<dyn Wakes>>,
    options: WorkerOptions,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What a worker did until it was shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerReport {
    /// Runs that went through, also those where something waits for a person.
    pub done: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that were given back: the shutdown took longer than [`WorkerOptions::drain`], or the link was busy.
    pub returned: u64,
    /// Runs that another worker took over.
    pub lost: u64,
}

/// What the worker waits for.
enum Step {
    /// What is due was asked for.
    Claimed(Result<Vec<Claim>, StoreError>),
    /// It has rested.
    Rested,
    /// A run ended.
    Ended { number: u64, tenant: String, ended: Ended },
    /// The time for draining is over.
    DrainOver,
}

type Steps<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Step> + Send + 'a>>>;

/// How it looks for what is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It has no room.
    No,
    /// It asks the store.
    Asking,
    /// It rests before it asks.
    Resting,
}

/// What the worker knows while it runs.
struct Floor<'a> {
    steps: Steps<'a>,
    /// Runs by number: whose they are, and how they are stopped.
    active: BTreeMap<u64, (String, AbortHandle)>,
    numbers: u64,
    look: Look,
    /// The tenant that was served last.
    served: Option<String>,
    /// Failures of the store in a row.
    store_failures: u32,
    draining: bool,
    rate: FailureRate,
    report: WorkerReport,
}

impl Worker {
    /// A worker with the default options.
    pub fn new(
        claims: Arc<dyn Claims>,
        host: Arc<dyn Host>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        timer: Arc<dyn Timer>,
    ) -> Self {
        Self { claims, host, clock, ids, timer, wakes: None, options: WorkerOptions::default() }
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: WorkerOptions) -> Self {
        self.options = options;
        self
    }

    /// Looks as soon as it is woken, not only once in a while.
    #[must_use]
    pub fn with_wakes(mut self, wakes: Arc<dyn Wakes>) -> Self {
        self.wakes = Some(wakes);
        self
    }

    /// Runs what is due until `shutdown` is ready; then takes nothing more, lets what runs end for
    /// [`WorkerOptions::drain`], and gives the rest back.
    ///
    /// It ends for nothing else: errors of links and of the store are recorded and told ([`Host::tell`]), and tried again.
    /// Dropping the future stops everything at once; other workers go on within [`WorkerOptions::lease`]. It spawns
    /// nothing.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) -> WorkerReport {
        let mut shutdown = pin!(shutdown);
        let mut floor = Floor {
            steps: FuturesUnordered::new(),
            active: BTreeMap::new(),
            numbers: 0,
            look: Look::No,
            served: None,
            store_failures: 0,
            draining: false,
            rate: FailureRate::default(),
            report: WorkerReport::default(),
        };
        self.look(&mut floor, None);
        floor.steps.push(Box::pin(async move { match astray::look_after(self).await {} }));
        floor.steps.push(Box::pin(async move { match depth::measure(self).await {} }));
        loop {
            let draining = floor.draining;
            let next = std::future::poll_fn(|context| {
                if !draining && shutdown.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                match floor.steps.poll_next_unpin(context) {
                    Poll::Ready(Some(step)) => Poll::Ready(Some(step)),
                    // There is always something: it rests, or drains.
                    Poll::Ready(None) | Poll::Pending => Poll::Pending,
                }
            });
            match next.await {
                Some(step) => self.after(step, &mut floor),
                None => {
                    floor.draining = true;
                    let drain = self.options.drain;
                    floor.steps.push(Box::pin(async move {
                        self.timer.sleep(drain).await;
                        Step::DrainOver
                    }));
                }
            }
            if floor.draining && floor.active.is_empty() && floor.look != Look::Asking {
                return floor.report;
            }
        }
    }

    fn after<'a>(&'a self, step: Step, floor: &mut Floor<'a>) {
        match step {
            Step::Claimed(Ok(claims)) => {
                floor.look = Look::No;
                floor.store_failures = 0;
                let found = !claims.is_empty();
                for claim in claims {
                    self.start(claim, floor);
                }
                // What collided with another worker's claim may be left.
                let rest = if found { None } else { Some(self.options.poll) };
                self.look(floor, rest);
            }
            Step::Claimed(Err(error)) => {
                floor.look = Look::No;
                floor.store_failures = floor.store_failures.saturating_add(1);
                metrics::counter!("calsync_store_errors_total").increment(1);
                tracing::warn!(%error, "what is due cannot be asked for");
                self.host.tell(&WorkerEvent::StoreFailed { error: error.to_string() });
                let doubled = TimeDelta::milliseconds(250) * (1 << floor.store_failures.min(7));
                self.look(floor, Some(doubled.min(STORE_DOWN)));
            }
            Step::Rested => {
                floor.look = Look::No;
                self.look(floor, None);
            }
            Step::Ended { number, tenant, ended } => {
                floor.active.remove(&number);
                metrics::gauge!("calsync_runs_active").decrement(1);
                self.count(&ended, floor);
                self.host.tell(&WorkerEvent::Ended { tenant, ended: Box::new(ended) });
                self.look(floor, None);
            }
            Step::DrainOver => {
                for (_, abort) in floor.active.values() {
                    abort.abort();
                }
            }
        }
    }

    fn count(&self, ended: &Ended, floor: &mut Floor<'_>) {
        let report = &mut floor.report;
        match ended {
            Ended::Done { .. } => report.done += 1,
            Ended::Failed { .. } => report.failed += 1,
            Ended::Returned { .. } => report.returned += 1,
            Ended::Lost { .. } => report.lost += 1,
            Ended::Removed { .. } => {}
        }
        if let Some(alert) = floor.rate.note(ended) {
            alert.measure();
            self.host.tell(&WorkerEvent::Alert { tenant: None, alert });
        }
    }

    /// Looks for what is due, after a rest, when there is room and it does not look already.
    fn look<'a>(&'a self, floor: &mut Floor<'a>, rest: Option<TimeDelta>) {
        if floor.look != Look::No || floor.draining {
            return;
        }
        let room = self.options.concurrency.max(1).saturating_sub(floor.active.len());
        if room == 0 {
            return;
        }
        if let Some(longest) = rest {
            floor.look = Look::Resting;
            floor.steps.push(Box::pin(async move {
                self.rest(longest).await;
                Step::Rested
            }));
            return;
        }
        floor.look = Look::Asking;
        let mut running: BTreeMap<&str, usize> = BTreeMap::new();
        for (tenant, _) in floor.active.values() {
            *running.entry(tenant).or_default() += 1;
        }
        // No tenant gets more than it may have, also when all that is due is its.
        let each = self.options.per_tenant.max(1);
        let mut limit = room.min(each);
        let mut except = Vec::new();
        for (tenant, runs) in running {
            match each.checked_sub(runs).filter(|left| *left > 0) {
                Some(left) => limit = limit.min(left),
                None => except.push(tenant.to_owned()),
            }
        }
        let served = floor.served.clone();
        floor.steps.push(Box::pin(async move { Step::Claimed(self.claim(limit, served, except).await) }));
    }

    async fn claim(
        &self,
        limit: usize,
        after: Option<String>,
        except: Vec<String>,
    ) -> Result<Vec<Claim>, StoreError> {
        let now = self.clock.now();
        let except: Vec<&str> = except.iter().map(String::as_str).collect();
        let request = ClaimRequest {
            spaces: &Priority::SPACES,
            now,
            until: now + self.options.lease,
            after: after.as_deref(),
            except: &except,
            limit,
        };
        self.claims.claim(request).await
    }

    fn start<'a>(&'a self, claim: Claim, floor: &mut Floor<'a>) {
        floor.served = Some(claim.tenant.clone());
        floor.numbers += 1;
        let number = floor.numbers;
        let (abort, stopped) = AbortHandle::new_pair();
        if floor.draining {
            abort.abort();
        }
        let tenant = claim.tenant.clone();
        floor.active.insert(number, (tenant.clone(), abort));
        metrics::gauge!("calsync_runs_active").increment(1);
        let shift = Shift { worker: self, claim };
        floor
            .steps
            .push(Box::pin(async move { Step::Ended { number, tenant, ended: shift.work(stopped).await } }));
    }

    /// Until something may be due.
    async fn rest(&self, longest: TimeDelta) {
        let next = self.claims.next_due(&Priority::SPACES).await.ok().flatten();
        let now = self.clock.now();
        let wait = next.map_or(longest, |next: DateTime<Utc>| (next - now).min(longest)).max(BREATH);
        match &self.wakes {
            None => self.timer.sleep(wait).await,
            Some(wakes) => {
                // Not more often than it can breathe, however many wake it.
                self.timer.sleep(BREATH).await;
                let _ = select(self.timer.sleep(wait - BREATH), wakes.woken()).await;
            }
        }
    }
}
