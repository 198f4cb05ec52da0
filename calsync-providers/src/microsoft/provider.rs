//! The provider: what it holds, and the trait put together from the other files.

use std::{
    borrow::Cow,
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, IdSource, SystemClock},
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangesRequest, Declined, ErrorKind, Fetched, FreeBusy, Mark, Payload,
        PeoplePolicy, Provider, ProviderError, ReadError, RemoteCalendar, RenderRequest, Rendered, Result,
        Seal, Watch, WatchRequest, Written,
    },
};
use chrono::{DateTime, Utc};
use http::{HeaderName, Method};
use url::Url;

use super::{
    batch::Part,
    calls::{self, Call, Paths},
    capability,
    config::MicrosoftConfig,
    error::{self, Refusal, calendar_gone},
    map,
    wire::{self, Page, flag, text},
};
use crate::http::{
    Answer, ClientOptions, HttpClient, HttpError, HttpRequest, HttpTransport, together::Together,
};

/// More pages of calendars, of the parts of a series or of an answer to a question for one thing than there are.
pub(super) const PAGES_MAX: usize = 100;

/// One account on Microsoft Graph.
pub struct MicrosoftProvider {
    pub(super) config: MicrosoftConfig,
    pub(super) paths: Paths,
    pub(super) root: Url,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    ids: Option<Arc<dyn IdSource>>,
    pub(super) together: Together<Call, Option<Part>>,
    /// Items on a page, as far as answers were not too large.
    page_size: AtomicUsize,
}

impl MicrosoftProvider {
    /// An account. Nothing is sent before it is used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the root is no `http` or `https` URL.
    pub fn new(config: MicrosoftConfig, transport: Arc<dyn HttpTransport>) -> Result<Self> {
        let mut text = config.base_url.clone();
        if !text.ends_with('/') {
            text.push('/');
        }
        let root = Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ProviderError::new(ErrorKind::InvalidInput, "configure", "the root is no URL"))?;
        let options =
            ClientOptions { limits: config.limits, addresses: config.addresses, ..ClientOptions::default() };
        let client =
            HttpClient::new(transport, options).with_tokens(Arc::clone(&config.tokens), root.clone());
        Ok(Self {
            paths: Paths::new(&config),
            root,
            client,
            clock: Arc::new(SystemClock),
            ids: None,
            together: Together::default(),
            page_size: AtomicUsize::new(config.page_max.clamp(1, 1000)),
            config,
        })
    }

    /// Takes the time from elsewhere: the window of changes and a `Retry-After` that is a date go by it. Default:
    /// [`SystemClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Gives every request a name (`client-request-id`) that Microsoft keeps in its records: the name of an error whose
    /// request has no answer ([`ProviderError::request_id`]). Default: none is sent.
    #[must_use]
    pub fn with_request_ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = Some(ids);
        self
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) fn url(&self, path: &str, operation: &'static str) -> Result<Url> {
        calls::url(&self.root, path, operation)
    }

    /// A link the service gave. Tokens go to no other place.
    pub(super) fn link(&self, link: &str, operation: &'static str) -> Result<Url> {
        Url::parse(link)
            .ok()
            .filter(|url| url.origin() == self.root.origin())
            .ok_or_else(|| ProviderError::new(ErrorKind::Blocked, operation, "a link to another site"))
    }

    pub(super) fn options(&self) -> map::Options<'_> {
        map::Options {
            set: &self.config.property_set,
            month_end: self.config.month_end,
            floating: &self.config.floating_zone,
            title_max: self.config.title_max,
        }
    }

    /// Sends a request that reads.
    pub(super) async fn send(&self, operation: &'static str, request: HttpRequest) -> Result<Answer> {
        self.send_as(operation, request, HttpError::reading).await
    }

    /// Sends a request under a name of its own, where there is a source of names.
    pub(super) async fn send_as(
        &self,
        operation: &'static str,
        request: HttpRequest,
        failed: fn(HttpError, &'static str) -> ProviderError,
    ) -> Result<Answer> {
        let Some(id) = self.ids.as_ref().map(|ids| guid(&ids.fresh())) else {
            return self.client.send_as(operation, request, failed).await;
        };
        let request = request
            .try_header(HeaderName::from_static("client-request-id"), &id)
            .map_err(|error| failed(error, operation))?
            .header(HeaderName::from_static("return-client-request-id"), "true");
        // Without an answer this is the only name it has.
        let answer = self.client.send_as(operation, request, failed).await;
        answer.map_err(|error| error.with_request_id(Some(&id)))
    }

    /// Sends a request that writes.
    pub(super) async fn send_write(&self, operation: &'static str, request: HttpRequest) -> Result<Answer> {
        self.send_as(operation, request, HttpError::writing).await
    }

    /// The body of a success.
    pub(super) fn success<'a>(&self, operation: &'static str, answer: &'a Answer) -> Result<&'a [u8]> {
        if answer.response.status.is_success() {
            return Ok(&answer.response.body);
        }
        let found = wire::error_of(&answer.response.body);
        Err(error::of(operation, &refusal(answer, found.as_ref()), self.now()))
    }

    /// The answer of a write that was applied: the object in it, if there is one.
    pub(super) fn done(&self, operation: &'static str, part: Part) -> Result<Option<wire::Object>> {
        if part.is_success() {
            return Ok(part.body);
        }
        Err(error::of_write(operation, &part.refusal(), self.now()))
    }

    /// The body of a write that was applied.
    pub(super) fn applied<'a>(&self, operation: &'static str, answer: &'a Answer) -> Result<&'a [u8]> {
        if answer.response.status.is_success() {
            return Ok(&answer.response.body);
        }
        let found = wire::error_of(&answer.response.body);
        Err(error::of_write(operation, &refusal(answer, found.as_ref()), self.now()))
    }

    /// The rows of a listing of which the first page is there, until one is what is looked for. A page may be empty and
    /// have a next one. `is_wanted` answers `None` of a row that cannot be told: then nobody knows what is there.
    pub(super) async fn row(
        &self,
        operation: &'static str,
        first: wire::Object,
        is_wanted: impl Fn(&wire::Object) -> Option<bool> + Send,
    ) -> Result<Option<wire::Object>> {
        let mut page = Page::of(first).ok_or_else(|| error::unusable(operation, "the answer is no list"))?;
        for _ in 0..PAGES_MAX {
            for row in page.items {
                match is_wanted(&row) {
                    Some(true) => return Ok(Some(row)),
                    Some(false) => {}
                    None => return Err(error::unusable(operation, "a row that cannot be told")),
                }
            }
            if page.broken > 0 {
                return Err(error::unusable(operation, "a row that is none"));
            }
            let Some(next) = page.next else { return Ok(None) };
            page = self.page(operation, self.link(&next, operation)?).await?;
        }
        Err(error::unusable(operation, "the pages do not end"))
    }

    /// One page of a listing.
    pub(super) async fn page(&self, operation: &'static str, url: Url) -> Result<Page> {
        let answer = loop {
            let size = self.page_size.load(Ordering::Relaxed);
            let request = calls::request(Method::GET, calls::smaller(url.clone(), size));
            match self.send(operation, calls::with_page_size(request, size)).await {
                // Events may be long: from now on there are fewer on a page.
                Err(error) if error.kind == ErrorKind::TooLarge && size > 1 => {
                    self.page_size.store((size / 10).max(1), Ordering::Relaxed);
                }
                answer => break answer?,
            }
        };
        let body = self.success(operation, &answer)?;
        Page::read(body).ok_or_else(|| {
            error::unusable_answer(operation, &answer.response.headers, "the answer is no list")
        })
    }
}

