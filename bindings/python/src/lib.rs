//! The native part of the Python package `calsync`.
//!
//! Text goes in and out; the classes are in `python/calsync`. Only the calls that give thousands of events make objects at once
//! (`objects.rs`). No thread of ours waits for the interpreter while it ends:
//! `shutdown` is called before, and after it nothing here calls Python.

mod objects;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use calsync_bindings::{Code, Failure, Host, HostFailure, Job, Runtime, args, caught, parts, read};
use pyo3::{prelude::*, pybacked::PyBackedStr, types::PyString};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The threads of this process.
static RUNTIME: Mutex<Threads> = Mutex::new(Threads::Unused);

enum Threads {
    Unused,
    Running(Arc<Runtime>),
    /// The interpreter ends.
    Ended,
}

fn runtime() -> Result<Arc<Runtime>, Failure> {
    let mut threads = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    match &*threads {
        Threads::Running(runtime) => Ok(runtime.clone()),
        Threads::Ended => Err(Failure::new(Code::Closed, "calsync was shut down with its host")),
        Threads::Unused => {
            let runtime = Arc::new(Runtime::new().map_err(|error| Failure::invalid(error.to_string()))?);
            *threads = Threads::Running(runtime.clone());
            Ok(runtime)
        }
    }
}

/// What Python gets: whether it worked, and JSON either way.
fn answer(result: Result<String, Failure>) -> (bool, String) {
    match result {
        Ok(text) => (true, text),
        Err(failure) => (false, json(&failure)),
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Objects, or the failure as JSON.
fn objects<'py, T: Send>(
    py: Python<'py>,
    call: impl FnOnce() -> Result<T, Failure> + Send,
    make: impl FnOnce(Python<'py>, &T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match py.detach(|| caught(call)) {
        Ok(value) => make(py, &value),
        Err(failure) => Ok(PyString::new(py, &json(&failure)).into_any()),
    }
}

/// The objects of Python that answer one call.
struct PythonHost {
    call: Py<PyAny>,
    progress: Py<PyAny>,
}

#[async_trait]
impl Host for PythonHost {
    async fn call(&self, method: &'static str, args: String) -> Result<String, HostFailure> {
        let (sender, receiver) = oneshot::channel();
        let reply = Reply { sender: Mutex::new(Some(sender)), method };
        // Only passes it on to the thread of the caller: never waits with the interpreter in hand.
        let passed = Python::try_attach(|py| self.call.call1(py, (method, args, reply)).map(|_| ()));
        match passed {
            Some(Ok(())) => receiver.await.unwrap_or_else(|_| Err(HostFailure::new(method, "silent", ""))),
            Some(Err(_)) => Err(HostFailure::new(method, "silent", "its event loop is closed")),
            None => Err(HostFailure::new(method, "silent", "the interpreter ends")),
        }
    }

    fn tell(&self, progress: String) {
        // Nobody listens any more: not a reason to stop.
        let _ = Python::try_attach(|py| self.progress.call1(py, (progress,)).map(|_| ()));
    }
}

/// How a method of the host answers. One that is forgotten counts as silence.
#[pyclass(frozen)]
struct Reply {
    sender: Mutex<Option<oneshot::Sender<Result<String, HostFailure>>>>,
    method: &'static str,
}

impl Reply {
    fn send(&self, answer: Result<String, HostFailure>) {
        if let Some(sender) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The call may have been cancelled meanwhile.
            let _ = sender.send(answer);
        }
    }
}

#[pymethods]
impl Reply {
    /// It returned this, as JSON.
    fn ok(&self, value: String) {
        self.send(Ok(value));
    }

    /// It failed.
    fn fail(&self, kind: &str, detail: &str, expectation: usize) {
        let mut failure = HostFailure::new(self.method, kind, detail);
        failure.expectation = expectation;
        self.send(Err(failure));
    }
}

/// A call that goes on.
#[pyclass(frozen, name = "Job")]
struct RunningJob(Job);

#[pymethods]
impl RunningJob {
    /// Ends it where it waits.
    fn cancel(&self) {
        self.0.cancel();
    }
}

/// A store with connections and links.
#[pyclass(frozen)]
struct Engine(calsync_bindings::Engine);

#[pymethods]
impl Engine {
    #[new]
    fn new(store: &str) -> PyResult<Self> {
        calsync_bindings::Engine::new(store)
            .map(Self)
            .map_err(|failure| pyo3::exceptions::PyValueError::new_err(failure.message))
    }

    /// Starts a call. `done(ok, json)` is called once, from another thread; `call(method, json, reply)` for every method of
    /// the host, `progress(json)` for progress. None of them may wait.
    fn start(
        &self,
        py: Python<'_>,
        method: String,
        args: String,
        done: Py<PyAny>,
        call: Py<PyAny>,
        progress: Py<PyAny>,
    ) -> PyResult<Option<RunningJob>> {
        let host: Arc<dyn Host> = Arc::new(PythonHost { call, progress });
        start(py, self.0.call(method, args, Some(host)), done)
    }
}

