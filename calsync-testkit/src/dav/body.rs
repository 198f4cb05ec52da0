//! Response bodies that break off or arrive in pieces.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// The first half, then an error that closes the connection.
    Half,
    /// Pieces of that size, each after a wait.
    Pieces(usize, Duration),
}

pub(super) struct ReplyBody {
    rest: Bytes,
    /// What the Content-Length says is left.
    promised: u64,
    delivery: Delivery,
    /// Polls to give away before breaking off, so that what was sent is flushed.
    idle: u8,
    wait: Option<Pin<Box<Sleep>>>,
}

impl ReplyBody {
    pub(super) fn new(body: Vec<u8>, delivery: Delivery) -> Self {
        let promised = body.len() as u64;
        let mut rest = Bytes::from(body);
        if delivery == Delivery::Half {
            rest.truncate(rest.len() / 2);
        }
        Self { rest, promised, delivery, idle: 2, wait: None }
    }
}

/// The connection is to be closed in the middle of a body.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off on purpose")
    }
}

impl std::error::Error for BrokenOff {}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.rest.is_empty() {
            if self.delivery != Delivery::Half || self.promised == 0 {
                return Poll::Ready(None);
            }
            if self.idle > 0 {
                self.idle -= 1;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        let piece = match self.delivery {
            Delivery::Whole | Delivery::Half => std::mem::take(&mut self.rest),
            Delivery::Pieces(bytes, every) => {
                let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(every)));
                if wait.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.wait = None;
                let size = bytes.max(1).min(self.rest.len());
                self.rest.split_to(size)
            }
        };
        self.promised -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.promised == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}
