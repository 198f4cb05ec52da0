//! A connected account: where its provider is, and where its tokens are.

use std::{fs, io::Write, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use calsync_core::{
    context::{Entropy, SystemEntropy},
    store::StoreErrorKind,
    vault::{Envelope, Keeper, KeeperError, LocalKeys, SecretKey, Vault},
};
use calsync_providers::{
    http::{AddressPolicy, HttpTransport, Secret},
    oauth::{Access, Exchange, Flows, OAuthConfig},
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    app::App,
    config::{Connection, OAuthSection, ProviderKind, stored},
    error::CliError,
};

/// The name of the key, where the configuration gives none.
const KEY_ID: &str = "calsync";

/// What connecting, using and disconnecting an account need.
pub(crate) struct Account {
    pub(crate) exchange: Exchange,
    pub(crate) flows: Flows,
    pub(crate) access: Access,
}

impl Account {
    /// The account of a connection, connected or not.
    pub(crate) fn open(
        app: &App,
        name: &str,
        connection: &Connection,
        oauth: &OAuthSection,
        transport: &Arc<dyn HttpTransport>,
    ) -> Result<Self, CliError> {
        let exchange = Exchange::new(client(app, name, connection, oauth)?, transport.clone());
        let vault = vault(app)?;
        let tenant = app.config.tenant.as_str();
        let keeper = Keeper::new(app.store.clone(), vault.clone(), tenant);
        let flows = Flows::new(app.store.clone(), vault, Arc::new(SystemEntropy), tenant);
        let access = Access::new(exchange.clone(), keeper, app.clock.clone(), app.ids.clone(), name);
        Ok(Self { exchange, flows, access })
    }
}

/// When a person has to sign in to a connection again, where that is known.
pub(crate) async fn sign_in_ends(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Option<DateTime<Utc>>, CliError> {
    let Some(oauth) = &connection.oauth else { return Ok(None) };
    Ok(Account::open(app, name, connection, oauth, transport)?.access.ends().await?)
}

fn client(
    app: &App,
    name: &str,
    connection: &Connection,
    oauth: &OAuthSection,
) -> Result<OAuthConfig, CliError> {
    let id = oauth.client_id.as_str();
    let config = match connection.provider {
        ProviderKind::Microsoft => OAuthConfig::microsoft(oauth.directory.as_deref().unwrap_or("common"), id),
        _ => OAuthConfig::google(id),
    };
    let mut config =
        config.map_err(|error| CliError::Config(format!("connections.{name}.oauth.directory: {error}")))?;
    config.client_secret = oauth.secret(name, &app.folder)?;
    if let Some(url) = &oauth.authorize_url {
        config.authorize = url.clone();
    }
    if let Some(url) = &oauth.token_url {
        config.token = url.clone();
        // The person who runs the command wrote it; it may be one of their own machines.
        config.addresses = AddressPolicy::AllowPrivate;
        // Nothing of one server is sent to another.
        (config.revoke, config.device) = (None, None);
    }
    if oauth.revoke_url.is_some() {
        config.revoke.clone_from(&oauth.revoke_url);
    }
    if oauth.device_url.is_some() {
        config.device.clone_from(&oauth.device_url);
    }
    if oauth.issuer.is_some() {
        config.issuer.clone_from(&oauth.issuer);
    }
    config.grant_lasts = oauth.grant_days.and_then(|days| TimeDelta::try_days(days.get().into()));
    if let Some(scopes) = &oauth.scopes {
        config.scopes.clone_from(scopes);
    }
    Ok(config)
}

/// The password of a connection: from where the configuration says it is, or out of the vault. `None`: it names none.
pub(crate) async fn password(
    app: &App,
    name: &str,
    connection: &Connection,
) -> Result<Option<Secret>, CliError> {
    if !connection.is_password_kept() {
        return connection.password(name, &app.folder);
    }
    match Password::open(app, name, connection)?.get().await? {
        Some(password) => Ok(Some(password)),
        None => Err(CliError::Unconnected(format!(
            "{name} is not connected: run `calsync connect {name}` to keep its password"
        ))),
    }
}

/// A password that is kept, sealed, in the store.
pub(crate) struct Password<'a> {
    keeper: Keeper,
    name: &'a str,
    key: SecretKey<'a>,
}

/// How often a password is written again while somebody else writes the same.
const WRITES: usize = 5;

impl<'a> Password<'a> {
    pub(crate) fn open(app: &App, name: &'a str, connection: &Connection) -> Result<Self, CliError> {
        let keeper = Keeper::new(app.store.clone(), vault(app)?, app.config.tenant.as_str());
        let key = SecretKey { account: name, provider: connection.provider.word(), field: "password" };
        Ok(Self { keeper, name, key })
    }

    /// The password, where one is kept.
    pub(crate) async fn get(&self) -> Result<Option<Secret>, CliError> {
        let kept = self.keeper.get(self.key).await.map_err(|error| self.failed(error))?;
        Ok(kept.map(|kept| kept.secret))
    }

    /// Keeps one in the place of what is there.
    pub(crate) async fn keep(&self, password: &Secret) -> Result<(), CliError> {
        for _ in 0..WRITES {
            let before = self.keeper.get(self.key).await.map_err(|error| self.failed(error))?;
            match self.keeper.put(self.key, password, before.as_ref(), None).await {
                Ok(_) => return Ok(()),
                Err(KeeperError::Store(error)) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Err(CliError::Unmet(format!("somebody else keeps a password for {} at the same time", self.name)))
    }

    pub(crate) async fn forget(&self) -> Result<(), CliError> {
        self.keeper.remove(self.key, None).await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: KeeperError) -> CliError {
        match error {
            KeeperError::Store(error) => CliError::Store(error),
            error => CliError::Config(locked(self.name, &error.to_string())),
        }
    }
}

/// What is told when something is kept and does not open.
pub(crate) fn locked(name: &str, error: &str) -> String {
    format!(
        "what is kept of {name} cannot be read, so it is not `vault_key` that sealed it: bring the key back, or run \
         `calsync disconnect {name}` and connect again ({error})"
    )
}

/// The name of the key that seals from now on.
pub(crate) fn key_id(app: &App) -> &str {
    app.config.vault_key_id.as_deref().unwrap_or(KEY_ID)
}

pub(crate) fn vault(app: &App) -> Result<Arc<dyn Vault>, CliError> {
    let wrong = |what: &str, text: String| CliError::Config(format!("{what}: {text}"));
    let weak = |what: &str, error| wrong(what, format!("{error}; `openssl rand -base64 32` makes one"));
    let read = |what: &str, source: &str, hint: &str| match stored(source, &app.folder) {
        Some(found) => found.map_err(|text| wrong(what, format!("{text}{hint}"))),
        None => Err(wrong(what, "write env:NAME or file:PATH".to_owned())),
    };
    let source = app.config.vault_key.as_deref().unwrap_or_default();
    let key = read("vault_key", source, "; `calsync connect` makes the file")?;
    let mut keys = LocalKeys::new(key_id(app), &key, Arc::new(SystemEntropy))
        .map_err(|error| weak("vault_key", error))?;
    for (id, source) in &app.config.vault_keys_earlier {
        let what = format!("vault_keys_earlier.{id}");
        if id == key_id(app) {
            return Err(wrong(&what, "an earlier key has another name than `vault_key_id`".to_owned()));
        }
        let key = read(&what, source, "")?;
        keys = keys.with_earlier(id, &key).map_err(|error| weak(&what, error))?;
    }
    Ok(Arc::new(Envelope::new(Arc::new(keys), Arc::new(SystemEntropy))))
}

/// Makes the key's file when the configuration names one that is not there. Only its owner can read it.
pub(crate) fn make_vault_key(app: &App) -> Result<(), CliError> {
    let Some(path) = app.config.vault_key.as_deref().and_then(|source| source.strip_prefix("file:")) else {
        return Ok(());
    };
    let path = app.folder.join(path);
    let failed = |error| CliError::Io { what: format!("vault_key {}", path.display()), error };
    let mut key = [0; 32];
    SystemEntropy.fill(&mut key).map_err(failed)?;
    let key = Secret::new(key);
    let text = Secret::from(STANDARD.encode(key.expose()));
    match create(&path).and_then(|mut file| file.write_all(text.expose().as_bytes())) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

fn create(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
