//! The provider: what it holds, how requests are sent, and the trait put together from the other files.

use std::{
    borrow::Cow,
    fmt,
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, SystemClock},
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        Capabilities, ChangePage, ChangesRequest, Declined, ErrorKind, Fetched, FreeBusy, Mark, Payload,
        Provider, ProviderError, ReadError, RemoteCalendar, RenderRequest, Rendered, Result, Retry, Seal,
        Watch, WatchRequest, Written,
    },
};
use chrono::{DateTime, Utc};
use http::{Method, header};
use url::Url;

use super::{
    batch::{BOUNDARY, Part, Whose, compose, take_apart},
    calls::{self, Call, Notify},
    capability,
    config::{EventColors, GoogleConfig},
    error::{self, Reply, Timing},
    map,
    round::Rounds,
    wire::{self, inner, text},
};
use crate::http::{
    ClientOptions, HttpClient, HttpError, HttpRequest, HttpTransport,
    together::{Together, again, lost, unsent},
};

/// One account at Google Calendar.
pub struct GoogleProvider {
    pub(super) config: GoogleConfig,
    base: Url,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    pub(super) together: Together<Call, Part>,
    /// The most requests of one batch.
    batch_size: AtomicUsize,
    pub(super) rounds: Rounds,
}

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

impl GoogleProvider {
    /// An account. Nothing is sent before it is needed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the root is no `http` or `https` URL that ends in a slash.
    pub fn new(config: GoogleConfig, transport: Arc<dyn HttpTransport>) -> Result<Self> {
        let base = Url::parse(&config.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.path().ends_with('/'))
            .ok_or_else(|| {
                ProviderError::new(
                    ErrorKind::InvalidInput,
                    "configure",
                    "base_url is no URL with a / at the end",
                )
            })?;
        let options =
            ClientOptions { limits: config.limits, addresses: config.addresses, ..ClientOptions::default() };
        let client =
            HttpClient::new(transport, options).with_tokens(Arc::clone(&config.tokens), base.clone());
        Ok(Self {
            base,
            client,
            clock: Arc::new(SystemClock),
            together: Together::default(),
            batch_size: AtomicUsize::new(config.batch_max),
            rounds: Rounds::default(),
            config,
        })
    }

    /// Takes the time from elsewhere: it is needed to read a `Retry-After` that is a date. Default: [`SystemClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The colours events can have, as Google shows them now: to be kept as
    /// [`GoogleConfig::colors`](super::GoogleConfig).
    ///
    /// # Errors
    ///
    /// What kept Google from answering.
    pub async fn event_colors(&self) -> Result<EventColors> {
        const OPERATION: &str = "colors";
        let part = self.send(OPERATION, Purpose::Read, calls::colors()).await?;
        let body = self.accept(OPERATION, &part).and_then(|body| {
            wire::object(body).ok_or_else(|| error::classify(OPERATION, &part.reply(), self.timing()))
        })?;
        let of = |(id, color): (&String, &serde_json::Value)| {
            Some((id.clone(), text(color.as_object()?, "background")?.to_owned()))
        };
        Ok(inner(&body, "event").map(|colors| colors.iter().filter_map(of).collect()).unwrap_or_default())
    }

    pub(super) fn timing(&self) -> Timing {
        Timing { now: self.clock.now(), quota_pause: self.config.quota_pause }
    }

    /// The body of an answer of success, or the error it is.
    pub(super) fn accept<'p>(&self, operation: &'static str, part: &'p Part) -> Result<&'p [u8]> {
        if part.status.is_success() {
            Ok(&part.body)
        } else {
            Err(error::classify(operation, &part.reply(), self.timing()))
        }
    }

    /// An answer of success that makes no sense, perhaps only this once.
    pub(super) fn unusable(&self, operation: &'static str, part: &Part) -> ProviderError {
        error::classify(operation, &part.reply(), self.timing())
    }

    /// Sends one request; the answer may have any status.
    pub(super) async fn send(&self, operation: &'static str, purpose: Purpose, call: Call) -> Result<Part> {
        let url = self
            .base
            .join(&format!("calendar/v3/{}", call.path))
            .map_err(|_| ProviderError::new(ErrorKind::InvalidInput, operation, "an unusable identifier"))?;
        let mut request = HttpRequest::new(call.method.clone(), url).costing(call.cost());
        if let Some(etag) = &call.if_match {
            request = request.try_header(header::IF_MATCH, etag).map_err(|error| error.reading(operation))?;
        }
        if let Some(body) = &call.body {
            let body = serde_json::to_vec(body)
                .map_err(|_| ProviderError::new(ErrorKind::Internal, operation, "a body is no JSON"))?;
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        } else if request.method == Method::POST {
            request = request.header(header::CONTENT_LENGTH, "0");
        }
        self.exchange(operation, purpose, request).await
    }

