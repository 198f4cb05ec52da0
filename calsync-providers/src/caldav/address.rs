//! What was typed, and where that leads: the places to ask, and the user names to try (RFC 6764 section 6).

use calsync_core::provider::{ErrorKind, ProviderError, Result};
use url::Url;

use super::records::{Question, WELL_KNOWN};

// Services whose domain does not lead to their calendars, or only through DNS records, which are not asked for then.
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

/// Where to ask.
pub(super) struct Places {
    /// In order. The first is on the site credentials belong to; all are on one host.
    pub(super) urls: Vec<Url>,
    /// What to ask the name servers on the way, where they may know.
    pub(super) question: Option<Question>,
}

pub(super) fn places(address: &str, username: &str) -> Result<Places> {
    let invalid = |detail| ProviderError::new(ErrorKind::InvalidInput, "configure", detail);
    let address = address.trim();
    let lower = address.to_ascii_lowercase();
    let mut urls = Vec::new();
    let root;
    if lower.starts_with("http://") || lower.starts_with("https://") {
        let mut url = Url::parse(address).map_err(|_| invalid("the address is no URL"))?;
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        root = url.join("/").map_err(|_| invalid("the address is no URL"))?;
        urls.push(url);
    } else if address.contains("://") {
        return Err(invalid("only http and https"));
    } else if let Some((_, domain)) = email(address) {
        if let Some((_, url)) = SHORTCUTS.iter().find(|(known, _)| domain.eq_ignore_ascii_case(known)) {
            let user = if username.is_empty() { address } else { username };
            let user: String = url::form_urlencoded::byte_serialize(user.as_bytes()).collect();
            let url = Url::parse(&url.replace("{user}", &user)).map_err(|_| invalid("no such host"))?;
            return Ok(Places { urls: vec![url], question: None });
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
            urls.push(root.clone());
        }
    }
    if !root.has_host() {
        return Err(invalid("the address has no host"));
    }
    // Who names a port or a path names a server and not a domain.
    let is_plain = |url: &Url| url.port().is_none() && url.path() == "/" && url.query().is_none();
    let names_server = !urls.iter().chain([&root]).all(is_plain);
    let question = if names_server { None } else { Question::about(&root, urls.len()) };
    for path in [WELL_KNOWN, "/"].iter().chain(MOUNTS) {
        let url = root.join(path).map_err(|_| invalid("the address is no URL"))?;
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    Ok(Places { urls, question })
}

/// The user names to try, in order: as given, then with or without the domain (RFC 6764 section 6). Never more than
/// two, since services lock accounts.
pub(super) fn usernames(address: &str, username: &str) -> Result<Vec<String>> {
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
            let found = places(address, "").unwrap().urls;
            assert_eq!(found[0].as_str(), expected, "{address}");
            assert!(found.len() <= 9, "{address}");
            for url in found {
                assert!(url.has_host());
            }
        }
        for address in ["", "ftp://example.com/", "webcal://example.com/x", "https://", "exa mple"] {
            assert_eq!(places(address, "").err().unwrap().kind, ErrorKind::InvalidInput, "{address}");
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

    #[test]
    fn whose_records_are_asked_for_and_when() {
        for (address, expected) in [
            ("ann@icloud.com", None),
            ("ann@Example.com", Some(("example.com", 0))),
            ("ann@bücher.example", Some(("xn--bcher-kva.example", 0))),
            ("example.com", Some(("example.com", 0))),
            ("example.com.", Some(("example.com", 0))),
            // What was typed comes first.
            ("https://example.com/", Some(("example.com", 1))),
            ("HTTP://example.com", Some(("example.com", 1))),
            // A server, not a domain.
            ("example.com:8443", None),
            ("example.com/caldav/", None),
            ("https://example.com/caldav/", None),
            ("https://example.com:8443/", None),
            ("https://example.com/?x", None),
            // Names no name server knows.
            ("nas", None),
            ("http://nas.local/", None),
            ("localhost", None),
            ("10.0.0.1", None),
            ("http://[::1]/", None),
        ] {
            let question = places(address, "").unwrap().question;
            let found = question.as_ref().map(|question| (question.domain.as_str(), question.after));
            assert_eq!(found, expected, "{address}");
        }
    }

    #[test]
    fn the_service_without_tls_is_asked_for_only_where_http_was_typed() {
        for (address, labels) in [
            ("ann@example.com", vec!["_caldavs._tcp"]),
            ("example.com", vec!["_caldavs._tcp"]),
            ("https://example.com/", vec!["_caldavs._tcp"]),
            ("http://example.com/", vec!["_caldavs._tcp", "_caldav._tcp"]),
        ] {
            let question = places(address, "").unwrap().question.unwrap();
            let found: Vec<_> = question.services.iter().map(|service| service.label).collect();
            assert_eq!(found, labels, "{address}");
        }
    }
}
