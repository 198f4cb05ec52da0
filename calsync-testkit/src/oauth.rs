//! The authorization server of an emulated account: RFC 6749 with PKCE (RFC 7636), refresh, revocation (RFC 7009) and
//! device codes (RFC 8628), with the habits of Google or of Microsoft.
//!
//! The person in front of it says yes at once; [`OAuth::set_consent`] changes that. Google's keeps a refresh token for
//! ever and sends it once; Microsoft's sends a new one each time and lets the old one live; [`Rotation::Strict`] ends the
//! old one, as the security recommendation (RFC 9700 section 2.2.2) has it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use calsync_core::context::{Clock, SystemClock};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An authorization code lives this long.
const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);

/// What becomes of a refresh token that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays, and no new one is sent: Google.
    Keep,
    /// A new one is sent, and the old one stays good: Microsoft.
    Add,
    /// A new one is sent and the old one ends. One that is used twice ends the grant.
    Strict,
}

/// What the person does when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Allows everything.
    Allow,
    /// Says no.
    Deny,
    /// Leaves these scopes out.
    Without(Vec<String>),
}

/// How the authorization server starts.
#[derive(Clone)]
#[non_exhaustive]
pub struct OAuthOptions {
    /// The client it knows. Default: `calsync`.
    pub client_id: String,
    /// The client's secret; `None` for a public client. Default: none.
    pub client_secret: Option<String>,
    /// How long an access token lives. Default: one hour.
    pub lifetime: Duration,
    /// The clock codes and tokens run out by. Default: the machine's.
    pub clock: Arc<dyn Clock>,
}

impl Default for OAuthOptions {
    fn default() -> Self {
        Self {
            client_id: "calsync".to_owned(),
            client_secret: None,
            lifetime: Duration::from_secs(3600),
            clock: Arc::new(SystemClock),
        }
    }
}

impl OAuthOptions {
    /// Tells the time by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the client a confidential one.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }
}

impl fmt::Debug for OAuthOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthOptions").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// Where the endpoints are below the root, and who issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Google,
    Microsoft,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Authorize,
    Token,
    Revoke,
    Device,
    /// Where the person types the code of a device.
    DevicePage,
}

impl Vendor {
    fn endpoint(self, path: &str) -> Option<Endpoint> {
        let path = path.trim_start_matches('/');
        match self {
            Self::Google => match path {
                "o/oauth2/v2/auth" => Some(Endpoint::Authorize),
                "token" => Some(Endpoint::Token),
                "revoke" => Some(Endpoint::Revoke),
                _ => None,
            },
            // There is no endpoint to revoke at.
            Self::Microsoft => match path.split_once("/oauth2/v2.0/")?.1 {
                "authorize" => Some(Endpoint::Authorize),
                "token" => Some(Endpoint::Token),
                "devicecode" => Some(Endpoint::Device),
                "deviceauth" => Some(Endpoint::DevicePage),
                _ => None,
            },
        }
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

struct Code {
    challenge: Option<String>,
    redirect: String,
    scopes: Vec<String>,
    expires: DateTime<Utc>,
    /// The parameter `claims` it was asked for with.
    claims: Option<String>,
    /// The grant it was exchanged for: a code used again ends it (RFC 6749 section 4.1.2).
    used: Option<u64>,
}

struct Device {
    scopes: Vec<String>,
    expires: DateTime<Utc>,
}

struct Refresh {
    grant: u64,
    scopes: Vec<String>,
    replaced: bool,
}

/// The authorization server of an emulator.
pub struct OAuth {
    vendor: Vendor,
    /// The root of the server, without a slash at the end.
    base: String,
    options: OAuthOptions,
    rotation: Rotation,
    consent: Consent,
    person: String,
    count: u64,
    codes: BTreeMap<String, Code>,
    devices: BTreeMap<String, Device>,
    delays: VecDeque<String>,
    access: BTreeMap<String, (u64, DateTime<Utc>)>,
    refresh: BTreeMap<String, Refresh>,
    ended: BTreeSet<u64>,
    outage: Option<(u16, String)>,
    challenge: Option<String>,
    /// Grants that were signed in for as the challenge wants it.
    met: BTreeSet<u64>,
    refreshes: usize,
    /// How long grants last from now on; `None`: for ever.
    grant_lasts: Option<TimeDelta>,
    /// When those end that do.
    ends: BTreeMap<u64, DateTime<Utc>>,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("vendor", &self.vendor).finish_non_exhaustive()
    }
}

impl OAuth {
    pub(crate) fn new(vendor: Vendor, base: &str, person: &str, options: OAuthOptions) -> Self {
        Self {
            vendor,
            base: base.to_owned(),
            options,
            rotation: if vendor == Vendor::Google { Rotation::Keep } else { Rotation::Add },
            consent: Consent::Allow,
            person: person.to_owned(),
            count: 0,
            codes: BTreeMap::new(),
            devices: BTreeMap::new(),
            delays: VecDeque::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            ended: BTreeSet::new(),
            outage: None,
            challenge: None,
            met: BTreeSet::new(),
            refreshes: 0,
            grant_lasts: None,
            ends: BTreeMap::new(),
        }
    }

