//! A client that loses its connection again and again: it sees every change once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use calsync_core::{
    context::RandomIds,
    engine::Hub,
    feed::{EventSeq, Feed},
    model::CalendarId,
    store::{MemoryStore, Store as _},
};
use calsync_testkit::world::{VirtualClock, event};
use chrono::{DateTime, Utc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);

/// As much of an `EventSource` as is needed.
struct Client {
    address: SocketAddr,
    lines: BufReader<TcpStream>,
    last: Option<String>,
}

impl Client {
    async fn ask(address: SocketAddr, path: &str, last: Option<&str>) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }

    async fn connect(address: SocketAddr, last: Option<String>) -> Self {
        let lines = Self::ask(address, "/home/changes", last.as_deref()).await;
        let mut client = Self { address, lines, last };
        // From here on it is subscribed.
        while client.line().await != ":" {}
        let hello = client.line().await;
        client.last = Some(hello.strip_prefix("id: ").expect("where it goes on from").to_owned());
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(SOON, self.lines.read_line(&mut line)).await.expect("it is told").unwrap();
        assert!(read > 0, "the connection goes on");
        line.trim_end().to_owned()
    }

    /// The next event: its id, its name, and its data.
    async fn next(&mut self) -> (String, String, String) {
        let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
        loop {
            let line = self.line().await;
            match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("id", value)) => id = value.to_owned(),
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data = value.to_owned(),
                _ if line.is_empty() && !data.is_empty() => break,
                _ => {}
            }
        }
        self.last = Some(id.clone());
        (id, name, data)
    }

    /// The connection breaks, and the browser comes back.
    async fn again(self) -> Self {
        let Self { address, lines, last } = self;
        drop(lines);
        Self::connect(address, last).await
    }
}

#[tokio::test]
async fn who_comes_back_sees_every_change_once() {
    let (store, ids) = (Arc::new(MemoryStore::new()), Arc::new(RandomIds::from_seed([1; 32])));
    let hub = Hub::new(store.clone(), Arc::new(VirtualClock::default()), ids);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = webhooks::changes::router(Feed::new(store.clone()));
    tokio::spawn(axum::serve(listener, router).into_future());
    let home = CalendarId::from("home");
    let mut made = Vec::new();
    let add = async |made: &mut Vec<String>| {
        let uid = format!("u{}", made.len());
        made.push(hub.add(&home, event(&uid, "secret title")).await.unwrap().as_str().to_owned());
    };

    add(&mut made).await;
    let mut answer = String::new();
    Client::ask(address, "/home/position", None).await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(r#"{"after":1}"#), "{answer}");

    // Without an id: what comes from now on.
    let mut client = Client::connect(address, None).await;
    let mut seen = Vec::new();
    for round in 0..6 {
        // Some while it is connected, some while nobody is; and some that it is sent and does not read.
        add(&mut made).await;
        add(&mut made).await;
        if round % 2 == 0 {
            seen.push(client.next().await);
        }
        if round == 3 {
            client = client.again().await;
            client = client.again().await;
        }
        client = client.again().await;
    }
    while seen.len() + 1 < made.len() {
        seen.push(client.next().await);
    }
    for (number, (id, name, data)) in (2..).zip(&seen) {
        assert_eq!((id, name.as_str()), (&format!("{number}"), ""), "each once, in order");
        assert!(data.contains(&made[number - 1]) && !data.contains("secret"), "{data}");
    }

    // What it saw last is not kept any more: it is told, and comes back after where the feed was then.
    store.forget_feed(&home, DateTime::<Utc>::MAX_UTC, 99).await.unwrap();
    let mut late = Client::connect(address, Some("3".to_owned())).await;
    let (id, name, _) = late.next().await;
    assert_eq!((id.as_str(), name.as_str()), ("13", "lost"));
    add(&mut made).await;
    let mut back = late.again().await;
    assert_eq!(back.next().await.0, "14");
    let mut refused = String::new();
    Client::ask(address, "/home/changes", Some("x")).await.read_to_string(&mut refused).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    assert_eq!(store.feed(&home, EventSeq(0), 9).await.unwrap().last, EventSeq(14));
}
