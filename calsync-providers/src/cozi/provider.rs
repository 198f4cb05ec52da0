//! The provider: what it holds, and the trait put together from the other files.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use calsync_core::{
    context::Clock,
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangesRequest, ErrorKind, Fetched, Payload, Provider, ProviderError,
        ReadError, RemoteCalendar, RenderRequest, Rendered, Result, Written,
    },
    zone::Zone,
};
use chrono::{DateTime, Utc};
use http::Method;

use super::{
    calls::Calls,
    capability,
    config::{CoziConfig, UnofficialApi},
    cursor::{Month, Span},
    error::{self, calendar_gone},
    item, map,
    session::Session,
    wire::{self, Page, text},
};
use crate::http::{
    Answer, ClientOptions, HttpClient, HttpError, HttpRequest, HttpTransport,
    pace::{PacedTransport, TokioTimer},
};

/// The household, as far as anything depends on it.
#[derive(Clone)]
pub(super) struct Household {
    pub(super) account: String,
    pub(super) name: String,
    pub(super) zone: Zone,
}

/// One household at Cozi.
pub struct CoziProvider {
    pub(super) config: CoziConfig,
    pub(super) calls: Arc<Calls>,
    session: Arc<Session>,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    household: Mutex<Option<Household>>,
    /// Where items were seen, so that a write need not look for them.
    seen: Mutex<BTreeMap<String, Span>>,
}

impl CoziProvider {
    /// An account. Nothing is sent before it is used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when [`CoziConfig::unofficial_api`] is not [`UnofficialApi::Accepted`], when the root is
    /// no `http` or `https` URL, and when it is a window of more than ten years.
    pub fn new(config: CoziConfig, transport: Arc<dyn HttpTransport>, clock: Arc<dyn Clock>) -> Result<Self> {
        let invalid = |text| ProviderError::new(ErrorKind::InvalidInput, "configure", text);
        if config.unofficial_api != UnofficialApi::Accepted {
            return Err(invalid(
                "Cozi offers this interface to nobody but its own application: use its feeds, or accept that",
            ));
        }
        if config.window.past_months > 120 || config.window.ahead_months > 120 {
            return Err(invalid("the window is longer than ten years"));
        }
        let calls = Arc::new(Calls::new(&config)?);
        let transport: Arc<dyn HttpTransport> = match config.pace {
            None => transport,
            Some(pace) => {
                let timer = Arc::new(TokioTimer);
                Arc::new(PacedTransport::new(transport, &config.username, pace, clock.clone(), timer))
            }
        };
        let options =
            ClientOptions { limits: config.limits, addresses: config.addresses, ..ClientOptions::default() };
        let session = Arc::new(Session::new(
            HttpClient::new(transport.clone(), options.clone()),
            calls.clone(),
            clock.clone(),
            config.username.clone(),
            config.password.clone(),
        ));
        let client = HttpClient::new(transport, options).with_tokens(session.clone(), calls.root().clone());
        let (household, seen) = (Mutex::new(None), Mutex::default());
        Ok(Self { config, calls, session, client, clock, household, seen })
    }

    /// When the token that is in use ends; `None` before anything was asked.
    pub async fn token_ends(&self) -> Option<DateTime<Utc>> {
        self.session.ends().await
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The household. Asked for once.
    pub(super) async fn household(&self, operation: &'static str) -> Result<Household> {
        if let Some(known) = held(&self.household).clone() {
            return Ok(known);
        }
        let account = self.session.account().await?;
        let request = self.calls.request(Method::GET, &self.calls.account(&account), operation)?;
        let answer = self.send(operation, request).await?;
        let body = wire::object(self.success(operation, &answer)?)
            .ok_or_else(|| error::unusable(operation, "the account is no object"))?;
        let zone = match &self.config.zone {
            Some(zone) => zone.clone(),
            None => text(&body, "timezone")
                .or_else(|| text(&body, "timeZone"))
                .and_then(Zone::from_iana)
                .ok_or_else(|| error::unusable(operation, "the account names no zone: set one"))?,
        };
        let name = text(&body, "name").unwrap_or("Cozi").to_owned();
        let found = Household { account, name, zone };
        *held(&self.household) = Some(found.clone());
        Ok(found)
    }

    pub(super) fn options(&self) -> Option<map::Options<'_>> {
        let zone = self.config.zone.clone();
        let zone = zone.or_else(|| held(&self.household).as_ref().map(|household| household.zone.clone()))?;
        Some(map::Options::new(&self.config, zone))
    }

