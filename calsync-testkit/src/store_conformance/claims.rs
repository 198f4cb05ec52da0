//! Claiming what is due, across tenants.
//!
//! For stores that implement [`Claims`]. [`claims_conformance!`](macro@crate::claims_conformance) makes one
//! `#[tokio::test]` of each case; its argument is an async function or closure that returns what claims over a fresh
//! database, and a closure from a tenant's name to its store: `let (claims, of) = factory().await;`. The tenants are
//! [`TENANTS`].

use std::{collections::BTreeMap, sync::Arc};

use calsync_core::store::{
    Batch, Claim, ClaimRequest, Claims, Doc, DocQuery, DueDoc, Expectation, LaterQuery, Store,
    StoreErrorKind, WINDOW, Write,
};

use super::sample::{self, at};

/// The tenants the cases use.
pub const TENANTS: [&str; 4] = ["", "a", "b", "\u{e9} 'odd'"];

/// What takes the rows.
pub type Shared = Arc<dyn Store>;

/// A request for the spaces `s` and `t`, so many seconds after noon, for 10 seconds.
fn request(seconds: i64, limit: usize) -> ClaimRequest<'static> {
    let (now, until) = (at(seconds), at(seconds + 10));
    ClaimRequest { spaces: &["s", "t"], now, until, after: None, except: &[], limit }
}

async fn put(store: &Shared, space: &str, key: &str, due: i64) {
    let doc = Doc::new(space, key, format!("value of {key}")).with_due(Some(at(due)));
    store.commit(Batch { writes: vec![Write::PutDoc(doc)], ..Batch::default() }).await.unwrap();
}

fn names(claims: &[Claim]) -> Vec<(&str, &str)> {
    claims.iter().map(|claim| (claim.tenant.as_str(), claim.doc.key.as_str())).collect()
}

/// What the holder of a claim writes: the document, due at another time.
fn renewal(claim: &Claim, due: i64) -> Batch {
    let doc = &claim.doc;
    Batch {
        expect: vec![Expectation::Doc {
            space: doc.space.clone(),
            key: doc.key.clone(),
            version: Some(doc.version),
        }],
        writes: vec![Write::PutDoc(doc.clone().with_due(Some(at(due))))],
        ..Batch::default()
    }
}

