//! Rows of one owner never show up under another, however alike their names are.

use calsync_core::{
    model::{CalendarId, EventId, LinkId, RemoteId, RunId},
    store::{BaseQuery, OutboxId, RecordKind, RecordQuery, Store, Write},
};

use super::{
    cases,
    check::{all_events, event, write},
    sample::{self, at, delete_event, put_base, put_event, put_outbox},
};

/// Names that a store could confuse: with separators, prefixes of each other, in other case or normal form, longer
/// than many databases index by default, that are numbers, that are patterns, and nothing at all.
pub(super) fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        " ",
        "a",
        "A",
        "a ",
        "a#b",
        "a#",
        "#b",
        "a/b",
        "a/",
        "/b",
        "a|b",
        "a:b",
        "a,b",
        "a\\b",
        "a%",
        "%",
        "_",
        "*",
        "a\u{1}b",
        "a\nb",
        "0",
        "00",
        "1",
        "1.0",
        "1e0",
        "null",
        "NULL",
        "'",
        "''",
        "\"",
        "'; DROP TABLE events; --",
        "\u{e9}",
        "e\u{301}",
        "\u{df}",
        "ss",
        "\u{130}",
        "\u{1f4c5}",
        "\u{1f469}\u{200d}\u{1f4bb}",
        "\u{10ffff}",
        "\u{ffff}",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(1024));
    names.push(format!("{}y", "x".repeat(1023)));
    names.push("\u{1f4c5}".repeat(256));
    names
}

fn query(kind: RecordKind, link: &LinkId) -> RecordQuery<'_> {
    RecordQuery { kind, link, event: None, run: None, after: None, limit: usize::MAX }
}

/// Everything a link has, as the ids of its rows.
async fn rows_of(store: &impl Store, link: &LinkId) -> Vec<usize> {
    let mut counts = vec![
        usize::from(store.link(link).await.unwrap().is_some()),
        store.base_summaries(link, None, 10).await.unwrap().len(),
        store.bases(link, BaseQuery::Remote(&["r".into()])).await.unwrap().len(),
        store.bases(link, BaseQuery::Events(&["e".into()])).await.unwrap().len(),
        store.outbox(link, None, 10).await.unwrap().len(),
    ];
    for kind in [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal] {
        counts.push(store.records(query(kind, link)).await.unwrap().len());
    }
    counts
}

/// One row of each kind under a link, all with the same ids.
fn rows_for(link: &LinkId) -> Vec<Write> {
    vec![
        Write::PutLink(Box::new(sample::link_state(link))),
        put_base(link, "r", "e"),
        put_outbox(link, "o", "e"),
        Write::PutConflict(Box::new(sample::conflict(link, "id", "e", "run"))),
        Write::PutQuarantine(Box::new(sample::quarantine(link, "r"))),
        Write::PutRun(Box::new(sample::run(link, "id"))),
        Write::PutJournal(Box::new(sample::journal(link, "id", "e", "run"))),
    ]
}

