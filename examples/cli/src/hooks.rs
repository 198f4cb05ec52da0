//! Webhooks of the worker: `[webhooks]` of the configuration, the channels of each link, and the server that is called.

use std::sync::Arc;

use calsync_core::{
    model::LinkId,
    schedule::Schedule,
    store::{Channels as _, PollOptions, StoreChannels},
    worker::{Announcements, WorkError},
};
use calsync_providers::webhook::{ChannelKey, ChannelOptions, KeepError, Keeper, Tended, Tending};
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use webhooks::limits::{Bounded, Limits};

use crate::{
    app::App,
    commands::schedule,
    config::{ProviderKind, Webhooks, stored},
    connect::Joined,
    error::CliError,
};

/// What the worker needs of the webhooks.
#[derive(Clone)]
pub(crate) struct Hooks {
    keeper: Keeper,
    channels: Arc<StoreChannels>,
    schedule: Schedule,
    /// The public address, where there is one.
    address: Option<String>,
}

/// The path below the address and the way channels are kept, for a provider that calls.
fn calls(provider: ProviderKind) -> Option<(&'static str, ChannelOptions)> {
    match provider {
        ProviderKind::Google => Some((webhooks::GOOGLE, ChannelOptions::google())),
        ProviderKind::Microsoft => Some((webhooks::GRAPH, ChannelOptions::graph())),
        ProviderKind::Caldav | ProviderKind::Cozi | ProviderKind::Ics => None,
    }
}

impl Hooks {
    pub(crate) fn new(app: &App) -> Result<Self, CliError> {
        let section = app.config.webhooks.as_ref();
        let key = match section {
            Some(section) => key(section, app)?,
            None => return Self::to_end(app),
        };
        Ok(Self::with_key(app, key))
    }

    /// To end channels, which needs no key: also where the one of the configuration is not at hand.
    pub(crate) fn to_end(app: &App) -> Result<Self, CliError> {
        // One that nobody knows.
        let key = ChannelKey::new(app.ids.fresh().as_bytes());
        Ok(Self::with_key(app, key.map_err(|error| CliError::Unmet(format!("a key: {error}")))?))
    }

    fn with_key(app: &App, key: ChannelKey) -> Self {
        let section = app.config.webhooks.as_ref();
        let channels = Arc::new(StoreChannels::new(app.store.clone()));
        Self {
            keeper: Keeper::new(channels.clone(), key, app.clock.clone(), app.ids.clone()),
            channels,
            schedule: schedule::schedule(app),
            address: section.map(|section| section.address.trim_end_matches('/').to_owned()),
        }
    }

    /// Whether a link is to have a channel, or still has one.
    pub(crate) async fn concerns(&self, link: &LinkId, provider: ProviderKind) -> Result<bool, CliError> {
        if calls(provider).is_some() && self.address.is_some() {
            return Ok(true);
        }
        Ok(!self.channels.read(link).await?.row.channels.is_empty())
    }

    /// How a link of this provider is told of changes.
    pub(crate) fn announcements(&self, provider: ProviderKind) -> Announcements {
        match calls(provider).filter(|_| self.address.is_some()) {
            Some(_) => Announcements::Measured(PollOptions::default()),
            None => Announcements::None,
        }
    }

    /// Keeps the channels of a link, or ends them when there is no address any more. Returns when to look again.
    pub(crate) async fn tend(
        &self,
        joined: &Joined,
        provider: ProviderKind,
    ) -> Result<Option<DateTime<Utc>>, KeepError> {
        let (Some(address), Some((path, options))) = (&self.address, calls(provider)) else {
            self.end(joined).await?;
            return Ok(None);
        };
        let about = Tending {
            link: &joined.link.id,
            calendar: &joined.link.remote,
            provider: &*joined.provider,
            address: &format!("{address}{path}"),
            options: &options,
        };
        let Tended { next, .. } = self.keeper.tend(about, &self.schedule).await?;
        Ok(next)
    }

    /// Ends the channels of a link.
    pub(crate) async fn end(&self, joined: &Joined) -> Result<(), KeepError> {
        self.keeper.end(&joined.link.id, &*joined.provider).await?;
        Ok(())
    }

    /// Answers calls until it is dropped.
    pub(crate) async fn serve(
        &self,
        section: &Webhooks,
    ) -> Result<impl Future<Output = ()> + use<>, CliError> {
        let failed = |error| CliError::Io { what: format!("webhooks.listen {}", section.listen), error };
        let listener = TcpListener::bind(&section.listen).await.map_err(failed)?;
        let router = webhooks::router(self.keeper.clone(), self.schedule.clone());
        Ok(async move {
            // It ends only when the listener fails; then links are polled, which is found out by what pulls find.
            let _ = axum::serve(Bounded::new(listener, Limits::default()), router).await;
        })
    }
}

fn key(section: &Webhooks, app: &App) -> Result<ChannelKey, CliError> {
    let wrong = |text: &str| CliError::Config(format!("webhooks.key: {text}"));
    let found = stored(&section.key, &app.folder).ok_or_else(|| wrong("write env:NAME or file:PATH"))?;
    let found = found.map_err(|text| wrong(&text))?;
    ChannelKey::new(found.expose().as_bytes())
        .map_err(|error| wrong(&format!("{error}; `openssl rand -base64 32` makes one")))
}

/// What the worker makes of a failure.
pub(crate) fn as_work(error: KeepError) -> WorkError {
    match error {
        KeepError::Store(error) => error.into(),
        KeepError::Provider(error) => error.into(),
        other => WorkError::new(
            calsync_core::provider::Fault::Us,
            calsync_core::provider::Retry::Backoff,
            other.to_string(),
        ),
    }
}
