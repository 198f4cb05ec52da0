//! The Google provider against the emulator: calendars, changes, payloads, writes.

#![cfg(feature = "google")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod google_support;

use std::time::Duration;

use calsync_core::{
    model::{
        Event, EventBody, EventTime, Override, OverrideScope, RecurrenceId, RemoteId, RuleEntry, TimeSpan,
    },
    provider::{
        ChangeScope, ErrorKind, Fetched, ItemChange, PeoplePolicy, Provider, PullMode, Retry, WatchRequest,
    },
    zone::Zone,
};
use calsync_providers::google::{HiddenCalendars, UpdateMethod};
use calsync_testkit::{dav::Fault, google::GoogleQuirks};
use chrono::NaiveDate;
use google_support::*;
use serde_json::json;

fn berlin(day: u32, hour: u32) -> EventTime {
    let local = NaiveDate::from_ymd_opt(2026, 3, day).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
}

fn single(uid: &str, title: &str) -> Event {
    let body = EventBody::new(TimeSpan { start: berlin(2, 9), end: berlin(2, 10) });
    Event::single(uid, EventBody { title: Some(title.to_owned()), ..body })
}

/// Daily at nine from the second of March, seven times.
fn daily(uid: &str) -> Event {
    let mut event = single(uid, "daily");
    event.rules.push(RuleEntry::read("FREQ=DAILY;COUNT=7"));
    event
}

fn key(day: u32) -> RecurrenceId {
    RecurrenceId::of(&berlin(day, 9))
}

fn moved(day: u32, hour: u32, title: &str) -> Override {
    let body = EventBody::new(TimeSpan { start: berlin(day, hour), end: berlin(day, hour + 1) });
    Override::Changed {
        body: Box::new(EventBody { title: Some(title.to_owned()), ..body }),
        scope: OverrideScope::This,
    }
}

fn timed(summary: &str, day: u32) -> serde_json::Value {
    json!({
        "summary": summary,
        "start": {"dateTime": format!("2026-03-{day:02}T09:00:00+01:00"), "timeZone": "Europe/Berlin"},
        "end": {"dateTime": format!("2026-03-{day:02}T10:00:00+01:00"), "timeZone": "Europe/Berlin"},
    })
}

fn series(id: &str) -> serde_json::Value {
    let mut event = timed("weekly", 2);
    event["id"] = id.into();
    event["recurrence"] = json!(["RRULE:FREQ=WEEKLY;COUNT=4"]);
    event
}

#[tokio::test]
async fn the_whole_way_of_a_single_event() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    assert_eq!((first.scope, first.changes.len()), (ChangeScope::Snapshot, 0));

    let id = provider.propose_id(&primary(), &single("a", "one"), "0123abcd").unwrap();
    let rendered = render(&provider, &single("a", "one"), None);
    assert!(rendered.losses.is_empty(), "{:?}", rendered.losses);
    let written = provider.create(&primary(), &id, &rendered.payload).await.unwrap();
    assert_eq!(written.id, id);
    let version = written.version.unwrap();
    assert_eq!(provider.read(&written.payload.unwrap()).unwrap().uid, "a");

    let delta = pull(&provider, first.cursor).await.unwrap();
    assert_eq!((delta.scope, shown(&provider, &delta)), (ChangeScope::Delta, vec!["one".to_owned()]));
    let ItemChange::Present { version: listed, .. } = &delta.changes[0].change else { panic!() };
    assert_eq!(*listed, Some(version.clone()));

    let (fetched, payload, mut event) = item(&provider, &id).await;
    assert_eq!(fetched, version);
    event.master.as_mut().unwrap().title = Some("two".into());
    let payload = render(&provider, &event, Some(&payload)).payload;
    let second = provider.update(&primary(), &id, &version, &payload).await.unwrap().version.unwrap();
    assert_ne!(second, version);
    let stale = provider.update(&primary(), &id, &version, &payload).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::VersionMismatch);
    let stale = provider.delete(&primary(), &id, &version).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::VersionMismatch);
    provider.delete(&primary(), &id, &second).await.unwrap();
    provider.delete(&primary(), &id, &second).await.unwrap();
    let gone = pull(&provider, delta.cursor).await.unwrap();
    assert_eq!(gone.changes[0].change, ItemChange::Removed);
    let fetched = provider.fetch(&primary(), std::slice::from_ref(&id)).await.unwrap();
    assert!(matches!(fetched[..], [Fetched::Missing(_)]));
    assert_eq!(server.mails(), 0);
    let writes = server.requests().into_iter().filter(|request| request.method != "GET");
    assert!(writes.into_iter().all(|request| request.path.contains("sendUpdates=none")));
}

// ---- calendars

#[tokio::test]
async fn calendars_come_in_pages_with_their_roles() {
    let server = start(GoogleQuirks { page_max: Some(2), ..GoogleQuirks::default() });
    for (id, role) in [
        ("team@group.calendar.google.com", "writer"),
        ("part@group.calendar.google.com", "writerWithoutPrivateAccess"),
        ("boss@example.com", "reader"),
        ("busy@example.com", "freeBusyReader"),
        ("new@example.com", "roleOfNextYear"),
        ("de.german#holiday@group.v.calendar.google.com", "reader"),
        ("gone@example.com", "owner"),
        ("hidden@example.com", "owner"),
    ] {
        server.add_calendar(id, &format!("{role} {id}"), "UTC", role);
    }
    server.set_calendar("gone@example.com", "deleted", true.into());
    server.set_calendar("hidden@example.com", "hidden", true.into());
    server.set_calendar("team@group.calendar.google.com", "summaryOverride", "Our team".into());
    // BAD-01: nothing but the id.
    server.set_calendar("boss@example.com", "summary", serde_json::Value::Null);
    let mut found: Vec<_> = provider(&server)
        .calendars()
        .await
        .unwrap()
        .into_iter()
        .map(|calendar| (calendar.id.as_str().split('@').next().unwrap().to_owned(), calendar.read_only))
        .collect();
    found.sort();
    let expected = [
        ("ann", false),
        ("boss", true),
        ("busy", true),
        ("de.german#holiday", true),
        ("new", true),
        ("part", false),
        ("team", false),
    ];
    assert_eq!(found, expected.map(|(name, read_only)| (name.to_owned(), read_only)));
    let mut config = config(&server);
    config.hidden = HiddenCalendars::List;
    let all = with(config).calendars().await.unwrap();
    assert_eq!(all.len(), 8);
    assert!(all.iter().any(|calendar| calendar.name == "Our team"));
    assert!(all.iter().any(|calendar| calendar.name == "boss@example.com"));
}

