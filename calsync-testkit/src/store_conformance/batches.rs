//! What a batch is: all or nothing, on conditions, and seen at once.

use std::sync::Arc;

use calsync_core::{
    model::{CalendarId, LinkId},
    store::{BaseQuery, Batch, Expectation, Store, StoreErrorKind, Write},
};

use super::{
    cases,
    check::{all_events, batch, event, expect_event, refused, revisions, write},
    sample::{self, at, delete_event, put_base, put_event, put_outbox},
};

/// Nothing of this calendar and link is there.
async fn assert_empty(store: &impl Store, calendar: &CalendarId, link: &LinkId) {
    assert_eq!(all_events(store, calendar).await, []);
    assert_eq!(store.calendars().await.unwrap(), []);
    assert_eq!(store.link(link).await.unwrap(), None);
    assert_eq!(store.base_summaries(link, None, 10).await.unwrap(), []);
    assert_eq!(store.outbox(link, None, 10).await.unwrap(), []);
}

/// One write of each kind that has a unique row, all under one owner.
fn one_of_each(calendar: &CalendarId, link: &LinkId) -> Vec<Write> {
    vec![
        Write::PutCalendar(sample::calendar(calendar.as_str())),
        put_event(calendar, "e", "first"),
        Write::PutLink(Box::new(sample::link_state(link))),
        put_base(link, "item", "e"),
        put_outbox(link, "o1", "e"),
    ]
}

