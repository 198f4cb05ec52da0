//! CalDAV discovery through SRV and TXT records (RFC 6764), against a scripted server and a source of records that is made up.

#![cfg(feature = "caldav")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::provider::{ErrorKind, ProviderError, Retry};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider, DiscoveredAccount, LookupError, ServiceRecords, SrvRecord},
    http::{
        AddressPolicy, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport, ReqwestOptions,
        ReqwestTransport,
    },
};
use calsync_testkit::dav::{DavOptions, DavServer, Quirks};
use http::header::AUTHORIZATION;
use url::Url;

/// What a name server says; an unknown name has no records.
#[derive(Default)]
struct Records {
    srv: Vec<(&'static str, SrvRecord)>,
    txt: Vec<(&'static str, &'static str)>,
    broken: Vec<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Records {
    fn srv(mut self, name: &'static str, port: u16, target: &str) -> Self {
        let priority = u16::try_from(self.srv.len()).unwrap();
        self.srv.push((name, SrvRecord { priority, weight: 0, port, target: target.to_owned() }));
        self
    }

    fn txt(mut self, name: &'static str, text: &'static str) -> Self {
        self.txt.push((name, text));
        self
    }

    fn broken(mut self, name: &'static str) -> Self {
        self.broken.push(name);
        self
    }

    fn note(&self, kind: &'static str, name: &str) -> Result<(), LookupError> {
        self.asked.lock().unwrap().push(format!("{kind} {name}"));
        if self.broken.contains(&name) { Err(LookupError::Timeout) } else { Ok(()) }
    }
}

#[async_trait]
impl ServiceRecords for Records {
    async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>, LookupError> {
        self.note("SRV", name)?;
        Ok(self.srv.iter().filter(|(owner, _)| *owner == name).map(|(_, record)| record.clone()).collect())
    }

    async fn txt(&self, name: &str) -> Result<Vec<String>, LookupError> {
        self.note("TXT", name)?;
        Ok(self.txt.iter().filter(|(owner, _)| *owner == name).map(|(_, text)| (*text).to_owned()).collect())
    }
}

/// An internet: some origins are the scripted server, some are web pages, and no other can be reached.
struct Net {
    inner: ReqwestTransport,
    server: Url,
    calendars: Vec<&'static str>,
    pages: Vec<&'static str>,
    /// Each URL, and whether credentials came with it.
    seen: Mutex<Vec<(String, bool)>>,
}

#[async_trait]
impl HttpTransport for Net {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        request.addresses.check_url(&request.url)?;
        let has_credentials = request.headers.contains_key(AUTHORIZATION);
        self.seen.lock().unwrap().push((request.url.to_string(), has_credentials));
        let origin = request.url.origin().ascii_serialization();
        if self.pages.contains(&origin.as_str()) {
            let page = HttpResponse {
                status: http::StatusCode::OK,
                headers: http::HeaderMap::new(),
                body: b"<html>".to_vec(),
            };
            return Ok(page);
        }
        if !self.calendars.contains(&origin.as_str()) {
            return Err(HttpError::not_sent(HttpErrorKind::Connect, "refused"));
        }
        let mut url = self.server.clone();
        url.set_path(request.url.path());
        request.url = url;
        request.addresses = AddressPolicy::AllowPrivate;
        self.inner.send(request).await
    }
}

struct World {
    server: DavServer,
    calendars: Vec<&'static str>,
    pages: Vec<&'static str>,
    trusted: Vec<&'static str>,
    addresses: AddressPolicy,
}

struct Outcome {
    account: Result<Arc<DiscoveredAccount>, ProviderError>,
    asked: Vec<String>,
    seen: Vec<(String, bool)>,
}

impl Outcome {
    fn home(&self) -> &str {
        &self.account.as_ref().unwrap().homes[0]
    }

    fn urls(&self) -> Vec<&str> {
        self.seen.iter().map(|(url, _)| url.as_str()).collect()
    }

