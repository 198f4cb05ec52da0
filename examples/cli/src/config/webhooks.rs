//! `[webhooks]`: where Google and Microsoft may call when a calendar changes.

use calsync_providers::http::is_local;
use serde::Deserialize;
use url::Url;

/// Where providers call, and how the worker knows them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhooks {
    /// The public `https` address that leads to `listen`, by way of whatever speaks TLS.
    pub(crate) address: String,
    /// Where the worker listens: `127.0.0.1:8790`.
    pub(crate) listen: String,
    /// What the secrets of channels follow from: `env:NAME` or `file:PATH`, at least 16 characters.
    pub(crate) key: String,
}

impl Webhooks {
    /// Whether providers can call the address.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let address = Url::parse(&self.address).ok();
        if address.is_some_and(|url| url.scheme() == "https" || is_local(&url)) {
            return Ok(());
        }
        Err("address: write the public https:// address that is to be called")
    }
}
