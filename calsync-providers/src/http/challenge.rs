//! What a service wants to see in a token before it serves (continuous access evaluation).

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, header};

/// The longest challenge that is looked at; real ones have some hundred characters.
const CHALLENGE_MAX: usize = 8 << 10;

/// A token was refused because of what it does not say: a person has to sign in again, with these claims asked for.
///
/// It is the source of the [`ProviderError`](calsync_core::provider::ProviderError) of kind
/// [`Unauthorized`](calsync_core::provider::ErrorKind::Unauthorized), after a fresh token was refused as well.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimsChallenge {
    /// The value of the parameter `claims` of the authorization request (OpenID Connect Core section 5.5): JSON.
    pub claims: String,
}

impl ClaimsChallenge {
    /// The challenge in the headers of a 401: in base64 beside `error="insufficient_claims"` (RFC 6750 section 3,
    /// <https://learn.microsoft.com/entra/identity-platform/claims-challenge>). `None`: it is no such challenge, or one that
    /// nobody can read.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
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
            let claims: serde_json::Value = serde_json::from_str(std::str::from_utf8(&bytes).ok()?).ok()?;
            claims.is_object().then(|| Self { claims: claims.to_string() })
        })
    }
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

impl fmt::Debug for ClaimsChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimsChallenge(..)")
    }
}

impl fmt::Display for ClaimsChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sign-in with other claims is wanted")
    }
}

impl std::error::Error for ClaimsChallenge {}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderValue;

    use super::*;

    fn of(headers: &HeaderMap) -> Option<String> {
        ClaimsChallenge::of(headers).map(|challenge| challenge.claims)
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
            (format!("Bearer claims=\"{bare}\", error=\"insufficient_claims\""), found),
            (format!("Bearer xerror=\"insufficient_claims\", claims=\"{encoded}\""), None),
            ("Bearer error=\"insufficient_claims\", claims=\"bm8=\"".to_owned(), None),
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
            assert_eq!(of(&headers).as_deref(), expected, "{value}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
