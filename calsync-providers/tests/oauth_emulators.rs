//! Providers on access that lasts, against the emulators with their authorization servers: tokens are renewed in time,
//! once after a 401, and a grant that was taken away stops its account and no other.
#![cfg(all(feature = "oauth", feature = "google", feature = "microsoft"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use calsync_core::{
    context::{Clock, RandomIds, SystemEntropy},
    engine::{EngineError, Link, SyncOptions, SyncReport},
    provider::{ErrorKind, Provider, ProviderError},
    secret::Secret,
    store::MemoryStore,
    vault::{Envelope, Keeper, LocalKeys},
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, HttpRequest, HttpTransport, ReqwestOptions, ReqwestTransport},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
    oauth::{
        Access, Callback, ClientAuth, Connected, Exchange, Flows, Intent, OAuthConfig, OAuthError,
        OAuthErrorKind, ReauthReason, StateProblem, redeem, start_device, wait_for_device,
    },
};
use calsync_testkit::{
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
    oauth::{Consent, OAuth, OAuthOptions, Rotation},
    world::{World, body, event},
};
use chrono::TimeDelta;
use http::Method;
use url::Url;

/// An emulator with an account in it.
enum Server {
    Google(GoogleServer),
    Graph(GraphServer),
}

impl Server {
    fn oauth<T>(&self, act: impl FnOnce(&mut OAuth) -> T) -> T {
        match self {
            Self::Google(server) => server.oauth(act),
            Self::Graph(server) => server.oauth(act),
        }
    }

    /// The statuses the calendar service answered, without those of the authorization server.
    fn statuses(&self) -> Vec<u16> {
        match self {
            Self::Google(server) => {
                let all =
                    server.requests().into_iter().filter(|request| request.path.starts_with("/calendar"));
                all.map(|request| request.status.unwrap_or_default()).collect()
            }
            Self::Graph(server) => server.requests().into_iter().map(|request| request.status).collect(),
        }
    }

    fn clear(&self) {
        match self {
            Self::Google(server) => server.clear_requests(),
            Self::Graph(server) => server.clear_requests(),
        }
    }

    fn titles(&self) -> Vec<String> {
        let (events, name) = match self {
            Self::Google(server) => (server.events("primary"), "summary"),
            Self::Graph(server) => {
                let stored = server.events(&server.default_calendar());
                (stored.into_iter().map(|stored| stored.event).collect(), "subject")
            }
        };
        let mut titles: Vec<String> =
            events.iter().map(|event| event[name].as_str().unwrap_or_default().to_owned()).collect();
        titles.sort();
        titles
    }

    fn config(&self) -> OAuthConfig {
        let url = |root: &str, path: &str| Url::parse(root).unwrap().join(path).unwrap();
        let mut config = match self {
            Self::Google(server) => {
                let mut config = OAuthConfig::google("calsync").unwrap();
                config.authorize = url(&server.url(), "o/oauth2/v2/auth");
                config.token = url(&server.url(), "token");
                config.revoke = Some(url(&server.url(), "revoke"));
                config
            }
            Self::Graph(server) => {
                let mut config = OAuthConfig::microsoft("common", "calsync").unwrap();
                config.authorize = url(&server.root(), "common/oauth2/v2.0/authorize");
                config.token = url(&server.root(), "common/oauth2/v2.0/token");
                config.device = Some(url(&server.root(), "common/oauth2/v2.0/devicecode"));
                config
            }
        };
        config.addresses = AddressPolicy::AllowPrivate;
        config
    }
}

/// One account of one person: its emulator, its store, its engine.
struct Lab {
    server: Server,
    world: World,
    keeper: Keeper,
    vault: Arc<Envelope>,
    flows: Flows,
    transport: Arc<dyn HttpTransport>,
}

fn options(world: &World) -> OAuthOptions {
    OAuthOptions::default().with_clock(world.clock.clone())
}

fn google() -> Lab {
    Lab::new(|world| {
        let options = GoogleOptions { oauth: options(world), ..GoogleOptions::default() };
        Server::Google(GoogleServer::start(options).unwrap())
    })
}

fn microsoft() -> Lab {
    Lab::new(|world| {
        let mut graph = GraphOptions::default();
        graph.oauth = options(world);
        Server::Graph(GraphServer::start(graph).unwrap())
    })
}

