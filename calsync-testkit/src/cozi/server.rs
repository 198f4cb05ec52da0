//! The server: its socket, its task, and the way from bytes to a reply.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
};

use http_body_util::Full;
use hyper::{Response, body::Bytes, http::request::Parts};
use tokio::runtime::Handle;

use super::quirks::CoziQuirks;
use super::route::{self, Reply};
use super::state::State;
use crate::dav::{FaultAction, RecordedRequest};
use crate::listen::{Bound, Dropped, Listening, Outcome, lock, recorded, respond};

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
    _listening: Listening,
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
        let bound = Bound::take(options.port)?;
        let base = bound.base.clone();
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
        let listening = bound.serve(runtime, &shared, MAX_REQUEST, answer)?;
        Ok(Self { shared, base, _listening: listening })
    }

    /// The root to configure a client with: scheme, host, port and path.
    pub fn url(&self) -> String {
        format!("{}/api/ext/", self.base)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }
}

impl fmt::Debug for CoziServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoziServer").field("base", &self.base).finish_non_exhaustive()
    }
}

async fn answer(
    shared: Arc<Mutex<State>>,
    parts: Parts,
    body: Vec<u8>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    // The lock is released before anything is awaited.
    let outcome = perform(&mut lock(&shared), recorded(&parts, body));
    let reply = outcome.reply().await?;
    respond(reply.status, &reply.headers, Full::new(reply.body.into()))
}

/// Applies faults, makes the reply and records both.
fn perform(state: &mut State, mut request: RecordedRequest) -> Outcome<Reply> {
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
