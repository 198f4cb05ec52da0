//! Accounts that are connected by OAuth, in the host's language: where the browser is sent, what it brings back, and tokens that last.
//!
//! Flows and tokens are sealed by the host's master keys in the store of the engine, whichever it is. What is asked of a provider goes
//! over the transport of the engine. `docs/adr/0043-oauth-in-every-language.md` says why.

use std::{error::Error, sync::Arc};

use calsync_core::{
    context::SystemEntropy,
    provider::ProviderError,
    store::StoreError,
    vault::{Envelope, Keeper, LocalKeys, Vault, VaultError, VaultErrorKind},
};
pub(crate) use calsync_providers::oauth::Access;
use calsync_providers::{
    http::AddressPolicy,
    oauth::{Exchange, Flows, OAuthConfig, OAuthError, OAuthErrorKind},
};
use chrono::TimeDelta;
use url::Url;

use crate::{
    Code, Engine, Failure,
    args::{BeginOAuth, Connect, FinishOAuth, MasterKeys, OAuthClient, ProviderKind},
    engine::about,
    model::OAuthGrant,
};

/// An engine keeps the tokens of one host.
const TENANT: &str = "";

impl Engine {
    pub(crate) async fn begin_oauth(&self, args: BeginOAuth) -> Result<String, Failure> {
        let connection = args.connection.clone();
        self.begin(args).await.map_err(|failure| about(failure, &connection))
    }

    async fn begin(&self, args: BeginOAuth) -> Result<String, Failure> {
        if args.connection.is_empty() {
            return Err(Failure::invalid("a connection has a name"));
        }
        if Url::parse(&args.redirect).is_err() {
            return Err(Failure::invalid("`redirect` is not a whole URL"));
        }
        of_somebody(&args.session)?;
        let exchange = self.exchange(&args.client).await?;
        // Of an account that is connected already the same one has to come back.
        let access = self.kept(exchange.clone(), &args.connection).await?;
        let mut intent = access.intent(args.session).await?;
        intent.login_hint = args.login_hint;
        Ok(self.flows().await?.begin(&exchange, intent, &args.redirect, self.now()).await?.into())
    }

    pub(crate) async fn finish_oauth(&self, args: FinishOAuth) -> Result<OAuthGrant, Failure> {
        of_somebody(&args.session)?;
        let exchange = self.exchange(&args.client).await?;
        let query = args.query.expose();
        let query = query.strip_prefix('?').unwrap_or(query);
        let connected = self.flows().await?.finish(&exchange, &args.session, query, self.now()).await?;
        let connection = connected.account;
        let of_connection = |error: OAuthError| about(error.into(), &connection);
        let access = self.kept(exchange, &connection).await?;
        access.keep(&connected.grant).await.map_err(of_connection)?;
        let ends = access.ends().await.map_err(of_connection)?;
        let connected_already =
            self.connection(&connection).ok().and_then(|connected| connected.access.clone());
        if let Some(access) = connected_already {
            // It goes on with the new tokens; where they cannot be read now, with the next ones it needs.
            let _ = access.ends().await;
        }
        let (subject, label) =
            connected.grant.account.map(|account| (account.subject, account.label)).unzip();
        Ok(OAuthGrant {
            connection,
            subject,
            label: label.flatten(),
            missing_scopes: connected.grant.missing_scopes,
            ends,
        })
    }

    /// The tokens kept under the name of a connection.
    pub(crate) async fn access(
        &self,
        client: &OAuthClient,
        settings: &Connect,
    ) -> Result<Arc<Access>, Failure> {
        let preset = match client.provider.as_str() {
            "google" => Some(ProviderKind::Google),
            "microsoft" => Some(ProviderKind::Microsoft),
            _ => None,
        };
        match settings.provider {
            ProviderKind::Caldav | ProviderKind::Cozi | ProviderKind::Ics => {
                return Err(Failure::new(
                    Code::Unsupported,
                    "only Google and Microsoft are asked with tokens",
                ));
            }
            kind if preset.is_some_and(|preset| preset != kind) => {
                return Err(Failure::invalid("the client is one of another provider"));
            }
            ProviderKind::Google | ProviderKind::Microsoft => {}
        }
        if !settings.secret.expose().is_empty() {
            return Err(Failure::invalid("a client stands in the place of the secret"));
        }
        Ok(Arc::new(self.kept(self.exchange(client).await?, &settings.connection).await?))
    }

    async fn kept(&self, exchange: Exchange, connection: &str) -> Result<Access, Failure> {
        let keeper = Keeper::new(self.store().await?, self.vault()?, TENANT);
        Ok(Access::new(exchange, keeper, self.clock(), self.ids(), connection))
    }

    async fn flows(&self) -> Result<Flows, Failure> {
        Ok(Flows::new(self.store().await?, self.vault()?, Arc::new(SystemEntropy), TENANT))
    }

    /// Asks a token endpoint as fast as it answers: an account asks once an hour.
    async fn exchange(&self, client: &OAuthClient) -> Result<Exchange, Failure> {
        Ok(Exchange::new(config(client)?, self.transport().await?))
    }

    fn vault(&self) -> Result<Arc<dyn Vault>, Failure> {
        let missing = "the engine was made without master keys, which seal tokens in its store";
        vault(self.master_keys().ok_or_else(|| Failure::invalid(missing))?)
    }
}

/// A session is what tells the person who began from whoever else has the URL.
fn of_somebody(session: &str) -> Result<(), Failure> {
    if session.is_empty() { Err(Failure::invalid("`session` names nobody's session")) } else { Ok(()) }
}

