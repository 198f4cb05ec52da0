//! The client over a transport that only remembers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::Url;

use super::*;
use crate::http::Secret;

/// Answers with what was scripted, and remembers what was asked.
#[derive(Default)]
struct Scripted {
    answers: Mutex<Vec<(u16, &'static str)>>,
    seen: Mutex<Vec<HttpRequest>>,
}

#[async_trait]
impl HttpTransport for Scripted {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.seen.lock().unwrap().push(request);
        let (status, location) = self.answers.lock().unwrap().remove(0);
        let mut headers = HeaderMap::new();
        if !location.is_empty() {
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
        }
        Ok(HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() })
    }
}

async fn run(
    redirects: RedirectPolicy,
    answers: &[(u16, &'static str)],
) -> (Result<Answer, HttpError>, Vec<HttpRequest>) {
    let transport = Arc::new(Scripted { answers: Mutex::new(answers.to_vec()), ..Scripted::default() });
    let options = ClientOptions { redirects, ..ClientOptions::default() };
    let site = Url::parse("https://dav.example.com/").unwrap();
    let client = HttpClient::new(Arc::clone(&transport) as Arc<dyn HttpTransport>, options)
        .with_credentials(Credentials::Basic { username: "ann".into(), password: "pw".into() }, site.clone());
    let request = HttpRequest::new(Method::PUT, site).body("text").header(header::IF_MATCH, "\"1\"");
    let answer = client.send(request).await;
    let seen = transport.seen.lock().unwrap().clone();
    assert_eq!(client.requests(), seen.len() as u64);
    (answer, seen)
}

#[tokio::test]
async fn priv_06_credentials_stay_on_their_site() {
    let hops =
        [(307, "https://p1.example.com/a"), (308, "https://cdn.example.net/b"), (301, "/c"), (200, "")];
    let (answer, seen) = run(RedirectPolicy::AnySite, &hops).await;
    assert_eq!(answer.unwrap().url.as_str(), "https://cdn.example.net/c");
    let sent: Vec<bool> =
        seen.iter().map(|request| request.headers.contains_key(header::AUTHORIZATION)).collect();
    assert_eq!(sent, [true, true, false, false]);
    // con_10: what is sent again is sent whole.
    for request in &seen {
        assert_eq!((&request.method, request.body.as_slice()), (&Method::PUT, &b"text"[..]));
        assert_eq!(request.headers[header::IF_MATCH], "\"1\"");
    }
}

#[tokio::test]
async fn priv_06_credentials_of_a_feed_do_not_follow_to_another_port() {
    let hops = [(302, "https://dav.example.com:8443/a"), (302, "https://p1.example.com/a"), (200, "")];
    let (_, seen) = run(RedirectPolicy::AnySite, &hops).await;
    let sent: Vec<bool> =
        seen.iter().map(|request| request.headers.contains_key(header::AUTHORIZATION)).collect();
    assert_eq!(sent, [true, false, true]);
    // A server of one owner may move between ports of its name.
    let (_, seen) = run(RedirectPolicy::SameSite, &hops).await;
    assert!(seen.iter().all(|request| request.headers.contains_key(header::AUTHORIZATION)));
}

#[tokio::test]
async fn priv_06_an_address_is_left_by_no_redirect_to_another_port() {
    let answers = vec![(302, "http://127.0.0.1:9/"), (200, "")];
    let transport = Arc::new(Scripted { answers: Mutex::new(answers), ..Scripted::default() });
    let site = Url::parse("http://127.0.0.1:8/").unwrap();
    let client = HttpClient::new(transport.clone(), ClientOptions::default())
        .with_credentials(Credentials::Basic { username: "ann".into(), password: "pw".into() }, site.clone());
    let error = client.send(HttpRequest::new(Method::PUT, site)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Blocked);
    assert!(error.to_string().contains("another port (9)"), "{error}");
    assert_eq!(transport.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn only_permanent_redirects_are_worth_keeping() {
    for (hops, kept) in [
        (vec![(301, "/a"), (308, "/b"), (200, "")], Some("https://dav.example.com/b")),
        (vec![(301, "/a"), (302, "/b"), (200, "")], Some("https://dav.example.com/a")),
        (vec![(302, "/a"), (301, "/b"), (200, "")], None),
        (vec![(404, "")], None),
    ] {
        let (answer, _) = run(RedirectPolicy::SameSite, &hops).await;
        assert_eq!(answer.unwrap().moved_to.as_ref().map(Url::as_str), kept);
    }
}

#[tokio::test]
async fn attack_3_chains_end() {
    let hops = vec![(302, "/round"); 30];
    let (answer, seen) = run(RedirectPolicy::SameSite, &hops).await;
    assert_eq!(answer.unwrap_err().kind, HttpErrorKind::Redirect);
    assert_eq!(seen.len(), 6);
}

/// Gives out `first` until it is rejected, then `second`.
struct Tokens {
    current: Mutex<&'static str>,
    next: &'static str,
    rejected: Mutex<Vec<String>>,
}

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> calsync_core::provider::Result<Secret> {
        Ok(Secret::from(*self.current.lock().unwrap()))
    }

    async fn rejected(&self, token: &Secret) -> calsync_core::provider::Result<()> {
        self.rejected.lock().unwrap().push(token.expose().clone());
        *self.current.lock().unwrap() = self.next;
        Ok(())
    }
}

async fn run_as(
    next: &'static str,
    answers: &[(u16, &'static str)],
) -> (u16, Vec<Option<String>>, Vec<String>) {
    let transport = Arc::new(Scripted { answers: Mutex::new(answers.to_vec()), ..Scripted::default() });
    let tokens = Arc::new(Tokens { current: Mutex::new("first"), next, rejected: Mutex::default() });
    let site = Url::parse("https://api.example.com/").unwrap();
    let options = ClientOptions { redirects: RedirectPolicy::AnySite, ..ClientOptions::default() };
    let client = HttpClient::new(Arc::clone(&transport) as Arc<dyn HttpTransport>, options)
        .with_tokens(Arc::clone(&tokens) as Arc<dyn TokenSource>, site.clone());
    let request = HttpRequest::new(Method::PUT, site).body("text");
    let answer = client.send_as("write", request, HttpError::writing).await.unwrap();
    let seen = transport.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|request| request.body == b"text"));
    let sent = seen
        .iter()
        .map(|request| request.headers.get(header::AUTHORIZATION).map(|v| v.to_str().unwrap().to_owned()))
        .collect();
    let rejected = tokens.rejected.lock().unwrap().clone();
    (answer.response.status.as_u16(), sent, rejected)
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once_and_no_other_site_gets_one() {
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let (status, sent, rejected) = run_as("second", &[(401, ""), (200, "")]).await;
    assert_eq!((status, sent), (200, vec![bearer("first"), bearer("second")]));
    assert_eq!(rejected, ["first"]);
    let (status, sent, rejected) = run_as("second", &[(401, ""), (401, "")]).await;
    assert_eq!((status, sent.len(), rejected.len()), (401, 2, 1));
    // Nothing new to try: not asked again.
    let (status, sent, _) = run_as("first", &[(401, "")]).await;
    assert_eq!((status, sent.len()), (401, 1));
    let (_, sent, _) = run_as("second", &[(307, "https://evil.example.org/"), (200, "")]).await;
    assert_eq!(sent, [bearer("first"), None]);
}
