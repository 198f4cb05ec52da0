//! The native part of the npm package `calsync`.
//!
//! Text goes in and out; what users see is in `index.cjs`. Callbacks run on the thread of the environment that made the call,
//! and those into the host's methods never keep its process alive by themselves.

mod instances;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use calsync_bindings::{
    Code, Failure, Host, HostFailure, Job, Names, Runtime, args, caught, parts, pure_in, read,
};
use napi::{
    Env, Status,
    bindgen_prelude::{FnArgs, Function, Object},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use tokio::sync::oneshot;

/// The threads of this process, while an environment needs them.
static THREADS: Mutex<Threads> = Mutex::new(Threads { environments: 0, runtime: None });

struct Threads {
    /// The main thread and workers.
    environments: usize,
    runtime: Option<Arc<Runtime>>,
}

type Done = ThreadsafeFunction<FnArgs<(bool, String)>, (), FnArgs<(bool, String)>, Status, false>;
type Call = ThreadsafeFunction<
    FnArgs<(String, String, Reply)>,
    (),
    FnArgs<(String, String, Reply)>,
    Status,
    false,
    true,
>;
type Tell = ThreadsafeFunction<FnArgs<(String,)>, (), FnArgs<(String,)>, Status, false, true>;

fn runtime() -> Result<Arc<Runtime>, Failure> {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &threads.runtime {
        return Ok(runtime.clone());
    }
    let runtime = Arc::new(Runtime::new().map_err(|error| Failure::invalid(error.to_string()))?);
    Ok(threads.runtime.insert(runtime).clone())
}

/// What JavaScript gets: whether it worked, and JSON either way.
fn answer(result: Result<String, Failure>) -> (bool, String) {
    match result {
        Ok(text) => (true, text),
        Err(failure) => (false, serde_json::to_string(&failure).unwrap_or_default()),
    }
}

/// The functions of JavaScript that answer one call.
struct NodeHost {
    call: Call,
    progress: Option<Tell>,
}

fn host(
    call: Function<'_, FnArgs<(String, String, Reply)>, ()>,
    progress: Option<Function<'_, FnArgs<(String,)>, ()>>,
) -> napi::Result<Arc<dyn Host>> {
    let call = call.build_threadsafe_function().callee_handled::<false>().weak::<true>().build()?;
    let progress = match progress {
        Some(progress) => {
            Some(progress.build_threadsafe_function().callee_handled::<false>().weak::<true>().build()?)
        }
        None => None,
    };
    Ok(Arc::new(NodeHost { call, progress }))
}

/// Starts a call on the threads of this process.
fn start(
    call: impl Future<Output = Result<String, Failure>> + Send + 'static,
    done: Function<'_, FnArgs<(bool, String)>, ()>,
) -> napi::Result<Option<RunningJob>> {
    let finish: Done = done.build_threadsafe_function().callee_handled::<false>().build()?;
    let finished = move |result| {
        // The environment may be gone by now: then nobody waits for it.
        let _ = finish.call(FnArgs::from(answer(result)), ThreadsafeFunctionCallMode::NonBlocking);
    };
    match runtime().and_then(|runtime| runtime.start(call, finished)) {
        Ok(job) => Ok(Some(RunningJob(job))),
        Err(failure) => {
            done.call(FnArgs::from(answer(Err(failure))))?;
            Ok(None)
        }
    }
}

#[async_trait]
impl Host for NodeHost {
    async fn call(&self, method: &'static str, args: String) -> Result<String, HostFailure> {
        let (sender, receiver) = oneshot::channel();
        let reply = Reply { sender: Mutex::new(Some(sender)), method };
        let args = FnArgs::from((method.to_owned(), args, reply));
        match self.call.call(args, ThreadsafeFunctionCallMode::NonBlocking) {
            Status::Ok => receiver.await.unwrap_or_else(|_| Err(HostFailure::new(method, "silent", ""))),
            _ => Err(HostFailure::new(method, "silent", "its environment ends")),
        }
    }

    fn tell(&self, progress: String) {
        // Nobody listens any more: not a reason to stop.
        if let Some(tell) = &self.progress {
            let _ = tell.call(FnArgs::from((progress,)), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// How a method of the host answers. One that is forgotten counts as silence.
#[napi]
pub struct Reply {
    sender: Mutex<Option<oneshot::Sender<Result<String, HostFailure>>>>,
    method: &'static str,
}

#[napi]
impl Reply {
    fn send(&self, answer: Result<String, HostFailure>) {
        if let Some(sender) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The call may have been cancelled meanwhile.
            let _ = sender.send(answer);
        }
    }

    /// It returned this, as JSON.
    #[napi]
    pub fn ok(&self, value: String) {
        self.send(Ok(value));
    }

    /// It failed.
    #[napi]
    pub fn fail(&self, kind: String, detail: String, expectation: u32) {
        let mut failure = HostFailure::new(self.method, &kind, detail);
        failure.expectation = usize::try_from(expectation).unwrap_or_default();
        self.send(Err(failure));
    }
}

/// A call that goes on.
#[napi(js_name = "Job")]
pub struct RunningJob(Job);

#[napi]
impl RunningJob {
    /// Ends it where it waits.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// A store with connections and links.
#[napi]
pub struct Engine(calsync_bindings::Engine);

#[napi]
impl Engine {
    /// An engine over the store that JSON names.
    #[napi(constructor)]
    pub fn new(store: String) -> napi::Result<Self> {
        let engine = calsync_bindings::Engine::new(&store);
        engine
            .map(|engine| Self(engine.with_names(Names::Camel)))
            .map_err(|failure| napi::Error::new(Status::InvalidArg, failure.message))
    }

    /// Starts a call. `done(ok, json)` is called once, and keeps the process alive until then; `call(method, json, reply)` for
    /// every method of the host, `progress(json)` for progress.
    #[napi]
    pub fn start(
        &self,
        method: String,
        args: String,
        done: Function<'_, FnArgs<(bool, String)>, ()>,
        call: Function<'_, FnArgs<(String, String, Reply)>, ()>,
        progress: Function<'_, FnArgs<(String,)>, ()>,
    ) -> napi::Result<Option<RunningJob>> {
        let host = host(call, Some(progress))?;
        start(self.0.call(method, args, Some(host)), done)
    }
}

/// Calls a function that needs no engine. Gives JSON, with what failed behind a `!`.
#[napi]
pub fn pure(method: String, args: String) -> String {
    marked(pure_in(Names::Camel, &method, &args))
}

/// Reads calendar texts, as [`pure`] does; the texts are not packed into JSON for it.
#[napi]
pub fn parse(texts: Vec<String>, args: String) -> String {
    let parsed = caught(|| Ok(parts::parse(&texts, read::<args::Parse>("parse", &args)?.default_zone)));
    marked(parsed.and_then(|parsed| {
        Names::Camel.write(&parsed).map_err(|_| Failure::new(Code::Internal, "a result cannot be written"))
    }))
}

/// When events take place, as [`pure`] says it, with the instances packed.
#[napi]
pub fn expand(args: String) -> String {
    let expanded = caught(|| parts::expand(read("expand", &args)?));
    marked(expanded.and_then(|expanded| {
        let packed: Vec<instances::Packed<'_>> = expanded.iter().map(Into::into).collect();
        Names::Camel.write(&packed).map_err(|_| Failure::new(Code::Internal, "a result cannot be written"))
    }))
}

fn marked(result: Result<String, Failure>) -> String {
    match answer(result) {
        (true, text) => text,
        (false, text) => format!("!{text}"),
    }
}

/// A provider on this machine, for tests of hosts.
#[napi]
pub struct Emulator(Mutex<Option<calsync_bindings::testing::Emulator>>);

#[napi]
impl Emulator {
    /// Starts one; the settings are JSON.
    #[napi(constructor)]
    pub fn new(settings: String) -> napi::Result<Self> {
        let emulator = calsync_bindings::testing::Emulator::start(&settings);
        let emulator =
            emulator.map_err(|failure| napi::Error::new(Status::GenericFailure, failure.message))?;
        Ok(Self(Mutex::new(Some(emulator))))
    }

    /// What `connect` takes, as JSON; nothing once it ended.
    #[napi]
    pub fn account(&self) -> Option<String> {
        let emulator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        emulator.as_ref().map(|emulator| emulator.account().to_owned())
    }

    /// Does something at the service. Gives JSON, with what failed behind a `!`; fails once it ended.
    #[napi]
    pub fn ask(&self, method: String, args: String) -> String {
        let emulator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marked(match emulator.as_ref() {
            Some(emulator) => caught(|| emulator.ask(&method, &args)),
            None => Err(Failure::new(Code::Closed, "this emulator is closed")),
        })
    }

    /// Ends it.
    #[napi]
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The names of the cases every store must pass.
#[napi]
pub fn store_cases() -> Vec<String> {
    calsync_bindings::testing::store_cases().into_iter().map(str::to_owned).collect()
}

/// Runs a case on a fresh store of the host, as [`Engine::start`] runs a call; `opening` is what an engine over it is made with.
#[napi]
pub fn check_store(
    case: String,
    opening: String,
    done: Function<'_, FnArgs<(bool, String)>, ()>,
    call: Function<'_, FnArgs<(String, String, Reply)>, ()>,
) -> napi::Result<Option<RunningJob>> {
    start(calsync_bindings::testing::check_store(case, opening, host(call, None)?), done)
}

/// What there is, as JSON: for the test that nothing is missing in JavaScript.
#[napi]
pub fn surface() -> String {
    serde_json::to_string(&calsync_bindings::surface::surface()).unwrap_or_default()
}

/// Ends the threads with the last environment that uses them; the next one has new ones.
#[napi(module_exports)]
pub fn init(_: Object<'_>, env: Env) -> napi::Result<()> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner).environments += 1;
    env.add_env_cleanup_hook((), |()| {
        let ended = {
            let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
            threads.environments -= 1;
            if threads.environments == 0 { threads.runtime.take() } else { None }
        };
        if let Some(runtime) = ended {
            runtime.shutdown();
        }
    })?;
    Ok(())
}
