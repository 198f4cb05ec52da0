//! Push channels. They carry no content: a call says that something changed, and the next pull tells what.

use calsync_core::{
    model::RemoteCalendarId,
    provider::{ErrorKind, ProviderError, Result, Watch, WatchRequest},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    calls,
    provider::{GoogleProvider, Purpose},
    wire::{integer, object, text},
};

impl GoogleProvider {
    pub(super) async fn open_channel(
        &self,
        calendar: &RemoteCalendarId,
        request: WatchRequest<'_>,
    ) -> Result<Watch> {
        const OPERATION: &str = "watch";
        let wrong = |detail: &str| ProviderError::new(ErrorKind::InvalidInput, OPERATION, detail);
        let is_id =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=');
        if request.id.is_empty() || request.id.len() > 64 || !request.id.bytes().all(is_id) {
            return Err(wrong("the id is not 1 to 64 letters, digits and -_+/="));
        }
        if request.secret.is_empty() || request.secret.len() > 256 {
            return Err(wrong("the secret is not 1 to 256 characters long"));
        }
        let part = self.send(OPERATION, Purpose::Write, calls::watch(calendar.as_str(), request)).await?;
        let channel =
            object(self.accept(OPERATION, &part)?).ok_or_else(|| self.unusable(OPERATION, &part))?;
        let lifetime = TimeDelta::from_std(request.lifetime).unwrap_or(TimeDelta::days(7));
        // Not told is taken for what was asked, and for no more than Google's default.
        let asked = self.timing().now + lifetime.min(TimeDelta::days(7));
        let told = integer(&channel, "expiration").and_then(DateTime::<Utc>::from_timestamp_millis);
        Ok(Watch {
            id: text(&channel, "id").unwrap_or(request.id).to_owned(),
            resource: text(&channel, "resourceId").unwrap_or_default().to_owned(),
            expires: told.unwrap_or(asked),
        })
    }

    pub(super) async fn stop_channel(&self, watch: &Watch) -> Result<()> {
        const OPERATION: &str = "unwatch";
        let part = self.send(OPERATION, Purpose::Write, calls::stop(&watch.id, &watch.resource)).await?;
        match part.status.as_u16() {
            // It has ended by itself.
            404 | 410 => Ok(()),
            _ => self.accept(OPERATION, &part).map(|_| ()),
        }
    }
}
