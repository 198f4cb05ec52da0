//! What was written is what is read.

use calsync_core::{
    diff::{Field, Part},
    model::{CalendarId, Event, EventBody, EventTime, Fold, LinkId, RecurrenceId, RunId, TimeSpan},
    provider::{Covered, Cursor, ErrorKind, Payload},
    store::{
        BaseQuery, BaseRecord, ConflictRecord, DeletionTally, FieldConflict, HeldDeletions, JournalEntry,
        LeftOut, LinkState, OutboxEntry, OutboxOp, OutboxState, QuarantineRecord, Record, RecordKind,
        RecordQuery, RunCounts, RunOutcome, RunRecord, Store, Write,
    },
    zone::Zone,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    cases,
    check::{event, write},
    sample::{self, at, custom_zone, date, local, put_event, rich_event},
};

/// Text that databases and encodings like to change.
fn texts() -> Vec<String> {
    vec![
        String::new(),
        " leading and trailing ".to_owned(),
        "NUL \0 inside, and at the end \0".to_owned(),
        "\0".to_owned(),
        "CR\rLF\nCRLF\r\nTAB\tBEL\u{7}".to_owned(),
        "\u{feff}BOM".to_owned(),
        "e\u{301} is not \u{e9}".to_owned(),
        "\u{1f469}\u{200d}\u{1f4bb} \u{1f1e9}\u{1f1ea} \u{202e}right to left".to_owned(),
        "\u{fffd}\u{fffe}\u{ffff}\u{10ffff}".to_owned(),
        r#"{"json": "\u0000"} 'quotes' "double" \ % _ -- ; NULL"#.to_owned(),
        "long \u{1f4c5} ".repeat(100_000),
    ]
}

/// Each form of time, at the ends of what RFC 5545 can write and where clocks change.
fn times() -> Vec<EventTime> {
    let berlin = Zone::from_iana("Europe/Berlin").expect("a zone");
    let backwards = local(date(2026, 10, 25), 2, 30, 0);
    vec![
        EventTime::Date(date(1, 1, 1)),
        EventTime::Date(date(2024, 2, 29)),
        EventTime::Date(date(9999, 12, 31)),
        EventTime::Floating(local(date(1, 1, 1), 0, 0, 0)),
        EventTime::Floating(local(date(9999, 12, 31), 23, 59, 59)),
        EventTime::zoned(local(date(2026, 7, 1), 9, 0, 0), berlin.clone()),
        EventTime::Zoned { local: backwards, zone: berlin.clone(), fold: Fold::First },
        EventTime::Zoned { local: backwards, zone: berlin, fold: Fold::Second },
        EventTime::zoned(local(date(2026, 7, 1), 9, 0, 0), custom_zone()),
        EventTime::Utc(local(date(1, 1, 1), 0, 0, 0).and_utc()),
        EventTime::Utc(local(date(9999, 12, 31), 23, 59, 59).and_utc()),
        EventTime::Utc(at(0) + TimeDelta::nanoseconds(123_456_789)),
    ]
}

/// Puts an event and reads it back.
async fn round_trip(store: &impl Store, written: &Event) {
    let calendar = CalendarId::from("c");
    let put = Write::PutEvent {
        calendar: calendar.clone(),
        id: "e".into(),
        event: Box::new(written.clone()),
        at: at(0),
    };
    write(store, vec![put]).await;
    let read = event(store, &calendar, "e").await.unwrap().event;
    assert!(read == *written, "an event changed in the store; its times: {:?}", times_of(written));
}

fn times_of(event: &Event) -> Option<&TimeSpan> {
    event.master.as_ref().map(|body| &body.time)
}