    /// What the person does from now on.
    pub fn set_consent(&mut self, consent: Consent) {
        self.consent = consent;
    }

    /// Who signs in from now on.
    pub fn set_person(&mut self, address: &str) {
        address.clone_into(&mut self.person);
    }

    /// What is said next to who asks for the token of a device, one word for each time (RFC 8628 section 3.5):
    /// `authorization_pending` while the person has not typed the code, `slow_down` to who asks too often.
    pub fn delay_devices<'w>(&mut self, words: impl IntoIterator<Item = &'w str>) {
        self.delays.extend(words.into_iter().map(ToOwned::to_owned));
    }

    /// What the client has to show from now on; `None`: nothing.
    pub fn set_secret(&mut self, secret: Option<&str>) {
        self.options.client_secret = secret.map(ToOwned::to_owned);
    }

    /// How long access tokens live from now on.
    pub fn set_lifetime(&mut self, lifetime: Duration) {
        self.options.lifetime = lifetime;
    }

    /// How long the grants last that are given from now on, however often they are used: told as
    /// `refresh_token_expires_in` with each refresh token, and with nothing else. `None`, the default: for ever.
    pub fn set_grant_lasts(&mut self, lasts: Option<Duration>) {
        self.grant_lasts = lasts.and_then(|lasts| TimeDelta::from_std(lasts).ok());
    }

    /// What becomes of refresh tokens from now on.
    pub fn set_rotation(&mut self, rotation: Rotation) {
        self.rotation = rotation;
    }

    /// The person takes the access away: every token so far is refused.
    pub fn revoke_all(&mut self) {
        self.ended.extend(0..=self.count);
    }

    /// Every access token so far is refused, before its time; refresh tokens stay good.
    pub fn end_access_tokens(&mut self) {
        self.access.clear();
    }

    /// The token endpoint answers this and nothing else; `None` ends it.
    pub fn set_outage(&mut self, outage: Option<(u16, &str)>) {
        self.outage = outage.map(|(status, body)| (status, body.to_owned()));
    }

    /// The service refuses every token with a claims challenge (`insufficient_claims`), until somebody signs in with these
    /// claims in the authorization request. Renewing a token does not help. `None` ends it.
    pub fn set_challenge(&mut self, claims: Option<&str>) {
        self.challenge = claims.map(ToOwned::to_owned);
        self.met.clear();
    }