impl Lab {
    fn new(start: impl FnOnce(&World) -> Server) -> Self {
        let world = World::new(Arc::new(MemoryStore::default()), 3);
        let key = Secret::from(STANDARD.encode((0..32).collect::<Vec<u8>>()));
        let keys = LocalKeys::new("k1", &key, Arc::new(SystemEntropy)).unwrap();
        let vault = Arc::new(Envelope::new(Arc::new(keys), Arc::new(SystemEntropy)));
        Self {
            server: start(&world),
            keeper: Keeper::new(world.store.clone(), vault.clone(), ""),
            flows: Flows::new(world.store.clone(), vault.clone(), Arc::new(SystemEntropy), ""),
            vault,
            transport: Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap()),
            world,
        }
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(self.server.config(), self.transport.clone())
    }

    fn access(&self) -> Arc<Access> {
        let (clock, ids) = (self.world.clock.clone(), Arc::new(RandomIds::new().unwrap()));
        Arc::new(Access::new(self.exchange(), self.keeper.clone(), clock, ids, "home"))
    }

    /// What a person does with a browser.
    async fn consent(&self, intent: Intent) -> Result<Connected, OAuthError> {
        self.consent_at(&self.exchange(), intent).await
    }

    async fn consent_at(&self, exchange: &Exchange, intent: Intent) -> Result<Connected, OAuthError> {
        let redirect = Url::parse("http://127.0.0.1:4711/").unwrap();
        let now = self.world.clock.now();
        let url = self.flows.begin(exchange, intent, redirect.as_str(), now).await.unwrap();
        let back = self.opened(url).await;
        assert_eq!(back.port(), Some(4711));
        self.flows.finish(exchange, "s1", back.query().unwrap(), now).await
    }

    /// Where the browser is sent from an address.
    async fn opened(&self, url: Url) -> Url {
        let mut request = HttpRequest::new(Method::GET, url);
        request.addresses = AddressPolicy::AllowPrivate;
        let answer = self.transport.send(request).await.unwrap();
        Url::parse(answer.header("location").expect("the browser is sent back")).unwrap()
    }

    /// What another process of the host has.
    fn flows(&self) -> Flows {
        Flows::new(self.world.store.clone(), self.vault.clone(), Arc::new(SystemEntropy), "")
    }

    async fn connect(&self) {
        let connected = self.consent(Intent::new("home", "s1")).await.unwrap();
        assert!(connected.grant.missing_scopes.is_empty());
        assert_eq!(connected.grant.account.as_ref().unwrap().label.as_deref(), Some("ann@example.com"));
        self.access().keep(&connected.grant).await.unwrap();
    }

    fn provider(&self) -> Box<dyn Provider> {
        let clock = self.world.clock.clone();
        match &self.server {
            Server::Google(server) => {
                let config = GoogleConfig::new(self.access()).at(server.url(), AddressPolicy::AllowPrivate);
                Box::new(GoogleProvider::new(config, self.transport.clone()).unwrap().with_clock(clock))
            }
            Server::Graph(server) => {
                let config =
                    MicrosoftConfig::new(self.access()).at(server.url(), AddressPolicy::AllowPrivate);
                Box::new(MicrosoftProvider::new(config, self.transport.clone()).unwrap().with_clock(clock))
            }
        }
    }

    async fn sync(&self, provider: &dyn Provider) -> Result<SyncReport, EngineError> {
        let remote = match &self.server {
            Server::Google(_) => "ann@example.com".to_owned(),
            Server::Graph(server) => server.default_calendar(),
        };
        let link = Link::new("link", "family", remote.as_str());
        self.world.engine.sync(&link, provider, &SyncOptions::default()).await
    }
}

/// Why a person is needed, as a host finds it in what the engine reports.
fn reason(error: EngineError) -> ReauthReason {
    assert!(error.needs_credentials(), "{error}");
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(found) = source {
        if let Some(error) = found.downcast_ref::<OAuthError>() {
            let OAuthErrorKind::NeedsReauth(reason) = error.kind else { panic!("{error}") };
            return reason;
        }
        source = found.source();
    }
    panic!("no reason in {error}");
}

