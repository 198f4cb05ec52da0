//! From an account's settings to a provider.

use std::sync::Arc;

#[cfg(any(feature = "google", feature = "microsoft"))]
use calsync_core::secret::Secret;
use calsync_core::{
    context::{Clock, IdSource},
    provider::Provider,
};
#[cfg(feature = "cozi")]
use calsync_providers::cozi::{CoziConfig, CoziProvider, UnofficialApi};
#[cfg(feature = "google")]
use calsync_providers::google::{GoogleConfig, GoogleProvider};
#[cfg(any(feature = "google", feature = "microsoft"))]
use calsync_providers::http::TokenSource;
#[cfg(feature = "microsoft")]
use calsync_providers::microsoft::{MicrosoftConfig, MicrosoftProvider};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{
        AddressPolicy, Credentials, HttpTransport,
        pace::{Pace, PacedTransport, TokioTimer},
    },
    ics::{IcsConfig, IcsProvider},
};

use crate::{
    Failure,
    args::{Connect, ProviderKind},
    oauth::Access,
};

/// A provider, its only calendar where it has one, and the tokens it runs on where they are kept.
pub(crate) struct Connection {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) only: Option<String>,
    pub(crate) access: Option<Arc<Access>>,
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
        // It has a pace of its own.
        ProviderKind::Cozi => return network,
    };
    let pace = usual.at(&settings.url);
    Arc::new(PacedTransport::new(network, &settings.connection, pace, clock, Arc::new(TokioTimer)))
}

pub(crate) fn connect(
    settings: Connect,
    access: Option<Arc<Access>>,
    transport: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> Result<Connection, Failure> {
    let addresses = if settings.trust_address { AddressPolicy::AllowPrivate } else { AddressPolicy::Public };
    let mut only = None;
    #[cfg(not(feature = "microsoft"))]
    drop(ids);
    let provider: Arc<dyn Provider> = match settings.provider {
        ProviderKind::Caldav => {
            let mut config =
                CalDavConfig::new(settings.url, settings.username.unwrap_or_default(), settings.secret);
            config.addresses = addresses;
            Arc::new(CalDavProvider::new(config, transport)?.with_clock(clock))
        }
        #[cfg(feature = "cozi")]
        ProviderKind::Cozi => {
            let mut config = CoziConfig::new(settings.username.unwrap_or_default(), settings.secret);
            if settings.unofficial {
                config.unofficial_api = UnofficialApi::Accepted;
            }
            config.addresses = addresses;
            if !settings.url.is_empty() {
                // Ten requests a minute are for Cozi's own service, not for one on this machine.
                config.pace = Some(Pace::COZI_10.at(&settings.url));
                config = config.at(settings.url, addresses);
            }
            Arc::new(CoziProvider::new(config, transport, clock)?)
        }
        #[cfg(feature = "google")]
        ProviderKind::Google => {
            let mut config = GoogleConfig::new(tokens(access.as_ref(), settings.secret));
            config.addresses = addresses;
            if !settings.url.is_empty() {
                config = config.at(settings.url, addresses);
            }
            Arc::new(GoogleProvider::new(config, transport)?.with_clock(clock))
        }
        #[cfg(feature = "microsoft")]
        ProviderKind::Microsoft => {
            let mut config = MicrosoftConfig::new(tokens(access.as_ref(), settings.secret));
            config.addresses = addresses;
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
            config.ahead_days = settings.ahead_days;
            if let Some(username) = settings.username {
                config.credentials = Some(Credentials::Basic { username, password: settings.secret });
            }
            let provider = IcsProvider::new(config, transport, clock)?;
            only = Some(provider.calendar().as_str().to_owned());
            Arc::new(provider)
        }
        #[cfg(not(all(feature = "cozi", feature = "google", feature = "microsoft")))]
        left_out => {
            let text = format!("this library was built without {left_out:?}");
            return Err(Failure::new(crate::Code::Unsupported, text));
        }
    };
    Ok(Connection { provider, only, access })
}

/// Those that are kept and renewed, or the one the host handed over.
#[cfg(any(feature = "google", feature = "microsoft"))]
fn tokens(access: Option<&Arc<Access>>, secret: Secret) -> Arc<dyn TokenSource> {
    match access {
        Some(access) => access.clone(),
        None => Arc::new(secret),
    }
}
