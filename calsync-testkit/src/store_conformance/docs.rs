//! Documents: small rows with a version that workers share.

use std::sync::Arc;

use calsync_core::store::{
    Allowance, Batch, BudgetRequest, Budgets, Doc, DocQuery, Expectation, Rate, Store, StoreBudgets,
    StoreErrorKind, Write,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    cases,
    check::{batch, refused, write},
    owners::odd_names,
    sample::{at, put_base},
};

/// A document that is never due.
fn doc(space: &str, key: &str, value: &str) -> Write {
    Write::PutDoc(Doc::new(space, key, value))
}

/// A document that is due so many seconds after noon.
fn due(space: &str, key: &str, when: DateTime<Utc>) -> Write {
    Write::PutDoc(Doc::new(space, key, key).with_due(Some(when)))
}

fn delete(space: &str, key: &str) -> Write {
    Write::DeleteDoc { space: space.to_owned(), key: key.to_owned() }
}

/// The one document, when it is there.
async fn one(store: &impl Store, space: &str, key: &str) -> Option<Doc> {
    let mut found = store.docs(space, DocQuery::Keys(&[key])).await.unwrap();
    assert!(found.len() <= 1, "one key names one document");
    found.pop()
}

/// The keys of what a query finds.
async fn keys(store: &impl Store, space: &str, query: DocQuery<'_>) -> Vec<String> {
    store.docs(space, query).await.unwrap().into_iter().map(|doc| doc.key).collect()
}

fn expect(space: &str, key: &str, version: Option<u64>) -> Expectation {
    Expectation::Doc { space: space.to_owned(), key: key.to_owned(), version }
}

