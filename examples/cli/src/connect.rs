//! From a configured connection to a provider, and from a remote's name to its id.

use std::{path::Path, sync::Arc};

use calsync_core::{
    engine::Link,
    model::{LinkId, RemoteCalendarId},
    provider::{Provider, RemoteCalendar},
    zone::Zone,
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider, DiscoveredAccount, SystemRecords, same_calendar},
    cozi::{CoziConfig, CoziProvider, UnofficialApi},
    google::{EventColors, GoogleConfig, GoogleProvider},
    http::{
        AddressPolicy, Credentials, HttpTransport, ReqwestOptions, ReqwestTransport, Secret, TokenSource,
        is_local,
    },
    ics::{IcsConfig, IcsProvider},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    account::{self, Account},
    app::App,
    config::{self, Connection, LinkConfig, ProviderKind},
    error::CliError,
    output::tell,
};

/// What is kept with a link so that the next run needs no discovery. Holds no secret.
#[derive(PartialEq, Serialize, Deserialize)]
struct Note {
    /// What it was discovered from: when the configuration says something else, it is discovered again.
    url: String,
    username: String,
    remote: String,
    account: DiscoveredAccount,
    calendar: RemoteCalendarId,
}

/// What is kept with a link whose calendar was found by its name.
#[derive(PartialEq, Serialize, Deserialize)]
struct Chosen {
    /// The root of the service.
    root: String,
    remote: String,
    calendar: RemoteCalendarId,
}

/// A link ready to run.
pub(crate) struct Joined {
    pub(crate) link: Link,
    pub(crate) provider: Box<dyn Provider>,
}

/// Opens the network once for all connections.
pub(crate) fn transport() -> Result<Arc<dyn HttpTransport>, CliError> {
    let transport = ReqwestTransport::new(&ReqwestOptions::default())
        .map_err(|error| CliError::Provider(error.reading("start")))?;
    Ok(Arc::new(transport))
}

