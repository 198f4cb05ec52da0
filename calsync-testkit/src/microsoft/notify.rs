//! Notifications, and the handshake before there are any.

use serde_json::{Value, json};

use super::{
    render::stamp,
    request::encode,
    state::{State, Subscription, id_of},
};
use crate::deliver::{Outgoing, post};

/// A notification on its way.
fn notification(address: String, value: &Value) -> Outgoing {
    outgoing(address, "application/json", json!({ "value": value }).to_string())
}

fn outgoing(address: String, content_type: &str, body: String) -> Outgoing {
    Outgoing { address, headers: vec![("Content-Type".to_owned(), content_type.to_owned())], body }
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
            self.outgoing.push(notification(row.address, &value));
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
            self.outgoing.push(notification(address, &value));
        }
    }
}

/// Whether an address answers the validation token as it must: status 200, `text/plain`, the token and nothing else.
pub(super) async fn validates(address: &str) -> bool {
    const TOKEN: &str = "Validation: Testing client application reachability & more";
    let separator = if address.contains('?') { '&' } else { '?' };
    let url = format!("{address}{separator}validationToken={}", encode(TOKEN));
    match post(&outgoing(url, "text/plain; charset=utf-8", String::new())).await {
        Ok(answer) => {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            let plain = head.to_ascii_lowercase().contains("content-type: text/plain");
            head.split_whitespace().nth(1) == Some("200") && plain && body == TOKEN
        }
        Err(_) => false,
    }
}