// ---- changes

#[tokio::test]
async fn tok_03_every_page_is_read_and_the_token_comes_with_the_last() {
    for quirks in [
        GoogleQuirks { page_max: Some(3), ..GoogleQuirks::default() },
        GoogleQuirks {
            page_max: Some(2),
            empty_pages: true,
            exceptions_first: true,
            ..GoogleQuirks::default()
        },
    ] {
        let server = start(quirks);
        for day in 1..=9 {
            server.put("primary", timed(&format!("{day}"), day));
        }
        server.put("primary", series("weekly1"));
        server.edit("primary", "weekly1_20260309T080000Z", |event| {
            event.insert("summary".into(), "moved".into());
        });
        let provider = provider(&server);
        let mut page_one = page(&provider, None, PullMode::Incremental).await.unwrap();
        assert!(page_one.more);
        // What changes meanwhile comes with the next pull.
        server.put("primary", timed("late", 20));
        let mut titles = shown(&provider, &page_one);
        while page_one.more {
            page_one = page(&provider, page_one.cursor.as_ref(), PullMode::Incremental).await.unwrap();
            assert_eq!(page_one.scope, ChangeScope::Snapshot);
            titles.extend(shown(&provider, &page_one));
        }
        titles.sort();
        assert_eq!(titles, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "weekly"]);
        let delta = pull(&provider, page_one.cursor).await.unwrap();
        assert_eq!(shown(&provider, &delta), ["late"]);
        let quiet = pull(&provider, delta.cursor).await.unwrap();
        assert!(quiet.changes.is_empty() && quiet.cursor.is_some());
    }
}

#[tokio::test]
async fn no_change_is_one_request_and_ten_thousand_events_are_five() {
    let server = start(GoogleQuirks::default());
    for number in 0..10_000 {
        let mut event = timed("x", 1 + number % 28);
        if number % 100 == 0 {
            event["recurrence"] = json!(["RRULE:FREQ=WEEKLY;COUNT=4"]);
        }
        event["id"] = format!("event{number}").into();
        server.put("primary", event);
    }
    server.edit("primary", "event0_20260301T080000Z", |event| {
        event.insert("summary".into(), "changed".into());
    });
    let provider = provider(&server);
    let all = pull(&provider, None).await.unwrap();
    assert_eq!(all.changes.len(), 10_000);
    assert!(provider.requests() <= 5, "{}", provider.requests());
    let before = provider.requests();
    pull(&provider, all.cursor).await.unwrap();
    assert_eq!(provider.requests() - before, 1);
}

