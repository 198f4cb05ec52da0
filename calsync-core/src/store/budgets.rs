//! Requests that every process working for an account shares.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Batch, Doc, DocQuery, Expectation, Result, Store, StoreError, StoreErrorKind, Write};

/// The space of the documents budgets are kept in.
pub const BUDGETS: &str = "budgets";

/// How often the same budget is tried again when others take from it at the same moment.
const TRIES: u32 = 16;
/// How long to stay away when all of them collided.
const CROWDED: Duration = Duration::from_secs(1);
/// Budgets whose last version is remembered. Past it one of them is forgotten, and read again.
const REMEMBERED: usize = 1024;

/// One request, in the units a bucket counts in: so that every whole number a minute flows evenly.
const UNIT: i64 = 60_000;

/// How many requests an account takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The most in any minute. 0 counts as 1.
    pub per_minute: u32,
    /// How many may go at once after a rest; what flows on in a minute is `per_minute` less this. At most `per_minute`; 0
    /// counts as 1.
    pub burst: u32,
}

/// A token bucket: lets requests through at a rate. It holds no clock: every call is told the time, which may jump either
/// way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    burst: i64,
    /// What flows in, in units a millisecond: requests a minute.
    flow: i64,
    level: i64,
    at: DateTime<Utc>,
    /// Nothing goes for so long from then on: the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked: Option<(DateTime<Utc>, Duration)>,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: impl Into<Rate>, now: DateTime<Utc>) -> Self {
        let rate = rate.into();
        let per_minute = rate.per_minute.max(1);
        // What is full at the beginning of a minute and what flows in during it are together what may go in it.
        let burst = rate.burst.clamp(1, (per_minute - 1).max(1));
        let flow = i64::from((per_minute - burst).max(1));
        let burst = i64::from(burst) * UNIT;
        Self { burst, flow, level: burst, at: now, blocked: None }
    }

    /// The same at another rate: what was taken stays taken.
    #[must_use]
    pub fn at_rate(self, rate: impl Into<Rate>) -> Self {
        let Self { burst, flow, .. } = Self::new(rate, self.at);
        Self { burst, flow, level: self.level.min(burst), ..self }
    }

    /// Takes `cost` out and says how long to wait before the request is sent; 0 is at once. More than the bucket holds is
    /// let through when it is full, and those behind wait for it.
    ///
    /// # Errors
    ///
    /// When the wait would be longer than `patience`: nothing is taken, and that long it would be.
    pub fn take(
        &mut self,
        cost: u32,
        now: DateTime<Utc>,
        patience: Duration,
    ) -> std::result::Result<Duration, Duration> {
        self.refill(now);
        let cost = i64::from(cost.max(1)).saturating_mul(UNIT);
        let lacking = (cost.min(self.burst) - self.level).max(0);
        let millis = u64::try_from((lacking + self.flow - 1) / self.flow).unwrap_or_default();
        let wait = Duration::from_millis(millis).max(self.blocked_for(now));
        if wait > patience {
            return Err(wait);
        }
        self.level = self.level.saturating_sub(cost);
        Ok(wait)
    }

    /// Lets nothing through for this long: `Retry-After`. A longer block that is there already stays.
    pub fn block(&mut self, now: DateTime<Utc>, wait: Duration) {
        if wait > self.blocked_for(now) {
            self.blocked = Some((now, wait));
        }
    }

    /// How long nothing goes.
    pub fn blocked_for(&mut self, now: DateTime<Utc>) -> Duration {
        let Some((since, wait)) = self.blocked else { return Duration::ZERO };
        // A clock that was set back must not make a minute an hour.
        let since = since.min(now);
        let left = wait.saturating_sub((now - since).to_std().unwrap_or_default());
        self.blocked = (!left.is_zero()).then_some((since, wait));
        left
    }

    fn refill(&mut self, now: DateTime<Utc>) {
        let passed = (now - self.at).clamp(TimeDelta::zero(), TimeDelta::days(1));
        self.at = now;
        self.level =
            self.level.saturating_add(passed.num_milliseconds().saturating_mul(self.flow)).min(self.burst);
    }
}

/// What to take of which budget.
#[derive(Clone, Copy, Debug)]
pub struct BudgetRequest<'a> {
    /// Which budget: an account at a host. The same in every process, and nothing secret.
    pub key: &'a str,
    /// How large it is. Who takes says so: a change of the configuration holds from the next request on.
    pub rate: Rate,
    /// How much, in requests.
    pub cost: u32,
    /// The time. Processes whose clocks differ get at most what a clock that far ahead would have let flow in.
    pub now: DateTime<Utc>,
    /// The longest wait.
    pub patience: Duration,
}