/// Connects a link: with what is known from the last run, or by discovery.
pub(crate) async fn join(
    app: &App,
    config: &LinkConfig,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Joined, CliError> {
    let Some(connection) = app.config.connections.get(&config.connection) else {
        return Err(CliError::Config(format!("link {}: no connection {}", config.name, config.connection)));
    };
    let transport = &app.paced(&config.connection, connection, transport);
    match connection.provider {
        ProviderKind::Caldav => join_caldav(app, config, connection, transport).await,
        ProviderKind::Cozi => {
            let provider = cozi(app, &config.connection, connection, transport).await?;
            let calendars = provider.calendars().await?;
            let remote = match calendars.first() {
                // A household has one.
                Some(calendar) if config.remote.is_empty() => calendar.id.clone(),
                _ => choose(config, &calendars)?.id.clone(),
            };
            Ok(Joined { link: link(app, config, remote)?, provider: Box::new(provider) })
        }
        ProviderKind::Google => {
            let mut provider = google(app, &config.connection, connection, transport, EventColors::new())?;
            if connection.colors {
                let colors = provider.event_colors().await?;
                provider = google(app, &config.connection, connection, transport, colors)?;
            }
            let remote = google_calendar(config, &provider).await?;
            Ok(Joined { link: link(app, config, remote)?, provider: Box::new(provider) })
        }
        ProviderKind::Microsoft => join_microsoft(app, config, connection, transport).await,
        ProviderKind::Ics => {
            let provider = ics(app, &config.connection, connection, transport).await?;
            let mut link = link(app, config, provider.calendar().clone())?;
            // Once a file was known by its path as it was written, which names another one from another folder.
            for folder in [&*app.folder, Path::new("")] {
                let Some(path) = connection.file(folder) else { break };
                let spelled = path.display().to_string();
                // It is only asked for its name.
                let spelled = feed(app, &config.connection, connection, None, transport, spelled)?;
                let state = app.store.link(&link.id).await?;
                if state.is_some_and(|state| state.remote == *spelled.calendar()) {
                    link = link.with_moved_from(spelled.calendar().clone());
                    break;
                }
            }
            Ok(Joined { link, provider: Box::new(provider) })
        }
    }
}

async fn join_caldav(
    app: &App,
    config: &LinkConfig,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Joined, CliError> {
    let password = account::password(app, &config.connection, connection).await?;
    let caldav = caldav_config(connection, password);
    let state = app.store.link(&LinkId::from(config.name.as_str())).await?;
    let known = state.as_ref().and_then(|state| state.note.as_deref());
    let known = known
        .and_then(|note| serde_json::from_str::<Note>(note).ok())
        .filter(|note| note.username == caldav.username && note.remote == config.remote);
    if let Some(note) = known.as_ref().filter(|note| note.url == connection.url) {
        let link = link(app, config, note.calendar.clone())?;
        let provider = CalDavProvider::with_account(caldav, transport.clone(), note.account.clone())?;
        return Ok(Joined { link, provider: Box::new(provider.with_clock(app.clock.clone())) });
    }
    let username = caldav.username.clone();
    let found = CalDavProvider::new(caldav.clone(), transport.clone())?;
    let calendars = found.calendars().await?;
    let calendar = choose(config, &calendars)?;
    let mut link = link(app, config, calendar.id.clone())?;
    if let (Some(note), Some(state)) = (&known, &state)
        && moved(&note.url, connection, &state.remote, calendar, &calendars)
    {
        link = link.with_moved_from(state.remote.clone());
    }
    let account = found.account().map(|account| (*account).clone());
    match account {
        Some(account) => {
            let note = Note {
                url: connection.url.clone(),
                username,
                remote: config.remote.clone(),
                account: account.clone(),
                calendar: calendar.id.clone(),
            };
            let provider = CalDavProvider::with_account(caldav, transport.clone(), account)?;
            let note = serde_json::to_string(&note).map_err(|error| CliError::Config(error.to_string()))?;
            Ok(Joined {
                link: link.with_note(note),
                provider: Box::new(provider.with_clock(app.clock.clone())),
            })
        }
        None => Ok(Joined { link, provider: Box::new(found.with_clock(app.clock.clone())) }),
    }
}

/// Whether a calendar is the one a link knows and only its server's name, port or scheme changed: the address in the
/// configuration and the calendar have the paths they had, and no other calendar there has this one's.
fn moved(
    url: &str,
    connection: &Connection,
    before: &RemoteCalendarId,
    calendar: &RemoteCalendar,
    calendars: &[RemoteCalendar],
) -> bool {
    let path = |url: Option<Url>| url.map(|url| url.path().trim_end_matches('/').to_owned());
    let (now, then) = (path(connection.address()), path(config::address(url)));
    let there = |id: &RemoteCalendarId| at_host_of(before, id).is_some_and(|old| same_calendar(&old, id));
    now.is_some()
        && now == then
        && there(&calendar.id)
        && calendars.iter().filter(|other| there(&other.id)).count() == 1
}

/// The same path at the host of another calendar.
fn at_host_of(calendar: &RemoteCalendarId, other: &RemoteCalendarId) -> Option<RemoteCalendarId> {
    let mut url = Url::parse(other.as_str()).ok()?;
    url.set_path(Url::parse(calendar.as_str()).ok()?.path());
    Some(RemoteCalendarId::from(String::from(url)))
}

async fn join_microsoft(
    app: &App,
    config: &LinkConfig,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Joined, CliError> {
    let provider = microsoft(app, &config.connection, connection, transport)?;
    let root = connection.base_url.clone().unwrap_or_default();
    let state = app.store.link(&LinkId::from(config.name.as_str())).await?;
    let known = state
        .and_then(|state| state.note)
        .and_then(|note| serde_json::from_str::<Chosen>(&note).ok())
        .filter(|chosen| chosen.root == root && chosen.remote == config.remote);
    if let Some(chosen) = known {
        return Ok(Joined { link: link(app, config, chosen.calendar)?, provider: Box::new(provider) });
    }
    let calendars = provider.calendars().await?;
    let calendar = choose(config, &calendars)?.id.clone();
    let chosen = Chosen { root, remote: config.remote.clone(), calendar: calendar.clone() };
    let note = serde_json::to_string(&chosen).map_err(|error| CliError::Config(error.to_string()))?;
    Ok(Joined { link: link(app, config, calendar)?.with_note(note), provider: Box::new(provider) })
}

fn microsoft(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<MicrosoftProvider, CliError> {
    let mut config = MicrosoftConfig::new(tokens(app, name, connection, transport)?);
    if let Some(base_url) = &connection.base_url {
        // The person who runs the command wrote it.
        config = config.at(base_url.as_str(), AddressPolicy::AllowPrivate);
    }
    if let Some(zone) = floating_zone(name, connection)? {
        config.floating_zone = zone;
    }
    let provider = MicrosoftProvider::new(config, transport.clone())?.with_clock(app.clock.clone());
    Ok(provider.with_request_ids(app.ids.clone()))
}

/// The tokens of a connected account, or the one token the configuration names.
fn tokens(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Arc<dyn TokenSource>, CliError> {
    match &connection.oauth {
        Some(oauth) => Ok(Arc::new(Account::open(app, name, connection, oauth, transport)?.access)),
        None => Ok(Arc::new(connection.token(name, &app.folder)?)),
    }
}

/// A link as the configuration has it.
pub(crate) fn link(app: &App, config: &LinkConfig, remote: RemoteCalendarId) -> Result<Link, CliError> {
    let link = Link::new(config.name.as_str(), config.calendar.as_str(), remote)
        .with_direction(app.config.direction(config))
        .with_conflicts(config.conflicts)
        .with_deletions(config.deletions)
        .with_people(config.people)
        .with_edits(config.edits.unwrap_or_default())
        .with_check_copies_every(config.copies_checked()?);
    Ok(match app.config.copies(config)? {
        Some(rules) => link.with_copies(rules),
        None => link,
    })
}

/// The calendar a configuration means: by id or URL, else by display name.
fn choose<'c>(config: &LinkConfig, calendars: &'c [RemoteCalendar]) -> Result<&'c RemoteCalendar, CliError> {
    let path = |url: &str| {
        Url::parse(url)
            .map_or_else(|_| url.to_owned(), |url| url.path().to_owned())
            .trim_end_matches('/')
            .to_owned()
    };
    let wanted = config.remote.trim_end_matches('/');
    let by_id = calendars.iter().find(|calendar| calendar.id.as_str().trim_end_matches('/') == wanted);
    if let Some(calendar) = by_id {
        return Ok(calendar);
    }
    let by_name: Vec<&RemoteCalendar> =
        calendars.iter().filter(|calendar| calendar.name == config.remote).collect();
    match by_name[..] {
        [calendar] => return Ok(calendar),
        [] => {}
        _ => {
            return Err(CliError::Config(format!(
                "link {}: {} calendars are called {:?}: write the URL of one as `remote`; `calsync calendars` lists them",
                config.name,
                by_name.len(),
                config.remote
            )));
        }
    }
    // A URL that reaches the same calendar by another host name or port.
    if wanted.contains('/') {
        let by_path = calendars.iter().find(|calendar| path(calendar.id.as_str()) == path(wanted));
        if let Some(calendar) = by_path {
            return Ok(calendar);
        }
    }
    let names: Vec<&str> = calendars.iter().map(|calendar| calendar.name.as_str()).collect();
    Err(CliError::Config(format!(
        "link {}: `remote` is {:?}, but the account's calendars are {names:?}: write one of these, or its URL",
        config.name, config.remote
    )))
}

/// A provider for listing what a connection holds.
pub(crate) async fn provider(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Box<dyn Provider>, CliError> {
    on(app, name, connection, &app.paced(name, connection, transport)).await
}

/// The same on a transport that keeps a pace already.
pub(crate) async fn on(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Box<dyn Provider>, CliError> {
    let password = account::password(app, name, connection).await?;
    with_password(app, name, connection, password, transport)
}

/// The same with a password that need not be kept anywhere yet.
pub(crate) fn with_password(
    app: &App,
    name: &str,
    connection: &Connection,
    password: Option<Secret>,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Box<dyn Provider>, CliError> {
    Ok(match connection.provider {
        ProviderKind::Caldav => {
            let provider = CalDavProvider::new(caldav_config(connection, password), transport.clone())?;
            Box::new(provider.with_clock(app.clock.clone()))
        }
        ProviderKind::Cozi => Box::new(cozi_with(app, name, connection, password, transport)?),
        ProviderKind::Google => Box::new(google(app, name, connection, transport, EventColors::new())?),
        ProviderKind::Ics => {
            let source = source(app, connection);
            Box::new(feed(app, name, connection, password, transport, source)?)
        }
        ProviderKind::Microsoft => Box::new(microsoft(app, name, connection, transport)?),
    })
}

/// The calendar of a link. An id is its own answer: only a name has to be looked up.
async fn google_calendar(
    config: &LinkConfig,
    provider: &GoogleProvider,
) -> Result<RemoteCalendarId, CliError> {
    if config.remote == "primary" || config.remote.contains('@') {
        return Ok(RemoteCalendarId::from(config.remote.as_str()));
    }
    let calendars = provider.calendars().await?;
    Ok(choose(config, &calendars)?.id.clone())
}

fn google(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
    colors: EventColors,
) -> Result<GoogleProvider, CliError> {
    let mut config = GoogleConfig::new(tokens(app, name, connection, transport)?);
    config.colors = colors;
    if let Some(base_url) = &connection.base_url {
        config = config.at(base_url.as_str(), AddressPolicy::AllowPrivate);
    }
    config.floating_zone = floating_zone(name, connection)?;
    Ok(GoogleProvider::new(config, transport.clone())?.with_clock(app.clock.clone()))
}

pub(crate) async fn caldav(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<CalDavProvider, CliError> {
    let config = caldav_config(connection, account::password(app, name, connection).await?);
    Ok(CalDavProvider::new(config, transport.clone())?.with_clock(app.clock.clone()))
}

pub(crate) async fn cozi(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<CoziProvider, CliError> {
    let password = account::password(app, name, connection).await?;
    cozi_with(app, name, connection, password, transport)
}

fn cozi_with(
    app: &App,
    name: &str,
    connection: &Connection,
    password: Option<Secret>,
    transport: &Arc<dyn HttpTransport>,
) -> Result<CoziProvider, CliError> {
    tell(&format!(
        "connection {name}: this uses an interface Cozi does not offer to other programs; it may change or end on any day, \
         and may be against Cozi's terms"
    ));
    let username = connection.username.clone().unwrap_or_default();
    let mut config = CoziConfig::new(username, password.unwrap_or_default());
    if connection.unofficial_api {
        config.unofficial_api = UnofficialApi::Accepted;
    }
    if let Some(base_url) = &connection.base_url {
        config = config.at(base_url.as_str(), AddressPolicy::AllowPrivate);
    }
    // The connection keeps a pace already.
    config.pace = None;
    Ok(CoziProvider::new(config, transport.clone(), app.clock.clone())?)
}

fn floating_zone(name: &str, connection: &Connection) -> Result<Option<Zone>, CliError> {
    let Some(zone) = &connection.floating_zone else { return Ok(None) };
    let known = Zone::from_iana(zone).ok_or_else(|| {
        CliError::Config(format!(
            "connections.{name}.floating_zone: {zone:?} is no zone such as Europe/Berlin"
        ))
    })?;
    Ok(Some(known))
}

fn caldav_config(connection: &Connection, password: Option<Secret>) -> CalDavConfig {
    let username = connection.username.clone().unwrap_or_default();
    let mut config = CalDavConfig::new(connection.url.as_str(), username, password.unwrap_or_default());
    config.trusted_hosts = connection.trusted_hosts.clone();
    // Where the system names no name server, the usual places are asked.
    config.records = SystemRecords::from_system().ok().map(|records| Arc::new(records) as Arc<_>);
    config
}

pub(crate) async fn ics(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
) -> Result<IcsProvider, CliError> {
    let password = account::password(app, name, connection).await?;
    feed(app, name, connection, password, transport, source(app, connection))
}

/// Where a feed is.
fn source(app: &App, connection: &Connection) -> String {
    match connection.file(&app.folder) {
        // From wherever it is called, it is the same file.
        Some(path) => std::path::absolute(&path).unwrap_or(path).display().to_string(),
        None => connection.url.clone(),
    }
}

fn feed(
    app: &App,
    name: &str,
    connection: &Connection,
    password: Option<Secret>,
    transport: &Arc<dyn HttpTransport>,
    source: String,
) -> Result<IcsProvider, CliError> {
    let mut config = IcsConfig::new(source);
    // At home there are feeds without https, and a subscription does not say which it is.
    config.allow_plain_http =
        connection.is_subscription() && connection.address().as_ref().is_some_and(is_local);
    // The person who runs the command wrote the address, so it may be one of their own machines and files.
    config.allow_file = true;
    config.addresses = AddressPolicy::AllowPrivate;
    config.name = Some(name.to_owned());
    config.ahead_days = connection.ahead_days;
    if let Some(username) = &connection.username {
        let password = password.unwrap_or_default();
        config.credentials = Some(Credentials::Basic { username: username.clone(), password });
    }
    Ok(IcsProvider::new(config, transport.clone(), app.clock.clone())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caldav_account_asks_the_system_for_records_and_trusts_what_is_listed() {
        let connection = |text: &str| toml::from_str::<Connection>(text).unwrap();
        let text = "provider = \"caldav\"\nurl = \"ann@example.com\"\ntrusted_hosts = [\"dav.example.net\"]";
        let config = caldav_config(&connection(text), None);
        assert_eq!(config.records.is_some(), SystemRecords::from_system().is_ok());
        assert_eq!(config.trusted_hosts, ["dav.example.net"]);
        let text = "provider = \"caldav\"\nurl = \"ann@example.com\"";
        assert!(caldav_config(&connection(text), None).trusted_hosts.is_empty());
    }
}
