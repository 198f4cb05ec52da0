//! The Cozi provider against the emulator: reading, and what may never happen.

#![cfg(feature = "cozi")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod cozi_support;

use std::{collections::BTreeSet, sync::Arc};

use calsync_core::{
    model::{EventTime, Override, RecurrenceId},
    provider::{ChangeScope, Cursor, ErrorKind, Fetched, ItemChange, Payload, Provider, PullMode},
    recurrence::RuleEntry,
};
use calsync_providers::{
    cozi::{CoziConfig, CoziProvider, Reminders},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret, pace::Pace},
};
use calsync_testkit::{cozi::CoziServer, dav::Fault, world::VirtualClock};
use chrono::TimeDelta;
use cozi_support::{calendar, config, page, provider, pull, shown, start, timed, weekly, with};
use serde_json::{Value, json};

#[tokio::test]
async fn it_is_off_until_somebody_accepts_it() {
    let server = start(|_| {});
    let refused = CoziConfig::new("ann@example.com", Secret::from("secret"))
        .at(server.url(), AddressPolicy::AllowPrivate);
    let transport = ReqwestTransport::new(&ReqwestOptions::default()).unwrap();
    let error = CoziProvider::new(refused.clone(), Arc::new(transport), Arc::<VirtualClock>::default());
    assert_eq!(error.unwrap_err().kind, ErrorKind::InvalidInput);
    assert_eq!(refused.pace, Some(Pace::COZI_10));
    assert!(!format!("{refused:?}").contains("secret"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_household_is_one_calendar_in_its_zone() {
    let server = start(|quirks| quirks.needs_api_key = true);
    let provider = provider(&server);
    let calendars = provider.calendars().await.unwrap();
    assert_eq!((calendars[0].id.as_str(), calendars[0].name.as_str()), ("account-1", "The Browns"));
    assert_eq!(calendars.len(), 1);
    let other = "account-2".into();
    let error = provider.changes(&other, Default::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CalendarGone);
}

#[tokio::test]
async fn every_month_of_the_window_is_read_once() {
    let server = start(|_| {});
    server.put(timed("lunch", "2026-03-02"));
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    assert_eq!(first.scope, ChangeScope::PartialSnapshot);
    assert_eq!(shown(&provider, &first), ["lunch"]);
    // From midnight to midnight, where the household lives.
    let covered = serde_json::to_value(first.covered).unwrap();
    assert_eq!(covered, json!({"from": "2025-11-30T23:00:00Z", "until": "2027-01-31T23:00:00Z"}));
    let months: Vec<String> = server
        .requests()
        .iter()
        .filter_map(|request| Some(request.path.split("/calendar/").nth(1)?.split('?').next()?.to_owned()))
        .collect();
    assert_eq!(months.len(), 14);
    assert_eq!(
        (months[0].as_str(), months[1].as_str(), months[13].as_str()),
        ("2025/12", "2026/1", "2027/1")
    );
    let again = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!((again.scope, again.changes.len()), (ChangeScope::Delta, 0));
    assert_eq!(again.covered, first.covered);
    assert_eq!(again.cursor, first.cursor);
    // An audit lists everything, and is no evidence of absence either.
    let audit = page(&provider, first.cursor.as_ref(), PullMode::Snapshot).await.unwrap();
    assert_eq!((audit.scope, audit.changes.len()), (ChangeScope::PartialSnapshot, 1));
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn what_changed_is_told_and_what_is_gone_is_named() {
    let server = start(|_| {});
    let kept = server.put(timed("kept", "2026-03-02"));
    let gone = server.put(timed("gone", "2026-03-03"));
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    server.edit(&kept, |item| {
        item.insert("description".into(), "renamed".into());
    });
    server.delete(&gone);
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(second.scope, ChangeScope::Delta);
    assert_eq!(shown(&provider, &second), [format!("-{gone}"), "renamed".to_owned()]);
    // Told again until the cursor moves, and not after it has.
    let again = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(again.changes.len(), 2);
    assert!(pull(&provider, second.cursor.as_ref()).await.unwrap().changes.is_empty());
}

/// DEL-01: an answer that fails, is half, empty, of another month, or no page, is no evidence.
#[tokio::test]
async fn del_01_half_an_answer_deletes_nothing() {
    let faults: [(&str, fn() -> Fault); 10] = [
        ("500", || Fault::status(500)),
        ("503", || Fault::status(503)),
        ("404", || Fault::status(404)),
        ("429", || Fault::status(429)),
        ("no connection", Fault::drop_before),
        ("cut off", Fault::truncate),
        ("a page of the web", Fault::html),
        ("nothing", || Fault::status(200).body("")),
        ("no items", || Fault::status(200).body("{}")),
        ("another month", || {
            Fault::status(200).body(r#"{"items":{},"startDate":"2031-05-01","endDate":"2031-05-31"}"#)
        }),
    ];
    let months = ["calendar/2025/12", "calendar/2026/3", "calendar/2027/1"];
    for ((name, fault), month) in faults.into_iter().zip(months.into_iter().cycle()) {
        let server = start(|_| {});
        server.put(timed("lunch", "2026-03-02"));
        let provider = provider(&server);
        let first = pull(&provider, None).await.unwrap();
        server.inject(fault().on_path(month));
        let error = pull(&provider, first.cursor.as_ref()).await;
        assert!(error.is_err(), "{name} {month}: {error:?}");
        server.clear_faults();
        let after = pull(&provider, first.cursor.as_ref()).await.unwrap();
        assert!(after.changes.is_empty(), "{name} {month}");
    }
}

#[tokio::test]
async fn del_01_a_page_with_a_gap_is_no_evidence() {
    for days in [json!([]), json!({"2026-03-02": null}), json!({"2026-03-02": [{"id": 4}]})] {
        let server = start(|_| {});
        server.put(timed("lunch", "2026-03-02"));
        let provider = provider(&server);
        let first = pull(&provider, None).await.unwrap();
        let body = json!({"items": {}, "days": days}).to_string();
        server.inject(Fault::status(200).body(&body).on_path("calendar/2026/3"));
        let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
        assert!(second.changes.is_empty(), "{days}");
        // Once the page is whole again, the item is known as before.
        assert!(pull(&provider, second.cursor.as_ref()).await.unwrap().changes.is_empty());
    }
    // A day that names an item the page does not have says that it is there.
    let server = start(|_| {});
    let id = server.put(timed("lunch", "2026-03-02"));
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    let body = json!({"items": {}, "days": {"2026-03-02": [{"id": id}]}}).to_string();
    server.inject(Fault::status(200).body(&body).on_path("calendar/2026/3"));
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert!(second.changes.is_empty());
}

#[tokio::test]
async fn dup_14_what_left_the_window_is_not_gone() {
    let server = start(|_| {});
    let clock: Arc<VirtualClock> = Arc::default();
    server.put(timed("past", "2025-12-10"));
    let series = server.put(weekly("weekly", "2025-12-01", "MO"));
    let ended = server.put(weekly("ended", "2025-12-02", "TU"));
    server.edit(&ended, |item| {
        item["itemDetails"]["recurrence"]["rules"][0]["end"] = json!({"untilDay": "2026-01-13"});
    });
    let moved = server.put(timed("moved", "2026-06-02"));
    let provider = with(config(&server), &clock);
    let first = pull(&provider, None).await.unwrap();
    assert_eq!(first.changes.len(), 4);
    let mut cursor = first.cursor;
    for _ in 0..4 {
        clock.advance(TimeDelta::days(31));
        let next = pull(&provider, cursor.as_ref()).await.unwrap();
        assert!(next.changes.is_empty(), "{:?}", shown(&provider, &next));
        cursor = next.cursor;
    }
    // Moved beyond the window: found by its name.
    server.edit(&moved, |item| {
        item.insert("day".into(), "2029-05-05".into());
    });
    let next = pull(&provider, cursor.as_ref()).await.unwrap();
    assert_eq!(shown(&provider, &next), ["moved"]);
    // A series of which many months have left the window is still one that can be deleted.
    let mut cursor = next.cursor;
    for _ in 0..4 {
        let calm = pull(&provider, cursor.as_ref()).await.unwrap();
        assert!(calm.changes.is_empty());
        cursor = calm.cursor;
        clock.advance(TimeDelta::days(31));
    }
    server.delete(&series);
    let last = pull(&provider, cursor.as_ref()).await.unwrap();
    assert_eq!(shown(&provider, &last), [format!("-{series}")]);
}

#[tokio::test]
async fn a_series_whose_months_lie_partly_behind_is_looked_for_there() {
    let server = start(|quirks| quirks.no_item_lookup = true);
    let clock: Arc<VirtualClock> = Arc::default();
    let id = server.put(weekly("weekly", "2025-12-01", "MO"));
    let provider = with(config(&server), &clock);
    let first = pull(&provider, None).await.unwrap();
    clock.advance(TimeDelta::days(31));
    // It ends before the window begins, and is still there.
    server.edit(&id, |item| {
        item["itemDetails"]["recurrence"]["rules"][0]["end"] = json!({"untilDay": "2025-12-15"});
    });
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(shown(&provider, &second), ["weekly"]);
    server.delete(&id);
    clock.advance(TimeDelta::days(-31));
    let third = pull(&provider, second.cursor.as_ref()).await.unwrap();
    assert_eq!(shown(&provider, &third), [format!("-{id}")]);
}

#[tokio::test]
async fn many_are_gone_by_their_months_alone() {
    let server = start(|_| {});
    let mut settings = config(&server);
    settings.lookups_max = 2;
    let ids: Vec<String> = (10..16).map(|day| server.put(timed("x", &format!("2026-03-{day}")))).collect();
    let provider = with(settings, &Arc::default());
    let first = pull(&provider, None).await.unwrap();
    ids.iter().for_each(|id| server.delete(id));
    server.clear_requests();
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert!(second.changes.iter().all(|change| change.change == ItemChange::Removed));
    assert_eq!((second.changes.len(), server.requests().len()), (6, 14));
}

#[tokio::test]
async fn a_cursor_of_somebody_else_is_refused() {
    let server = start(|_| {});
    let error = pull(&provider(&server), Some(&Cursor("{}".into()))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CursorInvalid);
}

#[tokio::test]
async fn a_token_is_renewed_without_the_password_and_then_with_it() {
    let server = start(|_| {});
    let clock: Arc<VirtualClock> = Arc::default();
    let provider = with(config(&server), &clock);
    provider.calendars().await.unwrap();
    assert_eq!(provider.token_ends().await.unwrap().to_rfc3339(), "2026-01-05T16:00:00+00:00");
    clock.advance(TimeDelta::hours(4));
    pull(&provider, None).await.unwrap();
    assert_eq!((server.logins(), server.renewals()), (1, 1));
    // Ended by the service, in the middle of its life.
    server.end_tokens();
    pull(&provider, None).await.unwrap();
    assert_eq!((server.logins(), server.renewals()), (1, 2));
    server.change_password("other");
    let error = pull(&provider, None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(!error.to_string().contains("secret"));
    assert_eq!(server.logins(), 2);
}

#[tokio::test]
async fn sessions_without_cookie_or_lifetime() {
    let server = start(|quirks| {
        quirks.no_cookie = true;
        quirks.no_lifetime = true;
    });
    let clock: Arc<VirtualClock> = Arc::default();
    let provider = with(config(&server), &clock);
    pull(&provider, None).await.unwrap();
    clock.advance(TimeDelta::hours(2));
    pull(&provider, None).await.unwrap();
    assert_eq!((server.logins(), server.renewals()), (2, 0));
}

/// Every member of the answers that are no items: missing, null, of the wrong type.
#[tokio::test]
async fn bad_01_every_member_of_a_sign_in_and_an_account() {
    let wrong = [None, Some(json!(null)), Some(json!(4)), Some(json!([])), Some(json!({})), Some(json!(""))];
    let good =
        json!({"accessToken": "t", "accountId": "account-1", "accountPersonId": "p", "expiresIn": 100});
    for name in ["accessToken", "accountId", "accountPersonId", "expiresIn"] {
        for value in &wrong {
            let server = start(|_| {});
            let body = with_member(&good, name, value.as_ref());
            server.inject(Fault::status(200).body(&body.to_string()).on_path("auth/login").always());
            let result = provider(&server).calendars().await;
            // The token is not the emulator's: what is accepted here is refused at the next request.
            let kind = result.unwrap_err().kind;
            let needed = matches!(name, "accessToken" | "accountId");
            let expected = if needed { ErrorKind::Protocol } else { ErrorKind::Unauthorized };
            assert_eq!(kind, expected, "{name} {value:?}");
        }
    }
    for body in ["", "[]", "null", "<html>"] {
        let server = start(|_| {});
        server.inject(Fault::status(200).body(body).on_path("auth/login"));
        assert_eq!(provider(&server).calendars().await.unwrap_err().kind, ErrorKind::Protocol, "{body}");
    }
    for (name, value, works) in
        wrong.iter().flat_map(|value| [("timezone", value, false), ("name", value, true)])
    {
        let server = start(|_| {});
        let good = json!({"name": "x", "timezone": "Europe/Berlin"});
        let body = with_member(&good, name, value.as_ref());
        server.inject(Fault::status(200).body(&body.to_string()).on_path("/account/"));
        assert_eq!(provider(&server).calendars().await.is_ok(), works, "{name} {value:?}");
    }
}

fn with_member(object: &Value, name: &str, value: Option<&Value>) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.remove(name);
        members.extend(value.map(|value| (name.to_owned(), value.clone())));
    }
    object
}

fn payload(item: &Value) -> Payload {
    Payload::new(json!({"zone": "Europe/Berlin", "item": item}).to_string())
}

fn reading() -> CoziProvider {
    let mut config = CoziConfig::new("a", Secret::from("b"));
    config.unofficial_api = calsync_providers::cozi::UnofficialApi::Accepted;
    config.reminders = Reminders::Sync;
    with(config, &Arc::default())
}

/// A whole item with everything that is read.
fn full() -> Value {
    json!({
        "id": "a", "itemType": "appointment", "itemSource": null, "readOnly": false, "itemVersion": 3,
        "day": "2026-03-02", "startTime": "09:00:00", "endTime": "10:30:00", "dateSpan": 0,
        "description": " Dentist ", "descriptionShort": "Dent", "householdMembers": ["p"],
        "itemDetails": {
            "id": "other", "location": "Main St", "notes": "bring x", "reminders": [{"minutesBefore": 15}, 60],
            "recurrenceStartDay": "2026-03-02",
            "recurrence": {
                "rules": [{"frequency": "Weekly", "interval": 1, "byDay": ["MO"], "end": {"untilDay": "2026-03-30"}}],
                "exdates": [{"date": "2026-03-09"}, "2026-03-16T00:00:00"], "text": ["Every Monday"], "endDay": "2026-03-30",
            },
        },
    })
}

#[test]
fn a_whole_item_is_an_event() {
    let event = reading().read(&payload(&full())).unwrap();
    assert_eq!(event.uid, "cozi-a");
    let master = event.master.clone().unwrap();
    assert_eq!(master.title.as_deref(), Some("Dentist"));
    assert_eq!(
        (master.location.as_deref(), master.description.as_deref()),
        (Some("Main St"), Some("bring x"))
    );
    assert_eq!(master.alarms.len(), 2);
    assert_eq!(master.time.start.absolute().unwrap().to_rfc3339(), "2026-03-02T08:00:00+00:00");
    let RuleEntry::Rule(rule) = &event.rules[0] else { panic!() };
    assert_eq!(rule.to_string(), "FREQ=WEEKLY;UNTIL=20260330T070000Z;BYDAY=MO");
    let excluded: Vec<RecurrenceId> = event.overrides.keys().copied().collect();
    assert!(event.overrides.values().all(|instance| *instance == Override::Excluded));
    assert_eq!(format!("{excluded:?}"), "[20260309T080000Z, 20260316T080000Z]");
}

/// All members of an item, at every depth: missing, null or of the wrong type, an item is read or set aside.
#[test]
fn bad_01_every_member_of_an_item() {
    let provider = reading();
    let good = full();
    let mut outcomes = BTreeSet::new();
    for pointer in pointers(&good, String::new()) {
        for value in [
            None,
            Some(json!(null)),
            Some(json!(4.5)),
            Some(json!("x")),
            Some(json!([])),
            Some(json!({})),
            Some(json!(true)),
        ] {
            let item = replaced(&good, &pointer, value.as_ref());
            if let Err(error) = provider.read(&payload(&item)) {
                assert!(!error.reason.contains("Dentist") && !error.reason.contains("Main St"));
                outcomes
                    .insert(format!("{pointer} {}", value.map_or("-".to_owned(), |value| value.to_string())));
            }
        }
    }
    // What an item cannot do without, and what would be a guess.
    for expected in [
        "/id -",
        "/id null",
        "/id 4.5",
        "/itemType \"x\"",
        "/startTime -",
        "/startTime \"x\"",
        "/endTime {}",
        "/dateSpan 4.5",
        "/dateSpan \"x\"",
        "/description []",
        "/itemDetails/location true",
        "/itemDetails/notes {}",
        "/itemDetails/recurrence []",
        "/itemDetails/recurrence/rules []",
        "/itemDetails/recurrence/rules {}",
        "/itemDetails/recurrence/rules/0 \"x\"",
        "/itemDetails/recurrence/rules/0/frequency -",
        "/itemDetails/recurrence/rules/0/interval \"x\"",
        "/itemDetails/recurrence/rules/0/byDay/0 \"x\"",
        "/itemDetails/recurrence/rules/0/end []",
        "/itemDetails/recurrence/rules/0/end/untilDay \"x\"",
        "/itemDetails/recurrence/exdates {}",
        "/itemDetails/recurrence/exdates/0/date true",
        "/itemDetails/reminders {}",
        "/itemDetails/reminders/0 \"x\"",
    ] {
        assert!(outcomes.contains(expected), "{expected}: {outcomes:?}");
    }
    // And what it can.
    for read in [
        "/dateSpan -",
        "/dateSpan null",
        "/description -",
        "/householdMembers -",
        "/householdMembers \"x\"",
        "/itemVersion \"x\"",
        "/itemDetails/location null",
        "/itemDetails/notes -",
        "/itemDetails/recurrence -",
        "/itemDetails/recurrence/exdates null",
        "/itemDetails/recurrence/rules/0/end null",
        "/itemDetails/recurrence/rules/0/interval -",
        "/itemDetails/recurrence/text true",
        "/descriptionShort {}",
    ] {
        assert!(!outcomes.contains(read), "{read}");
    }
    for text in
        ["", "null", "[]", "{}", r#"{"zone":"Europe/Berlin"}"#, r#"{"zone":"Nowhere","item":{"id":"a"}}"#]
    {
        assert!(provider.read(&Payload::new(text)).is_err(), "{text}");
    }
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let mut found = Vec::new();
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(members) => {
            members.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in inner {
        let at = format!("{at}/{name}");
        found.extend(pointers(value, at.clone()));
        found.push(at);
    }
    found
}

fn replaced(value: &Value, pointer: &str, by: Option<&Value>) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (value.pointer_mut(parent).unwrap(), by) {
        (Value::Object(members), Some(by)) => {
            members.insert(name.to_owned(), by.clone());
        }
        (Value::Object(members), None) => {
            members.remove(name);
        }
        (Value::Array(members), by) => {
            members[name.parse::<usize>().unwrap()] = by.cloned().unwrap_or_default()
        }
        _ => {}
    }
    value
}

#[test]
fn times_and_lengths() {
    let provider = reading();
    for (start, end, span, expected) in [
        ("00:00:00", "00:00:00", json!(1), "2026-03-02 2026-03-03"),
        ("00:00", "00:00", json!(0), "2026-03-02 2026-03-03"),
        ("00:00:00", "00:00:00", json!(3), "2026-03-02 2026-03-05"),
        ("9:00:00", "10:30:00", json!(0), "2026-03-02T09:00 2026-03-02T10:30"),
        ("22:00:00", "02:00:00", json!(1), "2026-03-02T22:00 2026-03-03T02:00"),
        ("00:00:00", "01:00:00", json!(0), "2026-03-02T00:00 2026-03-02T01:00"),
        ("10:00:00", "09:00:00", json!(0), "error"),
        ("24:00:00", "09:00:00", json!(0), "error"),
        ("10:00:00", "11:00:00", json!(-1), "error"),
        ("10:00:00", "11:00:00", json!(9_999_999), "error"),
    ] {
        let item =
            json!({"id": "a", "day": "2026-03-02", "startTime": start, "endTime": end, "dateSpan": span});
        let shown = provider.read(&payload(&item)).map_or_else(
            |_| "error".to_owned(),
            |event| {
                let time = event.master.unwrap().time;
                let one = |time: &EventTime| match time {
                    EventTime::Date(date) => date.to_string(),
                    other => other.local().format("%Y-%m-%dT%H:%M").to_string(),
                };
                format!("{} {}", one(&time.start), one(&time.end))
            },
        );
        assert_eq!(shown, expected, "{start} {end} {span}");
    }
}

#[test]
fn rules_are_read_or_set_aside() {
    let provider = reading();
    for (rules, expected) in [
        (json!([{"frequency": "Daily", "interval": 2, "end": {}}]), "FREQ=DAILY;INTERVAL=2"),
        (json!([{"frequency": "Weekly", "byDay": ["TU", "MO"]}]), "FREQ=WEEKLY;BYDAY=MO,TU"),
        (json!([{"frequency": "Monthly", "byDay": ["-1MO"]}]), "FREQ=MONTHLY;BYDAY=-1MO"),
        (json!([{"frequency": "Monthly", "byMonthDay": [2]}]), "FREQ=MONTHLY;BYMONTHDAY=2"),
        (
            json!([{"frequency": "Yearly", "byMonth": [3], "byMonthDay": [-1]}]),
            "FREQ=YEARLY;BYMONTHDAY=-1;BYMONTH=3",
        ),
        (json!([{"frequency": "Daily", "end": {"count": 3}}]), "FREQ=DAILY;UNTIL=20260304T080000Z"),
        (
            json!([{"frequency": "Daily", "end": {"until": "2026-03-05"}}]),
            "FREQ=DAILY;UNTIL=20260305T080000Z",
        ),
        // Which day begins the week nobody knows.
        (json!([{"frequency": "Weekly", "interval": 2, "byDay": ["MO", "SU"]}]), "error"),
        (json!([{"frequency": "Daily"}, {"frequency": "Daily"}]), "error"),
        (json!([{"frequency": "Hourly"}]), "error"),
        (json!([{"frequency": "Daily", "bySetPos": [1]}]), "error"),
        (json!([{"frequency": "Daily", "interval": 0}]), "error"),
        (json!([{"frequency": "Weekly", "byDay": ["99MO"]}]), "error"),
        (json!([{"frequency": "Daily", "end": {"after": 3}}]), "error"),
    ] {
        let mut item = timed("x", "2026-03-02");
        item["id"] = "a".into();
        item["itemDetails"]["recurrence"] = json!({"rules": rules});
        let shown = provider.read(&payload(&item)).map_or_else(
            |_| "error".to_owned(),
            |event| match &event.rules[0] {
                RuleEntry::Rule(rule) => rule.to_string(),
                RuleEntry::Opaque { .. } => "opaque".to_owned(),
            },
        );
        assert_eq!(shown, expected, "{rules}");
    }
}

#[test]
fn what_repeats_without_a_rule_is_set_aside() {
    let provider = reading();
    for (recurrence, repeats) in [
        (json!({}), false),
        (json!({"rules": []}), false),
        (json!({"text": ""}), false),
        (json!({"text": []}), false),
        (json!({"text": "Every Monday"}), true),
        (json!({"rules": [], "text": ["Every Monday"]}), true),
        (json!({"rules": null, "endDay": "2026-04-01"}), true),
    ] {
        let mut item = timed("x", "2026-03-02");
        item["id"] = "a".into();
        item["itemDetails"]["recurrence"] = recurrence.clone();
        assert_eq!(provider.read(&payload(&item)).is_err(), repeats, "{recurrence}");
    }
}

#[tokio::test]
async fn every_form_of_a_page_is_the_same_calendar() {
    let changes: [fn(&mut calsync_testkit::cozi::CoziQuirks); 5] = [
        |_| {},
        |quirks| quirks.items_as_list = true,
        |quirks| quirks.no_days = true,
        |quirks| quirks.flat_details = true,
        |quirks| quirks.no_versions = true,
    ];
    for change in changes {
        let server = start(change);
        fill(&server);
        let provider = provider(&server);
        let first = pull(&provider, None).await.unwrap();
        let all = shown(&provider, &first);
        assert_eq!(
            all,
            [
                "!it is of a calendar the household subscribes to",
                "!its times cannot be read",
                "Ann",
                "Soup",
                "one",
                "weekly"
            ]
        );
        assert!(pull(&provider, first.cursor.as_ref()).await.unwrap().changes.is_empty());
        let weekly = first.changes.iter().find(|change| change.id.as_str() == "w").unwrap();
        let found = provider.fetch(&calendar(), std::slice::from_ref(&weekly.id)).await.unwrap();
        let Some(Fetched::Found { version, .. }) = found.first() else { panic!() };
        let ItemChange::Present { version: listed, .. } = &weekly.change else { panic!() };
        assert_eq!(version, listed);
    }
}

fn fill(server: &CoziServer) {
    server.put(timed("one", "2026-03-02"));
    let mut series = weekly("weekly", "2026-01-05", "MO");
    series["id"] = "w".into();
    server.put(series);
    server.put(json!({
        "day": "1990-03-05", "itemType": "birthday", "startTime": "00:00:00", "endTime": "00:00:00", "dateSpan": 1,
        "itemDetails": {"name": "Ann", "birthYear": 1990, "recurrenceStartDay": "1990-03-05",
            "recurrence": {"rules": [{"frequency": "Yearly", "interval": 1, "byMonth": [3], "byMonthDay": [5]}]}},
    }));
    let mut meal = timed("Soup", "2026-03-04");
    meal["itemType"] = "meal".into();
    server.put(meal);
    let mut feed = timed("feed", "2026-03-06");
    feed["itemSource"] = "holidays".into();
    server.put(feed);
    let mut broken = timed("broken", "2026-03-07");
    broken["startTime"] = 9.into();
    server.put(broken);
}

#[tokio::test]
async fn an_instance_changed_there_is_an_event_of_its_own() {
    let server = start(|_| {});
    let id = server.put(weekly("weekly", "2026-01-05", "MO"));
    let provider = provider(&server);
    let first = pull(&provider, None).await.unwrap();
    server.change_instance(&id, "2026-02-02", |item| {
        item.insert("startTime".into(), "11:00:00".into());
        item.insert("endTime".into(), "12:00:00".into());
    });
    let second = pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert_eq!(shown(&provider, &second), ["weekly", "weekly"]);
    let events: Vec<_> = second
        .changes
        .iter()
        .filter_map(|change| match &change.change {
            ItemChange::Present { payload: Some(payload), .. } => provider.read(payload).ok(),
            _ => None,
        })
        .collect();
    assert_eq!(events.iter().map(|event| event.overrides.len()).sum::<usize>(), 1);
}

#[tokio::test]
async fn bad_02_items_that_are_none_are_set_aside_one_by_one() {
    let server = start(|_| {});
    server.put(timed("good", "2026-03-02"));
    let provider = provider(&server);
    let body = json!({"items": {
        "a": null, "b": [], "c": "text", "d": {"id": "d"}, "../x": {"day": "2026-03-02", "startTime": "09:00", "endTime": "10:00"},
    }});
    server.inject(Fault::status(200).body(&body.to_string()).on_path("calendar/2026/4"));
    let first = pull(&provider, None).await.unwrap();
    let all = shown(&provider, &first);
    assert_eq!(all.len(), 6);
    assert_eq!(all.iter().filter(|title| title.starts_with('!')).count(), 4, "{all:?}");
    // A name that is none in an address is never put into one.
    server.clear_requests();
    pull(&provider, first.cursor.as_ref()).await.unwrap();
    assert!(
        server.requests().iter().all(|request| !request.path.contains("..") && !request.path.contains("%2")
            || request.path.contains("apikey"))
    );
}
