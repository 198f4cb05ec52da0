//! The one runtime of a binding, which its language shuts down before it ends itself.

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

use crate::{
    Code, Failure,
    host::{ENDING, Ending},
};

/// Threads that carry out calls. A language that ends while they run could be called by them when it is gone: it calls
/// [`shutdown`](Self::shutdown) first.
pub struct Runtime {
    inner: Mutex<Option<Running>>,
}

struct Running {
    runtime: tokio::runtime::Runtime,
    /// Dropped before the runtime: then calls that hold a thread let go of it.
    shut_down: watch::Sender<()>,
}

/// A call that goes on.
pub struct Job {
    abort: AbortHandle,
    ending: Arc<Ending>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job(..)")
    }
}

impl Job {
    /// Ends the call where it waits. Nothing is broken by it: what was decided is carried out by the next run.
    pub fn cancel(&self) {
        self.ending.cancelled.notify_one();
        self.abort.abort();
    }
}

impl Runtime {
    /// Starts two threads.
    ///
    /// # Errors
    ///
    /// When the operating system gives none.
    pub fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("calsync")
            .enable_all()
            .build()?;
        Ok(Self { inner: Mutex::new(Some(Running { runtime, shut_down: watch::Sender::new(()) })) })
    }

    /// Carries out a call and tells `done`, once, from a thread of the runtime; not when the runtime is shut down first.
    ///
    /// # Errors
    ///
    /// [`Code::Closed`] after [`shutdown`](Self::shutdown).
    pub fn start(
        &self,
        call: impl Future<Output = Result<String, Failure>> + Send + 'static,
        done: impl FnOnce(Result<String, Failure>) + Send + 'static,
    ) -> Result<Job, Failure> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { runtime, shut_down }) = inner.as_ref() else {
            return Err(Failure::new(Code::Closed, "calsync was shut down with its host"));
        };
        let ending = Arc::new(Ending { cancelled: Notify::new(), shut_down: shut_down.subscribe() });
        let call = runtime.spawn(ENDING.scope(ending.clone(), call));
        let abort = call.abort_handle();
        runtime.spawn(async move {
            done(match call.await {
                Ok(result) => result,
                Err(error) if error.is_cancelled() => {
                    Err(Failure::new(Code::Cancelled, "the call was cancelled"))
                }
                Err(_) => Err(Failure::new(Code::Internal, "calsync failed in a way it never should")),
            });
        });
        Ok(Job { abort, ending })
    }

    /// Ends all calls where they wait, and the threads with them. Waits at most 5 seconds; must be called without any
    /// lock that a host's method needs.
    pub fn shutdown(&self) {
        let taken = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { runtime, shut_down }) = taken {
            drop(shut_down);
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runtime(..)")
    }
}
