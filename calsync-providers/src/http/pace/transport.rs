//! Pacing around a transport.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use calsync_core::{
    context::Clock,
    store::{Allowance, BudgetRequest, Budgets},
};
use tokio::sync::Semaphore;

use super::{Breaker, BreakerOptions, Bucket, Health, Pace, spread};
use crate::http::{HttpError, HttpRequest, HttpResponse, HttpTransport, retry_after};

/// The longest wait by default: within a minute everything flows that a pace lets through.
const PATIENCE: Duration = Duration::from_secs(60);
/// Hosts of one account, redirects included. Past it all others share one bucket and one breaker.
const HOSTS: usize = 32;

/// Lets time pass.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns after this long.
    async fn sleep(&self, wait: Duration);
}

/// The timer of tokio.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

struct Lane {
    bucket: Bucket,
    breaker: Breaker,
    under_way: Arc<Semaphore>,
}

/// A transport that keeps to a pace: one for each account, shared by its links and workers in this process, and with
/// [`PacedTransport::with_budgets`] by those of other processes.
///
/// Every host has a bucket and a breaker of its own. An answer of 429 or 503 with `Retry-After` stops everything to its
/// host for so long and up to a quarter more. What cannot go
/// within a minute is [`HttpErrorKind::Paced`](crate::http::HttpErrorKind::Paced), what would go to a host that is down
/// [`HttpErrorKind::Resting`](crate::http::HttpErrorKind::Resting); both say when to come back, and neither was sent.
///
/// A request that waits looks like a slow one to whoever sends it: a link's lease may run out meanwhile, as it may while a
/// server is slow. Less patience than a batch takes to flow means that a run which needs several never ends.
pub struct PacedTransport {
    inner: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    pace: Pace,
    breaker: BreakerOptions,
    patience: Duration,
    salt: u64,
    lanes: Mutex<BTreeMap<String, Lane>>,
    shared: Option<Shared>,
}

/// The budget of the account that other processes take from, too.
struct Shared {
    budgets: Arc<dyn Budgets>,
    account: String,
}