    fn error(&self) -> &ProviderError {
        self.account.as_ref().unwrap_err()
    }
}

impl World {
    /// `calendars` are the origins that are the scripted server.
    fn new(calendars: &[&'static str]) -> Self {
        Self {
            server: DavServer::start(DavOptions::with_quirks(Quirks::default())).unwrap(),
            calendars: calendars.to_vec(),
            pages: Vec::new(),
            trusted: Vec::new(),
            addresses: AddressPolicy::Public,
        }
    }

    fn pages(mut self, pages: &[&'static str]) -> Self {
        self.pages = pages.to_vec();
        self
    }

    fn trusting(mut self, hosts: &[&'static str]) -> Self {
        self.trusted = hosts.to_vec();
        self
    }

    fn net(&self) -> Arc<Net> {
        Arc::new(Net {
            inner: ReqwestTransport::new(&ReqwestOptions::default()).unwrap(),
            server: Url::parse(&self.server.url()).unwrap(),
            calendars: self.calendars.clone(),
            pages: self.pages.clone(),
            seen: Mutex::default(),
        })
    }

    async fn discover(&self, address: &str, records: Records) -> Outcome {
        let net = self.net();
        let records = Arc::new(records);
        let mut config = CalDavConfig::new(address, "user", "secret");
        config.addresses = self.addresses;
        config.records = Some(records.clone());
        config.trusted_hosts = self.trusted.iter().map(|&host| host.to_owned()).collect();
        let provider = CalDavProvider::new(config, net.clone()).unwrap();
        let account = provider.discover().await;
        let asked = records.asked.lock().unwrap().clone();
        let seen = net.seen.lock().unwrap().clone();
        Outcome { account, asked, seen }
    }
}

const TLS: &str = "_caldavs._tcp.example.com";
const PLAIN: &str = "_caldav._tcp.example.com";

#[tokio::test]
async fn another_host_and_port_of_the_same_site_is_found_by_srv() {
    let world = World::new(&["https://dav.example.com:8443"]).pages(&["https://example.com"]);
    for address in ["user@example.com", "user@EXAMPLE.com", "example.com"] {
        let found = world.discover(address, Records::default().srv(TLS, 8443, "dav.example.com.")).await;
        assert!(found.home().starts_with("https://dav.example.com:8443/"), "{address}: {}", found.home());
        assert_eq!(found.asked, [format!("SRV {TLS}"), format!("TXT {TLS}")]);
        assert_eq!(found.urls()[0], "https://dav.example.com:8443/.well-known/caldav");
        // The domain's own host is not asked, and credentials go along from the first request.
        assert!(
            found.seen.iter().all(|(url, sent)| *sent && url.starts_with("https://dav.example.com:8443/"))
        );
    }
    // Without a source of records it stays hidden.
    let config = CalDavConfig::new("user@example.com", "user", "secret");
    let error = CalDavProvider::new(config, world.net()).unwrap().discover().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_path_of_the_txt_record_is_asked_first() {
    let world = World::new(&["https://dav.example.com"]);
    let records = || Records::default().srv(TLS, 443, "dav.example.com");
    let found = world.discover("user@example.com", records().txt(TLS, "path=/dav/")).await;
    assert_eq!(found.urls()[0], "https://dav.example.com/dav/");
    found.account.unwrap();
    // A path without calendars, a lookup that fails: the well-known address is still there.
    let found = world.discover("user@example.com", records().txt(TLS, "path=/nowhere/")).await;
    assert_eq!(
        found.urls()[..2],
        ["https://dav.example.com/nowhere/", "https://dav.example.com/.well-known/caldav"]
    );
    found.account.unwrap();
}

#[tokio::test]
async fn a_host_that_is_down_gives_way_to_the_next_one() {
    let world = World::new(&["https://b.example.com"]).pages(&["https://example.com"]);
    let records = Records::default().srv(TLS, 443, "a.example.com").srv(TLS, 443, "b.example.com");
    let found = world.discover("user@example.com", records).await;
    assert!(found.home().starts_with("https://b.example.com/"));
    // Asked once: two more of its places would say the same.
    assert_eq!(found.urls().iter().filter(|url| url.contains("//a.")).count(), 1);
}

#[tokio::test]
async fn without_records_or_with_a_service_that_is_not_offered_the_domain_itself_is_asked() {
    let world = World::new(&["https://example.com"]);
    for (name, records) in [
        ("none", Records::default()),
        ("not offered", Records::default().srv(TLS, 0, ".")),
        ("no answer", Records::default().broken(TLS)),
        ("elsewhere", Records::default().srv(TLS, 443, "dav.example.org")),
        ("nobody there", Records::default().srv(TLS, 443, "dav.example.com")),
    ] {
        let found = world.discover("user@example.com", records).await;
        assert!(found.home().starts_with("https://example.com/"), "{name}");
    }
}

#[tokio::test]
async fn priv_06_a_record_takes_the_password_to_no_other_site() {
    let world = World::new(&["https://dav.example.org", "https://example.com.evil.test"]);
    for (host, port) in [("dav.example.org", 443), ("example.com.evil.test", 443)] {
        for pages in [&["https://example.com"][..], &[]] {
            let world = World { pages: pages.to_vec(), ..World::new(&world.calendars) };
            let found = world.discover("user@example.com", Records::default().srv(TLS, port, host)).await;
            let error = found.error();
            assert_eq!(error.kind, ErrorKind::Blocked);
            assert_eq!(error.retry, Retry::Never);
            assert!(error.to_string().contains(host), "{error}");
            assert!(
                found.urls().iter().all(|url| url.starts_with("https://example.com/")),
                "{:?}",
                found.seen
            );
        }
    }
    // Names of strangers under one suffix are no site.
    let world = World::new(&["https://evil.workers.dev"]);
    let records = Records::default().srv("_caldavs._tcp.victim.workers.dev", 443, "evil.workers.dev");
    let found = world.discover("user@victim.workers.dev", records).await;
    assert_eq!(found.error().kind, ErrorKind::Blocked);
    assert!(found.urls().iter().all(|url| url.starts_with("https://victim.workers.dev/")));
}

#[tokio::test]
async fn priv_06_a_site_somebody_trusts_is_followed_to_and_used_afterwards() {
    let world = World::new(&["https://dav.example.org"]).trusting(&["dav.example.org"]);
    let records = || Records::default().srv(TLS, 443, "dav.example.org");
    let found = world.discover("user@example.com", records()).await;
    assert!(found.home().starts_with("https://dav.example.org/"));
    assert!(found.seen.iter().all(|(_, sent)| *sent));
    // Only where the records lead: what was typed comes first, and no other site is opened by it.
    let found = world.discover("user@example.com", Records::default().srv(TLS, 443, "dav.example.net")).await;
    assert_eq!(found.error().kind, ErrorKind::Blocked);
    assert!(found.urls().iter().all(|url| url.starts_with("https://example.com/")));

    // The calendars are there in the next process as well, as long as the host is trusted.
    let account = world.discover("user@example.com", records()).await.account.unwrap();
    for (trusted, expected) in
        [(vec!["dav.example.org".to_owned()], Ok(1)), (vec![], Err(ErrorKind::Blocked))]
    {
        let mut config = CalDavConfig::new("user@example.com", "user", "secret");
        config.trusted_hosts = trusted;
        let provider = CalDavProvider::with_account(config, world.net(), (*account).clone()).unwrap();
        let listed = provider.list_calendars().await.map(|list| list.calendars.len());
        assert_eq!(listed.map_err(|error| error.kind), expected);
    }
    for host in ["", "a b", "dav.example.org/x", "u:p@dav.example.org", "https://dav.example.org/"] {
        let mut config = CalDavConfig::new("user@example.com", "user", "secret");
        config.trusted_hosts = vec![host.to_owned()];
        let net = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
        let error = CalDavProvider::new(config, net).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidInput, "{host}");
    }
}

#[tokio::test]
async fn the_service_without_tls_is_used_only_where_http_was_typed() {
    let world =
        World::new(&["http://dav.example.com:8080"]).pages(&["http://example.com", "https://example.com"]);
    let records = || Records::default().srv(TLS, 0, ".").srv(PLAIN, 8080, "dav.example.com");
    for address in ["user@example.com", "example.com", "https://example.com/"] {
        let found = world.discover(address, records()).await;
        assert_eq!(found.error().kind, ErrorKind::InvalidInput, "{address}");
        assert_eq!(found.asked, [format!("SRV {TLS}")], "{address}");
        assert!(found.urls().iter().all(|url| url.starts_with("https://")), "{address}");
    }
    let found = world.discover("http://example.com/", records()).await;
    assert!(found.home().starts_with("http://dav.example.com:8080/"));
    // What was typed comes first.
    assert_eq!(found.urls()[..2], ["http://example.com/", "http://dav.example.com:8080/.well-known/caldav"]);
    // The password leaves TLS for the site that was typed, and for no other.
    let foreign = Records::default().srv(PLAIN, 8080, "dav.example.org");
    let world = World::new(&["http://dav.example.org:8080"]).trusting(&["dav.example.org"]);
    let found = world.discover("http://example.com/", foreign).await;
    assert_eq!(found.error().kind, ErrorKind::Blocked);
    assert!(found.urls().iter().all(|url| url.starts_with("http://example.com/")));
}

#[tokio::test]
async fn attack_1_a_record_leads_into_no_private_network() {
    let world = World::new(&["https://dav.corp.internal"]).trusting(&["dav.corp.internal"]);
    let records = || Records::default().srv(TLS, 443, "dav.corp.internal");
    let found = world.discover("user@example.com", records()).await;
    assert!(found.account.is_err() && found.urls().iter().all(|url| url.starts_with("https://example.com/")));
    let world = World { addresses: AddressPolicy::AllowPrivate, ..world };
    assert!(
        world.discover("user@example.com", records()).await.home().starts_with("https://dav.corp.internal/")
    );
    // An address in place of a name is none, trusted or not.
    let world = World::new(&["https://127.0.0.1"]).trusting(&["127.0.0.1"]);
    let found = world.discover("user@example.com", Records::default().srv(TLS, 443, "127.0.0.1")).await;
    assert!(found.urls().iter().all(|url| url.starts_with("https://example.com/")));
}

#[tokio::test]
async fn known_services_servers_and_local_names_are_looked_up_nowhere() {
    let world = World::new(&[]);
    for address in [
        "user@icloud.com",
        "user@posteo.de",
        "dav.example.com:8443",
        "https://dav.example.com/dav/",
        "nas",
        "nas.local",
        "203.0.113.5",
    ] {
        let found = world.discover(address, Records::default()).await;
        assert!(found.account.is_err() && found.asked.is_empty(), "{address}: {:?}", found.asked);
    }
}

#[tokio::test]
async fn what_could_not_be_looked_up_may_be_there_another_time() {
    let world = World::new(&[]).pages(&["https://example.com"]);
    let found = world.discover("user@example.com", Records::default().broken(TLS)).await;
    let error = found.error();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("could not be looked up"), "{error}");
    let found = world.discover("user@example.com", Records::default()).await;
    assert_eq!(found.error().kind, ErrorKind::InvalidInput);
}