/// The one record of a kind.
async fn only(store: &impl Store, kind: RecordKind, link: &LinkId) -> Record {
    let query = RecordQuery { kind, link, event: None, run: None, after: None, limit: 2 };
    let mut found = store.records(query).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

cases! {
    $ store_conformance_values in values;

    /// Text of an event comes back to the byte, also as UID.
    async fn values_round_trip(store: &S) {
        for text in texts() {
            let written = rich_event(&text);
            round_trip(&**store, &written).await;
            // UIDs of a kilobyte are met, of a megabyte not: no database indexes them.
            if text.len() <= 1024 {
                let found = store.events_by_uid(&"c".into(), &[&text]).await.unwrap();
                assert_eq!(found.len(), 1, "found by its UID");
            }
        }
    }

    /// Times come back in the form they were written, from year 1 to year 9999.
    async fn times_round_trip(store: &S) {
        for start in times() {
            for end in times() {
                let mut written = sample::event("times");
                written.master = Some(EventBody::new(TimeSpan { start: start.clone(), end }));
                round_trip(&**store, &written).await;
            }
        }
    }

    /// Instants of event rows and leases come back exact to the microsecond, whatever zone the process runs in
    /// (TIME-05): no store may pass them through local time.
    async fn instants_are_exact(store: &S) {
        let calendar = CalendarId::from("c");
        let instants = [
            local(date(1, 1, 1), 0, 0, 0).and_utc(),
            DateTime::UNIX_EPOCH - TimeDelta::microseconds(1),
            DateTime::UNIX_EPOCH,
            // Twice in Chicago, and never in Chicago.
            local(date(2026, 11, 1), 6, 30, 0).and_utc(),
            local(date(2026, 11, 1), 7, 30, 0).and_utc(),
            local(date(2026, 3, 8), 2, 30, 0).and_utc(),
            at(0) + TimeDelta::microseconds(123_456),
            local(date(9999, 12, 31), 23, 59, 59).and_utc() + TimeDelta::microseconds(999_999),
        ];
        for (n, instant) in instants.into_iter().enumerate() {
            let put = Write::PutEvent {
                calendar: calendar.clone(),
                id: "e".into(),
                event: Box::new(sample::event("e")),
                at: instant,
            };
            let delete = Write::DeleteEvent { calendar: calendar.clone(), id: "e".into(), at: instant };
            write(&**store, vec![put, delete]).await;
            let record = event(&**store, &calendar, "e").await.unwrap();
            assert_eq!((record.modified, record.deleted), (instant, Some(instant)));

            let name = format!("lease {n}");
            let ttl = TimeDelta::microseconds(1);
            store.acquire_lease(&name, "a", instant, ttl).await.unwrap();
            let held = store.acquire_lease(&name, "b", instant, ttl).await.unwrap();
            assert_eq!(held, calsync_core::store::LeaseGrant::Held { until: instant + ttl });
        }
        // Purging compares instants, not their text.
        write(&**store, vec![
            put_event(&calendar, "early", "e"),
            Write::DeleteEvent { calendar: calendar.clone(), id: "early".into(), at: DateTime::UNIX_EPOCH },
            Write::PurgeDeleted {
                calendar: calendar.clone(),
                before: DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(1),
                limit: usize::MAX,
            },
        ]).await;
        assert_eq!(event(&**store, &calendar, "early").await, None);
        assert!(event(&**store, &calendar, "e").await.is_some());
    }

    /// A payload is text, not JSON: it comes back to the byte in bases, the outbox and quarantine.
    async fn payloads_round_trip(store: &S) {
        let link = LinkId::from("l");
        for text in texts() {
            let payload = Payload::new(text.as_str());
            let base = BaseRecord {
                payload: payload.clone(),
                version: Some(text.get(..200).unwrap_or(&text).into()),
                local: Some(Box::new(rich_event(&text))),
                remote: Some(Box::new(rich_event("remote"))),
                ..sample::base(&link, "item", "e")
            };
            let entry = OutboxEntry {
                op: OutboxOp::Update { expected: "v\"1\"".into(), payload: payload.clone() },
                ..sample::outbox(&link, "o", "e")
            };
            let item = QuarantineRecord {
                payload: Some(payload),
                reason: text.clone(),
                question: Some(calsync_core::store::MatchQuestion {
                    candidates: vec![text.clone().into()],
                    answer: Some(calsync_core::store::MatchAnswer::Join("e".into())),
                }),
                left_out: Some(LeftOut { step: Some(text.clone()), uid_hash: "h".to_owned() }),
                ..sample::quarantine(&link, "item")
            };
            write(&**store, vec![
                Write::PutBase(Box::new(base.clone())),
                Write::PutOutbox(Box::new(entry.clone())),
                Write::PutQuarantine(Box::new(item.clone())),
            ]).await;
            let read = store.bases(&link, BaseQuery::Remote(&["item".into()])).await.unwrap();
            assert!(read == [base.clone()], "a base of {} bytes", text.len());
            assert_eq!(store.base_summaries(&link, None, 1).await.unwrap()[0].version, base.version);
            assert!(store.outbox(&link, None, 1).await.unwrap() == [entry], "an entry of {} bytes", text.len());
            let read = only(&**store, RecordKind::Quarantine, &link).await;
            assert!(read == Record::Quarantine(Box::new(item)), "an item of {} bytes", text.len());
        }
    }

    /// Every field of the other rows comes back, each with a value that is not its default.
    async fn rows_round_trip(store: &S) {
        let link = LinkId::from("l");
        let mut held = HeldDeletions::default();
        (0..=HeldDeletions::NAMED).for_each(|n| held.add(&calsync_core::model::EventId::from(n.to_string())));
        let mut tally = DeletionTally::new(usize::MAX, at(0)).left_by(u64::MAX, at(1), TimeDelta::days(7));
        tally.add(at(1), u64::MAX, TimeDelta::days(7));
        let state = LinkState {
            generation: 1,
            cursor: Some(Cursor("https://example.com/sync?token=\0\u{1f4c5}".to_owned())),
            last_audit: Some(at(1)),
            last_pull: Some(at(3)),
            covered: Covered { from: Some(at(-1)), until: Some(at(4)) },
            last_success: Some(at(2)),
            note: Some("kept for the host".to_owned()),
            held: Some(held),
            ahead_since: Some(RunId::new("run-0")),
            met_both_ways: true,
            none_withdrawn: true,
            tally: Some(tally),
            seen: calsync_core::store::Revision(u64::MAX),
            ..sample::link_state(&link)
        };
        let wedged = OutboxEntry {
            op: OutboxOp::Delete { expected: "v1".into() },
            local: None,
            fields: vec![
                Field::of(Part::Category("a \0 b".to_owned())),
                Field { instance: Some(RecurrenceId::Date(date(9999, 12, 31))), part: Part::Time },
            ],
            state: OutboxState::Wedged {
                kind: ErrorKind::AlreadyExists { at: Some("item".into()) },
                detail: "there already".to_owned(),
            },
            attempts: u32::MAX,
            not_before: Some(at(3)),
            ..sample::outbox(&link, "o", "e")
        };
        let conflict = ConflictRecord {
            fields: vec![FieldConflict {
                field: Field::of(Part::Title),
                base: serde_json::Value::Null,
                local: serde_json::json!({"a": [1, -2, 0.5, "\u{0}", true], "B": {}}),
                remote: serde_json::json!(i64::MAX),
                outcome: "open".to_owned(),
                settled: None,
            }],
            remote: Some(Box::new(rich_event("remote"))),
            ..sample::conflict(&link, "1", "e", "r")
        };
        let counts = RunCounts {
            pulled: u64::MAX, created: 1, updated: 2, deleted: 3, pushed: 4, conflicts: 5, quarantined: 6, held: 7,
            requests: 8, echoed: 9,
        };
        let run = RunRecord {
            ended: Some(at(4)),
            outcome: RunOutcome::Failed { error: "not reachable".to_owned() },
            counts,
            held_plan: Some("{}".to_owned()),
            approved: Some("a".to_owned()),
            refused: Some("b".to_owned()),
            unasked_deletions: u64::MAX,
            ..sample::run(&link, "1")
        };
        let journal = JournalEntry {
            remote_id: Some("item".into()),
            before: Some(Box::new(rich_event("before"))),
            evidence: Some(calsync_core::plan::Evidence::Absent),
            after: Some("deleted".to_owned()),
            there: Some("00ff".to_owned()),
            ..sample::journal(&link, "1", "e", "1")
        };
        let calendar = calsync_core::model::Calendar {
            name: "\u{1f4c5}\r\n".to_owned(),
            color: Some("#ff0000".to_owned()),
            ..sample::calendar("c")
        };
        write(&**store, vec![
            Write::PutCalendar(calendar.clone()),
            Write::PutLink(Box::new(state.clone())),
            Write::PutOutbox(Box::new(wedged.clone())),
            Write::PutConflict(Box::new(conflict.clone())),
            Write::PutRun(Box::new(run.clone())),
            Write::PutJournal(Box::new(journal.clone())),
        ]).await;
        assert_eq!(store.calendars().await.unwrap(), [calendar]);
        assert_eq!(store.link(&link).await.unwrap(), Some(state));
        assert_eq!(store.outbox(&link, None, 1).await.unwrap(), [wedged]);
        assert_eq!(only(&**store, RecordKind::Conflict, &link).await, Record::Conflict(Box::new(conflict)));
        assert_eq!(only(&**store, RecordKind::Run, &link).await, Record::Run(Box::new(run)));
        assert_eq!(only(&**store, RecordKind::Journal, &link).await, Record::Journal(Box::new(journal)));
    }
}