/// A server hands requests to whichever thread is free: what it awaits has to go along.
#[tokio::test]
async fn everything_can_be_awaited_by_a_task_of_a_server() {
    fn goes_along<T: Send>(_: &T) {}
    let lab = google();
    let (exchange, access, now) = (lab.exchange(), lab.access(), lab.world.clock.now());
    let redirect = Url::parse("http://127.0.0.1:4711/").unwrap();
    goes_along(&lab.flows.begin(&exchange, Intent::new("home", "s1"), redirect.as_str(), now));
    goes_along(&lab.flows.finish(&exchange, "s1", "", now));
    goes_along(&access.token());
    goes_along(&access.disconnect());
    let intent = Intent::new("home", "");
    goes_along(&start_device(&exchange, &intent, now));
    assert!(!access.is_kept().await.unwrap());
}

#[tokio::test]
async fn tokens_are_renewed_before_they_run_out_and_no_request_is_refused() {
    for lab in [google(), microsoft()] {
        lab.connect().await;
        let provider = lab.provider();
        for day in 0..3 {
            lab.world.add(event(&format!("day-{day}"), &format!("day {day}"))).await;
            lab.sync(&*provider).await.unwrap();
            lab.world.clock.advance(TimeDelta::hours(24));
        }
        assert_eq!(lab.server.titles(), ["day 0", "day 1", "day 2"]);
        assert_eq!(lab.server.oauth(|oauth| oauth.refreshes()), 2);
        // Two minutes before the end there is a new one, and within the hour there is not.
        lab.world.clock.advance(TimeDelta::hours(-24) + TimeDelta::minutes(58));
        lab.sync(&*provider).await.unwrap();
        lab.world.clock.advance(TimeDelta::minutes(50));
        lab.sync(&*provider).await.unwrap();
        assert_eq!(lab.server.oauth(|oauth| oauth.refreshes()), 3);
        assert!(!lab.server.statuses().contains(&401), "{:?}", lab.server.statuses());
    }
}

#[tokio::test]
async fn a_token_that_is_refused_before_its_time_is_renewed_once_and_the_write_done_once() {
    for lab in [google(), microsoft()] {
        lab.connect().await;
        let provider = lab.provider();
        lab.sync(&*provider).await.unwrap();
        lab.server.oauth(|oauth| oauth.end_access_tokens());
        lab.server.clear();
        lab.world.add(event("one", "lunch")).await;
        lab.sync(&*provider).await.unwrap();
        assert_eq!(lab.server.titles(), ["lunch"]);
        let refused = lab.server.statuses().into_iter().filter(|status| *status == 401).count();
        assert_eq!((refused, lab.server.oauth(|oauth| oauth.refreshes())), (1, 1));
    }
}

/// AUTH-06 with a provider on top: nobody is asked to sign in again because the token endpoint is down.
#[tokio::test]
async fn auth_06_a_sync_over_a_token_endpoint_that_is_down_is_tried_later() {
    for lab in [google(), microsoft()] {
        lab.connect().await;
        let provider = lab.provider();
        lab.world.clock.advance(TimeDelta::hours(2));
        for outage in [(503, "busy"), (500, ""), (200, "<html>airport</html>"), (429, "{}")] {
            lab.server.oauth(|oauth| oauth.set_outage(Some(outage)));
            let error = lab.sync(&*provider).await.unwrap_err();
            assert!(!error.needs_credentials(), "{outage:?}: {error}");
        }
        lab.server.oauth(|oauth| oauth.set_outage(None));
        lab.sync(&*provider).await.unwrap();
    }
}

/// A grant that was taken away stops its account, keeps what is there, says why; the other account goes on. After
/// consent everything goes on without a duplicate.
#[tokio::test]
async fn auth_03_a_revoked_grant_stops_one_account_until_it_is_connected_again() {
    for (lab, other) in [(google(), microsoft()), (microsoft(), google())] {
        for lab in [&lab, &other] {
            lab.connect().await;
            for uid in ["before", "edited", "deleted"] {
                lab.world.add(event(uid, uid)).await;
            }
            lab.sync(&*lab.provider()).await.unwrap();
        }
        let provider = lab.provider();
        lab.sync(&*provider).await.unwrap();
        lab.server.oauth(|oauth| oauth.revoke_all());
        for lab in [&lab, &other] {
            lab.world.add(event("while", "while")).await;
            lab.world.edit("edited", |event| body(event).title = Some("anew".into())).await;
            lab.world.delete("deleted").await;
        }
        for _ in 0..3 {
            let error = lab.sync(&*provider).await.unwrap_err();
            assert_eq!(reason(error), ReauthReason::Revoked);
            other.sync(&*other.provider()).await.unwrap();
        }
        // Asked once: a refusal is kept.
        assert_eq!(lab.server.oauth(|oauth| oauth.refreshes()), 1);
        assert_eq!(lab.world.locals().await.len(), 3, "nothing is lost here");
        assert_eq!(lab.server.titles(), ["before", "deleted", "edited"]);
        assert_eq!(other.server.titles(), ["anew", "before", "while"]);
        // No restart: the same provider goes on.
        lab.connect().await;
        for _ in 0..3 {
            lab.world.clock.advance(TimeDelta::minutes(5));
            lab.sync(&*provider).await.unwrap();
        }
        assert_eq!(lab.server.titles(), ["anew", "before", "while"]);
        assert_eq!(lab.world.locals().await.len(), 3);
        let report = lab.sync(&*provider).await.unwrap();
        assert!(report.plan.operations.is_empty(), "{:?}", report.plan.operations);
    }
}

