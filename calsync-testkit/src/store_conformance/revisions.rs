//! Revisions, soft deletion and purging.

use std::sync::Arc;

use calsync_core::{
    model::{CalendarId, EventId},
    store::Write,
};

use super::{
    cases,
    check::{all_events, event, revisions, write},
    sample::{self, at, delete_event, put_event},
};

cases! {
    $ store_conformance_revisions in revisions;

    /// Put, change, delete and undelete each take the next revision of the calendar; a write that does nothing takes
    /// none, and every calendar counts for itself.
    async fn revisions_grow_by_one(store: &S) {
        let (calendar, other) = (CalendarId::from("c"), CalendarId::from("other"));
        let receipt = write(&**store, vec![
            put_event(&calendar, "a", "a"),
            put_event(&other, "a", "a"),
            put_event(&calendar, "b", "b"),
            put_event(&calendar, "a", "a again"),
        ]).await;
        let expected: Vec<(CalendarId, EventId)> =
            [("c", "a"), ("other", "a"), ("c", "b"), ("c", "a")].map(|(c, e)| (c.into(), e.into())).to_vec();
        let written: Vec<_> = receipt.revisions.iter().map(|(c, e, _)| (c.clone(), e.clone())).collect();
        assert_eq!(written, expected, "in the order of the batch");
        assert_eq!(revisions(&receipt), [1, 1, 2, 3]);

        let steps = [
            (delete_event(&calendar, "a", 1), vec![4]),
            (delete_event(&calendar, "a", 2), vec![]),
            (delete_event(&calendar, "never there", 2), vec![]),
            (put_event(&calendar, "a", "back"), vec![5]),
            // The same content again is a write like any other.
            (put_event(&calendar, "a", "back"), vec![6]),
            (delete_event(&calendar, "a", 3), vec![7]),
            (Write::PurgeDeleted { calendar: calendar.clone(), before: at(100), limit: usize::MAX }, vec![]),
            (put_event(&calendar, "a", "new"), vec![8]),
            (put_event(&other, "b", "b"), vec![2]),
        ];
        for (step, (change, expected)) in steps.into_iter().enumerate() {
            assert_eq!(revisions(&write(&**store, vec![change]).await), expected, "step {step}");
        }
    }

    /// While a writer adds events one by one, a reader never sees a revision before all smaller ones.
    async fn readers_see_no_gaps(store: &S) {
        let calendar = CalendarId::from("c");
        let writer = {
            let (store, calendar) = (Arc::clone(store), calendar.clone());
            tokio::spawn(async move {
                for n in 0..20 {
                    write(&*store, vec![put_event(&calendar, &format!("e{n}"), "e")]).await;
                }
            })
        };
        loop {
            // Asked before reading: the last read comes after the last write.
            let ended = writer.is_finished();
            let page = all_events(&**store, &calendar).await;
            let found: Vec<u64> = page.iter().map(|record| record.revision.0).collect();
            let expected: Vec<u64> = (1..=found.len() as u64).collect();
            assert_eq!(found, expected);
            if ended {
                assert_eq!(found.len(), 20);
                break;
            }
            tokio::task::yield_now().await;
        }
        writer.await.unwrap();
    }

    /// A deleted event stays readable with its content and says when it was deleted; put brings it back.
    async fn deleted_events_stay_until_purged(store: &S) {
        let calendar = CalendarId::from("c");
        write(&**store, vec![put_event(&calendar, "e", "kept")]).await;
        write(&**store, vec![delete_event(&calendar, "e", 5)]).await;
        let deleted = event(&**store, &calendar, "e").await.unwrap();
        assert_eq!(deleted.event, sample::event("kept"));
        assert_eq!((deleted.modified, deleted.deleted), (at(0), Some(at(5))));
        assert_eq!(store.events_by_uid(&calendar, &["uid-kept"]).await.unwrap(), [deleted.clone()]);
        assert_eq!(all_events(&**store, &calendar).await, [deleted.clone()]);

        // A second delete does not make the first one younger.
        write(&**store, vec![delete_event(&calendar, "e", 50)]).await;
        assert_eq!(event(&**store, &calendar, "e").await, Some(deleted));

        write(&**store, vec![put_event(&calendar, "e", "back")]).await;
        let back = event(&**store, &calendar, "e").await.unwrap();
        assert_eq!((back.event, back.deleted), (sample::event("back"), None));
    }

    /// Purging takes what was deleted before a time, of one calendar, and nothing else.
    async fn purge_takes_only_what_was_deleted_before(store: &S) {
        let (calendar, other) = (CalendarId::from("c"), CalendarId::from("other"));
        let mut writes = Vec::new();
        for id in ["live", "back", "old", "edge", "new"] {
            writes.push(put_event(&calendar, id, id));
            writes.push(put_event(&other, id, id));
        }
        for (id, when) in [("back", 1), ("old", 9), ("edge", 10), ("new", 11)] {
            writes.push(delete_event(&calendar, id, when));
            writes.push(delete_event(&other, id, when));
        }
        writes.push(put_event(&calendar, "back", "back"));
        writes.push(Write::PurgeDeleted { calendar: calendar.clone(), before: at(10), limit: usize::MAX });
        write(&**store, writes).await;

        let ids = |records: Vec<calsync_core::store::EventRecord>| {
            let mut ids: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(all_events(&**store, &calendar).await), ["back", "edge", "live", "new"]);
        assert_eq!(ids(all_events(&**store, &other).await), ["back", "edge", "live", "new", "old"]);
        assert_eq!(event(&**store, &calendar, "old").await, None);
        assert_eq!(store.events_by_uid(&calendar, &["uid-old"]).await.unwrap(), []);
    }

    /// Deleted events are forgotten so many at a time, those deleted first before the others, until none is left; what lives,
    /// was brought back or is younger stays, as does another calendar. A store that knows no limit forgets them at once, and
    /// counts nothing.
    async fn deleted_events_are_forgotten_in_rounds(store: &S) {
        let (calendar, other) = (CalendarId::from("c"), CalendarId::from("other"));
        let mut writes = Vec::new();
        // Ids against the order of time: when they were deleted decides.
        let deleted: [(&str, i64); 6] = [("f", 1), ("e", 2), ("d", 3), ("c", 4), ("b", 5), ("a", 6)];
        for id in deleted.iter().map(|(id, _)| *id).chain(["live", "back", "young"]) {
            writes.extend([put_event(&calendar, id, id), put_event(&other, id, id)]);
        }
        for (id, when) in deleted.into_iter().chain([("back", 1), ("young", 10)]) {
            writes.extend([delete_event(&calendar, id, when), delete_event(&other, id, when)]);
        }
        writes.push(put_event(&calendar, "back", "back"));
        write(&**store, writes).await;

        let left = async |of: &CalendarId| {
            let mut ids: Vec<String> =
                all_events(&**store, of).await.iter().map(|record| record.id.to_string()).collect();
            ids.sort();
            ids
        };
        let forget = async |limit: usize| {
            let purge = Write::PurgeDeleted { calendar: calendar.clone(), before: at(10), limit };
            write(&**store, vec![purge]).await.forgotten
        };
        let stays = ["back", "live", "young"];
        let rounds: [(usize, usize, &[&str]); 4] =
            [(0, 0, &["a", "b", "c", "d", "e", "f"]), (4, 4, &["a", "b"]), (4, 2, &[]), (4, 0, &[])];
        for (limit, count, gone_later) in rounds {
            let forgotten = forget(limit).await;
            let counts = !forgotten.is_empty();
            if counts {
                assert_eq!(forgotten, [count], "by {limit}");
            }
            let later = gone_later.iter().filter(|_| counts);
            let mut expected: Vec<&str> = stays.iter().chain(later).copied().collect();
            expected.sort_unstable();
            assert_eq!(left(&calendar).await, expected, "by {limit}");
        }
        assert_eq!(left(&other).await, ["a", "b", "back", "c", "d", "e", "f", "live", "young"]);
        for (id, _) in deleted {
            let uid = format!("uid-{id}");
            assert_eq!(store.events_by_uid(&calendar, &[&uid]).await.unwrap(), []);
            assert_eq!(store.events_by_uid(&other, &[&uid]).await.unwrap().len(), 1);
        }
        // In one batch with what it deletes, and one count for each.
        write(&**store, vec![put_event(&calendar, "a", "a"), put_event(&calendar, "b", "b")]).await;
        let purge = |of: &CalendarId| Write::PurgeDeleted { calendar: of.clone(), before: at(9), limit: 9 };
        let batch =
            vec![delete_event(&calendar, "a", 1), purge(&calendar), delete_event(&calendar, "b", 1), purge(&other)];
        let forgotten = write(&**store, batch).await.forgotten;
        assert!(forgotten.is_empty() || forgotten == [1, 6 + 1], "{forgotten:?}");
        assert_eq!(left(&calendar).await, ["b", "back", "live", "young"]);
        assert_eq!(left(&other).await, ["live", "young"]);
    }
}
