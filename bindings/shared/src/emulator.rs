//! Emulators of the providers on this machine, for the tests of hosts.

use std::{collections::BTreeMap, fmt, io, sync::Arc};

use calsync_core::{
    context::SystemClock,
    ical::{IcalError, ReadOptions, read_calendar},
};
use calsync_testkit::{
    SwitchError,
    cozi::{CoziOptions, CoziServer},
    dav::{DavOptions, DavServer},
    feed::{FeedOptions, FeedServer, FeedSource},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Code, Failure, args::ProviderKind, dispatch};

/// How an emulator starts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    provider: ProviderKind,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    secret: Option<String>,
}

/// `items`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `put`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    /// The item to replace. Default: the service names a new one.
    #[serde(default)]
    id: Option<String>,
    item: String,
}

/// `delete`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    id: String,
}

/// `tell`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tell {
    line: String,
}

/// What is in the calendar of the account, by its id, each in the form of the service.
type Items = BTreeMap<String, String>;

/// A provider on a free port of 127.0.0.1, with one account and one empty calendar in memory, on a thread of its own. It ends
/// when it is dropped.
pub struct Emulator {
    account: String,
    serving: Serving,
    runtime: Option<Runtime>,
}

impl Emulator {
    /// Starts one. The settings are JSON: `provider`, and where they are not the default `username` and `secret`, the password
    /// or access token that is accepted.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidInput`] for other settings. [`Code::Internal`] when no port is free.
    pub fn start(settings: &str) -> Result<Self, Failure> {
        let settings: Settings = dispatch::read("emulator", settings)?;
        let failed =
            |error: io::Error| Failure::new(Code::Internal, format!("no emulator: {}", error.kind()));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
        let secret = settings.secret.unwrap_or_else(|| "secret".to_owned());
        let username = settings.username.unwrap_or_else(|| "ann@example.com".to_owned());
        let started = Serving::start(settings.provider, runtime.handle(), &username, &secret);
        let (serving, url) = started.map_err(failed)?;
        let account = json!({
            "provider": settings.provider,
            "url": url,
            "username": username,
            "secret": secret,
            "trust_address": true,
            "unofficial": settings.provider == ProviderKind::Cozi,
        });
        Ok(Self { account: account.to_string(), serving, runtime: Some(runtime) })
    }