/// When a grant ends is told once, when it is given (Google), or with each refresh token: it is kept, whatever renewing
/// leaves out, until somebody connects again.
#[tokio::test]
async fn the_end_of_a_grant_is_kept_over_renewals_until_it_is_connected_again() {
    for lab in [google(), microsoft()] {
        let lasts = TimeDelta::days(7);
        lab.server.oauth(|oauth| oauth.set_grant_lasts(Some(lasts.to_std().unwrap())));
        let provider = lab.provider();
        assert_eq!(lab.access().ends().await.unwrap(), None, "nothing is kept yet");
        lab.connect().await;
        let end = Some(lab.world.clock.now() + lasts);
        assert_eq!(lab.access().ends().await.unwrap(), end);
        for day in 1..7 {
            lab.world.clock.advance(TimeDelta::days(1));
            lab.sync(&*provider).await.unwrap();
            assert_eq!(lab.server.oauth(|oauth| oauth.refreshes()), day);
            assert_eq!(lab.access().ends().await.unwrap(), end);
        }
        lab.world.clock.advance(TimeDelta::days(1));
        assert_eq!(reason(lab.sync(&*provider).await.unwrap_err()), ReauthReason::Revoked);
        lab.server.oauth(|oauth| oauth.set_grant_lasts(None));
        lab.connect().await;
        assert_eq!(lab.access().ends().await.unwrap(), None, "the new one does not end");
        lab.sync(&*provider).await.unwrap();
    }
}

#[tokio::test]
async fn the_end_of_a_grant_is_what_the_host_says_where_the_provider_does_not() {
    for lab in [google(), microsoft()] {
        let mut config = lab.server.config();
        config.grant_lasts = Some(TimeDelta::days(7));
        let exchange = Exchange::new(config, lab.transport.clone());
        let connected = lab.consent_at(&exchange, Intent::new("home", "s1")).await.unwrap();
        let end = Some(lab.world.clock.now() + TimeDelta::days(7));
        assert_eq!(connected.grant.tokens.ends, end);
        lab.world.clock.advance(TimeDelta::days(1));
        let renewed = exchange.refresh(&connected.grant.tokens, lab.world.clock.now()).await.unwrap();
        assert_eq!(renewed.ends, end, "renewing does not begin it anew");
        lab.server.oauth(|oauth| oauth.set_grant_lasts(Some(std::time::Duration::from_secs(3600))));
        let connected = lab.consent_at(&exchange, Intent::new("home", "s1")).await.unwrap();
        let end = lab.world.clock.now() + TimeDelta::hours(1);
        assert_eq!(connected.grant.tokens.ends, Some(end), "what is told goes before");
    }
}

