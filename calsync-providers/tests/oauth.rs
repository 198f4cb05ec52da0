//! Connecting accounts and keeping access, against a token endpoint that follows RFC 6749 and 7636 to the letter and
//! counts what it is asked.
#![cfg(feature = "oauth")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use calsync_core::{
    context::{Clock, RandomIds, SystemEntropy},
    provider::Fault,
    secret::Secret,
    store::{DocQuery, MemoryStore, Result as StoreResult, Store, StoreError, StoreErrorKind},
    vault::{Envelope, Keeper, LocalKeys},
};
use calsync_providers::{
    http::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport},
    oauth::{
        Access, Exchange, Flows, Intent, OAuthConfig, OAuthError, OAuthErrorKind, ReauthReason, StateProblem,
    },
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    world::VirtualClock,
};
use chrono::TimeDelta;
use http::{HeaderMap, StatusCode};
use url::{Url, form_urlencoded};

/// What the endpoint answers out of order.
enum Outage {
    Status(u16, &'static str),
    Unreachable,
    /// It did what it was asked, and the answer is lost.
    Lost,
}

#[derive(Default)]
struct State {
    /// Codes, with the challenge they were asked for with.
    codes: BTreeMap<String, String>,
    /// Refresh tokens that are good.
    refresh: Vec<String>,
    issued: u32,
    /// A refresh gives a new refresh token and ends the old one.
    rotates: bool,
    /// The person was here before: no refresh token comes with the code, as at Google.
    remembers: bool,
    scope: Option<String>,
    /// Empty: nothing is said of whose account it is.
    subject: &'static str,
    requests: Vec<String>,
    faults: VecDeque<Outage>,
}

#[derive(Clone, Default)]
struct Provider(Arc<Mutex<State>>);

impl Provider {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The person says yes: what the browser brings back.
    fn consent(&self, url: &Url) -> String {
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut state = self.state();
        state.issued += 1;
        let code = format!("code-{}", state.issued);
        state.codes.insert(code.clone(), asked["code_challenge"].clone());
        form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &asked["state"])
            .finish()
    }

    fn refreshes(&self) -> usize {
        self.state().requests.iter().filter(|grant| *grant == "refresh_token").count()
    }
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() }
}

#[async_trait]
impl HttpTransport for Provider {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // Elsewhere another worker runs meanwhile.
        tokio::task::yield_now().await;
        let mut state = self.state();
        let form: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
        let grant = form.get("grant_type").cloned().unwrap_or_else(|| "revoke".to_owned());
        state.requests.push(grant.clone());
        let fault = state.faults.pop_front();
        match fault {
            Some(Outage::Status(status, body)) => return Ok(answer(status, body)),
            Some(Outage::Unreachable) => {
                return Err(HttpError::not_sent(HttpErrorKind::Connect, "no such host"));
            }
            _ => {}
        }
        let refused = |code: &str| Ok(answer(400, format!(r#"{{"error":"{code}"}}"#)));
        match grant.as_str() {
            "authorization_code" => {
                let Some(challenge) = state.codes.remove(&form["code"]) else {
                    return refused("invalid_grant");
                };
                if challenge != sha256(&form["code_verifier"]) || form["redirect_uri"] != REDIRECT {
                    return refused("invalid_grant");
                }
            }
            "refresh_token" => {
                let token = &form["refresh_token"];
                if !state.refresh.contains(token) {
                    return refused("invalid_grant");
                }
                if state.rotates {
                    state.refresh.retain(|good| good != token);
                }
            }
            _ => {
                state.refresh.retain(|good| *good != form["token"]);
                return Ok(answer(200, ""));
            }
        }
        state.issued += 1;
        let number = state.issued;
        let mut body = serde_json::json!({
            "access_token": format!("access-{number}"), "token_type": "Bearer", "expires_in": 3600,
        });
        if grant == "authorization_code" && !state.remembers || state.rotates {
            let token = format!("refresh-{number}");
            state.refresh.push(token.clone());
            body["refresh_token"] = token.into();
        }
        if let Some(scope) = &state.scope {
            body["scope"] = scope.clone().into();
        }
        if grant == "authorization_code" && !state.subject.is_empty() {
            let claims = serde_json::json!({
                "iss": "https://accounts.google.com", "aud": "client", "sub": state.subject,
            });
            body["id_token"] = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string())).into();
        }
        if matches!(fault, Some(Outage::Lost)) {
            return Err(HttpError::maybe_sent(HttpErrorKind::Interrupted, "the connection broke"));
        }
        Ok(answer(200, body.to_string()))
    }
}