#[tokio::test]
async fn tok_01_a_token_that_died_is_told_apart_from_every_other_failure() {
    let server = start(GoogleQuirks::default());
    server.put("primary", timed("a", 2));
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    server.expire_tokens("primary");
    let dead = page(&provider, first.cursor.as_ref(), PullMode::Incremental).await.unwrap_err();
    assert_eq!(dead.kind, ErrorKind::CursorInvalid);
    // A 410 with any reason, a 400 with a token; and the cursor of another provider.
    for (status, body) in
        [(410, "<html>"), (410, "{}"), (400, r#"{"error":{"errors":[{"reason":"invalid"}]}}"#)]
    {
        server.inject(Fault::status(status).body(body));
        let dead = page(&provider, first.cursor.as_ref(), PullMode::Incremental).await.unwrap_err();
        assert_eq!(dead.kind, ErrorKind::CursorInvalid, "{status} {body}");
    }
    let foreign = calsync_core::provider::Cursor("http://radicale.org/ns/sync/1".into());
    let dead = page(&provider, Some(&foreign), PullMode::Incremental).await.unwrap_err();
    assert_eq!(dead.kind, ErrorKind::CursorInvalid);
    for (status, kind) in [
        (500, ErrorKind::Unavailable),
        (429, ErrorKind::Throttled),
        (404, ErrorKind::CalendarGone),
        (403, ErrorKind::Forbidden),
    ] {
        server.inject(Fault::status(status));
        assert_eq!(
            page(&provider, first.cursor.as_ref(), PullMode::Incremental).await.unwrap_err().kind,
            kind
        );
    }
    // A page in the middle that another process began.
    server.change_quirks(|quirks| quirks.page_max = Some(1));
    server.put("primary", timed("b", 3));
    let middle = page(&provider, None, PullMode::Incremental).await.unwrap();
    let elsewhere = with(config(&server));
    let dead = page(&elsewhere, middle.cursor.as_ref(), PullMode::Incremental).await.unwrap_err();
    assert_eq!(dead.kind, ErrorKind::CursorInvalid);
}

#[tokio::test]
async fn the_audit_lists_everything_whatever_the_cursor_says() {
    let server = start(GoogleQuirks::default());
    server.put("primary", timed("a", 2));
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    let audit = page(&provider, first.cursor.as_ref(), PullMode::Snapshot).await.unwrap();
    assert_eq!((audit.scope, audit.changes.len()), (ChangeScope::Snapshot, 1));
    assert_eq!(audit.changes, first.changes);
}

#[tokio::test]
async fn a_series_is_one_item_whatever_part_of_it_changed() {
    for quirks in [
        GoogleQuirks::default(),
        GoogleQuirks {
            full_cancelled_rows: true,
            cascade_listed: true,
            exceptions_first: true,
            ..GoogleQuirks::default()
        },
    ] {
        let server = start(quirks);
        server.put("primary", series("weekly1"));
        let provider = provider(&server);
        let mut state = pull(&provider, None).await.unwrap();
        // An exception, a cancelled instance, the master.
        server.edit("primary", "weekly1_20260309T080000Z", |event| {
            event.insert("summary".into(), "other".into());
        });
        state = pull(&provider, state.cursor).await.unwrap();
        let item = state.changes.iter().find(|change| change.id.as_str() == "weekly1").unwrap();
        let ItemChange::Present { payload: Some(payload), version } = &item.change else { panic!() };
        let event = provider.read(payload).unwrap();
        assert_eq!(event.overrides.keys().map(ToString::to_string).collect::<Vec<_>>(), ["20260309T080000Z"]);
        let before = version.clone();
        server.delete("primary", "weekly1_20260316T080000Z");
        state = pull(&provider, state.cursor).await.unwrap();
        let item = state.changes.iter().find(|change| change.id.as_str() == "weekly1").unwrap();
        let ItemChange::Present { payload: Some(payload), version } = &item.change else { panic!() };
        assert_ne!(*version, before);
        assert_eq!(
            provider.read(payload).unwrap().overrides[&"20260316T080000Z".parse().unwrap()],
            Override::Excluded
        );
        server.edit("primary", "weekly1", |event| {
            event.insert("summary".into(), "renamed".into());
        });
        state = pull(&provider, state.cursor).await.unwrap();
        assert!(shown(&provider, &state).contains(&"renamed".to_owned()));
        // The master goes and takes its exceptions along.
        server.delete("primary", "weekly1");
        state = pull(&provider, state.cursor).await.unwrap();
        let gone: Vec<_> = state.changes.iter().filter(|change| change.id.as_str() == "weekly1").collect();
        assert!(matches!(gone[..], [change] if change.change == ItemChange::Removed));
        assert!(state.changes.iter().all(|change| change.change == ItemChange::Removed));
    }
}

#[tokio::test]
async fn rec_10_instances_without_their_series_are_items_until_it_comes() {
    let server = start(GoogleQuirks::default());
    for day in [9, 16] {
        let mut orphan = timed(&format!("on {day}"), day);
        orphan["id"] = format!("weekly1_202603{day:02}T080000Z").into();
        orphan["recurringEventId"] = "weekly1".into();
        orphan["iCalUID"] = "weekly1@google.com".into();
        orphan["originalStartTime"] = orphan["start"].clone();
        server.put("primary", orphan);
    }
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    assert_eq!(shown(&provider, &first), ["on 16", "on 9"]);
    let mut uids: Vec<_> = first
        .changes
        .iter()
        .map(|change| match &change.change {
            ItemChange::Present { payload: Some(payload), .. } => provider.read(payload).unwrap().uid,
            _ => panic!(),
        })
        .collect();
    uids.dedup();
    assert_eq!(uids.len(), 2);
    // One is cancelled, with the bare row; then the user is invited to the whole.
    server.delete("primary", "weekly1_20260316T080000Z");
    let second = pull(&provider, first.cursor).await.unwrap();
    assert_eq!(shown(&provider, &second), ["-weekly1_20260316T080000Z"]);
    server.put("primary", series("weekly1"));
    let third = pull(&provider, second.cursor).await.unwrap();
    assert!(shown(&provider, &third).contains(&"weekly".to_owned()));
    server.edit("primary", "weekly1_20260309T080000Z", |event| {
        event.insert("summary".into(), "again".into());
    });
    let fourth = pull(&provider, third.cursor).await.unwrap();
    assert_eq!(shown(&provider, &fourth), ["-weekly1_20260309T080000Z", "weekly"]);
}

#[tokio::test]
async fn series_too_large_to_be_held_are_asked_for() {
    let server = start(GoogleQuirks { page_max: Some(2), ..GoogleQuirks::default() });
    for id in ["weekly1", "weekly2", "weekly3"] {
        server.put("primary", series(id));
    }
    let mut config = config(&server);
    config.series_bytes_max = 1000;
    let provider = with(config);
    let all = pull(&provider, None).await.unwrap();
    assert_eq!(all.changes.len(), 3);
    let unheld: Vec<_> = all
        .changes
        .iter()
        .filter(|change| change.change == ItemChange::Present { version: None, payload: None })
        .map(|change| change.id.clone())
        .collect();
    assert!(!unheld.is_empty());
    let fetched = provider.fetch(&primary(), &unheld).await.unwrap();
    assert!(fetched.iter().all(|fetched| matches!(fetched, Fetched::Found { version: Some(_), .. })));
}

// ---- bad input

#[tokio::test]
async fn bad_01_any_member_missing_null_or_of_another_type_harms_only_its_own_event() {
    let whole = json!({
        "id": "victim1", "etag": "\"1\"", "status": "confirmed", "summary": "victim", "description": "d", "location": "l",
        "iCalUID": "victim@example.com", "updated": "2026-01-01T00:00:00.000Z", "created": "2026-01-01T00:00:00.000Z",
        "start": {"dateTime": "2026-03-02T09:00:00+01:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
        "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"], "transparency": "opaque", "visibility": "private", "sequence": 1,
        "organizer": {"email": "ann@example.com", "self": true}, "creator": {"email": "ann@example.com"},
        "attendees": [{"email": "ben@example.com", "responseStatus": "accepted"}], "colorId": "1", "eventType": "default",
        "reminders": {"useDefault": false, "overrides": [{"method": "popup", "minutes": 5}]},
        "conferenceData": {"entryPoints": [{"entryPointType": "video", "uri": "https://meet.google.com/a"}]},
        "extendedProperties": {"private": {"a": "b"}}, "source": {"url": "https://example.com", "title": "t"},
    });
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    let mut read = 0;
    for member in whole.as_object().unwrap().keys().filter(|name| *name != "id") {
        for broken in [
            None,
            Some(json!(null)),
            Some(json!(7)),
            Some(json!("")),
            Some(json!("wordOfNextYear")),
            Some(json!([])),
            Some(json!([null, 3, {}])),
            Some(json!({})),
            Some(json!({"dateTime": "0000-00-00T00:00:00Z"})),
            Some(json!(true)),
        ] {
            let mut event = whole.clone();
            match &broken {
                None => event.as_object_mut().unwrap().remove(member),
                Some(value) => event.as_object_mut().unwrap().insert(member.clone(), value.clone()),
            };
            let body = json!({"kind": "calendar#events", "items": [timed_row("one"), event, timed_row("two")], "nextSyncToken": "t"});
            server.inject(Fault::status(200).body(&body.to_string()));
            let page = pull(&provider, None).await.unwrap();
            let titles = shown(&provider, &page);
            assert!(
                titles.contains(&"one".to_owned()) && titles.contains(&"two".to_owned()),
                "{member} {broken:?}"
            );
            for change in &page.changes {
                if let ItemChange::Present { payload: Some(payload), .. } = &change.change
                    && let Ok(event) = provider.read(payload)
                {
                    read += 1;
                    // Whatever was read is what is there: nothing is to be written for it.
                    let rendered =
                        render_with(&provider, &event, Some(payload), PeoplePolicy::Write).unwrap();
                    assert_eq!(rendered.payload, *payload, "{member} {broken:?}");
                }
            }
        }
    }
    assert!(read > 500, "{read}");
}

fn timed_row(id: &str) -> serde_json::Value {
    let mut event = timed(id, 2);
    event["id"] = format!("{id}11111").into();
    event["iCalUID"] = format!("{id}@example.com").into();
    event["etag"] = "\"1\"".into();
    event
}

#[tokio::test]
async fn what_is_no_listing_is_an_error_and_never_an_empty_calendar() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    for body in ["", "<html>login</html>", "{}", "[]", "null", r#"{"items":{}}"#, r#"{"kind":"#] {
        server.inject(Fault::status(200).body(body));
        let error = pull(&provider, None).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Protocol, Retry::Backoff), "{body}");
    }
    // A row that cannot be named: what is absent from such a listing may be that one.
    let body = json!({"kind": "calendar#events", "items": [null, {"summary": "x"}], "nextSyncToken": "t"});
    server.inject(Fault::status(200).body(&body.to_string()));
    assert_eq!(pull(&provider, None).await.unwrap().scope, ChangeScope::PartialSnapshot);
}

