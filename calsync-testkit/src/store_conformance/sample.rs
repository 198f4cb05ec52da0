//! Rows to write.

use calsync_core::{
    diff::{Field, Part},
    model::{Calendar, CalendarId, Event, EventBody, EventTime, LinkId, TimeSpan},
    provider::Payload,
    store::{
        BaseRecord, BaseState, ConflictRecord, ConflictState, JournalEntry, JournalOp, LinkHealth, LinkState,
        OutboxEntry, OutboxId, OutboxOp, OutboxState, QuarantineRecord, Revision, RunCounts, RunOutcome,
        RunRecord, Write,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

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
        last_success: None,
        health: LinkHealth::Active,
        note: None,
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
    }
}

/// A quarantined item.
pub fn quarantine(link: &LinkId, remote_id: &str) -> QuarantineRecord {
    QuarantineRecord {
        link: link.clone(),
        remote_id: remote_id.into(),
        version: Some("v1".into()),
        reason: "no start".to_owned(),
        payload: Some(Payload::new("BEGIN:VEVENT")),
        attempts: 1,
        since: at(0),
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
        fields: vec![Field::of(Part::Title)],
        at: at(0),
    }
}
