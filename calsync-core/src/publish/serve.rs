//! A feed asked for over HTTP: what to answer, without a server.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use super::{
    FeedBody, FeedRequest, FeedTokens, Published, answer,
    conditional::{is_date_of, is_known},
    shown::Shown,
};
use crate::{
    context::Clock,
    model::{CalendarId, EventId},
    store::{EventRecord, Revision, Store, StoreError},
};

/// Events looked at at once.
const PAGE: usize = 200;

/// A request, as far as it matters.
#[derive(Clone, Copy, Default)]
pub struct FeedCall<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The last part of the path, which holds the token: keep it out of logs.
    pub token: &'a str,
    /// Its conditions.
    pub conditions: FeedRequest<'a>,
}

impl fmt::Debug for FeedCall<'_> {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedCall")
            .field("method", &self.method)
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}

/// What to answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Served {
    /// 200, 304, 404, 405 or 503.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// What follows them; `None`: nothing.
    pub body: Option<FeedBody>,
    /// The feed, for a log; `None` where no feed was found.
    pub feed: Option<String>,
    /// Why the status is 503.
    pub problem: Option<StoreError>,
}

impl Served {
    fn bare(status: u16, headers: Vec<(&'static str, String)>) -> Self {
        Self { status, headers, body: None, feed: None, problem: None }
    }

    /// The same for a token that is wrong, revoked or outlived, and for a feed that is published no more.
    fn nothing() -> Self {
        Self::bare(404, vec![("cache-control", "no-store".to_owned())])
    }

    fn unavailable(problem: StoreError) -> Self {
        let headers = vec![("cache-control", "no-store".to_owned()), ("retry-after", "60".to_owned())];
        Self { problem: Some(problem), ..Self::bare(503, headers) }
    }
}

/// Up to where the changes of a calendar were looked at.
#[derive(Clone, Default)]
struct Seen {
    /// How often the store turned out to be another one than before.
    restored: u64,
    /// The last change: told from another one that got its revision in a store that was restored.
    last: Option<Anchor>,
    changed: Option<DateTime<Utc>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Anchor {
    revision: Revision,
    id: EventId,
    modified: DateTime<Utc>,
    deleted: Option<DateTime<Utc>>,
}

impl Anchor {
    fn of(record: &EventRecord) -> Self {
        let EventRecord { id, revision, modified, deleted, .. } = record;
        Self { revision: *revision, id: id.clone(), modified: *modified, deleted: *deleted }
    }
}

impl Seen {
    fn revision(&self) -> Revision {
        self.last.as_ref().map_or_else(Revision::default, |last| last.revision)
    }

    /// What the calendar holds, in a short text: another state of it has another one, also in a store that was restored from
    /// a backup and gave the same revisions out again.
    fn state(&self) -> String {
        let Some(Anchor { revision, id, modified, deleted }) = &self.last else { return String::new() };
        let deleted = deleted.map(|at| at.timestamp_micros());
        format!("{} {id} {} {deleted:?}", revision.0, modified.timestamp_micros())
    }
}

/// Answers requests for the feeds of one tenant: token, method, conditions, body. Any server can stand in front of it; its
/// own rules are there that nothing of the path is logged, and that what it serves is encrypted on the way.
///
/// What a subscriber has is compared by the revision of the calendar, without writing the feed. A publisher reads a whole
/// calendar once to find it, and after that only what is new. A feed that does not show everything is written once more when the
/// calendar has changed, to tell by its date whether what it shows has.
pub struct Publisher {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tokens: FeedTokens,
    feeds: BTreeMap<String, (Arc<Published>, Shown)>,
    seen: Mutex<HashMap<CalendarId, Seen>>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("feeds", &self.feeds.keys()).finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher without feeds.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, tokens: FeedTokens) -> Self {
        Self { store, clock, tokens, feeds: BTreeMap::new(), seen: Mutex::default() }
    }

