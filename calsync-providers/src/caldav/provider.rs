//! The provider: what it holds, and the trait put together from the other files.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, SystemClock},
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangesRequest, ErrorKind, Fetched, FreeBusy, Mark, Payload, Provider,
        ProviderError, ReadError, RemoteCalendar, RenderRequest, Rendered, Result, Seal, Written,
    },
};
use chrono::{DateTime, Utc};
use url::Url;

use super::{
    address, calls, capability,
    config::CalDavConfig,
    discovery::{self, CalendarList, DiscoveredAccount},
    error,
    href::{collection_url, path_key, place, safe_name},
    map,
    profile::ServerKind,
    spelling::Spellings,
    wire::Multistatus,
};
use crate::http::{
    Answer, ClientOptions, Credentials, HttpClient, HttpRequest, HttpResponse, HttpTransport, same_site,
};

/// One account on a CalDAV server.
pub struct CalDavProvider {
    pub(super) config: CalDavConfig,
    clock: Arc<dyn Clock>,
    /// One for each user name that may be the right one; the first until discovery says otherwise.
    pub(super) clients: Vec<(String, HttpClient)>,
    /// Where credentials may go: the site of the address first, then the hosts that are trusted besides.
    sites: Vec<Url>,
    capabilities: Capabilities,
    account: RwLock<Option<Arc<DiscoveredAccount>>>,
    server: RwLock<ServerKind>,
    pub(super) spellings: Spellings,
}

impl CalDavProvider {
    /// An account nothing is known of yet. The first call that needs it discovers the rest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the address is none, or there is no user name to go with it.
    pub fn new(config: CalDavConfig, transport: Arc<dyn HttpTransport>) -> Result<Self> {
        Self::build(config, transport, None)
    }

    /// An account that was discovered before: no request is spent on finding it again, and
    /// [`Capabilities::write_mails_people`] is what its server said.
    ///
    /// # Errors
    ///
    /// As [`CalDavProvider::new`].
    pub fn with_account(
        config: CalDavConfig,
        transport: Arc<dyn HttpTransport>,
        account: DiscoveredAccount,
    ) -> Result<Self> {
        Self::build(config, transport, Some(account))
    }

