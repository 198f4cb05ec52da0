//! The configuration file. What it may hold is a contract: keys are added, never renamed.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use calsync_core::{
    engine::{CopyEdits, CopyRules, Joint, check_rules},
    merge::{ConflictPolicy, DeletionPolicy},
    pipeline::{Pipeline, Start, Step},
    plan::Direction,
    schedule::Priority,
    zone::Zone,
};
use calsync_providers::http::{Secret, is_local, pace::Pace};
use serde::Deserialize;
use url::Url;

use crate::error::CliError;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the calendars are kept: `sqlite:FILE`, relative to the configuration file, a `postgres://` URL, or
    /// `dynamodb:TABLE`.
    store: String,
    /// Whose calendars these are, where a store is shared.
    #[serde(default)]
    pub(crate) tenant: String,
    /// The key tokens are sealed with: `env:NAME` or `file:PATH`; 32 random bytes in base64.
    pub(crate) vault_key: Option<String>,
    /// The name of that key, noted beside what it seals: another key has another name. Default: `calsync`.
    pub(crate) vault_key_id: Option<String>,
    /// Keys that were `vault_key` before, by name: needed until `calsync vault rewrap` has run.
    #[serde(default)]
    pub(crate) vault_keys_earlier: BTreeMap<String, String>,
    /// Where Google and Microsoft may call when a calendar changes.
    pub(crate) webhooks: Option<Webhooks>,
    /// Accounts and feeds by name.
    #[serde(default)]
    pub(crate) connections: BTreeMap<String, Connection>,
    /// What is kept in step with what.
    #[serde(default)]
    pub(crate) links: Vec<LinkConfig>,
}

/// Where Google and Microsoft may call when a calendar changes.
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

/// Where the calendars are kept.
pub(crate) enum Place<'a> {
    /// A SQLite file.
    Sqlite(&'a str),
    /// A PostgreSQL server, by its connection string.
    Postgres(&'a str),
    /// A DynamoDB table, with where it is.
    Dynamodb(&'a str),
}

impl fmt::Debug for Config {
    /// Without `store`, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("connections", &self.connections)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

/// A kind of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProviderKind {
    /// A CalDAV account.
    Caldav,
    /// A Cozi household, over an interface Cozi does not offer.
    Cozi,
    /// A Google account.
    Google,
    /// An ICS feed or file.
    Ics,
    /// A Microsoft 365 or Outlook.com account.
    Microsoft,
}

/// An account or a feed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connection {
    /// Which provider.
    pub(crate) provider: ProviderKind,
    /// CalDAV: an e-mail address, a host or a URL. ICS: `https`, `http`, `webcal` or `file` URL, or a path. Google,
    /// Microsoft and Cozi: none.
    #[serde(default)]
    pub(crate) url: String,
    /// Google, Microsoft, Cozi: the root of the service, when it is another than the provider's own: a national cloud, an
    /// emulator.
    pub(crate) base_url: Option<String>,
    /// The user name, when there is one.
    pub(crate) username: Option<String>,
    /// `env:NAME`, `file:PATH` or `plain:TEXT`.
    password: Option<String>,
    /// Google, Microsoft: the access token, as `env:NAME` or `file:PATH`.
    token: Option<String>,
    /// How many requests the server takes in a minute.
    requests_per_minute: Option<NonZeroU32>,
    /// Google, Microsoft: the client `calsync connect` signs in with.
    pub(crate) oauth: Option<OAuthSection>,
    /// Google, Microsoft: the zone floating times are written in.
    pub(crate) floating_zone: Option<String>,
    /// Cozi: `true` when the account's owner accepts that the interface is undocumented, may end on any day, and may be
    /// against Cozi's terms.
    #[serde(default)]
    pub(crate) unofficial_api: bool,
    /// CalDAV: hosts of other sites the password may go to when the DNS records of the address's domain lead there.
    #[serde(default)]
    pub(crate) trusted_hosts: Vec<String>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// An OAuth client. Endpoints that are left out are the provider's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuthSection {
    /// The client's id, as the provider gave it.
    pub(crate) client_id: String,
    /// Its secret, as `env:NAME` or `file:PATH`; none for a public client.
    client_secret: Option<String>,
    /// Microsoft: `common` (default), `organizations`, `consumers`, or the id or domain of a directory.
    pub(crate) directory: Option<String>,
    /// The authorization endpoint.
    pub(crate) authorize_url: Option<Url>,
    /// The token endpoint.
    pub(crate) token_url: Option<Url>,
    /// The revocation endpoint.
    pub(crate) revoke_url: Option<Url>,
    /// The device authorization endpoint.
    pub(crate) device_url: Option<Url>,
    /// Who issues the tokens, as it names itself.
    pub(crate) issuer: Option<String>,
    /// What to ask for, in the place of what calsync needs.
    pub(crate) scopes: Option<Vec<String>>,
}

impl fmt::Debug for OAuthSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthSection").finish_non_exhaustive()
    }
}

