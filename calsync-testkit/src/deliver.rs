//! Calls of an emulator to whoever subscribed: to `http` addresses of this machine and to nobody else.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longer than this nobody is waited for: what Graph grants the handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something to be sent once the lock is released.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) address: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Leaves headers and body out: they hold the secret of a channel.
impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Whether an emulator can call an address.
pub(crate) fn can_call(address: &str) -> bool {
    host(address).is_some()
}

fn host(address: &str) -> Option<(&str, &str)> {
    let rest = address.strip_prefix("http://")?;
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(at);
    let is_here = host.starts_with("127.0.0.1:") || host.starts_with("localhost:");
    is_here.then_some((host, path))
}

/// Sends one after another. An address that does not answer loses its call.
pub(crate) async fn deliver(outgoing: Vec<Outgoing>) {
    for call in outgoing {
        let _ = post(&call).await;
    }
}

/// Sends a call; returns the whole answer.
pub(crate) async fn post(call: &Outgoing) -> io::Result<String> {
    tokio::time::timeout(PATIENCE, exchange(call)).await.map_err(io::Error::other)?
}

async fn exchange(call: &Outgoing) -> io::Result<String> {
    let (host, path) = host(&call.address).ok_or_else(|| io::Error::other("only this machine is called"))?;
    let mut stream = TcpStream::connect(host).await?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut request = format!("POST {slash}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in &call.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{}", call.body.len(), call.body));
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer).await?;
    Ok(whole(String::from_utf8_lossy(&answer).into_owned()))
}

/// An answer with its body in one piece, in whatever way it came (RFC 9112 section 7.1).
fn whole(answer: String) -> String {
    let Some((head, mut rest)) = answer.split_once("\r\n\r\n") else { return answer };
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return answer;
    }
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = size.split(';').next().unwrap_or_default().trim();
        let chunk = usize::from_str_radix(size, 16).ok().filter(|size| *size > 0);
        let Some(chunk) = chunk.and_then(|size| after.get(..size)) else { break };
        body.push_str(chunk);
        rest = after[chunk.len()..].strip_prefix("\r\n").unwrap_or_default();
    }
    format!("{head}\r\n\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_chunks_is_put_together() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
        for (body, expected) in [
            ("3\r\nabc\r\n4;x=y\r\n\r\nde\r\n0\r\n\r\n", "abc\r\nde"),
            ("0\r\n\r\n", ""),
            ("ff\r\nshort", ""),
            ("no number\r\nx", ""),
            ("", ""),
        ] {
            assert_eq!(whole(format!("{head}\r\n\r\n{body}")), format!("{head}\r\n\r\n{expected}"));
        }
        assert_eq!(whole("HTTP/1.1 200 OK\r\n\r\n3\r\nabc".to_owned()), "HTTP/1.1 200 OK\r\n\r\n3\r\nabc");
    }

    #[test]
    fn nobody_but_this_machine_is_called() {
        for (address, expected) in [
            ("http://127.0.0.1:80/x?y", true),
            ("http://localhost:80", true),
            ("http://127.0.0.1:80?y", true),
            ("http://127.0.0.1", false),
            ("https://127.0.0.1:80/", false),
            ("http://example.com:80/http://127.0.0.1:80/", false),
            ("http://127.0.0.1.example.com:80/", false),
            ("", false),
        ] {
            assert_eq!(can_call(address), expected, "{address}");
        }
    }
}
