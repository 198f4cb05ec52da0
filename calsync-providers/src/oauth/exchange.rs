//! The token endpoint.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet,
    EndpointSet, ErrorResponse, ExtraTokenFields, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, RevocationErrorResponseType, StandardErrorResponse, StandardRevocableToken,
    StandardTokenIntrospectionResponse, StandardTokenResponse, TokenResponse, TokenUrl,
    basic::BasicTokenType,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use url::Url;

use super::{
    Account, ClientAuth, OAuthConfig, OAuthError, OAuthErrorKind, Pending, TokenSet, account, error::Refusal,
    missing_scopes,
};
use crate::http::{HttpError, HttpRequest, HttpTransport, Limits, Secret};

/// An access token whose life is not told is taken to live this long.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);
/// The longest life that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What came of a connection.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Access.
    pub tokens: TokenSet,
    /// Whose, when the provider said.
    pub account: Option<Account>,
    /// What was asked for and not granted. The tokens are good for the rest.
    pub missing_scopes: Vec<String>,
}

impl Grant {
    /// The grant, unless it is another account's than the one that is linked.
    pub(super) fn of(self, expected: Option<&str>, operation: &'static str) -> Result<Self, OAuthError> {
        match (expected, &self.account) {
            (Some(expected), Some(account)) if *expected != account.subject => {
                Err(OAuthError::new(OAuthErrorKind::WrongAccount, operation, ""))
            }
            (Some(_), None) => Err(OAuthError::new(
                OAuthErrorKind::Protocol,
                operation,
                "the provider did not say whose tokens these are",
            )),
            _ => Ok(self),
        }
    }
}

/// Talks to one token endpoint.
#[derive(Clone)]
pub struct Exchange {
    pub(super) config: OAuthConfig,
    transport: Arc<dyn HttpTransport>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("provider", &self.config.provider).finish_non_exhaustive()
    }
}

/// What a token response has beside the members of RFC 6749.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Extra {
    /// Of OpenID Connect.
    #[serde(default, deserialize_with = "text_if_any")]
    id_token: Option<String>,
    /// Google's, of grants that end: how many seconds are left of this one. Others have taken it over.
    #[serde(default, deserialize_with = "seconds_if_any")]
    refresh_token_expires_in: Option<u32>,
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extra")
    }
}

impl ExtraTokenFields for Extra {}

/// An error response. What only refines it must not stand in the way of what it says: a member of another type than
/// expected is one that is not there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TokenError {
    error: String,
    /// Google's.
    #[serde(default, deserialize_with = "text_if_any")]
    error_subtype: Option<String>,
    /// Microsoft's.
    #[serde(default, deserialize_with = "text_if_any")]
    suberror: Option<String>,
    /// Microsoft's.
    #[serde(default, deserialize_with = "numbers_if_any")]
    error_codes: Vec<u32>,
}

impl TokenError {
    fn refusal(&self) -> Refusal<'_> {
        let subtype = self.error_subtype.as_deref().or(self.suberror.as_deref());
        Refusal { code: &self.error, subtype, numbers: &self.error_codes }
    }
}

fn text_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().map(ToOwned::to_owned))
}

/// Nothing for what is no number of seconds: a grant that ends at once would not have been given, and one of more than a
/// century does not end.
fn seconds_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    Ok(seconds.and_then(|seconds| u32::try_from(seconds).ok()).filter(|seconds| *seconds > 0))
}

fn numbers_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_array().into_iter().flatten().filter_map(number).collect())
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for TokenError {}

impl ErrorResponse for TokenError {}

pub(super) type Tokens = StandardTokenResponse<Extra, BasicTokenType>;
pub(super) type OAuthClient<Device = EndpointNotSet, Revoke = EndpointNotSet> = Client<
    TokenError,
    Tokens,
    StandardTokenIntrospectionResponse<Extra, BasicTokenType>,
    StandardRevocableToken,
    StandardErrorResponse<RevocationErrorResponseType>,
    EndpointNotSet,
    Device,
    EndpointNotSet,
    Revoke,
    EndpointSet,