/// A host on the web is called back over https, at the address it has registered, with what is its own in the query; by whom
/// it was begun is told by the session, and whichever process is called finishes it.
#[tokio::test]
async fn a_host_on_the_web_is_called_back_over_https() {
    for lab in [google(), microsoft()] {
        for callback in [
            "https://calendar.example.com/oauth/callback",
            "https://example.com:8443/back?app=calsync&lang=de",
        ] {
            let begin = async |session: &str| {
                let (exchange, now) = (lab.exchange(), lab.world.clock.now());
                let redirect = Url::parse(callback).unwrap();
                let url = lab
                    .flows
                    .begin(&exchange, Intent::new("home", session), redirect.as_str(), now)
                    .await
                    .unwrap();
                assert!(url.query_pairs().any(|(name, value)| name == "redirect_uri" && value == callback));
                lab.opened(url).await
            };
            let finish = async |session: &str, back: &Url| {
                let now = lab.world.clock.now();
                lab.flows().finish(&lab.exchange(), session, back.query().unwrap(), now).await
            };
            let back = begin("ann").await;
            assert!(back.as_str().starts_with(callback), "{back}");
            let connected = finish("ann", &back).await.unwrap();
            assert!(connected.grant.missing_scopes.is_empty());
            lab.access().keep(&connected.grant).await.unwrap();
            lab.sync(&*lab.provider()).await.unwrap();
            // Once, and in the browser it was begun in.
            let error = finish("ann", &back).await.unwrap_err();
            assert_eq!(error.kind, OAuthErrorKind::State(StateProblem::Unknown));
            let error = finish("eve", &begin("ann").await).await.unwrap_err();
            assert_eq!(error.kind, OAuthErrorKind::State(StateProblem::OtherSession));
            // A code is good for the address it was sent to.
            let elsewhere = Url::parse("https://elsewhere.example.com/").unwrap();
            let (exchange, now) = (lab.exchange(), lab.world.clock.now());
            let begun = calsync_providers::oauth::begin(
                &lab.server.config(),
                Intent::new("home", "ann"),
                elsewhere.as_str(),
                &SystemEntropy,
                now,
            )
            .unwrap();
            let sent = begun
                .url
                .as_str()
                .replace("https%3A%2F%2Felsewhere.example.com%2F", "https%3A%2F%2Fexample.com%2F");
            assert_ne!(sent, begun.url.as_str());
            let back = lab.opened(Url::parse(&sent).unwrap()).await;
            let came = Callback::parse(back.query().unwrap()).unwrap();
            let code = redeem(&lab.server.config(), &begun.pending, "ann", came, now).unwrap();
            let error = exchange.code(&begun.pending, &code, now).await.unwrap_err();
            assert_eq!(error.kind, OAuthErrorKind::NeedsReauth(ReauthReason::Revoked), "invalid_grant");
        }
    }
}

/// Eight workers with providers of their own, and a server that ends a refresh token when it is used: had two renewed,
/// the grant would be over.
#[tokio::test]
async fn auth_03_many_workers_share_a_rotating_grant() {
    for lab in [google(), microsoft()] {
        lab.connect().await;
        lab.server.oauth(|oauth| oauth.set_rotation(Rotation::Strict));
        for round in 1..=3 {
            lab.world.clock.advance(TimeDelta::hours(2));
            let workers: Vec<_> = (0..4).map(|_| lab.provider()).collect();
            let asked = futures_util::future::join_all(workers.iter().map(|worker| worker.calendars())).await;
            assert!(asked.iter().all(Result::is_ok), "{asked:?}");
            assert_eq!(lab.server.oauth(|oauth| oauth.refreshes()), round);
        }
    }
}

#[tokio::test]
async fn auth_08_a_scope_left_out_and_a_person_who_says_no() {
    let lab = google();
    let withheld = "https://www.googleapis.com/auth/calendar.calendarlist.readonly".to_owned();
    lab.server.oauth(|oauth| oauth.set_consent(Consent::Without(vec![withheld.clone()])));
    let connected = lab.consent(Intent::new("home", "s1")).await.unwrap();
    assert_eq!(connected.grant.missing_scopes, [withheld]);
    lab.server.oauth(|oauth| oauth.set_consent(Consent::Deny));
    let error = lab.consent(Intent::new("home", "s1")).await.unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::Denied);
    assert_eq!(ProviderError::from(error).kind, ErrorKind::Unauthorized);
}

#[tokio::test]
async fn another_person_is_not_linked_in_the_place_of_the_first() {
    for lab in [google(), microsoft()] {
        lab.connect().await;
        let mut intent = Intent::new("home", "s1");
        intent.expected = lab.access().subject().await.unwrap();
        assert!(intent.expected.is_some());
        lab.consent(intent.clone()).await.expect("the same person");
        lab.server.oauth(|oauth| oauth.set_person("bob@example.com"));
        assert_eq!(lab.consent(intent).await.unwrap_err().kind, OAuthErrorKind::WrongAccount);
    }
}