/// Found by seeds: a cancelled instance comes as a bare row, the question after its master is cut short, and the token
/// would have moved past what nobody saw. The series is named as one that nobody has read.
#[tokio::test]
async fn tok_05_an_answer_cut_short_says_nothing_of_a_series() {
    let server = start(GoogleQuirks::default());
    server.put("primary", series("weekly1"));
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    server.delete("primary", "weekly1_20260309T080000Z");
    server.put("primary", timed("other", 3));
    for path in ["/events/weekly1?", "iCalUID="] {
        server.inject(Fault::truncate().on_path(path));
        let delta = pull(&provider, first.cursor.clone()).await.unwrap();
        // It is named, to be fetched, and nothing else waits for it.
        assert_eq!(shown(&provider, &delta), ["-weekly1_20260309T080000Z", "?weekly1", "other"], "{path}");
        let again = pull(&provider, first.cursor.clone()).await.unwrap();
        assert!(shown(&provider, &again).contains(&"weekly".to_owned()));
    }
    // Fetched by name, what is said of it is cut short again: that is said, and of nothing else.
    server.inject(Fault::truncate().on_path("iCalUID="));
    let ids = [RemoteId::from("weekly1")];
    let fetched = provider.fetch(&primary(), &ids).await.unwrap();
    assert!(matches!(&fetched[..], [Fetched::Failed(_, error)] if error.kind == ErrorKind::Protocol));
    let fetched = provider.fetch(&primary(), &ids).await.unwrap();
    assert!(matches!(&fetched[..], [Fetched::Found { .. }]));
}

/// The exceptions of a deleted master are gone with it, whether they are listed or not.
#[tokio::test]
async fn del_a_deleted_series_leaves_no_instances_behind() {
    let server = start(GoogleQuirks { page_max: Some(1), ..GoogleQuirks::default() });
    server.put("primary", series("weekly1"));
    server.edit("primary", "weekly1_20260309T080000Z", |event| {
        event.insert("summary".into(), "changed".into());
    });
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    server.delete("primary", "weekly1");
    assert!(pull(&provider, None).await.unwrap().changes.is_empty());
    let delta = pull(&provider, first.cursor).await.unwrap();
    assert!(delta.changes.iter().all(|change| change.change == ItemChange::Removed));
    assert!(delta.changes.iter().any(|change| change.id.as_str() == "weekly1"));
}

#[tokio::test]
async fn del_a_calendar_that_is_gone_deletes_nothing() {
    let server = start(GoogleQuirks::default());
    let id = server.put("primary", timed("a", 2)).as_str().into();
    let provider = provider(&server);
    let (version, payload, _) = item(&provider, &id).await;
    server.delete_calendar("primary");
    let fetch = provider.fetch(&primary(), std::slice::from_ref(&id)).await.unwrap_err();
    let delete = provider.delete(&primary(), &id, &version).await.unwrap_err();
    let create = provider.create(&primary(), &id, &payload).await.unwrap_err();
    for error in [fetch, delete, create] {
        assert_eq!(error.kind, ErrorKind::CalendarGone);
    }
}

// ---- writes

#[tokio::test]
async fn a_new_series_with_exceptions_arrives_whole() {
    for quirks in [
        GoogleQuirks::default(),
        GoogleQuirks {
            batch_reversed: true,
            batch_conflicts: true,
            exceptions_follow_master: true,
            ..GoogleQuirks::default()
        },
    ] {
        let server = start(quirks);
        let provider = provider(&server);
        let mut event = daily("series");
        event.overrides.insert(key(3), Override::Excluded);
        event.overrides.insert(key(4), moved(4, 15, "later"));
        event.overrides.insert(key(5), moved(5, 9, "renamed"));
        // No rule has this one.
        event.overrides.insert(key(20), moved(20, 11, "extra"));
        event.overrides.insert(key(21), Override::Added { end: None });
        let id = create(&provider, &event, "0123").await;
        let (_, _, read) = item(&provider, &id).await;
        assert_eq!(read, without_bookkeeping(&event, &read));
        assert_eq!(server.mails(), 0);
        let listed = pull(&provider, None).await.unwrap();
        assert_eq!(listed.changes.len(), 1);
    }
}

/// `event` with the bookkeeping that Google added.
fn without_bookkeeping(event: &Event, read: &Event) -> Event {
    fn copy(to: &mut EventBody, from: &EventBody) {
        to.created = from.created;
        to.updated = from.updated;
        to.sequence = from.sequence;
    }
    let mut event = event.clone();
    copy(event.master.as_mut().unwrap(), read.master.as_ref().unwrap());
    for (key, instance) in &mut event.overrides {
        if let (Override::Changed { body, .. }, Some(Override::Changed { body: from, .. })) =
            (instance, read.overrides.get(key))
        {
            copy(body, from);
        }
    }
    event
}

#[tokio::test]
async fn con_01_a_creation_interrupted_anywhere_is_finished_and_never_doubled() {
    for nth in 1..=6 {
        for fault in [Fault::drop_after(), Fault::drop_before(), Fault::status(503)] {
            let server = start(GoogleQuirks::default());
            let provider = provider(&server);
            let mut event = daily("series");
            event.overrides.insert(key(4), moved(4, 15, "later"));
            event.overrides.insert(key(5), moved(5, 9, "renamed"));
            event.overrides.insert(key(6), Override::Excluded);
            let id = provider.propose_id(&primary(), &event, "0123").unwrap();
            let payload = render(&provider, &event, None).payload;
            server.inject(fault.nth(nth));
            let mut attempts = 0;
            while provider.create(&primary(), &id, &payload).await.is_err() {
                attempts += 1;
                assert!(attempts < 5, "request {nth}");
                // Half of it is nothing that anybody sees: it would look like exceptions that were undone.
                let seen = pull(&provider, None).await.unwrap();
                let whole = |change: &calsync_core::provider::Change| match &change.change {
                    ItemChange::Present { payload: Some(payload), .. } => {
                        provider.read(payload).unwrap().overrides.len() == 3
                    }
                    _ => false,
                };
                assert!(seen.changes.iter().all(whole), "request {nth}");
            }
            let (_, _, read) = item(&provider, &id).await;
            assert_eq!(read, without_bookkeeping(&event, &read));
            assert_eq!(pull(&provider, None).await.unwrap().changes.len(), 1);
        }
    }
}