>;

impl Exchange {
    /// Talks to the endpoints of `config` over `transport`.
    pub fn new(config: OAuthConfig, transport: Arc<dyn HttpTransport>) -> Self {
        Self { config, transport }
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.config.provider
    }

    /// Exchanges an authorization code.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::WrongAccount`] when the flow was to renew another account: these tokens are not for it.
    pub async fn code(
        &self,
        pending: &Pending,
        code: &Secret,
        now: DateTime<Utc>,
    ) -> Result<Grant, OAuthError> {
        let operation = "connecting";
        let status = Status::default();
        let redirect = RedirectUrl::new(pending.redirect.clone());
        let invalid = |_| OAuthError::new(OAuthErrorKind::Configuration, operation, "the redirect is no URL");
        let client = self.client().set_redirect_uri(redirect.map_err(invalid)?);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.expose().clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.expose().clone()))
            .request_async(&self.calls(&status))
            .await
            .map_err(|error| failed(operation, error, &status))?;
        self.granted(&answer, now).of(pending.intent.expected.as_deref(), operation)
    }

    /// Asks for a new access token. What the answer leaves out stays as it was (Google sends no new refresh token).
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::NeedsReauth`] only when the provider itself refused the grant.
    pub async fn refresh(&self, old: &TokenSet, now: DateTime<Utc>) -> Result<TokenSet, OAuthError> {
        let renewed = self.renew(old, now).await;
        #[cfg(feature = "worker")]
        measure(&renewed);
        renewed
    }

    async fn renew(&self, old: &TokenSet, now: DateTime<Utc>) -> Result<TokenSet, OAuthError> {
        let operation = "renewing access";
        let Some(refresh) = &old.refresh else {
            let reason = super::ReauthReason::NoRefreshToken;
            return Err(OAuthError::new(OAuthErrorKind::NeedsReauth(reason), operation, ""));
        };
        if old.client.as_ref().is_some_and(|client| *client != self.config.client_id) {
            // Asked for with another client they would be refused, as if the grant were void (RFC 6749 section 5.2).
            let detail = "the tokens were given to another client";
            return Err(OAuthError::new(OAuthErrorKind::Configuration, operation, detail));
        }
        let status = Status::default();
        let client = self.client();
        let answer = client
            .exchange_refresh_token(&RefreshToken::new(refresh.expose().clone()))
            .request_async(&self.calls(&status))
            .await
            .map_err(|error| failed(operation, error, &status))?;
        let new = self.grant(&answer, now).tokens;
        Ok(TokenSet {
            // Told once, it holds until another end is told: renewing does not make a grant last longer.
            ends: new.ends.or(old.ends),
            refresh: new.refresh.or_else(|| old.refresh.clone()),
            scopes: new.scopes.or_else(|| old.scopes.clone()),
            subject: old.subject.clone(),
            ..new
        })
    }

    /// Tells the provider that the tokens are not wanted any more (RFC 7009). `Ok(false)`: it has no way to be told, and a
    /// person has to remove the access there.
    ///
    /// # Errors
    ///
    /// When the provider is not reachable: the grant may live on there.
    pub async fn revoke(&self, tokens: &TokenSet) -> Result<bool, OAuthError> {
        let operation = "revoking access";
        let Some(url) = &self.config.revoke else { return Ok(false) };
        let request = self.revocation(url, tokens)?;
        let answer = self.transport.send(request).await.map_err(|error| unreachable(operation, &error))?;
        let refused = serde_json::from_slice::<TokenError>(&answer.body).ok();
        let refusal = refused.as_ref().map_or(Refusal::new("invalid_request"), TokenError::refusal);
        match answer.status.as_u16() {
            200 | 204 => Ok(true),
            // A token that is not known is as good as revoked (RFC 7009 section 2.2); Google says so with an error.
            400 if refusal.code == "invalid_token" => Ok(true),
            status @ (408 | 429) => Err(unavailable(operation, status)),
            400..=499 => Err(OAuthError::of_response(operation, &refusal)),
            status => Err(unavailable(operation, status)),
        }
    }

    /// The request of RFC 7009 section 2.1.
    fn revocation(&self, url: &Url, tokens: &TokenSet) -> Result<HttpRequest, OAuthError> {
        // The refresh token stands for the grant, and the access tokens made from it go with it.
        let token = tokens.refresh.as_ref().unwrap_or(&tokens.access);
        let mut headers = HeaderMap::new();
        let form = http::HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(http::header::CONTENT_TYPE, form);
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("token", token.expose());
        if tokens.refresh.is_some() {
            body.append_pair("token_type_hint", "refresh_token");
        }
        // The client proves who it is as at the token endpoint (RFC 7009 section 2.1); a public one only says it.
        match (&self.config.client_secret, self.config.client_auth) {
            (Some(secret), ClientAuth::BasicHeader) => {
                headers.insert(http::header::AUTHORIZATION, basic(&self.config.client_id, secret)?);
            }
            (Some(secret), ClientAuth::RequestBody) => {
                body.append_pair("client_id", &self.config.client_id);
                body.append_pair("client_secret", secret.expose());
            }
            (None, _) => {
                body.append_pair("client_id", &self.config.client_id);
            }
        }
        let body = body.finish();
        Ok(self.request(Method::POST, url.clone(), headers, body.into_bytes()))
    }

    pub(super) fn client(&self) -> OAuthClient {
        let config = &self.config;
        let client = Client::new(ClientId::new(config.client_id.clone()))
            .set_token_uri(TokenUrl::from_url(config.token.clone()))
            .set_auth_type(match config.client_auth {
                ClientAuth::RequestBody => AuthType::RequestBody,
                ClientAuth::BasicHeader => AuthType::BasicAuth,
            });
        match &config.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().clone())),
            None => client,
        }
    }

    /// A grant that begins now.
    pub(super) fn granted(&self, answer: &Tokens, now: DateTime<Utc>) -> Grant {
        let mut grant = self.grant(answer, now);
        let lasts = || self.config.grant_lasts.and_then(|lasts| now.checked_add_signed(lasts));
        grant.tokens.ends = grant.tokens.ends.or_else(lasts);
        grant
    }

    fn grant(&self, answer: &Tokens, now: DateTime<Utc>) -> Grant {
        let scopes =
            answer.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect::<Vec<_>>());
        let account =
            answer.extra_fields().id_token.as_deref().and_then(|token| account::read(&self.config, token));
        let life = answer.expires_in().unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE);
        let left = answer.extra_fields().refresh_token_expires_in;
        let missing_scopes = missing_scopes(&self.config.scopes, scopes.as_deref());
        let tokens = TokenSet {
            access: Secret::from(answer.access_token().secret().as_str()),
            expires: now + TimeDelta::from_std(life).unwrap_or(TimeDelta::hours(1)),
            refresh: answer.refresh_token().map(|token| Secret::from(token.secret().as_str())),
            scopes,
            subject: account.as_ref().map(|account| account.subject.clone()),
            ends: left.and_then(|left| now.checked_add_signed(TimeDelta::seconds(left.into()))),
            dead: None,
            claims: None,
            client: Some(self.config.client_id.clone()),
        };
        Grant { tokens, account, missing_scopes }
    }

    /// The HTTP client of the `oauth2` crate, which notes the status of what was answered.
    pub(super) fn calls(&self, status: &Status) -> Calls {
        Calls { exchange: self.clone(), status: status.clone() }
    }

    /// No redirects, little patience, small answers.
    async fn send(
        &self,
        request: oauth2::HttpRequest,
        status: Status,
    ) -> Result<oauth2::HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|_| HttpError::not_sent(crate::http::HttpErrorKind::InvalidRequest, "no URL"))?;
        let answer = self.transport.send(self.request(parts.method, url, parts.headers, body)).await?;
        status.note(answer.status.as_u16());
        let mut response = oauth2::HttpResponse::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }

    fn request(&self, method: Method, url: Url, headers: HeaderMap, body: Vec<u8>) -> HttpRequest {
        let mut request = HttpRequest::new(method, url).body(body);
        request.headers = headers;
        request.addresses = self.config.addresses;
        request.limits = Limits { body_max: 1 << 20, total: Duration::from_secs(30), ..Limits::default() };
        request
    }
}

/// Sends what the `oauth2` crate makes. A closure would do, but what awaits it could not be sent between threads.
pub(super) struct Calls {
    exchange: Exchange,
    status: Status,
}

impl<'c> AsyncHttpClient<'c> for Calls {
    type Error = HttpError;
    type Future = BoxFuture<'c, Result<oauth2::HttpResponse, HttpError>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.exchange.send(request, self.status.clone()))
    }
}

/// The status of the last answer: the `oauth2` crate does not keep it.
#[derive(Clone, Debug, Default)]
pub(super) struct Status(Arc<Mutex<Option<u16>>>);

impl Status {
    fn note(&self, status: u16) {
        if let Ok(mut slot) = self.0.lock() {
            *slot = Some(status);
        }
    }

    fn get(&self) -> Option<u16> {
        self.0.lock().ok().and_then(|slot| *slot)
    }
}

/// Counts what became of renewing tokens, as `docs/metrics.md` says.
#[cfg(feature = "worker")]
fn measure(renewed: &Result<TokenSet, OAuthError>) {
    let outcome = match renewed {
        Ok(_) => "done",
        Err(error) if error.fault() == calsync_core::provider::Fault::Credentials => "refused",
        Err(_) => "failed",
    };
    metrics::counter!("calsync_token_refreshes_total", "outcome" => outcome).increment(1);
}

/// AUTH-06: only what the provider itself says about the grant is about the grant.
pub(super) fn failed(
    operation: &'static str,
    error: RequestTokenError<HttpError, TokenError>,
    status: &Status,
) -> OAuthError {
    let answered = status.get();
    if let Some(code @ (408 | 429 | 500..)) = answered {
        return unavailable(operation, code);
    }
    match error {
        RequestTokenError::ServerResponse(error) => OAuthError::of_response(operation, &error.refusal()),
        RequestTokenError::Request(error) => unreachable(operation, &error),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            let detail = answered.map(|code| format!("status {code}")).unwrap_or_default();
            OAuthError::new(OAuthErrorKind::Protocol, operation, detail)
        }
    }
}

fn unavailable(operation: &'static str, status: u16) -> OAuthError {
    let detail = format!("the provider answered {status}");
    OAuthError::new(OAuthErrorKind::Unavailable, operation, detail)
}

/// The client's id and secret as HTTP Basic, each form-encoded first (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &Secret) -> Result<http::HeaderValue, OAuthError> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Secret::from(format!("{}:{}", encode(id), encode(secret.expose())));
    let text = Secret::from(format!("Basic {}", STANDARD.encode(pair.expose())));
    let mut value = http::HeaderValue::from_str(text.expose()).map_err(|_| {
        OAuthError::new(OAuthErrorKind::Configuration, "revoking access", "the client's secret")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn unreachable(operation: &'static str, error: &HttpError) -> OAuthError {
    use crate::http::HttpErrorKind::{Blocked, InvalidRequest};
    let kind = match error.kind {
        Blocked | InvalidRequest => OAuthErrorKind::Configuration,
        _ => OAuthErrorKind::Unavailable,
    };
    OAuthError::new(kind, operation, error.to_string())
}
