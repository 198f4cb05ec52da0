//! Google Calendar: the emulator, three events to a page.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::Provider,
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, Secret},
};
use calsync_testkit::{
    dav::Fault,
    google::{GoogleOptions, GoogleServer},
    provider_conformance::{Account, Cannot, Edit, Sample, Trouble},
};
use serde_json::{Value, json};

use super::transport;

pub(crate) struct GoogleAccount {
    server: GoogleServer,
    provider: GoogleProvider,
}

impl GoogleAccount {
    pub(crate) fn new() -> Self {
        let server = GoogleServer::start(GoogleOptions::default()).unwrap();
        let mut config =
            GoogleConfig::new(Arc::new(Secret::from("secret"))).at(server.url(), AddressPolicy::AllowPrivate);
        config.page_max = 3;
        let provider = GoogleProvider::new(config, transport()).unwrap();
        Self { server, provider }
    }

    /// The name of an instance of the weekly series.
    fn instance(id: &RemoteId, day: &str) -> String {
        format!("{id}_{day}T090000Z")
    }
}

fn berlin(local: &str) -> Value {
    json!({"dateTime": local, "timeZone": "Europe/Berlin"})
}

fn body(sample: Sample) -> Value {
    let hour = |day: u8| {
        (
            json!({"dateTime": format!("2026-01-{day:02}T09:00:00Z"), "timeZone": "UTC"}),
            json!({"dateTime": format!("2026-01-{day:02}T10:00:00Z"), "timeZone": "UTC"}),
        )
    };
    match sample {
        Sample::Single(number) => {
            let (start, end) = hour(10 + number);
            json!({"summary": format!("single {number}"), "location": "Room", "start": start, "end": end})
        }
        Sample::AllDay => json!({
            "summary": "days off", "start": {"date": "2026-02-02"}, "end": {"date": "2026-02-05"},
        }),
        Sample::Zoned => json!({
            "summary": "summer",
            "start": berlin("2026-03-30T09:00:00+02:00"), "end": berlin("2026-03-30T10:30:00+02:00"),
        }),
        Sample::Series => json!({
            "summary": "weekly", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=5"],
            "start": berlin("2026-01-12T10:00:00+01:00"), "end": berlin("2026-01-12T11:00:00+01:00"),
        }),
        Sample::Meeting => {
            let (start, end) = hour(10);
            json!({
                "summary": "meeting", "start": start, "end": end,
                "attendees": [{"email": "bob@example.com", "responseStatus": "needsAction"}],
            })
        }
        Sample::Broken => json!({"summary": "broken", "start": {"dateTime": "tomorrow"}, "end": {}}),
    }
}

#[async_trait]
impl Account for GoogleAccount {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn calendar(&self) -> RemoteCalendarId {
        RemoteCalendarId::from("ann@example.com")
    }

    fn page_max(&self) -> Option<usize> {
        Some(3)
    }

    async fn put(&self, sample: Sample) -> Result<RemoteId, Cannot> {
        let mut event = body(sample);
        event["iCalUID"] = sample.uid().into();
        let id = RemoteId::from(self.server.put("primary", event));
        if sample == Sample::Series {
            self.server.edit("primary", &Self::instance(&id, "20260119"), |event| {
                event.insert("summary".to_owned(), "moved".into());
                event.insert("start".to_owned(), berlin("2026-01-20T15:00:00+01:00"));
                event.insert("end".to_owned(), berlin("2026-01-20T16:00:00+01:00"));
            });
            self.server.delete("primary", &Self::instance(&id, "20260126"));
        }
        Ok(id)
    }

    async fn edit(&self, id: &RemoteId, edit: Edit) -> Result<(), Cannot> {
        let title = |id: &str, title: &str| {
            self.server.edit("primary", id, |event| {
                event.insert("summary".to_owned(), title.into());
            });
        };
        match edit {
            Edit::Title(new) => title(id.as_str(), new),
            Edit::InstanceTitle(new) => title(&Self::instance(id, "20260202"), new),
            Edit::CancelInstance => self.server.delete("primary", &Self::instance(id, "20260209")),
            Edit::Delete => self.server.delete("primary", id.as_str()),
        }
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Cannot> {
        let refusal = |status: u16, reason: &str| {
            let error = json!({"error": {"code": status, "message": reason, "errors": [{"reason": reason}]}});
            Fault::status(status).body(&error.to_string())
        };
        let writes = |fault: Fault| {
            for method in ["POST", "PUT", "PATCH"] {
                self.server.inject(fault.clone().on_method(method).on_path("/events"));
            }
        };
        match trouble {
            Trouble::CursorsLost => self.server.expire_tokens("primary"),
            Trouble::ListingCut => self.server.inject(Fault::truncate().on_method("GET")),
            Trouble::SecondPageFails => self.server.inject(Fault::status(503).on_path("pageToken")),
            Trouble::AnswerLost => writes(Fault::drop_after()),
            Trouble::WriteDropped => writes(Fault::drop_before()),
            Trouble::WriteRefused => self.server.inject(refusal(400, "invalid").on_method("POST")),
            Trouble::WriteForbidden => self.server.inject(refusal(403, "forbidden").on_method("POST")),
            Trouble::Throttled => {
                self.server.inject(refusal(403, "rateLimitExceeded").retry_after_seconds(7));
            }
            Trouble::Unauthorized => self.server.set_tokens([]),
            Trouble::CalendarGone => self.server.delete_calendar("primary"),
        }
        Ok(())
    }

    async fn count(&self) -> usize {
        let events = self.server.events("primary");
        events.iter().filter(|event| event.get("recurringEventId").is_none()).count()
    }

    async fn mails(&self) -> Result<u64, Cannot> {
        Ok(self.server.mails() as u64)
    }

    /// The emulator notes whom it would call, and calls nobody.
    async fn callback(&self) -> Result<String, Cannot> {
        Ok("https://hooks.example.com/google".to_owned())
    }
}
