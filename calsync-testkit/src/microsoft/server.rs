//! The server: its socket, its task, and the way from bytes to a reply.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
};

use calsync_core::context::Clock;
use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::{Response, body::Bytes, http::request::Parts};
use serde_json::Value;
use tokio::runtime::Handle;

use super::{
    control::{Seen, follow},
    dispatch::dispatch,
    notify::validates,
    quirks::{Action, Quirks},
    request::{Reply, Request},
    state::{CalendarRow, State},
};
use crate::{
    dav::RecordedRequest,
    deliver::deliver,
    listen::{Bound, Dropped, Listening, Outcome, RawReply, lock, recorded},
    oauth::{OAuth, OAuthOptions, Vendor},
    switch,
};

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
    /// The clock of the service. Default: its own, which moves when it is set. For clients that tell the time by the
    /// machine's, [`SystemClock`](calsync_core::context::SystemClock).
    pub clock: Option<Arc<dyn Clock>>,
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
            clock: None,
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
    /// None without a port: nothing is delivered then.
    runtime: Option<Handle>,
    _listening: Option<Listening>,
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
        let bound = Bound::take(options.port)?;
        let base = bound.base.clone();
        let shared = Arc::new(Mutex::new(Self::mailbox(&base, options)));
        let listening = bound.serve(runtime, &shared, MAX_REQUEST, answer)?;
        Ok(Self { shared, base, runtime: Some(runtime.clone()), _listening: Some(listening) })
    }

    /// A server without a port, for clients in the same thread. It delivers no notifications.
    pub(crate) fn in_process(options: GraphOptions) -> Self {
        let base = "http://graph.test".to_owned();
        let shared = Arc::new(Mutex::new(Self::mailbox(&base, options)));
        Self { shared, base, runtime: None, _listening: None }
    }

    /// Serves a request that did not come over a connection. `None` where a connection would have been closed.
    pub(crate) fn exchange(&self, request: RecordedRequest) -> Option<RawReply> {
        let mut state = self.state();
        match arrive(&mut state, request) {
            Arrived::Answered(outcome) => outcome.sent(),
            Arrived::Served(underway) => finish(&mut state, *underway, None).sent(),
        }
    }

    fn mailbox(base: &str, options: GraphOptions) -> State {
        let calendar = CalendarRow { name: options.calendar, default: true, can_edit: true };
        State {
            base: base.to_owned(),
            oauth: OAuth::new(Vendor::Microsoft, base, &options.owner, options.oauth),
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
            rounds: BTreeMap::new(),
            mails: 0,
            outgoing: Vec::new(),
            now: DateTime::from_timestamp(1_767_614_400, 0).unwrap_or(DateTime::<Utc>::UNIX_EPOCH),
            clock: options.clock,
            active: 0,
        }
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
        if let Some(runtime) = self.runtime.as_ref().filter(|_| !outgoing.is_empty()) {
            runtime.spawn(deliver(outgoing));
        }
    }
}

impl fmt::Debug for GraphServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphServer").field("base", &self.base).finish_non_exhaustive()
    }
}

async fn answer(
    shared: Arc<Mutex<State>>,
    parts: Parts,
    body: Vec<u8>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let crowded = {
        let mut state = lock(&shared);
        state.active += 1;
        state.active > state.quirks.concurrent_max
    };
    let outcome = served(&shared, recorded(&parts, body), crowded).await;
    let outgoing = {
        let mut state = lock(&shared);
        state.active -= 1;
        std::mem::take(&mut state.outgoing)
    };
    if !outgoing.is_empty() {
        tokio::spawn(deliver(outgoing));
    }
    outcome.reply().await?.response()
}

