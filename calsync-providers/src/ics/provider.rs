//! The provider of one feed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use calsync_core::context::Clock;
use calsync_core::model::{Event, RemoteCalendarId, RemoteId};
use calsync_core::provider::{
    Capabilities, ChangePage, ChangesRequest, Covered, Cursor, ErrorKind, Fetched, Payload, Provider,
    ProviderError, PullMode, ReadError, RemoteCalendar, Result,
};
use chrono::{DateTime, TimeDelta};
use url::Url;

use super::capability::capabilities;
use super::config::{IcsConfig, UidCheck};
use super::cursor::{State, Uids};
use super::error::FeedError;
use super::fetch::{Body, Fetcher, Got, Known};
use super::items::{self, Naming};
use super::source::{Location, Source};
use super::split::split;
use super::{listing, payload, read};
use crate::http::HttpTransport;

/// How often a feed is asked again at its first pull: three times settle the doubt about a feed of one event.
const UID_CHECKS_MAX: usize = 3;

/// One feed, as an account with one calendar that can only be read.
pub struct IcsProvider {
    config: IcsConfig,
    source: Source,
    fetcher: Fetcher,
    calendar: RemoteCalendarId,
}

impl IcsProvider {
    /// A provider for one feed. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the source is no address, [`ErrorKind::Blocked`] when it is one that may not be
    /// asked: a file without [`IcsConfig::allow_file`], another scheme, a private address.
    pub fn new(config: IcsConfig, transport: Arc<dyn HttpTransport>, clock: Arc<dyn Clock>) -> Result<Self> {
        let source = Source::of(&config)?;
        let fetcher = Fetcher::new(&config, &source, transport, clock);
        let calendar = RemoteCalendarId::new(format!("feed-{}", source.fingerprint));
        Ok(Self { config, source, fetcher, calendar })
    }

    /// The only calendar. Derived from the source without telling it: a private feed's address is its password.
    pub fn calendar(&self) -> &RemoteCalendarId {
        &self.calendar
    }

    /// How long to wait before the next pull: what the feed asked for at the last one (`REFRESH-INTERVAL`, RFC 7986
    /// section 5.7, `X-PUBLISHED-TTL`, or `max-age`, whichever is longer; at most a week), and
    /// [`IcsConfig::refresh_min`] at least. A scheduler takes the longer of this and its own setting.
    pub fn refresh_after(&self, cursor: Option<&Cursor>) -> Duration {
        cursor
            .and_then(|cursor| State::read(cursor, &self.source.fingerprint).ok()?.refresh_seconds)
            .map_or(self.config.refresh_min, |seconds| {
                Duration::from_secs(seconds).max(self.config.refresh_min)
            })
    }

    fn check_calendar(&self, operation: &'static str, calendar: &RemoteCalendarId) -> Result<()> {
        if *calendar == self.calendar {
            return Ok(());
        }
        Err(ProviderError::new(ErrorKind::InvalidInput, operation, "the calendar is not of this feed"))
    }

    /// What a feed that was read at a time is of. What it dropped before it was first read nobody knows, and nobody asks for:
    /// nothing is free in the past.
    fn covered(&self, read_at: i64) -> Covered {
        let until = self.config.ahead_days.and_then(|days| {
            DateTime::from_timestamp(read_at, 0)?.checked_add_signed(TimeDelta::days(i64::from(days)))
        });
        Covered { from: None, until }
    }

    async fn body(&self, operation: &'static str) -> Result<Body> {
        match self.fetcher.get(operation, Known::default()).await? {
            Got::Body(body) => Ok(body),
            Got::Unchanged => Err(ProviderError::new(
                ErrorKind::Protocol,
                operation,
                "HTTP 304 to a question without conditions",
            )),
        }
    }

    /// Asks again and compares the UIDs, before the first names are given out: once, and as long as there is doubt. That
    /// an answer fails means nothing.
    async fn check_uids(&self, body: &Body, state: &mut State) {
        let limits = &self.config.limits;
        let Ok(first) = split(&body.bytes, limits) else { return };
        state.read_at = body.at;
        state.compare_uids(&items::gather(&first));
        if first.components.is_empty() {
            return;
        }
        let mut last = None;
        for _ in 0..UID_CHECKS_MAX {
            let before: &Body = last.as_ref().unwrap_or(body);
            let known = Known { validators: Some(&before.validators), moved_to: body.moved_to.as_ref() };
            let Ok(Got::Body(next)) = self.fetcher.get("changes", known).await else { return };
            if next.bytes == before.bytes {
                return;
            }
            let Ok(feed) = split(&next.bytes, limits) else { return };
            if state.compare_uids(&items::gather(&feed)) != Uids::InDoubt {
                return;
            }
            last = Some(next);
        }
    }
}

