//! A feed out of a store, page by page.

use std::{
    collections::HashSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::{FeedOptions, FeedWriter, FreeBusyWriter, Published, published::FeedForm};
use crate::{
    model::EventId,
    secret::Secret,
    store::{EventRecord, Revision, Store, StoreError},
};

/// Events read at once.
pub(super) const PAGE: usize = 200;
/// Chunks are at least so long, but for the last.
const CHUNK: usize = 16 * 1024;

enum Writer {
    Events(Box<FeedWriter>),
    FreeBusy(FreeBusyWriter),
}

/// The body of an answer, for a server to stream: [`FeedBody::next`] until there is no more.
///
/// Memory does not grow with what the events hold: a page of them at a time, and eight bytes for each, so that one that
/// is edited while it is being sent is neither sent twice nor left out.
pub struct FeedBody {
    store: Arc<dyn Store>,
    published: Arc<Published>,
    key: Secret<[u8; 32]>,
    after: Revision,
    sent: HashSet<u64>,
    /// `None` once the end is written.
    writer: Option<Writer>,
    out: Vec<u8>,
}

impl fmt::Debug for FeedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedBody").field("published", &self.published).finish_non_exhaustive()
    }
}

impl FeedBody {
    pub(super) fn new(store: Arc<dyn Store>, published: Arc<Published>, options: FeedOptions) -> Self {
        let (mut out, key) = (Vec::new(), options.key.clone());
        let writer = match published.form {
            FeedForm::Events => {
                let writer = FeedWriter::new(options);
                writer.begin(&mut out);
                Writer::Events(Box::new(writer))
            }
            FeedForm::FreeBusy => Writer::FreeBusy(FreeBusyWriter::new(&options)),
        };
        let (after, sent) = (Revision::default(), HashSet::new());
        Self { store, published, key, after, sent, writer: Some(writer), out }
    }

    /// The next chunk; `None` after the last. Dropped while it waits, it goes on from there.
    ///
    /// # Errors
    /// When the store fails. End the connection then: a feed that only looks whole would delete events at subscribers.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        while self.writer.is_some() && self.out.len() < CHUNK {
            let page = self.store.events_since(&self.published.calendar, self.after, PAGE).await?;
            for record in &page {
                self.take(record);
            }
            if page.len() < PAGE {
                self.end();
            }
        }
        if self.out.is_empty() { Ok(None) } else { Ok(Some(std::mem::take(&mut self.out))) }
    }

    fn take(&mut self, record: &EventRecord) {
        self.after = self.after.max(record.revision);
        // One that was edited since it was sent comes again, under a newer revision.
        if record.deleted.is_some() || !self.sent.insert(short(&record.id)) {
            return;
        }
        let Some(event) = self.published.passed(&record.event, self.key.expose()) else { return };
        match &mut self.writer {
            Some(Writer::Events(writer)) => writer.event(&event, &mut self.out),
            Some(Writer::FreeBusy(writer)) => writer.event(&event),
            None => {}
        }
    }

    fn end(&mut self) {
        match self.writer.take() {
            Some(Writer::Events(writer)) => writer.end(&mut self.out),
            Some(Writer::FreeBusy(writer)) => self.out = writer.end().into_bytes(),
            None => {}
        }
    }
}

pub(super) fn short(id: &EventId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    hasher.finish()
}
