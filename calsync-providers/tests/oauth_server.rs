//! Signing in and renewing access against an authorization server we did not write.
//!
//! `cargo xtask test` starts it (`xtask/node/oauth_server.mjs`) and sets `CALSYNC_TEST_OAUTH` to its address. Without it
//! the test asks the authorization server of the Google emulator the same questions: codes with PKCE, refresh with
//! rotation, refusals, revocation. It has no device codes: those are asked of the Microsoft emulator only
//! (`oauth_emulators.rs`).
#![cfg(all(feature = "oauth", feature = "google"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use calsync_core::{
    context::{Clock, RandomIds, SystemEntropy},
    secret::Secret,
    store::{MemoryStore, Store},
    vault::{Envelope, Keeper, LocalKeys},
};
use calsync_providers::{
    http::{AddressPolicy, HttpRequest, HttpTransport, ReqwestOptions, ReqwestTransport},
    oauth::{
        Access, Connected, Exchange, Flows, Intent, OAuthConfig, OAuthError, OAuthErrorKind, ReauthReason,
        StateProblem,
    },
};
use calsync_testkit::{
    google::{GoogleOptions, GoogleServer},
    oauth::{Consent, Rotation},
    world::VirtualClock,
};
use chrono::TimeDelta;
use http::Method;
use url::{Url, form_urlencoded};

const SCOPES: [&str; 3] = ["openid", "calendar.events", "calendar.calendarlist.readonly"];

struct Lab {
    own: GoogleServer,
    outside: Option<Url>,
    store: Arc<dyn Store>,
    keeper: Keeper,
    flows: Flows,
    clock: Arc<VirtualClock>,
    transport: Arc<dyn HttpTransport>,
}