cases! {
    $ store_conformance_docs in docs;

    /// Values are bytes, 64 KiB of them at least; what was put last is what is read, with the version of the receipt.
    async fn docs_round_trip(store: &S) {
        let values: [Vec<u8>; 5] = [
            Vec::new(),
            vec![0],
            (0..=u8::MAX).collect(),
            b"{\"json\": \"\\u0000 \xf0\x9f\x93\x85\"}\r\n".to_vec(),
            vec![0xff; 64 * 1024],
        ];
        for (n, value) in values.into_iter().enumerate() {
            let due = (n % 2 == 1).then(|| at(0) + TimeDelta::microseconds(1));
            let mut written = Doc::new("space", "key", value).with_due(due);
            let receipt = write(&**store, vec![Write::PutDoc(Doc { version: 77, ..written.clone() })]).await;
            written.version = receipt.doc_versions[0];
            assert!(one(&**store, "space", "key").await == Some(written), "value {n}");
        }
        write(&**store, vec![delete("space", "key"), delete("space", "never there")]).await;
        assert_eq!(one(&**store, "space", "key").await, None);
    }

    /// A key may be in several spaces, and every odd name is told apart in both places.
    async fn spaces_are_isolated(store: &S) {
        let names = odd_names();
        for space in &names {
            write(&**store, vec![due(space, "shared", at(0)), doc(space, space, "own")]).await;
        }
        for space in &names {
            let mut expected = vec![space.as_str(), "shared"];
            expected.sort_unstable();
            let page = DocQuery::Page { after: None, limit: usize::MAX };
            assert_eq!(keys(&**store, space, page).await, expected, "{space:?}");
            let due = DocQuery::Due { at: at(0), limit: usize::MAX };
            assert_eq!(keys(&**store, space, due).await, ["shared"], "{space:?}");
            let asked: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(keys(&**store, space, DocQuery::Keys(&asked)).await, [space.as_str()]);
        }
        write(&**store, vec![delete("a", "shared")]).await;
        assert_eq!(one(&**store, "a", "shared").await, None);
        assert!(one(&**store, "A", "shared").await.is_some());
    }

    /// A space is listed by the bytes of its keys, each once, in pages of any size.
    async fn docs_are_paged(store: &S) {
        let mut names = odd_names();
        names.sort();
        write(&**store, names.iter().rev().map(|name| doc("space", name, "")).collect()).await;
        write(&**store, vec![doc("other", "a", "")]).await;
        for limit in [1, 7, names.len() - 1, names.len(), usize::MAX] {
            let (mut after, mut found): (Option<String>, Vec<String>) = (None, Vec::new());
            loop {
                let page = DocQuery::Page { after: after.as_deref(), limit };
                let page = keys(&**store, "space", page).await;
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                found.extend(page);
                assert!(found.len() <= names.len(), "in pages of {limit}: a row comes twice");
            }
            assert_eq!(found, names, "in pages of {limit}");
        }
        assert_eq!(keys(&**store, "space", DocQuery::Page { after: None, limit: 0 }).await.len(), 0);
        assert_eq!(keys(&**store, "space", DocQuery::Keys(&[])).await.len(), 0);
        assert_eq!(keys(&**store, "space", DocQuery::Keys(&["a", "a"])).await, ["a"], "answered once");
    }

    /// What is due comes longest overdue first, to the microsecond; what is put off, done or removed does not come.
    async fn due_docs_come_in_order(store: &S) {
        let micro = TimeDelta::microseconds(1);
        write(&**store, vec![
            due("space", "now", at(0)),
            due("space", "b at once", at(-5)),
            due("space", "a at once", at(-5)),
            due("space", "later", at(0) + micro),
            due("space", "earliest", DateTime::UNIX_EPOCH - micro),
            doc("space", "never", ""),
            due("other", "not asked for", at(-9)),
        ]).await;
        let all = ["earliest", "a at once", "b at once", "now"];
        for limit in [0, 1, 2, 3, 4, 5, usize::MAX] {
            let expected = &all[..limit.min(all.len())];
            assert_eq!(keys(&**store, "space", DocQuery::Due { at: at(0), limit }).await, expected);
        }
        let then = |at| DocQuery::Due { at, limit: usize::MAX };
        assert_eq!(keys(&**store, "space", then(at(0) - micro)).await, all[..3]);
        assert_eq!(keys(&**store, "space", then(at(0) + micro)).await.last().unwrap(), "later");

        write(&**store, vec![
            due("space", "earliest", at(60)),
            doc("space", "a at once", ""),
            delete("space", "now"),
        ]).await;
        assert_eq!(keys(&**store, "space", then(at(0))).await, ["b at once"]);
        assert_eq!(keys(&**store, "space", then(at(60))).await, ["b at once", "later", "earliest"]);
    }

    /// Every write of a document gets another version than all before it, also of one that was deleted in between,
    /// also in one batch.
    async fn doc_versions_never_come_back(store: &S) {
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..5 {
            let receipt = write(&**store, vec![doc("s", "k", "same"), doc("s", "k", "same"), doc("s", "l", "")]).await;
            assert_eq!(receipt.doc_versions.len(), 3);
            assert_eq!(one(&**store, "s", "k").await.unwrap().version, receipt.doc_versions[1]);
            for version in &receipt.doc_versions[..2] {
                assert!(seen.insert(*version), "round {round}: version {version} comes again");
            }
            write(&**store, vec![delete("s", "k")]).await;
        }
    }

    /// A version that is not the current one is refused, as is one of a document that is not there, and none of one
    /// that is.
    async fn doc_versions_are_expected(store: &S) {
        let version = write(&**store, vec![doc("s", "k", "first")]).await.doc_versions[0];
        let gone = write(&**store, vec![doc("s", "gone", "")]).await.doc_versions[0];
        write(&**store, vec![delete("s", "gone")]).await;
        let held = vec![expect("s", "k", Some(version)), expect("s", "gone", None), expect("t", "k", None)];
        for broken in [
            expect("s", "k", None),
            expect("s", "k", Some(version + 1)),
            expect("s", "k", Some(u64::MAX)),
            expect("s", "gone", Some(gone)),
            expect("t", "k", Some(version)),
        ] {
            let mut all = held.clone();
            all.push(broken.clone());
            let writes = vec![doc("s", "k", "second"), delete("s", "k")];
            let kind = refused(&**store, Batch { expect: all, writes, ..Batch::default() }).await;
            assert_eq!(kind, StoreErrorKind::Conflict { expectation: 3 }, "{broken:?}");
        }
        let writes = vec![doc("s", "k", "second")];
        store.commit(Batch { expect: held.clone(), writes, ..Batch::default() }).await.unwrap();
        // The same again: what it decided on is past.
        let writes = vec![doc("s", "k", "third")];
        let kind = refused(&**store, Batch { expect: held, writes, ..Batch::default() }).await;
        assert_eq!(kind, StoreErrorKind::Conflict { expectation: 0 });
        assert_eq!(one(&**store, "s", "k").await.unwrap().value, b"second");
    }

    /// A refused batch takes back documents too: put, replaced, put off and deleted.
    async fn docs_are_part_of_the_batch(store: &S) {
        write(&**store, vec![due("s", "kept", at(0)), due("s", "moved", at(0))]).await;
        let before = store.docs("s", DocQuery::Due { at: at(0), limit: 9 }).await.unwrap();
        let link = "l".into();
        let kind = refused(&**store, batch(vec![
            delete("s", "kept"),
            due("s", "moved", at(60)),
            due("s", "new", at(0)),
            put_base(&link, "one", "e"),
            put_base(&link, "two", "e"),
        ])).await;
        assert_eq!(kind, StoreErrorKind::InvalidInput);
        assert_eq!(store.docs("s", DocQuery::Due { at: at(0), limit: 9 }).await.unwrap(), before);
        assert_eq!(store.docs("s", DocQuery::Page { after: None, limit: 9 }).await.unwrap(), before);
    }

    /// Eight workers see the same due document and put it off: one may do its work.
    async fn one_of_concurrent_workers_claims_a_doc(store: &S) {
        for fresh in [true, false] {
            let version = if fresh { None } else { one(&**store, "s", "k").await.map(|doc| doc.version) };
            let tasks: Vec<_> = (0..8).map(|worker| {
                let store = Arc::clone(store);
                tokio::spawn(async move {
                    let writes = vec![doc("s", "k", &format!("worker {worker}"))];
                    let expect = vec![expect("s", "k", version)];
                    store.commit(Batch { expect, writes, ..Batch::default() }).await.map_err(|error| error.kind)
                })
            }).collect();
            let mut winners = Vec::new();
            for (worker, task) in tasks.into_iter().enumerate() {
                match task.await.unwrap() {
                    Ok(receipt) => winners.push((worker, receipt.doc_versions[0])),
                    Err(kind) => assert_eq!(kind, StoreErrorKind::Conflict { expectation: 0 }),
                }
            }
            let [(winner, version)] = winners[..] else { panic!("{} workers won", winners.len()) };
            let kept = one(&**store, "s", "k").await.unwrap();
            assert_eq!((kept.value, kept.version), (format!("worker {winner}").into_bytes(), version));
        }
    }

    /// Workers that take from one budget at the same moment get together what one alone would get, and what one is told to
    /// leave alone, all leave alone.
    async fn budgets_are_shared_by_workers(store: &S) {
        let rate = Rate { per_minute: 10, burst: 4 };
        let workers: Vec<StoreBudgets> = (0..3).map(|_| StoreBudgets::new(store.clone())).collect();
        let patience = std::time::Duration::ZERO;
        let request = |seconds| BudgetRequest { key: "a@host:443", rate, cost: 1, now: at(seconds), patience };
        let granted = |answers: Vec<Allowance>| {
            answers.iter().filter(|answer| **answer == Allowance::After(patience)).count()
        };
        let asked = futures_util::future::join_all(workers.iter().cycle().take(9).map(|worker| worker.take(request(0))));
        assert_eq!(granted(asked.await.into_iter().map(Result::unwrap).collect()), 4, "the burst, once for all");
        // Six a minute flow in: one in ten seconds, for whoever comes first.
        let mut later = Vec::new();
        for seconds in [9, 10, 10, 20, 20, 29] {
            for worker in &workers {
                later.push(worker.take(request(seconds)).await.unwrap());
            }
        }
        assert_eq!(granted(later), 2);
        workers[0].block("a@host:443", rate, at(30), std::time::Duration::from_secs(50)).await.unwrap();
        assert_eq!(
            workers[1].take(request(40)).await.unwrap(),
            Allowance::Refused(std::time::Duration::from_secs(40))
        );
        assert_eq!(workers[2].take(request(80)).await.unwrap(), Allowance::After(patience));
        // Another account has a budget of its own.
        let other = BudgetRequest { key: "b@host:443", ..request(80) };
        assert_eq!(workers[1].take(other).await.unwrap(), Allowance::After(patience));
    }
}