cases! {
    $ store_conformance_owners in owners;

    /// Two calendars and two links share every id; what happens to one leaves the other as it was.
    async fn owners_are_isolated(store: &S) {
        let (one, two) = (CalendarId::from("a"), CalendarId::from("a#"));
        let mut writes = vec![put_event(&one, "e", "of one"), put_event(&two, "e", "of two")];
        let (left, right) = (LinkId::from("l"), LinkId::from("l/"));
        writes.extend(rows_for(&left));
        writes.extend(rows_for(&right));
        write(&**store, writes).await;

        write(&**store, vec![
            delete_event(&one, "e", 1),
            Write::PurgeDeleted { calendar: one.clone(), before: at(10), limit: usize::MAX },
            Write::DeleteBase { link: left.clone(), remote_id: "r".into() },
            Write::DeleteOutbox { link: left.clone(), id: OutboxId("o".to_owned()) },
            Write::DeleteQuarantine { link: left.clone(), remote_id: "r".into() },
        ]).await;
        assert_eq!(event(&**store, &one, "e").await, None);
        assert_eq!(event(&**store, &two, "e").await.unwrap().event, sample::event("of two"));
        assert_eq!(store.events_by_uid(&two, &["uid-of one"]).await.unwrap(), []);
        assert_eq!(rows_of(&**store, &left).await, [1, 0, 0, 0, 0, 1, 0, 1, 1]);
        assert_eq!(rows_of(&**store, &right).await, [1; 9]);
        assert_eq!(rows_of(&**store, &"never".into()).await, [0; 9]);
    }

    /// Every odd name works as the id of a calendar, an event, a UID, a link, an item and a lease, and is told apart
    /// from all others byte by byte.
    async fn odd_names_are_told_apart(store: &S) {
        let names = odd_names();
        for name in &names {
            let (calendar, link) = (CalendarId::from(name.as_str()), LinkId::from(name.as_str()));
            let mut named = sample::event(name);
            named.uid.clone_from(name);
            write(&**store, vec![
                Write::PutCalendar(sample::calendar(name)),
                Write::PutEvent {
                    calendar: calendar.clone(),
                    id: name.as_str().into(),
                    event: Box::new(named),
                    at: at(0),
                },
                Write::PutLink(Box::new(sample::link_state(&link))),
                put_base(&link, name, name),
                put_outbox(&link, name, name),
                Write::PutQuarantine(Box::new(sample::quarantine(&link, name))),
                Write::PutRun(Box::new(sample::run(&link, name))),
                Write::PutConflict(Box::new(sample::conflict(&link, name, name, name))),
                Write::PutJournal(Box::new(sample::journal(&link, name, name, name))),
            ]).await;
            let lease = store.acquire_lease(name, name, at(0), chrono::TimeDelta::seconds(1)).await.unwrap();
            assert!(matches!(lease, calsync_core::store::LeaseGrant::Granted(token) if token.name == *name));
        }
        let mut sorted = names.clone();
        sorted.sort();
        let calendars = store.calendars().await.unwrap();
        assert_eq!(calendars.iter().map(|c| c.id.to_string()).collect::<Vec<_>>(), sorted, "ordered by bytes");

        let events: Vec<EventId> = names.iter().map(|name| name.as_str().into()).collect();
        let items: Vec<RemoteId> = names.iter().map(|name| name.as_str().into()).collect();
        let uids: Vec<&str> = names.iter().map(String::as_str).collect();
        for name in &names {
            let (calendar, link) = (CalendarId::from(name.as_str()), LinkId::from(name.as_str()));
            let id = EventId::from(name.as_str());
            let run = RunId::from(name.as_str());
            let found = store.events(&calendar, &events).await.unwrap();
            assert_eq!(found.iter().map(|record| &record.id).collect::<Vec<_>>(), [&id]);
            let found = store.events_by_uid(&calendar, &uids).await.unwrap();
            assert_eq!(found.iter().map(|record| &record.event.uid).collect::<Vec<_>>(), [name]);
            assert_eq!(all_events(&**store, &calendar).await.len(), 1);

            assert_eq!(store.link(&link).await.unwrap().unwrap().id, link);
            let base = [sample::base(&link, name, name)];
            assert_eq!(store.bases(&link, BaseQuery::Remote(&items)).await.unwrap(), base);
            assert_eq!(store.bases(&link, BaseQuery::Events(&events)).await.unwrap(), base);
            assert_eq!(store.base_summaries(&link, None, 10).await.unwrap().len(), 1);
            assert_eq!(store.outbox(&link, None, 10).await.unwrap(), [sample::outbox(&link, name, name)]);
            for kind in [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal] {
                let of = RecordQuery { event: Some(&id), run: Some(&run), ..query(kind, &link) };
                assert_eq!(store.records(of).await.unwrap().len(), 1, "{kind:?}");
                let after = RecordQuery { after: Some(name), ..query(kind, &link) };
                assert_eq!(store.records(after).await.unwrap().len(), 0, "{kind:?}");
            }
        }
    }
}
