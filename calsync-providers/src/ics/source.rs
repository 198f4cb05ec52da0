//! Where a feed is: the forms people paste, made into addresses to ask.

use std::path::PathBuf;

use calsync_core::provider::{ErrorKind, ProviderError};
use url::{Host, Url};

use super::config::IcsConfig;
use crate::http::{Credentials, HttpErrorKind, Secret};

/// Where to read from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// To be asked in this order; the next only when there was no connection.
    Http(Vec<Url>),
    File(PathBuf),
}

pub(super) struct Source {
    pub(super) location: Location,
    pub(super) credentials: Option<Credentials>,
    /// Names the source without telling it: 32 hexadecimal digits.
    pub(super) fingerprint: String,
    /// What can be shown of it: the host, or the file's name.
    pub(super) label: String,
}

impl Source {
    /// # Errors
    ///
    /// `InvalidInput` for what is no address, `Blocked` for an address that is not allowed.
    pub(super) fn of(config: &IcsConfig) -> Result<Self, ProviderError> {
        let text = config.source.expose().trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(invalid("the source is empty or holds control characters"));
        }
        let text = strip_prefix(text, "feed:").filter(|rest| !rest.starts_with("//")).unwrap_or(text);
        match scheme(text).as_deref() {
            Some("http" | "https" | "webcal" | "webcals" | "feed") => Self::web(text, config),
            Some("file") => {
                let url = Url::parse(text).map_err(|_| invalid("the source is no valid URL"))?;
                let path = url.to_file_path().map_err(|()| invalid("the file is not on this machine"))?;
                Self::file(path, config)
            }
            Some(_) => Err(blocked("the source has a scheme that is not read")),
            None => Self::file(PathBuf::from(text), config),
        }
    }

    fn file(path: PathBuf, config: &IcsConfig) -> Result<Self, ProviderError> {
        if !config.allow_file {
            return Err(blocked("files are not allowed as a source"));
        }
        let fingerprint = fingerprint(&format!("file:{}", path.to_string_lossy()));
        let label = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { location: Location::File(path), credentials: None, fingerprint, label })
    }

    fn web(text: &str, config: &IcsConfig) -> Result<Self, ProviderError> {
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        let parse = |scheme: &str| -> Result<Url, ProviderError> {
            Url::parse(&format!("{scheme}:{rest}")).map_err(|_| invalid("the source is no valid URL"))
        };
        let mut urls = match scheme.to_ascii_lowercase().as_str() {
            "http" => vec![parse("http")?],
            "webcal" | "feed" if config.allow_plain_http => vec![parse("https")?, parse("http")?],
            _ => vec![parse("https")?],
        };
        let mut credentials = config.credentials.clone();
        for url in &mut urls {
            url.set_fragment(None);
            if credentials.is_none() {
                credentials = user_info(url);
            }
            if url.set_username("").is_err() || url.set_password(None).is_err() {
                return Err(invalid("the source names no host"));
            }
            config.addresses.check_url(url).map_err(|error| match error.kind {
                HttpErrorKind::Blocked => error.reading("subscribe"),
                _ => invalid("the source is no valid URL"),
            })?;
        }
        // What nobody wrote out is not done with a password: https that cannot be reached is no reason to send it in the
        // clear, where anybody who cut the connection can read it.
        if credentials.is_some() && urls.len() > 1 {
            urls.retain(|url| url.scheme() == "https" || is_loopback(url));
        }
        if credentials.is_some()
            && urls.iter().any(|url| url.scheme() == "http" && !is_loopback(url))
            && !config.allow_plain_http
        {
            return Err(blocked("credentials are not sent by plain http"));
        }
        let first = urls.first().ok_or_else(|| invalid("the source is no valid URL"))?;
        let label = first.host_str().unwrap_or_default().to_owned();
        let fingerprint = fingerprint(first.as_str());
        Ok(Self { location: Location::Http(urls), credentials, fingerprint, label })
    }
}

/// Whether what is sent there stays on this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// User name and password out of a URL, with their percent signs decoded.
fn user_info(url: &Url) -> Option<Credentials> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = Secret::new(decode(url.password().unwrap_or_default()));
    Some(Credentials::Basic { username: decode(url.username()), password })
}

/// The scheme in lower case. A single letter is the drive of a path.
fn scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn fingerprint(text: &str) -> String {
    let hash = blake3::derive_key("calsync 2026-11 ics source", text.as_bytes());
    blake3::Hash::from(hash).to_hex()[..32].to_owned()
}

fn invalid(detail: &str) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidInput, "subscribe", detail)
}

fn blocked(detail: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Blocked, "subscribe", detail)
}