/// Declares the cases: each becomes a public function, and together they become the exported macro.
macro_rules! claim_cases {
    ($dollar:tt $( $(#[$doc:meta])* async fn $name:ident($claims:ident, $of:ident) $body:block )+) => {
        $(
            $(#[$doc])*
            pub async fn $name<C: Claims + 'static>($claims: Arc<C>, $of: impl Fn(&str) -> Shared) $body
        )+

        /// Makes a test of every case about claims; see the module's text.
        #[macro_export]
        macro_rules! claims_conformance {
            ($dollar factory:expr) => {
                $(
                    #[::tokio::test]
                    async fn $name() {
                        let (claims, of) = ($dollar factory)().await;
                        $dollar crate::store_conformance::claims::$name(claims, of).await;
                    }
                )+
            };
        }
    };
}

claim_cases! {
    $

    /// What was taken is due for nobody until the claim ends; then it is due again by itself.
    async fn claimed_docs_are_due_when_the_claim_ends(claims, of) {
        put(&of("a"), "s", "k", 0).await;
        let before = of("a").docs("s", DocQuery::Keys(&["k"])).await.unwrap();
        let taken = claims.claim(request(5, 9)).await.unwrap();
        assert_eq!(names(&taken), [("a", "k")]);
        assert_eq!((taken[0].since, taken[0].doc.due), (at(0), Some(at(15))));
        assert_ne!(taken[0].doc.version, before[0].version);
        assert_eq!(of("a").docs("s", DocQuery::Keys(&["k"])).await.unwrap(), [taken[0].doc.clone()]);
        assert_eq!(names(&claims.claim(request(14, 9)).await.unwrap()), []);
        assert_eq!(claims.next_due(&["s", "t"]).await.unwrap(), Some(at(15)));
        let again = claims.claim(request(15, 9)).await.unwrap();
        assert_eq!((names(&again), again[0].since), (vec![("a", "k")], at(15)));
    }

    /// After a claim ended and somebody else claimed, the first one's writes are refused; the second one's are not.
    async fn late_claimer_is_refused(claims, of) {
        put(&of("b"), "s", "k", 0).await;
        let first = claims.claim(request(0, 9)).await.unwrap().remove(0);
        let receipt = first.store.commit(renewal(&first, 20)).await.unwrap();
        let mut renewed = first.clone();
        renewed.doc.version = receipt.doc_versions[0];
        assert_eq!(names(&claims.claim(request(19, 9)).await.unwrap()), [], "it was prolonged");
        let second = claims.claim(request(20, 9)).await.unwrap().remove(0);
        let error = renewed.store.commit(renewal(&renewed, 40)).await.expect_err("it is too late");
        assert_eq!(error.kind, StoreErrorKind::Conflict { expectation: 0 });
        second.store.commit(renewal(&second, 99)).await.unwrap();
        assert_eq!(claims.next_due(&["s"]).await.unwrap(), Some(at(99)));
    }

    /// One space after the other, and a tenant's documents by when they were due; no more than were asked for.
    async fn spaces_are_served_in_order(claims, of) {
        for (space, key, due) in [("t", "z", 0), ("s", "late", 3), ("s", "early", 2), ("t", "y", 1)] {
            put(&of("a"), space, key, due).await;
        }
        let taken = claims.claim(request(5, 3)).await.unwrap();
        assert_eq!(names(&taken), [("a", "early"), ("a", "late"), ("a", "z")]);
        assert_eq!(names(&claims.claim(request(5, 3)).await.unwrap()), [("a", "y")]);
        assert_eq!(names(&claims.claim(request(5, 0)).await.unwrap()), []);
    }

    /// Each tenant gets its first before any gets its second, whatever is older, beginning after the one served last.
    async fn tenants_take_turns(claims, of) {
        for n in 0..3 {
            put(&of("a"), "s", &format!("a{n}"), n).await;
            put(&of("b"), "s", &format!("b{n}"), 100 + n).await;
            put(&of(""), "s", &format!("n{n}"), 50 + n).await;
        }
        let turn = |after: Option<&'static str>, limit| ClaimRequest { after, ..request(200, limit) };
        assert_eq!(names(&claims.claim(turn(None, 2)).await.unwrap()), [("", "n0"), ("a", "a0")]);
        assert_eq!(names(&claims.claim(turn(Some("a"), 2)).await.unwrap()), [("b", "b0"), ("", "n1")]);
        let rest = claims.claim(turn(Some(""), 9)).await.unwrap();
        assert_eq!(names(&rest), [("a", "a1"), ("b", "b1"), ("", "n2"), ("a", "a2"), ("b", "b2")]);
    }

    /// However much of one tenant is overdue, the others get their turn, also when they come before it in the order of names.
    async fn flood_of_one_tenant_delays_no_other(claims, of) {
        let flood: Vec<Write> = (0..WINDOW + 20)
            .map(|n| Write::PutDoc(Doc::new("s", format!("k{n:03}"), "").with_due(Some(at(0)))))
            .collect();
        of("a").commit(Batch { writes: flood, ..Batch::default() }).await.unwrap();
        put(&of("b"), "s", "b0", 90).await;
        put(&of(""), "s", "n0", 91).await;
        put(&of(""), "s", "n1", 92).await;
        let turn = |after: Option<&'static str>, limit| ClaimRequest { after, ..request(100, limit) };
        assert_eq!(names(&claims.claim(turn(Some("a"), 1)).await.unwrap()), [("b", "b0")]);
        let taken = claims.claim(turn(Some("b"), 2)).await.unwrap();
        assert_eq!(names(&taken), [("", "n0"), ("a", "k000")]);
        let excepted = ClaimRequest { except: &["a"], ..turn(None, 3) };
        assert_eq!(names(&claims.claim(excepted).await.unwrap()), [("", "n1")]);
        // All of it is taken in the end, and nothing twice.
        let mut left = WINDOW + 19;
        while left > 0 {
            let taken = claims.claim(turn(None, 100)).await.unwrap();
            assert!(!taken.is_empty() && taken.iter().all(|claim| claim.tenant == "a"));
            left -= taken.len();
        }
        assert_eq!(names(&claims.claim(turn(None, 9)).await.unwrap()), []);
    }

    /// What is not due, never due, in another space, or of an excepted tenant, stays as it is.
    async fn what_is_not_due_stays(claims, of) {
        put(&of("a"), "s", "later", 61).await;
        put(&of("a"), "other", "k", 0).await;
        put(&of("b"), "s", "excepted", 0).await;
        let never = Write::PutDoc(Doc::new("s", "never", ""));
        of("a").commit(Batch { writes: vec![never], ..Batch::default() }).await.unwrap();
        let before = of("a").docs("s", DocQuery::Page { after: None, limit: 9 }).await.unwrap();
        let except = ClaimRequest { except: &["b"], ..request(60, 9) };
        assert_eq!(names(&claims.claim(except).await.unwrap()), []);
        assert_eq!(of("a").docs("s", DocQuery::Page { after: None, limit: 9 }).await.unwrap(), before);
        assert_eq!(claims.next_due(&["t"]).await.unwrap(), None);
        assert_eq!(claims.next_due(&["t", "s"]).await.unwrap(), Some(at(0)));
        let taken = claims.claim(request(60, 9)).await.unwrap();
        assert_eq!(names(&taken), [("b", "excepted")]);
    }

    /// Tenants, keys and values come back as they were written, and the store of a claim is its tenant's.
    async fn claims_round_trip(claims, of) {
        let value = vec![0, 255, b'\'', 0xC3, 10];
        for (n, tenant) in TENANTS.iter().enumerate() {
            let key = format!("k\u{fc}{n}\u{1F4C5}");
            let doc = Doc::new("t", key, value.clone()).with_due(Some(at(0)));
            of(tenant).commit(Batch { writes: vec![Write::PutDoc(doc)], ..Batch::default() }).await.unwrap();
        }
        let taken = claims.claim(request(0, 9)).await.unwrap();
        assert_eq!(taken.len(), TENANTS.len());
        for claim in &taken {
            let n = TENANTS.iter().position(|tenant| *tenant == claim.tenant).expect("a tenant of ours");
            assert_eq!(claim.doc.key, format!("k\u{fc}{n}\u{1F4C5}"));
            assert_eq!((&claim.doc.space[..], &claim.doc.value), ("t", &value));
            let keys = [claim.doc.key.as_str()];
            assert_eq!(claim.store.docs("t", DocQuery::Keys(&keys)).await.unwrap(), [claim.doc.clone()]);
        }
    }

    /// What is due is counted over all spaces and tenants, and the writes of all links where they are counted at all, up to a
    /// limit; what somebody claimed is not due.
    async fn backlog_is_counted_up_to_a_limit(claims, of) {
        let spaces = ["s", "t"];
        let nothing = claims.backlog(&spaces, at(60), 9).await.unwrap();
        assert!(nothing.due.is_none_or(|due| due == 0) && nothing.writes.is_none_or(|writes| writes == 0));
        for tenant in TENANTS {
            for (space, key, due) in [("s", "k1", 0), ("s", "then", 60), ("t", "k1", 1), ("s", "later", 61), ("u", "k1", 0)] {
                put(&of(tenant), space, key, due).await;
            }
            let writes = ["l", "m"].map(|link| sample::put_outbox(&link.into(), "o", "e")).to_vec();
            of(tenant).commit(Batch { writes, ..Batch::default() }).await.unwrap();
        }
        let count = async |limit: usize| claims.backlog(&spaces, at(60), limit).await.unwrap();
        for (limit, due, writes) in [(100, 12, 8), (12, 12, 8), (11, 11, 8), (9, 9, 8), (5, 5, 5), (1, 1, 1), (0, 0, 0)] {
            let counted = count(limit).await;
            assert!(counted.due.is_none_or(|found| found == due), "{counted:?} of {due} by {limit}");
            assert!(counted.writes.is_none_or(|found| found == writes), "{counted:?} of {writes} by {limit}");
        }
        let taken = claims.claim(ClaimRequest { until: at(90), ..request(60, 3) }).await.unwrap();
        assert_eq!(count(100).await.due, nothing.due.map(|_| 12 - taken.len()));
    }

    /// A walk in pages of any size meets all that is due later, each once, as it is; nothing that is due sooner, then, or never.
    async fn walk_meets_what_is_due_later(claims, of) {
        let mut wanted = Vec::new();
        for tenant in TENANTS {
            // The same keys, due at the same moments.
            for (key, due) in [("k1", 70), ("k2", 70), ("k\u{fc}", 300), ("k4", 61)] {
                put(&of(tenant), "s", key, due).await;
                wanted.push((tenant.to_owned(), key.to_owned(), at(due)));
            }
            put(&of(tenant), "s", "then", 60).await;
            put(&of(tenant), "s", "sooner", -5).await;
            put(&of(tenant), "other", "k1", 70).await;
            let never = Write::PutDoc(Doc::new("s", "never", ""));
            of(tenant).commit(Batch { writes: vec![never], ..Batch::default() }).await.unwrap();
        }
        wanted.sort();
        let nothing = LaterQuery { space: "t", than: at(60), after: None, limit: 9 };
        let walked = claims.due_later(nothing).await.unwrap();
        assert!(walked.docs.is_empty() && walked.next.is_none());
        for limit in [1, 3, 4, 100] {
            let (mut met, mut after, mut pages): (Vec<_>, Option<DueDoc>, usize) = (Vec::new(), None, 0);
            loop {
                let query = LaterQuery { space: "s", than: at(60), after: after.as_ref(), limit };
                let page = claims.due_later(query).await.unwrap();
                assert!(page.docs.len() <= limit);
                for found in page.docs {
                    let keys = [found.doc.key.as_str()];
                    let here = found.store.docs("s", DocQuery::Keys(&keys)).await.unwrap();
                    assert_eq!(here, [found.doc.clone()], "as it is, of its tenant");
                    met.push((found.tenant, found.doc.key, found.doc.due.unwrap()));
                }
                pages += 1;
                assert!(pages < 99, "it comes to an end");
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            met.sort();
            assert_eq!(met, wanted, "in pages of {limit}");
        }
        assert_eq!(names(&claims.claim(request(60, 99)).await.unwrap()).len(), 2 * TENANTS.len(), "nothing was taken");
    }

    /// Eight workers claim at once, again and again: each document goes to one of them.
    async fn one_of_concurrent_workers_claims(claims, of) {
        for tenant in ["a", "b", ""] {
            for n in 0..20 {
                put(&of(tenant), "s", &format!("k{n:02}"), 0).await;
            }
        }
        let workers: Vec<_> = (0..8).map(|_| {
            let claims = Arc::clone(&claims);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                let mut idle = 0;
                while idle < 20 {
                    let taken = claims.claim(request(0, 4)).await.unwrap();
                    idle = if taken.is_empty() { idle + 1 } else { 0 };
                    mine.extend(taken.into_iter().map(|claim| (claim.tenant, claim.doc.key)));
                    tokio::task::yield_now().await;
                }
                mine
            })
        }).collect();
        let mut taken: BTreeMap<(String, String), usize> = BTreeMap::new();
        for worker in workers {
            for name in worker.await.unwrap() {
                *taken.entry(name).or_default() += 1;
            }
        }
        assert_eq!(taken.len(), 60, "none is left");
        assert!(taken.values().all(|times| *times == 1), "none is taken twice: {taken:?}");
    }
}
