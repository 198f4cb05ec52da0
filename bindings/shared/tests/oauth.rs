//! Accounts that are connected by OAuth, at the authorization servers of the emulators.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper outside #[test] fails the test too")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use calsync_bindings::{Code, Engine, Failure, Host, HostFailure, testing::Emulator};
use serde_json::{Value, json};
use url::Url;

const REDIRECT: &str = "http://127.0.0.1:4711/back";
const SESSION: &str = "never shown";

fn key(first: u8) -> String {
    BASE64.encode((first..first + 32).collect::<Vec<u8>>())
}

fn engine(store: Value, keys: Value) -> Engine {
    Engine::new(&json!({ "store": store, "host": { "master_keys": keys } }).to_string()).unwrap()
}

async fn ask(engine: &Engine, method: &str, args: Value) -> Result<Value, Failure> {
    let answer = engine.call(method.to_owned(), args.to_string(), None).await?;
    Ok(serde_json::from_str(&answer).unwrap())
}

/// What a browser is sent to from an address.
fn followed(url: &str) -> Url {
    let url = Url::parse(url).unwrap();
    let address = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(address).unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", address.0).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let location = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then_some(value)
    });
    Url::parse(location.expect("the browser is sent back")).unwrap()
}

/// A person with an account at an emulator, and the engine that is to have it as `account`.
struct Lab {
    emulator: Emulator,
    engine: Engine,
    client: Value,
}

impl Lab {
    fn new(provider: &str) -> Self {
        Self::over(provider, json!("memory"))
    }

    fn over(provider: &str, store: Value) -> Self {
        let emulator = Emulator::start(&json!({ "provider": provider }).to_string()).unwrap();
        let client = serde_json::from_str(&emulator.ask("client", "{}").unwrap()).unwrap();
        Self { emulator, engine: engine(store, json!({ "current": "a", "keys": { "a": key(0) } })), client }
    }

    fn tell(&self, line: &str) {
        self.emulator.ask("tell", &json!({ "line": line }).to_string()).unwrap();
    }

    async fn ask(&self, method: &str, args: Value) -> Result<Value, Failure> {
        ask(&self.engine, method, args).await
    }

    /// What the person brings back.
    async fn allowed(&self) -> String {
        let begin = json!({ "connection": "account", "client": self.client, "session": SESSION, "redirect": REDIRECT });
        let url = self.ask("begin_oauth", begin).await.unwrap();
        let back = followed(url.as_str().unwrap());
        assert!(back.as_str().starts_with(REDIRECT));
        back.query().unwrap().to_owned()
    }

    async fn finish(&self, session: &str, query: &str) -> Result<Value, Failure> {
        self.ask("finish_oauth", json!({ "client": self.client, "session": session, "query": query })).await
    }

    async fn signed_in(&self) -> Result<Value, Failure> {
        self.finish(SESSION, &self.allowed().await).await
    }

    fn connection(&self) -> Value {
        let account: Value = serde_json::from_str(self.emulator.account()).unwrap();
        json!({
            "connection": "account", "provider": account["provider"], "url": account["url"],
            "trust_address": true, "client": self.client,
        })
    }

    /// Signed in, connected and joined.
    async fn join(&self) {
        self.signed_in().await.unwrap();
        self.ask("connect", self.connection()).await.unwrap();
        self.ask("put_calendar", json!({ "calendar": { "id": "family", "name": "Family" } })).await.unwrap();
        let remotes = self.ask("remote_calendars", json!({ "connection": "account" })).await.unwrap();
        let link = json!({
            "link": "home", "calendar": "family", "connection": "account", "remote": remotes[0]["id"],
        });
        self.ask("add_link", link).await.unwrap();
    }

    async fn pushed(&self, uid: &str) -> Result<Value, Failure> {
        let time =
            json!({ "start": { "utc": "2026-03-01T09:00:00Z" }, "end": { "utc": "2026-03-01T10:00:00Z" } });
        let event = json!({ "uid": uid, "master": { "time": time, "title": uid } });
        self.ask("add_event", json!({ "calendar": "family", "event": event })).await?;
        let report = self.ask("sync", json!({ "link": "home" })).await?;
        Ok(report["counts"]["pushed"].clone())
    }
}

