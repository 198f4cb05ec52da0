//! From an account's settings to a provider.

use std::sync::Arc;

use calsync_core::{
    context::{Clock, IdSource},
    provider::Provider,
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    google::{GoogleConfig, GoogleProvider},
    http::{
        AddressPolicy, Credentials, HttpTransport,
        pace::{Pace, PacedTransport, TokioTimer},
    },
    ics::{IcsConfig, IcsProvider},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};

use crate::{
    Failure,
    args::{Connect, ProviderKind},
};

/// A provider, and its only calendar where it has one.
pub(crate) struct Connection {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) only: Option<String>,
}

/// The network at the pace of a service, which is left alone while it is down.
pub(crate) fn paced(
    settings: &Connect,
    network: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
) -> Arc<dyn HttpTransport> {
    let usual = match settings.provider {
        ProviderKind::Google => Pace::GOOGLE,
        ProviderKind::Microsoft => Pace::MICROSOFT,
        ProviderKind::Caldav | ProviderKind::Ics => Pace::CALDAV,
    };
    let pace = usual.at(&settings.url);
    Arc::new(PacedTransport::new(network, &settings.connection, pace, clock, Arc::new(TokioTimer)))
}

pub(crate) fn connect(
    settings: Connect,
    transport: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> Result<Connection, Failure> {
    let addresses = if settings.trust_address { AddressPolicy::AllowPrivate } else { AddressPolicy::Public };
    let mut only = None;
    let provider: Arc<dyn Provider> = match settings.provider {
        ProviderKind::Caldav => {
            let mut config =
                CalDavConfig::new(settings.url, settings.username.unwrap_or_default(), settings.secret);
            config.addresses = addresses;
            Arc::new(CalDavProvider::new(config, transport)?.with_clock(clock))
        }
        ProviderKind::Google => {
            let mut config = GoogleConfig::new(Arc::new(settings.secret));
            if !settings.url.is_empty() {
                config = config.at(settings.url, addresses);
            }
            Arc::new(GoogleProvider::new(config, transport)?.with_clock(clock))
        }
        ProviderKind::Microsoft => {
            let mut config = MicrosoftConfig::new(Arc::new(settings.secret));
            if !settings.url.is_empty() {
                config = config.at(settings.url, addresses);
            }
            Arc::new(MicrosoftProvider::new(config, transport)?.with_clock(clock).with_request_ids(ids))
        }
        ProviderKind::Ics => {
            let mut config = IcsConfig::new(settings.url);
            config.allow_file = settings.trust_address;
            config.addresses = addresses;
            config.name = Some(settings.connection);
            if let Some(username) = settings.username {
                config.credentials = Some(Credentials::Basic { username, password: settings.secret });
            }
            let provider = IcsProvider::new(config, transport, clock)?;
            only = Some(provider.calendar().as_str().to_owned());
            Arc::new(provider)
        }
    };
    Ok(Connection { provider, only })
}
