//! What a server lets a stranger have of it. Time that is waited for here is real, and short.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use webhooks::limits::{Bounded, Limits};

async fn serve(limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(|| async { "here" }));
    tokio::spawn(axum::serve(Bounded::new(listener, limits), router).into_future());
    address
}

/// What comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("it is closed");
    String::from_utf8(answer).unwrap()
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n";

#[tokio::test]
async fn whoever_does_nothing_is_cut_off() {
    let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
    let address = serve(limits).await;
    for said in [&b""[..], b"GET / HT", ASK] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let begun = Instant::now();
        assert!(!rest(&mut stream).await.contains("here"));
        assert!(begun.elapsed() >= Duration::from_millis(150));
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[ASK, b"\r\n"].concat()).await.unwrap();
    assert!(rest(&mut stream).await.ends_with("here"), "who asks gets an answer");
}

#[tokio::test]
async fn whoever_drips_is_cut_off_as_well() {
    let (idle, whole) = (Duration::from_secs(10), Duration::from_millis(400));
    let mut stream = TcpStream::connect(serve(Limits { idle, whole, connections: 5 }).await).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    let begun = Instant::now();
    while stream.write_all(b"x").await.is_ok() && begun.elapsed() < Duration::from_secs(10) {
        let mut byte = [0];
        if matches!(timeout(Duration::from_millis(20), stream.read(&mut byte)).await, Ok(Ok(0) | Err(_))) {
            break;
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn whoever_comes_when_all_are_there_waits() {
    let address = serve(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    // It is answered, and so there, before the second comes.
    first.write_all(&[ASK, b"\r\n"].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        assert!(first.read_buf(&mut answer).await.unwrap() > 0);
    }
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(&[ASK, b"Connection: close\r\n\r\n"].concat()).await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(200), second.read(&mut byte)).await.is_err(), "it waits");
    drop(first);
    assert!(rest(&mut second).await.ends_with("here"));
}