#[async_trait]
impl Provider for IcsProvider {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    fn requests(&self) -> u64 {
        self.fetcher.requests()
    }

    /// Fetches the feed for its name: an address that is no feed is found out when it is subscribed to.
    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        let body = self.body("calendars").await?;
        let feed = split(&body.bytes, &self.config.limits).map_err(|error| error.during("calendars"))?;
        let head = feed.calendars.first();
        let named = head.and_then(|head| head.name.as_ref().or(head.wr_name.as_ref()));
        let named = named.map(|name| calsync_core::ical::text::unescape(name).into_owned());
        let name = self.config.name.clone().or(named).filter(|name| !name.is_empty());
        Ok(vec![RemoteCalendar {
            id: self.calendar.clone(),
            name: name.unwrap_or_else(|| self.source.label.clone()),
            color: head.and_then(|head| head.color.clone()),
            read_only: true,
        }])
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.check_calendar("changes", calendar)?;
        let feed = &self.source.fingerprint;
        let before = request.cursor.map(|cursor| State::read(cursor, feed)).transpose()?;
        let moved_to = before.as_ref().and_then(|state| Url::parse(state.moved_to.as_deref()?).ok());
        let now = self.fetcher.now();
        let covered = self.covered(now);
        let conditional = before
            .as_ref()
            .filter(|state| request.mode == PullMode::Incremental && state.may_ask_on_condition(now));
        let known =
            Known { validators: conditional.map(|state| &state.validators), moved_to: moved_to.as_ref() };
        let body = match (self.fetcher.get("changes", known).await?, conditional) {
            (Got::Body(body), _) => body,
            (Got::Unchanged, Some(state)) => {
                return Ok(ChangePage { covered, ..listing::unchanged(state)? });
            }
            (Got::Unchanged, None) => {
                return Err(ProviderError::new(
                    ErrorKind::Protocol,
                    "changes",
                    "HTTP 304 without a condition",
                ));
            }
        };
        let mut fresh = State::new(feed);
        let is_first = before.is_none() && self.config.uid_check == UidCheck::FetchTwice;
        if is_first && matches!(self.source.location, Location::Http(_)) {
            self.check_uids(&body, &mut fresh).await;
        }
        let page = listing::page(&body, before.as_ref(), request.mode, fresh, &self.config.limits)?;
        Ok(ChangePage { covered, ..page })
    }

    /// Fetches the whole feed once for all the items asked for.
    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.check_calendar("fetch", calendar)?;
        let body = self.body("fetch").await?;
        let feed = split(&body.bytes, &self.config.limits).map_err(|error| error.during("fetch"))?;
        let gathered = items::gather(&feed);
        // Which way the items were named stands in a cursor that is not here; names of the two ways never meet.
        let mut named = HashMap::new();
        for naming in [Naming::Content, Naming::Uid] {
            let items = items::name(&gathered, naming, &self.source.fingerprint);
            named.extend(items.into_iter().map(|one| (one.id.clone(), one)));
        }
        let mut bytes = 0usize;
        let answer = |id: &RemoteId| match named.get(id) {
            Some(_) if bytes > self.config.limits.max_payload_bytes => {
                let limit = self.config.limits.max_payload_bytes;
                Fetched::Failed(id.clone(), FeedError::PayloadsTooLarge { limit }.during("fetch"))
            }
            Some(one) => {
                let payload = payload::write(&feed, one);
                bytes = bytes.saturating_add(payload.as_str().len());
                Fetched::Found { id: id.clone(), version: Some(one.item.version()), payload }
            }
            None if feed.has_gaps => {
                let error = ProviderError::new(ErrorKind::Unavailable, "fetch", "the feed has gaps");
                Fetched::Failed(id.clone(), error)
            }
            None => Fetched::Missing(id.clone()),
        };
        Ok(ids.iter().map(answer).collect())
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        read::read(payload, &self.config)
    }
}

impl fmt::Debug for IcsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IcsProvider").field("config", &self.config).finish_non_exhaustive()
    }
}
