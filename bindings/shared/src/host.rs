//! Calls back into the host's language.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Notify, watch},
    time::Instant,
};

use crate::{Code, Failure, args::Asked};

/// The host's side of a call: its store, its rules, its resolver, its clock, its progress.
#[async_trait]
pub trait Host: Send + Sync {
    /// Calls a method of the host by its name, such as `store.commit` or `filter.lets_through`, with an object of named arguments as JSON. Gives
    /// what it returned as JSON.
    async fn call(&self, method: &'static str, args: String) -> Result<String, HostFailure>;

    /// Tells the host how far a run is, as JSON of a [`ProgressModel`](crate::model::ProgressModel). Must not wait.
    fn tell(&self, progress: String);
}

/// Why a call into the host gave nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct HostFailure {
    /// The method.
    pub method: String,
    /// What happened: `failed`, `wrong-type`, `silent`, or what a store may say: `conflict`, `fenced`, `unavailable`,
    /// `full`, `corrupt`, `invalid-input`; or a transport, see
    /// [`TransportFault`](crate::host_transport::TransportFault).
    pub kind: String,
    /// The class of what was thrown or returned. No text of it: it may hold anything.
    pub detail: String,
    /// For `conflict` which expectation did not hold.
    pub expectation: usize,
}

impl HostFailure {
    /// A failure of a kind.
    pub fn new(method: &str, kind: &str, detail: impl Into<String>) -> Self {
        Self { method: method.to_owned(), kind: kind.to_owned(), detail: detail.into(), expectation: 0 }
    }

    pub(crate) fn failure(&self) -> Failure {
        let code = match self.kind.as_str() {
            "wrong-type" => Code::HostType,
            "silent" => Code::HostSilent,
            _ => Code::HostFailed,
        };
        Failure::new(code, self.to_string()).about(self.method.clone())
    }
}

impl fmt::Display for HostFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind.as_str() {
            "wrong-type" => "gave something of the wrong type",
            "silent" => "never answered",
            _ => "failed",
        };
        write!(f, "the host's {} {what}", self.method)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl fmt::Debug for HostFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for HostFailure {}

tokio::task_local! {
    /// The call that is being carried out. The engine spawns nothing, so it is there wherever a host's method is needed; and
    /// each call uses the event loop it came from.
    pub(crate) static CALL: Arc<Calling>;
    /// What ends the call early. Code that cannot be dropped where it waits looks at it.
    pub(crate) static ENDING: Arc<Ending>;
}

/// How long methods of the host may take before they count as silent.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// One that needs not wait for anything.
    pub(crate) soon: Duration,
    /// One of its store: it may wait for a busy database, and write some hundred rows.
    pub(crate) store: Duration,
}

impl Patience {
    /// What the host asked for, 10 seconds and a minute otherwise.
    pub(crate) fn of(asked: &Asked) -> Self {
        let or = |ms: Option<u32>, seconds| {
            ms.map_or(Duration::from_secs(seconds), |ms| Duration::from_millis(ms.into()))
        };
        Self { soon: or(asked.patience_ms, 10), store: or(asked.store_patience_ms, 60) }
    }
}

/// What belongs to one call.
pub(crate) struct Calling {
    host: Option<Arc<dyn Host>>,
    patience: Patience,
    /// The first method of the host that failed where the engine goes on without it.
    failed: Mutex<Option<HostFailure>>,
    /// Methods that never answered.
    silent: Mutex<BTreeSet<&'static str>>,
    /// What the host's clock said when the call began, and when that was.
    began: OnceLock<(DateTime<Utc>, Instant)>,
}

/// Tells a call that it ends: it was cancelled, or the runtime is shut down.
pub(crate) struct Ending {
    pub(crate) cancelled: Notify,
    pub(crate) shut_down: watch::Receiver<()>,
}

impl Ending {
    async fn wait(&self) {
        let mut shut_down = self.shut_down.clone();
        tokio::select! {
            // Whoever asks next is told as well.
            () = self.cancelled.notified() => self.cancelled.notify_one(),
            // An error says that the sender is gone, which is how the runtime tells it.
            _ = shut_down.changed() => {}
        }
    }
}

