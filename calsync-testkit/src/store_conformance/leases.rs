//! Leases and fencing.

use std::sync::Arc;

use calsync_core::{
    model::{CalendarId, LinkId},
    store::{
        Batch, Doc, DocQuery, LeaseEnd, LeaseGrant, LeaseToken, Log, OutboxId, RecordKind, RecordQuery,
        Store, StoreErrorKind, Write,
    },
};
use chrono::TimeDelta;

use super::{
    cases,
    check::{all_events, expect_event, refused},
    sample::{self, at, put_base, put_event, put_outbox},
};

/// Asks for the lease `name` for 60 seconds, so many seconds after noon.
async fn ask(store: &impl Store, name: &str, holder: &str, seconds: i64) -> LeaseGrant {
    store.acquire_lease(name, holder, at(seconds), TimeDelta::seconds(60)).await.unwrap()
}

/// Asks for a lease that must be granted.
async fn take(store: &impl Store, name: &str, holder: &str, seconds: i64) -> LeaseToken {
    match ask(store, name, holder, seconds).await {
        LeaseGrant::Granted(token) => token,
        held @ LeaseGrant::Held { .. } => panic!("{holder} gets the lease, not {held:?}"),
    }
}

/// A batch that writes one event under a lease.
fn under(token: &LeaseToken) -> Batch {
    let writes = vec![put_event(&CalendarId::from("c"), "e", "e")];
    Batch { lease: Some(token.clone()), writes, ..Batch::default() }
}

