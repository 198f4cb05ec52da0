//! Which account a grant is for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::OAuthConfig;

/// An account at a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// What identifies it for ever: `sub` of the id token, with the tenant where the provider has tenants. Never the
    /// e-mail address, which changes owners.
    pub subject: String,
    /// How a person knows it: the e-mail address or user name.
    pub label: Option<String>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account")
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    oid: Option<String>,
    tid: Option<String>,
    email: Option<String>,
    preferred_username: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Reads an id token (OpenID Connect Core 3.1.3.7). It came from the token endpoint itself, so the connection vouches
/// for it and the signature is not needed; who it is from and for is checked all the same.
pub(super) fn read(config: &OAuthConfig, id_token: &str) -> Option<Account> {
    let claims = id_token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let meant = match &claims.aud {
        Some(Audience::One(audience)) => *audience == config.client_id,
        Some(Audience::Many(audiences)) => audiences.contains(&config.client_id),
        None => false,
    };
    let issued = match &config.issuer {
        Some(issuer) => {
            let issuer = issuer.replace("{tenantid}", claims.tid.as_deref().unwrap_or_default());
            // Google leaves the scheme out at times, and documents both forms.
            claims.iss.as_deref().is_some_and(|iss| {
                iss == issuer || issuer.strip_prefix("https://").is_some_and(|bare| bare == iss)
            })
        }
        None => true,
    };
    if !meant || !issued {
        return None;
    }
    let subject = match (claims.tid, claims.oid, claims.sub) {
        // The same person has another `sub` for every client of Microsoft's, and one `oid` in a tenant.
        (Some(tenant), Some(object), _) => format!("{tenant}/{object}"),
        (_, _, Some(sub)) => sub,
        _ => return None,
    };
    Some(Account { subject, label: claims.email.or(claims.preferred_username) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn who_it_is() {
        let google = OAuthConfig::google("me").unwrap();
        let microsoft = OAuthConfig::microsoft("common", "me").unwrap();
        let table = [
            (
                &google,
                r#"{"iss":"https://accounts.google.com","aud":"me","sub":"1","email":"a@b"}"#,
                Some("1"),
            ),
            (&google, r#"{"iss":"accounts.google.com","aud":["x","me"],"sub":"1"}"#, Some("1")),
            (&google, r#"{"iss":"https://evil.example","aud":"me","sub":"1"}"#, None),
            (&google, r#"{"iss":"https://accounts.google.com","aud":"other","sub":"1"}"#, None),
            (&google, r#"{"iss":"https://accounts.google.com","aud":"me"}"#, None),
            (&google, r#"{"iss":"https://accounts.google.com","sub":"1"}"#, None),
            (&google, "nonsense", None),
            (
                &microsoft,
                r#"{"iss":"https://login.microsoftonline.com/t/v2.0","aud":"me","sub":"s","oid":"o","tid":"t"}"#,
                Some("t/o"),
            ),
            (
                &microsoft,
                r#"{"iss":"https://login.microsoftonline.com/u/v2.0","aud":"me","sub":"s","oid":"o","tid":"t"}"#,
                None,
            ),
        ];
        for (config, claims, subject) in table {
            let account = read(config, &token(claims));
            assert_eq!(account.as_ref().map(|account| account.subject.as_str()), subject, "{claims}");
        }
        for broken in ["", ".", "..", "a.%%.b", "e30"] {
            assert_eq!(read(&google, broken), None, "{broken}");
        }
    }
}