/// A link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkConfig {
    /// Its name; it keeps its state under it.
    pub(crate) name: String,
    /// The calendar in the store, made when absent.
    pub(crate) calendar: String,
    /// The connection, by name.
    pub(crate) connection: String,
    /// Display name, id or URL of the remote calendar. An ICS or Cozi connection has one calendar only and
    /// needs none.
    #[serde(default)]
    pub(crate) remote: String,
    /// `two-way` (default), `import` or `export`.
    pub(crate) direction: Option<Direction>,
    /// `remote-wins` (default), `local-wins`, `newest-wins`, `keep-both` or `manual`.
    #[serde(default)]
    pub(crate) conflicts: ConflictPolicy,
    /// `by-conflicts` (default: as `conflicts` where that names a side, else the edit survives), `keep-edit`, `delete`,
    /// `remote-wins` or `local-wins`.
    #[serde(default)]
    pub(crate) deletions: DeletionPolicy,
    /// What becomes of a copy that somebody edits, on a link that imports or exports: `leave` (default), `restore` or
    /// `detach`.
    pub(crate) edits: Option<CopyEdits>,
    /// How often `calsync worker` runs it: `15m`, `2h`, `1d`; `never`: when it is asked. Default: what suits its provider.
    pub(crate) every: Option<String>,
    /// Instead of `every`, a cron expression of five fields.
    pub(crate) cron: Option<String>,
    /// The zone of `cron`, such as `Europe/Berlin`. Default: UTC.
    pub(crate) zone: Option<String>,
    /// `high`, `normal` (default) or `low`.
    #[serde(default)]
    pub(crate) priority: Priority,
    /// What is copied and what the copies show, on a link that imports or exports. Default: everything; for a link that
    /// exports what another link imports, when somebody is busy.
    pub(crate) copies: Option<CopiesConfig>,
}

