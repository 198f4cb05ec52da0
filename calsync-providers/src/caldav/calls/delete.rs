//! DELETE of one resource.

use calsync_core::model::Version;
use http::{Method, header, header::HeaderName};
use url::Url;

use crate::http::{HttpError, HttpRequest};

/// A resource that has this version. The organizer is not told (`Schedule-Reply`, RFC 6638 section 8.1): a copy that
/// is taken away is not an answer.
pub(crate) fn request(url: Url, expected: &Version) -> Result<HttpRequest, HttpError> {
    HttpRequest::new(Method::DELETE, url)
        .header(HeaderName::from_static("schedule-reply"), "F")
        .try_header(header::IF_MATCH, expected.as_str())
}