#[tokio::test]
async fn dup_08_a_taken_id_is_adopted_only_when_it_is_the_same_event() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    let id = create(&provider, &single("a", "one"), "0123").await;
    // The same again: its answer was lost.
    let again = render(&provider, &single("a", "one"), None).payload;
    let written = provider.create(&primary(), &id, &again).await.unwrap();
    assert_eq!(written.version, Some(item(&provider, &id).await.0));
    // Something else under the name, and one that was deleted there.
    let other = render(&provider, &single("b", "two"), None).payload;
    let taken = provider.create(&primary(), &id, &other).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::AlreadyExists { at: Some(id.clone()) });
    server.delete("primary", id.as_str());
    let taken = provider.create(&primary(), &id, &again).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::AlreadyExists { at: Some(id) });
    assert_eq!(server.events("primary").len(), 0);
}

#[tokio::test]
async fn instances_are_changed_cancelled_and_brought_back() {
    for quirks in [
        GoogleQuirks::default(),
        GoogleQuirks { exceptions_follow_master: true, full_cancelled_rows: true, ..GoogleQuirks::default() },
    ] {
        let server = start(quirks);
        let provider = provider(&server);
        let id = create(&provider, &daily("series"), "0123").await;
        server.clear_requests();
        edit(&provider, &id, |event| {
            event.overrides.insert(key(3), Override::Excluded);
            event.overrides.insert(key(4), moved(4, 15, "later"));
        })
        .await;
        // The master itself is not written for it.
        let path = format!("/events/{id}?");
        let masters =
            server.requests().into_iter().filter(|r| r.method != "GET" && r.path.contains(&path)).count();
        assert_eq!(masters, 0);
        let (.., read) = item(&provider, &id).await;
        assert_eq!(read.overrides[&key(3)], Override::Excluded);
        assert!(
            matches!(&read.overrides[&key(4)], Override::Changed { body, .. } if body.time.start == berlin(4, 15))
        );
        // Back again: both read as the series has them, and go on following it.
        edit(&provider, &id, |event| event.overrides.clear()).await;
        let (.., read) = item(&provider, &id).await;
        assert!(read.overrides.is_empty(), "{:?}", read.overrides);
        let mut renamed = item(&provider, &id).await;
        renamed.2.master.as_mut().unwrap().title = Some("renamed".into());
        let payload = render(&provider, &renamed.2, Some(&renamed.1)).payload;
        // Tags of exceptions may have moved with the master: then the engine reads and writes what is left.
        let _ = provider.update(&primary(), &id, &renamed.0, &payload).await;
        let (version, payload, mut event) = item(&provider, &id).await;
        event.overrides.clear();
        let rest = render(&provider, &event, Some(&payload)).payload;
        if rest != payload {
            provider.update(&primary(), &id, &version, &rest).await.unwrap();
        }
        let (.., read) = item(&provider, &id).await;
        assert!(read.overrides.is_empty(), "{:?}", read.overrides);
        assert_eq!(read.master.unwrap().title.as_deref(), Some("renamed"));
    }
}

#[tokio::test]
async fn rec_17_a_series_that_moves_takes_its_exceptions_along() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    let mut event = daily("series");
    event.overrides.insert(key(3), Override::Excluded);
    event.overrides.insert(key(4), moved(4, 15, "later"));
    let id = create(&provider, &event, "0123").await;
    edit(&provider, &id, |event| {
        event.master.as_mut().unwrap().time = TimeSpan { start: berlin(2, 10), end: berlin(2, 11) };
        event.overrides.clear();
        event.overrides.insert(RecurrenceId::of(&berlin(3, 10)), Override::Excluded);
        event.overrides.insert(RecurrenceId::of(&berlin(4, 10)), moved(4, 16, "later"));
    })
    .await;
    let (.., read) = item(&provider, &id).await;
    let keys: Vec<_> = read.overrides.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["20260303T090000Z", "20260304T090000Z"]);
}

#[tokio::test]
async fn a_series_with_exceptions_is_deleted_only_as_it_was_seen() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    let mut event = daily("series");
    event.overrides.insert(key(4), moved(4, 15, "later"));
    let id = create(&provider, &event, "0123").await;
    let (version, ..) = item(&provider, &id).await;
    server.edit("primary", &format!("{id}_20260304T080000Z"), |event| {
        event.insert("summary".into(), "important".into());
    });
    let error = provider.delete(&primary(), &id, &version).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::VersionMismatch);
    let (version, ..) = item(&provider, &id).await;
    provider.delete(&primary(), &id, &version).await.unwrap();
    assert!(server.events("primary").is_empty());
}