/// The answer to a request for a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// It was taken: the request goes after this long.
    After(Duration),
    /// Nothing was taken: it would be longer than the patience. It may go after this long.
    Refused(Duration),
}

/// Budgets of requests that the processes of a host share, so that a fleet keeps within what a provider gives one account.
///
/// # Guarantees
///
/// What all takers of one budget are granted is what a single [`Bucket`] would have granted them, whatever the number of
/// processes (`budgets_are_shared_by_workers` in the store conformance suite judges [`StoreBudgets`] on every store).
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Takes from a budget; one that nobody took from before is full.
    ///
    /// # Errors
    ///
    /// When the store fails: nothing was taken, or nobody will know.
    async fn take(&self, request: BudgetRequest<'_>) -> Result<Allowance>;

    /// Lets nothing of a budget through for this long: the provider said so to one process, and means all.
    ///
    /// # Errors
    ///
    /// When the store fails.
    async fn block(&self, key: &str, rate: Rate, now: DateTime<Utc>, wait: Duration) -> Result<()>;
}

/// [`Budgets`] over any store: a document for each budget, written with the version it was read with.
///
/// While one process works for an account, a request costs one commit and no read; when several do, a commit that
/// collides reads and tries again.
pub struct StoreBudgets {
    store: Arc<dyn Store>,
    /// As this process left them.
    known: Mutex<BTreeMap<String, (u64, Bucket)>>,
}

impl StoreBudgets {
    /// Budgets of one tenant.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Mutex::default() }
    }

    async fn with<T>(
        &self,
        key: &str,
        fresh: Bucket,
        mut act: impl FnMut(&mut Bucket) -> (T, Keep),
    ) -> Result<Option<T>> {
        let mut known = self.remembered(key);
        for _ in 0..TRIES {
            let (version, mut bucket) = match known.take() {
                Some((version, bucket)) => (Some(version), bucket),
                None => self.read(key, &fresh).await?,
            };
            let (answer, keep) = act(&mut bucket);
            if keep == Keep::AsItWas {
                return Ok(Some(answer));
            }
            let value = serde_json::to_vec(&bucket)
                .map_err(|error| StoreError::new(StoreErrorKind::Backend, "budget").with_source(error))?;
            let expect = vec![Expectation::Doc { space: BUDGETS.to_owned(), key: key.to_owned(), version }];
            let writes = vec![Write::PutDoc(Doc::new(BUDGETS, key, value))];
            match self.store.commit(Batch { expect, writes, ..Batch::default() }).await {
                Ok(receipt) => {
                    if let Some(version) = receipt.doc_versions.first() {
                        self.remember(key, *version, bucket);
                    }
                    return Ok(Some(answer));
                }
                Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn read(&self, key: &str, fresh: &Bucket) -> Result<(Option<u64>, Bucket)> {
        let found = self.store.docs(BUDGETS, DocQuery::Keys(&[key])).await?;
        Ok(match found.first() {
            // One that cannot be read, of another version of calsync, is replaced by a full one.
            Some(doc) => (Some(doc.version), doc.read().unwrap_or_else(|| fresh.clone())),
            None => (None, fresh.clone()),
        })
    }

    fn remembered(&self, key: &str) -> Option<(u64, Bucket)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn remember(&self, key: &str, version: u64, bucket: Bucket) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(key) {
            known.pop_first();
        }
        known.insert(key.to_owned(), (version, bucket));
    }
}

/// Whether a bucket is to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Written,
    AsItWas,
}

impl fmt::Debug for StoreBudgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBudgets").finish_non_exhaustive()
    }
}

#[async_trait]
impl Budgets for StoreBudgets {
    async fn take(&self, request: BudgetRequest<'_>) -> Result<Allowance> {
        let fresh = Bucket::new(request.rate, request.now);
        let taken = self
            .with(request.key, fresh, |bucket| {
                *bucket = bucket.clone().at_rate(request.rate);
                match bucket.take(request.cost, request.now, request.patience) {
                    Ok(wait) => (Allowance::After(wait), Keep::Written),
                    Err(wait) => (Allowance::Refused(wait), Keep::AsItWas),
                }
            })
            .await?;
        Ok(taken.unwrap_or(Allowance::Refused(CROWDED)))
    }

    async fn block(&self, key: &str, rate: Rate, now: DateTime<Utc>, wait: Duration) -> Result<()> {
        // Crowded out is no matter: those who crowd are told the same.
        let fresh = Bucket::new(rate, now);
        self.with(key, fresh, |bucket| {
            bucket.block(now, wait);
            ((), Keep::Written)
        })
        .await?;
        Ok(())
    }
}
