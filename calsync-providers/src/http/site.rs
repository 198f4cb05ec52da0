//! Whether two hosts belong to the same owner.

use url::{Host, Url};

// Names under which strangers get hosts. The public suffix list has thousands; these are those under which calendars
// and their attackers are met. What is missing is covered by the rule for country domains below, or errs by refusing
// nothing that was typed by the user: only a redirect between two hosts of one unlisted shared domain passes.
const SHARED: &[&str] = &[
    "amazonaws.com",
    "appspot.com",
    "azurewebsites.net",
    "blogspot.com",
    "cloudapp.azure.com",
    "cloudapp.net",
    "cloudfront.net",
    "ddns.net",
    "dedyn.io",
    "deno.dev",
    "duckdns.org",
    "dyndns.org",
    "dynu.net",
    "firebaseapp.com",
    "fly.dev",
    "freeddns.org",
    "github.io",
    "gitlab.io",
    "glitch.me",
    "herokuapp.com",
    "hopto.org",
    "myds.me",
    "myfritz.net",
    "myqnapcloud.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.app",
    "ngrok.io",
    "no-ip.org",
    "nsupdate.info",
    "onrender.com",
    "pages.dev",
    "r2.dev",
    "railway.app",
    "render.com",
    "replit.app",
    "run.app",
    "selfhost.eu",
    "spdns.de",
    "surge.sh",
    "synology.me",
    "trycloudflare.com",
    "ts.net",
    "vercel.app",
    "web.app",
    "windows.net",
    "workers.dev",
    "zapto.org",
];

/// Whether credentials for one URL may be sent to the other: the same host, or hosts under one registrable domain
/// (`caldav.icloud.com` and `p42-caldav.icloud.com`). Errs towards "no".
///
/// Addresses, and hosts under suffixes where anybody can get a name, are only ever the same as themselves.
pub fn same_site(a: &Url, b: &Url) -> bool {
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
    let labels: Vec<&str> = host.split('.').collect();
    let [.., second, top] = labels.as_slice() else { return None };
    // co.uk, com.au, gov.pl, ...: below a country's domain a short or generic label is a suffix itself.
    let country = top.len() == 2 && (second.len() <= 3 || ["info", "gouv", "asso"].contains(second));
    let count = if country { 3 } else { 2 };
    if labels.len() < count {
        return None;
    }
    let length = labels[labels.len() - count..].iter().map(|label| label.len() + 1).sum::<usize>() - 1;
    host.get(host.len() - length..)
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
            ("https://10.0.0.1/", "https://10.0.0.1:99/", true),
            ("https://10.0.0.1/", "https://11.0.0.1/", false),
            ("https://localhost/", "https://other/", false),
            ("https://com/", "https://example.com/", false),
        ] {
            let (a, b) = (Url::parse(a).unwrap(), Url::parse(b).unwrap());
            assert_eq!(same_site(&a, &b), together, "{a} {b}");
            assert_eq!(same_site(&b, &a), together, "{b} {a}");
        }
    }
}
