//! Why there is no access.

use std::{error::Error, fmt, sync::Arc};

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
#[derive(Clone, Debug)]
pub struct OAuthError {
    /// What kind of failure.
    pub kind: OAuthErrorKind,
    /// What was being done.
    pub operation: &'static str,
    /// The provider's own code for it (`invalid_grant`, `AADSTS50173`), or what is known instead.
    pub detail: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl OAuthError {
    /// An error.
    pub fn new(kind: OAuthErrorKind, operation: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, operation, detail: detail.into(), source: None }
    }

    /// Tokens or flows could not be kept or read. What the store or the vault said is kept as the source.
    pub(super) fn storage(operation: &'static str, cause: impl Error + Send + Sync + 'static) -> Self {
        let error = Self::new(OAuthErrorKind::Storage, operation, cause.to_string());
        Self { source: Some(Arc::new(cause)), ..error }
    }

    /// The error an OAuth error response stands for (RFC 6749 sections 4.1.2.1 and 5.2). Only its codes decide, never its
    /// text: Microsoft's `error_codes` and the subtype refine what `error` says, and an unknown one of them changes nothing.
    pub(crate) fn of_response(operation: &'static str, refusal: &Refusal<'_>) -> Self {
        let kind = refusal.numbers.iter().find_map(|number| of_number(*number));
        let kind = kind.or_else(|| refusal.subtype.and_then(|subtype| of_subtype(refusal.code, subtype)));
        let kind = kind.unwrap_or_else(|| of_code(refusal.code));
        let mut detail = clean(refusal.code);
        if let Some(subtype) = refusal.subtype.map(clean).filter(|subtype| !subtype.is_empty()) {
            detail.push_str(&format!(" {subtype}"));
        }
        for number in refusal.numbers.iter().take(NUMBERS_SHOWN) {
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

/// Numbers of a refusal that are shown; there is one, as a rule.
const NUMBERS_SHOWN: usize = 4;

/// What a refusal says in codes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refusal<'a> {
    /// `error`.
    pub(crate) code: &'a str,
    /// Google's `error_subtype`, Microsoft's `suberror`.
    pub(crate) subtype: Option<&'a str>,
    /// Microsoft's `error_codes`.
    pub(crate) numbers: &'a [u32],
}

impl<'a> Refusal<'a> {
    /// A refusal with one code.
    pub(crate) fn new(code: &'a str) -> Self {
        Self { code, ..Self::default() }
    }
}

/// Entra's numbers (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>). A password that has run out
/// is a person's to change, though an administrator can help.
fn of_number(number: u32) -> Option<OAuthErrorKind> {
    use OAuthErrorKind::{Configuration, Denied, NeedsAdmin, NeedsReauth, Unavailable};
    use ReauthReason::{Consent, Inactive, Interaction, Password, Revoked};
    Some(match number {
        50173 | 70000 | 70008 | 700_084 | 54005 | 501_481 => NeedsReauth(Revoked),
        700_082 => NeedsReauth(Inactive),
        50089 | 50132 | 50133 | 50055 | 50144 => NeedsReauth(Password),
        70043 | 50076 | 50078 | 50079 | 50072 | 50074 | 50158 => NeedsReauth(Interaction),
        65001 => NeedsReauth(Consent),
        65004 => Denied,
        90094 | 65005 | 650_056 | 650_057 | 50105 | 53000 | 53001 | 53003 | 530_035 | 50131 | 50005
        | 50057 | 50034 | 51004 | 50020 | 500_208 | 500_212 | 500_213 => NeedsAdmin,
        7_000_215 | 7_000_222 | 70002 | 700_016 | 700_011 | 50011 | 50194 | 700_025 | 70011 | 28002
        | 28003 => Configuration,
        50033 | 50087 | 40010 | 70012 | 50196 => Unavailable,
        _ => return None,
    })
}

/// What refines a grant that is not accepted: Google's session control, and Microsoft's
/// [suberrors](https://learn.microsoft.com/entra/msal/dotnet/advanced/exceptions/msal-error-handling).
fn of_subtype(code: &str, subtype: &str) -> Option<OAuthErrorKind> {
    use OAuthErrorKind::{NeedsAdmin, NeedsReauth};
    use ReauthReason::{Consent, Interaction, Password, Revoked};
    if !matches!(code, "invalid_grant" | "interaction_required") {
        return None;
    }
    Some(match subtype {
        "invalid_rapt" | "rapt_required" | "basic_action" | "additional_action" => NeedsReauth(Interaction),
        "message_only" | "device_authentication_failed" | "protection_policy_required" => NeedsAdmin,
        "consent_required" => NeedsReauth(Consent),
        "user_password_expired" => NeedsReauth(Password),
        "bad_token" | "token_expired" | "client_mismatch" => NeedsReauth(Revoked),
        _ => return None,
    })
}

/// The codes of RFC 6749, 7009, 8628, OpenID Connect Core 3.1.2.6, and those Google adds.
fn of_code(code: &str) -> OAuthErrorKind {
    use OAuthErrorKind::{Configuration, Denied, NeedsAdmin, NeedsReauth, Protocol, Unavailable};
    use ReauthReason::{Consent, Interaction, Revoked};
    match code {
        "invalid_grant" => NeedsReauth(Revoked),
        "interaction_required" | "login_required" | "account_selection_required" => NeedsReauth(Interaction),
        "consent_required" => NeedsReauth(Consent),
        "access_denied" => Denied,
        "admin_policy_enforced" | "org_internal" => NeedsAdmin,
        "invalid_client"
        | "deleted_client"
        | "disabled_client"
        | "unauthorized_client"
        | "invalid_scope"
        | "unsupported_grant_type"
        | "unsupported_response_type"
        | "unsupported_token_type"
        | "redirect_uri_mismatch"
        | "invalid_request"
        | "disallowed_useragent" => Configuration,
        "temporarily_unavailable"
        | "server_error"
        | "internal_failure"
        | "rate_limit_exceeded"
        | "slow_down" => Unavailable,
        _ => Protocol,
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

impl Error for OAuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// The error itself is kept as the source: a host that wants to know why a person is needed looks there.
impl From<OAuthError> for ProviderError {
    fn from(error: OAuthError) -> Self {
        let kind = match error.fault() {
            Fault::Credentials => ErrorKind::Unauthorized,
            // A client that is not accepted is no fault of what was to be written: it waits until somebody mends that.
            _ => ErrorKind::Unavailable,
        };
        let retry = match (&kind, error.retry()) {
            (ErrorKind::Unavailable, Retry::Never) => Retry::Backoff,
            (_, retry) => retry,
        };
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

    /// Every number of Entra's that is known, with what becomes of it whatever `error` says beside it.
    #[test]
    fn auth_05_every_number_of_microsoft_has_its_consequence() {
        use OAuthErrorKind::{Configuration, Denied, NeedsAdmin, NeedsReauth, Unavailable};
        use ReauthReason::{Consent, Inactive, Interaction, Password, Revoked};
        let table = [
            // a person connects again
            (50173, NeedsReauth(Revoked), "the tokens were revoked"),
            (700_082, NeedsReauth(Inactive), "the refresh token was not used for 90 days"),
            (70008, NeedsReauth(Revoked), "the code or refresh token has run out"),
            (700_084, NeedsReauth(Revoked), "the 24 hours of a single-page application are over"),
            (70000, NeedsReauth(Revoked), "the grant is not valid"),
            (50089, NeedsReauth(Password), "the token was ended by a change of the password"),
            (50132, NeedsReauth(Password), "the session was ended by a change of the password"),
            (50133, NeedsReauth(Password), "the session was ended by a change of the password"),
            (70043, NeedsReauth(Interaction), "the sign-in frequency of a policy"),
            (50076, NeedsReauth(Interaction), "a second factor is wanted"),
            (50078, NeedsReauth(Interaction), "the second factor has run out"),
            (50079, NeedsReauth(Interaction), "a second factor has to be registered"),
            (50072, NeedsReauth(Interaction), "a second factor has to be registered"),
            (50074, NeedsReauth(Interaction), "a second factor is wanted"),
            (50158, NeedsReauth(Interaction), "a challenge of somebody else's"),
            (65001, NeedsReauth(Consent), "there is no consent"),
            (65004, Denied, "the person declined"),
            (54005, NeedsReauth(Revoked), "the code was used before"),
            (501_481, NeedsReauth(Revoked), "the verifier does not fit the code"),
            // a person changes the password, or has it changed
            (50055, NeedsReauth(Password), "the password has run out"),
            (50144, NeedsReauth(Password), "the password of the directory at home has run out"),
            // an administrator acts
            (90094, NeedsAdmin, "an administrator has to consent"),
            (65005, NeedsAdmin, "the application asks for what the organisation has not"),
            (650_056, NeedsAdmin, "consent of the organisation is missing"),
            (650_057, NeedsAdmin, "the application may not ask for this"),
            (50105, NeedsAdmin, "the person is not assigned to the application"),
            (53000, NeedsAdmin, "the device does not comply"),
            (53001, NeedsAdmin, "the device is not joined"),
            (53003, NeedsAdmin, "conditional access"),
            (530_035, NeedsAdmin, "security defaults"),
            (50131, NeedsAdmin, "conditional access"),
            (50005, NeedsAdmin, "the platform is not allowed"),
            (50057, NeedsAdmin, "the account is disabled"),
            (50034, NeedsAdmin, "there is no such account in the directory"),
            (51004, NeedsAdmin, "there is no such account in the directory"),
            (50020, NeedsAdmin, "an account of another directory"),
            (500_208, NeedsAdmin, "the domain is not allowed"),
            (500_212, NeedsAdmin, "access across tenants is not allowed"),
            (500_213, NeedsAdmin, "access across tenants is not allowed"),
            // the registration of the client
            (7_000_215, Configuration, "the secret is wrong"),
            (7_000_222, Configuration, "the secret has run out"),
            (70002, Configuration, "the client does not prove who it is"),
            (700_016, Configuration, "there is no such application"),
            (700_011, Configuration, "there is no such application"),
            (50011, Configuration, "the redirect address is not registered"),
            (50194, Configuration, "the application is for one organisation"),
            (700_025, Configuration, "a public client showed a secret"),
            (70011, Configuration, "the scope is not valid"),
            (28002, Configuration, "the scope is not valid"),
            (28003, Configuration, "the scope is empty"),
            // later
            (50033, Unavailable, "passing"),
            (50087, Unavailable, "passing"),
            (40010, Unavailable, "passing"),
            (70012, Unavailable, "passing"),
            (50196, Unavailable, "the client asks in a loop: it waits"),
        ];
        for (number, kind, why) in table {
            for code in ["invalid_grant", "invalid_request", "unheard_of"] {
                let refusal = Refusal { numbers: &[1, number], ..Refusal::new(code) };
                let error = OAuthError::of_response("refresh", &refusal);
                assert_eq!(error.kind, kind, "AADSTS{number}: {why}");
                assert!(error.detail.ends_with(&format!("AADSTS{number}")), "{}", error.detail);
                let later = if kind == Unavailable { Retry::Backoff } else { Retry::Never };
                assert_eq!(error.retry(), later, "AADSTS{number}");
            }
        }
    }

    /// What Google, and any server that follows the RFCs, says in words.
    #[test]
    fn auth_05_every_code_has_its_consequence() {
        use OAuthErrorKind::{Configuration, Denied, NeedsAdmin, NeedsReauth, Protocol, Unavailable};
        use ReauthReason::{Consent, Interaction, Password, Revoked};
        // error, error_subtype or suberror -> kind
        let table = [
            ("invalid_grant", None, NeedsReauth(Revoked)),
            ("invalid_grant", Some("invalid_rapt"), NeedsReauth(Interaction)),
            ("invalid_grant", Some("rapt_required"), NeedsReauth(Interaction)),
            ("invalid_grant", Some("what_is_this"), NeedsReauth(Revoked)),
            ("invalid_grant", Some("bad_token"), NeedsReauth(Revoked)),
            ("invalid_grant", Some("token_expired"), NeedsReauth(Revoked)),
            ("invalid_grant", Some("client_mismatch"), NeedsReauth(Revoked)),
            ("invalid_grant", Some("consent_required"), NeedsReauth(Consent)),
            ("invalid_grant", Some("user_password_expired"), NeedsReauth(Password)),
            ("invalid_grant", Some("device_authentication_failed"), NeedsAdmin),
            ("invalid_grant", Some("protection_policy_required"), NeedsAdmin),
            ("interaction_required", None, NeedsReauth(Interaction)),
            ("interaction_required", Some("basic_action"), NeedsReauth(Interaction)),
            ("interaction_required", Some("additional_action"), NeedsReauth(Interaction)),
            ("interaction_required", Some("message_only"), NeedsAdmin),
            ("invalid_client", Some("bad_token"), Configuration),
            ("login_required", None, NeedsReauth(Interaction)),
            ("account_selection_required", None, NeedsReauth(Interaction)),
            ("consent_required", None, NeedsReauth(Consent)),
            ("access_denied", None, Denied),
            ("admin_policy_enforced", None, NeedsAdmin),
            ("org_internal", None, NeedsAdmin),
            ("invalid_client", None, Configuration),
            ("deleted_client", None, Configuration),
            ("disabled_client", None, Configuration),
            ("unauthorized_client", None, Configuration),
            ("redirect_uri_mismatch", None, Configuration),
            ("invalid_request", None, Configuration),
            ("invalid_scope", None, Configuration),
            ("unsupported_grant_type", None, Configuration),
            ("unsupported_response_type", None, Configuration),
            ("unsupported_token_type", None, Configuration),
            ("disallowed_useragent", None, Configuration),
            ("temporarily_unavailable", None, Unavailable),
            ("server_error", None, Unavailable),
            ("internal_failure", None, Unavailable),
            ("rate_limit_exceeded", None, Unavailable),
            ("slow_down", None, Unavailable),
            ("what_is_this", None, Protocol),
            ("", None, Protocol),
        ];
        for (code, subtype, kind) in table {
            let error = OAuthError::of_response("refresh", &Refusal { subtype, ..Refusal::new(code) });
            assert_eq!(error.kind, kind, "{code} {subtype:?}");
            let later = matches!(kind, Unavailable | Protocol);
            assert_eq!(error.retry() == Retry::Backoff, later, "{code} {subtype:?}");
        }
    }

    #[test]
    fn a_hostile_code_does_not_reach_the_terminal() {
        let error = OAuthError::of_response("refresh", &Refusal::new("a\u{1b}[31m b\n<script>"));
        assert_eq!(error.detail, "a31mbscript");
    }
}
