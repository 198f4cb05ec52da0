//! Why there is no access.

use std::fmt;

use serde::{Deserialize, Serialize};

use calsync_core::provider::{ErrorKind, Fault, ProviderError, Retry};

/// Why a person has to connect the account again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReauthReason {
    /// The grant was revoked, or ran out; providers do not always say which.
    Revoked,
    /// It was not used for too long.
    Inactive,
    /// The password was changed or has run out.
    Password,
    /// The provider wants to see the person: a second factor, a new sign-in, a condition of the organisation.
    Interaction,
    /// Consent is missing or was withdrawn.
    Consent,
    /// There is no refresh token: none was ever given, or none is kept.
    NoRefreshToken,
    /// The service itself refused a token that had not run out, and names what it wants to see (Microsoft's continuous access
    /// evaluation, `insufficient_claims`): the person was disabled, moved, or has to prove more.
    /// [`Access::intent`](super::Access::intent) carries it into the next sign-in.
    ClaimsChallenge,
}

/// What is wrong with the answer of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateProblem {
    /// No flow has this state: it was used before, is made up, or is older than its life.
    Unknown,
    /// The flow is over its 15 minutes.
    Expired,
    /// The flow was begun in another session.
    OtherSession,
    /// The flow was begun with another provider, or another issuer answered (RFC 9207).
    OtherProvider,
    /// A parameter is missing, or is there twice.
    Malformed,
}

/// What kind of failure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthErrorKind {
    /// Credentials: a person has to connect the account again.
    NeedsReauth(ReauthReason),
    /// Credentials: an administrator has to allow it.
    NeedsAdmin,
    /// Credentials: the person said no.
    Denied,
    /// Credentials: another account came back than the one that was linked. Nothing was stored.
    WrongAccount,
    /// Caller: the answer of the browser belongs to no flow of this session.
    State(StateProblem),
    /// Caller: the client's registration and the configuration do not fit.
    Configuration,
    /// Provider: not reachable or failing for now. Says nothing about the grant.
    Unavailable,
    /// Provider: the answer makes no sense.
    Protocol,
    /// The vault or the store failed.
    Storage,
}

/// A failed step of OAuth. Holds no token, no code and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// What kind of failure.
    pub kind: OAuthErrorKind,
    /// What was being done.
    pub operation: &'static str,
    /// The provider's own code for it (`invalid_grant`, `AADSTS50173`), or what is known instead.
    pub detail: String,
}

impl OAuthError {
    /// An error.
    pub fn new(kind: OAuthErrorKind, operation: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, operation, detail: detail.into() }
    }

    /// The error an OAuth error response stands for (RFC 6749 sections 4.1.2.1 and 5.2). Only the code decides, never the
    /// text; `numbers` are Microsoft's `error_codes`, which refine it.
    pub(crate) fn of_response(operation: &'static str, code: &str, numbers: &[u32]) -> Self {
        use OAuthErrorKind::{Configuration, Denied, NeedsAdmin, NeedsReauth, Protocol, Unavailable};
        use ReauthReason::{Consent, Inactive, Interaction, Password, Revoked};
        let by_number = numbers.iter().find_map(|number| {
            Some(match number {
                50173 | 70000 | 70008 | 700_084 | 54005 | 501_481 => NeedsReauth(Revoked),
                700_082 => NeedsReauth(Inactive),
                50089 | 50132 | 50133 | 50055 | 50144 => NeedsReauth(Password),
                70043 | 50076 | 50078 | 50079 | 50072 | 50074 | 50158 => NeedsReauth(Interaction),
                65001 => NeedsReauth(Consent),
                65004 => Denied,
                90094 | 65005 | 650_056 | 650_057 | 50105 | 53000 | 53001 | 53003 | 530_035 | 50131
                | 50005 | 50057 | 50034 | 51004 | 50020 | 500_208 | 500_212 | 500_213 => NeedsAdmin,
                7_000_215 | 7_000_222 | 70002 | 700_016 | 700_011 | 50011 | 50194 | 700_025 | 70011
                | 28002 | 28003 => Configuration,
                50033 | 50087 | 40010 | 70012 | 50196 => Unavailable,
                _ => return None,
            })
        });
        let kind = by_number.unwrap_or(match code {
            "invalid_grant" => NeedsReauth(Revoked),
            "interaction_required" | "login_required" | "account_selection_required" => {
                NeedsReauth(Interaction)
            }
            "consent_required" => NeedsReauth(Consent),
            "access_denied" => Denied,
            "admin_policy_enforced" | "org_internal" => NeedsAdmin,
            "invalid_client"
            | "unauthorized_client"
            | "invalid_scope"
            | "unsupported_grant_type"
            | "unsupported_response_type"
            | "redirect_uri_mismatch"
            | "invalid_request"
            | "disallowed_useragent" => Configuration,
            "temporarily_unavailable" | "server_error" => Unavailable,
            _ => Protocol,
        });
        let mut detail = clean(code);
        for number in numbers {
            detail.push_str(&format!(" AADSTS{number}"));
        }
        Self::new(kind, operation, detail)
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self.kind {
            OAuthErrorKind::NeedsReauth(_)
            | OAuthErrorKind::NeedsAdmin
            | OAuthErrorKind::Denied
            | OAuthErrorKind::WrongAccount => Fault::Credentials,
            OAuthErrorKind::State(_) | OAuthErrorKind::Configuration => Fault::Caller,
            OAuthErrorKind::Unavailable | OAuthErrorKind::Protocol => Fault::Provider,
            OAuthErrorKind::Storage => Fault::Store,
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self.kind {
            OAuthErrorKind::Unavailable | OAuthErrorKind::Protocol | OAuthErrorKind::Storage => {
                Retry::Backoff
            }
            _ => Retry::Never,
        }
    }
}