/// An identifier in the form Graph wants.
fn guid(fresh: &str) -> String {
    let hex = blake3::hash(fresh.as_bytes()).to_hex();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
}

fn refusal<'a>(answer: &'a Answer, error: Option<&'a wire::Object>) -> Refusal<'a> {
    Refusal { status: answer.response.status.as_u16(), headers: &answer.response.headers, error }
}

#[async_trait]
impl Provider for MicrosoftProvider {
    fn capabilities(&self) -> Capabilities {
        capability::capabilities(&self.config)
    }

    fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// Ids are of the whole service, and are told apart by the case of their letters.
    async fn place(&self, calendar: &RemoteCalendarId) -> Result<Option<String>> {
        Ok(Some(format!("graph {} {}", self.root, calendar.as_str())))
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        const OPERATION: &str = "calendars";
        let mut calendars = Vec::new();
        let mut url = self.url(&self.paths.calendars(), OPERATION)?;
        for _ in 0..PAGES_MAX {
            let page = self.page(OPERATION, url).await?;
            calendars.extend(page.items.iter().filter_map(|item| {
                let color = text(item, "hexColor").map(ToOwned::to_owned);
                Some(RemoteCalendar {
                    id: RemoteCalendarId::from(text(item, "id")?),
                    name: text(item, "name").unwrap_or_default().to_owned(),
                    color,
                    read_only: !flag(item, "canEdit"),
                })
            }));
            match page.next {
                Some(next) => url = self.link(&next, OPERATION)?,
                None => return Ok(calendars),
            }
        }
        Err(error::unusable(OPERATION, "the pages do not end"))
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.pull(calendar, request).await.map_err(calendar_gone)
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.fetch_all(calendar, ids).await
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        map::read_payload(payload, &self.options())
    }

    fn project<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        map::project(event, &self.options())
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        map::render(&request, &self.options())
    }

    fn propose_id(&self, _: &RemoteCalendarId, _: &Event, fresh: &str) -> Result<RemoteId> {
        // Graph chooses the id. Until it has, the item goes by the name it can be found by.
        Ok(RemoteId::from(format!("{}{fresh}", super::item::PROPOSED)))
    }

    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        super::push::mark(id, payload, seal, &self.config.property_set)
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        super::push::marked(payload, &self.config.property_set)
    }

    fn declined(&self, payload: &Payload) -> Option<Declined> {
        map::declined(payload, &self.options())
    }

    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        self.post(calendar, id, payload).await
    }

    async fn update(
        &self,
        _: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        self.patch(id, expected, payload).await
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.remove(calendar, id, expected, PeoplePolicy::Withhold).await
    }

    async fn cancel(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.remove(calendar, id, expected, PeoplePolicy::Write).await
    }

    async fn watch(&self, calendar: &RemoteCalendarId, request: WatchRequest<'_>) -> Result<Watch> {
        self.subscribe(calendar, request).await
    }

    async fn rewatch(&self, watch: &Watch, lifetime: std::time::Duration) -> Result<Watch> {
        self.renew(watch, lifetime).await
    }

    async fn unwatch(&self, watch: &Watch) -> Result<()> {
        self.unsubscribe(watch).await
    }

    async fn free_busy(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<FreeBusy>> {
        self.schedules(calendars, window).await
    }
}

impl fmt::Debug for MicrosoftProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MicrosoftProvider").field("requests", &self.requests()).finish_non_exhaustive()
    }
}