    /// The header that goes with a refused token while there is a challenge.
    pub(crate) fn challenge(&self) -> Option<(String, String)> {
        let claims = STANDARD.encode(self.challenge.as_deref()?);
        let value = format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/v2.0/authorize\", \
             error=\"insufficient_claims\", claims=\"{claims}\""
        );
        Some(("WWW-Authenticate".to_owned(), value))
    }

    /// How many times a token was renewed, or tried to be.
    pub fn refreshes(&self) -> usize {
        self.refreshes
    }

    /// How many grants have not been taken away.
    pub fn grants(&self) -> usize {
        let live = self.refresh.values().map(|refresh| refresh.grant);
        live.filter(|grant| !self.ended.contains(grant)).collect::<BTreeSet<_>>().len()
    }

    /// Whether a bearer token is good now.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        self.access.get(token).is_some_and(|(grant, expires)| {
            let met = self.challenge.is_none() || self.met.contains(grant);
            met && !self.ended.contains(grant) && self.now() < *expires
        })
    }

    /// Answers a request for one of its endpoints; `None` for any other path.
    pub(crate) fn answer(
        &mut self,
        method: &str,
        target: &str,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Option<Answer> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let endpoint = self.vendor.endpoint(path)?;
        let mut form = pairs(if endpoint == Endpoint::Authorize { query } else { "" });
        if endpoint != Endpoint::Authorize {
            form = pairs(&String::from_utf8_lossy(body));
        }
        if endpoint == Endpoint::Revoke {
            // Google's own clients name the token in the query, and show no client.
            form.extend(pairs(query));
        }
        let authenticated = match endpoint {
            // Google's own clients show none; one that does proves it (RFC 7009 section 2.1).
            Endpoint::Revoke if authorization.is_none() && !form.contains_key("client_id") => Ok(()),
            _ => self.authenticate(&form, authorization),
        };
        Some(match (endpoint, method) {
            (Endpoint::DevicePage, "GET") => page(200, "The code is taken: this emulator has typed it."),
            (Endpoint::DevicePage, _) => refusal(405, "invalid_request"),
            (Endpoint::Authorize, "GET") => self.authorize(&form),
            (Endpoint::Authorize, _) | (_, "GET") => refusal(405, "invalid_request"),
            _ => match (&self.outage, authenticated) {
                (Some((status, body)), _) => {
                    Answer { status: *status, headers: Vec::new(), body: body.clone().into_bytes() }
                }
                (None, Err(refused)) => refused,
                (None, Ok(())) => match endpoint {
                    Endpoint::Token => self.token(&form),
                    Endpoint::Revoke => self.revoke(&form),
                    _ => self.device(&form),
                },
            },
        })
    }

    /// What the browser gets: it is sent back at once, or told what is wrong with the request.
    fn authorize(&mut self, asked: &BTreeMap<String, String>) -> Answer {
        let get = |name: &str| asked.get(name).map(String::as_str);
        let wrong = |what: &str| page(400, &format!("The request is not right: {what}."));
        let Some(redirect) = get("redirect_uri").filter(|redirect| is_redirect(redirect)) else {
            return wrong("redirect_uri");
        };
        if get("client_id") != Some(&self.options.client_id) {
            return wrong("client_id");
        }
        let mut back = vec![("state", get("state").unwrap_or_default().to_owned())];
        let challenge = get("code_challenge").map(ToOwned::to_owned);
        if get("response_type") != Some("code")
            || challenge.is_none()
            || get("code_challenge_method") != Some("S256")
        {
            back.push(("error", "invalid_request".to_owned()));
            return to_redirect(redirect, &back);
        }
        let mut scopes: Vec<String> =
            get("scope").unwrap_or_default().split_whitespace().map(ToOwned::to_owned).collect();
        match &self.consent {
            Consent::Allow => {}
            Consent::Deny => {
                back.push(("error", "access_denied".to_owned()));
                return to_redirect(redirect, &back);
            }
            Consent::Without(left_out) => scopes.retain(|scope| !left_out.contains(scope)),
        }
        let code = self.fresh("code");
        let row = Code {
            challenge,
            redirect: redirect.to_owned(),
            scopes,
            expires: self.now() + CODE_LIFE,
            claims: get("claims").map(ToOwned::to_owned),
            used: None,
        };
        self.codes.insert(code.clone(), row);
        back.push(("code", code));
        to_redirect(redirect, &back)
    }

    fn authenticate(
        &self,
        form: &BTreeMap<String, String>,
        authorization: Option<&str>,
    ) -> Result<(), Answer> {
        let basic = authorization
            .and_then(|value| value.strip_prefix("Basic "))
            .and_then(|value| STANDARD.decode(value).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let (id, secret) = match basic.as_deref().and_then(|basic| basic.split_once(':')) {
            Some((id, secret)) => (Some(decode(id)), Some(decode(secret))),
            None => (form.get("client_id").cloned(), form.get("client_secret").cloned()),
        };
        // Clients that always send one send an empty one.
        let secret = secret.filter(|secret| !secret.is_empty());
        let right = id.as_deref() == Some(&self.options.client_id) && secret == self.options.client_secret;
        if right { Ok(()) } else { Err(refusal(401, "invalid_client")) }
    }

    fn token(&mut self, form: &BTreeMap<String, String>) -> Answer {
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        match get("grant_type") {
            "authorization_code" => self.redeem(get("code"), get("code_verifier"), get("redirect_uri")),
            "refresh_token" => self.renew(get("refresh_token")),
            "urn:ietf:params:oauth:grant-type:device_code" => self.redeem_device(get("device_code")),
            _ => refusal(400, "unsupported_grant_type"),
        }
    }

    fn redeem(&mut self, code: &str, verifier: &str, redirect: &str) -> Answer {
        let now = self.now();
        let grant = self.count + 1;
        let Some(row) = self.codes.get_mut(code) else { return refusal(400, "invalid_grant") };
        if let Some(grant) = row.used {
            self.ended.insert(grant);
            return refusal(400, "invalid_grant");
        }
        let proven = row.challenge.as_deref() == Some(&challenge(verifier));
        if !proven || row.redirect != redirect || now >= row.expires {
            return refusal(400, "invalid_grant");
        }
        row.used = Some(grant);
        if row.claims.is_some() && row.claims == self.challenge {
            self.met.insert(grant);
        }
        let scopes = row.scopes.clone();
        self.give(grant, scopes)
    }

    fn redeem_device(&mut self, code: &str) -> Answer {
        let now = self.now();
        match self.devices.get(code) {
            None => refusal(400, "invalid_grant"),
            Some(device) if now >= device.expires => refusal(400, "expired_token"),
            Some(_) if self.consent == Consent::Deny => refusal(400, "access_denied"),
            Some(device) => {
                if let Some(word) = self.delays.pop_front() {
                    return refusal(400, &word);
                }
                let scopes = device.scopes.clone();
                self.devices.remove(code);
                self.give(self.count + 1, scopes)
            }
        }
    }

    fn renew(&mut self, token: &str) -> Answer {
        self.refreshes += 1;
        let now = self.now();
        let Some(row) = self.refresh.get_mut(token) else { return refusal(400, "invalid_grant") };
        let (grant, scopes) = (row.grant, row.scopes.clone());
        if row.replaced {
            self.ended.insert(grant);
        }
        let over = self.ends.get(&grant).is_some_and(|end| *end <= now);
        if over || self.ended.contains(&grant) {
            return refusal(400, "invalid_grant");
        }
        row.replaced = self.rotation == Rotation::Strict;
        self.issue(grant, scopes, self.rotation != Rotation::Keep)
    }

    /// A grant begins.
    fn give(&mut self, grant: u64, scopes: Vec<String>) -> Answer {
        if let Some(end) = self.grant_lasts.and_then(|lasts| self.now().checked_add_signed(lasts)) {
            self.ends.insert(grant, end);
        }
        self.issue(grant, scopes, true)
    }

    fn issue(&mut self, grant: u64, scopes: Vec<String>, with_refresh: bool) -> Answer {
        let access = self.fresh("access");
        let life = TimeDelta::from_std(self.options.lifetime).unwrap_or(TimeDelta::hours(1));
        self.access.insert(access.clone(), (grant, self.now() + life));
        let mut body = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": life.num_seconds(),
            "scope": scopes.join(" "),
        });
        if scopes.iter().any(|scope| scope == "openid") {
            body["id_token"] = self.id_token().into();
        }
        // Microsoft gives one only to whom asked for it.
        let offline = self.vendor == Vendor::Google || scopes.iter().any(|scope| scope == "offline_access");
        if with_refresh && offline {
            let refresh = self.fresh("refresh");
            if let Some(end) = self.ends.get(&grant) {
                body["refresh_token_expires_in"] = (*end - self.now()).num_seconds().into();
            }
            self.refresh.insert(refresh.clone(), Refresh { grant, scopes, replaced: false });
            body["refresh_token"] = refresh.into();
        }
        Answer { status: 200, headers: json_headers(), body: body.to_string().into_bytes() }
    }

    /// Not signed: whoever gets it here got it from the token endpoint.
    fn id_token(&self) -> String {
        let subject = URL_SAFE_NO_PAD.encode(Sha256::digest(self.person.as_bytes()));
        let client = &self.options.client_id;
        let claims = match self.vendor {
            Vendor::Google => json!({
                "iss": "https://accounts.google.com", "aud": client, "sub": subject, "email": self.person,
            }),
            Vendor::Microsoft => json!({
                "iss": "https://login.microsoftonline.com/tenant/v2.0", "aud": client, "sub": subject,
                "oid": subject, "tid": "tenant", "preferred_username": self.person,
            }),
        };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims))
    }

    fn revoke(&mut self, form: &BTreeMap<String, String>) -> Answer {
        let token = form.get("token").map(String::as_str).unwrap_or_default();
        let grant = self.refresh.get(token).map(|row| row.grant);
        let grant = grant.or_else(|| self.access.get(token).map(|(grant, _)| *grant));
        match grant.filter(|grant| self.ended.insert(*grant)) {
            Some(_) => Answer { status: 200, headers: json_headers(), body: b"{}".to_vec() },
            None => refusal(400, "invalid_token"),
        }
    }

    /// The person types the code at once.
    fn device(&mut self, form: &BTreeMap<String, String>) -> Answer {
        let scopes = form.get("scope").map(String::as_str).unwrap_or_default();
        let scopes = scopes.split_whitespace().map(ToOwned::to_owned).collect();
        let code = self.fresh("device");
        self.devices.insert(code.clone(), Device { scopes, expires: self.now() + TimeDelta::minutes(15) });
        let body = json!({
            "device_code": code, "user_code": "ABCD-EFGH", "expires_in": 900, "interval": 5,
            // Microsoft says https://microsoft.com/devicelogin, where nobody knows a code of ours.
            "verification_uri": format!("{}/common/oauth2/v2.0/deviceauth", self.base),
        });
        Answer { status: 200, headers: json_headers(), body: body.to_string().into_bytes() }
    }

    /// The same for the same requests each time, and of no use to guess: it is good here only.
    fn fresh(&mut self, kind: &str) -> String {
        self.count += 1;
        let hash = blake3::hash(format!("{kind} {}", self.count).as_bytes());
        format!("{kind}-{}", &hash.to_hex()[..32])
    }

    fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }
}

