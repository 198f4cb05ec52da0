//! The change feed: what happened in a calendar, in order, from any place on.
//!
//! In: a [`Store`] that keeps feeds. Out: a stream of [`FeedEntry`], each once. Why it is built like this:
//! `docs/adr/0041-change-feed.md`.
//!
//! An entry is written in the transaction of what it tells of, and gets its number there, so that no reader who has seen one
//! number ever finds something before it later.
//!
//! ```
//! # use std::sync::Arc;
//! use calsync_core::{feed::{Feed, Happened}, model::CalendarId, store::{MemoryStore, Store}};
//! use futures_util::StreamExt as _;
//!
//! # async fn example(store: Arc<dyn Store>) -> Result<(), Box<dyn std::error::Error>> {
//! let (feed, home) = (Feed::new(store), CalendarId::from("home"));
//! let after = feed.position(&home).await?;
//! // Here the host reads the events, and shows them. What changes meanwhile comes after `after`.
//! let mut changes = feed.subscribe(&home, after);
//! while let Some(entry) = changes.next().await {
//!     let entry = entry?;
//!     if let Happened::EventPut { event, .. } = &entry.what {
//!         println!("{}: {event} is to be read again", entry.seq);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod additions;
mod bell;
mod entry;
mod error;

use std::{collections::VecDeque, fmt, future::pending, pin::pin, sync::Arc};

use futures_util::{
    future::select,
    stream::{self, BoxStream, StreamExt as _},
};

pub use self::{
    additions::{Additions, Unnumbered, numbered, told_by},
    bell::{Bell, Ear, Ringing},
    entry::{EventSeq, FeedEntry, FeedPage, Happened, News, Origin},
    error::FeedError,
};
use crate::{
    model::CalendarId,
    store::{Store, Wakes},
};

/// Entries read at once.
const PAGE: usize = 200;

/// Reads the feeds of a store. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    store: Arc<dyn Store>,
    wakes: Option<Arc<dyn Wakes>>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Feed {
    /// The feeds of a store. What is committed in this process comes at once ([`Store::bell`]); so does what other processes
    /// commit where somebody rings for it.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, wakes: None }
    }

    /// Looks into the store also whenever `wakes` returns, once for each subscription: a host's timer, where other processes
    /// write to the store and nobody tells.
    #[must_use]
    pub fn with_wakes(mut self, wakes: Arc<dyn Wakes>) -> Self {
        self.wakes = Some(wakes);
        self
    }

    /// The last entry of a calendar's feed; 0 before the first one. Whoever asks, then reads the calendar, and then subscribes
    /// after it, misses nothing.
    ///
    /// # Errors
    ///
    /// [`FeedError::NotKept`], and when the store fails.
    pub async fn position(&self, calendar: &CalendarId) -> Result<EventSeq, FeedError> {
        Ok(self.store.feed(calendar, EventSeq::default(), 0).await?.last)
    }

    /// The entries of a calendar's feed after one of them, first those that are in the store, then each as it is committed; it
    /// ends only after an error. Each entry comes once, in order, none is left out.
    ///
    /// The stream asks the store when it is polled and keeps at most a page in memory, so a slow reader holds up nobody. It may
    /// be dropped at any time: nothing is left of it.
    ///
    /// # Errors
    ///
    /// [`FeedError::Lost`] when it cannot be read on without a gap, [`FeedError::NotKept`], and when the store fails: the last
    /// item of the stream.
    pub fn subscribe(
        &self,
        calendar: &CalendarId,
        after: EventSeq,
    ) -> BoxStream<'static, Result<FeedEntry, FeedError>> {
        let subscription = Subscription {
            ear: self.store.bell().map(|bell| bell.listen(calendar)),
            feed: self.clone(),
            calendar: calendar.clone(),
            after,
            ready: VecDeque::new(),
        };
        stream::unfold(Some(subscription), |subscription| async move {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(entry) => Some((Ok(entry), Some(subscription))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

/// What a stream is made of.
struct Subscription {
    feed: Feed,
    calendar: CalendarId,
    /// Listens from before the first look on: what is committed in between rings.
    ear: Option<Ear>,
    /// The last entry that was read.
    after: EventSeq,
    ready: VecDeque<FeedEntry>,
}

impl Subscription {
    async fn next(&mut self) -> Result<FeedEntry, FeedError> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(entry);
            }
            if let Some(ear) = &mut self.ear {
                ear.forget();
            }
            let page = self.feed.store.feed(&self.calendar, self.after, PAGE).await?;
            if !page.goes_on_after(self.after) {
                return Err(FeedError::Lost { after: self.after });
            }
            match page.entries.last() {
                Some(last) => {
                    self.after = last.seq;
                    self.ready = page.entries.into();
                }
                None => self.rest().await,
            }
        }
    }

    /// Until there may be more.
    async fn rest(&mut self) {
        let rung = async {
            match &mut self.ear {
                Some(ear) => ear.rung().await,
                None => pending().await,
            }
        };
        let woken = async {
            match &self.feed.wakes {
                Some(wakes) => wakes.woken().await,
                None => pending().await,
            }
        };
        select(pin!(rung), pin!(woken)).await;
    }
}
