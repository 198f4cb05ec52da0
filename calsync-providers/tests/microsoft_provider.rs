//! The provider against the emulator: limits, refusals, people, and what the answers hold.
#![cfg(feature = "microsoft")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod json_paths;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use calsync_core::{
    availability::BusyKind,
    context::Clock,
    context::RandomIds,
    model::{
        Event, EventBody, EventTime, Override, OverrideScope, Participant, Person, RecurrenceId,
        RemoteCalendarId, RemoteId, TimeSpan, Version,
    },
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Covered, ErrorKind, Fetched, ItemChange, Payload,
        PeoplePolicy, Provider, ProviderError, PullMode, RenderRequest, Retry, WatchRequest,
    },
};
use calsync_providers::{
    http::{
        AddressPolicy, ClaimsChallenge, HttpError, HttpRequest, HttpResponse, HttpTransport, ReqwestOptions,
        ReqwestTransport, Secret, TokenSource,
    },
    microsoft::{DeltaSource, Listing, MicrosoftConfig, MicrosoftProvider},
};
use calsync_testkit::{
    microsoft::{Fault, GraphOptions, GraphServer},
    world::VirtualClock,
};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use json_paths::{collect, replace};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Lab {
    server: GraphServer,
    provider: MicrosoftProvider,
    calendar: RemoteCalendarId,
    clock: Arc<VirtualClock>,
}

fn lab() -> Lab {
    lab_with(|_| {})
}

fn lab_with(change: impl FnOnce(&mut MicrosoftConfig)) -> Lab {
    let server = GraphServer::start(GraphOptions::default()).unwrap();
    let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let mut config =
        MicrosoftConfig::new(Arc::new(Secret::from("secret"))).at(server.url(), AddressPolicy::AllowPrivate);
    change(&mut config);
    let clock = Arc::new(VirtualClock::default());
    let provider = MicrosoftProvider::new(config, transport).unwrap().with_clock(clock.clone());
    let calendar = RemoteCalendarId::from(server.default_calendar());
    Lab { server, provider, calendar, clock }
}

impl Lab {
    /// Everything a pull gives, page after page.
    async fn pull(
        &self,
        cursor: Option<&calsync_core::provider::Cursor>,
    ) -> Result<ChangePage, ProviderError> {
        let mut cursor = cursor.cloned();
        let mut changes: Vec<Change> = Vec::new();
        loop {
            let request = ChangesRequest { cursor: cursor.as_ref(), mode: PullMode::Incremental };
            let page = self.provider.changes(&self.calendar, request).await?;
            changes.extend(page.changes);
            if !page.more {
                return Ok(ChangePage { changes, ..page });
            }
            cursor = page.cursor;
        }
    }

    async fn fetch(&self, id: &str) -> (Version, Payload) {
        match self.provider.fetch(&self.calendar, &[RemoteId::from(id)]).await.unwrap().remove(0) {
            Fetched::Found { version, payload, .. } => (version.unwrap(), payload),
            other => panic!("{other:?}"),
        }
    }

    fn render(
        &self,
        event: &Event,
        original: Option<&Payload>,
        people: PeoplePolicy,
    ) -> Result<calsync_core::provider::Rendered, ProviderError> {
        self.provider.render(RenderRequest { event, original, now: instant("2026-01-05T12:00:00Z"), people })
    }

