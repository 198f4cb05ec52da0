//! OPTIONS: what a home can do (RFC 4791 section 5.1, RFC 6638 section 2).

use http::Method;
use url::Url;

use crate::http::{HttpRequest, HttpResponse};

/// What can be done here?
pub(crate) fn request(url: Url) -> HttpRequest {
    HttpRequest::new(Method::OPTIONS, url)
}

/// Whether the server delivers invitations by itself; `None` when this answer does not say what the server can do.
pub(crate) fn schedules(response: &HttpResponse) -> Option<bool> {
    let mut classes =
        response.headers.get_all("dav").iter().filter_map(|value| value.to_str().ok()).peekable();
    classes.peek()?;
    let mut classes = classes.flat_map(|value| value.split(','));
    Some(classes.any(|class| class.trim().eq_ignore_ascii_case("calendar-auto-schedule")))
}
