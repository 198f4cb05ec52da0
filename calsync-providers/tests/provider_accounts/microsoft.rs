//! Microsoft Graph: the emulator, three events to a page.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::Provider,
};
use calsync_providers::{
    http::{AddressPolicy, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::{
    microsoft::{Fault, GraphOptions, GraphServer},
    provider_conformance::{Account, Cannot, Edit, Sample, Trouble},
    world::VirtualClock,
};
use chrono::NaiveDate;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::transport;

pub(crate) struct MicrosoftAccount {
    server: GraphServer,
    provider: MicrosoftProvider,
    calendar: String,
    callback: String,
}

impl MicrosoftAccount {
    pub(crate) async fn new() -> Self {
        let server = GraphServer::start(GraphOptions::default()).unwrap();
        let calendar = server.add_calendar("Work");
        let mut config = MicrosoftConfig::new(Arc::new(Secret::from("secret")))
            .at(server.url(), AddressPolicy::AllowPrivate);
        config.page_max = 3;
        let provider = MicrosoftProvider::new(config, transport())
            .unwrap()
            .with_clock(Arc::new(VirtualClock::default()));
        Self { server, provider, calendar, callback: receiver().await }
    }

    fn instance(&self, id: &RemoteId, day: u32) -> String {
        let date = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + chrono::Days::new(day.into());
        self.server.instance(id.as_str(), date).unwrap()
    }
}

/// An address that answers the handshake: what is asked comes back as it is.
async fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 8 << 10];
            let length = stream.read(&mut bytes).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let url =
                url::Url::parse(&format!("http://x{}", request.split(' ').nth(1).unwrap_or("/"))).unwrap();
            let token = url.query_pairs().find(|(name, _)| name == "validationToken");
            let body = token.map(|(_, value)| value.into_owned()).unwrap_or_default();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length:";
            let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
    });
    address
}

fn at(local: &str, zone: &str) -> Value {
    json!({"dateTime": local, "timeZone": zone})
}

fn body(sample: Sample) -> Value {
    let berlin = |local: &str| at(local, "W. Europe Standard Time");
    let hour = |day: u8, subject: String| {
        json!({
            "subject": subject, "start": at(&format!("2026-01-{day:02}T09:00:00"), "UTC"),
            "end": at(&format!("2026-01-{day:02}T10:00:00"), "UTC"),
        })
    };
    match sample {
        Sample::Single(number) => {
            let mut event = hour(10 + number, format!("single {number}"));
            event["location"] = json!({"displayName": "Room"});
            event
        }
        Sample::AllDay => json!({
            "subject": "days off", "isAllDay": true,
            "start": at("2026-02-02T00:00:00", "UTC"), "end": at("2026-02-05T00:00:00", "UTC"),
        }),
        Sample::Zoned => json!({
            "subject": "summer", "start": berlin("2026-03-30T09:00:00"), "end": berlin("2026-03-30T10:30:00"),
        }),
        Sample::Series => json!({
            "subject": "weekly", "start": berlin("2026-01-12T10:00:00"), "end": berlin("2026-01-12T11:00:00"),
            "recurrence": {
                "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
                "range": {"type": "numbered", "startDate": "2026-01-12", "numberOfOccurrences": 5},
            },
        }),
        Sample::Meeting => {
            let mut event = hour(10, "meeting".to_owned());
            event["attendees"] = json!([
                {"type": "required", "emailAddress": {"address": "bob@example.com", "name": "Bob"}},
            ]);
            event
        }
        Sample::Broken => hour(10, "broken".to_owned()),
    }
}

#[async_trait]
impl Account for MicrosoftAccount {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn calendar(&self) -> RemoteCalendarId {
        RemoteCalendarId::from(self.calendar.as_str())
    }

    /// Busy times are those of a mailbox.
    fn busy_name(&self) -> RemoteCalendarId {
        RemoteCalendarId::from("ann@example.com")
    }

    fn page_max(&self) -> Option<usize> {
        Some(3)
    }

    async fn put(&self, sample: Sample) -> Result<RemoteId, Cannot> {
        let id = RemoteId::from(self.server.add(&self.calendar, &body(sample)).unwrap());
        match sample {
            Sample::Series => {
                let moved = json!({
                    "subject": "moved", "start": at("2026-01-20T15:00:00", "W. Europe Standard Time"),
                    "end": at("2026-01-20T16:00:00", "W. Europe Standard Time"),
                });
                assert!(self.server.change(&self.instance(&id, 18), &moved));
                assert!(self.server.delete(&self.instance(&id, 25)));
            }
            Sample::Broken => {
                let pattern = json!({"type": "lunar", "interval": 1});
                let range = json!({"type": "noEnd", "startDate": "2026-01-10"});
                let recurrence = json!({"pattern": pattern, "range": range});
                self.server.set_property(id.as_str(), "recurrence", recurrence);
            }
            _ => {}
        }
        Ok(id)
    }

    async fn edit(&self, id: &RemoteId, edit: Edit) -> Result<(), Cannot> {
        let title = |id: &str, title: &str| assert!(self.server.change(id, &json!({"subject": title})));
        match edit {
            Edit::Title(new) => title(id.as_str(), new),
            Edit::InstanceTitle(new) => title(&self.instance(id, 32), new),
            Edit::CancelInstance => assert!(self.server.delete(&self.instance(id, 39))),
            Edit::Delete => assert!(self.server.delete(id.as_str())),
        }
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Cannot> {
        let writes = |fault: Fault| {
            for method in ["POST", "PATCH"] {
                self.server.inject(fault.clone().on_method(method).on_path("/events"));
            }
        };
        match trouble {
            Trouble::CursorsLost => self.server.expire_tokens(),
            Trouble::ListingCut => {
                let half = "{\"@odata.context\": \"x\", \"value\": [{\"id\": \"A";
                self.server.inject(Fault::status(200).body(half).on_method("GET"));
            }
            Trouble::SecondPageFails => self.server.inject(Fault::status(503).on_path("skip")),
            Trouble::AnswerLost => writes(Fault::drop_after()),
            Trouble::WriteDropped => writes(Fault::drop_before()),
            Trouble::WriteRefused => {
                self.server.inject(
                    Fault::code(400, "ErrorPropertyValidationFailure").on_method("POST").on_path("/events"),
                );
            }
            Trouble::WriteForbidden => {
                self.server
                    .inject(Fault::code(403, "ErrorAccessDenied").on_method("POST").on_path("/events"));
            }
            Trouble::Throttled => {
                self.server.inject(Fault::code(429, "ApplicationThrottled").header("Retry-After", "7"));
            }
            Trouble::Unauthorized => self.server.set_token("another"),
            Trouble::CalendarGone => self.server.remove_calendar(&self.calendar),
        }
        Ok(())
    }

    async fn count(&self) -> usize {
        self.server.events(&self.calendar).len()
    }

    async fn mails(&self) -> Result<u64, Cannot> {
        Ok(self.server.mails())
    }

    async fn callback(&self) -> Result<String, Cannot> {
        Ok(self.callback.clone())
    }
}
