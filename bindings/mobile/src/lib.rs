//! The native part of calsync for Kotlin and Swift.
//!
//! Text goes in and out; what users see is written in Kotlin (`kotlin/`) and Swift (`swift/`). No panic crosses the border: a
//! call that panics ends with the code `internal`.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use calsync_bindings::{Code, Failure, Host, HostFailure, Job, Runtime};
use tokio::sync::oneshot;

uniffi::setup_scaffolding!();

/// The threads of this process.
static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();

fn runtime() -> Result<&'static Runtime, Failure> {
    let made = RUNTIME.get_or_init(|| Runtime::new().map_err(|error| error.to_string()));
    made.as_ref().map_err(|error| Failure::invalid(error.clone()))
}

/// A failed call. No secret and no event text is in it.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum NativeError {
    /// The only kind there is; `code` says which.
    #[error("{code}: {detail}")]
    Failed {
        /// What went wrong, as a word that never changes.
        code: String,
        /// Whether trying again can help.
        retryable: bool,
        /// Not before so many milliseconds from now, where the provider said so.
        retry_after_ms: Option<u64>,
        /// For people.
        detail: String,
        /// What it is about: a method of the host, a link, a connection.
        item: Option<String>,
    },
}

impl From<Failure> for NativeError {
    fn from(failure: Failure) -> Self {
        let code = match serde_json::to_value(failure.code) {
            Ok(serde_json::Value::String(code)) => code,
            _ => "internal".to_owned(),
        };
        Self::Failed {
            code,
            retryable: failure.retryable,
            retry_after_ms: failure.retry_after_ms,
            detail: failure.message,
            item: failure.item,
        }
    }
}

/// Why a method of the host gave nothing.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum NativeHostError {
    /// The only kind there is; `kind` says which.
    #[error("{kind}")]
    Failed {
        /// `failed`, `wrong-type`, or what a store may say: `conflict`, `fenced`, `unavailable`, `full`, `corrupt`,
        /// `invalid-input`.
        kind: String,
        /// The class of what was thrown. No text of it: it may hold anything.
        detail: String,
        /// For `conflict` which expectation did not hold.
        expectation: u32,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for NativeHostError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        // What it says is the text of what was thrown.
        Self::Failed { kind: "failed".to_owned(), detail: String::new(), expectation: 0 }
    }
}

/// What answers a call in the host's language: its store, its progress.
#[uniffi::export(foreign)]
#[async_trait]
pub trait NativeHost: Send + Sync {
    /// Calls a method of the host by its name, such as `store.commit`; arguments and result are JSON.
    async fn call(&self, method: String, args: String) -> Result<String, NativeHostError>;

    /// Tells how far a run is, as JSON. Must not wait.
    fn tell(&self, progress: String) -> Result<(), NativeHostError>;
}

struct MobileHost(Arc<dyn NativeHost>);

#[async_trait]
impl Host for MobileHost {
    async fn call(&self, method: &'static str, args: String) -> Result<String, HostFailure> {
        self.0.call(method.to_owned(), args).await.map_err(|error| {
            let NativeHostError::Failed { kind, detail, expectation } = error;
            let mut failure = HostFailure::new(method, &kind, detail);
            failure.expectation = usize::try_from(expectation).unwrap_or_default();
            failure
        })
    }

    fn tell(&self, progress: String) {
        // Nobody listens any more: not a reason to stop.
        let _ = self.0.tell(progress);
    }
}

fn host(host: Option<Arc<dyn NativeHost>>) -> Option<Arc<dyn Host>> {
    host.map(|host| Arc::new(MobileHost(host)) as Arc<dyn Host>)
}

/// A call that goes on. It ends where it waits when it is cancelled or let go of.
#[derive(uniffi::Object)]
pub struct NativeCall {
    job: Job,
    answer: Mutex<Option<oneshot::Receiver<Result<String, Failure>>>>,
    closed: AtomicBool,
}

impl NativeCall {
    fn start(
        call: impl Future<Output = Result<String, Failure>> + Send + 'static,
    ) -> Result<Arc<Self>, NativeError> {
        let (sender, receiver) = oneshot::channel();
        let done = move |result| {
            // Nobody waits for it any more.
            let _ = sender.send(result);
        };
        let job = runtime()?.start(call, done)?;
        Ok(Arc::new(Self { job, answer: Mutex::new(Some(receiver)), closed: AtomicBool::new(false) }))
    }
}