    async fn edit(
        &self,
        id: &str,
        people: PeoplePolicy,
        change: impl FnOnce(&mut EventBody),
    ) -> Result<Vec<String>, ProviderError> {
        let (version, payload) = self.fetch(id).await;
        let mut event = self.provider.read(&payload).unwrap();
        change(event.master.as_mut().unwrap());
        let rendered = self.render(&event, Some(&payload), people)?;
        if rendered.payload != payload {
            self.provider.update(&self.calendar, &RemoteId::from(id), &version, &rendered.payload).await?;
        }
        Ok(rendered.losses)
    }
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn single(subject: &str) -> Value {
    json!({
        "subject": subject, "start": {"dateTime": "2026-01-06T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-06T10:00:00", "timeZone": "UTC"},
    })
}

fn meeting() -> Value {
    let mut event = single("meeting");
    event["attendees"] = json!([
        {"type": "required", "emailAddress": {"address": "bob@example.com", "name": "Bob"}},
        {"type": "optional", "emailAddress": {"address": "cleo@example.com", "name": "Cleo"}},
    ]);
    event
}

fn local() -> Event {
    let at = |hour: u32| EventTime::Utc(day("2026-01-06").and_hms_opt(hour, 0, 0).unwrap().and_utc());
    let mut event = Event::single("u1", EventBody::new(TimeSpan { start: at(9), end: at(10) }));
    event.master.as_mut().unwrap().title = Some("mine".into());
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_asks_for_the_same_kind_of_ids_and_for_utc() {
    let lab = lab();
    let id = lab.server.add(lab.calendar.as_str(), &single("a")).unwrap();
    lab.provider.calendars().await.unwrap();
    lab.pull(None).await.unwrap();
    lab.edit(&id, PeoplePolicy::Withhold, |body| body.title = Some("b".into())).await.unwrap();
    for request in lab.server.requests() {
        let prefer = if request.path.ends_with("$batch") { request.body } else { request.prefer };
        assert!(prefer.contains("ImmutableId") && prefer.contains("outlook.timezone"), "{}", request.path);
    }
}

/// An edit sends what it changes and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_names_only_what_changed() {
    let lab = lab();
    let id = lab.server.add(lab.calendar.as_str(), &json!({
        "subject": "a", "body": {"contentType": "html", "content": "<b>bold</b>"}, "showAs": "oof", "importance": "high",
        "sensitivity": "personal", "categories": ["Red"], "isOnlineMeeting": true,
        "start": {"dateTime": "2026-01-06T09:00:00", "timeZone": "Tokyo Standard Time"},
        "end": {"dateTime": "2026-01-06T10:00:00", "timeZone": "Tokyo Standard Time"},
    })).unwrap();
    let sent = |lab: &Lab| {
        let requests = lab.server.requests();
        let patch = requests.iter().rev().find(|request| request.method == "PATCH").unwrap().body.clone();
        serde_json::from_str::<Value>(&patch).unwrap()
    };
    let edits: [(&str, fn(&mut EventBody), Value); 6] = [
        ("title", |body| body.title = Some("b".into()), json!({"subject": "b"})),
        (
            "categories",
            |body| {
                body.categories.insert("Blue".into());
            },
            json!({"categories": ["Blue", "Red"]}),
        ),
        (
            "location",
            |body| body.location = Some("here".into()),
            json!({"location": {"displayName": "here"}}),
        ),
        ("priority", |body| body.priority = None, json!({"importance": "normal"})),
        ("privacy", |body| body.privacy = None, json!({"sensitivity": "normal"})),
        ("alarms", |body| body.alarms.clear(), json!({"isReminderOn": false})),
    ];
    for (name, edit, expected) in edits {
        assert!(lab.edit(&id, PeoplePolicy::Withhold, edit).await.unwrap().is_empty(), "{name}");
        assert_eq!(sent(&lab), expected, "{name}");
    }
    let losses = lab
        .edit(&id, PeoplePolicy::Withhold, |body| body.description = Some("plain & simple".into()))
        .await
        .unwrap();
    assert_eq!(losses, ["formatting"]);
    let stored = lab.server.events(lab.calendar.as_str()).remove(0).event;
    let content = stored["body"]["content"].as_str().unwrap();
    assert!(content.contains("plain &amp; simple") && content.contains("me-email-headline"), "{content}");
    assert_eq!(
        (stored["showAs"].as_str(), stored["onlineMeeting"]["joinUrl"].is_string()),
        (Some("oof"), true)
    );
    assert!(!lab.fetch(&id).await.1.as_str().contains("calsync.patch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_04_nobody_is_mailed_unless_the_link_writes_people() {
    let lab = lab();
    let id = lab.server.add(lab.calendar.as_str(), &meeting()).unwrap();
    // What only the owner sees is written.
    lab.edit(&id, PeoplePolicy::Withhold, |body| {
        body.categories.insert("Red".into());
    })
    .await
    .unwrap();
    lab.edit(&id, PeoplePolicy::Withhold, |body| body.alarms.clear()).await.unwrap();
    // What everybody would be told of is refused before it is sent.
    let refused =
        lab.edit(&id, PeoplePolicy::Withhold, |body| body.title = Some("b".into())).await.unwrap_err();
    assert_eq!((refused.kind, refused.retry), (ErrorKind::Refused, Retry::Never));
    let (version, _) = lab.fetch(&id).await;
    let refused =
        lab.provider.delete(&lab.calendar, &RemoteId::from(id.as_str()), &version).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused);
    let losses = lab.edit(&id, PeoplePolicy::Withhold, |body| body.participants.clear()).await.unwrap();
    assert_eq!(losses, ["participants"]);
    // A copy takes nobody along.
    let mut copy = local();
    let person = Person { address: "bob@example.com".into(), name: None };
    let bob = Participant {
        person: person.clone(),
        status: Default::default(),
        role: Default::default(),
        expect_reply: true,
    };
    copy.master.as_mut().unwrap().participants.push(bob);
    copy.master.as_mut().unwrap().organizer = Some(person);
    let rendered = lab.render(&copy, None, PeoplePolicy::Withhold).unwrap();
    assert_eq!(rendered.losses, ["organizer", "participants"]);
    assert!(!rendered.payload.as_str().contains("bob@example.com"));
    lab.provider.create(&lab.calendar, &RemoteId::from("new:x"), &rendered.payload).await.unwrap();
    assert_eq!(lab.server.mails(), 0);
    // Where the link writes people, it mails them: that is what was asked for.
    lab.edit(&id, PeoplePolicy::Write, |body| body.title = Some("b".into())).await.unwrap();
    assert_eq!(lab.server.mails(), 2);
    let rendered = lab.render(&copy, None, PeoplePolicy::Write).unwrap();
    assert_eq!(rendered.losses, ["organizer"]);
    lab.provider.create(&lab.calendar, &RemoteId::from("new:y"), &rendered.payload).await.unwrap();
    assert_eq!(lab.server.mails(), 3);
}

/// MAIL-04: what Graph takes from nobody (the answer of somebody else) is not sent, since the whole list would be, with a mail
/// to everybody in it. A room stays a room when the list is written.
#[tokio::test(flavor = "multi_thread")]
async fn mail_04_people_are_written_only_for_what_graph_takes_and_rooms_stay_rooms() {
    use calsync_core::model::{ParticipationStatus, Role};
    type Change = fn(&mut Vec<Participant>);
    let bob = |people: &mut Vec<Participant>| people[0].person.address = "BOB@example.com".into();
    let changes: [(&str, Change, &[&str], Option<&[&str]>); 10] = [
        ("an answer", |people| people[0].status = ParticipationStatus::Declined, &["answers"], None),
        (
            "the answer of a room",
            |people| people[2].status = ParticipationStatus::Declined,
            &["answers"],
            None,
        ),
        ("who leads", |people| people[0].role = Role::Chair, &["answers"], None),
        ("who is only told", |people| people[1].role = Role::Informational, &["answers"], None),
        ("a room is optional", |people| people[2].role = Role::Optional, &["answers"], None),
        ("another order", |people| people.reverse(), &[], None),
        ("no name", |people| people[0].person.name = None, &[], None),
        ("another way to write it", bob, &[], None),
        (
            "one more",
            |people| {
                let person = Person { address: "dan@example.com".into(), name: None };
                let (status, role) = (Default::default(), Default::default());
                people.push(Participant { person, status, role, expect_reply: true });
            },
            &[],
            Some(&["required bob", "optional cleo", "resource room", "required dan"]),
        ),
        (
            "one is optional, one is gone",
            |people| {
                people[0].role = Role::Optional;
                people.remove(1);
            },
            &[],
            Some(&["optional bob", "resource room"]),
        ),
    ];
    for (what, change, losses, written) in changes {
        for in_series in [false, true] {
            let lab = lab();
            let mut event = meeting();
            let room = json!({"type": "resource", "emailAddress": {"address": "room@example.com", "name": "Room"},
                "status": {"response": "accepted", "time": "2026-01-05T00:00:00Z"}});
            event["attendees"].as_array_mut().unwrap().push(room);
            if in_series {
                event["recurrence"] = json!({
                    "pattern": {"type": "daily", "interval": 1},
                    "range": {"type": "numbered", "startDate": "2026-01-06", "numberOfOccurrences": 3, "recurrenceTimeZone": "UTC"},
                });
            }
            let id = lab.server.add(lab.calendar.as_str(), &event).unwrap();
            let (version, payload) = lab.fetch(&id).await;
            let mut event = lab.provider.read(&payload).unwrap();
            let master = event.master.as_mut().unwrap();
            if in_series {
                // Of one instance, which nobody has changed before.
                let at =
                    |hour: u32| EventTime::Utc(day("2026-01-07").and_hms_opt(hour, 0, 0).unwrap().and_utc());
                let mut body = EventBody { time: TimeSpan { start: at(9), end: at(10) }, ..master.clone() };
                change(&mut body.participants);
                let scope = OverrideScope::This;
                event
                    .overrides
                    .insert(RecurrenceId::of(&at(9)), Override::Changed { body: Box::new(body), scope });
            } else {
                change(&mut master.participants);
            }
            let rendered = lab.render(&event, Some(&payload), PeoplePolicy::Write).unwrap();
            assert_eq!(rendered.losses, losses, "{what}, in a series: {in_series}");
            assert_eq!(rendered.payload != payload, written.is_some(), "{what}, in a series: {in_series}");
            let Some(written) = written else { continue };
            let name = RemoteId::from(id.as_str());
            lab.provider.update(&lab.calendar, &name, &version, &rendered.payload).await.unwrap();
            let stored: Value = serde_json::from_str(lab.fetch(&id).await.1.as_str()).unwrap();
            let stored = if in_series { &stored["exceptionOccurrences"][0] } else { &stored };
            let people: Vec<String> = stored["attendees"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| {
                    let address = one["emailAddress"]["address"].as_str().unwrap();
                    format!("{} {}", one["type"].as_str().unwrap(), address.split('@').next().unwrap())
                })
                .collect();
            assert_eq!(people, written, "{what}, in a series: {in_series}");
        }
    }
}

/// MAIL-04: people who are invited to single instances, or to a series, are told of what happens to it as well.
#[tokio::test(flavor = "multi_thread")]
async fn mail_04_people_of_a_series_and_of_single_instances_are_spared() {
    let series = |mut event: Value| {
        event["recurrence"] = json!({
            "pattern": {"type": "daily", "interval": 1},
            "range": {"type": "numbered", "startDate": "2026-01-06", "numberOfOccurrences": 5, "recurrenceTimeZone": "UTC"},
        });
        event
    };
    let third = RecurrenceId::of(&EventTime::Utc(day("2026-01-07").and_hms_opt(9, 0, 0).unwrap().and_utc()));
    for of_all in [true, false] {
        let lab = lab();
        let event = if of_all { series(meeting()) } else { series(single("lesson")) };
        let id = lab.server.add(lab.calendar.as_str(), &event).unwrap();
        let change = async |people: PeoplePolicy, change: &dyn Fn(&mut Event)| {
            let (version, payload) = lab.fetch(&id).await;
            let mut event = lab.provider.read(&payload).unwrap();
            change(&mut event);
            let rendered = lab.render(&event, Some(&payload), people)?;
            let id = RemoteId::from(id.as_str());
            lab.provider.update(&lab.calendar, &id, &version, &rendered.payload).await
        };
        if !of_all {
            // Somebody comes to the third lesson only.
            let guest = |event: &mut Event| {
                let mut body = event.master.clone().unwrap();
                let time = EventTime::Utc(day("2026-01-07").and_hms_opt(9, 0, 0).unwrap().and_utc());
                let end = EventTime::Utc(day("2026-01-07").and_hms_opt(10, 0, 0).unwrap().and_utc());
                body.time = TimeSpan { start: time, end };
                let person = Person { address: "bob@example.com".into(), name: None };
                body.participants.push(Participant {
                    person,
                    status: Default::default(),
                    role: Default::default(),
                    expect_reply: true,
                });
                let scope = OverrideScope::This;
                event.overrides.insert(third, Override::Changed { body: Box::new(body), scope });
            };
            change(PeoplePolicy::Write, &guest).await.unwrap();
            assert_eq!(lab.server.mails(), 1, "he is invited");
        }
        let before = lab.server.mails();
        let renames = |event: &mut Event| event.master.as_mut().unwrap().title = Some("b".into());
        let moves = |event: &mut Event| {
            if let Some(Override::Changed { body, .. }) = event.overrides.get_mut(&third) {
                body.title = Some("b".into());
            } else {
                event.overrides.insert(third, Override::Excluded);
            }
        };
        let cancels = |event: &mut Event| {
            event.overrides.insert(third, Override::Excluded);
        };
        let changes: [&dyn Fn(&mut Event); 3] = [&renames, &moves, &cancels];
        for (number, what) in changes.into_iter().enumerate() {
            let refused = change(PeoplePolicy::Withhold, what).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Refused, "of all: {of_all}, change {number}");
        }
        // What is called off shows as free there: that is one's own affair.
        let off = |event: &mut Event| {
            let mut body = event.master.clone().unwrap();
            body.time.start = EventTime::Utc(day("2026-01-07").and_hms_opt(9, 0, 0).unwrap().and_utc());
            body.time.end = EventTime::Utc(day("2026-01-07").and_hms_opt(10, 0, 0).unwrap().and_utc());
            if let Some(Override::Changed { body: own, .. }) = event.overrides.get(&third) {
                body = (**own).clone();
            }
            body.status = Some(calsync_core::model::Status::Cancelled);
            let scope = OverrideScope::This;
            event.overrides.insert(third, Override::Changed { body: Box::new(body), scope });
        };
        change(PeoplePolicy::Withhold, &off).await.unwrap();
        let (version, payload) = lab.fetch(&id).await;
        let held: Value = serde_json::from_str(payload.as_str()).unwrap();
        assert_eq!(held["exceptionOccurrences"][0]["showAs"], "free", "{held}");
        let id = RemoteId::from(id.as_str());
        let refused = lab.provider.delete(&lab.calendar, &id, &version).await.unwrap_err();
        assert_eq!((refused.kind, lab.server.mails()), (ErrorKind::Refused, before), "of all: {of_all}");
        assert_eq!(lab.server.events(lab.calendar.as_str()).len(), 1);
    }
}

/// MAIL-10: on somebody else's meeting only what is one's own is written.
#[tokio::test(flavor = "multi_thread")]
async fn mail_10_an_invitation_is_not_edited_for_its_organizer() {
    let lab = lab();
    let id = lab.server.add(lab.calendar.as_str(), &meeting()).unwrap();
    lab.server.make_foreign(&id);
    let losses = lab
        .edit(&id, PeoplePolicy::Withhold, |body| {
            body.title = Some("mine now".into());
            body.categories.insert("Red".into());
        })
        .await
        .unwrap();
    assert_eq!(losses, ["organizer-only"]);
    let stored = lab.server.events(lab.calendar.as_str()).remove(0).event;
    assert_eq!((stored["subject"].as_str(), &stored["categories"]), (Some("meeting"), &json!(["Red"])));
    let (version, payload) = lab.fetch(&id).await;
    assert_eq!(
        lab.provider.read(&payload).unwrap().master.unwrap().organizer.unwrap().address,
        "boss@example.com"
    );
    // Taking it out of the own calendar tells nobody.
    lab.provider.delete(&lab.calendar, &RemoteId::from(id.as_str()), &version).await.unwrap();
    assert_eq!(lab.server.mails(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_write_is_refused_for_single_events_and_for_series() {
    let lab = lab();
    let series = json!({
        "subject": "s", "start": {"dateTime": "2026-01-05T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-01-05T10:00:00", "timeZone": "UTC"},
        "recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-01-05"}},
    });
    for (event, part) in [(single("a"), None), (series.clone(), None), (series, Some("2026-01-07"))] {
        let id = lab.server.add(lab.calendar.as_str(), &event).unwrap();
        let name = RemoteId::from(id.as_str());
        let (version, payload) = lab.fetch(&id).await;
        let mut event = lab.provider.read(&payload).unwrap();
        event.master.as_mut().unwrap().title = Some("ours".into());
        let rendered = lab.render(&event, Some(&payload), PeoplePolicy::Withhold).unwrap().payload;
        // Somebody else was faster; on a series, with an exception that leaves the master's version alone.
        let touched = part.map_or(id.clone(), |date| lab.server.instance(&id, day(date)).unwrap());
        assert!(lab.server.change(&touched, &json!({"subject": "theirs"})));
        let error = lab.provider.update(&lab.calendar, &name, &version, &rendered).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::VersionMismatch);
        let error = lab.provider.delete(&lab.calendar, &name, &version).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::VersionMismatch);
        let (version, _) = lab.fetch(&id).await;
        lab.provider.delete(&lab.calendar, &name, &version).await.unwrap();
        // Gone already is gone.
        lab.provider.delete(&lab.calendar, &name, &version).await.unwrap();
        assert_eq!(
            lab.provider.update(&lab.calendar, &name, &version, &rendered).await.unwrap_err().kind,
            ErrorKind::NotFound
        );
    }
}

