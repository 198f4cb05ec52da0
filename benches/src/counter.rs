//! A relay on 127.0.0.1 that counts HTTP/1.1 requests and bytes on their way to a server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Outcome;

/// What went over the relay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    /// Requests by method.
    pub(crate) methods: BTreeMap<String, u64>,
    /// Bytes from the client, heads and bodies.
    pub(crate) sent: u64,
    /// Bytes from the server, heads and bodies.
    pub(crate) received: u64,
}

impl Traffic {
    /// All requests.
    pub(crate) fn requests(&self) -> u64 {
        self.methods.values().sum()
    }

    /// All bytes, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        self.sent + self.received
    }
}

/// A running relay. It ends with the process.
pub(crate) struct Counter {
    port: u16,
    traffic: Arc<Mutex<Traffic>>,
}

impl Counter {
    /// Relays to a port of this machine.
    pub(crate) fn to(port: u16) -> Outcome<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("cannot listen: {error}"))?;
        let own = listener.local_addr().map_err(|error| error.to_string())?.port();
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let shared = traffic.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let traffic = shared.clone();
                std::thread::spawn(move || relay(client, port, &traffic));
            }
        });
        Ok(Self { port: own, traffic })
    }

    /// Where clients go.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What went through since it was last asked.
    pub(crate) fn take(&self) -> Traffic {
        std::mem::take(&mut *lock(&self.traffic))
    }
}

fn lock(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

fn relay(client: TcpStream, port: u16, traffic: &Arc<Mutex<Traffic>>) {
    let Ok(server) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) else { return };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (Ok(client_in), Ok(server_out)) = (client.try_clone(), server.try_clone()) else { return };
    let sending = traffic.clone();
    let up = std::thread::spawn(move || {
        let mut requests = Requests::default();
        pump(client_in, server_out, |bytes| {
            let mut traffic = lock(&sending);
            traffic.sent += bytes.len() as u64;
            requests.feed(bytes, |method| *traffic.methods.entry(method).or_default() += 1);
        });
    });
    pump(server, client, |bytes| lock(traffic).received += bytes.len() as u64);
    let _ = up.join();
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        // Counted before it is passed on: whoever has the answer finds the request counted.
        see(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Finds the heads in what a client sends. Bodies come with a `Content-Length`, as both clients send them.
#[derive(Default)]
struct Requests {
    head: Vec<u8>,
    body_left: usize,
}

impl Requests {
    fn feed(&mut self, mut bytes: &[u8], mut request: impl FnMut(String)) {
        while !bytes.is_empty() {
            let body = self.body_left.min(bytes.len());
            self.body_left -= body;
            bytes = &bytes[body..];
            let Some((first, rest)) = bytes.split_first() else { return };
            bytes = rest;
            self.head.push(*first);
            if self.head.ends_with(b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.head).into_owned();
                request(head.split(' ').next().unwrap_or_default().to_owned());
                self.body_left = content_length(&head);
                self.head.clear();
            }
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_however_the_bytes_arrive() {
        let bytes = b"REPORT /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nGET x\
                      GET /b HTTP/1.1\r\nHost: x\r\n\r\n";
        for size in 1..bytes.len() {
            let (mut requests, mut found) = (Requests::default(), Vec::new());
            bytes.chunks(size).for_each(|part| requests.feed(part, |method| found.push(method)));
            assert_eq!(found, ["REPORT", "GET"], "in pieces of {size}");
        }
    }
}