/// Revokes tokens and forgets them. `false`: the provider could not be told.
pub(crate) async fn forget(access: &Access) -> Result<bool, Failure> {
    match access.disconnect().await {
        Ok(told) => Ok(told),
        // What could not be read is forgotten all the same, what could not be deleted is not.
        Err(error) if error.kind == OAuthErrorKind::Storage => match access.is_kept().await {
            Ok(false) => Ok(false),
            _ => Err(error.into()),
        },
        Err(_) => Ok(false),
    }
}

/// What seals with these keys.
///
/// # Errors
///
/// [`Code::InvalidInput`] for keys that protect nothing, and where the current one is missing.
pub(crate) fn vault(keys: &MasterKeys) -> Result<Arc<dyn Vault>, Failure> {
    // Not which: who takes names for keys would see a key.
    let weak = |_: VaultError| Failure::invalid("a master key is not the Base64 of 32 random bytes");
    let current = &keys.current;
    let first = keys.keys.get(current);
    let first = first.ok_or_else(|| Failure::invalid("`current` names none of the master keys"))?;
    let mut local = LocalKeys::new(current, first, Arc::new(SystemEntropy)).map_err(weak)?;
    for (name, key) in keys.keys.iter().filter(|(name, _)| *name != current) {
        local = local.with_earlier(name, key).map_err(weak)?;
    }
    Ok(Arc::new(Envelope::new(Arc::new(local), Arc::new(SystemEntropy))))
}

fn config(client: &OAuthClient) -> Result<OAuthConfig, Failure> {
    if client.provider.is_empty() || client.client_id.is_empty() {
        return Err(Failure::invalid("a client has a `provider` and a `client_id`"));
    }
    let own = match (&client.authorize, &client.token) {
        (Some(authorize), Some(token)) => {
            Some((endpoint(client, "authorize", authorize)?, endpoint(client, "token", token)?))
        }
        (None, None) => None,
        _ => return Err(Failure::invalid("`authorize` and `token` come together")),
    };
    let id = client.client_id.as_str();
    let is_microsoft = client.provider == "microsoft";
    if client.tenant.is_some() && !is_microsoft {
        return Err(Failure::invalid("`tenant` is for microsoft"));
    }
    let preset = match client.provider.as_str() {
        "google" => Some(OAuthConfig::google(id)),
        "microsoft" => Some(OAuthConfig::microsoft(client.tenant.as_deref().unwrap_or("common"), id)),
        _ => None,
    };
    let mut config = match (preset, own) {
        (Some(preset), own) => {
            let mut config = preset.map_err(|_| Failure::invalid("`tenant` makes no URL"))?;
            if let Some((authorize, token)) = own {
                (config.authorize, config.token) = (authorize, token);
                // Tokens of one server are told to no other.
                (config.device, config.revoke, config.issuer) = (None, None, None);
            }
            config
        }
        (None, Some((authorize, token))) => OAuthConfig::new(&client.provider, authorize, token, id),
        (None, None) => {
            return Err(Failure::invalid("a provider of the host's own has `authorize` and `token`"));
        }
    };
    if let Some(revoke) = &client.revoke {
        config.revoke = Some(endpoint(client, "revoke", revoke)?);
    }
    if let Some(issuer) = &client.issuer {
        config.issuer = Some(issuer.clone());
    }
    if let Some(scopes) = &client.scopes {
        config.scopes.clone_from(scopes);
    }
    config.client_secret.clone_from(&client.client_secret);
    config.grant_lasts = client.grant_days.map(|days| TimeDelta::days(days.into()));
    if client.trust_address {
        config.addresses = AddressPolicy::AllowPrivate;
    }
    Ok(config)
}

/// Codes and secrets go there: in the clear only to where the host says.
fn endpoint(client: &OAuthClient, name: &str, text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| url.has_host());
    let url = url.filter(|url| url.scheme() == "https" || (url.scheme() == "http" && client.trust_address));
    url.ok_or_else(|| Failure::invalid(format!("`{name}` is no https URL")))
}

/// What a provider reports that got no token.
pub(crate) fn of_provider(error: &ProviderError) -> Option<Failure> {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(error) = found.downcast_ref::<OAuthError>() {
            return Some(error.into());
        }
        cause = found.source();
    }
    None
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self::from(&error)
    }
}

impl From<&OAuthError> for Failure {
    fn from(error: &OAuthError) -> Self {
        let code = match error.kind {
            OAuthErrorKind::NeedsReauth(_) => Code::Unauthorized,
            OAuthErrorKind::NeedsAdmin => Code::NeedsAdmin,
            OAuthErrorKind::Denied => Code::ConsentDenied,
            OAuthErrorKind::WrongAccount => Code::WrongAccount,
            OAuthErrorKind::State(_) => Code::OAuthState,
            OAuthErrorKind::Configuration => Code::InvalidInput,
            OAuthErrorKind::Unavailable => Code::Unavailable,
            OAuthErrorKind::Protocol => Code::Protocol,
            OAuthErrorKind::Storage => return of_storage(error),
            _ => Code::Internal,
        };
        Self::new(code, error.to_string()).retrying(error.retry())
    }
}

/// What the store or the vault said, where they said something.
fn of_storage(error: &OAuthError) -> Failure {
    if let Some(store) = error.source().and_then(|cause| cause.downcast_ref::<StoreError>()) {
        return store.into();
    }
    if let Some(vault) = error.source().and_then(|cause| cause.downcast_ref::<VaultError>()) {
        let code = match vault.kind {
            VaultErrorKind::UnknownKey { .. } | VaultErrorKind::WeakKey => Code::InvalidInput,
            VaultErrorKind::Tampered | VaultErrorKind::Malformed => Code::StoreCorrupt,
            _ => Code::StoreUnavailable,
        };
        return Failure::new(code, error.to_string()).retrying(vault.retry());
    }
    Failure::new(Code::StoreFailed, error.to_string()).retrying(error.retry())
}