/// Filters and transforms of a link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopiesConfig {
    /// The name of the calendar that is copied, for `{{calendar_name}}`. Default: that of the calendar in the store.
    calendar_name: Option<String>,
    /// The addresses of its owner.
    #[serde(default)]
    owner: Vec<String>,
    /// Its zone. Default: UTC.
    zone: Option<String>,
    /// What a copy begins as. Default: `{ type = "busy-only" }`.
    #[serde(default)]
    start: Start,
    /// The steps.
    #[serde(default)]
    steps: Vec<Step>,
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path)
            .map_err(|error| CliError::ConfigFile { path: path.to_owned(), error })?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            // The parser's message says what may stand there. Of the line it stopped at only the key is shown: the
            // value may be a password.
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(""));
            let start = before.rfind('\n').map_or(0, |end| end + 1);
            let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("");
            let key = line.split_once('=').map_or(line, |(key, _)| key).trim();
            if matches!(key, "password" | "token" | "client_secret" | "vault_key" | "key") {
                // Not even the parser's message: it may quote the value.
                return CliError::Config(format!(
                    "{}, line {}, `{key}`: write a text, such as \"env:NAME\", \"file:PATH\" or \"plain:TEXT\"",
                    path.display(),
                    before.matches('\n').count() + 1,
                ));
            }
            let missing =
                error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            let fix = missing.map(|missing| match missing {
                // A key of the whole file ends where the first table begins.
                "store" => ": write store = \"sqlite:FILE\" at the top, before the first [table]".to_owned(),
                missing => format!(": write {missing} = \"...\" below it"),
            });
            let fix = fix.unwrap_or_default();
            CliError::Config(format!(
                "{}, line {}, `{key}`: {}{fix}",
                path.display(),
                before.matches('\n').count() + 1,
                error.message()
            ))
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), CliError> {
        let wrong = |text: String| Err(CliError::Config(text));
        if self.place().is_none() {
            // No more than its first word: the rest may hold a password.
            let kind = self.store.split(':').next().unwrap_or_default();
            return wrong(format!(
                "`store` begins with {kind:?}: write \"sqlite:FILE\", such as \"sqlite:calsync.db\", or \
                 \"postgres://user@host/database\", or \"dynamodb:TABLE?region=REGION\""
            ));
        }
        if let Some(webhooks) = &self.webhooks {
            let address = Url::parse(&webhooks.address).ok();
            if !address.is_some_and(|url| url.scheme() == "https" || is_local(&url)) {
                return wrong(
                    "webhooks.address: write the public https:// address that is to be called".to_owned(),
                );
            }
        }
        for (name, connection) in &self.connections {
            if connection.unofficial_api && connection.provider != ProviderKind::Cozi {
                return wrong(format!("connections.{name}: `unofficial_api` is for cozi: remove it"));
            }
            if !connection.trusted_hosts.is_empty() && connection.provider != ProviderKind::Caldav {
                return wrong(format!("connections.{name}: `trusted_hosts` is for caldav: remove it"));
            }
            let by_token = matches!(connection.provider, ProviderKind::Google | ProviderKind::Microsoft);
            if by_token {
                match (&connection.token, &connection.oauth, &self.vault_key) {
                    (None, None, _) => {
                        return wrong(format!(
                            "connections.{name}: `token` is missing: write token = \"env:NAME\" or token = \"file:PATH\", \
                             or a table [connections.{name}.oauth] with `client_id` and run `calsync connect {name}`"
                        ));
                    }
                    (Some(_), Some(_), _) => {
                        return wrong(format!(
                            "connections.{name}: there are both `token` and `oauth`: remove one of them"
                        ));
                    }
                    (None, Some(_), None) => {
                        return wrong(
                            "`vault_key` is missing: write vault_key = \"file:vault.key\" at the top, before the first \
                             [table]; `calsync connect` makes the file"
                                .to_owned(),
                        );
                    }
                    _ => {}
                }
                continue;
            }
            if connection.provider == ProviderKind::Cozi {
                if !connection.unofficial_api {
                    return wrong(format!(
                        "connections.{name}: Cozi offers no interface to other programs. Its feed is the supported way: \
                         provider = \"ics\" and url = \"...\", from Settings, iCal. To read and write all the same, over \
                         an interface that is undocumented, may end on any day and may be against Cozi's terms, write \
                         unofficial_api = true"
                    ));
                }
                if connection.username.as_deref().unwrap_or_default().is_empty()
                    || connection.password.is_none()
                {
                    return wrong(format!(
                        "connections.{name}: `username` or `password` is missing: write username = \"NAME\" and \
                         password = \"env:NAME\""
                    ));
                }
                continue;
            }
            if connection.oauth.is_some() {
                return wrong(format!(
                    "connections.{name}: `oauth` is for google and microsoft: write username and password"
                ));
            }
            if connection.url.trim().is_empty() {
                return wrong(format!(
                    "connections.{name}: `url` is missing: write url = \"...\", where the calendars are"
                ));
            }
            if let Some(host) = connection.bare_host() {
                return wrong(format!(
                    "connections.{name}: `url` begins with {host:?}, which is neither a URL nor a path: write http:// or \
                     https:// in front"
                ));
            }
            let address = connection.url.contains('@') && !connection.url.contains("://");
            let anonymous = connection.username.as_deref().unwrap_or_default().is_empty();
            if connection.provider == ProviderKind::Caldav && anonymous && !address {
                return wrong(format!(
                    "connections.{name}: `username` is missing: write username = \"NAME\", or an e-mail address as `url`"
                ));
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for link in &self.links {
            let name = &link.name;
            if name.is_empty() || !names.insert(name) {
                return wrong(format!("links.name is {name:?}: every link needs a name of its own"));
            }
            let Some(connection) = self.connections.get(&link.connection) else {
                let known: Vec<&String> = self.connections.keys().collect();
                return wrong(format!(
                    "link {name}: `connection` is {:?}, but the connections are {known:?}: add [connections.{}] or \
                     name one of these",
                    link.connection, link.connection
                ));
            };
            if link.calendar.is_empty() {
                return wrong(format!(
                    "link {name}: `calendar` is empty: give the calendar in the store a name"
                ));
            }
            if link.conflicts == ConflictPolicy::Resolver {
                return wrong(format!(
                    "link {name}: `conflicts` is \"resolver\", but there is no program here to ask: write \"manual\" \
                     and answer with `calsync conflicts answer`"
                ));
            }
            crate::cadence::cadence(link, connection.provider)?;
            if link.zone.is_some() && link.cron.is_none() {
                return wrong(format!("link {name}: `zone` is the zone of `cron`, and there is no `cron`"));
            }
            if link.edits.is_some() && self.direction(link) == Direction::TwoWay {
                return wrong(format!(
                    "link {name}: `edits` is about copies, and a link that goes both ways has none: write direction = \
                     \"import\" or direction = \"export\", or remove `edits`"
                ));
            }
            if let Some(copies) = &link.copies {
                if self.direction(link) == Direction::TwoWay {
                    return wrong(format!(
                        "link {name}: `copies` leaves events and fields out, which would come back as deleted from a link \
                         that goes both ways: write direction = \"import\" or direction = \"export\""
                    ));
                }
                let rules = copies
                    .rules(link)
                    .map_err(|problem| CliError::Config(format!("link {name}: {problem}")))?;
                rules
                    .pipeline
                    .compile()
                    .map_err(|problem| CliError::Config(format!("link {name}: copies, {problem}")))?;
            }
            match connection.provider {
                ProviderKind::Ics if link.direction.is_some_and(Direction::exports) => {
                    return wrong(format!(
                        "link {name}: `direction` writes to the remote side, but an ICS feed can only be read: \
                         write direction = \"import\""
                    ));
                }
                ProviderKind::Caldav | ProviderKind::Google | ProviderKind::Microsoft
                    if link.remote.is_empty() =>
                {
                    return wrong(format!(
                        "link {name}: `remote` is missing: write the display name, id or URL of a calendar; `calsync \
                         calendars` lists them"
                    ));
                }
                ProviderKind::Ics
                | ProviderKind::Cozi
                | ProviderKind::Caldav
                | ProviderKind::Google
                | ProviderKind::Microsoft => {}
            }
        }
        for (index, link) in self.links.iter().enumerate() {
            let same = self.links[..index].iter().find(|other| {
                other.calendar == link.calendar
                    && other.connection == link.connection
                    && other.remote.trim_end_matches('/') == link.remote.trim_end_matches('/')
            });
            if let Some(other) = same {
                return wrong(format!(
                    "links {} and {} join the same two calendars: remove one of them",
                    other.name, link.name
                ));
            }
        }
        self.check_circles()
    }

    /// Links that copy by rules must not copy what they copied.
    fn check_circles(&self) -> Result<(), CliError> {
        let copies: Vec<Option<CopyRules>> =
            self.links.iter().map(|link| self.copies(link)).collect::<Result<_, _>>()?;
        let joints: Vec<Joint<'_>> = self
            .links
            .iter()
            .zip(&copies)
            .map(|(link, copies)| Joint {
                link: &link.name,
                calendar: &link.calendar,
                account: self.account(&link.connection),
                remote: &link.remote,
                direction: self.direction(link),
                copies: copies.as_ref(),
            })
            .collect();
        check_rules(&joints).map_err(|cycle| CliError::Config(cycle.to_string()))
    }

    /// One name for all connections to an account, as far as the configuration tells.
    fn account<'a>(&'a self, name: &'a str) -> &'a str {
        let of = |connection: &Connection| {
            (
                connection.provider,
                connection.url.clone(),
                connection.base_url.clone(),
                connection.username.clone(),
                connection.token.clone(),
            )
        };
        let Some(own) = self.connections.get(name) else { return name };
        let same = |(_, other): &(&String, &Connection)| {
            (!own.url.is_empty() || own.token.is_some()) && of(other) == of(own)
        };
        self.connections.iter().find(same).map_or(name, |(first, _)| first)
    }

    /// Where the calendars are kept, as written.
    pub(crate) fn place(&self) -> Option<Place<'_>> {
        if self.store.starts_with("postgres://") || self.store.starts_with("postgresql://") {
            return Some(Place::Postgres(&self.store));
        }
        if let Some(table) = self.store.strip_prefix("dynamodb:").filter(|table| !table.is_empty()) {
            return Some(Place::Dynamodb(table));
        }
        self.store.strip_prefix("sqlite:").filter(|path| !path.is_empty()).map(Place::Sqlite)
    }

    /// What a link copies. What comes from somebody else's calendar is passed on busy-only, unless the link says more.
    pub(crate) fn copies(&self, link: &LinkConfig) -> Result<Option<CopyRules>, CliError> {
        if let Some(copies) = &link.copies {
            let rules = copies.rules(link);
            return rules
                .map(Some)
                .map_err(|problem| CliError::Config(format!("link {}: {problem}", link.name)));
        }
        let passes_on = self.direction(link) == Direction::Export
            && self
                .links
                .iter()
                .any(|other| other.calendar == link.calendar && self.direction(other) == Direction::Import);
        Ok(passes_on.then(|| CopyRules::new(Pipeline::default())))
    }

    /// A link's direction: two-way, or import where the remote side can only be read.
    pub(crate) fn direction(&self, link: &LinkConfig) -> Direction {
        let reads_only = self
            .connections
            .get(&link.connection)
            .is_some_and(|connection| connection.provider == ProviderKind::Ics);
        link.direction.unwrap_or(if reads_only { Direction::Import } else { Direction::TwoWay })
    }
}