/// The challenge of a verifier, by the `oauth2` crate's own reckoning.
fn sha256(verifier: &str) -> String {
    let verifier = oauth2::PkceCodeVerifier::new(verifier.to_owned());
    oauth2::PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str().to_owned()
}

const REDIRECT: &str = "http://127.0.0.1:4711/";

struct Lab {
    provider: Provider,
    store: Arc<dyn Store>,
    keeper: Keeper,
    flows: Flows,
    clock: Arc<VirtualClock>,
}

impl Lab {
    fn new() -> Self {
        Self::of_tenant(Arc::new(MemoryStore::default()), "")
    }

    fn of_tenant(store: Arc<dyn Store>, tenant: &str) -> Self {
        let key = Secret::from(STANDARD.encode((0..32).collect::<Vec<u8>>()));
        let keys = LocalKeys::new("k1", &key, Arc::new(SystemEntropy)).unwrap();
        let vault = Arc::new(Envelope::new(Arc::new(keys), Arc::new(SystemEntropy)));
        let provider = Provider::default();
        provider.state().subject = "person-1";
        Self {
            provider,
            keeper: Keeper::new(store.clone(), vault.clone(), tenant),
            flows: Flows::new(store.clone(), vault, Arc::new(SystemEntropy), tenant),
            clock: Arc::new(VirtualClock::default()),
            store,
        }
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(OAuthConfig::google("client").unwrap(), Arc::new(self.provider.clone()))
    }

    /// One worker's view of the account.
    fn access(&self) -> Access {
        let ids = Arc::new(RandomIds::new().unwrap());
        Access::new(self.exchange(), self.keeper.clone(), self.clock.clone(), ids, "home")
    }

    async fn begin(&self, intent: Intent) -> Url {
        let redirect = Url::parse(REDIRECT).unwrap();
        self.flows.begin(&self.exchange(), intent, redirect.as_str(), self.clock.now()).await.unwrap()
    }

    async fn finish(
        &self,
        session: &str,
        query: &str,
    ) -> Result<calsync_providers::oauth::Connected, OAuthError> {
        self.flows.finish(&self.exchange(), session, query, self.clock.now()).await
    }

    /// A connected account.
    async fn connected() -> Self {
        Self::connected_on(Arc::new(MemoryStore::default())).await
    }

    async fn connected_on(store: Arc<dyn Store>) -> Self {
        let lab = Self::of_tenant(store, "");
        let url = lab.begin(Intent::new("home", "s1")).await;
        let connected = lab.finish("s1", &lab.provider.consent(&url)).await.unwrap();
        lab.access().keep(&connected.grant).await.unwrap();
        lab
    }
}

#[tokio::test]
async fn an_account_is_connected() {
    let lab = Lab::new();
    let url = lab.begin(Intent::new("home", "s1")).await;
    assert_eq!(url.host_str(), Some("accounts.google.com"));
    let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(asked["access_type"], "offline");
    assert!(asked["scope"].contains("calendar.events"));
    assert!(!url.as_str().contains("verifier"));
    let connected = lab.finish("s1", &lab.provider.consent(&url)).await.unwrap();
    assert_eq!(connected.account, "home");
    assert_eq!(connected.grant.account.unwrap().subject, "person-1");
    assert!(connected.grant.missing_scopes.is_empty());
}

/// Attacks 21, 22 and 27: what comes back belongs to the session, the provider, the account and the hour it was begun in,
/// and comes back once.
#[tokio::test]
async fn an_answer_belongs_to_what_was_begun() {
    let problem = |error: OAuthError| match error.kind {
        OAuthErrorKind::State(problem) => problem,
        other => panic!("{other:?}"),
    };
    let lab = Lab::new();

    let query = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    assert_eq!(problem(lab.finish("thief", &query).await.unwrap_err()), StateProblem::OtherSession);
    assert_eq!(problem(lab.finish("s1", &query).await.unwrap_err()), StateProblem::Unknown, "it is used up");

    let query = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    lab.finish("s1", &query).await.unwrap();
    assert_eq!(problem(lab.finish("s1", &query).await.unwrap_err()), StateProblem::Unknown, "a replay");

    let query = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    lab.clock.advance(TimeDelta::minutes(15));
    assert_eq!(problem(lab.finish("s1", &query).await.unwrap_err()), StateProblem::Expired);

    let query = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    let microsoft = OAuthConfig::microsoft("common", "client").unwrap();
    let other = Exchange::new(microsoft, Arc::new(lab.provider.clone()));
    let error = lab.flows.finish(&other, "s1", &query, lab.clock.now()).await.unwrap_err();
    assert_eq!(problem(error), StateProblem::OtherProvider);

    let query = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    let query = format!("{query}&iss=https%3A%2F%2Fevil.example");
    assert_eq!(problem(lab.finish("s1", &query).await.unwrap_err()), StateProblem::OtherProvider, "RFC 9207");

    for query in ["", "code=x", "state=x", "state=&code=x", "state=a&state=b&code=x", "state=a&code=x&code=y"]
    {
        assert_eq!(problem(lab.finish("s1", query).await.unwrap_err()), StateProblem::Malformed, "{query}");
    }
    assert_eq!(problem(lab.finish("s1", "state=made-up&code=x").await.unwrap_err()), StateProblem::Unknown);
}