#[tokio::test]
async fn put_where_nothing_can_get_lost_and_patch_elsewhere() {
    let server = start(GoogleQuirks::default());
    let plain = server.put("primary", timed("plain", 2)).as_str().into();
    let mut guests = timed("guests", 3);
    guests["attendees"] =
        json!([{"email": "ben@example.com", "responseStatus": "accepted", "comment": "late"}]);
    guests["conferenceData"] = json!({"conferenceId": "abc", "entryPoints": [{"entryPointType": "video", "uri": "https://meet.google.com/abc"}]});
    guests["attachments"] = json!([{"fileUrl": "https://drive.google.com/x"}]);
    guests["brandNew"] = json!({"a": 1});
    let guests = server.put("primary", guests).as_str().into();
    let provider = provider(&server);
    for (id, method, cost) in [(&plain, "PUT", 1), (&guests, "PATCH", 3)] {
        let quota = server.quota();
        server.clear_requests();
        let (version, payload, mut event) = item(&provider, id).await;
        let reads = server.quota() - quota;
        event.master.as_mut().unwrap().title = Some("edited".into());
        let payload = render(&provider, &event, Some(&payload)).payload;
        provider.update(&primary(), id, &version, &payload).await.unwrap();
        assert_eq!(server.quota() - quota - reads, cost);
        let requests = server.requests();
        let write = requests.iter().find(|request| request.method != "GET").unwrap();
        assert_eq!(write.method, method);
        assert!(write.header("if-match").is_some());
        if method == "PATCH" {
            // FLD-01
            assert_eq!(write.body_text(), r#"{"summary":"edited"}"#);
        }
    }
    // FLD-03: people, conference, attachments and what nobody knows are as they were.
    let stored = server.event("primary", guests.as_str()).unwrap();
    assert_eq!(stored["attendees"][0]["comment"], "late");
    assert_eq!(stored["conferenceData"]["conferenceId"], "abc");
    assert_eq!(stored["attachments"][0]["fileUrl"], "https://drive.google.com/x");
    assert_eq!(stored["brandNew"]["a"], 1);
    let mut config = config(&server);
    config.update = UpdateMethod::Patch;
    server.clear_requests();
    edit(&with(config), &plain, |event| event.master.as_mut().unwrap().location = Some("here".into())).await;
    assert!(server.requests().iter().all(|request| request.method != "PUT"));
}

#[tokio::test]
async fn mail_10_of_somebody_elses_event_only_what_is_the_guests_own_is_written() {
    let server = start(GoogleQuirks::default());
    let mut invited = timed("invited", 2);
    invited["organizer"] = json!({"email": "boss@example.com"});
    invited["attendees"] = json!([
        {"email": "boss@example.com", "organizer": true, "responseStatus": "accepted"},
        {"email": "ann@example.com", "self": true, "responseStatus": "needsAction"},
    ]);
    let id = server.put("primary", invited).as_str().into();
    let provider = provider(&server);
    let (version, payload, mut event) = item(&provider, &id).await;
    let body = event.master.as_mut().unwrap();
    assert_eq!(body.organizer.as_ref().unwrap().address, "boss@example.com");
    body.title = Some("mine now".into());
    let rendered = render(&provider, &event, Some(&payload));
    assert_eq!((rendered.payload == payload, rendered.losses), (true, vec!["title".to_owned()]));
    let body = event.master.as_mut().unwrap();
    body.title = Some("invited".into());
    body.alarms.push(calsync_core::model::Alarm::display_before(600));
    for participant in &mut body.participants {
        participant.status = calsync_core::model::ParticipationStatus::Declined;
    }
    // Without leave to write people, not even the own answer goes out.
    let quiet = render(&provider, &event, Some(&payload)).payload;
    provider.update(&primary(), &id, &version, &quiet).await.unwrap();
    assert_eq!(server.mails(), 0);
    assert_eq!(
        server.event("primary", id.as_str()).unwrap()["attendees"][1]["responseStatus"],
        "needsAction"
    );
    let (version, payload, _) = item(&provider, &id).await;
    let told = render_with(&provider, &event, Some(&payload), PeoplePolicy::Write).unwrap().payload;
    provider.update(&primary(), &id, &version, &told).await.unwrap();
    let stored = server.event("primary", id.as_str()).unwrap();
    assert_eq!(stored["attendees"][0]["responseStatus"], "accepted");
    assert_eq!(stored["attendees"][1]["responseStatus"], "declined");
    assert!(server.mails() > 0);
}

#[tokio::test]
async fn mail_02_people_are_written_only_where_the_link_may() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    let mut event = single("a", "one");
    event.master.as_mut().unwrap().participants.push(calsync_core::model::Participant {
        person: calsync_core::model::Person { address: "ben@example.com".into(), name: Some("Ben".into()) },
        status: calsync_core::model::ParticipationStatus::NeedsAction,
        role: calsync_core::model::Role::Optional,
        expect_reply: false,
    });
    let quiet = render(&provider, &event, None);
    assert_eq!(quiet.losses, ["participant"]);
    assert!(!quiet.payload.as_str().contains("ben@example.com"));
    create(&provider, &event, "0123").await;
    assert_eq!(server.mails(), 0);
    let told = render_with(&provider, &event, None, PeoplePolicy::Write).unwrap();
    assert!(told.losses.is_empty());
    let id = provider.propose_id(&primary(), &event, "4567").unwrap();
    let written = provider.create(&primary(), &id, &told.payload).await.unwrap();
    assert_eq!(server.mails(), 1);
    assert_eq!(
        provider.read(&written.payload.unwrap()).unwrap().master.unwrap().participants,
        event.master.unwrap().participants
    );
}

#[tokio::test]
async fn special_types_are_read_and_never_written() {
    let server = start(GoogleQuirks::default());
    let mut ids = Vec::new();
    for (kind, title) in [
        ("outOfOffice", "away"),
        ("focusTime", "focus"),
        ("fromGmail", "flight"),
        ("workingLocation", "home"),
        ("birthday", "ben"),
        ("kindOfNextYear", "new"),
    ] {
        let mut event = timed(title, 2);
        event["eventType"] = kind.into();
        ids.push((kind, server.put("primary", event)));
    }
    let provider = provider(&server);
    let all = pull(&provider, None).await.unwrap();
    assert_eq!(shown(&provider, &all), ["!NotAnEvent", "!NotAnEvent", "away", "flight", "focus", "new"]);
    server.clear_requests();
    for change in &all.changes {
        let ItemChange::Present { payload: Some(payload), version: Some(version) } = &change.change else {
            panic!()
        };
        if let Ok(mut event) = provider.read(payload) {
            event.master.as_mut().unwrap().title = Some("edited".into());
            let rendered = render(&provider, &event, Some(payload));
            assert_eq!((&rendered.payload, rendered.losses), (payload, vec!["title".to_owned()]));
        }
        let refused = provider.delete(&primary(), &change.id, version).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Forbidden);
    }
    assert!(server.requests().is_empty());
}

/// Of a locked event the content is another application's; what is one's own is written.
#[tokio::test]
async fn a_locked_event_keeps_its_content() {
    let server = start(GoogleQuirks::default());
    let mut locked = timed("locked", 2);
    locked["locked"] = true.into();
    locked["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3"]);
    let id = server.put("primary", locked).as_str().into();
    let provider = provider(&server);
    let (version, payload, held) = item(&provider, &id).await;
    type Change = fn(&mut Event);
    let changes: [(&str, Change); 5] = [
        ("title", |event| event.master.as_mut().unwrap().title = Some("mine".into())),
        ("description", |event| event.master.as_mut().unwrap().description = Some("mine".into())),
        ("location", |event| event.master.as_mut().unwrap().location = Some("mine".into())),
        ("time", |event| {
            event.master.as_mut().unwrap().time = TimeSpan { start: berlin(2, 11), end: berlin(2, 12) };
        }),
        ("rules", |event| event.rules = vec![RuleEntry::read("FREQ=DAILY;COUNT=5")]),
    ];
    for (what, change) in changes {
        let mut event = held.clone();
        change(&mut event);
        let rendered = render(&provider, &event, Some(&payload));
        assert_eq!(rendered.payload, payload, "{what}");
        assert!(rendered.losses.iter().any(|loss| loss.starts_with(what)), "{what}: {:?}", rendered.losses);
    }
    let mut event = held.clone();
    let body = event.master.as_mut().unwrap();
    body.title = Some("mine".into());
    body.privacy = Some(calsync_core::model::Privacy::Private);
    let rendered = render(&provider, &event, Some(&payload));
    assert_eq!(rendered.losses, ["title"]);
    provider.update(&primary(), &id, &version, &rendered.payload).await.unwrap();
    let stored = server.event("primary", id.as_str()).unwrap();
    assert_eq!((&stored["summary"], &stored["visibility"]), (&json!("locked"), &json!("private")));
}