cases! {
    $ store_conformance_batches in batches;

    /// A batch that is refused by its last write leaves nothing behind, not even a used revision.
    async fn commit_is_atomic(store: &S) {
        let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
        let mut writes = one_of_each(&calendar, &link);
        writes.push(put_base(&link, "another item of the same event", "e"));
        assert_eq!(refused(&**store, batch(writes)).await, StoreErrorKind::InvalidInput);
        assert_empty(&**store, &calendar, &link).await;

        let receipt = write(&**store, one_of_each(&calendar, &link)).await;
        assert_eq!(revisions(&receipt), [1]);
        assert_eq!(store.link(&link).await.unwrap().unwrap().generation, 1);
    }

    /// A refused batch takes back replaced and deleted rows too.
    async fn commit_is_atomic_over_existing_rows(store: &S) {
        let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
        write(&**store, one_of_each(&calendar, &link)).await;
        let before = event(&**store, &calendar, "e").await;
        let refusal = refused(&**store, batch(vec![
            put_event(&calendar, "e", "second"),
            put_event(&calendar, "e", "third"),
            delete_event(&calendar, "e", 1),
            Write::PurgeDeleted { calendar: calendar.clone(), before: at(10), limit: usize::MAX },
            Write::DeleteOutbox { link: link.clone(), id: calsync_core::store::OutboxId("o1".to_owned()) },
            Write::DeleteBase { link: link.clone(), remote_id: "item".into() },
            put_base(&link, "item", "other"),
            put_base(&link, "second item", "other"),
        ])).await;
        assert_eq!(refusal, StoreErrorKind::InvalidInput);
        assert_eq!(event(&**store, &calendar, "e").await, before);
        assert_eq!(store.outbox(&link, None, 10).await.unwrap(), [sample::outbox(&link, "o1", "e")]);
        let by_event = store.bases(&link, BaseQuery::Events(&["e".into(), "other".into()])).await.unwrap();
        assert_eq!(by_event, [sample::base(&link, "item", "e")]);
    }

    /// An empty batch is accepted and does nothing.
    async fn empty_batch_is_accepted(store: &S) {
        let receipt = store.commit(Batch::default()).await.unwrap();
        assert_eq!(receipt.revisions, []);
    }

    /// Each kind of expectation, held and broken; the index says which one failed and nothing is written.
    async fn expectations_are_checked(store: &S) {
        let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
        write(&**store, vec![
            put_event(&calendar, "live", "live"),
            put_event(&calendar, "gone", "gone"),
            delete_event(&calendar, "gone", 1),
            Write::PutLink(Box::new(sample::link_state(&link))),
        ]).await;
        let link_is = |id: &str, generation| Expectation::Link { id: id.into(), generation };

        let held = vec![
            expect_event(&calendar, "live", Some(1)),
            expect_event(&calendar, "gone", Some(3)),
            expect_event(&calendar, "never", None),
            link_is("l", Some(1)),
            link_is("never", None),
        ];
        let broken = [
            expect_event(&calendar, "live", Some(2)),
            expect_event(&calendar, "live", Some(0)),
            expect_event(&calendar, "live", None),
            // Deleted is not the same as never there.
            expect_event(&calendar, "gone", None),
            expect_event(&calendar, "gone", Some(2)),
            expect_event(&calendar, "never", Some(1)),
            // The event of another calendar.
            expect_event(&"d".into(), "live", Some(1)),
            link_is("l", Some(2)),
            link_is("l", Some(0)),
            link_is("l", None),
            link_is("never", Some(1)),
        ];
        for expectation in broken {
            let mut expect = held.clone();
            expect.push(expectation.clone());
            expect.push(expect_event(&calendar, "live", Some(99)));
            let writes = vec![put_event(&calendar, "new", "new")];
            let kind = refused(&**store, Batch { expect, writes, ..Batch::default() }).await;
            assert_eq!(kind, StoreErrorKind::Conflict { expectation: held.len() }, "{expectation:?}");
            assert_eq!(event(&**store, &calendar, "new").await, None, "{expectation:?}");
        }

        let writes = vec![put_event(&calendar, "new", "new")];
        store.commit(Batch { expect: held, writes, ..Batch::default() }).await.unwrap();
        assert!(event(&**store, &calendar, "new").await.is_some());
    }

    /// The events of a UID are the expected ones: none, one, several, deleted ones too, of one calendar, in any order.
    async fn uids_are_expected(store: &S) {
        let (calendar, other) = (CalendarId::from("c"), CalendarId::from("other"));
        write(&**store, vec![
            put_event(&calendar, "one", "single"),
            put_event(&calendar, "a", "double"),
            put_event(&calendar, "b", "double"),
            put_event(&calendar, "gone", "deleted"),
            delete_event(&calendar, "gone", 1),
            put_event(&calendar, "renamed", "old name"),
            put_event(&calendar, "renamed", "new name"),
            put_event(&calendar, "purged", "purged"),
            delete_event(&calendar, "purged", -9),
            Write::PurgeDeleted { calendar: calendar.clone(), before: at(0), limit: usize::MAX },
            put_event(&other, "elsewhere", "other"),
        ]).await;
        let uid = |calendar: &CalendarId, title: &str, ids: &[&str]| Expectation::Uid {
            calendar: calendar.clone(),
            uid: format!("uid-{title}"),
            events: ids.iter().map(|&id| id.into()).collect(),
        };
        let held = vec![
            uid(&calendar, "never", &[]),
            uid(&calendar, "single", &["one"]),
            uid(&calendar, "SINGLE", &[]),
            uid(&calendar, "double", &["b", "a", "b"]),
            uid(&calendar, "deleted", &["gone"]),
            uid(&calendar, "old name", &[]),
            uid(&calendar, "new name", &["renamed"]),
            uid(&calendar, "purged", &[]),
            uid(&calendar, "other", &[]),
            uid(&other, "other", &["elsewhere"]),
        ];
        let broken = [
            uid(&calendar, "never", &["one"]),
            uid(&calendar, "single", &[]),
            uid(&calendar, "single", &["a"]),
            uid(&calendar, "single", &["one", "a"]),
            uid(&calendar, "double", &["a"]),
            uid(&calendar, "deleted", &[]),
            uid(&calendar, "old name", &["renamed"]),
            uid(&calendar, "purged", &["purged"]),
            uid(&other, "single", &["one"]),
        ];
        for expectation in broken {
            let mut expect = held.clone();
            expect.push(expectation);
            let writes = vec![put_event(&calendar, "new", "never")];
            let kind = refused(&**store, Batch { expect, writes, ..Batch::default() }).await;
            assert_eq!(kind, StoreErrorKind::Conflict { expectation: held.len() });
        }
        assert_eq!(event(&**store, &calendar, "new").await, None);
        let writes = vec![put_event(&calendar, "new", "never")];
        store.commit(Batch { expect: held, writes, ..Batch::default() }).await.unwrap();
    }

    /// Eight writers found no event with a UID, and each makes one under an id of its own: one is made.
    async fn one_of_concurrent_writers_makes_a_uid(store: &S) {
        let calendar = CalendarId::from("c");
        let tasks: Vec<_> = (0..8).map(|writer| {
            let (store, calendar) = (Arc::clone(store), calendar.clone());
            tokio::spawn(async move {
                let expect = vec![Expectation::Uid {
                    calendar: calendar.clone(), uid: "uid-same".to_owned(), events: Vec::new(),
                }];
                let writes = vec![put_event(&calendar, &format!("of {writer}"), "same")];
                store.commit(Batch { expect, writes, ..Batch::default() }).await.map_err(|error| error.kind)
            })
        }).collect();
        let mut made = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => made += 1,
                Err(kind) => assert_eq!(kind, StoreErrorKind::Conflict { expectation: 0 }),
            }
        }
        assert_eq!((made, all_events(&**store, &calendar).await.len()), (1, 1));
    }

    /// Expectations are about what was there before the batch, not about its own writes.
    async fn expectations_come_before_writes(store: &S) {
        let calendar = CalendarId::from("c");
        let expect = vec![expect_event(&calendar, "e", None)];
        let writes = vec![put_event(&calendar, "e", "a"), put_event(&calendar, "e", "b")];
        store.commit(Batch { expect, writes, ..Batch::default() }).await.unwrap();

        let expect = vec![expect_event(&calendar, "e", Some(2))];
        let writes = vec![put_event(&calendar, "e", "c")];
        store.commit(Batch { expect, writes, ..Batch::default() }).await.unwrap();
    }

    /// Eight writers decide on the same state: exactly one wins, the others are told, and nothing is mixed.
    async fn one_of_concurrent_commits_wins(store: &S) {
        let calendar = CalendarId::from("c");
        write(&**store, vec![put_event(&calendar, "e", "start")]).await;
        let tasks: Vec<_> = (0..8).map(|writer| {
            let (store, calendar) = (Arc::clone(store), calendar.clone());
            tokio::spawn(async move {
                let expect = vec![expect_event(&calendar, "e", Some(1))];
                let writes = vec![
                    put_event(&calendar, "e", &format!("by {writer}")),
                    put_event(&calendar, &format!("also {writer}"), &format!("by {writer}")),
                ];
                store.commit(Batch { expect, writes, ..Batch::default() }).await.map_err(|error| error.kind)
            })
        }).collect();
        let mut winners = Vec::new();
        for (writer, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(receipt) => winners.push((writer, revisions(&receipt))),
                Err(kind) => assert_eq!(kind, StoreErrorKind::Conflict { expectation: 0 }),
            }
        }
        let [(winner, written)] = &winners[..] else { panic!("{} writers won", winners.len()) };
        assert_eq!(written, &[2, 3]);
        let kept = all_events(&**store, &calendar).await;
        let titles: Vec<_> = kept.iter().map(|record| record.event.uid.clone()).collect();
        assert_eq!(titles, vec![format!("uid-by {winner}"); 2]);
    }

    /// What was committed is in every later read, by every way to read it.
    async fn reads_see_earlier_commits(store: &S) {
        let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
        assert_empty(&**store, &calendar, &link).await;
        for round in 1..=3_u64 {
            let title = format!("round {round}");
            write(&**store, vec![
                Write::PutCalendar(calsync_core::model::Calendar {
                    name: title.clone(),
                    ..sample::calendar("c")
                }),
                put_event(&calendar, "e", &title),
                Write::PutLink(Box::new(sample::link_state(&link))),
                Write::PutBase(Box::new(calsync_core::store::BaseRecord {
                    version: Some(title.as_str().into()),
                    ..sample::base(&link, "item", "e")
                })),
                Write::PutOutbox(Box::new(calsync_core::store::OutboxEntry {
                    reason: title.clone(),
                    ..sample::outbox(&link, "o1", "e")
                })),
            ]).await;

            assert_eq!(store.calendars().await.unwrap()[0].name, title);
            let record = event(&**store, &calendar, "e").await.unwrap();
            assert_eq!(record.event, sample::event(&title));
            assert_eq!(record.revision.0, round);
            let uid = format!("uid-{title}");
            assert_eq!(store.events_by_uid(&calendar, &[&uid]).await.unwrap(), [record.clone()]);
            assert_eq!(all_events(&**store, &calendar).await, [record]);
            assert_eq!(store.link(&link).await.unwrap().unwrap().generation, round);
            let version = Some(title.as_str().into());
            assert_eq!(store.base_summaries(&link, None, 10).await.unwrap()[0].version, version);
            let remote = store.bases(&link, BaseQuery::Remote(&["item".into()])).await.unwrap();
            assert_eq!(remote[0].version, version);
            assert_eq!(store.bases(&link, BaseQuery::Events(&["e".into()])).await.unwrap(), remote);
            assert_eq!(store.outbox(&link, None, 10).await.unwrap()[0].reason, title);
        }
        let first = store.events_by_uid(&calendar, &["uid-round 1"]).await.unwrap();
        assert_eq!(first, [], "the UID of an earlier revision finds nothing");
    }
}
