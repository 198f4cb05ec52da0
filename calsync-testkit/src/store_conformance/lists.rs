//! Ordered lists, read page by page, and the filters of records.

use calsync_core::{
    model::{CalendarId, EventId, LinkId, RemoteId, RunId},
    store::{OutboxId, Record, RecordKind, RecordQuery, Revision, Store, Write},
};

use super::{
    cases,
    check::write,
    owners::odd_names,
    sample::{self, put_base, put_event, put_outbox},
};

const KINDS: [RecordKind; 4] =
    [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal];

/// The id a record is listed by.
fn id(record: &Record) -> String {
    match record {
        Record::Conflict(row) => row.id.clone(),
        Record::Quarantine(row) => row.remote_id.to_string(),
        Record::Run(row) => row.id.to_string(),
        Record::Journal(row) => row.id.clone(),
    }
}

/// A record of the kind, of event `e` in run `run`.
fn put_record(kind: RecordKind, link: &LinkId, id: &str) -> Write {
    match kind {
        RecordKind::Conflict => Write::PutConflict(Box::new(sample::conflict(link, id, "e", "run"))),
        RecordKind::Quarantine => Write::PutQuarantine(Box::new(sample::quarantine(link, id))),
        RecordKind::Run => Write::PutRun(Box::new(sample::run(link, id))),
        RecordKind::Journal => Write::PutJournal(Box::new(sample::journal(link, id, "e", "run"))),
    }
}

/// The ids of one page of records.
async fn ids(store: &impl Store, query: RecordQuery<'_>) -> Vec<String> {
    store.records(query).await.unwrap().iter().map(id).collect()
}

fn everything(kind: RecordKind, link: &LinkId) -> RecordQuery<'_> {
    RecordQuery { kind, link, event: None, run: None, after: None, limit: usize::MAX }
}

/// Names in the order of their bytes, and sizes of pages that do and do not divide their number.
fn names_and_limits() -> (Vec<String>, [usize; 5]) {
    let mut names = odd_names();
    names.sort();
    let count = names.len();
    (names, [1, 7, count - 1, count, usize::MAX])
}

