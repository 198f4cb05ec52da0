//! Change feeds, for stores that keep them.

use std::sync::Arc;

use calsync_core::{
    feed::{EventSeq, FeedEntry, FeedPage, Happened, News, Origin},
    model::{CalendarId, LinkId},
    store::{Batch, ConflictState, LeaseEnd, LeaseGrant, LinkHealth, Revision, Store, Write},
};
use chrono::TimeDelta;
use futures_util::FutureExt as _;

use super::{
    cases,
    check::{batch, expect_event, refused, write},
    sample::{self, at, delete_event, put_base, put_event},
};

async fn page(store: &impl Store, calendar: &CalendarId, after: u64, limit: usize) -> FeedPage {
    store.feed(calendar, EventSeq(after), limit).await.expect("the store keeps a feed")
}

/// All entries of a feed that has lost none.
async fn all(store: &impl Store, calendar: &CalendarId) -> Vec<FeedEntry> {
    let page = page(store, calendar, 0, usize::MAX).await;
    assert!(page.goes_on_after(EventSeq(0)), "{page:?}");
    page.entries
}

fn numbers(page: &FeedPage) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.seq.0).collect()
}

fn put(event: &str, revision: u64, by: Option<Origin>) -> Happened {
    Happened::EventPut { event: event.into(), revision: Revision(revision), by }
}

fn deleted(event: &str, revision: u64, by: Option<Origin>) -> Happened {
    Happened::EventDeleted { event: event.into(), revision: Revision(revision), by }
}

fn fares(calendar: &CalendarId, seconds: i64) -> News {
    let what = Happened::Link { link: "l".into(), health: LinkHealth::NeedsReauth };
    News { calendar: calendar.clone(), at: at(seconds), what }
}

/// Writes an event at a time so many seconds after noon.
fn put_at(calendar: &CalendarId, id: &str, seconds: i64) -> Write {
    let event = Box::new(sample::event(id));
    Write::PutEvent { calendar: calendar.clone(), id: id.into(), event, at: at(seconds) }
}

