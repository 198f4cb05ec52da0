//! Between a real provider and the server behind it: requests that are stopped, fail, and get lost on the way.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use calsync_core::context::Clock;

use super::{
    emulated::Kind,
    executor::pause,
    fault::{Fault, Op},
    provider::SimRemote,
    script::Dialect,
};
use crate::{dav::RecordedRequest, world::VirtualClock};

/// A request of HTTP, in the simulation.
#[derive(Clone)]
pub struct WireRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer of HTTP, in the simulation.
#[derive(Clone)]
pub struct WireReply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Shows no headers and no bodies: they hold credentials and event text.
impl fmt::Debug for WireReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireReply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// No answer came. The server may have acted on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// The way from the provider of one link to its server. Whoever connects a provider sends each of its requests here; there
/// is nothing else to be awaited.
#[derive(Clone)]
pub struct Wire {
    pub(crate) remote: Arc<SimRemote>,
    pub(crate) clock: Arc<VirtualClock>,
    /// The epoch of the lease under which its worker began its last write.
    pub(crate) begun: Arc<AtomicU64>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("setup", &self.remote.setup).finish_non_exhaustive()
    }
}

impl Wire {
    /// Which server it is: [`Dialect::Google`] or [`Dialect::Graph`].
    pub fn dialect(&self) -> Dialect {
        self.remote.setup.dialect
    }

    /// Items on a page, and names in a fetch.
    pub fn page(&self) -> usize {
        usize::from(self.remote.setup.page.max(1))
    }

    /// The root of the service, with a slash at the end.
    pub fn root(&self) -> String {
        self.remote.emulated().map(|server| server.root()).unwrap_or_default()
    }

    /// The token the server takes.
    pub fn token(&self) -> &'static str {
        "secret"
    }

    /// The clock of the simulation.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// When no answer comes.
    pub async fn send(&self, request: WireRequest) -> Result<WireReply, NoAnswer> {
        let remote = &self.remote;
        remote.requests.fetch_add(1, Ordering::Relaxed);
        let asked = Asked::of(&request);
        pause().await;
        let fate = remote.control.fate(asked.op, |fault| asked.fits(fault));
        remote.control.note(format_args!(
            "{} {} {}",
            request.method,
            request.target.split('?').next().unwrap_or_default(),
            asked.parts
        ));
        if asked.overtaken && remote.epoch.load(Ordering::Relaxed) != self.begun.load(Ordering::Relaxed) {
            return Err(NoAnswer);
        }
        if fate == Some(Fault::WriteTimeoutBefore) {
            return Err(NoAnswer);
        }
        let reply = match fate.and_then(refusal) {
            Some(reply) => reply,
            None => {
                let Some(reply) = self.serve(request, &asked, fate) else { return Err(NoAnswer) };
                reply
            }
        };
        if reply.status == 401 {
            remote.seen().unauthorized = true;
        }
        pause().await;
        match fate {
            Some(Fault::WriteAnswerLost) => Err(NoAnswer),
            Some(Fault::WriteThrottledThoughApplied) => Ok(throttled()),
            Some(Fault::WriteConflictThoughApplied) => {
                Ok(error(if asked.creates { 409 } else { 412 }, "conflict"))
            }
            Some(Fault::ListGarbled | Fault::FetchGarbled) => {
                let half = reply.body.len() / 2;
                Ok(WireReply { body: reply.body[..half].to_vec(), ..reply })
            }
            _ => Ok(reply),
        }
    }

    fn serve(&self, request: WireRequest, asked: &Asked, fate: Option<Fault>) -> Option<WireReply> {
        let WireRequest { method, target, headers, body } = request;
        let server = self.remote.emulated()?;
        let before = server.stamp();
        let special = match fate {
            Some(Fault::ListEmptyPage) => Some(Kind::EmptyPages),
            Some(Fault::FetchItemFails) => Some(Kind::OneFails),
            _ => None,
        };
        let reply = server.serve(RecordedRequest::inner(method, target, headers, body), special)?;
        if asked.op == Op::Write && server.stamp() != before {
            self.remote.writes.fetch_add(1, Ordering::Relaxed);
            self.remote.control.count(|stats| stats.writes += 1);
        }
        Some(WireReply { status: reply.status, headers: reply.headers, body: reply.body })
    }
}

