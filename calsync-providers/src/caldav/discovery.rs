//! From an e-mail address, a host or any URL to the calendars (RFC 6764, 5397, 4791 section 6.2.1).

use std::collections::HashSet;

use calsync_core::{
    model::RemoteCalendarId,
    provider::{ErrorKind, ProviderError, RemoteCalendar, Result},
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    calls,
    href::{collection_url, path_key, resolve},
    profile::ServerKind,
    provider::CalDavProvider,
    wire::{DavResponse, Multistatus},
    xml::Ns,
};
use crate::http::{HttpClient, HttpErrorKind};

const OPERATION: &str = "discover";

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

// Services whose domain does not lead to their calendars, or only through DNS records that need a resolver.
const SHORTCUTS: &[(&str, &str)] = &[
    ("icloud.com", "https://caldav.icloud.com/"),
    ("me.com", "https://caldav.icloud.com/"),
    ("mac.com", "https://caldav.icloud.com/"),
    ("fastmail.com", "https://caldav.fastmail.com/"),
    ("fastmail.fm", "https://caldav.fastmail.com/"),
    ("gmx.net", "https://caldav.gmx.net/begenda/dav/{user}/"),
    ("gmx.de", "https://caldav.gmx.net/begenda/dav/{user}/"),
    ("gmx.at", "https://caldav.gmx.net/begenda/dav/{user}/"),
    ("gmx.ch", "https://caldav.gmx.net/begenda/dav/{user}/"),
    ("yahoo.com", "https://caldav.calendar.yahoo.com/"),
    ("posteo.de", "https://posteo.de:8443/"),
    ("posteo.net", "https://posteo.de:8443/"),
    ("infomaniak.com", "https://sync.infomaniak.com/"),
    ("ik.me", "https://sync.infomaniak.com/"),
    ("purelymail.com", "https://purelymail.com/webdav/"),
    ("mailbox.org", "https://dav.mailbox.org/"),
];

// Where servers are mounted that neither the root nor the well-known address leads to.
const MOUNTS: &[&str] = &["/remote.php/dav/", "/dav/", "/caldav/", "/dav.php/", "/SOGo/dav/"];

/// Where to ask, in order. The first is the site credentials belong to; all are on it.
pub(crate) fn candidates(address: &str, username: &str) -> Result<Vec<Url>> {
    let invalid = |detail| ProviderError::new(ErrorKind::InvalidInput, "configure", detail);
    let address = address.trim();
    let lower = address.to_ascii_lowercase();
    let mut found = Vec::new();
    let root;
    if lower.starts_with("http://") || lower.starts_with("https://") {
        let mut url = Url::parse(address).map_err(|_| invalid("the address is no URL"))?;
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        root = url.join("/").map_err(|_| invalid("the address is no URL"))?;
        found.push(url);
    } else if address.contains("://") {
        return Err(invalid("only http and https"));
    } else if let Some((_, domain)) = email(address) {
        if let Some((_, url)) = SHORTCUTS.iter().find(|(known, _)| domain.eq_ignore_ascii_case(known)) {
            let user = if username.is_empty() { address } else { username };
            let user: String = url::form_urlencoded::byte_serialize(user.as_bytes()).collect();
            let url = Url::parse(&url.replace("{user}", &user)).map_err(|_| invalid("no such host"))?;
            return Ok(vec![url]);
        }
        root = Url::parse(&format!("https://{domain}/")).map_err(|_| invalid("no such host"))?;
    } else {
        let mut url =
            Url::parse(&format!("https://{address}")).map_err(|_| invalid("the address is no host"))?;
        // What is kept of an account holds no password.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        root = url;
        if root.path() != "/" {
            found.push(root.clone());
        }
    }
    if !root.has_host() {
        return Err(invalid("the address has no host"));
    }
    for path in ["/.well-known/caldav", "/"].iter().chain(MOUNTS) {
        let url = root.join(path).map_err(|_| invalid("the address is no URL"))?;
        if !found.contains(&url) {
            found.push(url);
        }
    }
    Ok(found)
}

