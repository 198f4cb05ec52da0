//! Over a real connection: what the wire does to a feed, and which addresses are asked at all.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ics_common;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calsync_core::provider::{ChangeScope, ErrorKind, Provider, ProviderError};
use calsync_providers::http::{AddressPolicy, Credentials, ReqwestOptions, ReqwestTransport};
use calsync_providers::ics::{IcsConfig, IcsProvider};
use ics_common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that gives each connection the next answer, byte for byte, and keeps the requests.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
enum Reply {
    /// Send this and close.
    Bytes(Vec<u8>),
    /// Send this and then nothing more, for ever.
    Hang(Vec<u8>),
    /// Send this over and over.
    Endless(Vec<u8>),
}

impl Server {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            for reply in replies {
                // Who speaks TLS is turned away.
                let (mut stream, mut head) = loop {
                    let Ok((mut stream, _)) = listener.accept().await else { return };
                    let mut first = [0; 1];
                    if stream.read(&mut first).await.is_ok_and(|n| n == 1) && first != [0x16] {
                        break (stream, first.to_vec());
                    }
                };
                let mut byte = [0; 1];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                }
                seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                tokio::spawn(async move {
                    match reply {
                        Reply::Bytes(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            let _ = stream.shutdown().await;
                        }
                        Reply::Hang(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            std::future::pending::<()>().await;
                        }
                        Reply::Endless(bytes) => while stream.write_all(&bytes).await.is_ok() {},
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}/secret.ics", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn ok(headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let mut bytes = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    bytes.extend(body.as_ref());
    Reply::Bytes(bytes)
}

fn redirect(to: &str) -> Reply {
    Reply::Bytes(
        format!("HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: {to}\r\n\r\n")
            .into(),
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn subscribe(config: IcsConfig) -> Result<IcsProvider, ProviderError> {
    // One for each test: reading the system's certificates takes its time, and connections belong to a runtime.
    thread_local!(static TRANSPORT: Arc<ReqwestTransport> =
        Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap()));
    IcsProvider::new(config, TRANSPORT.with(Clone::clone), Arc::new(FixedClock))
}

fn local(url: &str) -> IcsConfig {
    IcsConfig { addresses: AddressPolicy::AllowPrivate, ..config(url) }
}

async fn count(config: IcsConfig) -> Result<usize, ErrorKind> {
    let provider = subscribe(config).map_err(|error| error.kind)?;
    let page = pull(&provider, None).await.map_err(|error| error.kind)?;
    assert_eq!(page.scope, ChangeScope::Snapshot);
    Ok(page.changes.len())
}

#[tokio::test]
async fn del_01_answers_as_they_come_over_the_wire() {
    let feed = events_feed(2);
    let length = feed.len();
    let zipped = gzip(feed.as_bytes());
    let half = &feed[..length / 2];
    for (what, reply, expected) in [
        ("with a length", ok(&format!("Content-Length: {length}\r\n"), &feed), Ok(2)),
        ("until the connection ends", ok("", &feed), Ok(2)),
        ("wrong content type", ok("Content-Type: text/html\r\n", &feed), Ok(2)),
        ("compressed on the way", ok("Content-Encoding: gzip\r\n", &zipped), Ok(2)),
        ("compressed in store", ok("Content-Type: application/gzip\r\n", &zipped), Ok(2)),
        (
            "shorter than said",
            ok(&format!("Content-Length: {length}\r\n"), half),
            Err(ErrorKind::Unavailable),
        ),
        ("cut without a length", ok("", half), Err(ErrorKind::Protocol)),
        (
            "cut in a chunk",
            ok("Transfer-Encoding: chunked\r\n", format!("{length:x}\r\n{half}")),
            Err(ErrorKind::Unavailable),
        ),
        (
            "cut while compressed",
            ok("Content-Encoding: gzip\r\n", &zipped[..zipped.len() - 20]),
            Err(ErrorKind::Unavailable),
        ),
        ("nothing at all", Reply::Bytes(Vec::new()), Err(ErrorKind::Unavailable)),
        ("no http", Reply::Bytes(b"SSH-2.0-x\r\n".to_vec()), Err(ErrorKind::Unavailable)),
        ("empty body", ok("Content-Length: 0\r\n", ""), Err(ErrorKind::Protocol)),
    ] {
        let server = Server::start(vec![reply]).await;
        assert_eq!(count(local(&server.url())).await, expected, "{what}");
    }
    // Nobody listens.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(count(local(&format!("http://{address}/"))).await, Err(ErrorKind::Unavailable));
}

#[tokio::test]
async fn attack_6_endless_and_silent_servers_are_left() {
    let head = b"HTTP/1.1 200 OK\r\n\r\nBEGIN:VCALENDAR\r\n".to_vec();
    let endless = Server::start(vec![Reply::Endless([&head[..], &[b'x'; 50_000]].concat())]).await;
    let mut config = local(&endless.url());
    config.limits.max_bytes = 1_000_000;
    assert_eq!(count(config).await, Err(ErrorKind::TooLarge));

    let silent = Server::start(vec![Reply::Hang(head)]).await;
    let mut config = local(&silent.url());
    config.limits.deadline = Duration::from_millis(50);
    assert_eq!(count(config).await, Err(ErrorKind::Unavailable));
}

#[tokio::test]
async fn attack_3_redirects_are_checked_at_every_hop() {
    for (to, expected) in [
        ("file:///etc/passwd", ErrorKind::Blocked),
        ("gopher://127.0.0.1/", ErrorKind::Blocked),
        ("/secret.ics", ErrorKind::Protocol),
        ("http://[bad", ErrorKind::Protocol),
    ] {
        let server = Server::start(vec![redirect(to); 8]).await;
        assert_eq!(count(local(&server.url())).await, Err(expected), "{to}");
        assert!(server.requests().len() <= 6);
    }
    // A public feed that leads into the own network: the second hop is refused before anybody is asked.
    for to in ["http://127.0.0.1/", "http://169.254.169.254/latest", "http://[::1]/", "http://localhost:80/"]
    {
        let server = Server::start(vec![ok("", events_feed(1))]).await;
        let fake = Fake::new(move |request, at| {
            assert_eq!(at, 0, "{}", request.url);
            Ok(answer(302, &[("location", to)], ""))
        });
        let transport = Arc::new(Checked(fake));
        let provider =
            IcsProvider::new(config("http://feeds.example.com/a.ics"), transport, Arc::new(FixedClock))
                .unwrap();
        assert_eq!(pull(&provider, None).await.unwrap_err().kind, ErrorKind::Blocked, "{to}");
        assert!(server.requests().is_empty());
    }
}

/// A transport that keeps the promise every transport gives: to check the address.
struct Checked(Arc<Fake>);

#[async_trait::async_trait]
impl calsync_providers::http::HttpTransport for Checked {
    async fn send(
        &self,
        request: calsync_providers::http::HttpRequest,
    ) -> Result<calsync_providers::http::HttpResponse, calsync_providers::http::HttpError> {
        request.addresses.check_url(&request.url)?;
        self.0.send(request).await
    }
}

#[tokio::test]
async fn attack_1_private_addresses_are_refused_before_anybody_is_asked() {
    let server = Server::start(vec![ok("", events_feed(1))]).await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[fd00::1]",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "sub.localhost",
        "printer.local",
    ] {
        for scheme in ["http", "webcal", "https", "feed"] {
            let config =
                IcsConfig { allow_plain_http: true, ..config(&format!("{scheme}://{host}:{port}/")) };
            assert_eq!(count(config).await, Err(ErrorKind::Blocked), "{scheme} {host}");
        }
    }
    assert!(server.requests().is_empty());
    assert_eq!(count(local(&server.url())).await, Ok(1));
}

#[tokio::test]
async fn webcal_is_https_and_plain_http_only_when_allowed() {
    // The server talks no TLS: https fails before there is a connection.
    for (scheme, allow, expected) in [
        ("webcal", false, Err(ErrorKind::Unavailable)),
        ("webcals", true, Err(ErrorKind::Unavailable)),
        ("webcal", true, Ok(2)),
        ("WEBCAL", true, Ok(2)),
        ("feed", true, Ok(2)),
        ("feed:webcal", true, Ok(2)),
        ("feed:http", false, Ok(2)),
        ("http", false, Ok(2)),
    ] {
        let server = Server::start(vec![ok("", events_feed(2)); 3]).await;
        let config = local(&format!("{scheme}://{}/secret.ics#top", server.address));
        let result = count(IcsConfig { allow_plain_http: allow, ..config }).await;
        assert_eq!(
            (result, server.requests().len()),
            (expected.clone(), usize::from(expected.is_ok())),
            "{scheme} {allow}"
        );
    }
}

#[tokio::test]
async fn credentials_of_the_url_go_into_a_header_and_nowhere_else() {
    let other = Server::start(vec![ok("", events_feed(1))]).await;
    // Another name of the same machine is another site.
    let server = Server::start(vec![redirect(&format!("http://localhost:{}/x", other.address.port()))]).await;
    let source = format!("http://ann:p%40ss@{}/secret.ics", server.address);
    let provider = subscribe(local(&source)).unwrap();
    let page = pull(&provider, None).await.unwrap();
    let sent = server.requests().concat();
    assert!(sent.to_lowercase().contains("authorization: basic yw5uonbac3m="), "{sent}");
    assert!(!sent.contains("ann:"), "{sent}");
    assert!(!other.requests().concat().to_lowercase().contains("authorization"));
    let named = IcsConfig {
        name: Some("secret name".into()),
        credentials: Some(Credentials::Basic { username: "secret-ann".into(), password: "p@ss".into() }),
        ..local("https://example.com/secret.ics")
    };
    let shown = format!("{provider:?} {named:?} {}", page.cursor.unwrap().0);
    assert!(!shown.contains("p%40ss") && !shown.contains("p@ss") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn attack_7_sources_that_are_no_address_are_refused() {
    for (source, kind) in [
        ("", ErrorKind::InvalidInput),
        ("  ", ErrorKind::InvalidInput),
        ("https://exa\r\nmple.com/", ErrorKind::InvalidInput),
        ("https://example.com/\r\nX: y", ErrorKind::InvalidInput),
        ("https://", ErrorKind::InvalidInput),
        ("https://[bad", ErrorKind::InvalidInput),
        ("ftp://example.com/a.ics", ErrorKind::Blocked),
        ("gopher://example.com/", ErrorKind::Blocked),
        ("data:text/calendar,BEGIN:VCALENDAR", ErrorKind::Blocked),
        ("feed:file:///etc/passwd", ErrorKind::Blocked),
        ("file:///etc/passwd", ErrorKind::Blocked),
        ("/etc/passwd", ErrorKind::Blocked),
        ("calendar.ics", ErrorKind::Blocked),
        ("C:\\calendar.ics", ErrorKind::Blocked),
    ] {
        assert_eq!(count(config(source)).await, Err(kind), "{source:?}");
    }
}

#[tokio::test]
async fn a_file_is_read_when_files_are_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let file = |source: &str| IcsConfig { allow_file: true, ..config(source) };
    let path_text = |path: &Path| path.to_str().unwrap().to_owned();

    let path = write("my calendar.ics", events_feed(3).as_bytes());
    assert_eq!(count(file(&path_text(&path))).await, Ok(3));
    let url = url::Url::from_file_path(&path).unwrap();
    assert_eq!(count(file(url.as_str())).await, Ok(3));
    let zipped = write("zipped.ics.gz", &gzip(events_feed(4).as_bytes()));
    assert_eq!(count(file(&path_text(&zipped))).await, Ok(4));

    let provider = subscribe(file(url.as_str())).unwrap();
    assert_eq!(provider.calendars().await.unwrap()[0].name, "my calendar");
    let first = pull(&provider, None).await.unwrap();
    assert_eq!(pull(&provider, first.cursor.as_ref()).await.unwrap().scope, ChangeScope::Delta);
    std::fs::write(&path, events_feed(4)).unwrap();
    assert_eq!(pull(&provider, first.cursor.as_ref()).await.unwrap().changes.len(), 4);
    assert_eq!(provider.requests(), 0);

    let mut small = file(&path_text(&path));
    small.limits.max_bytes = 100;
    for (config, kind) in [
        (small, ErrorKind::TooLarge),
        (file(&path_text(folder.path())), ErrorKind::InvalidInput),
        (file(&path_text(&folder.path().join("nothing.ics"))), ErrorKind::CalendarGone),
        (file(&path_text(&write("empty.ics", b""))), ErrorKind::Protocol),
        (file("file://elsewhere.example.com/a.ics"), ErrorKind::InvalidInput),
        (file("/dev/zero"), ErrorKind::InvalidInput),
    ] {
        assert_eq!(count(config).await, Err(kind));
    }
}
