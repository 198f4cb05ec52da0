//! Getting the bytes of a feed, and the statuses that come instead.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use calsync_core::context::Clock;
use calsync_core::provider::{ErrorKind, ProviderError, Retry};
use http::{Method, StatusCode, header};
use tokio::io::AsyncReadExt;
use url::Url;

use super::config::{IcsConfig, IcsLimits};
use super::cursor::Validators;
use super::error::FeedError;
use super::source::{Location, Source};
use super::{inflate, refresh};
use crate::http::{
    Answer, ClientOptions, HttpClient, HttpErrorKind, HttpRequest, HttpTransport, RedirectPolicy,
    error_for_status,
};

/// What came of asking.
pub(super) enum Got {
    /// The feed is as the validators describe it.
    Unchanged,
    Body(Body),
}

pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) validators: Validators,
    /// Where to ask from now on; `None` for the configured source.
    pub(super) moved_to: Option<Url>,
    pub(super) max_age: Option<Duration>,
    /// When it was read, in seconds since 1970.
    pub(super) at: i64,
}

/// What is known from the time before.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'k> {
    pub(super) validators: Option<&'k Validators>,
    pub(super) moved_to: Option<&'k Url>,
}

pub(super) struct Fetcher {
    client: HttpClient,
    location: Location,
    limits: IcsLimits,
    clock: Arc<dyn Clock>,
    gone_after: u32,
    gone_answers: AtomicU32,
}

