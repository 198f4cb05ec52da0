//! Redirects, credentials and counting, over any transport.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{StatusCode, header};
use url::Url;

use super::{
    AddressPolicy, Credentials, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport, Limits,
    RedirectPolicy, TokenSource,
    challenge::ClaimsChallenge,
    redirect::{HOPS_MAX, follow},
    same_site,
    site::same_service,
};
use calsync_core::provider::ProviderError;

/// What holds for every request of a client.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClientOptions {
    /// How long and how large. Default: [`Limits::default`].
    pub limits: Limits,
    /// Which addresses may be connected to. Default: public ones.
    pub addresses: AddressPolicy,
    /// Where redirects may lead. Default: within the site.
    pub redirects: RedirectPolicy,
}

/// An answer, and where it came from.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: HttpResponse,
    /// The URL that gave it, after redirects.
    pub url: Url,
    /// Where to ask from now on: the end of the leading permanent redirects (301, 308), when there were any.
    pub moved_to: Option<Url>,
}

/// A transport with redirects, credentials and a request count.
pub struct HttpClient {
    transport: Arc<dyn HttpTransport>,
    options: ClientOptions,
    credentials: Option<(Credentials, Url)>,
    trusted: Vec<Url>,
    tokens: Option<(Arc<dyn TokenSource>, Url)>,
    requests: AtomicU64,
}

impl HttpClient {
    /// A client without credentials.
    pub fn new(transport: Arc<dyn HttpTransport>, options: ClientOptions) -> Self {
        Self {
            transport,
            options,
            credentials: None,
            trusted: Vec::new(),
            tokens: None,
            requests: AtomicU64::new(0),
        }
    }

    /// Sends these credentials with every request to the site of this URL, before being asked for them (a server may
    /// answer an anonymous request with something that looks right), and to no other site.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials, site: Url) -> Self {
        self.credentials = Some((credentials, site));
        self
    }

    /// Sends the credentials to the sites of these URLs as well. Redirects lead there from nowhere else.
    #[cfg(feature = "caldav")]
    #[must_use]
    pub(crate) fn trusting(mut self, sites: Vec<Url>) -> Self {
        self.trusted = sites;
        self
    }

    /// Sends a token of this source with every request of [`HttpClient::send_as`] to the site of this URL.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn TokenSource>, site: Url) -> Self {
        self.tokens = Some((tokens, site));
        self
    }

    /// [`HttpClient::send`] with a token. One that is refused with 401 is replaced and the request sent once more:
    /// a request refused so was not acted on, so this holds for writes as well. `failed` says what an error without
    /// an answer means: [`HttpError::reading`] or [`HttpError::writing`].
    ///
    /// # Errors
    ///
    /// What the source has no token for, and as [`HttpClient::send`]. A second 401 is an answer.
    pub async fn send_as(
        &self,
        operation: &'static str,
        request: HttpRequest,
        failed: fn(HttpError, &'static str) -> ProviderError,
    ) -> Result<Answer, ProviderError> {
        let Some((tokens, site)) = &self.tokens else {
            return self.send(request).await.map_err(|error| failed(error, operation));
        };
        let token = tokens.token().await?;
        let bearer = |token| (Credentials::Bearer(token), site.clone());
        let answer = self.send_with(request.clone(), Some(&bearer(token.clone()))).await;
        let answer = answer.map_err(|error| failed(error, operation))?;
        if answer.response.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match ClaimsChallenge::of(&answer.response.headers) {
            Some(wanted) => tokens.challenged(&token, &wanted.claims).await?,
            None => tokens.rejected(&token).await?,
        }
        let fresh = tokens.token().await?;
        if fresh.same(&token) {
            return Ok(answer);
        }
        let again = self.send_with(request, Some(&bearer(fresh.clone()))).await;
        let again = again.map_err(|error| failed(error, operation))?;
        if again.response.status == StatusCode::UNAUTHORIZED
            && let Some(wanted) = ClaimsChallenge::of(&again.response.headers)
        {
            tokens.challenged(&fresh, &wanted.claims).await?;
        }
        Ok(again)
    }

    /// How many requests were sent; each hop of a redirect is one.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Sends a request and follows redirects.
    ///
    /// # Errors
    ///
    /// [`HttpError`]; a status of any kind that is no redirect is an answer.
    pub async fn send(&self, request: HttpRequest) -> Result<Answer, HttpError> {
        self.send_with(request, self.credentials.as_ref()).await
    }

    async fn send_with(
        &self,
        mut request: HttpRequest,
        credentials: Option<&(Credentials, Url)>,
    ) -> Result<Answer, HttpError> {
        request.limits = self.options.limits;
        request.addresses = self.options.addresses;
        let mut moved_to = None;
        let mut only_permanent = true;
        for _ in 0..=HOPS_MAX {
            let mut hop = request.clone();
            if let Some((credentials, site)) = credentials
                && std::iter::once(site)
                    .chain(&self.trusted)
                    .any(|site| may_hold_credentials(self.options.redirects, site, &hop.url))
            {
                hop.headers.insert(header::AUTHORIZATION, credentials.header()?);
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            let response = self.transport.send(hop).await?;
            if !is_redirect(response.status) {
                return Ok(Answer { response, url: request.url, moved_to });
            }
            let location = response.header(header::LOCATION);
            let (method, url) =
                follow(self.options.redirects, &request.method, &request.url, response.status, location)?;
            only_permanent &=
                matches!(response.status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT);
            if only_permanent {
                moved_to = Some(url.clone());
            }
            request.method = method;
            request.url = url;
        }
        Err(HttpError::not_sent(HttpErrorKind::Redirect, "too many redirects"))
    }
}

/// The same site, and never in the clear when the account is on https. Where redirects may lead anywhere, also the same
/// port: who can redirect a feed is not always who owns the host.
fn may_hold_credentials(policy: RedirectPolicy, site: &Url, url: &Url) -> bool {
    same_site(site, url)
        && (policy == RedirectPolicy::SameSite || same_service(site, url))
        && (url.scheme() == "https" || site.scheme() == url.scheme())
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("requests", &self.requests()).finish_non_exhaustive()
    }
}
