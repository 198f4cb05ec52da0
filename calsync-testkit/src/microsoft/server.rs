//! The server: its socket, its task, and the way from bytes to a reply.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, io,
    net::{Ipv4Addr, TcpListener as StdListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request as HttpRequest, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    task::{JoinHandle, JoinSet},
};

use super::{
    control::Seen,
    dispatch::dispatch,
    notify::{Outgoing, post, validates},
    quirks::{Action, Quirks},
    request::{Reply, Request},
    state::{CalendarRow, State},
};
use crate::oauth::{OAuth, OAuthOptions, Vendor};

/// Larger request bodies close the connection; Graph takes 4 MB.
const MAX_REQUEST: usize = 4 << 20;

/// How a server starts.
#[derive(Clone)]
#[non_exhaustive]
pub struct GraphOptions {
    /// A bearer token it takes beside those the authorization server gives out. Default: `secret`.
    pub token: String,
    /// The address of the mailbox. Default: `ann@example.com`.
    pub owner: String,
    /// The name of the default calendar. Default: `Calendar`.
    pub calendar: String,
    /// The port; 0 is any free one. Default: 0.
    pub port: u16,
    /// Deviations. Default: none.
    pub quirks: Quirks,
    /// The authorization server, at `TENANT/oauth2/v2.0/authorize`, `token` and `devicecode`.
    pub oauth: OAuthOptions,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self {
            token: "secret".to_owned(),
            owner: "ann@example.com".to_owned(),
            calendar: "Calendar".to_owned(),
            port: 0,
            quirks: Quirks::default(),
            oauth: OAuthOptions::default(),
        }
    }
}

impl fmt::Debug for GraphOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphOptions")
            .field("port", &self.port)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

/// An emulator of Microsoft Graph's calendar on 127.0.0.1. It ends when it is dropped.
///
/// It keeps everything in memory, has a clock of its own that only moves when something happens, and does the same for the
/// same requests each time. It runs as a task of the runtime it is started in.
pub struct GraphServer {
    shared: Arc<Mutex<State>>,
    base: String,
    runtime: Handle,
    task: JoinHandle<()>,
}

impl GraphServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When there is no runtime, or the port cannot be bound.
    pub fn start(options: GraphOptions) -> io::Result<Self> {
        let handle = Handle::try_current().map_err(io::Error::other)?;
        Self::start_on(&handle, options)
    }

    /// Starts a server on a runtime that the caller keeps alive, from a thread outside of it.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub fn start_on(runtime: &Handle, options: GraphOptions) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let base = format!("http://{}", listener.local_addr()?);
        let calendar = CalendarRow { name: options.calendar, default: true, can_edit: true };
        let shared = Arc::new(Mutex::new(State {
            base: base.clone(),
            oauth: OAuth::new(Vendor::Microsoft, &options.owner, options.oauth),
            token: options.token,
            owner: options.owner,
            quirks: options.quirks,
            faults: VecDeque::new(),
            seen: Vec::new(),
            calendars: [("AAcal-default=".to_owned(), calendar)].into(),
            events: BTreeMap::new(),
            gone: Vec::new(),
            subscriptions: BTreeMap::new(),
            sequence: 1,
            oldest_token: 0,
            mails: 0,
            outgoing: Vec::new(),
            now: DateTime::from_timestamp(1_767_614_400, 0).unwrap_or(DateTime::<Utc>::UNIX_EPOCH),
            active: 0,
        }));
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let task = runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, base, runtime: runtime.clone(), task })
    }

    /// The root of the service, with a slash at the end.
    pub fn url(&self) -> String {
        format!("{}/v1.0/", self.base)
    }

    /// The root of the server, with a slash at the end: the authorization server is below it.
    pub fn root(&self) -> String {
        format!("{}/", self.base)
    }

    /// Acts on the authorization server, or asks it.
    pub fn oauth<T>(&self, act: impl FnOnce(&mut OAuth) -> T) -> T {
        act(&mut self.state().oauth)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    /// Sends what is waiting to be sent.
    pub(super) fn flush(&self) {
        let outgoing = std::mem::take(&mut self.state().outgoing);
        if !outgoing.is_empty() {
            self.runtime.spawn(deliver(outgoing));
        }
    }
}