async fn served(shared: &Mutex<State>, request: RecordedRequest, crowded: bool) -> Outcome<RawReply> {
    let arrived = arrive(&mut lock(shared), request);
    let arrived = match arrived {
        Arrived::Answered(reply) => return reply,
        Arrived::Served(arrived) => *arrived,
    };
    let refused = if crowded {
        let throttled =
            Reply::error(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.");
        Some(throttled.header("Retry-After", "1"))
    } else {
        handshake(&arrived.request).await
    };
    finish(&mut lock(shared), arrived, refused)
}

/// What a request meets first.
enum Arrived {
    /// The authorization server, or a fault: what becomes of it is known.
    Answered(Outcome<RawReply>),
    /// Nobody: it is to be served.
    Served(Box<Underway>),
}

/// A request to be served.
struct Underway {
    request: Request,
    seen: Seen,
    /// What becomes of its answer.
    fault: Option<Action>,
}

fn arrive(state: &mut State, request: RecordedRequest) -> Arrived {
    let RecordedRequest { method, path: target, headers, body, .. } = request;
    if target == switch::PATH {
        let (status, text) =
            switch::control(&method, &body, GraphServer::switches(), |line| follow(state, line));
        return Arrived::Answered(Outcome::Send(RawReply {
            status,
            headers: Vec::new(),
            body: text.into_bytes(),
        }));
    }
    if let Some(clock) = &state.clock {
        state.now = clock.now();
    }
    let headers: BTreeMap<String, String> = headers.into_iter().collect();
    let mut seen = Seen {
        method: method.clone(),
        path: target.clone(),
        status: 0,
        body: String::from_utf8_lossy(&body).into_owned(),
        prefer: headers.get("prefer").cloned().unwrap_or_default(),
        headers: headers.clone(),
    };
    let authorization = headers.get("authorization").map(String::as_str);
    if let Some(answer) = state.oauth.answer(&method, &target, authorization, &body) {
        let reply = RawReply { status: answer.status, headers: answer.headers, body: answer.body };
        return Arrived::Answered(Outcome::Send(reply));
    }
    let Some(request) = Request::new(&method, &target, headers, body) else {
        return Arrived::Answered(Outcome::Send(raw(Reply::error(404, "UnknownPath", "not served"))));
    };
    match state.faults.iter_mut().find_map(|fault| fault.take(&request.method, &target)) {
        Some(fault @ (Action::DropBefore | Action::HangBefore)) => {
            state.seen.push(seen);
            Arrived::Answered(if fault == Action::DropBefore { Outcome::Drop } else { Outcome::Hang })
        }
        Some(Action::Respond { status, mut headers, body }) => {
            headers.push(("request-id".to_owned(), request_id(state)));
            seen.status = status;
            state.seen.push(seen);
            Arrived::Answered(Outcome::Send(RawReply { status, headers, body: body.into_bytes() }))
        }
        fault => Arrived::Served(Box::new(Underway { request, seen, fault })),
    }
}

fn finish(state: &mut State, underway: Underway, refused: Option<Reply>) -> Outcome<RawReply> {
    let Underway { request, mut seen, fault } = underway;
    let mut reply = refused.unwrap_or_else(|| dispatch(state, &request));
    reply.name(&request_id(state), request.header("client-request-id"));
    if request.header("return-client-request-id") == Some("true")
        && let Some(id) = request.header("client-request-id")
    {
        reply = reply.header("client-request-id", id);
    }
    if matches!(fault, None | Some(Action::Truncate)) {
        seen.status = reply.status;
    }
    state.seen.push(seen);
    let mut reply = raw(reply);
    match fault {
        Some(Action::DropAfter) => Outcome::Drop,
        Some(Action::HangAfter) => Outcome::Hang,
        Some(Action::Truncate) => {
            reply.body.truncate(reply.body.len() / 2);
            Outcome::Send(reply)
        }
        _ => Outcome::Send(reply),
    }
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

/// What this request is called.
fn request_id(state: &State) -> String {
    format!("00000000-0000-4000-8000-{:012x}", state.seen.len())
}

fn raw(reply: Reply) -> RawReply {
    let mut headers: Vec<_> =
        reply.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let body = match reply.body {
        Some(body) => {
            headers.push(("Content-Type".to_owned(), "application/json; odata.metadata=minimal".to_owned()));
            body.to_string().into_bytes()
        }
        None => Vec::new(),
    };
    RawReply { status: reply.status, headers, body }
}
