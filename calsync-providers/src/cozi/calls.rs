//! Addresses of requests.

use calsync_core::provider::{ErrorKind, ProviderError, Result};
use http::{Method, header};
use url::Url;

use super::{config::CoziConfig, cursor::Month};
use crate::http::HttpRequest;

/// An id as it may stand in a path.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 128
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Where things are.
pub(crate) struct Calls {
    root: Url,
    api_key: Option<String>,
    headers: Vec<(header::HeaderName, header::HeaderValue)>,
    versions: super::config::ApiVersions,
}

impl Calls {
    pub(crate) fn new(config: &CoziConfig) -> Result<Self> {
        let mut text = config.base_url.clone();
        if !text.ends_with('/') {
            text.push('/');
        }
        let root = Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ProviderError::new(ErrorKind::InvalidInput, "configure", "the root is no URL"))?;
        let headers = config.headers.clone();
        Ok(Self { root, api_key: config.api_key.clone(), headers, versions: config.versions })
    }

    pub(crate) fn root(&self) -> &Url {
        &self.root
    }

    pub(crate) fn login(&self) -> String {
        format!("{}/auth/login", self.versions.login)
    }

    pub(crate) fn renewal(&self, account: &str) -> String {
        format!("{}/{account}/auth/reauth", self.versions.renewal)
    }

    pub(crate) fn account(&self, account: &str) -> String {
        format!("{}/{account}/account/", self.versions.account)
    }

    pub(crate) fn month(&self, account: &str, month: Month) -> String {
        format!("{}/{account}/calendar/{month}", self.versions.calendar)
    }

    pub(crate) fn item(&self, account: &str, id: &str) -> String {
        format!("{}/{account}/calendar/item/{id}", self.versions.calendar)
    }

    /// A request with what every request has.
    pub(crate) fn request(&self, method: Method, path: &str, operation: &'static str) -> Result<HttpRequest> {
        let mut url = self.root.join(path).map_err(|_| {
            ProviderError::new(ErrorKind::InvalidInput, operation, "an id that fits no address")
        })?;
        if let Some(key) = &self.api_key {
            url.query_pairs_mut().append_pair("apikey", key);
        }
        let mut request = HttpRequest::new(method, url).header(header::ACCEPT, "application/json");
        for (name, value) in &self.headers {
            request.headers.insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

/// The same with a JSON body.
pub(crate) fn with_json(request: HttpRequest, body: &serde_json::Value) -> HttpRequest {
    request.header(header::CONTENT_TYPE, "application/json; charset=utf-8").body(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_put_into_a_path() {
        for (id, expected) in [
            ("0f6e3c-AB_9", true),
            ("", false),
            ("..", false),
            ("a/b", false),
            ("a?b", false),
            ("a%2f", false),
            ("é", false),
            (&"a".repeat(129), false),
        ] {
            assert_eq!(is_id(id), expected, "{id}");
        }
    }
}
