//! `calsync connect` and `calsync disconnect`.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use calsync_core::{
    model::LinkId,
    schedule::{ScheduleError, Task},
};
use calsync_providers::oauth::{
    Connected, Intent, OAuthError, OAuthErrorKind, StateProblem, start_device, wait_for_device,
};
use serde_json::json;
use url::Url;

use super::{password, schedule};
use crate::{
    IN_STEP,
    account::{self, Account},
    app::App,
    config::{Connection, OAuthSection, ProviderKind},
    connect,
    error::CliError,
    loopback::Loopback,
    output::{Format, print, tell},
};

/// A flow is void after this.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How a person gets to the provider's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In a browser that is opened.
    Browser,
    /// With the address that is printed.
    Address,
    /// On another device, with a code.
    Device,
}

pub(crate) async fn connect(app: &App, name: &str, way: Way, format: Format) -> Result<u8, CliError> {
    let connection = named(app, name)?;
    if connection.is_by_password() {
        return password::connect(app, name, connection, way, format).await;
    }
    let (provider, account) = open(app, name, connection, account::make_vault_key)?;
    let connected = if way == Way::Device {
        by_code(app, name, &account, format).await?
    } else {
        by_browser(app, name, provider, &account, way, format).await?
    };
    account.access.keep(&connected.grant).await?;
    resume(app, name).await?;
    let who = connected.grant.account.and_then(|account| account.label);
    match format {
        Format::Json => print(&format!(
            "{}\n",
            json!({ "connection": name, "connected": true, "account": who, "missing_scopes": connected.grant.missing_scopes })
        ))?,
        Format::Table => {
            print(&format!("connected {name}{}\n", who.map(|who| format!(" as {who}")).unwrap_or_default()))?;
        }
    }
    match connected.grant.missing_scopes.as_slice() {
        [] => Ok(IN_STEP),
        missing => Err(CliError::Scopes(format!(
            "{name} is connected, but this was not allowed: {}; run `calsync connect {name}` and allow it",
            missing.join(", ")
        ))),
    }
}

async fn by_browser(
    app: &App,
    name: &str,
    provider: ProviderKind,
    account: &Account,
    way: Way,
    format: Format,
) -> Result<Connected, CliError> {
    let failed = |error| CliError::Io { what: "waiting for the browser".to_owned(), error };
    let loopback = Loopback::open().await.map_err(failed)?;
    // Microsoft takes any port of `localhost` and only that; Google any port of the address.
    let host = if provider == ProviderKind::Microsoft { "localhost" } else { "127.0.0.1" };
    let redirect = format!("http://{host}:{}/", loopback.port().map_err(failed)?);
    let redirect = Url::parse(&redirect).map_err(|error| CliError::Unmet(error.to_string()))?;
    let session = app.ids.fresh();
    let intent = intent(name, account, &session).await?;
    let url = account.flows.begin(&account.exchange, intent, redirect.as_str(), app.clock.now()).await?;
    match format {
        Format::Json => {
            print(&format!(
                "{}\n",
                json!({ "connection": name, "open": url, "minutes": PATIENCE.as_secs() / 60 })
            ))?;
        }
        Format::Table => {
            print(&format!("open this address within 15 minutes to connect {name}:\n{url}\n"))?;
        }
    }
    if way == Way::Browser && !open_browser(&url) {
        tell("no browser could be opened; open the address yourself, on this machine");
    }
    let mut visits = loopback.visits();
    let finish = async {
        while let Some(visit) = visits.recv().await {
            let now = app.clock.now();
            let finished = account.flows.finish(&account.exchange, &session, &visit.query, now).await;
            match finished {
                Ok(connected) => {
                    visit.show("200 OK", "Connected. You can close this page.").await;
                    return Ok(connected);
                }
                // Any page can call this address; only who knows the state ends the waiting.
                Err(OAuthError {
                    kind: OAuthErrorKind::State(StateProblem::Unknown | StateProblem::Malformed),
                    ..
                }) => visit.show("400 Bad Request", "This is no answer to what was asked.").await,
                Err(error) => {
                    visit.show("400 Bad Request", "Not connected. The terminal says why.").await;
                    return Err(CliError::from(error));
                }
            }
        }
        Err(CliError::Unmet("nobody can be waited for any more".to_owned()))
    };
    match tokio::time::timeout(PATIENCE, finish).await {
        Ok(finished) => finished,
        Err(_) => Err(CliError::Unmet(format!("nobody came within 15 minutes: {name} is as it was"))),
    }
}