/// A code of another flow does not fit this flow's verifier.
#[tokio::test]
async fn a_code_cannot_be_moved_to_another_flow() {
    let lab = Lab::new();
    let attacker = lab.provider.consent(&lab.begin(Intent::new("theirs", "s2")).await);
    let victim = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    let code = form_urlencoded::parse(attacker.as_bytes()).find(|(name, _)| name == "code").unwrap().1;
    let state = form_urlencoded::parse(victim.as_bytes()).find(|(name, _)| name == "state").unwrap().1;
    let error = lab.finish("s1", &format!("code={code}&state={state}")).await.unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::NeedsReauth(ReauthReason::Revoked), "invalid_grant");
}

/// A grant without a refresh token goes on with the one that is kept, when it is the same account's and was not refused.
#[tokio::test]
async fn auth_11_a_refresh_token_is_inherited_within_an_account_only() {
    // the account before, whether its grant was revoked meanwhile, the account that comes back, whether it lasts
    let table = [
        ("person-1", false, "person-1", true),
        ("person-1", true, "person-1", false),
        ("person-1", false, "", false),
        ("", false, "person-1", false),
        ("", false, "", false),
    ];
    for (before, revoked, after, lasts) in table {
        let lab = Lab::new();
        lab.provider.state().subject = before;
        let connect = async || {
            let url = lab.begin(Intent::new("home", "s1")).await;
            let connected = lab.finish("s1", &lab.provider.consent(&url)).await.unwrap();
            lab.access().keep(&connected.grant).await.unwrap();
        };
        connect().await;
        if revoked {
            let good = std::mem::take(&mut lab.provider.state().refresh);
            lab.clock.advance(TimeDelta::hours(1));
            lab.access().token().await.unwrap_err();
            lab.provider.state().refresh = good;
        }
        (lab.provider.state().subject, lab.provider.state().remembers) = (after, true);
        connect().await;
        lab.access().token().await.expect("good for an hour");
        lab.clock.advance(TimeDelta::hours(1));
        let renewed = lab.access().token().await;
        let case = format!("{before:?} {revoked} {after:?}");
        match renewed {
            Ok(_) => assert!(lasts, "{case}"),
            Err(error) => {
                let expected = OAuthErrorKind::NeedsReauth(ReauthReason::NoRefreshToken);
                assert_eq!((lasts, error.kind), (false, expected), "{case}");
            }
        }
    }
}

/// A challenge is the word of the service about one token: it stops every worker, and asks for what the service named.
#[tokio::test]
async fn a_claims_challenge_waits_for_a_person_with_what_it_asks_for() {
    const CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let reason = OAuthErrorKind::NeedsReauth(ReauthReason::ClaimsChallenge);
    let lab = Lab::connected().await;
    let (one, two) = (lab.access(), lab.access());
    let token = one.token().await.unwrap();
    two.token().await.unwrap();
    assert_eq!(one.intent("s1").await.unwrap().claims, None);
    assert_eq!(one.challenged_with(&token, CLAIMS).await.unwrap_err().kind, reason);
    // The other worker has the token in memory still: it learns it from the service, and asks for nothing.
    assert_eq!(two.challenged_with(&token, CLAIMS).await.unwrap_err().kind, reason);
    for access in [&one, &two, &lab.access()] {
        assert_eq!(access.token().await.unwrap_err().kind, reason);
        assert_eq!(access.instead_of(&token).await.unwrap_err().kind, reason);
    }
    assert_eq!(lab.provider.refreshes(), 0);

    let intent = one.intent("s1").await.unwrap();
    assert_eq!((intent.claims.as_deref(), intent.expected.as_deref()), (Some(CLAIMS), Some("person-1")));
    let url = lab.begin(intent).await;
    assert_eq!(url.query_pairs().find(|(name, _)| name == "claims").unwrap().1, CLAIMS);
    // No refresh token comes: the one that is kept was never refused.
    lab.provider.state().remembers = true;
    let connected = lab.finish("s1", &lab.provider.consent(&url)).await.unwrap();
    lab.access().keep(&connected.grant).await.unwrap();
    for access in [&one, &two] {
        access.token().await.expect("everybody goes on");
        access.challenged_with(&token, CLAIMS).await.expect("a token that was replaced meanwhile");
    }
    assert_eq!(one.intent("s1").await.unwrap().claims, None);
    lab.clock.advance(TimeDelta::hours(1));
    one.token().await.expect("it lasts");
}