cases! {
    $ store_conformance_leases in leases;

    /// Two workers, the first one late: its token is refused in the commit, and nothing it decided is written.
    async fn late_holder_is_fenced(store: &S) {
        let first = take(&**store, "link", "a", 0).await;
        store.commit(under(&first)).await.unwrap();
        let second = take(&**store, "link", "b", 60).await;
        assert!(second.epoch > first.epoch);

        assert_eq!(refused(&**store, under(&first)).await, StoreErrorKind::Fenced);
        assert_eq!(all_events(&**store, &"c".into()).await[0].revision.0, 1, "nothing was written");
        store.commit(under(&second)).await.unwrap();
        assert_eq!(all_events(&**store, &"c".into()).await[0].revision.0, 2);
    }

    /// A late holder is refused whatever it writes, also what depends on nothing else, and nothing at all.
    async fn late_holder_writes_nothing_of_any_kind(store: &S) {
        let link = LinkId::from("l");
        let first = take(&**store, "link", "a", 0).await;
        let early = vec![
            put_base(&link, "item", "e"),
            put_outbox(&link, "o", "e"),
            Write::PutQuarantine(Box::new(sample::quarantine(&link, "item"))),
            Write::PutRun(Box::new(sample::run(&link, "r"))),
        ];
        store.commit(Batch { lease: Some(first.clone()), writes: early, ..Batch::default() }).await.unwrap();
        take(&**store, "link", "b", 60).await;
        let late = [
            Write::PutCalendar(sample::calendar("c")),
            put_event(&"c".into(), "e", "e"),
            Write::PutLink(Box::new(sample::link_state(&link))),
            put_base(&link, "second", "f"),
            Write::DeleteBase { link: link.clone(), remote_id: "item".into() },
            put_outbox(&link, "second", "f"),
            Write::DeleteOutbox { link: link.clone(), id: OutboxId("o".to_owned()) },
            Write::PutConflict(Box::new(sample::conflict(&link, "k", "e", "r"))),
            Write::DeleteQuarantine { link: link.clone(), remote_id: "item".into() },
            Write::PutRun(Box::new(sample::run(&link, "second"))),
            Write::PutJournal(Box::new(sample::journal(&link, "j", "e", "r"))),
            Write::PurgeLog { link: link.clone(), log: Log::Runs, before: at(999), limit: 9 },
            Write::PutDoc(Doc::new("s", "k", "")),
            Write::DeleteDoc { space: "s".to_owned(), key: "k".to_owned() },
        ];
        let alone = late.iter().map(|write| vec![write.clone()]);
        for writes in alone.chain([late.to_vec(), Vec::new()]) {
            let batch = Batch { lease: Some(first.clone()), writes, ..Batch::default() };
            let shown = format!("{:?}", batch.writes);
            assert_eq!(refused(&**store, batch).await, StoreErrorKind::Fenced, "{shown}");
        }
        assert_eq!(store.calendars().await.unwrap(), []);
        assert_eq!(all_events(&**store, &"c".into()).await, []);
        assert_eq!(store.link(&link).await.unwrap(), None);
        assert_eq!(store.base_summaries(&link, None, 9).await.unwrap().len(), 1);
        assert_eq!(store.outbox(&link, None, 9).await.unwrap(), [sample::outbox(&link, "o", "e")]);
        assert_eq!(store.docs("s", DocQuery::Page { after: None, limit: 9 }).await.unwrap(), []);
        let kinds = [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal];
        for (kind, count) in kinds.into_iter().zip([0, 1, 1, 0]) {
            let query = RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 9 };
            assert_eq!(store.records(query).await.unwrap().len(), count, "{kind:?}");
        }
    }

    /// Being fenced is said first: a writer that must stop is not sent to read again.
    async fn fencing_comes_before_expectations(store: &S) {
        let first = take(&**store, "link", "a", 0).await;
        take(&**store, "link", "b", 60).await;
        let expect = vec![expect_event(&"c".into(), "never", Some(1))];
        assert_eq!(refused(&**store, Batch { expect, ..under(&first) }).await, StoreErrorKind::Fenced);
    }

    /// A token nobody was given is refused, however large its epoch.
    async fn made_up_tokens_are_refused(store: &S) {
        let token = take(&**store, "link", "a", 0).await;
        for made_up in [
            LeaseToken { name: "never taken".to_owned(), epoch: 1 },
            LeaseToken { epoch: token.epoch + 1, ..token.clone() },
            LeaseToken { epoch: 0, ..token.clone() },
            LeaseToken { epoch: u64::MAX, ..token.clone() },
        ] {
            assert_eq!(refused(&**store, under(&made_up)).await, StoreErrorKind::Fenced, "{made_up:?}");
            store.release_lease(&made_up).await.unwrap();
        }
        store.commit(under(&token)).await.unwrap();
    }

    /// While one has it, others are told until when; from that moment on it is free.
    async fn lease_is_taken_over_when_it_ran_out(store: &S) {
        let first = take(&**store, "link", "a", 0).await;
        assert_eq!(ask(&**store, "link", "b", 59).await, LeaseGrant::Held { until: at(60) });
        // Nobody asked meanwhile: the lease ran out, but no other can have committed. The epoch decides, not a clock.
        store.commit(under(&first)).await.unwrap();
        let second = take(&**store, "link", "b", 60).await;
        assert_eq!(second.epoch, first.epoch + 1);
        assert_eq!(ask(&**store, "link", "a", 61).await, LeaseGrant::Held { until: at(120) });
    }

    /// The same holder gets the same token while the lease runs, and a new one after it ran out.
    async fn lease_is_renewed_by_its_holder(store: &S) {
        let token = take(&**store, "link", "a", 0).await;
        assert_eq!(take(&**store, "link", "a", 30).await, token);
        assert_eq!(ask(&**store, "link", "b", 70).await, LeaseGrant::Held { until: at(90) });
        let late = take(&**store, "link", "a", 90).await;
        assert!(late.epoch > token.epoch);
        assert_eq!(refused(&**store, under(&token)).await, StoreErrorKind::Fenced);
    }

    /// A lease that was given back is free at once, its token is dead, and its epoch never starts again.
    async fn lease_is_given_back(store: &S) {
        let first = take(&**store, "link", "a", 0).await;
        store.release_lease(&first).await.unwrap();
        assert_eq!(refused(&**store, under(&first)).await, StoreErrorKind::Fenced);
        let second = take(&**store, "link", "b", 1).await;
        assert_eq!(second.epoch, first.epoch + 1);

        // The first holder's second goodbye does not take the lease from the second.
        store.release_lease(&first).await.unwrap();
        assert_eq!(ask(&**store, "link", "c", 2).await, LeaseGrant::Held { until: at(61) });
        store.commit(under(&second)).await.unwrap();

        store.release_lease(&second).await.unwrap();
        let third = take(&**store, "link", "b", 3).await;
        assert_eq!(third.epoch, second.epoch + 1, "also for the holder that gave it back");
    }

    /// A batch may end its lease: free at once, its token dead; a batch that is refused ends nothing.
    async fn lease_is_given_back_with_a_batch(store: &S) {
        let last = |token: &LeaseToken| Batch { lease_end: LeaseEnd::GivenBack, ..under(token) };
        let first = take(&**store, "link", "a", 0).await;
        store.commit(under(&first)).await.unwrap();
        let expect = vec![expect_event(&"c".into(), "e", Some(9))];
        let kind = refused(&**store, Batch { expect, ..last(&first) }).await;
        assert_eq!(kind, StoreErrorKind::Conflict { expectation: 0 });
        assert_eq!(ask(&**store, "link", "b", 1).await, LeaseGrant::Held { until: at(60) }, "it was refused");

        store.commit(last(&first)).await.unwrap();
        assert_eq!(all_events(&**store, &"c".into()).await[0].revision.0, 2, "it was written");
        assert_eq!(refused(&**store, under(&first)).await, StoreErrorKind::Fenced);
        assert_eq!(refused(&**store, last(&first)).await, StoreErrorKind::Fenced);
        let second = take(&**store, "link", "b", 2).await;
        assert_eq!(second.epoch, first.epoch + 1);
        // Whatever a batch writes, also what depends on nothing else, and nothing at all.
        let link = LinkId::from("l");
        let run = vec![Write::PutRun(Box::new(sample::run(&link, "r")))];
        let state = vec![Write::PutLink(Box::new(sample::link_state(&link)))];
        let mut token = second;
        for (round, writes) in [run, state, Vec::new()].into_iter().enumerate() {
            store.commit(Batch { writes, ..last(&token) }).await.unwrap();
            assert_eq!(refused(&**store, under(&token)).await, StoreErrorKind::Fenced, "{round}");
            token = take(&**store, "link", "c", 3).await;
            assert_eq!(token.epoch, first.epoch + 2 + round as u64);
        }
        // Without a lease there is none to end.
        let batch = Batch { lease: None, ..last(&token) };
        store.commit(batch).await.unwrap();
        store.commit(under(&token)).await.unwrap();
    }

    /// Leases of different names know nothing of each other.
    async fn leases_have_names(store: &S) {
        let one = take(&**store, "one", "a", 0).await;
        let two = take(&**store, "two", "b", 0).await;
        store.commit(under(&one)).await.unwrap();
        store.commit(under(&two)).await.unwrap();
        store.release_lease(&one).await.unwrap();
        store.commit(under(&two)).await.unwrap();
    }

    /// A lease for no time at all would be granted and free at once.
    async fn lease_needs_a_duration(store: &S) {
        for ttl in [TimeDelta::zero(), TimeDelta::seconds(-1), TimeDelta::MAX] {
            let error = store.acquire_lease("link", "a", at(0), ttl).await.expect_err("refused");
            assert_eq!(error.kind, StoreErrorKind::InvalidInput, "{ttl}");
        }
        assert_eq!(take(&**store, "link", "b", 0).await.epoch, 1);
    }

    /// Eight workers ask at the same moment: one gets it.
    async fn one_of_concurrent_workers_gets_the_lease(store: &S) {
        let tasks: Vec<_> = (0..8).map(|worker| {
            let store = Arc::clone(store);
            tokio::spawn(async move { ask(&*store, "link", &format!("worker {worker}"), 0).await })
        }).collect();
        let mut granted = 0;
        for task in tasks {
            match task.await.unwrap() {
                LeaseGrant::Granted(token) => {
                    assert_eq!(token.epoch, 1);
                    granted += 1;
                }
                LeaseGrant::Held { until } => assert_eq!(until, at(60)),
            }
        }
        assert_eq!(granted, 1);
    }
}
