//! The DNS records that say where the calendars of a domain are served (RFC 6764 section 3, RFC 2782, RFC 6763 section 6).

use async_trait::async_trait;
use calsync_core::provider::{ErrorKind, ProviderError};
use url::{Host, Url};

use super::discovery::OPERATION;

/// Looks up records. The host may bring its own, such as a phone's resolver or DNS over HTTPS.
///
/// # Behavior
///
/// - The name is absolute, without a dot at its end; no search domain is put behind it.
/// - No such name, or none of these records under it, is an empty list and no error.
/// - An answer or an error comes within seconds: nobody else keeps the time, and a person waits.
/// - Answers need no order and no check; both are done here.
#[async_trait]
pub trait ServiceRecords: Send + Sync {
    /// The SRV records of a name such as `_caldavs._tcp.example.com`.
    ///
    /// # Errors
    ///
    /// [`LookupError`], when it is not known whether there are any. Discovery goes on without them.
    async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>, LookupError>;

    /// The strings of the TXT records of a name, each by itself; what is no UTF-8 is left out.
    ///
    /// # Errors
    ///
    /// As [`ServiceRecords::srv`].
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookupError>;
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvRecord {
    /// The lowest is tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, with or without a dot at its end. `.` alone: the service is not offered.
    pub target: String,
}

/// Why records could not be looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No answer in time.
    #[error("no name server answered in time")]
    Timeout,
    /// No answer that could be used, as the resolver says.
    #[error("{0}")]
    Failed(String),
}

pub(super) const WELL_KNOWN: &str = "/.well-known/caldav";

// How many of an answer's records are read at all, and how many hosts of them are asked: a domain has one or two.
const RECORDS_MAX: usize = 64;
const TARGETS_MAX: usize = 4;
// Longest name (RFC 1035 section 2.3.4), without the dot at its end, and the longest path.
const NAME_MAX: usize = 253;
const PATH_MAX: usize = 1024;

/// A service of a domain.
pub(super) struct Service {
    pub(super) label: &'static str,
    scheme: &'static str,
}

const SERVICES: &[Service] = &[
    Service { label: "_caldavs._tcp", scheme: "https" },
    // Only where `http` was typed: a forged record would otherwise take the password out of TLS.
    Service { label: "_caldav._tcp", scheme: "http" },
];

/// What name servers are asked.
pub(super) struct Question {
    /// The domain, in ASCII, without a dot at its end.
    pub(super) domain: String,
    /// In order: the second only when the first is not there.
    pub(super) services: &'static [Service],
    /// After how many of the other places.
    pub(super) after: usize,
}

/// What name servers said.
#[derive(Default)]
pub(super) struct Found {
    /// Where to ask, in order; all trusted.
    pub(super) urls: Vec<Url>,
    /// The first host the records lead to that is not trusted.
    foreign: Option<String>,
    /// Why there is no answer.
    pub(super) failed: Option<LookupError>,
}

impl Found {
    /// The error of a domain whose records lead to other sites and nowhere else.
    pub(super) fn foreign_only(&self, domain: &str) -> Option<ProviderError> {
        let host = self.foreign.as_deref().filter(|_| self.urls.is_empty())?;
        let detail = format!(
            "the DNS records of {domain} lead to another site ({host}): give that host as the address, or add it to the trusted hosts"
        );
        Some(ProviderError::new(ErrorKind::Blocked, OPERATION, detail))
    }
}

impl Question {
    /// The question about the host of a URL. `None` for addresses and for names that no name server knows.
    pub(super) fn about(root: &Url, after: usize) -> Option<Self> {
        let Some(Host::Domain(name)) = root.host() else { return None };
        let domain = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        // Of multicast DNS (RFC 6762) and of the machine itself (RFC 6761).
        let is_elsewhere = [".local", ".localhost"].iter().any(|suffix| domain.ends_with(suffix));
        let services = if root.scheme() == "http" { SERVICES } else { SERVICES.get(..1)? };
        (is_host_name(&domain) && !is_elsewhere).then_some(Self { domain, services, after })
    }