#[uniffi::export]
impl NativeCall {
    /// Waits for its result. May be asked once.
    pub async fn result(&self) -> Result<String, NativeError> {
        let receiver = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(receiver) = receiver else {
            return Err(Failure::invalid("the result was taken already").into());
        };
        let answer = receiver
            .await
            .unwrap_or_else(|_| Err(Failure::new(Code::Closed, "calsync was shut down with its host")));
        answer.map_err(|failure| match failure.code {
            Code::Cancelled if self.closed.load(Ordering::SeqCst) => {
                Failure::new(Code::Closed, "this engine is closed").into()
            }
            _ => failure.into(),
        })
    }

    /// Ends it where it waits. Nothing is broken by it.
    pub fn cancel(&self) {
        self.job.cancel();
    }
}

impl Drop for NativeCall {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

/// A store with connections and links.
#[derive(uniffi::Object)]
pub struct NativeEngine {
    inner: calsync_bindings::Engine,
    calls: Mutex<Vec<Weak<NativeCall>>>,
}

#[uniffi::export]
impl NativeEngine {
    /// An engine over the store that JSON names.
    #[uniffi::constructor]
    pub fn new(store: String) -> Result<Arc<Self>, NativeError> {
        let inner = calsync_bindings::Engine::new(&store)?;
        Ok(Arc::new(Self { inner, calls: Mutex::default() }))
    }

    /// Starts a call; `host` answers what it needs of the host's language.
    pub fn start(
        &self,
        method: String,
        args: String,
        host: Option<Arc<dyn NativeHost>>,
    ) -> Result<Arc<NativeCall>, NativeError> {
        let call = NativeCall::start(self.inner.call(method, args, self::host(host)))?;
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|call| call.strong_count() > 0);
        calls.push(Arc::downgrade(&call));
        Ok(call)
    }

    /// Ends the calls that go on and lets go of connections and links. Later calls fail with the code `closed`.
    pub fn end(&self) {
        self.inner.end();
        let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        for call in calls.iter().filter_map(Weak::upgrade) {
            call.closed.store(true, Ordering::SeqCst);
            call.cancel();
        }
    }
}

/// Calls a function that needs no engine; arguments and result are JSON.
#[uniffi::export]
pub fn pure_call(method: String, args: String) -> Result<String, NativeError> {
    Ok(calsync_bindings::pure(&method, &args)?)
}

/// The names of the cases every store must pass.
#[uniffi::export]
pub fn store_cases() -> Vec<String> {
    calsync_bindings::testing::store_cases().into_iter().map(str::to_owned).collect()
}

/// Runs a case on a fresh store of the host; `opening` is what an engine over it is made with.
#[uniffi::export]
pub fn check_store(
    case: String,
    opening: String,
    host: Arc<dyn NativeHost>,
) -> Result<Arc<NativeCall>, NativeError> {
    NativeCall::start(calsync_bindings::testing::check_store(case, opening, Arc::new(MobileHost(host))))
}

/// A provider on this machine, for tests of hosts. It ends when it is let go of.
#[derive(uniffi::Object)]
pub struct NativeEmulator(Mutex<Option<calsync_bindings::testing::Emulator>>);

#[uniffi::export]
impl NativeEmulator {
    /// Starts one; the settings are JSON.
    #[uniffi::constructor]
    pub fn new(settings: String) -> Result<Arc<Self>, NativeError> {
        let emulator = calsync_bindings::testing::Emulator::start(&settings)?;
        Ok(Arc::new(Self(Mutex::new(Some(emulator)))))
    }

    /// What `connect` takes, as JSON; nothing once it ended.
    pub fn account(&self) -> Option<String> {
        let emulator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        emulator.as_ref().map(|emulator| emulator.account().to_owned())
    }

    /// Does something at the service; arguments and result are JSON. Fails with the code `closed` once it ended.
    pub fn ask(&self, method: String, args: String) -> Result<String, NativeError> {
        let emulator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match emulator.as_ref() {
            Some(emulator) => Ok(calsync_bindings::caught(|| emulator.ask(&method, &args))?),
            None => Err(Failure::new(Code::Closed, "this emulator is closed").into()),
        }
    }

    /// Ends it.
    pub fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What there is, as JSON: for the test that nothing is missing in a language.
#[uniffi::export]
pub fn surface() -> String {
    #[cfg(feature = "testing")]
    let surface = serde_json::to_string(&calsync_bindings::surface::surface()).unwrap_or_default();
    #[cfg(not(feature = "testing"))]
    let surface = String::new();
    surface
}

/// Ends all calls and the threads with them: for a process that is about to end. Later calls fail with the code `closed`.
#[uniffi::export]
pub fn shutdown() {
    if let Some(Ok(runtime)) = RUNTIME.get() {
        runtime.shutdown();
    }
}