async fn by_code(app: &App, name: &str, account: &Account, format: Format) -> Result<Connected, CliError> {
    let intent = intent(name, account, "").await?;
    let code = start_device(&account.exchange, &intent, app.clock.now()).await?;
    match format {
        Format::Json => {
            print(&format!("{}\n", json!({ "connection": name, "open": code.url, "code": code.code })))?;
        }
        Format::Table => {
            print(&format!("to connect {name}, open {} on any device and type {}\n", code.url, code.code))?;
        }
    }
    let grant = wait_for_device(&account.exchange, &code, &*app.clock, tokio::time::sleep).await?;
    Ok(Connected { account: name.to_owned(), grant })
}

/// Nobody else is let in in the place of the account that is linked already.
async fn intent(name: &str, account: &Account, session: &str) -> Result<Intent, CliError> {
    let intent = account.access.intent(session).await;
    intent.map_err(|error| CliError::Config(account::locked(name, &error.to_string())))
}

pub(crate) async fn disconnect(app: &App, name: &str, format: Format) -> Result<u8, CliError> {
    let connection = named(app, name)?;
    if connection.is_by_password() {
        return password::disconnect(app, name, connection, format).await;
    }
    let (provider, account) = open(app, name, connection, |_| Ok(()))?;
    if matches!(account.access.is_kept().await, Ok(false)) {
        return Err(CliError::Unmet(format!("{name} is not connected")));
    }
    match account.access.disconnect().await {
        Ok(told) if format == Format::Json => {
            print(&format!(
                "{}\n",
                json!({ "connection": name, "connected": false, "provider_told": told })
            ))?;
        }
        Ok(true) => print(&format!("disconnected {name}; the provider was told\n"))?,
        Ok(false) => {
            let place = match provider {
                ProviderKind::Microsoft => {
                    " at https://myapps.microsoft.com or https://account.live.com/consent/Manage"
                }
                _ => "",
            };
            print(&format!(
                "disconnected {name}; the provider cannot be told: remove the access there{place}\n"
            ))?;
        }
        Err(error) => {
            return Err(CliError::Unmet(format!(
                "{name} is forgotten here, but the provider was not told, so the access may live on there: {error}"
            )));
        }
    }
    Ok(IN_STEP)
}

fn named<'a>(app: &'a App, name: &str) -> Result<&'a Connection, CliError> {
    app.config.connections.get(name).ok_or_else(|| {
        let known: Vec<&String> = app.config.connections.keys().collect();
        CliError::Config(format!("no connection is called {name:?}; the connections are {known:?}"))
    })
}

/// Links that a worker leaves alone because this connection's credentials were refused run again now.
pub(super) async fn resume(app: &App, name: &str) -> Result<(), CliError> {
    let schedule = schedule::schedule(app);
    for link in app.config.links.iter().filter(|link| link.connection == name) {
        for task in
            [Task::Sync(LinkId::from(link.name.as_str())), Task::Renew(LinkId::from(link.name.as_str()))]
        {
            match schedule.entry(&task).await {
                Ok(entry) if entry.needs_credentials() => {
                    schedule.run_now(&task).await?;
                }
                Ok(_) | Err(ScheduleError::Unknown { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// `prepare` runs once the name is known to be right.
fn open(
    app: &App,
    name: &str,
    connection: &Connection,
    prepare: fn(&App) -> Result<(), CliError>,
) -> Result<(ProviderKind, Account), CliError> {
    let oauth: &OAuthSection = connection.oauth.as_ref().ok_or_else(|| {
        CliError::Config(format!(
            "connections.{name}: nothing to sign in with: write a table [connections.{name}.oauth] with `client_id`"
        ))
    })?;
    prepare(app)?;
    let account = Account::open(app, name, connection, oauth, &connect::transport()?)?;
    Ok((connection.provider, account))
}

/// Whether a browser was started. `BROWSER` names one.
fn open_browser(url: &Url) -> bool {
    let browser = std::env::var("BROWSER").ok().filter(|browser| !browser.is_empty());
    let mut command = match &browser {
        Some(browser) => Command::new(browser),
        None if cfg!(target_os = "macos") => Command::new("open"),
        None if cfg!(windows) => {
            let mut command = Command::new("rundll32");
            command.arg("url.dll,FileProtocolHandler");
            command
        }
        // Without a screen it would open one in the terminal, if any.
        None if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none()) => {
            return false;
        }
        None => Command::new("xdg-open"),
    };
    command.arg(url.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
