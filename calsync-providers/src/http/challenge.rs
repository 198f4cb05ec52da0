//! What a service wants to see in a token before it serves (continuous access evaluation).

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, header};

/// More is no challenge anybody has sent.
const LONGEST: usize = 4096;
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

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
    /// The challenge in the headers of a 401: `WWW-Authenticate: Bearer error="insufficient_claims", claims="BASE64"`.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(header::WWW_AUTHENTICATE).iter().find_map(|value| {
            let value = value.to_str().ok().filter(|value| value.len() <= LONGEST)?;
            if parameter(value, "error")? != "insufficient_claims" {
                return None;
            }
            let text = parameter(value, "claims")?;
            let bytes = [alphabet::STANDARD, alphabet::URL_SAFE]
                .iter()
                .find_map(|alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text).ok())?;
            let claims = String::from_utf8(bytes).ok()?;
            serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(&claims).ok()?;
            Some(Self { claims })
        })
    }
}

/// A parameter in quotes.
fn parameter<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    value.match_indices(name).find_map(|(at, _)| {
        let begins = value[..at].ends_with([' ', ',', '\t']);
        let rest = value[at + name.len()..].strip_prefix("=\"")?;
        begins.then(|| rest.split('"').next()).flatten()
    })
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
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_challenge_is_one() {
        let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
        let encoded = base64::engine::general_purpose::STANDARD.encode(claims);
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
            ClaimsChallenge::of(&headers).map(|challenge| challenge.claims)
        };
        for (value, expected) in [
            (
                format!(
                    "Bearer realm=\"\", authorization_uri=\"https://login.example/authorize\", client_id=\"1\", \
                     error=\"insufficient_claims\", claims=\"{encoded}\""
                ),
                Some(claims),
            ),
            (format!("Bearer claims=\"{url_safe}\", error=\"insufficient_claims\""), Some(claims)),
            (format!("Bearer error=\"invalid_token\", claims=\"{encoded}\""), None),
            ("Bearer error=\"insufficient_claims\"".to_owned(), None),
            ("Bearer error=\"insufficient_claims\", claims=\"???\"".to_owned(), None),
            ("Bearer error=\"insufficient_claims\", claims=\"bm8=\"".to_owned(), None),
            (format!("Bearer xerror=\"insufficient_claims\", claims=\"{encoded}\""), None),
            (format!("Bearer error=\"insufficient_claims\", claims=\"{}\"", "e".repeat(5000)), None),
            (String::new(), None),
        ] {
            assert_eq!(of(&value).as_deref(), expected, "{value}");
        }
    }
}