impl Calling {
    pub(crate) fn new(host: Option<Arc<dyn Host>>, patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            host,
            patience,
            failed: Mutex::default(),
            silent: Mutex::default(),
            began: OnceLock::new(),
        })
    }

    /// Asks the host what time it is: that of the whole call.
    pub(crate) async fn begin(&self) -> Result<(), HostFailure> {
        let now: DateTime<Utc> = self.soon("clock.now", json!({})).await?;
        let _ = self.began.set((now, Instant::now()));
        Ok(())
    }

    /// What the host's clock says by now, if it has one.
    pub(crate) fn now() -> Option<DateTime<Utc>> {
        let (began, since) = CALL.try_with(|call| call.began.get().copied()).ok().flatten()?;
        began.checked_add_signed(TimeDelta::from_std(since.elapsed()).ok()?)
    }

    /// Notes a failure the engine goes on without. The call fails with the first when it is over, but with a silence before all
    /// else: that ends the run, see [`Guarded`](crate::guarded::Guarded).
    pub(crate) fn note(&self, failure: &HostFailure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failed.as_ref().map(|known| known.kind.as_str());
        if known.is_none() || (known != Some("silent") && failure.kind == "silent") {
            *failed = Some(failure.clone());
        }
    }

    /// The first failure that was noted.
    pub(crate) fn noted() -> Option<HostFailure> {
        CALL.try_with(|call| call.failed.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .ok()
            .flatten()
    }

    /// Asks the host for what needs no waiting. One that takes longer than the host's patience is silent.
    pub(crate) async fn soon<T: DeserializeOwned>(
        &self,
        method: &'static str,
        args: Value,
    ) -> Result<T, HostFailure> {
        self.within(self.patience.soon, method, args).await
    }

    /// Asks the host's store. What a commit that never answers wrote, nobody knows: it is as if the process had ended there.
    async fn of_store<T: DeserializeOwned>(
        &self,
        method: &'static str,
        args: Value,
    ) -> Result<T, HostFailure> {
        self.within(self.patience.store, method, args).await
    }

    /// Asks the host's transport, which knows itself how long a request may take.
    pub(crate) async fn of_network<T: DeserializeOwned>(
        &self,
        method: &'static str,
        args: Value,
    ) -> Result<T, HostFailure> {
        answer(self.host.clone(), method, args).await
    }

    async fn within<T: DeserializeOwned>(
        &self,
        patience: Duration,
        method: &'static str,
        args: Value,
    ) -> Result<T, HostFailure> {
        let silent = HostFailure::new(method, "silent", "");
        // A method that was silent once would be so for every event of the run.
        if self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains(method) {
            return Err(silent);
        }
        let answered = tokio::time::timeout(patience, answer(self.host.clone(), method, args)).await;
        answered.unwrap_or_else(|_| {
            self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(method);
            Err(silent)
        })
    }

    /// [`Calling::soon`] for code that cannot wait: others may have the thread meanwhile, and the wait ends with the call.
    pub(crate) fn at_once<T: DeserializeOwned>(method: &'static str, args: Value) -> Result<T, HostFailure> {
        let nobody = || HostFailure::new(method, "silent", "no host is there");
        let call = CALL.try_with(Clone::clone).map_err(|_| nobody())?;
        let runtime = Handle::try_current().map_err(|_| nobody())?;
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Err(nobody());
        }
        let ending = ENDING.try_with(Clone::clone).ok();
        let ended = async {
            match ending {
                Some(ending) => ending.wait().await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = ended => Err(HostFailure::new(method, "silent", "the call was cancelled")),
                    answer = call.soon(method, args) => answer,
                }
            })
        });
        answer.inspect_err(|failure| call.note(failure))
    }
}

/// Asks the store of the host of `call`, else of that of the call that is being carried out.
pub(crate) async fn ask<T: DeserializeOwned>(
    call: Option<Arc<Calling>>,
    method: &'static str,
    args: Value,
) -> Result<T, HostFailure> {
    match call.or_else(|| CALL.try_with(Clone::clone).ok()) {
        Some(call) => call.of_store(method, args).await,
        None => Err(HostFailure::new(method, "silent", "no host is there")),
    }
}

async fn answer<T: DeserializeOwned>(
    host: Option<Arc<dyn Host>>,
    method: &'static str,
    args: Value,
) -> Result<T, HostFailure> {
    let Some(host) = host else { return Err(HostFailure::new(method, "silent", "no host is there")) };
    let answer = host.call(method, to_json(&args)).await?;
    serde_json::from_str(&answer).map_err(|error| {
        // The place, never the value.
        HostFailure::new(
            method,
            "wrong-type",
            format!("expected {}, see column {}", type_name::<T>(), error.column()),
        )
    })
}

/// Tells the host of the call that is being carried out.
pub(crate) fn tell<T: Serialize>(progress: &T) {
    if let Ok(Some(host)) = CALL.try_with(|call| call.host.clone()) {
        host.tell(to_json(progress));
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn type_name<T>() -> String {
    let whole = std::any::type_name::<T>();
    let mut short = String::new();
    for word in whole.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(word.rsplit("::").next().unwrap_or(word));
    }
    short
}