#[tokio::test]
async fn a_disconnected_account_is_over_on_both_sides() {
    let lab = google();
    lab.connect().await;
    let provider = lab.provider();
    lab.sync(&*provider).await.unwrap();
    assert_eq!(lab.server.oauth(|oauth| oauth.grants()), 1);
    assert!(lab.access().disconnect().await.unwrap());
    assert_eq!(lab.server.oauth(|oauth| oauth.grants()), 0);
    // A worker that has the token in memory still is refused by the server, and finds nothing kept.
    let error = lab.sync(&*provider).await.unwrap_err();
    assert_eq!(reason(error), ReauthReason::NoRefreshToken);
    // Microsoft cannot be told.
    let lab = microsoft();
    lab.connect().await;
    assert!(!lab.access().disconnect().await.unwrap());
    assert!(!lab.access().is_kept().await.unwrap());
}

#[tokio::test]
async fn a_confidential_client_shows_its_secret_either_way() {
    for auth in [ClientAuth::RequestBody, ClientAuth::BasicHeader] {
        for (secret, good) in [("s3cret & more", true), ("wrong", false)] {
            let world = World::new(Arc::new(MemoryStore::default()), 3);
            let oauth = options(&world).with_secret("s3cret & more");
            let server = GoogleServer::start(GoogleOptions { oauth, ..GoogleOptions::default() }).unwrap();
            let mut lab = google();
            lab.server = Server::Google(server);
            let mut config = lab.server.config().with_secret(secret);
            config.client_auth = auth;
            let exchange = Exchange::new(config.clone(), lab.transport.clone());
            let (redirect, now) = (Url::parse("http://127.0.0.1:1/").unwrap(), world.clock.now());
            let intent = Intent::new("home", "s1");
            let url = lab.flows.begin(&exchange, intent, redirect.as_str(), now).await.unwrap();
            let mut request = HttpRequest::new(Method::GET, url);
            request.addresses = AddressPolicy::AllowPrivate;
            let answer = lab.transport.send(request).await.unwrap();
            let back = Url::parse(answer.header("location").unwrap()).unwrap();
            let finished = lab.flows.finish(&exchange, "s1", back.query().unwrap(), now).await;
            match finished {
                Ok(_) => assert!(good, "{auth:?}"),
                Err(error) => {
                    assert_eq!((good, error.kind), (false, OAuthErrorKind::Configuration), "{auth:?}");
                }
            }
        }
    }
}

/// RFC 7009 section 2.1: whoever revokes shows who they are, as at the token endpoint.
#[tokio::test]
async fn a_confidential_client_shows_its_secret_to_revoke() {
    let world = World::new(Arc::new(MemoryStore::default()), 3);
    for auth in [ClientAuth::RequestBody, ClientAuth::BasicHeader] {
        let oauth = options(&world).with_secret("s3cret & m:re%");
        let server = GoogleServer::start(GoogleOptions { oauth, ..GoogleOptions::default() }).unwrap();
        let mut lab = google();
        lab.server = Server::Google(server);
        let exchange = |secret: Option<&str>| {
            let mut config = lab.server.config();
            config.client_secret = secret.map(Secret::from);
            config.client_auth = auth;
            Exchange::new(config, lab.transport.clone())
        };
        let right = exchange(Some("s3cret & m:re%"));
        let connected = lab.consent_at(&right, Intent::new("home", "s1")).await.unwrap();
        for wrong in [None, Some("another")] {
            let error = exchange(wrong).revoke(&connected.grant.tokens).await.unwrap_err();
            assert_eq!(error.kind, OAuthErrorKind::Configuration, "{auth:?}");
            assert_eq!(lab.server.oauth(|oauth| oauth.grants()), 1);
        }
        assert!(right.revoke(&connected.grant.tokens).await.unwrap());
        assert_eq!(lab.server.oauth(|oauth| oauth.grants()), 0, "{auth:?}");
    }
}