/// The user names to try, in order: as given, then with or without the domain (RFC 6764 section 6). Never more than
/// two, since services lock accounts.
pub(crate) fn usernames(address: &str, username: &str) -> Result<Vec<String>> {
    let address = address.trim();
    let own = email(address);
    let first = if username.is_empty() { own.map(|_| address) } else { Some(username) }.ok_or_else(|| {
        ProviderError::new(ErrorKind::InvalidInput, "configure", "there is no user name for this address")
    })?;
    let mut names = vec![first.to_owned()];
    match (email(first), own) {
        (Some((local, _)), _) => names.push(local.to_owned()),
        (None, Some((local, _))) if local == first => names.push(address.to_owned()),
        _ => {}
    }
    Ok(names)
}

fn email(text: &str) -> Option<(&str, &str)> {
    let (local, domain) = text.rsplit_once('@')?;
    let plain = !local.is_empty() && !domain.is_empty() && !domain.contains(['/', ':']);
    (plain && !local.contains(['/', ':'])).then_some((local, domain))
}

/// What a resource says of itself.
struct Seen {
    principal: Option<Url>,
    homes: Vec<Url>,
    is_calendar: bool,
    at: Url,
}

pub(crate) async fn discover(provider: &CalDavProvider) -> Result<DiscoveredAccount> {
    let candidates = candidates(&provider.config.url_or_email, &provider.config.username)?;
    let mut login = 0;
    let mut refused = None;
    let mut kept: Option<ProviderError> = None;
    'all: for candidate in candidates {
        while let Some((username, client)) = provider.clients.get(login) {
            let error = match look(provider, client, candidate.clone()).await {
                Ok(Some(seen)) => match account(provider, username, client, seen).await {
                    Ok(Some(account)) => return Ok(account),
                    Ok(None) => break,
                    Err(error) => error,
                },
                Ok(None) => break,
                Err(Unseen { error, is_host_down: true }) => {
                    // All candidates are on one host: asking on says the same, until the host is left alone for it.
                    kept.get_or_insert(error);
                    break 'all;
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
    Err(refused.or(kept).unwrap_or_else(|| {
        ProviderError::new(ErrorKind::InvalidInput, OPERATION, "there is no CalDAV service at this address")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_ask_for_each_form_of_address() {
        for (address, expected) in [
            ("ann@icloud.com", "https://caldav.icloud.com/"),
            ("ann@GMX.de", "https://caldav.gmx.net/begenda/dav/ann%40GMX.de/"),
            ("ann@example.com", "https://example.com/.well-known/caldav"),
            ("dav.example.com", "https://dav.example.com/.well-known/caldav"),
            ("dav.example.com:8443", "https://dav.example.com:8443/.well-known/caldav"),
            ("dav.example.com/caldav/", "https://dav.example.com/caldav/"),
            ("https://dav.example.com/x/work/", "https://dav.example.com/x/work/"),
            ("HTTP://10.0.0.1:5232", "http://10.0.0.1:5232/"),
            ("https://u:p@dav.example.com/x#y", "https://dav.example.com/x"),
        ] {
            let found = candidates(address, "").unwrap();
            assert_eq!(found[0].as_str(), expected, "{address}");
            assert!(found.len() <= 9, "{address}");
            for url in found {
                assert!(url.has_host());
            }
        }
        for address in ["", "ftp://example.com/", "webcal://example.com/x", "https://", "exa mple"] {
            assert_eq!(candidates(address, "").unwrap_err().kind, ErrorKind::InvalidInput, "{address}");
        }
    }

    #[test]
    fn auth_09_at_most_two_user_names_are_tried() {
        for (address, username, expected) in [
            ("ann@example.com", "", vec!["ann@example.com", "ann"]),
            ("ann@example.com", "ann", vec!["ann", "ann@example.com"]),
            ("ann@example.com", "boss", vec!["boss"]),
            ("https://x/", "ann", vec!["ann"]),
            ("https://x/", "ann@example.com", vec!["ann@example.com", "ann"]),
        ] {
            assert_eq!(usernames(address, username).unwrap(), expected);
        }
        assert!(usernames("https://x/", "").is_err());
    }
}