/// The same creation twice is one event, whatever status says so.
#[tokio::test(flavor = "multi_thread")]
async fn dup_a_repeated_creation_is_one_event() {
    for status in [409, 400] {
        let lab = lab();
        lab.server.change_quirks(|quirks| quirks.duplicate_status = status);
        let id = RemoteId::from("new:1");
        let first = lab.render(&local(), None, PeoplePolicy::Withhold).unwrap().payload;
        let created = lab.provider.create(&lab.calendar, &id, &first).await.unwrap();
        // The very same request: the service answers with what it made then.
        assert_eq!(lab.provider.create(&lab.calendar, &id, &first).await.unwrap().id, created.id);
        // The same name, other content.
        let mut other = local();
        other.master.as_mut().unwrap().title = Some("other".into());
        let other = lab.render(&other, None, PeoplePolicy::Withhold).unwrap().payload;
        let error = lab.provider.create(&lab.calendar, &id, &other).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists { at: Some(created.id.clone()) }, "{status}");
        assert_eq!(lab.server.events(lab.calendar.as_str()).len(), 1);
        // Asked for by the name it was to have, it is found by the one it has.
        let found = lab.provider.fetch(&lab.calendar, &[id, RemoteId::from("new:2")]).await.unwrap();
        assert!(matches!(&found[0], Fetched::Renamed { id, .. } if *id == created.id));
        assert!(matches!(&found[1], Fetched::Missing(_)));
    }
}