/// Attack 27: a person who picks another account than the linked one would mix two calendars.
#[tokio::test]
async fn another_account_is_refused() {
    let lab = Lab::new();
    let mut intent = Intent::new("home", "s1");
    intent.expected = Some("person-1".to_owned());
    lab.provider.state().subject = "person-2";
    let query = lab.provider.consent(&lab.begin(intent).await);
    assert_eq!(lab.finish("s1", &query).await.unwrap_err().kind, OAuthErrorKind::WrongAccount);
}

#[tokio::test]
async fn auth_08_a_scope_that_was_not_granted_is_named_and_the_rest_is_kept() {
    let lab = Lab::new();
    lab.provider.state().scope = Some("openid https://www.googleapis.com/auth/calendar.events".to_owned());
    let url = lab.begin(Intent::new("home", "s1")).await;
    let connected = lab.finish("s1", &lab.provider.consent(&url)).await.unwrap();
    let missing = ["https://www.googleapis.com/auth/calendar.calendarlist.readonly"];
    assert_eq!(connected.grant.missing_scopes, missing);
    lab.access().keep(&connected.grant).await.unwrap();
    lab.access().token().await.expect("the tokens are good for the rest");
}

#[tokio::test]
async fn a_person_who_says_no() {
    let lab = Lab::new();
    let query = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    let state = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state").unwrap().1;
    let error = lab.finish("s1", &format!("error=access_denied&state={state}")).await.unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::Denied);
}

/// AUTH-03, attack 26: eight workers find the token old at the same time, and the provider, which ends a refresh token
/// when it is used, is asked once.
#[tokio::test(start_paused = true)]
async fn auth_03_of_many_workers_one_renews() {
    let lab = Lab::connected().await;
    lab.provider.state().rotates = true;
    lab.clock.advance(TimeDelta::minutes(58));
    let workers: Vec<Access> = (0..8).map(|_| lab.access()).collect();
    let tokens = futures_util::future::join_all(workers.iter().map(Access::token)).await;
    let tokens: Vec<String> =
        tokens.into_iter().map(|token| token.expect("renewed").expose().clone()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_eq!(lab.provider.refreshes(), 1);
}

/// The same within one process: one value is asked by eight tasks.
#[tokio::test(start_paused = true)]
async fn of_many_tasks_one_renews() {
    let lab = Lab::connected().await;
    lab.clock.advance(TimeDelta::minutes(58));
    let access = lab.access();
    let tokens = futures_util::future::join_all((0..8).map(|_| access.token())).await;
    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(lab.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_good_token_costs_no_request_and_an_old_one_is_renewed() {
    let lab = Lab::connected().await;
    let access = lab.access();
    let first = access.token().await.unwrap();
    lab.clock.advance(TimeDelta::minutes(56));
    assert!(access.token().await.unwrap().same(&first));
    assert_eq!(lab.provider.refreshes(), 0);
    lab.clock.advance(TimeDelta::minutes(2));
    assert!(!access.token().await.unwrap().same(&first));
    // Google sends no new refresh token: the old one stays good.
    lab.clock.advance(TimeDelta::hours(2));
    access.token().await.unwrap();
    assert_eq!(lab.provider.refreshes(), 2);
}

/// Fails the next commits, so many of them.
#[derive(Default)]
struct Failing(AtomicUsize);

#[async_trait]
impl StoreHook for Failing {
    async fn at(&self, moment: Moment<'_>) -> StoreResult<()> {
        // Elsewhere another worker runs meanwhile.
        tokio::task::yield_now().await;
        let fails = matches!(moment, Moment::Before(call) if call.starts_with("commit"))
            && self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { Err(StoreError::new(StoreErrorKind::Unavailable, "commit")) } else { Ok(()) }
    }
}

/// I26, AUTH-03: the provider ends a refresh token when it is used. The new one is in the store before what came with it is
/// given to anybody; a store that fails for a moment is asked again; and one that stays down gives no token away that
/// nobody could renew.
#[tokio::test(start_paused = true)]
async fn i26_a_refresh_token_is_kept_before_anything_that_came_with_it_is_used() {
    for failures in 0..8 {
        let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), Failing::default()));
        let lab = Lab::connected_on(store.clone()).await;
        lab.provider.state().rotates = true;
        let first = lab.access().token().await.unwrap();
        lab.clock.advance(TimeDelta::minutes(58));
        // The first renewal brings the first refresh token that ends.
        store.hook.0.store(failures, SeqCst);
        match lab.access().token().await {
            Ok(token) => {
                assert!(!token.same(&first) && store.hook.0.load(SeqCst) == 0, "{failures}");
                let good = lab.provider.state().refresh.clone();
                assert_eq!(good.len(), 1);
                // Another worker, which knows what is in the store and no more, renews with it.
                lab.clock.advance(TimeDelta::minutes(58));
                assert!(!lab.access().token().await.unwrap().same(&token), "{failures}");
            }
            Err(error) => {
                assert!(failures >= 5, "{failures}: a moment is outlasted");
                assert_eq!(error.kind, OAuthErrorKind::Storage, "{failures}");
            }
        }
    }
}

