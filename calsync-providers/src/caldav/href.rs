//! Names of collections and resources: what is sent, and what is compared.
//!
//! Servers spell one name in several ways (`+`, `%2B`, `%2b`; `@`, `%40`; path or URL; with or without the slash of a
//! collection), and some spell it one way today and another way tomorrow. An id has one form whatever the spelling; what is
//! sent stays as the server spelled it ([`Resource::spelled`]).

use calsync_core::model::{RemoteCalendarId, RemoteId};
use url::Url;

use crate::http::same_host_or_domain;

/// Whether two calendar ids name one collection, whatever their spelling. For refusing a link of a calendar with
/// itself.
pub fn same_calendar(a: &RemoteCalendarId, b: &RemoteCalendarId) -> bool {
    match (Url::parse(a.as_str()), Url::parse(b.as_str())) {
        (Ok(a), Ok(b)) => {
            a.host() == b.host()
                && a.port_or_known_default() == b.port_or_known_default()
                && path_key(a.path()) == path_key(b.path())
        }
        _ => a == b,
    }
}

/// One name for all spellings of a calendar's URL.
pub(crate) fn place(calendar: &RemoteCalendarId) -> Option<String> {
    let url = Url::parse(calendar.as_str()).ok()?;
    let (host, port) = (url.host()?, url.port_or_known_default()?);
    Some(format!("caldav {host}:{port} {}", String::from_utf8_lossy(&path_key(url.path()))))
}

/// The URL of a collection as it is used for an id: no user, query or fragment, and a slash at the end.
pub(crate) fn collection_url(mut url: Url) -> Url {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    let path = format!("{}/", tidy(url.path()).trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Resolves an href against the URL that gave it. `None` when it leads to another site or is no http URL: nothing a
/// server says makes us ask somebody else. The port is not looked at: a server behind a proxy names its own. What is asked
/// by another port of an address is asked without credentials.
pub(crate) fn resolve(base: &Url, href: &str) -> Option<Url> {
    let mut url = base.join(href.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !same_host_or_domain(base, &url) {
        return None;
    }
    // A server behind a proxy that ends TLS does not know that it is https.
    if base.scheme() == "https" && url.scheme() == "http" {
        if base.host() != url.host() {
            return None;
        }
        let _ = url.set_scheme("https");
        let _ = url.set_port(base.port());
    }
    Some(url)
}

/// A resource listed in a collection.
pub(crate) struct Resource {
    /// Its path with everything encoded but letters, digits and `-._~`, below the collection as its own id spells it.
    pub(crate) id: RemoteId,
    /// The same as the server spelled it.
    pub(crate) spelled: String,
}

/// The id of a resource: see [`resource`].
pub(crate) fn resource_id(collection: &Url, base: &Url, href: &str) -> Option<RemoteId> {
    resource(collection, base, href).map(|resource| resource.id)
}

/// What an href in an answer names. `None` for the collection itself, for collections below it, and for other sites.
pub(crate) fn resource(collection: &Url, base: &Url, href: &str) -> Option<Resource> {
    // A bare name is below the collection even when the answer came from its URL without the slash.
    let base = if href.contains('/') { base } else { collection };
    let url = resolve(base, href)?;
    let (path, prefix) = (url.path(), path_key(collection.path()));
    let key = path_key(path);
    if key == prefix || path.ends_with('/') {
        return None;
    }
    // Another host of the same site (a partition) has the same resources, as far as there is only one path.
    if let Some(below) = below(collection, path, &prefix) {
        return Some(below);
    }
    if url.host() == collection.host() {
        return Some(Resource { id: RemoteId::from(normal(path)), spelled: path.to_owned() });
    }
    let mut normal_url = url.clone();
    normal_url.set_path(&normal(path));
    Some(Resource { id: RemoteId::from(String::from(normal_url)), spelled: String::from(url) })
}

fn below(collection: &Url, path: &str, prefix: &[u8]) -> Option<Resource> {
    let (parent, name) = path.rsplit_once('/')?;
    (path_key(parent) == prefix).then(|| Resource {
        id: RemoteId::from(format!("{}{}", collection.path(), normal(name))),
        spelled: format!("{}{name}", collection.path()),
    })
}

/// Whether an href in an answer names the collection it was asked of.
pub(crate) fn is_collection(collection: &Url, base: &Url, href: &str) -> bool {
    resolve(base, href).is_some_and(|url| path_key(url.path()) == path_key(collection.path()))
}

/// What two spellings of one path have in common: decoded bytes without a final slash. An encoded slash stays
/// encoded: it is no separator.
pub(crate) fn path_key(path: &str) -> Vec<u8> {
    let bytes = path.strip_suffix('/').unwrap_or(path).as_bytes();
    let mut key = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        match hex(rest) {
            Some(b'/') => {
                key.extend_from_slice(b"%2F");
                rest = &rest[3..];
            }
            Some(byte) => {
                key.push(byte);
                rest = &rest[3..];
            }
            None => {
                key.push(*first);
                rest = tail;
            }
        }
    }
    key
}

/// The one form of a path, whatever its spelling: everything is encoded but letters, digits, `-._~` and the separators.
fn normal(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = match hex(rest) {
            Some(byte) => {
                rest = &rest[3..];
                byte
            }
            None => {
                rest = tail;
                if *first == b'/' {
                    normal.push('/');
                    continue;
                }
                *first
            }
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push_str(&format!("%{byte:02X}"));
        }
    }
    normal
}

/// Spells a path the way RFC 3986 section 6.2.2 has it: upper-case hex, nothing encoded that need not be. Every
/// server has to take both for the same.
fn tidy(path: &str) -> String {
    let mut tidied = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(position) = rest.find('%') {
        tidied.push_str(&rest[..position]);
        rest = &rest[position..];
        match hex(rest.as_bytes()) {
            Some(byte) => {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    tidied.push(char::from(byte));
                } else {
                    tidied.push_str(&format!("%{byte:02X}"));
                }
                rest = &rest[3..];
            }
            None => {
                tidied.push('%');
                rest = &rest[1..];
            }
        }
    }
    tidied.push_str(rest);
    tidied
}

