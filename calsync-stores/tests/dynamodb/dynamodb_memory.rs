//! What one process remembers of the table another one changes: the transaction finds out, and the commit begins again.

use calsync_core::{
    model::{CalendarId, LinkId},
    store::{
        Batch, Edits, Expectation, LeaseEnd, LeaseGrant, LeaseToken, Opened, Opening, Revision, Store,
        StoreErrorKind, Write,
    },
};
use calsync_stores::dynamodb::{DynamoConfig, DynamoStore};
use calsync_testkit::store_conformance::sample::{self, at, put_base, put_event, put_outbox};
use chrono::TimeDelta;

use crate::dynamodb_conformance::{local, store, unique};

fn batch(writes: Vec<Write>) -> Batch {
    Batch { writes, ..Batch::default() }
}

/// Two processes at one table.
async fn two_processes(test: &str) -> (DynamoStore, DynamoStore) {
    let config = DynamoConfig::default().with_table(unique(test));
    (store(config.clone()).await, DynamoStore::new(local(), config))
}

async fn take(store: &DynamoStore, holder: &str, seconds: i64) -> LeaseToken {
    match store.acquire_lease("link:l", holder, at(seconds), TimeDelta::seconds(10)).await.unwrap() {
        LeaseGrant::Granted(token) => token,
        LeaseGrant::Held { .. } => panic!("it is free"),
    }
}

#[tokio::test]
async fn dynamodb_remembered_rows_are_checked_by_the_commit() {
    let (one, two) = two_processes("remembered").await;
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    let revision =
        |n| Expectation::Event { calendar: calendar.clone(), id: "e".into(), revision: Some(Revision(n)) };
    let put = |title: &str| batch(vec![put_event(&calendar, "e", title)]);
    let state = Write::PutLink(Box::new(sample::link_state(&link)));
    one.commit(batch(vec![state.clone(), put_event(&calendar, "e", "1"), put_base(&link, "item", "e")]))
        .await
        .unwrap();

    // The event.
    two.commit(put("2")).await.unwrap();
    let refused = one.commit(Batch { expect: vec![revision(1)], ..put("3") }).await.expect_err("it changed");
    assert_eq!(refused.kind, StoreErrorKind::Conflict { expectation: 0 });
    one.commit(Batch { expect: vec![revision(2)], ..put("3") }).await.unwrap();
    two.commit(put("4")).await.unwrap();
    let receipt = one.commit(put("5")).await.unwrap();
    assert_eq!(receipt.revisions[0].2, Revision(5), "none is given out twice");
    for (uid, found) in [("uid-4", 0), ("uid-5", 1)] {
        assert_eq!(one.events_by_uid(&calendar, &[uid]).await.unwrap().len(), found, "{uid}");
    }

    // The outbox, which was empty.
    two.commit(batch(vec![put_outbox(&link, "theirs", "e")])).await.unwrap();
    let second = one.commit(batch(vec![put_outbox(&link, "ours", "e")])).await.expect_err("one per event");
    assert_eq!(second.kind, StoreErrorKind::InvalidInput);

    // The base.
    let gone = Write::DeleteBase { link: link.clone(), remote_id: "item".into() };
    two.commit(batch(vec![gone, put_base(&link, "renamed", "e")])).await.unwrap();
    let second = one.commit(batch(vec![put_base(&link, "item", "e")])).await.expect_err("one per event");
    assert_eq!(second.kind, StoreErrorKind::InvalidInput);

    // The state of the link.
    two.commit(batch(vec![state.clone()])).await.unwrap();
    one.commit(batch(vec![state])).await.unwrap();
    assert_eq!(two.link(&link).await.unwrap().unwrap().generation, 3);

    let opening = Opening { lease: None, link: &link, calendar: &calendar, limit: 9 };
    let Opened::Link(found) = one.open(opening).await.unwrap() else { panic!("no lease was asked for") };
    assert_eq!((found.outbox.len(), found.edits), (1, Edits::Unseen));
}

#[tokio::test]
async fn dynamodb_remembered_lease_is_checked_by_the_commit() {
    let (one, two) = two_processes("lease").await;
    let link = LinkId::from("l");
    let run = |id: &str| vec![Write::PutRun(Box::new(sample::run(&link, id)))];
    let first = take(&one, "one", 0).await;
    let under = |token: &LeaseToken, id: &str| Batch { lease: Some(token.clone()), ..batch(run(id)) };
    one.commit(under(&first, "a")).await.unwrap();
    one.commit(under(&first, "b")).await.unwrap();
    let second = take(&two, "two", 10).await;
    let late = one.commit(under(&first, "c")).await.expect_err("the lease is lost");
    assert_eq!(late.kind, StoreErrorKind::Fenced);
    two.commit(Batch { lease_end: LeaseEnd::GivenBack, ..under(&second, "d") }).await.unwrap();
    assert_eq!(
        two.commit(under(&second, "e")).await.expect_err("it was given back").kind,
        StoreErrorKind::Fenced
    );
    assert_eq!(take(&one, "one", 11).await.epoch, second.epoch + 1);
}
