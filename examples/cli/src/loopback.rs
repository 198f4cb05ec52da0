//! The browser comes back to this machine (RFC 8252 section 7.3).

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A browser's request line and headers are no longer than this.
const HEAD_MAX: usize = 16 << 10;
/// Browsers open connections they may never use.
const SILENCE: Duration = Duration::from_secs(30);
/// Requests that wait to be looked at.
const WAITING: usize = 8;

/// Waits on a free port of 127.0.0.1.
pub(crate) struct Loopback {
    listener: TcpListener,
}

/// A browser that came back, and waits for a page.
pub(crate) struct Visit {
    /// What it brought: the query, without its `?`.
    pub(crate) query: String,
    stream: TcpStream,
}

impl Loopback {
    pub(crate) async fn open() -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await? })
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Everybody who comes with a query, until the receiver is dropped.
    pub(crate) fn visits(self) -> mpsc::Receiver<Visit> {
        let (send, receive) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    accepted = self.listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        Err(_) => {
                            tokio::task::yield_now().await;
                            continue;
                        }
                    },
                    () = send.closed() => return,
                };
                let send = send.clone();
                tokio::spawn(async move {
                    if let Ok(Some(visit)) = tokio::time::timeout(SILENCE, read(stream)).await {
                        let _ = send.send(visit).await;
                    }
                });
            }
        });
        receive
    }
}

impl Visit {
    /// Shows a page. The browser may be gone; that changes nothing.
    pub(crate) async fn show(self, status: &str, text: &str) {
        let _ = answer(self.stream, status, text).await;
    }
}

/// Reads a request. Anything but the page itself, such as the icon, is answered here.
async fn read(mut stream: TcpStream) -> Option<Visit> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 2048];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 || head.len() + read > HEAD_MAX {
            return None;
        }
        head.extend_from_slice(&part[..read]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut line = head.split_whitespace();
    match (line.next(), line.next().and_then(|target| target.strip_prefix("/?"))) {
        (Some("GET"), Some(query)) => Some(Visit { query: query.to_owned(), stream }),
        _ => {
            let _ = answer(stream, "404 Not Found", "Nothing is here.").await;
            None
        }
    }
}

async fn answer(mut stream: TcpStream, status: &str, text: &str) -> io::Result<()> {
    let page = format!("<!doctype html><meta charset=utf-8><title>calsync</title><p>{text}</p>\n");
    // The address holds a code: nobody is to be told it, and nothing is to keep it.
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}