impl Fetcher {
    pub(super) fn new(
        config: &IcsConfig,
        source: &Source,
        transport: Arc<dyn HttpTransport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut options = ClientOptions {
            addresses: config.addresses,
            redirects: RedirectPolicy::AnySite,
            ..ClientOptions::default()
        };
        options.limits.body_max = config.limits.max_bytes;
        options.limits.total = config.limits.deadline;
        let mut client = HttpClient::new(transport, options);
        if let (Some(credentials), Location::Http(urls)) = (&source.credentials, &source.location)
            && let Some(site) = urls.last()
        {
            client = client.with_credentials(credentials.clone(), site.clone());
        }
        Self {
            client,
            location: source.location.clone(),
            limits: config.limits.clone(),
            clock,
            gone_after: config.gone_after,
            gone_answers: AtomicU32::new(0),
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// In seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    pub(super) async fn get(&self, operation: &'static str, known: Known<'_>) -> Result<Got, ProviderError> {
        let asking = async {
            match &self.location {
                Location::File(path) => self.read_file(operation, path).await,
                Location::Http(urls) => self.ask(operation, urls, known).await,
            }
        };
        tokio::time::timeout(self.limits.deadline, asking).await.unwrap_or_else(|_| {
            Err(ProviderError::new(ErrorKind::Unavailable, operation, "the feed did not arrive in time"))
        })
    }

    /// Asks where the feed moved to, then the source itself when it is not there any more.
    async fn ask(
        &self,
        operation: &'static str,
        urls: &[Url],
        known: Known<'_>,
    ) -> Result<Got, ProviderError> {
        if let Some(moved_to) = known.moved_to {
            match self.ask_one(operation, moved_to, known.validators).await {
                Ok(Ok(answer)) if !is_gone(answer.response.status) => {
                    let moved_to = answer.moved_to.clone().unwrap_or_else(|| moved_to.clone());
                    return self.judge(operation, answer, Some(moved_to), known.validators);
                }
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        // Validators belong to the place they were given at.
        let validators = known.validators.filter(|_| known.moved_to.is_none());
        let mut failure = None;
        for url in urls {
            match self.ask_one(operation, url, validators).await? {
                Ok(answer) => {
                    let moved_to = answer.moved_to.clone();
                    return self.judge(operation, answer, moved_to, validators);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| {
            ProviderError::new(ErrorKind::InvalidInput, operation, "the source has no address")
        }))
    }

    /// The inner error is that of an address that could not be connected to: another one may be tried.
    async fn ask_one(
        &self,
        operation: &'static str,
        url: &Url,
        validators: Option<&Validators>,
    ) -> Result<Result<Answer, ProviderError>, ProviderError> {
        let mut request = HttpRequest::new(Method::GET, url.clone())
            .header(header::ACCEPT, "text/calendar, text/plain;q=0.5, */*;q=0.1");
        if let Some(Validators { etag, last_modified }) = validators {
            for (name, value) in [(header::IF_NONE_MATCH, etag), (header::IF_MODIFIED_SINCE, last_modified)] {
                if let Some(value) = value {
                    request = request.try_header(name, value).map_err(|error| error.reading(operation))?;
                }
            }
        }
        match self.client.send(request).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) if error.kind == HttpErrorKind::Connect => Ok(Err(error.reading(operation))),
            Err(error) => Err(error.reading(operation)),
        }
    }

    fn judge(
        &self,
        operation: &'static str,
        answer: Answer,
        moved_to: Option<Url>,
        validators: Option<&Validators>,
    ) -> Result<Got, ProviderError> {
        let response = answer.response;
        let status = response.status;
        if is_gone(status) {
            return Err(self.gone(operation, status));
        }
        self.gone_answers.store(0, Ordering::Relaxed);
        if status == StatusCode::NOT_MODIFIED && validators.is_some_and(|validators| !validators.is_empty()) {
            return Ok(Got::Unchanged);
        }
        let text = |name| response.header(name).map(str::to_owned).filter(|text| !text.is_empty());
        if matches!(status, StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION) {
            let validators =
                Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
            let max_age = response.header(header::CACHE_CONTROL).and_then(refresh::max_age);
            let bytes =
                inflate::unpack(response.body, &self.limits).map_err(|error| error.during(operation))?;
            return Ok(Got::Body(Body { bytes, validators, moved_to, max_age, at: self.now() }));
        }
        if status == StatusCode::NO_CONTENT {
            return Err(FeedError::Empty.during(operation));
        }
        let now = self.clock.now();
        Err(error_for_status(operation, status, &response.headers, now).unwrap_or_else(|| {
            let kind = match status {
                StatusCode::FORBIDDEN => ErrorKind::Forbidden,
                _ => ErrorKind::Protocol,
            };
            ProviderError::new(kind, operation, format!("HTTP {}", status.as_u16()))
        }))
    }

    /// A feed that is not there may be back after a deployment: it counts as gone only when that goes on.
    fn gone(&self, operation: &'static str, status: StatusCode) -> ProviderError {
        let before = self.gone_answers.fetch_add(1, Ordering::Relaxed);
        let detail = format!("HTTP {}", status.as_u16());
        if before.saturating_add(1) >= self.gone_after {
            ProviderError::new(ErrorKind::CalendarGone, operation, detail)
        } else {
            ProviderError::new(ErrorKind::Unavailable, operation, detail).with_retry(Retry::Backoff)
        }
    }

    async fn read_file(&self, operation: &'static str, path: &Path) -> Result<Got, ProviderError> {
        let failed = |error: std::io::Error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::CalendarGone,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
                _ => ErrorKind::Unavailable,
            };
            ProviderError::new(kind, operation, "the file cannot be read").with_source(error)
        };
        // A pipe or a device never ends, or never begins.
        if !tokio::fs::metadata(path).await.map_err(failed)?.is_file() {
            return Err(ProviderError::new(
                ErrorKind::InvalidInput,
                operation,
                "the source is no plain file",
            ));
        }
        let limit = u64::try_from(self.limits.max_bytes).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?.take(limit);
        file.read_to_end(&mut bytes).await.map_err(failed)?;
        let bytes = if bytes.len() > self.limits.max_bytes {
            Err(FeedError::TooLarge { limit: self.limits.max_bytes })
        } else {
            inflate::unpack(bytes, &self.limits)
        };
        let bytes = bytes.map_err(|error| error.during(operation))?;
        let validators = Validators::default();
        Ok(Got::Body(Body { bytes, validators, moved_to: None, max_age: None, at: self.now() }))
    }
}

fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}
