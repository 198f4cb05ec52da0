//! The device code flow (RFC 8628): for a television, or a server without a browser.

use std::{fmt, time::Duration};

use calsync_core::context::Clock;
use chrono::{DateTime, Utc};
use oauth2::{
    DeviceAuthorizationUrl, DeviceCodeErrorResponseType, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse,
};
use url::Url;

use super::{
    Exchange, Grant, Intent, OAuthError, OAuthErrorKind, StateProblem,
    error::Refusal,
    exchange::{Status, failed},
};

/// What a person has to do.
pub struct DeviceCode {
    /// The page to open, on any device.
    pub url: Url,
    /// The code to type there.
    pub code: String,
    /// Until when.
    pub expires: DateTime<Utc>,
    /// The account that is linked already.
    expected: Option<String>,
    details: StandardDeviceAuthorizationResponse,
}

impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Asks for a code. `intent` names the account that is linked already, if any; its session is of no use here.
///
/// # Errors
///
/// [`OAuthErrorKind::Configuration`] when the provider offers no such flow.
pub async fn start_device(
    exchange: &Exchange,
    intent: &Intent,
    now: DateTime<Utc>,
) -> Result<DeviceCode, OAuthError> {
    let operation = "asking for a device code";
    let Some(url) = &exchange.config.device else {
        let detail = "this provider has no device flow";
        return Err(OAuthError::new(OAuthErrorKind::Configuration, operation, detail));
    };
    let status = Status::default();
    let client =
        exchange.client().set_device_authorization_url(DeviceAuthorizationUrl::from_url(url.clone()));
    let details: StandardDeviceAuthorizationResponse = client
        .exchange_device_code()
        .add_scopes(exchange.config.scopes.iter().cloned().map(Scope::new))
        .request_async(&exchange.calls(&status))
        .await
        .map_err(|error| failed(operation, error, &status))?;
    Ok(DeviceCode {
        url: details.verification_uri().url().clone(),
        code: details.user_code().secret().clone(),
        expires: now
            .checked_add_signed(chrono::TimeDelta::from_std(details.expires_in()).unwrap_or_default())
            .unwrap_or(now),
        expected: intent.expected.clone(),
        details,
    })
}

/// Waits until the person has typed the code, as often as the provider allows to ask. `sleep` is the host's.
///
/// # Errors
///
/// [`OAuthErrorKind::Denied`] when the person said no, [`OAuthErrorKind::State`] when the code ran out,
/// [`OAuthErrorKind::WrongAccount`] when somebody else signed in than was linked: these tokens are not for it.
pub async fn wait_for_device<S, F>(
    exchange: &Exchange,
    code: &DeviceCode,
    clock: &dyn Clock,
    sleep: S,
) -> Result<Grant, OAuthError>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let operation = "waiting for the device code";
    let status = Status::default();
    let client = exchange.client();
    let answer = client
        .exchange_device_access_token(&code.details)
        .set_time_fn(|| clock.now())
        .request_async(&exchange.calls(&status), sleep, None)
        .await;
    match answer {
        Ok(answer) => exchange.granted(&answer, clock.now()).of(code.expected.as_deref(), operation),
        Err(RequestTokenError::ServerResponse(error)) => Err(match error.error() {
            DeviceCodeErrorResponseType::ExpiredToken => {
                OAuthError::new(OAuthErrorKind::State(StateProblem::Expired), operation, "")
            }
            other => OAuthError::of_response(operation, &Refusal::new(other.as_ref())),
        }),
        Err(RequestTokenError::Request(error)) => {
            Err(failed(operation, RequestTokenError::Request(error), &status))
        }
        Err(RequestTokenError::Parse(error, body)) => {
            Err(failed(operation, RequestTokenError::Parse(error, body), &status))
        }
        Err(RequestTokenError::Other(text)) => {
            Err(failed(operation, RequestTokenError::Other(text), &status))
        }
    }
}