    /// Sends a request that reads.
    pub(super) async fn send(&self, operation: &'static str, request: HttpRequest) -> Result<Answer> {
        self.client.send_as(operation, request, HttpError::reading).await
    }

    /// Sends a request that writes.
    pub(super) async fn send_write(&self, operation: &'static str, request: HttpRequest) -> Result<Answer> {
        self.client.send_as(operation, request, HttpError::writing).await
    }

    /// The body of a success.
    pub(super) fn success<'a>(&self, operation: &'static str, answer: &'a Answer) -> Result<&'a [u8]> {
        if answer.response.status.is_success() {
            return Ok(&answer.response.body);
        }
        Err(error::of(operation, &answer.response, self.now()))
    }

    /// One month.
    pub(super) async fn page(&self, operation: &'static str, account: &str, month: Month) -> Result<Page> {
        let request = self.calls.request(Method::GET, &self.calls.month(account, month), operation)?;
        let answer = self.send(operation, request).await?;
        let body = self.success(operation, &answer)?;
        Page::read(body, month)
            .ok_or_else(|| error::unusable(operation, "the answer is no page of that month"))
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Span>> {
        held(&self.seen)
    }

    /// Another household's calendar is none of this account.
    pub(super) async fn own(
        &self,
        calendar: &RemoteCalendarId,
        operation: &'static str,
    ) -> Result<Household> {
        let household = self.household(operation).await?;
        if household.account == calendar.as_str() {
            return Ok(household);
        }
        Err(ProviderError::new(ErrorKind::CalendarGone, operation, "it is the calendar of another household"))
    }
}

/// A panic elsewhere says nothing about what is held.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Provider for CoziProvider {
    fn capabilities(&self) -> Capabilities {
        capability::capabilities()
    }

    fn requests(&self) -> u64 {
        self.client.requests() + self.session.requests()
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        let household = self.household("calendars").await?;
        let id = RemoteCalendarId::from(household.account.as_str());
        Ok(vec![RemoteCalendar { id, name: household.name, color: None, read_only: false }])
    }

    /// A household has one calendar, and that has one id.
    async fn place(&self, calendar: &RemoteCalendarId) -> Result<Option<String>> {
        Ok(Some(format!("cozi {} {}", self.config.base_url, calendar.as_str())))
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.pull(calendar, request).await.map_err(calendar_gone)
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.fetch_all(calendar, ids).await
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        map::read_payload(payload, &self.config)
    }

    fn project<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        match self.options() {
            Some(options) => map::project(event, &options),
            None => Cow::Borrowed(event),
        }
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        let options = self.options().ok_or_else(|| {
            ProviderError::new(ErrorKind::Unavailable, "render", "the household's zone is not known yet")
        })?;
        map::render(&request, &options)
    }

    fn propose_id(&self, _: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        // Cozi chooses the id, and keeps nothing of ours: until it has, an item goes by what it looks like.
        let now = self.now();
        let people = calsync_core::provider::PeoplePolicy::Withhold;
        let rendered = self.render(RenderRequest { event, original: None, now, people })?;
        let name = item::parts_of(&rendered.payload)
            .and_then(|parts| {
                item::digest_of(parts.item.as_object()?).zip(item::start_day(parts.item.as_object()?))
            })
            .map(|(digest, day)| format!("{}{day}:{digest}:{fresh}", item::PROPOSED));
        name.map(RemoteId::from)
            .ok_or_else(|| ProviderError::new(ErrorKind::Internal, "propose_id", "a write without a day"))
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        self.insert(calendar, id, payload).await
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        self.replace(calendar, id, expected, payload).await
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.remove(calendar, id, expected).await
    }
}

impl fmt::Debug for CoziProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoziProvider").field("requests", &self.requests()).finish_non_exhaustive()
    }
}
