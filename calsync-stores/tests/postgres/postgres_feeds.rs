//! Feeds over many processes: who reads one is woken by what others commit.

use std::{sync::Arc, time::Duration};

use calsync_core::{
    feed::{EventSeq, Feed, FeedEntry, Happened},
    model::CalendarId,
    store::{Batch, Store},
};
use calsync_stores::postgres::{
    PostgresConfig, PostgresStore,
    deadpool_postgres::tokio_postgres::{self, NoTls},
};
use calsync_testkit::store_conformance::sample;
use futures_util::{StreamExt as _, stream::BoxStream};

use crate::postgres_conformance::{hosts_pool, store, unique};

type Stream = BoxStream<'static, Result<FeedEntry, calsync_core::feed::FeedError>>;

fn put(id: &str) -> Batch {
    Batch { writes: vec![sample::put_event(&"c".into(), id, id)], ..Batch::default() }
}

/// The next entry, which comes because somebody rang.
async fn next(stream: &mut Stream) -> (u64, String) {
    let entry = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("it is woken");
    let entry = entry.unwrap().unwrap();
    let Happened::EventPut { event, .. } = entry.what else { panic!("{entry:?}") };
    (entry.seq.0, event.as_str().to_owned())
}

#[tokio::test]
async fn readers_are_woken_by_other_processes() {
    let name = unique("feeds");
    let config = PostgresConfig::default().with_schema(&name);
    let (ours, theirs) = (store(config.clone()).await, store(config.clone()).await);
    let mut listening: tokio_postgres::Config = calsync_testkit::postgres::url().parse().unwrap();
    listening.application_name(&name);
    let hearing = {
        let ours = ours.clone();
        tokio::spawn(async move { match ours.hear_others(&listening, NoTls).await {} })
    };
    let calendar = CalendarId::from("c");
    theirs.commit(put("before")).await.unwrap();
    let mut stream = Feed::new(Arc::new(ours.clone())).subscribe(&calendar, EventSeq(0));
    assert_eq!(next(&mut stream).await, (1, "before".to_owned()));
    let mut of_tenant = Feed::new(Arc::new(ours.tenant("t"))).subscribe(&calendar, EventSeq(0));

    theirs.commit(put("theirs")).await.unwrap();
    assert_eq!(next(&mut stream).await, (2, "theirs".to_owned()));
    theirs.tenant("t").commit(put("of a tenant")).await.unwrap();
    assert_eq!(next(&mut of_tenant).await, (1, "of a tenant".to_owned()));

    // In a transaction of a host, told when it is committed.
    let pool = hosts_pool("");
    let host = PostgresStore::with_pool(pool.clone(), config).await.unwrap();
    let mut connection = pool.get().await.unwrap();
    let transaction = connection.transaction().await.unwrap();
    host.commit_in(&transaction, put("taken back")).await.unwrap();
    transaction.rollback().await.unwrap();
    let transaction = connection.transaction().await.unwrap();
    host.commit_in(&transaction, put("the host's")).await.unwrap();
    assert_eq!(ours.feed(&calendar, EventSeq(2), 9).await.unwrap().last, EventSeq(2));
    transaction.commit().await.unwrap();
    assert_eq!(next(&mut stream).await, (3, "the host's".to_owned()));

    // What is committed while the connection is cut is found when it is made again.
    let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1";
    assert_eq!(connection.query(cut, &[&name]).await.unwrap().len(), 1);
    theirs.commit(put("after the cut")).await.unwrap();
    assert_eq!(next(&mut stream).await, (4, "after the cut".to_owned()));
    hearing.abort();
}
