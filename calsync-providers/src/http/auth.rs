//! Credentials and the header they become.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
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

/// The longest claims challenge that is looked at; real ones have some hundred characters.
const CHALLENGE_MAX: usize = 8 << 10;

/// What a service that refused a token wants to see at the next sign-in, as the JSON of the parameter `claims`: it is sent
/// in base64 beside `error="insufficient_claims"` (RFC 6750 section 3,
/// <https://learn.microsoft.com/entra/identity-platform/claims-challenge>). `None`: it is no such challenge, or one that
/// nobody can read.
pub(super) fn challenge(headers: &http::HeaderMap) -> Option<String> {
    let values = headers.get_all(http::header::WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok()).find_map(|value| {
        let (scheme, parameters) = value.trim_start().split_once(' ')?;
        let is_ours = scheme.eq_ignore_ascii_case("bearer") && value.len() <= CHALLENGE_MAX;
        let parameters = parameters_of(parameters);
        let get = |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value);
        if !is_ours || get("error")? != "insufficient_claims" {
            return None;
        }
        let claims = get("claims")?;
        let bytes = if claims.trim_start().starts_with('{') {
            claims.clone().into_bytes()
        } else {
            let bare = claims.trim_end_matches('=');
            STANDARD_NO_PAD.decode(bare).or_else(|_| URL_SAFE_NO_PAD.decode(bare)).ok()?
        };
        let claims: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        claims.is_object().then(|| claims.to_string())
    })
}

/// The parameters of a challenge, names in lower case; quoted text may hold commas and escaped quotes (RFC 9110 section
/// 11.2).
fn parameters_of(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut name, mut value, mut state) = (String::new(), String::new(), Reading::Name);
    for char in text.chars().chain([',']) {
        state = match (state, char) {
            (Reading::Name, '=') => Reading::Value,
            (Reading::Name | Reading::Value, ',') => {
                let name = std::mem::take(&mut name).trim().to_ascii_lowercase();
                found.push((name, std::mem::take(&mut value).trim().to_owned()));
                Reading::Name
            }
            (Reading::Name, char) => {
                name.push(char);
                Reading::Name
            }
            (Reading::Value, '"') => Reading::Quoted,
            (Reading::Quoted, '"') => Reading::Value,
            (Reading::Quoted, '\\') => Reading::Escaped,
            (Reading::Value, char) => {
                value.push(char);
                Reading::Value
            }
            (Reading::Quoted | Reading::Escaped, char) => {
                value.push(char);
                Reading::Quoted
            }
        };
    }
    found
}

/// Where in a challenge.
#[derive(Clone, Copy)]
enum Reading {
    Name,
    Value,
    Quoted,
    Escaped,
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

    /// The forms Microsoft's documentation shows, and what is none.
    #[test]
    fn a_claims_challenge_is_read_in_every_form() {
        let json = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
        let encoded = STANDARD.encode(json);
        let bare = URL_SAFE_NO_PAD.encode(json);
        let quoted = json.replace('"', "\\\"");
        let found = Some(json);
        for (value, expected) in [
            (format!("Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{encoded}\""), found),
            (
                format!(
                    "Bearer authorization_uri=\"https://login/a,b\", error=\"insufficient_claims\", claims=\"{bare}\""
                ),
                found,
            ),
            (format!("bearer CLAIMS=\"{quoted}\",error=insufficient_claims"), found),
            (format!("Bearer error=\"invalid_token\", claims=\"{encoded}\""), None),
            ("Bearer error=\"insufficient_claims\"".to_owned(), None),
            ("Bearer error=\"insufficient_claims\", claims=\"%%%\"".to_owned(), None),
            (format!("Bearer error=\"insufficient_claims\", claims=\"{}\"", STANDARD.encode("[1]")), None),
            (format!("Basic error=\"insufficient_claims\", claims=\"{encoded}\""), None),
            (format!("Bearer error=\"insufficient_claims\", claims=\"{}\"", "A".repeat(9000)), None),
            ("Bearer".to_owned(), None),
            (String::new(), None),
            ("Bearer claims=\"\\".to_owned(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"x\""));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_str(&value).unwrap());
            assert_eq!(challenge(&headers).as_deref(), expected, "{value}");
        }
        assert_eq!(challenge(&HeaderMap::new()), None);
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
