//! Whether two hosts belong to the same owner.

use url::{Host, Url};

#[cfg(not(feature = "psl"))]
use super::suffix;

// Names under which strangers get hosts and that are no public suffixes.
const SHARED: &[&str] = &[
    "amazonaws.com",
    "cloudapp.azure.com",
    "glitch.me",
    "railway.app",
    "render.com",
    "run.app",
    "selfhost.eu",
    "windows.net",
];

/// Whether credentials for one URL may be sent to the other: the same host, or hosts under one registrable domain
/// (`caldav.icloud.com` and `p42-caldav.icloud.com`). Errs towards "no".
///
/// Addresses, and hosts under suffixes where anybody can get a name, are only ever the same as themselves. Behind the ports
/// of an address or of a name without a dot are often services of several owners (containers, programs of several users),
/// so there the port has to be the same, too; from the usual port of http to that of https is no other one. The suffixes
/// are those of the public suffix list, private ones included, as of the version of the crate `psl`, and some more. Without
/// the feature `psl` they are those of a table made from that crate for this version of calsync.
pub fn same_site(a: &Url, b: &Url) -> bool {
    let is_shared = match a.host() {
        Some(Host::Domain(name)) => !trim(name).contains('.'),
        _ => true,
    };
    same_host_or_domain(a, b) && (!is_shared || same_service(a, b))
}

/// Whether two URLs name one port, or the usual ports of http and https.
pub(crate) fn same_service(a: &Url, b: &Url) -> bool {
    let usual = |url: &Url| url.port().is_none() && matches!(url.scheme(), "http" | "https");
    a.port_or_known_default() == b.port_or_known_default() || usual(a) && usual(b)
}

/// [`same_site`] whatever the ports: servers behind a proxy do not know by which port they are reached.
pub(crate) fn same_host_or_domain(a: &Url, b: &Url) -> bool {
    match (a.host(), b.host()) {
        (Some(Host::Domain(a)), Some(Host::Domain(b))) => {
            let (a, b) = (trim(a), trim(b));
            a.eq_ignore_ascii_case(b)
                || registrable(a).zip(registrable(b)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
        }
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn trim(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn registrable(host: &str) -> Option<&str> {
    let lower = host.to_ascii_lowercase();
    if SHARED.iter().any(|suffix| lower == *suffix || lower.ends_with(&format!(".{suffix}"))) {
        return None;
    }
    #[cfg(feature = "psl")]
    let length = psl::domain(lower.as_bytes())?.as_bytes().len();
    #[cfg(not(feature = "psl"))]
    let length = suffix::domain(&lower)?.len();
    host.get(host.len().checked_sub(length)?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priv_06_which_hosts_belong_together() {
        for (a, b, together) in [
            ("https://caldav.icloud.com/", "https://p42-caldav.icloud.com:443/1/", true),
            ("https://example.com/", "https://EXAMPLE.com:8443/x", true),
            ("https://dav.example.com/", "https://example.com/", true),
            ("https://example.com/", "https://example.org/", false),
            ("https://example.com/", "https://example.com.evil.org/", false),
            ("https://example.com/", "https://badexample.com/", false),
            ("https://victim.workers.dev/", "https://evil.workers.dev/", false),
            ("https://victim.workers.dev/", "https://victim.workers.dev/x", true),
            ("https://a.co.uk/", "https://b.co.uk/", false),
            ("https://dav.a.co.uk/", "https://www.a.co.uk/", true),
            ("https://a.com.au/", "https://b.com.au/", false),
            ("https://10.0.0.1/", "https://10.0.0.1:99/", false),
            ("https://10.0.0.1:99/", "https://10.0.0.1:99/x", true),
            ("http://10.0.0.1/", "https://10.0.0.1/", true),
            ("http://10.0.0.1:5000/", "https://10.0.0.1:5001/", false),
            ("http://[::1]:1/", "http://[::1]:2/", false),
            ("http://localhost:5232/", "http://localhost:8080/", false),
            ("http://nas.:5232/", "http://nas:5232/", true),
            ("http://nas.local:5232/", "http://nas.local:8080/", true),
            ("https://10.0.0.1/", "https://11.0.0.1/", false),
            ("https://localhost/", "https://other/", false),
            ("https://com/", "https://example.com/", false),
            // A city's domain, a hoster with names below names, a home router, a shared domain the list does not have.
            ("https://a.kawasaki.jp/", "https://b.kawasaki.jp/", false),
            ("https://x.a.nom.br/", "https://x.b.nom.br/", false),
            ("https://a.s3.eu-central-1.amazonaws.com/", "https://b.s3.eu-central-1.amazonaws.com/", false),
            ("https://ann.myfritz.net/", "https://bob.myfritz.net/", false),
            ("https://ann.selfhost.eu/", "https://bob.selfhost.eu/", false),
            // A short name below a country is a name.
            ("https://caldav.gmx.de/", "https://www.gmx.de/", true),
            ("https://dav.web.de/", "https://web.de/", true),
            ("https://a.ik.me/", "https://b.ik.me/", true),
            ("https://dav.home.example/", "https://www.home.example/", true),
            ("https://dav.example.com./", "https://www.example.com/", true),
        ] {
            let (a, b) = (Url::parse(a).unwrap(), Url::parse(b).unwrap());
            assert_eq!(same_site(&a, &b), together, "{a} {b}");
            assert_eq!(same_site(&b, &a), together, "{b} {a}");
        }
    }
}