    /// Asks. A failure is part of what was found.
    pub(super) async fn answer(
        &self,
        source: &dyn ServiceRecords,
        is_trusted: impl Fn(&Url) -> bool + Send,
    ) -> Found {
        let mut found = Found::default();
        for service in self.services {
            let name = format!("{}.{}", service.label, self.domain);
            let targets = match source.srv(&name).await {
                Ok(records) => targets(records),
                Err(error) => {
                    found.failed.get_or_insert(error);
                    continue;
                }
            };
            let mut roots = Vec::new();
            for (host, port) in targets {
                let Ok(root) = Url::parse(&format!("{}://{host}:{port}/", service.scheme)) else { continue };
                if is_trusted(&root) {
                    roots.push(root);
                } else {
                    found.foreign.get_or_insert(host);
                }
            }
            if !roots.is_empty() {
                // Without the path there is still the well-known address.
                let path = path(&source.txt(&name).await.unwrap_or_default());
                found.urls = roots.iter().flat_map(|root| places(root, path.as_deref())).collect();
                break;
            }
        }
        found
    }
}

/// The hosts of an answer and their ports, in the order they are to be tried.
///
/// RFC 2782 wants those of one priority drawn by their weights, so that many clients spread. Here the heaviest comes first:
/// an account is discovered once and keeps what was found, and drawn anew it would get hrefs on another host, which are
/// other calendars to whoever keeps them.
fn targets(mut records: Vec<SrvRecord>) -> Vec<(String, u16)> {
    records.truncate(RECORDS_MAX);
    records.sort_by(|a, b| {
        (a.priority, b.weight, &a.target, a.port).cmp(&(b.priority, a.weight, &b.target, b.port))
    });
    let mut targets = Vec::new();
    for record in records {
        let host = record.target.strip_suffix('.').unwrap_or(&record.target).to_ascii_lowercase();
        let target = (host, record.port);
        // "." leaves an empty name, which is none.
        if target.1 != 0 && is_host_name(&target.0) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets.truncate(TARGETS_MAX);
    targets
}

/// Whether a name is one a host of the internet can have, in ASCII, with a dot in it, and nothing that reads as an address.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= NAME_MAX
        && name.contains('.')
        && name.split('.').all(is_label)
        && matches!(Host::parse(name), Ok(Host::Domain(_)))
}

/// Where the service says it is (RFC 6764 section 4): the first `path` that is an absolute one.
fn path(strings: &[String]) -> Option<String> {
    let value = |text: &String| {
        let (key, value) = text.split_once('=')?;
        let is_path = value.starts_with('/')
            && !value.starts_with("//")
            && value.len() <= PATH_MAX
            && value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\?#".contains(&byte));
        (key.eq_ignore_ascii_case("path") && is_path).then(|| value.to_owned())
    };
    strings.iter().take(RECORDS_MAX).find_map(value)
}