/// A list of guests that was cut short is not written back: whoever is not in it would be sent away.
#[tokio::test]
async fn a_list_of_guests_that_was_cut_short_is_never_written() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    for (omitted, written) in [(json!(true), false), (json!("yes"), false), (json!(false), true)] {
        let mut crowded = timed("crowded", 2);
        crowded["attendees"] = json!([{"email": "ben@example.com", "responseStatus": "accepted"}]);
        crowded["attendeesOmitted"] = omitted.clone();
        let id = server.put("primary", crowded).as_str().into();
        let (_, payload, mut event) = item(&provider, &id).await;
        event.master.as_mut().unwrap().participants.clear();
        let rendered = render_with(&provider, &event, Some(&payload), PeoplePolicy::Write).unwrap();
        assert_eq!(rendered.payload != payload, written, "{omitted}");
        let told = rendered.losses.iter().any(|loss| loss.starts_with("participant"));
        assert_eq!(told, !written, "{omitted}: {:?}", rendered.losses);
    }
}

#[tokio::test]
async fn fld_04_reminders_are_said_exactly() {
    use calsync_core::model::Alarm;
    use calsync_providers::google::NoAlarms;
    let server = start(GoogleQuirks::default());
    let popup = |minutes: i64| json!({"method": "popup", "minutes": minutes});
    for (alarms, none, expected) in [
        (vec![], NoAlarms::None, json!({"useDefault": false, "overrides": []})),
        (vec![], NoAlarms::CalendarDefault, json!({"useDefault": true})),
        (vec![0], NoAlarms::None, json!({"useDefault": false, "overrides": [popup(0)]})),
        (
            vec![0, 600],
            NoAlarms::CalendarDefault,
            json!({"useDefault": false, "overrides": [popup(10), popup(0)]}),
        ),
    ] {
        let mut config = config(&server);
        config.no_alarms = none;
        let mut event = single("a", "one");
        event.master.as_mut().unwrap().alarms = alarms.into_iter().map(Alarm::display_before).collect();
        let payload = render(&with(config), &event, None).payload;
        let payload: serde_json::Value = serde_json::from_str(payload.as_str()).unwrap();
        assert_eq!(payload["event"]["reminders"], expected);
    }
    // The calendar's own reminders stay the calendar's, until the event gets one; and an event can get rid of its own.
    let mut default = timed("default", 2);
    default["reminders"] = json!({"useDefault": true});
    let id = server.put("primary", default).as_str().into();
    let provider = provider(&server);
    edit(&provider, &id, |event| event.master.as_mut().unwrap().title = Some("edited".into())).await;
    assert_eq!(server.event("primary", id.as_str()).unwrap()["reminders"], json!({"useDefault": true}));
    edit(&provider, &id, |event| event.master.as_mut().unwrap().alarms.push(Alarm::display_before(300)))
        .await;
    assert_eq!(server.event("primary", id.as_str()).unwrap()["reminders"]["overrides"], json!([popup(5)]));
    edit(&provider, &id, |event| event.master.as_mut().unwrap().alarms.clear()).await;
    assert_eq!(
        server.event("primary", id.as_str()).unwrap()["reminders"],
        json!({"useDefault": false, "overrides": []})
    );
}

#[tokio::test]
async fn rec_11_an_exception_with_hardly_any_members_inherits_its_time() {
    let server = start(GoogleQuirks::default());
    server.put("primary", series("weekly1"));
    server.edit("primary", "weekly1_20260309T080000Z", |event| {
        for member in ["start", "end", "description"] {
            event.remove(member);
        }
        event.insert("summary".into(), "moved".into());
    });
    let (_, _, event) = item(&provider(&server), &"weekly1".into()).await;
    let Override::Changed { body, .. } = &event.overrides[&"20260309T080000Z".parse().unwrap()] else {
        panic!()
    };
    assert_eq!(body.time, TimeSpan { start: berlin(9, 9), end: berlin(9, 10) });
}

#[tokio::test]
async fn auth_a_token_that_is_refused_twice_is_a_matter_for_a_person() {
    let server = start(GoogleQuirks::default());
    server.set_tokens(["another"]);
    let error = pull(&provider(&server), None).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unauthorized, Retry::Never));
    server.set_tokens(["secret"]);
    assert!(pull(&provider(&server), None).await.is_ok());
}

#[tokio::test]
async fn priv_07_a_private_event_of_somebody_else_is_busy_and_nothing_is_written_over_it() {
    let server = start(GoogleQuirks::default());
    let mut private = timed("", 2);
    private.as_object_mut().unwrap().remove("summary");
    private["visibility"] = "private".into();
    let id = server.put("primary", private).as_str().into();
    let provider = provider(&server);
    let (_, payload, event) = item(&provider, &id).await;
    let body = event.master.as_ref().unwrap();
    assert_eq!((body.title.as_deref(), body.free_busy), (None, None));
    assert_eq!(render(&provider, &event, Some(&payload)).payload, payload);
}

// ---- batches and throttling

#[tokio::test]
async fn quo_03_writes_due_together_are_one_batch_and_only_what_failed_is_sent_again() {
    let server = start(GoogleQuirks { batch_throttles_after: Some(30), ..GoogleQuirks::default() });
    let provider = provider(&server);
    let events: Vec<_> = (0..50).map(|n| single(&format!("u{n}"), "x")).collect();
    let send = |n: usize| {
        let (provider, event) = (&provider, &events[n]);
        async move {
            let id = provider.propose_id(&primary(), event, &format!("fresh{n}")).unwrap();
            let payload = render(provider, event, None).payload;
            provider.create(&primary(), &id, &payload).await
        }
    };
    let answers = futures_util::future::join_all((0..50).map(send)).await;
    assert_eq!(server.requests().len(), 1);
    let failed: Vec<usize> = answers.iter().enumerate().filter(|(_, a)| a.is_err()).map(|(n, _)| n).collect();
    assert_eq!(failed.len(), 20);
    assert!(
        answers
            .iter()
            .flat_map(|answer| answer.as_ref().err())
            .all(|error| error.kind == ErrorKind::Throttled && !error.is_ambiguous())
    );
    server.change_quirks(|quirks| quirks.batch_throttles_after = None);
    let answers = futures_util::future::join_all(failed.into_iter().map(send)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.quota(), 50);
    assert_eq!(server.events("primary").len(), 50);
}

