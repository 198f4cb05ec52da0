//! Requests that are due at the same time, in one batch.

use std::{
    sync::{Mutex, PoisonError},
    task::Poll,
};

use calsync_core::provider::{ErrorKind, ProviderError, Result};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;

/// A service that takes several requests in one.
pub(crate) trait Batches: Sync {
    /// One request.
    type Call: Send;
    /// Its answer.
    type Answer: Send;

    /// The most requests of one batch.
    fn most(&self) -> usize;

    /// Sends requests. One answer for each, in their order.
    fn exchange(
        &self,
        operation: &'static str,
        calls: Vec<Self::Call>,
    ) -> impl Future<Output = Vec<Result<Self::Answer>>> + Send;

    /// Whether an answer is a refusal.
    fn is_refusal(answer: &Self::Answer) -> bool;
}

type Waiting<C, A> = (C, oneshot::Sender<Result<A>>);

/// Requests that are due at the same time go in one batch: whoever comes first takes along what the others have put into
/// the queue by the time they all have had their turn. Nobody waits for more to come, and there is one batch at a time.
pub(crate) struct Together<C, A> {
    waiting: Mutex<Vec<Waiting<C, A>>>,
    sending: tokio::sync::Mutex<()>,
}

impl<C, A> Default for Together<C, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), sending: tokio::sync::Mutex::default() }
    }
}

impl<C: Send, A: Send> Together<C, A> {
    /// Sends a request, by itself or with others.
    pub(crate) async fn send<S: Batches<Call = C, Answer = A>>(
        &self,
        service: &S,
        operation: &'static str,
        call: C,
    ) -> Result<A> {
        let (sender, mut receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((call, sender));
        loop {
            let turn = std::pin::pin!(self.sending.lock());
            let _turn = match select(&mut receiver, turn).await {
                Either::Left((answer, _)) => {
                    return answer.unwrap_or_else(|_| Err(lost(operation))).map_err(|mut error| {
                        // Told by whoever sent the batch.
                        error.operation = operation;
                        error
                    });
                }
                Either::Right((turn, _)) => turn,
            };
            // Everybody who is due in this task gets to the queue first.
            let mut yielded = false;
            std::future::poll_fn(|context| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            let due: Vec<Waiting<C, A>> = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                // Whoever was dropped while waiting has given up: nothing is sent in its name any more.
                waiting.retain(|(_, sender)| !sender.is_closed());
                let most = waiting.len().min(service.most().max(1));
                waiting.drain(..most).collect()
            };
            let (calls, senders): (Vec<C>, Vec<_>) = due.into_iter().unzip();
            if calls.is_empty() {
                // Its own answer is there by now.
                continue;
            }
            let mut answers: Vec<_> =
                service.exchange(operation, calls).await.into_iter().zip(senders).collect();
            // Refusals first: who hears that no more is taken sends no more.
            answers.sort_by_key(|(answer, _)| answer.as_ref().is_ok_and(|answer| !S::is_refusal(answer)));
            for (answer, sender) in answers {
                // Whoever does not want to know any more has gone.
                let _ = sender.send(answer);
            }
        }
    }
}

/// No answer of its own in the batch, or the one who sent the batch was dropped in the middle.
pub(crate) fn lost(operation: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Unavailable, operation, "no answer in the batch").maybe_applied()
}

/// The same error for another part of a batch that failed as a whole.
pub(crate) fn again(operation: &'static str, error: &ProviderError) -> ProviderError {
    let same = unsent(operation, error);
    if error.is_ambiguous() { same.maybe_applied() } else { same }
}

/// The same error for a request that changed nothing.
pub(crate) fn unsent(operation: &'static str, error: &ProviderError) -> ProviderError {
    ProviderError::new(error.kind.clone(), operation, error.detail.clone())
        .with_retry(error.retry)
        .with_request_id(error.request_id())
}
