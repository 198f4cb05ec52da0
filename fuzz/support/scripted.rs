//! A transport that answers each request with the next body, the last one over and over.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use calsync_providers::http::{HttpError, HttpRequest, HttpResponse, HttpTransport};
use http::{HeaderMap, HeaderValue, StatusCode, header};

pub(crate) struct Scripted {
    status: u16,
    bodies: Vec<Vec<u8>>,
    next: AtomicUsize,
    pub(crate) hosts: Mutex<Vec<String>>,
}

impl Scripted {
    /// The parts of the input between lines `----`.
    pub(crate) fn new(status: u16, input: &[u8]) -> Self {
        let mut bodies = vec![Vec::new()];
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            match bodies.last_mut() {
                Some(body) if line.trim_ascii() != b"----" => body.extend_from_slice(line),
                _ => bodies.push(Vec::new()),
            }
        }
        Self { status, bodies, next: AtomicUsize::new(0), hosts: Mutex::default() }
    }
}

#[async_trait]
impl HttpTransport for Scripted {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.hosts.lock().expect("no panic").push(request.url.host_str().unwrap_or_default().to_owned());
        let at = self.next.fetch_add(1, Ordering::Relaxed).min(self.bodies.len() - 1);
        let status = StatusCode::from_u16(self.status).expect("a status");
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        Ok(HttpResponse { status, headers, body: self.bodies[at].clone() })
    }
}

/// Runs a future that waits for nothing but itself.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
