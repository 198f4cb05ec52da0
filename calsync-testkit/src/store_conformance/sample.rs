//! Rows to write.

use std::{collections::BTreeMap, sync::Arc};

use calsync_core::{
    diff::{Field, Part},
    model::{Calendar, CalendarId, Event, EventBody, EventTime, LinkId, Override, RecurrenceId, TimeSpan},
    provider::{Covered, Payload, PeoplePolicy, UnreadKind},
    store::{
        BaseRecord, BaseState, ConflictRecord, ConflictState, JournalEntry, JournalOp, LinkHealth, LinkState,
        OutboxEntry, OutboxId, OutboxOp, OutboxState, QuarantineRecord, Revision, RunCounts, RunOutcome,
        RunRecord, Write,
    },
    zone::{CustomZone, Observance, ObservanceKind, Zone},
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// Noon of 2026-01-05 UTC and so many seconds.
pub fn at(seconds: i64) -> DateTime<Utc> {
    let noon = DateTime::from_timestamp(1_767_614_400, 0).expect("a time chrono can hold");
    noon + TimeDelta::seconds(seconds)
}

/// An event of one hour with a title; its UID is `uid-<title>`.
pub fn event(title: &str) -> Event {
    let time = TimeSpan { start: EventTime::Utc(at(0)), end: EventTime::Utc(at(3600)) };
    let body = EventBody { title: Some(title.to_owned()), ..EventBody::new(time) };
    Event::single(format!("uid-{title}"), body)
}

/// A date.
pub fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a date")
}

/// A time of a date.
pub fn local(date: NaiveDate, hour: u32, minute: u32, second: u32) -> NaiveDateTime {
    date.and_hms_opt(hour, minute, second).expect("a time of day")
}

/// A zone only a file defines.
pub fn custom_zone() -> Zone {
    let observance = Observance {
        kind: ObservanceKind::Standard,
        start: local(date(1970, 1, 1), 0, 0, 0),
        offset_from: 5400,
        offset_to: 5400,
        rule: None,
        rdates: vec![local(date(1980, 1, 1), 0, 0, 0)],
        name: Some("Odd".to_owned()),
    };
    Zone::Custom(Arc::new(CustomZone::new("Custom/\u{dc}bung", vec![observance]).expect("a zone")))
}

/// A series with an instance of each kind, and text everywhere.
pub fn rich_event(text: &str) -> Event {
    let mut event = event("rich");
    let instance = EventBody {
        description: Some(text.to_owned()),
        ..EventBody::new(TimeSpan { start: EventTime::Utc(at(7200)), end: EventTime::Utc(at(9000)) })
    };
    event.overrides = BTreeMap::from([
        (RecurrenceId::Date(date(2026, 1, 6)), Override::Excluded),
        (RecurrenceId::Instant(at(3600)), Override::Added { end: Some(EventTime::Utc(at(5400))) }),
        (
            RecurrenceId::Instant(at(7200)),
            Override::Changed { body: Box::new(instance), scope: Default::default() },
        ),
    ]);
    let body = event.master.as_mut().expect("a master");
    body.title = Some(text.to_owned());
    body.location = Some(text.to_owned());
    body.categories = [text.to_owned(), "second".to_owned()].into();
    body.created = Some(at(-5));
    event.uid = text.to_owned();
    event
}

/// A calendar with its id as name.
pub fn calendar(id: &str) -> Calendar {
    Calendar { id: id.into(), name: id.to_owned(), color: None }
}

/// Writes the event [`event`]`(title)`.
pub fn put_event(calendar: &CalendarId, id: &str, title: &str) -> Write {
    Write::PutEvent { calendar: calendar.clone(), id: id.into(), event: Box::new(event(title)), at: at(0) }
}

/// Deletes an event so many seconds after noon.
pub fn delete_event(calendar: &CalendarId, id: &str, seconds: i64) -> Write {
    Write::DeleteEvent { calendar: calendar.clone(), id: id.into(), at: at(seconds) }
}