/// I26: a worker that dies at any await of a renewal, before the provider has answered or after the answer is kept, costs
/// nobody the account; in between, the account asks for a person, and no token is in use that nobody can renew.
#[tokio::test(start_paused = true)]
async fn i26_a_renewal_that_is_cut_off_at_any_await() {
    let mut kept = BTreeMap::new();
    for polls in 0_usize.. {
        let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::default()), Failing::default()));
        let lab = Lab::connected_on(store).await;
        lab.provider.state().rotates = true;
        lab.clock.advance(TimeDelta::minutes(58));
        let access = lab.access();
        let mut renewal = Box::pin(access.token());
        let mut left = polls;
        let ended = std::future::poll_fn(|context| {
            let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
            left = rest;
            renewal.as_mut().poll(context).map(Some)
        })
        .await;
        drop(renewal);
        let asked = lab.provider.refreshes();
        // The lease of the dead worker runs out.
        lab.clock.advance(TimeDelta::minutes(5));
        let next = lab.access().token().await;
        match &next {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind, OAuthErrorKind::NeedsReauth(ReauthReason::Revoked), "{polls}");
                assert!(asked == 1 && ended.is_none(), "{polls}: only while the answer was on its way");
            }
        }
        *kept.entry(next.is_ok()).or_insert(0) += 1;
        if ended.is_some() {
            break;
        }
    }
    assert!(kept[&true] > 5, "{kept:?}");
}

/// A token the provider refuses before its time is renewed once, whoever asks.
#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once() {
    let lab = Lab::connected().await;
    let workers: Vec<Access> = (0..4).map(|_| lab.access()).collect();
    let refused = workers[0].token().await.unwrap();
    let renewed = futures_util::future::join_all(workers.iter().map(|w| w.instead_of(&refused))).await;
    assert!(renewed.iter().all(|token| !token.as_ref().unwrap().same(&refused)));
    assert_eq!(lab.provider.refreshes(), 1);
}

