//! The server: its socket, its task, and the way from bytes to a reply.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
};

use hyper::{Response, http::request::Parts};
use tokio::runtime::Handle;

use super::body::{Delivery, ReplyBody};
use super::dispatch::dispatch;
use super::fault::FaultAction;
use super::gzip::gzip;
use super::quirks::Quirks;
use super::record::RecordedRequest;
use super::reply::Reply;
use super::state::{Home, State};
use super::switch::Compression;
use super::xml::{DAV, Name};
use crate::listen::{Bound, Dropped, Listening, Outcome, lock, recorded, respond};

/// Larger request bodies close the connection.
const MAX_REQUEST: usize = 32 << 20;

/// How a server starts.
#[derive(Clone)]
pub struct DavOptions {
    /// User name of Basic authentication and of the paths. Default: `user`.
    pub user: String,
    /// Password of Basic authentication. Default: `secret`.
    pub password: String,
    /// Calendars to start with, name and display name. Default: `work`, shown as `Work`.
    pub calendars: Vec<(String, String)>,
    /// The port; 0 takes a free one. Default: 0.
    pub port: u16,
    /// Largest body a PUT may store, in bytes, also told as `max-resource-size`. Default: 10,000,000.
    pub max_resource_size: usize,
    /// How many requests are recorded; past it the oldest is forgotten. Default: 10,000.
    pub max_recorded: usize,
    /// Deviations from the RFCs. Default: none.
    pub quirks: Quirks,
}

impl Default for DavOptions {
    fn default() -> Self {
        Self {
            user: "user".to_owned(),
            password: "secret".to_owned(),
            calendars: vec![("work".to_owned(), "Work".to_owned())],
            port: 0,
            max_resource_size: 10_000_000,
            max_recorded: 10_000,
            quirks: Quirks::default(),
        }
    }
}

impl DavOptions {
    /// The default with these quirks.
    pub fn with_quirks(quirks: Quirks) -> Self {
        Self { quirks, ..Self::default() }
    }

    /// Sets user name and password.
    #[must_use]
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        user.clone_into(&mut self.user);
        password.clone_into(&mut self.password);
        self
    }

    /// Replaces the calendars to start with: name and display name of each.
    #[must_use]
    pub fn calendars<'a>(mut self, calendars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.calendars =
            calendars.into_iter().map(|(name, display)| (name.to_owned(), display.to_owned())).collect();
        self
    }
}

/// Leaves the password out.
impl fmt::Debug for DavOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DavOptions")
            .field("user", &self.user)
            .field("calendars", &self.calendars)
            .field("max_resource_size", &self.max_resource_size)
            .field("max_recorded", &self.max_recorded)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

/// A scripted CalDAV server on a free port of 127.0.0.1, for tests and examples. It ends when it is dropped.
///
/// Its layout: principal `/dav/principals/{user}/`, home `/dav/calendars/{user}/`, calendars and objects below. It keeps
/// everything in memory and does the same for the same requests each time: no clock, no randomness, no delay except where a
/// [`Fault`](super::Fault) asks for one.
///
/// It runs as a task of the runtime it is started in. A test that blocks its thread, for example on a child process, needs a
/// multi-threaded runtime.
pub struct DavServer {
    shared: Arc<Mutex<State>>,
    base: String,
    _listening: Listening,
}

impl DavServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When there is no runtime or no port can be bound.
    pub fn start(options: DavOptions) -> io::Result<Self> {
        let handle = Handle::try_current().map_err(io::Error::other)?;
        Self::start_on(&handle, options)
    }

    /// Starts a server on a runtime that the caller keeps alive, from a thread outside of it.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub fn start_on(runtime: &Handle, options: DavOptions) -> io::Result<Self> {
        let bound = Bound::take(options.port)?;
        let base = bound.base.clone();
        let mut state = State {
            user: options.user,
            password: options.password,
            max_resource_size: options.max_resource_size,
            max_recorded: options.max_recorded,
            base: base.clone(),
            quirks: options.quirks,
            calendars: BTreeMap::new(),
            requests: VecDeque::new(),
            faults: VecDeque::new(),
            authenticated: 0,
            revoked: false,
            incarnations: 0,
        };
        for (name, display) in options.calendars {
            let calendar = state.create(&name, Home::Own);
            calendar.properties.insert(Name::new(DAV, "displayname"), display);
        }
        let shared = Arc::new(Mutex::new(state));
        let listening = bound.serve(runtime, &shared, MAX_REQUEST, answer)?;
        Ok(Self { shared, base, _listening: listening })
    }

    /// The address to configure a client with: scheme, host, port and a slash.
    pub fn url(&self) -> String {
        format!("{}/", self.base)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }
}

impl fmt::Debug for DavServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DavServer").field("base", &self.base).finish_non_exhaustive()
    }
}

async fn answer(
    shared: Arc<Mutex<State>>,
    parts: Parts,
    body: Vec<u8>,
) -> Result<Response<ReplyBody>, Dropped> {
    // The lock is released before anything is awaited.
    let outcome = perform(&mut lock(&shared), recorded(&parts, body));
    let (reply, delivery) = outcome.reply().await?;
    respond(reply.status, &reply.headers, ReplyBody::new(reply.body, delivery))
}

/// Applies faults, makes the reply and records both.
fn perform(state: &mut State, mut request: RecordedRequest) -> Outcome<(Reply, Delivery)> {
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
        _ => {
            if let Some(FaultAction::EditBefore(edit)) = &action {
                state.edit(edit);
            }
            let mut reply = dispatch(state, &request);
            reply.headers.extend(state.quirks.headers.iter().cloned());
            if let Some(FaultAction::EditAfter(edit)) = &action {
                state.edit(edit);
            }
            compress(state, &request, reply)
        }
    };
    request.response_headers.clone_from(&reply.headers);
    request.response.clone_from(&reply.body);
    let outcome = match action {
        Some(FaultAction::DropAfter) => Outcome::Drop,
        Some(FaultAction::HangAfter) => Outcome::Hang,
        Some(FaultAction::Truncate) => Outcome::Send((reply, Delivery::Half)),
        Some(FaultAction::Trickle { bytes, every }) => Outcome::Send((reply, Delivery::Pieces(bytes, every))),
        _ => Outcome::Send((reply, Delivery::Whole)),
    };
    if let Outcome::Send((reply, _)) = &outcome {
        request.status = Some(reply.status);
    }
    state.record(request);
    outcome
}

fn compress(state: &State, request: &RecordedRequest, mut reply: Reply) -> Reply {
    let accepted = request.header("accept-encoding").is_some_and(|codings| codings.contains("gzip"));
    if state.quirks.compression == Compression::Gzip && accepted && !reply.body.is_empty() {
        reply.body = gzip(&reply.body);
        reply.headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    }
    reply
}