    async fn exchange(
        &self,
        operation: &'static str,
        purpose: Purpose,
        request: HttpRequest,
    ) -> Result<Part> {
        let failed = match purpose {
            Purpose::Read => HttpError::reading,
            Purpose::Write => HttpError::writing,
        };
        let answer = self.client.send_as(operation, request, failed).await?.response;
        let whose = Whose::Request;
        let part = Part { status: answer.status, headers: answer.headers, body: answer.body, whose };
        if part.status.as_u16() == 401 {
            return Err(error::classify(operation, &part.reply(), self.timing()));
        }
        Ok(part)
    }

    /// Sends reads, many in one request. One answer for each, in the order asked.
    pub(super) async fn read_all(&self, operation: &'static str, calls: Vec<Call>) -> Vec<Result<Part>> {
        self.all(operation, Purpose::Read, calls).await
    }

    /// Sends writes, many in one request. One answer for each, in the order asked.
    pub(super) async fn write_all(&self, operation: &'static str, calls: Vec<Call>) -> Vec<Result<Part>> {
        self.all(operation, Purpose::Write, calls).await
    }

    /// Sends requests of something that is under way. Those a batch puts off go again while others of it are served, as to
    /// stop in the middle costs more requests; what a time to wait is named for is left. One answer for each, in the order
    /// asked.
    pub(super) async fn go_on(
        &self,
        operation: &'static str,
        purpose: Purpose,
        calls: &[Call],
    ) -> Vec<Result<Part>> {
        let mut answers = self.all(operation, purpose, calls.to_vec()).await;
        let mut before = calls.len();
        loop {
            let late: Vec<usize> =
                (0..answers.len()).filter(|index| self.is_put_off(operation, &answers[*index])).collect();
            if late.is_empty() || late.len() >= before {
                return answers;
            }
            before = late.len();
            let again = late.iter().map(|index| calls[*index].clone()).collect();
            for (index, answer) in late.into_iter().zip(self.all(operation, purpose, again).await) {
                answers[index] = answer;
            }
        }
    }

    /// Whether a part of a batch was refused for the pace, for no time that was named.
    fn is_put_off(&self, operation: &'static str, answer: &Result<Part>) -> bool {
        let Ok(part) = answer else { return false };
        let error = error::classify(operation, &part.reply(), self.timing());
        part.whose == Whose::Part && error.kind == ErrorKind::Throttled && error.retry == Retry::Backoff
    }

    async fn all(&self, operation: &'static str, purpose: Purpose, calls: Vec<Call>) -> Vec<Result<Part>> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut rest = calls.as_slice();
        while !rest.is_empty() {
            let (group, later) = rest.split_at(rest.len().min(self.most_together()));
            rest = later;
            let sent = self.in_one(operation, purpose, group).await;
            // Nothing in it was wrong where every batch that was taken is smaller than every one that was not.
            if let Some(refused) = sent.refused
                && (1..refused).contains(&sent.taken)
            {
                self.batch_size.fetch_min(sent.taken, Ordering::Relaxed);
            }
            answers.extend(sent.answers);
        }
        answers
    }

    /// Requests of one batch: as many as the service has been found to take.
    pub(super) fn most_together(&self) -> usize {
        self.batch_size.load(Ordering::Relaxed).max(1)
    }