#[tokio::test]
async fn a_batch_without_an_answer_leaves_every_write_in_it_open() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    for (fault, ambiguous) in [
        (Fault::drop_after(), true),
        (Fault::status(503), false),
        (Fault::status(500), true),
        (Fault::html(), true),
    ] {
        server.inject(fault);
        let send = |n: usize| {
            let (provider, event) = (&provider, single(&format!("u{n}"), "x"));
            async move {
                let id = provider.propose_id(&primary(), &event, &format!("fresh{n}")).unwrap();
                let payload = render(provider, &event, None).payload;
                provider.create(&primary(), &id, &payload).await.unwrap_err()
            }
        };
        let errors = futures_util::future::join_all((0..3).map(send)).await;
        assert!(errors.iter().all(|error| error.is_ambiguous() == ambiguous && error.retry != Retry::Never));
    }
}

#[tokio::test]
async fn quo_05_a_spent_quota_is_left_alone_for_long() {
    let server = start(GoogleQuirks::default());
    let provider = provider(&server);
    let body = r#"{"error":{"code":403,"errors":[{"domain":"usageLimits","reason":"quotaExceeded"}]}}"#;
    server.inject(Fault::status(403).body(body));
    let error = pull(&provider, None).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Throttled, Retry::After(Duration::from_secs(3600))));
    server.inject(Fault::status(429).retry_after_seconds(17));
    let error = pull(&provider, None).await.unwrap_err();
    assert_eq!(error.retry, Retry::After(Duration::from_secs(17)));
}

// ---- channels and busy times

#[tokio::test]
async fn channels_are_opened_overlap_and_are_stopped() {
    let server = start(GoogleQuirks {
        channel_seconds_max: 3600,
        numeric_expiration: true,
        ..GoogleQuirks::default()
    });
    let provider = provider(&server);
    let request = |id| WatchRequest {
        id,
        address: "https://host.example/hook",
        secret: "0123456789abcdef",
        lifetime: Duration::from_secs(86_400),
    };
    let first = provider.watch(&primary(), request("channel-1")).await.unwrap();
    // Google granted less than was asked for.
    assert!(first.expires.timestamp() < 1_767_614_400 + 3700);
    let second = provider.watch(&primary(), request("channel-2")).await.unwrap();
    assert_eq!(server.channels(), 2);
    let taken = provider.watch(&primary(), request("channel-1")).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::Refused);
    server.put("primary", timed("a", 2));
    let states: Vec<_> = server.notifications().into_iter().map(|n| (n.channel, n.state, n.token)).collect();
    let secret = Some("0123456789abcdef".to_owned());
    for (channel, state) in
        [("channel-1", "sync"), ("channel-2", "sync"), ("channel-1", "exists"), ("channel-2", "exists")]
    {
        assert!(states.contains(&(channel.to_owned(), state.to_owned(), secret.clone())));
    }
    provider.unwatch(&first).await.unwrap();
    provider.unwatch(&first).await.unwrap();
    provider.unwatch(&second).await.unwrap();
    assert_eq!(server.channels(), 0);
    server.add_calendar("de#holiday@group.v.calendar.google.com", "Holidays", "UTC", "reader");
    let holidays = "de#holiday@group.v.calendar.google.com".into();
    assert_eq!(provider.watch(&holidays, request("channel-3")).await.unwrap_err().kind, ErrorKind::Refused);
    let unusable = WatchRequest { secret: "", ..request("channel-4") };
    assert_eq!(provider.watch(&primary(), unusable).await.unwrap_err().kind, ErrorKind::InvalidInput);
}

#[tokio::test]
async fn busy_times_of_several_calendars_and_of_one_that_is_not_there() {
    let server = start(GoogleQuirks::default());
    server.put("primary", series("weekly1"));
    server.delete("primary", "weekly1_20260309T080000Z");
    let mut free = timed("free", 3);
    free["transparency"] = "transparent".into();
    server.put("primary", free);
    let provider = provider(&server);
    let window = "2026-03-01T00:00:00Z".parse().unwrap().."2026-03-20T00:00:00Z".parse().unwrap();
    let answers = provider.free_busy(&[primary(), "nobody@example.com".into()], window).await.unwrap();
    let busy: Vec<_> = answers[0].busy.iter().map(|time| time.start.format("%d %H").to_string()).collect();
    assert_eq!(busy, ["02 08", "16 08"]);
    assert_eq!(answers[1].unknown.as_deref(), Some("notFound"));
}

#[tokio::test]
async fn colours_are_known_when_they_are_asked_for() {
    let server = start(GoogleQuirks::default());
    let mut event = timed("a", 2);
    event["colorId"] = "11".into();
    let id = server.put("primary", event).as_str().into();
    assert_eq!(item(&provider(&server), &id).await.2.master.unwrap().color, None);
    let mut config = config(&server);
    config.colors = provider(&server).event_colors().await.unwrap();
    let provider = with(config);
    assert_eq!(item(&provider, &id).await.2.master.unwrap().color.as_deref(), Some("#dc2127"));
    edit(&provider, &id, |event| event.master.as_mut().unwrap().color = Some("#a4bdfc".into())).await;
    assert_eq!(server.event("primary", id.as_str()).unwrap()["colorId"], "1");
    // One that Google has not is the one next to it.
    for (color, expected) in
        [("crimson", Some("11")), ("#7FFFD4", Some("2")), ("cornflowerblue", Some("1")), ("nonsense", None)]
    {
        let (_, payload, mut event) = item(&provider, &id).await;
        event.master.as_mut().unwrap().color = Some(color.to_owned());
        let rendered = render(&provider, &event, Some(&payload));
        assert_eq!(rendered.losses, ["color"], "{color}");
        let written: serde_json::Value = serde_json::from_str(rendered.payload.as_str()).unwrap();
        assert_eq!(written["event"]["colorId"].as_str(), expected, "{color}");
    }
}