fn hex(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// A resource name that every server takes: `[A-Za-z0-9_-]` and `.ics`, at most 100 characters. `None` when the text
/// is not of that kind.
pub(crate) fn safe_name(stem: &str) -> Option<String> {
    let safe = (1..=100).contains(&stem.len())
        && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    safe.then(|| format!("{stem}.ics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn one_resource_has_one_id_however_it_is_spelled() {
        let collection = url("https://dav.example.com/cal/ann%40example.com/work/");
        let id = "/cal/ann%40example.com/work/a%2Bb.ics";
        for href in [
            "/cal/ann%40example.com/work/a%2Bb.ics",
            "/cal/ann@example.com/work/a%2bb.ics",
            "https://dav.example.com/cal/ann%40example.com/work/a%2Bb.ics",
            "https://dav.example.com:443/cal/%61nn@example.com/work/%61%2Bb.ics",
            "http://dav.example.com/cal/ann@example.com/work/a%2Bb.ics",
            "https://p42-dav.example.com/cal/ann@example.com/work/a%2Bb.ics",
            "a%2Bb.ics",
            " /cal/ann%40example.com/work/a%2Bb.ics\n",
        ] {
            assert_eq!(resource_id(&collection, &collection, href), Some(RemoteId::from(id)), "{href}");
        }
    }

    #[test]
    fn an_id_has_one_form_and_the_spelling_of_the_server_is_kept() {
        let collection = url("https://dav.example.com/cal/ann%40x/work/");
        for (names, id) in [
            (&["a@b.ics", "a%40b.ics"][..], "a%40b.ics"),
            (&["x%2fy.ics", "x%2Fy.ics"], "x%2Fy.ics"),
            (&["a+b!.ics", "a%2Bb%21.ics", "a%2bb!.ics"], "a%2Bb%21.ics"),
            (&["%e4%B8%AD.ics", "\u{4e2d}.ics"], "%E4%B8%AD.ics"),
            (&["100%.ics", "100%25.ics"], "100%25.ics"),
            (&["a b.ics", "a%20b.ics"], "a%20b.ics"),
        ] {
            for name in names {
                let found = resource(&collection, &collection, &format!("/cal/ann@x/work/{name}")).unwrap();
                assert_eq!(found.id.as_str(), format!("/cal/ann%40x/work/{id}"), "{name}");
                let sent = collection.join(&found.spelled).unwrap();
                assert_eq!(sent, collection.join(name).unwrap());
            }
        }
        // An encoded slash is part of the name: another item than one further below.
        let deeper = resource(&collection, &collection, "/cal/ann@x/work/x/y.ics").unwrap();
        assert_eq!(deeper.id.as_str(), "/cal/ann%40x/work/x/y.ics");
    }

    #[test]
    fn the_collection_itself_and_other_sites_are_no_resources() {
        let collection = url("https://dav.example.com/cal/work/");
        for href in [
            "/cal/work",
            "/cal/work/",
            "https://dav.example.com/cal/work",
            "/cal/work/sub/",
            "https://evil.org/cal/work/a.ics",
            "//evil.org/cal/work/a.ics",
            "javascript:alert(1)",
            "file:///cal/work/a.ics",
        ] {
            assert_eq!(resource_id(&collection, &collection, href), None, "{href}");
        }
        assert!(is_collection(&collection, &collection, "/cal/work"));
        // Stored elsewhere under its own name: still reachable.
        assert_eq!(
            resource_id(&collection, &collection, "/other/a.ics"),
            Some(RemoteId::from("/other/a.ics"))
        );
    }

    #[test]
    fn loop_15_one_calendar_under_several_spellings() {
        let id = |text: &str| RemoteCalendarId::from(text);
        let work = id("https://dav.example.com/c/ann%40x/work/");
        for same in [
            "https://dav.example.com/c/ann@x/work",
            "https://DAV.example.com:443/c/%61nn%40x/work/",
            "https://dav.example.com/c/./ann@x/work/",
        ] {
            assert!(same_calendar(&work, &id(same)), "{same}");
            assert_eq!(place(&work), place(&id(same)), "{same}");
        }
        for other in ["https://dav.example.com/c/ann@x/home/", "https://other.example.com/c/ann@x/work/"] {
            assert!(!same_calendar(&work, &id(other)), "{other}");
            assert_ne!(place(&work), place(&id(other)), "{other}");
        }
    }

    #[test]
    fn attack_17_names_are_safe_or_not_used() {
        assert_eq!(safe_name("0f3A-_9").as_deref(), Some("0f3A-_9.ics"));
        let long = "a".repeat(101);
        for hostile in ["", "../x", "a/b", "a%2Fb", "a?b", "a#b", "a\0b", "ä", "a b", "a.b", "a@b", &long] {
            assert_eq!(safe_name(hostile), None, "{hostile}");
        }
    }

    #[test]
    fn an_encoded_slash_is_no_separator() {
        assert_ne!(path_key("/a%2Fb"), path_key("/a/b"));
        assert_eq!(path_key("/a%2fb"), path_key("/a%2Fb/"));
        assert_eq!(path_key("/100%/x%"), b"/100%/x%");
    }
}
