//! An ICS feed on 127.0.0.1: one calendar file over HTTP, with an entity tag.
//!
//! [`FeedServer::set`] changes what it holds; a file is read anew for every request, so that it can be edited beside it.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, TcpListener as StdListener},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    task::{JoinHandle, JoinSet},
};

/// A calendar of two events, to begin with.
pub const SAMPLE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//calsync//feed//EN\r\nX-WR-CALNAME:Sample\r\n\
    BEGIN:VEVENT\r\nUID:sample-1\r\nDTSTAMP:20260105T120000Z\r\nDTSTART:20260301T090000Z\r\nDTEND:20260301T100000Z\r\n\
    SUMMARY:Breakfast\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:sample-2\r\nDTSTAMP:20260105T120000Z\r\nDTSTART;VALUE=DATE:20260302\r\nRRULE:FREQ=YEARLY\r\n\
    SUMMARY:A day\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// What a feed holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedSource {
    /// This text.
    Text(String),
    /// What is in this file when somebody asks.
    File(PathBuf),
}

/// How a feed starts.
#[derive(Clone)]
#[non_exhaustive]
pub struct FeedOptions {
    /// What it holds. Default: [`SAMPLE`].
    pub source: FeedSource,
    /// The port; 0 takes a free one. Default: 0.
    pub port: u16,
    /// Who may read it: a user name and a password. Default: everybody.
    pub credentials: Option<(String, String)>,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self { source: FeedSource::Text(SAMPLE.to_owned()), port: 0, credentials: None }
    }
}

/// Leaves the password out.
impl fmt::Debug for FeedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedOptions").field("port", &self.port).finish_non_exhaustive()
    }
}

/// A feed at `calendar.ics`. It ends when it is dropped.
pub struct FeedServer {
    source: Arc<Mutex<FeedSource>>,
    base: String,
    task: JoinHandle<()>,
}

impl FeedServer {
    /// Starts a feed on a runtime that the caller keeps alive.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub fn start_on(runtime: &Handle, options: FeedOptions) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let base = format!("http://{}", listener.local_addr()?);
        let source = Arc::new(Mutex::new(options.source));
        let wanted = options
            .credentials
            .map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let task = runtime.spawn(accept(listener, Arc::clone(&source), wanted.map(Arc::from)));
        Ok(Self { source, base, task })
    }

    /// Where the calendar is.
    pub fn url(&self) -> String {
        format!("{}/calendar.ics", self.base)
    }

    /// What it holds.
    pub fn source(&self) -> FeedSource {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds something else from now on.
    pub fn set(&self, source: FeedSource) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = source;
    }
}

impl Drop for FeedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for FeedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedServer").field("base", &self.base).finish_non_exhaustive()
    }
}

/// `wanted` is the `Authorization` of who may read it.
async fn accept(listener: TcpListener, source: Arc<Mutex<FeedSource>>, wanted: Option<Arc<str>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let (source, wanted) = (Arc::clone(&source), wanted.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        std::future::ready(answer(&source, wanted.as_deref(), &request))
                    });
                    // Errors here are clients that left.
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer(
    source: &Mutex<FeedSource>,
    wanted: Option<&str>,
    request: &Request<Incoming>,
) -> http::Result<Response<Full<Bytes>>> {
    let plain = |status: u16| Response::builder().status(status).body(Full::default());
    if request.uri().path() != "/calendar.ics" {
        return plain(404);
    }
    if request.method() != http::Method::GET {
        return plain(405);
    }
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if wanted.is_some() && header("authorization") != wanted {
        return plain(401);
    }
    let source = source.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = match source {
        FeedSource::Text(text) => text.into_bytes(),
        FeedSource::File(path) => match fs::read(path) {
            Ok(text) => text,
            Err(_) => return plain(404),
        },
    };
    let etag = format!("\"{}\"", &blake3::hash(&text).to_hex()[..16]);
    let known = header("if-none-match");
    let response = Response::builder().header("ETag", &etag).header("Content-Type", "text/calendar");
    if known == Some(&etag) {
        return response.status(304).body(Full::default());
    }
    response.body(Full::new(text.into()))
}
