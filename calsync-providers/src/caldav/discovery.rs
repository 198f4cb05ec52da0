//! From an e-mail address, a host or any URL to the calendars (RFC 6764, 5397, 4791 section 6.2.1).

use std::collections::{HashSet, VecDeque};

use calsync_core::{
    model::RemoteCalendarId,
    provider::{ErrorKind, ProviderError, RemoteCalendar, Result},
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    address::{Places, places},
    calls,
    href::{collection_url, path_key, resolve},
    profile::ServerKind,
    provider::CalDavProvider,
    wire::{DavResponse, Multistatus},
    xml::Ns,
};
use crate::http::{HttpClient, HttpErrorKind};

pub(super) const OPERATION: &str = "discover";

/// What discovery found: data to keep, so that the next process asks nothing it knows already. Holds no password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiscoveredAccount {
    /// The user name that was accepted: as configured, or only the part before the `@`.
    pub username: String,
    /// The principal's URL, where the server has one.
    pub principal: Option<String>,
    /// The URLs of the homes. They may change (partitions): a home that is gone is discovered anew.
    pub homes: Vec<String>,
    /// A single calendar whose URL was configured, where the server shows no home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// Whether the server mails the people in an event that is written (RFC 6638).
    pub scheduling: bool,
    /// The server, as far as it was recognised.
    #[serde(default)]
    pub server: ServerKind,
}

impl std::fmt::Debug for DiscoveredAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiscoveredAccount")
            .field("homes", &self.homes.len())
            .field("scheduling", &self.scheduling)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// What a resource says of itself.
struct Seen {
    principal: Option<Url>,
    homes: Vec<Url>,
    is_calendar: bool,
    at: Url,
}

pub(crate) async fn discover(provider: &CalDavProvider) -> Result<DiscoveredAccount> {
    let Places { urls, mut question } = places(&provider.config.url_or_email, &provider.config.username)?;
    let mut waiting = VecDeque::from(urls);
    let mut asked: Vec<Url> = Vec::new();
    let mut down: Vec<(String, Option<u16>)> = Vec::new();
    let mut records = None;
    let mut login = 0;
    let mut refused = None;
    let mut kept: Option<ProviderError> = None;
    loop {
        if let Some(source) = &provider.config.records
            && let Some(question) = question.take_if(|question| question.after == asked.len())
        {
            let found = question.answer(source.as_ref(), |url| provider.is_trusted(url)).await;
            found.urls.iter().rev().for_each(|url| waiting.push_front(url.clone()));
            records = Some((question.domain, found));
        }
        let Some(candidate) = waiting.pop_front() else { break };
        let host = (candidate.host_str().unwrap_or_default().to_owned(), candidate.port_or_known_default());
        if asked.contains(&candidate) || down.contains(&host) {
            continue;
        }
        asked.push(candidate.clone());
        while let Some((username, client)) = provider.clients.get(login) {
            let error = match look(provider, client, candidate.clone()).await {
                Ok(Some(seen)) => match account(provider, username, client, seen).await {
                    Ok(Some(account)) => return Ok(account),
                    Ok(None) => break,
                    Err(error) => error,
                },
                Ok(None) => break,
                Err(Unseen { error, is_host_down: true }) => {
                    // Asking on says the same, until the host is left alone for it.
                    down.push(host);
                    kept.get_or_insert(error);
                    break;
                }
                Err(Unseen { error, .. }) => error,
            };
            if error.kind == ErrorKind::Unauthorized {
                // The next spelling of the name, once; the same place is asked again.
                login += 1;
                if login < provider.clients.len() {
                    continue;
                }
                refused = Some(error);
            } else if kept.as_ref().is_none_or(|first| {
                // The first one that may pass says most.
                error.kind == ErrorKind::Unavailable && first.kind != ErrorKind::Unavailable
            }) {
                kept = Some(error);
            }
            break;
        }
        if refused.is_some() {
            break;
        }
    }
    let foreign = records.as_ref().and_then(|(domain, found)| found.foreign_only(domain));
    Err(refused.or(foreign).or(kept).unwrap_or_else(|| {
        const NOTHING: &str = "there is no CalDAV service at this address";
        match records.and_then(|(_, found)| found.failed) {
            // They may say where it is, some other time.
            Some(failed) => {
                let detail = format!("{NOTHING}, and its DNS records could not be looked up");
                ProviderError::new(ErrorKind::Unavailable, OPERATION, detail).with_source(failed)
            }
            None => ProviderError::new(ErrorKind::InvalidInput, OPERATION, NOTHING),
        }
    }))
}

/// Why a resource cannot be looked at.
struct Unseen {
    error: ProviderError,
    /// No connection to the host of the URL itself; where a redirect led may be another one.
    is_host_down: bool,
}

impl From<ProviderError> for Unseen {
    fn from(error: ProviderError) -> Self {
        Self { error, is_host_down: false }
    }
}