cases! {
    $ store_conformance_lists in lists;

    /// Changes come by revision, each once, in pages of any size; a changed event moves to its new place.
    async fn changes_are_paged_by_revision(store: &S) {
        let calendar = CalendarId::from("c");
        let mut writes: Vec<Write> = (0..10).map(|n| put_event(&calendar, &format!("e{}", 9 - n), "e")).collect();
        writes.push(put_event(&calendar, "e9", "again"));
        writes.push(sample::delete_event(&calendar, "e8", 1));
        write(&**store, writes).await;
        let expected: Vec<u64> = (3..=12).collect();
        for limit in [1, 3, 10, 11, usize::MAX] {
            let (mut after, mut found) = (Revision(0), Vec::new());
            loop {
                let page = store.events_since(&calendar, after, limit).await.unwrap();
                assert_eq!(page.len(), limit.min(expected.len() - found.len()), "a page is full while there is more");
                let Some(last) = page.last() else { break };
                after = last.revision;
                found.extend(page.iter().map(|record| record.revision.0));
                assert!(found.len() <= expected.len(), "in pages of {limit}: a row comes twice");
            }
            assert_eq!(found, expected, "in pages of {limit}");
        }
        assert_eq!(store.events_since(&calendar, Revision(0), 0).await.unwrap(), []);
        assert_eq!(store.events_since(&calendar, Revision(12), 1).await.unwrap(), []);
        assert_eq!(store.events_since(&calendar, Revision(u64::MAX), 1).await.unwrap(), []);
    }

    /// Bases come by the bytes of the remote id, each once, in pages of any size.
    async fn base_summaries_are_paged(store: &S) {
        let link = LinkId::from("l");
        let (names, limits) = names_and_limits();
        let writes = names.iter().rev().enumerate().map(|(n, name)| put_base(&link, name, &format!("e{n}")));
        write(&**store, writes.collect()).await;
        for limit in limits {
            let (mut after, mut found): (Option<RemoteId>, Vec<String>) = (None, Vec::new());
            loop {
                let page = store.base_summaries(&link, after.as_ref(), limit).await.unwrap();
                assert_eq!(page.len(), limit.min(names.len() - found.len()), "a page is full while there is more");
                let Some(last) = page.last() else { break };
                after = Some(last.remote_id.clone());
                found.extend(page.iter().map(|summary| summary.remote_id.to_string()));
                assert!(found.len() <= names.len(), "in pages of {limit}: a row comes twice");
            }
            assert_eq!(found, names, "in pages of {limit}");
        }
        assert_eq!(store.base_summaries(&link, None, 0).await.unwrap(), []);
    }

    /// Outbox entries come by id, earlier intents first, in pages of any size.
    async fn outbox_is_ordered_and_paged(store: &S) {
        let link = LinkId::from("l");
        let (names, limits) = names_and_limits();
        let writes = names.iter().rev().enumerate().map(|(n, name)| put_outbox(&link, name, &format!("e{n}")));
        write(&**store, writes.collect()).await;
        for limit in limits {
            let (mut after, mut found): (Option<OutboxId>, Vec<String>) = (None, Vec::new());
            loop {
                let page = store.outbox(&link, after.as_ref(), limit).await.unwrap();
                assert_eq!(page.len(), limit.min(names.len() - found.len()), "a page is full while there is more");
                let Some(last) = page.last() else { break };
                after = Some(last.id.clone());
                found.extend(page.iter().map(|entry| entry.id.0.clone()));
                assert!(found.len() <= names.len(), "in pages of {limit}: a row comes twice");
            }
            assert_eq!(found, names, "in pages of {limit}");
        }
        // An id that is not there (any more) is a place in the order like any other.
        let page = store.outbox(&link, Some(&OutboxId("a#a".to_owned())), 1).await.unwrap();
        assert_eq!(page[0].id.0, "a#b");
        assert_eq!(store.outbox(&link, None, 0).await.unwrap(), []);
    }

    /// Records of each kind come by id, in pages of any size, with filters too.
    async fn records_are_paged(store: &S) {
        let link = LinkId::from("l");
        let (event, run) = (EventId::from("e"), RunId::from("run"));
        let (names, limits) = names_and_limits();
        for kind in KINDS {
            write(&**store, names.iter().rev().map(|name| put_record(kind, &link, name)).collect()).await;
            for limit in limits {
                for (event, run) in
                    [(None, None), (Some(&event), None), (None, Some(&run)), (Some(&event), Some(&run))]
                {
                    let (mut after, mut found): (Option<String>, Vec<String>) = (None, Vec::new());
                    loop {
                        let after_id = after.as_deref();
                        let query = RecordQuery { kind, link: &link, event, run, after: after_id, limit };
                        let page = ids(&**store, query).await;
                        assert_eq!(page.len(), limit.min(names.len() - found.len()), "a page is full while there is more");
                        let Some(last) = page.last() else { break };
                        after = Some(last.clone());
                        found.extend(page);
                        assert!(found.len() <= names.len(), "in pages of {limit}: a row comes twice");
                    }
                    assert_eq!(found, names, "{kind:?} in pages of {limit}");
                }
            }
            assert_eq!(ids(&**store, RecordQuery { limit: 0, ..everything(kind, &link) }).await.len(), 0);
        }
    }

    /// Conflicts and journal entries can be asked for by event, by run, and by both; runs and quarantine ignore it.
    async fn records_are_filtered(store: &S) {
        let link = LinkId::from("l");
        let rows = [("1", "e", "r"), ("2", "e", "s"), ("3", "f", "r"), ("4", "f", "s"), ("5", "e", "r")];
        let mut writes = Vec::new();
        for (id, event, run) in rows {
            writes.push(Write::PutConflict(Box::new(sample::conflict(&link, id, event, run))));
            writes.push(Write::PutJournal(Box::new(sample::journal(&link, id, event, run))));
            writes.push(put_record(RecordKind::Quarantine, &link, id));
            writes.push(put_record(RecordKind::Run, &link, id));
        }
        write(&**store, writes).await;
        let (e, r, none) = (EventId::from("e"), RunId::from("r"), RunId::from("none"));
        let table: [(Option<&EventId>, Option<&RunId>, &[&str]); 5] = [
            (None, None, &["1", "2", "3", "4", "5"]),
            (Some(&e), None, &["1", "2", "5"]),
            (None, Some(&r), &["1", "3", "5"]),
            (Some(&e), Some(&r), &["1", "5"]),
            (Some(&e), Some(&none), &[]),
        ];
        for (event, run, expected) in table {
            for kind in KINDS {
                let filtered = matches!(kind, RecordKind::Conflict | RecordKind::Journal);
                let expected = if filtered { expected } else { table[0].2 };
                let query = RecordQuery { event, run, ..everything(kind, &link) };
                assert_eq!(ids(&**store, query).await, expected, "{kind:?} of {event:?} in {run:?}");
                // The limit counts what passes the filter.
                let query = RecordQuery { after: Some("1"), limit: 1, event, run, ..everything(kind, &link) };
                let next: Vec<&str> = expected.iter().copied().filter(|id| *id > "1").take(1).collect();
                assert_eq!(ids(&**store, query).await, next, "{kind:?} of {event:?} in {run:?} after 1");
            }
        }
    }

    /// A record that is put again is replaced, also where its event or run changed.
    async fn records_are_replaced(store: &S) {
        let link = LinkId::from("l");
        let (old, new) = (EventId::from("old"), EventId::from("new"));
        write(&**store, vec![Write::PutConflict(Box::new(sample::conflict(&link, "1", "old", "r")))]).await;
        let resolved = calsync_core::store::ConflictRecord {
            state: calsync_core::store::ConflictState::Resolved,
            ..sample::conflict(&link, "1", "new", "s")
        };
        write(&**store, vec![Write::PutConflict(Box::new(resolved.clone()))]).await;
        let of_old = RecordQuery { event: Some(&old), ..everything(RecordKind::Conflict, &link) };
        assert_eq!(store.records(of_old).await.unwrap(), []);
        let of_new = RecordQuery { event: Some(&new), ..everything(RecordKind::Conflict, &link) };
        assert_eq!(store.records(of_new).await.unwrap(), [Record::Conflict(Box::new(resolved))]);

        let ended = calsync_core::store::RunRecord {
            ended: Some(sample::at(5)),
            outcome: calsync_core::store::RunOutcome::InStep,
            ..sample::run(&link, "1")
        };
        write(&**store, vec![put_record(RecordKind::Run, &link, "1")]).await;
        write(&**store, vec![Write::PutRun(Box::new(ended.clone()))]).await;
        let runs = store.records(everything(RecordKind::Run, &link)).await.unwrap();
        assert_eq!(runs, [Record::Run(Box::new(ended))]);

        write(&**store, vec![put_record(RecordKind::Quarantine, &link, "item")]).await;
        write(&**store, vec![Write::DeleteQuarantine { link: link.clone(), remote_id: "item".into() }]).await;
        assert_eq!(store.records(everything(RecordKind::Quarantine, &link)).await.unwrap(), []);
    }
}
