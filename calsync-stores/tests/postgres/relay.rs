//! A relay in front of the server that counts round trips: how often the client speaks after the server did.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

pub(crate) struct Relay {
    url: String,
    trips: Arc<AtomicUsize>,
}

impl Relay {
    /// Relays to the server of a connection string of the form `postgres://user@host:port/database`.
    pub(crate) async fn start(url: &str) -> Self {
        let (user, rest) = url.split_once('@').expect("a user");
        let (target, database) = rest.split_once('/').expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address");
        let trips = Arc::new(AtomicUsize::new(0));
        let (target, counted) = (target.to_owned(), Arc::clone(&trips));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.expect("the server answers");
                client.set_nodelay(true).expect("a socket");
                server.set_nodelay(true).expect("a socket");
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                let server_spoke = Arc::new(AtomicBool::new(true));
                let asked = Arc::clone(&server_spoke);
                let counted = Arc::clone(&counted);
                let request = move || {
                    if asked.swap(false, Ordering::SeqCst) {
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                };
                tokio::spawn(pass(from_client, to_server, request));
                tokio::spawn(pass(from_server, to_client, move || {
                    server_spoke.store(true, Ordering::SeqCst)
                }));
            }
        });
        Self { url: format!("{user}@{own}/{database}"), trips }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn round_trips(&self) -> usize {
        self.trips.load(Ordering::SeqCst)
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: impl Fn()) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        heard();
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
