//! Paths: what a request path names, and how a href is spelled.

use super::state::{Home, State};
use super::switch::{CollectionSlash, HrefEncoding, HrefForm};

/// The path everything lies below.
pub(super) const CONTEXT: &str = "/dav/";

/// What a path names. Calendars and objects need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    WellKnown,
    /// `/` or the context path.
    Context,
    Principal,
    Home(Home),
    Calendar {
        home: Home,
        calendar: String,
    },
    Object {
        home: Home,
        calendar: String,
        name: String,
    },
    Unknown,
}

/// Reads a path or an absolute URL. Encodings that mean the same are the same (RFC 3986, 6.2.2).
pub(super) fn target(user: &str, prefix: &str, reference: &str) -> Target {
    let path = path_of(reference);
    let path = path.strip_prefix(prefix).unwrap_or(path);
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [".well-known", "caldav"] => Target::WellKnown,
        [] | ["dav"] => Target::Context,
        ["dav", "principals", name] if *name == user => Target::Principal,
        ["dav", place @ ("calendars" | "shared"), name, rest @ ..] if *name == user => {
            let home = if *place == "calendars" { Home::Own } else { Home::Shared };
            match rest {
                [] => Target::Home(home),
                [calendar] => Target::Calendar { home, calendar: (*calendar).to_owned() },
                [calendar, name] => {
                    Target::Object { home, calendar: (*calendar).to_owned(), name: (*name).to_owned() }
                }
                _ => Target::Unknown,
            }
        }
        _ => Target::Unknown,
    }
}

/// The path of a URL or path, without query and fragment.
pub(super) fn path_of(reference: &str) -> &str {
    let path = match reference.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => reference,
    };
    path.split(['?', '#']).next().unwrap_or(path)
}

/// Percent-decodes one segment; what is no escape stays.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn encode(segment: &str, encoding: HrefEncoding, out: &mut String) {
    for byte in segment.bytes() {
        let character = char::from(byte);
        let unreserved = character.is_ascii_alphanumeric()
            || matches!(character, '-' | '.' | '_')
            || (character == '~' && encoding != HrefEncoding::Eager);
        let allowed = encoding == HrefEncoding::Standard
            && matches!(
                character,
                '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '=' | ':' | '@'
            );
        if unreserved || allowed {
            out.push(character);
        } else if encoding == HrefEncoding::Lower {
            out.push_str(&format!("%{byte:02x}"));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

impl State {
    /// What a request path or an href names.
    pub(super) fn target(&self, reference: &str) -> Target {
        let prefix = self.quirks.redirect.as_ref().map_or("", |redirect| redirect.path_prefix.as_str());
        target(&self.user, prefix, reference)
    }

    pub(super) fn context_href(&self) -> String {
        self.collection_href(&["dav"])
    }

    pub(super) fn principal_href(&self) -> String {
        self.collection_href(&["dav", "principals", &self.user])
    }

    pub(super) fn home_href(&self, home: Home) -> String {
        self.collection_href(&["dav", place(home), &self.user])
    }

    /// A calendar or another collection in a home.
    pub(super) fn calendar_href(&self, home: Home, name: &str) -> String {
        self.collection_href(&["dav", place(home), &self.user, name])
    }

    /// A file directly in a home.
    pub(super) fn file_href(&self, home: Home, name: &str) -> String {
        self.absolute(&["dav", place(home), &self.user, name])
    }

    pub(super) fn object_href(&self, home: Home, calendar: &str, name: &str) -> String {
        match self.quirks.href_form {
            HrefForm::Name => {
                let mut out = String::new();
                encode(name, self.quirks.href_encoding, &mut out);
                out
            }
            _ => self.absolute(&["dav", place(home), &self.user, calendar, name]),
        }
    }

    fn collection_href(&self, segments: &[&str]) -> String {
        let mut href = self.absolute(segments);
        if self.quirks.collection_slash == CollectionSlash::Present {
            href.push('/');
        }
        href
    }

    fn absolute(&self, segments: &[&str]) -> String {
        let mut out = match self.quirks.href_form {
            HrefForm::Url => self.base.clone(),
            HrefForm::Path | HrefForm::Name => String::new(),
        };
        for segment in segments {
            out.push('/');
            encode(segment, self.quirks.href_encoding, &mut out);
        }
        out
    }
}

fn place(home: Home) -> &'static str {
    match home {
        Home::Own => "calendars",
        Home::Shared => "shared",
    }
}