/// Continuous access evaluation: the service ends a token that has an hour to go and names what it wants to see.
#[tokio::test]
async fn a_claims_challenge_stops_the_account_until_somebody_signs_in_with_its_claims() {
    const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    let lab = microsoft();
    lab.connect().await;
    let provider = lab.provider();
    lab.world.add(event("one", "lunch")).await;
    lab.sync(&*provider).await.unwrap();
    lab.server.oauth(|oauth| oauth.set_challenge(Some(CLAIMS)));
    lab.world.add(event("two", "tea")).await;
    lab.server.clear();
    for _ in 0..3 {
        assert_eq!(reason(lab.sync(&*provider).await.unwrap_err()), ReauthReason::ClaimsChallenge);
        assert_eq!(reason(lab.sync(&*lab.provider()).await.unwrap_err()), ReauthReason::ClaimsChallenge);
    }
    // Asked once: nobody tries a token again, and nothing is renewed.
    assert_eq!(lab.server.statuses(), [401]);
    assert_eq!(lab.server.oauth(|oauth| oauth.refreshes()), 0);

    // Signing in without them does not help: it ends where it began.
    let plain = lab.consent(Intent::new("home", "s1")).await.unwrap();
    lab.access().keep(&plain.grant).await.unwrap();
    assert_eq!(reason(lab.sync(&*provider).await.unwrap_err()), ReauthReason::ClaimsChallenge);

    let intent = lab.access().intent("s1").await.unwrap();
    let connected = lab.consent(intent).await.unwrap();
    lab.access().keep(&connected.grant).await.unwrap();
    lab.sync(&*provider).await.unwrap();
    assert_eq!(lab.server.titles(), ["lunch", "tea"]);
    lab.world.clock.advance(TimeDelta::hours(2));
    lab.sync(&*provider).await.unwrap();
    assert_eq!(lab.server.oauth(|oauth| oauth.refreshes()), 1, "and goes on as before");
}

/// A token that is old and challenged: the one that takes its place tells why it is refused.
#[tokio::test]
async fn a_renewed_token_that_is_challenged_says_so() {
    let lab = microsoft();
    lab.connect().await;
    let provider = lab.provider();
    lab.sync(&*provider).await.unwrap();
    lab.server.oauth(|oauth| oauth.set_challenge(Some("{}")));
    lab.world.clock.advance(TimeDelta::hours(2));
    assert_eq!(reason(lab.sync(&*provider).await.unwrap_err()), ReauthReason::ClaimsChallenge);
}

/// Who types the code of a device is not always who was asked to.
#[tokio::test]
async fn another_person_at_the_device_is_not_linked_in_the_place_of_the_first() {
    let lab = microsoft();
    lab.connect().await;
    let exchange = lab.exchange();
    for (person, expected) in
        [("ann@example.com", None), ("bob@example.com", Some(OAuthErrorKind::WrongAccount))]
    {
        lab.server.oauth(|oauth| oauth.set_person(person));
        let intent = lab.access().intent("").await.unwrap();
        let code = start_device(&exchange, &intent, lab.world.clock.now()).await.unwrap();
        let came = wait_for_device(&exchange, &code, &*lab.world.clock, |_| std::future::ready(())).await;
        assert_eq!(came.err().map(|error| error.kind), expected, "{person}");
    }
}

#[tokio::test]
async fn a_device_without_a_browser_gets_access() {
    let lab = microsoft();
    let exchange = lab.exchange();
    let code = start_device(&exchange, &Intent::new("home", ""), lab.world.clock.now()).await.unwrap();
    let wait = |_| std::future::ready(());
    let grant = wait_for_device(&exchange, &code, &*lab.world.clock, wait).await.unwrap();
    assert!(grant.tokens.refresh.is_some());
    lab.access().keep(&grant).await.unwrap();
    assert!(!lab.provider().calendars().await.unwrap().is_empty());
}

/// RFC 8628 section 3.5: who waits asks every five seconds, and five more after each `slow_down`.
#[tokio::test]
async fn a_device_waits_for_its_person_and_slows_down_when_told() {
    let lab = microsoft();
    let exchange = lab.exchange();
    let code = start_device(&exchange, &Intent::new("home", ""), lab.world.clock.now()).await.unwrap();
    lab.server.oauth(|oauth| {
        oauth.delay_devices(["authorization_pending", "slow_down", "authorization_pending", "slow_down"]);
    });
    let waits = std::sync::Mutex::new(Vec::new());
    let wait = |time: std::time::Duration| {
        waits.lock().unwrap().push(time.as_secs());
        lab.world.clock.advance(TimeDelta::from_std(time).unwrap());
        std::future::ready(())
    };
    wait_for_device(&exchange, &code, &*lab.world.clock, wait).await.unwrap();
    assert_eq!(*waits.lock().unwrap(), [5, 10, 10, 15]);

    // A person who never comes: it ends with the code, and not before.
    let code = start_device(&exchange, &Intent::new("home", ""), lab.world.clock.now()).await.unwrap();
    lab.server.oauth(|oauth| oauth.delay_devices(["authorization_pending"; 500]));
    let error = wait_for_device(&exchange, &code, &*lab.world.clock, wait).await.unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::State(StateProblem::Expired));
    assert!(lab.world.clock.now() >= code.expires);
}