impl Drop for GraphServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for GraphServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphServer").field("base", &self.base).finish_non_exhaustive()
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn deliver(outgoing: Vec<Outgoing>) {
    for message in outgoing {
        // An address that does not answer loses its notification.
        let _ = post(&message.address, "application/json", &message.body).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<State>>) {
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
                    // Errors here are clients that left and connections dropped on purpose.
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

async fn answer(
    shared: Arc<Mutex<State>>,
    request: HttpRequest<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let crowded = {
        let mut state = lock(&shared);
        state.active += 1;
        state.active > state.quirks.concurrent_max
    };
    let body = Limited::new(body, MAX_REQUEST).collect().await;
    let result = match body {
        Ok(body) => served(&shared, &parts, body.to_bytes().to_vec(), crowded).await,
        Err(_) => Err(Dropped),
    };
    let outgoing = {
        let mut state = lock(&shared);
        state.active -= 1;
        std::mem::take(&mut state.outgoing)
    };
    if !outgoing.is_empty() {
        tokio::spawn(deliver(outgoing));
    }
    result
}

async fn served(
    shared: &Arc<Mutex<State>>,
    parts: &http::request::Parts,
    body: Vec<u8>,
    crowded: bool,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let target = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let mut seen = Seen {
        method: parts.method.as_str().to_owned(),
        path: target.clone(),
        status: 0,
        body: String::from_utf8_lossy(&body).into_owned(),
        prefer: headers.get("prefer").cloned().unwrap_or_default(),
    };
    let authorized = {
        let authorization = headers.get("authorization").map(String::as_str);
        lock(shared).oauth.answer(parts.method.as_str(), &target, authorization, &body)
    };
    if let Some(answer) = authorized {
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        return response.body(Full::new(Bytes::from(answer.body))).map_err(|_| Dropped);
    }
    let Some(request) = Request::new(parts.method.as_str(), &target, headers, body) else {
        return response(Reply::error(404, "UnknownPath", "not served"));
    };
    let fault = {
        let mut state = lock(shared);
        let mut faults = std::mem::take(&mut state.faults);
        let fault = faults.iter_mut().find_map(|fault| fault.take(&request.method, &target));
        state.faults = faults;
        fault
    };
    if fault == Some(Action::DropBefore) {
        lock(shared).seen.push(seen);
        return Err(Dropped);
    }
    if let Some(Action::Respond { status, headers, body }) = &fault {
        seen.status = *status;
        lock(shared).seen.push(seen);
        let mut response = Response::builder().status(*status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        return response.body(Full::new(Bytes::from(body.clone()))).map_err(|_| Dropped);
    }
    let refused = if crowded {
        let throttled =
            Reply::error(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.");
        Some(throttled.header("Retry-After", "1"))
    } else {
        handshake(&request).await
    };
    let reply = match refused {
        Some(reply) => reply,
        None => dispatch(&mut lock(shared), &request),
    };
    if fault == Some(Action::DropAfter) {
        lock(shared).seen.push(seen);
        return Err(Dropped);
    }
    seen.status = reply.status;
    lock(shared).seen.push(seen);
    response(reply)
}

/// Before a subscription is granted, its addresses are asked whether they want it.
async fn handshake(request: &Request) -> Option<Reply> {
    if request.method != "POST" || request.path != ["subscriptions"] {
        return None;
    }
    let body = request.json()?;
    for name in ["notificationUrl", "lifecycleNotificationUrl"] {
        if let Some(address) = body.get(name).and_then(Value::as_str)
            && !validates(address).await
        {
            return Some(Reply::error(400, "InvalidRequest", "Subscription validation request failed."));
        }
    }
    None
}

fn response(reply: Reply) -> Result<Response<Full<Bytes>>, Dropped> {
    let mut response = Response::builder().status(reply.status).header("request-id", "0");
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let body = match reply.body {
        Some(body) => {
            response = response.header("Content-Type", "application/json; odata.metadata=minimal");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    response.body(Full::new(body)).map_err(|_| Dropped)
}
