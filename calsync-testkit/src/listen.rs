//! What the emulators share: a port of 127.0.0.1, the task that listens on it, and requests with their bodies read.

use std::{
    fmt, io,
    net::{Ipv4Addr, TcpListener as StdListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response,
    body::{Body, Bytes, Incoming},
    http::request::Parts,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    task::{JoinHandle, JoinSet},
};

use crate::dav::RecordedRequest;

/// A port that is taken and not listened on yet.
pub(crate) struct Bound {
    listener: StdListener,
    /// Scheme, host and port.
    pub(crate) base: String,
}

impl Bound {
    /// Takes a port; 0 is any free one.
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let base = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, base })
    }

    /// Listens until the answer is dropped. A request with a larger body closes its connection.
    pub(crate) fn serve<S, A, F, B>(
        self,
        runtime: &Handle,
        shared: &Arc<S>,
        body_max: usize,
        answer: A,
    ) -> io::Result<Listening>
    where
        S: Send + Sync + 'static,
        A: Fn(Arc<S>, Parts, Vec<u8>) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<Response<B>, Dropped>> + Send + 'static,
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    {
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(self.listener)?
        };
        let shared = Arc::clone(shared);
        let task = runtime.spawn(async move {
            // Dropped with this task, and with it every connection.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        // A client that left before it was accepted.
                        let Ok((stream, _)) = accepted else {
                            tokio::task::yield_now().await;
                            continue;
                        };
                        let shared = Arc::clone(&shared);
                        connections.spawn(async move {
                            let service = service_fn(move |request: Request<Incoming>| {
                                let shared = Arc::clone(&shared);
                                async move {
                                    let (parts, body) = request.into_parts();
                                    let body = Limited::new(body, body_max).collect().await.map_err(|_| Dropped)?;
                                    answer(shared, parts, body.to_bytes().to_vec()).await
                                }
                            });
                            let mut http = hyper::server::conn::http1::Builder::new();
                            // Errors here are clients that left and connections dropped on purpose.
                            let _ =
                                http.auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Listening(task))
    }
}

/// A server that listens. It ends, with every connection, when this is dropped.
pub(crate) struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Closes the connection without an answer.
#[derive(Debug)]
pub(crate) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// What becomes of a request.
pub(crate) enum Outcome<R> {
    Send(R),
    Drop,
    Hang,
}

impl<R> Outcome<R> {
    /// What arrives where nobody waits.
    pub(crate) fn sent(self) -> Option<R> {
        match self {
            Self::Send(reply) => Some(reply),
            Self::Drop | Self::Hang => None,
        }
    }

    /// The reply, if there is to be one.
    pub(crate) async fn reply(self) -> Result<R, Dropped> {
        match self {
            Self::Send(reply) => Ok(reply),
            Self::Drop => Err(Dropped),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// A reply as bytes: what crosses a connection, or would.
#[derive(Clone)]
pub(crate) struct RawReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl RawReply {
    pub(crate) fn response(self) -> Result<Response<Full<Bytes>>, Dropped> {
        respond(self.status, &self.headers, Full::new(Bytes::from(self.body)))
    }
}

/// An answer of HTTP.
pub(crate) fn respond<B>(status: u16, headers: &[(String, String)], body: B) -> Result<Response<B>, Dropped> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).map_err(|_| Dropped)
}

/// A request as it is recorded.
pub(crate) fn recorded(parts: &Parts, body: Vec<u8>) -> RecordedRequest {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let path = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    RecordedRequest::inner(parts.method.as_str().to_ascii_uppercase(), path, headers, body)
}

/// A panic in a test that holds the lock says nothing about the state.
pub(crate) fn lock<S>(shared: &Mutex<S>) -> MutexGuard<'_, S> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