/// MAIL-11: a creation that invites people, sent again because its answer was lost, invites them once.
#[tokio::test(flavor = "multi_thread")]
async fn mail_11_a_repeated_creation_mails_once() {
    let lab = lab();
    let mut event = local();
    let person = Person { address: "bob@example.com".into(), name: None };
    let bob =
        Participant { person, status: Default::default(), role: Default::default(), expect_reply: true };
    event.master.as_mut().unwrap().participants.push(bob);
    let payload = lab.render(&event, None, PeoplePolicy::Write).unwrap().payload;
    let id = RemoteId::from("new:1");
    lab.server.inject(Fault::drop_after().on_method("POST"));
    assert!(lab.provider.create(&lab.calendar, &id, &payload).await.unwrap_err().is_ambiguous());
    lab.provider.create(&lab.calendar, &id, &payload).await.unwrap();
    assert_eq!((lab.server.mails(), lab.server.events(lab.calendar.as_str()).len()), (1, 1));
}

/// A copy made in Outlook takes the noted UID along; it is another event all the same.
#[tokio::test(flavor = "multi_thread")]
async fn dup_a_copy_made_elsewhere_has_a_uid_of_its_own() {
    let lab = lab();
    let payload = lab.render(&local(), None, PeoplePolicy::Withhold).unwrap().payload;
    let created = lab.provider.create(&lab.calendar, &RemoteId::from("new:1"), &payload).await.unwrap();
    let (_, held) = lab.fetch(created.id.as_str()).await;
    assert_eq!(lab.provider.read(&held).unwrap().uid, "u1");
    let properties =
        serde_json::from_str::<Value>(held.as_str()).unwrap()["singleValueExtendedProperties"].clone();
    let mut copy = single("mine");
    copy["singleValueExtendedProperties"] = properties;
    copy["transactionId"] = json!("outlook");
    let copy = lab.server.add(lab.calendar.as_str(), &copy).unwrap();
    assert_ne!(lab.provider.read(&lab.fetch(&copy).await.1).unwrap().uid, "u1");
}

