//! The server: its socket, its task, and the way from bytes to a reply.

use std::{
    collections::BTreeSet,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
};

use calsync_core::context::Clock;
use http_body_util::Full;
use hyper::{Response, body::Bytes, http::request::Parts};
use tokio::runtime::Handle;

use super::{control::follow, quirks::GoogleQuirks, reply::Reply, route, state::State};
use crate::dav::{FaultAction, RecordedRequest};
use crate::deliver::deliver;
use crate::listen::{Bound, Dropped, Listening, Outcome, RawReply, lock, recorded, respond};
use crate::oauth::{OAuth, OAuthOptions, Vendor};
use crate::switch;

/// Larger request bodies close the connection.
const MAX_REQUEST: usize = 32 << 20;

/// How a server starts.
#[derive(Clone)]
pub struct GoogleOptions {
    /// The account, and the id of its own calendar. Default: `ann@example.com`.
    pub user: String,
    /// An access token that is accepted beside those the authorization server gives out. Default: `secret`.
    pub token: String,
    /// The zone of the account's own calendar. Default: `Europe/Berlin`.
    pub zone: String,
    /// The port; 0 takes a free one. Default: 0.
    pub port: u16,
    /// How many requests are recorded; past it the oldest is forgotten. Default: 10,000.
    pub max_recorded: usize,
    /// Deviations. Default: none.
    pub quirks: GoogleQuirks,
    /// The authorization server, at `o/oauth2/v2/auth`, `token` and `revoke`.
    pub oauth: OAuthOptions,
    /// The clock of the service. Default: its own, which is a second later with every change. For clients that tell the
    /// time by the machine's, [`SystemClock`](calsync_core::context::SystemClock).
    pub clock: Option<Arc<dyn Clock>>,
}

impl Default for GoogleOptions {
    fn default() -> Self {
        Self {
            user: "ann@example.com".to_owned(),
            token: "secret".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            port: 0,
            max_recorded: 10_000,
            quirks: GoogleQuirks::default(),
            oauth: OAuthOptions::default(),
            clock: None,
        }
    }
}

/// Leaves the token out.
impl fmt::Debug for GoogleOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleOptions")
            .field("zone", &self.zone)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

/// Google Calendar on a port of 127.0.0.1, for tests and examples. It ends when it is dropped.
///
/// It keeps everything in memory and does the same for the same requests each time: its clock is a second later with
/// every change. Channels call `http` addresses of this machine, and nobody else.
pub struct GoogleServer {
    shared: Arc<Mutex<State>>,
    base: String,
    /// None without a port: nobody is called then.
    runtime: Option<Handle>,
    _listening: Option<Listening>,
}

impl GoogleServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When there is no runtime or the port cannot be bound.
    pub fn start(options: GoogleOptions) -> io::Result<Self> {
        let handle = Handle::try_current().map_err(io::Error::other)?;
        Self::start_on(&handle, options)
    }

    /// Starts a server on a runtime that the caller keeps alive, from a thread outside of it.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub fn start_on(runtime: &Handle, options: GoogleOptions) -> io::Result<Self> {
        let bound = Bound::take(options.port)?;
        let base = bound.base.clone();
        let shared = Arc::new(Mutex::new(Self::account(&base, options)));
        let listening = bound.serve(runtime, &shared, MAX_REQUEST, answer)?;
        Ok(Self { shared, base, runtime: Some(runtime.clone()), _listening: Some(listening) })
    }

    /// A server without a port, for clients in the same thread.
    pub(crate) fn in_process(options: GoogleOptions) -> Self {
        let base = "http://google.test".to_owned();
        let shared = Arc::new(Mutex::new(Self::account(&base, options)));
        Self { shared, base, runtime: None, _listening: None }
    }

    /// Serves a request that did not come over a connection. `None` where a connection would have been closed.
    pub(crate) fn exchange(&self, request: RecordedRequest) -> Option<RawReply> {
        match perform(&mut self.state(), request) {
            Outcome::Send(reply) => {
                Some(RawReply { status: reply.status, headers: reply.headers, body: reply.body })
            }
            Outcome::Drop | Outcome::Hang => None,
        }
    }

    fn account(base: &str, options: GoogleOptions) -> State {
        let mut state = State {
            user: options.user.clone(),
            tokens: BTreeSet::from([options.token]),
            quirks: options.quirks,
            max_recorded: options.max_recorded,
            clock: options.clock,
            ..State::new(OAuth::new(Vendor::Google, base, &options.user, options.oauth))
        };
        state.add_calendar(&options.user, &options.user, &options.zone, "owner");
        state
    }

    /// The root to configure a client with: scheme, host, port and a slash.
    pub fn url(&self) -> String {
        format!("{}/", self.base)
    }

    /// Acts on the authorization server, or asks it.
    pub fn oauth<T>(&self, act: impl FnOnce(&mut OAuth) -> T) -> T {
        act(&mut self.state().oauth)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    /// Makes the calls that are waiting to be made.
    pub(super) fn flush(&self) {
        let outgoing = std::mem::take(&mut self.state().outgoing);
        if let Some(runtime) = self.runtime.as_ref().filter(|_| !outgoing.is_empty()) {
            runtime.spawn(deliver(outgoing));
        }
    }
}

impl fmt::Debug for GoogleServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleServer").field("base", &self.base).finish_non_exhaustive()
    }
}

async fn answer(
    shared: Arc<Mutex<State>>,
    parts: Parts,
    body: Vec<u8>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    // The lock is released before anything is awaited.
    let (outcome, outgoing) = {
        let mut state = lock(&shared);
        let outcome = perform(&mut state, recorded(&parts, body));
        (outcome, std::mem::take(&mut state.outgoing))
    };
    if !outgoing.is_empty() {
        tokio::spawn(deliver(outgoing));
    }
    let reply = outcome.reply().await?;
    respond(reply.status, &reply.headers, Full::new(reply.body.into()))
}

/// Applies faults, makes the reply and records both.
fn perform(state: &mut State, mut request: RecordedRequest) -> Outcome<Reply> {
    if request.path == switch::PATH {
        let (status, text) =
            switch::control(&request.method, &request.body, GoogleServer::switches(), |line| {
                follow(state, line)
            });
        return Outcome::Send(Reply { status, headers: Vec::new(), body: text.into_bytes() });
    }
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