impl Lab {
    fn new() -> Self {
        let key = Secret::from(STANDARD.encode((0..32).collect::<Vec<u8>>()));
        let keys = LocalKeys::new("k1", &key, Arc::new(SystemEntropy)).unwrap();
        let vault = Arc::new(Envelope::new(Arc::new(keys), Arc::new(SystemEntropy)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let own = GoogleServer::start(GoogleOptions::default()).unwrap();
        own.oauth(|oauth| oauth.set_rotation(Rotation::Strict));
        Self {
            own,
            outside: std::env::var("CALSYNC_TEST_OAUTH").ok().map(|url| Url::parse(&url).unwrap()),
            keeper: Keeper::new(store.clone(), vault.clone(), ""),
            flows: Flows::new(store.clone(), vault, Arc::new(SystemEntropy), ""),
            store,
            clock: Arc::new(VirtualClock::default()),
            transport: Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap()),
        }
    }

    /// What the person answers follows from the client outside, and is set here.
    fn exchange(&self, client: &str) -> Exchange {
        let own = Url::parse(&self.own.url()).unwrap();
        let mut config = match &self.outside {
            Some(url) => {
                let at = |path: &str| url.join(path).unwrap();
                let mut config = OAuthConfig::new("other", at("authorize"), at("token"), client);
                config.revoke = Some(at("revoke"));
                config.issuer = Some(url.as_str().trim_end_matches('/').to_owned());
                config
            }
            None => {
                self.own.oauth(|oauth| {
                    oauth.set_consent(match client {
                        "denied" => Consent::Deny,
                        "narrow" => Consent::Without(SCOPES[1..].iter().map(ToString::to_string).collect()),
                        _ => Consent::Allow,
                    });
                });
                let at = |path: &str| own.join(path).unwrap();
                let mut config = OAuthConfig::new("other", at("o/oauth2/v2/auth"), at("token"), "calsync");
                config.revoke = Some(at("revoke"));
                config.issuer = Some("https://accounts.google.com".to_owned());
                config
            }
        };
        config.scopes = SCOPES.map(str::to_owned).to_vec();
        config.addresses = AddressPolicy::AllowPrivate;
        Exchange::new(config, self.transport.clone())
    }

    fn access(&self) -> Access {
        let ids = Arc::new(RandomIds::new().unwrap());
        Access::new(self.exchange("calsync"), self.keeper.clone(), self.clock.clone(), ids, "home")
    }

    /// What the browser brings back.
    async fn browse(&self, exchange: &Exchange) -> String {
        let redirect = Url::parse("http://127.0.0.1:4711/").unwrap();
        let intent = Intent::new("home", "s1");
        let url = self.flows.begin(exchange, intent, redirect.as_str(), self.clock.now()).await.unwrap();
        let mut request = HttpRequest::new(Method::GET, url);
        request.addresses = AddressPolicy::AllowPrivate;
        let answer = self.transport.send(request).await.unwrap();
        let back = Url::parse(answer.header("location").expect("the browser is sent back")).unwrap();
        back.query().unwrap().to_owned()
    }

    async fn finish(&self, exchange: &Exchange, query: &str) -> Result<Connected, OAuthError> {
        self.flows.finish(exchange, "s1", query, self.clock.now()).await
    }

    async fn connect(&self) -> Connected {
        let exchange = self.exchange("calsync");
        let query = self.browse(&exchange).await;
        let connected = self.finish(&exchange, &query).await.unwrap();
        self.access().keep(&connected.grant).await.unwrap();
        connected
    }
}

fn with(query: &str, name: &str, value: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let pairs = pairs.map(|(key, old)| (key.clone(), if key == name { value.into() } else { old }));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn part(query: &str, name: &str) -> String {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).unwrap().1.into_owned()
}

#[tokio::test]
async fn a_code_with_pkce_becomes_access_of_a_known_person() {
    let lab = Lab::new();
    let connected = lab.connect().await;
    // Its issuer, its audience and its form were right, or there would be none.
    assert!(!connected.grant.account.unwrap().subject.is_empty());
    assert!(connected.grant.missing_scopes.is_empty(), "{:?}", connected.grant.missing_scopes);
    assert!(connected.grant.tokens.refresh.is_some());
    assert!(lab.access().token().await.unwrap().same(&connected.grant.tokens.access));
}

#[tokio::test]
async fn a_code_goes_with_the_verifier_of_its_own_flow_only() {
    let lab = Lab::new();
    let exchange = lab.exchange("calsync");
    let (theirs, ours) = (lab.browse(&exchange).await, lab.browse(&exchange).await);
    let stolen = with(&ours, "code", &part(&theirs, "code"));
    lab.finish(&exchange, &stolen).await.unwrap_err();
}

#[tokio::test]
async fn a_state_nobody_gave_out_is_refused_and_a_known_one_is_good_once() {
    let lab = Lab::new();
    let exchange = lab.exchange("calsync");
    let query = lab.browse(&exchange).await;
    let unknown = OAuthErrorKind::State(StateProblem::Unknown);
    let wrong = with(&query, "state", "made-up");
    assert_eq!(lab.finish(&exchange, &wrong).await.unwrap_err().kind, unknown);
    lab.finish(&exchange, &query).await.unwrap();
    assert_eq!(lab.finish(&exchange, &query).await.unwrap_err().kind, unknown);
}

#[tokio::test]
async fn a_person_who_says_no_and_one_who_allows_a_part() {
    let lab = Lab::new();
    let denied = lab.exchange("denied");
    let query = lab.browse(&denied).await;
    assert_eq!(lab.finish(&denied, &query).await.unwrap_err().kind, OAuthErrorKind::Denied);
    let narrow = lab.exchange("narrow");
    let query = lab.browse(&narrow).await;
    assert_eq!(lab.finish(&narrow, &query).await.unwrap().grant.missing_scopes, SCOPES[1..]);
}

/// Each refresh token is good once: a worker that used an old one would be out.
#[tokio::test]
async fn auth_03_rotated_refresh_tokens_are_kept_and_shared() {
    let lab = Lab::new();
    let first = lab.connect().await.grant.tokens;
    let mut last = first.access.clone();
    for _ in 0..3 {
        lab.clock.advance(TimeDelta::hours(2));
        let workers: Vec<Access> = (0..4).map(|_| lab.access()).collect();
        let tokens = futures_util::future::join_all(workers.iter().map(Access::token)).await;
        let tokens: Vec<Secret> = tokens.into_iter().map(|token| token.expect("renewed")).collect();
        assert!(tokens.iter().all(|token| token.same(&tokens[0]) && !token.same(&last)));
        last = tokens[0].clone();
    }
    let stale = lab.exchange("calsync").refresh(&first, lab.clock.now()).await.unwrap_err();
    assert_eq!(stale.kind, OAuthErrorKind::NeedsReauth(ReauthReason::Revoked));
}

/// Counts by name and labels.
#[cfg(feature = "worker")]
#[derive(Default)]
struct Counted(std::sync::Mutex<std::collections::BTreeMap<String, Arc<std::sync::atomic::AtomicU64>>>);

#[cfg(feature = "worker")]
impl metrics::Recorder for Counted {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        metrics::Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

/// `docs/metrics.md`: whether tokens are renewed.
#[cfg(feature = "worker")]
#[tokio::test]
async fn what_becomes_of_renewals_is_counted() {
    let counted = Counted::default();
    let _guard = metrics::set_default_local_recorder(&counted);
    let lab = Lab::new();
    let tokens = lab.connect().await.grant.tokens;
    let now = lab.clock.now();
    lab.exchange("calsync").refresh(&tokens, now).await.unwrap();
    lab.exchange("calsync").refresh(&tokens, now).await.unwrap_err();
    let counts = counted.0.lock().unwrap();
    let counts: Vec<(&str, u64)> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), count.load(std::sync::atomic::Ordering::SeqCst)))
        .collect();
    assert_eq!(
        counts,
        [("calsync_token_refreshes_total done", 1), ("calsync_token_refreshes_total refused", 1)]
    );
}

#[tokio::test]
async fn a_grant_is_given_back() {
    let lab = Lab::new();
    let tokens = lab.connect().await.grant.tokens;
    assert!(lab.access().disconnect().await.unwrap());
    let over = lab.exchange("calsync").refresh(&tokens, lab.clock.now()).await.unwrap_err();
    assert_eq!(over.kind, OAuthErrorKind::NeedsReauth(ReauthReason::Revoked));
    assert!(!lab.access().is_kept().await.unwrap());
    let left = lab.store.docs("secrets", calsync_core::store::DocQuery::Page { after: None, limit: 9 }).await;
    assert!(left.unwrap().is_empty());
}