    /// Sends requests in one batch. One that is refused for what it is may be too large, or hold something that spoils it:
    /// its halves are sent, down to single requests, so that nothing waits for ever because of the others.
    fn in_one<'c>(
        &'c self,
        operation: &'static str,
        purpose: Purpose,
        calls: &'c [Call],
    ) -> Pin<Box<dyn Future<Output = Exchanged> + Send + 'c>> {
        Box::pin(async move {
            if let [only] = calls {
                let answer = self.send(operation, purpose, only.clone()).await;
                let taken = usize::from(answer.as_ref().is_ok_and(|part| part.status.is_success()));
                return Exchanged { answers: vec![answer], taken, refused: None };
            }
            let mut answers = self.batch(operation, purpose, calls).await;
            if answers.first().is_some_and(is_of_the_batch) {
                let (first, second) = calls.split_at(calls.len().div_ceil(2));
                let (first, second) = (
                    self.in_one(operation, purpose, first).await,
                    self.in_one(operation, purpose, second).await,
                );
                return Exchanged {
                    answers: first.answers.into_iter().chain(second.answers).collect(),
                    taken: first.taken.max(second.taken),
                    refused: first.refused.into_iter().chain(second.refused).min().or(Some(calls.len())),
                };
            }
            self.again_with_fresh_token(operation, purpose, calls, &mut answers).await;
            for (call, answer) in calls.iter().zip(&mut answers) {
                // Parts of one batch may get in each other's way, and say so: alone they do not.
                let clashed = answer
                    .as_ref()
                    .is_ok_and(|part| part.status.as_u16() == 409 && wire::reason(&part.body) == "conflict");
                if clashed {
                    *answer = self.send(operation, purpose, call.clone()).await;
                }
            }
            Exchanged { answers, taken: calls.len(), refused: None }
        })
    }

    /// Parts refused for the token of their batch were not acted on. The first is sent again by itself, which renews the
    /// token, and the others in one batch with what it got.
    async fn again_with_fresh_token(
        &self,
        operation: &'static str,
        purpose: Purpose,
        calls: &[Call],
        answers: &mut [Result<Part>],
    ) {
        let mut refused: Vec<(&Call, &mut Result<Part>)> = calls
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.as_ref().is_ok_and(|part| part.status.as_u16() == 401))
            .collect();
        if refused.is_empty() {
            return;
        }
        let (call, answer) = refused.remove(0);
        *answer = self.send(operation, purpose, call.clone()).await;
        let (calls, others): (Vec<Call>, Vec<_>) =
            refused.into_iter().map(|(call, answer)| (call.clone(), answer)).unzip();
        let found = match answer {
            // Without a token, or while the service is busy, which leaves the old one: nobody fares better.
            Err(error) => calls.iter().map(|_| Err(unsent(operation, error))).collect(),
            Ok(part) if part.status.is_server_error() || part.status.as_u16() == 429 => {
                calls.iter().map(|_| Ok(part.clone())).collect()
            }
            Ok(_) => match calls.as_slice() {
                [] => Vec::new(),
                [only] => vec![self.send(operation, purpose, only.clone()).await],
                calls => self.batch(operation, purpose, calls).await,
            },
        };
        for (answer, found) in others.into_iter().zip(found) {
            *answer = found;
        }
    }

    async fn batch(&self, operation: &'static str, purpose: Purpose, calls: &[Call]) -> Vec<Result<Part>> {
        let whole = self.send_batch(operation, purpose, calls).await;
        let mut parts = match &whole {
            Ok(part) if part.status.is_success() => {
                let kind = part.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                take_apart(kind.unwrap_or_default(), &part.body)
            }
            _ => Default::default(),
        };
        let missing = |index: usize| match &whole {
            Err(error) => Err(again(operation, error)),
            // Refused as a whole: every part has that answer.
            Ok(part) if !part.status.is_success() => Ok(part.clone()),
            Ok(_) if purpose == Purpose::Write => Err(lost(operation)),
            Ok(_) => {
                let detail = format!("part {index} of the batch has no answer");
                Err(ProviderError::new(ErrorKind::Unavailable, operation, detail))
            }
        };
        (0..calls.len()).map(|index| parts.remove(&index).map_or_else(|| missing(index), Ok)).collect()
    }

    async fn send_batch(&self, operation: &'static str, purpose: Purpose, calls: &[Call]) -> Result<Part> {
        let url = self
            .base
            .join("batch/calendar/v3")
            .map_err(|_| ProviderError::new(ErrorKind::InvalidInput, operation, "an unusable base_url"))?;
        let kind = format!("multipart/mixed; boundary={BOUNDARY}");
        let request = HttpRequest::new(Method::POST, url)
            .try_header(header::CONTENT_TYPE, &kind)
            .map_err(|error| error.reading(operation))?
            .body(compose(calls, self.base.path()))
            .costing(calls.iter().map(Call::cost).sum());
        self.exchange(operation, purpose, request).await
    }

    /// Whether the calendar is what was not found.
    pub(super) async fn not_found(
        &self,
        operation: &'static str,
        calendar: &RemoteCalendarId,
    ) -> ProviderError {
        match self.send(operation, Purpose::Read, calls::probe(calendar.as_str())).await {
            // What is no listing says nothing of the calendar.
            Ok(part) if part.status.is_success() && wire::object(&part.body).is_none() => {
                self.unusable(operation, &part)
            }
            Ok(part) if part.status.is_success() => {
                ProviderError::new(ErrorKind::NotFound, operation, "the item is not there")
            }
            Ok(part) if matches!(part.status.as_u16(), 404 | 410) => {
                ProviderError::new(ErrorKind::CalendarGone, operation, "the calendar is not there")
            }
            Ok(part) => error::classify(operation, &part.reply(), self.timing()),
            Err(error) => error,
        }
    }
}