/// A link that never ran.
pub fn link_state(link: &LinkId) -> LinkState {
    LinkState {
        id: link.clone(),
        generation: 0,
        calendar: "calendar".into(),
        remote: "remote-calendar".into(),
        cursor: None,
        cursor_key: "1".to_owned(),
        seen: Revision(0),
        last_audit: None,
        last_pull: None,
        covered: Covered::ALL,
        last_success: None,
        health: LinkHealth::Active,
        note: None,
        held: None,
        ahead_since: None,
        met_both_ways: false,
        none_withdrawn: false,
        tally: None,
    }
}

/// A base that joins an item and an event.
pub fn base(link: &LinkId, remote_id: &str, event_id: &str) -> BaseRecord {
    BaseRecord {
        link: link.clone(),
        remote_id: remote_id.into(),
        event_id: event_id.into(),
        version: Some("v1".into()),
        payload: Payload::new("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
        local: None,
        remote: None,
        state: BaseState::Linked,
    }
}

/// Writes [`base`].
pub fn put_base(link: &LinkId, remote_id: &str, event_id: &str) -> Write {
    Write::PutBase(Box::new(base(link, remote_id, event_id)))
}

/// A remote write that waits.
pub fn outbox(link: &LinkId, id: &str, event_id: &str) -> OutboxEntry {
    OutboxEntry {
        id: OutboxId(id.to_owned()),
        link: link.clone(),
        run: "run-1".into(),
        event_id: event_id.into(),
        remote_id: format!("remote-{event_id}").into(),
        op: OutboxOp::Create { payload: Payload::new("payload") },
        local: Some(Box::new(event("outbox"))),
        losses: Vec::new(),
        people: PeoplePolicy::Write,
        fields: Vec::new(),
        reason: "made here".to_owned(),
        state: OutboxState::Pending,
        attempts: 0,
        not_before: None,
    }
}

/// Writes [`outbox`].
pub fn put_outbox(link: &LinkId, id: &str, event_id: &str) -> Write {
    Write::PutOutbox(Box::new(outbox(link, id, event_id)))
}

/// An open conflict of an event in a run.
pub fn conflict(link: &LinkId, id: &str, event_id: &str, run: &str) -> ConflictRecord {
    ConflictRecord {
        id: id.to_owned(),
        link: link.clone(),
        run: run.into(),
        event_id: event_id.into(),
        remote_id: "item".into(),
        uid: "uid".to_owned(),
        fields: Vec::new(),
        local: Some(Box::new(event("mine"))),
        remote: None,
        policy: "manual".to_owned(),
        state: ConflictState::Open,
        at: at(0),
        settled: None,
        answers: Vec::new(),
        copy: None,
    }
}

/// A quarantined item.
pub fn quarantine(link: &LinkId, remote_id: &str) -> QuarantineRecord {
    QuarantineRecord {
        link: link.clone(),
        remote_id: remote_id.into(),
        version: Some("v1".into()),
        kind: UnreadKind::Unreadable,
        reason: "no start".to_owned(),
        payload: Some(Payload::new("BEGIN:VEVENT")),
        attempts: 1,
        since: at(0),
        question: None,
        left_out: None,
    }
}

/// A run that has not ended.
pub fn run(link: &LinkId, id: &str) -> RunRecord {
    RunRecord {
        id: id.into(),
        link: link.clone(),
        started: at(0),
        ended: None,
        outcome: RunOutcome::Running,
        counts: RunCounts::default(),
        held_plan: None,
        approved: None,
        refused: None,
        unasked_deletions: 0,
    }
}

/// A journal entry of an event in a run.
pub fn journal(link: &LinkId, id: &str, event_id: &str, run: &str) -> JournalEntry {
    JournalEntry {
        id: id.to_owned(),
        link: link.clone(),
        run: run.into(),
        event_id: event_id.into(),
        remote_id: None,
        op: JournalOp::LocalCreate,
        reason: "new on the remote side".to_owned(),
        before: None,
        losses: Vec::new(),
        fields: vec![Field::of(Part::Title)],
        evidence: None,
        after: None,
        there: None,
        at: at(0),
    }
}