impl CopiesConfig {
    fn rules(&self, link: &LinkConfig) -> Result<CopyRules, String> {
        let mut rules = CopyRules::new(Pipeline { start: self.start.clone(), steps: self.steps.clone() });
        rules.calendar_name = self.calendar_name.clone().unwrap_or_else(|| link.calendar.clone());
        rules.owner.clone_from(&self.owner);
        if let Some(name) = &self.zone {
            rules.zone = zone("copies.zone", name)?;
        }
        Ok(rules)
    }
}

/// A zone somebody wrote.
pub(crate) fn zone(place: &str, name: &str) -> Result<Zone, String> {
    Zone::from_iana(name).ok_or_else(|| format!("{place}: {name:?} is no zone such as Europe/Berlin"))
}

impl Connection {
    /// The file of a feed. A relative path starts where the configuration lies.
    pub(crate) fn file(&self, folder: &Path) -> Option<PathBuf> {
        if self.provider != ProviderKind::Ics {
            return None;
        }
        let path = match self.url.split_once(':') {
            // A single letter is the drive of a path.
            Some((scheme, _)) if scheme.len() > 1 && !scheme.eq_ignore_ascii_case("file") => return None,
            Some((scheme, rest)) if scheme.len() > 1 && rest.starts_with('/') => {
                return Url::parse(&self.url).ok()?.to_file_path().ok();
            }
            Some((scheme, rest)) if scheme.len() > 1 => rest,
            _ => &self.url,
        };
        Some(folder.join(path))
    }