/// AUTH-06, I25: only the provider's own word about the grant asks a person to connect again.
#[tokio::test]
async fn auth_06_an_outage_is_no_reason_to_sign_in_again() {
    let faults = [
        ("no such host", Outage::Unreachable),
        ("the answer is lost", Outage::Lost),
        ("500", Outage::Status(500, "oops")),
        ("503 with JSON", Outage::Status(503, r#"{"error":"invalid_grant"}"#)),
        ("429", Outage::Status(429, "")),
        ("200 with HTML", Outage::Status(200, "<html>sign in to the airport</html>")),
        ("400 with HTML", Outage::Status(400, "<html>")),
        ("temporarily", Outage::Status(400, r#"{"error":"temporarily_unavailable"}"#)),
    ];
    for (case, fault) in faults {
        let lab = Lab::connected().await;
        lab.clock.advance(TimeDelta::hours(1));
        lab.provider.state().faults.push_back(fault);
        let error = lab.access().token().await.expect_err(case);
        assert_eq!(error.fault(), Fault::Provider, "{case}: {error}");
        lab.access().token().await.unwrap_or_else(|error| panic!("{case}: it is over: {error}"));
    }
}

/// What refines a refusal, in the forms servers send it and in forms they should not: the refusal is understood all the same.
#[tokio::test]
async fn bad_01_a_refusal_is_understood_with_odd_members() {
    use ReauthReason::{Inactive, Interaction, Revoked};
    let table = [
        (r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#, Revoked),
        (
            r#"{"error":"invalid_grant","error_description":"reauth related error (invalid_rapt)",
                "error_uri":"https://support.google.com/a/answer/9368756","error_subtype":"invalid_rapt"}"#,
            Interaction,
        ),
        (
            r#"{"error":"invalid_grant","error_description":"AADSTS700082: x","error_codes":[700082],"timestamp":"t",
                "trace_id":"t","correlation_id":"c","error_uri":"u"}"#,
            Inactive,
        ),
        (r#"{"error":"invalid_grant","error_codes":["700082"]}"#, Inactive),
        (r#"{"error":"invalid_grant","error_codes":[null,{},-1,1e99,99999999999,700082]}"#, Inactive),
        (r#"{"error":"invalid_grant","error_codes":null,"suberror":null,"error_subtype":7}"#, Revoked),
        (r#"{"error":"invalid_grant","error_codes":{},"suberror":["bad_token"]}"#, Revoked),
        (r#"{"error":"interaction_required","suberror":"basic_action","error_codes":[]}"#, Interaction),
    ];
    for (body, reason) in table {
        let lab = Lab::connected().await;
        lab.clock.advance(TimeDelta::hours(1));
        lab.provider.state().faults.push_back(Outage::Status(400, body));
        let error = lab.access().token().await.unwrap_err();
        assert_eq!(error.kind, OAuthErrorKind::NeedsReauth(reason), "{body}");
    }
    // A token is a token, whatever comes with it.
    let lab = Lab::connected().await;
    lab.clock.advance(TimeDelta::hours(1));
    let odd =
        r#"{"access_token":"a","token_type":"Bearer","expires_in":3600,"id_token":7,"ext_expires_in":"x"}"#;
    lab.provider.state().faults.push_back(Outage::Status(200, odd));
    assert_eq!(lab.access().token().await.unwrap().expose(), "a");

    // When a grant ends, as it is told and as it is not.
    for (told, days) in [
        ("604800", Some(7)),
        ("\"604800\"", Some(7)),
        ("0", None),
        ("-1", None),
        ("1e300", None),
        ("[]", None),
    ] {
        let lab = Lab::connected().await;
        lab.clock.advance(TimeDelta::hours(1));
        let body = format!(
            r#"{{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token_expires_in":{told}}}"#
        );
        let renewed = Outage::Status(200, body.leak());
        lab.provider.state().faults.push_back(renewed);
        let access = lab.access();
        access.token().await.unwrap();
        let end = days.map(|days| lab.clock.now() + TimeDelta::days(days));
        assert_eq!(access.ends().await.unwrap(), end, "{told}");
    }
}

/// Who goes on with the refresh token that is kept goes on to its end, and not to one that nobody told.
#[tokio::test]
async fn a_refresh_token_is_inherited_with_its_end() {
    let lab = Lab::connected().await;
    lab.clock.advance(TimeDelta::hours(1));
    let body =
        r#"{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token_expires_in":604800}"#;
    lab.provider.state().faults.push_back(Outage::Status(200, body));
    lab.access().token().await.unwrap();
    let end = Some(lab.clock.now() + TimeDelta::days(7));
    lab.clock.advance(TimeDelta::days(1));
    for (remembers, end) in [(true, end), (false, None)] {
        lab.provider.state().remembers = remembers;
        let url = lab.begin(Intent::new("home", "s1")).await;
        let connected = lab.finish("s1", &lab.provider.consent(&url)).await.unwrap();
        lab.access().keep(&connected.grant).await.unwrap();
        assert_eq!(lab.access().ends().await.unwrap(), end);
    }
}

/// AUTH-02: tokens that cannot be read, because of the database or the key, are no reason to sign in again.
#[tokio::test]
async fn auth_02_a_vault_that_does_not_open_is_no_refused_grant() {
    let lab = Lab::connected().await;
    let key = Secret::from(STANDARD.encode((1..33).collect::<Vec<u8>>()));
    let keys = LocalKeys::new("k2", &key, Arc::new(SystemEntropy)).unwrap();
    let vault = Arc::new(Envelope::new(Arc::new(keys), Arc::new(SystemEntropy)));
    let keeper = Keeper::new(lab.store.clone(), vault, "");
    let ids = Arc::new(RandomIds::new().unwrap());
    let access = Access::new(lab.exchange(), keeper, lab.clock.clone(), ids, "home");
    let error = access.token().await.unwrap_err();
    assert_eq!((error.kind.clone(), error.fault()), (OAuthErrorKind::Storage, Fault::Store));
    let error = calsync_core::provider::ProviderError::from(error);
    assert_eq!(error.kind, calsync_core::provider::ErrorKind::Unavailable);
    assert_eq!(lab.provider.refreshes(), 0);
}

/// A refusal is kept: no worker asks again until a person has connected the account, which needs no restart.
#[tokio::test]
async fn a_revoked_grant_is_told_and_not_asked_for_again() {
    let lab = Lab::connected().await;
    lab.provider.state().refresh.clear();
    lab.clock.advance(TimeDelta::hours(1));
    let access = lab.access();
    for _ in 0..3 {
        let error = access.token().await.unwrap_err();
        assert_eq!(error.kind, OAuthErrorKind::NeedsReauth(ReauthReason::Revoked));
        assert_eq!(error.fault(), Fault::Credentials);
        lab.access().token().await.unwrap_err();
    }
    assert_eq!(lab.provider.refreshes(), 1);
    let url = lab.begin(Intent::new("home", "s1")).await;
    let connected = lab.finish("s1", &lab.provider.consent(&url)).await.unwrap();
    lab.access().keep(&connected.grant).await.unwrap();
    access.token().await.expect("the same worker goes on");
}

#[tokio::test]
async fn what_is_not_there_asks_for_a_person() {
    let lab = Lab::new();
    let error = lab.access().token().await.unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::NeedsReauth(ReauthReason::NoRefreshToken));
}

#[tokio::test]
async fn a_disconnected_account_is_forgotten_on_both_sides() {
    let lab = Lab::connected().await;
    assert!(lab.access().disconnect().await.unwrap(), "the provider was told");
    assert!(lab.provider.state().refresh.is_empty());
    lab.access().token().await.unwrap_err();
    assert!(lab.access().disconnect().await.unwrap(), "twice is harmless");
}

/// Of two flows that were begun before either was finished, the second may come back as somebody else: what is linked stays.
#[tokio::test]
async fn auth_11_another_account_takes_no_ones_place() {
    let lab = Lab::new();
    let (first, second) =
        (lab.begin(Intent::new("home", "s1")).await, lab.begin(Intent::new("home", "s1")).await);
    let connected = lab.finish("s1", &lab.provider.consent(&first)).await.unwrap();
    lab.access().keep(&connected.grant).await.unwrap();
    lab.provider.state().subject = "person-2";
    let other = lab.finish("s1", &lab.provider.consent(&second)).await.unwrap();
    let access = lab.access();
    assert_eq!(access.keep(&other.grant).await.unwrap_err().kind, OAuthErrorKind::WrongAccount);
    assert_eq!(access.subject().await.unwrap().as_deref(), Some("person-1"));
    assert!(access.token().await.unwrap().same(&connected.grant.tokens.access));
    access.disconnect().await.unwrap();
    access.keep(&other.grant).await.expect("nobody has the place");
}

/// A refresh token asked for with another client is refused like one that is void. It is not, and nobody is told that it were.
#[tokio::test]
async fn a_process_with_another_client_ends_no_grant() {
    let lab = Lab::connected().await;
    let mut config = OAuthConfig::google("client").unwrap();
    config.client_id = "another".to_owned();
    let exchange = Exchange::new(config, Arc::new(lab.provider.clone()));
    let ids = Arc::new(RandomIds::new().unwrap());
    let other = Access::new(exchange.clone(), lab.keeper.clone(), lab.clock.clone(), ids, "home");
    lab.clock.advance(TimeDelta::hours(1));
    assert_eq!(other.token().await.unwrap_err().kind, OAuthErrorKind::Configuration);
    assert_eq!(lab.provider.refreshes(), 0, "it is not even asked");
    lab.access().token().await.expect("the grant is good");
    // Nor does it finish what the other one began.
    let query = lab.provider.consent(&lab.begin(Intent::new("home", "s1")).await);
    let error = lab.flows.finish(&exchange, "s1", &query, lab.clock.now()).await.unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::State(StateProblem::OtherProvider));
}

/// What a store does to a disconnection.
#[derive(Default)]
struct Meanwhile {
    /// Reads that fail.
    unread: AtomicUsize,
    /// Reads after which another worker renews.
    renewed: AtomicUsize,
    other: Mutex<Option<Arc<Access>>>,
}

#[async_trait]
impl StoreHook for Meanwhile {
    async fn at(&self, moment: Moment<'_>) -> StoreResult<()> {
        let due = |left: &AtomicUsize| left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        match moment {
            Moment::Before("docs") if due(&self.unread) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "docs"))
            }
            Moment::After("docs") if due(&self.renewed) => {
                let other = self.other.lock().unwrap().clone().unwrap();
                let good = other.token().await.unwrap();
                other.instead_of(&good).await.unwrap();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What another worker renews while an account is disconnected goes as well, there and here; and a store that cannot be read for a
/// moment takes nothing away that nobody was told of.
#[tokio::test]
async fn what_is_renewed_or_cannot_be_read_meanwhile_is_disconnected_too() {
    let inner: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let lab = Lab::connected_on(inner.clone()).await;
    lab.provider.state().rotates = true;
    // The first refresh token of a server that rotates.
    lab.access().instead_of(&lab.access().token().await.unwrap()).await.unwrap();
    let hooked = Arc::new(HookedStore::new(inner.clone(), Meanwhile::default()));
    let mut through = Lab::of_tenant(hooked.clone(), "");
    through.provider = lab.provider.clone();
    *hooked.hook.other.lock().unwrap() = Some(Arc::new(lab.access()));

    let access = through.access();
    hooked.hook.unread.store(1, SeqCst);
    assert_eq!(access.disconnect().await.unwrap_err().kind, OAuthErrorKind::Storage);
    assert!(access.is_kept().await.unwrap() && !lab.provider.state().refresh.is_empty(), "as before");

    hooked.hook.renewed.store(2, SeqCst);
    assert!(access.disconnect().await.unwrap());
    assert!(lab.provider.state().refresh.is_empty(), "none is left there");
    assert!(!access.is_kept().await.unwrap());
}

/// A redirect is compared letter by letter where it is registered.
#[tokio::test]
async fn a_redirect_goes_out_as_it_was_written() {
    let lab = Lab::new();
    for redirect in ["https://app.example.com", "http://localhost:8080", "com.example.app:/back"] {
        let (exchange, now) = (lab.exchange(), lab.clock.now());
        let url = lab.flows.begin(&exchange, Intent::new("home", "s1"), redirect, now).await.unwrap();
        let sent = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
        assert_eq!(sent, redirect);
    }
    let error = lab
        .flows
        .begin(&lab.exchange(), Intent::new("home", "s1"), "/back", lab.clock.now())
        .await
        .unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::Configuration);
}

/// AUTH-11: two tenants may link the same account; their tokens are their own, also in one database.
#[tokio::test]
async fn auth_11_two_tenants_have_one_account() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let one = Lab::of_tenant(store.clone(), "one");
    let url = one.begin(Intent::new("home", "s1")).await;
    let connected = one.finish("s1", &one.provider.consent(&url)).await.unwrap();
    one.access().keep(&connected.grant).await.unwrap();
    // A row that is read under another tenant's name does not open.
    let two = Lab::of_tenant(store, "two");
    let error = two.access().token().await.unwrap_err();
    assert_eq!(error.kind, OAuthErrorKind::Storage, "{error}");
}

/// Attack 25: nothing of a token is in the database, an error or a `Debug`.
#[tokio::test]
async fn priv_04_no_token_is_shown() {
    let lab = Lab::connected().await;
    let url = lab.begin(Intent::new("home", "s1")).await;
    let access = lab.access();
    let token = access.token().await.unwrap();
    let mut shown = format!("{access:?} {token:?} {:?} {:?}", lab.keeper, lab.exchange());
    for space in ["secrets", "oauth-flows"] {
        for doc in lab.store.docs(space, DocQuery::Page { after: None, limit: 10 }).await.unwrap() {
            shown.push_str(&format!("{doc:?} {} {}", doc.key, String::from_utf8_lossy(&doc.value)));
        }
    }
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    for secret in ["access-", "refresh-", "code-", &state] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