/// A provider's code as it may be shown: the characters RFC 6749 allows, and not too many of them.
fn clean(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(64).collect()
}

impl fmt::Display for OAuthErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeedsReauth(ReauthReason::Revoked) => "access was revoked or has run out; connect again",
            Self::NeedsReauth(ReauthReason::Inactive) => "access was not used for too long; connect again",
            Self::NeedsReauth(ReauthReason::Password) => {
                "the password was changed or has run out; connect again"
            }
            Self::NeedsReauth(ReauthReason::Interaction) => {
                "the provider wants the person to sign in; connect again"
            }
            Self::NeedsReauth(ReauthReason::Consent) => "consent is missing; connect again",
            Self::NeedsReauth(ReauthReason::ClaimsChallenge) => {
                "the service wants the person to sign in under its present conditions; connect again"
            }
            Self::NeedsReauth(ReauthReason::NoRefreshToken) => "there is no refresh token; connect again",
            Self::NeedsAdmin => "an administrator of the account has to allow it",
            Self::Denied => "the person did not allow it",
            Self::WrongAccount => "another account came back than the one that is linked",
            Self::State(StateProblem::Unknown) => "no connection is being made with this state; begin again",
            Self::State(StateProblem::Expired) => "it took longer than 15 minutes; begin again",
            Self::State(StateProblem::OtherSession) => "the connection was begun in another session",
            Self::State(StateProblem::OtherProvider) => "the answer is of another provider",
            Self::State(StateProblem::Malformed) => "a parameter of the answer is missing or there twice",
            Self::Configuration => "the provider does not accept this client as it is configured",
            Self::Unavailable => "not available",
            Self::Protocol => "unusable answer",
            Self::Storage => "the tokens could not be kept or read",
        })
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for OAuthError {}

/// The error itself is kept as the source: a host that wants to know why a person is needed looks there.
impl From<OAuthError> for ProviderError {
    fn from(error: OAuthError) -> Self {
        let kind = match error.fault() {
            Fault::Credentials => ErrorKind::Unauthorized,
            Fault::Caller => ErrorKind::InvalidInput,
            _ => ErrorKind::Unavailable,
        };
        let retry = error.retry();
        let mut detail = error.kind.to_string();
        if !error.detail.is_empty() {
            detail.push_str(&format!(" ({})", error.detail));
        }
        Self::new(kind, error.operation, detail).with_retry(retry).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_05_the_code_decides() {
        use OAuthErrorKind::{Configuration, Denied, NeedsAdmin, NeedsReauth, Protocol, Unavailable};
        // error, error_codes -> kind
        let table: [(&str, &[u32], OAuthErrorKind); 16] = [
            ("invalid_grant", &[], NeedsReauth(ReauthReason::Revoked)),
            ("invalid_grant", &[50173], NeedsReauth(ReauthReason::Revoked)),
            ("invalid_grant", &[700_082], NeedsReauth(ReauthReason::Inactive)),
            ("invalid_grant", &[50133], NeedsReauth(ReauthReason::Password)),
            ("invalid_grant", &[50076], NeedsReauth(ReauthReason::Interaction)),
            ("invalid_grant", &[65001], NeedsReauth(ReauthReason::Consent)),
            ("invalid_grant", &[53003], NeedsAdmin),
            ("invalid_grant", &[50033], Unavailable),
            ("invalid_grant", &[1], NeedsReauth(ReauthReason::Revoked)),
            ("interaction_required", &[], NeedsReauth(ReauthReason::Interaction)),
            ("access_denied", &[], Denied),
            ("admin_policy_enforced", &[], NeedsAdmin),
            ("invalid_client", &[7_000_215], Configuration),
            ("redirect_uri_mismatch", &[], Configuration),
            ("temporarily_unavailable", &[], Unavailable),
            ("what_is_this", &[], Protocol),
        ];
        for (code, numbers, kind) in table {
            assert_eq!(OAuthError::of_response("refresh", code, numbers).kind, kind, "{code} {numbers:?}");
        }
    }

    #[test]
    fn a_hostile_code_does_not_reach_the_terminal() {
        let error = OAuthError::of_response("refresh", "a\u{1b}[31m b\n<script>", &[]);
        assert_eq!(error.detail, "a31mbscript");
    }
}