impl fmt::Debug for PacedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacedTransport").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl PacedTransport {
    /// Paces `inner` for the account of that name.
    pub fn new(
        inner: Arc<dyn HttpTransport>,
        account: &str,
        pace: Pace,
        clock: Arc<dyn Clock>,
        timer: Arc<dyn Timer>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        account.hash(&mut hasher);
        let (breaker, patience) = (BreakerOptions::default(), PATIENCE);
        Self {
            inner,
            clock,
            timer,
            pace,
            breaker,
            patience,
            salt: hasher.finish(),
            lanes: Mutex::default(),
            shared: None,
        }
    }

    /// Sets when a host is left alone.
    #[must_use]
    pub fn with_breaker(mut self, breaker: BreakerOptions) -> Self {
        self.breaker = breaker;
        self
    }

    /// Sets the longest wait. Default: a minute.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Takes from budgets that other processes share, in the place of its own. `account` is the name of the account there:
    /// the same in every process, and nothing secret.
    ///
    /// A `Retry-After` that one process hears holds for all. When the budgets cannot be asked, the process keeps to a
    /// budget of its own until they can.
    #[must_use]
    pub fn with_budgets(mut self, budgets: Arc<dyn Budgets>, account: impl Into<String>) -> Self {
        self.shared = Some(Shared { budgets, account: account.into() });
        self
    }

    /// Takes from the shared budget. `None`: there is none, or it cannot be asked.
    async fn shared(&self, host: &str, cost: u32) -> Option<Allowance> {
        let shared = self.shared.as_ref()?;
        let key = format!("{}@{host}", shared.account);
        let (rate, now) = (self.pace.into(), self.clock.now());
        let request = BudgetRequest { key: &key, rate, cost, now, patience: self.patience };
        shared.budgets.take(request).await.ok()
    }

    fn lane<T>(&self, host: &str, act: impl FnOnce(&mut Lane) -> T) -> T {
        let mut lanes: MutexGuard<'_, _> = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let host = if lanes.contains_key(host) || lanes.len() < HOSTS { host } else { "" };
        let lane = lanes.entry(host.to_owned()).or_insert_with(|| Lane {
            bucket: Bucket::new(self.pace, self.clock.now()),
            breaker: Breaker::new(self.breaker, self.salt),
            under_way: Arc::new(Semaphore::new(self.pace.concurrent.max(1))),
        });
        act(lane)
    }

    /// Waits for the turn of a request.
    async fn turn(&self, host: &str, cost: u32) -> Result<(), HttpError> {
        let now = self.clock.now();
        // Before anything is taken from the others.
        let rest = self.lane(host, |lane| lane.breaker.rests_for(now));
        if !rest.is_zero() {
            return Err(HttpError::resting(rest));
        }
        let shared = match self.shared(host, cost).await {
            Some(Allowance::Refused(wait)) => return Err(HttpError::paced(wait)),
            // Its turn is told from when it asked, and asking took time.
            Some(Allowance::After(wait)) => {
                Some(wait.saturating_sub((self.clock.now() - now).to_std().unwrap_or_default()))
            }
            None => None,
        };
        let mut wait = self.lane(host, |lane| {
            // What does not go takes nothing out of the bucket, and is no probe.
            let rest = lane.breaker.rests_for(now);
            if !rest.is_zero() {
                return Err(HttpError::resting(rest));
            }
            let wait = match shared {
                Some(wait) => wait.max(lane.bucket.blocked_for(now)),
                None => lane.bucket.take(cost, now, self.patience).map_err(HttpError::paced)?,
            };
            lane.breaker.admit(now).map_err(HttpError::resting)?;
            Ok(wait)
        })?;
        let mut waited = Duration::ZERO;
        while !wait.is_zero() {
            self.timer.sleep(wait).await;
            waited += wait;
            // Another request may have been told to come back later meanwhile.
            wait = self.lane(host, |lane| lane.bucket.blocked_for(self.clock.now()));
            if waited + wait > self.patience {
                return Err(HttpError::paced(wait));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl HttpTransport for PacedTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let port = request.url.port_or_known_default().unwrap_or_default();
        let host = format!("{}:{port}", request.url.host_str().unwrap_or_default());
        let under_way = self.lane(&host, |lane| Arc::clone(&lane.under_way));
        // Never closed. Before the wait: what has waited goes at once, or a minute's worth would pile up behind a slow one.
        let _place = under_way.acquire_owned().await;
        self.turn(&host, request.cost).await?;
        let answer = self.inner.send(request).await;
        let now = self.clock.now();
        let told = match &answer {
            Ok(response) if matches!(response.status.as_u16(), 429 | 503) => {
                retry_after(&response.headers, now).map(|wait| spread(wait, self.salt))
            }
            _ => None,
        };
        self.lane(&host, |lane| {
            if let Some(health) = health(&answer) {
                lane.breaker.learn(health, now);
            }
            if let Some(wait) = told {
                lane.bucket.block(now, wait);
            }
        });
        if let (Some(wait), Some(shared)) = (told, &self.shared) {
            let key = format!("{}@{host}", shared.account);
            // Others who do not hear of it are told so themselves.
            let _ = shared.budgets.block(&key, self.pace.into(), now, wait).await;
        }
        answer
    }
}

/// What an answer says of its host; nothing, when the request was refused on this side.
fn health(answer: &Result<HttpResponse, HttpError>) -> Option<Health> {
    use crate::http::HttpErrorKind::{
        Blocked, Connect, Interrupted, InvalidRequest, Paced, Redirect, Resting, Timeout, TooLarge,
    };
    match answer {
        Ok(response) if matches!(response.status.as_u16(), 500 | 502..=504) => Some(Health::Failed),
        Ok(_) => Some(Health::Answered),
        Err(error) => match error.kind {
            Connect | Timeout | Interrupted => Some(Health::Failed),
            TooLarge => Some(Health::Answered),
            InvalidRequest | Blocked | Redirect | Paced | Resting => None,
        },
    }
}