/// The answers to a batch, or to its halves.
struct Exchanged {
    answers: Vec<Result<Part>>,
    /// The most requests that were taken together.
    taken: usize,
    /// The fewest that were refused together.
    refused: Option<usize>,
}

/// Whether a batch was refused as a whole for what it is, and not for who sent it, when, or how often.
fn is_of_the_batch(answer: &Result<Part>) -> bool {
    answer.as_ref().is_ok_and(|part| {
        let status = part.status.as_u16();
        part.whose == Whose::Request
            && (400..500).contains(&status)
            && !matches!(status, 401 | 403 | 408 | 429)
    })
}

impl Part {
    pub(super) fn reply(&self) -> Reply<'_> {
        Reply { status: self.status, headers: &self.headers, body: &self.body }
    }
}

#[async_trait]
impl Provider for GoogleProvider {
    fn capabilities(&self) -> Capabilities {
        capability::capabilities(&self.config)
    }

    fn requests(&self) -> u64 {
        self.client.requests()
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        self.list_calendars().await
    }

    /// An id is an address that everybody writes alike, but for `primary`.
    async fn place(&self, calendar: &RemoteCalendarId) -> Result<Option<String>> {
        let id = match calendar.as_str() {
            "primary" => self.primary().await?,
            id => Some(id.to_owned()),
        };
        Ok(id.map(|id| format!("google {} {}", self.base, id.to_lowercase())))
    }

    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.pull(calendar, request).await
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.fetch_all(calendar, ids).await
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        map::read::read(payload, &self.config.colors)
    }

    fn project<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        map::project::project(event, &self.config)
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        map::render::render(request, &self.config)
    }

    fn propose_id(&self, _: &RemoteCalendarId, _: &Event, fresh: &str) -> Result<RemoteId> {
        Ok(RemoteId::from(base32hex(fresh)))
    }

    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        super::push::mark(id, payload, seal)
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        super::push::marked(payload)
    }

    fn declined(&self, payload: &Payload) -> Option<Declined> {
        map::read::declined(payload)
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
        self.write(calendar, id, expected, payload).await
    }

    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.remove(calendar, id, expected, Notify::Nobody).await
    }

    async fn cancel(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.call_off(calendar, id, expected).await
    }

    async fn watch(&self, calendar: &RemoteCalendarId, request: WatchRequest<'_>) -> Result<Watch> {
        self.open_channel(calendar, request).await
    }

    async fn unwatch(&self, watch: &Watch) -> Result<()> {
        self.stop_channel(watch).await
    }

    async fn free_busy(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<FreeBusy>> {
        self.busy(calendars, window).await
    }
}

/// An identifier in the alphabet of Google's event ids: `0-9a-v`, 5 to 1024 of them.
fn base32hex(text: &str) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut id = String::from("cs");
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes().take(600) {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            id.push(char::from(ALPHABET[(bits >> held & 31) as usize]));
        }
        bits &= (1 << held) - 1;
    }
    id.push(char::from(ALPHABET[(bits << (5 - held) & 31) as usize]));
    while id.len() < 5 {
        id.push('0');
    }
    id
}

impl fmt::Debug for GoogleProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleProvider").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_googles_alphabet_and_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for fresh in ["", "a", "b", "ab", "0123456789abcdef0123456789abcdef", "A-Z", &"x".repeat(5000)] {
            let id = base32hex(fresh);
            assert!((5..=1024).contains(&id.len()), "{}", id.len());
            assert!(id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'v').contains(&byte)), "{id}");
            assert!(seen.insert(id));
        }
    }
}
