//! The configuration file. What it may hold is a contract: keys are added, never renamed.

mod busy;
mod connection;
pub(crate) mod edit;
mod feed;
mod link;
pub(crate) mod salt;
mod secret;
mod webhooks;

use std::{collections::BTreeMap, fmt, fs, path::Path};

use calsync_core::{
    engine::{CopyRules, Joint, check_rules},
    plan::Direction,
    zone::Zone,
};
use serde::Deserialize;

pub(crate) use self::{
    busy::BusyCalendar,
    connection::{Connection, OAuthSection, ProviderKind, address},
    feed::FeedConfig,
    link::LinkConfig,
    secret::stored,
    webhooks::Webhooks,
};
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
    /// What is published, and how.
    #[serde(default)]
    pub(crate) feeds: Vec<FeedConfig>,
    /// Calendars of which an account sees only when they are busy, by the names `free` and `book` ask for them under.
    #[serde(default)]
    pub(crate) busy: BTreeMap<String, BusyCalendar>,
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

impl Config {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path)
            .map_err(|error| CliError::ConfigFile { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Reads and checks what a file holds, or would hold.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, CliError> {
        let config: Self = toml::from_str(text).map_err(|error| {
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
            webhooks.check().map_err(|problem| CliError::Config(format!("webhooks.{problem}")))?;
        }
        for (name, connection) in &self.connections {
            connection.check(name, self.vault_key.is_some())?;
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
            link.check(connection, self.direction(link))?;
        }
        for (name, busy) in &self.busy {
            if let Err(problem) = busy.check(&self.connections) {
                return wrong(format!("busy.{name}: {problem}"));
            }
            if self.links.iter().any(|link| link.calendar == *name) {
                return wrong(format!("busy.{name}: a calendar of the links has this name"));
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
        let mut names = std::collections::BTreeSet::new();
        for feed in &self.feeds {
            if feed.name.is_empty() || !names.insert(&feed.name) {
                return wrong(format!("feeds.name is {:?}: every feed needs a name of its own", feed.name));
            }
            feed.published(chrono::DateTime::UNIX_EPOCH)
                .map_err(|problem| CliError::Config(format!("feed {}: {problem}", feed.name)))?;
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

    /// What a link says of what it copies. One that exports and says nothing is busy-only.
    pub(crate) fn copies(&self, link: &LinkConfig) -> Result<Option<CopyRules>, CliError> {
        let rules = link.copies.as_ref().map(|copies| copies.rules(link)).transpose();
        rules.map_err(|problem| CliError::Config(format!("link {}: {problem}", link.name)))
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

/// A zone somebody wrote.
pub(crate) fn zone(place: &str, name: &str) -> Result<Zone, String> {
    Zone::from_iana(name).ok_or_else(|| format!("{place}: {name:?} is no zone such as Europe/Berlin"))
}