#[tokio::test(flavor = "multi_thread")]
async fn quo_02_throttling_says_when_to_come_back() {
    let lab = lab();
    lab.server.inject(Fault::code(429, "ApplicationThrottled").header("Retry-After", "2.128"));
    let error = lab.provider.calendars().await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Throttled, Retry::After(Duration::from_millis(2128))));
    lab.server.inject(Fault::status(503).header("Retry-After", "7"));
    let error = lab.pull(None).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::After(Duration::from_secs(7))));
}

/// QUO-03: the rest of a batch is throttled; what was answered is kept, the rest is asked once more.
#[tokio::test(flavor = "multi_thread")]
async fn quo_03_a_batch_that_is_served_in_part_is_not_sent_whole_again() {
    let lab = lab();
    let ids: Vec<RemoteId> = (0..20)
        .map(|n| RemoteId::from(lab.server.add(lab.calendar.as_str(), &single(&format!("e{n}"))).unwrap()))
        .collect();
    lab.server.change_quirks(|quirks| quirks.batch_served = 7);
    let fetched = lab.provider.fetch(&lab.calendar, &ids).await.unwrap();
    assert!(
        fetched
            .iter()
            .zip(&ids)
            .all(|(fetched, id)| matches!(fetched, Fetched::Found { id: found, .. } if found == id))
    );
    let sizes: Vec<usize> =
        lab.server.requests().iter().map(|request| request.body.matches("\"method\"").count()).collect();
    assert_eq!(sizes, [20, 13]);
    // All of it throttled is an error with a time.
    lab.server.change_quirks(|quirks| quirks.batch_served = 0);
    let error = lab.provider.fetch(&lab.calendar, &ids).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Throttled, Retry::After(Duration::from_secs(2))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_read_page_by_page_and_changes_cost_one_request() {
    let lab = lab_with(|config| config.page_max = 7);
    for n in 0..30 {
        lab.server.add(lab.calendar.as_str(), &single(&format!("e{n}"))).unwrap();
    }
    let all = lab.pull(None).await.unwrap();
    assert_eq!((all.changes.len(), all.scope), (30, ChangeScope::Snapshot));
    lab.server.clear_requests();
    let none = lab.pull(all.cursor.as_ref()).await.unwrap();
    assert_eq!((none.changes.len(), none.scope, lab.server.requests().len()), (0, ChangeScope::Delta, 1));
    // Rows that come twice are one change.
    lab.server.change_quirks(|quirks| quirks.delta_repeats = true);
    lab.server.add(lab.calendar.as_str(), &single("new")).unwrap();
    let one = lab.pull(none.cursor.as_ref()).await.unwrap();
    assert_eq!(one.changes.len(), 1);
    // A state that is lost says so, once.
    lab.server.expire_tokens();
    assert_eq!(lab.pull(one.cursor.as_ref()).await.unwrap_err().kind, ErrorKind::CursorInvalid);
    assert_eq!(lab.pull(None).await.unwrap().changes.len(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_can_be_all_there_is_and_events_delta_knows_no_end() {
    let far = json!({
        "subject": "far", "start": {"dateTime": "2036-01-06T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2036-01-06T10:00:00", "timeZone": "UTC"},
    });
    let windowed = lab_with(|config| config.listing = Listing::Window);
    assert!(windowed.provider.capabilities().pull_window_slides);
    windowed.server.add(windowed.calendar.as_str(), &single("near")).unwrap();
    windowed.server.add(windowed.calendar.as_str(), &far).unwrap();
    let page = windowed.pull(None).await.unwrap();
    assert_eq!(page.changes.len(), 1);
    // What it covers stays what the query began with, whenever it is asked again.
    let now = windowed.clock.now();
    let span = Covered::from(now - TimeDelta::days(90)..now + TimeDelta::days(550));
    assert_eq!(page.covered, span);
    windowed.clock.advance(TimeDelta::days(30));
    assert_eq!(windowed.pull(page.cursor.as_ref()).await.unwrap().covered, span);

    let endless = lab_with(|config| config.delta = DeltaSource::Events);
    let first = endless.pull(None).await.unwrap();
    assert_eq!(first.covered, Covered::ALL);
    endless.server.add(endless.calendar.as_str(), &far).unwrap();
    endless.clock.advance(TimeDelta::days(2000));
    let page = endless.pull(first.cursor.as_ref()).await.unwrap();
    assert_eq!((page.changes.len(), page.scope), (1, ChangeScope::Delta));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_kind() {
    for (status, code, expected) in [
        (401, "InvalidAuthenticationToken", ErrorKind::Unauthorized),
        (403, "ErrorAccessDenied", ErrorKind::Forbidden),
        (404, "ErrorItemNotFound", ErrorKind::CalendarGone),
        (410, "SyncStateNotFound", ErrorKind::CursorInvalid),
        (410, "resyncRequired", ErrorKind::CursorInvalid),
        (429, "activityLimitReached", ErrorKind::Throttled),
        (500, "ErrorInternalServerTransientError", ErrorKind::Unavailable),
        (504, "UnknownError", ErrorKind::Unavailable),
    ] {
        let lab = lab();
        lab.server.inject(Fault::code(status, code).times(2));
        assert_eq!(lab.pull(None).await.unwrap_err().kind, expected, "{status} {code}");
    }
    let lab = lab();
    lab.server.set_can_edit(lab.calendar.as_str(), false);
    assert!(lab.provider.calendars().await.unwrap()[0].read_only);
    let payload = lab.render(&local(), None, PeoplePolicy::Withhold).unwrap().payload;
    let error = lab.provider.create(&lab.calendar, &RemoteId::from("new:1"), &payload).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    // A web page where JSON should be.
    lab.server.inject(Fault::status(200).body("<html>sign in</html>"));
    let error = lab.pull(None).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Protocol, Retry::Backoff));
}

/// BAD-01: every member of an event missing, null, or of another type: it is set aside or read, and nothing panics.
#[test]
fn bad_01_any_member_may_be_missing_null_or_of_another_type() {
    let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let config = MicrosoftConfig::new(Arc::new(Secret::from("x")));
    let provider = MicrosoftProvider::new(config, transport).unwrap();
    let point =
        |hour: u32| json!({"dateTime": format!("2026-01-05T{hour:02}:00:00.0000000"), "timeZone": "UTC"});
    let whole = json!({
        "@odata.etag": "W/\"1\"", "id": "AAM1", "type": "seriesMaster", "iCalUId": "u", "subject": "s", "transactionId": null,
        "body": {"contentType": "html", "content": "<p>x</p>"}, "start": point(8), "end": point(9),
        "originalStartTimeZone": "Romance Standard Time", "originalEndTimeZone": "Romance Standard Time",
        "isAllDay": false, "isCancelled": false, "isOrganizer": true, "isReminderOn": true, "reminderMinutesBeforeStart": 15,
        "showAs": "busy", "sensitivity": "normal", "importance": "normal", "categories": ["Red"],
        "location": {"displayName": "here", "coordinates": {"latitude": 1.5, "longitude": 2}},
        "attendees": [{"type": "required", "status": {"response": "accepted"}, "emailAddress": {"address": "bob@example.com", "name": "Bob"}}],
        "organizer": {"emailAddress": {"address": "ann@example.com", "name": "Ann"}},
        "onlineMeeting": {"joinUrl": "https://example.com/"}, "isOnlineMeeting": true,
        "createdDateTime": "2026-01-01T00:00:00Z", "lastModifiedDateTime": "2026-01-01T00:00:00Z",
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "month": 0, "dayOfMonth": 0, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday", "index": "first"},
            "range": {"type": "noEnd", "startDate": "2026-01-05", "endDate": "0001-01-01", "recurrenceTimeZone": "Romance Standard Time", "numberOfOccurrences": 0},
        },
        "cancelledOccurrences": ["OID.AAM1.2026-01-12"],
        "exceptionOccurrences": [{"id": "AAO3", "type": "exception", "originalStart": "2026-01-19T08:00:00Z", "subject": "x", "start": point(10), "end": point(11)}],
        "singleValueExtendedProperties": [{"id": "String {00020329-0000-0000-C000-000000000046} Name calsync.uid", "value": "v"}],
    });
    let event = provider.read(&Payload::new(whole.to_string())).unwrap();
    assert_eq!((event.uid.as_str(), event.overrides.len()), ("v", 2));
    let mut paths = Vec::new();
    collect(&whole, &mut Vec::new(), &mut paths);
    assert!(paths.len() > 60);
    let strange = [
        json!(null),
        json!(7),
        json!(-1.5),
        json!("word"),
        json!(""),
        json!(true),
        json!([]),
        json!({}),
        json!([null, 3, "x", {}]),
    ];
    let (mut read, mut refused) = (0, 0);
    for path in &paths {
        for value in strange.iter().map(Some).chain([None]) {
            let mut item = whole.clone();
            replace(&mut item, path, value);
            let payload = Payload::new(item.to_string());
            match provider.read(&payload) {
                Ok(event) => {
                    read += 1;
                    // A series stays one, with every instance that is said.
                    let is_taken_out = path[0].ends_with("Occurrences")
                        && value
                            .is_none_or(|value| path.len() == 1 && (value.is_null() || *value == json!([])));
                    assert!(!event.rules.is_empty(), "{path:?} {value:?}");
                    assert!(event.overrides.len() == 2 || is_taken_out, "{path:?} {value:?}");
                    // What is read can be rendered.
                    let request = RenderRequest {
                        event: &event,
                        original: Some(&payload),
                        now: instant("2026-01-05T12:00:00Z"),
                        people: PeoplePolicy::Withhold,
                    };
                    assert_eq!(provider.render(request).unwrap().payload, payload, "{path:?} {value:?}");
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.reason.is_empty());
                }
            }
        }
    }
    assert!(read > 300 && refused > 30, "{read} {refused}");
    for text in ["", "null", "[]", "{}", "<html>", "{\"id\":\"x\"}", "{\"start\":{}}"] {
        assert!(provider.read(&Payload::new(text)).is_err(), "{text}");
    }
}

/// The token is sent to the service and nowhere else, whatever a link says.
#[tokio::test(flavor = "multi_thread")]
async fn priv_06_a_link_to_another_site_is_not_followed() {
    let lab = lab();
    let body = json!({"value": [], "@odata.nextLink": "http://127.0.0.1:1/v1.0/x"}).to_string();
    lab.server.inject(Fault::status(200).body(&body));
    let request = ChangesRequest { cursor: None, mode: PullMode::Incremental };
    let page = lab.provider.changes(&lab.calendar, request).await.unwrap();
    let request = ChangesRequest { cursor: page.cursor.as_ref(), mode: PullMode::Incremental };
    assert_eq!(lab.provider.changes(&lab.calendar, request).await.unwrap_err().kind, ErrorKind::Blocked);
}

/// A token that was refused is replaced once.
#[tokio::test(flavor = "multi_thread")]
async fn auth_a_refused_token_is_replaced_and_the_request_sent_again() {
    struct Tokens(Mutex<Vec<&'static str>>);
    #[async_trait]
    impl TokenSource for Tokens {
        async fn token(&self) -> Result<Secret, ProviderError> {
            Ok(Secret::from(*self.0.lock().unwrap().last().unwrap()))
        }
        async fn rejected(&self, _: &Secret) -> Result<(), ProviderError> {
            self.0.lock().unwrap().pop();
            Ok(())
        }
    }
    let lab = lab_with(|config| config.tokens = Arc::new(Tokens(Mutex::new(vec!["wrong", "secret", "old"]))));
    lab.provider.calendars().await.unwrap();
    lab.server.set_token("another");
    assert_eq!(lab.provider.calendars().await.unwrap_err().kind, ErrorKind::Unauthorized);
}

/// What the host's address got, and whether it answers the handshake.
async fn receiver(answers: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hook?link=1", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Vec::new()));
    let log = got.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 64 << 10];
            let length = stream.read(&mut bytes).await.unwrap();
            let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let url = url::Url::parse(&format!("http://x{}", request.split(' ').nth(1).unwrap())).unwrap();
            let token = url
                .query_pairs()
                .find(|(name, _)| name == "validationToken")
                .map(|(_, value)| value.into_owned());
            let body = token.filter(|_| answers).unwrap_or_default();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            log.lock().unwrap().push(request);
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    });
    (address, got)
}

