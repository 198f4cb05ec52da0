//! The server: its socket, its task, and the way from bytes to a reply.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use super::quirks::CoziQuirks;
use super::route::{self, Reply};
use super::state::State;
use crate::dav::{FaultAction, RecordedRequest};

/// Larger request bodies close the connection.
const MAX_REQUEST: usize = 32 << 20;

/// How a server starts.
#[derive(Clone)]
pub struct CoziOptions {
    /// The user name. Default: `ann@example.com`.
    pub user: String,
    /// The password. Default: `secret`.
    pub password: String,
    /// The household's name. Default: `The Browns`.
    pub name: String,
    /// The household's zone. Default: `Europe/Berlin`.
    pub zone: String,
    /// What a token says it lasts, in seconds. Default: 14,400.
    pub lifetime: u64,
    /// The port; 0 takes a free one. Default: 0.
    pub port: u16,
    /// How many requests are recorded; past it the oldest is forgotten. Default: 10,000.
    pub max_recorded: usize,
    /// Deviations. Default: none.
    pub quirks: CoziQuirks,
}

impl Default for CoziOptions {
    fn default() -> Self {
        Self {
            user: "ann@example.com".to_owned(),
            password: "secret".to_owned(),
            name: "The Browns".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            lifetime: 14_400,
            port: 0,
            max_recorded: 10_000,
            quirks: CoziQuirks::default(),
        }
    }
}

/// Leaves the password out.
impl fmt::Debug for CoziOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoziOptions")
            .field("zone", &self.zone)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

/// Cozi on a port of 127.0.0.1, for tests and examples. It ends when it is dropped.
///
/// It keeps everything in memory, has no clock, and does the same for the same requests each time.
pub struct CoziServer {
    shared: Arc<Mutex<State>>,
    base: String,
    task: JoinHandle<()>,
}

impl CoziServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When there is no runtime or the port cannot be bound.
    pub fn start(options: CoziOptions) -> io::Result<Self> {
        let handle = Handle::try_current().map_err(io::Error::other)?;
        Self::start_on(&handle, options)
    }

    /// Starts a server on a runtime that the caller keeps alive, from a thread outside of it.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub fn start_on(runtime: &Handle, options: CoziOptions) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let base = format!("http://{}", listener.local_addr()?);
        let state = State {
            user: options.user,
            password: options.password,
            account: "account-1".to_owned(),
            name: options.name,
            zone: options.zone,
            lifetime: options.lifetime,
            quirks: options.quirks,
            tokens: BTreeSet::new(),
            cookies: BTreeSet::new(),
            items: BTreeMap::new(),
            requests: VecDeque::new(),
            max_recorded: options.max_recorded,
            faults: VecDeque::new(),
            logins: 0,
            renewals: 0,
            notified: 0,
            ticks: 0,
        };
        let shared = Arc::new(Mutex::new(state));
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let task = runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, base, task })
    }

    /// The root to configure a client with: scheme, host, port and path.
    pub fn url(&self) -> String {
        format!("{}/api/ext/", self.base)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }
}

impl Drop for CoziServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for CoziServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoziServer").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A panic in a test that holds the lock says nothing about the state.
fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<State>>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    let mut http = hyper::server::conn::http1::Builder::new();
                    let _ = http.auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Closes the connection without an answer.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

enum Outcome {
    Send(Reply),
    Drop,
    Hang,
}

async fn answer(
    shared: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_REQUEST).collect().await else { return Err(Dropped) };
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let path = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let method = parts.method.as_str().to_ascii_uppercase();
    let request = RecordedRequest::inner(method, path, headers, body.to_bytes().to_vec());
    // The lock is released before anything is awaited.
    let outcome = perform(&mut lock(&shared), request);
    let reply = match outcome {
        Outcome::Send(reply) => reply,
        Outcome::Drop => return Err(Dropped),
        Outcome::Hang => std::future::pending().await,
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(reply.body.into())).map_err(|_| Dropped)
}

/// Applies faults, makes the reply and records both.
fn perform(state: &mut State, mut request: RecordedRequest) -> Outcome {
    let action = state.faults.iter_mut().find_map(|fault| fault.take(&request));
    state.faults.retain(|fault| !fault.is_spent());
    let reply = match &action {
        Some(FaultAction::DropBefore | FaultAction::HangBefore) => {
            state.record(request);
            return if action == Some(FaultAction::DropBefore) { Outcome::Drop } else { Outcome::Hang };
        }
        Some(FaultAction::Respond { status, headers, body }) => {
            Reply { status: *status, headers: headers.clone(), body: body.clone().into_bytes() }
        }
        _ => route::answer(state, &request),
    };
    request.status = Some(reply.status);
    request.response_headers.clone_from(&reply.headers);
    request.response.clone_from(&reply.body);
    state.record(request);
    match action {
        Some(FaultAction::DropAfter) => Outcome::Drop,
        Some(FaultAction::HangAfter) => Outcome::Hang,
        Some(FaultAction::Truncate) => {
            let half = reply.body.len() / 2;
            Outcome::Send(Reply { body: reply.body[..half].to_vec(), ..reply })
        }
        _ => Outcome::Send(reply),
    }
}