    /// A feed's host and port, where they stand without a scheme: that looks like a path, or like a scheme of its own.
    fn bare_host(&self) -> Option<&str> {
        let host = self.url.split('/').next()?;
        let (name, port) = host.rsplit_once(':')?;
        (self.provider == ProviderKind::Ics && !name.is_empty() && port.parse::<u16>().is_ok())
            .then_some(host)
    }

    /// Whether it is a subscription that says nothing of http or https.
    pub(crate) fn is_subscription(&self) -> bool {
        let scheme = self.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        self.provider == ProviderKind::Ics && matches!(scheme.as_deref(), Some("webcal" | "feed"))
    }

    /// What helps when the server refuses the credentials.
    pub(crate) fn refused(&self, name: &str) -> String {
        let missing = |key: &str| {
            format!(
                "; `{key}` of [connections.{name}] is missing: write {key} = \"env:NAME\", \"file:PATH\" or \"plain:TEXT\""
            )
        };
        match self.provider {
            ProviderKind::Google | ProviderKind::Microsoft => {
                format!("; `token` of [connections.{name}] is refused or too old")
            }
            ProviderKind::Ics if self.username.is_none() => {
                format!("; [connections.{name}] has no `username` and `password`")
            }
            ProviderKind::Caldav | ProviderKind::Cozi | ProviderKind::Ics if self.password.is_none() => {
                missing("password")
            }
            ProviderKind::Caldav | ProviderKind::Cozi | ProviderKind::Ics => {
                format!("; `username` or `password` of [connections.{name}] is wrong")
            }
        }
    }