#[tokio::test(flavor = "multi_thread")]
async fn con_09_a_subscription_is_validated_called_renewed_and_ended() {
    let lab = lab();
    lab.server.set_now(instant("2026-01-05T12:00:00Z"));
    let (address, got) = receiver(true).await;
    let request = WatchRequest {
        id: "w1",
        address: &address,
        secret: "shh",
        lifetime: Duration::from_secs(86_400 * 30),
    };
    let watch = lab.provider.watch(&lab.calendar, request).await.unwrap();
    // As long as the service gives, not as long as was wanted.
    assert_eq!(watch.expires, instant("2026-01-08T10:00:00Z"));
    assert!(got.lock().unwrap().iter().all(|request| request.contains("validationToken=")));
    got.lock().unwrap().clear();
    lab.server.add(lab.calendar.as_str(), &single("a")).unwrap();
    let called = until(&got).await;
    let (_, body) = called.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (body["value"][0]["clientState"].as_str(), body["value"][0]["subscriptionId"].as_str()),
        (Some("shh"), Some(watch.id.as_str()))
    );
    got.lock().unwrap().clear();
    lab.server.send_lifecycle("reauthorizationRequired");
    assert!(until(&got).await.contains("reauthorizationRequired"));
    lab.clock.advance(TimeDelta::days(1));
    let renewed = lab.provider.renew(&watch, Duration::from_secs(86_400)).await.unwrap();
    assert_eq!(renewed.expires, instant("2026-01-07T12:00:00Z"));
    lab.provider.unwatch(&renewed).await.unwrap();
    lab.provider.unwatch(&renewed).await.unwrap();
    assert_eq!(lab.server.subscriptions(), 0);
    // An address that does not answer the handshake gets none.
    let (address, _) = receiver(false).await;
    let request =
        WatchRequest { id: "w2", address: &address, secret: "shh", lifetime: Duration::from_secs(86_400) };
    assert_eq!(lab.provider.watch(&lab.calendar, request).await.unwrap_err().kind, ErrorKind::Unavailable);
}

