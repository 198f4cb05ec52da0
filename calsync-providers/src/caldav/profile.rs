//! What is known of a server, as data: told by its signatures, adapted to where asking would cost more than knowing.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::http::HttpResponse;

/// The software behind an account, as far as it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerKind {
    /// Not recognised: the careful way everywhere.
    #[default]
    Unknown,
    /// Radicale.
    Radicale,
    /// Xandikos.
    Xandikos,
    /// sabre/dav: Nextcloud, ownCloud, Baikal.
    Sabre,
    /// Cyrus: Fastmail.
    Cyrus,
    /// DAViCal.
    Davical,
    /// SOGo.
    Sogo,
    /// Apple's iCloud.
    Icloud,
}

impl ServerKind {
    /// Tells the server from an answer of it; `None` when the answer has no sign.
    pub(crate) fn detect(url: &Url, response: &HttpResponse) -> Option<Self> {
        let host = url.host_str().unwrap_or_default();
        if host.ends_with(".icloud.com") || header_has(&response.headers, "server", "AppleHttpServer") {
            return Some(Self::Icloud);
        }
        if response.headers.contains_key("x-sabre-version") || url.path().contains("/remote.php/dav") {
            return Some(Self::Sabre);
        }
        if response.headers.contains_key("x-davical-version") {
            return Some(Self::Davical);
        }
        if header_has(&response.headers, "server", "Cyrus-HTTP") {
            return Some(Self::Cyrus);
        }
        if url.path().contains("/SOGo/dav") {
            return Some(Self::Sogo);
        }
        if header_has(&response.headers, "server", "Radicale") {
            return Some(Self::Radicale);
        }
        None
    }

    /// Tells the server from a sync token.
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let is_hash = token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if token.starts_with("http://sabre.io/ns/sync/") {
            Some(Self::Sabre)
        } else if token.starts_with("http://radicale.org/ns/sync/") {
            Some(Self::Radicale)
        } else if is_hash {
            Some(Self::Xandikos)
        } else {
            None
        }
    }

    /// How it is dealt with otherwise than by the book, in words that stay: for a person who wants to know why.
    ///
    /// - `delete-looks-first`: the version is looked up before each deletion, since a condition on it may not hold.
    /// - `bare-conflict-is-uid`: an unexplained 409 is read as a UID that is taken.
    /// - `named-by-uid`: resources are named after their UID.
    pub fn quirks(self) -> Vec<&'static str> {
        let all = [
            (!self.honours_if_match_on_delete(), "delete-looks-first"),
            (self.bare_conflict_is_uid(), "bare-conflict-is-uid"),
            (self.names_by_uid(), "named-by-uid"),
        ];
        all.into_iter().filter_map(|(has, word)| has.then_some(word)).collect()
    }

    /// `If-Match` on DELETE is known to hold. Elsewhere the version is looked up first: on SOGo the header does
    /// nothing, and the event of somebody else would be gone.
    pub(crate) fn honours_if_match_on_delete(self) -> bool {
        matches!(self, Self::Radicale | Self::Xandikos | Self::Sabre | Self::Cyrus | Self::Davical)
    }

    /// A bare 409 to a PUT means that the UID is taken, not that the server is busy.
    pub(crate) fn bare_conflict_is_uid(self) -> bool {
        self == Self::Sogo
    }

    /// Resources are named after their UID, and clients are expected to do the same.
    pub(crate) fn names_by_uid(self) -> bool {
        self == Self::Icloud
    }
}

fn header_has(headers: &HeaderMap, name: &str, text: &str) -> bool {
    headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_otherwise_is_named() {
        #[rustfmt::skip]
        let table: [(ServerKind, &[&str]); 8] = [
            (ServerKind::Unknown,  &["delete-looks-first"]),
            (ServerKind::Radicale, &[]),
            (ServerKind::Xandikos, &[]),
            (ServerKind::Sabre,    &[]),
            (ServerKind::Cyrus,    &[]),
            (ServerKind::Davical,  &[]),
            (ServerKind::Sogo,     &["delete-looks-first", "bare-conflict-is-uid"]),
            (ServerKind::Icloud,   &["delete-looks-first", "named-by-uid"]),
        ];
        for (server, expected) in table {
            assert_eq!(server.quirks(), expected, "{server:?}");
        }
    }
}