cases! {
    $ feed_conformance in feeds;

    /// Each event that is written has one entry, with its revision and who wrote it; a delete that does nothing has none. What
    /// the batch tells besides comes after its events. Each calendar has a feed of its own.
    async fn feed_tells_every_change_once(store: &S) {
        let (calendar, other) = (CalendarId::from("c"), CalendarId::from("c/"));
        write(&**store, vec![put_event(&calendar, "a", "a"), put_event(&other, "a", "a")]).await;
        let by = Some(Origin { link: LinkId::from("l"), run: "r".into() });
        let writes = vec![
            delete_event(&calendar, "a", 3),
            delete_event(&calendar, "a", 4),
            delete_event(&calendar, "never", 4),
            put_event(&calendar, "b", "b"),
            put_event(&calendar, "a", "back"),
            put_event(&calendar, "b", "b again"),
        ];
        let conflict = Happened::Conflict {
            conflict: "k".to_owned(),
            link: "l".into(),
            event: "b".into(),
            state: ConflictState::Open,
        };
        let news = vec![
            News { calendar: calendar.clone(), at: at(7), what: conflict.clone() },
            fares(&other, 8),
            fares(&calendar, 9),
        ];
        let link = vec![fares(&calendar, 10)];
        store.commit(Batch { writes, by: by.clone(), news, ..Batch::default() }).await.unwrap();
        store.commit(Batch { news: link, ..Batch::default() }).await.unwrap();

        let health = fares(&calendar, 0).what;
        let expected = [
            (0, put("a", 1, None)),
            (3, deleted("a", 2, by.clone())),
            (0, put("b", 3, by.clone())),
            (0, put("a", 4, by.clone())),
            (0, put("b", 5, by)),
            (7, conflict),
            (9, health.clone()),
            (10, health.clone()),
        ];
        let expected: Vec<FeedEntry> = (1..)
            .zip(expected)
            .map(|(seq, (seconds, what))| FeedEntry { seq: EventSeq(seq), at: at(seconds), what })
            .collect();
        assert_eq!(all(&**store, &calendar).await, expected);
        let expected = [
            FeedEntry { seq: EventSeq(1), at: at(0), what: put("a", 1, None) },
            FeedEntry { seq: EventSeq(2), at: at(8), what: health },
        ];
        assert_eq!(all(&**store, &other).await, expected);
    }

    /// News go with whatever else a batch writes, or with nothing: a link's state under a lease that ends, and rows of a link
    /// behind an expectation.
    async fn news_come_with_any_batch(store: &S) {
        let calendar = CalendarId::from("c");
        let link = LinkId::from("l");
        write(&**store, vec![put_event(&calendar, "e", "e")]).await;
        let minute = TimeDelta::seconds(60);
        let granted = store.acquire_lease("link:l", "me", at(0), minute).await.unwrap();
        let LeaseGrant::Granted(token) = granted else { panic!("it is free") };
        let guarded = Batch {
            lease: Some(token.clone()),
            expect: vec![expect_event(&calendar, "e", Some(1))],
            writes: vec![put_base(&link, "item", "e")],
            news: vec![fares(&calendar, 1)],
            ..Batch::default()
        };
        store.commit(guarded).await.unwrap();
        let last = Batch {
            lease: Some(token.clone()),
            lease_end: LeaseEnd::GivenBack,
            writes: vec![Write::PutLink(Box::new(sample::link_state(&link)))],
            news: vec![fares(&calendar, 2)],
            ..Batch::default()
        };
        store.commit(last).await.unwrap();
        let late = Batch { lease: Some(token), news: vec![fares(&calendar, 3)], ..Batch::default() };
        refused(&**store, late).await;
        let told = all(&**store, &calendar).await;
        assert_eq!(told.iter().map(|entry| entry.at).collect::<Vec<_>>(), [at(0), at(1), at(2)]);
    }

    /// A batch that is refused tells nothing and takes no number.
    async fn refused_batch_tells_nothing(store: &S) {
        let calendar = CalendarId::from("c");
        let link = LinkId::from("l");
        write(&**store, vec![put_event(&calendar, "a", "a")]).await;
        let taken = vec![put_event(&calendar, "b", "b"), put_base(&link, "one", "b"), put_base(&link, "two", "b")];
        refused(&**store, Batch { news: vec![fares(&calendar, 1)], ..batch(taken) }).await;
        let expect = vec![expect_event(&calendar, "a", Some(7))];
        refused(&**store, Batch { expect, ..batch(vec![put_event(&calendar, "b", "b")]) }).await;
        assert_eq!(page(&**store, &calendar, 0, 9).await.last, EventSeq(1));
        write(&**store, vec![put_event(&calendar, "c", "c")]).await;
        let told: Vec<Happened> = all(&**store, &calendar).await.into_iter().map(|entry| entry.what).collect();
        assert_eq!(told, [put("a", 1, None), put("c", 2, None)]);
    }

    /// Pages begin after a number and hold at most so many; each says which entry is the last.
    async fn feed_is_paged(store: &S) {
        let calendar = CalendarId::from("c");
        assert_eq!(page(&**store, &calendar, 0, 9).await, FeedPage::default());
        for n in 0..3 {
            let writes = (0..3).map(|m| put_event(&calendar, &format!("e{n}{m}"), "e")).collect();
            write(&**store, writes).await;
        }
        let table: [(u64, usize, &[u64]); 6] = [
            (0, 0, &[]),
            (0, 2, &[1, 2]),
            (2, 2, &[3, 4]),
            (4, 9, &[5, 6, 7, 8, 9]),
            (9, 9, &[]),
            (u64::MAX, 9, &[]),
        ];
        for (after, limit, expected) in table {
            let page = page(&**store, &calendar, after, limit).await;
            assert_eq!((numbers(&page).as_slice(), page.last), (expected, EventSeq(9)), "{limit} after {after}");
        }
        let ahead = page(&**store, &calendar, 10, 9).await;
        assert!(!ahead.goes_on_after(EventSeq(10)), "the store never wrote it");
        assert!(page(&**store, &calendar, 9, 9).await.goes_on_after(EventSeq(9)));
    }

    /// A batch as large as a store is ever given.
    async fn large_batch_is_told_in_order(store: &S) {
        let calendar = CalendarId::from("c");
        let writes: Vec<Write> = (0..300).map(|n| put_event(&calendar, &format!("e{n}"), "e")).collect();
        write(&**store, vec![put_event(&calendar, "first", "e")]).await;
        write(&**store, writes).await;
        write(&**store, vec![put_event(&calendar, "last", "e")]).await;
        let told = all(&**store, &calendar).await;
        assert_eq!(told.len(), 302);
        for (entry, revision) in told.iter().zip(1..) {
            assert!(matches!(&entry.what, Happened::EventPut { revision: Revision(n), .. } if *n == revision));
        }
        let some = page(&**store, &calendar, 100, 7).await;
        assert_eq!(numbers(&some), (101..108).collect::<Vec<_>>());
    }

    /// While several write, a reader who goes on from what it saw last meets every entry once and in order, and each tells of a
    /// revision that is there.
    async fn feed_has_no_gaps(store: &S) {
        const WRITERS: u64 = 3;
        const EACH: u64 = 8;
        let calendar = CalendarId::from("c");
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, calendar) = (Arc::clone(store), calendar.clone());
                tokio::spawn(async move {
                    for n in 0..EACH {
                        let mut batch = batch(vec![put_event(&calendar, &format!("e{writer}-{n}"), "e")]);
                        batch.news = vec![fares(&calendar, 0)];
                        // Another one was quicker, again and again.
                        while store.commit(batch.clone()).await.is_err() {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        let (mut after, mut revision) = (0, 0);
        loop {
            // Asked before reading: the last read comes after the last write.
            let ended = writers.iter().all(|writer| writer.is_finished());
            let page = page(&**store, &calendar, after, 5).await;
            assert!(page.goes_on_after(EventSeq(after)), "after {after}: {page:?}");
            for entry in &page.entries {
                if let Happened::EventPut { revision: next, .. } = &entry.what {
                    revision += 1;
                    assert_eq!(next.0, revision, "entries are in the order of the revisions");
                }
            }
            match page.entries.last() {
                Some(last) => after = last.seq.0,
                None if ended => break,
                None => tokio::task::yield_now().await,
            }
        }
        assert_eq!((after, revision), (WRITERS * EACH * 2, WRITERS * EACH));
        for writer in writers {
            writer.await.unwrap();
        }
    }

    /// Of the oldest entries those up to the last old one go, at most so many; numbers go on where they stopped, also when all
    /// are gone, and who asks for what is gone can tell.
    async fn feed_is_cut_at_its_old_end(store: &S) {
        let (calendar, other) = (CalendarId::from("c"), CalendarId::from("c/"));
        // One from a clock that is ahead, among old ones.
        for (n, seconds) in [-9, -8, 99, -7, 0, 1].into_iter().enumerate() {
            write(&**store, vec![put_at(&calendar, &format!("e{n}"), seconds), put_at(&other, &format!("e{n}"), -9)]).await;
        }
        let steps: [(usize, usize, &[u64]); 5] = [
            (0, 0, &[1, 2, 3, 4, 5, 6]),
            (1, 1, &[2, 3, 4, 5, 6]),
            (2, 1, &[3, 4, 5, 6]),
            (100, 2, &[5, 6]),
            (100, 0, &[5, 6]),
        ];
        for (limit, count, expected) in steps {
            assert_eq!(store.forget_feed(&calendar, at(0), limit).await.unwrap(), count, "{limit}");
            let page = page(&**store, &calendar, 0, 9).await;
            assert_eq!((numbers(&page).as_slice(), page.last), (expected, EventSeq(6)), "{limit}");
        }
        assert!(!page(&**store, &calendar, 3, 9).await.goes_on_after(EventSeq(3)));
        assert!(page(&**store, &calendar, 4, 9).await.goes_on_after(EventSeq(4)));
        assert_eq!(store.forget_feed(&calendar, at(100), usize::MAX).await.unwrap(), 2);
        let none = page(&**store, &calendar, 0, 9).await;
        assert_eq!(none, FeedPage { last: EventSeq(6), entries: Vec::new() });
        assert!(!none.goes_on_after(EventSeq(5)) && none.goes_on_after(EventSeq(6)));
        write(&**store, vec![put_at(&calendar, "e", 2)]).await;
        assert_eq!(numbers(&page(&**store, &calendar, 6, 9).await), [7]);
        assert_eq!(numbers(&page(&**store, &other, 0, 9).await), [1, 2, 3, 4, 5, 6]);
    }

    /// Whoever listens is woken by what is written to its calendar in this process, and by nothing else.
    async fn feed_rings(store: &S) {
        let (calendar, other) = (CalendarId::from("c"), CalendarId::from("other"));
        let Some(bell) = store.bell() else { return };
        let mut ear = bell.listen(&calendar);
        write(&**store, vec![put_event(&other, "e", "e")]).await;
        let writes = vec![put_event(&calendar, "e", "e")];
        let expect = vec![expect_event(&calendar, "e", Some(1))];
        refused(&**store, Batch { expect, ..batch(writes.clone()) }).await;
        assert!(ear.rung().now_or_never().is_none());
        write(&**store, writes).await;
        assert!(ear.rung().now_or_never().is_some());
        assert!(ear.rung().now_or_never().is_none(), "once");
        store.commit(Batch { news: vec![fares(&calendar, 0)], ..Batch::default() }).await.unwrap();
        assert!(ear.rung().now_or_never().is_some());
    }
}

/// Tenants have feeds of their own, with numbers of their own; what is written to one rings for no other.
pub async fn tenants_have_feeds_of_their_own(one: &impl Store, two: &impl Store) {
    let calendar = CalendarId::from("c");
    let mut ears = [one.bell(), two.bell()].map(|bell| bell.map(|bell| bell.listen(&calendar)));
    write(one, vec![put_at(&calendar, "a", -9), put_at(&calendar, "b", -9)]).await;
    assert_eq!(page(two, &calendar, 0, 9).await, FeedPage::default());
    if let [Some(first), Some(second)] = &mut ears {
        assert!(first.rung().now_or_never().is_some() && second.rung().now_or_never().is_none());
    }
    write(two, vec![put_at(&calendar, "c", -9)]).await;
    assert_eq!(all(two, &calendar).await[0].what, put("c", 1, None));
    assert_eq!(one.forget_feed(&calendar, at(0), 9).await.unwrap(), 2);
    assert_eq!(all(two, &calendar).await.len(), 1);
}

/// Makes a test of every case about the feeds of tenants. Its argument is that of
/// [`tenant_conformance!`](macro@crate::tenant_conformance).
#[macro_export]
macro_rules! tenant_feed_conformance {
    ($factory:expr) => {
        #[::tokio::test]
        async fn tenants_have_feeds_of_their_own() {
            let of = ($factory)().await;
            $crate::store_conformance::feeds::tenants_have_feeds_of_their_own(&of("one"), &of("two")).await;
        }
    };
}