    /// What `connect` takes beside the name of the connection, as JSON.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Does at the service what somebody else does there, without calsync. The arguments and the result are JSON.
    ///
    /// - `items`: what is in the account's calendar, as an object of texts by their ids. A text has the form of the service:
    ///   iCalendar, or the JSON of its interface. A feed is one item, `calendar.ics`.
    /// - `put` with `item` and perhaps `id`: adds an item, or replaces one; gives its id. Only a CalDAV server takes an id that is
    ///   new.
    /// - `delete` with `id`.
    /// - `client`: what `begin_oauth` and the others take to sign in at its authorization server. A `GET` of the URL `begin_oauth`
    ///   gives is answered with the redirect a browser would follow: the person allows everything at once. Google and Microsoft only.
    /// - `tell` with `line`: a quirk, a fault or an event of the service, as `docs/emulators.md` lists them.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidInput`] for another method, an id nothing has, a line that is not understood, and an item that is no calendar
    /// text (CalDAV and feeds) or no JSON object (the others). In the object, Microsoft refuses what Graph does; Cozi and Google
    /// look at nothing.
    pub fn ask(&self, method: &str, args: &str) -> Result<String, Failure> {
        match method {
            "items" => {
                let Nothing {} = dispatch::read("items", args)?;
                Ok(json(&self.serving.items()))
            }
            "put" => {
                let Put { id, item } = dispatch::read("put", args)?;
                self.serving.put(id, item).map(|id| json(&id))
            }
            "delete" => {
                let Delete { id } = dispatch::read("delete", args)?;
                if !self.serving.items().contains_key(&id) {
                    return Err(no_item());
                }
                self.serving.delete(&id).map(|()| json(&()))
            }
            "client" => {
                let Nothing {} = dispatch::read("client", args)?;
                let client = self.serving.client();
                let none = "this service has no authorization server";
                client.map(|client| client.to_string()).ok_or_else(|| Failure::invalid(none))
            }
            "tell" => {
                let Tell { line } = dispatch::read("tell", args)?;
                self.serving.tell(&line).map(|()| json(&()))
            }
            _ => Err(Failure::invalid("an emulator has the methods items, put, delete, client and tell")),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also from a thread that must not wait.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}

/// The name of the calendar at the CalDAV server.
const DAV_CALENDAR: &str = "personal";
/// The one item of a feed.
const FEED: &str = "calendar.ics";
/// A feed nothing is in.
const EMPTY_FEED: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//calsync//feed//EN\r\nEND:VCALENDAR\r\n";

/// What an emulator serves.
enum Serving {
    Cozi(CoziServer),
    Dav(DavServer),
    Feed(FeedServer),
    /// With the id of the account's own calendar.
    Google(GoogleServer, String),
    Microsoft(GraphServer),
}

impl Serving {
    fn start(
        provider: ProviderKind,
        runtime: &Handle,
        username: &str,
        secret: &str,
    ) -> io::Result<(Self, String)> {
        match provider {
            ProviderKind::Caldav => {
                let options = DavOptions::default().credentials(username, secret);
                let server = DavServer::start_on(runtime, options.calendars([(DAV_CALENDAR, "Personal")]))?;
                let url = server.url();
                Ok((Self::Dav(server), url))
            }
            ProviderKind::Cozi => {
                let mut options = CoziOptions::default();
                username.clone_into(&mut options.user);
                secret.clone_into(&mut options.password);
                let server = CoziServer::start_on(runtime, options)?;
                let url = server.url();
                Ok((Self::Cozi(server), url))
            }
            ProviderKind::Google => {
                let options = GoogleOptions {
                    user: username.to_owned(),
                    token: secret.to_owned(),
                    clock: Some(Arc::new(SystemClock)),
                    ..GoogleOptions::default()
                };
                let server = GoogleServer::start_on(runtime, options)?;
                let url = server.url();
                Ok((Self::Google(server, username.to_owned()), url))
            }
            ProviderKind::Ics => {
                let mut options = FeedOptions::default();
                options.source = FeedSource::Text(EMPTY_FEED.to_owned());
                options.credentials = Some((username.to_owned(), secret.to_owned()));
                let server = FeedServer::start_on(runtime, options)?;
                let url = server.url();
                Ok((Self::Feed(server), url))
            }
            ProviderKind::Microsoft => {
                let mut options = GraphOptions::default();
                username.clone_into(&mut options.owner);
                secret.clone_into(&mut options.token);
                options.clock = Some(Arc::new(SystemClock));
                let server = GraphServer::start_on(runtime, options)?;
                let url = server.url();
                Ok((Self::Microsoft(server), url))
            }
        }
    }

    fn items(&self) -> Items {
        let of = |id: &Value, item: &Value| (id.as_str().unwrap_or_default().to_owned(), item.to_string());
        match self {
            Self::Cozi(server) => server.items().iter().map(|item| of(&item["id"], item)).collect(),
            Self::Dav(server) => {
                server.list(DAV_CALENDAR).into_iter().map(|(name, _, text)| (name, text)).collect()
            }
            Self::Feed(server) => match server.source() {
                FeedSource::Text(text) => [(FEED.to_owned(), text)].into(),
                FeedSource::File(_) => Items::new(),
            },
            Self::Google(server, calendar) => {
                server.events(calendar).iter().map(|event| of(&event["id"], event)).collect()
            }
            Self::Microsoft(server) => {
                let all = server.events(&server.default_calendar());
                all.into_iter().map(|stored| (stored.id, stored.event.to_string())).collect()
            }
        }
    }

    fn put(&self, id: Option<String>, item: String) -> Result<String, Failure> {
        match self {
            Self::Dav(server) => {
                calendar_text(&item)?;
                // A client names what it puts there: any free name will do.
                let taken = |name: &String| server.get(DAV_CALENDAR, name).is_some();
                let mut free = (1_u64..).map(|number| format!("item-{number}.ics")).skip_while(taken);
                let id = id.or_else(|| free.next()).unwrap_or_default();
                server.put(DAV_CALENDAR, &id, &item);
                Ok(id)
            }
            Self::Feed(server) => {
                if id.is_some_and(|id| id != FEED) {
                    return Err(no_item());
                }
                calendar_text(&item)?;
                server.set(FeedSource::Text(item));
                Ok(FEED.to_owned())
            }
            Self::Cozi(server) => {
                let mut item = object(&item)?;
                // An item that is new is no other one, also where it was made out of one.
                item.remove("id");
                if let Some(id) = self.known(id)? {
                    item.insert("id".to_owned(), id.into());
                }
                Ok(server.put(item.into()))
            }
            Self::Google(server, calendar) => {
                let mut event = object(&item)?;
                if let Some(id) = self.known(id)? {
                    event.insert("id".to_owned(), id.clone().into());
                    server.edit(calendar, &id, |stored| *stored = event);
                    return Ok(id);
                }
                event.remove("id");
                Ok(server.put(calendar, event.into()))
            }
            Self::Microsoft(server) => {
                let mut event = object(&item)?;
                let Some(id) = self.known(id)? else {
                    event.remove("transactionId");
                    let added = server.add(&server.default_calendar(), &event.into());
                    return added.map_err(|code| Failure::invalid(format!("the service says {code}")));
                };
                // The service changes single properties: those that are not as they were.
                let before =
                    self.items().remove(&id).map(|text| object(&text)).transpose()?.unwrap_or_default();
                let gone = before.keys().filter(|name| !event.contains_key(*name));
                let mut patch: Map<String, Value> = gone.map(|name| (name.clone(), Value::Null)).collect();
                patch.extend(event.into_iter().filter(|(name, value)| before.get(name) != Some(value)));
                if server.change(&id, &patch.into()) {
                    Ok(id)
                } else {
                    Err(Failure::invalid("the service does not take that"))
                }
            }
        }
    }

    fn delete(&self, id: &str) -> Result<(), Failure> {
        match self {
            Self::Cozi(server) => server.delete(id),
            Self::Dav(server) => {
                server.delete(DAV_CALENDAR, id);
            }
            Self::Feed(_) => return Err(Failure::invalid("a feed is emptied, not deleted")),
            Self::Google(server, calendar) => server.delete(calendar, id),
            Self::Microsoft(server) => {
                server.delete(id);
            }
        }
        Ok(())
    }

    fn tell(&self, line: &str) -> Result<(), Failure> {
        let followed = match self {
            Self::Cozi(server) => server.follow(line),
            Self::Dav(server) => server.follow(line),
            Self::Feed(_) => return Err(Failure::invalid("a feed has no switches")),
            Self::Google(server, _) => server.follow(line),
            Self::Microsoft(server) => server.follow(line),
        };
        followed.map_err(|error: SwitchError| Failure::invalid(error.to_string()))
    }

    /// The client its authorization server knows.
    fn client(&self) -> Option<Value> {
        match self {
            Self::Google(server, _) => {
                let root = server.url();
                Some(json!({
                    "provider": "google",
                    "client_id": "calsync",
                    "authorize": format!("{root}o/oauth2/v2/auth"),
                    "token": format!("{root}token"),
                    "revoke": format!("{root}revoke"),
                    "issuer": "https://accounts.google.com",
                    "trust_address": true,
                }))
            }
            Self::Microsoft(server) => {
                let root = server.root();
                Some(json!({
                    "provider": "microsoft",
                    "client_id": "calsync",
                    "authorize": format!("{root}common/oauth2/v2.0/authorize"),
                    "token": format!("{root}common/oauth2/v2.0/token"),
                    "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
                    "trust_address": true,
                }))
            }
            Self::Cozi(_) | Self::Dav(_) | Self::Feed(_) => None,
        }
    }

    /// The id, when there is an item of it.
    fn known(&self, id: Option<String>) -> Result<Option<String>, Failure> {
        match id {
            Some(id) if !self.items().contains_key(&id) => Err(no_item()),
            id => Ok(id),
        }
    }
}

fn no_item() -> Failure {
    Failure::invalid("there is no such item")
}

/// Only what is no calendar at all is refused: hosts test with broken ones.
fn calendar_text(item: &str) -> Result<(), Failure> {
    match read_calendar(item, &ReadOptions::default()) {
        Err(IcalError::NotICalendar) => {
            Err(Failure::invalid("an item of this service is a text that begins with BEGIN:VCALENDAR"))
        }
        _ => Ok(()),
    }
}

fn object(item: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(item).map_err(|_| Failure::invalid("an item of this service is a JSON object"))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
