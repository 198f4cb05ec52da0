//! `[connections]`: accounts and feeds.

use std::{
    fmt,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use calsync_providers::http::{Secret, is_local, pace::Pace};
use serde::Deserialize;
use url::Url;

use super::secret::credential;
use crate::error::CliError;

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

impl ProviderKind {
    /// As the configuration has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Caldav => "caldav",
            Self::Cozi => "cozi",
            Self::Google => "google",
            Self::Ics => "ics",
            Self::Microsoft => "microsoft",
        }
    }
}

/// Where nothing can be sealed.
const NO_VAULT_KEY: &str = "`vault_key` is missing: write vault_key = \"file:vault.key\" at the top, before the first \
                            [table]; `calsync connect` makes the file";
/// What `password` says of one that `calsync connect` keeps.
const VAULT: &str = "vault";

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
    /// `env:NAME`, `file:PATH`, `plain:TEXT`, or `vault`: `calsync connect` asks for it and keeps it sealed.
    password: Option<String>,
    /// Google, Microsoft: the access token, as `env:NAME` or `file:PATH`.
    pub(super) token: Option<String>,
    /// How many requests the server takes in a minute.
    requests_per_minute: Option<NonZeroU32>,
    /// Google, Microsoft: the client `calsync connect` signs in with.
    pub(crate) oauth: Option<OAuthSection>,
    /// Google, Microsoft: the zone floating times are written in.
    pub(crate) floating_zone: Option<String>,
    /// Google: whether events keep their colours.
    #[serde(default)]
    pub(crate) colors: bool,
    /// Cozi: `true` when the account's owner accepts that the interface is undocumented, may end on any day, and may be
    /// against Cozi's terms.
    #[serde(default)]
    pub(crate) unofficial_api: bool,
    /// ICS: how many days ahead the feed is published for.
    pub(crate) ahead_days: Option<u32>,
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
    /// How many days a grant lasts, where the provider does not tell: 7 for a client at Google in testing.
    pub(crate) grant_days: Option<NonZeroU32>,
    /// What to ask for, in the place of what calsync needs.
    pub(crate) scopes: Option<Vec<String>>,
}

impl fmt::Debug for OAuthSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthSection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Says what is missing, contradicts itself, or is for another provider.
    pub(super) fn check(&self, name: &str, has_vault_key: bool) -> Result<(), CliError> {
        let wrong = |text: String| Err(CliError::Config(text));
        if self.unofficial_api && self.provider != ProviderKind::Cozi {
            return wrong(format!("connections.{name}: `unofficial_api` is for cozi: remove it"));
        }
        if self.colors && self.provider != ProviderKind::Google {
            return wrong(format!("connections.{name}: `colors` is for google: remove it"));
        }
        if !self.trusted_hosts.is_empty() && self.provider != ProviderKind::Caldav {
            return wrong(format!("connections.{name}: `trusted_hosts` is for caldav: remove it"));
        }
        let by_token = matches!(self.provider, ProviderKind::Google | ProviderKind::Microsoft);
        if by_token {
            match (&self.token, &self.oauth, has_vault_key) {
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
                (None, Some(_), false) => {
                    return wrong(NO_VAULT_KEY.to_owned());
                }
                _ => {}
            }
            return Ok(());
        }
        if self.is_password_kept() && !has_vault_key {
            return wrong(NO_VAULT_KEY.to_owned());
        }
        if self.is_password_kept() && self.username.as_deref().unwrap_or_default().is_empty() {
            return wrong(format!(
                "connections.{name}: `username` is missing: write username = \"NAME\", whose password is kept"
            ));
        }
        if self.provider == ProviderKind::Cozi {
            if !self.unofficial_api {
                return wrong(format!(
                    "connections.{name}: Cozi offers no interface to other programs. Its feed is the supported way: \
                     provider = \"ics\" and url = \"...\", from Settings, iCal. To read and write all the same, over \
                     an interface that is undocumented, may end on any day and may be against Cozi's terms, write \
                     unofficial_api = true"
                ));
            }
            if self.username.as_deref().unwrap_or_default().is_empty() || self.password.is_none() {
                return wrong(format!(
                    "connections.{name}: `username` or `password` is missing: write username = \"NAME\" and \
                     password = \"env:NAME\""
                ));
            }
            return Ok(());
        }
        if self.oauth.is_some() {
            return wrong(format!(
                "connections.{name}: `oauth` is for google and microsoft: write username and password"
            ));
        }
        if self.url.trim().is_empty() {
            return wrong(format!(
                "connections.{name}: `url` is missing: write url = \"...\", where the calendars are"
            ));
        }
        if let Some(host) = self.bare_host() {
            return wrong(format!(
                "connections.{name}: `url` begins with {host:?}, which is neither a URL nor a path: write http:// or \
                 https:// in front"
            ));
        }
        let address = self.url.contains('@') && !self.url.contains("://");
        let anonymous = self.username.as_deref().unwrap_or_default().is_empty();
        if self.provider == ProviderKind::Caldav && anonymous && !address {
            return wrong(format!(
                "connections.{name}: `username` is missing: write username = \"NAME\", or an e-mail address as `url`"
            ));
        }
        Ok(())
    }

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
                "; `{key}` of [connections.{name}] is missing: write {key} = \"env:NAME\", \"file:PATH\", \"plain:TEXT\" or \
                 \"vault\""
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
            _ if self.is_password_kept() => {
                format!("; run `calsync connect {name}` to keep another password")
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

    /// Whether it is opened with a password, where it is not open to everybody.
    pub(crate) fn is_by_password(&self) -> bool {
        matches!(self.provider, ProviderKind::Caldav | ProviderKind::Cozi | ProviderKind::Ics)
    }

    /// Whether the password is in the vault.
    pub(crate) fn is_password_kept(&self) -> bool {
        self.password.as_deref() == Some(VAULT)
    }

    /// The password, from where the file says it is. `None` when it names none; one that is kept is not read here.
    pub(crate) fn password(&self, name: &str, folder: &Path) -> Result<Option<Secret<String>>, CliError> {
        let Some(source) = &self.password else { return Ok(None) };
        let place = format!("connections.{name}.password");
        match source.split_once(':') {
            Some(("plain", text)) => Ok(Some(Secret::new(text.to_owned()))),
            _ if source == VAULT => Ok(None),
            _ => credential(&place, source, folder, "env:NAME, file:PATH, plain:TEXT or vault").map(Some),
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
