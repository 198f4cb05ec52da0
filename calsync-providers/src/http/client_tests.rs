//! The client over a transport that only remembers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::Url;

use super::*;

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