/// The names of the cases every store must pass.
#[pyfunction]
fn store_cases() -> Vec<&'static str> {
    calsync_bindings::testing::store_cases()
}

/// Runs a case on a fresh store of the host, as [`Engine::start`] runs a call; `opening` is what an engine over it is made with.
#[pyfunction]
fn check_store(
    py: Python<'_>,
    case: String,
    opening: String,
    done: Py<PyAny>,
    call: Py<PyAny>,
) -> PyResult<Option<RunningJob>> {
    let host: Arc<dyn Host> = Arc::new(PythonHost { progress: call.clone_ref(py), call });
    start(py, calsync_bindings::testing::check_store(case, opening, host), done)
}

/// A provider on this machine, for tests of hosts.
#[pyclass(frozen)]
struct Emulator(Mutex<Option<calsync_bindings::testing::Emulator>>);

#[pymethods]
impl Emulator {
    #[new]
    fn new(py: Python<'_>, settings: &str) -> PyResult<Self> {
        py.detach(|| calsync_bindings::testing::Emulator::start(settings))
            .map(|emulator| Self(Mutex::new(Some(emulator))))
            .map_err(|failure| pyo3::exceptions::PyOSError::new_err(failure.message))
    }

    /// The arguments of `connect`, as JSON; nothing once it ended.
    fn account(&self) -> Option<String> {
        let emulator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        emulator.as_ref().map(|emulator| emulator.account().to_owned())
    }

    /// Does something at the service; whether it worked, and JSON either way. Fails once it ended.
    fn ask(&self, py: Python<'_>, method: &str, args: &str) -> (bool, String) {
        answer(py.detach(|| {
            let emulator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match emulator.as_ref() {
                Some(emulator) => caught(|| emulator.ask(method, args)),
                None => Err(Failure::new(Code::Closed, "this emulator is closed")),
            }
        }))
    }

    /// Ends it.
    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Starts a call on the threads of this process.
fn start(
    py: Python<'_>,
    call: impl Future<Output = Result<String, Failure>> + Send + 'static,
    done: Py<PyAny>,
) -> PyResult<Option<RunningJob>> {
    let finish = done.clone_ref(py);
    let finished = move |result| {
        let (ok, text) = answer(result);
        // The loop may be closed by now: then nobody waits for it.
        let _ = Python::try_attach(|py| finish.call1(py, (ok, text)).map(|_| ()));
    };
    match runtime().and_then(|runtime| runtime.start(call, finished)) {
        Ok(job) => Ok(Some(RunningJob(job))),
        Err(failure) => done.call1(py, answer(Err(failure))).map(|_| None),
    }
}

/// Calls a function that needs no engine.
#[pyfunction]
fn pure(py: Python<'_>, method: &str, args: &str) -> (bool, String) {
    answer(py.detach(|| calsync_bindings::pure(method, args)))
}

/// Reads calendar texts. Each gives a `ParsedCalendar`, or its failure as JSON; wrong arguments give one failure.
#[pyfunction]
fn parse<'py>(py: Python<'py>, texts: &Bound<'py, PyAny>, args: &str) -> PyResult<Bound<'py, PyAny>> {
    let texts: Result<Vec<PyBackedStr>, _> = texts.extract();
    let call = || {
        let texts = texts.map_err(|_| Failure::invalid("parse: a text is no text").about("parse"))?;
        let args: args::Parse = read("parse", args)?;
        Ok(parts::parse(&texts, args.default_zone))
    };
    objects(py, call, |py, outcomes| objects::parsed(py, outcomes))
}

/// When events take place: a list of `Expansion`, or the failure as JSON.
#[pyfunction]
fn expand<'py>(py: Python<'py>, args: &str) -> PyResult<Bound<'py, PyAny>> {
    objects(py, || parts::expand(read("expand", args)?), |py, expansions| objects::expansions(py, expansions))
}

/// What there is, as JSON: for the test that nothing is missing in Python.
#[pyfunction]
fn surface() -> String {
    serde_json::to_string(&calsync_bindings::surface::surface()).unwrap_or_default()
}

/// Ends all calls and threads. Called by `atexit`; afterwards nothing calls Python.
#[pyfunction]
fn shutdown(py: Python<'_>) {
    let ended = {
        let mut threads = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *threads, Threads::Ended)
    };
    if let Threads::Running(runtime) = ended {
        py.detach(|| runtime.shutdown());
    }
}

/// This process was forked: the threads stayed with the other one, and the next call makes new ones. What is left of the old ones
/// is not touched.
#[pyfunction]
fn forked() {
    if let Ok(mut threads) = RUNTIME.try_lock() {
        std::mem::forget(std::mem::replace(&mut *threads, Threads::Unused));
    }
}

/// The module `calsync._calsync`.
#[pymodule]
mod _calsync {
    #[pymodule_export]
    use super::{
        Emulator, Engine, Reply, RunningJob, check_store, expand, forked, parse, pure, shutdown, store_cases,
        surface,
    };
}
