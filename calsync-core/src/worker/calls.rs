//! Whether what a pull found was announced, measured run by run.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Alert, Announcements, Opened};
use crate::{
    model::LinkId,
    schedule::Cadence,
    store::{
        Channels as _, Delivery, Found, HasChannel, PollOptions, Store, StoreChannels, StoreError,
        change_channels,
    },
};

/// What was known of a link's calls when its run began.
pub(super) struct Calls {
    channels: StoreChannels,
    poll: PollOptions,
    called: Option<DateTime<Utc>>,
}

impl Calls {
    /// Before the pull. `None`: nobody measures.
    pub(super) async fn before(
        store: &Arc<dyn Store>,
        opened: &Opened,
        link: &LinkId,
    ) -> Result<Option<Self>, StoreError> {
        let Announcements::Measured(poll) = opened.announcements else { return Ok(None) };
        let channels = StoreChannels::new(Arc::clone(store));
        let called = channels.read(link).await?.row.called;
        Ok(Some(Self { channels, poll, called }))
    }

    /// After the pull: how often to look from now on, and whether somebody is to be told. Without a channel nothing could
    /// have been announced, and nothing is measured.
    pub(super) async fn after(
        self,
        link: &LinkId,
        found: Found,
        now: DateTime<Utc>,
    ) -> Result<(Option<Cadence>, Option<Alert>), StoreError> {
        let before = self.channels.read(link).await?.row;
        let open = before.has_channel(now);
        if open == HasChannel::Yes && found == Found::Changes {
            // As the channel counts it: a call that came during the pull was in time.
            let announced = if self.called.or(before.called).is_some() { "yes" } else { "no" };
            metrics::counter!("calsync_webhooks_total", "announced" => announced).increment(1);
        }
        let after = if open == HasChannel::Yes {
            change_channels(&self.channels, link, &|row| row.pulled(self.called, found)).await?
        } else {
            before.clone()
        };
        let interval = after.health.interval(&self.poll, open);
        let cadence = TimeDelta::from_std(interval).ok().and_then(|every| Cadence::every(every).ok());
        let fell = after.health.delivery() == Delivery::Unreliable
            && before.health.delivery() != Delivery::Unreliable;
        Ok((cadence, fell.then(|| Alert::WebhookSilent { link: link.clone() })))
    }
}
