//! Where a provider's endpoints are, and who asks.

use chrono::TimeDelta;
use url::Url;

use crate::http::{AddressPolicy, Secret};

/// How the client proves who it is at the token endpoint (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the body of the request: what Google and Microsoft document.
    #[default]
    RequestBody,
    /// As HTTP Basic.
    BasicHeader,
}

/// An OAuth client at a provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OAuthConfig {
    /// The provider's name: `google`, `microsoft`, or the host's own.
    pub provider: String,
    /// The authorization endpoint.
    pub authorize: Url,
    /// The token endpoint.
    pub token: Url,
    /// The device authorization endpoint (RFC 8628), where there is one.
    pub device: Option<Url>,
    /// The revocation endpoint (RFC 7009), where there is one.
    pub revoke: Option<Url>,
    /// Who issues the tokens, as it names itself (RFC 9207, OpenID Connect). `{tenantid}` stands for the `tid` claim, as in
    /// Microsoft's metadata. `None`: not checked.
    pub issuer: Option<String>,
    /// The client's id.
    pub client_id: String,
    /// Its secret; `None` for a public client. A phone or a desktop program is a public client, whatever the provider
    /// calls the string it hands out.
    pub client_secret: Option<Secret>,
    /// How the secret is sent.
    pub client_auth: ClientAuth,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request.
    pub extra: Vec<(String, String)>,
    /// How long a grant lasts where the provider does not say so with it; a person has to connect again before. 7 days for
    /// a client at Google whose consent screen is external and in testing, which Google documents and need not tell with the
    /// tokens. Told by the provider, that goes before this. Default: no end is known.
    pub grant_lasts: Option<TimeDelta>,
    /// Which addresses the endpoints may resolve to. Default: public ones.
    pub addresses: AddressPolicy,
}

impl OAuthConfig {
    /// A client of any standard server.
    pub fn new(
        provider: impl Into<String>,
        authorize: Url,
        token: Url,
        client_id: impl Into<String>,
    ) -> Self {
        Self {
            provider: provider.into(),
            authorize,
            token,
            device: None,
            revoke: None,
            issuer: None,
            client_id: client_id.into(),
            client_secret: None,
            client_auth: ClientAuth::default(),
            scopes: Vec::new(),
            extra: Vec::new(),
            grant_lasts: None,
            addresses: AddressPolicy::default(),
        }
    }

    /// Google's endpoints, and the least a two-way sync needs: events, and the list of calendars.
    ///
    /// `access_type=offline` asks for a refresh token. `prompt=consent` makes sure of one also when the account was
    /// connected before; Google lets the oldest of more than 100 refresh tokens die, so it is for connecting only.
    ///
    /// # Errors
    ///
    /// Never with the addresses compiled in.
    pub fn google(client_id: impl Into<String>) -> Result<Self, url::ParseError> {
        let authorize = Url::parse("https://accounts.google.com/o/oauth2/v2/auth")?;
        let token = Url::parse("https://oauth2.googleapis.com/token")?;
        let mut config = Self::new("google", authorize, token, client_id);
        config.revoke = Some(Url::parse("https://oauth2.googleapis.com/revoke")?);
        config.issuer = Some("https://accounts.google.com".to_owned());
        config.scopes = [
            "openid",
            "email",
            "https://www.googleapis.com/auth/calendar.events",
            "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
        ]
        .map(str::to_owned)
        .to_vec();
        config.extra = [("access_type", "offline"), ("prompt", "consent")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        Ok(config)
    }

    /// Microsoft's endpoints for a tenant: `common`, `organizations`, `consumers`, or a tenant's id or domain.
    ///
    /// # Errors
    ///
    /// When the tenant makes no URL.
    pub fn microsoft(tenant: &str, client_id: impl Into<String>) -> Result<Self, url::ParseError> {
        let base = Url::parse("https://login.microsoftonline.com/")?;
        let endpoint = |name: &str| {
            let mut url = base.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.clear().extend([tenant, "oauth2", "v2.0", name]);
            }
            url
        };
        let mut config = Self::new("microsoft", endpoint("authorize"), endpoint("token"), client_id);
        config.device = Some(endpoint("devicecode"));
        config.issuer = Some("https://login.microsoftonline.com/{tenantid}/v2.0".to_owned());
        config.scopes =
            ["openid", "email", "offline_access", "https://graph.microsoft.com/Calendars.ReadWrite"]
                .map(str::to_owned)
                .to_vec();
        Ok(config)
    }

    /// Sets the client's secret.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }
}