/// The places of one host (RFC 6764 section 6): what the records say, then the usual ones.
fn places(root: &Url, path: Option<&str>) -> Vec<Url> {
    let mut urls: Vec<Url> = Vec::new();
    for path in path.into_iter().chain([WELL_KNOWN, "/"]) {
        let mut url = root.clone();
        url.set_path(path);
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, port: u16, target: &str) -> SrvRecord {
        SrvRecord { priority, weight, port, target: target.to_owned() }
    }

    #[test]
    fn which_hosts_are_tried_and_in_which_order() {
        let long = format!("{}.example.com", "a".repeat(64));
        let longest = format!("{}example.com", "abcdefgh.".repeat(30));
        for (name, records, expected) in [
            ("none", vec![], vec![]),
            ("one", vec![record(0, 1, 443, "dav.example.com.")], vec!["dav.example.com:443"]),
            (
                "without the dot, in capitals",
                vec![record(0, 0, 1, "DAV.Example.COM")],
                vec!["dav.example.com:1"],
            ),
            (
                "the lowest priority, then the highest weight, then the name",
                vec![
                    record(20, 100, 4, "d.example.com."),
                    record(10, 5, 3, "c.example.com."),
                    record(10, 60, 2, "b.example.com."),
                    record(10, 60, 1, "a.example.com."),
                ],
                vec!["a.example.com:1", "b.example.com:2", "c.example.com:3", "d.example.com:4"],
            ),
            ("not offered", vec![record(0, 0, 0, ".")], vec![]),
            ("not offered, whatever the port", vec![record(0, 0, 443, ".")], vec![]),
            ("no port", vec![record(0, 0, 0, "dav.example.com.")], vec![]),
            (
                "twice the same",
                vec![record(0, 0, 443, "dav.example.com."), record(1, 0, 443, "DAV.example.com")],
                vec!["dav.example.com:443"],
            ),
            (
                "two ports of a host",
                vec![record(0, 0, 443, "dav.example.com."), record(1, 0, 8443, "dav.example.com.")],
                vec!["dav.example.com:443", "dav.example.com:8443"],
            ),
            (
                "too many",
                (1..=200).map(|port| record(port, 0, port, "dav.example.com.")).collect(),
                vec!["dav.example.com:1", "dav.example.com:2", "dav.example.com:3", "dav.example.com:4"],
            ),
            (
                "names no host has",
                [
                    "",
                    "..",
                    "a..example.com",
                    "-a.example.com",
                    "a-.example.com",
                    "a b.example.com",
                    "a/b.example.com",
                    "user@example.com",
                    "a.example.com:80",
                    "a_b.example.com",
                    "bücher.example",
                    "a.example.com\0",
                    "nas",
                    &long,
                    &longest,
                ]
                .map(|target| record(0, 0, 443, target))
                .into(),
                vec![],
            ),
            (
                "attack: addresses in place of a name",
                ["127.0.0.1", "127.1", "0x7f.1", "[::1]", "::1", "169.254.169.254."]
                    .map(|target| record(0, 0, 443, target))
                    .into(),
                vec![],
            ),
        ] {
            let found: Vec<String> =
                targets(records).into_iter().map(|(host, port)| format!("{host}:{port}")).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_a_txt_record_says_of_the_path() {
        let long = format!("path=/{}", "a".repeat(PATH_MAX));
        for (strings, expected) in [
            (vec![], None),
            (vec!["path=/dav/"], Some("/dav/")),
            (vec!["PATH=/dav"], Some("/dav")),
            (vec!["txtvers=1", "path=/a=b/", "path=/c/"], Some("/a=b/")),
            (vec!["path=/"], Some("/")),
            (vec!["path="], None),
            (vec!["path"], None),
            (vec!["xpath=/dav/"], None),
            (vec!["path=dav/", "path=/dav/"], Some("/dav/")),
            (vec!["path=//evil.example.org/"], None),
            (vec!["path=https://evil.example.org/"], None),
            (vec!["path=/\\evil.example.org/"], None),
            (vec!["path=/a?b"], None),
            (vec!["path=/a#b"], None),
            (vec!["path=/a b"], None),
            (vec!["path=/a\r\nX-Y: z"], None),
            (vec!["path=/ä"], None),
            (vec![long.as_str()], None),
        ] {
            let strings: Vec<String> = strings.into_iter().map(str::to_owned).collect();
            assert_eq!(path(&strings).as_deref(), expected, "{strings:?}");
        }
    }

    #[test]
    fn a_path_never_leaves_the_host() {
        let root = Url::parse("https://dav.example.com:8443/").unwrap();
        for (path, first) in [
            (Some("/dav/"), "https://dav.example.com:8443/dav/"),
            (Some("/../../x/"), "https://dav.example.com:8443/x/"),
            (Some("/@evil.example.org/"), "https://dav.example.com:8443/@evil.example.org/"),
            (Some("/"), "https://dav.example.com:8443/"),
            (None, "https://dav.example.com:8443/.well-known/caldav"),
        ] {
            let urls = places(&root, path);
            assert_eq!(urls[0].as_str(), first);
            assert!(urls.iter().all(|url| url.origin() == root.origin()));
            assert!(
                urls.iter().any(|url| url.path() == WELL_KNOWN) && urls.iter().any(|url| url.path() == "/")
            );
        }
    }
}