    /// Publishes a feed under the name its tokens are kept by.
    #[must_use]
    pub fn with_feed(mut self, name: impl Into<String>, feed: Published) -> Self {
        self.feeds.insert(name.into(), (Arc::new(feed), Shown::default()));
        self
    }

    /// What to answer. Nothing is written.
    pub async fn respond(&self, call: &FeedCall<'_>) -> Served {
        if !matches!(call.method, "GET" | "HEAD") {
            return Served::bare(405, vec![("allow", "GET, HEAD".to_owned())]);
        }
        let granted = match self.tokens.find(call.token).await {
            Ok(granted) => granted,
            Err(problem) => return Served::unavailable(problem),
        };
        let Some(granted) = granted else { return Served::nothing() };
        let Some((published, shown)) = self.feeds.get(&granted.feed) else { return Served::nothing() };
        let seen = match self.seen(&published.calendar).await {
            Ok(seen) => seen,
            Err(problem) => return Served { feed: Some(granted.feed), ..Served::unavailable(problem) },
        };
        let options = published.options(self.clock.now(), granted.key);
        let mut conditions = call.conditions;
        let mut validators = published.validators(&seen.state(), seen.changed, &options);
        // Whoever has it by its tag needs no date.
        if !published.shows_all() && !is_known(&call.conditions, &validators) {
            let look = (validators.etag.as_str(), options.now);
            validators.last_modified = match shown.since(&self.store, published, &options, look).await {
                Ok(since) => Some(since.max(options.today())),
                Err(problem) => return Served { feed: Some(granted.feed), ..Served::unavailable(problem) },
            };
            // Another process may have seen a change that was taken back since, and told a later date: only the same one tells the same.
            conditions.if_modified_since =
                conditions.if_modified_since.filter(|date| is_date_of(date, validators.last_modified));
        }
        let answer = answer(&conditions, &validators, &options);
        let body = (answer.status == 200 && call.method == "GET")
            .then(|| FeedBody::new(self.store.clone(), published.clone(), options));
        Served {
            status: answer.status,
            headers: answer.headers,
            body,
            feed: Some(granted.feed),
            problem: None,
        }
    }

    /// The last change of a calendar, and when it was.
    async fn seen(&self, calendar: &CalendarId) -> Result<Seen, StoreError> {
        let mut seen = self.known(calendar, Seen::default());
        // The last change that was seen is asked for again: where it is another one, or not there any more, the store may have
        // been restored, and everything is looked at.
        let mut first = seen.last.clone();
        let mut after = Revision(seen.revision().0.saturating_sub(1));
        loop {
            let page = self.store.events_since(calendar, after, PAGE).await?;
            if let Some(last) = first.take()
                && page.first().map(Anchor::of).as_ref() != Some(&last)
            {
                let edited =
                    page.iter().any(|record| record.id == last.id && record.revision > last.revision);
                if !edited {
                    // Whoever asks by date alone gets it once more.
                    let changed = Some(self.clock.now());
                    seen = Seen { restored: seen.restored + 1, last: None, changed };
                    after = Revision::default();
                    continue;
                }
            }
            for record in &page {
                if record.revision > seen.revision() {
                    seen.last = Some(Anchor::of(record));
                }
                seen.changed = seen.changed.max(Some(record.modified)).max(record.deleted);
            }
            // After every page, so that a request that was given up has not looked in vain.
            seen = self.known(calendar, seen);
            after = seen.revision();
            if page.len() < PAGE {
                return Ok(seen);
            }
        }
    }

    /// The later of what is known and what was found.
    fn known(&self, calendar: &CalendarId, found: Seen) -> Seen {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(calendar.clone()).or_default();
        if (found.restored, found.revision()) >= (known.restored, known.revision()) {
            let changed = found.changed.max(known.changed);
            *known = Seen { changed, ..found };
        }
        known.clone()
    }
}