    fn build(
        config: CalDavConfig,
        transport: Arc<dyn HttpTransport>,
        account: Option<DiscoveredAccount>,
    ) -> Result<Self> {
        let invalid = |detail| ProviderError::new(ErrorKind::InvalidInput, "configure", detail);
        let site = address::places(&config.url_or_email, &config.username)?
            .urls
            .into_iter()
            .next()
            .ok_or_else(|| invalid("no address"))?;
        let trusted = config.trusted_hosts.iter().map(|host| {
            let url = Url::parse(&format!("https://{}/", host.trim())).ok();
            url.filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none())
                .filter(|url| url.username().is_empty() && url.password().is_none())
                .ok_or_else(|| invalid("a trusted host is no host"))
        });
        let trusted = trusted.collect::<Result<Vec<_>>>()?;
        let options =
            ClientOptions { limits: config.limits, addresses: config.addresses, ..ClientOptions::default() };
        let client = |username: String| {
            let credentials =
                Credentials::Basic { username: username.clone(), password: config.password.clone() };
            let client = HttpClient::new(Arc::clone(&transport), options.clone())
                .with_credentials(credentials, site.clone())
                .trusting(trusted.clone());
            (username, client)
        };
        let mut usernames = address::usernames(&config.url_or_email, &config.username)?;
        if let Some(account) = &account
            && let Some(known) = usernames.iter().position(|name| *name == account.username)
        {
            usernames.swap(0, known);
        }
        let clients = usernames.into_iter().map(client).collect();
        let capabilities = capability::capabilities(&config, account.as_ref());
        Ok(Self {
            clients,
            sites: std::iter::once(site).chain(trusted).collect(),
            capabilities,
            clock: Arc::new(SystemClock),
            server: RwLock::new(account.as_ref().map(|account| account.server).unwrap_or_default()),
            account: RwLock::new(account.map(Arc::new)),
            spellings: Spellings::default(),
            config,
        })
    }

    /// Takes the time from elsewhere: it is needed to read a `Retry-After` that is a date. Default: [`SystemClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What is known of the account: to be kept, and given to [`CalDavProvider::with_account`] later. `None` before
    /// the first discovery.
    pub fn account(&self) -> Option<Arc<DiscoveredAccount>> {
        self.account.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds the account's calendars anew, whatever is known of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorized`] for wrong credentials, [`ErrorKind::InvalidInput`] when there is no CalDAV at the
    /// address, else what kept the server from answering.
    pub async fn discover(&self) -> Result<Arc<DiscoveredAccount>> {
        let account = Arc::new(discovery::discover(self).await?);
        *self.account.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&account));
        Ok(account)
    }

    /// The calendars, and the homes that could not be listed; [`Provider::calendars`] gives the calendars alone.
    ///
    /// # Errors
    ///
    /// When no home could be listed, or the account as a whole is refused or throttled.
    pub async fn list_calendars(&self) -> Result<CalendarList> {
        discovery::calendars(self).await
    }

    pub(super) fn server(&self) -> ServerKind {
        *self.server.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self, kind: Option<ServerKind>) {
        if let Some(kind) = kind
            && self.server() != kind
        {
            *self.server.write().unwrap_or_else(PoisonError::into_inner) = kind;
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whether a URL is on the account's site or on a trusted one, and not in the clear where that is on https.
    pub(super) fn is_trusted(&self, url: &Url) -> bool {
        let is_safe = |site: &Url| url.scheme() == "https" || site.scheme() == url.scheme();
        self.sites.iter().any(|site| same_site(site, url) && is_safe(site))
    }

    /// The URL of a calendar, if it is one of this account's site.
    pub(super) fn collection(&self, calendar: &RemoteCalendarId, operation: &'static str) -> Result<Url> {
        let url =
            Url::parse(calendar.as_str())
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https"))
                .ok_or_else(|| ProviderError::new(ErrorKind::InvalidInput, operation, "no calendar's URL"))?;
        if !self.is_trusted(&url) {
            return Err(ProviderError::new(ErrorKind::Blocked, operation, "a calendar of another site"));
        }
        Ok(collection_url(url))
    }

    pub(super) fn client(&self) -> &HttpClient {
        let known = self.account();
        let username = known.as_ref().map(|account| account.username.as_str());
        let found = self.clients.iter().find(|(name, _)| Some(name.as_str()) == username);
        // There is always a first one: `usernames` gives at least one or an error.
        &found.unwrap_or(&self.clients[0]).1
    }

    /// Sends a request that reads; the answer may have any status but 401.
    pub(super) async fn send(&self, operation: &'static str, request: HttpRequest) -> Result<Answer> {
        let answer = self.client().send(request).await.map_err(|error| error.reading(operation))?;
        self.seen(operation, answer).await
    }

    /// Sends a request that writes; the answer may have any status but 401.
    pub(super) async fn send_write(&self, operation: &'static str, request: HttpRequest) -> Result<Answer> {
        let answer = self.client().send(request).await.map_err(|error| error.writing(operation))?;
        self.seen(operation, answer).await
    }

    pub(super) async fn seen(&self, operation: &'static str, answer: Answer) -> Result<Answer> {
        self.learn(ServerKind::detect(&answer.url, &answer.response));
        if answer.response.status.as_u16() == 401 {
            return Err(self.unauthorized(operation, &answer.response).await);
        }
        Ok(answer)
    }

    /// Whether a 401 is about the account or about one calendar: a person is asked for a new password only when the
    /// principal is refused as well.
    async fn unauthorized(&self, operation: &'static str, response: &HttpResponse) -> ProviderError {
        let refused = error::unauthorized(operation, response);
        let Some(principal) = self.account().and_then(|account| account.principal.clone()) else {
            return refused;
        };
        let Ok(url) = Url::parse(&principal) else { return refused };
        match self.client().send(calls::propfind::home_set(url)).await {
            Ok(answer) if answer.response.status.as_u16() == 207 => {
                ProviderError::new(ErrorKind::Forbidden, operation, "HTTP 401 for this calendar only")
            }
            _ => refused,
        }
    }

    /// Sends a request that is answered with a multistatus.
    pub(super) async fn multistatus(
        &self,
        operation: &'static str,
        request: HttpRequest,
    ) -> Result<(Multistatus, Url)> {
        let Answer { response, url, .. } = self.send(operation, request).await?;
        self.read_multistatus(operation, &response).map(|answer| (answer, url))
    }

    pub(super) fn read_multistatus(
        &self,
        operation: &'static str,
        response: &HttpResponse,
    ) -> Result<Multistatus> {
        if response.status.as_u16() != 207 {
            return Err(error::reading(operation, response, self.now()));
        }
        Multistatus::parse(&response.body)
            .map_err(|cause| error::unusable(operation, "the answer is no multistatus").with_source(cause))
    }
}

/// The calendar is what was not found: nothing else was asked for.
pub(super) fn calendar_gone(mut error: ProviderError) -> ProviderError {
    if error.kind == ErrorKind::NotFound {
        error.kind = ErrorKind::CalendarGone;
    }
    error
}

#[async_trait]
impl Provider for CalDavProvider {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn requests(&self) -> u64 {
        self.clients.iter().map(|(_, client)| client.requests()).sum()
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        Ok(self.list_calendars().await?.calendars)
    }

    async fn place(&self, calendar: &RemoteCalendarId) -> Result<Option<String>> {
        Ok(place(calendar))
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.pull(calendar, request).await
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.fetch_all(calendar, ids).await
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        map::read(payload)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        map::render(request)
    }

    fn propose_id(&self, calendar: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        const OPERATION: &str = "propose_id";
        let collection = self.collection(calendar, OPERATION)?;
        // iCloud is known by its host before the first answer.
        let by_uid = self.server().names_by_uid()
            || collection.host_str().is_some_and(|host| host.ends_with(".icloud.com"));
        let name =
            by_uid.then(|| safe_name(&event.uid)).flatten().or_else(|| safe_name(fresh)).ok_or_else(
                || ProviderError::new(ErrorKind::InvalidInput, OPERATION, "unusable identifier"),
            )?;
        Ok(RemoteId::from(format!("{}{name}", collection.path())))
    }

    fn mark(&self, _: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        map::mark(payload, seal)
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        map::marked(payload)
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        self.put_new(calendar, id, payload).await
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        self.put_over(calendar, id, expected, payload).await
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.remove(calendar, id, expected).await
    }

    async fn free_busy(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<FreeBusy>> {
        self.busy(calendars, window).await
    }
}

/// Whether two hrefs name one resource.
pub(super) fn same_resource(a: &RemoteId, b: &RemoteId) -> bool {
    path_key(a.as_str()) == path_key(b.as_str())
}

impl fmt::Debug for CalDavProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalDavProvider")
            .field("server", &self.server())
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}