/// The S256 challenge of a verifier.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// What a client may have registered: https, or a loopback address with any port (RFC 8252 section 7.3).
fn is_redirect(text: &str) -> bool {
    ["https://", "http://127.0.0.1:", "http://[::1]:", "http://localhost:"]
        .iter()
        .any(|start| text.starts_with(start))
}

fn to_redirect(redirect: &str, parameters: &[(&str, String)]) -> Answer {
    let mut location = redirect.to_owned();
    for (at, (name, value)) in parameters.iter().enumerate() {
        location.push(if at == 0 && !redirect.contains('?') { '?' } else { '&' });
        location.push_str(&format!("{name}={}", crate::microsoft::encode(value)));
    }
    Answer { status: 302, headers: vec![("Location".to_owned(), location)], body: Vec::new() }
}

fn page(status: u16, text: &str) -> Answer {
    let headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
    Answer { status, headers, body: format!("<!doctype html><p>{text}</p>").into_bytes() }
}

fn refusal(status: u16, code: &str) -> Answer {
    let body = json!({"error": code, "error_description": code});
    Answer { status, headers: json_headers(), body: body.to_string().into_bytes() }
}

fn json_headers() -> Vec<(String, String)> {
    [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    crate::microsoft::decode(&text.replace('+', " "))
}