    /// What may help when the server cannot be reached.
    pub(crate) fn unreachable(&self) -> &'static str {
        if self.is_subscription() {
            "; webcal:// is asked by https: write http:// where the server speaks only that"
        } else {
            ""
        }
    }

    /// Where it leads; none for a file, and for what is no address.
    pub(crate) fn address(&self) -> Option<Url> {
        address(self.base_url.as_deref().unwrap_or(&self.url))
    }

    /// How fast the server may be asked. One at home is its owner's own affair.
    pub(crate) fn pace(&self) -> Pace {
        if self.requests_per_minute.is_none() && self.address().as_ref().is_some_and(is_local) {
            return Pace::UNLIMITED;
        }
        let usual = match self.provider {
            ProviderKind::Google => Pace::GOOGLE,
            ProviderKind::Microsoft => Pace::MICROSOFT,
            ProviderKind::Caldav | ProviderKind::Ics => Pace::CALDAV,
            ProviderKind::Cozi => Pace::COZI_10,
        };
        self.requests_per_minute.map_or(usual, |most| usual.per_minute(most.get()))
    }

    /// The password, from where the file says it is. `None` when it names none.
    pub(crate) fn password(&self, name: &str, folder: &Path) -> Result<Option<Secret<String>>, CliError> {
        let Some(source) = &self.password else { return Ok(None) };
        let place = format!("connections.{name}.password");
        match source.split_once(':') {
            Some(("plain", text)) => Ok(Some(Secret::new(text.to_owned()))),
            _ => credential(&place, source, folder, "env:NAME, file:PATH or plain:TEXT").map(Some),
        }
    }

    /// The access token, from where the file says it is.
    pub(crate) fn token(&self, name: &str, folder: &Path) -> Result<Secret<String>, CliError> {
        let source = self.token.as_deref().unwrap_or_default();
        credential(&format!("connections.{name}.token"), source, folder, "env:NAME or file:PATH")
    }
}

/// What people write for an address, as a URL.
pub(crate) fn address(text: &str) -> Option<Url> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" | "webcal" | "webcals" | "feed" => "https",
        _ => return None,
    };
    Url::parse(&format!("{scheme}://{rest}")).ok()
}

impl OAuthSection {
    /// The client's secret, from where the file says it is.
    pub(crate) fn secret(&self, name: &str, folder: &Path) -> Result<Option<Secret<String>>, CliError> {
        let Some(source) = &self.client_secret else { return Ok(None) };
        let place = format!("connections.{name}.oauth.client_secret");
        credential(&place, source, folder, "env:NAME or file:PATH").map(Some)
    }
}

/// What a key of the configuration says is kept elsewhere. That it is not there is about credentials, that the key says
/// something else is about the configuration.
fn credential(place: &str, source: &str, folder: &Path, forms: &str) -> Result<Secret<String>, CliError> {
    match stored(source, folder) {
        Some(found) => found.map_err(|text| CliError::Credentials(format!("{place}: {text}"))),
        None => Err(CliError::Config(format!("{place}: write {forms}"))),
    }
}

/// A secret kept outside of the configuration. `None` when the source is neither `env:` nor `file:`.
pub(crate) fn stored(source: &str, folder: &Path) -> Option<Result<Secret<String>, String>> {
    let value = match source.split_once(':')? {
        ("env", variable) => env::var(variable)
            .map_err(|_| format!("the environment variable {variable} is not set: set it, or use file:PATH")),
        ("file", path) => fs::read_to_string(folder.join(path))
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| format!("cannot read {path}: {error}")),
        _ => return None,
    };
    Some(value.map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(text: &str) -> Connection {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_server_at_home_is_not_paced_unless_the_configuration_says_so() {
        for (text, expected) in [
            ("provider = \"caldav\"\nurl = \"http://127.0.0.1:5232/\"", Pace::UNLIMITED),
            ("provider = \"caldav\"\nurl = \"192.168.1.5:5232\"", Pace::UNLIMITED),
            ("provider = \"caldav\"\nurl = \"ann@nas.local\"", Pace::UNLIMITED),
            ("provider = \"ics\"\nurl = \"webcal://nas/x.ics\"", Pace::UNLIMITED),
            ("provider = \"google\"\nbase_url = \"http://127.0.0.1:8080/\"", Pace::UNLIMITED),
            ("provider = \"caldav\"\nurl = \"https://dav.example.com/\"", Pace::CALDAV),
            ("provider = \"caldav\"\nurl = \"ann@example.com\"", Pace::CALDAV),
            ("provider = \"google\"", Pace::GOOGLE),
            (
                "provider = \"caldav\"\nurl = \"http://127.0.0.1/\"\nrequests_per_minute = 30",
                Pace::CALDAV.per_minute(30),
            ),
        ] {
            assert_eq!(connection(text).pace(), expected, "{text}");
        }
    }
}
