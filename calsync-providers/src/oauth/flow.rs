//! The authorization code flow: what is decided before the browser leaves and after it comes back. Pure but for the
//! randomness it is handed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use calsync_core::context::Entropy;
use chrono::{DateTime, TimeDelta, Utc};
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, basic};
use url::{Url, form_urlencoded};

use super::{OAuthConfig, OAuthError, OAuthErrorKind, StateProblem, error::Refusal};
use crate::http::Secret;

/// How long a flow may take.
const LIFE: TimeDelta = TimeDelta::minutes(15);

/// What a person set out to do.
#[derive(Clone, PartialEq, Eq)]
pub struct Intent {
    /// The connection the tokens are for, as the host names it.
    pub account: String,
    /// The host's session of the person: only the same one may finish what it began.
    pub session: String,
    /// The account that is linked already ([`Account::subject`](super::Account::subject)): no other one may come back.
    pub expected: Option<String>,
    /// The address to offer for signing in.
    pub login_hint: Option<String>,
    /// What the service wants to see, as JSON (OpenID Connect Core 5.5): of a claims challenge
    /// ([`ReauthReason::ClaimsChallenge`](super::ReauthReason::ClaimsChallenge)).
    pub claims: Option<String>,
}

impl Intent {
    /// A new connection, begun in a session.
    pub fn new(account: impl Into<String>, session: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            session: session.into(),
            expected: None,
            login_hint: None,
            claims: None,
        }
    }
}

impl std::fmt::Debug for Intent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intent").field("account", &self.account).finish_non_exhaustive()
    }
}

/// A flow that was begun: kept until the browser comes back, and used once.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Finds it again. Whoever knows it can try to finish the flow, so it is a secret.
    pub state: Secret,
    /// The PKCE verifier.
    pub verifier: Secret,
    /// Where the browser comes back to, letter by letter as it was given: providers compare it with what is registered.
    pub redirect: String,
    /// The provider's name.
    pub provider: String,
    /// The client it was begun for.
    pub client_id: String,
    /// What for.
    pub intent: Intent,
    /// When it is void.
    pub expires: DateTime<Utc>,
}

/// A flow, and where to send the browser.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The provider's page.
    pub url: Url,
    /// To be kept.
    pub pending: Pending,
}

/// Begins a flow. `redirect` is a URL as it is registered with the provider; for a program on a desktop it is
/// `http://127.0.0.1:PORT/` (RFC 8252 section 7.3).
///
/// # Errors
///
/// [`OAuthErrorKind::Configuration`] when the redirect is no URL, and when there is no randomness.
pub fn begin(
    config: &OAuthConfig,
    intent: Intent,
    redirect: &str,
    entropy: &dyn Entropy,
    now: DateTime<Utc>,
) -> Result<Begun, OAuthError> {
    let invalid = |_| OAuthError::new(OAuthErrorKind::Configuration, "connecting", "the redirect is no URL");
    let redirect = RedirectUrl::new(redirect.to_owned()).map_err(invalid)?;
    let (state, verifier) = (code(entropy)?, code(entropy)?);
    let challenge =
        PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.expose().clone()));
    let client = basic::BasicClient::new(ClientId::new(config.client_id.clone()))
        .set_auth_uri(AuthUrl::from_url(config.authorize.clone()))
        .set_redirect_uri(redirect.clone());
    let csrf = CsrfToken::new(state.expose().clone());
    let mut request = client
        .authorize_url(|| csrf)
        .add_scopes(config.scopes.iter().cloned().map(Scope::new))
        .set_pkce_challenge(challenge);
    for (name, value) in &config.extra {
        request = request.add_extra_param(name, value);
    }
    if let Some(hint) = &intent.login_hint {
        request = request.add_extra_param("login_hint", hint);
    }
    if let Some(claims) = &intent.claims {
        request = request.add_extra_param("claims", claims);
    }
    let (url, _) = request.url();
    let pending = Pending {
        state,
        verifier,
        redirect: redirect.as_str().to_owned(),
        provider: config.provider.clone(),
        client_id: config.client_id.clone(),
        intent,
        expires: now + LIFE,
    };
    Ok(Begun { url, pending })
}

/// 256 bits nobody can guess, in 43 characters of the alphabet RFC 7636 allows for a verifier.
fn code(entropy: &dyn Entropy) -> Result<Secret, OAuthError> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes).map_err(|_| {
        OAuthError::new(OAuthErrorKind::Unavailable, "connecting", "the system has no randomness to give")
    })?;
    let bytes = Secret::new(bytes);
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(bytes.expose())))
}

/// What the browser brought back.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The state, which finds the flow.
    pub state: Secret,
    code: Option<Secret>,
    error: Option<String>,
    issuer: Option<String>,
}

impl Callback {
    /// Reads the query of the redirect, without its `?`; a form post's body has the same form.
    ///
    /// # Errors
    ///
    /// [`StateProblem::Malformed`] when there is no state, neither a code nor an error, or a parameter twice (RFC 6749
    /// section 3.1).
    pub fn parse(query: &str) -> Result<Self, OAuthError> {
        let malformed = |detail: &str| {
            OAuthError::new(OAuthErrorKind::State(StateProblem::Malformed), "connecting", detail)
        };
        let (mut state, mut code, mut error, mut issuer) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "state" => &mut state,
                "code" => &mut code,
                "error" => &mut error,
                "iss" => &mut issuer,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(malformed("a parameter is there twice"));
            }
        }
        let Some(state) = state.filter(|state| !state.is_empty()) else {
            return Err(malformed("no state"));
        };
        if code.is_none() && error.is_none() {
            return Err(malformed("neither code nor error"));
        }
        Ok(Self { state: Secret::from(state), code: code.map(Secret::from), error, issuer })
    }
}

/// The authorization code, if this answer belongs to this flow and this session.
///
/// # Errors
///
/// [`OAuthErrorKind::State`] when it does not, and what the provider's error stands for when it sent one.
pub fn redeem(
    config: &OAuthConfig,
    pending: &Pending,
    session: &str,
    callback: Callback,
    now: DateTime<Utc>,
) -> Result<Secret, OAuthError> {
    let refused = |problem: StateProblem| OAuthError::new(OAuthErrorKind::State(problem), "connecting", "");
    if !pending.state.same(&callback.state) {
        return Err(refused(StateProblem::Unknown));
    }
    if !Secret::from(pending.intent.session.as_str()).same(&Secret::from(session)) {
        return Err(refused(StateProblem::OtherSession));
    }
    if now >= pending.expires {
        return Err(refused(StateProblem::Expired));
    }
    let is_its_client = pending.provider == config.provider && pending.client_id == config.client_id;
    if !is_its_client || is_another_issuer(config, callback.issuer.as_deref()) {
        return Err(refused(StateProblem::OtherProvider));
    }
    if let Some(error) = callback.error {
        return Err(OAuthError::of_response("connecting", &Refusal::new(&error)));
    }
    callback.code.ok_or_else(|| refused(StateProblem::Malformed))
}

/// RFC 9207. A template cannot be compared before the tenant is known; the id token is checked then.
fn is_another_issuer(config: &OAuthConfig, issuer: Option<&str>) -> bool {
    match (&config.issuer, issuer) {
        (Some(expected), Some(issuer)) => !expected.contains('{') && expected != issuer,
        _ => false,
    }
}