async fn until(got: &Arc<Mutex<Vec<String>>>) -> String {
    loop {
        if let Some(request) = got.lock().unwrap().first() {
            return request.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_times_are_told_for_mailboxes() {
    let lab = lab();
    lab.server.add(lab.calendar.as_str(), &single("a")).unwrap();
    let mut free = single("free");
    free["showAs"] = json!("free");
    lab.server.add(lab.calendar.as_str(), &free).unwrap();
    for (day, status) in [(7, "tentative"), (8, "oof"), (9, "unknown"), (10, "workingElsewhere")] {
        let mut event = single(status);
        event["showAs"] = json!(status);
        for (name, hour) in [("start", 9), ("end", 10)] {
            event[name]["dateTime"] = json!(format!("2026-01-{day:02}T{hour:02}:00:00"));
        }
        lab.server.add(lab.calendar.as_str(), &event).unwrap();
    }
    let window = instant("2026-01-05T00:00:00Z")..instant("2026-01-12T00:00:00Z");
    let asked = [RemoteCalendarId::from("ann@example.com"), RemoteCalendarId::from("nobody@example.com")];
    let answers = lab.provider.free_busy(&asked, window).await.unwrap();
    let shown = answers[0].busy.iter().map(|time| (time.start, time.end - time.start, time.kind));
    let (hour, day) = (TimeDelta::hours(1), |day: u32| instant(&format!("2026-01-{day:02}T09:00:00Z")));
    let kinds = [
        (day(6), hour, BusyKind::Busy),
        (day(7), hour, BusyKind::Tentative),
        (day(8), hour, BusyKind::Unavailable),
        (day(9), hour, BusyKind::Busy),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), kinds);
    assert_eq!(answers[1].unknown.as_deref(), Some("ErrorMailRecipientNotFound"));
    let long = instant("2026-01-05T00:00:00Z")..instant("2026-06-12T00:00:00Z");
    assert_eq!(lab.provider.free_busy(&asked, long).await.unwrap_err().kind, ErrorKind::InvalidInput);
}

/// What Graph has no place for is said, and what is there is left as it is.
#[test]
fn fld_what_cannot_be_held_is_reported() {
    struct Nothing;
    #[async_trait]
    impl HttpTransport for Nothing {
        async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            unreachable!()
        }
    }
    let provider =
        MicrosoftProvider::new(MicrosoftConfig::new(Arc::new(Secret::from("x"))), Arc::new(Nothing)).unwrap();
    let edits: [(fn(&mut Event), &[&str]); 9] = [
        (|event| event.master.as_mut().unwrap().url = Some("https://example.com/".into()), &["url"]),
        (|event| event.master.as_mut().unwrap().color = Some("red".into()), &["color"]),
        (|event| event.master.as_mut().unwrap().priority = Some(5), &["priority"]),
        (
            |event| event.master.as_mut().unwrap().privacy = Some(calsync_core::model::Privacy::Public),
            &["privacy"],
        ),
        (
            |event| event.master.as_mut().unwrap().status = Some(calsync_core::model::Status::Cancelled),
            &["status"],
        ),
        (
            |event| {
                event.master.as_mut().unwrap().alarms = vec![
                    calsync_core::model::Alarm::display_before(60),
                    calsync_core::model::Alarm::display_before(600),
                ]
            },
            &["alarms"],
        ),
        (
            |event| {
                event.rules = vec![calsync_core::recurrence::RuleEntry::read("FREQ=MONTHLY;BYMONTHDAY=31")]
            },
            &["recurrence"],
        ),
        (
            |event| {
                event.rules = vec![calsync_core::recurrence::RuleEntry::read("FREQ=DAILY;COUNT=3")];
                event.overrides.insert("20260201T090000Z".parse().unwrap(), Override::Added { end: None });
            },
            &["added-dates"],
        ),
        (
            |event| {
                event.master.as_mut().unwrap().time.start =
                    EventTime::Floating(day("2026-01-06").and_hms_opt(9, 0, 0).unwrap())
            },
            &["floating-time"],
        ),
    ];
    for (edit, expected) in edits {
        let mut event = local();
        edit(&mut event);
        let request = RenderRequest {
            event: &event,
            original: None,
            now: instant("2026-01-05T12:00:00Z"),
            people: PeoplePolicy::Withhold,
        };
        assert_eq!(provider.render(request).unwrap().losses, expected);
        let projected = provider.project(&event).into_owned();
        assert_eq!(provider.project(&projected).into_owned(), projected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_present_item_has_a_version_and_a_payload() {
    let lab = lab();
    lab.server.add(lab.calendar.as_str(), &single("a")).unwrap();
    let page = lab.pull(None).await.unwrap();
    let [Change { change: ItemChange::Present { version: Some(version), payload: Some(payload) }, id }] =
        &page.changes[..]
    else {
        panic!()
    };
    assert_eq!(lab.fetch(id.as_str()).await, (version.clone(), payload.clone()));
}

/// Whoever asks Microsoft why something failed is asked for the name of the request.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_request_it_came_from() {
    let seed = || Arc::new(RandomIds::from_seed([7; 32]));
    let mut lab = lab();
    lab.provider = lab.provider.with_request_ids(seed());
    lab.server.inject(Fault::code(403, "ErrorAccessDenied"));
    let refused = lab.provider.calendars().await.unwrap_err();
    assert_eq!(refused.request_id(), Some("00000000-0000-4000-8000-000000000000"));
    assert_eq!(
        refused.to_string(),
        "calendars: no permission: HTTP 403 erroraccessdenied (request 00000000-0000-4000-8000-000000000000)"
    );
    // A part of a batch by its own name.
    let missing = RemoteCalendarId::from("nothing");
    let payload = lab.render(&local(), None, PeoplePolicy::Withhold).unwrap().payload;
    let (a, b) = (RemoteId::from("new:a"), RemoteId::from("new:b"));
    let (a, b) = futures_util::future::join(
        lab.provider.create(&missing, &a, &payload),
        lab.provider.create(&missing, &b, &payload),
    )
    .await;
    assert_eq!(a.unwrap_err().request_id(), Some("00000000-0000-4000-8001-000001000000"));
    assert_eq!(b.unwrap_err().request_id(), Some("00000000-0000-4000-8001-000001000001"));

    // Without an answer it is the name the request was sent with; without that, nothing.
    lab.server.inject(Fault::drop_before());
    let lost = lab.provider.calendars().await.unwrap_err();
    let own = lost.request_id().unwrap().to_owned();
    assert_eq!(own.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    lab.server.inject(Fault::drop_before());
    assert_ne!(lab.provider.calendars().await.unwrap_err().request_id(), Some(own.as_str()));
    let plain = self::lab();
    plain.server.inject(Fault::drop_before());
    assert_eq!(plain.provider.calendars().await.unwrap_err().request_id(), None);
    // An answer that makes no sense has a name as well.
    plain.server.inject(Fault::status(200).body("<html>"));
    assert!(plain.provider.calendars().await.unwrap_err().request_id().is_some());
}

/// A token that is good and does not say enough (continuous access evaluation): a person signs in, with the claims that
/// are wanted.
#[tokio::test(flavor = "multi_thread")]
async fn auth_a_claims_challenge_says_what_the_sign_in_has_to_ask_for() {
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    let header = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
        client_id=\"1\", error=\"insufficient_claims\", \
        claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNjA0MTA2NjUxIn19fQ==\"";
    let lab = lab();
    lab.server.inject(Fault::code(401, "InvalidAuthenticationToken").header("WWW-Authenticate", header));
    let refused = lab.provider.calendars().await.unwrap_err();
    assert_eq!((&refused.kind, refused.retry), (&ErrorKind::Unauthorized, Retry::Never));
    let source = std::error::Error::source(&refused).unwrap();
    assert_eq!(source.downcast_ref::<ClaimsChallenge>().unwrap().claims, claims);
    assert!(refused.to_string().contains("a sign-in with other claims is wanted"), "{refused}");
    assert!(!format!("{refused:?}").contains("1604106651"));
    // Any other 401 has none.
    lab.server.inject(Fault::code(401, "InvalidAuthenticationToken").header("WWW-Authenticate", "Bearer"));
    assert!(std::error::Error::source(&lab.provider.calendars().await.unwrap_err()).is_none());
}

/// Graph begins a series with the first day of its rule. Where the clocks change on that day, it lasts no longer for it.
#[test]
fn rec_a_series_that_begins_later_lasts_as_long() {
    let transport = Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap());
    let config = MicrosoftConfig::new(Arc::new(Secret::from("x")));
    let provider = MicrosoftProvider::new(config, transport).unwrap();
    let zone = calsync_core::zone::Zone::from_iana("America/St_Johns").unwrap();
    let at = |hour: u32| EventTime::zoned(day("2026-10-26").and_hms_opt(hour, 0, 0).unwrap(), zone.clone());
    let mut event = Event::single("u1", EventBody::new(TimeSpan { start: at(0), end: at(2) }));
    // A Monday, of a rule of Sundays; on the first of them the clocks go back at two.
    event.rules = vec![calsync_core::recurrence::RuleEntry::read("FREQ=WEEKLY;BYDAY=SU;WKST=SU")];
    let now = instant("2026-01-05T12:00:00Z");
    let request = RenderRequest { event: &event, original: None, now, people: PeoplePolicy::Withhold };
    let rendered = provider.render(request).unwrap();
    assert_eq!(rendered.losses, ["recurrence-start"]);
    let read = provider.read(&rendered.payload).unwrap().master.unwrap().time;
    assert_eq!(read.start.absolute(), Some(instant("2026-11-01T02:30:00Z")));
    assert_eq!(read.end.absolute(), Some(instant("2026-11-01T04:30:00Z")));
}
