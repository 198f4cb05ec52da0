//! Signing in, and the token.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use calsync_core::{
    context::Clock,
    provider::{ErrorKind, ProviderError, Result},
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, header};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    calls::{self, Calls},
    error,
    wire::{self, text},
};
use crate::http::{HttpClient, HttpError, HttpResponse, Secret, TokenSource};

const OPERATION: &str = "sign in";
/// A token is renewed this long before it ends.
const MARGIN: TimeDelta = TimeDelta::minutes(3);
/// What a token lasts at most, whatever the service says; and where it says nothing, at all.
const LIFE_MAX: i64 = 7 * 24 * 3600;
const LIFE: i64 = 3600;
/// The cookie a token is renewed with.
const COOKIE: &str = "cozi_refresh";

/// Who is signed in.
struct Signed {
    token: Secret<String>,
    account: String,
    ends: DateTime<Utc>,
    renewal: Option<Secret<String>>,
}

/// One account, signed in when need be. Shared by all requests, so that many of them at once sign in once.
pub(crate) struct Session {
    client: HttpClient,
    calls: Arc<Calls>,
    clock: Arc<dyn Clock>,
    username: String,
    password: Secret<String>,
    signed: Mutex<Option<Signed>>,
}

impl Session {
    pub(crate) fn new(
        client: HttpClient,
        calls: Arc<Calls>,
        clock: Arc<dyn Clock>,
        username: String,
        password: Secret<String>,
    ) -> Self {
        Self { client, calls, clock, username, password, signed: Mutex::new(None) }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// The id of the household.
    pub(crate) async fn account(&self) -> Result<String> {
        let mut signed = self.signed.lock().await;
        Ok(self.current(&mut signed).await?.account.clone())
    }

    /// When the token ends, if one was given.
    pub(crate) async fn ends(&self) -> Option<DateTime<Utc>> {
        self.signed.lock().await.as_ref().map(|signed| signed.ends)
    }

    async fn current<'s>(&self, signed: &'s mut Option<Signed>) -> Result<&'s Signed> {
        let fresh = match signed.as_ref() {
            Some(now) if now.ends - MARGIN > self.clock.now() => None,
            before => Some(self.sign_in(before).await?),
        };
        if fresh.is_some() {
            *signed = fresh;
        }
        signed
            .as_ref()
            .ok_or_else(|| ProviderError::new(ErrorKind::Internal, OPERATION, "nobody is signed in"))
    }

    /// By the cookie of the session before, else by the password.
    async fn sign_in(&self, before: Option<&Signed>) -> Result<Signed> {
        if let Some(before) = before
            && let Some(cookie) = &before.renewal
        {
            let path = self.calls.renewal(&before.account);
            let request = self
                .calls
                .request(Method::POST, &path, OPERATION)?
                .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
                .try_header(header::COOKIE, &format!("{COOKIE}={}", cookie.expose()))
                .map_err(|error| error.reading(OPERATION))?;
            let renewed = self.client.send(request).await;
            if let Ok(answer) = renewed
                && let Ok(signed) = self.signed(&answer.response, Some(before))
            {
                return Ok(signed);
            }
        }
        let request = self.calls.request(Method::POST, &self.calls.login(), OPERATION)?;
        let body =
            json!({"username": self.username, "password": self.password.expose(), "issueRefresh": true});
        let answer = self.client.send(calls::with_json(request, &body)).await;
        self.signed(&answer.map_err(|error: HttpError| error.reading(OPERATION))?.response, None)
    }

    fn signed(&self, response: &HttpResponse, before: Option<&Signed>) -> Result<Signed> {
        let now = self.clock.now();
        if !response.status.is_success() {
            return Err(error::of_login(response, now));
        }
        let body = wire::object(&response.body)
            .ok_or_else(|| error::unusable(OPERATION, "the answer is no object"))?;
        if body.get("error").is_some_and(|error| !matches!(error, Value::Null | Value::Bool(false))) {
            return Err(ProviderError::new(ErrorKind::Unauthorized, OPERATION, "the service refused it"));
        }
        let token = text(&body, "accessToken")
            .ok_or_else(|| error::unusable(OPERATION, "the answer has no token"))?;
        let account = text(&body, "accountId")
            .or(before.map(|before| before.account.as_str()))
            .filter(|id| calls::is_id(id))
            .ok_or_else(|| error::unusable(OPERATION, "the answer names no account"))?;
        let life = body.get("expiresIn").and_then(Value::as_f64).filter(|life| *life > 0.0);
        // A float to an integer saturates.
        #[expect(clippy::cast_possible_truncation, reason = "what is larger is cut off below anyway")]
        let life = life.map_or(LIFE, |life| life as i64).clamp(1, LIFE_MAX);
        let renewal = cookie(response).or_else(|| before.and_then(|before| before.renewal.clone()));
        Ok(Signed {
            token: Secret::from(token),
            account: account.to_owned(),
            // One that lasts no longer than the margin would be renewed with every request.
            ends: now + TimeDelta::seconds(life).max(MARGIN + TimeDelta::seconds(30)),
            renewal,
        })
    }
}

/// The renewal cookie an answer sets.
fn cookie(response: &HttpResponse) -> Option<Secret<String>> {
    response
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter_map(|value| value.split(';').next()?.split_once('='))
        .find(|(name, value)| name.trim() == COOKIE && !value.trim().is_empty())
        .map(|(_, value)| Secret::from(value.trim()))
}

#[async_trait]
impl TokenSource for Session {
    async fn token(&self) -> Result<Secret> {
        let mut signed = self.signed.lock().await;
        Ok(self.current(&mut signed).await?.token.clone())
    }

    async fn rejected(&self, token: &Secret) -> Result<()> {
        let mut signed = self.signed.lock().await;
        if signed.as_ref().is_some_and(|now| now.token.same(token)) {
            let fresh = self.sign_in(signed.as_ref()).await?;
            *signed = Some(fresh);
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("requests", &self.requests()).finish_non_exhaustive()
    }
}
