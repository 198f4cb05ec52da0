//! Redirects, decided hop by hop.

use http::{Method, StatusCode};
use url::Url;

use super::{HttpError, HttpErrorKind, same_site};

/// Where redirects may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedirectPolicy {
    /// Only within the site the request started at: a server that holds somebody's calendar.
    #[default]
    SameSite,
    /// Anywhere public: a feed that moved to a content network. Credentials stay behind.
    AnySite,
}

/// The most hops of one request.
pub(crate) const HOPS_MAX: usize = 5;

/// The next hop: where, and with which method.
pub(crate) fn follow(
    policy: RedirectPolicy,
    method: &Method,
    from: &Url,
    status: StatusCode,
    location: Option<&str>,
) -> Result<(Method, Url), HttpError> {
    let refuse = |detail: &str| HttpError::not_sent(HttpErrorKind::Redirect, detail);
    let location = location.ok_or_else(|| refuse("a redirect without a location"))?;
    let mut to = from.join(location.trim()).map_err(|_| refuse("a redirect to something that is no URL"))?;
    let method = match status {
        // "See other" answers with something else than what was asked for: a PROPFIND or a PUT must not become a GET.
        StatusCode::SEE_OTHER if *method != Method::GET && *method != Method::HEAD => {
            return Err(refuse("a redirect that would turn the request into a GET"));
        }
        _ => method.clone(),
    };
    match (from.scheme(), to.scheme()) {
        ("https" | "http", "https") | ("http", "http") => {}
        ("https", "http") => return Err(HttpError::blocked("a redirect from https to http")),
        _ => return Err(HttpError::blocked("a redirect to another scheme")),
    }
    if policy == RedirectPolicy::SameSite && !same_site(from, &to) {
        let host = to.host_str().unwrap_or_default();
        return Err(HttpError::blocked(match to.port_or_known_default() {
            Some(port) if from.host() == to.host() => {
                format!(
                    "redirected to another port ({port}), which may be somebody else's: give that address, if it is not"
                )
            }
            _ => format!("redirected to another site ({host})"),
        }));
    }
    // What a server puts before the host are not credentials of ours.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    to.set_fragment(None);
    Ok((method, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_checked_one_by_one() {
        let dav = "PROPFIND";
        for (policy, method, status, location, expected) in [
            (RedirectPolicy::SameSite, dav, 301, Some("/dav.php/"), Ok("https://a.example.com/dav.php/")),
            (
                RedirectPolicy::SameSite,
                dav,
                308,
                Some("https://b.example.com/x"),
                Ok("https://b.example.com/x"),
            ),
            (
                RedirectPolicy::SameSite,
                "PUT",
                307,
                Some("https://u:p@b.example.com/x#f"),
                Ok("https://b.example.com/x"),
            ),
            (RedirectPolicy::SameSite, dav, 302, Some("https://evil.org/"), Err(HttpErrorKind::Blocked)),
            (RedirectPolicy::AnySite, "GET", 302, Some("https://cdn.org/"), Ok("https://cdn.org/")),
            (RedirectPolicy::AnySite, "GET", 303, Some("/x"), Ok("https://a.example.com/x")),
            (RedirectPolicy::AnySite, "GET", 302, Some("http://a.example.com/"), Err(HttpErrorKind::Blocked)),
            (RedirectPolicy::AnySite, "GET", 302, Some("file:///etc/passwd"), Err(HttpErrorKind::Blocked)),
            (RedirectPolicy::AnySite, "GET", 302, Some("gopher://x/"), Err(HttpErrorKind::Blocked)),
            (RedirectPolicy::SameSite, dav, 303, Some("/x"), Err(HttpErrorKind::Redirect)),
            (RedirectPolicy::SameSite, dav, 301, None, Err(HttpErrorKind::Redirect)),
            (RedirectPolicy::SameSite, dav, 301, Some("https://[bad"), Err(HttpErrorKind::Redirect)),
        ] {
            let from = Url::parse("https://a.example.com/.well-known/caldav").unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            let next = follow(policy, &method, &from, status, location);
            assert_eq!(
                next.as_ref().map(|(_, url)| url.as_str()).map_err(|error| error.kind),
                expected,
                "{location:?}"
            );
        }
    }
}
