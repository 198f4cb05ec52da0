//! Credentials and the header they become.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;

use super::{HttpError, Secret};

/// What an account is opened with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// A user name and a password or app password (RFC 7617), sent as UTF-8.
    Basic {
        /// The user name. A colon in it cannot be expressed.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An OAuth access token (RFC 6750).
    Bearer(Secret),
}

impl Credentials {
    /// The value of `Authorization`, marked sensitive so that no layer below prints it.
    pub(crate) fn header(&self) -> Result<HeaderValue, HttpError> {
        let text = match self {
            Self::Basic { username, password } => {
                if username.contains(':') || has_controls(username) || has_controls(password.expose()) {
                    return Err(HttpError::invalid_request(
                        "the user name holds a colon, or the credentials hold control characters",
                    ));
                }
                format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose())))
            }
            Self::Bearer(token) => format!("Bearer {}", token.expose()),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| HttpError::invalid_request("the credentials do not fit into a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Whether a server that refused Basic asks for Digest (RFC 7616) and nothing else. Digest is not spoken here: a
/// person has to allow Basic over https at the server.
#[cfg(any(test, feature = "caldav"))]
pub(crate) fn wants_only_digest(headers: &http::HeaderMap) -> bool {
    let challenges = headers.get_all(http::header::WWW_AUTHENTICATE).iter();
    let schemes: Vec<String> = challenges
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.split_whitespace().next())
        .filter(|word| !word.contains('='))
        .map(str::to_ascii_lowercase)
        .collect();
    let has = |scheme: &str| schemes.iter().any(|s| s == scheme);
    has("digest") && !has("basic")
}

fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::*;

    #[test]
    fn auth_09_a_password_beyond_ascii_is_sent_as_utf_8() {
        let basic = Credentials::Basic { username: "ann".into(), password: "pass:wörd€ ".into() };
        let value = basic.header().unwrap();
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), "ann:pass:wörd€ ".as_bytes());
        assert!(value.is_sensitive());
    }

    #[test]
    fn auth_09_a_server_with_digest_only_is_recognised() {
        for (challenges, expected) in [
            (vec!["Digest realm=\"a, b\", qop=\"auth\", nonce=\"x\""], true),
            (vec!["Digest realm=\"a\", nonce=\"x\"", "Basic realm=\"a\""], false),
            (vec!["X-MobileMe-AuthToken realm=\"x\", Basic realm=\"x\""], false),
            (vec!["basic realm=\"SOGo\""], false),
            (vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for challenge in &challenges {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            assert_eq!(wants_only_digest(&headers), expected, "{challenges:?}");
        }
    }

    #[test]
    fn line_breaks_and_colons_in_names_are_refused() {
        for username in ["a\r\nX: y", "a:b"] {
            let basic = Credentials::Basic { username: username.into(), password: "p".into() };
            assert!(basic.header().is_err());
        }
        assert!(Credentials::Bearer("a\nb".into()).header().is_err());
    }
}
