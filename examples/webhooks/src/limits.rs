//! A listener for axum that no stranger can use up: so many connections at once, and none that does nothing or never ends.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

/// How much of a server one stranger may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; whoever comes then waits. Default: 512.
    pub connections: usize,
    /// How long a connection may do nothing, be it before a request, in the middle of one, or because nobody reads the
    /// answer. Default: 30 seconds.
    pub idle: Duration,
    /// How long a connection lasts, whatever it does. Default: 10 minutes.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 512, idle: Duration::from_secs(30), whole: Duration::from_secs(600) }
    }
}

/// A listener within [`Limits`].
#[derive(Debug)]
pub struct Bounded {
    listener: TcpListener,
    limits: Limits,
    free: Arc<Semaphore>,
}

impl Bounded {
    /// Listens with `listener`.
    pub fn new(listener: TcpListener, limits: Limits) -> Self {
        Self { listener, limits, free: Arc::new(Semaphore::new(limits.connections.max(1))) }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Nobody closes it: without a permit a connection would only go uncounted.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let Limits { idle, whole, .. } = self.limits;
        let (idle_ends, ends) = (Box::pin(sleep(idle)), Box::pin(sleep(whole)));
        (Connection { stream, idle, idle_ends, ends, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when it has done nothing for too long, or lasted too long.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    idle: Duration,
    idle_ends: Pin<Box<Sleep>>,
    ends: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// What became of a try to read or write: something that came to pass keeps the connection, waiting does not.
    fn watch<T>(&mut self, cx: &mut Context<'_>, tried: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let over = self.ends.as_mut().poll(cx).is_ready();
        if tried.is_ready() && !over {
            let again = Instant::now() + self.idle;
            self.idle_ends.as_mut().reset(again);
            return tried;
        }
        if over || self.idle_ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        tried
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_read(cx, into);
        self.watch(cx, tried)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(cx, from);
        self.watch(cx, tried)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, tried)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