/// What a request is, as far as faults tell requests apart.
struct Asked {
    op: Op,
    /// It makes something, or may.
    creates: bool,
    /// It deletes something, or may.
    deletes: bool,
    /// It must not arrive when another worker has taken over: see `docs/simulation.md`.
    overtaken: bool,
    /// Requests in it.
    parts: usize,
    /// It is Graph's.
    graph: bool,
    /// It is told apart by a token.
    paged: bool,
}

impl Asked {
    fn of(request: &WireRequest) -> Self {
        let path = request.target.split('?').next().unwrap_or_default();
        let body = || String::from_utf8_lossy(&request.body).into_owned();
        let is_batch = path.contains("batch");
        let mut methods: Vec<String> = vec![request.method.clone()];
        if path.ends_with("/$batch") {
            let body = body();
            methods = body.split("\"method\":\"").skip(1).map(first_word).collect();
        } else if is_batch {
            let body = body();
            methods = body.lines().filter(|line| line.ends_with(" HTTP/1.1")).map(first_word).collect();
        }
        let any = |wanted: &[&str]| methods.iter().any(|method| wanted.contains(&method.as_str()));
        let token = ["pageToken=", "syncToken=", "$skiptoken=", "$deltatoken=", "$skip="];
        let is_listing = path.ends_with("/events")
            && !request.target.contains("iCalUID=")
            && !request.target.contains("filter=")
            || path.contains("delta")
            || path.contains("calendarView");
        let op = if any(&["POST", "PUT", "PATCH", "DELETE"]) {
            Op::Write
        } else if is_listing && !is_batch {
            Op::List
        } else {
            Op::Fetch
        };
        Self {
            op,
            creates: any(&["POST"]),
            deletes: any(&["DELETE"]),
            overtaken: any(&["POST", "DELETE"]),
            parts: methods.len(),
            graph: path.starts_with("/v1.0/"),
            paged: token.iter().any(|token| {
                request.target.contains(token) || request.target.contains(&token.replace('$', "%24"))
            }),
        }
    }

    fn fits(&self, fault: Fault) -> bool {
        match fault {
            // What only a listing that counts its items knows, and what `docs/simulation.md` says of replicas.
            Fault::ListPartial | Fault::ListStale => false,
            Fault::ListPageExpires => self.paged,
            // Graph's pages are never empty.
            Fault::ListEmptyPage => !self.graph,
            // Of several writes in one request not all are of one kind.
            Fault::WriteConflictThoughApplied => self.parts == 1,
            // What is gone already is what a deletion wants: a 404 there is no failure.
            Fault::WriteNotFound => self.parts == 1 && !self.deletes,
            _ => true,
        }
    }
}

fn first_word(text: &str) -> String {
    text.chars().take_while(char::is_ascii_uppercase).collect()
}

fn error(status: u16, reason: &str) -> WireReply {
    // Both vendors' members: neither reads the other's.
    let body = serde_json::json!({"error": {
        "code": if status == 409 { "ErrorIrresolvableConflict" } else { reason }, "message": reason,
        "errors": [{"reason": reason, "domain": "global"}],
    }});
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    WireReply { status, headers, body: body.to_string().into_bytes() }
}

fn throttled() -> WireReply {
    let mut reply = error(429, "rateLimitExceeded");
    reply.headers.push(("retry-after".to_owned(), "30".to_owned()));
    reply
}

/// The answer of a front end that never reached the server.
fn refusal(fault: Fault) -> Option<WireReply> {
    Some(match fault {
        Fault::ListFails | Fault::FetchFails | Fault::WriteFails => error(503, "backendError"),
        Fault::ListThrottled | Fault::WriteThrottled => throttled(),
        Fault::ListUnauthorized | Fault::WriteUnauthorized => error(401, "authError"),
        Fault::ListPageExpires => error(410, "fullSyncRequired"),
        Fault::WriteForbidden => error(403, "forbidden"),
        Fault::WriteTooLarge => error(413, "uploadTooLarge"),
        Fault::WriteNotFound => error(404, "notFound"),
        _ => return None,
    })
}
