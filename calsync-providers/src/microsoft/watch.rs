//! Subscriptions: Graph calls an address when a calendar changes.

use calsync_core::{
    model::RemoteCalendarId,
    provider::{ErrorKind, ProviderError, Result, Watch, WatchRequest},
};
use chrono::{SecondsFormat, TimeDelta};
use http::Method;
use serde_json::json;

use super::{
    calls, error,
    map::time::instant,
    provider::MicrosoftProvider,
    wire::{object, text},
};

/// Less is raised to this by the service.
const MINUTES_MIN: i64 = 45;

impl MicrosoftProvider {
    /// Lifecycle notifications go to the same address: they cannot be asked for later.
    pub(super) async fn subscribe(
        &self,
        calendar: &RemoteCalendarId,
        request: WatchRequest<'_>,
    ) -> Result<Watch> {
        const OPERATION: &str = "watch";
        if request.secret.len() > 128 {
            return Err(ProviderError::new(ErrorKind::InvalidInput, OPERATION, "the secret is too long"));
        }
        let body = json!({
            "changeType": "created,updated,deleted",
            "notificationUrl": request.address,
            "lifecycleNotificationUrl": request.address,
            "resource": self.paths.watched(calendar),
            "expirationDateTime": self.expiry(request.lifetime),
            "clientState": request.secret,
            "latestSupportedTlsVersion": "v1_2",
        });
        let url = self.url("/subscriptions", OPERATION)?;
        let answer =
            self.send_write(OPERATION, calls::with_json(calls::request(Method::POST, url), &body)).await?;
        let body = self.applied(OPERATION, &answer).map_err(|error| match error.kind {
            // What a 400 means here is, as a rule, that the address did not give the token back: it may not be up yet. A tenant
            // that allows no subscriptions says 403.
            ErrorKind::Refused => {
                let detail = format!("{}; does the address answer the handshake?", error.detail);
                ProviderError::new(ErrorKind::Unavailable, OPERATION, detail)
                    .with_request_id(error.request_id())
            }
            _ => error,
        })?;
        granted(body).ok_or_else(|| {
            error::unusable_answer(OPERATION, &answer.response.headers, "the answer is no subscription")
        })
    }

    pub(super) async fn unsubscribe(&self, watch: &Watch) -> Result<()> {
        const OPERATION: &str = "unwatch";
        let url = self.url(&format!("/subscriptions/{}", calls::segment(&watch.id)), OPERATION)?;
        let answer = self.send_write(OPERATION, calls::request(Method::DELETE, url)).await?;
        match self.applied(OPERATION, &answer) {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Prolongs a subscription and authorises it anew: the answer to `reauthorizationRequired`. Only Graph can; on
    /// [`ErrorKind::NotFound`] a new one is made.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn renew(&self, watch: &Watch, lifetime: std::time::Duration) -> Result<Watch> {
        const OPERATION: &str = "renew";
        let url = self.url(&format!("/subscriptions/{}", calls::segment(&watch.id)), OPERATION)?;
        let body = json!({"expirationDateTime": self.expiry(lifetime)});
        let answer =
            self.send_write(OPERATION, calls::with_json(calls::request(Method::PATCH, url), &body)).await?;
        let body = self.applied(OPERATION, &answer)?;
        granted(body).ok_or_else(|| {
            error::unusable_answer(OPERATION, &answer.response.headers, "the answer is no subscription")
        })
    }

    fn expiry(&self, lifetime: std::time::Duration) -> String {
        let wanted = i64::try_from(lifetime.as_secs() / 60).unwrap_or(i64::MAX);
        let most = i64::from(self.config.watch_minutes_max).max(MINUTES_MIN);
        let minutes = wanted.clamp(MINUTES_MIN, most);
        (self.now() + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

fn granted(body: &[u8]) -> Option<Watch> {
    let subscription = object(body)?;
    Some(Watch {
        id: text(&subscription, "id")?.to_owned(),
        resource: text(&subscription, "resource").unwrap_or_default().to_owned(),
        expires: instant(text(&subscription, "expirationDateTime")?)?,
    })
}