/// Asks a resource what it is. `None`: not CalDAV.
async fn look(
    provider: &CalDavProvider,
    client: &HttpClient,
    url: Url,
) -> std::result::Result<Option<Seen>, Unseen> {
    let before = client.requests();
    let answer = client.send(calls::propfind::whoami(url)).await.map_err(|error| Unseen {
        is_host_down: error.kind == HttpErrorKind::Connect && client.requests() == before + 1,
        error: error.reading(OPERATION),
    })?;
    provider.learn(ServerKind::detect(&answer.url, &answer.response));
    let status = answer.response.status.as_u16();
    if status == 401 {
        return Err(super::error::unauthorized(OPERATION, &answer.response).into());
    }
    // Whatever is no multistatus is not CalDAV, but a server in trouble may be.
    if let Some(error) = super::error::reading_transient(OPERATION, &answer.response, provider.now()) {
        return Err(error.into());
    }
    let Ok(multistatus) = provider.read_multistatus(OPERATION, &answer.response) else { return Ok(None) };
    Ok(seen(&multistatus, answer.url)?)
}

fn seen(multistatus: &Multistatus, at: Url) -> Result<Option<Seen>> {
    let Some(response) = multistatus.responses.first() else { return Ok(None) };
    let principal = response.prop(Ns::Dav, "current-user-principal");
    if principal.is_some_and(|principal| principal.child(Ns::Dav, "unauthenticated").is_some()) {
        return Err(ProviderError::new(ErrorKind::Unauthorized, OPERATION, "served as nobody"));
    }
    let one = |name| response.hrefs_in(Ns::Dav, name).into_iter().find_map(|href| resolve(&at, href));
    let principal = one("current-user-principal").or_else(|| one("principal-URL"));
    let homes = homes(response, &at);
    let is_calendar = response.is_type(Ns::CalDav, "calendar");
    if principal.is_none() && homes.is_empty() && !is_calendar {
        // No principal, but a collection: it may hold calendars.
        let plain = response.is_type(Ns::Dav, "collection");
        let homes = if plain { vec![collection_url(at.clone())] } else { Vec::new() };
        return Ok((!homes.is_empty()).then_some(Seen { principal, homes, is_calendar, at }));
    }
    Ok(Some(Seen { principal, homes, is_calendar, at }))
}

fn homes(response: &DavResponse, base: &Url) -> Vec<Url> {
    response
        .hrefs_in(Ns::CalDav, "calendar-home-set")
        .into_iter()
        .filter_map(|href| resolve(base, href))
        .map(collection_url)
        .collect()
}

async fn account(
    provider: &CalDavProvider,
    username: &str,
    client: &HttpClient,
    seen: Seen,
) -> Result<Option<DiscoveredAccount>> {
    let mut homes = seen.homes;
    let mut scheduling = None;
    if let Some(principal) = &seen.principal {
        let answer = client
            .send(calls::propfind::home_set(principal.clone()))
            .await
            .map_err(|error| error.reading(OPERATION))?;
        if answer.response.status.as_u16() == 401 {
            return Err(super::error::unauthorized(OPERATION, &answer.response));
        }
        provider.learn(ServerKind::detect(&answer.url, &answer.response));
        // Most servers say what they can do with every answer. Cyrus says for each part of its tree another thing.
        if provider.server() != ServerKind::Cyrus {
            scheduling = calls::options::schedules(&answer.response);
        }
        if let Ok(multistatus) = provider.read_multistatus(OPERATION, &answer.response)
            && let Some(response) = multistatus.responses.first()
        {
            let named = self::homes(response, &answer.url);
            if !named.is_empty() {
                homes = named;
            }
        }
    }
    let calendar = (seen.is_calendar && homes.is_empty()).then(|| collection_url(seen.at));
    let Some(place) = homes.first().or(calendar.as_ref()) else { return Ok(None) };
    let scheduling = match scheduling {
        Some(known) => known,
        None => {
            let options = client
                .send(calls::options::request(place.clone()))
                .await
                .map_err(|error| error.reading(OPERATION))?;
            provider.learn(ServerKind::detect(&options.url, &options.response));
            // What is not answered is not denied.
            !options.response.status.is_success()
                || calls::options::schedules(&options.response).unwrap_or(false)
        }
    };
    Ok(Some(DiscoveredAccount {
        username: username.to_owned(),
        principal: seen.principal.map(String::from),
        homes: homes.into_iter().map(String::from).collect(),
        calendar: calendar.map(String::from),
        scheduling,
        server: provider.server(),
    }))
}

/// The calendars of an account, and where some could not be listed.
#[derive(Debug)]
#[non_exhaustive]
pub struct CalendarList {
    /// The calendars of all places that could be listed.
    pub calendars: Vec<RemoteCalendar>,
    /// The places that could not: a home shared by somebody who took the permission back, one that was moved, one whose
    /// answer cannot be read. What was listed there before is not gone; nothing is known of it.
    pub failed: Vec<FailedHome>,
}

