//! Notifications, and the handshake before there are any.

use std::io;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    render::stamp,
    request::encode,
    state::{State, Subscription, id_of},
};

/// Something to be sent once the lock is released.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) address: String,
    pub(super) body: String,
}

impl State {
    /// What subscribers are told of a change.
    pub(super) fn notify(&mut self, number: u64, kind: &str) {
        let Some(calendar) = self.events.get(&number).map(|event| event.calendar.clone()) else { return };
        self.tell(number, &calendar, kind);
    }

    pub(super) fn notify_gone(&mut self, number: u64, calendar: &str) {
        self.tell(number, calendar, "deleted");
    }

    fn tell(&mut self, number: u64, calendar: &str, kind: &str) {
        if self.quirks.drops_notifications {
            return;
        }
        let now = self.now;
        let all: Vec<(String, Subscription)> = self
            .subscriptions
            .iter()
            .filter(|(_, row)| row.expires > now)
            .filter(|(_, row)| !row.resource.contains("calendars/") || row.resource.contains(calendar))
            .map(|(id, row)| (id.clone(), row.clone()))
            .collect();
        for (id, row) in all {
            let event = id_of(number, row.immutable);
            let value = json!([{
                "subscriptionId": id, "subscriptionExpirationDateTime": stamp(row.expires),
                "clientState": row.client_state, "changeType": kind, "tenantId": "tenant",
                "resource": format!("Users/user/Events/{event}"),
                "resourceData": {
                    "@odata.type": "#Microsoft.Graph.Event", "@odata.id": format!("Users/user/Events/{event}"), "id": event,
                },
            }]);
            self.outgoing
                .push(Outgoing { address: row.address, body: json!({ "value": value }).to_string() });
        }
    }

    /// A lifecycle notification for every subscription that has an address for them.
    pub(super) fn lifecycle(&mut self, event: &str) {
        let all: Vec<(String, Subscription)> =
            self.subscriptions.iter().map(|(id, row)| (id.clone(), row.clone())).collect();
        for (id, row) in all {
            let Some(address) = row.lifecycle else { continue };
            let value: Value = json!([{
                "subscriptionId": id, "subscriptionExpirationDateTime": stamp(row.expires), "tenantId": "tenant",
                "clientState": row.client_state, "lifecycleEvent": event,
            }]);
            self.outgoing.push(Outgoing { address, body: json!({ "value": value }).to_string() });
        }
    }
}

/// Whether an address answers the validation token as it must: status 200, `text/plain`, the token and nothing else.
pub(super) async fn validates(address: &str) -> bool {
    const TOKEN: &str = "Validation: Testing client application reachability & more";
    let separator = if address.contains('?') { '&' } else { '?' };
    let url = format!("{address}{separator}validationToken={}", encode(TOKEN));
    match post(&url, "text/plain; charset=utf-8", "").await {
        Ok(answer) => {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            let plain = head.to_ascii_lowercase().contains("content-type: text/plain");
            head.split_whitespace().nth(1) == Some("200") && plain && body == TOKEN
        }
        Err(_) => false,
    }
}

/// Sends a body to an `http` address of this machine; returns the whole answer.
pub(super) async fn post(url: &str, content_type: &str, body: &str) -> io::Result<String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| io::Error::other("only http is served"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !host.starts_with("127.0.0.1:") {
        return Err(io::Error::other("only this machine is called"));
    }
    let mut stream = TcpStream::connect(host).await?;
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
