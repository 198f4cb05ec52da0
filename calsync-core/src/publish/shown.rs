//! When what a feed shows last changed, for one that does not show everything: when the calendar changed would tell of what is hidden.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    FeedOptions, FeedWriter, FreeBusyWriter, Published,
    body::{PAGE, short},
    published::FeedForm,
};
use crate::store::{Revision, Store, StoreError};

/// What a feed showed when it was looked at last.
#[derive(Default)]
pub(super) struct Shown(Mutex<Option<Look>>);

#[derive(Clone)]
struct Look {
    /// What the feed was told apart by then: as long as it is the same, nothing has to be read.
    etag: String,
    digest: [u128; 2],
    since: DateTime<Utc>,
}

impl Shown {
    /// Since when the feed shows what it shows, as far as this process knows: it is never earlier than its first look. Two states are
    /// at least a second apart, which is what a date over HTTP can tell.
    ///
    /// The feed is written once, and not kept, when the calendar changed since the last look.
    pub(super) async fn since(
        &self,
        store: &Arc<dyn Store>,
        published: &Published,
        options: &FeedOptions,
        (etag, now): (&str, DateTime<Utc>),
    ) -> Result<DateTime<Utc>, StoreError> {
        if let Some(look) = self.last().filter(|look| look.etag == etag) {
            return Ok(look.since);
        }
        let digest = digest(&**store, published, options).await?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &*last {
            Some(look) if look.digest == digest => look.since,
            Some(look) => now.max(look.since + TimeDelta::seconds(1)),
            None => now,
        };
        *last = Some(Look { etag: etag.to_owned(), digest, since });
        Ok(since)
    }

    fn last(&self) -> Option<Look> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a feed shows, in a short form that does not depend on the order: an edit of what is hidden moves an event to the end.
async fn digest(
    store: &dyn Store,
    published: &Published,
    options: &FeedOptions,
) -> Result<[u128; 2], StoreError> {
    let key = options.key.clone();
    let mut writer = FeedWriter::new(options.clone());
    let mut times = FreeBusyWriter::new(options);
    let (mut digest, mut text) = ([0; 2], Vec::new());
    let (mut after, mut seen) = (Revision::default(), HashSet::new());
    loop {
        let page = store.events_since(&published.calendar, after, PAGE).await?;
        for record in &page {
            after = after.max(record.revision);
            if record.deleted.is_some() || !seen.insert(short(&record.id)) {
                continue;
            }
            let Some(event) = published.passed(&record.event, key.expose()) else { continue };
            match published.form {
                FeedForm::Events => {
                    text.clear();
                    writer.event(&event, &mut text);
                    add(&mut digest, without_zones(&text));
                }
                FeedForm::FreeBusy => times.event(&event),
            }
        }
        if page.len() < PAGE {
            break;
        }
    }
    if published.form == FeedForm::FreeBusy {
        add(&mut digest, times.end().as_bytes());
    }
    Ok(digest)
}

/// An event without the zones that are defined before the first one that uses them.
fn without_zones(text: &[u8]) -> &[u8] {
    const EVENT: &[u8] = b"BEGIN:VEVENT\r\n";
    let at = text.windows(EVENT.len()).position(|line| line == EVENT);
    at.and_then(|at| text.get(at..)).unwrap_or_default()
}

fn add(digest: &mut [u128; 2], text: &[u8]) {
    if text.is_empty() {
        return;
    }
    let hash = blake3::hash(text);
    let (halves, _) = hash.as_bytes().as_chunks::<16>();
    for (sum, half) in digest.iter_mut().zip(halves) {
        *sum = sum.wrapping_add(u128::from_le_bytes(*half));
    }
}