/// A home that could not be listed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedHome {
    /// Its host; the path may name a person.
    pub host: String,
    /// Why.
    pub error: ProviderError,
}

/// The calendars of the account; a home that moved is discovered anew, once.
pub(crate) async fn calendars(provider: &CalDavProvider) -> Result<CalendarList> {
    let known = provider.account();
    let fresh = known.is_none();
    let account = match known {
        Some(account) => account,
        None => provider.discover().await?,
    };
    let is_moved = |error: &ProviderError| error.kind == ErrorKind::NotFound && !fresh;
    match list(provider, &account).await {
        Ok(found) if found.failed.iter().any(|home| is_moved(&home.error)) => {
            // What was found is worth more than where the rest went to.
            let Ok(account) = provider.discover().await else { return Ok(found) };
            list(provider, &account).await
        }
        Err(error) if is_moved(&error) => {
            let account = provider.discover().await?;
            list(provider, &account).await
        }
        other => other,
    }
}

/// One place that fails is no reason to hide the others. An error when all do, or when it is about the account.
async fn list(provider: &CalDavProvider, account: &DiscoveredAccount) -> Result<CalendarList> {
    let mut found = CalendarList { calendars: Vec::new(), failed: Vec::new() };
    let mut keys = HashSet::new();
    let places =
        account.homes.iter().map(|home| (home, true)).chain(account.calendar.iter().map(|c| (c, false)));
    let mut any = false;
    for (place, is_home) in places {
        match list_place(provider, place, is_home).await {
            Ok(listed) => {
                any = true;
                found.calendars.extend(
                    listed
                        .into_iter()
                        .filter(|(key, _)| keys.insert(key.clone()))
                        .map(|(_, calendar)| calendar),
                );
            }
            Err(error) if matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::Throttled) => {
                return Err(error);
            }
            Err(error) => {
                let host = Url::parse(place).ok().and_then(|url| url.host_str().map(ToOwned::to_owned));
                found.failed.push(FailedHome { host: host.unwrap_or_default(), error });
            }
        }
    }
    match found.failed.pop() {
        // The first is where most of the calendars are.
        Some(last) if !any => Err(found.failed.into_iter().next().unwrap_or(last).error),
        Some(last) => {
            found.failed.push(last);
            Ok(found)
        }
        None => Ok(found),
    }
}

/// Host and path: what two spellings of one calendar share.
type Key = (Option<String>, Vec<u8>);

async fn list_place(
    provider: &CalDavProvider,
    place: &str,
    is_home: bool,
) -> Result<Vec<(Key, RemoteCalendar)>> {
    const OPERATION: &str = "calendars";
    let url = provider.collection(&RemoteCalendarId::from(place), OPERATION)?;
    let request = if is_home { calls::propfind::calendars(url) } else { calls::propfind::calendar(url) };
    let (multistatus, base) = provider.multistatus(OPERATION, request).await?;
    let calendar = |response: &DavResponse| {
        let url = response.hrefs.first().and_then(|href| resolve(&base, href))?;
        if !holds_events(response) {
            return None;
        }
        let url = collection_url(url);
        let key = (url.host_str().map(ToOwned::to_owned), path_key(url.path()));
        let calendar = RemoteCalendar {
            name: response.text(Ns::Dav, "displayname").unwrap_or_default().to_owned(),
            color: response.text(Ns::Apple, "calendar-color").map(ToOwned::to_owned),
            read_only: !writable(response),
            id: RemoteCalendarId::from(String::from(url)),
        };
        Some((key, calendar))
    };
    Ok(multistatus.responses.iter().filter_map(calendar).collect())
}

/// A calendar, whatever else it says it is (SOGo's personal one is an outbox, too), that takes events.
fn holds_events(response: &DavResponse) -> bool {
    if !response.is_type(Ns::CalDav, "calendar") || response.is_type(Ns::CalendarServer, "subscribed") {
        return false;
    }
    response.prop(Ns::CalDav, "supported-calendar-component-set").is_none_or(|set| {
        let mut names =
            set.all(Ns::CalDav, "comp").filter_map(|comp| comp.name_attribute.as_deref()).peekable();
        names.peek().is_none() || names.any(|name| name.eq_ignore_ascii_case("VEVENT"))
    })
}

/// RFC 3744: without the property, or with an empty one, the first refused write tells.
fn writable(response: &DavResponse) -> bool {
    let Some(set) = response.prop(Ns::Dav, "current-user-privilege-set") else { return true };
    let mut held = set.all(Ns::Dav, "privilege").flat_map(|privilege| &privilege.children).peekable();
    if held.peek().is_none() {
        return true;
    }
    let names: Vec<&str> = held.map(|privilege| privilege.local_name()).collect();
    let has = |name| names.contains(&name);
    has("all") || has("write") || (has("write-content") && has("bind"))
}