fn said(result: Result<Value, Failure>) -> (Code, bool) {
    let failure = result.unwrap_err();
    for secret in ["code-", "access-", "refresh-", SESSION] {
        assert!(!failure.message.contains(secret), "{failure}");
    }
    (failure.code, failure.retryable)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_connected_and_its_tokens_last() {
    for provider in ["google", "microsoft"] {
        let lab = Lab::new(provider);
        lab.tell("oauth grant=604800");
        let grant = lab.signed_in().await.unwrap();
        assert_eq!((&grant["connection"], &grant["label"]), (&json!("account"), &json!("ann@example.com")));
        assert!(grant["subject"].is_string() && grant["ends"].is_string(), "{grant}");
        assert_eq!(grant["missing_scopes"], json!([]));
        lab.join().await;
        assert_eq!(lab.pushed("a").await.unwrap(), 1, "{provider}");
        // Refused before its time, and over before it is used.
        lab.tell("do end-access-tokens");
        assert_eq!(lab.pushed("b").await.unwrap(), 1, "{provider}");
        lab.tell("oauth lifetime=0");
        lab.signed_in().await.unwrap();
        lab.tell("oauth lifetime=3600");
        lab.ask("connect", lab.connection()).await.unwrap();
        assert_eq!(lab.pushed("c").await.unwrap(), 1, "{provider}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_taken_away_is_a_persons_affair_until_it_is_given_again() {
    for provider in ["google", "microsoft"] {
        let lab = Lab::new(provider);
        lab.join().await;
        lab.tell("do revoke-all");
        assert_eq!(said(lab.pushed("a").await), (Code::Unauthorized, false), "{provider}");
        lab.signed_in().await.unwrap();
        let report = lab.ask("sync", json!({ "link": "home" })).await.unwrap();
        assert_eq!(report["counts"]["pushed"], 1, "{provider}");
        // What the token endpoint says of the account comes through a run as it is.
        lab.tell(r#"oauth outage=400:{"error":"invalid_grant","error_codes":[53003]}"#);
        lab.tell("do end-access-tokens");
        assert_eq!(said(lab.pushed("b").await), (Code::NeedsAdmin, false), "{provider}");
        lab.tell("oauth outage=503:busy");
        assert_eq!(said(lab.pushed("c").await), (Code::Unavailable, true), "{provider}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_has_to_belong_to_what_was_begun() {
    let lab = Lab::new("google");
    let query = lab.allowed().await;
    assert_eq!(said(lab.finish("another", &query).await), (Code::OAuthState, false), "another session");
    assert_eq!(said(lab.finish(SESSION, &query).await), (Code::OAuthState, false), "it is used up");
    let query = lab.allowed().await;
    lab.finish(SESSION, &format!("?{query}")).await.unwrap();
    assert_eq!(said(lab.finish(SESSION, &query).await), (Code::OAuthState, false), "a second time");
    assert_eq!(said(lab.finish(SESSION, "code=x").await), (Code::OAuthState, false), "no state");
    lab.tell("oauth person=bob@example.com");
    assert_eq!(said(lab.signed_in().await), (Code::WrongAccount, false));
    lab.tell("oauth person=ann@example.com");
    lab.tell("oauth consent=deny");
    assert_eq!(said(lab.signed_in().await), (Code::ConsentDenied, false));
    lab.tell("oauth consent=without:https://www.googleapis.com/auth/calendar.events");
    let grant = lab.signed_in().await.unwrap();
    assert_eq!(grant["missing_scopes"], json!(["https://www.googleapis.com/auth/calendar.events"]));
    lab.tell("oauth consent=allow");
    lab.tell("oauth outage=200:<html>");
    assert_eq!(said(lab.signed_in().await), (Code::Protocol, true));
    lab.tell(r#"oauth outage=401:{"error":"invalid_client"}"#);
    assert_eq!(said(lab.signed_in().await), (Code::InvalidInput, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disconnected_is_forgotten() {
    for (provider, told) in [("google", true), ("microsoft", false)] {
        let lab = Lab::new(provider);
        lab.join().await;
        assert_eq!(lab.ask("disconnect", json!({ "connection": "account" })).await.unwrap(), told);
        assert_eq!(said(lab.pushed("a").await).0, Code::UnknownConnection, "{provider}");
        lab.ask("connect", lab.connection()).await.unwrap();
        assert_eq!(said(lab.pushed("b").await).0, Code::Unauthorized, "{provider}");
        // Another person may have the name now.
        lab.tell("oauth person=bob@example.com");
        lab.signed_in().await.unwrap();
    }
    let lab = Lab::new("google");
    lab.join().await;
    lab.tell("oauth outage=503:busy");
    assert_eq!(lab.ask("disconnect", json!({ "connection": "account" })).await.unwrap(), false);
    assert_eq!(
        said(lab.ask("disconnect", json!({ "connection": "account" })).await).0,
        Code::UnknownConnection
    );
    let feed = json!({ "connection": "feed", "provider": "ics", "url": "https://feeds.example.com/a.ics" });
    lab.ask("connect", feed).await.unwrap();
    assert_eq!(
        lab.ask("disconnect", json!({ "connection": "feed" })).await.unwrap(),
        true,
        "nothing to tell"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_is_in_the_store_in_clear_and_keys_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calendar.db");
    let store = json!({ "sqlite": { "path": path } });
    let lab = Lab::over("google", store.clone());
    let waiting = lab.allowed().await;
    lab.join().await;
    drop(lab.engine);
    let mut rows = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        rows.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let held = |text: &str| rows.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(held("oauth-flows") && held("secrets"), "the rows are read");
    let state = Url::parse(&format!("http://x/?{waiting}")).unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    for secret in ["access-", "refresh-", "access_token", &state, &key(0)] {
        assert!(!held(secret), "{secret}");
    }

    // A new key opens what the earlier one sealed, while that is there.
    for (keys, expected) in [
        (json!({ "b": key(1) }), Some(Code::InvalidInput)),
        (json!({ "a": key(2), "b": key(1) }), Some(Code::StoreCorrupt)),
        (json!({ "a": key(0), "b": key(1) }), None),
    ] {
        let engine = engine(store.clone(), json!({ "current": "b", "keys": keys }));
        let connection = json!({
            "connection": "account", "provider": "google", "trust_address": true, "client": lab.client,
            "url": serde_json::from_str::<Value>(lab.emulator.account()).unwrap()["url"],
        });
        ask(&engine, "connect", connection).await.unwrap();
        let answer = ask(&engine, "remote_calendars", json!({ "connection": "account" })).await;
        assert_eq!(answer.err().map(|failure| failure.code), expected);
    }
}

/// Tokens whose key is lost are in nobody's way.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_any_more_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = json!({ "sqlite": { "path": folder.path().join("calendar.db") } });
    let mut lab = Lab::over("google", store.clone());
    lab.signed_in().await.unwrap();
    lab.engine = engine(store, json!({ "current": "b", "keys": { "b": key(1) } }));
    let begin =
        json!({ "connection": "account", "client": lab.client, "session": SESSION, "redirect": REDIRECT });
    assert_eq!(said(lab.ask("begin_oauth", begin).await), (Code::InvalidInput, false));
    lab.ask("connect", lab.connection()).await.unwrap();
    assert_eq!(lab.ask("disconnect", json!({ "connection": "account" })).await.unwrap(), false);
    lab.join().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_said_at_once() {
    let keys = [
        json!({ "current": "a", "keys": {} }),
        json!({ "current": "a", "keys": { "b": key(0) } }),
        json!({ "current": "a", "keys": { "a": "never shown" } }),
        json!({ "current": "a", "keys": { "a": BASE64.encode([7; 32]) } }),
        json!({ "current": "a", "keys": { "a": key(0), "b": BASE64.encode([1; 31]) } }),
    ];
    for keys in keys {
        let opening = json!({ "store": "memory", "host": { "master_keys": keys } }).to_string();
        let failure = Engine::new(&opening).unwrap_err();
        assert_eq!(failure.code, Code::InvalidInput, "{keys}");
        assert!(!failure.message.contains("never shown"));
    }

    let own = json!({
        "provider": "mine", "client_id": "me", "authorize": "https://id.example.com/a", "token": "https://id.example.com/t",
    });
    let with = |changes: Value| {
        let mut client = own.clone();
        for (name, value) in changes.as_object().unwrap() {
            client[name] = value.clone();
        }
        client
    };
    let lab = Lab::new("google");
    let begin = |client: Value, redirect: &str| {
        let args = json!({
            "connection": "account", "client": client, "session": SESSION, "redirect": redirect,
            "login_hint": "ann@example.com",
        });
        lab.ask("begin_oauth", args)
    };
    for client in [
        with(json!({ "client_id": "" })),
        with(json!({ "provider": "" })),
        with(json!({ "token": null })),
        with(json!({ "authorize": null })),
        with(json!({ "authorize": null, "token": null })),
        with(json!({ "token": "http://id.example.com/t" })),
        with(json!({ "authorize": "id.example.com" })),
        with(json!({ "revoke": "mailto:ann@example.com" })),
        with(json!({ "tenant": "common" })),
        with(json!({ "color": "red" })),
    ] {
        assert_eq!(said(begin(client.clone(), REDIRECT).await), (Code::InvalidInput, false), "{client}");
    }
    assert_eq!(said(begin(own.clone(), "/back").await).0, Code::InvalidInput);
    for (connection, session) in [("", SESSION), ("account", "")] {
        let args =
            json!({ "connection": connection, "client": own, "session": session, "redirect": REDIRECT });
        assert_eq!(said(lab.ask("begin_oauth", args).await), (Code::InvalidInput, false));
    }
    let query = lab.allowed().await;
    assert_eq!(said(lab.finish("", &query).await), (Code::InvalidInput, false));
    lab.finish(SESSION, &query).await.expect("nothing is used up by that");

    let asked = |url: Value| {
        let url = Url::parse(url.as_str().unwrap()).unwrap();
        let of = |name: &str| {
            let found = url.query_pairs().find(|(known, _)| known == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let [id, scope, hint, access] = ["client_id", "scope", "login_hint", "access_type"].map(of);
        (format!("{}{}", url.host_str().unwrap(), url.path()), id, scope, hint, access)
    };
    let some = |parts: [&str; 5]| {
        let [at, id, scope, hint, access] = parts.map(str::to_owned);
        (at, id, scope, hint, access)
    };
    let scopes = json!(["calendar", "offline"]);
    let hint = "ann@example.com";
    for (client, expected) in [
        (with(json!({ "scopes": scopes })), ["id.example.com/a", "me", "calendar offline", hint, ""]),
        (
            json!({ "provider": "google", "client_id": "me", "scopes": scopes }),
            ["accounts.google.com/o/oauth2/v2/auth", "me", "calendar offline", hint, "offline"],
        ),
        (
            json!({ "provider": "microsoft", "client_id": "me", "tenant": "contoso.com", "scopes": scopes }),
            [
                "login.microsoftonline.com/contoso.com/oauth2/v2.0/authorize",
                "me",
                "calendar offline",
                hint,
                "",
            ],
        ),
    ] {
        assert_eq!(asked(begin(client, REDIRECT).await.unwrap()), some(expected));
    }

    let mut both = lab.connection();
    both["secret"] = json!("a token");
    assert_eq!(said(lab.ask("connect", both).await).0, Code::InvalidInput);
    for (provider, code) in [("caldav", Code::Unsupported), ("microsoft", Code::InvalidInput)] {
        let mut other = lab.connection();
        other["provider"] = json!(provider);
        assert_eq!(said(lab.ask("connect", other).await).0, code, "tokens of Google");
    }
    let bare = Engine::new("\"memory\"").unwrap();
    let failure = ask(&bare, "connect", lab.connection()).await.unwrap_err();
    assert_eq!((failure.code, failure.item.as_deref()), (Code::InvalidInput, Some("account")));
    assert!(failure.message.contains("master keys"), "{failure}");
}

/// A host whose store fails.
struct Broken(&'static str);

#[async_trait]
impl Host for Broken {
    async fn call(&self, method: &'static str, _: String) -> Result<String, HostFailure> {
        Err(HostFailure::new(method, self.0, "LookupError"))
    }

    fn tell(&self, _: String) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_says_comes_through() {
    let lab = Lab::new("google");
    let engine = engine(json!("host"), json!({ "current": "a", "keys": { "a": key(0) } }));
    for (kind, code) in [("failed", Code::HostFailed), ("unavailable", Code::StoreUnavailable)] {
        let host = Arc::new(Broken(kind));
        let args = json!({ "connection": "account", "client": lab.client, "session": SESSION, "redirect": REDIRECT });
        let failed = engine.call("begin_oauth".to_owned(), args.to_string(), Some(host.clone())).await;
        assert_eq!(failed.unwrap_err().code, code);
        // Also where a run needs a token.
        engine.call("connect".to_owned(), lab.connection().to_string(), Some(host.clone())).await.unwrap();
        let args = json!({ "connection": "account" }).to_string();
        let failed = engine.call("remote_calendars".to_owned(), args, Some(host)).await;
        assert_eq!(failed.unwrap_err().code, code);
    }
}
